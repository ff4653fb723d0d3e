//! Generation of text tokens, one by one, with a key-value cache.
//!
//! Must not know: text (see `tokenizer`), receipts.
//! Source: numeric specification, sections 6 and 11.
//! Invariants: a prompt read at once and a prompt read token by token give the same bits, and the same bits as training;
//! nothing is allocated per token.

use crate::environment::{check_float_environment, in_order};
use crate::error::Result;
use crate::evaluate::check_tokens;
use crate::kernels::{crew, Kernel};
use crate::layers::attention::Cache;
use crate::network::{Activations, Network};
use crate::parameters::Parameters;
use crate::sampling::{Sampler, Sampling};
use crate::tokenizer::EOS;

/// A model that reads tokens and predicts the next one.
pub(crate) struct Decoder<'a> {
	network: Network,
	parameters: &'a [f32],
	/// One a layer.
	caches: Vec<Cache>,
	/// Tokens read.
	position: usize,
	activations: Activations,
	/// The residual stream before and after a block, `[n, C]`.
	streams: [Vec<f32>; 2],
	stats: Vec<f32>,
	positions: Vec<u32>,
	logits: Vec<f32>,
}

impl<'a> Decoder<'a> {
	pub(crate) fn new(parameters: &'a Parameters, kernel: Kernel) -> Self {
		let layout = parameters.layout().clone();
		let network = Network::new(*parameters.config(), layout, kernel);
		let v = network.vocabulary();
		let cache = Cache::new(network.heads(), network.config.context_length as usize);
		Self {
			caches: vec![cache; network.n_layers()],
			network,
			parameters: parameters.as_slice(),
			position: 0,
			activations: Activations::default(),
			streams: [Vec::new(), Vec::new()],
			stats: Vec::new(),
			positions: Vec::new(),
			logits: vec![0.0; v],
		}
	}

	/// Tokens that still fit the context.
	pub(crate) fn room(&self) -> usize {
		self.network.config.context_length as usize - self.position
	}

	/// Reads `tokens`, at least one and at most [`Decoder::room`]; gives the logits of what follows the last.
	pub(crate) fn read(&mut self, tokens: &[u32]) -> &[f32] {
		let Self {
			network,
			parameters,
			..
		} = self;
		let (c, n) = (network.d_model(), tokens.len());
		let kernel = network.kernel;
		self.activations.reserve(&network.config, n);
		for stream in &mut self.streams {
			stream.resize(n * c, 0.0);
		}
		self.stats.resize(n * 2, 0.0);
		self.positions.clear();
		// Below the context length, so positions fit.
		self.positions
			.extend((self.position..self.position + n).map(|position| position as u32));
		let [x, y] = &mut self.streams;
		network.embed(parameters, tokens, &self.positions, x);
		for (layer, cache) in self.caches.iter_mut().enumerate() {
			let first = self.position;
			network.block(
				parameters,
				layer,
				x,
				&mut self.activations,
				y,
				|qkv, out, _| {
					cache.forward(kernel, first, qkv, out);
				},
			);
			core::mem::swap(x, y);
		}
		network.finish(parameters, x, y, &mut self.stats);
		self.position += n;
		network.head(parameters, &y[(n - 1) * c..], &mut self.logits);
		&self.logits
	}
}

/// Continues `prompt` (which usually begins with the beginning-of-text token).
///
/// Calls `on_token` with each new token and gives all of them, without the end-of-text token. Stops at end of text, after
/// `sampling.max_tokens`, or when the context is full. Equal arguments give equal tokens on every machine.
///
/// # Errors
/// - [`crate::Error::EmptyPrompt`], [`crate::Error::PromptTooLong`], [`crate::Error::TokenOutOfVocabulary`]
/// - [`crate::Error::SamplingOutOfRange`]
/// - [`crate::Error::FloatEnvironment`]
/// - [`crate::Error::NotFinite`]: the model's logits are not
pub fn generate(
	parameters: &Parameters,
	prompt: &[u32],
	sampling: &Sampling,
	seed: [u8; 32],
	on_token: &mut dyn FnMut(u32),
) -> Result<Vec<u32>> {
	generate_with(
		parameters,
		prompt,
		sampling,
		seed,
		Kernel::detect(),
		on_token,
	)
}

/// As [`generate`], with a given kernel.
///
/// # Errors
/// As [`generate`], and [`crate::Error::KernelUnavailable`].
pub fn generate_with(
	parameters: &Parameters,
	prompt: &[u32],
	sampling: &Sampling,
	seed: [u8; 32],
	kernel: Kernel,
	on_token: &mut dyn FnMut(u32),
) -> Result<Vec<u32>> {
	sampling.validate()?;
	let kernel: Kernel = kernel.require()?;
	check_tokens(parameters, prompt)?;
	check_float_environment()?;
	let mut decoder = Decoder::new(parameters, kernel);
	let mut sampler = Sampler::new(*sampling, kernel, seed);
	let limit = sampling.max_tokens as usize;
	let mut tokens = Vec::with_capacity(limit.min(decoder.room() + 1));
	let mut logits = crew::work(in_order, || decoder.read(prompt));
	loop {
		let token = sampler.choose(logits, tokens.len() as u64)?;
		if token == EOS {
			break;
		}
		tokens.push(token);
		on_token(token);
		if tokens.len() == limit || decoder.room() == 0 {
			break;
		}
		logits = crew::work(in_order, || decoder.read(&[token]));
	}
	Ok(tokens)
}

#[cfg(test)]
mod tests;
