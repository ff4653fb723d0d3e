//! Engines that are killed, restarted, asked twice, superseded; jobs that panic or wait for missing bytes.

use crate::world::*;
use std::{path::Path, sync::atomic::Ordering, time::Duration};
use trainer::*;

/// Trains in `dir` as an engine does, keeping the state after every step, and stops after `stop_after` steps.
fn train_until(
	world: &World,
	dir: &Path,
	stop_after: u32,
) -> (Result<Trained, JobError>, Vec<Vec<u8>>) {
	let store = Store::open(dir).unwrap();
	let pool = rayon::ThreadPoolBuilder::new().build().unwrap();
	let stop = Stop::default();
	let path = dir.join("training.state");
	let saved = SavedState::new(path.clone(), [5; 32]);
	let job = world.train_job(world.base, 1, &[0, 1]);
	let host = Host {
		store: &store,
		peers: &world.network,
		pool: &pool,
		stop: &stop,
	};
	let training = Training {
		job: &job,
		trainer: &account(1),
		saved: Some(&saved),
		save_interval: Duration::ZERO,
	};
	let mut states = Vec::new();
	let result = train(&training, &host, &mut |step| {
		// What the step before left on disk.
		states.extend(std::fs::read(&path).ok());
		if step.steps == stop_after {
			stop.set();
		}
	});
	(result, states)
}

#[test]
fn a_killed_training_goes_on_to_the_same_bits() {
	let world = World::new();
	let dir = || tempfile::tempdir().unwrap();
	let whole = train_until(&world, dir().path(), u32::MAX).0.unwrap();
	let same = |trained: Trained| {
		assert_eq!(
			(
				trained.root,
				trained.loss_before,
				trained.loss_after,
				trained.tokens
			),
			(
				whole.root,
				whole.loss_before,
				whole.loss_after,
				whole.tokens
			)
		);
	};

	// Stopped in good order after each step.
	for step in [1, 4, 7] {
		let dir = dir();
		let stopped = train_until(&world, dir.path(), step).0.unwrap_err();
		assert!(stopped.is_stopped() && !stopped.is_permanent(), "{stopped}");
		same(train_until(&world, dir.path(), u32::MAX).0.unwrap());
	}

	// Killed: what is on disk is older than what was computed.
	let dir = dir();
	let (_, states) = train_until(&world, dir.path(), 6);
	assert_eq!(states.len(), 5);
	std::fs::write(dir.path().join("training.state"), &states[2]).unwrap();
	same(train_until(&world, dir.path(), u32::MAX).0.unwrap());

	// A damaged state, and that of another job, begin anew.
	let mut damaged = states[2].clone();
	damaged[200] ^= 1;
	for bad in [&damaged[..], &states[2][..300], b""] {
		std::fs::write(dir.path().join("training.state"), bad).unwrap();
		let (result, seen) = train_until(&world, dir.path(), u32::MAX);
		assert_eq!(seen.len(), 8);
		same(result.unwrap());
	}
}

/// Waits, without a clock, until the engine says so of a job.
fn until(engine: &Engine, key: &JobKey, reached: impl Fn(&JobStatus) -> bool) -> JobStatus {
	loop {
		let found = engine.jobs().into_iter().find(|status| status.key == *key);
		if let Some(status) = found.filter(|status| reached(status)) {
			return status;
		}
		std::thread::yield_now();
	}
}

