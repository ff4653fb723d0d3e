//! From the members' weighted integers to the round's aggregate g, exactly.
//!
//! Knows no masks, no accounts and no chunks: every function works on slices of any equal length,
//! the whole vector or one chunk of it, with the same result coordinate by coordinate.
//! Source: `docs/protocol/aggregate.md`; McMahan et al. 2017, algorithm 1 (weighted mean).
//! Invariant: the result does not depend on the order of members or groups.

use alloc::{vec, vec::Vec};
use core::num::NonZeroU32;

use crate::{
	error::Error,
	fixed::{round_div, saturate},
	quantise::MAX_EXPONENT,
	ring::MAX_WEIGHT,
};

/// Most members of a group, and most groups of a round, that are ever added up.
///
/// With 16-bit values it keeps every sum, also scaled by 2^24, far inside an `i64`.
pub const MAX_MEMBERS: usize = 4096;

/// Largest sum of weights over a round.
const MAX_WEIGHT_SUM: u32 = MAX_MEMBERS as u32 * MAX_WEIGHT as u32;

/// Sum of the members' y = w*q, each coordinate saturated to +-`bound`.
///
/// `bound` is [`crate::bound`] of the members' weights. Honest members never reach it; it limits
/// what a member that lies can add. A group of one is its member's vector, saturated.
///
/// # Errors
/// - [`Error::Bound`] if the bound is not positive;
/// - [`Error::NoMembers`], [`Error::TooManyMembers`];
/// - [`Error::LengthMismatch`] if the slices differ in length.
pub fn group_sum_chunk(members: &[&[i16]], bound: i16) -> Result<Vec<i16>, Error> {
	if bound <= 0 {
		return Err(Error::Bound { bound });
	}
	let limit = i64::from(bound);
	let sums = exact_sum(members)?;
	Ok(sums
		.into_iter()
		.map(|sum| {
			let clamped = sum.clamp(limit.saturating_neg(), limit);
			i16::try_from(clamped).unwrap_or(bound)
		})
		.collect())
}

/// g = round_half_even(sum * 2^(24 - exponent) / weight_sum), in Q7.24, saturated to an `i32`.
///
/// `weight_sum` is the sum of the survivors' weights over all groups. With
/// exponent >= bits - 8 no honest g saturates.
///
/// # Errors
/// - [`Error::Exponent`] above 24;
/// - [`Error::WeightSum`] if it is zero or above 65536;
/// - [`Error::NoMembers`], [`Error::TooManyMembers`], [`Error::LengthMismatch`].
pub fn aggregate_chunk(
	group_sums: &[&[i16]],
	weight_sum: u32,
	exponent: u8,
) -> Result<Vec<i32>, Error> {
	let places = u32::from(MAX_EXPONENT)
		.checked_sub(u32::from(exponent))
		.ok_or(Error::Exponent { exponent })?;
	let scale = 1i64
		.checked_shl(places)
		.ok_or(Error::Exponent { exponent })?;
	let divisor = NonZeroU32::new(weight_sum)
		.filter(|divisor| divisor.get() <= MAX_WEIGHT_SUM)
		.ok_or(Error::WeightSum { weight_sum })?;
	let sums = exact_sum(group_sums)?;
	Ok(sums
		.into_iter()
		.map(|sum| saturate(round_div(sum.saturating_mul(scale), divisor)))
		.collect())
}

/// Coordinate-wise sum. At most 2^12 terms of 16 bits, so nothing here saturates.
fn exact_sum(terms: &[&[i16]]) -> Result<Vec<i64>, Error> {
	let Some(first) = terms.first() else {
		return Err(Error::NoMembers);
	};
	if terms.len() > MAX_MEMBERS {
		return Err(Error::TooManyMembers {
			got: terms.len() as u64,
			max: MAX_MEMBERS as u64,
		});
	}
	let mut sums = vec![0i64; first.len()];
	for term in terms {
		if term.len() != sums.len() {
			return Err(Error::LengthMismatch {
				expected: sums.len() as u64,
				got: term.len() as u64,
			});
		}
		for (sum, &value) in sums.iter_mut().zip(term.iter()) {
			*sum = sum.saturating_add(i64::from(value));
		}
	}
	Ok(sums)
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn group_sums_are_exact_before_they_saturate() {
		// 30000 + 30000 - 60000 passes through values no i16 holds.
		let (a, b, c) = ([30000i16, 100], [30000i16, 100], [-30000i16, 100]);
		assert_eq!(group_sum_chunk(&[&a, &b, &c, &c], 254), Ok(vec![0, 254]));
		assert_eq!(group_sum_chunk(&[&[-200i16]], 127), Ok(vec![-127]));
	}

	#[test]
	fn the_mean_is_weighted_and_rounds_half_to_even() {
		// exponent 24: g is the mean itself.
		assert_eq!(
			aggregate_chunk(&[&[1i16, 3, -1, -3]], 2, 24),
			Ok(vec![0, 2, 0, -2])
		);
		// exponent 8: one step is 2^16 units; 3 * 2^16 / 4.
		assert_eq!(aggregate_chunk(&[&[1i16], &[2]], 4, 8), Ok(vec![49152]));
	}

	#[test]
	fn values_beyond_q7_24_saturate() {
		assert_eq!(
			aggregate_chunk(&[&[32767i16, -32768]], 1, 0),
			Ok(vec![i32::MAX, i32::MIN])
		);
	}

	#[test]
	fn bad_numbers_are_named() {
		assert_eq!(group_sum_chunk(&[], 127), Err(Error::NoMembers));
		assert_eq!(group_sum_chunk(&[&[1]], 0), Err(Error::Bound { bound: 0 }));
		assert_eq!(
			group_sum_chunk(&[&[1, 2], &[1]], 127),
			Err(Error::LengthMismatch {
				expected: 2,
				got: 1
			})
		);
		assert_eq!(
			aggregate_chunk(&[&[1]], 0, 8),
			Err(Error::WeightSum { weight_sum: 0 })
		);
		assert_eq!(
			aggregate_chunk(&[&[1]], 65537, 8),
			Err(Error::WeightSum { weight_sum: 65537 })
		);
		assert_eq!(
			aggregate_chunk(&[&[1]], 1, 25),
			Err(Error::Exponent { exponent: 25 })
		);
		assert_eq!(aggregate_chunk(&[], 1, 8), Err(Error::NoMembers));
		let one: &[i16] = &[1];
		assert_eq!(
			aggregate_chunk(&vec![one; 4097], 1, 8),
			Err(Error::TooManyMembers {
				got: 4097,
				max: 4096
			})
		);
	}
}
