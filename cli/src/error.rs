//! Everything that ends a command, with values and what to do about it.
//!
//! Must not know: how errors are shown. Invariant: [`Error::name`] is the chain's own name of a refusal, so that scripts tell
//! refusals apart without reading prose.

use crate::{chain::ChainError, history::HistoryError, keys::KeyError, receipt::ReceiptError};
use llmchain_primitives::text::TextTooLong;
use std::{io, path::PathBuf};
use thiserror::Error;

/// Why a command failed.
#[derive(Debug, Error)]
pub enum Error {
	/// The node, or the chain's refusal of a transaction.
	#[error(transparent)]
	Chain(#[from] ChainError),
	/// The signer's key, or an account.
	#[error(transparent)]
	Key(#[from] KeyError),
	/// A receipt.
	#[error(transparent)]
	Receipt(#[from] ReceiptError),
	/// What the chain says of a version's history contradicts itself.
	#[error(transparent)]
	History(#[from] HistoryError),
	/// A file or directory.
	#[error("cannot {action} {}: {source}", path.display())]
	File {
		/// What was tried.
		action: &'static str,
		/// On which file.
		path: PathBuf,
		/// What the system says.
		source: io::Error,
	},
	/// Standard output was closed.
	#[error("cannot write the result: {0}")]
	Output(#[source] io::Error),
	/// The operating system gave no random numbers.
	#[error("the operating system gives no random numbers ({0}); give --seed")]
	Random(getrandom::Error),
	/// A text field's limit.
	#[error("{field}: {fault}")]
	Text {
		/// The field.
		field: &'static str,
		/// Its limit and the text's length.
		fault: TextTooLong,
	},
	/// An identity that the chain does not know.
	#[error("no {what} {id} on this chain; {hint}")]
	NotFound {
		/// What was looked for.
		what: &'static str,
		/// What was typed.
		id: String,
		/// What to do.
		hint: &'static str,
	},
	/// A name that several models have.
	#[error("{count} models have the name `{name}`; give the identity of one: {}", ids.join(", "))]
	AmbiguousName {
		/// The name.
		name: String,
		/// How many.
		count: usize,
		/// Their identities.
		ids: Vec<String>,
	},
	/// The folder of a corpus.
	#[error("no corpus `{corpus}` in {}; fetch it with: scripts/fetch-corpora.sh {corpus} {}", folder.display(), folder.display())]
	NoCorpus {
		/// Its name.
		corpus: &'static str,
		/// Where it was looked for.
		folder: PathBuf,
	},
	/// Preparing text.
	#[error("the text cannot be prepared: {0}")]
	Corpus(#[from] corpus::Error),
	/// A text file.
	#[error("{}: {source}", path.display())]
	TextFile {
		/// The file.
		path: PathBuf,
		/// What is wrong with it.
		source: corpus::Error,
	},
	/// A shard that the chain cannot hold.
	#[error("shard {shard} has {bytes} bytes; the chain takes 1 to {limit}: use {advice} shards")]
	ShardSize {
		/// Place of the shard.
		shard: String,
		/// Its bytes.
		bytes: usize,
		/// Bytes that a shard may have.
		limit: usize,
		/// `more` or `fewer`.
		advice: &'static str,
	},
	/// More shards than a manifest names.
	#[error("a dataset has 1 to {limit} shards, not {shards}")]
	TooManyShards {
		/// Asked for.
		shards: usize,
		/// Most that there may be.
		limit: u32,
	},
	/// The archive does not have bytes that it should have.
	#[error("the node has no bytes of the archived blob {hash}; ask a node that keeps all blocks (--url)")]
	NotArchived {
		/// Hash of the blob.
		hash: String,
	},
	/// The archive answered with other bytes.
	#[error(
		"the node answered blob {hash} with other bytes; do not trust it, ask another (--url)"
	)]
	WrongBlob {
		/// Hash of the blob.
		hash: String,
	},
	/// The model's numbers or its tokenizer.
	#[error("the model cannot be made: {0}")]
	Transformer(#[from] transformer::Error),
	/// Deriving version 0.
	#[error("version 0 cannot be derived: {}", trainer::describe(.0))]
	Derive(#[from] trainer::JobError),
	/// Merkle roots.
	#[error("the roots cannot be computed: {0}")]
	Secagg(#[from] secagg::Error),
	/// The verifier's own store.
	#[error("the verifier's store: {}", trainer::describe(.0))]
	Store(#[from] trainer::StoreError),
	/// A history that does not follow.
	#[error("NOT verified: {}", trainer::describe(.0))]
	Verify(#[from] trainer::VerifyError),
	/// Threads for computing.
	#[error("no threads to compute on: {0}")]
	Threads(#[from] rayon::ThreadPoolBuildError),
	/// A worker of this program broke off.
	#[error("the computation broke off: {0}")]
	BrokenOff(#[from] tokio::task::JoinError),
	/// A replay gave another text, or the signature is not the server's.
	#[error("NOT verified: {reason}")]
	Replay {
		/// What differs.
		reason: &'static str,
	},
	/// A task that its publisher ended.
	#[error("task {task} was cancelled after {settled} settled rounds")]
	Cancelled {
		/// The task.
		task: String,
		/// Rounds that settled.
		settled: u32,
	},
	/// Blocks stopped coming.
	#[error("the node sent no more blocks; is it still running?")]
	NoMoreBlocks,
	/// A choice that the chain would refuse.
	#[error("{0}")]
	Choice(&'static str),
}

impl Error {
	/// The chain's name of a refusal, such as `Training.StaleBase`.
	pub fn name(&self) -> Option<String> {
		match self {
			Error::Chain(ChainError::Refused(refusal)) => Some(refusal.name.clone()),
			_ => None,
		}
	}

	/// An error of reading or writing `path`.
	pub fn file(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
		let path = path.into();
		move |source| Error::File {
			action,
			path,
			source,
		}
	}

	/// An error of a text that is too long for `field`.
	pub fn text(field: &'static str) -> impl FnOnce(TextTooLong) -> Self {
		move |fault| Error::Text { field, fault }
	}
}

/// What commands return.
pub type Result<T, E = Error> = std::result::Result<T, E>;
