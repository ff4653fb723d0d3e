//! Benchmarks of pallet-datasets: `publish` over the number of chunks, and the dataset that others benchmark with.
//!
//! Must not know: the runtime that they are measured in.

use super::*;
use alloc::vec::Vec;
use frame_benchmarking::v2::*;
use frame_support::{
	traits::fungible::{Inspect, Mutate},
	BoundedVec,
};
use frame_system::RawOrigin;
use llmchain_primitives::{
	data::{
		DatasetLicence, DatasetManifest, Note, Shard, Title, MAX_BLOB_SIZE, MAX_CHUNKS, MAX_SHARDS,
	},
	traits::BlobArchive,
	Hash,
};
use sp_runtime::{
	traits::{BlakeTwo256, Hash as _},
	Saturating,
};

/// Most chunks of a dataset.
const MOST_CHUNKS: u32 = (MAX_SHARDS + 1) * MAX_CHUNKS;

/// A manifest of that many archived chunks (at least two), spread over as many shards as there may be.
pub(crate) fn archived_manifest<T: Config>(chunks: u32) -> DatasetManifest {
	let chunks = chunks.clamp(2, MOST_CHUNKS);
	let number_of_shards = chunks.min(MAX_SHARDS.saturating_add(1));
	let mut shards = (0..number_of_shards).map(|place| {
		let hashes: Vec<Hash> = (place..chunks)
			.step_by(number_of_shards as usize)
			.map(|chunk| {
				let hash = BlakeTwo256::hash_of(&(b"benchmark", chunk));
				T::Blobs::set_archived(hash, MAX_BLOB_SIZE);
				hash
			})
			.collect();
		Shard {
			size: MAX_BLOB_SIZE.saturating_mul(hashes.len() as u32),
			documents: 1,
			chunks: BoundedVec::truncate_from(hashes),
		}
	});
	let held_out = shards.next().unwrap_or(Shard {
		size: 0,
		documents: 0,
		chunks: Default::default(),
	});
	DatasetManifest {
		title: Title::try_from("benchmark").unwrap_or_default(),
		licence: DatasetLicence::PublicDomain,
		source: Note::try_from("benchmark").unwrap_or_default(),
		preprocessing: 1,
		shards: BoundedVec::truncate_from(shards.collect()),
		held_out,
	}
}

#[benchmarks(where T::Currency: Mutate<T::AccountId>)]
mod benchmarks {
	use super::*;

	#[benchmark]
	fn publish(c: Linear<2, MOST_CHUNKS>) {
		let manifest = archived_manifest::<T>(c);
		let dataset = manifest.id();
		let owner: T::AccountId = whitelisted_caller();
		let balance = Pallet::<T>::deposit_of(&manifest)
			.saturating_add(T::Currency::minimum_balance())
			.saturating_mul(2u32.into());
		T::Currency::set_balance(&owner, balance);

		#[extrinsic_call]
		_(
			RawOrigin::Signed(owner),
			manifest.title,
			manifest.licence,
			manifest.source,
			manifest.preprocessing,
			manifest.shards,
			manifest.held_out,
		);

		assert!(Datasets::<T>::contains_key(dataset));
	}

	impl_benchmark_test_suite!(Pallet, crate::mock::new_test_ext(), crate::mock::Test);
}
