//! Weights of the calls and of the steps at a block's end.
//!
//! Estimates from counted reads, writes, hashed bytes and one sr25519 check each, until `cargo xtask weights` replaces this file by measured
//! ones. Must not know: what the calls do beyond that.

#![allow(missing_docs)]

use core::marker::PhantomData;
use frame_support::{
	traits::Get,
	weights::{constants::ParityDbWeight, RuntimeDbWeight, Weight},
};

/// What this pallet's work costs. `m` is a number of members of a round.
pub trait WeightInfo {
	fn register_trainer() -> Weight;
	fn leave() -> Weight;
	fn create_task() -> Weight;
	fn cancel_task() -> Weight;
	fn submit_update() -> Weight;
	fn submit_holdings() -> Weight;
	fn claim_aggregate() -> Weight;
	fn attest() -> Weight;
	fn authorize_post() -> Weight;
	fn scan_trainers(m: u32) -> Weight;
	fn start_round(m: u32) -> Weight;
	fn open_hold(m: u32) -> Weight;
	fn open_aggregate(m: u32) -> Weight;
	fn settle_round(m: u32) -> Weight;
}

/// Microseconds as weight, with that many reads and writes.
fn cost(db: RuntimeDbWeight, micros: u64, reads: u64, writes: u64) -> Weight {
	Weight::from_parts(micros.saturating_mul(1_000_000), 0)
		.saturating_add(db.reads(reads))
		.saturating_add(db.writes(writes))
}

/// A fixed part and one for each of `m` members.
fn linear(fixed: Weight, each: Weight, m: u32) -> Weight {
	fixed.saturating_add(each.saturating_mul(m.into()))
}

/// Weights for a runtime with its own database costs.
pub struct SubstrateWeight<T>(PhantomData<T>);

macro_rules! estimates {
	($db:expr) => {
		fn register_trainer() -> Weight {
			cost($db, 120, 6, 5)
		}
		fn leave() -> Weight {
			cost($db, 60, 5, 5)
		}
		fn create_task() -> Weight {
			cost($db, 400, 25, 5)
		}
		fn cancel_task() -> Weight {
			cost($db, 60, 4, 4)
		}
		fn submit_update() -> Weight {
			cost($db, 60, 1, 1)
		}
		fn submit_holdings() -> Weight {
			cost($db, 60, 1, 1)
		}
		fn claim_aggregate() -> Weight {
			cost($db, 60, 1, 1)
		}
		fn attest() -> Weight {
			cost($db, 60, 1, 1)
		}
		fn authorize_post() -> Weight {
			cost($db, 120, 3, 0)
		}
		fn scan_trainers(m: u32) -> Weight {
			linear(cost($db, 5, 1, 0), cost($db, 2, 1, 0), m)
		}
		fn start_round(m: u32) -> Weight {
			linear(cost($db, 400, 5, 3), cost($db, 150, 1, 1), m)
		}
		fn open_hold(m: u32) -> Weight {
			linear(cost($db, 400, 5, 1), cost($db, 5, 0, 0), m)
		}
		fn open_aggregate(m: u32) -> Weight {
			linear(cost($db, 400, 5, 1), cost($db, 10, 0, 0), m)
		}
		fn settle_round(m: u32) -> Weight {
			linear(cost($db, 300, 10, 8), cost($db, 150, 4, 4), m)
		}
	};
}

impl<T: frame_system::Config> WeightInfo for SubstrateWeight<T> {
	estimates!(T::DbWeight::get());
}

impl WeightInfo for () {
	estimates!(ParityDbWeight::get());
}
