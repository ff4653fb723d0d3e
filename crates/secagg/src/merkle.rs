//! Merkle trees over the chunks of a vector: one root commits to every coordinate of it.
//!
//! Must not know what the coordinates mean, where bytes come from or who asks.
//! Source: `docs/protocol/merkle.md`; BLAKE2b-256 is RFC 7693 with 32 bytes of output, no key.
//! Invariants: a leaf binds kind, index, length, owner and bytes; leaves, nodes and roots are hashed
//! under three different tags, so none can pass for another; the root binds kind and length, so a
//! shorter or longer vector, or one of another kind, never has the same root.

use alloc::{vec, vec::Vec};

use blake2::{
	digest::{consts::U32, Digest},
	Blake2b,
};

use crate::{
	error::Error,
	vector::{encode, Coordinate, Header, CHUNK, MAX_LEN},
};

/// A BLAKE2b-256 hash.
pub type Hash = [u8; 32];

/// What stands in the tree where no chunk is, up to the next power of two.
pub const EMPTY_LEAF: Hash = [0; 32];

const LEAF_TAG: &[u8] = b"llmchain/leaf/1";
const NODE_TAG: &[u8] = b"llmchain/node/1";
const ROOT_TAG: &[u8] = b"llmchain/root/1";

/// Most leaves that a vector can have.
const MAX_LEAVES: u64 = MAX_LEN / CHUNK as u64;

fn hash(parts: &[&[u8]]) -> Hash {
	let mut state = Blake2b::<U32>::new();
	for part in parts {
		state.update(part);
	}
	state.finalize().into()
}

fn node(left: &Hash, right: &Hash) -> Hash {
	hash(&[NODE_TAG, left, right])
}

fn seal(header: &Header, top: &Hash) -> Hash {
	hash(&[
		ROOT_TAG,
		&[header.kind().code()],
		&header.len().to_le_bytes(),
		top,
	])
}

/// Hash of chunk `index`, bound to its place and its maker.
///
/// # Errors
/// - [`Error::ChunkIndex`], [`Error::ChunkLength`] if the bytes are not that chunk's size.
pub fn leaf(header: &Header, index: u32, chunk: &[u8]) -> Result<Hash, Error> {
	header.check_chunk(index, chunk)?;
	Ok(hash(&[
		LEAF_TAG,
		&[header.kind().code()],
		&index.to_le_bytes(),
		&header.len().to_le_bytes(),
		header.owner(),
		chunk,
	]))
}

/// Leaves of a whole vector, in order.
///
/// # Errors
/// - [`Error::Width`], [`Error::LengthMismatch`] if the values are not what the header says.
pub fn leaves<T: Coordinate>(header: &Header, values: &[T]) -> Result<Vec<Hash>, Error> {
	header.check_width::<T>()?;
	if values.len() as u64 != header.len() {
		return Err(Error::LengthMismatch {
			expected: header.len(),
			got: values.len() as u64,
		});
	}
	values
		.chunks(CHUNK)
		.zip(0u32..)
		.map(|(chunk, index)| leaf(header, index, &encode(chunk)))
		.collect()
}

/// Leaves of a whole vector given as bytes.
///
/// # Errors
/// - [`Error::ByteLength`] if the bytes are not the header's vector.
pub fn leaves_of_bytes(header: &Header, bytes: &[u8]) -> Result<Vec<Hash>, Error> {
	header.check_bytes(bytes)?;
	let size = CHUNK.saturating_mul(header.kind().width());
	bytes
		.chunks(size)
		.zip(0u32..)
		.map(|(chunk, index)| leaf(header, index, chunk))
		.collect()
}

/// Root of a vector from its leaves.
///
/// # Errors
/// - [`Error::LeafCount`] if the header's vector has another number of chunks.
pub fn root(header: &Header, leaves: &[Hash]) -> Result<Hash, Error> {
	let (expected, got) = (u64::from(header.chunks()), leaves.len() as u64);
	if expected != got {
		return Err(Error::LeafCount { expected, got });
	}
	let mut level = padded(leaves);
	while level.len() > 1 {
		level = parents(&level);
	}
	let top = level.first().copied().unwrap_or(EMPTY_LEAF);
	Ok(seal(header, &top))
}

