//! Rounds of four participants: the aggregate is the one computed by hand, everybody gets the same, and the loss falls.

use crate::world::*;
use secagg::VectorKind;
use trainer::*;

/// Trains all four, each in its own engine; trainer 2 has two shards and so twice the weight.
fn train_all(world: &World, engines: &[Engine], round: u32, base: CheckpointRef) -> Vec<UpdateRef> {
	let jobs: Vec<(JobKey, u8)> = engines
		.iter()
		.zip(1u8..)
		.map(|(engine, trainer)| {
			let first = (trainer as usize + round as usize) % 4;
			let shards = [first, (first + 1) % 4];
			let weight = if trainer == 2 { 2 } else { 1 };
			let job = world.train_job(base, trainer, &shards[..weight]);
			let key = key(round, Phase::Train, trainer, round as u8);
			engine.submit(key, Job::Train(job)).unwrap();
			(key, weight as u8)
		})
		.collect();
	engines
		.iter()
		.zip(jobs)
		.map(|(engine, (key, weight))| UpdateRef {
			account: key.trainer,
			root: Some(trained_root(&engine.wait(&key).unwrap())),
			weight,
		})
		.collect()
}

/// Has all four fetch the updates. Each publishes its own when it is asked, so the last one finds all.
fn hold_all(world: &World, engines: &[Engine], round: u32, updates: &[UpdateRef]) {
	for (engine, (trainer, bitmap)) in engines.iter().zip([(1, 1), (2, 3), (3, 7), (4, 15)]) {
		let job = Job::Hold(world.hold_job(updates));
		let held = run(engine, key(round, Phase::Hold, trainer, 7), job);
		assert_eq!(held, JobOutcome::Held { bitmap });
	}
}

fn engines(world: &World, dirs: &[tempfile::TempDir]) -> Vec<Engine> {
	dirs.iter()
		.zip(1..)
		.map(|(dir, threads)| world.engine(dir.path(), threads % 3 + 1))
		.collect()
}

fn dirs() -> Vec<tempfile::TempDir> {
	(0..4).map(|_| tempfile::tempdir().unwrap()).collect()
}

#[test]
fn the_aggregate_is_the_one_computed_by_hand() {
	let (world, dirs) = (World::new(), dirs());
	let engines = engines(&world, &dirs);
	let updates = train_all(&world, &engines, 1, world.base);
	hold_all(&world, &engines, 1, &updates);
	let outcome = run(
		&engines[0],
		key(1, Phase::Aggregate, 1, 7),
		Job::Aggregate(world.aggregate_job(world.base, &updates)),
	);
	let JobOutcome::Aggregated {
		parameters,
		momentum,
		evaluation,
	} = outcome
	else {
		panic!("{outcome:?}");
	};

	// The same in plain integers of 128 bits, straight from the protocol's text.
	let half_even = |numerator: i128, denominator: i128| {
		let floor = numerator.div_euclid(denominator);
		let twice = 2 * numerator.rem_euclid(denominator);
		match twice.cmp(&denominator) {
			std::cmp::Ordering::Less => floor,
			std::cmp::Ordering::Greater => floor + 1,
			std::cmp::Ordering::Equal => floor + floor.rem_euclid(2),
		}
	};
	let version0 = Checkpoint::from_seed(&world.architecture, SEED).unwrap();
	let len = version0.parameters.len();
	let vectors: Vec<Vec<i16>> = updates
		.iter()
		.zip(&engines)
		.map(|(update, engine)| {
			let header =
				secagg::Header::new(VectorKind::Update, len as u64, update.account).unwrap();
			let values = engine.store().vector(&update.root.unwrap(), &header);
			values.unwrap().unwrap()
		})
		.collect();
	assert!(
		vectors[1].iter().all(|y| y % 2 == 0),
		"trainer 2 has weight 2"
	);
	let (mu, eta) = (OUTER.momentum_q16 as i128, OUTER.learning_rate_q16 as i128);
	let mut expected = version0.clone();
	for i in 0..len {
		let sum: i128 = vectors.iter().map(|vector| i128::from(vector[i])).sum();
		let g = half_even(sum << (24 - QUANTISER.exponent), 5);
		let m = half_even(mu * i128::from(version0.momentum[i]), 65536) + g;
		let step = half_even(eta * (g + half_even(mu * m, 65536)), 65536);
		expected.momentum[i] = m as i32;
		expected.parameters[i] = (i128::from(version0.parameters[i]) - step) as i32;
	}
	assert_ne!(expected.parameters, version0.parameters);
	assert_eq!((parameters, momentum), expected.roots().unwrap());

	// Everybody else gets the same, whatever its number of threads.
	for (engine, trainer) in engines.iter().zip(1u8..).skip(1) {
		let again = run(
			engine,
			key(1, Phase::Challenge, trainer, 7),
			Job::Aggregate(world.aggregate_job(world.base, &updates)),
		);
		assert_eq!(
			again,
			JobOutcome::Aggregated {
				parameters,
				momentum,
				evaluation
			}
		);
	}
}

#[test]
fn the_loss_falls_on_the_real_text() {
	let (world, dirs) = (World::new(), dirs());
	let engines = engines(&world, &dirs);
	let mut base = world.base;
	let mut losses = Vec::new();
	for round in 1..=3 {
		let updates = train_all(&world, &engines, round, base);
		hold_all(&world, &engines, round, &updates);
		let outcome = run(
			&engines[0],
			key(round, Phase::Aggregate, 1, 7),
			Job::Aggregate(world.aggregate_job(base, &updates)),
		);
		let JobOutcome::Aggregated {
			parameters,
			momentum,
			evaluation,
		} = outcome
		else {
			panic!("{outcome:?}");
		};
		base = CheckpointRef {
			parameters,
			momentum,
			seed: None,
		};
		losses.push(evaluation);
	}
	// A uniform guess has ln(vocabulary) nats.
	let uniform = (world.architecture.vocab_size as f64).ln() * 1e6;
	assert!((losses[0] as f64) < uniform, "{losses:?}");
	assert!(losses[1] < losses[0] && losses[2] < losses[1], "{losses:?}");
	let trained = engines[0].jobs();
	let training = trained
		.iter()
		.find(|status| status.key.phase == Phase::Train);
	let training = training.unwrap();
	assert_eq!((training.done, training.total), (8, 8));
	assert!(training.seconds > 0.0 && training.tokens_per_second > 0.0);
}

#[test]
fn two_engines_train_to_the_same_root() {
	let world = World::new();
	let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
	let job = world.train_job(world.base, 1, &[0, 2]);
	let roots: Vec<JobOutcome> = [(&one, 1), (&two, 3)]
		.into_iter()
		.map(|(dir, threads)| {
			let engine = world.engine(dir.path(), threads);
			run(&engine, key(1, Phase::Train, 1, 1), Job::Train(job.clone()))
		})
		.collect();
	assert_eq!(roots[0], roots[1]);
	// Another account or another seed is another root.
	let engine = world.engine(one.path(), 2);
	let other = run(&engine, key(1, Phase::Train, 2, 1), Job::Train(job.clone()));
	assert_ne!(trained_root(&other), trained_root(&roots[0]));
	let reseeded = TrainJob {
		batch_seed: [9; 32],
		..job
	};
	let other = run(&engine, key(2, Phase::Train, 1, 2), Job::Train(reseeded));
	assert_ne!(trained_root(&other), trained_root(&roots[0]));
}
