//! The trainer's engine: jobs in, results out; files, threads, blob store.
//!
//! Must not know: the chain, SCALE, signatures, sockets. Whoever embeds it (the node, the command line, a test) turns its
//! own words into [`Job`]s, implements [`Peers`], and carries [`JobOutcome`]s away.
//! Source: ARCHITECTURE.md, "Off-chain worker and trainer"; `docs/protocol/local-training.md`, `aggregate.md`.
//! Invariants: a job's result depends on its inputs alone, never on threads, time, restarts or the order of jobs; bytes from
//! outside are checked against their hash before use; what is on disk is either whole or refused.
//!
//! Reading order: `job`, `error`, `store`, `peers`, `fetch` (bytes); `checkpoint`, `data`, `order`, `train`, `hold`,
//! `aggregate` (the phases); `queue`, `engine`, `lanes` (running them); `generate`, `verify` (for everybody).

mod aggregate;
mod checkpoint;
mod data;
mod engine;
mod error;
mod fetch;
mod files;
mod generate;
mod hexed;
mod hold;
mod host;
mod job;
mod lanes;
mod order;
mod peers;
mod queue;
mod saved;
mod store;
mod train;
mod verify;

pub use aggregate::{aggregate, apply, evaluate, Aggregated};
pub use checkpoint::Checkpoint;
pub use data::Documents;
pub use engine::{Engine, EngineConfig, JobState, JobStatus};
pub use error::{describe, EngineError, FetchError, JobError, StoreError, Which};
pub use fetch::Fetcher;
pub use generate::{Generated, GenerationRequest, Generator};
pub use hold::{hold, Held};
pub use host::Host;
pub use job::{
	AggregateJob, Architecture, CheckpointRef, F32Bits, HoldJob, Job, JobKey, JobOutcome,
	LocalTraining, Outer, Phase, Quantiser, Shard, TrainJob, UpdateRef, MAX_REASON,
};
pub use order::BatchOrder;
pub use peers::{NoPeers, PeerError, Peers, Served};
pub use queue::Submission;
pub use saved::SavedState;
pub use store::{hash, Store, MAX_CHUNKS_PER_READ};
pub use train::{train, StepProgress, Trained, Training};
pub use verify::{
	verify_lineage, verify_round, Lineage, Progress, RoundRecord, Verified, VerifyError,
};

use std::sync::{
	atomic::{AtomicBool, Ordering},
	Arc,
};

/// BLAKE2b-256 hash: of a blob, or the Merkle root of a vector.
pub type Hash = [u8; 32];
/// Raw bytes of an account.
pub type Account = [u8; 32];

/// Asks running work to end at its next safe point. Clones share the flag.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
	/// Raises the flag for good.
	pub fn set(&self) {
		self.0.store(true, Ordering::SeqCst);
	}

	/// Whether somebody raised it.
	pub fn is_set(&self) -> bool {
		self.0.load(Ordering::SeqCst)
	}

	/// Turns a raised flag into the error that ends a job.
	pub(crate) fn check(&self) -> Result<(), FetchError> {
		if self.is_set() {
			Err(FetchError::Stopped)
		} else {
			Ok(())
		}
	}
}
