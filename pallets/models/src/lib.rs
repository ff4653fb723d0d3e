//! Models and their versions: lineage, metadata, tokenizer, evaluation.
//!
//! A model is created with the numbers of its architecture, a tokenizer and a public seed; version 0 follows from these, so
//! anyone derives the same integers. Each settled round adds a version that names its parents, its datasets and everybody whose
//! work is in it.
//!
//! Must not know: how a round settles (pallet-training), where bytes are kept (it asks
//! [`BlobArchive`](llmchain_primitives::traits::BlobArchive)), what a model computes.
//! Source: ARCHITECTURE.md, "Invariants" and "Words that clash".
//!
//! Invariants:
//! - Versions are added, never edited or removed; a version's identity binds its model, parents, origin and roots.
//! - Parents have lower numbers than their children, so lineage has no cycle.
//! - Contributors are in order of account, each once; datasets in order of identity, each once.
//! - What an account has on hold for this pallet is the sum of the deposits of its models.
//!
//! The roots of version 0 are what the creator claims. The chain cannot derive them: whoever trains or verifies does, and
//! refuses a version 0 whose roots do not follow from its seed.
//!
//! Reading order: this file, [`lineage`], `invariants.rs`, [`weights`].

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
#[cfg(any(feature = "try-runtime", test))]
mod invariants;
pub mod lineage;
#[cfg(test)]
mod mock;
#[cfg(test)]
mod tests;
pub mod weights;

pub use pallet::*;
pub use weights::WeightInfo;

use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use frame_support::traits::fungible::Inspect;
use frame_system::pallet_prelude::BlockNumberFor;
use llmchain_primitives::{
	model::{model_id, Architecture, ModelName, Version},
	AccountId, Hash, ModelId, VersionId,
};
use scale_info::TypeInfo;

/// Most versions that [`Pallet::lineage`] returns.
pub const MAX_LINEAGE: u32 = 100;

/// Money that deposits are taken in.
pub type BalanceOf<T> =
	<<T as Config>::Currency as Inspect<<T as frame_system::Config>::AccountId>>::Balance;
/// A version as this chain stores it.
pub type VersionOf<T> = Version<AccountId, BlockNumberFor<T>>;

/// A model: what all its versions share.
#[derive(
	Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct Model<Balance> {
	/// Who created it.
	pub owner: AccountId,
	/// Name that people read.
	pub name: ModelName,
	/// Its numbers.
	pub architecture: Architecture,
	/// Blob of its tokenizer.
	pub tokenizer: Hash,
	/// Its version 0.
	pub first: VersionId,
	/// Its version registered last.
	pub latest: VersionId,
	/// How many versions it has; the number of the next one.
	pub versions: u32,
	/// Money on hold for the entry.
	pub deposit: Balance,
}

// The attribute's own code says `expect`; ours in this module does not.
#[allow(clippy::expect_used)]
#[frame_support::pallet]
pub mod pallet {
	use super::*;
	use crate::lineage::{inherit, merge, Refusal};
	use alloc::vec::Vec;
	use frame_support::{
		pallet_prelude::*,
		traits::fungible::{InspectHold, MutateHold},
	};
	use frame_system::pallet_prelude::*;
	use llmchain_primitives::{
		model::{version_id, CheckpointRoots, Contributors, Origin},
		runtime_api::ModelView,
		traits::{BlobArchive, ModelFacts, ModelRegistry, SettledRound, VersionFacts},
		NUMERIC_SPEC,
	};
	use sp_runtime::ArithmeticError;

	/// Version of this pallet's storage layout.
	const STORAGE_VERSION: StorageVersion = StorageVersion::new(1);

	#[pallet::pallet]
	#[pallet::storage_version(STORAGE_VERSION)]
	pub struct Pallet<T>(_);

	/// What the runtime decides.
	#[pallet::config]
	pub trait Config:
		frame_system::Config<RuntimeEvent: From<Event<Self>>, AccountId = AccountId>
	{
		/// Money and holds.
		type Currency: InspectHold<AccountId, Reason = Self::RuntimeHoldReason>
			+ MutateHold<AccountId, Reason = Self::RuntimeHoldReason>;

		/// Reasons for holds in the runtime.
		type RuntimeHoldReason: From<HoldReason>;

		/// Where tokenizers are archived.
		type Blobs: BlobArchive;

		/// Deposit for a model; higher means fewer entries in state.
		#[pallet::constant]
		type Deposit: Get<BalanceOf<Self>>;

		/// Weights of calls.
		type WeightInfo: WeightInfo;
	}

	/// Why money of an account is on hold.
	#[pallet::composite_enum]
	pub enum HoldReason {
		/// Deposit for the entries of created models.
		#[codec(index = 0)]
		ModelDeposit,
	}

