//! Bytes kept in block bodies, addressed by content.
//!
//! A transaction that calls `archive` carries a blob as the tail of its own bytes. The pallet tells the host which bytes these
//! are; every archive node keeps them, serves them to peers and, over Bitswap, to IPFS clients. State holds hash, size, owner
//! and deposit only.
//!
//! Must not know: what the bytes mean, who reads them, how they are fetched.
//! Source: ARCHITECTURE.md, "Data planes".
//!
//! Invariants:
//! - The host stores the last bytes of the whole extrinsic under the hash it is told, unchecked, and does not forget that
//!   with a failed call. So `archive` runs only as the call of an extrinsic itself ([`CheckArchive`] marks it, once, by the
//!   extrinsic's index), its data is the last argument, and telling the host is the last thing that it does.
//! - What an account has on hold for this pallet is the sum of the deposits of its entries.
//!
//! Reading order: this file, [`extension`], [`weights`].

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
pub mod extension;
#[cfg(test)]
mod mock;
#[cfg(test)]
mod tests;
pub mod weights;

pub use extension::{CheckArchive, Refusal};
pub use pallet::*;
pub use weights::WeightInfo;

use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use frame_support::traits::fungible::Inspect;
use scale_info::TypeInfo;

/// Money that deposits are taken in.
pub type BalanceOf<T> =
	<<T as Config>::Currency as Inspect<<T as frame_system::Config>::AccountId>>::Balance;

/// What the chain remembers of an archived blob.
#[derive(
	Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct BlobInfo<AccountId, Balance, BlockNumber> {
	/// Who archived it and gets the deposit back.
	pub owner: AccountId,
	/// Bytes of the blob.
	pub size: u32,
	/// Block whose body holds it.
	pub archived: BlockNumber,
	/// Money on hold for the entry.
	pub deposit: Balance,
}

// The attribute's own code says `expect`; ours in this module does not.
#[allow(clippy::expect_used)]
#[frame_support::pallet]
pub mod pallet {
	use super::*;
	use alloc::vec::Vec;
	use frame_support::{
		pallet_prelude::*,
		traits::{
			fungible::{InspectHold, MutateHold},
			tokens::Precision,
		},
	};
	use frame_system::pallet_prelude::*;
	use llmchain_primitives::{data::MAX_BLOB_SIZE, traits::BlobArchive, Hash};
	use sp_runtime::{
		traits::{BlakeTwo256, Hash as _},
		Saturating,
	};
	#[cfg(any(feature = "try-runtime", test))]
	use {alloc::collections::BTreeMap, sp_runtime::TryRuntimeError};

	/// Version of this pallet's storage layout.
	const STORAGE_VERSION: StorageVersion = StorageVersion::new(1);
	/// Bytes that an extrinsic needs beside its blob: length, address, signature, extensions, call index.
	const EXTRINSIC_OVERHEAD: u32 = 1024;

	#[pallet::pallet]
	#[pallet::storage_version(STORAGE_VERSION)]
	pub struct Pallet<T>(_);

	/// What the runtime decides.
	#[pallet::config]
	pub trait Config: frame_system::Config<RuntimeEvent: From<Event<Self>>> {
		/// Money and holds.
		type Currency: InspectHold<Self::AccountId, Reason = Self::RuntimeHoldReason>
			+ MutateHold<Self::AccountId, Reason = Self::RuntimeHoldReason>;

		/// Reasons for holds in the runtime.
		type RuntimeHoldReason: From<HoldReason>;

		/// Deposit for any blob; higher means fewer entries in state.
		#[pallet::constant]
		type DepositBase: Get<BalanceOf<Self>>;

		/// Deposit for each byte of a blob, on top of the base.
		#[pallet::constant]
		type DepositPerByte: Get<BalanceOf<Self>>;

		/// Blocks after which an entry may be expired and its deposit returns.
		#[pallet::constant]
		type Retention: Get<BlockNumberFor<Self>>;

		/// Weights of calls, hooks and of [`CheckArchive`].
		type WeightInfo: WeightInfo;
	}

	/// Why money of an account is on hold.
	#[pallet::composite_enum]
	pub enum HoldReason {
		/// Deposit for the entries of archived blobs.
		#[codec(index = 0)]
		BlobDeposit,
	}

	/// Archived blobs by BLAKE2b-256 of their bytes.
	///
	/// Written by `archive` and `expire` only. Invariant: sizes are 1 to `MAX_BLOB_SIZE`. Keys are hashes already, so they are
	/// not hashed again.
	#[pallet::storage]
	pub type Blobs<T: Config> = StorageMap<
		_,
		Identity,
		Hash,
		BlobInfo<T::AccountId, BalanceOf<T>, BlockNumberFor<T>>,
		OptionQuery,
	>;

