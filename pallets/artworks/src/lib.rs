//! Works: who claimed which text when, how much of it a machine made, who owns it now, and what was paid for it.
//!
//! A registration is evidence of a claim at a time and decides no rights. The bytes of a work stay in the block that
//! registered it; state keeps their hashes.
//! Must not know: any other pallet of ours (versions and trainer keys come through `llmchain_primitives::traits`), how text
//! is generated, what a work means. Source: docs/protocol/work.md, docs/protocol/receipt.md.
//!
//! Invariants (checked by `do_try_state`):
//! - one text, one work: digest of the text and hash of the file each lead to exactly one work;
//! - a work's history is dense, never edited, and replaying it gives the owner and the offer that state holds;
//! - the claimant never changes; its deposit stays on hold while the record stands;
//! - no call creates or destroys money: a price leaves the buyer and arrives whole at contributors and seller.
//!
//! Reading order: [`types`], [`text`], `registration`, `sale`, `provenance`, `invariants`, [`weights`].

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

#[cfg(feature = "runtime-benchmarks")]
mod benchmarking;
mod invariants;
#[cfg(test)]
mod mock;
mod provenance;
mod registration;
mod sale;
#[cfg(test)]
mod tests;
pub mod text;
pub mod types;
pub mod weights;

pub use pallet::*;
pub use registration::work_id;
pub use weights::WeightInfo;

// The attribute's own code says `expect`; ours in this module does not. `register` carries a receipt, so its variant is larger.
#[allow(clippy::expect_used, clippy::large_enum_variant)]
#[frame_support::pallet]
pub mod pallet {
	use crate::{types::*, weights::WeightInfo};
	use alloc::vec::Vec;
	use frame_support::{
		pallet_prelude::*,
		traits::fungible::{Inspect, Mutate, MutateHold},
	};
	use frame_system::pallet_prelude::*;
	use llmchain_primitives::{
		data::Title,
		receipt::Receipt,
		traits::{ModelRegistry, TrainerKeys},
		work::Disclosure,
		AccountId, Balance, Hash, VersionId, WorkId,
	};
	use sp_runtime::{Perbill, SaturatedConversion};

	/// What the runtime decides.
	#[pallet::config]
	pub trait Config:
		frame_system::Config<RuntimeEvent: From<Event<Self>>, AccountId = AccountId, Hash = Hash>
	{
		/// Money: prices are paid in it, deposits are held in it.
		type Currency: Inspect<Self::AccountId, Balance = Balance>
			+ Mutate<Self::AccountId>
			+ MutateHold<Self::AccountId, Reason = Self::RuntimeHoldReason>;

		/// Reasons for holds, of the whole runtime.
		type RuntimeHoldReason: From<HoldReason>;

		/// Versions that receipts name, and their contributors.
		type Models: ModelRegistry;

		/// Keys that sign receipts.
		type Trainers: TrainerKeys;

		/// Held from a claimant for each registered work, in the smallest unit.
		#[pallet::constant]
		type WorkDeposit: Get<BalanceOf<Self>>;

		/// Least price; what is left of it to the seller must be able to bring an account to life.
		#[pallet::constant]
		type MinimumPrice: Get<BalanceOf<Self>>;

		/// Part of each price that goes to the contributors of the version that a work was made with.
		#[pallet::constant]
		type FlowBack: Get<Perbill>;

		/// Largest file in bytes.
		#[pallet::constant]
		type MaxFileSize: Get<u32>;

		/// Costs of the calls.
		type WeightInfo: WeightInfo;
	}

	/// Why money of an account is on hold.
	#[pallet::composite_enum]
	pub enum HoldReason {
		/// For the record of a registered work; held from its claimant.
		WorkDeposit,
	}

	/// Registers, sells and remembers works.
	#[pallet::pallet]
	pub struct Pallet<T>(_);

	/// Works by identity. Written by `register`, `list_for_sale`, `unlist` and `buy`; never removed.
	#[pallet::storage]
	pub type Works<T: Config> = StorageMap<_, Identity, WorkId, WorkOf<T>, OptionQuery>;

	/// The work of a text, by the digest of its canonical form. Written once, by `register`.
	#[pallet::storage]
	pub type WorkOfText<T: Config> = StorageMap<_, Identity, Hash, WorkId, OptionQuery>;

	/// The work of a file, by BLAKE2b-256 of the file as given. Written once, by `register`.
	#[pallet::storage]
	pub type WorkOfFile<T: Config> = StorageMap<_, Identity, Hash, WorkId, OptionQuery>;