/// Root of a vector from its values.
///
/// # Errors
/// As [`leaves`].
pub fn vector_root<T: Coordinate>(header: &Header, values: &[T]) -> Result<Hash, Error> {
	root(header, &leaves(header, values)?)
}

/// Siblings of leaf `index`, from the leaf upwards.
///
/// # Errors
/// - [`Error::LeafCount`] if there are more leaves than any vector has;
/// - [`Error::ChunkIndex`] if there is no such leaf.
pub fn proof(leaves: &[Hash], index: u32) -> Result<Vec<Hash>, Error> {
	let got = leaves.len() as u64;
	if got > MAX_LEAVES {
		return Err(Error::LeafCount {
			expected: MAX_LEAVES,
			got,
		});
	}
	if u64::from(index) >= got {
		return Err(Error::ChunkIndex {
			index,
			chunks: u32::try_from(got).unwrap_or(u32::MAX),
		});
	}
	let mut siblings = Vec::new();
	let mut level = padded(leaves);
	let mut position = index as usize;
	while level.len() > 1 {
		siblings.push(level.get(position ^ 1).copied().unwrap_or(EMPTY_LEAF));
		level = parents(&level);
		position >>= 1;
	}
	Ok(siblings)
}

/// Checks that `leaf` is leaf `index` under `root`.
///
/// # Errors
/// - [`Error::ChunkIndex`], [`Error::ProofLength`] by shape;
/// - [`Error::ChunkNotInRoot`] by content.
pub fn verify_leaf(
	root: &Hash,
	header: &Header,
	index: u32,
	leaf: &Hash,
	proof: &[Hash],
) -> Result<(), Error> {
	header.chunk_len(index)?;
	if proof.len() as u64 != u64::from(header.depth()) {
		return Err(Error::ProofLength {
			expected: header.depth(),
			got: proof.len() as u64,
		});
	}
	let mut position = index;
	let mut top = *leaf;
	for sibling in proof {
		top = if position & 1 == 0 {
			node(&top, sibling)
		} else {
			node(sibling, &top)
		};
		position >>= 1;
	}
	let computed = seal(header, &top);
	if computed == *root {
		Ok(())
	} else {
		Err(Error::ChunkNotInRoot {
			index,
			root: *root,
			computed,
		})
	}
}

/// Checks that `chunk` is chunk `index` of the vector committed to by `root`.
///
/// # Errors
/// - [`Error::ChunkIndex`], [`Error::ChunkLength`], [`Error::ProofLength`] by shape;
/// - [`Error::ChunkNotInRoot`] by content.
pub fn verify_chunk(
	root: &Hash,
	header: &Header,
	index: u32,
	chunk: &[u8],
	proof: &[Hash],
) -> Result<(), Error> {
	verify_leaf(root, header, index, &leaf(header, index, chunk)?, proof)
}

/// Checks a whole list of leaves, so that chunks fetched later need no proof: [`leaf`] must equal the
/// list's entry.
///
/// # Errors
/// - [`Error::LeafCount`] by shape, [`Error::RootMismatch`] by content.
pub fn verify_leaf_list(expected: &Hash, header: &Header, leaves: &[Hash]) -> Result<(), Error> {
	let computed = root(header, leaves)?;
	if computed == *expected {
		Ok(())
	} else {
		Err(Error::RootMismatch {
			root: *expected,
			computed,
		})
	}
}

/// The leaves, padded to a power of two. Callers have bounded their number.
fn padded(leaves: &[Hash]) -> Vec<Hash> {
	let size = leaves
		.len()
		.checked_next_power_of_two()
		.unwrap_or(leaves.len());
	let mut level = vec![EMPTY_LEAF; size];
	for (slot, leaf) in level.iter_mut().zip(leaves) {
		*slot = *leaf;
	}
	level
}

fn parents(level: &[Hash]) -> Vec<Hash> {
	level
		.chunks(2)
		.map(|pair| match pair {
			[left, right] => node(left, right),
			// A padded level has an even number of nodes.
			_ => EMPTY_LEAF,
		})
		.collect()
}

