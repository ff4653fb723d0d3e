//! Tests of pallet-models: creation, lineage, and what the registry refuses.

use crate::{
	mock::*, model_id, Error, Event, HoldReason, Model, Models as ModelsMap, Pallet, VersionOf,
	Versions, MAX_LINEAGE,
};
use codec::Encode;
use frame_support::{
	assert_noop, assert_ok,
	traits::fungible::{InspectHold, MutateHold},
};
use llmchain_primitives::{
	model::{version_id, Architecture, Contribution, ModelName, Origin, MAX_CONTRIBUTORS},
	runtime_api::ModelView,
	traits::{ModelFacts, ModelRegistry, SettledRound, VersionFacts},
	AccountId, Balance, Hash, ModelId, VersionId, NUMERIC_SPEC,
};
use proptest::prelude::*;
use sp_runtime::{ArithmeticError, DispatchError, TokenError};

fn on_hold(who: &AccountId) -> Balance {
	Balances::balance_on_hold(&HoldReason::ModelDeposit.into(), who)
}

fn contribution(number: u8, examples: u64) -> Contribution<AccountId> {
	Contribution {
		account: account(number),
		examples,
	}
}

fn name(text: &str) -> ModelName {
	ModelName::try_from(text).unwrap()
}

#[test]
fn creates_a_model_with_its_version_0() {
	new_test_ext().execute_with(|| {
		let (model, first) = created();
		let origin = Origin::Seed(SEED);
		assert_eq!(first, version_id(&model, &[], &origin, &roots(0)));
		assert_eq!(on_hold(&account(1)), DEPOSIT);
		let events: Vec<_> = System::events()
			.into_iter()
			.filter_map(|record| match record.event {
				RuntimeEvent::Models(event) => Some(event),
				_ => None,
			})
			.collect();
		assert_eq!(
			events,
			[
				Event::Created {
					model,
					owner: account(1),
					name: name("Quatrain"),
					version: first
				},
				Event::VersionRegistered {
					model,
					version: first,
					number: 0,
					evaluation: None
				},
			]
		);
		assert_eq!(
			Pallet::<Test>::model_view(&model),
			Some(ModelView {
				owner: account(1),
				name: name("Quatrain"),
				architecture: ARCHITECTURE,
				tokenizer: TOKENIZER,
				first,
				latest: first,
				versions: 1,
			})
		);
		assert_eq!(
			<Models as ModelRegistry>::model(&model),
			Some(ModelFacts {
				architecture: ARCHITECTURE,
				tokenizer: TOKENIZER,
				numeric_spec: NUMERIC_SPEC,
				latest: first,
			})
		);
		assert_eq!(
			<Models as ModelRegistry>::version(&first),
			Some(VersionFacts {
				model,
				roots: roots(0),
				origin,
				tokenizer: TOKENIZER,
				numeric_spec: NUMERIC_SPEC,
			})
		);
		assert_eq!(
			<Models as ModelRegistry>::contributors(&first),
			Some(Default::default())
		);
	});
}

#[test]
fn a_model_is_created_once_and_nobody_takes_anothers_identity() {
	new_test_ext().execute_with(|| {
		let (model, _) = created();
		assert_eq!(
			create(account(1), "Quatrain", SEED),
			Err(Error::<Test>::ModelExists.into())
		);
		// Same words by another account, and other words or another seed, are other models.
		assert_ok!(create(account(2), "Quatrain", SEED));
		assert_ok!(create(account(1), "Couplet", SEED));
		assert_ok!(create(account(1), "Quatrain", Hash::zero()));
		assert_eq!(ModelsMap::<Test>::iter().count(), 4);
		assert_eq!(Versions::<Test>::iter().count(), 4);
		assert_eq!(ModelsMap::<Test>::get(model).unwrap().owner, account(1));
		assert_eq!(on_hold(&account(1)), 3 * DEPOSIT);
	});
}

#[test]
fn refuses_models_that_cannot_be() {
	new_test_ext().execute_with(|| {
		assert_eq!(
			create(account(1), "Quatrain", SEED),
			Err(Error::<Test>::TokenizerNotArchived.into())
		);
		archive(TOKENIZER, 1);
		assert_eq!(
			create(account(1), "", SEED),
			Err(Error::<Test>::EmptyName.into())
		);
		assert_eq!(
			create(account(9), "Quatrain", SEED),
			Err(TokenError::FundsUnavailable.into())
		);
		let create = |origin, architecture| {
			Models::create(
				origin,
				name("Quatrain"),
				architecture,
				TOKENIZER,
				SEED,
				roots(0),
			)
		};
		for architecture in [
			Architecture {
				n_heads: 3,
				..ARCHITECTURE
			},
			Architecture {
				n_layers: 0,
				..ARCHITECTURE
			},
			Architecture {
				vocab_size: u32::MAX,
				..ARCHITECTURE
			},
		] {
			assert_noop!(
				create(RuntimeOrigin::signed(account(1)), architecture),
				Error::<Test>::ImpossibleArchitecture
			);
		}
		assert_noop!(
			create(RuntimeOrigin::root(), ARCHITECTURE),
			DispatchError::BadOrigin
		);
	});
}

