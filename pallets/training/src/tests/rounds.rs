//! Whole rounds on chain: phases, money, failures, ends of tasks.

use crate::{
	mock::*,
	round::{FailureReason, Status},
	types::KEPT_FAILURES,
	Event, Rounds, Tasks, Trainers,
};
use frame_support::{assert_ok, traits::Hooks};
use llmchain_primitives::{
	mailbox::Job,
	training::{Deadlines, Holdings, Phase, PostBody, RoundStatus, StopRule, TaskSpec, TaskStatus},
	traits::ModelRegistry,
	Balance, TaskId,
};

fn free(who: u8) -> Balance {
	Balances::free_balance(account(who))
}

fn status(task: TaskId) -> TaskStatus {
	Training::task_view(&task).unwrap().status
}

fn last_failure(task: TaskId) -> FailureReason {
	let number = *Tasks::<Test>::get(task).unwrap().failed.last().unwrap();
	match Rounds::<Test>::get(task, number).unwrap().status {
		Status::Failed(reason) => reason,
		other => panic!("{other:?}"),
	}
}

/// Four trainers in the round's phase `Aggregate`.
fn in_aggregate() -> TaskId {
	register_all(4);
	let task = create(spec(1, 4));
	next_block();
	for who in 1..=4 {
		assert_ok!(post(who, task, update(who)));
	}
	next_block();
	for who in 1..=4 {
		assert_ok!(post(who, task, all(4)));
	}
	next_block();
	assert_eq!(phase(task), Some(Phase::Aggregate));
	task
}

#[test]
fn a_round_of_four_settles_and_the_next_one_follows() {
	run(|| {
		register_all(4);
		let task = create(spec(1, 4));
		let first_base = Tasks::<Test>::get(task).unwrap().head;
		next_block();
		settle(task, 500);

		let view = Training::round_view(&task, 1).unwrap();
		let RoundStatus::Settled { version } = view.status else {
			panic!("{view:?}")
		};
		assert_eq!(view.base, first_base);
		assert_eq!(view.claim, Some(report(500)));
		assert!(view.members.iter().all(|member| member.survived
			&& member.attested
			&& member.update.is_some()
			&& member.shards.len() == 1));
		assert_eq!((view.began, view.ended), (1, Some(4)));
		assert_eq!(
			MockModels::accepted(&version),
			(1..=4).map(|who| (account(who), 40)).collect::<Vec<_>>()
		);
		assert!(events().contains(&Event::RoundSettled {
			task,
			round: 1,
			version,
			evaluation: 500
		}));
		let paid: Vec<_> = events()
			.into_iter()
			.filter(|event| matches!(event, Event::TrainerPaid { amount: 2_500, .. }))
			.collect();
		assert_eq!(paid.len(), 4);

		next_block();
		let next = record(task);
		assert_eq!((next.number, next.base, next.began), (2, version, 5));
		assert_eq!(
			Training::round_view(&task, 2).unwrap().status,
			RoundStatus::Running {
				phase: Phase::Train,
				since: 6,
				deadline: 25
			}
		);
	});
}

#[test]
fn every_member_that_is_still_needed_delays_and_nobody_else() {
	run(|| {
		register_all(4);
		let task = create(spec(1, 4));
		next_block();
		for who in 1..=3 {
			assert_ok!(post(who, task, update(who)));
		}
		next_blocks(18);
		assert_eq!(phase(task), Some(Phase::Train));
		assert_ok!(post(4, task, update(4)));
		next_block();
		assert_eq!(phase(task), Some(Phase::Hold));
	});
}

#[test]
fn a_dropped_participant_is_not_paid_and_the_round_settles() {
	run(|| {
		register_all(4);
		let task = create(spec(1, 4));
		next_block();
		for who in 1..=3 {
			assert_ok!(post(who, task, update(who)));
		}
		next_blocks(20);
		for who in 1..=3 {
			assert_ok!(post(who, task, all(3)));
		}
		next_block();
		assert_eq!(record(task).survivors, Holdings(0b0111));
		// It recomputes the aggregate all the same.
		agree(task, 500);
		next_block();
		assert_eq!(status(task), TaskStatus::Open);
		assert_eq!(free(4), PURSE - BOND);
		assert_eq!(free(1), PURSE - BOND + 3_333);
		assert_eq!(
			Training::task_view(&task).unwrap().pot,
			30_000 - 3 * 3_333,
			"what rounding leaves stays in the pot"
		);
	});
}

