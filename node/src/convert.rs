//! The chain's words for jobs and outcomes, turned into the engine's, by hand.
//!
//! Must not know: how a job is computed. The engine knows no SCALE and no account type; the chain knows no engine.

use llmchain_primitives as chain;
use llmchain_primitives::{
	mailbox::{Job, JobOutcome, Outcome, Ticket, TicketKey},
	model::{Architecture, CheckpointRoots},
	receipt::SamplingParameters,
	text::BoundedText,
	training::{AggregateReport, Holdings, Phase, UpdateReport},
	Hash,
};

/// Identity of a job.
pub fn job_key(key: &TicketKey) -> trainer::JobKey {
	trainer::JobKey {
		genesis: key.genesis.0,
		task: key.task.0,
		round: key.round,
		phase: phase(key.phase),
		trainer: *key.trainer.as_ref(),
		digest: key.digest.0,
	}
}

fn phase(phase: Phase) -> trainer::Phase {
	match phase {
		Phase::Train => trainer::Phase::Train,
		Phase::Hold => trainer::Phase::Hold,
		Phase::Aggregate => trainer::Phase::Aggregate,
		Phase::Challenge => trainer::Phase::Challenge,
	}
}

/// A job.
pub fn job(ticket: &Ticket) -> trainer::Job {
	let Ticket::V1(job) = ticket;
	match job {
		Job::Train(job) => trainer::Job::Train(trainer::TrainJob {
			architecture: architecture(&job.architecture),
			tokenizer: job.tokenizer.0,
			base: checkpoint(&job.base.roots, job.base.seed),
			shards: job.shards.iter().map(shard).collect(),
			local: local_training(&job.local),
			quantiser: quantiser(&job.quantiser),
			batch_seed: job.batch_seed.0,
			rounding_seed: job.rounding_seed.0,
		}),
		Job::Hold(job) => trainer::Job::Hold(trainer::HoldJob {
			architecture: architecture(&job.architecture),
			updates: job.updates.iter().map(update).collect(),
		}),
		Job::Aggregate(job) => trainer::Job::Aggregate(trainer::AggregateJob {
			architecture: architecture(&job.architecture),
			tokenizer: job.tokenizer.0,
			base: checkpoint(&job.base.roots, job.base.seed),
			survivors: job.survivors.iter().map(update).collect(),
			quantiser: quantiser(&job.quantiser),
			outer: trainer::Outer {
				learning_rate_q16: job.outer.learning_rate_q16,
				momentum_q16: job.outer.momentum_q16,
			},
			held_out: shard(&job.held_out),
		}),
	}
}

/// An architecture.
pub fn architecture(numbers: &Architecture) -> trainer::Architecture {
	trainer::Architecture {
		vocab_size: numbers.vocab_size,
		context_length: numbers.context_length,
		n_layers: numbers.n_layers,
		n_heads: numbers.n_heads,
		d_model: numbers.d_model,
		d_ff: numbers.d_ff,
	}
}

fn checkpoint(roots: &CheckpointRoots, seed: Option<Hash>) -> trainer::CheckpointRef {
	trainer::CheckpointRef {
		parameters: roots.parameters.0,
		momentum: roots.momentum.0,
		seed: seed.map(|seed| seed.0),
	}
}

fn shard(shard: &chain::data::Shard) -> trainer::Shard {
	trainer::Shard {
		size: shard.size,
		documents: shard.documents,
		chunks: shard.chunks.iter().map(|chunk| chunk.0).collect(),
	}
}

fn update(update: &chain::mailbox::UpdateRef) -> trainer::UpdateRef {
	trainer::UpdateRef {
		account: *update.account.as_ref(),
		root: update.root.map(|root| root.0),
		weight: update.weight,
	}
}

fn quantiser(quantiser: &chain::training::Quantiser) -> trainer::Quantiser {
	trainer::Quantiser {
		bits: quantiser.bits,
		exponent: quantiser.exponent,
	}
}

fn local_training(local: &chain::training::LocalTraining) -> trainer::LocalTraining {
	trainer::LocalTraining {
		steps: local.steps,
		batch: local.batch,
		warmup: local.warmup,
		learning_rate: trainer::F32Bits(local.learning_rate.0),
		beta1: trainer::F32Bits(local.beta1.0),
		beta2: trainer::F32Bits(local.beta2.0),
		epsilon: trainer::F32Bits(local.epsilon.0),
		weight_decay: trainer::F32Bits(local.weight_decay.0),
		clip_norm: trainer::F32Bits(local.clip_norm.0),
	}
}

/// How tokens are drawn.
pub fn sampling(sampling: &SamplingParameters) -> transformer::Sampling {
	transformer::Sampling {
		temperature_milli: sampling.temperature_milli,
		top_k: sampling.top_k,
		top_p_milli: sampling.top_p_milli,
		max_tokens: sampling.max_tokens,
	}
}

/// An outcome.
pub fn outcome(outcome: trainer::JobOutcome) -> Outcome {
	Outcome::V1(match outcome {
		trainer::JobOutcome::Trained {
			root,
			loss_before,
			loss_after,
		} => JobOutcome::Trained(UpdateReport {
			root: root.into(),
			loss_before,
			loss_after,
		}),
		trainer::JobOutcome::Held { bitmap } => JobOutcome::Held(Holdings(bitmap)),
		trainer::JobOutcome::Aggregated {
			parameters,
			momentum,
			evaluation,
		} => JobOutcome::Aggregated(AggregateReport {
			roots: CheckpointRoots {
				parameters: parameters.into(),
				momentum: momentum.into(),
			},
			evaluation,
		}),
		trainer::JobOutcome::Failed { reason } => JobOutcome::Failed(note(&reason)),
	})
}

/// As much of a text as fits, cut between characters.
fn note<const N: u32>(text: &str) -> BoundedText<N> {
	let mut end = text.len().min(N as usize);
	while !text.is_char_boundary(end) {
		end -= 1;
	}
	BoundedText::try_from(&text[..end]).unwrap_or_default()
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn long_notes_are_cut_between_characters() {
		assert_eq!(note::<4>("床前").as_str(), "床");
		assert_eq!(note::<8>("short").as_str(), "short");
	}
}
