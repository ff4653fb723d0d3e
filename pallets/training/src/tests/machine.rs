//! The round machine alone: phase, input and time against what must come of them. No storage.

use crate::{
	mock::{account, all, report, update},
	round::{Attendance, Effect, FailureReason, Refusal, RoundRecord, Status, Verdict},
	task::Progress,
};
use llmchain_primitives::{
	training::{Deadlines, Holdings, Phase, PostBody, StopRule, TaskStatus},
	Hash,
};

const DEADLINES: Deadlines = Deadlines {
	train: 10,
	hold: 6,
	aggregate_turn: 4,
	challenge: 5,
};

/// A round of `n` members of capacity 1 that begins at the end of block 100, with number 1.
fn begin(n: u8) -> RoundRecord {
	let roster = (0..n).map(|who| (account(who), 1)).collect();
	RoundRecord::begin(1, Hash::zero(), roster, 8, DEADLINES, 100)
}

fn claim() -> PostBody {
	PostBody::Claim(report(1))
}

fn attestation(evaluation: u64) -> PostBody {
	PostBody::Attestation(report(evaluation))
}

fn phase(round: &RoundRecord) -> (Phase, u32, u32) {
	let running = round.running().unwrap();
	(running.phase, running.since, running.deadline)
}

/// A round of `n` in which all members posted updates, in `Hold` since block 102.
fn in_hold(n: u8) -> RoundRecord {
	let mut round = begin(n);
	for who in 0..n {
		round.take(who.into(), &update(who), 101).unwrap();
	}
	assert_eq!(round.advance(101), Some(Effect::OpenedHold));
	round
}

/// The same, in `Aggregate` since block 103.
fn in_aggregate(n: u8) -> RoundRecord {
	let mut round = in_hold(n);
	for who in 0..n {
		round.take(who.into(), &all(n.into()), 102).unwrap();
	}
	assert_eq!(round.advance(102), Some(Effect::OpenedAggregate));
	round
}

/// The same, in `Challenge` since block 104; member 1 claims.
fn in_challenge(n: u8) -> RoundRecord {
	let mut round = in_aggregate(n);
	round.take(1 % u32::from(n), &claim(), 103).unwrap();
	round
}

#[test]
fn every_post_has_one_phase() {
	let rounds = [begin(4), in_hold(4), in_aggregate(4), in_challenge(4)];
	let bodies = [update(0), all(4), claim(), attestation(1)];
	// Columns: update, holdings, claim, attestation of member 0 (member 1 is in turn and claims).
	use Refusal::{TooEarly as Early, TooLate as Late, TurnToCome};
	let expected = [
		[Ok(()), Err(Early), Err(Early), Err(Early)],
		[Err(Late), Ok(()), Err(Early), Err(Early)],
		[Err(Late), Err(Late), Err(TurnToCome), Err(Early)],
		[Err(Late), Err(Late), Err(Late), Ok(())],
	];
	for (round, row) in rounds.iter().zip(expected) {
		for (body, expected) in bodies.iter().zip(row) {
			let mut round = round.clone();
			let before = round.clone();
			assert_eq!(round.admit(0, body, 103), expected, "{body:?}");
			assert_eq!(round.take(0, body, 103).map(drop), expected, "{body:?}");
			assert_eq!(round == before, expected.is_err(), "{body:?}");
		}
	}
}

#[test]
fn a_post_comes_in_time_once_and_from_a_member() {
	let mut round = begin(4);
	assert_eq!(phase(&round), (Phase::Train, 101, 110));
	assert_eq!(round.admit(4, &update(4), 101), Err(Refusal::NotAMember));
	assert_eq!(round.admit(0, &update(0), 110), Ok(()));
	assert_eq!(round.admit(0, &update(0), 111), Err(Refusal::TooLate));
	round.take(0, &update(0), 101).unwrap();
	assert_eq!(round.admit(0, &update(9), 102), Err(Refusal::AlreadyPosted));

	let mut round = in_hold(4);
	round.take(0, &all(4), 102).unwrap();
	assert_eq!(round.admit(0, &all(3), 102), Err(Refusal::AlreadyPosted));

	let mut round = in_challenge(4);
	assert_eq!(
		round.admit(1, &attestation(1), 104),
		Err(Refusal::AlreadyPosted),
		"the claimant agrees by claiming"
	);
	round.take(2, &attestation(2), 104).unwrap();
	assert_eq!(
		round.admit(2, &attestation(1), 104),
		Err(Refusal::AlreadyPosted)
	);

	let mut round = begin(4);
	round.fail(FailureReason::NoClaim, 101);
	assert_eq!(round.admit(0, &update(0), 101), Err(Refusal::NotRunning));
}

