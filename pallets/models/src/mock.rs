//! A runtime with models, money and an archive that the test fills.

use crate::{self as pallet_models, Pallet};
use frame_support::{derive_impl, parameter_types, traits::ConstU128};
use llmchain_primitives::{
	model::{Architecture, CheckpointRoots, Contribution, ModelName},
	traits::{BlobArchive, ModelRegistry, SettledRound},
	AccountId, Balance, Hash, ModelId, VersionId,
};
use sp_runtime::{
	traits::IdentityLookup, BuildStorage, DispatchError, DispatchResult, StateVersion,
};
use std::collections::BTreeMap;

pub const ENDOWMENT: Balance = 1_000_000;
pub const DEPOSIT: Balance = 1_000;
pub const TOKENIZER: Hash = Hash::repeat_byte(7);
pub const SEED: Hash = Hash::repeat_byte(8);
pub const ARCHITECTURE: Architecture = Architecture {
	vocab_size: 8,
	context_length: 4,
	n_layers: 1,
	n_heads: 2,
	d_model: 4,
	d_ff: 16,
};

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
	pub type Models = pallet_models::Pallet<Test>;
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

impl pallet_models::Config for Test {
	type Blobs = Archive;
	type Currency = Balances;
	type Deposit = ConstU128<DEPOSIT>;
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

/// Roots that nothing else has.
pub fn roots(number: u64) -> CheckpointRoots {
	CheckpointRoots {
		parameters: Hash::from_low_u64_be(number),
		momentum: Hash::from_low_u64_le(number),
	}
}

/// A round that settled on `base`.
pub fn round(model: ModelId, base: VersionId, number: u32) -> SettledRound {
	SettledRound {
		model,
		base,
		task: Hash::repeat_byte(5),
		round: number,
		roots: roots(u64::from(number)),
		dataset: Hash::repeat_byte(6),
		accepted: vec![Contribution {
			account: account(1),
			examples: 10,
		}],
		evaluation: 3_000_000,
	}
}

/// Runs a step, then checks state and issuance; a refusal must have changed nothing.
pub fn step<R>(step: impl FnOnce() -> Result<R, DispatchError>) -> Result<R, DispatchError> {
	let before = sp_io::storage::root(StateVersion::V1);
	let result = step();
	if result.is_err() {
		assert_eq!(before, sp_io::storage::root(StateVersion::V1));
	}
	Pallet::<Test>::do_try_state().unwrap();
	assert_eq!(Balances::total_issuance(), 4 * ENDOWMENT);
	result
}

/// Creates a model with the sample's numbers.
pub fn create(who: AccountId, name: &str, seed: Hash) -> DispatchResult {
	step(|| {
		Models::create(
			RuntimeOrigin::signed(who),
			ModelName::try_from(name).unwrap(),
			ARCHITECTURE,
			TOKENIZER,
			seed,
			roots(0),
		)
	})
}

/// Creates the sample model of account 1 and returns it with its version 0.
pub fn created() -> (ModelId, VersionId) {
	archive(TOKENIZER, 1);
	create(account(1), "Quatrain", SEED).unwrap();
	let name = ModelName::try_from("Quatrain").unwrap();
	let model =
		llmchain_primitives::model::model_id(&account(1), &name, &ARCHITECTURE, &TOKENIZER, &SEED);
	(
		model,
		<Models as ModelRegistry>::model(&model).unwrap().latest,
	)
}

/// Registers a settled round.
pub fn register(round: SettledRound) -> Result<VersionId, DispatchError> {
	step(|| <Models as ModelRegistry>::register_settled_round(round))
}
