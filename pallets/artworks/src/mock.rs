//! A runtime of this pallet, balances and utility, with registries that a test fills.
//!
//! Must not know: the real registries. The chain's genesis hash is what `frame_system` gives every test.

use crate as pallet_artworks;
use frame_support::{derive_impl, parameter_types, traits::ConstU32};
use llmchain_primitives::{
	key::{TrainerPair, TrainerPublic},
	model::{CheckpointRoots, Contribution, Contributors, Origin},
	receipt::{Generation, Receipt, SamplingParameters},
	traits::{ModelFacts, ModelRegistry, SettledRound, TrainerKeys, VersionFacts},
	AccountId, Balance, Hash, ModelId, VersionId,
};
use sp_core::Pair;
use sp_runtime::{
	traits::{BlakeTwo256, Hash as _, IdentityLookup},
	BuildStorage, DispatchError, Perbill,
};
use std::collections::BTreeMap;

pub type Block = frame_system::mocking::MockBlockU32<Test>;

frame_support::construct_runtime!(
	pub enum Test {
		System: frame_system,
		Balances: pallet_balances,
		Utility: pallet_utility,
		Artworks: pallet_artworks,
	}
);

#[derive_impl(frame_system::config_preludes::TestDefaultConfig)]
impl frame_system::Config for Test {
	type Block = Block;
	type AccountId = AccountId;
	type Lookup = IdentityLookup<AccountId>;
	type AccountData = pallet_balances::AccountData<Balance>;
}

/// Least balance of a living account.
pub const EXISTENTIAL_DEPOSIT: Balance = 100;
/// Deposit of a work.
pub const WORK_DEPOSIT: Balance = 500;
/// Least price.
pub const MINIMUM_PRICE: Balance = 200;
/// What each named account has at first.
pub const WEALTH: Balance = 100_000;

parameter_types! {
	pub const ExistentialDeposit: Balance = EXISTENTIAL_DEPOSIT;
	pub const WorkDeposit: Balance = WORK_DEPOSIT;
	pub const MinimumPrice: Balance = MINIMUM_PRICE;
	pub const FlowBack: Perbill = Perbill::from_percent(10);
	pub static VersionTable: BTreeMap<VersionId, (VersionFacts, Contributors<AccountId>)> = BTreeMap::new();
	pub static TrainerTable: BTreeMap<AccountId, TrainerPublic> = BTreeMap::new();
}

#[derive_impl(pallet_balances::config_preludes::TestDefaultConfig)]
impl pallet_balances::Config for Test {
	type Balance = Balance;
	type ExistentialDeposit = ExistentialDeposit;
	type AccountStore = System;
}

impl pallet_utility::Config for Test {
	type RuntimeEvent = RuntimeEvent;
	type RuntimeCall = RuntimeCall;
	type PalletsOrigin = OriginCaller;
	type WeightInfo = ();
}

impl pallet_artworks::Config for Test {
	type Currency = Balances;
	type RuntimeHoldReason = RuntimeHoldReason;
	type Models = Registries;
	type Trainers = Registries;
	type WorkDeposit = WorkDeposit;
	type MinimumPrice = MinimumPrice;
	type FlowBack = FlowBack;
	type MaxFileSize = ConstU32<{ 16 * 1024 }>;
	type WeightInfo = ();
}

/// Versions and trainer keys as the test has filled them in.
pub struct Registries;

impl ModelRegistry for Registries {
	fn model(_: &ModelId) -> Option<ModelFacts> {
		None
	}

	fn version(version: &VersionId) -> Option<VersionFacts> {
		VersionTable::get().get(version).map(|(facts, _)| *facts)
	}

	fn contributors(version: &VersionId) -> Option<Contributors<AccountId>> {
		VersionTable::get()
			.get(version)
			.map(|(_, contributors)| contributors.clone())
	}

	fn register_settled_round(_: SettledRound) -> Result<VersionId, DispatchError> {
		Err(DispatchError::Unavailable)
	}

