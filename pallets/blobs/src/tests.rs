//! Tests of pallet-blobs: what the host is told, when, and what it costs.

use crate::{
	mock::*, BlobInfo, Blobs, Call, CheckArchive, Error, Event, HoldReason, Pallet, TopLevel,
};
use codec::{Decode, Encode};
use frame_support::{
	assert_noop, assert_ok,
	dispatch::GetDispatchInfo,
	traits::{fungible::InspectHold, fungible::MutateHold, Hooks},
	weights::Weight,
};
use frame_system::RawOrigin;
use llmchain_primitives::{
	data::MAX_BLOB_SIZE, traits::BlobArchive, AccountId, Balance, Hash, Signature,
};
use proptest::prelude::*;
use sp_runtime::{
	generic::UncheckedExtrinsic,
	traits::{
		BlakeTwo256, DispatchTransaction, Dispatchable, Hash as _, TransactionExtension,
		TxBaseImplication,
	},
	transaction_validity::{
		InvalidTransaction, TransactionSource, TransactionValidityError, ValidTransaction,
	},
	DispatchError, MultiAddress, TokenError,
};

type UtilityCall = pallet_utility::Call<Test>;

fn archive(data: &[u8]) -> RuntimeCall {
	Call::archive {
		data: data.to_vec(),
	}
	.into()
}

fn hash(data: &[u8]) -> Hash {
	BlakeTwo256::hash(data)
}

fn on_hold(who: &AccountId) -> Balance {
	Balances::balance_on_hold(&HoldReason::BlobDeposit.into(), who)
}

/// What the host was told to keep, in its own words: its type is not ours to name.
fn told(ext: &sp_io::TestExternalities) -> String {
	format!("{:?}", ext.overlayed_changes().transaction_index_ops())
}

const NOTHING: &str = "[]";

#[test]
fn archives_and_tells_the_host_once() {
	let mut ext = new_test_ext();
	let data = b"a tokenizer";
	ext.execute_with(|| {
		assert_eq!(apply(3, account(1), archive(data)), Ok(Ok(())));
		let size = data.len() as u32;
		let deposit = DEPOSIT_BASE + DEPOSIT_PER_BYTE * Balance::from(size);
		assert_eq!(
			Blobs::<Test>::get(hash(data)),
			Some(BlobInfo {
				owner: account(1),
				size,
				archived: 1,
				deposit
			})
		);
		assert_eq!(Pallet::<Test>::archived_size(&hash(data)), Some(size));
		assert_eq!(Pallet::<Test>::archived_size(&hash(b"other")), None);
		assert_eq!(on_hold(&account(1)), deposit);
		System::assert_last_event(
			Event::Archived {
				hash: hash(data),
				size,
				owner: account(1),
			}
			.into(),
		);
	});
	assert_eq!(
		told(&ext),
		format!(
			"[Insert {{ extrinsic: 3, hash: {:?}, size: {} }}]",
			hash(data).as_bytes(),
			data.len()
		)
	);
}

#[test]
fn takes_one_byte_and_the_largest_blob() {
	new_test_ext().execute_with(|| {
		assert_eq!(apply(0, account(1), archive(&[0])), Ok(Ok(())));
		let largest = vec![1; MAX_BLOB_SIZE as usize];
		assert_eq!(apply(1, account(1), archive(&largest)), Ok(Ok(())));
	});
}

/// Ways to hide an `archive` that a signed account has.
fn wrapped(data: &[u8]) -> Vec<(&'static str, RuntimeCall)> {
	let batch = |calls| RuntimeCall::from(UtilityCall::batch { calls });
	let derived = |call: RuntimeCall| {
		RuntimeCall::from(UtilityCall::as_derivative {
			index: 0,
			call: call.into(),
		})
	};
	vec![
		("batch", batch(vec![archive(data)])),
		(
			"batch_all",
			UtilityCall::batch_all {
				calls: vec![archive(data)],
			}
			.into(),
		),
		(
			"force_batch",
			UtilityCall::force_batch {
				calls: vec![archive(data)],
			}
			.into(),
		),
		("as_derivative", derived(archive(data))),
		(
			"if_else",
			UtilityCall::if_else {
				main: archive(data).into(),
				fallback: archive(data).into(),
			}
			.into(),
		),
		(
			"batch in as_derivative",
			derived(batch(vec![archive(data)])),
		),
		(
			"batch in batch in batch",
			batch(vec![batch(vec![batch(vec![archive(data)])])]),
		),
	]
}

