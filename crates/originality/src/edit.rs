//! Edit distance in characters: insertions, deletions and substitutions from one text to another.
//!
//! Must not know which of the texts is a work and which a draft, and folds nothing: the caller gives canonical forms.
//! Source: Myers 1999, in the block form of Hyyrö 2003; docs/protocol/fingerprint.md, "Edit distance".
//! Cost: characters of the first / 64, rounded up, times characters of the second, at most 64 * 4096 steps of some twenty
//! 64-bit operations. So the distance is exact without a band; a limit decides what is reported, not what is computed.
//! Invariants: a metric, as long as no limit is passed.

use alloc::{vec, vec::Vec};

use crate::{error::Error, per_million};

/// Most bytes of a text.
pub const MAX_EDIT_BYTES: usize = 4096;

/// A distance, or that it is beyond the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Distance {
	/// This many edits.
	Exactly(u32),
	/// More edits than this.
	MoreThan(u32),
}

/// How far two texts are from each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edits {
	/// Edits from one to the other.
	pub distance: Distance,
	/// Characters of the longer text, the most edits there can be.
	pub longer: u32,
}

impl Edits {
	/// The distance per million of the longer text's characters; of [`Distance::MoreThan`] the limit's, a lower bound.
	pub fn per_million(&self) -> u32 {
		let (Distance::Exactly(edits) | Distance::MoreThan(edits)) = self.distance;
		per_million(u64::from(edits), u64::from(self.longer))
	}
}

/// Edits between two texts, exact up to `limit`.
///
/// # Errors
/// - [`Error::TooLong`]: one has more than [`MAX_EDIT_BYTES`] bytes.
pub fn edits(first: &str, second: &str, limit: u32) -> Result<Edits, Error> {
	for text in [first, second] {
		if text.len() > MAX_EDIT_BYTES {
			return Err(Error::TooLong {
				bytes: text.len() as u64,
				max: MAX_EDIT_BYTES as u64,
			});
		}
	}
	let (a, b): (Vec<char>, Vec<char>) = (first.chars().collect(), second.chars().collect());
	let longer = a.len().max(b.len()) as u32;
	let least = a.len().abs_diff(b.len()) as u32;
	let distance = if least > limit {
		Distance::MoreThan(limit)
	} else {
		match myers(&a, &b) {
			found if found <= limit => Distance::Exactly(found),
			_ => Distance::MoreThan(limit),
		}
	};
	Ok(Edits { distance, longer })
}

/// Block by block of 64 rows (characters of `a`), each over all columns (characters of `b`).
///
/// `steps` holds what the row below the last block adds from column to column: -1, 0 or 1; above the first it is always 1.
fn myers(a: &[char], b: &[char]) -> u32 {
	if a.is_empty() {
		return b.len() as u32;
	}
	let mut alphabet = a.to_vec();
	alphabet.sort_unstable();
	alphabet.dedup();
	// Characters that the first text lacks get the place after the last, whose rows are always zero.
	let place = |c: &char| alphabet.binary_search(c).unwrap_or(alphabet.len());
	let columns: Vec<usize> = b.iter().map(place).collect();
	let mut steps = vec![1i8; b.len()];
	for block in a.chunks(64) {
		let mut rows = vec![0u64; alphabet.len().saturating_add(1)];
		for (bit, character) in block.iter().enumerate() {
			if let Some(row) = rows.get_mut(place(character)) {
				*row |= 1u64 << bit;
			}
		}
		let last = 1u64 << block.len().saturating_sub(1);
		let (mut up, mut down) = (u64::MAX, 0u64);
		for (column, step) in columns.iter().zip(&mut steps) {
			let mut equal = rows.get(*column).copied().unwrap_or(0);
			let vertical = equal | down;
			if *step < 0 {
				equal |= 1;
			}
			let diagonal = ((equal & up).wrapping_add(up) ^ up) | equal;
			let mut plus = down | !(diagonal | up);
			let mut minus = up & diagonal;
			let out = i8::from(plus & last != 0).wrapping_sub(i8::from(minus & last != 0));
			plus = (plus << 1) | u64::from(*step > 0);
			minus = (minus << 1) | u64::from(*step < 0);
			up = minus | !(vertical | plus);
			down = plus & vertical;
			*step = out;
		}
	}
	// The bottom row: the length of `a` at column 0, then the steps.
	let start = i64::try_from(a.len()).unwrap_or(i64::MAX);
	let end = steps
		.iter()
		.fold(start, |sum, step| sum.saturating_add(i64::from(*step)));
	u32::try_from(end).unwrap_or(0)
}
