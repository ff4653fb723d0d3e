//! Tests of the pace of a chain.

use super::*;
use crate as pallet_timing;
use frame_support::{assert_ok, derive_impl};
use sp_runtime::BuildStorage;

frame_support::construct_runtime!(
	pub enum Test {
		System: frame_system,
		Timing: pallet_timing,
	}
);

#[derive_impl(frame_system::config_preludes::TestDefaultConfig)]
impl frame_system::Config for Test {
	type Block = frame_system::mocking::MockBlock<Test>;
}

impl Config for Test {}

fn externalities(
	slot_millis: u64,
	epoch_slots: u64,
	era_sessions: u32,
) -> sp_io::TestExternalities {
	RuntimeGenesisConfig {
		timing: GenesisConfig {
			slot_millis,
			epoch_slots,
			era_sessions,
			..Default::default()
		},
		..Default::default()
	}
	.build_storage()
	.unwrap()
	.into()
}

#[test]
fn genesis_decides_the_pace() {
	externalities(2_000, 30, 1).execute_with(|| {
		assert_eq!(
			(Slot::<Test>::get(), HalfSlot::<Test>::get()),
			(2_000, 1_000)
		);
		assert_eq!((Epoch::<Test>::get(), Era::<Test>::get()), (30, 1));
		assert_eq!(
			MaximumBlockWeight::<Test>::get().ref_time(),
			666_000_000_000
		);
	});
}

#[test]
fn production_is_the_default() {
	sp_io::TestExternalities::default().execute_with(|| {
		assert_eq!(
			(
				Slot::<Test>::get(),
				Epoch::<Test>::get(),
				Era::<Test>::get()
			),
			(6_000, 600, 6)
		);
		assert_ok!(Timing::do_try_state());
	});
}

#[test]
#[should_panic(expected = "an epoch has fewer than 10 slots")]
fn an_impossible_genesis_does_not_come_to_life() {
	externalities(2_000, 9, 1);
}

#[test]
fn try_state_notices_corruption() {
	externalities(2_000, 30, 1).execute_with(|| {
		SlotMillis::<Test>::put(1);
		assert_eq!(Timing::do_try_state(), Err("a slot is shorter than 100 ms"));
		SlotMillis::<Test>::put(2_000);
		EraSessions::<Test>::put(0);
		assert_eq!(Timing::do_try_state(), Err("an era has no session"));
	});
}