#[test]
fn a_settled_round_becomes_the_latest_version() {
	new_test_ext().execute_with(|| {
		let (model, first) = created();
		System::set_block_number(9);
		let settled = SettledRound {
			accepted: vec![contribution(3, 30), contribution(1, 10), contribution(2, 0)],
			..round(model, first, 1)
		};
		let second = register(settled.clone()).unwrap();
		let origin = Origin::Round {
			task: settled.task,
			round: 1,
		};
		assert_eq!(
			second,
			version_id(&model, &[first], &origin, &settled.roots)
		);
		assert_eq!(
			Pallet::<Test>::version(&second),
			Some(VersionOf::<Test> {
				model,
				number: 1,
				parents: vec![first].try_into().unwrap(),
				origin,
				roots: settled.roots,
				tokenizer: TOKENIZER,
				numeric_spec: NUMERIC_SPEC,
				datasets: vec![settled.dataset].try_into().unwrap(),
				contributors: vec![contribution(1, 10), contribution(3, 30)]
					.try_into()
					.unwrap(),
				evaluation: Some(settled.evaluation),
				created: 9,
			})
		);
		System::assert_last_event(
			Event::VersionRegistered {
				model,
				version: second,
				number: 1,
				evaluation: Some(settled.evaluation),
			}
			.into(),
		);
		let view = Pallet::<Test>::model_view(&model).unwrap();
		assert_eq!((view.first, view.latest, view.versions), (first, second, 2));

		// The next one adds to what it inherits.
		let third = register(SettledRound {
			dataset: Hash::repeat_byte(1),
			accepted: vec![contribution(2, 5), contribution(1, 1)],
			..round(model, second, 2)
		})
		.unwrap();
		let third = Pallet::<Test>::version(&third).unwrap();
		assert_eq!(
			third.contributors.to_vec(),
			[contribution(1, 11), contribution(2, 5), contribution(3, 30)]
		);
		assert_eq!(
			third.datasets.to_vec(),
			[Hash::repeat_byte(1), settled.dataset]
		);

		// Beside the latest: a branch from version 0 inherits nothing of the others, and numbers go on.
		let branch = register(round(model, first, 3)).unwrap();
		let branch = Pallet::<Test>::version(&branch).unwrap();
		assert_eq!(branch.number, 3);
		assert_eq!(branch.contributors.to_vec(), [contribution(1, 10)]);
	});
}

#[test]
fn the_registry_refuses_what_does_not_fit() {
	new_test_ext().execute_with(|| {
		let (model, first) = created();
		assert_ok!(create(account(2), "Other", SEED));
		let other = model_id(
			&account(2),
			&name("Other"),
			&ARCHITECTURE,
			&TOKENIZER,
			&SEED,
		);
		let unknown = Hash::repeat_byte(99);
		assert_eq!(
			register(round(unknown, first, 1)),
			Err(Error::<Test>::UnknownModel.into())
		);
		assert_eq!(
			register(round(model, unknown, 1)),
			Err(Error::<Test>::UnknownVersion.into())
		);
		assert_eq!(
			register(round(other, first, 1)),
			Err(Error::<Test>::WrongModel.into())
		);
		assert_ok!(register(round(model, first, 1)));
		assert_eq!(
			register(round(model, first, 1)),
			Err(Error::<Test>::VersionExists.into())
		);
		let crowd = (0..=MAX_CONTRIBUTORS as u8)
			.map(|number| contribution(number, 1))
			.collect();
		assert_eq!(
			register(SettledRound {
				accepted: crowd,
				..round(model, first, 2)
			}),
			Err(Error::<Test>::TooManyContributors.into())
		);
		assert_eq!(
			register(SettledRound {
				accepted: vec![contribution(1, u64::MAX), contribution(1, 1)],
				..round(model, first, 2)
			}),
			Err(ArithmeticError::Overflow.into())
		);
		assert_eq!(<Models as ModelRegistry>::model(&unknown), None);
		assert_eq!(<Models as ModelRegistry>::version(&unknown), None);
		assert_eq!(<Models as ModelRegistry>::contributors(&unknown), None);
		assert_eq!(Pallet::<Test>::model_view(&unknown), None);
	});
}

