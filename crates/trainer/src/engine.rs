//! The engine: takes jobs, runs them on its own threads, remembers what came of them.
//!
//! Must not know: the chain, its blocks or its clock. Source: ARCHITECTURE.md, "Off-chain worker and trainer".
//! Invariants: a job that was taken survives a kill at any point; a job that fails for a reason that may pass is tried again
//! until it is cancelled; a job that panics fails alone; training never keeps the small jobs (hold, aggregate) waiting; nothing
//! runs on the caller's threads but [`Engine::generate`]'s waiting.
//!
//! Two lanes, one thread each: `Train`, and everything else. Both hand their arithmetic to one pool, a step at a time.

use crate::{
	aggregate::aggregate,
	error::{describe, EngineError, JobError},
	files,
	generate::{pool, Generated, GenerationRequest, Generator},
	hold::hold,
	job::{Job, JobKey, JobOutcome},
	queue::{file_of, Effort, Queue, RecordState, Submission},
	saved::SavedState,
	store::hash,
	train::{train, Training},
	Host, Peers, Stop, Store,
};
use rayon::ThreadPool;
use serde::Serialize;
use std::{
	any::Any,
	collections::HashMap,
	fs,
	panic::{catch_unwind, AssertUnwindSafe},
	path::PathBuf,
	sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
	thread::{self, JoinHandle},
	time::{Duration, Instant},
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
#[derive(Clone, Debug, PartialEq, Serialize)]
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
#[derive(Clone, Debug, PartialEq, Serialize)]
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

/// What the lanes and the callers share.
struct Shared {
	config: EngineConfig,
	store: Arc<Store>,
	peers: Arc<dyn Peers>,
	pool: ThreadPool,
	/// Directory of unfinished trainings.
	states: PathBuf,
	desk: Mutex<Desk>,
	changed: Condvar,
}

/// Jobs, and what is known of the unfinished ones in this run.
struct Desk {
	queue: Queue,
	live: HashMap<JobKey, Live>,
	closed: bool,
}

/// An unfinished job in this run.
#[derive(Default)]
struct Live {
	stop: Stop,
	running: bool,
	attempts: u32,
	error: Option<String>,
	first_try: Option<Instant>,
	not_before: Option<Instant>,
	effort: Effort,
}

/// Which jobs a thread takes.
#[derive(Clone, Copy)]
enum Lane {
	Train,
	Exchange,
}

impl Lane {
	fn takes(self, job: &Job) -> bool {
		matches!(job, Job::Train(_)) == matches!(self, Lane::Train)
	}
}

/// What an attempt came to.
enum Attempt {
	Done(JobOutcome),
	/// Some updates are missing; another attempt may bring them.
	Partial(JobOutcome),
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
		let status = |record: &crate::queue::Record| {
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
		output: &crate::Hash,
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

impl Shared {
	/// Jobs panic outside the lock only, so what it guards is whole.
	fn desk(&self) -> MutexGuard<'_, Desk> {
		self.desk.lock().unwrap_or_else(PoisonError::into_inner)
	}

	/// A lane's thread: the next job that is due, until the engine closes.
	fn run(&self, lane: Lane) {
		if let Some(start) = self.config.thread_start {
			start();
		}
		let mut desk = self.desk();
		while !desk.closed {
			let now = Instant::now();
			let Some((key, job, stop)) = desk.take(lane, now) else {
				desk = self.rest(desk, now);
				continue;
			};
			drop(desk);
			let attempt = catch_unwind(AssertUnwindSafe(|| self.attempt(&key, &job, &stop)));
			desk = self.desk();
			self.settle(&mut desk, &key, attempt);
			self.changed.notify_all();
		}
	}

	/// Waits for a change, or until the next attempt is due.
	fn rest<'a>(&self, desk: MutexGuard<'a, Desk>, now: Instant) -> MutexGuard<'a, Desk> {
		let due = desk.live.values().filter(|live| !live.running);
		let due = due
			.filter_map(|live| live.not_before)
			.filter(|due| *due > now)
			.min();
		match due {
			Some(due) => {
				self.changed
					.wait_timeout(desk, due - now)
					.unwrap_or_else(PoisonError::into_inner)
					.0
			}
			None => self
				.changed
				.wait(desk)
				.unwrap_or_else(PoisonError::into_inner),
		}
	}

	/// One attempt at a job, outside the lock.
	fn attempt(&self, key: &JobKey, job: &Job, stop: &Stop) -> Result<Attempt, JobError> {
		let host = Host {
			store: &self.store,
			peers: &*self.peers,
			pool: &self.pool,
			stop,
		};
		let began = Instant::now();
		match job {
			Job::Train(work) => {
				let saved = SavedState::new(self.state_file(key), binding(key, job)?);
				let training = Training {
					job: work,
					trainer: &key.trainer,
					saved: Some(&saved),
					save_interval: self.config.save_interval,
				};
				let trained = train(&training, &host, &mut |step| {
					self.note(key, |effort| {
						effort.done = step.steps.into();
						effort.seconds = step.seconds;
						effort.tokens = step.tokens;
						effort.loss = Some(step.loss);
					})
				})?;
				log::info!(
					"trained round {}: loss {:.4} to {:.4} nats, {:.1} s, {} coordinates clipped",
					key.round,
					trained.loss_before as f64 / 1e6,
					trained.loss_after as f64 / 1e6,
					trained.seconds,
					trained.clipped
				);
				self.note(key, |effort| {
					effort.done = effort.total;
					effort.seconds = trained.seconds;
					effort.tokens = trained.tokens;
					effort.loss = Some(trained.loss_after);
				});
				Ok(Attempt::Done(JobOutcome::Trained {
					root: trained.root,
					loss_before: trained.loss_before,
					loss_after: trained.loss_after,
				}))
			}
			Job::Hold(work) => {
				let held = hold(work, &host, &mut |here| {
					self.note(key, |effort| effort.done = here)
				})?;
				self.note(key, |effort| {
					effort.seconds += began.elapsed().as_secs_f64()
				});
				let outcome = JobOutcome::Held {
					bitmap: held.bitmap,
				};
				Ok(match held.missing {
					0 => Attempt::Done(outcome),
					_ => Attempt::Partial(outcome),
				})
			}
			Job::Aggregate(work) => {
				let made = aggregate(work, &host)?;
				self.note(key, |effort| {
					effort.done = 1;
					effort.seconds += began.elapsed().as_secs_f64();
				});
				Ok(Attempt::Done(JobOutcome::Aggregated {
					parameters: made.parameters,
					momentum: made.momentum,
					evaluation: made.evaluation,
				}))
			}
		}
	}

	/// Decides what an attempt means.
	fn settle(
		&self,
		desk: &mut Desk,
		key: &JobKey,
		attempt: Result<Result<Attempt, JobError>, Box<dyn Any + Send>>,
	) {
		let patient = desk.live.get_mut(key).is_some_and(|live| {
			live.running = false;
			live.first_try
				.is_some_and(|first| first.elapsed() < self.config.hold_patience)
		});
		match attempt {
			Ok(Ok(Attempt::Done(outcome))) => self.finish(desk, key, outcome),
			Ok(Ok(Attempt::Partial(_))) if patient => {
				self.retry(desk, key, "not all updates are here yet".into())
			}
			Ok(Ok(Attempt::Partial(outcome))) => self.finish(desk, key, outcome),
			Ok(Err(error)) if error.is_stopped() => {
				// Cancelled, or the engine closes; then the record stays pending.
				if desk.queue.is_pending(key) {
					desk.live.remove(key);
				} else {
					self.let_go(desk, key);
				}
			}
			Ok(Err(error)) if error.is_permanent() => {
				let reason = describe(&error);
				log::error!("job of round {} fails for good: {reason}", key.round);
				self.finish(desk, key, JobOutcome::failed(reason));
			}
			Ok(Err(error)) => self.retry(desk, key, describe(&error)),
			Err(panic) => {
				let reason = format!("internal error: {}", panic_message(&*panic));
				log::error!("job of round {} fails for good: {reason}", key.round);
				self.finish(desk, key, JobOutcome::failed(reason));
			}
		}
	}

	fn finish(&self, desk: &mut Desk, key: &JobKey, outcome: JobOutcome) {
		let effort = desk.live.get(key).map(|live| live.effort);
		desk.queue.finish(key, &outcome, effort.unwrap_or_default());
		self.remove_state(key);
		// Jobs that asked the same question are done with it.
		let Desk { queue, live, .. } = desk;
		live.retain(|key, live| live.running || queue.is_pending(key));
	}

	fn retry(&self, desk: &mut Desk, key: &JobKey, error: String) {
		if !desk.queue.is_pending(key) {
			return self.let_go(desk, key);
		}
		let live = desk.live.entry(*key).or_default();
		live.attempts = live.attempts.saturating_add(1);
		let doubled = 1u32 << live.attempts.saturating_sub(1).min(16);
		let wait = self.config.retry_first.saturating_mul(doubled);
		live.not_before = Instant::now().checked_add(wait.min(self.config.retry_longest));
		log::info!("round {}, attempt {}: {error}", key.round, live.attempts);
		live.error = Some(error);
	}

	/// Ends a job that is not wanted; one that runs is cleared away when it has stopped.
	fn let_go(&self, desk: &mut Desk, key: &JobKey) {
		if desk.queue.is_pending(key) {
			return;
		}
		match desk.live.get(key) {
			Some(live) if live.running => live.stop.set(),
			_ => {
				desk.live.remove(key);
				self.remove_state(key);
			}
		}
	}

	/// Changes what is known of a running job's effort.
	fn note(&self, key: &JobKey, change: impl FnOnce(&mut Effort)) {
		if let Some(live) = self.desk().live.get_mut(key) {
			change(&mut live.effort);
		}
	}

	fn state_file(&self, key: &JobKey) -> PathBuf {
		file_of(&self.states, key, "state")
	}

	fn remove_state(&self, key: &JobKey) {
		if let Err(error) = files::remove(&self.state_file(key)) {
			log::warn!("a finished job's state stays on disk: {}", describe(&error));
		}
	}
}

