//! Slot, epoch and era lengths: written once at genesis, read by consensus.
//!
//! One runtime blob serves chains of different pace, so these numbers are storage, not constants (docs/adr/0007-timing-storage.md).
//! Must not know: who reads them. Invariants: no call and no hook changes them; none is zero; an epoch has at least 10 slots.

#![cfg_attr(not(feature = "std"), no_std)]
#![cfg_attr(
	not(test),
	deny(
		clippy::unwrap_used,
		clippy::expect_used,
		clippy::indexing_slicing,
		clippy::arithmetic_side_effects
	)
)]

pub use pallet::*;

use core::marker::PhantomData;
use frame_support::{
	traits::{ConstU64, Get},
	weights::{constants::WEIGHT_REF_TIME_PER_MILLIS, Weight},
};

/// Fewest slots of an epoch: below it, finality and session changes overlap.
pub const MIN_EPOCH_SLOTS: u64 = 10;

// The attribute's own code says `expect`; ours does so in building genesis only.
#[allow(clippy::expect_used)]
#[frame_support::pallet]
pub mod pallet {
	use super::*;
	use frame_support::pallet_prelude::*;
	use frame_system::pallet_prelude::*;

	/// Names the runtime; there is nothing to configure.
	#[pallet::config]
	pub trait Config: frame_system::Config {}

	/// Holds three numbers.
	#[pallet::pallet]
	pub struct Pallet<T>(_);

	/// Milliseconds of a slot.
	#[pallet::storage]
	pub type SlotMillis<T: Config> = StorageValue<_, u64, ValueQuery, ConstU64<6_000>>;

	/// Slots of an epoch, which is also a session.
	#[pallet::storage]
	pub type EpochSlots<T: Config> = StorageValue<_, u64, ValueQuery, ConstU64<600>>;

	/// Sessions of a staking era.
	#[pallet::storage]
	pub type EraSessions<T: Config> = StorageValue<_, u32, ValueQuery, ConstU32<6>>;

	/// The pace of a chain; the default is production's.
	#[pallet::genesis_config]
	#[derive(frame_support::DebugNoBound)]
	pub struct GenesisConfig<T: Config> {
		/// Milliseconds of a slot.
		pub slot_millis: u64,
		/// Slots of an epoch.
		pub epoch_slots: u64,
		/// Sessions of a staking era.
		pub era_sessions: u32,
		/// Names the runtime.
		#[serde(skip)]
		pub runtime: PhantomData<T>,
	}

	impl<T: Config> Default for GenesisConfig<T> {
		fn default() -> Self {
			Self {
				slot_millis: 6_000,
				epoch_slots: 600,
				era_sessions: 6,
				runtime: PhantomData,
			}
		}
	}

	#[pallet::genesis_build]
	impl<T: Config> BuildGenesisConfig for GenesisConfig<T> {
		fn build(&self) {
			SlotMillis::<T>::put(self.slot_millis);
			EpochSlots::<T>::put(self.epoch_slots);
			EraSessions::<T>::put(self.era_sessions);
			// A genesis with an impossible pace must not come to life.
			Pallet::<T>::do_try_state().expect("genesis has a possible pace");
		}
	}

	#[pallet::hooks]
	impl<T: Config> Hooks<BlockNumberFor<T>> for Pallet<T> {
		#[cfg(feature = "try-runtime")]
		fn try_state(_: BlockNumberFor<T>) -> Result<(), sp_runtime::TryRuntimeError> {
			Self::do_try_state().map_err(Into::into)
		}
	}

	impl<T: Config> Pallet<T> {
		/// Checks the invariants.
		pub fn do_try_state() -> Result<(), &'static str> {
			ensure!(
				SlotMillis::<T>::get() >= 100,
				"a slot is shorter than 100 ms"
			);
			ensure!(
				EpochSlots::<T>::get() >= MIN_EPOCH_SLOTS,
				"an epoch has fewer than 10 slots"
			);
			ensure!(EraSessions::<T>::get() >= 1, "an era has no session");
			Ok(())
		}
	}
}

/// Milliseconds of a slot.
pub struct Slot<T>(PhantomData<T>);
impl<T: Config> Get<u64> for Slot<T> {
	fn get() -> u64 {
		SlotMillis::<T>::get()
	}
}

/// Half a slot in milliseconds: the least time between two blocks.
pub struct HalfSlot<T>(PhantomData<T>);
impl<T: Config> Get<u64> for HalfSlot<T> {
	fn get() -> u64 {
		SlotMillis::<T>::get() >> 1
	}
}

/// Slots of an epoch.
pub struct Epoch<T>(PhantomData<T>);
impl<T: Config> Get<u64> for Epoch<T> {
	fn get() -> u64 {
		EpochSlots::<T>::get()
	}
}

/// Sessions of an era.
pub struct Era<T>(PhantomData<T>);
impl<T: Config> Get<u32> for Era<T> {
	fn get() -> u32 {
		EraSessions::<T>::get()
	}
}

/// Largest weight of a block: a third of its slot.
pub struct MaximumBlockWeight<T>(PhantomData<T>);
impl<T: Config> Get<Weight> for MaximumBlockWeight<T> {
	fn get() -> Weight {
		let millis = SlotMillis::<T>::get().checked_div(3).unwrap_or_default();
		Weight::from_parts(millis.saturating_mul(WEIGHT_REF_TIME_PER_MILLIS), u64::MAX)
	}
}

#[cfg(test)]
mod tests;
