//! Blobs, datasets, models, training, works: how our own pallets meet through the glue traits.
//!
//! Must not know: logic. Money here is in units of the token; times are in blocks.

use crate::*;
use frame_support::{
	parameter_types,
	traits::{ConstU128, ConstU32},
};
use sp_runtime::Perbill;

/// Deposit for one entry of state.
const ENTRY_DEPOSIT: Balance = UNIT / 10;
/// Deposit for a byte that archives keep: a MiB holds one unit.
const BYTE_DEPOSIT: Balance = UNIT >> 20;

parameter_types! {
	/// 14 days of blocks at 6 s.
	pub const Retention: BlockNumber = 201_600;
	/// Share of a price that flows back to the contributors of a version.
	pub const FlowBack: Perbill = Perbill::from_percent(10);
}

impl pallet_blobs::Config for Runtime {
	type Currency = Balances;
	type RuntimeHoldReason = RuntimeHoldReason;
	type DepositBase = ConstU128<ENTRY_DEPOSIT>;
	type DepositPerByte = ConstU128<BYTE_DEPOSIT>;
	type Retention = Retention;
	type WeightInfo = crate::weights::pallet_blobs::WeightInfo<Runtime>;
}

impl pallet_datasets::Config for Runtime {
	type Currency = Balances;
	type RuntimeHoldReason = RuntimeHoldReason;
	type Blobs = Blobs;
	type DepositBase = ConstU128<ENTRY_DEPOSIT>;
	type DepositPerShard = ConstU128<ENTRY_DEPOSIT>;
	type WeightInfo = crate::weights::pallet_datasets::WeightInfo<Runtime>;
}

impl pallet_models::Config for Runtime {
	type Currency = Balances;
	type RuntimeHoldReason = RuntimeHoldReason;
	type Blobs = Blobs;
	type Deposit = ConstU128<UNIT>;
	type WeightInfo = crate::weights::pallet_models::WeightInfo<Runtime>;
}

impl pallet_training::Config for Runtime {
	type RuntimeHoldReason = RuntimeHoldReason;
	type Currency = Balances;
	type Models = Models;
	type Datasets = Datasets;
	type TrainerBond = ConstU128<{ 100 * UNIT }>;
	type TaskDeposit = ConstU128<UNIT>;
	type MaxOpenTasks = ConstU32<16>;
	type MaxFailedRounds = ConstU32<10>;
	type WeightInfo = crate::weights::pallet_training::WeightInfo<Runtime>;
}

impl pallet_artworks::Config for Runtime {
	type Currency = Balances;
	type RuntimeHoldReason = RuntimeHoldReason;
	type Models = Models;
	type Trainers = Training;
	type WorkDeposit = ConstU128<ENTRY_DEPOSIT>;
	type MinimumPrice = ConstU128<{ 10 * EXISTENTIAL_DEPOSIT }>;
	type FlowBack = FlowBack;
	type MaxFileSize = ConstU32<{ 16 << 10 }>;
	type WeightInfo = crate::weights::pallet_artworks::WeightInfo<Runtime>;
}