#[test]
fn training_ends_with_the_last_update_or_at_its_deadline() {
	for (posted, now, expected) in [
		(4, 101, Some(Effect::OpenedHold)),
		(3, 109, None),
		(3, 110, Some(Effect::OpenedHold)),
		(2, 110, Some(Effect::OpenedHold)),
		(
			1,
			110,
			Some(Effect::Failed(FailureReason::TooFewUpdates {
				posted: 1,
				needed: 2,
			})),
		),
		(0, 109, None),
		(
			0,
			110,
			Some(Effect::Failed(FailureReason::TooFewUpdates {
				posted: 0,
				needed: 2,
			})),
		),
	] {
		let mut round = begin(4);
		for who in 0..posted {
			round.take(who, &update(who as u8), 101).unwrap();
		}
		let before = round.clone();
		assert_eq!(round.advance(now), expected, "{posted} at {now}");
		assert_eq!(round == before, expected.is_none());
	}
	let needed: Vec<u32> = (1..=7).map(|n| begin(n).updates_needed()).collect();
	assert_eq!(needed, [1, 1, 2, 2, 3, 3, 4]);
}

#[test]
fn holding_waits_for_those_who_posted_an_update_only() {
	let mut round = begin(4);
	for who in 0..3 {
		round.take(who, &update(who as u8), 101).unwrap();
	}
	assert_eq!(round.advance(110), Some(Effect::OpenedHold));
	assert_eq!(phase(&round), (Phase::Hold, 111, 116));
	for who in 0..2 {
		round.take(who, &all(3), 111).unwrap();
	}
	assert_eq!(round.advance(111), None);
	// A member without update may hold too; nobody waits for it, and its word counts.
	round.take(3, &all(3), 112).unwrap();
	assert_eq!(round.advance(112), None);
	round.take(2, &all(3), 113).unwrap();
	assert_eq!(round.advance(113), Some(Effect::OpenedAggregate));
	assert_eq!(round.survivors, Holdings(0b0111));
}

#[test]
fn holdings_name_posted_updates_only() {
	let mut round = begin(4);
	for who in 0..3 {
		round.take(who, &update(who as u8), 101).unwrap();
	}
	round.advance(110);
	assert_eq!(round.take(0, &all(4), 111), Err(Refusal::UnknownHoldings));
	assert_eq!(
		round.take(0, &PostBody::Holdings(Holdings(1 << 63)), 111),
		Err(Refusal::UnknownHoldings)
	);
	assert_eq!(round.take(0, &all(3), 111), Ok(None));
	assert_eq!(
		round.take(1, &PostBody::Holdings(Holdings(0)), 111),
		Ok(None)
	);
}

#[test]
fn an_update_survives_if_enough_others_hold_it() {
	let needed: Vec<u32> = (1..=9).map(|n| begin(n).holders_needed()).collect();
	assert_eq!(needed, [0, 1, 2, 2, 2, 3, 3, 3, 4]);

	// Of four, two others are needed; what a member says of its own update does not count.
	let mut round = in_hold(4);
	for (who, held) in [0b1011, 0b1011, 0b0111, 0b1000].into_iter().enumerate() {
		round
			.take(who as u32, &PostBody::Holdings(Holdings(held)), 102)
			.unwrap();
	}
	assert_eq!(round.advance(102), Some(Effect::OpenedAggregate));
	// 0 is held by 1 and 2, 1 by 0 and 2, 2 by nobody else, 3 by 0 and 1.
	assert_eq!(round.survivors, Holdings(0b1011));

	let mut round = in_hold(4);
	round.take(0, &all(4), 102).unwrap();
	assert_eq!(round.advance(106), None);
	assert_eq!(
		round.advance(107),
		Some(Effect::Failed(FailureReason::NoSurvivors))
	);
	assert_eq!(round.ended, Some(107));
}

