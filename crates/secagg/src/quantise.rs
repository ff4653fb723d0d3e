//! The quantiser: from an f32 update to signed integers of a few bits, exactly as specified.
//!
//! Must not know who trains, what the coordinates mean, or where a seed comes from. Uses no libm
//! and no float multiplication: an f32 is taken apart into sign, integer mantissa and exponent, and
//! every decision is an integer comparison, so all platforms agree.
//!
//! Source: `docs/protocol/quantiser.md`; ChaCha20 as in RFC 8439.
//! Invariants: |q| <= 2^(bits-1) - 1; a coordinate's result depends on its value, its index and the
//! seed alone, so any chunk can be quantised alone.

use alloc::{vec, vec::Vec};

use chacha20::{
	cipher::{KeyIvInit, StreamCipher, StreamCipherSeek},
	ChaCha20,
};

use crate::{
	error::Error,
	ring::limit,
	vector::{CHUNK, MAX_LEN},
};

/// Largest exponent of the quantiser: a step is never finer than Q7.24.
pub const MAX_EXPONENT: u8 = 24;

/// Nonce of the rounding keystream; it separates this use of a seed from every other.
const NONCE: [u8; 12] = *b"llmchain/q/1";
/// Keystream bytes for one chunk: one little-endian u32 a coordinate.
const CHUNK_STREAM: usize = CHUNK * 4;
/// Beyond this many binary places below a step, a magnitude is less than 2^-25 of the step.
const NEGLIGIBLE: u32 = 49;

/// A checked pair of quantiser constants: a step is 2^-exponent, values have `bits` bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quantiser {
	bits: u8,
	exponent: u8,
	limit: i16,
}

/// Result of rounding to nearest: what is sent, and what is carried to the next round.
#[derive(Clone, Debug, PartialEq)]
pub struct Rounded {
	/// The quantised coordinates.
	pub values: Vec<i16>,
	/// What rounding took away, at most half a step each; clipping is not carried.
	pub residual: Vec<f32>,
}

impl Quantiser {
	/// A quantiser of `bits` bits (2..=16) with step 2^-`exponent` (0..=24).
	///
	/// # Errors
	/// - [`Error::Bits`], [`Error::Exponent`] outside those ranges.
	pub fn new(bits: u8, exponent: u8) -> Result<Self, Error> {
		let limit = limit(bits)?;
		if exponent > MAX_EXPONENT {
			return Err(Error::Exponent { exponent });
		}
		Ok(Quantiser {
			bits,
			exponent,
			limit,
		})
	}

	/// Bits of a value.
	pub fn bits(&self) -> u8 {
		self.bits
	}

	/// Binary places of the step.
	pub fn exponent(&self) -> u8 {
		self.exponent
	}

	/// Largest magnitude of a value: 2^(bits-1) - 1.
	pub fn limit(&self) -> i16 {
		self.limit
	}

	/// q = clamp(round_half_even((update + residual) * 2^exponent)).
	///
	/// `residual` is the one returned by the last settled round, of the same length; `None` is zero.
	/// The sum is one f32 addition.
	///
	/// # Errors
	/// - [`Error::LengthMismatch`] if the residual has another length;
	/// - [`Error::NotFinite`] at the first coordinate whose sum is NaN or infinite.
	pub fn nearest(&self, update: &[f32], residual: Option<&[f32]>) -> Result<Rounded, Error> {
		if let Some(residual) = residual {
			if residual.len() != update.len() {
				return Err(Error::LengthMismatch {
					expected: update.len() as u64,
					got: residual.len() as u64,
				});
			}
		}
		let carried = residual
			.unwrap_or(&[])
			.iter()
			.copied()
			.chain(core::iter::repeat(0.0));
		let mut values = Vec::with_capacity(update.len());
		let mut rests = Vec::with_capacity(update.len());
		for ((&update, carried), index) in update.iter().zip(carried).zip(0u64..) {
			let sum = update + carried;
			let scaled = Scaled::new(sum, self.exponent).ok_or(Error::NotFinite { index })?;
			let rounded = scaled.nearest();
			values.push(self.clamp(rounded));
			rests.push(rest(sum, &scaled, rounded, self.exponent));
		}
		Ok(Rounded {
			values,
			residual: rests,
		})
	}

