//! The record of a work, and names for types that the runtime fixes.
//!
//! Must not know: storage. Invariant: a record holds hashes and sizes, never the bytes of the work.

use crate::Config;
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use frame_support::traits::fungible::Inspect;
use frame_system::pallet_prelude::BlockNumberFor;
use llmchain_primitives::{
	data::Title,
	work::{Disclosure, ProvenanceEntry, ProvenanceEvent},
	Hash, VersionId,
};
use scale_info::TypeInfo;

/// An account of the runtime.
pub type AccountIdOf<T> = <T as frame_system::Config>::AccountId;
/// Money of the runtime.
pub type BalanceOf<T> = <<T as Config>::Currency as Inspect<AccountIdOf<T>>>::Balance;
/// Record of a work in the runtime.
pub type WorkOf<T> = Work<AccountIdOf<T>, BalanceOf<T>, BlockNumberFor<T>>;
/// Entry of a history in the runtime.
pub type ProvenanceEntryOf<T> = ProvenanceEntry<AccountIdOf<T>, BalanceOf<T>, BlockNumberFor<T>>;
/// Fact of a history in the runtime.
pub type ProvenanceEventOf<T> = ProvenanceEvent<AccountIdOf<T>, BalanceOf<T>>;

/// A registered work.
#[derive(
	Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct Work<AccountId, Balance, BlockNumber> {
	/// Title that people read.
	pub title: Title,
	/// Who registered it; never changes.
	pub claimant: AccountId,
	/// Who owns the collectible now.
	pub owner: AccountId,
	/// BLAKE2b-256 of the file as given.
	pub file: Hash,
	/// BLAKE2b-256 of the text's canonical form.
	pub text: Hash,
	/// Version of the canonical form that `text` was taken over.
	pub text_form: u8,
	/// Bytes of the file.
	pub size: u32,
	/// Claimed use of AI.
	pub disclosure: Disclosure,
	/// Version and receipt that it cites.
	pub made_with: Option<(VersionId, Hash)>,
	/// Held from the claimant for this record.
	pub deposit: Balance,
	/// Block of registration.
	pub registered: BlockNumber,
	/// Entries of its history.
	pub history: u32,
}
