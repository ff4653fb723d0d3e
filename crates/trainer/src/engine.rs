//! The engine: takes jobs, runs them on its own threads, remembers what came of them.
//!
//! Must not know: the chain, its blocks or its clock. Source: ARCHITECTURE.md, "Off-chain worker and trainer".
//! Invariants: a job that was taken survives a kill at any point; the same key is done once; nothing runs on the caller's threads
//! but the waiting. How jobs run is in `lanes`.

use crate::{
	error::{EngineError, JobError},
	files,
	generate::{pool, Generated, GenerationRequest, Generator},
	job::{Job, JobKey, JobOutcome},
	lanes::{remove_orphans, Desk, Lane, Live, Shared},
	queue::{Queue, Record, RecordState, Submission},
	Hash, Peers, Store,
};
use serde::{Deserialize, Serialize};
use std::{
	collections::HashMap,
	path::PathBuf,
	sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
	thread::{self, JoinHandle},
	time::Duration,
};

/// How an engine works.
#[derive(Clone, Debug)]
pub struct EngineConfig {
	/// Directory of its own: store, jobs, unfinished states.
	pub dir: PathBuf,
	/// Threads that train, evaluate and aggregate.
	pub threads: usize,
	/// Threads that generate.
	pub generation_threads: usize,
	/// Wall time between two writings of an unfinished training.
	pub save_interval: Duration,
	/// Wall time after which `Hold` answers with what it has.
	pub hold_patience: Duration,
	/// Wait before the second attempt of a job; it doubles up to `retry_longest`.
	pub retry_first: Duration,
	/// Longest wait between two attempts.
	pub retry_longest: Duration,
	/// Versions kept in memory for generation.
	pub cached_versions: usize,
	/// Run without hardware multiply-add: same bits, many times slower.
	pub allow_soft_fma: bool,
	/// Runs first on each of the engine's threads; the node lowers their priority here.
	pub thread_start: Option<fn()>,
}

impl EngineConfig {
	/// One thread for each purpose; 10 s between savings, 20 s of patience, attempts after 1 s to 30 s.
	pub fn new(dir: impl Into<PathBuf>) -> Self {
		EngineConfig {
			dir: dir.into(),
			threads: 1,
			generation_threads: 1,
			save_interval: Duration::from_secs(10),
			hold_patience: Duration::from_secs(20),
			retry_first: Duration::from_secs(1),
			retry_longest: Duration::from_secs(30),
			cached_versions: 2,
			allow_soft_fma: false,
			thread_start: None,
		}
	}
}

/// Where a job stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum JobState {
	/// In the queue.
	Waiting,
	/// A thread is at it.
	Running,
	/// Failed, and will be tried again.
	Retrying {
		/// Why the last attempt failed.
		error: String,
		/// Attempts so far.
		attempts: u32,
	},
	/// Done, or failed for good.
	Done(JobOutcome),
	/// Not wanted any more.
	Cancelled,
}

/// A job as people see it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JobStatus {
	/// What it belongs to.
	pub key: JobKey,
	/// Where it stands.
	pub state: JobState,
	/// Steps, updates or aggregates done.
	pub done: u64,
	/// Steps, updates or aggregates in all.
	pub total: u64,
	/// Wall time of the work; of a training, the time in its steps, also before a restart.
	pub seconds: f64,
	/// Targets trained on.
	pub tokens: u64,
	/// Targets a second, or 0.
	pub tokens_per_second: f64,
	/// Loss of the last step, micro-nats per token.
	pub loss: Option<u64>,
}

/// Runs jobs. Dropping it stops its threads at their next safe point.
pub struct Engine {
	shared: Arc<Shared>,
	generator: Generator,
	lanes: Mutex<Vec<JoinHandle<()>>>,
}

impl Engine {
	/// Starts an engine in its directory and goes on with the jobs that are there.
	///
	/// # Errors
	/// - [`EngineError::NoFma`] on a processor without fused multiply-add, unless the configuration allows it;
	/// - [`EngineError::Store`] if the directory cannot be used or another engine does;
	/// - [`EngineError::Threads`], [`EngineError::Thread`].
	pub fn start(config: EngineConfig, peers: Arc<dyn Peers>) -> Result<Engine, EngineError> {
		if !config.allow_soft_fma && !transformer::fma_available() {
			return Err(EngineError::NoFma);
		}
		let store = Arc::new(Store::open(&config.dir)?);
		let queue = Queue::open(config.dir.join("jobs"))?;
		let states = config.dir.join("states");
		files::prepare_directory(&states)?;
		remove_orphans(&states, &queue)?;
		let generator = Generator::new(
			store.clone(),
			peers.clone(),
			config.generation_threads,
			config.cached_versions,
			config.thread_start,
		)?;
		let shared = Arc::new(Shared {
			pool: pool("trainer", config.threads, config.thread_start)?,
			config,
			store,
			peers,
			states,
			desk: Mutex::new(Desk {
				queue,
				live: HashMap::new(),
				closed: false,
			}),
			changed: Condvar::new(),
		});
		let engine = Engine {
			shared,
			generator,
			lanes: Mutex::default(),
		};
		for (lane, name) in [
			(Lane::Train, "trainer-train"),
			(Lane::Exchange, "trainer-exchange"),
		] {
			let shared = engine.shared.clone();
			let handle = thread::Builder::new()
				.name(name.into())
				.spawn(move || shared.run(lane))
				.map_err(EngineError::Thread)?;
			engine.lanes().push(handle);
		}
		Ok(engine)
	}