#[test]
fn refuses_every_wrapper_and_tells_the_host_nothing() {
	for (name, call) in wrapped(b"hidden") {
		let mut ext = new_test_ext();
		ext.execute_with(|| {
			// The derived account could pay: only the wrapper is in the way.
			let derived = pallet_utility::derivative_account_id(account(1), 0);
			assert_ok!(Balances::force_set_balance(
				RuntimeOrigin::root(),
				account(4),
				0
			));
			assert_ok!(Balances::force_set_balance(
				RuntimeOrigin::root(),
				derived,
				ENDOWMENT
			));
			System::reset_events();
			let result = apply(2, account(1), call).unwrap();
			// A wrapper either fails with the reason or, where it goes on by design, says it in an event.
			if result != Err(Error::<Test>::NotTopLevel.into()) {
				let events = format!("{:?}", System::events());
				let recorded = DispatchError::from(Error::<Test>::NotTopLevel).encode();
				let recorded = DispatchError::decode(&mut &recorded[..]).unwrap();
				let reason = format!("{recorded:?}");
				assert!(events.contains(&reason), "{name}: {result:?} {events}");
			}
			assert_eq!(Blobs::<Test>::iter().count(), 0, "{name}");
			assert_eq!(on_hold(&account(1)), 0, "{name}");
		});
		assert_eq!(told(&ext), NOTHING, "{name}");
	}
}

#[test]
fn refuses_wrappers_of_root_and_of_hooks() {
	let signed = || Box::new(OriginCaller::system(RawOrigin::Signed(account(1))));
	let calls = [
		UtilityCall::dispatch_as_fallible {
			as_origin: signed(),
			call: archive(b"hidden").into(),
		},
		UtilityCall::with_weight {
			call: Box::new(
				UtilityCall::dispatch_as_fallible {
					as_origin: signed(),
					call: archive(b"hidden").into(),
				}
				.into(),
			),
			weight: Weight::zero(),
		},
	];
	for call in calls {
		let mut ext = new_test_ext();
		ext.execute_with(|| {
			System::set_extrinsic_index(0);
			let error = RuntimeCall::from(call)
				.dispatch(RuntimeOrigin::root())
				.unwrap_err()
				.error;
			assert_eq!(error, Error::<Test>::NotTopLevel.into());
		});
		assert_eq!(told(&ext), NOTHING);
	}

	let mut ext = new_test_ext();
	ext.execute_with(|| {
		System::set_extrinsic_index(0);
		let call = UtilityCall::dispatch_as {
			as_origin: signed(),
			call: archive(b"hidden").into(),
		};
		assert_ok!(RuntimeCall::from(call).dispatch(RuntimeOrigin::root()));
		System::assert_last_event(
			pallet_utility::Event::DispatchedAs {
				result: Err(Error::<Test>::NotTopLevel.into()),
			}
			.into(),
		);
		// A hook dispatches with no extension before it, and root cannot archive at all.
		assert_noop!(
			Pallet::<Test>::archive(RuntimeOrigin::signed(account(1)), vec![1]),
			Error::<Test>::NotTopLevel
		);
		assert_noop!(
			Pallet::<Test>::archive(RuntimeOrigin::root(), vec![1]),
			DispatchError::BadOrigin
		);
		assert_eq!(Blobs::<Test>::iter().count(), 0);
	});
	assert_eq!(told(&ext), NOTHING);
}