#[cfg(test)]
mod tests {
	use super::*;
	use crate::vector::{VectorKind, NO_OWNER};

	fn vector(len: usize) -> (Header, Vec<i16>) {
		let values = (0..len).map(|i| (i as i16).wrapping_mul(31)).collect();
		(
			Header::new(VectorKind::Update, len as u64, [9; 32]).unwrap(),
			values,
		)
	}

	#[test]
	fn every_chunk_of_a_ragged_vector_is_proven() {
		for len in [1, 4095, 4096, 4097, 3 * 4096, 5 * 4096 + 1] {
			let (header, values) = vector(len);
			let leaves = leaves(&header, &values).unwrap();
			let root = root(&header, &leaves).unwrap();
			assert_eq!(verify_leaf_list(&root, &header, &leaves), Ok(()));
			for (index, chunk) in values.chunks(CHUNK).enumerate() {
				let index = index as u32;
				let proof = proof(&leaves, index).unwrap();
				assert_eq!(
					verify_chunk(&root, &header, index, &encode(chunk), &proof),
					Ok(())
				);
			}
		}
	}

	#[test]
	fn values_and_their_bytes_have_the_same_leaves() {
		let (header, values) = vector(10_000);
		assert_eq!(
			leaves_of_bytes(&header, &encode(&values)),
			leaves(&header, &values)
		);
		assert_eq!(
			leaves_of_bytes(&header, &[0; 3]),
			Err(Error::ByteLength {
				expected: 20_000,
				got: 3
			})
		);
	}

	#[test]
	fn the_root_changes_with_kind_length_owner_and_order() {
		let (header, values) = vector(2 * 4096);
		let first = vector_root(&header, &values).unwrap();
		let other_owner = Header::new(VectorKind::Update, 2 * 4096, NO_OWNER).unwrap();
		let other_kind = Header::new(VectorKind::GroupSum, 2 * 4096, [9; 32]).unwrap();
		let shorter = Header::new(VectorKind::Update, 2 * 4096 - 1, [9; 32]).unwrap();
		assert_ne!(vector_root(&other_owner, &values).unwrap(), first);
		assert_ne!(vector_root(&other_kind, &values).unwrap(), first);
		assert_ne!(vector_root(&shorter, &values[1..]).unwrap(), first);
		let mut swapped = values.clone();
		swapped.rotate_left(4096);
		assert_ne!(vector_root(&header, &swapped).unwrap(), first);
	}

	#[test]
	fn two_equal_chunks_have_different_leaves() {
		let header = Header::new(VectorKind::Update, 2 * 4096, NO_OWNER).unwrap();
		let leaves = leaves(&header, &[0i16; 2 * 4096]).unwrap();
		assert_ne!(leaves[0], leaves[1]);
	}

	#[test]
	fn shapes_that_do_not_fit_are_named() {
		let (header, values) = vector(3 * 4096);
		let leaves = leaves(&header, &values).unwrap();
		let root_hash = root(&header, &leaves).unwrap();
		let chunk = encode(&values[..4096]);
		let siblings = proof(&leaves, 0).unwrap();
		assert_eq!(
			root(&header, &leaves[1..]),
			Err(Error::LeafCount {
				expected: 3,
				got: 2
			})
		);
		assert_eq!(
			proof(&leaves, 3),
			Err(Error::ChunkIndex {
				index: 3,
				chunks: 3
			})
		);
		assert_eq!(
			proof(&[], 0),
			Err(Error::ChunkIndex {
				index: 0,
				chunks: 0
			})
		);
		assert_eq!(
			verify_chunk(&root_hash, &header, 0, &chunk, &siblings[1..]),
			Err(Error::ProofLength {
				expected: 2,
				got: 1
			})
		);
		// The place of the padding is not a chunk, whatever the proof says.
		assert_eq!(
			verify_leaf(&root_hash, &header, 3, &EMPTY_LEAF, &siblings),
			Err(Error::ChunkIndex {
				index: 3,
				chunks: 3
			})
		);
		assert!(matches!(
			verify_chunk(&root_hash, &header, 1, &chunk, &siblings),
			Err(Error::ChunkNotInRoot { index: 1, .. })
		));
	}
}