#[test]
fn an_engine_that_is_stopped_in_training_goes_on_after_a_restart() {
	let world = World::new();
	let mut job = world.train_job(world.base, 1, &[0]);
	job.local.steps = 60;
	let key = key(1, Phase::Train, 1, 1);
	let reference = tempfile::tempdir().unwrap();
	let whole = run(
		&world.engine(reference.path(), 1),
		key,
		Job::Train(job.clone()),
	);

	let dir = tempfile::tempdir().unwrap();
	for steps in [3, 20] {
		let engine = world.engine(dir.path(), 2);
		engine.submit(key, Job::Train(job.clone())).unwrap();
		let status = until(&engine, &key, |status| status.done >= steps);
		assert_eq!(status.total, 60);
		engine.shutdown();
		assert_eq!(engine.wait(&key), None);
		assert!(matches!(
			engine.submit(key, Job::Train(job.clone())),
			Err(EngineError::ShutDown)
		));
	}
	let engine = world.engine(dir.path(), 1);
	assert_eq!(engine.wait(&key), Some(whole));
	assert_eq!(
		std::fs::read_dir(dir.path().join("states"))
			.unwrap()
			.count(),
		0
	);
}

#[test]
fn a_job_runs_once_and_its_outcome_outlives_the_engine() {
	let world = World::new();
	let dir = tempfile::tempdir().unwrap();
	let key = key(1, Phase::Train, 1, 1);
	let job = Job::Train(world.train_job(world.base, 1, &[0]));
	let outcome = {
		let engine = world.engine(dir.path(), 1);
		assert_eq!(engine.poll(&key), None);
		assert_eq!(
			engine.submit(key, job.clone()).unwrap(),
			Submission::Accepted
		);
		assert_eq!(engine.submit(key, job.clone()).unwrap(), Submission::Known);
		let outcome = engine.wait(&key).unwrap();
		assert_eq!(engine.submit(key, job.clone()).unwrap(), Submission::Known);
		outcome
	};
	let asked = world.network.blobs_asked.load(Ordering::SeqCst);
	let engine = world.engine(dir.path(), 1);
	assert_eq!(engine.poll(&key), Some(outcome.clone()));
	assert_eq!(run(&engine, key, job), outcome);
	assert_eq!(engine.jobs().len(), 1);
	assert_eq!(world.network.blobs_asked.load(Ordering::SeqCst), asked);
	// Another engine may not work in the same directory.
	let second = Engine::start(
		EngineConfig {
			allow_soft_fma: true,
			..EngineConfig::new(dir.path())
		},
		std::sync::Arc::new(NoPeers),
	);
	assert!(matches!(
		second,
		Err(EngineError::Store(StoreError::Locked { .. }))
	));
}

#[test]
fn a_panic_fails_its_job_alone() {
	let world = World::new();
	let dir = tempfile::tempdir().unwrap();
	let engine = world.engine(dir.path(), 1);
	*world.network.cursed.lock().unwrap() = Some(world.shards[1].chunks[0]);
	let job = |shard| Job::Train(world.train_job(world.base, 1, &[shard]));
	let cursed = run(&engine, key(1, Phase::Train, 1, 1), job(1));
	assert!(
		failure(&cursed).starts_with("internal error: a cursed blob"),
		"{cursed:?}"
	);
	trained_root(&run(&engine, key(2, Phase::Train, 1, 2), job(0)));
}

#[test]
fn missing_bytes_are_waited_for() {
	let world = World::new();
	let dir = tempfile::tempdir().unwrap();
	let engine = world.engine(dir.path(), 1);
	let key = key(1, Phase::Train, 1, 1);
	let chunk = world.shards[0].chunks[2];
	let bytes = world.network.remove(&chunk).unwrap();
	engine
		.submit(key, Job::Train(world.train_job(world.base, 1, &[0])))
		.unwrap();
	let status = until(&engine, &key, |status| {
		matches!(status.state, JobState::Retrying { .. })
	});
	let JobState::Retrying { error, .. } = status.state else {
		unreachable!()
	};
	assert!(error.contains("not in the archive"), "{error}");
	world.network.put(&bytes);
	trained_root(&engine.wait(&key).unwrap());
}

