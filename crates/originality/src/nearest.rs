//! From buckets to the nearest works: which candidates to read, and which of them are near.
//!
//! Must not know storage: the caller reads 12 buckets, then at most [`SHORTLIST`] signatures, and writes at most 12 buckets.
//! Source: docs/protocol/fingerprint.md, "Index". Invariant: the order of results depends on the inputs only.
//! A full bucket takes no more: what came first is what a later text is measured against, and nobody can push it out.

use alloc::vec::Vec;

use crate::minhash::Signature;

/// Works that a bucket holds.
pub const BUCKET_CAPACITY: usize = 8;
/// Candidates whose signature is read.
pub const SHORTLIST: usize = 8;
/// Resemblance, per million, from which a work is near: 16 of 64 rows.
pub const NEAR: u32 = 250_000;

/// A work that a text is near to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Near<Id> {
	/// Which.
	pub id: Id,
	/// How near, per million.
	pub resemblance: u32,
}

/// At most `limit` candidates out of the buckets of a text, those in the most buckets first, then in the order of buckets.
///
/// At most `12 * 8` entries are looked at once for each distinct one.
pub fn shortlist<Id: Copy + Eq>(
	buckets: impl IntoIterator<Item = impl IntoIterator<Item = Id>>,
	limit: usize,
) -> Vec<Id> {
	let mut counted: Vec<(Id, u32)> = Vec::new();
	for id in buckets.into_iter().flatten() {
		match counted.iter_mut().find(|(known, _)| *known == id) {
			Some((_, count)) => *count = count.saturating_add(1),
			None => counted.push((id, 1)),
		}
	}
	counted.sort_by_key(|(_, count)| core::cmp::Reverse(*count));
	counted.into_iter().take(limit).map(|(id, _)| id).collect()
}

/// The candidates that are near, nearest first, equals in the order given.
pub fn nearest<Id>(
	signature: &Signature,
	candidates: impl IntoIterator<Item = (Id, Signature)>,
) -> Vec<Near<Id>> {
	let measured = candidates.into_iter().map(|(id, other)| Near {
		id,
		resemblance: signature.resemblance(&other),
	});
	let mut near: Vec<_> = measured.filter(|near| near.resemblance >= NEAR).collect();
	near.sort_by_key(|near| core::cmp::Reverse(near.resemblance));
	near
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn who_is_in_most_buckets_is_read_first() {
		assert_eq!(shortlist([vec![1, 2], vec![3], vec![2, 4]], 3), [2, 1, 3]);
		assert_eq!(shortlist([vec![0u8; 0]], 3), [0u8; 0]);
	}
}
