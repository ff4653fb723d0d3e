//! The engine's threads: which job is next, one attempt at it, and what an attempt means.
//!
//! Must not know: who submits jobs or asks for outcomes.
//! Invariants: jobs run outside the lock; a job that panics fails alone; a reason that may pass is tried again, with longer and
//! longer waits, as long as the job stands; training never keeps the small jobs (hold, aggregate) waiting.
//!
//! Two lanes, one thread each: `Train`, and everything else. Both hand their arithmetic to one pool, a step at a time.

use crate::{
	aggregate::aggregate,
	engine::EngineConfig,
	error::{describe, EngineError, JobError},
	files,
	hold::hold,
	job::{Job, JobKey, JobOutcome, TrainJob},
	queue::{file_of, Effort, Queue},
	saved::SavedState,
	store::hash,
	train::{train, Training},
	Hash, Host, Peers, Stop, Store,
};
use rayon::ThreadPool;
use std::{
	any::Any,
	collections::HashMap,
	fs,
	panic::{catch_unwind, AssertUnwindSafe},
	path::{Path, PathBuf},
	sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
	time::Instant,
};

/// What the lanes and the callers share.
pub struct Shared {
	pub config: EngineConfig,
	pub store: Arc<Store>,
	pub peers: Arc<dyn Peers>,
	pub pool: ThreadPool,
	/// Directory of unfinished trainings.
	pub states: PathBuf,
	pub desk: Mutex<Desk>,
	pub changed: Condvar,
}

/// Jobs, and what is known of the unfinished ones in this run.
pub struct Desk {
	pub queue: Queue,
	pub live: HashMap<JobKey, Live>,
	pub closed: bool,
}

/// An unfinished job in this run.
#[derive(Default)]
pub struct Live {
	pub stop: Stop,
	pub running: bool,
	pub attempts: u32,
	pub error: Option<String>,
	first_try: Option<Instant>,
	not_before: Option<Instant>,
	pub effort: Effort,
}

/// Which jobs a thread takes.
#[derive(Clone, Copy)]
pub enum Lane {
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

impl Shared {
	/// Jobs panic outside the lock only, so what it guards is whole.
	pub fn desk(&self) -> MutexGuard<'_, Desk> {
		self.desk.lock().unwrap_or_else(PoisonError::into_inner)
	}

	/// A lane's thread: the next job that is due, until the engine closes.
	pub fn run(&self, lane: Lane) {
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
				self.attempt_training(key, work, &saved, &host)
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

	/// Trains, and keeps count of it for people.
	fn attempt_training(
		&self,
		key: &JobKey,
		job: &TrainJob,
		saved: &SavedState,
		host: &Host<'_>,
	) -> Result<Attempt, JobError> {
		let training = Training {
			job,
			trainer: &key.trainer,
			saved: Some(saved),
			save_interval: self.config.save_interval,
		};
		let trained = train(&training, host, &mut |step| {
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
		// A training whose state was complete has had no step in this run.
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
	pub fn let_go(&self, desk: &mut Desk, key: &JobKey) {
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
fn binding(key: &JobKey, job: &Job) -> Result<Hash, JobError> {
	Ok(hash(
		&serde_json::to_vec(&(key, job)).map_err(JobError::Record)?,
	))
}

/// Removes states of trainings that are not pending any more.
pub fn remove_orphans(states: &Path, queue: &Queue) -> Result<(), EngineError> {
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