	/// Prices of the works that are for sale. The seller is the owner of the work.
	#[pallet::storage]
	pub type Offers<T: Config> = StorageMap<_, Identity, WorkId, BalanceOf<T>, OptionQuery>;

	/// Histories of works, by work and place from 0. Entries are added, never edited or removed.
	#[pallet::storage]
	pub type Provenance<T: Config> =
		StorageDoubleMap<_, Identity, WorkId, Twox64Concat, u32, ProvenanceEntryOf<T>, OptionQuery>;

	/// What happened, for people and indexers.
	#[pallet::event]
	#[pallet::generate_deposit(pub(crate) fn deposit_event)]
	pub enum Event<T: Config> {
		/// An account claimed a work.
		WorkRegistered {
			/// The work.
			work: WorkId,
			/// The account that claims it.
			claimant: T::AccountId,
			/// Title that people read.
			title: Title,
			/// BLAKE2b-256 of the file as given.
			file: Hash,
			/// Claimed use of AI.
			disclosure: Disclosure,
			/// Version and receipt that the work cites.
			made_with: Option<(VersionId, Hash)>,
		},
		/// The owner offered a work for sale, or changed its price.
		WorkListed {
			/// The work.
			work: WorkId,
			/// The owner.
			seller: T::AccountId,
			/// Asked price.
			price: BalanceOf<T>,
		},
		/// The owner took the offer of a work back.
		WorkUnlisted {
			/// The work.
			work: WorkId,
			/// The owner.
			seller: T::AccountId,
		},
		/// A work changed hands for money.
		WorkSold {
			/// The work.
			work: WorkId,
			/// The owner before.
			seller: T::AccountId,
			/// The owner from now on.
			buyer: T::AccountId,
			/// What the buyer paid in all.
			price: BalanceOf<T>,
			/// Part of the price that went to contributors of the version; the rest went to the seller.
			flow_back: BalanceOf<T>,
		},
		/// A contributor of the version behind a sold work received its part of the price.
		ContributorPaid {
			/// The work.
			work: WorkId,
			/// The contributor.
			contributor: T::AccountId,
			/// What it received.
			amount: BalanceOf<T>,
		},
	}

	/// Why a call was refused. Append only: wallets know these by number.
	#[pallet::error]
	pub enum Error<T> {
		/// The title is empty: give the work a title that people can read.
		TitleEmpty,
		/// The title holds control, direction or zero-width characters: type it afresh, without pasting.
		TitleHasHiddenCharacters,
		/// The file holds no visible text: choose the file that holds the work.
		FileEmpty,
		/// The file is larger than `artworks.maxFileSize` bytes: register a shorter text.
		FileTooLarge,
		/// The file is not UTF-8 text: save it as plain text in UTF-8.
		FileNotUtf8,
		/// This text is registered already: `work_of` with its hash finds the work.
		AlreadyRegistered,
		/// A work disclosed as human cites a receipt of a model: disclose the help, or leave the receipt out.
		ContradictoryDisclosure,
		/// The receipt names another genesis: use a receipt of this chain.
		ReceiptFromAnotherChain,
		/// The receipt was issued to another account: sign with the account that asked.
		NotTheAsker,
		/// The receipt names a version that is not registered: check the chain that you are connected to.
		UnknownVersion,
		/// The receipt's tokenizer or numeric specification is not the version's: ask for a new generation.
		ReceiptMismatch,
		/// The file is not what the receipt says the model wrote: register the answer unchanged, or as AI-assisted.
		OutputMismatch,
		/// The receipt's server is no registered trainer: ask a registered trainer for a new generation.
		UnknownServer,
		/// The receipt's signature is not of its server's key: ask for a new generation.
		BadReceiptSignature,
		/// The account cannot put `artworks.workDeposit` on hold and stay alive: add money to it.
		CannotPayDeposit,
		/// No work has this identity: copy it from the registration, or look it up by hash.
		UnknownWork,
		/// Only the owner of the work may do this: sign with the owner's account.
		NotTheOwner,
		/// The price is below `artworks.minimumPrice`: ask for more.
		PriceTooLow,
		/// The work is for sale at this very price already: nothing needs to be done.
		PriceUnchanged,
		/// The work is not for sale: wait until its owner lists it.
		NotForSale,
		/// The account owns the work already: to end the offer, unlist it.
		CannotBuyOwn,
		/// The work costs more than the given maximum: look at the price and allow more.
		PriceAboveMaximum,
		/// The account cannot pay the price and stay alive: add money to it.
		CannotPayPrice,
	}