#[test]
fn a_version_names_no_more_datasets_than_it_may() {
	new_test_ext().execute_with(|| {
		let (model, mut latest) = created();
		let on = |base: VersionId, number: u32| SettledRound {
			dataset: Hash::from_low_u64_be(u64::from(number)),
			..round(model, base, number)
		};
		for number in 1..=256 {
			latest = <Models as ModelRegistry>::register_settled_round(on(latest, number)).unwrap();
		}
		assert_eq!(
			register(on(latest, 257)),
			Err(Error::<Test>::TooManyDatasets.into())
		);
	});
}

#[test]
fn lineage_goes_back_to_version_0_within_its_limit() {
	new_test_ext().execute_with(|| {
		let (model, first) = created();
		let mut versions = vec![first];
		for number in 1..=MAX_LINEAGE + 5 {
			let base = *versions.last().unwrap();
			versions.push(
				<Models as ModelRegistry>::register_settled_round(round(model, base, number))
					.unwrap(),
			);
		}
		let ids = |version: VersionId, limit| -> Vec<VersionId> {
			Pallet::<Test>::lineage(&version, limit)
				.into_iter()
				.map(|(id, _)| id)
				.collect()
		};
		assert_eq!(
			ids(versions[3], 10),
			[versions[3], versions[2], versions[1], first]
		);
		assert_eq!(ids(versions[3], 2), [versions[3], versions[2]]);
		assert!(ids(versions[3], 0).is_empty());
		assert!(ids(Hash::zero(), 10).is_empty());
		let latest = *versions.last().unwrap();
		assert_eq!(ids(latest, u32::MAX).len(), MAX_LINEAGE as usize);
	});
}

/// Changes a stored model.
fn change_model(id: ModelId, change: impl Fn(&mut Model<Balance>)) {
	ModelsMap::<Test>::mutate(id, |model| change(model.as_mut().unwrap()))
}

/// Changes a stored version.
fn change_version(id: VersionId, change: impl Fn(&mut VersionOf<Test>)) {
	Versions::<Test>::mutate(id, |version| change(version.as_mut().unwrap()))
}

/// Writes a copy of `version` with other parents, roots and number, under its right identity, as its model's latest.
fn graft(version: VersionId, parents: &[VersionId], roots_of: u64, number: u32) {
	let mut version = Versions::<Test>::get(version).unwrap();
	version.number = number;
	version.roots = roots(roots_of);
	version.parents = parents.to_vec().try_into().unwrap();
	if parents.is_empty() {
		version.origin = Origin::Seed(SEED);
	}
	let id = crate::identity(&version);
	change_model(version.model, |model| {
		model.latest = id;
		model.versions = 3;
	});
	Versions::<Test>::insert(id, version);
}

/// Builds a model of two versions, corrupts it, and expects `try_state` to say what is wrong.
fn notices(expected: &str, corrupt: impl Fn(ModelId, VersionId, VersionId)) {
	new_test_ext().execute_with(|| {
		let (model, first) = created();
		let mut settled = round(model, first, 1);
		settled.accepted.push(contribution(2, 20));
		let second = register(settled).unwrap();
		corrupt(model, first, second);
		let found = format!("{:?}", Pallet::<Test>::do_try_state());
		assert!(found.contains(expected), "{expected}: {found}");
	});
}

#[test]
fn try_state_notices_wrong_models() {
	notices("belongs to no model", |model, _, _| {
		ModelsMap::<Test>::remove(model)
	});
	let other = "not the one that was created";
	notices(other, |model, _, _| {
		change_model(model, |model| model.owner = account(2))
	});
	notices(other, |model, _, _| {
		change_model(model, |model| model.name = name("Renamed"))
	});
	notices(other, |model, _, _| {
		change_model(model, |model| model.architecture.d_ff = 8)
	});
	notices("another tokenizer", |model, _, _| {
		change_model(model, |model| model.tokenizer = SEED)
	});
	notices("first version is not its version 0", |model, _, second| {
		change_model(model, |model| model.first = second)
	});
	notices("first version is not registered", |model, _, _| {
		change_model(model, |model| model.first = SEED)
	});
	notices("not the one registered last", |model, first, _| {
		change_model(model, |model| model.latest = first)
	});
	notices("latest version is not registered", |model, _, _| {
		change_model(model, |model| model.latest = SEED)
	});
	notices("number beyond", |model, _, _| {
		change_model(model, |model| model.versions = 1)
	});
	notices("counts other versions", |_, first, second| {
		// The same identity, so it takes the place of the second.
		graft(second, &[first], 1, 2)
	});
	notices("hold differs", |model, _, _| {
		change_model(model, |model| model.deposit = 0)
	});
	notices("hold differs", |_, _, _| {
		let reason = HoldReason::ModelDeposit.into();
		assert_ok!(Balances::hold(&reason, &account(2), 5));
	});
}

