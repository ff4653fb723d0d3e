//! A history of two rounds on two datasets, made in memory and verified through a store that has everything.

use super::*;
use llmchain_primitives::{
	model::CheckpointRoots,
	training::{
		AggregateReport, Deadlines, F32Bits, LocalTraining, MemberView, Outer, PrivacyClass,
		Quantiser, StopRule, TaskSpec, TaskStatus, UpdateReport,
	},
	AccountId,
};
use secagg::{Header, VectorKind};
use trainer::{verify_lineage, Checkpoint, Host, NoPeers, Stop, Store, VerifyError, Which};

const ARCHITECTURE: Architecture = Architecture {
	vocab_size: 16,
	context_length: 4,
	n_layers: 1,
	n_heads: 2,
	d_model: 8,
	d_ff: 16,
};
const SEED: Hash = Hash::repeat_byte(7);

fn task(dataset: u8) -> TaskView {
	let zero = F32Bits(0);
	TaskView {
		publisher: AccountId::new([1; 32]),
		spec: TaskSpec {
			model: Hash::zero(),
			base: Hash::zero(),
			dataset: Hash::repeat_byte(dataset),
			privacy: PrivacyClass::Auditable,
			cohort: 2,
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
				learning_rate_q16: 1 << 16,
				momentum_q16: 1 << 15,
			},
			quantiser: Quantiser {
				bits: 8,
				exponent: 10,
			},
			deadlines: Deadlines {
				train: 2,
				hold: 2,
				aggregate_turn: 2,
				challenge: 2,
			},
			stop: StopRule {
				max_rounds: 2,
				target_loss: None,
				patience: None,
				min_delta: 0,
			},
			reward: 100,
		},
		status: TaskStatus::Completed,
		round: 1,
		settled: 1,
		head: Hash::zero(),
		pot: 0,
	}
}

fn version(origin: Origin, parents: Vec<VersionId>, roots: CheckpointRoots) -> ChainVersion {
	ChainVersion {
		model: Hash::zero(),
		number: 0,
		parents: parents.try_into().unwrap(),
		origin,
		roots,
		tokenizer: Hash::zero(),
		numeric_spec: NUMERIC_SPEC,
		datasets: Default::default(),
		contributors: Default::default(),
		evaluation: match origin {
			Origin::Seed(_) => None,
			Origin::Round { .. } => Some(5_000_000),
		},
		created: 1,
	}
}

fn identified(version: ChainVersion) -> (VersionId, ChainVersion) {
	let id = version_id(
		&version.model,
		&version.parents,
		&version.origin,
		&version.roots,
	);
	(id, version)
}

/// A round of two members of weights 1 and 2 on top of `base`, and the checkpoint that it makes.
fn made(
	store: &Store,
	base: (VersionId, Checkpoint),
	number: u8,
	dataset: u8,
) -> (Made, Checkpoint) {
	let task = task(dataset);
	let len = ARCHITECTURE.n_parameters().unwrap();
	let mut members = Vec::new();
	let mut updates = Vec::new();
	for (member, weight) in [(1u8, 1u8), (2, 2)] {
		let update: Vec<i16> = (0..len)
			.map(|i| i16::from(weight) * ((i as i16 + i16::from(member + number)) % 5 - 2))
			.collect();
		let header = Header::new(VectorKind::Update, len, [member; 32]).unwrap();
		let root = store.put_vector(&header, &update).unwrap();
		members.push(MemberView {
			account: AccountId::new([member; 32]),
			shards: (0..u32::from(weight)).collect(),
			update: Some(UpdateReport {
				root: root.into(),
				loss_before: 2,
				loss_after: 1,
			}),
			holdings: None,
			survived: true,
			attested: true,
		});
		updates.push((weight, update));
	}
	let new = trainer::apply(
		base.1,
		&updates,
		&convert::quantiser(&task.spec.quantiser),
		&convert::outer(&task.spec.outer),
	)
	.unwrap();
	let roots = convert::roots(new.roots().unwrap());
	let of = Hash::repeat_byte(100 + number);
	let origin = Origin::Round { task: of, round: 1 };
	let (id, version) = identified(version(origin, vec![base.0], roots));
	let round = RoundView {
		task: of,
		number: 1,
		base: base.0,
		members,
		status: RoundStatus::Settled { version: id },
		began: 1,
		ended: Some(9),
		claim: Some(AggregateReport {
			roots,
			evaluation: 5_000_000,
		}),
	};
	let made = Made {
		id,
		version,
		round,
		task,
	};
	(made, new)
}

