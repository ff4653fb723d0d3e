//! Held-out loss and logits.
//!
//! Must not know: which text is held out. Source: numeric specification, section 8.
//! Invariants: the loss does not depend on how sequences are put into batches, only on their order.

use ndarray::Array2;

use crate::batch::Batch;
use crate::environment::{check_float_environment, in_order};
use crate::error::{Error, Quantity, Result};
use crate::kernels::reduce::{long_sum, Term};
use crate::kernels::{crew, Kernel};
use crate::network::{Network, Passes};
use crate::parameters::Parameters;

/// Mean loss over some batches.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Evaluation {
	/// Nats a token.
	pub loss: f32,
	/// Targets counted.
	pub tokens: usize,
}

fn passes(parameters: &Parameters, kernel: Kernel) -> Passes {
	Passes::new(Network::new(
		*parameters.config(),
		parameters.layout().clone(),
		kernel,
	))
}

/// Mean loss of `parameters` over all targets of all `batches`.
///
/// # Errors
/// - [`Error::EmptyBatch`]: no batches
/// - [`Error::SequenceTooLong`], [`Error::TokenOutOfVocabulary`]
/// - [`Error::FloatEnvironment`]
/// - [`Error::NotFinite`]
pub fn evaluate(parameters: &Parameters, batches: &[Batch]) -> Result<Evaluation> {
	evaluate_with(parameters, batches, Kernel::detect())
}

/// As [`evaluate`], with a given kernel.
///
/// # Errors
/// As [`evaluate`], and [`Error::KernelUnavailable`].
pub fn evaluate_with(
	parameters: &Parameters,
	batches: &[Batch],
	kernel: Kernel,
) -> Result<Evaluation> {
	let kernel = kernel.require()?;
	check_float_environment()?;
	let mut passes = passes(parameters, kernel);
	let p = parameters.as_slice();
	let mut losses = Vec::new();
	for batch in batches {
		batch.check(parameters.config())?;
		let sequences = 0..batch.n_sequences();
		let first = losses.len();
		losses.resize(first + batch.n_targets(), 0.0);
		crew::work(in_order, || {
			passes.forward(
				p,
				batch.inputs(),
				batch.positions(),
				batch.offsets(sequences),
			);
			passes.losses(p, batch.targets(), &mut losses[first..]);
		});
	}
	if losses.is_empty() {
		return Err(Error::EmptyBatch);
	}
	let tokens = losses.len();
	let loss = long_sum(kernel, &losses, Term::Plain, &mut Vec::new()) / tokens as f32;
	if loss.is_finite() {
		Ok(Evaluation { loss, tokens })
	} else {
		Err(Error::NotFinite {
			quantity: Quantity::Loss,
			step: 0,
		})
	}
}

/// Logits `[T, V]` of one sequence: row t tells what follows token t.
///
/// # Errors
/// - [`Error::EmptyPrompt`], [`Error::PromptTooLong`], [`Error::TokenOutOfVocabulary`]
/// - [`Error::FloatEnvironment`]
pub fn logits(parameters: &Parameters, tokens: &[u32]) -> Result<Array2<f32>> {
	check_tokens(parameters, tokens)?;
	check_float_environment()?;
	let mut passes = passes(parameters, Kernel::detect());
	let (rows, v) = (tokens.len(), parameters.config().vocab_size as usize);
	// Fewer than 2^14 tokens, so positions fit.
	let positions: Vec<u32> = (0..rows as u32).collect();
	passes.forward(parameters.as_slice(), tokens, &positions, &[0, rows]);
	let mut logits = Array2::zeros((rows, v));
	if let Some(flat) = logits.as_slice_mut() {
		passes.logits(parameters.as_slice(), rows, flat);
	}
	Ok(logits)
}

/// Refuses tokens that are none, too many, or not in the vocabulary.
pub(crate) fn check_tokens(parameters: &Parameters, tokens: &[u32]) -> Result<()> {
	let config = parameters.config();
	let context_length = config.context_length;
	if tokens.is_empty() {
		return Err(Error::EmptyPrompt);
	}
	if tokens.len() > context_length as usize {
		return Err(Error::PromptTooLong {
			got: tokens.len(),
			context_length,
		});
	}
	match tokens.iter().find(|token| **token >= config.vocab_size) {
		Some(token) => Err(Error::TokenOutOfVocabulary {
			token: *token,
			vocab_size: config.vocab_size,
		}),
		None => Ok(()),
	}
}

/// A loss as the chain writes it: micro-nats, rounded half to even. Saturates; not-a-number becomes `u64::MAX`.
pub fn loss_to_micro_nats(loss: f32) -> u64 {
	if loss.is_nan() {
		return u64::MAX;
	}
	// 24 bits times 20 bits: exact in f64, so the only rounding is this one.
	(f64::from(loss) * 1e6).round_ties_even() as u64
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn micro_nats_round_half_to_even_and_saturate() {
		assert_eq!(loss_to_micro_nats(1.5), 1_500_000);
		assert_eq!(loss_to_micro_nats(8.318_041), 8_318_041);
		// 2^-7 * 10^6 = 7812.5
		assert_eq!(loss_to_micro_nats(0.007_812_5), 7812);
		assert_eq!(loss_to_micro_nats(3.0 * 0.007_812_5), 23_438);
		assert_eq!(loss_to_micro_nats(-1.0), 0);
		assert_eq!(loss_to_micro_nats(f32::INFINITY), u64::MAX);
		assert_eq!(loss_to_micro_nats(f32::NAN), u64::MAX);
	}
}
