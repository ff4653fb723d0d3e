//! Tests of the queue: what outlives a restart, and what a newer job overtakes. Must not know how jobs are run.

use super::*;
use crate::job::{Architecture, HoldJob, Phase};

fn key(round: u32, phase: Phase, digest: u8) -> JobKey {
	JobKey {
		genesis: [1; 32],
		task: [2; 32],
		round,
		phase,
		trainer: [3; 32],
		digest: [digest; 32],
	}
}

fn architecture() -> Architecture {
	Architecture {
		vocab_size: 8,
		context_length: 4,
		n_layers: 1,
		n_heads: 2,
		d_model: 4,
		d_ff: 16,
	}
}

fn hold() -> Job {
	Job::Hold(HoldJob {
		architecture: architecture(),
		updates: Vec::new(),
	})
}

fn aggregate() -> Job {
	Job::Aggregate(crate::AggregateJob {
		architecture: architecture(),
		tokenizer: [0; 32],
		base: crate::CheckpointRef {
			parameters: [0; 32],
			momentum: [0; 32],
			seed: None,
		},
		survivors: Vec::new(),
		quantiser: crate::Quantiser {
			bits: 8,
			exponent: 12,
		},
		outer: crate::Outer {
			learning_rate_q16: 1 << 16,
			momentum_q16: 0,
		},
		held_out: crate::Shard {
			size: 0,
			documents: 0,
			chunks: Vec::new(),
		},
	})
}

const HELD: JobOutcome = JobOutcome::Held { bitmap: 5 };

fn open(dir: &tempfile::TempDir) -> Queue {
	Queue::open(dir.path().to_path_buf()).unwrap()
}

#[test]
fn jobs_and_outcomes_survive_a_restart() {
	let dir = tempfile::tempdir().unwrap();
	let mut queue = open(&dir);
	let (done, open_key) = (key(1, Phase::Hold, 1), key(2, Phase::Hold, 2));
	assert_eq!(queue.submit(done, hold()).unwrap().0, Submission::Accepted);
	assert_eq!(queue.submit(done, hold()).unwrap().0, Submission::Known);
	let effort = Effort {
		done: 3,
		total: 3,
		seconds: 1.5,
		tokens: 0,
		loss: None,
	};
	queue.finish(&done, &HELD, effort);
	queue.submit(open_key, hold()).unwrap();
	drop(queue);
	let mut queue = open(&dir);
	let record = queue.get(&done).unwrap();
	assert_eq!((record.outcome(), record.effort), (Some(&HELD), effort));
	assert_eq!(
		queue.pending().map(|(key, _)| *key).collect::<Vec<_>>(),
		[open_key]
	);
	assert_eq!(queue.submit(done, hold()).unwrap().0, Submission::Known);
	let sequences: Vec<u64> = queue
		.records()
		.iter()
		.map(|record| record.sequence)
		.collect();
	assert_eq!(sequences, [0, 1]);
}

#[test]
fn later_work_supersedes_earlier_work() {
	let dir = tempfile::tempdir().unwrap();
	let mut queue = open(&dir);
	let other_task = JobKey {
		task: [9; 32],
		..key(1, Phase::Hold, 1)
	};
	queue.submit(other_task, hold()).unwrap();
	queue.submit(key(1, Phase::Hold, 1), hold()).unwrap();
	// Other inputs of the same phase.
	let (_, cancelled) = queue.submit(key(1, Phase::Hold, 2), hold()).unwrap();
	assert_eq!(cancelled, [key(1, Phase::Hold, 1)]);
	// A fork's inputs may come back.
	let (again, cancelled) = queue.submit(key(1, Phase::Hold, 1), hold()).unwrap();
	assert_eq!(
		(again, cancelled),
		(Submission::Accepted, vec![key(1, Phase::Hold, 2)])
	);
	// A later phase, then a later round.
	let (_, cancelled) = queue
		.submit(key(1, Phase::Aggregate, 3), aggregate())
		.unwrap();
	assert_eq!(cancelled, [key(1, Phase::Hold, 1)]);
	assert_eq!(
		queue.submit(key(1, Phase::Hold, 1), hold()).unwrap().0,
		Submission::Superseded
	);
	let (_, cancelled) = queue.submit(key(2, Phase::Hold, 4), hold()).unwrap();
	assert_eq!(cancelled, [key(1, Phase::Aggregate, 3)]);
	assert_eq!(
		queue
			.submit(key(1, Phase::Aggregate, 5), aggregate())
			.unwrap()
			.0,
		Submission::Superseded
	);
	let pending: Vec<JobKey> = queue.pending().map(|(key, _)| *key).collect();
	assert_eq!(pending, [other_task, key(2, Phase::Hold, 4)]);
}

