//! Models and versions as the chain sees them.
//!
//! Must not know: floats, layers, files. Numbers here are integers that the numeric specification gives a meaning.
//! Invariants: a version is never edited; its identity binds its parents, origin and roots.

use crate::{text::BoundedText, AccountId, DatasetId, Hash, ModelId, TaskId, VersionId};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;
use sp_core::{bounded::BoundedVec, ConstU32};
use sp_runtime::traits::{BlakeTwo256, Hash as _};

/// Name of a model.
pub type ModelName = BoundedText<64>;
/// Most parents of a version.
pub const MAX_PARENTS: u32 = 16;
/// Most datasets that a version inherits.
pub const MAX_DATASETS: u32 = 256;
/// Most accounts with accepted examples behind one version.
pub const MAX_CONTRIBUTORS: u32 = 64;
/// Largest number of parameters that a model may have.
pub const MAX_PARAMETERS: u64 = 1 << 30;

/// The numbers that define a Transformer.
#[derive(
	Clone,
	Copy,
	Debug,
	PartialEq,
	Eq,
	Encode,
	Decode,
	DecodeWithMemTracking,
	MaxEncodedLen,
	TypeInfo,
	serde::Serialize,
	serde::Deserialize,
)]
pub struct Architecture {
	/// Tokens in the vocabulary.
	pub vocab_size: u32,
	/// Longest sequence, in tokens.
	pub context_length: u32,
	/// Blocks.
	pub n_layers: u32,
	/// Attention heads a block; divides `d_model`.
	pub n_heads: u32,
	/// Width of the residual stream.
	pub d_model: u32,
	/// Width of the feed-forward layer.
	pub d_ff: u32,
}

impl Architecture {
	/// Number of parameters, the head being tied to the token embedding; `None` when a number is zero, `n_heads` does not
	/// divide `d_model`, or the total exceeds [`MAX_PARAMETERS`].
	pub fn n_parameters(&self) -> Option<u64> {
		let [v, t, l, h, c, f] = [
			self.vocab_size,
			self.context_length,
			self.n_layers,
			self.n_heads,
			self.d_model,
			self.d_ff,
		]
		.map(u64::from);
		if [v, t, l, h, c, f].contains(&0) || c.checked_rem(h)? != 0 {
			return None;
		}
		let linear = |input: u64, output: u64| input.checked_mul(output)?.checked_add(output);
		let norm = c.checked_mul(2)?;
		let block = [
			norm,
			linear(c, c.checked_mul(3)?)?,
			linear(c, c)?,
			norm,
			linear(c, f)?,
			linear(f, c)?,
		]
		.into_iter()
		.try_fold(0u64, u64::checked_add)?;
		[
			v.checked_mul(c)?,
			t.checked_mul(c)?,
			block.checked_mul(l)?,
			norm,
		]
		.into_iter()
		.try_fold(0u64, u64::checked_add)
		.filter(|n| *n <= MAX_PARAMETERS)
	}
}

/// Where a version's parameters come from.
#[derive(
	Clone,
	Copy,
	Debug,
	PartialEq,
	Eq,
	Encode,
	Decode,
	DecodeWithMemTracking,
	MaxEncodedLen,
	TypeInfo,
)]
pub enum Origin {
	/// Version 0: initialised from a public seed, so that anyone derives the same root.
	Seed(Hash),
	/// The aggregate of a settled round.
	Round {
		/// The task.
		task: TaskId,
		/// The round's number in the task, from 1.
		round: u32,
	},
}

/// The integers of a version, by root.
#[derive(
	Clone,
	Copy,
	Debug,
	PartialEq,
	Eq,
	Encode,
	Decode,
	DecodeWithMemTracking,
	MaxEncodedLen,
	TypeInfo,
	serde::Serialize,
	serde::Deserialize,
)]
pub struct CheckpointRoots {
	/// Merkle root over the parameters, i32 in Q7.24.
	pub parameters: Hash,
	/// Merkle root over the outer momentum, i32 in Q7.24.
	pub momentum: Hash,
}

/// Accepted work of one account behind a version.
#[derive(
	Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct Contribution<AccountId> {
	/// The trainer's operator.
	pub account: AccountId,
	/// Accepted example-steps: weight times local steps times batch, summed over the rounds of the lineage.
	pub examples: u64,
}

/// Contributors of a version, in order of account.
pub type Contributors<AccountId> = BoundedVec<Contribution<AccountId>, ConstU32<MAX_CONTRIBUTORS>>;

/// A registered version with its lineage.
#[derive(
	Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct Version<AccountId, BlockNumber> {
	/// The model it belongs to.
	pub model: ModelId,
	/// Place in the model's history, from 0; for people, never an identity.
	pub number: u32,
	/// Versions it was made from.
	pub parents: BoundedVec<VersionId, ConstU32<MAX_PARENTS>>,
	/// How it was made.
	pub origin: Origin,
	/// Its integers.
	pub roots: CheckpointRoots,
	/// Blob of the `tokenizer.json` it speaks.
	pub tokenizer: Hash,
	/// Numeric specification it is computed by.
	pub numeric_spec: u32,
	/// Datasets it inherits.
	pub datasets: BoundedVec<DatasetId, ConstU32<MAX_DATASETS>>,
	/// Everybody whose accepted examples are in it.
	pub contributors: Contributors<AccountId>,
	/// Mean held-out loss in micro-nats per token, where evaluated.
	pub evaluation: Option<u64>,
	/// Block of registration.
	pub created: BlockNumber,
}

/// Identity of a model: binds its creator, so that nobody takes another's, and all that version 0 follows from.
pub fn model_id(
	creator: &AccountId,
	name: &ModelName,
	architecture: &Architecture,
	tokenizer: &Hash,
	seed: &Hash,
) -> ModelId {
	BlakeTwo256::hash_of(&(
		b"llmchain/model/1",
		creator,
		name,
		architecture,
		tokenizer,
		seed,
	))
}

/// Identity of a version: binds model, parents, origin and roots.
pub fn version_id(
	model: &ModelId,
	parents: &[VersionId],
	origin: &Origin,
	roots: &CheckpointRoots,
) -> VersionId {
	BlakeTwo256::hash_of(&(b"llmchain/version/1", model, parents, origin, roots))
}

#[cfg(test)]
mod tests {
	use super::*;

	const TINY: Architecture = Architecture {
		vocab_size: 8,
		context_length: 4,
		n_layers: 1,
		n_heads: 2,
		d_model: 4,
		d_ff: 16,
	};

	#[test]
	fn counts_parameters() {
		// Embeddings 32 + 16, one block 8 + 60 + 20 + 8 + 80 + 68, final norm 8.
		assert_eq!(TINY.n_parameters(), Some(300));
	}

	#[test]
	fn refuses_impossible_architectures() {
		assert_eq!(Architecture { n_heads: 3, ..TINY }.n_parameters(), None);
		assert_eq!(
			Architecture {
				n_layers: 0,
				..TINY
			}
			.n_parameters(),
			None
		);
		assert_eq!(
			Architecture {
				vocab_size: u32::MAX,
				d_model: u32::MAX - 1,
				..TINY
			}
			.n_parameters(),
			None
		);
	}
}