#[test]
fn try_state_notices_wrong_versions() {
	notices("latest version is not registered", |_, _, second| {
		Versions::<Test>::remove(second)
	});
	notices("parent is not registered", |_, first, _| {
		Versions::<Test>::remove(first)
	});
	notices("parent is not registered", |_, _, second| {
		graft(second, &[Hash::zero()], 1, 2)
	});
	notices("not an older one", |_, _, second| {
		assert_ok!(create(account(2), "Other", SEED));
		let other = ModelsMap::<Test>::iter_values()
			.find(|model| model.owner == account(2))
			.unwrap();
		graft(second, &[other.latest], 1, 2)
	});
	notices("same number", |_, first, second| {
		graft(second, &[first], 9, 1)
	});
	notices("comes from a seed", |_, _, second| graft(second, &[], 9, 2));
	notices("not the one that was registered", |_, _, second| {
		change_version(second, |version| version.roots = roots(9))
	});
	notices("not the one that was registered", |_, _, second| {
		change_version(second, |version| version.parents = Default::default())
	});
	notices("another tokenizer", |_, _, second| {
		change_version(second, |version| version.tokenizer = SEED)
	});
	notices("later block", |_, _, second| {
		change_version(second, |version| version.created = 2)
	});
	let contributors = "contributors are out of order";
	notices(contributors, |_, _, second| {
		change_version(second, |version| version.contributors[..].reverse())
	});
	notices(contributors, |_, _, second| {
		change_version(second, |version| version.contributors[0].examples = 0)
	});
	notices(contributors, |_, _, second| {
		change_version(second, |version| {
			let again = version.contributors[1].clone();
			version.contributors.try_push(again).unwrap();
		})
	});
	notices("datasets are out of order", |_, _, second| {
		change_version(second, |version| {
			let again = version.datasets[0];
			version.datasets.try_push(again).unwrap();
		})
	});
	// What is grafted well is right: the corruptions above are noticed for their own sake.
	notices("Ok", |_, _, second| graft(second, &[second], 9, 2));
}

#[test]
fn error_indices_are_frozen() {
	use Error::*;
	let errors: [Error<Test>; 10] = [
		EmptyName,
		ImpossibleArchitecture,
		TokenizerNotArchived,
		ModelExists,
		UnknownModel,
		UnknownVersion,
		WrongModel,
		VersionExists,
		TooManyContributors,
		TooManyDatasets,
	];
	for (index, error) in errors.iter().enumerate() {
		assert_eq!(error.encode(), [index as u8]);
	}
	assert_eq!(HoldReason::ModelDeposit.encode(), [0]);
}

#[test]
fn a_models_identity_is_frozen() {
	let id = model_id(
		&account(1),
		&name("Quatrain"),
		&ARCHITECTURE,
		&TOKENIZER,
		&SEED,
	);
	// The very bytes that are hashed: tag, creator, name as SCALE text, six numbers, tokenizer, seed.
	let mut bytes = b"llmchain/model/1".to_vec();
	bytes.extend([1; 32]);
	bytes.push(8 << 2);
	bytes.extend(b"Quatrain");
	for number in [8u32, 4, 1, 2, 4, 16] {
		bytes.extend(number.to_le_bytes());
	}
	bytes.extend([7; 32]);
	bytes.extend([8; 32]);
	assert_eq!(id.as_bytes(), sp_io::hashing::blake2_256(&bytes));
}

proptest! {
	#![proptest_config(ProptestConfig::with_cases(48))]

	/// Whatever the graph of rounds: a version's contributors are the sums along its path to version 0.
	#[test]
	fn contributors_are_the_sums_along_the_lineage(
		rounds in prop::collection::vec(
			(any::<prop::sample::Index>(), prop::collection::vec((1u8..9, 0u64..100), 0..5)),
			1..12,
		),
	) {
		new_test_ext().execute_with(|| {
			let (model, first) = created();
			let mut versions = vec![(first, [0u64; 9])];
			for (number, (base, accepted)) in (1..).zip(rounds) {
				let (base, mut sums) = *base.get(&versions);
				for (account, examples) in &accepted {
					sums[usize::from(*account)] += examples;
				}
				let id = register(SettledRound {
					accepted: accepted
						.into_iter()
						.map(|(account, examples)| contribution(account, examples))
						.collect(),
					..round(model, base, number)
				})
				.unwrap();
				let expected: Vec<_> = (0..9u8)
					.zip(sums)
					.filter(|(_, examples)| *examples > 0)
					.map(|(account, examples)| contribution(account, examples))
					.collect();
				let found = <Models as ModelRegistry>::contributors(&id).unwrap();
				prop_assert_eq!(found.into_inner(), expected);
				versions.push((id, sums));
			}
			let view = Pallet::<Test>::model_view(&model).unwrap();
			prop_assert_eq!(view.latest, versions.last().unwrap().0);
			prop_assert_eq!(view.versions as usize, versions.len());
			Ok(())
		})?;
	}
}