#[test]
fn the_challenge_shares_the_aggregates_outcome() {
	let dir = tempfile::tempdir().unwrap();
	let mut queue = open(&dir);
	let (first, second) = (key(1, Phase::Aggregate, 1), key(1, Phase::Challenge, 1));
	queue.submit(first, aggregate()).unwrap();
	// The same question in a later phase cancels nothing; both are answered at once.
	let (submission, cancelled) = queue.submit(second, aggregate()).unwrap();
	assert_eq!((submission, cancelled), (Submission::Accepted, vec![]));
	let outcome = JobOutcome::Aggregated {
		parameters: [1; 32],
		momentum: [2; 32],
		evaluation: 3,
	};
	queue.finish(&first, &outcome, Effort::default());
	assert_eq!(queue.get(&second).unwrap().outcome(), Some(&outcome));
	// And if the answer is there before the question.
	let (first, second) = (key(2, Phase::Aggregate, 1), key(2, Phase::Challenge, 1));
	queue.submit(first, aggregate()).unwrap();
	queue.finish(&first, &outcome, Effort::default());
	queue.submit(second, aggregate()).unwrap();
	assert_eq!(queue.get(&second).unwrap().outcome(), Some(&outcome));
}

#[test]
fn an_outcome_never_changes_and_cancelled_jobs_get_none() {
	let dir = tempfile::tempdir().unwrap();
	let mut queue = open(&dir);
	let (a, b) = (key(1, Phase::Hold, 1), key(2, Phase::Hold, 2));
	queue.submit(a, hold()).unwrap();
	queue.finish(&a, &HELD, Effort::default());
	queue.finish(&a, &JobOutcome::Held { bitmap: 0 }, Effort::default());
	queue.cancel(&a);
	assert_eq!(queue.get(&a).unwrap().outcome(), Some(&HELD));
	queue.submit(b, hold()).unwrap();
	queue.cancel(&b);
	queue.finish(&b, &HELD, Effort::default());
	assert_eq!(queue.get(&b).unwrap().outcome(), None);
}

#[test]
fn bad_files_and_bad_jobs_are_refused() {
	let dir = tempfile::tempdir().unwrap();
	fs::write(dir.path().join("bad.json"), b"{\"key\":").unwrap();
	let mut queue = open(&dir);
	assert!(queue.records().is_empty() && !dir.path().join("bad.json").exists());
	assert!(matches!(
		queue.submit(key(1, Phase::Train, 1), hold()),
		Err(EngineError::WrongPhase {
			phase: Phase::Train
		})
	));
}

#[test]
fn only_so_many_finished_jobs_are_remembered() {
	let dir = tempfile::tempdir().unwrap();
	let mut queue = open(&dir);
	for round in 0..REMEMBERED as u32 + 3 {
		queue.submit(key(round, Phase::Hold, 1), hold()).unwrap();
		queue.finish(&key(round, Phase::Hold, 1), &HELD, Effort::default());
	}
	assert_eq!(queue.records().len(), REMEMBERED);
	assert!(queue.get(&key(2, Phase::Hold, 1)).is_none());
	assert_eq!(fs::read_dir(dir.path()).unwrap().count(), REMEMBERED);
}