#[test]
fn a_mark_serves_its_own_extrinsic_only() {
	let mut ext = new_test_ext();
	ext.execute_with(|| {
		// Were a mark ever left over, the next extrinsic could not use it.
		TopLevel::<Test>::put(4);
		System::set_extrinsic_index(5);
		let call = RuntimeCall::from(UtilityCall::batch_all {
			calls: vec![archive(b"hidden")],
		});
		let error = call
			.dispatch(RuntimeOrigin::signed(account(1)))
			.unwrap_err()
			.error;
		assert_eq!(error, Error::<Test>::NotTopLevel.into());

		// Nor is there an extrinsic once all are applied.
		TopLevel::<Test>::put(5);
		System::note_finished_extrinsics();
		assert_noop!(
			Pallet::<Test>::archive(RuntimeOrigin::signed(account(1)), vec![1]),
			Error::<Test>::NotTopLevel
		);

		// And the end of the block removes it.
		TopLevel::<Test>::put(5);
		<Pallet<Test> as Hooks<u32>>::on_finalize(1);
		assert_eq!(TopLevel::<Test>::get(), None);
		assert_eq!(
			<Pallet<Test> as Hooks<u32>>::on_initialize(2),
			<() as crate::WeightInfo>::on_finalize()
		);
	});
	assert_eq!(told(&ext), NOTHING);
}

#[test]
fn a_failing_archive_leaves_nothing() {
	let mut ext = new_test_ext();
	ext.execute_with(|| {
		// Account 9 has no money for the deposit.
		assert_eq!(
			apply(0, account(9), archive(b"unpaid")),
			Ok(Err(TokenError::FundsUnavailable.into()))
		);
		// `apply` has checked that the mark is gone; this shows that the failed call had given it back.
		System::set_extrinsic_index(1);
		TopLevel::<Test>::put(1);
		assert!(archive(b"unpaid")
			.dispatch(RuntimeOrigin::signed(account(9)))
			.is_err());
		assert_eq!(TopLevel::<Test>::take(), Some(1));

		Filtered::set(true);
		assert_eq!(
			apply(2, account(1), archive(b"filtered")),
			Ok(Err(frame_system::Error::<Test>::CallFiltered.into()))
		);
		Filtered::set(false);
		assert_eq!(Blobs::<Test>::iter().count(), 0);
		// The next one is not hindered.
		assert_eq!(apply(3, account(1), archive(b"paid")), Ok(Ok(())));
	});
	assert!(told(&ext).starts_with("[Insert { extrinsic: 3,"));
	assert_eq!(told(&ext).matches("Insert").count(), 1);
}

#[test]
fn hopeless_archives_are_invalid_before_they_reach_a_block() {
	let mut ext = new_test_ext();
	ext.execute_with(|| {
		let invalid = |code| Err(InvalidTransaction::Custom(code).into());
		assert_eq!(apply(0, account(1), archive(b"")), invalid(101));
		let large = vec![0; MAX_BLOB_SIZE as usize + 1];
		assert_eq!(apply(0, account(1), archive(&large)), invalid(102));
		assert_eq!(apply(0, account(1), archive(b"once")), Ok(Ok(())));
		assert_eq!(apply(1, account(2), archive(b"once")), invalid(103));

		// The call itself checks the same, should a runtime forget the extension's validation.
		for (data, error) in [
			(Vec::new(), Error::<Test>::EmptyBlob),
			(large, Error::<Test>::BlobTooLarge),
			(b"once".to_vec(), Error::<Test>::AlreadyArchived),
		] {
			System::set_extrinsic_index(2);
			TopLevel::<Test>::put(2);
			assert_noop!(
				Pallet::<Test>::archive(RuntimeOrigin::signed(account(1)), data),
				error
			);
			TopLevel::<Test>::kill();
		}
	});
	assert_eq!(told(&ext).matches("Insert").count(), 1);
}

#[test]
fn nobody_archives_without_a_signature() {
	new_test_ext().execute_with(|| {
		System::set_extrinsic_index(0);
		let call = archive(b"unsigned");
		let info = call.get_dispatch_info();
		let bad_signer = TransactionValidityError::from(InvalidTransaction::BadSigner);
		let extension = CheckArchive::<Test>::new();
		for origin in [RuntimeOrigin::none(), RuntimeOrigin::root()] {
			let result =
				extension.validate_only(origin, &call, &info, 0, TransactionSource::External, 0);
			assert_eq!(result.map(|_| ()), Err(bad_signer));
		}
		assert_eq!(
			CheckArchive::<Test>::bare_validate(&call, &info, 0),
			Err(bad_signer)
		);
		assert_eq!(
			CheckArchive::<Test>::bare_validate_and_prepare(&call, &info, 0),
			Err(bad_signer)
		);
		let other = RuntimeCall::from(frame_system::Call::remark { remark: vec![] });
		let info = other.get_dispatch_info();
		assert_eq!(
			CheckArchive::<Test>::bare_validate(&other, &info, 0),
			Ok(ValidTransaction::default())
		);
		assert_ok!(CheckArchive::<Test>::bare_validate_and_prepare(
			&other, &info, 0
		));
		assert_eq!(TopLevel::<Test>::get(), None);
	});
}

