//! The 16-bit ring in which a group's updates are added, and the check that a task stays inside it.
//!
//! Knows no masks yet (they share this ring) and no participants, only their weights.
//! Source: `docs/protocol/aggregate.md`, "Ring"; Bonawitz et al. 2017, section 4 (modulus larger
//! than any sum). Invariant: once `check_ring` passed, no sum of honest members wraps.

use alloc::vec::Vec;

use crate::error::Error;

/// Fewest bits of a quantised coordinate.
pub const MIN_BITS: u8 = 2;
/// Most bits of a quantised coordinate.
pub const MAX_BITS: u8 = 16;
/// Largest weight of one participant (shards drawn in one round).
pub const MAX_WEIGHT: u8 = 16;

/// Largest magnitude of a `bits`-bit coordinate: 2^(bits-1) - 1.
///
/// # Errors
/// - [`Error::Bits`] outside 2..=16.
pub fn limit(bits: u8) -> Result<i16, Error> {
	if !(MIN_BITS..=MAX_BITS).contains(&bits) {
		return Err(Error::Bits { bits });
	}
	let unused = u32::from(MAX_BITS.saturating_sub(bits));
	i16::MAX.checked_shr(unused).ok_or(Error::Bits { bits })
}

/// Largest magnitude of an honest group sum: (2^(bits-1) - 1) * weight_sum.
///
/// # Errors
/// - [`Error::Bits`] outside 2..=16;
/// - [`Error::WeightSum`] if the weights sum to zero;
/// - [`Error::Ring`] if the product does not fit an `i16`.
pub fn bound(bits: u8, weight_sum: u32) -> Result<i16, Error> {
	let limit = limit(bits)?;
	if weight_sum == 0 {
		return Err(Error::WeightSum { weight_sum });
	}
	i64::from(limit)
		.checked_mul(i64::from(weight_sum))
		.and_then(|product| i16::try_from(product).ok())
		.ok_or(Error::Ring {
			bits,
			max_weight_sum: weight_sum,
		})
}

/// Checks that a task's numbers never overflow the ring.
///
/// `max_weight_sum` is the largest sum of weights that one group can have.
///
/// # Errors
/// As [`bound`].
pub fn check_ring(bits: u8, max_weight_sum: u32) -> Result<(), Error> {
	bound(bits, max_weight_sum).map(|_| ())
}

/// The vector a participant commits to before masking: y = weight * q.
///
/// # Errors
/// - [`Error::Weight`] outside 1..=16;
/// - [`Error::WeightedRange`] if a product does not fit 16 bits.
pub fn weigh(q: &[i16], weight: u8) -> Result<Vec<i16>, Error> {
	if weight == 0 || weight > MAX_WEIGHT {
		return Err(Error::Weight { weight });
	}
	let factor = i16::from(weight);
	q.iter()
		.zip(0u64..)
		.map(|(&q, index)| {
			q.checked_mul(factor)
				.ok_or(Error::WeightedRange { index, q, weight })
		})
		.collect()
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn limits_are_symmetric_and_bounded() {
		assert_eq!(limit(2), Ok(1));
		assert_eq!(limit(8), Ok(127));
		assert_eq!(limit(16), Ok(32767));
		assert_eq!(limit(1), Err(Error::Bits { bits: 1 }));
		assert_eq!(limit(17), Err(Error::Bits { bits: 17 }));
	}

	#[test]
	fn the_ring_check_is_tight() {
		// 127 * 258 = 32766 fits, 127 * 259 does not.
		assert_eq!(check_ring(8, 258), Ok(()));
		assert_eq!(
			check_ring(8, 259),
			Err(Error::Ring {
				bits: 8,
				max_weight_sum: 259
			})
		);
		assert_eq!(check_ring(12, 16), Ok(()));
		assert_eq!(
			check_ring(12, 17),
			Err(Error::Ring {
				bits: 12,
				max_weight_sum: 17
			})
		);
		assert_eq!(check_ring(16, 1), Ok(()));
		assert_eq!(
			check_ring(2, u32::MAX),
			Err(Error::Ring {
				bits: 2,
				max_weight_sum: u32::MAX
			})
		);
		assert_eq!(check_ring(8, 0), Err(Error::WeightSum { weight_sum: 0 }));
	}

	#[test]
	fn weights_outside_their_range_are_refused() {
		assert_eq!(weigh(&[1, -2], 16), Ok(alloc::vec![16, -32]));
		assert_eq!(weigh(&[1], 0), Err(Error::Weight { weight: 0 }));
		assert_eq!(weigh(&[1], 17), Err(Error::Weight { weight: 17 }));
		assert_eq!(
			weigh(&[0, 20000], 2),
			Err(Error::WeightedRange {
				index: 1,
				q: 20000,
				weight: 2
			})
		);
	}
}
