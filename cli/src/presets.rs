//! Numbers that fit a corpus: the one table that `model create` and `task create` take their defaults from.
//!
//! Must not know: where a number goes. Tuned with `cargo run -p trainer --example simulate`, whose defaults are these; phases end
//! as soon as all have posted, so phase lengths are patience, not waiting.
//! Invariant: every preset is a task that the chain takes (tested below).

use clap::ValueEnum;

/// Name of a preset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum PresetName {
	/// Chinese quatrains.
	#[default]
	Tang,
	/// English verse and dialogue.
	Shakespeare,
}

/// The numbers of a model and of a task on it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Preset {
	/// Tokens of the vocabulary at most.
	pub vocab: u32,
	/// Longest sequence in tokens.
	pub context: u32,
	/// Blocks.
	pub layers: u32,
	/// Attention heads a block.
	pub heads: u32,
	/// Width of the residual stream.
	pub d_model: u32,
	/// Width of the feed-forward layer.
	pub d_ff: u32,
	/// Participants of a round.
	pub cohort: u32,
	/// Rounds.
	pub rounds: u32,
	/// Optimiser steps of a participant in a round.
	pub steps: u32,
	/// Documents a step.
	pub batch: u32,
	/// Steps over which the learning rate rises.
	pub warmup: u32,
	/// Learning rate of AdamW.
	pub learning_rate: f32,
	/// First-moment decay.
	pub beta1: f32,
	/// Second-moment decay.
	pub beta2: f32,
	/// Denominator constant.
	pub epsilon: f32,
	/// Decoupled weight decay.
	pub weight_decay: f32,
	/// Largest gradient norm.
	pub clip_norm: f32,
	/// Outer learning rate, in units of 2^-16.
	pub outer_rate_q16: u32,
	/// Outer momentum, in units of 2^-16.
	pub outer_momentum_q16: u32,
	/// Bits of a quantised coordinate.
	pub bits: u8,
	/// Exponent of the quantiser's step.
	pub exponent: u8,
	/// Reward of a round, in units.
	pub reward: u128,
	/// Blocks to train.
	pub train_blocks: u32,
	/// Blocks to fetch each other's updates.
	pub hold_blocks: u32,
	/// Blocks of one aggregator's turn.
	pub aggregate_blocks: u32,
	/// Blocks to attest.
	pub challenge_blocks: u32,
}

const TANG: Preset = Preset {
	vocab: 2048,
	context: 40,
	layers: 4,
	heads: 5,
	d_model: 160,
	d_ff: 640,
	cohort: 4,
	rounds: 5,
	steps: 352,
	batch: 16,
	warmup: 20,
	learning_rate: 1.5e-3,
	beta1: 0.9,
	beta2: 0.95,
	epsilon: 1e-8,
	weight_decay: 0.01,
	clip_norm: 1.0,
	// 0.4 and 0.6: each round moves less than its trainers did, and later rounds go on in the same direction.
	outer_rate_q16: 26_214,
	outer_momentum_q16: 39_322,
	bits: 10,
	exponent: 12,
	reward: 100 * crate::amount::UNIT,
	train_blocks: 150,
	hold_blocks: 30,
	aggregate_blocks: 30,
	challenge_blocks: 30,
};

/// A document has at most 240 characters, so a context of 244 holds it whole.
const SHAKESPEARE: Preset = Preset {
	vocab: 96,
	context: 244,
	heads: 4,
	d_model: 128,
	d_ff: 512,
	steps: 104,
	warmup: 10,
	learning_rate: 2e-3,
	outer_rate_q16: 32_768,
	outer_momentum_q16: 32_768,
	..TANG
};

impl PresetName {
	/// Its numbers.
	pub fn numbers(self) -> &'static Preset {
		match self {
			PresetName::Tang => &TANG,
			PresetName::Shakespeare => &SHAKESPEARE,
		}
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use llmchain_primitives::model::Architecture;

	#[test]
	fn every_preset_is_possible() {
		for name in PresetName::value_variants() {
			let preset = name.numbers();
			let architecture = Architecture {
				vocab_size: preset.vocab,
				context_length: preset.context,
				n_layers: preset.layers,
				n_heads: preset.heads,
				d_model: preset.d_model,
				d_ff: preset.d_ff,
			};
			assert!(architecture.n_parameters().is_some(), "{name:?}");
			assert!(
				crate::convert::architecture(&architecture)
					.config()
					.validate()
					.is_ok(),
				"{name:?}"
			);
			assert!(secagg::Quantiser::new(preset.bits, preset.exponent).is_ok());
			assert!(secagg::Outer::new(preset.outer_momentum_q16, preset.outer_rate_q16).is_ok());
			let heaviest = u32::from(llmchain_primitives::training::MAX_WEIGHT);
			assert!(secagg::check_ring(preset.bits, heaviest).is_ok());
			assert!(preset.warmup <= preset.steps && preset.cohort > 0 && preset.rounds > 0);
			assert!(preset.reward >= 16 * u128::from(preset.cohort));
			for value in [preset.learning_rate, preset.epsilon, preset.clip_norm] {
				assert!(value.is_finite() && value > 0.0);
			}
			for decay in [preset.beta1, preset.beta2] {
				assert!((0.0..1.0).contains(&decay));
			}
		}
	}
}
