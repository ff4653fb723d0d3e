//! What a task may ask for, and when it ends.
//!
//! Must not know: storage, money beyond the size of the pot, rounds beyond their count and loss.
//! Source: docs/protocol/round.md. Invariants: an accepted task's rounds cannot overflow the ring, its pot covers every round
//! that its stop rule allows, and none of its numbers can stall a trainer.

use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use llmchain_primitives::{
	training::{
		Deadlines, LocalTraining, PrivacyClass, StopRule, TaskSpec, TaskStatus, MAX_ROSTER,
		MAX_WEIGHT,
	},
	traits::{ModelFacts, VersionFacts},
	Balance, NUMERIC_SPEC,
};
use scale_info::TypeInfo;

/// Most optimiser steps of one participant in one round.
pub const MAX_STEPS: u32 = 100_000;
/// Most documents of one step.
pub const MAX_BATCH: u32 = 4_096;
/// Shortest phase in blocks: the off-chain worker posts from a phase's second block on.
pub const MIN_PHASE: u32 = 2;
/// Longest phase in blocks: a week of blocks of 6 s.
pub const MAX_PHASE: u32 = 100_800;
/// Most settled rounds of one task.
pub const MAX_ROUNDS: u32 = 10_000;

/// The bits of 1.0 as f32; for finite numbers that are not negative, bits are in the order of the numbers.
const ONE: u32 = 0x3f80_0000;

/// Why a task is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
	/// No such model.
	UnknownModel,
	/// No such version of this model.
	UnknownVersion,
	/// The base is not the model's latest version.
	StaleBase,
	/// The model follows a numeric specification that trainers of this chain do not compute by.
	NumericSpec,
	/// No such dataset.
	UnknownDataset,
	/// Only `Auditable` tasks run here.
	Privacy,
	/// The cohort is empty or larger than a round takes.
	Cohort,
	/// The dataset has fewer shards than the cohort has members.
	NotEnoughShards,
	/// Steps, batch or warm-up are out of bounds.
	LocalTraining,
	/// A constant of AdamW is not a finite number in its range.
	Optimiser,
	/// Learning rate or momentum of the server update is out of range.
	Outer,
	/// Bits or exponent of the quantiser are out of range.
	Quantiser,
	/// A weighted update could leave the ring of 16 bits.
	RingOverflow,
	/// A phase is too short or too long.
	Deadlines,
	/// The stop rule never ends or ends at once.
	StopRule,
	/// The reward does not give every shard one unit of money.
	RewardTooSmall,
	/// Reward times rounds is more money than there can be.
	PotOverflow,
}

/// What the chain knows of the objects that a task names.
#[derive(Clone, Copy, Debug)]
pub struct Ground {
	/// The model.
	pub model: Option<ModelFacts>,
	/// The base version.
	pub base: Option<VersionFacts>,
	/// Training shards of the dataset.
	pub shards: Option<u32>,
}

/// Checks a task and returns the size of its pot.
///
/// # Errors
/// The first [`Fault`] found.
pub fn check(spec: &TaskSpec<Balance>, ground: &Ground) -> Result<Balance, Fault> {
	if spec.privacy != PrivacyClass::Auditable {
		return Err(Fault::Privacy);
	}
	let model = ground.model.ok_or(Fault::UnknownModel)?;
	ground
		.base
		.filter(|base| base.model == spec.model)
		.ok_or(Fault::UnknownVersion)?;
	if spec.base != model.latest {
		return Err(Fault::StaleBase);
	}
	if model.numeric_spec != NUMERIC_SPEC {
		return Err(Fault::NumericSpec);
	}
	if !(1..=MAX_ROSTER).contains(&spec.cohort) {
		return Err(Fault::Cohort);
	}
	if ground.shards.ok_or(Fault::UnknownDataset)? < spec.cohort {
		return Err(Fault::NotEnoughShards);
	}
	check_local(&spec.local)?;
	secagg::Outer::new(spec.outer.momentum_q16, spec.outer.learning_rate_q16)
		.map_err(|_| Fault::Outer)?;
	secagg::Quantiser::new(spec.quantiser.bits, spec.quantiser.exponent)
		.map_err(|_| Fault::Quantiser)?;
	// Groups of one: the largest sum of weights in a group is one member's.
	secagg::check_ring(spec.quantiser.bits, MAX_WEIGHT.into()).map_err(|_| Fault::RingOverflow)?;
	check_deadlines(&spec.deadlines)?;
	if !(1..=MAX_ROUNDS).contains(&spec.stop.max_rounds) || spec.stop.patience == Some(0) {
		return Err(Fault::StopRule);
	}
	let most_shares = Balance::from(spec.cohort).saturating_mul(MAX_WEIGHT.into());
	if spec.reward < most_shares {
		return Err(Fault::RewardTooSmall);
	}
	spec.reward
		.checked_mul(spec.stop.max_rounds.into())
		.ok_or(Fault::PotOverflow)
}

