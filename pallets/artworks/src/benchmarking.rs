//! Benchmarks of the calls, each at its most expensive: with a receipt, and with contributors who all receive money.
//!
//! Must not know: who implements the glue traits; their benchmark helpers set the scene.

// A benchmark whose scene cannot be set must stop; this module is in no runtime that a chain runs.
#![allow(clippy::expect_used)]

use super::*;
use crate::types::BalanceOf;
use alloc::vec;
use frame_benchmarking::v2::*;
use frame_support::traits::{
	fungible::{Inspect, Mutate},
	Get,
};
use frame_system::{pallet_prelude::BlockNumberFor, RawOrigin};
use llmchain_primitives::{
	data::Title,
	key::{TrainerPublic, TrainerSignature},
	model::MAX_CONTRIBUTORS,
	receipt::{Generation, Receipt, SamplingParameters},
	traits::{ModelRegistry, TrainerKeys},
	work::Disclosure,
	AccountId, Hash, VersionId, WorkId,
};
use sp_runtime::traits::{BlakeTwo256, Hash as _, Zero};

/// Signs for the serving trainer, natively: tests have no keystore.
#[cfg(feature = "std")]
fn sign(bytes: &[u8]) -> (TrainerPublic, TrainerSignature) {
	use sp_core::Pair;
	let pair = llmchain_primitives::key::TrainerPair::from_seed(&[7; 32]);
	(pair.public(), pair.sign(bytes))
}

/// Signs for the serving trainer, inside the runtime: with the keystore of the machine that measures.
#[cfg(not(feature = "std"))]
fn sign(bytes: &[u8]) -> (TrainerPublic, TrainerSignature) {
	use sp_runtime::RuntimeAppPublic;
	let public = TrainerPublic::generate_pair(None);
	let signature = public
		.sign(&bytes)
		.expect("the keystore has just made this key");
	(public, signature)
}

/// A rich account.
fn account_with_money<T: Config>(name: &'static str) -> AccountId {
	let who: AccountId = account(name, 0, 0);
	T::Currency::set_balance(&who, price::<T>().saturating_mul(1_000));
	who
}

/// A price of which every one of the most contributors receives more than the existential deposit.
fn price<T: Config>() -> BalanceOf<T> {
	T::MinimumPrice::get()
		.max(T::Currency::minimum_balance())
		.max(T::WorkDeposit::get())
		.saturating_mul(1_000_000)
}

/// A receipt with the longest prompt for exactly these bytes.
fn receipt<T: Config>(asker: &AccountId, version: VersionId, output: &[u8]) -> Receipt {
	let facts = T::Models::version(&version).expect("the version has just been created");
	let server: AccountId = account("server", 0, 0);
	let generation = Generation {
		genesis: frame_system::Pallet::<T>::block_hash(BlockNumberFor::<T>::zero()),
		asker: asker.clone(),
		server: server.clone(),
		version,
		tokenizer: facts.tokenizer,
		numeric_spec: facts.numeric_spec,
		prompt: core::str::from_utf8(&[b'p'; 1024])
			.ok()
			.and_then(|prompt| prompt.try_into().ok())
			.expect("1024 letters are a prompt"),
		sampling: SamplingParameters {
			temperature_milli: 800,
			top_k: 40,
			top_p_milli: 950,
			max_tokens: 64,
		},
		seed: Hash::repeat_byte(3),
		output: BlakeTwo256::hash(output),
	};
	let (key, signature) = sign(&generation.signing_bytes());
	T::Trainers::set_trainer_key(server, key);
	Receipt {
		generation,
		signature,
	}
}

fn title() -> Title {
	"A title".try_into().expect("a short title")
}

/// A registered work of `claimant` with that many contributors behind it.
fn registered<T: Config>(claimant: &AccountId, contributors: u32) -> WorkId {
	let (_, version) = T::Models::create_for_benchmark(contributors);
	let file = vec![b'w'; 64];
	let receipt = receipt::<T>(claimant, version, &file);
	Pallet::<T>::do_register(
		claimant.clone(),
		title(),
		&file,
		Disclosure::AiGenerated,
		Some(receipt),
	)
	.expect("a work is registered");
	Pallet::<T>::work_of(BlakeTwo256::hash(&file)).expect("the work has just been registered")
}

#[benchmarks]
mod benchmarks {
	use super::*;

	#[benchmark]
	fn register(b: Linear<1, { T::MaxFileSize::get() }>) {
		let claimant = account_with_money::<T>("claimant");
		let (_, version) = T::Models::create_for_benchmark(MAX_CONTRIBUTORS);
		let file = vec![b'w'; b as usize];
		let receipt = receipt::<T>(&claimant, version, &file);
		let digest = BlakeTwo256::hash(&file);

		#[extrinsic_call]
		_(
			RawOrigin::Signed(claimant),
			title(),
			file,
			Disclosure::AiGenerated,
			Some(receipt),
		);

		assert!(Pallet::<T>::work_of(digest).is_some());
	}

	#[benchmark]
	fn list_for_sale() {
		let seller = account_with_money::<T>("seller");
		let work = registered::<T>(&seller, 1);

		#[extrinsic_call]
		_(RawOrigin::Signed(seller), work, price::<T>());

		assert_eq!(Offers::<T>::get(work), Some(price::<T>()));
	}

	#[benchmark]
	fn unlist() -> Result<(), BenchmarkError> {
		let seller = account_with_money::<T>("seller");
		let work = registered::<T>(&seller, 1);
		Pallet::<T>::do_list_for_sale(seller.clone(), work, price::<T>())?;

		#[extrinsic_call]
		_(RawOrigin::Signed(seller), work);

		assert_eq!(Offers::<T>::get(work), None);
		Ok(())
	}

	#[benchmark]
	fn buy(c: Linear<0, MAX_CONTRIBUTORS>) -> Result<(), BenchmarkError> {
		let seller = account_with_money::<T>("seller");
		let buyer = account_with_money::<T>("buyer");
		let work = registered::<T>(&seller, c);
		Pallet::<T>::do_list_for_sale(seller, work, price::<T>())?;

		#[extrinsic_call]
		_(RawOrigin::Signed(buyer.clone()), work, price::<T>());

		assert_eq!(Works::<T>::get(work).map(|work| work.owner), Some(buyer));
		Ok(())
	}

	impl_benchmark_test_suite!(Pallet, crate::mock::externalities(), crate::mock::Test);
}
