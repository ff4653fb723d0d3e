//! What the engine is asked and what it answers: one job per phase of a round.
//!
//! Must not know: who asks, how a phase is decided, how tickets are encoded. The node turns the chain's tickets into these
//! words by hand, so neither side's encoding binds the other.
//! Source: ARCHITECTURE.md, "Off-chain worker and trainer"; `docs/protocol/round.md`.
//! Invariant: a job holds everything that decides its result; floats travel as bit patterns.

use crate::{error::JobError, hexed, Account, Hash};
use serde::{Deserialize, Serialize};

/// Longest reason of a failed job, in bytes of UTF-8.
pub const MAX_REASON: usize = 256;

/// Step inside a round, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Phase {
	/// Participants train.
	Train,
	/// Participants fetch and check all updates.
	Hold,
	/// The aggregator computes the new roots.
	Aggregate,
	/// The others recompute them.
	Challenge,
}

/// What a job belongs to. Other inputs make another digest, hence another job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct JobKey {
	/// Genesis hash of the chain.
	#[serde(with = "hexed")]
	pub genesis: Hash,
	/// The task.
	#[serde(with = "hexed")]
	pub task: Hash,
	/// The round's number, from 1.
	pub round: u32,
	/// The phase.
	pub phase: Phase,
	/// Operator account of the trainer that the job is done for.
	#[serde(with = "hexed")]
	pub trainer: Account,
	/// Digest of the job as the chain computes it.
	#[serde(with = "hexed")]
	pub digest: Hash,
}

impl JobKey {
	/// Whether both keys belong to one trainer's part in one task.
	pub(crate) fn same_line(&self, other: &JobKey) -> bool {
		(self.genesis, self.task, self.trainer) == (other.genesis, other.task, other.trainer)
	}

	/// Whether both keys ask the same question in different phases, as `Aggregate` and `Challenge` do.
	pub(crate) fn same_question(&self, other: &JobKey) -> bool {
		let aggregates = |phase| matches!(phase, Phase::Aggregate | Phase::Challenge);
		let alike = self.phase == other.phase || aggregates(self.phase) && aggregates(other.phase);
		alike && self.same_line(other) && (self.round, self.digest) == (other.round, other.digest)
	}
}

/// The numbers that define a Transformer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Architecture {
	/// Tokens in the vocabulary.
	pub vocab_size: u32,
	/// Longest sequence, in tokens.
	pub context_length: u32,
	/// Blocks.
	pub n_layers: u32,
	/// Attention heads a block.
	pub n_heads: u32,
	/// Width of the residual stream.
	pub d_model: u32,
	/// Width of the feed-forward layer.
	pub d_ff: u32,
}

impl Architecture {
	/// The same numbers in the Transformer's words.
	pub fn config(&self) -> transformer::Config {
		transformer::Config {
			vocab_size: self.vocab_size,
			context_length: self.context_length,
			n_layers: self.n_layers,
			n_heads: self.n_heads,
			d_model: self.d_model,
			d_ff: self.d_ff,
		}
	}

	/// Number of parameters: coordinates of every vector of this model.
	///
	/// # Errors
	/// - [`JobError::Transformer`] if the numbers make no model.
	pub fn n_parameters(&self) -> Result<u64, JobError> {
		Ok(self.config().n_parameters()? as u64)
	}
}

/// A checkpoint and how to get it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckpointRef {
	/// Root of the parameters.
	#[serde(with = "hexed")]
	pub parameters: Hash,
	/// Root of the outer momentum.
	#[serde(with = "hexed")]
	pub momentum: Hash,
	/// Seed, if it is a version 0: anyone derives it without peers.
	#[serde(with = "hexed::option")]
	pub seed: Option<Hash>,
}

/// One shard of a dataset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shard {
	/// Bytes of the whole shard.
	pub size: u32,
	/// Documents in it.
	pub documents: u32,
	/// BLAKE2b-256 of its chunks, in order; the shard is their concatenation.
	#[serde(with = "hexed::list")]
	pub chunks: Vec<Hash>,
}

/// One f32 by its bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct F32Bits(pub u32);

impl F32Bits {
	/// The bits of `value`.
	pub fn new(value: f32) -> Self {
		Self(value.to_bits())
	}

	/// The number with these bits.
	pub fn value(self) -> f32 {
		f32::from_bits(self.0)
	}
}

/// What one participant computes in a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalTraining {
	/// Optimiser steps, H.
	pub steps: u32,
	/// Documents a step, B.
	pub batch: u32,
	/// Steps over which the learning rate rises linearly.
	pub warmup: u32,
	/// Learning rate of AdamW.
	pub learning_rate: F32Bits,
	/// First-moment decay.
	pub beta1: F32Bits,
	/// Second-moment decay.
	pub beta2: F32Bits,
	/// Denominator constant.
	pub epsilon: F32Bits,
	/// Decoupled weight decay.
	pub weight_decay: F32Bits,
	/// Largest global gradient norm.
	pub clip_norm: F32Bits,
}

impl LocalTraining {
	/// The optimiser's constants; the learning rate stays constant after the warm-up.
	pub fn hyper(&self) -> transformer::Hyper {
		transformer::Hyper {
			learning_rate: self.learning_rate.value(),
			beta1: self.beta1.value(),
			beta2: self.beta2.value(),
			epsilon: self.epsilon.value(),
			weight_decay: self.weight_decay.value(),
			clip_norm: self.clip_norm.value(),
			schedule: transformer::Schedule {
				offset: 0,
				warmup_steps: self.warmup,
				decay: transformer::Decay::Constant,
			},
		}
	}
}

/// Constants of the server update, in units of 2^-16.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outer {
	/// Outer learning rate, eta.
	pub learning_rate_q16: u32,
	/// Nesterov momentum, mu.
	pub momentum_q16: u32,
}

