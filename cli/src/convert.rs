//! The chain's words turned into the engine's, and into what `--json` shows.
//!
//! Must not know: the connection. The engine knows no SCALE and no account type; the chain knows no engine.

use crate::amount::Amount;
use codec::Encode;
use llmchain_primitives as chain;
use llmchain_primitives::{
	data::DatasetLicence,
	model::{Architecture, CheckpointRoots, Origin, Version},
	training::{LocalTraining, Outer, Phase, Quantiser, RoundStatus, RoundView, TaskStatus},
	work::Disclosure,
	AccountId, Hash, VersionId,
};
use serde_json::{json, Value};
use subxt::utils::AccountId32;

/// A version as the chain gives it.
pub type ChainVersion = Version<AccountId, u32>;

/// Bytes of hexadecimal text, with or without `0x`.
pub fn bytes_of_hex(text: &str) -> Option<Vec<u8>> {
	hex::decode(text.strip_prefix("0x").unwrap_or(text)).ok()
}

/// Reads an identity or a seed, for clap.
///
/// # Errors
/// - what it should look like.
pub fn parse_hash(text: &str) -> Result<Hash, String> {
	bytes_of_hex(text)
		.and_then(|bytes| <[u8; 32]>::try_from(bytes).ok())
		.map(Hash::from)
		.ok_or_else(|| "an identity is 0x and 64 hexadecimal digits".to_owned())
}

/// Hexadecimal text of a hash.
pub fn show(hash: &Hash) -> String {
	format!("{hash:?}")
}

/// Hexadecimal text of a hash of the engine.
pub fn show_raw(hash: &trainer::Hash) -> String {
	format!("0x{}", hex::encode(hash))
}

/// An account as subxt has it.
pub fn to_subxt(account: &AccountId) -> AccountId32 {
	AccountId32(*account.as_ref())
}

/// An account of subxt's as ours.
pub fn from_subxt(account: &AccountId32) -> AccountId {
	AccountId::new(account.0)
}

/// BLAKE2b-256.
pub fn blake2(bytes: &[u8]) -> Hash {
	trainer::hash(bytes).into()
}

/// Seed of version 0 of a model whose creator gives none: public, and another for each name and dataset.
pub fn default_seed(name: &str, dataset: &Hash) -> Hash {
	blake2(&(b"llmchain/cli/seed/1", name, dataset).encode())
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

/// A version's integers and where they come from.
pub fn checkpoint(version: &ChainVersion) -> trainer::CheckpointRef {
	trainer::CheckpointRef {
		parameters: version.roots.parameters.0,
		momentum: version.roots.momentum.0,
		seed: match version.origin {
			Origin::Seed(seed) => Some(seed.0),
			Origin::Round { .. } => None,
		},
	}
}

/// Roots of the engine's as the chain's.
pub fn roots((parameters, momentum): (trainer::Hash, trainer::Hash)) -> CheckpointRoots {
	CheckpointRoots {
		parameters: parameters.into(),
		momentum: momentum.into(),
	}
}

/// A shard.
pub fn shard(shard: &chain::data::Shard) -> trainer::Shard {
	trainer::Shard {
		size: shard.size,
		documents: shard.documents,
		chunks: shard.chunks.iter().map(|chunk| chunk.0).collect(),
	}
}

/// The step of quantised updates.
pub fn quantiser(quantiser: &Quantiser) -> trainer::Quantiser {
	trainer::Quantiser {
		bits: quantiser.bits,
		exponent: quantiser.exponent,
	}
}

/// Constants of the server update.
pub fn outer(outer: &Outer) -> trainer::Outer {
	trainer::Outer {
		learning_rate_q16: outer.learning_rate_q16,
		momentum_q16: outer.momentum_q16,
	}
}

/// A loss in nats, for people; hashes and comparisons use micro-nats.
pub fn nats(micro: u64) -> f64 {
	micro as f64 / 1e6
}

/// Name of a phase.
pub fn phase(phase: Phase) -> &'static str {
	match phase {
		Phase::Train => "train",
		Phase::Hold => "hold",
		Phase::Aggregate => "aggregate",
		Phase::Challenge => "challenge",
	}
}

/// Name of a task's status.
pub fn task_status(status: TaskStatus) -> &'static str {
	match status {
		TaskStatus::Open => "open",
		TaskStatus::Completed => "completed",
		TaskStatus::TargetReached => "target-reached",
		TaskStatus::OutOfPatience => "out-of-patience",
		TaskStatus::Cancelled => "cancelled",
	}
}

