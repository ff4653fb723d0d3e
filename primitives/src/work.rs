//! Works as the chain sees them: disclosure of AI use and provenance.
//!
//! Must not know: what a work means or who is right about it; a registration is evidence of a claim at a time.

use crate::{Hash, VersionId, WorkId};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;

/// How much of a work a machine made, as its claimant says.
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
pub enum Disclosure {
	/// Made by people without a model.
	Human,
	/// Made by people with the help of a model.
	AiAssisted,
	/// Made by a model.
	AiGenerated,
}

/// One fact in the history of a work.
#[derive(
	Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub enum ProvenanceEvent<AccountId, Balance> {
	/// Somebody claimed the work.
	Registered {
		/// The claimant.
		claimant: AccountId,
		/// Hash of the file as given.
		file: Hash,
		/// Claimed use of AI.
		disclosure: Disclosure,
		/// Version and receipt that it cites.
		made_with: Option<(VersionId, Hash)>,
	},
	/// The owner offered it for sale.
	Listed {
		/// The seller.
		seller: AccountId,
		/// Asked price.
		price: Balance,
	},
	/// The owner took the offer back.
	Unlisted {
		/// The seller.
		seller: AccountId,
	},
	/// It changed hands for money.
	Sold {
		/// The seller.
		seller: AccountId,
		/// The buyer.
		buyer: AccountId,
		/// What the buyer paid.
		price: Balance,
		/// Part of the price that went to the contributors of the version.
		flow_back: Balance,
	},
}

/// A fact and when it was recorded.
#[derive(
	Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct ProvenanceEntry<AccountId, Balance, BlockNumber> {
	/// The work.
	pub work: WorkId,
	/// Place in the history, from 0.
	pub index: u32,
	/// Block in which it was recorded.
	pub block: BlockNumber,
	/// What happened.
	pub event: ProvenanceEvent<AccountId, Balance>,
}