#[test]
fn validation_marks_nothing_and_lets_one_copy_wait() {
	new_test_ext().execute_with(|| {
		let validate = |who, call: &RuntimeCall| {
			let info = call.get_dispatch_info();
			CheckArchive::<Test>::new()
				.validate(
					RuntimeOrigin::signed(who),
					call,
					&info,
					0,
					(),
					&TxBaseImplication(call),
					TransactionSource::External,
				)
				.unwrap()
				.0
		};
		let first = validate(account(1), &archive(b"same"));
		assert_eq!(first.provides.len(), 1);
		assert_eq!(
			first.provides,
			validate(account(2), &archive(b"same")).provides
		);
		assert_ne!(
			first.provides,
			validate(account(2), &archive(b"else")).provides
		);
		assert_eq!(TopLevel::<Test>::get(), None);
		// Other calls, wrappers among them, are none of the extension's business.
		for (_, call) in wrapped(b"hidden") {
			assert_eq!(validate(account(1), &call), ValidTransaction::default());
			assert_eq!(CheckArchive::<Test>::new().weight(&call), Weight::zero());
		}
		assert!(CheckArchive::<Test>::new()
			.weight(&archive(b"same"))
			.all_gte(<() as crate::WeightInfo>::check_archive(4)));
	});
}

#[test]
fn the_extension_has_no_bytes() {
	let extension = CheckArchive::<Test>::new();
	assert!(extension.encode().is_empty());
	new_test_ext().execute_with(|| {
		let extension = CheckArchive::<Test>::new();
		assert_eq!(
			TransactionExtension::<RuntimeCall>::implicit(&extension),
			Ok(())
		);
	});
	let metadata = <CheckArchive<Test> as TransactionExtension<RuntimeCall>>::metadata();
	assert_eq!(metadata[0].identifier, "CheckArchive");
}

#[test]
fn the_blob_is_the_tail_of_the_extrinsic() {
	type Extrinsic = UncheckedExtrinsic<
		MultiAddress<AccountId, ()>,
		RuntimeCall,
		Signature,
		(frame_system::CheckNonce<Test>, CheckArchive<Test>),
	>;
	let extensions = || {
		(
			frame_system::CheckNonce::from(7),
			CheckArchive::<Test>::new(),
		)
	};
	for size in [1, 63, 64, 1 << 14, MAX_BLOB_SIZE as usize] {
		let data: Vec<u8> = (0..size).map(|i| (i % 251) as u8).collect();
		let signature = Signature::Sr25519([9; 64].into());
		let signed =
			Extrinsic::new_signed(archive(&data), account(1).into(), signature, extensions());
		let general = Extrinsic::new_transaction(archive(&data), extensions());
		for bytes in [signed.encode(), general.encode()] {
			assert!(bytes.ends_with(&data), "{size}");
		}
	}
}

#[test]
fn an_entry_ends_after_its_retention_and_may_begin_anew() {
	new_test_ext().execute_with(|| {
		let data = b"shard";
		let expire = || Call::<Test>::expire { hash: hash(data) };
		assert_eq!(
			apply(0, account(2), expire()),
			Ok(Err(Error::<Test>::UnknownBlob.into()))
		);
		assert_eq!(apply(1, account(1), archive(data)), Ok(Ok(())));
		let deposit = on_hold(&account(1));

		System::set_block_number(RETENTION);
		assert_eq!(
			apply(0, account(2), expire()),
			Ok(Err(Error::<Test>::StillRetained.into()))
		);
		System::set_block_number(RETENTION + 1);
		assert_eq!(apply(0, account(2), expire()), Ok(Ok(())));
		System::assert_last_event(
			Event::Expired {
				hash: hash(data),
				owner: account(1),
				deposit,
			}
			.into(),
		);
		assert_eq!(on_hold(&account(1)), 0);
		assert_eq!(Balances::free_balance(account(1)), ENDOWMENT);
		assert_eq!(Pallet::<Test>::archived_size(&hash(data)), None);

		assert_eq!(apply(1, account(3), archive(data)), Ok(Ok(())));
		assert_eq!(on_hold(&account(3)), deposit);
	});
}