#[test]
fn a_round_of_one_needs_nobody_else() {
	let mut round = in_hold(1);
	round
		.take(0, &PostBody::Holdings(Holdings(0)), 102)
		.unwrap();
	assert_eq!(round.advance(102), Some(Effect::OpenedAggregate));
	assert_eq!(round.survivors, Holdings(1));
	round.take(0, &claim(), 103).unwrap();
	assert_eq!(round.advance(103), Some(Effect::Agreed(report(1))));
}

#[test]
fn aggregators_take_turns_from_the_rounds_number_on() {
	let round = in_aggregate(4);
	assert_eq!(phase(&round), (Phase::Aggregate, 103, 118));
	// Number 1: member 1 first, then 2, 3, 0; four blocks each.
	for (now, in_turn) in [
		(103, 1),
		(106, 1),
		(107, 2),
		(110, 2),
		(111, 3),
		(115, 0),
		(118, 0),
	] {
		for index in 0..4 {
			let order = |member: u32| (member + 3) % 4;
			let expected = match order(index).cmp(&order(in_turn)) {
				std::cmp::Ordering::Equal => Ok(()),
				std::cmp::Ordering::Greater => Err(Refusal::TurnToCome),
				std::cmp::Ordering::Less => Err(Refusal::TurnPassed),
			};
			assert_eq!(
				round.admit(index, &claim(), now),
				expected,
				"{index} at {now}"
			);
		}
	}
	let mut round = in_aggregate(4);
	assert_eq!(round.advance(117), None);
	assert_eq!(
		round.advance(118),
		Some(Effect::Failed(FailureReason::NoClaim))
	);
}

#[test]
fn two_thirds_with_the_claimant_settle() {
	let needed: Vec<u32> = (1..=9).map(|n| begin(n).agreement_needed()).collect();
	assert_eq!(needed, [1, 2, 2, 3, 4, 4, 5, 6, 6]);

	let mut round = in_challenge(4);
	assert_eq!(phase(&round), (Phase::Challenge, 104, 108));
	assert_eq!(
		round.take(0, &attestation(1), 104),
		Ok(Some(Verdict::Agreed))
	);
	assert_eq!(round.advance(104), None);
	assert_eq!(
		round.take(2, &attestation(9), 105),
		Ok(Some(Verdict::Disputed))
	);
	assert_eq!(round.advance(105), None);
	round.take(3, &attestation(1), 106).unwrap();
	assert_eq!(round.advance(106), Some(Effect::Agreed(report(1))));
	round.settle(Hash::repeat_byte(1), 106);
	assert_eq!(round.status, Status::Settled(Hash::repeat_byte(1)));
	assert_eq!(round.advance(107), None);
	assert_eq!(round.member(2).unwrap().verdict, Some(Verdict::Disputed));
}

#[test]
fn a_claim_falls_when_it_cannot_win_or_its_time_is_over() {
	// Two of four dispute: the other two are too few.
	let mut round = in_challenge(4);
	round.take(0, &attestation(2), 104).unwrap();
	round.take(2, &attestation(2), 104).unwrap();
	assert_eq!(
		round.advance(104),
		Some(Effect::ClaimDropped { claimant: 1 })
	);
	// Three turns are left, member 2 first; verdicts are gone.
	assert_eq!(phase(&round), (Phase::Aggregate, 105, 116));
	assert_eq!(round.claim, None);
	assert!(round.members.iter().all(|member| member.verdict.is_none()));
	assert_eq!(round.admit(1, &claim(), 105), Err(Refusal::TurnPassed));
	assert_eq!(round.admit(2, &claim(), 105), Ok(()));
	assert_eq!(round.admit(3, &claim(), 109), Ok(()));

	let mut round = in_challenge(4);
	assert_eq!(round.advance(107), None);
	assert_eq!(
		round.advance(108),
		Some(Effect::ClaimDropped { claimant: 1 })
	);

	// Nobody is left after the last turn.
	let mut round = in_aggregate(4);
	round.take(0, &claim(), 118).unwrap();
	assert_eq!(
		round.advance(123),
		Some(Effect::Failed(FailureReason::NoAgreement))
	);
	assert_eq!(round.claim, None);
}

