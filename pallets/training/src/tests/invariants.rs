//! Corrupted state is found, and no order of calls and blocks corrupts it.

use crate::{
	mock::*,
	types::{Activity, Engagement},
	OpenTasks, Registered, Rounds, Tasks, TrainerOf, Trainers,
};
use frame_support::{assert_ok, traits::fungible::MutateHold};
use llmchain_primitives::{
	training::{Holdings, Phase, PostBody, TaskSpec, TaskStatus},
	traits::ModelRegistry,
	Balance, Hash, TaskId,
};
use proptest::prelude::*;

/// A settled round, a failed one, and a third one in `Challenge`; trainer 5 is idle.
fn busy() -> TaskId {
	register_all(5);
	let task = create(spec(1, 4));
	next_block();
	settle(task, 500);
	next_blocks(21);
	next_block();
	for who in 1..=4 {
		assert_ok!(post(who, task, update(who)));
	}
	next_block();
	for who in 1..=4 {
		assert_ok!(post(who, task, all(4)));
	}
	next_block();
	let claimant = in_turn(task);
	assert_ok!(post(claimant, task, PostBody::Claim(report(400))));
	assert_eq!(phase(task), Some(Phase::Challenge));
	task
}

fn change_task(id: TaskId, change: impl FnOnce(&mut crate::types::Task)) {
	Tasks::<Test>::mutate_extant(id, change);
}

fn change_round(id: TaskId, number: u32, change: impl FnOnce(&mut crate::round::RoundRecord)) {
	Rounds::<Test>::mutate_exists(id, number, |round| change(round.as_mut().unwrap()));
}

#[test]
fn each_corruption_is_found() {
	type Corruption = fn(TaskId);
	let cases: Vec<(&str, Corruption)> = vec![
		("a trainer is listed twice", |_| {
			Registered::<Test>::try_append(account(1)).unwrap();
		}),
		("the maps of trainers and the list differ in size", |_| {
			Trainers::<Test>::remove(account(5));
		}),
		("a listed trainer is not stored", |_| {
			Registered::<Test>::mutate(|list| list[4] = account(9));
		}),
		("a trainer's key leads elsewhere", |_| {
			TrainerOf::<Test>::insert(public(5), account(4));
		}),
		("a capacity is out of bounds", |_| {
			Trainers::<Test>::mutate_extant(account(5), |trainer| trainer.capacity = 17);
		}),
		("a bond is not on hold", |_| {
			Trainers::<Test>::mutate_extant(account(5), |trainer| trainer.bond += 1);
		}),
		("a trainer is engaged in no running round", |task| {
			Trainers::<Test>::mutate_extant(account(5), |trainer| {
				trainer.engaged = Some(Engagement { task, round: 3 });
			});
		}),
		("a member of a running round is not engaged in it", |_| {
			Trainers::<Test>::mutate_extant(account(1), |trainer| trainer.engaged = None);
		}),
		("pots and money on hold differ", |task| {
			change_task(task, |task| task.pot += 1);
		}),
		("pots and money on hold differ", |_| {
			Balances::hold(&crate::HoldReason::TaskPot.into(), &account(PUBLISHER), 1).unwrap();
		}),
		("deposits and money on hold differ", |task| {
			change_task(task, |task| task.deposit += 1);
		}),
		("an open task is listed twice", |task| {
			OpenTasks::<Test>::try_append(task).unwrap();
		}),
		("the list of open tasks is not the open tasks", |_| {
			OpenTasks::<Test>::kill();
		}),
		("the list of open tasks is not the open tasks", |task| {
			change_task(task, |task| task.status = TaskStatus::Completed);
		}),
		("a task's activity and its round differ", |task| {
			change_task(task, |task| task.activity = Activity::Idle);
		}),
		("a pot does not cover the rounds to come", |task| {
			change_task(task, |task| task.spec.reward *= 2);
		}),
		("a round is beyond the last one", |task| {
			let first = Rounds::<Test>::get(task, 1).unwrap();
			Rounds::<Test>::insert(task, 9, first);
		}),
		("settled rounds and their count differ", |task| {
			Rounds::<Test>::remove(task, 1);
		}),
		("the head is not the last settled version", |task| {
			change_task(task, |task| task.head = Hash::zero());
		}),
		("kept and listed failed rounds differ", |task| {
			Rounds::<Test>::remove(task, 2);
		}),
		("a round is stored under another number", |task| {
			change_round(task, 1, |round| round.number = 7);
		}),
		("a roster is not as large as the cohort", |task| {
			change_round(task, 1, |round| {
				round.members.pop();
			});
		}),
		("a set of members is beyond the roster", |task| {
			change_round(task, 1, |round| round.missed = Holdings(1 << 4));
		}),
		("a member without update survived", |task| {
			change_round(task, 2, |round| round.survivors = Holdings(1));
		}),
		("a weight is out of bounds", |task| {
			change_round(task, 1, |round| round.members[0].weight = 0);
		}),
		("a member holds an update that was not posted", |task| {
			change_round(task, 2, |round| {
				round.members[0].holdings = Some(Holdings(2))
			});
		}),
		("a round runs and has ended, or neither", |task| {
			change_round(task, 3, |round| round.ended = Some(9));
		}),
		(
			"a claim stands outside of its phase, or is missing",
			|task| {
				change_round(task, 3, |round| round.claim = None);
			},
		),
		("a claim has no claimant", |task| {
			change_round(task, 3, |round| round.claim.as_mut().unwrap().claimant = 64);
		}),
		("a verdict stands without a claim", |task| {
			change_round(task, 2, |round| {
				round.members[0].verdict = Some(crate::round::Verdict::Agreed)
			});
		}),
		("a digest of inputs does not follow from state", |task| {
			change_round(task, 3, |round| {
				round.members[0].update.as_mut().unwrap().root = Hash::zero()
			});
		}),
		("a digest of inputs does not follow from state", |task| {
			change_round(task, 3, |round| {
				round.set_inputs(None, Hash::repeat_byte(1))
			});
		}),
	];
	for (name, corrupt) in cases {
		new_test_ext().execute_with(|| {
			let task = busy();
			assert_eq!(Training::check_invariants(), Ok(()));
			corrupt(task);
			assert_eq!(
				Training::check_invariants(),
				Err(sp_runtime::DispatchError::Other(name))
			);
		});
	}
}