#[test]
fn try_state_notices_what_is_wrong() {
	let notices = |expected: &str, corrupt: &dyn Fn()| {
		new_test_ext().execute_with(|| {
			assert_eq!(apply(0, account(1), archive(b"blob")), Ok(Ok(())));
			corrupt();
			let found = format!("{:?}", Pallet::<Test>::do_try_state());
			assert!(found.contains(expected), "{expected}: {found}");
		});
	};
	let change = |change: fn(&mut BlobInfo<AccountId, Balance, u32>)| {
		Blobs::<Test>::mutate(hash(b"blob"), |blob| change(blob.as_mut().unwrap()))
	};
	notices("mark", &|| TopLevel::<Test>::put(0));
	notices("impossible size", &|| change(|blob| blob.size = 0));
	notices("impossible size", &|| {
		change(|blob| blob.size = MAX_BLOB_SIZE + 1)
	});
	notices("later block", &|| change(|blob| blob.archived = 2));
	notices("hold differs", &|| change(|blob| blob.deposit -= 1));
	notices("hold differs", &|| change(|blob| blob.owner = account(2)));
	notices("hold differs", &|| Blobs::<Test>::remove(hash(b"blob")));
	notices("hold differs", &|| {
		let reason = HoldReason::BlobDeposit.into();
		assert_ok!(Balances::hold(&reason, &account(2), 5));
	});
	notices("no account", &|| {
		let mut blob = Blobs::<Test>::get(hash(b"blob")).unwrap();
		blob.owner = account(9);
		Blobs::<Test>::insert(hash(b"other"), blob);
	});
}

#[test]
fn error_indices_are_frozen() {
	use Error::*;
	let errors: [Error<Test>; 6] = [
		EmptyBlob,
		BlobTooLarge,
		AlreadyArchived,
		NotTopLevel,
		UnknownBlob,
		StillRetained,
	];
	for (index, error) in errors.iter().enumerate() {
		assert_eq!(error.encode(), [index as u8]);
	}
	assert_eq!(HoldReason::BlobDeposit.encode(), [0]);
}

/// A step of a random history.
#[derive(Clone, Debug)]
enum Step {
	Archive(u8, u8),
	Wrapped(u8, u8),
	Expire(u8, u8),
	Wait(u32),
}

fn step() -> impl Strategy<Value = Step> {
	prop_oneof![
		(1..6u8, 0..8u8).prop_map(|(who, blob)| Step::Archive(who, blob)),
		(1..5u8, 0..8u8).prop_map(|(who, blob)| Step::Wrapped(who, blob)),
		(1..5u8, 0..8u8).prop_map(|(who, blob)| Step::Expire(who, blob)),
		(1..RETENTION).prop_map(Step::Wait),
	]
}

proptest! {
	#![proptest_config(ProptestConfig::with_cases(64))]

	/// Whatever is tried: the host hears of each successful archive exactly once, and money stays accounted for.
	#[test]
	fn the_host_hears_of_successes_only(steps in prop::collection::vec(step(), 1..40)) {
		let mut ext = new_test_ext();
		let successes = ext.execute_with(|| {
			let mut successes = 0;
			for (index, step) in steps.into_iter().enumerate() {
				let blob = |number: u8| vec![number; usize::from(number) * 40];
				// `apply` checks state and issuance after each.
				match step {
					Step::Archive(who, number) => {
						let result = apply(index as u32, account(who), archive(&blob(number)));
						successes += usize::from(result == Ok(Ok(())));
					}
					Step::Wrapped(who, number) => {
						for (_, call) in wrapped(&blob(number)) {
							let _ = apply(index as u32, account(who), call);
						}
					}
					Step::Expire(who, number) => {
						let call = Call::<Test>::expire { hash: hash(&blob(number)) };
						let _ = apply(index as u32, account(who), call);
					}
					Step::Wait(blocks) => System::set_block_number(System::block_number() + blocks),
				}
			}
			successes
		});
		prop_assert_eq!(told(&ext).matches("Insert").count(), successes);
	}
}
