//! An outsider recomputes a history, and finds what was changed in it.

use crate::world::*;
use trainer::*;

/// Two settled rounds of two trainers, their store still serving, and what the chain would say of them.
fn history(world: &World, dir: &tempfile::TempDir) -> (Engine, Lineage) {
	let engine = world.engine(dir.path(), 2);
	let (mut base, mut rounds) = (world.base, Vec::new());
	for number in 1..=2 {
		let survivors: Vec<UpdateRef> = (1..=2u8)
			.map(|trainer| {
				let shard = (trainer as usize + number as usize) % 4;
				let job = Job::Train(world.train_job(base, trainer, &[shard]));
				let outcome = run(&engine, key(number, Phase::Train, trainer, 1), job);
				UpdateRef {
					account: account(trainer),
					root: Some(trained_root(&outcome)),
					weight: 1,
				}
			})
			.collect();
		let job = Job::Aggregate(world.aggregate_job(base, &survivors));
		let outcome = run(&engine, key(number, Phase::Aggregate, 1, 2), job);
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
		rounds.push(RoundRecord {
			number,
			survivors,
			quantiser: QUANTISER,
			outer: OUTER,
			parameters,
			momentum,
			evaluation: Some(evaluation),
		});
	}
	let lineage = Lineage {
		architecture: world.architecture,
		base: world.base,
		rounds,
		evaluate: Some((world.tokenizer, world.held_out.clone())),
	};
	(engine, lineage)
}

/// Verifies with an empty store, as an outsider does.
fn verify(world: &World, lineage: &Lineage) -> (Result<Verified, VerifyError>, Vec<Progress>) {
	let dir = tempfile::tempdir().unwrap();
	let store = Store::open(dir.path()).unwrap();
	let pool = rayon::ThreadPoolBuilder::new().build().unwrap();
	let host = Host {
		store: &store,
		peers: &world.network,
		pool: &pool,
		stop: &Stop::default(),
	};
	let mut seen = Vec::new();
	let result = verify_lineage(lineage, &host, &mut |progress| seen.push(progress));
	(result, seen)
}

#[test]
fn an_outsider_confirms_a_true_history() {
	let (world, dir) = (World::new(), tempfile::tempdir().unwrap());
	let (_engine, lineage) = history(&world, &dir);
	let (verified, seen) = verify(&world, &lineage);
	let verified = verified.unwrap();
	assert_eq!((verified.rounds, verified.updates), (2, 4));
	assert_eq!(verified.parameters, lineage.rounds[1].parameters);
	assert_eq!(seen.len(), 3);
	assert_eq!(seen[0], Progress::Base { derived: true });
	assert_eq!(
		seen[2],
		Progress::Round {
			number: 2,
			done: 2,
			total: 2
		}
	);
	// A history without rounds is version 0.
	let empty = Lineage {
		rounds: Vec::new(),
		..lineage
	};
	assert_eq!(
		verify(&world, &empty).0.unwrap().parameters,
		world.base.parameters
	);
}

#[test]
fn every_change_is_found_in_its_round() {
	let (world, dir) = (World::new(), tempfile::tempdir().unwrap());
	let (_engine, lineage) = history(&world, &dir);
	let error = |change: &dyn Fn(&mut Lineage)| {
		let mut changed = lineage.clone();
		change(&mut changed);
		verify(&world, &changed).0.unwrap_err()
	};
	let wrong_root = |error: VerifyError| match error {
		VerifyError::WrongRoot { round, which, .. } => (round, which),
		other => panic!("{other:?}"),
	};

	let first = error(&|l| l.rounds[0].parameters[0] ^= 1);
	assert_eq!(wrong_root(first), (1, Which::Parameters));
	let last = error(&|l| l.rounds[1].momentum[31] ^= 1);
	assert_eq!(wrong_root(last), (2, Which::Momentum));
	// Another update of the same trainer in its place: real bytes, but not those that were summed.
	let swapped = error(&|l| l.rounds[0].survivors[1].root = l.rounds[1].survivors[1].root);
	assert_eq!(wrong_root(swapped), (1, Which::Parameters));
	let dropped = error(&|l| {
		l.rounds[1].survivors.pop();
	});
	assert_eq!(wrong_root(dropped), (2, Which::Parameters));
	let weighed = error(&|l| l.rounds[1].survivors[0].weight = 2);
	assert_eq!(wrong_root(weighed), (2, Which::Parameters));
	let moved = error(&|l| l.rounds[1].outer.learning_rate_q16 += 1);
	assert_eq!(wrong_root(moved), (2, Which::Parameters));

	let evaluation = error(&|l| l.rounds[1].evaluation = Some(1));
	assert!(matches!(
		evaluation,
		VerifyError::WrongEvaluation {
			round: 2,
			claimed: 1,
			..
		}
	));
	let seed = error(&|l| l.base.seed = Some([1; 32]));
	assert!(matches!(
		seed,
		VerifyError::Base {
			source: JobError::SeedRoot { .. }
		}
	));
	let flipped = error(&|l| {
		if let Some(root) = &mut l.rounds[1].survivors[0].root {
			root[5] ^= 1;
		}
	});
	assert!(matches!(
		flipped,
		VerifyError::Round {
			round: 2,
			source: JobError::Fetch(FetchError::Peer(PeerError::NotFound { .. }))
		}
	));
}
