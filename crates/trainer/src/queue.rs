//! The engine's record of jobs: what was asked, what came of it; one JSON file a job.
//!
//! Must not know: how jobs run, threads, time. The mailbox may forget; this is the record.
//! Invariants: a job is on disk before [`Queue::submit`] returns; an outcome never changes; per trainer and task at most the
//! newest round's newest phase is pending, with one set of inputs, so no processor time goes into what the chain would refuse.

use crate::{
	error::{EngineError, StoreError},
	files,
	job::{Job, JobKey, JobOutcome},
	store::hash,
};
use serde::{Deserialize, Serialize};
use std::{
	collections::BTreeMap,
	fs,
	path::{Path, PathBuf},
};

/// Finished and cancelled jobs that are remembered; the oldest go first.
const REMEMBERED: usize = 256;

/// What became of a submission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Submission {
	/// The job is new, or was cancelled and is wanted again.
	Accepted,
	/// The job is here already, finished or not.
	Known,
	/// A later round or phase of the same task is here; the job is not taken.
	Superseded,
}

/// Effort of a job so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Effort {
	/// Units done: steps, updates, or one aggregate.
	pub done: u64,
	/// Units in all.
	pub total: u64,
	/// Wall time of the work.
	pub seconds: f64,
	/// Targets trained on.
	pub tokens: u64,
	/// Loss of the last step, micro-nats per token.
	pub loss: Option<u64>,
}

/// Where a job stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum RecordState {
	/// To be done.
	Pending(Job),
	/// Done, or given up for good.
	Done(JobOutcome),
	/// Not wanted any more.
	Cancelled,
}

/// One job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
	/// What it belongs to.
	pub key: JobKey,
	/// Order of submission.
	pub sequence: u64,
	/// Where it stands.
	pub state: RecordState,
	/// What it took; complete once it is done.
	pub effort: Effort,
}

/// All jobs, in memory and on disk.
pub struct Queue {
	dir: PathBuf,
	records: BTreeMap<JobKey, Record>,
	next_sequence: u64,
}

impl Queue {
	/// Reads the jobs in `dir`. A file that is none is removed: its ticket will come again.
	pub fn open(dir: PathBuf) -> Result<Self, StoreError> {
		files::prepare_directory(&dir)?;
		let mut records = BTreeMap::new();
		for entry in fs::read_dir(&dir).map_err(files::io_error("list", &dir))? {
			let path = entry.map_err(files::io_error("list", &dir))?.path();
			let Some(bytes) = files::read(&path)? else {
				continue;
			};
			match serde_json::from_slice::<Record>(&bytes) {
				Ok(record) => {
					records.insert(record.key, record);
				}
				Err(error) => {
					log::warn!("{} is no job and is removed: {error}", path.display());
					files::remove(&path)?;
				}
			}
		}
		let last = records.values().map(|record| record.sequence).max();
		Ok(Queue {
			dir,
			records,
			next_sequence: last.map_or(0, |last| last + 1),
		})
	}

	/// Takes a job. Also returns the keys of jobs that it cancels.
	pub fn submit(
		&mut self,
		key: JobKey,
		job: Job,
	) -> Result<(Submission, Vec<JobKey>), EngineError> {
		if let Some(RecordState::Pending(_) | RecordState::Done(_)) =
			self.records.get(&key).map(|record| &record.state)
		{
			return Ok((Submission::Known, Vec::new()));
		}
		if !job.fits(key.phase) {
			return Err(EngineError::WrongPhase { phase: key.phase });
		}
		let mut relatives = self
			.records
			.values()
			.filter(|record| record.key.same_line(&key) && !record.key.same_question(&key));
		if relatives.any(|record| place(&record.key) > place(&key)) {
			return Ok((Submission::Superseded, Vec::new()));
		}
		let total = job.total();
		let twin = self
			.records
			.values()
			.find(|record| record.key.same_question(&key) && record.outcome().is_some());
		let (state, effort) = match twin {
			Some(twin) => (twin.state.clone(), twin.effort),
			None => (
				RecordState::Pending(job),
				Effort {
					total,
					..Effort::default()
				},
			),
		};
		let record = Record {
			key,
			sequence: self.next_sequence,
			state,
			effort,
		};
		self.write(&record)?;
		self.next_sequence += 1;
		self.records.insert(key, record);
		let cancelled: Vec<JobKey> = self
			.pending()
			.map(|(other, _)| *other)
			.filter(|other| {
				other.same_line(&key) && !other.same_question(&key) && place(other) <= place(&key)
			})
			.collect();
		for other in &cancelled {
			self.cancel(other);
		}
		self.forget_oldest();
		Ok((Submission::Accepted, cancelled))
	}

