//! A runtime with blobs, money and wrappers, and a way to apply a transaction as a block would.

use crate::{self as pallet_blobs, CheckArchive, Pallet};
use frame_support::{
	derive_impl,
	dispatch::GetDispatchInfo,
	parameter_types,
	traits::{ConstU128, ConstU32, Contains},
};
use llmchain_primitives::{AccountId, Balance};
use sp_runtime::{
	traits::{DispatchTransaction, IdentityLookup},
	transaction_validity::TransactionValidityError,
	BuildStorage, DispatchResult,
};

pub const ENDOWMENT: Balance = 1_000_000_000;
pub const DEPOSIT_BASE: Balance = 1_000;
pub const DEPOSIT_PER_BYTE: Balance = 3;
pub const RETENTION: u32 = 10;

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
	pub type Utility = pallet_utility::Pallet<Test>;
	#[runtime::pallet_index(3)]
	pub type Blobs = pallet_blobs::Pallet<Test>;
}

parameter_types! {
	/// Whether the runtime's filter lets calls of this pallet through.
	pub static Filtered: bool = false;
}

pub struct CallFilter;
impl Contains<RuntimeCall> for CallFilter {
	fn contains(call: &RuntimeCall) -> bool {
		!(Filtered::get() && matches!(call, RuntimeCall::Blobs(_)))
	}
}

#[derive_impl(frame_system::config_preludes::TestDefaultConfig)]
impl frame_system::Config for Test {
	type AccountData = pallet_balances::AccountData<Balance>;
	type AccountId = AccountId;
	type BaseCallFilter = CallFilter;
	type Block = frame_system::mocking::MockBlockU32<Test>;
	type Lookup = IdentityLookup<AccountId>;
}

#[derive_impl(pallet_balances::config_preludes::TestDefaultConfig)]
impl pallet_balances::Config for Test {
	type AccountStore = System;
	type Balance = Balance;
	type ExistentialDeposit = ConstU128<1>;
}

impl pallet_utility::Config for Test {
	type PalletsOrigin = OriginCaller;
	type RuntimeCall = RuntimeCall;
	type RuntimeEvent = RuntimeEvent;
	type WeightInfo = ();
}

impl pallet_blobs::Config for Test {
	type Currency = Balances;
	type DepositBase = ConstU128<DEPOSIT_BASE>;
	type DepositPerByte = ConstU128<DEPOSIT_PER_BYTE>;
	type Retention = ConstU32<RETENTION>;
	type RuntimeHoldReason = RuntimeHoldReason;
	type WeightInfo = ();
}

/// An account; 1 to 4 have money.
pub fn account(number: u8) -> AccountId {
	AccountId::new([number; 32])
}

pub fn new_test_ext() -> sp_io::TestExternalities {
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

/// Applies a transaction signed by `who` as the extrinsic `index` of a block, then checks the state.
pub fn apply(
	index: u32,
	who: AccountId,
	call: impl Into<RuntimeCall>,
) -> Result<DispatchResult, TransactionValidityError> {
	System::set_extrinsic_index(index);
	let call = call.into();
	let info = call.get_dispatch_info();
	let origin = RuntimeOrigin::signed(who);
	let result = CheckArchive::<Test>::new()
		.dispatch_transaction(origin, call, &info, 0, 0)
		.map(|result| result.map(|_| ()).map_err(|error| error.error));
	Pallet::<Test>::do_try_state().unwrap();
	assert_eq!(Balances::total_issuance(), 4 * ENDOWMENT);
	result
}
