//! Evidence about a text, in integers: what form it has, which texts it resembles, how far it is from its drafts.
//!
//! The runtime (WASM), the command line and any verifier compute it with this crate, so it is `no_std`, total (no panic on any
//! input), and knows nothing of chains, accounts, files, time or floats. It measures likeness and says nothing of rights.
//!
//! Source: `docs/protocol/text.md` and `fingerprint.md`; ADR 0011.
//!
//! Invariants:
//! - no table of the compiler decides a result: composition is that of `unicode-normalization`, categories and case are in
//!   `tables`, all of Unicode [`UNICODE_VERSION`];
//! - every cost is linear in the bytes of the text but for sorting (n-gram overlap) and edit distance, which bound the text.
//!
//! Reading order: `error`, `form` (canonical form, digest), `field` (titles), `fold` (letters that are compared), `shingle`,
//! `minhash` (signature, bands), `nearest`, `iscc`, `overlap`, `edit`; `tables` is generated.

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

mod edit;
mod error;
mod field;
mod fold;
mod form;
mod iscc;
mod minhash;
mod nearest;
mod overlap;
mod shingle;
mod tables;

pub use edit::{edits, Distance, Edits, MAX_EDIT_BYTES};
pub use error::{Error, FieldFault};
pub use field::{check_field, skeleton, MAX_MARKS};
pub use fold::{Collapsed, Letters, SLACK};
pub use form::{canonical, text_digest, Form};
pub use iscc::TextCode;
pub use minhash::{Signature, BANDS, BAND_ROWS, ENCODED_BYTES, ROWS};
pub use nearest::{nearest, shortlist, Near, BUCKET_CAPACITY, NEAR, SHORTLIST};
pub use overlap::{overlap, Overlap, MAX_OVERLAP_BYTES};

/// Version of Unicode of every rule in this crate.
pub const UNICODE_VERSION: (u8, u8, u8) = (18, 0, 0);

// A new version of the tables is a new form, never a silent change.
const _: () = {
	let (major, minor, patch) = unicode_normalization::UNICODE_VERSION;
	assert!(major == 18 && minor == 0 && patch == 0);
};

/// A whole that is one million parts.
pub const MILLION: u32 = 1_000_000;

/// `part` of `whole` in parts per million, rounded down; nothing of nothing is zero.
fn per_million(part: u64, whole: u64) -> u32 {
	let share = part
		.saturating_mul(u64::from(MILLION))
		.checked_div(whole)
		.unwrap_or(0);
	u32::try_from(share).unwrap_or(u32::MAX)
}
