//! The chain's calls, events, storage and runtime APIs as types, generated from the committed `metadata.scale`.
//!
//! Must not know: the runtime's code; a test of the whole project compares the file with it. Our own types are those of
//! `llmchain-primitives`, so nothing is copied by hand; subxt refuses a call or a read whose types differ from the node's.

use codec::{Decode, Encode};

/// Session keys as the node gives them: BABE's and GRANDPA's public keys.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct RawSessionKeys(pub [u8; 64]);

/// Generated; see `metadata.scale`.
#[allow(missing_docs, clippy::all)]
#[subxt::subxt(
	runtime_metadata_path = "metadata.scale",
	substitute_type(
		path = "llmchain_runtime::SessionKeys",
		with = "::subxt::utils::Static<crate::api::RawSessionKeys>"
	),
	substitute_type(
		path = "llmchain_primitives::key::app::Public",
		with = "::subxt::utils::Static<::llmchain_primitives::key::TrainerPublic>"
	),
	substitute_type(
		path = "llmchain_primitives::key::app::Signature",
		with = "::subxt::utils::Static<::llmchain_primitives::key::TrainerSignature>"
	),
	substitute_type(
		path = "llmchain_primitives::data::DatasetLicence",
		with = "::subxt::utils::Static<::llmchain_primitives::data::DatasetLicence>"
	),
	substitute_type(
		path = "llmchain_primitives::data::DatasetManifest",
		with = "::subxt::utils::Static<::llmchain_primitives::data::DatasetManifest>"
	),
	substitute_type(
		path = "llmchain_primitives::data::Shard",
		with = "::subxt::utils::Static<::llmchain_primitives::data::Shard>"
	),
	substitute_type(
		path = "llmchain_primitives::model::Architecture",
		with = "::subxt::utils::Static<::llmchain_primitives::model::Architecture>"
	),
	substitute_type(
		path = "llmchain_primitives::model::CheckpointRoots",
		with = "::subxt::utils::Static<::llmchain_primitives::model::CheckpointRoots>"
	),
	substitute_type(
		path = "llmchain_primitives::model::Version",
		with = "::subxt::utils::Static<::llmchain_primitives::model::Version<::llmchain_primitives::AccountId, u32>>"
	),
	substitute_type(
		path = "llmchain_primitives::runtime_api::ModelView",
		with = "::subxt::utils::Static<::llmchain_primitives::runtime_api::ModelView>"
	),
	substitute_type(
		path = "llmchain_primitives::runtime_api::WorkView",
		with = "::subxt::utils::Static<::llmchain_primitives::runtime_api::WorkView>"
	),
	substitute_type(
		path = "llmchain_primitives::training::TaskSpec",
		with = "::subxt::utils::Static<::llmchain_primitives::training::TaskSpec<u128>>"
	),
	substitute_type(
		path = "llmchain_primitives::training::TaskView",
		with = "::subxt::utils::Static<::llmchain_primitives::training::TaskView>"
	),
	substitute_type(
		path = "llmchain_primitives::training::RoundView",
		with = "::subxt::utils::Static<::llmchain_primitives::training::RoundView>"
	),
	substitute_type(
		path = "llmchain_primitives::receipt::Receipt",
		with = "::subxt::utils::Static<::llmchain_primitives::receipt::Receipt>"
	),
	substitute_type(
		path = "llmchain_primitives::work::Disclosure",
		with = "::subxt::utils::Static<::llmchain_primitives::work::Disclosure>"
	),
	substitute_type(
		path = "llmchain_primitives::work::ProvenanceEntry",
		with = "::subxt::utils::Static<::llmchain_primitives::work::ProvenanceEntry<::llmchain_primitives::AccountId, u128, u32>>"
	)
)]
pub mod llmchain {}

pub use llmchain::{runtime_apis, runtime_types, storage, tx};
