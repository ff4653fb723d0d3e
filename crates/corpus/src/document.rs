//! A document: one text, the unit of training samples, and the group it must stay with.
//!
//! Must not know sources or shards.

use blake2::{
	digest::{consts::U32, Digest},
	Blake2b,
};

/// Separates this hash of a text from every other use of its bytes.
const DOCUMENT_TAG: &[u8] = b"llmchain/document/1";

/// One cleaned text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
	/// Who made it or where it belongs (poet, play): documents of a group share a shard.
	pub group: String,
	/// Its title; not part of the training text.
	pub title: String,
	/// The text, cleaned.
	pub text: String,
}

/// BLAKE2b-256 of the tagged text: decides order in a shard and the held-out split.
pub fn document_hash(text: &str) -> [u8; 32] {
	let mut state = Blake2b::<U32>::new();
	state.update(DOCUMENT_TAG);
	state.update(text.as_bytes());
	state.finalize().into()
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn the_hash_of_a_text_is_frozen() {
		// Computed with Python: hashlib.blake2b(tag + text, digest_size=32).
		let expected = "c8e44fb21c5e25da3096fee07b8ac30692d7bf16d676eff401f801f0eee88b4a";
		let hash: String = document_hash("床前明月光")
			.iter()
			.map(|b| format!("{b:02x}"))
			.collect();
		assert_eq!(hash, expected);
	}
}