	/// Takes a job; it is on disk when this returns. The same key is taken once.
	///
	/// # Errors
	/// - [`EngineError::WrongPhase`] if the job is not one of its key's phase;
	/// - [`EngineError::Store`], [`EngineError::Record`] if it cannot be written down;
	/// - [`EngineError::ShutDown`].
	pub fn submit(&self, key: JobKey, job: Job) -> Result<Submission, EngineError> {
		let mut desk = self.shared.desk();
		if desk.closed {
			return Err(EngineError::ShutDown);
		}
		let (submission, cancelled) = desk.queue.submit(key, job)?;
		for key in &cancelled {
			self.shared.let_go(&mut desk, key);
		}
		self.shared.changed.notify_all();
		Ok(submission)
	}

	/// What came of a job; `None` while it is not done, was cancelled or is not known.
	pub fn poll(&self, key: &JobKey) -> Option<JobOutcome> {
		let desk = self.shared.desk();
		desk.queue.get(key)?.outcome().cloned()
	}

	/// Waits for what comes of a job; `None` if it is not known, was cancelled, or the engine shut down.
	pub fn wait(&self, key: &JobKey) -> Option<JobOutcome> {
		let mut desk = self.shared.desk();
		loop {
			match &desk.queue.get(key)?.state {
				RecordState::Done(outcome) => return Some(outcome.clone()),
				RecordState::Cancelled => return None,
				RecordState::Pending(_) if desk.closed => return None,
				RecordState::Pending(_) => {}
			}
			desk = self
				.shared
				.changed
				.wait(desk)
				.unwrap_or_else(PoisonError::into_inner);
		}
	}

	/// Drops a job that is not done.
	pub fn cancel(&self, key: &JobKey) {
		let mut desk = self.shared.desk();
		desk.queue.cancel(key);
		self.shared.let_go(&mut desk, key);
		self.shared.changed.notify_all();
	}

	/// All jobs that are remembered, oldest first.
	pub fn jobs(&self) -> Vec<JobStatus> {
		let desk = self.shared.desk();
		let status = |record: &Record| {
			let live = desk.live.get(&record.key);
			let state = match &record.state {
				RecordState::Done(outcome) => JobState::Done(outcome.clone()),
				RecordState::Cancelled => JobState::Cancelled,
				RecordState::Pending(_) => match live {
					Some(live) if live.running => JobState::Running,
					Some(Live {
						error: Some(error),
						attempts,
						..
					}) => JobState::Retrying {
						error: error.clone(),
						attempts: *attempts,
					},
					_ => JobState::Waiting,
				},
			};
			let effort = match live {
				Some(live) if live.effort.total > 0 => live.effort,
				_ => record.effort,
			};
			JobStatus {
				key: record.key,
				state,
				done: effort.done,
				total: effort.total,
				seconds: effort.seconds,
				tokens: effort.tokens,
				tokens_per_second: if effort.seconds > 0.0 {
					effort.tokens as f64 / effort.seconds
				} else {
					0.0
				},
				loss: effort.loss,
			}
		};
		desk.queue.records().into_iter().map(status).collect()
	}

	/// The blob store, for serving peers.
	pub fn store(&self) -> &Arc<Store> {
		&self.shared.store
	}

	/// Generates text from a version. Blocks; runs beside jobs.
	///
	/// # Errors
	/// - as [`Generator::generate`].
	pub fn generate(&self, request: &GenerationRequest) -> Result<Generated, JobError> {
		self.generator.generate(request)
	}

	/// Generates again and compares with a receipt's hash.
	///
	/// # Errors
	/// - as [`Generator::replay`].
	pub fn replay(
		&self,
		request: &GenerationRequest,
		output: &Hash,
	) -> Result<Generated, JobError> {
		self.generator.replay(request, output)
	}

	/// Ends running jobs at their next safe point, keeps their state, and waits for the threads. Later calls do nothing.
	pub fn shutdown(&self) {
		{
			let mut desk = self.shared.desk();
			desk.closed = true;
			for live in desk.live.values() {
				live.stop.set();
			}
			self.shared.changed.notify_all();
		}
		self.generator.stop();
		let lanes = std::mem::take(&mut *self.lanes());
		for lane in lanes {
			if lane.join().is_err() {
				log::error!("a thread of the engine had panicked");
			}
		}
	}

	fn lanes(&self) -> MutexGuard<'_, Vec<JoinHandle<()>>> {
		self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
	}
}

impl Drop for Engine {
	fn drop(&mut self) {
		self.shutdown();
	}
}