/// Name of a disclosure.
pub fn disclosure(disclosure: Disclosure) -> &'static str {
	match disclosure {
		Disclosure::Human => "human",
		Disclosure::AiAssisted => "ai-assisted",
		Disclosure::AiGenerated => "ai-generated",
	}
}

/// Name of a licence.
pub fn licence(licence: &DatasetLicence) -> &str {
	match licence {
		DatasetLicence::PublicDomain => "public-domain",
		DatasetLicence::Spdx(expression) => expression.as_str(),
	}
}

/// Version and receipt that a work cites.
pub fn made_with(cited: Option<(VersionId, Hash)>) -> Value {
	cited.map_or(
		Value::Null,
		|(version, receipt)| json!({ "version": version, "receipt": receipt }),
	)
}

/// A shard of a manifest.
pub fn shard_json(shard: &chain::data::Shard) -> Value {
	json!({
		"size": shard.size,
		"documents": shard.documents,
		"chunks": shard.chunks.len(),
		"root": shard.root(),
	})
}

/// A version with its lineage.
pub fn version_json(id: &VersionId, version: &ChainVersion) -> Value {
	let origin = match version.origin {
		Origin::Seed(seed) => json!({ "seed": seed }),
		Origin::Round { task, round } => json!({ "task": task, "round": round }),
	};
	let contributors: Vec<Value> = version
		.contributors
		.iter()
		.map(|one| json!({ "account": one.account, "examples": one.examples }))
		.collect();
	json!({
		"version": id,
		"number": version.number,
		"parents": version.parents.as_slice(),
		"origin": origin,
		"parameters": version.roots.parameters,
		"momentum": version.roots.momentum,
		"tokenizer": version.tokenizer,
		"numeric_spec": version.numeric_spec,
		"datasets": version.datasets.as_slice(),
		"contributors": contributors,
		"heldout_loss": version.evaluation.map(nats),
		"heldout_loss_micro_nats": version.evaluation,
		"created": version.created,
	})
}

/// A round with its members.
pub fn round_json(round: &RoundView) -> Value {
	let (status, phase_now, version) = match round.status {
		RoundStatus::Running { phase: now, .. } => ("running", Some(phase(now)), None),
		RoundStatus::Settled { version } => ("settled", None, Some(version)),
		RoundStatus::Failed => ("failed", None, None),
	};
	let evaluation = version
		.and(round.claim.as_ref())
		.map(|claim| claim.evaluation);
	let members: Vec<Value> = round
		.members
		.iter()
		.map(|member| {
			json!({
				"account": member.account,
				"shards": member.shards,
				"weight": member.shards.len(),
				"posted": member.update.is_some(),
				"survived": member.survived,
				"attested": member.attested,
				"loss_before": member.update.map(|update| nats(update.loss_before)),
				"loss_after": member.update.map(|update| nats(update.loss_after)),
			})
		})
		.collect();
	json!({
		"round": round.number,
		"status": status,
		"phase": phase_now,
		"base": round.base,
		"version": version,
		"heldout_loss": evaluation.map(nats),
		"heldout_loss_micro_nats": evaluation,
		"survivors": survivors(round),
		"began": round.began,
		"ended": round.ended,
		"members": members,
	})
}

/// Members whose updates are in the aggregate.
pub fn survivors(round: &RoundView) -> usize {
	round
		.members
		.iter()
		.filter(|member| member.survived)
		.count()
}

/// Numbers of a local training as people type them.
pub fn local_training_json(local: &LocalTraining) -> Value {
	let number = |bits: llmchain_primitives::training::F32Bits| f32::from_bits(bits.0);
	json!({
		"steps": local.steps,
		"batch": local.batch,
		"warmup": local.warmup,
		"learning_rate": number(local.learning_rate),
		"beta1": number(local.beta1),
		"beta2": number(local.beta2),
		"epsilon": number(local.epsilon),
		"weight_decay": number(local.weight_decay),
		"clip_norm": number(local.clip_norm),
	})
}

/// Money of the chain.
pub fn money(units: u128) -> Amount {
	Amount(units)
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn identities_are_64_digits() {
		let text = format!("0x{}", "ab".repeat(32));
		assert_eq!(show(&parse_hash(&text).unwrap()), text);
		assert_eq!(parse_hash(&text[2..]), parse_hash(&text));
		for wrong in ["", "0x", "0x12", &text[..65], "not hex"] {
			assert!(parse_hash(wrong).is_err(), "{wrong}");
		}
	}

	#[test]
	fn seeds_differ_by_name_and_dataset() {
		let one = Hash::repeat_byte(1);
		assert_ne!(default_seed("a", &one), default_seed("b", &one));
		assert_ne!(
			default_seed("a", &one),
			default_seed("a", &Hash::repeat_byte(2))
		);
	}
}
