//! Receipts of generated text: what was asked, by whom, of which version, and the hash of the answer.
//!
//! Must not know: how text is generated. Invariant: everything needed to replay the answer is in the receipt; all numbers are
//! integers. Source: docs/protocol/receipt.md.

use crate::{
	key::{TrainerPublic, TrainerSignature},
	text::BoundedText,
	AccountId, Hash, VersionId,
};
use alloc::vec::Vec;
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;
use sp_runtime::{
	traits::{BlakeTwo256, Hash as _},
	RuntimeAppPublic,
};

/// Longest prompt in bytes.
pub const MAX_PROMPT: u32 = 1024;
/// A prompt.
pub type Prompt = BoundedText<MAX_PROMPT>;

/// How tokens are drawn.
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
pub struct SamplingParameters {
	/// Temperature in thousandths; 0 takes the likeliest token.
	pub temperature_milli: u32,
	/// Draws among the k likeliest tokens only; 0 means all.
	pub top_k: u32,
	/// Draws among the likeliest tokens that together have this probability, in thousandths; 1000 means all.
	pub top_p_milli: u32,
	/// Tokens at most.
	pub max_tokens: u32,
}

/// What a serving node vouches for.
#[derive(
	Clone,
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
pub struct Generation {
	/// Genesis hash of the chain.
	pub genesis: Hash,
	/// Account that asked; only it may cite the receipt.
	pub asker: AccountId,
	/// Operator account of the serving trainer.
	pub server: AccountId,
	/// Version that answered.
	pub version: VersionId,
	/// Blob of the tokenizer.
	pub tokenizer: Hash,
	/// Numeric specification.
	pub numeric_spec: u32,
	/// The prompt.
	pub prompt: Prompt,
	/// How tokens were drawn.
	pub sampling: SamplingParameters,
	/// Seed of the draws.
	pub seed: Hash,
	/// BLAKE2b-256 of the answer's UTF-8 bytes.
	pub output: Hash,
}

impl Generation {
	/// Identity of the receipt: hash of what it says.
	pub fn id(&self) -> Hash {
		BlakeTwo256::hash_of(&(b"llmchain/receipt/1", self))
	}

	/// The bytes that the serving node signs.
	pub fn signing_bytes(&self) -> Vec<u8> {
		(b"llmchain/receipt/1", self).encode()
	}
}

/// A signed receipt.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct Receipt {
	/// What happened.
	pub generation: Generation,
	/// Signature of the serving trainer's key.
	pub signature: TrainerSignature,
}

impl Receipt {
	/// Whether `key` signed this receipt.
	pub fn is_signed_by(&self, key: &TrainerPublic) -> bool {
		key.verify(&self.generation.signing_bytes(), &self.signature)
	}
}
