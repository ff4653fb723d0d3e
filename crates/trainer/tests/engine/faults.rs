//! Bad input: each kind has its own error, says which input it was, and fails the job for good where waiting cannot help.

use crate::world::*;
use trainer::*;

/// Trains without an engine, to see the typed error.
fn train_error(world: &World, change: impl FnOnce(&World, &mut TrainJob)) -> JobError {
	let dir = tempfile::tempdir().unwrap();
	let store = Store::open(dir.path()).unwrap();
	let pool = rayon::ThreadPoolBuilder::new().build().unwrap();
	let mut job = world.train_job(world.base, 1, &[0, 1]);
	change(world, &mut job);
	let training = Training {
		job: &job,
		trainer: &account(1),
		saved: None,
		save_interval: std::time::Duration::MAX,
	};
	let host = Host {
		store: &store,
		peers: &world.network,
		pool: &pool,
		stop: &Stop::default(),
	};
	train(&training, &host, &mut |_| {}).unwrap_err()
}

/// A shard of some bytes, as a careless publisher would announce it.
fn announce(world: &World, bytes: &[u8], documents: u32) -> Shard {
	Shard {
		size: bytes.len() as u32,
		documents,
		chunks: vec![world.network.put(bytes)],
	}
}

#[test]
fn broken_shards_are_named() {
	let world = World::new();
	let truncated = train_error(&world, |_, job| {
		job.shards[1].chunks.pop();
	});
	assert!(
		matches!(truncated, JobError::ShardSize { shard: 1, .. }),
		"{truncated:?}"
	);
	let cut = train_error(&world, |world, job| {
		job.shards[1] = announce(world, &"床前".as_bytes()[..5], 1)
	});
	assert!(
		matches!(
			cut,
			JobError::Shard {
				shard: 1,
				source: corpus::Error::Truncated { .. }
			}
		),
		"{cut:?}"
	);
	let latin = train_error(&world, |world, job| {
		job.shards[0] = announce(world, b"caf\xe9 noir", 1)
	});
	assert!(
		matches!(
			latin,
			JobError::Shard {
				shard: 0,
				source: corpus::Error::Invalid { .. }
			}
		),
		"{latin:?}"
	);
	let miscounted = train_error(&world, |_, job| job.shards[0].documents += 1);
	assert!(
		matches!(miscounted, JobError::ShardDocuments { shard: 0, .. }),
		"{miscounted:?}"
	);
	for error in [truncated, cut, latin, miscounted] {
		assert!(error.is_permanent(), "{error}");
	}
}

#[test]
fn wrong_tokenizers_are_named() {
	let world = World::new();
	let no_tokenizer = train_error(&world, |world, job| {
		job.tokenizer = world.network.put(b"{\"model\":")
	});
	assert!(
		matches!(no_tokenizer, JobError::Transformer(_)),
		"{no_tokenizer:?}"
	);
	let larger = transformer::train_characters(&["abcdefghijklmnopqrstuvwxyz"], 30).unwrap();
	let foreign = train_error(&world, |world, job| {
		job.tokenizer = world.network.put(&larger);
		job.architecture.vocab_size = 20;
	});
	// Version 0 of the smaller model has another root; that is found first.
	assert!(matches!(foreign, JobError::SeedRoot { .. }), "{foreign:?}");
	let foreign = train_error(&world, |world, job| {
		let letters: String = (0..400)
			.filter_map(|i| char::from_u32(0x4e00 + i))
			.collect();
		let many = transformer::train_characters(&[letters], 404).unwrap();
		job.tokenizer = world.network.put(&many);
	});
	assert!(
		matches!(foreign, JobError::Vocabulary { tokenizer: 404, .. }),
		"{foreign:?}"
	);
}