	#[pallet::hooks]
	impl<T: Config> Hooks<BlockNumberFor<T>> for Pallet<T> {
		fn integrity_test() {
			let price = T::MinimumPrice::get();
			assert!(
				price.saturating_sub(T::FlowBack::get().mul_floor(price))
					>= T::Currency::minimum_balance(),
				"the seller's part of the least price must be able to bring an account to life"
			);
			assert!(
				T::MaxFileSize::get() > 0,
				"a work of no bytes cannot be registered"
			);
		}

		#[cfg(feature = "try-runtime")]
		fn try_state(_: BlockNumberFor<T>) -> Result<(), sp_runtime::TryRuntimeError> {
			Self::do_try_state().map_err(Into::into)
		}
	}

	#[pallet::call]
	impl<T: Config> Pallet<T> {
		/// Claim a text as a work: its file, a title, and how much of it AI made.
		///
		/// Who may call: anybody who can put the deposit on hold. It is held from the claimant while the record stands.
		/// Effect: a work, owned by the caller, with the first entry of its history. `receipt` makes the work cite the version
		/// that helped to make it; contributors of that version share in every sale. `AiGenerated` with a receipt claims the
		/// model's answer unchanged; without one it claims text of a model that this chain does not know.
		/// Emits `WorkRegistered`.
		/// Fails with `TitleEmpty`, `TitleHasHiddenCharacters`, `FileEmpty`, `FileTooLarge`, `FileNotUtf8`, `AlreadyRegistered`,
		/// `ContradictoryDisclosure`, `ReceiptFromAnotherChain`, `NotTheAsker`, `UnknownVersion`, `ReceiptMismatch`,
		/// `OutputMismatch`, `UnknownServer`, `BadReceiptSignature`, `CannotPayDeposit`.
		#[pallet::call_index(0)]
		#[pallet::weight(T::WeightInfo::register(file.len().saturated_into()))]
		pub fn register(
			origin: OriginFor<T>,
			title: Title,
			file: Vec<u8>,
			disclosure: Disclosure,
			receipt: Option<Receipt>,
		) -> DispatchResult {
			let claimant = ensure_signed(origin)?;
			Self::do_register(claimant, title, &file, disclosure, receipt)
		}

		/// Offer a work that you own for sale, or change its price.
		///
		/// Who may call: the owner.
		/// Effect: anybody may buy the work at this price until it is sold, unlisted or listed anew.
		/// Emits `WorkListed`. Fails with `UnknownWork`, `NotTheOwner`, `PriceTooLow`, `PriceUnchanged`.
		#[pallet::call_index(1)]
		#[pallet::weight(T::WeightInfo::list_for_sale())]
		pub fn list_for_sale(
			origin: OriginFor<T>,
			work: WorkId,
			price: BalanceOf<T>,
		) -> DispatchResult {
			let seller = ensure_signed(origin)?;
			Self::do_list_for_sale(seller, work, price)
		}

		/// Take the offer of a work that you own back.
		///
		/// Who may call: the owner.
		/// Effect: the work can no longer be bought. Emits `WorkUnlisted`.
		/// Fails with `UnknownWork`, `NotTheOwner`, `NotForSale`.
		#[pallet::call_index(2)]
		#[pallet::weight(T::WeightInfo::unlist())]
		pub fn unlist(origin: OriginFor<T>, work: WorkId) -> DispatchResult {
			let seller = ensure_signed(origin)?;
			Self::do_unlist(seller, work)
		}

		/// Buy a work that is for sale, at its price but never above your maximum.
		///
		/// Who may call: anybody but the owner.
		/// Effect: the price leaves the buyer; `FlowBack` of it goes to the contributors of the version that the work cites, in
		/// proportion to their examples, and the rest to the seller; the buyer owns the work. All of it happens, or nothing.
		/// Emits `ContributorPaid` for each contributor that received something, and `WorkSold`.
		/// Fails with `UnknownWork`, `NotForSale`, `CannotBuyOwn`, `PriceAboveMaximum`, `CannotPayPrice`.
		#[pallet::call_index(3)]
		#[pallet::weight(T::WeightInfo::buy(llmchain_primitives::model::MAX_CONTRIBUTORS))]
		pub fn buy(
			origin: OriginFor<T>,
			work: WorkId,
			max_price: BalanceOf<T>,
		) -> DispatchResultWithPostInfo {
			let buyer = ensure_signed(origin)?;
			let contributors = Self::do_buy(buyer, work, max_price)?;
			Ok(Some(T::WeightInfo::buy(contributors)).into())
		}
	}
}
