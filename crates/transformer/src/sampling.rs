//! Choosing the next token from logits, reproducibly.
//!
//! Candidates are ordered by logit, then by id; their exponentials are summed in that order; one public random word picks.
//! In order: repetition penalty, masks, temperature, top-k, top-p, min-p.
//!
//! Reading order: here, then `mask` (the hook) and `lines` (a mask that counts characters).
//! Must not know: the model. Source: Fan et al. 2018 (top-k), Holtzman et al. 2020 (top-p), Nguyen et al. 2024 (min-p), Keskar
//! et al. 2019, section 4.1 (repetition penalty); numeric specification, section 11.
//! Invariants: parameters are integers, so a receipt can carry them; neutral [`Constraints`] change no bit.

mod lines;
mod mask;

pub use lines::{Line, LineForm, LineMask};
pub use mask::LogitMask;

use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};

use crate::error::{Error, Quantity, Result};
use crate::kernels::lanes::Lanes;
use crate::kernels::{reduce, Kernel, Operation};

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
		check_ranges(&[
			("temperature_milli", self.temperature_milli, 0, 100_000),
			("top_k", self.top_k, 0, 1 << 20),
			("top_p_milli", self.top_p_milli, 1, 1000),
			("max_tokens", self.max_tokens, 1, 1 << 20),
		])
	}
}

/// Largest number of stop strings.
pub const MAX_STOPS: usize = 16;
/// Longest stop string, bytes.
pub const MAX_STOP_BYTES: usize = 256;

/// What else bounds a text. The default bounds nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Constraints {
	/// Candidates less likely than so many thousandths of the likeliest are dropped, after top-p; 0 for none.
	pub min_p_milli: u32,
	/// Logits of tokens that the prompt or the text already holds are divided by so many thousandths if they are positive, and
	/// multiplied otherwise; 1000 for none, 100 to 10,000.
	pub repetition_penalty_milli: u32,
	/// The text ends before the first of these that comes up in it, however tokens cut it; at most [`MAX_STOPS`].
	pub stop: Vec<String>,
}

impl Default for Constraints {
	fn default() -> Self {
		Self {
			min_p_milli: 0,
			repetition_penalty_milli: 1000,
			stop: Vec::new(),
		}
	}
}

impl Constraints {
	/// Checks the ranges.
	///
	/// # Errors
	/// - [`Error::SamplingOutOfRange`]: names field and range
	/// - [`Error::StopString`]: an empty or long one
	pub fn validate(&self) -> Result<()> {
		let penalty = self.repetition_penalty_milli;
		// More strings than fit u32 are refused as well.
		let stops = u32::try_from(self.stop.len()).unwrap_or(u32::MAX);
		check_ranges(&[
			("min_p_milli", self.min_p_milli, 0, 1000),
			("repetition_penalty_milli", penalty, 100, 10_000),
			("stop", stops, 0, MAX_STOPS as u32),
		])?;
		let refused = |stop: &&String| stop.is_empty() || stop.len() > MAX_STOP_BYTES;
		match self.stop.iter().find(refused) {
			Some(stop) => Err(Error::StopString {
				bytes: stop.len(),
				max: MAX_STOP_BYTES,
			}),
			None => Ok(()),
		}
	}
}

