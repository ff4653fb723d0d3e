//! Weights of pallet-blobs: the trait, and bounds for tests and for runtimes without measured ones.
//!
//! Must not know: which machine measured the runtime's own numbers (`cargo xtask weights`).

use frame_support::weights::{constants::RocksDbWeight, Weight};

/// Weights of calls, hooks and the transaction extension; `n` is the blob's size in bytes.
pub trait WeightInfo {
	/// `archive` of `n` bytes.
	fn archive(n: u32) -> Weight;
	/// `expire`.
	fn expire() -> Weight;
	/// [`crate::CheckArchive`] around an `archive` of `n` bytes.
	fn check_archive(n: u32) -> Weight;
	/// The end of a block.
	fn on_finalize() -> Weight;
}

/// Picoseconds for hashing and copying one byte, several times what a slow machine needs.
const PER_BYTE: u64 = 10_000;

/// Conservative bounds, not measurements.
impl WeightInfo for () {
	fn archive(n: u32) -> Weight {
		Weight::from_parts(100_000_000, 0)
			.saturating_add(Weight::from_parts(PER_BYTE.saturating_mul(n.into()), 0))
			.saturating_add(RocksDbWeight::get().reads_writes(5, 4))
	}

	fn expire() -> Weight {
		Weight::from_parts(100_000_000, 0).saturating_add(RocksDbWeight::get().reads_writes(3, 3))
	}

	fn check_archive(n: u32) -> Weight {
		Weight::from_parts(50_000_000, 0)
			.saturating_add(Weight::from_parts(PER_BYTE.saturating_mul(n.into()), 0))
			.saturating_add(RocksDbWeight::get().reads_writes(2, 2))
	}

	fn on_finalize() -> Weight {
		Weight::from_parts(5_000_000, 0).saturating_add(RocksDbWeight::get().writes(1))
	}
}
