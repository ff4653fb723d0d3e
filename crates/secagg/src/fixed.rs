//! Rounding of integers, half to even, and saturation to 32 bits.
//!
//! Knows no meaning of the numbers. Total: no argument makes these panic or wrap.
//! Source: `docs/protocol/aggregate.md`, "Rounding".

use core::num::NonZeroU32;

/// `value / 2^16`, rounded half to even.
pub(crate) fn round_q16(value: i64) -> i64 {
	let floor = value >> 16;
	let rest = value & 0xffff;
	let up = rest > 0x8000 || (rest == 0x8000 && floor & 1 == 1);
	floor.saturating_add(i64::from(up))
}

/// `value / divisor`, rounded half to even.
pub(crate) fn round_div(value: i64, divisor: NonZeroU32) -> i64 {
	let divisor = i64::from(divisor.get());
	// The divisor is positive, so neither operation has an undefined case; `0` is never taken.
	let floor = value.checked_div_euclid(divisor).unwrap_or(0);
	let rest = value.checked_rem_euclid(divisor).unwrap_or(0);
	let twice = rest.saturating_mul(2);
	let up = twice > divisor || (twice == divisor && floor & 1 == 1);
	floor.saturating_add(i64::from(up))
}

/// The nearest value that an `i32` holds.
pub(crate) fn saturate(value: i64) -> i32 {
	i32::try_from(value).unwrap_or(if value < 0 { i32::MIN } else { i32::MAX })
}

#[cfg(test)]
mod tests {
	use super::*;

	fn div(value: i64, divisor: u32) -> i64 {
		round_div(value, NonZeroU32::new(divisor).unwrap())
	}

	#[test]
	fn ties_go_to_the_even_neighbour_on_both_sides_of_zero() {
		assert_eq!(
			[-5, -3, -1, 1, 3, 5].map(|v| div(v, 2)),
			[-2, -2, 0, 0, 2, 2]
		);
		assert_eq!([-3, -1, 1, 3].map(|v| round_q16(v * 0x8000)), [-2, 0, 0, 2]);
	}

	#[test]
	fn off_ties_go_to_the_nearest() {
		assert_eq!(
			[-8, -7, -4, 4, 7, 8].map(|v| div(v, 3)),
			[-3, -2, -1, 1, 2, 3]
		);
		assert_eq!(round_q16(0x8001), 1);
		assert_eq!(round_q16(-0x8001), -1);
		assert_eq!(round_q16(0x7fff), 0);
	}

	#[test]
	fn extremes_do_not_overflow() {
		assert_eq!(div(i64::MIN, 1), i64::MIN);
		assert_eq!(div(i64::MAX, u32::MAX), 2_147_483_648);
		assert_eq!(round_q16(i64::MAX), 1 << 47);
		assert_eq!(saturate(i64::MIN), i32::MIN);
		assert_eq!(saturate(i64::from(i32::MAX) + 1), i32::MAX);
		assert_eq!(saturate(-7), -7);
	}
}
