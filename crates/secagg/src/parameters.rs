//! Parameters between the engine's f32 and the chain's Q7.24.
//!
//! Knows no tensors: an index counts coordinates of the flat vector, and the caller names the tensor.
//! Source: `docs/protocol/quantiser.md`, "Parameters". Invariant: `to(from(x))` differs from x by at
//! most half of 2^-24; the Q7.24 vector, not its f32 image, is the identity of a version.

use alloc::vec::Vec;

use crate::{error::Error, fixed::saturate, quantise::Scaled};

/// Exponent of Q7.24 for the scaling of an f32.
const EXPONENT: u8 = 24;
/// 2^-24 as f32.
const UNIT: f32 = 1.0 / 16_777_216.0;

/// round_half_even(x * 2^24) for every coordinate.
///
/// # Errors
/// - [`Error::NotFinite`] at the first NaN or infinity;
/// - [`Error::ParameterRange`] at the first magnitude of 128 or more.
pub fn parameters_from_f32(values: &[f32]) -> Result<Vec<i32>, Error> {
	values
		.iter()
		.zip(0u64..)
		.map(|(&value, index)| {
			let scaled = Scaled::new(value, EXPONENT).ok_or(Error::NotFinite { index })?;
			if !(-128.0 < value && value < 128.0) {
				return Err(Error::ParameterRange {
					index,
					bits: value.to_bits(),
				});
			}
			Ok(saturate(scaled.nearest()))
		})
		.collect()
}

/// (i as f32) * 2^-24 for every coordinate: one rounding to nearest even, then an exact scaling.
pub fn parameters_to_f32(values: &[i32]) -> Vec<f32> {
	values.iter().map(|&value| value as f32 * UNIT).collect()
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn parameters_survive_the_way_there_and_back() {
		let values = [0.0f32, 0.02, -0.02, 1.0, -127.5, 127.99999];
		let fixed = parameters_from_f32(&values).unwrap();
		assert_eq!(fixed[3], 1 << 24);
		for (back, value) in parameters_to_f32(&fixed).iter().zip(values) {
			assert!((back - value).abs() <= 0.5 / 16_777_216.0, "{back} {value}");
		}
	}

	#[test]
	fn what_has_no_fixed_form_is_refused_by_index() {
		assert_eq!(
			parameters_from_f32(&[0.0, -128.0]),
			Err(Error::ParameterRange {
				index: 1,
				bits: (-128.0f32).to_bits()
			})
		);
		assert_eq!(
			parameters_from_f32(&[128.0]),
			Err(Error::ParameterRange {
				index: 0,
				bits: 128.0f32.to_bits()
			})
		);
		assert_eq!(
			parameters_from_f32(&[0.0, 0.0, f32::NAN]),
			Err(Error::NotFinite { index: 2 })
		);
	}
}
