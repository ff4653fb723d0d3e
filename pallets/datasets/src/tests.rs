//! Tests of pallet-datasets: what is published, what is refused and why.

use crate::{manifest::chunks, mock::*, Dataset, Datasets, Error, Event, HoldReason, Pallet};
use codec::{Encode, MaxEncodedLen};
use frame_support::{
	assert_noop, assert_ok,
	traits::fungible::{InspectHold, MutateHold},
};
use llmchain_primitives::{
	data::{
		DatasetLicence, DatasetManifest, Note, Shard, Shards, Title, MAX_BLOB_SIZE, MAX_CHUNKS,
		MAX_SHARDS,
	},
	text::BoundedText,
	traits::DatasetRegistry,
	AccountId, Balance, DatasetId, Hash,
};
use proptest::prelude::*;
use sp_runtime::{DispatchError, TokenError};

const MIB: u32 = MAX_BLOB_SIZE;

fn on_hold(who: &AccountId) -> Balance {
	Balances::balance_on_hold(&HoldReason::DatasetDeposit.into(), who)
}

fn sample() -> DatasetManifest {
	manifest(vec![
		shard("Li Bai", &[MIB, MIB, 5]),
		shard("Du Fu", &[1]),
		shard("Wang Wei", &[MIB]),
		shard("held out", &[99]),
	])
}

#[test]
fn publishes_what_is_archived() {
	new_test_ext().execute_with(|| {
		let manifest = sample();
		assert_ok!(publish(account(1), manifest.clone()));
		let deposit = DEPOSIT_BASE + 4 * DEPOSIT_PER_SHARD;
		assert_eq!(on_hold(&account(1)), deposit);
		assert_eq!(
			Datasets::<Test>::get(manifest.id()),
			Some(Dataset {
				owner: account(1),
				manifest: manifest.clone(),
				deposit,
				published: 1
			})
		);
		System::assert_last_event(
			Event::Published {
				dataset: manifest.id(),
				owner: account(1),
				title: manifest.title.clone(),
			}
			.into(),
		);
		assert_eq!(
			<Pallet<Test> as DatasetRegistry>::shards(&manifest.id()),
			Some(Shards {
				training: manifest.shards.to_vec(),
				held_out: manifest.held_out.clone(),
			})
		);
		assert_eq!(Pallet::<Test>::manifest(&manifest.id()), Some(manifest));
		assert_eq!(Pallet::<Test>::manifest(&DatasetId::zero()), None);
		assert_eq!(
			<Pallet<Test> as DatasetRegistry>::shards(&DatasetId::zero()),
			None
		);
	});
}

#[test]
fn publishes_a_manifest_once_whoever_sends_it() {
	new_test_ext().execute_with(|| {
		let manifest = sample();
		assert_ok!(publish(account(1), manifest.clone()));
		for number in [1, 2] {
			assert_eq!(
				publish(account(number), manifest.clone()),
				Err(Error::<Test>::AlreadyPublished.into())
			);
		}
		// Other words about the same text are another dataset.
		let other = DatasetManifest {
			preprocessing: 2,
			..manifest
		};
		assert_ok!(publish(account(2), other));
	});
}

#[test]
fn needs_title_licence_source_preprocessing_and_shards() {
	new_test_ext().execute_with(|| {
		let good = sample();
		let cases: [(DatasetManifest, Error<Test>); 5] = [
			(
				DatasetManifest {
					title: Title::default(),
					..good.clone()
				},
				Error::EmptyTitle,
			),
			(
				DatasetManifest {
					licence: DatasetLicence::Spdx(BoundedText::default()),
					..good.clone()
				},
				Error::EmptyLicence,
			),
			(
				DatasetManifest {
					source: Note::default(),
					..good.clone()
				},
				Error::EmptySource,
			),
			(
				DatasetManifest {
					preprocessing: 0,
					..good.clone()
				},
				Error::NoPreprocessing,
			),
			(
				DatasetManifest {
					shards: Default::default(),
					..good
				},
				Error::NoShards,
			),
		];
		for (manifest, error) in cases {
			assert_eq!(publish(account(1), manifest), Err(error.into()));
		}
	});
}

