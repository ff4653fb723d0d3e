//! Everything that can go wrong in the engine, with values and what to do.
//!
//! Must not know: how errors are shown. Sources are kept apart from messages; [`describe`] joins them.
//! Invariant: an error says by its type whether trying again can help ([`JobError::is_permanent`]).

use crate::{
	hexed::Short,
	peers::{PeerError, Served},
	Account, Hash,
};
use std::{error::Error as StdError, fmt, io, path::PathBuf};
use thiserror::Error;

/// The message of an error and of all that caused it, on one line.
pub fn describe(error: &dyn StdError) -> String {
	let mut text = error.to_string();
	let mut source = error.source();
	while let Some(cause) = source {
		text.push_str(": ");
		text.push_str(&cause.to_string());
		source = cause.source();
	}
	text
}

/// The store's directory cannot be used.
#[derive(Debug, Error)]
pub enum StoreError {
	/// The operating system refused.
	#[error("cannot {action} {}; check free space and rights of the trainer's directory", path.display())]
	Io {
		/// What was tried.
		action: &'static str,
		/// On which file or directory.
		path: PathBuf,
		/// What the system says.
		source: io::Error,
	},
	/// Another process works in the directory.
	#[error("{} is used by another process; give each node its own base path", path.display())]
	Locked {
		/// The directory.
		path: PathBuf,
	},
	/// A root was posted by one account, but its vector was made by another: a copied root.
	#[error("the vector {} belongs to account {}, not to {}", Short(.root), Short(.got), Short(.owner))]
	Foreign {
		/// Root that was asked for.
		root: Hash,
		/// Account that posted it.
		owner: Account,
		/// Account that its leaves are bound to.
		got: Account,
	},
	/// A vector cannot be written as its header says.
	#[error("the vector cannot be stored")]
	Vector(#[from] secagg::Error),
}

/// Bytes could not be fetched, or were not what their hash says.
#[derive(Debug, Error)]
pub enum FetchError {
	/// This machine's store.
	#[error("the blob store failed")]
	Store(#[from] StoreError),
	/// No peer could help.
	#[error("fetching from peers failed")]
	Peer(#[from] PeerError),
	/// The chain's archive has no such blob.
	#[error("blob {} is not in the archive (yet)", Short(.hash))]
	NotArchived {
		/// Hash of the blob.
		hash: Hash,
	},
	/// The archive answered with other bytes.
	#[error("the archive answered blob {} with bytes of hash {}", Short(.hash), Short(.got))]
	WrongBlob {
		/// Hash that was asked for.
		hash: Hash,
		/// Hash of what came.
		got: Hash,
	},
	/// A peer's header is not that of the vector asked for.
	#[error("peer {peer} says that {} has {got_len} coordinates of kind {got_kind}, not {len} of kind {kind}", Short(.root))]
	WrongHeader {
		/// Who answered.
		peer: String,
		/// Root that was asked for.
		root: Hash,
		/// Expected kind code.
		kind: u8,
		/// Kind code that came.
		got_kind: u8,
		/// Expected coordinates.
		len: u64,
		/// Coordinates that came.
		got_len: u64,
	},
	/// A peer's leaves do not lead to the root.
	#[error("peer {peer} sent leaves that do not belong to {}", Short(.root))]
	WrongLeaves {
		/// Who answered.
		peer: String,
		/// Root that was asked for.
		root: Hash,
		/// What is wrong.
		source: Box<secagg::Error>,
	},
	/// A peer's chunk does not match its leaf.
	#[error("peer {peer} sent a wrong chunk {index} of {}", Short(.root))]
	WrongChunk {
		/// Who answered.
		peer: String,
		/// Root that was asked for.
		root: Hash,
		/// The chunk.
		index: u32,
	},
	/// A peer sent no chunk, or more than asked.
	#[error("peer {peer} sent {got} chunks of {} where 1 to {asked} were asked", Short(.root))]
	WrongCount {
		/// Who answered.
		peer: String,
		/// Root that was asked for.
		root: Hash,
		/// Chunks asked for.
		asked: u32,
		/// Chunks that came.
		got: usize,
	},
	/// Somebody asked the work to end.
	#[error("stopped")]
	Stopped,
}

impl FetchError {
	/// The peer that sent wrong bytes, if one did.
	pub fn culprit(&self) -> Option<&str> {
		match self {
			FetchError::WrongHeader { peer, .. }
			| FetchError::WrongLeaves { peer, .. }
			| FetchError::WrongChunk { peer, .. }
			| FetchError::WrongCount { peer, .. } => Some(peer),
			FetchError::Store(_)
			| FetchError::Peer(_)
			| FetchError::NotArchived { .. }
			| FetchError::WrongBlob { .. }
			| FetchError::Stopped => None,
		}
	}

	/// Whether the vector is another account's, which no peer can change.
	pub fn is_foreign(&self) -> bool {
		matches!(self, FetchError::Store(StoreError::Foreign { .. }))
	}

	/// Whether the cause is this machine or its user, not a peer.
	pub fn is_local(&self) -> bool {
		matches!(self, FetchError::Store(_) | FetchError::Stopped)
	}

	/// Names the vector that a peer described wrongly.
	pub(crate) fn wrong_header(
		root: &Hash,
		expected: &secagg::Header,
		served: &Served<(secagg::Header, Vec<Hash>)>,
	) -> Self {
		FetchError::WrongHeader {
			peer: served.peer.clone(),
			root: *root,
			kind: expected.kind().code(),
			got_kind: served.value.0.kind().code(),
			len: expected.len(),
			got_len: served.value.0.len(),
		}
	}
}

/// Which of a version's two vectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
	/// The parameters.
	Parameters,
	/// The outer momentum.
	Momentum,
}

impl fmt::Display for Which {
	fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
		f.write_str(match self {
			Which::Parameters => "parameters",
			Which::Momentum => "momentum",
		})
	}
}

/// A job could not be done.
#[derive(Debug, Error)]
pub enum JobError {
	/// This machine's store.
	#[error("the blob store failed")]
	Store(#[from] StoreError),
	/// Bytes could not be fetched.
	#[error("fetching failed")]
	Fetch(#[from] FetchError),
	/// The model, the tokenizer or a number in them.
	#[error("the model cannot be computed")]
	Transformer(#[from] transformer::Error),
	/// Quantising, summing or the server update.
	#[error("the aggregate's arithmetic refused")]
	Secagg(#[from] secagg::Error),
	/// A shard's bytes are not a shard.
	#[error("shard {shard} of the job is broken")]
	Shard {
		/// Place in the job; the held-out shard is 0.
		shard: usize,
		/// What is wrong.
		source: corpus::Error,
	},
	/// A shard's chunks do not have the size that the manifest says: it is truncated or too long.
	#[error("shard {shard} of the job has {got} bytes where its manifest says {expected}")]
	ShardSize {
		/// Place in the job.
		shard: usize,
		/// Bytes by the manifest.
		expected: u64,
		/// Bytes of the chunks.
		got: u64,
	},
	/// A shard does not have the documents that the manifest says.
	#[error("shard {shard} of the job has {got} documents where its manifest says {expected}")]
	ShardDocuments {
		/// Place in the job.
		shard: usize,
		/// Documents by the manifest.
		expected: u64,
		/// Documents found.
		got: u64,
	},
	/// There is nothing to train or evaluate on.
	#[error("the job has no documents")]
	NoDocuments,
	/// Nothing would be trained.
	#[error("{steps} steps of {batch} documents train nothing; both must be positive")]
	NoSteps {
		/// Optimiser steps.
		steps: u32,
		/// Documents a step.
		batch: u32,
	},
	/// The number of shards is no aggregation weight.
	#[error(
		"{shards} shards make no weight; it must be 1 to {}",
		secagg::MAX_WEIGHT
	)]
	Weight {
		/// Shards of the job.
		shards: usize,
	},
	/// The tokenizer has more tokens than the model.
	#[error("the tokenizer has {tokenizer} tokens, but the model only {model}; this is another model's tokenizer")]
	Vocabulary {
		/// Tokens of the tokenizer.
		tokenizer: u32,
		/// Tokens of the architecture.
		model: u32,
	},
	/// Version 0 does not follow from its seed.
	#[error("version 0 has {which} root {} by its seed, but {} was registered", Short(.computed), Short(.claimed))]
	SeedRoot {
		/// The parameters or the momentum.
		which: Which,
		/// What the job says.
		claimed: Hash,
		/// What the seed gives.
		computed: Hash,
	},
	/// A survivor without an update.
	#[error("account {} survives without having posted an update", Short(.account))]
	NoUpdate {
		/// The survivor.
		account: Account,
	},
	/// More members than a bitmap has bits.
	#[error("{members} members are more than a round may have (64)")]
	TooManyMembers {
		/// Members of the job.
		members: usize,
	},
	/// The job cannot be written as JSON, so its state cannot be named.
	#[error("the job cannot be written down")]
	Record(#[source] serde_json::Error),
	/// A replayed generation gives another text.
	#[error("the replay gives text of hash {}, but the receipt says {}", Short(.computed), Short(.expected))]
	ReplayMismatch {
		/// Hash in the receipt.
		expected: Hash,
		/// Hash of the replay.
		computed: Hash,
	},
}

impl JobError {
	/// Whether trying again with the same inputs must fail again.
	pub fn is_permanent(&self) -> bool {
		match self {
			JobError::Store(_) | JobError::Fetch(_) => false,
			JobError::Transformer(_)
			| JobError::Secagg(_)
			| JobError::Shard { .. }
			| JobError::ShardSize { .. }
			| JobError::ShardDocuments { .. }
			| JobError::NoDocuments
			| JobError::NoSteps { .. }
			| JobError::Weight { .. }
			| JobError::Vocabulary { .. }
			| JobError::SeedRoot { .. }
			| JobError::NoUpdate { .. }
			| JobError::TooManyMembers { .. }
			| JobError::Record(_)
			| JobError::ReplayMismatch { .. } => true,
		}
	}

	/// Whether somebody asked the work to end.
	pub fn is_stopped(&self) -> bool {
		matches!(self, JobError::Fetch(FetchError::Stopped))
	}
}

/// The engine cannot start or take a job.
#[derive(Debug, Error)]
pub enum EngineError {
	/// This processor cannot train at a useful speed.
	#[error("this processor has no fused multiply-add, so training would take days; run the node without --trainer")]
	NoFma,
	/// Threads cannot be started.
	#[error("cannot start the engine's threads")]
	Threads(#[source] rayon::ThreadPoolBuildError),
	/// A thread of the engine's own cannot be started.
	#[error("cannot start a thread of the engine")]
	Thread(#[source] io::Error),
	/// The directory cannot be used.
	#[error("the trainer's directory cannot be used")]
	Store(#[from] StoreError),
	/// A job's record cannot be written as JSON.
	#[error("the job cannot be written down")]
	Record(#[from] serde_json::Error),
	/// The kind of job is not that of its phase.
	#[error("the job is not one of phase {phase:?}")]
	WrongPhase {
		/// Phase of the key.
		phase: crate::Phase,
	},
	/// The engine is shut down.
	#[error("the engine is shut down")]
	ShutDown,
}
