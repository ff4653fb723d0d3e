//! Glue traits: how our pallets meet without knowing each other.
//!
//! Must not know: who implements or uses them; the runtime wires them.

use crate::{
	data::Shards,
	key::TrainerPublic,
	model::{Architecture, CheckpointRoots, Contribution, Contributors, Origin},
	AccountId, DatasetId, Hash, ModelId, TaskId, VersionId,
};
use alloc::vec::Vec;
use sp_runtime::DispatchError;

/// Which bytes the chain has archived.
pub trait BlobArchive {
	/// Size in bytes of the archived blob with this hash.
	fn archived_size(hash: &Hash) -> Option<u32>;

	/// Makes a blob of that size count as archived.
	#[cfg(feature = "runtime-benchmarks")]
	fn set_archived(hash: Hash, size: u32);
}

/// What training needs to know of datasets.
pub trait DatasetRegistry {
	/// Shards of a dataset.
	fn shards(dataset: &DatasetId) -> Option<Shards>;

	/// Publishes a dataset of that many shards.
	#[cfg(feature = "runtime-benchmarks")]
	fn publish_for_benchmark(shards: u32) -> DatasetId;
}

/// What others need to know of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ModelFacts {
	/// Its numbers.
	pub architecture: Architecture,
	/// Blob of its tokenizer.
	pub tokenizer: Hash,
	/// Numeric specification of its versions.
	pub numeric_spec: u32,
	/// Its latest version.
	pub latest: VersionId,
}

/// What others need to know of a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VersionFacts {
	/// The model it belongs to.
	pub model: ModelId,
	/// Its integers.
	pub roots: CheckpointRoots,
	/// How it was made.
	pub origin: Origin,
	/// Blob of its tokenizer.
	pub tokenizer: Hash,
	/// Numeric specification.
	pub numeric_spec: u32,
}

/// A settled round, to be registered as a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettledRound {
	/// The model.
	pub model: ModelId,
	/// The version that the round started from.
	pub base: VersionId,
	/// The task.
	pub task: TaskId,
	/// The round's number.
	pub round: u32,
	/// The new integers.
	pub roots: CheckpointRoots,
	/// The dataset trained on.
	pub dataset: DatasetId,
	/// Survivors and their accepted examples of this round.
	pub accepted: Vec<Contribution<AccountId>>,
	/// Mean held-out loss in micro-nats per token.
	pub evaluation: u64,
}

/// The registry of models and versions.
pub trait ModelRegistry {
	/// Facts of a model.
	fn model(model: &ModelId) -> Option<ModelFacts>;
	/// Facts of a version.
	fn version(version: &VersionId) -> Option<VersionFacts>;
	/// Everybody whose accepted examples are in a version.
	fn contributors(version: &VersionId) -> Option<Contributors<AccountId>>;
	/// Registers the version that a round produced and makes it the model's latest.
	fn register_settled_round(round: SettledRound) -> Result<VersionId, DispatchError>;

	/// Creates a model whose version 0 has that many contributors.
	#[cfg(feature = "runtime-benchmarks")]
	fn create_for_benchmark(contributors: u32) -> (ModelId, VersionId);
}

/// Which key speaks for which trainer.
pub trait TrainerKeys {
	/// Key that the trainer registered.
	fn trainer_key(trainer: &AccountId) -> Option<TrainerPublic>;

	/// Registers a key for an account.
	#[cfg(feature = "runtime-benchmarks")]
	fn set_trainer_key(trainer: AccountId, key: TrainerPublic);
}