#[test]
fn refuses_shards_that_are_empty_or_repeated() {
	new_test_ext().execute_with(|| {
		let refused = |shards: Vec<Shard>, error: Error<Test>| {
			assert_eq!(publish(account(1), manifest(shards)), Err(error.into()));
		};
		let [a, b] = [shard("a", &[MIB, 3]), shard("b", &[4])];
		let empty = |change: fn(&mut Shard)| {
			let mut shard = b.clone();
			change(&mut shard);
			shard
		};
		for bad in [
			empty(|shard| shard.size = 0),
			empty(|shard| shard.documents = 0),
			empty(|shard| shard.chunks = Default::default()),
		] {
			refused(vec![a.clone(), bad.clone()], Error::EmptyShard { shard: 1 });
			refused(vec![bad, a.clone()], Error::EmptyShard { shard: 0 });
		}

		// Under another number of documents it is still the same text, held out or not.
		let mut again = a.clone();
		again.documents += 1;
		refused(
			vec![a.clone(), b.clone(), again.clone()],
			Error::DuplicateShard { shard: 2 },
		);
		refused(
			vec![a.clone(), again, b.clone()],
			Error::DuplicateShard { shard: 1 },
		);

		// So is a piece of it.
		let mut piece = a.clone();
		piece.size = MIB;
		piece.chunks.truncate(1);
		refused(
			vec![b.clone(), a.clone(), piece],
			Error::DuplicateChunk { shard: 2, chunk: 0 },
		);
		let mut twice = a.clone();
		twice.size = 2 * MIB;
		twice.chunks[1] = twice.chunks[0];
		refused(vec![b, twice], Error::DuplicateChunk { shard: 1, chunk: 1 });
	});
}

#[test]
fn refuses_chunks_that_are_missing_or_of_the_wrong_size() {
	new_test_ext().execute_with(|| {
		let refused = |bad: Shard, error: Error<Test>| {
			let shards = vec![shard("good", &[8]), bad];
			assert_eq!(publish(account(1), manifest(shards)), Err(error.into()));
		};
		let mut unknown = shard("c", &[MIB, 3]);
		unknown.chunks[1] = Hash::repeat_byte(1);
		refused(unknown, Error::ChunkNotArchived { shard: 1, chunk: 1 });

		let mismatch = || Error::ShardSizeMismatch { shard: 1 };
		// A chunk before the last is short, or the last is empty.
		refused(shard("d", &[MIB - 1, MIB, 5]), mismatch());
		refused(shard("e", &[MIB - 1, 5]), mismatch());
		refused(shard("f", &[MIB, 0]), mismatch());
		// The claimed size is too small or too large, by a byte or by a chunk.
		for (change, name) in [(-1i64, "g"), (1, "h"), (-3, "i"), (MIB as i64, "j")] {
			let mut shard = shard(name, &[MIB, 3]);
			shard.size = (i64::from(shard.size) + change) as u32;
			refused(shard, mismatch());
		}
	});
}

#[test]
fn costs_a_deposit() {
	new_test_ext().execute_with(|| {
		assert_eq!(
			publish(account(9), sample()),
			Err(TokenError::FundsUnavailable.into())
		);
		assert_noop!(
			Pallet::<Test>::publish(
				RuntimeOrigin::root(),
				sample().title,
				sample().licence,
				sample().source,
				1,
				sample().shards,
				sample().held_out,
			),
			DispatchError::BadOrigin
		);
	});
}

#[test]
fn takes_the_largest_manifest() {
	new_test_ext().execute_with(|| {
		let sizes = [MIB; MAX_CHUNKS as usize];
		let shards: Vec<Shard> = (0..=MAX_SHARDS)
			.map(|number| shard(&number.to_string(), &sizes))
			.collect();
		let manifest = manifest(shards);
		assert_eq!(
			chunks(&manifest.shards, &manifest.held_out),
			(MAX_SHARDS + 1) * MAX_CHUNKS
		);
		assert_ok!(publish(account(1), manifest));
		assert!(Dataset::<AccountId, Balance, u32>::max_encoded_len() < 140_000);
	});
}