	/// Index of the extrinsic whose own call is `archive`, while that call is about to run.
	///
	/// Written by [`CheckArchive`] before dispatch, taken by `archive`. Invariant: absent between extrinsics and blocks.
	#[pallet::storage]
	pub type TopLevel<T: Config> = StorageValue<_, u32, OptionQuery>;

	/// What happened to blobs.
	#[pallet::event]
	#[pallet::generate_deposit(pub(super) fn deposit_event)]
	pub enum Event<T: Config> {
		/// Bytes were archived in this block.
		Archived {
			/// BLAKE2b-256 of the bytes.
			hash: Hash,
			/// How many bytes.
			size: u32,
			/// Who archived them.
			owner: T::AccountId,
		},
		/// The entry of a blob ended and its deposit returned.
		Expired {
			/// BLAKE2b-256 of the bytes.
			hash: Hash,
			/// Who had archived them.
			owner: T::AccountId,
			/// Money that returned to the owner.
			deposit: BalanceOf<T>,
		},
	}

	/// Why a call was refused. Append only: other programs know these by index.
	#[pallet::error]
	pub enum Error<T> {
		/// The blob has no bytes; give at least one.
		EmptyBlob,
		/// The blob is larger than 1 MiB; split it into chunks.
		BlobTooLarge,
		/// These bytes are archived already; use their hash.
		AlreadyArchived,
		/// Send archive as a transaction of its own, not inside batch, proxy or sudo.
		NotTopLevel,
		/// No archived blob has this hash.
		UnknownBlob,
		/// The blob's retention is not over yet; expire it later.
		StillRetained,
	}

	#[pallet::hooks]
	impl<T: Config> Hooks<BlockNumberFor<T>> for Pallet<T> {
		fn on_initialize(_now: BlockNumberFor<T>) -> Weight {
			T::WeightInfo::on_finalize()
		}

		fn on_finalize(_now: BlockNumberFor<T>) {
			// CheckArchive has removed it after dispatch. Were the mark ever left, it must not outlive its block.
			TopLevel::<T>::kill();
		}

		fn integrity_test() {
			let limit = *T::BlockLength::get()
				.max
				.get(frame_support::dispatch::DispatchClass::Normal);
			assert!(
				limit >= MAX_BLOB_SIZE.saturating_add(EXTRINSIC_OVERHEAD),
				"the block length leaves no room for a blob of {MAX_BLOB_SIZE} bytes: {limit}"
			);
		}

		#[cfg(feature = "try-runtime")]
		fn try_state(_now: BlockNumberFor<T>) -> Result<(), TryRuntimeError> {
			Self::do_try_state()
		}
	}

	#[pallet::call]
	impl<T: Config> Pallet<T> {
		/// Archive up to 1 MiB of bytes in the chain's block bodies.
		///
		/// - Who may call: any account, as the call of its own transaction, never inside a wrapper.
		/// - Effect: archive nodes keep the bytes for good and serve them under their BLAKE2b-256 hash. A deposit is held until
		///   the entry is expired.
		/// - Emits `Archived`.
		/// - Fails with `NotTopLevel`, `EmptyBlob`, `BlobTooLarge`, `AlreadyArchived`, or when the deposit cannot be held.
		///
		/// `data` is the last argument because the host keeps the tail of the extrinsic.
		#[pallet::call_index(0)]
		#[pallet::weight(T::WeightInfo::archive(length(data)))]
		pub fn archive(origin: OriginFor<T>, data: Vec<u8>) -> DispatchResult {
			// Taken before anything else runs, so that nothing this extrinsic does later can use the mark.
			let marked = TopLevel::<T>::take();
			let owner = ensure_signed(origin)?;
			let extrinsic = frame_system::Pallet::<T>::extrinsic_index()
				.filter(|index| marked == Some(*index))
				.ok_or(Error::<T>::NotTopLevel)?;
			let (hash, size) = Self::admit(&data).map_err(Error::<T>::from)?;

			let deposit = Self::deposit_of(size);
			T::Currency::hold(&HoldReason::BlobDeposit.into(), &owner, deposit)?;
			let archived = frame_system::Pallet::<T>::block_number();
			Blobs::<T>::insert(
				hash,
				BlobInfo {
					owner: owner.clone(),
					size,
					archived,
					deposit,
				},
			);
			Self::deposit_event(Event::Archived { hash, size, owner });
			// Nothing may follow: the host does not take this back when a call fails.
			sp_io::transaction_index::index(extrinsic, size, hash.to_fixed_bytes());
			Ok(())
		}

