//! Text corpora: licence, source, preprocessing, shards.
//!
//! A publisher archives the chunks of its shards, then publishes the manifest that names them. A training task draws shards
//! from it; the held-out shard is the one that nobody trains on.
//!
//! Must not know: where bytes are kept (it asks [`BlobArchive`](llmchain_primitives::traits::BlobArchive)), how text was cleaned
//! and split, what is trained on it.
//! Source: ARCHITECTURE.md, "Data planes" and "Invariants".
//!
//! Invariants:
//! - A dataset's identity is the hash of its manifest, so a manifest is never edited.
//! - When it was published, every chunk was archived with exactly the bytes that its place in the shard demands.
//! - No chunk occurs twice, so no shard does, and nothing held out is trained on.
//! - What an account has on hold for this pallet is the sum of the deposits of its datasets.
//!
//! Reading order: this file, [`manifest`], [`weights`].

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
pub mod manifest;
#[cfg(test)]
mod mock;
#[cfg(test)]
mod tests;
pub mod weights;

pub use pallet::*;
pub use weights::WeightInfo;

use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use frame_support::traits::fungible::Inspect;
use llmchain_primitives::data::DatasetManifest;
use scale_info::TypeInfo;

/// Money that deposits are taken in.
pub type BalanceOf<T> =
	<<T as Config>::Currency as Inspect<<T as frame_system::Config>::AccountId>>::Balance;

/// A published dataset.
#[derive(
	Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct Dataset<AccountId, Balance, BlockNumber> {
	/// Who published it.
	pub owner: AccountId,
	/// What the publisher says of it.
	pub manifest: DatasetManifest,
	/// Money on hold for the entry.
	pub deposit: Balance,
	/// Block of publication.
	pub published: BlockNumber,
}

// The attribute's own code says `expect`; ours in this module does not.
#[allow(clippy::expect_used)]
#[frame_support::pallet]
pub mod pallet {
	use super::*;
	use crate::manifest::{archived_in_full, chunks, well_formed, Flaw};
	use frame_support::{
		pallet_prelude::*,
		traits::fungible::{InspectHold, MutateHold},
	};
	use frame_system::pallet_prelude::*;
	use llmchain_primitives::{
		data::{DatasetLicence, Note, Shard, Shards, Title, MAX_SHARDS},
		traits::{BlobArchive, DatasetRegistry},
		DatasetId,
	};
	use sp_runtime::Saturating;
	#[cfg(any(feature = "try-runtime", test))]
	use {alloc::collections::BTreeMap, sp_runtime::TryRuntimeError};

	/// Version of this pallet's storage layout.
	const STORAGE_VERSION: StorageVersion = StorageVersion::new(1);

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

		/// Where the bytes of chunks are archived.
		type Blobs: BlobArchive;

		/// Deposit for any dataset; higher means fewer entries in state.
		#[pallet::constant]
		type DepositBase: Get<BalanceOf<Self>>;

		/// Deposit for each shard, the held-out one among them, on top of the base.
		#[pallet::constant]
		type DepositPerShard: Get<BalanceOf<Self>>;