#[test]
fn weights_are_capacities_within_the_dataset_and_arcs_follow_each_other() {
	let roster = [1, 2, 4, 16]
		.into_iter()
		.zip(0..)
		.map(|(capacity, who)| (account(who), capacity))
		.collect();
	let round = RoundRecord::begin(1, Hash::zero(), roster, 5, DEADLINES, 100);
	let weights: Vec<u8> = round.members.iter().map(|member| member.weight).collect();
	assert_eq!(weights, [1, 2, 4, 5]);
	let before: Vec<u32> = (0..4).map(|index| round.weight_before(index)).collect();
	assert_eq!(before, [0, 1, 3, 7]);
	assert_eq!(crate::jobs::shards_of(&round, 1), [2, 3]);
	assert_eq!(crate::jobs::shards_of(&round, 9), Vec::<u32>::new());
}

#[test]
fn a_miss_counts_unless_a_third_missed_too() {
	// One of four is silent in training: a miss. One of three that hold is silent: a miss as well.
	let mut round = begin(4);
	for who in 0..3 {
		round.take(who, &update(who as u8), 101).unwrap();
	}
	round.advance(110);
	round.take(0, &all(3), 111).unwrap();
	round.take(1, &all(3), 111).unwrap();
	assert_eq!(round.advance(116), Some(Effect::OpenedAggregate));
	let attendance: Vec<_> = (0..4).map(|index| round.attendance(index)).collect();
	use Attendance::*;
	assert_eq!(attendance, [Present, Present, Missed, Missed]);

	// Two of four: the fault is likely elsewhere.
	let mut round = begin(4);
	round.take(0, &update(0), 101).unwrap();
	round.take(1, &update(1), 101).unwrap();
	round.advance(110);
	let attendance: Vec<_> = (0..4).map(|index| round.attendance(index)).collect();
	assert_eq!(attendance, [Present, Present, Excused, Excused]);
}

#[test]
fn time_at_the_end_of_numbers_stops_nothing() {
	let roster = vec![(account(0), 1)];
	let mut round = RoundRecord::begin(u32::MAX, Hash::zero(), roster, 1, DEADLINES, u32::MAX);
	round.take(0, &update(0), u32::MAX).unwrap();
	assert_eq!(round.advance(u32::MAX), Some(Effect::OpenedHold));
	let mut empty = RoundRecord::begin(1, Hash::zero(), Vec::new(), 0, DEADLINES, 100);
	assert_eq!(empty.aggregator(0), None);
	assert!(matches!(
		empty.advance(200),
		Some(Effect::Failed(FailureReason::TooFewUpdates { .. }))
	));
}

#[test]
fn stop_rules_end_a_task_in_their_order() {
	let rule = StopRule {
		max_rounds: 4,
		target_loss: Some(100),
		patience: Some(2),
		min_delta: 10,
	};
	let run = |rule: StopRule, losses: &[u64]| -> Vec<Option<TaskStatus>> {
		let mut progress = Progress::default();
		losses
			.iter()
			.map(|loss| progress.settle(&rule, *loss))
			.collect()
	};
	use TaskStatus::*;
	assert_eq!(
		run(rule, &[500, 400, 300, 200]),
		[None, None, None, Some(Completed)]
	);
	assert_eq!(run(rule, &[500, 100]), [None, Some(TargetReached)]);
	assert_eq!(
		run(rule, &[500, 495, 491]),
		[None, None, Some(OutOfPatience)]
	);
	// Small falls add up to a gain, since they are measured from the last gain.
	assert_eq!(run(rule, &[500, 495, 490]), [None, None, None]);
	assert_eq!(
		run(rule, &[500, 495, 480, 475]),
		[None, None, None, Some(Completed)]
	);
	assert_eq!(run(rule, &[99]), [Some(TargetReached)]);
	// Standing still is no gain, even where any fall would be one.
	let any_fall = StopRule {
		min_delta: 0,
		target_loss: None,
		..rule
	};
	assert_eq!(
		run(any_fall, &[500, 500, 500]),
		[None, None, Some(OutOfPatience)]
	);
	let only_rounds = StopRule {
		patience: None,
		..any_fall
	};
	assert_eq!(
		run(only_rounds, &[1, 2, 3, 4]),
		[None, None, None, Some(Completed)]
	);
}
