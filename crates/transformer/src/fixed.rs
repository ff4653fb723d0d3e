//! Q7.24: a parameter as the chain writes it.
//!
//! Source: protocol, section 2. Invariants: conversions are exact or rounded once, half to even.

/// 2^24
const ONE: f64 = 16_777_216.0;

/// The `f32` nearest to `integer * 2^-24` (ties to even).
pub fn from_q(integer: i32) -> f32 {
	// The conversion rounds; the power of two is exact.
	integer as f32 * (1.0 / 16_777_216.0)
}

/// The integer nearest to `value * 2^24` (ties to even); `None` for magnitudes of 128 and more and for NaN.
pub fn to_q(value: f32) -> Option<i32> {
	if value.abs() < 128.0 {
		// Exact in f64, and below 2^31.
		Some((f64::from(value) * ONE).round_ties_even() as i32)
	} else {
		None
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn rounds_half_to_even() {
		let half = 0.5 / 16_777_216.0;
		assert_eq!(to_q(half), Some(0));
		assert_eq!(to_q(3.0 * half), Some(2));
		assert_eq!(to_q(-half), Some(0));
		assert_eq!(to_q(-3.0 * half), Some(-2));
		assert_eq!(to_q(5.0 * half), Some(2));
	}

	#[test]
	fn refuses_what_does_not_fit() {
		for value in [128.0, -128.0, f32::INFINITY, f32::NEG_INFINITY, f32::NAN] {
			assert_eq!(to_q(value), None);
		}
		assert_eq!(to_q(127.999_99), Some(2_147_483_520));
	}

	#[test]
	fn is_the_identity_below_one() {
		for integer in (-(1 << 24)..=1 << 24).step_by(97) {
			assert_eq!(to_q(from_q(integer)), Some(integer));
		}
		// Above one, f32 has fewer bits than Q7.24.
		assert_eq!(from_q((1 << 25) + 1), 2.0);
	}
}
