//! Text from a version: the same request gives the same bytes on every machine.
//!
//! Must not know: receipts, signatures, who asks. Source: `docs/protocol/receipt.md`; `docs/protocol/numerics.md`.
//! Invariants: the answer depends on the request alone; a request is served from parameters that have its root; the few versions
//! in memory change only how fast the answer comes.

use crate::{
	checkpoint::Checkpoint,
	data::load_tokenizer,
	error::{EngineError, JobError},
	job::{Architecture, CheckpointRef},
	store::hash,
	Fetcher, Hash, Peers, Stop, Store,
};
use rayon::{ThreadPool, ThreadPoolBuilder};
use std::{
	collections::VecDeque,
	sync::{Arc, Mutex, MutexGuard, PoisonError},
	time::Instant,
};
use transformer::{tokenizer::BOS, Parameters, Sampling, Tokenizer};

/// What to generate, from what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GenerationRequest {
	/// The model's numbers.
	pub architecture: Architecture,
	/// Root of the version's parameters.
	pub parameters: Hash,
	/// Root of its momentum; needed with a seed only, to check version 0.
	pub momentum: Hash,
	/// Seed, if it is a version 0.
	pub seed: Option<Hash>,
	/// Blob of the tokenizer.
	pub tokenizer: Hash,
	/// Text that the answer goes on from; may be empty.
	pub prompt: String,
	/// How tokens are drawn.
	pub sampling: Sampling,
	/// Seed of the draws.
	pub rng_seed: Hash,
}

/// An answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Generated {
	/// What follows the prompt.
	pub text: String,
	/// Tokens drawn.
	pub tokens: u32,
	/// BLAKE2b-256 of the text's UTF-8.
	pub output: Hash,
	/// Wall time, loading included.
	pub seconds: f64,
}

/// A version ready to answer.
struct Loaded {
	parameters: Parameters,
	tokenizer: Tokenizer,
}

/// What decides a loaded version.
type LoadedKey = (Architecture, Hash, Hash);

/// Answers requests on its own threads, so that training delays none.
pub struct Generator {
	store: Arc<Store>,
	peers: Arc<dyn Peers>,
	pool: ThreadPool,
	/// Latest used first.
	cache: Mutex<VecDeque<(LoadedKey, Arc<Loaded>)>>,
	cached_versions: usize,
	stop: Stop,
}

impl Generator {
	/// A generator with `threads` threads that keeps `cached_versions` versions in memory. `thread_start` runs first on each thread.
	///
	/// # Errors
	/// - [`EngineError::Threads`].
	pub fn new(
		store: Arc<Store>,
		peers: Arc<dyn Peers>,
		threads: usize,
		cached_versions: usize,
		thread_start: Option<fn()>,
	) -> Result<Self, EngineError> {
		Ok(Generator {
			store,
			peers,
			pool: pool("generator", threads, thread_start)?,
			cache: Mutex::default(),
			cached_versions,
			stop: Stop::default(),
		})
	}

	/// Generates. Blocks.
	///
	/// # Errors
	/// - [`JobError::Transformer`] if the sampling parameters are out of range or the prompt fills the context;
	/// - [`JobError::Fetch`], [`JobError::Store`] if the version cannot be had; [`JobError::SeedRoot`], [`JobError::Vocabulary`].
	pub fn generate(&self, request: &GenerationRequest) -> Result<Generated, JobError> {
		let began = Instant::now();
		request.sampling.validate()?;
		let loaded = self.loaded(request)?;
		let mut prompt = vec![BOS];
		prompt.extend(loaded.tokenizer.encode(&request.prompt)?);
		let tokens = self.pool.install(|| {
			transformer::generate(
				&loaded.parameters,
				&prompt,
				&request.sampling,
				request.rng_seed,
				&mut |_| {},
			)
		})?;
		let text = loaded.tokenizer.decode(&tokens)?;
		Ok(Generated {
			output: hash(text.as_bytes()),
			text,
			tokens: u32::try_from(tokens.len()).unwrap_or(u32::MAX),
			seconds: began.elapsed().as_secs_f64(),
		})
	}

	/// Generates again and compares with the hash in a receipt.
	///
	/// # Errors
	/// - [`JobError::ReplayMismatch`] if the text is another one; else as [`Generator::generate`].
	pub fn replay(
		&self,
		request: &GenerationRequest,
		output: &Hash,
	) -> Result<Generated, JobError> {
		let generated = self.generate(request)?;
		if generated.output != *output {
			return Err(JobError::ReplayMismatch {
				expected: *output,
				computed: generated.output,
			});
		}
		Ok(generated)
	}

	/// Ends fetches of requests that are under way.
	pub(crate) fn stop(&self) {
		self.stop.set();
	}

	/// The version from memory, else from the store or peers.
	fn loaded(&self, request: &GenerationRequest) -> Result<Arc<Loaded>, JobError> {
		let key = (request.architecture, request.parameters, request.tokenizer);
		if let Some(loaded) = self.cached(&key) {
			return Ok(loaded);
		}
		// Loading takes long; the cache stays free meanwhile.
		let loaded = Arc::new(self.load(request)?);
		let mut cache = self.cache();
		cache.retain(|(other, _)| *other != key);
		cache.push_front((key, loaded.clone()));
		cache.truncate(self.cached_versions);
		Ok(loaded)
	}

	fn load(&self, request: &GenerationRequest) -> Result<Loaded, JobError> {
		let fetcher = Fetcher {
			store: &self.store,
			peers: &*self.peers,
			stop: &self.stop,
		};
		let tokenizer = load_tokenizer(&request.architecture, &request.tokenizer, &fetcher)?;
		let reference = CheckpointRef {
			parameters: request.parameters,
			momentum: request.momentum,
			seed: request.seed,
		};
		let fixed = self
			.pool
			.install(|| Checkpoint::load_parameters(&request.architecture, &reference, &fetcher))?;
		Ok(Loaded {
			parameters: Parameters::from_fixed(request.architecture.config(), &fixed)?,
			tokenizer,
		})
	}

	fn cached(&self, key: &LoadedKey) -> Option<Arc<Loaded>> {
		let mut cache = self.cache();
		let place = cache.iter().position(|(other, _)| other == key)?;
		let entry = cache.remove(place)?;
		let loaded = entry.1.clone();
		cache.push_front(entry);
		Some(loaded)
	}

	fn cache(&self) -> MutexGuard<'_, VecDeque<(LoadedKey, Arc<Loaded>)>> {
		// Entries are put in whole, so a panic elsewhere leaves a usable cache.
		self.cache.lock().unwrap_or_else(PoisonError::into_inner)
	}
}

/// Named threads that begin with the embedder's hook.
pub(crate) fn pool(
	name: &'static str,
	threads: usize,
	thread_start: Option<fn()>,
) -> Result<ThreadPool, EngineError> {
	ThreadPoolBuilder::new()
		.num_threads(threads.max(1))
		.thread_name(move |index| format!("{name}-{index}"))
		.start_handler(move |_| {
			if let Some(start) = thread_start {
				start();
			}
		})
		.build()
		.map_err(EngineError::Threads)
}