#[test]
fn pay_follows_weight_and_dust_goes_back() {
	run(|| {
		for (who, capacity) in [(1, 1), (2, 2), (3, 4)] {
			register(who, capacity).unwrap();
		}
		let task = create(TaskSpec {
			reward: 10_001,
			stop: StopRule {
				max_rounds: 1,
				..spec(1, 3).stop
			},
			..spec(1, 3)
		});
		next_block();
		let shards: Vec<Vec<u32>> = Training::round_view(&task, 1)
			.unwrap()
			.members
			.into_iter()
			.map(|member| member.shards)
			.collect();
		assert_eq!(shards, [vec![1], vec![2, 3], vec![4, 5, 6, 7]]);
		settle(task, 500);
		let earned: Vec<Balance> = (1..=3).map(|who| free(who) + BOND - PURSE).collect();
		assert_eq!(earned, [1_428, 2_857, 5_714]);
		assert_eq!(status(task), TaskStatus::Completed);
		assert_eq!(free(PUBLISHER), PURSE - DEPOSIT - 1_428 - 2_857 - 5_714);
		let version = Tasks::<Test>::get(task).unwrap().head;
		assert_eq!(
			MockModels::accepted(&version),
			[(account(1), 40), (account(2), 80), (account(3), 160)]
		);
	});
}

#[test]
fn a_publisher_that_trains_is_paid_from_its_own_pot() {
	run(|| {
		assert_ok!(register(PUBLISHER, 1));
		let task = create(TaskSpec {
			stop: StopRule {
				max_rounds: 1,
				..spec(1, 1).stop
			},
			..spec(1, 1)
		});
		next_block();
		settle(task, 500);
		assert_eq!(status(task), TaskStatus::Completed);
		assert_eq!(free(PUBLISHER), PURSE - BOND - DEPOSIT);
	});
}

#[test]
fn stop_rules_end_a_task_on_chain() {
	let rule = StopRule {
		max_rounds: 5,
		target_loss: Some(100),
		patience: Some(2),
		min_delta: 10,
	};
	for (losses, expected) in [
		(vec![500, 400, 300, 200, 150], TaskStatus::Completed),
		(vec![500, 90], TaskStatus::TargetReached),
		(vec![500, 499, 498], TaskStatus::OutOfPatience),
	] {
		run(|| {
			register_all(2);
			let task = create(TaskSpec {
				stop: rule,
				..spec(1, 2)
			});
			for loss in &losses {
				assert_eq!(status(task), TaskStatus::Open);
				next_block();
				settle(task, *loss);
			}
			assert_eq!(status(task), expected);
			let paid = 10_000 * losses.len() as Balance;
			assert_eq!(free(PUBLISHER), PURSE - DEPOSIT - paid);
			assert!(events().contains(&Event::TaskEnded {
				task,
				status: expected,
				returned: 50_000 - paid
			}));
			// Nothing starts any more, and everybody may leave.
			next_blocks(3);
			assert_ok!(Training::leave(signed(1)));
		});
	}
}

#[test]
fn a_wrong_root_is_outvoted_and_the_next_aggregator_settles() {
	run(|| {
		let task = in_aggregate();
		assert_eq!(in_turn(task), 2);
		assert_ok!(post(2, task, PostBody::Claim(report(666))));
		for who in [1, 3, 4] {
			assert_ok!(post(who, task, PostBody::Attestation(report(500))));
		}
		assert!(events().contains(&Event::AggregateDisputed {
			task,
			round: 1,
			trainer: account(3),
			report: report(500)
		}));
		next_block();
		assert!(events().contains(&Event::ClaimDropped {
			task,
			round: 1,
			trainer: account(2)
		}));
		assert_eq!(phase(task), Some(Phase::Aggregate));
		assert_eq!(in_turn(task), 3);
		assert_ok!(post(3, task, PostBody::Claim(report(500))));
		// One of four attests something wrong and is outvoted.
		assert_ok!(post(2, task, PostBody::Attestation(report(666))));
		assert_ok!(post(1, task, PostBody::Attestation(report(500))));
		assert_ok!(post(4, task, PostBody::Attestation(report(500))));
		next_block();
		let version = Tasks::<Test>::get(task).unwrap().head;
		assert_eq!(
			MockModels::version(&version).unwrap().roots,
			report(500).roots
		);
	});
}

