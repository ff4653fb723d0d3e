//! The state of a training that is not finished, kept so that a killed engine goes on to the same bits.
//!
//! Must not know: what is trained. Invariants: a file is whole (written aside, synced, renamed) and hashed; it belongs to one
//! job, whose every input is in `binding`; anything else is no state, and training begins anew.

use crate::{
	error::{JobError, StoreError},
	files,
	store::hash,
	Hash,
};
use std::path::PathBuf;
use transformer::TrainState;

const MAGIC: &[u8; 8] = b"llmsav/1";

/// What a training has done so far, beside its state.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Tally {
	/// Mean loss of the first step, micro-nats; 0 before it.
	pub loss_before: u64,
	/// Mean loss of the last step, micro-nats; 0 before the first.
	pub loss_after: u64,
	/// Wall time spent in steps.
	pub seconds: f64,
	/// Targets trained on.
	pub tokens: u64,
}

/// Where one job's state is kept.
#[derive(Clone, Debug)]
pub struct SavedState {
	path: PathBuf,
	binding: Hash,
}

impl SavedState {
	/// A file for the job whose inputs hash to `binding`.
	pub fn new(path: PathBuf, binding: Hash) -> Self {
		SavedState { path, binding }
	}

	/// The last state that was written whole, if any.
	pub fn load(&self) -> Result<Option<(Tally, TrainState)>, StoreError> {
		let Some(bytes) = files::read(&self.path)? else {
			return Ok(None);
		};
		let saved = self.parse(&bytes);
		if saved.is_none() {
			log::warn!(
				"{} is no state of this job; training begins anew",
				self.path.display()
			);
		}
		Ok(saved)
	}

	fn parse(&self, bytes: &[u8]) -> Option<(Tally, TrainState)> {
		let (digest, body) = bytes.strip_prefix(MAGIC)?.split_first_chunk::<32>()?;
		if hash(body) != *digest {
			return None;
		}
		let (binding, body) = body.split_first_chunk::<32>()?;
		if *binding != self.binding {
			return None;
		}
		let (loss_before, body) = body.split_first_chunk::<8>()?;
		let (loss_after, body) = body.split_first_chunk::<8>()?;
		let (seconds, body) = body.split_first_chunk::<8>()?;
		let (tokens, state) = body.split_first_chunk::<8>()?;
		let tally = Tally {
			loss_before: u64::from_le_bytes(*loss_before),
			loss_after: u64::from_le_bytes(*loss_after),
			seconds: f64::from_bits(u64::from_le_bytes(*seconds)),
			tokens: u64::from_le_bytes(*tokens),
		};
		Some((tally, TrainState::from_bytes(state).ok()?))
	}

	/// Replaces the file by this state.
	pub fn save(&self, tally: &Tally, state: &TrainState) -> Result<(), JobError> {
		let mut body = self.binding.to_vec();
		body.extend(tally.loss_before.to_le_bytes());
		body.extend(tally.loss_after.to_le_bytes());
		body.extend(tally.seconds.to_bits().to_le_bytes());
		body.extend(tally.tokens.to_le_bytes());
		body.extend(state.to_bytes()?);
		Ok(files::write(&self.path, &[MAGIC, &hash(&body), &body])?)
	}

	/// Removes the file.
	pub fn remove(&self) -> Result<(), StoreError> {
		files::remove(&self.path)
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn a_state_belongs_to_one_job() {
		let dir = tempfile::tempdir().unwrap();
		let path = dir.path().join("state");
		let config = transformer::Config {
			vocab_size: 8,
			context_length: 4,
			n_layers: 1,
			n_heads: 2,
			d_model: 4,
			d_ff: 8,
		};
		let state = TrainState::new(transformer::init(config, [1; 32]).unwrap());
		let tally = Tally {
			loss_before: 5,
			loss_after: 4,
			seconds: 1.25,
			tokens: 77,
		};
		let ours = SavedState::new(path.clone(), [1; 32]);
		assert!(ours.load().unwrap().is_none());
		ours.save(&tally, &state).unwrap();
		let (found, kept) = ours.load().unwrap().unwrap();
		assert_eq!(found, tally);
		assert!(kept.parameters == state.parameters);
		let other = SavedState::new(path, [2; 32]);
		assert!(other.load().unwrap().is_none());
		ours.remove().unwrap();
		assert!(ours.load().unwrap().is_none());
	}
}