/// Refuses the first of (field, value, smallest, largest) that is out of range.
fn check_ranges(bounds: &[(&'static str, u32, u32, u32)]) -> Result<()> {
	let outside = |(_, got, min, max): &&(&str, u32, u32, u32)| got < min || got > max;
	match bounds.iter().find(outside) {
		Some(&(field, got, min, max)) => Err(Error::SamplingOutOfRange {
			field,
			got,
			min,
			max,
		}),
		None => Ok(()),
	}
}

/// Chooses tokens; holds the random stream and buffers.
pub(crate) struct Sampler {
	sampling: Sampling,
	/// Fractions of the two fields of [`Constraints`].
	min_p: f32,
	penalty: f32,
	/// Tokens that are never candidates.
	never: Vec<u32>,
	kernel: Kernel,
	stream: ChaCha20Rng,
	/// Whether each token was read or chosen before, `[V]`; empty without a penalty.
	seen: Vec<bool>,
	/// `[V]`
	penalised: Vec<f32>,
	allowed: Vec<bool>,
	order: Vec<u32>,
	masses: Vec<f32>,
}

impl Sampler {
	/// Takes valid parameters. `never` is checked against no vocabulary: what is not there cannot be chosen.
	pub(crate) fn new(
		sampling: Sampling,
		constraints: &Constraints,
		never: Vec<u32>,
		kernel: Kernel,
		seed: [u8; 32],
	) -> Self {
		let milli = |value: u32| value as f32 / 1000.0;
		Self {
			sampling,
			min_p: milli(constraints.min_p_milli),
			penalty: milli(constraints.repetition_penalty_milli),
			never,
			kernel,
			stream: ChaCha20Rng::from_seed(seed),
			seen: Vec::new(),
			penalised: Vec::new(),
			allowed: Vec::new(),
			order: Vec::new(),
			masses: Vec::new(),
		}
	}

	/// Remembers tokens for the repetition penalty.
	pub(crate) fn saw(&mut self, tokens: &[u32]) {
		if self.penalty == 1.0 {
			return;
		}
		for token in tokens {
			let index = *token as usize;
			if self.seen.len() <= index {
				self.seen.resize(index + 1, false);
			}
			self.seen[index] = true;
		}
	}

	/// The next token; `None` if `mask`, which sees the tokens `written` since the prompt, allows none.
	///
	/// # Errors
	/// - [`Error::NotFinite`]: a logit is not, or the penalty makes it so
	pub(crate) fn choose(
		&mut self,
		logits: &[f32],
		mask: Option<&mut dyn LogitMask>,
		written: &[u32],
	) -> Result<Option<u32>> {
		let finite = |logits: &[f32]| match logits.iter().all(|logit| logit.is_finite()) {
			true => Ok(()),
			false => Err(Error::NotFinite {
				quantity: Quantity::Logit,
				step: written.len() as u64,
			}),
		};
		finite(logits)?;
		self.candidates(logits.len(), mask, written);
		if self.seen.is_empty() {
			return Ok(self.pick(logits));
		}
		let mut penalised = core::mem::take(&mut self.penalised);
		penalised.clear();
		penalised.extend_from_slice(logits);
		for (logit, _) in penalised
			.iter_mut()
			.zip(&self.seen)
			.filter(|(_, seen)| **seen)
		{
			*logit = match *logit > 0.0 {
				true => *logit / self.penalty,
				false => *logit * self.penalty,
			};
		}
		let token = finite(&penalised).map(|()| self.pick(&penalised));
		self.penalised = penalised;
		token
	}

	/// Fills `order` with the tokens that may be chosen.
	fn candidates(&mut self, vocabulary: usize, mask: Option<&mut dyn LogitMask>, written: &[u32]) {
		self.allowed.clear();
		self.allowed.resize(vocabulary, true);
		if let Some(mask) = mask {
			mask.forbid(written, &mut self.allowed);
		}
		for token in &self.never {
			if let Some(allowed) = self.allowed.get_mut(*token as usize) {
				*allowed = false;
			}
		}
		self.order.clear();
		let tokens = (0..).zip(&self.allowed);
		self.order
			.extend(tokens.filter_map(|(token, allowed)| allowed.then_some(token)));
	}

	/// One of the candidates; takes a random word unless the temperature is 0.
	fn pick(&mut self, logits: &[f32]) -> Option<u32> {
		let logit = |token: u32| logits[token as usize];
		// Finite numbers and distinct ids: a total order. -0 and +0 are equal to it.
		let before = |a: &u32, b: &u32| {
			logit(*b)
				.partial_cmp(&logit(*a))
				.unwrap_or(core::cmp::Ordering::Equal)
				.then(a.cmp(b))
		};
		if self.sampling.temperature_milli == 0 {
			return self.order.iter().copied().min_by(before);
		}
		let k = self.sampling.top_k as usize;
		if k > 0 && k < self.order.len() {
			self.order.select_nth_unstable_by(k - 1, before);
			self.order.truncate(k);
		}
		self.order.sort_unstable_by(before);
		let greatest = logit(*self.order.first()?);
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
		// Running sums in order of probability, up to the first that reaches the limit. The first mass is 1, so the others
		// are already relative to the likeliest.
		let mut sum = 0.0;
		let mut kept = 0;
		for mass in &mut self.masses {
			if kept > 0 && *mass < self.min_p {
				break;
			}
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
		Some(self.order[chosen])
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
mod tests;