#[test]
fn an_absent_aggregator_gives_way_to_the_next() {
	run(|| {
		let task = in_aggregate();
		let mut seen = Vec::new();
		for _ in 0..4 {
			seen.push(in_turn(task));
			next_blocks(5);
		}
		assert_eq!(seen, [2, 3, 4, 1]);
		assert_eq!(last_failure(task), FailureReason::NoClaim);
		assert_eq!(
			Training::round_view(&task, 1).unwrap().status,
			RoundStatus::Failed
		);
	});
}

#[test]
fn a_silent_challenge_drops_the_claim() {
	run(|| {
		let task = in_aggregate();
		for claimant in [2, 3, 4, 1] {
			assert_eq!(in_turn(task), claimant);
			assert_ok!(post(claimant, task, PostBody::Claim(report(1))));
			next_blocks(11);
		}
		assert_eq!(last_failure(task), FailureReason::NoAgreement);
	});
}

#[test]
fn a_failed_round_costs_nothing_and_the_next_starts_afresh() {
	run(|| {
		register_all(4);
		let task = create(spec(1, 4));
		next_block();
		let first = record(task);
		next_blocks(20);
		assert_eq!(
			last_failure(task),
			FailureReason::TooFewUpdates {
				posted: 0,
				needed: 2
			}
		);
		assert!(Trainers::<Test>::iter_values().all(|trainer| trainer.engaged.is_none()));
		next_block();
		let second = record(task);
		assert_eq!((second.number, second.base), (2, first.base));
		assert_ne!(
			second.member(0).unwrap().inputs,
			first.member(0).unwrap().inputs,
			"new seeds and new shards"
		);
		settle(task, 500);
		let view = Training::task_view(&task).unwrap();
		assert_eq!((view.settled, view.round, view.pot), (1, 2, 20_000));
		assert_eq!(Tasks::<Test>::get(task).unwrap().failures, 0);
	});
}

#[test]
fn too_many_failures_in_a_row_cancel_the_task() {
	run(|| {
		register_all(4);
		let task = create(spec(1, 4));
		for _ in 0..MAX_FAILED {
			assert_eq!(status(task), TaskStatus::Open);
			next_blocks(21);
		}
		assert_eq!(status(task), TaskStatus::Cancelled);
		assert_eq!(free(PUBLISHER), PURSE - DEPOSIT);
		assert_ok!(Training::leave(signed(1)));
	});
}

#[test]
fn only_the_last_failed_rounds_are_kept() {
	run(|| {
		register_all(1);
		let task = create(TaskSpec {
			stop: StopRule {
				max_rounds: 100,
				..spec(1, 1).stop
			},
			deadlines: Deadlines {
				train: 2,
				..spec(1, 1).deadlines
			},
			..spec(1, 1)
		});
		// Two failures, then one that settles, so that the task lives on.
		for _ in 0..KEPT_FAILURES {
			for _ in 0..2 {
				next_blocks(3);
			}
			next_block();
			settle(task, 500);
		}
		let stored = Tasks::<Test>::get(task).unwrap();
		assert_eq!(stored.progress.settled, KEPT_FAILURES);
		assert_eq!(stored.failed.len() as u32, KEPT_FAILURES);
		assert_eq!(stored.failed.first(), Some(&25));
		assert_eq!(Training::round_view(&task, 1), None);
		assert!(Training::round_view(&task, 3).is_some());
		assert_eq!(
			Rounds::<Test>::iter_prefix(task).count() as u32,
			2 * KEPT_FAILURES
		);
	});
}

#[test]
fn a_refused_version_fails_the_round_and_leaves_nothing() {
	run(|| {
		let task = in_aggregate();
		let head = Tasks::<Test>::get(task).unwrap().head;
		MockModels::refuse(true);
		agree(task, 500);
		next_block();
		assert_eq!(last_failure(task), FailureReason::VersionRefused);
		let stored = Tasks::<Test>::get(task).unwrap();
		assert_eq!((stored.head, stored.pot), (head, 30_000));
		assert_eq!(
			MockModels::model(&stored.spec.model).unwrap().latest,
			head,
			"what the registry wrote before it refused is undone"
		);
		MockModels::refuse(false);
		next_block();
		settle(task, 500);
	});
}

