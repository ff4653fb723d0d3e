//! Datasets as the chain sees them: licences, shards, chunks.
//!
//! Must not know: how text was cleaned or split (crates/corpus) or where bytes are kept (pallet-blobs).
//! Invariant: a shard's bytes are the concatenation of its chunks, each archived under its BLAKE2b-256 hash.

use crate::{text::BoundedText, Hash};
use alloc::vec::Vec;
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;
use sp_core::{bounded::BoundedVec, ConstU32};
use sp_runtime::traits::{BlakeTwo256, Hash as _};

/// Largest blob in bytes: 1 MiB, so that Bitswap and block proposers take it.
pub const MAX_BLOB_SIZE: u32 = 1 << 20;
/// Most chunks of one shard, so a shard holds up to 64 MiB.
pub const MAX_CHUNKS: u32 = 64;
/// Most shards of one dataset, beside the held-out shard.
pub const MAX_SHARDS: u32 = 64;

/// Title of a dataset, a work.
pub type Title = BoundedText<128>;
/// A source, an address, a short note.
pub type Note = BoundedText<512>;

/// Terms under which a dataset's text may be used.
#[derive(
	Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub enum DatasetLicence {
	/// Nobody's rights stand in the way.
	PublicDomain,
	/// An SPDX licence expression, such as `CC-BY-2.5`.
	Spdx(BoundedText<64>),
}

/// One shard: what a participant trains on in a round.
#[derive(
	Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct Shard {
	/// Bytes of the whole shard.
	pub size: u32,
	/// Documents in it.
	pub documents: u32,
	/// BLAKE2b-256 of each chunk, in order; every chunk but the last has `MAX_BLOB_SIZE` bytes.
	pub chunks: BoundedVec<Hash, ConstU32<MAX_CHUNKS>>,
}

impl Shard {
	/// Root of the shard: binds kind, size, documents and the list of chunks.
	pub fn root(&self) -> Hash {
		BlakeTwo256::hash_of(&(b"llmchain/shard/1", self))
	}
}

/// All shards of a dataset.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub struct Shards {
	/// Shards to train on.
	pub training: Vec<Shard>,
	/// The shard that nobody trains on and every version is evaluated on.
	pub held_out: Shard,
}

/// What a publisher says of a dataset.
#[derive(
	Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct DatasetManifest {
	/// Title that people read.
	pub title: Title,
	/// Terms of use.
	pub licence: DatasetLicence,
	/// Where the text comes from: package, version, hash of the artefact.
	pub source: Note,
	/// Version of the preprocessing rules (crates/corpus).
	pub preprocessing: u32,
	/// Shards to train on.
	pub shards: BoundedVec<Shard, ConstU32<MAX_SHARDS>>,
	/// The shard that nobody trains on.
	pub held_out: Shard,
}

impl DatasetManifest {
	/// Identity of the dataset: hash of this manifest.
	pub fn id(&self) -> crate::DatasetId {
		BlakeTwo256::hash_of(&(b"llmchain/dataset/1", self))
	}
}
