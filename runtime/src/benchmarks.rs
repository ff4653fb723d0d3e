//! Which pallets `cargo xtask weights` measures.
//!
//! Must not know: what a benchmark does.

use crate::*;
use alloc::{string::String, vec::Vec};
use frame_benchmarking::{
	baseline::Pallet as Baseline, define_benchmarks, BenchmarkBatch, BenchmarkConfig, BenchmarkList,
};
use frame_support::traits::{StorageInfo, StorageInfoTrait, WhitelistedStorageKeys};

impl frame_benchmarking::baseline::Config for Runtime {}

define_benchmarks!(
	[frame_benchmarking, Baseline::<Runtime>]
	[pallet_blobs, Blobs]
	[pallet_datasets, Datasets]
	[pallet_models, Models]
	[pallet_training, Training]
	[pallet_artworks, Artworks]
);

/// Names of all benchmarks and where storage lies.
pub(crate) fn metadata(extra: bool) -> (Vec<BenchmarkList>, Vec<StorageInfo>) {
	let mut list = Vec::new();
	list_benchmarks!(list, extra);
	(list, AllPalletsWithSystem::storage_info())
}

/// Runs the benchmarks that `config` names.
pub(crate) fn dispatch(config: BenchmarkConfig) -> Result<Vec<BenchmarkBatch>, String> {
	let whitelist = AllPalletsWithSystem::whitelisted_storage_keys();
	let mut batches = Vec::new();
	let params = (&config, &whitelist);
	add_benchmarks!(params, batches);
	Ok(batches)
}
