//! The runtime of LLMChain: pallets composed into one state machine.
//!
//! Must not know: the trainer, the Transformer, any file. Holds wiring, no logic: what a pallet decides stands in the pallet.
//! Invariants: standard host functions only; [`frame_system::AuthorizeCall`] is the first extension; extensions of ours encode to
//! zero bytes, so that every wallet can sign. Source: ARCHITECTURE.md.
//!
//! Reading order: this file, [`configs`], [`apis`], [`genesis_config_presets`].

#![cfg_attr(not(feature = "std"), no_std)]
// FRAME's macros define items without documentation of their own.
#![allow(missing_docs)]
#![recursion_limit = "512"]

extern crate alloc;

#[cfg(feature = "std")]
include!(concat!(env!("OUT_DIR"), "/wasm_binary.rs"));

pub mod apis;
#[cfg(feature = "runtime-benchmarks")]
mod benchmarks;
pub mod configs;
pub mod genesis_config_presets;
#[cfg(test)]
mod tests;
pub mod weights;

pub use llmchain_primitives::{AccountId, Balance, BlockNumber, Hash, Nonce, Signature};

use alloc::vec::Vec;
use sp_runtime::{generic, impl_opaque_keys, traits::BlakeTwo256, MultiAddress};
use sp_version::{runtime_version, RuntimeVersion};

/// Types that the node needs without knowing the calls.
pub mod opaque {
	use super::*;
	pub use sp_runtime::OpaqueExtrinsic as UncheckedExtrinsic;

	/// Header of a block.
	pub type Header = generic::Header<BlockNumber, BlakeTwo256>;
	/// A block whose transactions are bytes.
	pub type Block = generic::Block<Header, UncheckedExtrinsic>;
	/// Identity of a block.
	pub type BlockId = generic::BlockId<Block>;
}

impl_opaque_keys! {
	/// Keys of a validator.
	pub struct SessionKeys {
		/// Block production.
		pub babe: Babe,
		/// Finality.
		pub grandpa: Grandpa,
	}
}

/// Identity and version of this runtime.
#[runtime_version]
pub const VERSION: RuntimeVersion = RuntimeVersion {
	spec_name: alloc::borrow::Cow::Borrowed("llmchain"),
	impl_name: alloc::borrow::Cow::Borrowed("llmchain"),
	authoring_version: 1,
	spec_version: 100,
	impl_version: 1,
	apis: apis::RUNTIME_API_VERSIONS,
	transaction_version: 1,
	system_version: 1,
};

/// One LLM, the unit of the token.
pub const UNIT: Balance = 1_000_000_000_000;
/// A thousandth of a LLM.
pub const MILLIUNIT: Balance = UNIT / 1_000;
/// Least balance of an account.
pub const EXISTENTIAL_DEPOSIT: Balance = MILLIUNIT;

/// Address format of transactions.
pub type Address = MultiAddress<AccountId, ()>;
/// Header of a block.
pub type Header = generic::Header<BlockNumber, BlakeTwo256>;
/// A block with typed transactions.
pub type Block = generic::Block<Header, UncheckedExtrinsic>;

/// What each transaction carries and is checked for, in order. `CheckArchive` encodes to nothing.
pub type TxExtension = (
	frame_system::AuthorizeCall<Runtime>,
	frame_system::CheckNonZeroSender<Runtime>,
	frame_system::CheckSpecVersion<Runtime>,
	frame_system::CheckTxVersion<Runtime>,
	frame_system::CheckGenesis<Runtime>,
	frame_system::CheckEra<Runtime>,
	frame_system::CheckNonce<Runtime>,
	frame_system::CheckWeight<Runtime>,
	pallet_transaction_payment::ChargeTransactionPayment<Runtime>,
	pallet_blobs::CheckArchive<Runtime>,
	frame_system::WeightReclaim<Runtime>,
);

/// A transaction as it stands in a block.
pub type UncheckedExtrinsic =
	generic::UncheckedExtrinsic<Address, RuntimeCall, Signature, TxExtension>;

/// Migrations of the next upgrade.
pub type Migrations = ();

/// Executes blocks.
pub type Executive = frame_executive::Executive<
	Runtime,
	Block,
	frame_system::ChainContext<Runtime>,
	Runtime,
	AllPalletsWithSystem,
	Migrations,
>;

#[frame_support::runtime]
mod runtime {
	#[runtime::runtime]
	#[runtime::derive(
		RuntimeCall,
		RuntimeEvent,
		RuntimeError,
		RuntimeOrigin,
		RuntimeFreezeReason,
		RuntimeHoldReason,
		RuntimeSlashReason,
		RuntimeLockId,
		RuntimeTask,
		RuntimeViewFunction
	)]
	pub struct Runtime;

	#[runtime::pallet_index(0)]
	pub type System = frame_system;
	#[runtime::pallet_index(1)]
	pub type Timing = pallet_timing;
	#[runtime::pallet_index(2)]
	pub type Babe = pallet_babe;
	#[runtime::pallet_index(3)]
	pub type Timestamp = pallet_timestamp;
	#[runtime::pallet_index(4)]
	pub type Authorship = pallet_authorship;
	#[runtime::pallet_index(5)]
	pub type Balances = pallet_balances;
	#[runtime::pallet_index(6)]
	pub type TransactionPayment = pallet_transaction_payment;
	#[runtime::pallet_index(7)]
	pub type Staking = pallet_staking;
	#[runtime::pallet_index(8)]
	pub type Offences = pallet_offences;
	#[runtime::pallet_index(9)]
	pub type Session = pallet_session;
	#[runtime::pallet_index(10)]
	pub type Historical = pallet_session::historical;
	#[runtime::pallet_index(11)]
	pub type Grandpa = pallet_grandpa;
	#[runtime::pallet_index(12)]
	pub type Utility = pallet_utility;
	#[runtime::pallet_index(13)]
	pub type Sudo = pallet_sudo;

	#[runtime::pallet_index(20)]
	pub type Blobs = pallet_blobs;
	#[runtime::pallet_index(21)]
	pub type Datasets = pallet_datasets;
	#[runtime::pallet_index(22)]
	pub type Models = pallet_models;
	#[runtime::pallet_index(23)]
	pub type Training = pallet_training;
	#[runtime::pallet_index(24)]
	pub type Artworks = pallet_artworks;
}
