//! Benchmarks of pallet-models: `create`, and the model that others benchmark with.
//!
//! Must not know: the runtime that they are measured in.

use super::*;
use frame_benchmarking::v2::*;
use frame_support::{
	traits::{
		fungible::{Inspect, Mutate},
		Get,
	},
	BoundedVec,
};
use frame_system::RawOrigin;
use llmchain_primitives::{
	model::{model_id, CheckpointRoots, Contribution, Origin, MAX_CONTRIBUTORS},
	traits::BlobArchive,
	NUMERIC_SPEC,
};
use sp_runtime::Saturating;

const TOKENIZER: Hash = Hash::repeat_byte(1);
const SEED: Hash = Hash::repeat_byte(2);
const ROOTS: CheckpointRoots = CheckpointRoots {
	parameters: Hash::repeat_byte(3),
	momentum: Hash::repeat_byte(4),
};
const ARCHITECTURE: Architecture = Architecture {
	vocab_size: 8,
	context_length: 4,
	n_layers: 1,
	n_heads: 2,
	d_model: 4,
	d_ff: 16,
};

/// The longest name.
fn name() -> ModelName {
	ModelName::try_from("benchmark-benchmark-benchmark-benchmark-benchmark-benchmark-----")
		.unwrap_or_default()
}

/// A model with its version 0, which has that many contributors.
pub(crate) fn model_and_version<T: Config>(
	contributors: u32,
) -> (Model<BalanceOf<T>>, VersionOf<T>) {
	T::Blobs::set_archived(TOKENIZER, 1);
	let owner: AccountId = account("creator", 0, 0);
	let mut contributors: alloc::vec::Vec<_> = (0..contributors.min(MAX_CONTRIBUTORS))
		.map(|index| Contribution {
			account: account("contributor", index, 0),
			examples: 1,
		})
		.collect();
	contributors.sort_by(|left: &Contribution<AccountId>, right| left.account.cmp(&right.account));
	let version = Version {
		model: model_id(&owner, &name(), &ARCHITECTURE, &TOKENIZER, &SEED),
		number: 0,
		parents: BoundedVec::new(),
		origin: Origin::Seed(SEED),
		roots: ROOTS,
		tokenizer: TOKENIZER,
		numeric_spec: NUMERIC_SPEC,
		datasets: BoundedVec::new(),
		contributors: BoundedVec::truncate_from(contributors),
		evaluation: None,
		created: frame_system::Pallet::<T>::block_number(),
	};
	let id = identity(&version);
	let model = Model {
		owner,
		name: name(),
		architecture: ARCHITECTURE,
		tokenizer: TOKENIZER,
		first: id,
		latest: id,
		versions: 1,
		deposit: Default::default(),
	};
	(model, version)
}

#[benchmarks(where T::Currency: Mutate<AccountId>)]
mod benchmarks {
	use super::*;

	#[benchmark]
	fn create() {
		T::Blobs::set_archived(TOKENIZER, 1);
		let owner: AccountId = whitelisted_caller();
		let balance = T::Deposit::get()
			.saturating_add(T::Currency::minimum_balance())
			.saturating_mul(2u32.into());
		T::Currency::set_balance(&owner, balance);
		let model = model_id(&owner, &name(), &ARCHITECTURE, &TOKENIZER, &SEED);

		#[extrinsic_call]
		_(
			RawOrigin::Signed(owner),
			name(),
			ARCHITECTURE,
			TOKENIZER,
			SEED,
			ROOTS,
		);

		assert!(Models::<T>::contains_key(model));
	}

	impl_benchmark_test_suite!(Pallet, crate::mock::new_test_ext(), crate::mock::Test);
}