	/// Models by identity.
	///
	/// Written by `create`, and by the registry when a version is added. Invariant: `first` and `latest` are versions of the
	/// model. Keys are hashes already, so they are not hashed again.
	#[pallet::storage]
	pub type Models<T: Config> = StorageMap<_, Identity, ModelId, Model<BalanceOf<T>>, OptionQuery>;

	/// Versions by identity.
	///
	/// Written by `create`, and by the registry when a round settles; never changed. Keys are hashes already, so they are not
	/// hashed again.
	#[pallet::storage]
	pub type Versions<T: Config> = StorageMap<_, Identity, VersionId, VersionOf<T>, OptionQuery>;

	/// What happened to models.
	#[pallet::event]
	#[pallet::generate_deposit(pub(super) fn deposit_event)]
	pub enum Event<T: Config> {
		/// A model was created.
		Created {
			/// The model.
			model: ModelId,
			/// Who created it.
			owner: AccountId,
			/// Its name.
			name: ModelName,
			/// Its version 0.
			version: VersionId,
		},
		/// A model has a new version, which is its latest now.
		VersionRegistered {
			/// The model.
			model: ModelId,
			/// The version.
			version: VersionId,
			/// Its number among the model's versions.
			number: u32,
			/// Mean held-out loss in micro-nats per token, where evaluated.
			evaluation: Option<u64>,
		},
	}

	/// Why a call was refused. Append only: other programs know these by index.
	#[pallet::error]
	pub enum Error<T> {
		/// Give the model a name.
		EmptyName,
		/// A number of the architecture is zero, the heads do not divide the width, or it is too large.
		ImpossibleArchitecture,
		/// The tokenizer is not archived; archive its file first.
		TokenizerNotArchived,
		/// You created the very same model already; give another name or seed.
		ModelExists,
		/// No model has this identity.
		UnknownModel,
		/// No version has this identity.
		UnknownVersion,
		/// The version belongs to another model.
		WrongModel,
		/// This very version is registered already.
		VersionExists,
		/// More accounts have work in the version than one version can name.
		TooManyContributors,
		/// The version inherits more datasets than one version can name.
		TooManyDatasets,
	}

	#[pallet::hooks]
	impl<T: Config> Hooks<BlockNumberFor<T>> for Pallet<T> {
		#[cfg(feature = "try-runtime")]
		fn try_state(_now: BlockNumberFor<T>) -> Result<(), sp_runtime::TryRuntimeError> {
			Self::do_try_state()
		}
	}

	#[pallet::call]
	impl<T: Config> Pallet<T> {
		/// Create a model whose version 0 anyone derives from a public seed.
		///
		/// - Who may call: any account; it becomes the model's owner.
		/// - Effect: the model and its version 0 are registered. A deposit is held.
		/// - `tokenizer`: BLAKE2b-256 of an archived `tokenizer.json`.
		/// - `roots`: roots of the parameters and the momentum that follow from `seed`. The chain takes them as claimed; trainers
		///   and verifiers derive them again and refuse a model with wrong ones.
		/// - Emits `Created` and `VersionRegistered`.
		/// - Fails with `EmptyName`, `ImpossibleArchitecture`, `TokenizerNotArchived`, `ModelExists`, or when the deposit cannot
		///   be held.
		#[pallet::call_index(0)]
		#[pallet::weight(T::WeightInfo::create())]
		pub fn create(
			origin: OriginFor<T>,
			name: ModelName,
			architecture: Architecture,
			tokenizer: Hash,
			seed: Hash,
			roots: CheckpointRoots,
		) -> DispatchResult {
			let owner = ensure_signed(origin)?;
			ensure!(!name.is_empty(), Error::<T>::EmptyName);
			ensure!(
				architecture.n_parameters().is_some(),
				Error::<T>::ImpossibleArchitecture
			);
			ensure!(
				T::Blobs::archived_size(&tokenizer).is_some(),
				Error::<T>::TokenizerNotArchived
			);
			let model = model_id(&owner, &name, &architecture, &tokenizer, &seed);
			ensure!(!Models::<T>::contains_key(model), Error::<T>::ModelExists);

			let deposit = T::Deposit::get();
			T::Currency::hold(&HoldReason::ModelDeposit.into(), &owner, deposit)?;
			let version = Version {
				model,
				number: 0,
				parents: BoundedVec::new(),
				origin: Origin::Seed(seed),
				roots,
				tokenizer,
				numeric_spec: NUMERIC_SPEC,
				datasets: BoundedVec::new(),
				contributors: BoundedVec::new(),
				evaluation: None,
				created: frame_system::Pallet::<T>::block_number(),
			};
			let entry = Model {
				owner: owner.clone(),
				name: name.clone(),
				architecture,
				tokenizer,
				first: identity(&version),
				latest: identity(&version),
				versions: 1,
				deposit,
			};
			Self::deposit_event(Event::Created {
				model,
				owner,
				name,
				version: entry.first,
			});
			Self::insert(entry, version);
			Ok(())
		}
	}

