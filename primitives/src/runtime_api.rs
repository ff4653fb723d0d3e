//! Runtime APIs: what wallets, the command line and the node read of our pallets.
//!
//! Must not know: storage layout. Each method has one line of documentation, which Polkadot.js Apps shows.

use crate::{
	data::DatasetManifest,
	key::TrainerPublic,
	model::{Architecture, ModelName, Version},
	training::{RoundView, TaskView},
	work::{Disclosure, ProvenanceEntry},
	AccountId, Balance, BlockNumber, DatasetId, Hash, ModelId, TaskId, VersionId, WorkId,
};
use alloc::vec::Vec;
use codec::{Decode, Encode};
use scale_info::TypeInfo;

/// A model as clients see it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub struct ModelView {
	/// Who created it.
	pub owner: AccountId,
	/// Name that people read.
	pub name: ModelName,
	/// Its numbers.
	pub architecture: Architecture,
	/// Blob of its tokenizer.
	pub tokenizer: Hash,
	/// Its first version.
	pub first: VersionId,
	/// Its latest version.
	pub latest: VersionId,
	/// How many versions it has.
	pub versions: u32,
}

/// A work as clients see it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub struct WorkView {
	/// Title that people read.
	pub title: crate::data::Title,
	/// Who registered it.
	pub claimant: AccountId,
	/// Who owns the collectible now.
	pub owner: AccountId,
	/// BLAKE2b-256 of the file as given.
	pub file: Hash,
	/// Bytes of the file.
	pub size: u32,
	/// Claimed use of AI.
	pub disclosure: Disclosure,
	/// Version and receipt that it cites.
	pub made_with: Option<(VersionId, Hash)>,
	/// Price, while for sale.
	pub price: Option<Balance>,
	/// Block of registration.
	pub registered: BlockNumber,
	/// Entries of its provenance.
	pub history: u32,
}

sp_api::decl_runtime_apis! {
	/// Corpora that models are trained on.
	pub trait DatasetsApi {
		/// The manifest of a dataset.
		fn dataset(id: DatasetId) -> Option<DatasetManifest>;
	}

	/// Models and their versions.
	pub trait ModelsApi {
		/// A model by its identity.
		fn model(id: ModelId) -> Option<ModelView>;
		/// A version by its identity.
		fn version(id: VersionId) -> Option<Version<AccountId, BlockNumber>>;
		/// A version and its ancestors, newest first, at most `limit` (100).
		fn lineage(id: VersionId, limit: u32) -> Vec<(VersionId, Version<AccountId, BlockNumber>)>;
	}

	/// Tasks, rounds and trainers.
	pub trait TrainingApi {
		/// Tasks that take rounds now.
		fn open_tasks() -> Vec<TaskId>;
		/// A task by its identity.
		fn task(id: TaskId) -> Option<TaskView>;
		/// A round of a task by its number.
		fn round(id: TaskId, number: u32) -> Option<RoundView>;
		/// Key of a registered trainer.
		fn trainer_key(account: AccountId) -> Option<TrainerPublic>;
		/// Account that registered a trainer key.
		fn trainer_of(key: TrainerPublic) -> Option<AccountId>;
	}

	/// Works and their histories.
	pub trait ArtworksApi {
		/// A work by its identity.
		fn work(id: WorkId) -> Option<WorkView>;
		/// The work registered for this file hash or text digest.
		fn work_of(digest: Hash) -> Option<WorkId>;
		/// Entries of a work's history from `first` on, at most `limit` (100).
		fn provenance(id: WorkId, first: u32, limit: u32)
			-> Vec<ProvenanceEntry<AccountId, Balance, BlockNumber>>;
	}
}
