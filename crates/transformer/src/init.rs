//! Version 0 of a model, from a public seed.
//!
//! A stream of ChaCha20 words makes normal numbers by Box and Muller 1958; tensors are filled in layout order.
//! Must not know: where seeds come from. Source: numeric specification, section 9; Radford et al. 2019 (deviations).
//! Invariants: anyone with seed and architecture gets the same bits.

use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};

use crate::config::Config;
use crate::error::Result;
use crate::kernels::math;
use crate::parameters::{Initial, Layout, Parameters};

const DEVIATION: f32 = 0.02;
const TWO_PI: f32 = 6.283_185_5;

/// Normal numbers of mean 0 and deviation 1, two from each pair of words.
struct Normal {
	stream: ChaCha20Rng,
	second: Option<f32>,
}

impl Normal {
	fn next(&mut self) -> f32 {
		if let Some(second) = self.second.take() {
			return second;
		}
		// u in (0, 1], v in [0, 1), both multiples of 2^-24.
		let u = ((self.stream.next_u32() >> 8) + 1) as f32 * (1.0 / 16_777_216.0);
		let v = (self.stream.next_u32() >> 8) as f32 * (1.0 / 16_777_216.0);
		let radius = (-2.0 * math::ln_one(u)).sqrt();
		let angle = TWO_PI * v;
		self.second = Some(radius * math::sin(angle));
		radius * math::cos(angle)
	}
}

/// Draws all parameters of `config`.
///
/// # Errors
/// As [`Config::validate`].
pub fn init(config: Config, seed: [u8; 32]) -> Result<Parameters> {
	let layout = Layout::of(&config)?;
	let mut normal = Normal {
		stream: ChaCha20Rng::from_seed(seed),
		second: None,
	};
	let residual = DEVIATION / (2.0 * config.n_layers as f32).sqrt();
	let mut values = Vec::with_capacity(layout.total());
	for tensor in layout.tensors() {
		let n = tensor.len();
		match tensor.initial {
			Initial::Zeros => values.extend(core::iter::repeat_n(0.0, n)),
			Initial::Ones => values.extend(core::iter::repeat_n(1.0, n)),
			Initial::Normal => values.extend((0..n).map(|_| normal.next() * DEVIATION)),
			Initial::Residual => values.extend((0..n).map(|_| normal.next() * residual)),
		}
	}
	Parameters::from_vec(config, values)
}

#[cfg(test)]
mod tests {
	use super::*;

	const CONFIG: Config = Config {
		vocab_size: 512,
		context_length: 16,
		n_layers: 2,
		n_heads: 2,
		d_model: 32,
		d_ff: 64,
	};

	fn deviation(values: impl ExactSizeIterator<Item = f32> + Clone) -> (f64, f64) {
		let n = values.len() as f64;
		let mean = values.clone().map(f64::from).sum::<f64>() / n;
		let variance = values.map(|x| (f64::from(x) - mean).powi(2)).sum::<f64>() / n;
		(mean, variance.sqrt())
	}

	#[test]
	fn has_the_deviations_of_gpt2() {
		let parameters = init(CONFIG, [3; 32]).unwrap();
		let embedding = parameters.tensor("wte.weight").unwrap();
		let (mean, sigma) = deviation(embedding.iter().copied());
		assert!(
			mean.abs() < 6e-4 && (sigma - 0.02).abs() < 6e-4,
			"{mean} {sigma}"
		);
		let projection = parameters.tensor("h.1.mlp.c_proj.weight").unwrap();
		let (_, sigma) = deviation(projection.iter().copied());
		assert!((sigma - 0.01).abs() < 6e-4, "{sigma}");
		assert!(parameters
			.tensor("ln_f.weight")
			.unwrap()
			.iter()
			.all(|x| *x == 1.0));
		assert!(parameters
			.tensor("h.0.attn.c_attn.bias")
			.unwrap()
			.iter()
			.all(|x| *x == 0.0));
	}

	#[test]
	fn depends_on_every_byte_of_the_seed() {
		let first = init(CONFIG, [3; 32]).unwrap();
		assert_eq!(first, init(CONFIG, [3; 32]).unwrap());
		for byte in 0..32 {
			let mut seed = [3; 32];
			seed[byte] = 4;
			assert_ne!(first, init(CONFIG, seed).unwrap());
		}
	}

	#[test]
	fn is_frozen() {
		let parameters = init(CONFIG, [7; 32]).unwrap();
		let bits: Vec<u32> = parameters.as_slice()[..4]
			.iter()
			.map(|x| x.to_bits())
			.collect();
		assert_eq!(bits, FIRST_OF_SEED_7);
	}

	/// Changes only with the numeric specification.
	const FIRST_OF_SEED_7: [u32; 4] = [0xba9a_f82a, 0x3cc8_d27e, 0xbc72_57f2, 0x3bc2_2b82];
}
