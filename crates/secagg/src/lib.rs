//! Secure aggregation: the integer arithmetic of a federated round, and the roots that bind it.
//!
//! Used twice, unchanged: by the trainer, which aggregates whole vectors, and by the runtime's
//! referee, which re-runs single chunks. So it is `no_std`, total (no panic on any input) and knows
//! nothing of models, layers, chains, files, threads or time.
//!
//! Source: `docs/protocol/quantiser.md`, `aggregate.md` and `merkle.md`; Bonawitz et al. 2017 for
//! the ring, McMahan et al. 2017 and Douillard et al. 2023 for the aggregate and the outer step.
//!
//! Invariants:
//! - floats exist only on the input side of `quantise` and in `parameters`; after them all is integer;
//! - every rule is coordinate-wise, so a function applied chunk by chunk equals the function applied
//!   to the whole vector, and a wrong vector is wrong in some chunk that proves it;
//! - sums are exact, so the order of participants never matters.
//!
//! Reading order: `error`, `fixed` (rounding), `quantise`, `parameters`, `ring`, `aggregate`,
//! `server`, `vector` (shapes and bytes), `merkle`.

#![cfg_attr(not(feature = "std"), no_std)]
#![deny(
	clippy::unwrap_used,
	clippy::expect_used,
	clippy::panic,
	clippy::indexing_slicing,
	clippy::arithmetic_side_effects
)]
#![cfg_attr(
	test,
	allow(
		clippy::unwrap_used,
		clippy::expect_used,
		clippy::panic,
		clippy::indexing_slicing,
		clippy::arithmetic_side_effects
	)
)]

extern crate alloc;

mod aggregate;
mod error;
mod fixed;
mod merkle;
mod parameters;
mod quantise;
mod ring;
mod server;
mod vector;

pub use aggregate::{aggregate_chunk, group_sum_chunk, MAX_MEMBERS};
pub use error::Error;
pub use merkle::{
	leaf, leaves, leaves_of_bytes, proof, root, vector_root, verify_chunk, verify_leaf,
	verify_leaf_list, Hash, EMPTY_LEAF,
};
pub use parameters::{parameters_from_f32, parameters_to_f32};
pub use quantise::{Quantiser, Rounded, MAX_EXPONENT};
pub use ring::{bound, check_ring, limit, weigh, MAX_BITS, MAX_WEIGHT, MIN_BITS};
pub use server::{server_update_chunk, Outer, MAX_RATE};
pub use vector::{
	decode_chunk, decode_vector, encode, Account, Coordinate, Header, VectorKind, CHUNK,
	HEADER_BYTES, MAX_LEN, NO_OWNER,
};

/// Binary digits after the point of a parameter, a momentum and an aggregate (Q7.24).
pub const FRACTION_BITS: u32 = 24;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