	/// The job under `key`.
	pub fn get(&self, key: &JobKey) -> Option<&Record> {
		self.records.get(key)
	}

	/// Whether the job is to be done.
	pub fn is_pending(&self, key: &JobKey) -> bool {
		matches!(
			self.get(key).map(|record| &record.state),
			Some(RecordState::Pending(_))
		)
	}

	/// All jobs, oldest first.
	pub fn records(&self) -> Vec<&Record> {
		let mut records: Vec<&Record> = self.records.values().collect();
		records.sort_by_key(|record| record.sequence);
		records
	}

	/// Jobs to be done, oldest first.
	pub fn pending(&self) -> impl Iterator<Item = (&JobKey, &Job)> {
		self.records()
			.into_iter()
			.filter_map(|record| match &record.state {
				RecordState::Pending(job) => Some((&record.key, job)),
				RecordState::Done(_) | RecordState::Cancelled => None,
			})
	}

	/// Notes what came of a pending job, and of every pending job that asks the same question.
	pub fn finish(&mut self, key: &JobKey, outcome: &JobOutcome, effort: Effort) {
		let same: Vec<JobKey> = self
			.pending()
			.map(|(other, _)| *other)
			.filter(|other| other == key || other.same_question(key))
			.collect();
		for key in same {
			self.change(&key, RecordState::Done(outcome.clone()), Some(effort));
		}
		self.forget_oldest();
	}

	/// Drops a pending job; any other stays as it is.
	pub fn cancel(&mut self, key: &JobKey) {
		if self.is_pending(key) {
			self.change(key, RecordState::Cancelled, None);
		}
	}

	fn change(&mut self, key: &JobKey, state: RecordState, effort: Option<Effort>) {
		let Some(record) = self.records.get_mut(key) else {
			return;
		};
		record.state = state;
		record.effort = effort.unwrap_or(record.effort);
		let record = record.clone();
		if let Err(error) = self.write(&record) {
			// After a restart the job runs again, to the same bits.
			log::warn!("a job's end is not on disk: {}", crate::describe(&error));
		}
	}

	fn forget_oldest(&mut self) {
		let finished: Vec<JobKey> = self
			.records()
			.into_iter()
			.filter(|record| !matches!(record.state, RecordState::Pending(_)))
			.map(|record| record.key)
			.collect();
		let surplus = finished.len().saturating_sub(REMEMBERED);
		for key in &finished[..surplus] {
			self.records.remove(key);
			if let Err(error) = files::remove(&self.path(key)) {
				log::warn!("an old job stays on disk: {}", crate::describe(&error));
			}
		}
	}

	fn write(&self, record: &Record) -> Result<(), EngineError> {
		let text = serde_json::to_vec_pretty(record)?;
		Ok(files::write(&self.path(&record.key), &[&text])?)
	}

	fn path(&self, key: &JobKey) -> PathBuf {
		file_of(&self.dir, key, "json")
	}
}

impl Record {
	/// What came of the job.
	pub fn outcome(&self) -> Option<&JobOutcome> {
		match &self.state {
			RecordState::Done(outcome) => Some(outcome),
			RecordState::Pending(_) | RecordState::Cancelled => None,
		}
	}
}

/// A job's place in its trainer's part of a task.
fn place(key: &JobKey) -> (u32, crate::Phase) {
	(key.round, key.phase)
}

/// A file name that only this key has.
pub fn file_of(dir: &Path, key: &JobKey, ending: &str) -> PathBuf {
	let mut bytes = Vec::new();
	bytes.extend(key.genesis);
	bytes.extend(key.task);
	bytes.extend(key.round.to_le_bytes());
	bytes.push(key.phase as u8);
	bytes.extend(key.trainer);
	bytes.extend(key.digest);
	dir.join(format!("{}.{ending}", hex::encode(hash(&bytes))))
}

#[cfg(test)]
mod tests;
