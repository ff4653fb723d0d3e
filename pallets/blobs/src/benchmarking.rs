//! Benchmarks of pallet-blobs: `archive` and its extension over the size of the blob.
//!
//! Must not know: the runtime that they are measured in.

use super::*;
use alloc::vec;
use frame_benchmarking::v2::*;
use frame_support::{
	dispatch::{DispatchInfo, GetDispatchInfo},
	traits::{
		fungible::{Inspect, Mutate},
		Get, Hooks, IsSubType,
	},
};
use frame_system::RawOrigin;
use llmchain_primitives::{data::MAX_BLOB_SIZE, Hash};
use sp_runtime::{
	traits::{BlakeTwo256, DispatchTransaction, Dispatchable, Hash as _},
	Saturating,
};

/// Index of the extrinsic that each benchmark pretends to be.
const EXTRINSIC: u32 = 3;

/// An account that can pay for any blob.
fn rich<T: Config>() -> T::AccountId
where
	T::Currency: Mutate<T::AccountId>,
{
	let account: T::AccountId = whitelisted_caller();
	let deposit = Pallet::<T>::deposit_of(MAX_BLOB_SIZE);
	let balance = deposit
		.saturating_add(T::Currency::minimum_balance())
		.saturating_mul(2u32.into());
	T::Currency::set_balance(&account, balance);
	account
}

/// Marks the pretended extrinsic, as the extension does.
fn mark<T: Config>() {
	frame_system::Pallet::<T>::set_extrinsic_index(EXTRINSIC);
	TopLevel::<T>::put(EXTRINSIC);
}

#[benchmarks(
	where
		T: Send + Sync,
		T::Currency: Mutate<T::AccountId>,
		<T as frame_system::Config>::RuntimeCall:
			Dispatchable<Info = DispatchInfo> + GetDispatchInfo + IsSubType<Call<T>> + From<Call<T>>,
		<<T as frame_system::Config>::RuntimeCall as Dispatchable>::PostInfo: Default,
)]
mod benchmarks {
	use super::*;

	#[benchmark]
	fn archive(n: Linear<1, MAX_BLOB_SIZE>) {
		let owner = rich::<T>();
		let data = vec![7u8; n as usize];
		let hash: Hash = BlakeTwo256::hash(&data);
		mark::<T>();

		#[extrinsic_call]
		_(RawOrigin::Signed(owner), data);

		assert_eq!(Blobs::<T>::get(hash).map(|blob| blob.size), Some(n));
	}

	#[benchmark]
	fn expire() -> Result<(), BenchmarkError> {
		let owner = rich::<T>();
		let data = vec![7u8; MAX_BLOB_SIZE as usize];
		let hash: Hash = BlakeTwo256::hash(&data);
		mark::<T>();
		Pallet::<T>::archive(RawOrigin::Signed(owner.clone()).into(), data)?;
		let end = frame_system::Pallet::<T>::block_number().saturating_add(T::Retention::get());
		frame_system::Pallet::<T>::set_block_number(end);

		#[extrinsic_call]
		_(RawOrigin::Signed(owner), hash);

		assert!(!Blobs::<T>::contains_key(hash));
		Ok(())
	}

	#[benchmark]
	fn check_archive(n: Linear<1, MAX_BLOB_SIZE>) {
		let owner = rich::<T>();
		let call: <T as frame_system::Config>::RuntimeCall = Call::<T>::archive {
			data: vec![7u8; n as usize],
		}
		.into();
		let info = call.get_dispatch_info();
		frame_system::Pallet::<T>::set_extrinsic_index(EXTRINSIC);
		let result;

		#[block]
		{
			result = CheckArchive::<T>::new().test_run(
				RawOrigin::Signed(owner).into(),
				&call,
				&info,
				n as usize,
				0,
				|_| Ok(Default::default()),
			);
		}

		assert!(matches!(result, Ok(Ok(_))));
		assert!(!TopLevel::<T>::exists());
	}

	#[benchmark]
	fn on_finalize() {
		mark::<T>();

		#[block]
		{
			Pallet::<T>::on_finalize(frame_system::Pallet::<T>::block_number());
		}

		assert!(!TopLevel::<T>::exists());
	}

	impl_benchmark_test_suite!(Pallet, crate::mock::new_test_ext(), crate::mock::Test);
}
