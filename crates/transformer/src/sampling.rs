//! Choosing the next token from logits, reproducibly.
//!
//! Candidates are ordered by logit, then by id; their exponentials are summed in that order; one public random word picks.
//! Must not know: the model, text. Source: Fan et al. 2018 (top-k), Holtzman et al. 2020 (top-p); numeric specification,
//! section 11. Invariants: parameters are integers, so a receipt can carry them.

use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};

use crate::error::{Error, Quantity, Result};
use crate::kernels::lanes::Lanes;
use crate::kernels::{reduce, Kernel, Operation};
use crate::tokenizer::{BOS, PAD, UNK};

/// How tokens are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Sampling {
	/// Thousandths; 0 takes the likeliest token always. At most 100,000.
	pub temperature_milli: u32,
	/// Only so many likeliest tokens are candidates; 0 for all.
	pub top_k: u32,
	/// Only the likeliest tokens that together reach this probability, in thousandths, are candidates; 1000 for all.
	pub top_p_milli: u32,
	/// Tokens to generate at most, from 1.
	pub max_tokens: u32,
}

impl Sampling {
	/// Checks the ranges.
	///
	/// # Errors
	/// - [`Error::SamplingOutOfRange`]: names field and range
	pub fn validate(&self) -> Result<()> {
		let bounds = [
			("temperature_milli", self.temperature_milli, 0, 100_000),
			("top_k", self.top_k, 0, 1 << 20),
			("top_p_milli", self.top_p_milli, 1, 1000),
			("max_tokens", self.max_tokens, 1, 1 << 20),
		];
		for (field, got, min, max) in bounds {
			if got < min || got > max {
				return Err(Error::SamplingOutOfRange {
					field,
					got,
					min,
					max,
				});
			}
		}
		Ok(())
	}
}

/// Chooses tokens; holds the random stream and buffers.
pub(crate) struct Sampler {
	sampling: Sampling,
	kernel: Kernel,
	stream: ChaCha20Rng,
	order: Vec<u32>,
	masses: Vec<f32>,
}

impl Sampler {
	pub(crate) fn new(sampling: Sampling, kernel: Kernel, seed: [u8; 32]) -> Self {
		let stream = ChaCha20Rng::from_seed(seed);
		Self {
			sampling,
			kernel,
			stream,
			order: Vec::new(),
			masses: Vec::new(),
		}
	}

	/// The next token. Padding, beginning-of-text and unknown are never chosen.
	///
	/// # Errors
	/// - [`Error::NotFinite`]: a logit is not
	pub(crate) fn choose(&mut self, logits: &[f32], step: u64) -> Result<u32> {
		if !logits.iter().all(|logit| logit.is_finite()) {
			return Err(Error::NotFinite {
				quantity: Quantity::Logit,
				step,
			});
		}
		let logit = |token: u32| logits[token as usize];
		// Finite numbers and distinct ids: a total order. -0 and +0 are equal to it.
		let before = |a: &u32, b: &u32| {
			logit(*b)
				.partial_cmp(&logit(*a))
				.unwrap_or(core::cmp::Ordering::Equal)
				.then(a.cmp(b))
		};
		self.order.clear();
		let tokens = 0..logits.len() as u32;
		self.order
			.extend(tokens.filter(|token| ![PAD, BOS, UNK].contains(token)));
		if self.sampling.temperature_milli == 0 {
			return Ok(self.order.iter().copied().min_by(before).unwrap_or(PAD));
		}
		let k = self.sampling.top_k as usize;
		if k > 0 && k < self.order.len() {
			self.order.select_nth_unstable_by(k - 1, before);
			self.order.truncate(k);
		}
		self.order.sort_unstable_by(before);
		let greatest = self.order.first().map_or(0.0, |token| logit(*token));
		let factor = 1000.0 / self.sampling.temperature_milli as f32;
		self.masses.clear();
		self.masses.extend(
			self.order
				.iter()
				.map(|token| (logit(*token) - greatest) * factor),
		);
		let total = self.kernel.run(Masses {
			masses: &mut self.masses,
		});
		let limit = match self.sampling.top_p_milli {
			1000 => f32::INFINITY,
			milli => total * (milli as f32 / 1000.0),
		};
		// Running sums in order of probability, up to the first that reaches the limit.
		let mut sum = 0.0;
		let mut kept = 0;
		for mass in &mut self.masses {
			sum += *mass;
			*mass = sum;
			kept += 1;
			if sum >= limit {
				break;
			}
		}
		let uniform = (self.stream.next_u32() >> 8) as f32 * (1.0 / 16_777_216.0);
		let point = uniform * sum;
		// point < sum, the last running sum, so one is always found.
		let chosen = self.masses[..kept]
			.iter()
			.position(|sum| *sum > point)
			.unwrap_or(0);
		Ok(self.order[chosen])
	}
}

