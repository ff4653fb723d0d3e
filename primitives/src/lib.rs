//! Words shared by the chain and the host around it.
//!
//! Must not know: any pallet, the runtime, the trainer, the Transformer. Holds types, glue traits, runtime APIs and the
//! trainer's mailbox; no logic beyond encoding, hashing and checking a signature.
//! Source: ARCHITECTURE.md; docs/protocol/. Encodings here are frozen: other programs depend on them.
//!
//! Reading order: [`text`], [`data`], [`model`], [`training`], [`receipt`], [`work`], [`mailbox`], [`traits`],
//! [`runtime_api`].

#![cfg_attr(not(feature = "std"), no_std)]
#![cfg_attr(
	not(test),
	deny(
		clippy::unwrap_used,
		clippy::expect_used,
		clippy::indexing_slicing,
		clippy::arithmetic_side_effects
	)
)]

extern crate alloc;

pub mod data;
pub mod key;
pub mod mailbox;
pub mod model;
pub mod receipt;
pub mod runtime_api;
pub mod text;
pub mod training;
pub mod traits;
pub mod work;

use sp_core::H256;
use sp_runtime::{
	traits::{IdentifyAccount, Verify},
	MultiSignature,
};

/// Signature of a user's transaction.
pub type Signature = MultiSignature;
/// An account: 32 bytes, also bound into Merkle leaves, seeds and receipts.
pub type AccountId = <<Signature as Verify>::Signer as IdentifyAccount>::AccountId;
/// Money, in the smallest unit.
pub type Balance = u128;
/// Height of a block.
pub type BlockNumber = u32;
/// Number of an account's transaction.
pub type Nonce = u32;
/// BLAKE2b-256, the only hash of the chain.
pub type Hash = H256;

/// Identity of a dataset: hash of its manifest.
pub type DatasetId = H256;
/// Identity of a model: hash of its creator, name, architecture, tokenizer and seed.
pub type ModelId = H256;
/// Identity of a version: hash of its record's identity part ([`model::version_id`]).
pub type VersionId = H256;
/// Identity of a training task: hash of publisher, specification and block of creation.
pub type TaskId = H256;
/// Identity of a work: hash of claimant and text digest.
pub type WorkId = H256;

/// Version of the numeric specification that this software computes by (docs/protocol/numerics.md).
pub const NUMERIC_SPEC: u32 = 1;
