//! What a watcher tells of made-up rounds.

use super::*;
use llmchain_primitives::{
	model::CheckpointRoots,
	training::{
		AggregateReport, Deadlines, F32Bits, LocalTraining, MemberView, Outer, PrivacyClass,
		Quantiser, StopRule, TaskSpec, UpdateReport,
	},
	AccountId, Hash,
};

fn task(round: u32) -> TaskView {
	let zero = F32Bits(0);
	TaskView {
		publisher: AccountId::new([1; 32]),
		spec: TaskSpec {
			model: Hash::zero(),
			base: Hash::zero(),
			dataset: Hash::zero(),
			privacy: PrivacyClass::Auditable,
			cohort: 1,
			local: LocalTraining {
				steps: 1,
				batch: 1,
				warmup: 0,
				learning_rate: zero,
				beta1: zero,
				beta2: zero,
				epsilon: zero,
				weight_decay: zero,
				clip_norm: zero,
			},
			outer: Outer {
				learning_rate_q16: 1,
				momentum_q16: 0,
			},
			quantiser: Quantiser {
				bits: 8,
				exponent: 8,
			},
			deadlines: Deadlines {
				train: 2,
				hold: 2,
				aggregate_turn: 2,
				challenge: 2,
			},
			stop: StopRule {
				max_rounds: 5,
				target_loss: None,
				patience: None,
				min_delta: 0,
			},
			reward: 1,
		},
		status: TaskStatus::Open,
		round,
		settled: round.saturating_sub(1),
		head: Hash::zero(),
		pot: 0,
	}
}

fn round(number: u32, status: RoundStatus) -> RoundView {
	let is_over = !matches!(status, RoundStatus::Running { .. });
	RoundView {
		task: Hash::zero(),
		number,
		base: Hash::zero(),
		members: vec![MemberView {
			account: AccountId::new([2; 32]),
			shards: vec![0],
			update: Some(UpdateReport {
				root: Hash::zero(),
				loss_before: 3_000_000,
				loss_after: 2_000_000,
			}),
			holdings: None,
			survived: true,
			attested: false,
		}],
		status,
		began: 10,
		ended: is_over.then_some(16),
		claim: Some(AggregateReport {
			roots: CheckpointRoots {
				parameters: Hash::zero(),
				momentum: Hash::zero(),
			},
			evaluation: 2_500_000,
		}),
	}
}

fn running(phase: Phase) -> RoundStatus {
	RoundStatus::Running {
		phase,
		since: 10,
		deadline: 20,
	}
}

#[test]
fn each_phase_and_each_end_is_told_once() {
	let mut watcher = Watcher::default();
	let train = round(1, running(Phase::Train));
	assert!(watcher.round(1, Some(&train), 11).is_some());
	assert_eq!(watcher.round(1, Some(&train), 12), None);
	assert_eq!(watcher.wanted(&task(1)), 1..=1);
	let settled = round(
		1,
		RoundStatus::Settled {
			version: Hash::repeat_byte(9),
		},
	);
	let Some(Event::Settled {
		heldout_loss,
		blocks,
		training_loss_before,
		survivors,
		..
	}) = watcher.round(1, Some(&settled), 16)
	else {
		panic!("no settlement");
	};
	assert_eq!(
		(heldout_loss, blocks, training_loss_before, survivors),
		(2.5, 6, Some(3.0), 1)
	);
	assert!(watcher.wanted(&task(1)).is_empty());
	assert_eq!(watcher.wanted(&task(3)), 2..=3);
}

#[test]
fn a_dropped_record_is_a_failed_round() {
	let mut watcher = Watcher::default();
	assert!(matches!(
		watcher.round(1, None, 5),
		Some(Event::Failed {
			round: 1,
			members: None,
			..
		})
	));
	assert_eq!(watcher.over, 1);
}

#[test]
fn a_late_watch_of_one_round_skips_what_is_over() {
	let hold = round(3, running(Phase::Hold));
	assert_eq!(Watcher::skip_past(&task(3), Some(&hold)).over, 2);
	let failed = round(3, RoundStatus::Failed);
	assert_eq!(Watcher::skip_past(&task(3), Some(&failed)).over, 3);
	assert_eq!(Watcher::skip_past(&task(0), None).over, 0);
}

#[test]
fn people_see_one_heading() {
	let mut table = Table::default();
	let failed = Event::Failed {
		round: 1,
		survivors: None,
		members: None,
		blocks: None,
		seconds: Some(1.25),
	};
	assert!(table.add(&failed).unwrap().starts_with("round"));
	let second = table.add(&failed).unwrap();
	assert!(second.contains("failed") && !second.contains("held-out"));
}

#[test]
fn events_are_lines_of_json_with_a_tag() {
	let event = Event::Phase {
		round: 1,
		phase: "train",
		since: 1,
		deadline: 2,
		block: 3,
	};
	let text = serde_json::to_string(&event).unwrap();
	assert!(text.starts_with(r#"{"event":"phase","#), "{text}");
}
