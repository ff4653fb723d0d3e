//! Where bytes come from that are not on this machine: the port that the node implements.
//!
//! Must not know: sockets, peer-to-peer protocols, the chain. Calls block and come from the engine's threads; an
//! implementation keeps its own time-outs. Nothing that arrives is trusted: `fetch` checks every byte.

use crate::{error::FetchError, hexed::Short, Hash};
use secagg::Header;
use thiserror::Error;

/// An answer and who gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Served<T> {
	/// Name of the peer, for messages and for [`Peers::refused`].
	pub peer: String,
	/// What it sent.
	pub value: T,
}

/// Why no answer came.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PeerError {
	/// No peer that answered has it.
	#[error("no peer has {}", Short(.root))]
	NotFound {
		/// Root of the vector.
		root: Hash,
	},
	/// Nobody answered in time.
	#[error("no answer in time to a request for {what}")]
	TimedOut {
		/// What was asked for.
		what: String,
	},
	/// The network cannot be used now.
	#[error("peers cannot be reached: {reason}")]
	Unreachable {
		/// What stands in the way.
		reason: String,
	},
	/// The node is shutting down.
	#[error("the node is shutting down")]
	Stopped,
}

/// Other nodes, and the chain's archive.
pub trait Peers: Send + Sync {
	/// Header and leaves of the vector with this root.
	///
	/// # Errors
	/// - any [`PeerError`].
	fn vector_leaves(&self, root: &Hash) -> Result<Served<(Header, Vec<Hash>)>, PeerError>;

	/// Bytes of chunks from `first` on: at least one, at most `count`. Fewer than asked is no fault; the rest is asked again.
	///
	/// # Errors
	/// - any [`PeerError`].
	fn vector_chunks(
		&self,
		root: &Hash,
		first: u32,
		count: u32,
	) -> Result<Served<Vec<Vec<u8>>>, PeerError>;

	/// The blob with this BLAKE2b-256 hash from the chain's archive; `None` if it is not there, or not yet.
	///
	/// # Errors
	/// - any [`PeerError`].
	fn archived(&self, hash: &Hash) -> Result<Option<Vec<u8>>, PeerError>;

	/// Hears that `peer` sent wrong bytes: ask another next time.
	fn refused(&self, peer: &str, error: &FetchError) {
		log::warn!("peer {peer}: {error}");
	}
}

/// Nobody: for work on what the store already has.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoPeers;

impl Peers for NoPeers {
	fn vector_leaves(&self, root: &Hash) -> Result<Served<(Header, Vec<Hash>)>, PeerError> {
		Err(PeerError::NotFound { root: *root })
	}

	fn vector_chunks(
		&self,
		root: &Hash,
		_: u32,
		_: u32,
	) -> Result<Served<Vec<Vec<u8>>>, PeerError> {
		Err(PeerError::NotFound { root: *root })
	}

	fn archived(&self, _: &Hash) -> Result<Option<Vec<u8>>, PeerError> {
		Ok(None)
	}
}