#[test]
fn try_state_notices_what_is_wrong() {
	type Entry = Dataset<AccountId, Balance, u32>;
	let notices = |expected: &str, corrupt: &dyn Fn(DatasetId)| {
		new_test_ext().execute_with(|| {
			let manifest = sample();
			assert_ok!(publish(account(1), manifest.clone()));
			corrupt(manifest.id());
			let found = format!("{:?}", Pallet::<Test>::do_try_state());
			assert!(found.contains(expected), "{expected}: {found}");
		});
	};
	let change = |id: DatasetId, change: fn(&mut Entry)| {
		Datasets::<Test>::mutate(id, |dataset| change(dataset.as_mut().unwrap()))
	};
	notices("not the one that was published", &|id| {
		change(id, |dataset| dataset.manifest.preprocessing = 2)
	});
	notices("has a flaw", &|id| {
		let mut dataset = Datasets::<Test>::take(id).unwrap();
		dataset.manifest.held_out = dataset.manifest.shards[0].clone();
		Datasets::<Test>::insert(dataset.manifest.id(), dataset);
	});
	notices("later block", &|id| {
		change(id, |dataset| dataset.published = 2)
	});
	notices("hold differs", &|id| {
		change(id, |dataset| dataset.deposit += 1)
	});
	notices("hold differs", &|id| {
		change(id, |dataset| dataset.owner = account(2))
	});
	notices("hold differs", &|id| Datasets::<Test>::remove(id));
	notices("hold differs", &|_| {
		let reason = HoldReason::DatasetDeposit.into();
		assert_ok!(Balances::hold(&reason, &account(2), 5));
	});
	notices("no account", &|id| {
		let mut dataset = Datasets::<Test>::get(id).unwrap();
		dataset.owner = account(9);
		dataset.manifest.preprocessing = 2;
		Datasets::<Test>::insert(dataset.manifest.id(), dataset);
	});
}

#[test]
fn error_indices_are_frozen() {
	let errors: [(Error<Test>, &[u8]); 11] = [
		(Error::EmptyTitle, &[0]),
		(Error::EmptyLicence, &[1]),
		(Error::EmptySource, &[2]),
		(Error::NoPreprocessing, &[3]),
		(Error::NoShards, &[4]),
		(Error::EmptyShard { shard: 8 }, &[5, 8]),
		(Error::ShardSizeMismatch { shard: 8 }, &[6, 8]),
		(Error::DuplicateShard { shard: 8 }, &[7, 8]),
		(Error::DuplicateChunk { shard: 8, chunk: 9 }, &[8, 8, 9]),
		(Error::ChunkNotArchived { shard: 8, chunk: 9 }, &[9, 8, 9]),
		(Error::AlreadyPublished, &[10]),
	];
	for (error, encoding) in errors {
		assert_eq!(error.encode(), encoding);
	}
	assert_eq!(HoldReason::DatasetDeposit.encode(), [0]);
}

proptest! {
	#![proptest_config(ProptestConfig::with_cases(64))]

	/// A shard is taken exactly when its size is that of its archived chunks and only the last one is short.
	#[test]
	fn sizes_are_taken_exactly_when_they_fit(
		full in 0usize..4,
		last in 1u32..=MIB,
		claimed_difference in -2i64..=2,
		shortened in prop::option::of(0usize..4),
	) {
		new_test_ext().execute_with(|| {
			let mut sizes = vec![MIB; full];
			sizes.push(last);
			let mut shard = shard("random", &sizes);
			let mut fits = claimed_difference == 0;
			shard.size = (i64::from(shard.size) + claimed_difference).max(0) as u32;
			if let Some(place) = shortened.filter(|place| *place < sizes.len()) {
				archive(shard.chunks[place], sizes[place] - 1);
				fits = false;
				// The sum alone may fit again: that must not be enough.
				if claimed_difference == -1 {
					fits = place + 1 == sizes.len() && last > 1;
				}
			}
			let shards = vec![crate::mock::shard("held out", &[2]), shard];
			prop_assert_eq!(publish(account(1), manifest(shards)).is_ok(), fits);
			Ok(())
		})?;
	}
}
