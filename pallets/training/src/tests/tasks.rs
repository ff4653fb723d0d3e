//! Creating and cancelling tasks: what is refused, and where the pot is.

use crate::{mock::*, types::Activity, Error, Event, HoldReason, OpenTasks, Tasks};
use frame_support::{assert_noop, assert_ok, traits::fungible::InspectHold};
use llmchain_primitives::{
	training::{F32Bits, PrivacyClass, TaskSpec, TaskStatus},
	Balance, Hash, NUMERIC_SPEC,
};

type Change = fn(&mut TaskSpec<Balance>);

fn pot_of(who: u8) -> Balance {
	Balances::balance_on_hold(&HoldReason::TaskPot.into(), &account(who))
}

#[test]
fn each_number_out_of_bounds_has_its_error() {
	use Error::*;
	let cases: Vec<(Change, Error<Test>)> = vec![
		(
			|s| s.privacy = PrivacyClass::Private,
			PrivacyClassNotSupported,
		),
		(|s| s.model = Hash::repeat_byte(99), UnknownModel),
		(|s| s.base = Hash::repeat_byte(99), UnknownVersion),
		(
			|s| s.base = MockModels::create(98, NUMERIC_SPEC).1,
			UnknownVersion,
		),
		(|s| s.dataset = Hash::repeat_byte(99), UnknownDataset),
		(|s| s.cohort = 0, BadCohort),
		(|s| s.cohort = 65, BadCohort),
		(|s| s.cohort = 9, NotEnoughShards),
		(|s| s.local.steps = 0, BadLocalTraining),
		(|s| s.local.steps = 100_001, BadLocalTraining),
		(|s| s.local.batch = 0, BadLocalTraining),
		(|s| s.local.batch = 4_097, BadLocalTraining),
		(|s| s.local.warmup = 11, BadLocalTraining),
		(
			|s| s.local.learning_rate = F32Bits::new(f32::NAN),
			BadOptimiser,
		),
		(|s| s.local.learning_rate = F32Bits::new(0.0), BadOptimiser),
		(|s| s.local.beta1 = F32Bits::new(1.0), BadOptimiser),
		(|s| s.local.beta2 = F32Bits::new(-0.5), BadOptimiser),
		(|s| s.local.epsilon = F32Bits::new(0.0), BadOptimiser),
		(
			|s| s.local.weight_decay = F32Bits::new(f32::INFINITY),
			BadOptimiser,
		),
		(|s| s.local.clip_norm = F32Bits::new(0.0), BadOptimiser),
		(|s| s.outer.learning_rate_q16 = 0, BadOuter),
		(|s| s.outer.learning_rate_q16 = (1 << 20) + 1, BadOuter),
		(|s| s.outer.momentum_q16 = 1 << 16, BadOuter),
		(|s| s.quantiser.bits = 1, BadQuantiser),
		(|s| s.quantiser.bits = 17, BadQuantiser),
		(|s| s.quantiser.exponent = 25, BadQuantiser),
		(|s| s.quantiser.bits = 13, RingOverflow),
		(|s| s.deadlines.train = 1, BadDeadlines),
		(|s| s.deadlines.hold = 0, BadDeadlines),
		(|s| s.deadlines.aggregate_turn = 100_801, BadDeadlines),
		(|s| s.deadlines.challenge = u32::MAX, BadDeadlines),
		(|s| s.stop.max_rounds = 0, BadStopRule),
		(|s| s.stop.max_rounds = 10_001, BadStopRule),
		(|s| s.stop.patience = Some(0), BadStopRule),
		(|s| s.reward = 63, RewardTooSmall),
		(|s| s.reward = Balance::MAX, PotOverflow),
	];
	run(|| {
		for (at, (change, error)) in cases.into_iter().enumerate() {
			let mut bad = spec(1, 4);
			change(&mut bad);
			assert_noop!(Training::create_task(signed(PUBLISHER), bad), error);
			assert!(OpenTasks::<Test>::get().is_empty(), "case {at}");
		}
		let widest = TaskSpec {
			quantiser: llmchain_primitives::training::Quantiser {
				bits: 12,
				exponent: 24,
			},
			..spec(1, 4)
		};
		assert_ok!(Training::create_task(signed(PUBLISHER), widest));
	});
}

#[test]
fn a_base_that_is_not_the_latest_version_is_stale() {
	run(|| {
		let spec = spec(1, 4);
		MockModels::promote(&spec.model, Hash::repeat_byte(42));
		assert_noop!(
			Training::create_task(signed(PUBLISHER), spec),
			Error::<Test>::StaleBase
		);
	});
}

#[test]
fn a_model_of_another_numeric_specification_is_refused() {
	run(|| {
		let spec = spec(1, 4);
		MockModels::create(1, NUMERIC_SPEC + 1);
		assert_noop!(
			Training::create_task(signed(PUBLISHER), spec),
			Error::<Test>::UnsupportedNumericSpec
		);
	});
}

#[test]
fn the_pot_is_locked_with_the_publisher_and_comes_back() {
	run(|| {
		let task = create(spec(1, 4));
		assert_eq!(pot_of(PUBLISHER), 30_000);
		let stored = Tasks::<Test>::get(task).unwrap();
		assert_eq!((stored.pot, stored.status), (30_000, TaskStatus::Open));
		assert_eq!(Training::open_tasks(), [task]);
		assert_eq!(Training::check_invariants(), Ok(()));

		assert_ok!(Training::cancel_task(signed(PUBLISHER), task));
		assert_eq!(pot_of(PUBLISHER), 0);
		assert_eq!(
			Balances::free_balance(account(PUBLISHER)),
			PURSE - DEPOSIT,
			"the deposit stays, as the record does"
		);
		assert_eq!(
			Training::task_view(&task).unwrap().status,
			TaskStatus::Cancelled
		);
		assert!(Training::open_tasks().is_empty());
		assert_eq!(
			events().last(),
			Some(&Event::TaskEnded {
				task,
				status: TaskStatus::Cancelled,
				returned: 30_000
			})
		);
	});
}