#[test]
fn wrong_numbers_are_named() {
	let world = World::new();
	let error = |change: fn(&mut TrainJob)| train_error(&world, |_, job| change(job));
	assert!(matches!(
		error(|job| job.base.parameters = [1; 32]),
		JobError::SeedRoot {
			which: Which::Parameters,
			claimed,
			..
		} if claimed == [1; 32]
	));
	assert!(matches!(
		error(|job| job.base.momentum = [1; 32]),
		JobError::SeedRoot {
			which: Which::Momentum,
			..
		}
	));
	assert!(matches!(
		error(|job| job.quantiser.bits = 16),
		JobError::Secagg(secagg::Error::Ring { bits: 16, .. })
	));
	assert!(matches!(
		error(|job| job.quantiser.exponent = 25),
		JobError::Secagg(secagg::Error::Exponent { exponent: 25 })
	));
	assert!(matches!(
		error(|job| job.shards.clear()),
		JobError::Weight { shards: 0 }
	));
	assert!(matches!(
		error(|job| job.shards = vec![job.shards[0].clone(); 17]),
		JobError::Weight { shards: 17 }
	));
	assert!(matches!(
		error(|job| job.local.steps = 0),
		JobError::NoSteps { steps: 0, .. }
	));
	assert!(matches!(
		error(|job| job.local.learning_rate = F32Bits(f32::NAN.to_bits())),
		JobError::Transformer(_)
	));
	assert!(matches!(
		error(|job| job.architecture.n_heads = 3),
		JobError::Transformer(_)
	));
}

#[test]
fn an_engine_reports_bad_jobs_as_failed() {
	let world = World::new();
	let dir = tempfile::tempdir().unwrap();
	let engine = world.engine(dir.path(), 1);
	let mut bad = world.train_job(world.base, 1, &[0]);
	bad.base.parameters = [1; 32];
	let outcome = run(&engine, key(1, Phase::Train, 1, 1), Job::Train(bad));
	assert!(
		failure(&outcome).contains("version 0 has parameters root 0x"),
		"{outcome:?}"
	);

	let silent = UpdateRef {
		account: account(6),
		root: None,
		weight: 1,
	};
	let job = Job::Aggregate(world.aggregate_job(world.base, &[silent]));
	let outcome = run(&engine, key(2, Phase::Aggregate, 1, 1), job);
	assert!(
		failure(&outcome).contains("without having posted an update"),
		"{outcome:?}"
	);
	let job = Job::Aggregate(world.aggregate_job(world.base, &[]));
	let outcome = run(&engine, key(3, Phase::Aggregate, 1, 1), job);
	assert!(failure(&outcome).contains("weight"), "{outcome:?}");
	let job = Job::Hold(world.hold_job(&[silent; 65]));
	let outcome = run(&engine, key(4, Phase::Hold, 1, 1), job);
	assert!(failure(&outcome).contains("65 members"), "{outcome:?}");
	assert!(matches!(
		engine.submit(key(5, Phase::Train, 1, 1), Job::Hold(world.hold_job(&[]))),
		Err(EngineError::WrongPhase { .. })
	));
}

#[test]
fn a_generation_without_its_version_says_so() {
	let world = World::new();
	let dir = tempfile::tempdir().unwrap();
	let engine = world.engine(dir.path(), 1);
	let request = GenerationRequest {
		architecture: world.architecture,
		parameters: [7; 32],
		momentum: [7; 32],
		seed: None,
		tokenizer: world.tokenizer,
		prompt: String::new(),
		sampling: transformer::Sampling {
			temperature_milli: 1000,
			top_k: 0,
			top_p_milli: 1000,
			max_tokens: 4,
		},
		rng_seed: [0; 32],
	};
	assert!(matches!(
		engine.generate(&request),
		Err(JobError::Fetch(FetchError::Peer(
			PeerError::NotFound { .. }
		)))
	));
	let sampling = transformer::Sampling {
		top_p_milli: 1001,
		..request.sampling
	};
	assert!(matches!(
		engine.generate(&GenerationRequest {
			sampling,
			..request.clone()
		}),
		Err(JobError::Transformer(_))
	));
	let long = GenerationRequest {
		parameters: world.base.parameters,
		momentum: world.base.momentum,
		seed: world.base.seed,
		prompt: "春".repeat(40),
		..request
	};
	assert!(matches!(
		engine.generate(&long),
		Err(JobError::Transformer(_))
	));
}
