//! Generation: tokens, or texts under constraints, one by one or several at once.
//!
//! Reading order: here (tokens), then `writer` (texts), `text` (what may be shown), `decoder` (the model with its memory).
//! Must not know: receipts.
//! Source: numeric specification, sections 6 and 11.
//! Invariants: a prompt read at once and a prompt read token by token give the same bits, and the same bits as training.

mod decoder;
mod text;
mod writer;

pub(crate) use decoder::Decoder;
pub use writer::{Finish, Request, Writer, Written};

use crate::environment::check_float_environment;
use crate::error::Result;
use crate::evaluate::check_tokens;
use crate::kernels::Kernel;
use crate::parameters::Parameters;
use crate::sampling::{Constraints, Sampler, Sampling};
use crate::tokenizer::SpecialTokens;
use writer::Text;

/// Continues `prompt` (which usually begins with the beginning-of-text token) with tokens of our own tokenizers; see
/// [`Writer`] for texts.
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
	let SpecialTokens { end, never, .. } = SpecialTokens::default();
	let limit = sampling.max_tokens as usize;
	let mut text = Text {
		sampler: Sampler::new(*sampling, &Constraints::default(), never, kernel, seed),
		mask: None,
		end,
		limit,
		prompt: prompt.to_vec(),
		tokens: Vec::with_capacity(limit.min(parameters.config().context_length as usize + 1)),
		finish: None,
	};
	let mut decoder = Decoder::new(parameters, kernel, 1);
	writer::decode(
		&mut decoder,
		core::slice::from_mut(&mut text),
		&mut |_, token| {
			on_token(token);
			true
		},
	)?;
	Ok(text.tokens)
}

#[cfg(test)]
mod tests;
