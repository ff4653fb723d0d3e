//! Weights of pallet-datasets: the trait, and bounds for tests and for runtimes without measured ones.
//!
//! Must not know: which machine measured the runtime's own numbers (`cargo xtask weights`).

use frame_support::weights::{constants::RocksDbWeight, Weight};

/// Weights of calls; `c` is the number of chunks of all shards.
pub trait WeightInfo {
	/// `publish` of `c` chunks.
	fn publish(c: u32) -> Weight;
}

/// Conservative bounds, not measurements.
impl WeightInfo for () {
	fn publish(c: u32) -> Weight {
		Weight::from_parts(150_000_000, 0)
			.saturating_add(Weight::from_parts(10_000_000, 0).saturating_mul(c.into()))
			.saturating_add(RocksDbWeight::get().reads(c.into()))
			.saturating_add(RocksDbWeight::get().reads_writes(4, 4))
	}
}