		/// End the entry of a blob after its retention and return the deposit.
		///
		/// - Who may call: anyone, for any blob.
		/// - Effect: the deposit returns to the account that archived the blob. The chain no longer counts the bytes as
		///   archived; archive nodes keep them in the old block.
		/// - Emits `Expired`.
		/// - Fails with `UnknownBlob`, `StillRetained`.
		#[pallet::call_index(1)]
		#[pallet::weight(T::WeightInfo::expire())]
		pub fn expire(origin: OriginFor<T>, hash: Hash) -> DispatchResult {
			ensure_signed(origin)?;
			let blob = Blobs::<T>::get(hash).ok_or(Error::<T>::UnknownBlob)?;
			let end = blob.archived.saturating_add(T::Retention::get());
			ensure!(
				frame_system::Pallet::<T>::block_number() >= end,
				Error::<T>::StillRetained
			);
			let deposit = T::Currency::release(
				&HoldReason::BlobDeposit.into(),
				&blob.owner,
				blob.deposit,
				Precision::Exact,
			)?;
			Blobs::<T>::remove(hash);
			Self::deposit_event(Event::Expired {
				hash,
				owner: blob.owner,
				deposit,
			});
			Ok(())
		}
	}

	impl<T: Config> Pallet<T> {
		/// Hash and size of bytes that may be archived now.
		///
		/// # Errors
		/// - [`Refusal::EmptyBlob`], [`Refusal::BlobTooLarge`], [`Refusal::AlreadyArchived`].
		pub(crate) fn admit(data: &[u8]) -> Result<(Hash, u32), Refusal> {
			let size = length(data);
			ensure!(size > 0, Refusal::EmptyBlob);
			ensure!(size <= MAX_BLOB_SIZE, Refusal::BlobTooLarge);
			let hash = BlakeTwo256::hash(data);
			ensure!(!Blobs::<T>::contains_key(hash), Refusal::AlreadyArchived);
			Ok((hash, size))
		}

		/// Money that is held for a blob of `size` bytes.
		pub fn deposit_of(size: u32) -> BalanceOf<T> {
			T::DepositPerByte::get()
				.saturating_mul(size.into())
				.saturating_add(T::DepositBase::get())
		}

		/// Checks what must hold between blocks: sizes, blocks, the mark, and deposits against holds.
		#[cfg(any(feature = "try-runtime", test))]
		pub(crate) fn do_try_state() -> Result<(), TryRuntimeError> {
			ensure!(
				!TopLevel::<T>::exists(),
				"blobs: the mark of an extrinsic outlived it"
			);
			let now = frame_system::Pallet::<T>::block_number();
			let mut obligations = BTreeMap::<T::AccountId, BalanceOf<T>>::new();
			for blob in Blobs::<T>::iter_values() {
				ensure!(
					(1..=MAX_BLOB_SIZE).contains(&blob.size),
					"blobs: a blob has an impossible size"
				);
				ensure!(
					blob.archived <= now,
					"blobs: a blob was archived in a later block"
				);
				let sum = obligations.entry(blob.owner).or_default();
				*sum = sum.saturating_add(blob.deposit);
			}
			let reason = HoldReason::BlobDeposit.into();
			for account in frame_system::Account::<T>::iter_keys() {
				let obligation = obligations.remove(&account).unwrap_or_default();
				ensure!(
					T::Currency::balance_on_hold(&reason, &account) == obligation,
					"blobs: an account's hold differs from its deposits"
				);
			}
			ensure!(
				obligations
					.into_values()
					.all(|sum| sum == Default::default()),
				"blobs: a deposit has no account"
			);
			Ok(())
		}
	}

	impl<T: Config> BlobArchive for Pallet<T> {
		fn archived_size(hash: &Hash) -> Option<u32> {
			Blobs::<T>::get(hash).map(|blob| blob.size)
		}

		#[cfg(feature = "runtime-benchmarks")]
		fn set_archived(hash: Hash, size: u32) {
			Blobs::<T>::insert(
				hash,
				BlobInfo {
					owner: frame_benchmarking::account("archivist", 0, 0),
					size,
					archived: frame_system::Pallet::<T>::block_number(),
					deposit: Default::default(),
				},
			);
		}
	}

	impl<T> From<Refusal> for Error<T> {
		fn from(refusal: Refusal) -> Self {
			match refusal {
				Refusal::EmptyBlob => Self::EmptyBlob,
				Refusal::BlobTooLarge => Self::BlobTooLarge,
				Refusal::AlreadyArchived => Self::AlreadyArchived,
			}
		}
	}

	/// Bytes of `data`, as the weights take them.
	pub(crate) fn length(data: &[u8]) -> u32 {
		u32::try_from(data.len()).unwrap_or(u32::MAX)
	}
}
