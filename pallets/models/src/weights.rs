//! Weights of pallet-models: the trait, and bounds for tests and for runtimes without measured ones.
//!
//! Must not know: which machine measured the runtime's own numbers (`cargo xtask weights`). The cost of registering a
//! settled round is measured with the call that settles it.

use frame_support::weights::{constants::RocksDbWeight, Weight};

/// Weights of calls.
pub trait WeightInfo {
	/// `create`.
	fn create() -> Weight;
}

/// Conservative bounds, not measurements.
impl WeightInfo for () {
	fn create() -> Weight {
		Weight::from_parts(200_000_000, 0).saturating_add(RocksDbWeight::get().reads_writes(5, 5))
	}
}
