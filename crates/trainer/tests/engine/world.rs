//! A small federation in one process: an archive, stores that serve each other, jobs with tiny numbers.

use secagg::Header;
use std::{
	collections::HashMap,
	sync::{
		atomic::{AtomicUsize, Ordering},
		Arc, Mutex, Weak,
	},
	time::Duration,
};
use trainer::*;

/// What the network and the chain's archive have. Clones share it.
#[derive(Clone, Default)]
pub struct Network {
	archive: Arc<Mutex<HashMap<Hash, Vec<u8>>>>,
	stores: Arc<Mutex<Vec<Weak<Store>>>>,
	/// Panics instead of answering this blob.
	pub cursed: Arc<Mutex<Option<Hash>>>,
	pub blobs_asked: Arc<AtomicUsize>,
}

impl Network {
	pub fn put(&self, bytes: &[u8]) -> Hash {
		let hash = hash(bytes);
		self.archive.lock().unwrap().insert(hash, bytes.to_vec());
		hash
	}

	pub fn remove(&self, hash: &Hash) -> Option<Vec<u8>> {
		self.archive.lock().unwrap().remove(hash)
	}

	/// A store's vectors can be had by everybody as long as it is open.
	pub fn join(&self, store: &Arc<Store>) {
		self.stores.lock().unwrap().push(Arc::downgrade(store));
	}

	/// Archives documents as a shard in chunks of `size` bytes.
	pub fn shard(&self, documents: &[&str], size: usize) -> Shard {
		let bytes = corpus::write_shard(documents.iter().copied()).unwrap();
		Shard {
			size: bytes.len() as u32,
			documents: documents.len() as u32,
			chunks: bytes.chunks(size).map(|chunk| self.put(chunk)).collect(),
		}
	}
}

impl Peers for Network {
	fn vector_leaves(&self, root: &Hash) -> Result<Served<(Header, Vec<Hash>)>, PeerError> {
		let stores = self.stores.lock().unwrap();
		let mut found = stores
			.iter()
			.filter_map(|store| store.upgrade()?.leaves(root).unwrap());
		found
			.next()
			.map(|value| Served {
				peer: "neighbour".into(),
				value,
			})
			.ok_or(PeerError::NotFound { root: *root })
	}

	fn vector_chunks(
		&self,
		root: &Hash,
		first: u32,
		count: u32,
	) -> Result<Served<Vec<Vec<u8>>>, PeerError> {
		let stores = self.stores.lock().unwrap();
		let mut found = stores
			.iter()
			.filter_map(|store| store.upgrade()?.chunks(root, first, count).unwrap());
		found
			.next()
			.map(|value| Served {
				peer: "neighbour".into(),
				value,
			})
			.ok_or(PeerError::NotFound { root: *root })
	}

	fn archived(&self, hash: &Hash) -> Result<Option<Vec<u8>>, PeerError> {
		assert!(*self.cursed.lock().unwrap() != Some(*hash), "a cursed blob");
		self.blobs_asked.fetch_add(1, Ordering::SeqCst);
		Ok(self.archive.lock().unwrap().get(hash).cloned())
	}
}

/// A model, a dataset of four shards and a held-out one, and version 0.
pub struct World {
	pub network: Network,
	pub architecture: Architecture,
	pub tokenizer: Hash,
	pub shards: Vec<Shard>,
	pub held_out: Shard,
	pub base: CheckpointRef,
}

pub const SEED: Hash = [42; 32];
pub const QUANTISER: Quantiser = Quantiser {
	bits: 8,
	exponent: 12,
};
pub const OUTER: Outer = Outer {
	learning_rate_q16: 58_982,
	momentum_q16: 19_661,
};

impl World {
	pub fn new() -> Self {
		let sample = include_bytes!("../../../corpus/samples/tang.shard");
		let documents = corpus::parse_shard(sample).unwrap();
		let (held_out, training) = documents.split_at(20);
		let network = Network::default();
		let tokenizer = transformer::train_characters(training, 200).unwrap();
		let architecture = Architecture {
			vocab_size: transformer::Tokenizer::from_bytes(&tokenizer)
				.unwrap()
				.vocab_size(),
			context_length: 30,
			n_layers: 1,
			n_heads: 2,
			d_model: 16,
			d_ff: 32,
		};
		let (parameters, momentum) = Checkpoint::from_seed(&architecture, SEED)
			.unwrap()
			.roots()
			.unwrap();
		World {
			tokenizer: network.put(&tokenizer),
			shards: training
				.chunks(training.len().div_ceil(4))
				.map(|documents| network.shard(documents, 1000))
				.collect(),
			held_out: network.shard(held_out, 1 << 20),
			network,
			architecture,
			base: CheckpointRef {
				parameters,
				momentum,
				seed: Some(SEED),
			},
		}
	}

	pub fn train_job(&self, base: CheckpointRef, trainer: u8, shards: &[usize]) -> TrainJob {
		TrainJob {
			architecture: self.architecture,
			tokenizer: self.tokenizer,
			base,
			shards: shards.iter().map(|i| self.shards[*i].clone()).collect(),
			local: LocalTraining {
				steps: 8,
				batch: 8,
				warmup: 2,
				learning_rate: F32Bits::new(0.01),
				beta1: F32Bits::new(0.9),
				beta2: F32Bits::new(0.95),
				epsilon: F32Bits::new(1e-8),
				weight_decay: F32Bits::new(0.01),
				clip_norm: F32Bits::new(1.0),
			},
			quantiser: QUANTISER,
			batch_seed: [trainer; 32],
			rounding_seed: [trainer + 100; 32],
		}
	}

	pub fn hold_job(&self, updates: &[UpdateRef]) -> HoldJob {
		HoldJob {
			architecture: self.architecture,
			updates: updates.to_vec(),
		}
	}

	pub fn aggregate_job(&self, base: CheckpointRef, survivors: &[UpdateRef]) -> AggregateJob {
		AggregateJob {
			architecture: self.architecture,
			tokenizer: self.tokenizer,
			base,
			survivors: survivors.to_vec(),
			quantiser: QUANTISER,
			outer: OUTER,
			held_out: self.held_out.clone(),
		}
	}

	/// An engine that gives up waiting at once and tries again very soon.
	pub fn engine(&self, dir: &std::path::Path, threads: usize) -> Engine {
		let config = EngineConfig {
			threads,
			hold_patience: Duration::ZERO,
			retry_first: Duration::from_millis(1),
			retry_longest: Duration::from_millis(1),
			allow_soft_fma: true,
			..EngineConfig::new(dir)
		};
		let engine = Engine::start(config, Arc::new(self.network.clone())).unwrap();
		self.network.join(engine.store());
		engine
	}
}

pub fn account(trainer: u8) -> Account {
	[trainer; 32]
}

pub fn key(round: u32, phase: Phase, trainer: u8, digest: u8) -> JobKey {
	JobKey {
		genesis: [1; 32],
		task: [2; 32],
		round,
		phase,
		trainer: account(trainer),
		digest: [digest; 32],
	}
}

/// Submits and waits.
pub fn run(engine: &Engine, key: JobKey, job: Job) -> JobOutcome {
	engine.submit(key, job).unwrap();
	engine.wait(&key).unwrap()
}

pub fn trained_root(outcome: &JobOutcome) -> Hash {
	match outcome {
		JobOutcome::Trained { root, .. } => *root,
		other => panic!("not trained: {other:?}"),
	}
}

pub fn failure(outcome: &JobOutcome) -> &str {
	match outcome {
		JobOutcome::Failed { reason } => reason,
		other => panic!("did not fail: {other:?}"),
	}
}