		/// Weights of calls.
		type WeightInfo: WeightInfo;
	}

	/// Why money of an account is on hold.
	#[pallet::composite_enum]
	pub enum HoldReason {
		/// Deposit for the entries of published datasets.
		#[codec(index = 0)]
		DatasetDeposit,
	}

	/// Published datasets by hash of their manifest.
	///
	/// Written by `publish` only. Bounded by 65 shards of 64 chunks, 133 kB; real manifests are a few kB, and this chain proves no
	/// reads to anybody, so the bound costs nothing. Keys are hashes already, so they are not hashed again.
	#[pallet::storage]
	pub type Datasets<T: Config> = StorageMap<
		_,
		Identity,
		DatasetId,
		Dataset<T::AccountId, BalanceOf<T>, BlockNumberFor<T>>,
		OptionQuery,
	>;

	/// What happened to datasets.
	#[pallet::event]
	#[pallet::generate_deposit(pub(super) fn deposit_event)]
	pub enum Event<T: Config> {
		/// A dataset was published.
		Published {
			/// Hash of its manifest.
			dataset: DatasetId,
			/// Who published it.
			owner: T::AccountId,
			/// Its title.
			title: Title,
		},
	}

	/// Why a call was refused. Append only: other programs know these by index.
	///
	/// Shards and chunks count from 0; the held-out shard comes after the last one to train on.
	#[pallet::error]
	pub enum Error<T> {
		/// Give the dataset a title.
		EmptyTitle,
		/// Say under which licence the text may be used.
		EmptyLicence,
		/// Say where the text comes from.
		EmptySource,
		/// Name the version of the preprocessing rules; versions begin at 1.
		NoPreprocessing,
		/// Give at least one shard to train on.
		NoShards,
		/// A shard has no bytes, no documents or no chunks.
		EmptyShard {
			/// Place of the shard.
			shard: u8,
		},
		/// A shard's size differs from that of its chunks; all but the last have 1 MiB.
		ShardSizeMismatch {
			/// Place of the shard.
			shard: u8,
		},
		/// The same chunks make up two shards.
		DuplicateShard {
			/// Place of the second one.
			shard: u8,
		},
		/// The same chunk occurs twice.
		DuplicateChunk {
			/// Place of the shard where it occurs again.
			shard: u8,
			/// Its place in that shard.
			chunk: u8,
		},
		/// A chunk is not archived; archive it first.
		ChunkNotArchived {
			/// Place of the shard.
			shard: u8,
			/// Place of the chunk in it.
			chunk: u8,
		},
		/// This very manifest is published already.
		AlreadyPublished,
	}

	#[pallet::hooks]
	impl<T: Config> Hooks<BlockNumberFor<T>> for Pallet<T> {
		#[cfg(feature = "try-runtime")]
		fn try_state(_now: BlockNumberFor<T>) -> Result<(), TryRuntimeError> {
			Self::do_try_state()
		}
	}

	#[pallet::call]
	impl<T: Config> Pallet<T> {
		/// Publish a dataset whose chunks are archived already.
		///
		/// - Who may call: any account; it answers for licence and source.
		/// - Effect: tasks may train on the shards of the dataset, and versions that do name it. A deposit is held.
		/// - `preprocessing`: version of the rules by which the text was cleaned and split, from 1.
		/// - `held_out`: the shard that nobody trains on and every version is evaluated on.
		/// - Emits `Published`.
		/// - Fails with any error of this pallet, or when the deposit cannot be held.
		#[pallet::call_index(0)]
		#[pallet::weight(T::WeightInfo::publish(chunks(shards, held_out)))]
		pub fn publish(
			origin: OriginFor<T>,
			title: Title,
			licence: DatasetLicence,
			source: Note,
			preprocessing: u32,
			shards: BoundedVec<Shard, ConstU32<MAX_SHARDS>>,
			held_out: Shard,
		) -> DispatchResult {
			let owner = ensure_signed(origin)?;
			let manifest = DatasetManifest {
				title: title.clone(),
				licence,
				source,
				preprocessing,
				shards,
				held_out,
			};
			well_formed(&manifest).map_err(Error::<T>::from)?;
			let dataset = manifest.id();
			ensure!(
				!Datasets::<T>::contains_key(dataset),
				Error::<T>::AlreadyPublished
			);
			archived_in_full(&manifest, T::Blobs::archived_size).map_err(Error::<T>::from)?;

			let deposit = Self::deposit_of(&manifest);
			T::Currency::hold(&HoldReason::DatasetDeposit.into(), &owner, deposit)?;
			Self::insert(dataset, owner.clone(), manifest, deposit);
			Self::deposit_event(Event::Published {
				dataset,
				owner,
				title,
			});
			Ok(())
		}
	}

	impl<T: Config> Pallet<T> {
		/// The manifest of a dataset.
		pub fn manifest(dataset: &DatasetId) -> Option<DatasetManifest> {
			Datasets::<T>::get(dataset).map(|entry| entry.manifest)
		}

		/// Money that is held for a dataset.
		pub fn deposit_of(manifest: &DatasetManifest) -> BalanceOf<T> {
			let shards = u32::try_from(manifest.shards.len())
				.unwrap_or(u32::MAX)
				.saturating_add(1);
			T::DepositPerShard::get()
				.saturating_mul(shards.into())
				.saturating_add(T::DepositBase::get())
		}

		/// Records a dataset that has been checked and paid for.
		fn insert(
			dataset: DatasetId,
			owner: T::AccountId,
			manifest: DatasetManifest,
			deposit: BalanceOf<T>,
		) {
			let published = frame_system::Pallet::<T>::block_number();
			Datasets::<T>::insert(
				dataset,
				Dataset {
					owner,
					manifest,
					deposit,
					published,
				},
			);
		}

		/// Checks what must hold between blocks: identities, manifests, blocks, and deposits against holds.
		#[cfg(any(feature = "try-runtime", test))]
		pub(crate) fn do_try_state() -> Result<(), TryRuntimeError> {
			let now = frame_system::Pallet::<T>::block_number();
			let mut obligations = BTreeMap::<T::AccountId, BalanceOf<T>>::new();
			for (id, dataset) in Datasets::<T>::iter() {
				ensure!(
					dataset.manifest.id() == id,
					"datasets: a manifest is not the one that was published"
				);
				ensure!(
					well_formed(&dataset.manifest).is_ok(),
					"datasets: a manifest has a flaw"
				);
				ensure!(
					dataset.published <= now,
					"datasets: a dataset was published in a later block"
				);
				let sum = obligations.entry(dataset.owner).or_default();
				*sum = sum.saturating_add(dataset.deposit);
			}
			let reason = HoldReason::DatasetDeposit.into();
			for account in frame_system::Account::<T>::iter_keys() {
				let obligation = obligations.remove(&account).unwrap_or_default();
				ensure!(
					T::Currency::balance_on_hold(&reason, &account) == obligation,
					"datasets: an account's hold differs from its deposits"
				);
			}
			ensure!(
				obligations
					.into_values()
					.all(|sum| sum == Default::default()),
				"datasets: a deposit has no account"
			);
			Ok(())
		}
	}

	impl<T: Config> DatasetRegistry for Pallet<T> {
		fn shards(dataset: &DatasetId) -> Option<Shards> {
			Self::manifest(dataset).map(|manifest| Shards {
				training: manifest.shards.into_inner(),
				held_out: manifest.held_out,
			})
		}

		#[cfg(feature = "runtime-benchmarks")]
		fn publish_for_benchmark(shards: u32) -> DatasetId {
			let manifest = crate::benchmarking::archived_manifest::<T>(shards.saturating_add(1));
			let dataset = manifest.id();
			let owner = frame_benchmarking::account("publisher", 0, 0);
			Self::insert(dataset, owner, manifest, Default::default());
			dataset
		}
	}

	impl<T> From<Flaw> for Error<T> {
		fn from(flaw: Flaw) -> Self {
			match flaw {
				Flaw::EmptyTitle => Self::EmptyTitle,
				Flaw::EmptyLicence => Self::EmptyLicence,
				Flaw::EmptySource => Self::EmptySource,
				Flaw::NoPreprocessing => Self::NoPreprocessing,
				Flaw::NoShards => Self::NoShards,
				Flaw::EmptyShard { shard } => Self::EmptyShard { shard },
				Flaw::ShardSizeMismatch { shard } => Self::ShardSizeMismatch { shard },
				Flaw::DuplicateShard { shard } => Self::DuplicateShard { shard },
				Flaw::DuplicateChunk { shard, chunk } => Self::DuplicateChunk { shard, chunk },
				Flaw::ChunkNotArchived { shard, chunk } => Self::ChunkNotArchived { shard, chunk },
			}
		}
	}
}