impl Desk {
	/// The oldest job of a lane that is due and that nobody is at.
	fn take(&mut self, lane: Lane, now: Instant) -> Option<(JobKey, Job, Stop)> {
		let live = &self.live;
		let due = |key: &JobKey| {
			live.get(key)
				.is_none_or(|live| !live.running && live.not_before.is_none_or(|due| due <= now))
		};
		let (key, job) = self
			.queue
			.pending()
			.find(|(key, job)| lane.takes(job) && due(key))?;
		let (key, job) = (*key, job.clone());
		let live = self.live.entry(key).or_default();
		live.running = true;
		live.first_try.get_or_insert(now);
		live.effort.total = job.total();
		Some((key, job, live.stop.clone()))
	}
}

/// Hash of everything that decides a training.
fn binding(key: &JobKey, job: &Job) -> Result<crate::Hash, JobError> {
	Ok(hash(
		&serde_json::to_vec(&(key, job)).map_err(JobError::Record)?,
	))
}

/// Removes states of trainings that are not pending any more.
fn remove_orphans(states: &std::path::Path, queue: &Queue) -> Result<(), EngineError> {
	let wanted: Vec<PathBuf> = queue
		.pending()
		.map(|(key, _)| file_of(states, key, "state"))
		.collect();
	for entry in fs::read_dir(states).map_err(files::io_error("list", states))? {
		let path = entry.map_err(files::io_error("list", states))?.path();
		if !wanted.contains(&path) {
			files::remove(&path)?;
		}
	}
	Ok(())
}

/// What a panic said.
fn panic_message(panic: &(dyn Any + Send)) -> &str {
	panic
		.downcast_ref::<&str>()
		.copied()
		.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
		.unwrap_or("a job panicked without a message")
}