#[test]
fn a_newer_round_ends_an_older_job() {
	let world = World::new();
	let dir = tempfile::tempdir().unwrap();
	let engine = world.engine(dir.path(), 1);
	let mut long = world.train_job(world.base, 1, &[0]);
	long.local.steps = u32::MAX;
	let (old, new) = (key(1, Phase::Train, 1, 1), key(2, Phase::Train, 1, 2));
	engine.submit(old, Job::Train(long.clone())).unwrap();
	until(&engine, &old, |status| status.done >= 2);
	let job = Job::Train(world.train_job(world.base, 1, &[1]));
	trained_root(&run(&engine, new, job));
	assert_eq!((engine.wait(&old), engine.poll(&old)), (None, None));
	assert_eq!(until(&engine, &old, |_| true).state, JobState::Cancelled);
	assert_eq!(
		engine.submit(old, Job::Train(long.clone())).unwrap(),
		Submission::Superseded
	);
	// And by hand.
	let third = key(3, Phase::Train, 1, 3);
	engine.submit(third, Job::Train(long)).unwrap();
	engine.cancel(&third);
	assert_eq!(engine.wait(&third), None);
}

#[test]
fn hold_answers_with_what_can_be_had() {
	let world = World::new();
	let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
	let (ours, theirs) = (world.engine(ours.path(), 1), world.engine(theirs.path(), 1));
	let train = |engine: &Engine, trainer| {
		let job = world.train_job(world.base, trainer, &[0]);
		let outcome = run(engine, key(1, Phase::Train, trainer, 1), Job::Train(job));
		Some(trained_root(&outcome))
	};
	let (first, second) = (train(&ours, 1), train(&theirs, 2));
	let update = |trainer, root| UpdateRef {
		account: account(trainer),
		root,
		weight: 1,
	};
	// Member 2 posted nothing, 3 something that nobody has, 4 what is not its own.
	let updates = [
		update(1, first),
		update(2, second),
		update(3, None),
		update(4, Some([8; 32])),
		update(5, second),
	];
	let hold = |engine: &Engine, trainer, attempt| {
		let job = Job::Hold(world.hold_job(&updates));
		run(engine, key(1, Phase::Hold, trainer, attempt), job)
	};
	// Who has not learnt yet that training is over withholds its own.
	assert_eq!(hold(&theirs, 2, 2), JobOutcome::Held { bitmap: 0b10 });
	assert_eq!(hold(&ours, 1, 2), JobOutcome::Held { bitmap: 0b11 });
	assert_eq!(hold(&theirs, 2, 3), JobOutcome::Held { bitmap: 0b11 });
	// Nobody lost what was copied.
	assert!(theirs.store().has_vector(&second.unwrap()));
}

#[test]
fn another_engine_replays_a_generation_to_the_same_bytes() {
	let world = World::new();
	let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
	let one = world.engine(one.path(), 1);
	let request = GenerationRequest {
		architecture: world.architecture,
		parameters: world.base.parameters,
		momentum: world.base.momentum,
		seed: world.base.seed,
		tokenizer: world.tokenizer,
		prompt: "春".into(),
		sampling: transformer::Sampling {
			temperature_milli: 900,
			top_k: 0,
			top_p_milli: 1000,
			max_tokens: 12,
		},
		rng_seed: [3; 32],
	};
	let first = one.generate(&request).unwrap();
	assert_eq!(first.output, hash(first.text.as_bytes()));
	assert_eq!(one.generate(&request).unwrap().text, first.text);
	// The other one has no seed and asks its neighbour for the version.
	let two = world.engine(two.path(), 2);
	let asks = GenerationRequest {
		seed: None,
		..request.clone()
	};
	assert_eq!(two.replay(&asks, &first.output).unwrap().text, first.text);
	assert!(matches!(
		two.replay(&asks, &[0; 32]),
		Err(JobError::ReplayMismatch { computed, .. }) if computed == first.output
	));
	let reseeded = GenerationRequest {
		rng_seed: [4; 32],
		..request
	};
	assert_ne!(two.generate(&reseeded).unwrap().text, first.text);
}