/// Replaces scaled logits by their exponentials; gives the sum.
struct Masses<'a> {
	masses: &'a mut [f32],
}

impl Operation for Masses<'_> {
	type Output = f32;

	#[inline(always)]
	fn run<V: Lanes>(self) -> f32 {
		reduce::tree(reduce::exponentials::<V>(self.masses, 0.0))
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	const ALL: Sampling = Sampling {
		temperature_milli: 1000,
		top_k: 0,
		top_p_milli: 1000,
		max_tokens: 1,
	};

	fn counts(sampling: Sampling, logits: &[f32], draws: u32) -> Vec<u32> {
		let mut sampler = Sampler::new(sampling, Kernel::detect(), [5; 32]);
		let mut counts = vec![0; logits.len()];
		for _ in 0..draws {
			counts[sampler.choose(logits, 0).unwrap() as usize] += 1;
		}
		counts
	}

	#[test]
	fn frequencies_follow_the_softmax() {
		// Tokens 2, 4, 5, 6 at 1 : 2 : 3 : 4; the three forbidden ones would win otherwise.
		let ln = |x: f64| x.ln() as f32;
		let logits = [9.0, 9.0, ln(1.0), 9.0, ln(2.0), ln(3.0), ln(4.0)];
		let counts = counts(ALL, &logits, 20_000);
		for (token, share) in [(2, 0.1), (4, 0.2), (5, 0.3), (6, 0.4)] {
			let got = f64::from(counts[token]) / 20_000.0;
			assert!((got - share).abs() < 0.012, "{token}: {got}");
		}
		assert_eq!([counts[0], counts[1], counts[3]], [0, 0, 0]);
	}

	#[test]
	fn top_k_and_top_p_cut_the_tail() {
		let logits = [0.0, 0.0, 1.0, 0.0, 2.0, 3.0, 4.0];
		let two = counts(Sampling { top_k: 2, ..ALL }, &logits, 500);
		assert!(two[6] > 0 && two[5] > 0 && two[6] + two[5] == 500);
		// The likeliest has probability 0.64, with the second 0.88.
		assert_eq!(
			counts(
				Sampling {
					top_p_milli: 600,
					..ALL
				},
				&logits,
				200
			)[6],
			200
		);
		let nucleus = counts(
			Sampling {
				top_p_milli: 700,
				..ALL
			},
			&logits,
			500,
		);
		assert!(nucleus[5] > 0 && nucleus[6] + nucleus[5] == 500);
	}

	#[test]
	fn greedy_takes_the_lowest_of_equal_tokens() {
		let logits = [9.0, 0.0, 1.0, 0.0, 2.0, 2.0];
		let mut sampler = Sampler::new(
			Sampling {
				temperature_milli: 0,
				..ALL
			},
			Kernel::detect(),
			[0; 32],
		);
		assert_eq!(sampler.choose(&logits, 0), Ok(4));
	}

	#[test]
	fn a_cold_temperature_is_nearly_greedy_even_with_huge_logits() {
		let cold = Sampling {
			temperature_milli: 1,
			..ALL
		};
		assert_eq!(counts(cold, &[0.0, 0.0, 3e38, 0.0, -3e38, 1.0], 50)[2], 50);
	}

	#[test]
	fn refuses_bad_numbers() {
		let mut sampler = Sampler::new(ALL, Kernel::detect(), [0; 32]);
		let error = Error::NotFinite {
			quantity: Quantity::Logit,
			step: 3,
		};
		assert_eq!(
			sampler.choose(&[0.0, 0.0, f32::NAN, 0.0, 0.0], 3),
			Err(error)
		);
		for (bad, name) in [
			(
				Sampling {
					temperature_milli: 100_001,
					..ALL
				},
				"temperature_milli",
			),
			(
				Sampling {
					top_p_milli: 0,
					..ALL
				},
				"top_p_milli",
			),
			(
				Sampling {
					top_p_milli: 1001,
					..ALL
				},
				"top_p_milli",
			),
			(
				Sampling {
					max_tokens: 0,
					..ALL
				},
				"max_tokens",
			),
		] {
			match bad.validate() {
				Err(Error::SamplingOutOfRange { field, .. }) => assert_eq!(field, name),
				other => panic!("{name}: {other:?}"),
			}
		}
	}
}