	#[cfg(feature = "runtime-benchmarks")]
	fn create_for_benchmark(contributors: u32) -> (ModelId, VersionId) {
		let accounts: Vec<(AccountId, u64)> = (0..contributors)
			.map(|n| (frame_benchmarking::account("trainer", n, 0), 1))
			.collect();
		(Hash::repeat_byte(0x11), version_of(&accounts))
	}
}

impl TrainerKeys for Registries {
	fn trainer_key(trainer: &AccountId) -> Option<TrainerPublic> {
		TrainerTable::get().get(trainer).cloned()
	}

	#[cfg(feature = "runtime-benchmarks")]
	fn set_trainer_key(trainer: AccountId, key: TrainerPublic) {
		TrainerTable::mutate(|table| {
			table.insert(trainer, key);
		});
	}
}

/// An account by its number.
pub fn account(number: u8) -> AccountId {
	AccountId::new([number; 32])
}

/// The artist of most tests.
pub fn artist() -> AccountId {
	account(1)
}

/// The buyer of most tests.
pub fn buyer() -> AccountId {
	account(2)
}

/// Operator of the trainer that serves generations; has a registered key.
pub fn server() -> AccountId {
	account(3)
}

/// Key of the trainer that serves generations.
pub fn server_key() -> TrainerPair {
	TrainerPair::from_seed(&[3; 32])
}

/// Registers a version with these contributors and their examples.
pub fn version_of(contributors: &[(AccountId, u64)]) -> VersionId {
	let id = BlakeTwo256::hash_of(&contributors);
	let facts = VersionFacts {
		model: Hash::repeat_byte(0x11),
		roots: CheckpointRoots {
			parameters: Hash::repeat_byte(0x21),
			momentum: Hash::repeat_byte(0x22),
		},
		origin: Origin::Seed(Hash::repeat_byte(0x31)),
		tokenizer: Hash::repeat_byte(0x41),
		numeric_spec: 1,
	};
	let contributors: Vec<_> = contributors
		.iter()
		.map(|(account, examples)| Contribution {
			account: account.clone(),
			examples: *examples,
		})
		.collect();
	VersionTable::mutate(|table| {
		table.insert(id, (facts, contributors.try_into().unwrap()));
	});
	id
}

/// What the serving node says when it answers `asker` with `output`.
pub fn generation(asker: &AccountId, version: VersionId, output: &str) -> Generation {
	Generation {
		genesis: System::block_hash(0),
		asker: asker.clone(),
		server: server(),
		version,
		tokenizer: Hash::repeat_byte(0x41),
		numeric_spec: 1,
		prompt: "床前".try_into().unwrap(),
		sampling: SamplingParameters {
			temperature_milli: 800,
			top_k: 40,
			top_p_milli: 950,
			max_tokens: 32,
		},
		seed: Hash::repeat_byte(0x51),
		output: BlakeTwo256::hash(output.as_bytes()),
	}
}

/// The receipt that the serving node gives for what it says.
pub fn signed(generation: Generation) -> Receipt {
	let signature = server_key().sign(&generation.signing_bytes());
	Receipt {
		generation,
		signature,
	}
}

/// Block 1 of a chain where accounts 1 to 5 have money, account 3 serves, and the registries hold nothing else.
pub fn externalities() -> sp_io::TestExternalities {
	VersionTable::set(BTreeMap::new());
	TrainerTable::set(BTreeMap::from([(server(), server_key().public())]));
	let storage = RuntimeGenesisConfig {
		balances: pallet_balances::GenesisConfig {
			balances: (1..=5).map(|number| (account(number), WEALTH)).collect(),
			..Default::default()
		},
		..Default::default()
	}
	.build_storage()
	.unwrap();
	let mut externalities = sp_io::TestExternalities::new(storage);
	externalities.execute_with(|| System::set_block_number(1));
	externalities
}

/// Runs a test, then checks every invariant and that total issuance is what it was.
pub fn run(test: impl FnOnce()) {
	externalities().execute_with(|| {
		let issuance = Balances::total_issuance();
		test();
		assert_eq!(Artworks::do_try_state(), Ok(()));
		assert_eq!(Balances::total_issuance(), issuance);
	});
}
