//! The architecture: six numbers, their bounds and what follows from them.
//!
//! Must not know: how parameters are laid out. Invariants: after [`Config::validate`] no product of sizes overflows.

use crate::error::{Error, Result};
use crate::parameters::Layout;

/// Largest number of parameters: 4 GiB of `f32`.
pub const MAX_PARAMETERS: u64 = 1 << 30;

/// Sizes of a model. Letters in brackets are those of shapes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Config {
	/// Tokens of the vocabulary, with the four special ones (V).
	pub vocab_size: u32,
	/// Positions a sequence may have (T).
	pub context_length: u32,
	/// Blocks (L).
	pub n_layers: u32,
	/// Attention heads a block (H).
	pub n_heads: u32,
	/// Width of the residual stream (C).
	pub d_model: u32,
	/// Width of the feed-forward layer (F).
	pub d_ff: u32,
}

impl Config {
	/// Checks bounds, divisibility and the total.
	///
	/// # Errors
	/// - [`Error::ConfigOutOfBounds`]: a size is outside its bounds, which the message names
	/// - [`Error::HeadsDoNotDivide`]
	/// - [`Error::TooManyParameters`]
	pub fn validate(&self) -> Result<()> {
		let bounds = [
			("vocab_size", self.vocab_size, 5, 1 << 18),
			("context_length", self.context_length, 1, 1 << 14),
			("n_layers", self.n_layers, 1, 256),
			("n_heads", self.n_heads, 1, 256),
			("d_model", self.d_model, 1, 1 << 14),
			("d_ff", self.d_ff, 1, 1 << 16),
		];
		for (field, got, min, max) in bounds {
			if got < min || got > max {
				return Err(Error::ConfigOutOfBounds {
					field,
					got,
					min,
					max,
				});
			}
		}
		if !self.d_model.is_multiple_of(self.n_heads) {
			let (d_model, n_heads) = (self.d_model, self.n_heads);
			return Err(Error::HeadsDoNotDivide { d_model, n_heads });
		}
		// Each factor is below 2^18 and there are fewer than 2^9 blocks, so u64 cannot overflow.
		let [v, t, l, _, c, f] = self.wide();
		let block = 4 * c * c + 2 * c * f + 9 * c + f;
		let got = (v + t) * c + l * block + 2 * c;
		if got > MAX_PARAMETERS {
			return Err(Error::TooManyParameters {
				got,
				max: MAX_PARAMETERS,
			});
		}
		Ok(())
	}

	/// Number of parameters.
	///
	/// # Errors
	/// As [`Config::validate`].
	pub fn n_parameters(&self) -> Result<usize> {
		Ok(Layout::of(self)?.total())
	}

	/// Width of one head (D); 0 for an invalid configuration without heads.
	pub fn d_head(&self) -> usize {
		self.d_model.checked_div(self.n_heads).unwrap_or(0) as usize
	}

	/// The six sizes in the order of the fields.
	pub fn to_array(&self) -> [u32; 6] {
		[
			self.vocab_size,
			self.context_length,
			self.n_layers,
			self.n_heads,
			self.d_model,
			self.d_ff,
		]
	}

	/// The inverse of [`Config::to_array`]; not yet validated.
	pub fn from_array(sizes: [u32; 6]) -> Self {
		let [vocab_size, context_length, n_layers, n_heads, d_model, d_ff] = sizes;
		Self {
			vocab_size,
			context_length,
			n_layers,
			n_heads,
			d_model,
			d_ff,
		}
	}

	fn wide(&self) -> [u64; 6] {
		self.to_array().map(u64::from)
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	const SMALL: Config = Config {
		vocab_size: 100,
		context_length: 8,
		n_layers: 2,
		n_heads: 4,
		d_model: 16,
		d_ff: 64,
	};

	#[test]
	fn counts_the_parameters_of_gpt2() {
		let gpt2 = Config {
			vocab_size: 50_257,
			context_length: 1024,
			n_layers: 12,
			n_heads: 12,
			d_model: 768,
			d_ff: 3072,
		};
		assert_eq!(gpt2.n_parameters(), Ok(124_439_808));
	}

	#[test]
	fn refuses_sizes_outside_their_bounds_by_name() {
		let bad = Config {
			n_layers: 0,
			..SMALL
		};
		let error = Error::ConfigOutOfBounds {
			field: "n_layers",
			got: 0,
			min: 1,
			max: 256,
		};
		assert_eq!(bad.validate(), Err(error));
		for bad in [
			Config {
				vocab_size: 4,
				..SMALL
			},
			Config {
				context_length: 0,
				..SMALL
			},
			Config {
				n_heads: 0,
				..SMALL
			},
			Config {
				d_model: u32::MAX,
				..SMALL
			},
			Config {
				d_ff: u32::MAX,
				..SMALL
			},
		] {
			assert!(
				matches!(bad.validate(), Err(Error::ConfigOutOfBounds { .. })),
				"{bad:?}"
			);
		}
	}

	#[test]
	fn refuses_heads_that_do_not_divide() {
		let bad = Config {
			n_heads: 3,
			..SMALL
		};
		assert_eq!(
			bad.validate(),
			Err(Error::HeadsDoNotDivide {
				d_model: 16,
				n_heads: 3
			})
		);
	}

	#[test]
	fn refuses_a_model_that_no_memory_holds() {
		let bad = Config {
			n_layers: 256,
			d_model: 1 << 14,
			d_ff: 1 << 16,
			..SMALL
		};
		assert!(matches!(
			bad.validate(),
			Err(Error::TooManyParameters { .. })
		));
	}
}