/// How updates become integers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quantiser {
	/// Bits of a quantised coordinate, sign included.
	pub bits: u8,
	/// A step is 2^-exponent.
	pub exponent: u8,
}

/// One participant's posted update.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateRef {
	/// The participant, bound into the leaves.
	#[serde(with = "hexed")]
	pub account: Account,
	/// Root of its weighted quantised update; `None` if it posted none.
	#[serde(with = "hexed::option")]
	pub root: Option<Hash>,
	/// Its aggregation weight, 1..=16.
	pub weight: u8,
}

/// Phase `Train`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrainJob {
	/// The model's numbers.
	pub architecture: Architecture,
	/// Blob of the tokenizer.
	#[serde(with = "hexed")]
	pub tokenizer: Hash,
	/// Where to start.
	pub base: CheckpointRef,
	/// Shards drawn for the participant; their number is its weight.
	pub shards: Vec<Shard>,
	/// What to compute.
	pub local: LocalTraining,
	/// How the update becomes integers.
	pub quantiser: Quantiser,
	/// Seed of the batch order.
	#[serde(with = "hexed")]
	pub batch_seed: Hash,
	/// Seed of stochastic rounding.
	#[serde(with = "hexed")]
	pub rounding_seed: Hash,
}

/// Phase `Hold`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldJob {
	/// The model's numbers, which give the length of an update.
	pub architecture: Architecture,
	/// The roster's updates, in order; at most 64.
	pub updates: Vec<UpdateRef>,
}

/// Phases `Aggregate` and `Challenge`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AggregateJob {
	/// The model's numbers.
	pub architecture: Architecture,
	/// Blob of the tokenizer.
	#[serde(with = "hexed")]
	pub tokenizer: Hash,
	/// The version that the round started from.
	pub base: CheckpointRef,
	/// The survivors' updates, in roster order.
	pub survivors: Vec<UpdateRef>,
	/// Step of the quantised updates.
	pub quantiser: Quantiser,
	/// Constants of the server update.
	pub outer: Outer,
	/// Shard to evaluate on.
	pub held_out: Shard,
}

/// One piece of work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Job {
	/// Phase `Train`.
	Train(TrainJob),
	/// Phase `Hold`.
	Hold(HoldJob),
	/// Phases `Aggregate` and `Challenge`.
	Aggregate(AggregateJob),
}

impl Job {
	/// Whether this is the kind of work that `phase` asks for.
	pub(crate) fn fits(&self, phase: Phase) -> bool {
		matches!(
			(self, phase),
			(Job::Train(_), Phase::Train)
				| (Job::Hold(_), Phase::Hold)
				| (Job::Aggregate(_), Phase::Aggregate | Phase::Challenge)
		)
	}

	/// Units of progress: optimiser steps, updates to fetch, or the aggregate as one.
	pub(crate) fn total(&self) -> u64 {
		match self {
			Job::Train(job) => job.local.steps.into(),
			Job::Hold(job) => job.updates.iter().filter(|u| u.root.is_some()).count() as u64,
			Job::Aggregate(_) => 1,
		}
	}
}

/// What came of a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum JobOutcome {
	/// Phase `Train`.
	Trained {
		/// Root of the weighted quantised update.
		#[serde(with = "hexed")]
		root: Hash,
		/// Mean training loss of the first step, micro-nats per token.
		loss_before: u64,
		/// Mean training loss of the last step, micro-nats per token.
		loss_after: u64,
	},
	/// Phase `Hold`.
	Held {
		/// Bit i: the update of member i is here and checked.
		bitmap: u64,
	},
	/// Phases `Aggregate` and `Challenge`.
	Aggregated {
		/// Root of the new parameters.
		#[serde(with = "hexed")]
		parameters: Hash,
		/// Root of the new momentum.
		#[serde(with = "hexed")]
		momentum: Hash,
		/// Mean held-out loss, micro-nats per token.
		evaluation: u64,
	},
	/// The job cannot be done, however often it is tried.
	Failed {
		/// Why, for people; at most [`MAX_REASON`] bytes.
		reason: String,
	},
}

impl JobOutcome {
	/// A failure with its reason cut to [`MAX_REASON`] bytes at a character's edge.
	pub(crate) fn failed(mut reason: String) -> Self {
		let mut end = reason.len().min(MAX_REASON);
		while !reason.is_char_boundary(end) {
			end -= 1;
		}
		reason.truncate(end);
		JobOutcome::Failed { reason }
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn a_job_survives_its_json() {
		let job = Job::Hold(HoldJob {
			architecture: Architecture {
				vocab_size: 8,
				context_length: 4,
				n_layers: 1,
				n_heads: 2,
				d_model: 4,
				d_ff: 16,
			},
			updates: vec![
				UpdateRef {
					account: [1; 32],
					root: Some([2; 32]),
					weight: 3,
				},
				UpdateRef {
					account: [4; 32],
					root: None,
					weight: 1,
				},
			],
		});
		let text = serde_json::to_string(&job).unwrap();
		assert!(text.contains(&"02".repeat(32)));
		assert_eq!(serde_json::from_str::<Job>(&text).unwrap(), job);
		assert!(serde_json::from_str::<Job>(&text.replace("02", "0g")).is_err());
		assert!(serde_json::from_str::<Job>(&text.replacen("02", "", 1)).is_err());
		assert!(job.fits(Phase::Hold) && !job.fits(Phase::Train));
		assert_eq!(job.total(), 1);
	}

	#[test]
	fn reasons_are_cut_between_characters() {
		let JobOutcome::Failed { reason } = JobOutcome::failed("床".repeat(100)) else {
			panic!("not a failure");
		};
		assert_eq!(reason, "床".repeat(85));
	}
}
