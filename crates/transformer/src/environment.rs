//! The float mode of the threads that compute.
//!
//! A library loaded into the process may switch a thread to flush subnormals to zero or to round otherwise; results would
//! then differ silently. So each thread computes a few numbers whose bits betray the mode.
//!
//! Must not know: instruction sets; the test is by behaviour, so it holds on every architecture.
//! Source: numeric specification, section 1; IEEE 754-2019, section 4.3.

use core::hint::black_box;

use crate::error::{Error, FloatMode, Result};

/// Checks the calling thread.
fn violated() -> Option<FloatMode> {
	let epsilon = black_box(f32::EPSILON);
	let one = black_box(1.0_f32);
	// Ties go to even: down from 1 + e/2, up from (1 + e) + e/2, and likewise below zero.
	let ties = [one + epsilon / 2.0, (one + epsilon) + epsilon / 2.0];
	let mirrored = [-one - epsilon / 2.0, (-one - epsilon) - epsilon / 2.0];
	let even = [1.0, 1.0 + 2.0 * f32::EPSILON];
	if ties != even || mirrored != even.map(|x: f32| -x) {
		return Some(FloatMode::RoundToNearestEven);
	}
	if (black_box(f32::MIN_POSITIVE) * black_box(0.5)).to_bits() != 0x0040_0000 {
		return Some(FloatMode::SubnormalResults);
	}
	if black_box(f32::from_bits(1)) * black_box(8_388_608.0) != f32::MIN_POSITIVE {
		return Some(FloatMode::SubnormalArguments);
	}
	None
}

/// Whether the calling thread is in order. A worker that is not takes no part in a computation.
pub(crate) fn in_order() -> bool {
	violated().is_none()
}

/// Checks the calling thread alone.
pub(crate) fn check_this_thread() -> Result<()> {
	match violated() {
		Some(mode) => Err(Error::FloatEnvironment { thread: None, mode }),
		None => Ok(()),
	}
}

/// Checks the calling thread and every worker of the current pool: round to nearest even, subnormals kept.
///
/// Training, evaluation and generation call it themselves; it takes some microseconds.
///
/// # Errors
/// - [`Error::FloatEnvironment`]: names the thread and the mode that does not hold
pub fn check_float_environment() -> Result<()> {
	check_this_thread()?;
	let threads = rayon::broadcast(|context| violated().map(|mode| (context.index(), mode)));
	match threads.into_iter().flatten().next() {
		Some((thread, mode)) => Err(Error::FloatEnvironment {
			thread: Some(thread),
			mode,
		}),
		None => Ok(()),
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn a_fresh_thread_is_in_order() {
		assert_eq!(check_float_environment(), Ok(()));
	}
}
