//! What a manifest must be before it is published: pure functions, no storage.
//!
//! Must not know: accounts, money, where blobs are kept.
//! Invariant: what [`well_formed`] checks depends on the manifest alone, so it holds for ever once it held; what
//! [`archived_in_full`] checks held when the dataset was published.

use alloc::collections::BTreeSet;
use core::iter::once;
use llmchain_primitives::{
	data::{DatasetLicence, DatasetManifest, Shard, MAX_BLOB_SIZE},
	Hash,
};

/// What is wrong with a manifest. Shards and chunks count from 0, the held-out shard coming last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
	/// The title has no bytes.
	EmptyTitle,
	/// The licence expression has no bytes.
	EmptyLicence,
	/// The source has no bytes.
	EmptySource,
	/// The preprocessing version is 0.
	NoPreprocessing,
	/// There is nothing to train on.
	NoShards,
	/// A shard has no bytes, no documents or no chunks.
	EmptyShard {
		/// Place of the shard.
		shard: u8,
	},
	/// A shard's size differs from that of its chunks.
	ShardSizeMismatch {
		/// Place of the shard.
		shard: u8,
	},
	/// The same chunks make up two shards.
	DuplicateShard {
		/// Place of the second one.
		shard: u8,
	},
	/// The same chunk occurs twice.
	DuplicateChunk {
		/// Place of the shard where it occurs again.
		shard: u8,
		/// Its place in that shard.
		chunk: u8,
	},
	/// A chunk is not archived.
	ChunkNotArchived {
		/// Place of the shard.
		shard: u8,
		/// Place of the chunk in it.
		chunk: u8,
	},
}

/// Chunks of all shards, as the weights take them.
pub(crate) fn chunks(shards: &[Shard], held_out: &Shard) -> u32 {
	shards
		.iter()
		.chain(once(held_out))
		.fold(0u32, |sum, shard| {
			sum.saturating_add(u32::try_from(shard.chunks.len()).unwrap_or(u32::MAX))
		})
}

/// All shards with their places, the held-out one last.
fn placed(manifest: &DatasetManifest) -> impl Iterator<Item = (u8, &Shard)> {
	let shards = manifest.shards.iter().chain(once(&manifest.held_out));
	// At most 65, so no two shards share a place.
	(0..=u8::MAX).zip(shards)
}

/// Checks everything that the manifest alone decides.
///
/// # Errors
/// - Any [`Flaw`] but [`Flaw::ChunkNotArchived`].
pub fn well_formed(manifest: &DatasetManifest) -> Result<(), Flaw> {
	if manifest.title.is_empty() {
		return Err(Flaw::EmptyTitle);
	}
	if matches!(&manifest.licence, DatasetLicence::Spdx(expression) if expression.is_empty()) {
		return Err(Flaw::EmptyLicence);
	}
	if manifest.source.is_empty() {
		return Err(Flaw::EmptySource);
	}
	if manifest.preprocessing == 0 {
		return Err(Flaw::NoPreprocessing);
	}
	if manifest.shards.is_empty() {
		return Err(Flaw::NoShards);
	}
	// By their chunks: a shard is its bytes, whatever number of documents is claimed for them.
	let mut seen_shards = BTreeSet::<&[Hash]>::new();
	let mut seen_chunks = BTreeSet::<&Hash>::new();
	for (place, shard) in placed(manifest) {
		if shard.size == 0 || shard.documents == 0 || shard.chunks.is_empty() {
			return Err(Flaw::EmptyShard { shard: place });
		}
		if usize::try_from(shard.size.div_ceil(MAX_BLOB_SIZE)) != Ok(shard.chunks.len()) {
			return Err(Flaw::ShardSizeMismatch { shard: place });
		}
		if !seen_shards.insert(&shard.chunks) {
			return Err(Flaw::DuplicateShard { shard: place });
		}
		for (chunk, hash) in (0..=u8::MAX).zip(&shard.chunks) {
			if !seen_chunks.insert(hash) {
				return Err(Flaw::DuplicateChunk {
					shard: place,
					chunk,
				});
			}
		}
	}
	Ok(())
}

/// Checks that every chunk is archived with the bytes that its place in a well-formed manifest demands.
///
/// # Errors
/// - [`Flaw::ChunkNotArchived`], [`Flaw::ShardSizeMismatch`].
pub fn archived_in_full(
	manifest: &DatasetManifest,
	archived_size: impl Fn(&Hash) -> Option<u32>,
) -> Result<(), Flaw> {
	for (place, shard) in placed(manifest) {
		let mut left = shard.size;
		for (chunk, hash) in (0..=u8::MAX).zip(&shard.chunks) {
			let expected = left.min(MAX_BLOB_SIZE);
			let actual = archived_size(hash).ok_or(Flaw::ChunkNotArchived {
				shard: place,
				chunk,
			})?;
			if actual != expected {
				return Err(Flaw::ShardSizeMismatch { shard: place });
			}
			left = left.saturating_sub(expected);
		}
		if left != 0 {
			return Err(Flaw::ShardSizeMismatch { shard: place });
		}
	}
	Ok(())
}
