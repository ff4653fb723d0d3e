//! Costs of the calls: what a runtime measures, and cautious figures for one that has not.
//!
//! Must not know: the machine. The figures of `()` are several times what an ordinary server needs; they count reads and
//! writes as ParityDB does, a signature check, and hashing and cleaning each byte of a file.

use frame_support::weights::{constants::ParityDbWeight, Weight};

/// Costs of the calls.
pub trait WeightInfo {
	/// A registration of a file of `b` bytes with a receipt.
	fn register(b: u32) -> Weight;
	/// An offer.
	fn list_for_sale() -> Weight;
	/// An offer taken back.
	fn unlist() -> Weight;
	/// A sale of a work made with a version of `c` contributors.
	fn buy(c: u32) -> Weight;
}

impl WeightInfo for () {
	fn register(b: u32) -> Weight {
		// Reads: genesis, text, file, version, its model, trainer key, holds, account.
		// Writes: work, text, file, entry, holds, account.
		Weight::from_parts(250_000_000, 16_384)
			.saturating_add(Weight::from_parts(200_000, 0).saturating_mul(b.into()))
			.saturating_add(ParityDbWeight::get().reads_writes(8, 6))
	}

	fn list_for_sale() -> Weight {
		Weight::from_parts(50_000_000, 4_096)
			.saturating_add(ParityDbWeight::get().reads_writes(2, 3))
	}

	fn unlist() -> Weight {
		Weight::from_parts(50_000_000, 4_096)
			.saturating_add(ParityDbWeight::get().reads_writes(2, 3))
	}

	fn buy(c: u32) -> Weight {
		// Reads: work, offer, version, two accounts. Writes: work, offer, entry, two accounts.
		Weight::from_parts(200_000_000, 32_768)
			.saturating_add(ParityDbWeight::get().reads_writes(5, 5))
			.saturating_add(
				Weight::from_parts(80_000_000, 2_604)
					.saturating_add(ParityDbWeight::get().reads_writes(1, 1))
					.saturating_mul(c.into()),
			)
	}
}