	/// Stochastic rounding of a whole vector from a public seed, without a residual.
	///
	/// Chunk c of the result is `stochastic_chunk(chunk c, seed, c)`.
	///
	/// # Errors
	/// - [`Error::VectorLength`] above 2^32 coordinates;
	/// - [`Error::NotFinite`] at the first coordinate that is NaN or infinite.
	pub fn stochastic(&self, update: &[f32], seed: &[u8; 32]) -> Result<Vec<i16>, Error> {
		let mut values = Vec::with_capacity(update.len());
		for (chunk, index) in update.chunks(CHUNK).zip(0u32..) {
			values.extend(self.stochastic_chunk(chunk, seed, index)?);
		}
		Ok(values)
	}

	/// Stochastic rounding of chunk `index` alone (at most 4096 coordinates).
	///
	/// # Errors
	/// - [`Error::ChunkLength`] above 4096 coordinates, counted in bytes of f32;
	/// - [`Error::VectorLength`] if the chunk begins at or beyond coordinate 2^32;
	/// - [`Error::NotFinite`] with the index in the whole vector.
	pub fn stochastic_chunk(
		&self,
		update: &[f32],
		seed: &[u8; 32],
		index: u32,
	) -> Result<Vec<i16>, Error> {
		if update.len() > CHUNK {
			return Err(Error::ChunkLength {
				index,
				expected: CHUNK_STREAM as u64,
				got: (update.len() as u64).saturating_mul(4),
			});
		}
		let first = u64::from(index).saturating_mul(CHUNK as u64);
		let too_long = Error::VectorLength {
			len: first.saturating_add(update.len() as u64),
		};
		if first >= MAX_LEN {
			return Err(too_long);
		}
		let mut stream = vec![0u8; CHUNK_STREAM];
		let mut cipher = ChaCha20::new(seed.into(), (&NONCE).into());
		cipher
			.try_seek(first.saturating_mul(4))
			.map_err(|_| too_long)?;
		cipher
			.try_apply_keystream(&mut stream)
			.map_err(|_| too_long)?;
		update
			.iter()
			.zip(stream.chunks_exact(4))
			.zip(first..)
			.map(|((&update, word), index)| {
				let scaled =
					Scaled::new(update, self.exponent).ok_or(Error::NotFinite { index })?;
				let word = <[u8; 4]>::try_from(word).map_or(0, u32::from_le_bytes);
				Ok(self.clamp(scaled.stochastic(word >> 8)))
			})
			.collect()
	}

	fn clamp(&self, value: i64) -> i16 {
		let limit = i64::from(self.limit);
		let clamped = value.clamp(limit.saturating_neg(), limit);
		i16::try_from(clamped).unwrap_or(self.limit)
	}
}

/// |x| * 2^exponent as `whole + rest / 2^places`, exactly.
///
/// Magnitudes of 2^55 and more may be reported smaller, never below 2^55: every user clamps far below.
pub(crate) struct Scaled {
	negative: bool,
	whole: i64,
	rest: u64,
	places: u32,
}

impl Scaled {
	/// `None` for NaN and infinities.
	pub(crate) fn new(x: f32, exponent: u8) -> Option<Self> {
		if !x.is_finite() {
			return None;
		}
		let bits = x.to_bits();
		let negative = bits >> 31 == 1;
		let field = (bits >> 23) & 0xff;
		let fraction = u64::from(bits & 0x007f_ffff);
		let mantissa = if field == 0 {
			fraction
		} else {
			fraction | 0x0080_0000
		};
		// |x| = mantissa * 2^(max(field, 1) - 150)
		let shift = i64::from(field.max(1))
			.saturating_add(i64::from(exponent))
			.saturating_sub(150);
		let (whole, rest, places) = match u32::try_from(shift) {
			Ok(left) => (mantissa.checked_shl(left.min(32)).unwrap_or(0), 0, 0),
			Err(_) => {
				let places = u32::try_from(shift.unsigned_abs()).unwrap_or(u32::MAX);
				match mantissa.checked_shr(places) {
					Some(whole) => {
						let mask = 1u64.checked_shl(places).unwrap_or(0).saturating_sub(1);
						(whole, mantissa & mask, places)
					}
					None => (0, mantissa, places),
				}
			}
		};
		Some(Scaled {
			negative,
			whole: i64::try_from(whole).unwrap_or(i64::MAX),
			rest,
			places,
		})
	}