fn check_local(local: &LocalTraining) -> Result<(), Fault> {
	let sizes_fit = (1..=MAX_STEPS).contains(&local.steps)
		&& (1..=MAX_BATCH).contains(&local.batch)
		&& local.warmup <= local.steps;
	if !sizes_fit {
		return Err(Fault::LocalTraining);
	}
	let constants = [
		local.learning_rate,
		local.beta1,
		local.beta2,
		local.epsilon,
		local.weight_decay,
		local.clip_norm,
	];
	let positive = [local.learning_rate, local.epsilon, local.clip_norm];
	let constants_fit = constants
		.iter()
		.all(|constant| constant.is_finite_non_negative())
		&& positive.iter().all(|constant| constant.0 > 0)
		&& [local.beta1, local.beta2].iter().all(|beta| beta.0 < ONE);
	if constants_fit {
		Ok(())
	} else {
		Err(Fault::Optimiser)
	}
}

fn check_deadlines(deadlines: &Deadlines) -> Result<(), Fault> {
	let phases = [
		deadlines.train,
		deadlines.hold,
		deadlines.aggregate_turn,
		deadlines.challenge,
	];
	if phases
		.iter()
		.all(|blocks| (MIN_PHASE..=MAX_PHASE).contains(blocks))
	{
		Ok(())
	} else {
		Err(Fault::Deadlines)
	}
}

/// How far a task has come, as its stop rule sees it.
#[derive(
	Clone,
	Copy,
	Debug,
	Default,
	PartialEq,
	Eq,
	Encode,
	Decode,
	DecodeWithMemTracking,
	MaxEncodedLen,
	TypeInfo,
)]
pub struct Progress {
	/// Rounds that settled.
	pub settled: u32,
	/// Held-out loss that the next gain is measured from, micro-nats per token.
	pub best: Option<u64>,
	/// Settled rounds in a row without a gain.
	pub without_gain: u32,
}

impl Progress {
	/// Counts a settled round with held-out loss `evaluation` (micro-nats per token) and returns how the task ends, if it does.
	/// A gain is a fall by at least `min_delta`, and by something. The first round has nothing to compare with and counts as a
	/// gain. A target that is reached goes before the count of rounds, which goes before patience.
	pub fn settle(&mut self, rule: &StopRule, evaluation: u64) -> Option<TaskStatus> {
		self.settled = self.settled.saturating_add(1);
		let least_fall = rule.min_delta.max(1);
		let is_gain = self
			.best
			.is_none_or(|best| best.saturating_sub(evaluation) >= least_fall);
		if is_gain {
			self.best = Some(evaluation);
			self.without_gain = 0;
		} else {
			self.without_gain = self.without_gain.saturating_add(1);
		}
		if rule.target_loss.is_some_and(|target| evaluation <= target) {
			Some(TaskStatus::TargetReached)
		} else if self.settled >= rule.max_rounds {
			Some(TaskStatus::Completed)
		} else if rule
			.patience
			.is_some_and(|patience| self.without_gain >= patience)
		{
			Some(TaskStatus::OutOfPatience)
		} else {
			None
		}
	}
}