fn world() -> (tempfile::TempDir, Store, History) {
	let folder = tempfile::tempdir().unwrap();
	let store = Store::open(folder.path()).unwrap();
	let checkpoint = Checkpoint::from_seed(&convert::architecture(&ARCHITECTURE), SEED.0).unwrap();
	let roots = convert::roots(checkpoint.roots().unwrap());
	let first = identified(version(Origin::Seed(SEED), Vec::new(), roots));
	let (one, checkpoint) = made(&store, (first.0, checkpoint), 1, 10);
	let (two, _) = made(&store, (one.id, checkpoint), 2, 20);
	let history = History {
		architecture: ARCHITECTURE,
		first,
		made: vec![one, two],
	};
	(folder, store, history)
}

fn verify(store: &Store, history: &History) -> Result<u32, VerifyError> {
	let pool = rayon::ThreadPoolBuilder::new()
		.num_threads(1)
		.build()
		.unwrap();
	let host = Host {
		store,
		peers: &NoPeers,
		pool: &pool,
		stop: &Stop::default(),
	};
	let mut updates = 0;
	for segment in history.segments(&BTreeMap::new()) {
		updates += verify_lineage(&segment, &host, &mut |_| {})?.updates;
	}
	Ok(updates)
}

#[test]
fn an_honest_history_follows_from_its_seed() {
	let (_folder, store, history) = world();
	assert_eq!(history.check(), Ok(()));
	// Another dataset, another held-out shard: two segments.
	assert_eq!(history.segments(&BTreeMap::new()).len(), 2);
	assert_eq!(verify(&store, &history).unwrap(), 4);
}

#[test]
fn a_wrong_root_is_named_by_round_and_vector() {
	let (_folder, store, mut history) = world();
	// A node that lies consistently: identity, claim and record agree on roots that the updates do not lead to.
	let wrong = Hash::repeat_byte(0xee);
	let made = &mut history.made[1];
	made.version.roots.parameters = wrong;
	made.round.claim.as_mut().unwrap().roots.parameters = wrong;
	let (id, _) = identified(made.version.clone());
	made.id = id;
	made.round.status = RoundStatus::Settled { version: id };
	assert_eq!(history.check(), Ok(()));
	assert!(matches!(
		verify(&store, &history),
		Err(VerifyError::WrongRoot { round: 1, which: Which::Parameters, claimed, .. })
			if claimed == wrong.0
	));
}

#[test]
fn a_seed_that_leads_elsewhere_is_found() {
	let (_folder, store, mut history) = world();
	let (_, mut first) = history.first.clone();
	first.origin = Origin::Seed(Hash::repeat_byte(8));
	history.first = identified(first);
	history.made.clear();
	assert_eq!(history.check(), Ok(()));
	assert!(matches!(
		verify(&store, &history),
		Err(VerifyError::Base { .. })
	));
}

#[test]
fn what_contradicts_itself_is_found_without_computing() {
	let (_folder, _store, history) = world();
	let broken = |change: &dyn Fn(&mut History)| {
		let mut history = history.clone();
		change(&mut history);
		history.check().unwrap_err()
	};
	let roots = broken(&|history| history.made[0].version.roots.momentum = Hash::zero());
	assert!(matches!(roots, HistoryError::Identity { .. }));
	let order = broken(&|history| history.made.swap(0, 1));
	assert!(matches!(order, HistoryError::Parent { .. }));
	let spec = broken(&|history| history.first.1.numeric_spec = 99);
	assert!(matches!(spec, HistoryError::NumericSpec { found: 99, .. }));
	for change in [
		(|made: &mut Made| made.round.status = RoundStatus::Failed) as fn(&mut Made),
		|made| made.round.base = Hash::zero(),
		|made| made.round.number = 2,
		|made| made.round.claim = None,
		|made| made.version.evaluation = Some(1),
		|made| made.round.members[0].update = None,
		|made| made.task.spec.model = Hash::repeat_byte(1),
	] {
		let error = broken(&|history| change(&mut history.made[0]));
		assert!(matches!(error, HistoryError::Round { .. }), "{error}");
	}
}
