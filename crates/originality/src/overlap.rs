//! How much of a text is in another: shared shingles, counted exactly.
//!
//! Must not know which of the texts is a work and which a draft. Source: docs/protocol/fingerprint.md, "Overlap".
//! Cost: sorting as many numbers as both texts have letters, at most 2 * (65,536 + 32).
//! Invariants: `resemblance` is symmetric; a text is wholly in itself.

use alloc::vec::Vec;

use crate::{error::Error, fold::Collapsed, fold::Letters, per_million, shingle::shingles};

/// Most bytes of a text.
pub const MAX_OVERLAP_BYTES: usize = 65_536;

/// What two texts share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overlap {
	/// Places of the first text whose shingle is in the second, per million places.
	pub of_first: u32,
	/// Places of the second text whose shingle is in the first, per million places.
	pub of_second: u32,
	/// Distinct shingles in both, per million of those in either (Jaccard).
	pub resemblance: u32,
}

/// What two texts share.
///
/// # Errors
/// - [`Error::TooLong`]: one has more than [`MAX_OVERLAP_BYTES`] bytes.
/// - [`Error::Expands`], [`Error::NothingToCompare`]: as for each text alone.
pub fn overlap(first: &str, second: &str) -> Result<Overlap, Error> {
	let (a, b) = (sorted(first)?, sorted(second)?);
	let (distinct_a, distinct_b) = (distinct(&a), distinct(&b));
	let shared = places(&distinct_a, &distinct_b);
	let sum = (distinct_a.len() as u64).saturating_add(distinct_b.len() as u64);
	Ok(Overlap {
		of_first: per_million(places(&a, &distinct_b), a.len() as u64),
		of_second: per_million(places(&b, &distinct_a), b.len() as u64),
		resemblance: per_million(shared, sum.saturating_sub(shared)),
	})
}

fn sorted(text: &str) -> Result<Vec<u64>, Error> {
	if text.len() > MAX_OVERLAP_BYTES {
		return Err(Error::TooLong {
			bytes: text.len() as u64,
			max: MAX_OVERLAP_BYTES as u64,
		});
	}
	let mut all: Vec<u64> = shingles(&Letters::of(&Collapsed::of(text)?)).collect();
	if all.is_empty() {
		return Err(Error::NothingToCompare);
	}
	all.sort_unstable();
	Ok(all)
}

fn distinct(sorted: &[u64]) -> Vec<u64> {
	let mut distinct = sorted.to_vec();
	distinct.dedup();
	distinct
}

/// How many of `sorted` are in `set`, both ascending.
fn places(sorted: &[u64], set: &[u64]) -> u64 {
	let mut set = set.iter().peekable();
	let in_set = |value: &&u64| {
		while set.next_if(|other| other < value).is_some() {}
		set.peek() == Some(value)
	};
	sorted.iter().filter(in_set).count() as u64
}