/// Anything that people, trainers and time may do.
#[derive(Clone, Debug)]
enum Step {
	Register {
		who: u8,
		capacity: u8,
	},
	Leave {
		who: u8,
	},
	Create {
		model: u8,
		cohort: u32,
		patience: Option<u32>,
	},
	Cancel {
		task: usize,
	},
	Work {
		who: u8,
		wrong: bool,
	},
	Hold {
		who: u8,
		held: u64,
	},
	RefuseVersions {
		refuses: bool,
	},
	Blocks {
		n: u32,
	},
}

fn step() -> impl Strategy<Value = Step> {
	let who = 1u8..=7;
	prop_oneof![
		2 => (who.clone(), 0u8..=17).prop_map(|(who, capacity)| Step::Register { who, capacity }),
		1 => who.clone().prop_map(|who| Step::Leave { who }),
		1 => (1u8..=4, 1u32..=4, proptest::option::of(1u32..3))
			.prop_map(|(model, cohort, patience)| Step::Create { model, cohort, patience }),
		1 => (0usize..3).prop_map(|task| Step::Cancel { task }),
		20 => (who.clone(), prop::bool::weighted(0.1))
			.prop_map(|(who, wrong)| Step::Work { who, wrong }),
		2 => (who, any::<u64>()).prop_map(|(who, held)| Step::Hold { who, held }),
		1 => any::<bool>().prop_map(|refuses| Step::RefuseVersions { refuses }),
		8 => prop_oneof![4 => Just(1u32), 1 => 1u32..8, 1 => Just(21u32)]
			.prop_map(|n| Step::Blocks { n }),
	]
}

/// Posts what the running phase asks of a trainer; refusals are part of the game.
fn do_work(who: u8, wrong: bool) {
	let Some(engaged) = Trainers::<Test>::get(account(who)).and_then(|trainer| trainer.engaged)
	else {
		return;
	};
	let record = record(engaged.task);
	let loss = if wrong {
		u64::from(who)
	} else {
		1_000 - u64::from(record.number)
	};
	let body = match phase(engaged.task) {
		None => return,
		Some(Phase::Train) => update(who),
		Some(Phase::Hold) => PostBody::Holdings(if wrong { Holdings(0) } else { record.updated() }),
		Some(Phase::Aggregate) => PostBody::Claim(report(loss)),
		Some(Phase::Challenge) => PostBody::Attestation(report(loss)),
	};
	let _ = post(who, engaged.task, body);
}

/// A task on a model as it stands; creating it only once, so that its versions stay.
fn spec_of_latest(name: u8, cohort: u32) -> TaskSpec<Balance> {
	let latest = MockModels::model(&Hash::repeat_byte(name)).map(|model| model.latest);
	let fresh = spec(name, cohort);
	match latest {
		Some(latest) => {
			MockModels::promote(&fresh.model, latest);
			TaskSpec {
				base: latest,
				..fresh
			}
		}
		None => fresh,
	}
}

fn take(step: Step) {
	match step {
		Step::Register { who, capacity } => drop(register(who, capacity)),
		Step::Leave { who } => drop(Training::leave(signed(who))),
		Step::Create {
			model,
			cohort,
			patience,
		} => {
			let mut spec = spec_of_latest(model, cohort);
			spec.stop.patience = patience;
			let _ = Training::create_task(signed(PUBLISHER), spec);
		}
		Step::Cancel { task } => {
			if let Some(task) = Training::open_tasks().get(task) {
				let _ = Training::cancel_task(signed(PUBLISHER), *task);
			}
		}
		Step::Work { who, wrong } => do_work(who, wrong),
		Step::Hold { who, held } => {
			let engaged = Trainers::<Test>::get(account(who)).and_then(|trainer| trainer.engaged);
			if let Some(engaged) = engaged {
				let _ = post(who, engaged.task, PostBody::Holdings(Holdings(held)));
			}
		}
		Step::RefuseVersions { refuses } => MockModels::refuse(refuses),
		Step::Blocks { n } => next_blocks(n),
	}
}

proptest! {
	#![proptest_config(ProptestConfig::with_cases(64))]

	#[test]
	fn no_order_of_events_breaks_an_invariant(steps in prop::collection::vec(step(), 1..120)) {
		new_test_ext().execute_with(|| {
			let issuance = Balances::total_issuance();
			for who in 1..=4 {
				register(who, who).unwrap();
			}
			for step in steps {
				take(step.clone());
				prop_assert_eq!(Training::check_invariants(), Ok(()), "after {:?}", step);
				prop_assert_eq!(Balances::total_issuance(), issuance);
			}
			Ok(())
		})?;
	}
}
