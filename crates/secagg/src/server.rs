//! The server update: Nesterov momentum on Q7.24 integers, so that a runtime can repeat it.
//!
//! Knows no rounds and no chunks: works on slices of any equal length.
//! Source: `docs/protocol/aggregate.md`, "Server update"; Douillard et al. 2023 (DiLoCo), outer
//! optimiser. Invariant: no intermediate value leaves an `i64`, so only the two stored results saturate.

use crate::{
	error::Error,
	fixed::{round_q16, saturate},
};

/// Outer momentum must stay below one (Q16).
const ONE: u32 = 1 << 16;
/// Largest outer rate: 16.0 in Q16.
pub const MAX_RATE: u32 = 16 << 16;

/// Checked constants of the outer optimiser, in Q16 (value = integer / 65536).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outer {
	momentum: u32,
	rate: u32,
}

impl Outer {
	/// Momentum mu in 0..65536 (below 1.0) and rate eta in 1..=1048576 (at most 16.0), both Q16.
	///
	/// # Errors
	/// - [`Error::Momentum`], [`Error::Rate`] outside those ranges.
	pub fn new(momentum: u32, rate: u32) -> Result<Self, Error> {
		if momentum >= ONE {
			return Err(Error::Momentum { momentum });
		}
		if rate == 0 || rate > MAX_RATE {
			return Err(Error::Rate { rate });
		}
		Ok(Outer { momentum, rate })
	}

	/// mu in Q16.
	pub fn momentum(&self) -> u32 {
		self.momentum
	}

	/// eta in Q16.
	pub fn rate(&self) -> u32 {
		self.rate
	}
}

/// m' = rnd(mu * m) + g; p' = p - rnd(eta * (g + rnd(mu * m'))), in place.
///
/// All three slices are Q7.24 and have one length: a chunk, or the whole vector. `gradient` is the
/// aggregate of updates "base minus trained", hence the minus sign.
///
/// # Errors
/// - [`Error::LengthMismatch`]; then nothing was changed.
pub fn server_update_chunk(
	outer: &Outer,
	gradient: &[i32],
	parameters: &mut [i32],
	momentum: &mut [i32],
) -> Result<(), Error> {
	for got in [parameters.len(), momentum.len()] {
		if got != gradient.len() {
			return Err(Error::LengthMismatch {
				expected: gradient.len() as u64,
				got: got as u64,
			});
		}
	}
	let mu = i64::from(outer.momentum);
	let eta = i64::from(outer.rate);
	for ((&g, p), m) in gradient.iter().zip(parameters).zip(momentum) {
		// |mu * m| < 2^47; |g + rnd(mu * m')| <= 2^32; |eta * that| <= 2^52.
		let g = i64::from(g);
		*m = saturate(damp(mu, *m).saturating_add(g));
		let step = round_q16(eta.saturating_mul(g.saturating_add(damp(mu, *m))));
		*p = saturate(i64::from(*p).saturating_sub(step));
	}
	Ok(())
}

/// rnd(mu * m).
fn damp(mu: i64, m: i32) -> i64 {
	round_q16(mu.saturating_mul(i64::from(m)))
}

#[cfg(test)]
mod tests {
	use super::*;

	fn step(outer: &Outer, g: i32, p: i32, m: i32) -> (i32, i32) {
		let (mut p, mut m) = ([p], [m]);
		server_update_chunk(outer, &[g], &mut p, &mut m).unwrap();
		(p[0], m[0])
	}

	#[test]
	fn without_momentum_and_with_unit_rate_the_mean_is_subtracted() {
		let plain = Outer::new(0, ONE).unwrap();
		assert_eq!(step(&plain, 5, 100, 77), (95, 5));
	}

	#[test]
	fn nesterov_looks_ahead() {
		// mu = 1/2, eta = 1: m' = 4 + 6 = 10, p' = 100 - (6 + 5).
		let outer = Outer::new(ONE / 2, ONE).unwrap();
		assert_eq!(step(&outer, 6, 100, 8), (89, 10));
	}

	#[test]
	fn extremes_saturate_and_do_not_wrap() {
		let outer = Outer::new(ONE - 1, MAX_RATE).unwrap();
		assert_eq!(
			step(&outer, i32::MIN, i32::MAX, i32::MIN),
			(i32::MAX, i32::MIN)
		);
		assert_eq!(
			step(&outer, i32::MAX, i32::MIN, i32::MAX),
			(i32::MIN, i32::MAX)
		);
	}

	#[test]
	fn bad_constants_and_lengths_are_refused_before_any_change() {
		assert_eq!(Outer::new(ONE, ONE), Err(Error::Momentum { momentum: ONE }));
		assert_eq!(Outer::new(0, 0), Err(Error::Rate { rate: 0 }));
		assert_eq!(
			Outer::new(0, MAX_RATE + 1),
			Err(Error::Rate { rate: MAX_RATE + 1 })
		);
		let outer = Outer::new(0, ONE).unwrap();
		let (mut p, mut m) = ([1, 2], [3]);
		assert_eq!(
			server_update_chunk(&outer, &[9, 9], &mut p, &mut m),
			Err(Error::LengthMismatch {
				expected: 2,
				got: 1
			})
		);
		assert_eq!((p, m), ([1, 2], [3]));
	}
}
