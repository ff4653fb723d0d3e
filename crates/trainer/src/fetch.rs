//! Getting bytes by their hash: from this machine's store, else from peers or the archive, checked on arrival.
//!
//! Must not know: jobs, models, the network. Source: `docs/protocol/merkle.md`.
//! Invariants: leaves are checked against the root before a chunk is asked for, each chunk against its leaf before it is
//! written; good chunks are kept whatever follows, so a fetch resumes where it was; wrong bytes are blamed on who sent them.

use crate::{
	error::{FetchError, StoreError},
	peers::{Peers, Served},
	store::{hash, Partial, Reservation, Store},
	Hash, Stop,
};
use secagg::{Coordinate, Header};

/// Chunks asked for at once: half a MiB of parameters.
const CHUNKS_PER_REQUEST: u32 = 32;
/// Times that wrong bytes are forgiven within one call, each from a peer that is then refused.
const ATTEMPTS: u32 = 4;

/// A store, and where to get what it lacks.
#[derive(Clone, Copy)]
pub struct Fetcher<'a> {
	/// Where bytes are kept.
	pub store: &'a Store,
	/// Where they come from.
	pub peers: &'a dyn Peers,
	/// Ends a fetch between two requests.
	pub stop: &'a Stop,
}

impl Fetcher<'_> {
	/// All coordinates of the vector with this root and header.
	///
	/// # Errors
	/// - any [`FetchError`]; trying again goes on where this call ended.
	pub fn vector<T: Coordinate>(
		&self,
		root: &Hash,
		header: &Header,
	) -> Result<Vec<T>, FetchError> {
		let mut attempt = 0;
		loop {
			self.stop.check()?;
			if let Some(values) = self.store.vector(root, header)? {
				return Ok(values);
			}
			match self.fetch_vector(root, header) {
				Ok(()) => {}
				Err(error) => {
					let Some(peer) = error.culprit() else {
						return Err(error);
					};
					self.peers.refused(peer, &error);
					attempt += 1;
					if attempt == ATTEMPTS {
						return Err(error);
					}
				}
			}
		}
	}

	/// The weighted update with this root and header, as [`Fetcher::vector`].
	///
	/// A job names updates only after their phase has closed, so one's own is published here.
	///
	/// # Errors
	/// - any [`FetchError`].
	pub fn update(&self, root: &Hash, header: &Header) -> Result<Vec<i16>, FetchError> {
		self.store.publish(root)?;
		self.vector(root, header)
	}

	/// Brings a vector into the store.
	fn fetch_vector(&self, root: &Hash, header: &Header) -> Result<(), FetchError> {
		let reservation = self.store.reserve(root);
		if self.store.has_vector(root) {
			// Somebody else fetched it while this call waited.
			return Ok(());
		}
		let mut partial = match Partial::resume(&reservation, header)? {
			Some(partial) => partial,
			None => self.begin(&reservation, root, header)?,
		};
		while partial.next() < header.chunks() {
			self.stop.check()?;
			let asked = CHUNKS_PER_REQUEST.min(header.chunks() - partial.next());
			let Served {
				peer,
				value: chunks,
			} = self.peers.vector_chunks(root, partial.next(), asked)?;
			if chunks.is_empty() || chunks.len() > asked as usize {
				return Err(FetchError::WrongCount {
					peer,
					root: *root,
					asked,
					got: chunks.len(),
				});
			}
			for chunk in chunks {
				if !partial.append(&chunk)? {
					return Err(FetchError::WrongChunk {
						peer,
						root: *root,
						index: partial.next(),
					});
				}
			}
		}
		Ok(partial.finish()?)
	}

	/// Asks for the leaves and checks them.
	fn begin(
		&self,
		reservation: &Reservation<'_>,
		root: &Hash,
		header: &Header,
	) -> Result<Partial, FetchError> {
		let served = self.peers.vector_leaves(root)?;
		let (found, leaves) = &served.value;
		if (found.kind(), found.len()) != (header.kind(), header.len()) {
			return Err(FetchError::wrong_header(root, header, &served));
		}
		secagg::verify_leaf_list(root, header, leaves).map_err(|source| {
			FetchError::WrongLeaves {
				peer: served.peer.clone(),
				root: *root,
				source: Box::new(source),
			}
		})?;
		if found.owner() != header.owner() {
			// The leaves are right, so the peer is honest: the root was posted by somebody whose vector it is not.
			return Err(StoreError::Foreign {
				root: *root,
				owner: *header.owner(),
				got: *found.owner(),
			}
			.into());
		}
		Ok(Partial::begin(reservation, header, served.value.1)?)
	}

	/// The blob with this BLAKE2b-256 hash, from the store or the chain's archive.
	///
	/// # Errors
	/// - [`FetchError::NotArchived`], [`FetchError::WrongBlob`], [`FetchError::Peer`], [`FetchError::Store`].
	pub fn blob(&self, wanted: &Hash) -> Result<Vec<u8>, FetchError> {
		self.stop.check()?;
		if let Some(bytes) = self.store.blob(wanted)? {
			return Ok(bytes);
		}
		let bytes = self
			.peers
			.archived(wanted)?
			.ok_or(FetchError::NotArchived { hash: *wanted })?;
		let got = hash(&bytes);
		if got != *wanted {
			return Err(FetchError::WrongBlob { hash: *wanted, got });
		}
		self.store.put_blob(&bytes)?;
		Ok(bytes)
	}
}

#[cfg(test)]
mod tests;