	fn signed(&self, magnitude: i64) -> i64 {
		if self.negative {
			magnitude.saturating_neg()
		} else {
			magnitude
		}
	}

	/// Rounds half to even.
	pub(crate) fn nearest(&self) -> i64 {
		// A mantissa has 24 bits: 26 places down it is below a quarter.
		let up = self.places > 0 && self.places < 26 && {
			let half = 1u64
				.checked_shl(self.places.saturating_sub(1))
				.unwrap_or(u64::MAX);
			self.rest > half || (self.rest == half && self.whole & 1 == 1)
		};
		self.signed(self.whole.saturating_add(i64::from(up)))
	}

	/// floor(v) + 1 if (2 * u + 1) / 2^25 < v - floor(v), else floor(v); u has 24 bits.
	fn stochastic(&self, u: u32) -> i64 {
		let draw = u128::from(u & 0x00ff_ffff)
			.saturating_mul(2)
			.saturating_add(1);
		if self.rest == 0 || self.places >= NEGLIGIBLE {
			// An integer, or nearer to one than any draw can tell: the outcome is that integer.
			return self.signed(self.whole);
		}
		let unit = 1u128.checked_shl(self.places).unwrap_or(u128::MAX);
		let rest = u128::from(self.rest);
		// Both sides times 2^25 * 2^places; at most 25 + 48 bits.
		let draw = draw.checked_shl(self.places).unwrap_or(u128::MAX);
		if self.negative {
			let above_floor = unit.saturating_sub(rest).saturating_mul(1 << 25);
			let floor = self.whole.saturating_neg().saturating_sub(1);
			floor.saturating_add(i64::from(draw < above_floor))
		} else {
			let above_floor = rest.saturating_mul(1 << 25);
			self.whole.saturating_add(i64::from(draw < above_floor))
		}
	}
}

/// sum - rounded * 2^-exponent, exactly.
///
/// Exact because a sum with a fractional part has |rounded| <= 2^23 + 1, so the product is exact, and the
/// difference is a multiple of the sum's last place no larger than half a step.
fn rest(sum: f32, scaled: &Scaled, rounded: i64, exponent: u8) -> f32 {
	if scaled.rest == 0 {
		return 0.0;
	}
	let field = 127u32.saturating_sub(u32::from(exponent));
	let step = f32::from_bits(field << 23);
	sum - (rounded as f32) * step
}

#[cfg(test)]
mod tests {
	use super::*;

	fn nearest(bits: u8, exponent: u8, update: &[f32]) -> Vec<i16> {
		Quantiser::new(bits, exponent)
			.unwrap()
			.nearest(update, None)
			.unwrap()
			.values
	}

	#[test]
	fn ties_round_to_even_and_large_values_clip() {
		let halves = [0.5, 1.5, 2.5, -0.5, -1.5, -2.5, 0.0, -0.0];
		assert_eq!(nearest(8, 0, &halves), [0, 2, 2, 0, -2, -2, 0, 0]);
		assert_eq!(
			nearest(8, 4, &[100.0, -100.0, f32::MAX, f32::MIN]),
			[127, -127, 127, -127]
		);
		assert_eq!(
			nearest(16, 24, &[f32::MIN_POSITIVE, 1e-45, -1e-45]),
			[0, 0, 0]
		);
	}

	#[test]
	fn the_residual_holds_what_rounding_took_and_not_what_clipping_took() {
		let quantiser = Quantiser::new(8, 2).unwrap();
		let rounded = quantiser.nearest(&[0.3, -0.3, 1000.1, 0.25], None).unwrap();
		assert_eq!(rounded.values, [1, -1, 127, 1]);
		assert_eq!(
			rounded.residual,
			[0.3 - 0.25, -0.3 + 0.25, 1000.1 - 1000.0, 0.0]
		);
		let next = quantiser
			.nearest(&[0.08; 4], Some(&rounded.residual))
			.unwrap();
		assert_eq!(next.values, [1, 0, 1, 0]);
	}