#[test]
fn a_round_whose_inputs_vanish_fails() {
	run(|| {
		register_all(2);
		let task = create(spec(1, 2));
		next_block();
		MockModels::forget(&Tasks::<Test>::get(task).unwrap().spec.model);
		assert_ok!(post(1, task, update(1)));
		assert_ok!(post(2, task, update(2)));
		next_block();
		assert_eq!(last_failure(task), FailureReason::InputsUnavailable);
		next_block();
		assert_eq!(status(task), TaskStatus::Cancelled);
	});
}

#[test]
fn two_tasks_share_the_trainers() {
	run(|| {
		register_all(5);
		let first = create(spec(1, 3));
		let second = create(spec(2, 3));
		next_block();
		assert_eq!(roster(first), [1, 2, 3]);
		assert_eq!(Training::task_view(&second).unwrap().round, 0);
		assert_ok!(register(6, 1));
		next_block();
		assert_eq!(roster(second), [4, 5, 6]);
		settle(first, 500);
		settle(second, 500);
		assert_eq!(Training::check_invariants(), Ok(()));
	});
}

#[test]
fn a_payment_that_cannot_be_made_stays_in_the_pot() {
	run(|| {
		register_all(2);
		// Each share is 20, less than an account needs to exist.
		let task = create(TaskSpec {
			reward: 40,
			..spec(1, 2)
		});
		next_block();
		// A member's account dies in the middle of the round, by other means than this pallet.
		Trainers::<Test>::mutate_extant(account(2), |trainer| trainer.bond = 0);
		frame_system::Account::<Test>::remove(account(2));
		pallet_balances::Holds::<Test>::remove(account(2));
		settle(task, 500);
		assert_eq!((free(1), free(2)), (PURSE - BOND + 20, 0));
		assert_eq!(Training::task_view(&task).unwrap().pot, 3 * 40 - 20);
		assert!(events().iter().any(|event| matches!(
			event,
			Event::PaymentFailed { trainer, amount: 20, .. } if *trainer == account(2)
		)));
	});
}

#[test]
fn an_idle_block_reserves_little_and_a_busy_one_enough() {
	run(|| {
		let idle = Training::on_initialize(1);
		register_all(4);
		let registered = Training::on_initialize(1);
		create(spec(1, 4));
		let one = Training::on_initialize(1);
		create(spec(2, 4));
		let two = Training::on_initialize(1);
		assert_eq!(idle, registered);
		assert!(one.ref_time() > idle.ref_time());
		assert!(two.ref_time() > one.ref_time());
		use crate::WeightInfo;
		let steps = <() as WeightInfo>::start_round(4).max(<() as WeightInfo>::settle_round(4));
		assert!(one.all_gte(steps));
	});
}

#[test]
fn jobs_follow_from_state() {
	run(|| {
		register_all(4);
		let task = create(spec(1, 4));
		next_block();
		let stored = Tasks::<Test>::get(task).unwrap();
		let job = |index| {
			let record = record(task);
			Training::materials(&stored.spec, &record.base)
				.unwrap()
				.job(&task, &stored.spec, &record, index)
				.unwrap()
		};
		let Job::Train(train) = job(2) else { panic!() };
		assert_eq!(train.shards.len(), 1);
		assert!(train.base.seed.is_some(), "version 0 has a seed");
		assert_ne!(train.batch_seed, train.rounding_seed);
		for index in 0..4 {
			assert_eq!(record(task).inputs_of(index), Some(job(index).digest()));
		}
		for who in 1..=3 {
			assert_ok!(post(who, task, update(who)));
		}
		next_blocks(20);
		let Job::Hold(hold) = job(0) else { panic!() };
		let roots: Vec<bool> = hold
			.updates
			.iter()
			.map(|update| update.root.is_some())
			.collect();
		assert_eq!(roots, [true, true, true, false]);
		assert_eq!(record(task).inputs_of(3), Some(job(0).digest()));
		for who in 1..=3 {
			assert_ok!(post(who, task, all(3)));
		}
		next_block();
		let Job::Aggregate(aggregate) = job(0) else {
			panic!()
		};
		assert_eq!(aggregate.survivors.len(), 3);
		let inputs = record(task).inputs_of(0);
		assert_eq!(inputs, Some(job(3).digest()));
		let claimant = in_turn(task);
		assert_ok!(post(claimant, task, PostBody::Claim(report(1))));
		assert_eq!(
			record(task).inputs_of(0),
			inputs,
			"the challenge has the inputs of the aggregate"
		);
	});
}