	impl<T: Config> Pallet<T> {
		/// A model as clients see it.
		pub fn model_view(model: &ModelId) -> Option<ModelView> {
			Models::<T>::get(model).map(|entry| ModelView {
				owner: entry.owner,
				name: entry.name,
				architecture: entry.architecture,
				tokenizer: entry.tokenizer,
				first: entry.first,
				latest: entry.latest,
				versions: entry.versions,
			})
		}

		/// A version by its identity.
		pub fn version(version: &VersionId) -> Option<VersionOf<T>> {
			Versions::<T>::get(version)
		}

		/// A version and its ancestors by first parents, newest first; at most `limit`, and never more than [`MAX_LINEAGE`].
		pub fn lineage(version: &VersionId, limit: u32) -> Vec<(VersionId, VersionOf<T>)> {
			let mut lineage = Vec::new();
			let mut next = Some(*version);
			for _ in 0..limit.min(MAX_LINEAGE) {
				let Some((id, version)) = next.and_then(|id| Some((id, Self::version(&id)?)))
				else {
					break;
				};
				next = version.parents.first().copied();
				lineage.push((id, version));
			}
			lineage
		}

		/// Writes a model and the version that is its latest, and says so.
		fn insert(entry: Model<BalanceOf<T>>, version: VersionOf<T>) {
			Self::deposit_event(Event::VersionRegistered {
				model: version.model,
				version: entry.latest,
				number: version.number,
				evaluation: version.evaluation,
			});
			let (model, latest) = (version.model, entry.latest);
			Versions::<T>::insert(latest, version);
			Models::<T>::insert(model, entry);
		}
	}

	impl<T: Config> ModelRegistry for Pallet<T> {
		fn model(model: &ModelId) -> Option<ModelFacts> {
			Models::<T>::get(model).and_then(|entry| {
				let latest = Versions::<T>::get(entry.latest)?;
				Some(ModelFacts {
					architecture: entry.architecture,
					tokenizer: entry.tokenizer,
					numeric_spec: latest.numeric_spec,
					latest: entry.latest,
				})
			})
		}

		fn version(version: &VersionId) -> Option<VersionFacts> {
			Versions::<T>::get(version).map(|version| VersionFacts {
				model: version.model,
				roots: version.roots,
				origin: version.origin,
				tokenizer: version.tokenizer,
				numeric_spec: version.numeric_spec,
			})
		}

		fn contributors(version: &VersionId) -> Option<Contributors<AccountId>> {
			Versions::<T>::get(version).map(|version| version.contributors)
		}

		fn register_settled_round(round: SettledRound) -> Result<VersionId, DispatchError> {
			let mut entry = Models::<T>::get(round.model).ok_or(Error::<T>::UnknownModel)?;
			let base = Versions::<T>::get(round.base).ok_or(Error::<T>::UnknownVersion)?;
			ensure!(base.model == round.model, Error::<T>::WrongModel);
			let version = Version {
				model: round.model,
				number: entry.versions,
				parents: BoundedVec::truncate_from(Vec::from([round.base])),
				origin: Origin::Round {
					task: round.task,
					round: round.round,
				},
				roots: round.roots,
				tokenizer: base.tokenizer,
				numeric_spec: base.numeric_spec,
				datasets: inherit(&base.datasets, round.dataset).map_err(refusal::<T>)?,
				contributors: merge(&base.contributors, &round.accepted).map_err(refusal::<T>)?,
				evaluation: Some(round.evaluation),
				created: frame_system::Pallet::<T>::block_number(),
			};
			let id = identity(&version);
			ensure!(!Versions::<T>::contains_key(id), Error::<T>::VersionExists);
			entry.latest = id;
			entry.versions = entry
				.versions
				.checked_add(1)
				.ok_or(ArithmeticError::Overflow)?;
			Self::insert(entry, version);
			Ok(id)
		}

		#[cfg(feature = "runtime-benchmarks")]
		fn create_for_benchmark(contributors: u32) -> (ModelId, VersionId) {
			let (entry, version) = crate::benchmarking::model_and_version::<T>(contributors);
			let ids = (version.model, entry.latest);
			Self::insert(entry, version);
			ids
		}
	}

	/// Identity of a version, from its record.
	pub(crate) fn identity<BlockNumber>(version: &Version<AccountId, BlockNumber>) -> VersionId {
		version_id(
			&version.model,
			&version.parents,
			&version.origin,
			&version.roots,
		)
	}

	/// What the caller is told when a lineage cannot be written.
	fn refusal<T: Config>(refusal: Refusal) -> DispatchError {
		match refusal {
			Refusal::TooManyContributors => Error::<T>::TooManyContributors.into(),
			Refusal::TooManyDatasets => Error::<T>::TooManyDatasets.into(),
			Refusal::TooManyExamples => ArithmeticError::Overflow.into(),
		}
	}
}