	#[test]
	fn not_finite_names_the_coordinate_of_the_whole_vector() {
		let quantiser = Quantiser::new(8, 8).unwrap();
		let mut update = vec![0.0f32; 5000];
		update[4500] = f32::NAN;
		let error = Err(Error::NotFinite { index: 4500 });
		assert_eq!(quantiser.nearest(&update, None).map(|_| ()), error);
		assert_eq!(quantiser.stochastic(&update, &[0; 32]).map(|_| ()), error);
		update[4500] = f32::MAX;
		let same = update.clone();
		// Two finite numbers with an infinite sum.
		assert_eq!(quantiser.nearest(&update, Some(&same)).map(|_| ()), error);
		update[3] = f32::NEG_INFINITY;
		assert_eq!(
			quantiser.stochastic(&update, &[0; 32]),
			Err(Error::NotFinite { index: 3 })
		);
	}

	#[test]
	fn stochastic_rounding_never_moves_integers_and_is_symmetric_at_the_edges() {
		let tiny = Scaled::new(1e-30, 24).unwrap();
		let tiny_negative = Scaled::new(-1e-30, 24).unwrap();
		let integer = Scaled::new(-3.0, 2).unwrap();
		for u in [0, 1, 0x7f_ffff, 0xff_fffe, 0xff_ffff] {
			assert_eq!(tiny.stochastic(u), 0);
			assert_eq!(tiny_negative.stochastic(u), 0);
			assert_eq!(integer.stochastic(u), -12);
		}
		// A quarter: the first quarter of the draws rounds up.
		let quarter = Scaled::new(0.25, 0).unwrap();
		assert_eq!(quarter.stochastic((1 << 22) - 1), 1);
		assert_eq!(quarter.stochastic(1 << 22), 0);
		let minus = Scaled::new(-0.25, 0).unwrap();
		assert_eq!(minus.stochastic(3 * (1 << 22) - 1), 0);
		assert_eq!(minus.stochastic(3 * (1 << 22)), -1);
	}

	#[test]
	fn the_finest_draw_tells_a_fraction_just_above_2_to_the_minus_25() {
		let finest = 2f32.powi(-25);
		let above = f32::from_bits(finest.to_bits() + 1);
		let up = |x, u| Scaled::new(x, 0).unwrap().stochastic(u);
		assert_eq!((up(finest, 0), up(above, 0), up(above, 1)), (0, 1, 0));
		assert_eq!((up(-above, 0xff_ffff), up(-above, 0xff_fffe)), (-1, 0));
	}

	#[test]
	fn stochastic_rounding_is_unbiased() {
		let quantiser = Quantiser::new(8, 3).unwrap();
		let update = vec![0.3f32; 65536];
		let values = quantiser.stochastic(&update, &[7; 32]).unwrap();
		let sum: i64 = values.iter().map(|&v| i64::from(v)).sum();
		// 0.3 * 8 = 2.4: the mean of 65536 draws has a standard deviation of 0.0019.
		let mean = sum as f64 / 65536.0;
		assert!((mean - 2.4).abs() < 0.01, "mean {mean}");
	}

	#[test]
	fn any_chunk_can_be_quantised_alone() {
		let quantiser = Quantiser::new(8, 8).unwrap();
		let update: Vec<f32> = (0..9000).map(|i| (i as f32 * 0.37).sin() * 0.1).collect();
		let whole = quantiser.stochastic(&update, &[9; 32]).unwrap();
		let last = quantiser
			.stochastic_chunk(&update[8192..], &[9; 32], 2)
			.unwrap();
		assert_eq!(last, whole[8192..]);
	}

	#[test]
	fn chunks_that_cannot_be_are_refused() {
		let quantiser = Quantiser::new(8, 8).unwrap();
		assert_eq!(
			quantiser.stochastic_chunk(&[0.0; 4097], &[0; 32], 5),
			Err(Error::ChunkLength {
				index: 5,
				expected: 16384,
				got: 16388
			})
		);
		assert_eq!(
			quantiser.stochastic_chunk(&[0.0], &[0; 32], u32::MAX),
			Err(Error::VectorLength {
				len: 4096 * u64::from(u32::MAX) + 1
			})
		);
		assert!(quantiser
			.stochastic_chunk(&[0.0], &[0; 32], (1 << 20) - 1)
			.is_ok());
	}
}
