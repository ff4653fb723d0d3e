//! A runtime with datasets, money and an archive that the test fills.

use crate::{self as pallet_datasets, Pallet};
use frame_support::{derive_impl, parameter_types, traits::ConstU128};
use llmchain_primitives::{
	data::{DatasetLicence, DatasetManifest, Note, Shard, Title},
	traits::BlobArchive,
	AccountId, Balance, Hash,
};
use sp_runtime::{
	traits::{BlakeTwo256, Hash as _, IdentityLookup},
	BuildStorage, DispatchResult,
};
use std::collections::BTreeMap;

pub const ENDOWMENT: Balance = 1_000_000;
pub const DEPOSIT_BASE: Balance = 1_000;
pub const DEPOSIT_PER_SHARD: Balance = 100;

#[frame_support::runtime]
mod runtime {
	#[runtime::runtime]
	#[runtime::derive(
		RuntimeCall,
		RuntimeEvent,
		RuntimeError,
		RuntimeOrigin,
		RuntimeFreezeReason,
		RuntimeHoldReason,
		RuntimeSlashReason,
		RuntimeLockId,
		RuntimeTask
	)]
	pub struct Test;

	#[runtime::pallet_index(0)]
	pub type System = frame_system::Pallet<Test>;
	#[runtime::pallet_index(1)]
	pub type Balances = pallet_balances::Pallet<Test>;
	#[runtime::pallet_index(2)]
	pub type Datasets = pallet_datasets::Pallet<Test>;
}

parameter_types! {
	/// Sizes of archived blobs by hash.
	pub static Archived: BTreeMap<Hash, u32> = BTreeMap::new();
}

pub struct Archive;
impl BlobArchive for Archive {
	fn archived_size(hash: &Hash) -> Option<u32> {
		Archived::get().get(hash).copied()
	}

	#[cfg(feature = "runtime-benchmarks")]
	fn set_archived(hash: Hash, size: u32) {
		archive(hash, size);
	}
}

/// Makes a blob of that size count as archived.
pub fn archive(hash: Hash, size: u32) {
	Archived::mutate(|archived| archived.insert(hash, size));
}

#[derive_impl(frame_system::config_preludes::TestDefaultConfig)]
impl frame_system::Config for Test {
	type AccountData = pallet_balances::AccountData<Balance>;
	type AccountId = AccountId;
	type Block = frame_system::mocking::MockBlockU32<Test>;
	type Lookup = IdentityLookup<AccountId>;
}

#[derive_impl(pallet_balances::config_preludes::TestDefaultConfig)]
impl pallet_balances::Config for Test {
	type AccountStore = System;
	type Balance = Balance;
	type ExistentialDeposit = ConstU128<1>;
}

impl pallet_datasets::Config for Test {
	type Blobs = Archive;
	type Currency = Balances;
	type DepositBase = ConstU128<DEPOSIT_BASE>;
	type DepositPerShard = ConstU128<DEPOSIT_PER_SHARD>;
	type RuntimeHoldReason = RuntimeHoldReason;
	type WeightInfo = ();
}

/// An account; 1 to 4 have money.
pub fn account(number: u8) -> AccountId {
	AccountId::new([number; 32])
}

pub fn new_test_ext() -> sp_io::TestExternalities {
	Archived::set(BTreeMap::new());
	let balances = (1..=4).map(|number| (account(number), ENDOWMENT)).collect();
	let storage = RuntimeGenesisConfig {
		balances: pallet_balances::GenesisConfig {
			balances,
			..Default::default()
		},
		..Default::default()
	}
	.build_storage()
	.unwrap();
	let mut ext = sp_io::TestExternalities::new(storage);
	ext.execute_with(|| System::set_block_number(1));
	ext
}

/// A shard of chunks named by `name` and their places; all of them are archived.
pub fn shard(name: &str, sizes: &[u32]) -> Shard {
	let chunks: Vec<Hash> = (0..sizes.len())
		.map(|place| BlakeTwo256::hash_of(&(name, place as u32)))
		.collect();
	for (hash, size) in chunks.iter().zip(sizes) {
		archive(*hash, *size);
	}
	Shard {
		size: sizes.iter().sum(),
		documents: 7,
		chunks: chunks.try_into().unwrap(),
	}
}

/// A dataset of these shards, the last one held out.
pub fn manifest(mut shards: Vec<Shard>) -> DatasetManifest {
	let held_out = shards.pop().unwrap();
	DatasetManifest {
		title: Title::try_from("全唐詩 quatrains").unwrap(),
		licence: DatasetLicence::PublicDomain,
		source: Note::try_from("npm chinese-poetry 2.0.1").unwrap(),
		preprocessing: 1,
		shards: shards.try_into().unwrap(),
		held_out,
	}
}

/// Publishes, then checks state and issuance; a refusal must have changed nothing.
pub fn publish(who: AccountId, manifest: DatasetManifest) -> DispatchResult {
	let before = sp_io::storage::root(sp_runtime::StateVersion::V1);
	let result = Datasets::publish(
		RuntimeOrigin::signed(who),
		manifest.title,
		manifest.licence,
		manifest.source,
		manifest.preprocessing,
		manifest.shards,
		manifest.held_out,
	);
	if result.is_err() {
		assert_eq!(before, sp_io::storage::root(sp_runtime::StateVersion::V1));
	}
	Pallet::<Test>::do_try_state().unwrap();
	assert_eq!(Balances::total_issuance(), 4 * ENDOWMENT);
	result
}