#[test]
fn a_pot_that_the_publisher_does_not_have_is_refused() {
	run(|| {
		let dear = TaskSpec {
			reward: PURSE,
			..spec(1, 4)
		};
		assert!(Training::create_task(signed(PUBLISHER), dear).is_err());
	});
}

#[test]
fn only_the_publisher_ends_a_task_and_only_once() {
	run(|| {
		let task = create(spec(1, 4));
		assert_noop!(
			Training::cancel_task(signed(1), task),
			Error::<Test>::NotPublisher
		);
		assert_noop!(
			Training::cancel_task(signed(PUBLISHER), Hash::zero()),
			Error::<Test>::UnknownTask
		);
		assert_ok!(Training::cancel_task(signed(PUBLISHER), task));
		assert_noop!(
			Training::cancel_task(signed(PUBLISHER), task),
			Error::<Test>::TaskNotOpen
		);
	});
}

#[test]
fn a_cancelled_task_finishes_and_pays_the_round_that_runs() {
	run(|| {
		register_all(4);
		let task = create(spec(1, 4));
		next_block();
		assert_ok!(Training::cancel_task(signed(PUBLISHER), task));
		assert_eq!(events().last(), Some(&Event::TaskEnding { task }));
		assert_noop!(
			Training::cancel_task(signed(PUBLISHER), task),
			Error::<Test>::TaskEndsAlready
		);
		assert_eq!(
			Tasks::<Test>::get(task).unwrap().activity,
			Activity::LastRound
		);
		settle(task, 500);
		let view = Training::task_view(&task).unwrap();
		assert_eq!(
			(view.status, view.settled, view.pot),
			(TaskStatus::Cancelled, 1, 0)
		);
		assert_eq!(
			Balances::free_balance(account(PUBLISHER)),
			PURSE - DEPOSIT - 10_000
		);
	});
}

#[test]
fn a_task_that_ends_with_a_failing_round_pays_nobody() {
	run(|| {
		register_all(4);
		let task = create(spec(1, 4));
		next_block();
		assert_ok!(Training::cancel_task(signed(PUBLISHER), task));
		next_blocks(20);
		assert_eq!(
			Training::task_view(&task).unwrap().status,
			TaskStatus::Cancelled
		);
		assert_eq!(Balances::free_balance(account(PUBLISHER)), PURSE - DEPOSIT);
	});
}

#[test]
fn one_task_a_model_and_no_more_than_fit() {
	run(|| {
		let [first, second, third, fourth] = [1, 2, 3, 4].map(|name| spec(name, 4));
		create(first);
		assert_noop!(
			Training::create_task(signed(PUBLISHER), first),
			Error::<Test>::ModelBusy
		);
		create(second);
		create(third);
		assert_noop!(
			Training::create_task(signed(PUBLISHER), fourth),
			Error::<Test>::TooManyTasks
		);
		assert_eq!(pot_of(PUBLISHER), 90_000);
	});
}

#[test]
fn a_task_whose_model_moved_on_or_whose_data_went_ends_before_its_next_round() {
	run(|| {
		register_all(4);
		let moved = create(spec(1, 4));
		let gone = create(TaskSpec {
			dataset: MockDatasets::publish(40),
			..spec(2, 4)
		});
		MockModels::promote(
			&Tasks::<Test>::get(moved).unwrap().spec.model,
			Hash::repeat_byte(42),
		);
		MockDatasets::forget(&Tasks::<Test>::get(gone).unwrap().spec.dataset);
		next_block();
		for task in [moved, gone] {
			let view = Training::task_view(&task).unwrap();
			assert_eq!(
				(view.status, view.round, view.pot),
				(TaskStatus::Cancelled, 0, 0)
			);
		}
	});
}

#[test]
fn two_equal_tasks_of_one_block_differ_in_identity() {
	run(|| {
		let first = create(spec(1, 4));
		assert_ok!(Training::cancel_task(signed(PUBLISHER), first));
		let second = create(spec(1, 4));
		assert_ne!(first, second);
	});
}

#[test]
fn errors_keep_their_indices() {
	use frame_support::traits::PalletInfoAccess;
	let index = |error: Error<Test>| match sp_runtime::DispatchError::from(error) {
		sp_runtime::DispatchError::Module(module) => {
			assert_eq!(module.index as usize, Training::index());
			module.error[0]
		}
		_ => unreachable!(),
	};
	use Error::*;
	let frozen = [
		UnknownModel,
		UnknownVersion,
		StaleBase,
		UnsupportedNumericSpec,
		UnknownDataset,
		PrivacyClassNotSupported,
		BadCohort,
		NotEnoughShards,
		BadLocalTraining,
		BadOptimiser,
		BadOuter,
		BadQuantiser,
		RingOverflow,
		BadDeadlines,
		BadStopRule,
		RewardTooSmall,
		PotOverflow,
		ModelBusy,
		TooManyTasks,
		UnknownTask,
		NotPublisher,
		TaskNotOpen,
		TaskEndsAlready,
		AlreadyRegistered,
		KeyTaken,
		BadCapacity,
		BadProof,
		RosterFull,
		NotRegistered,
		TrainerInRound,
		RoundOver,
		NotAMember,
		TooEarly,
		TooLate,
		AlreadyPosted,
		NotInTurn,
		UnknownHoldings,
	];
	for (expected, error) in frozen.into_iter().enumerate() {
		assert_eq!(index(error), expected as u8);
	}
}
