//! Tasks, rounds and what trainers post in them.
//!
//! Must not know: how a phase is decided (pallet-training) or computed (crates/trainer).
//! Source: docs/protocol/round.md. Invariants: integers only; floats of the optimiser travel as bit patterns.

use crate::{AccountId, DatasetId, Hash, ModelId, TaskId, VersionId};
use alloc::vec::Vec;
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;
use sp_runtime::traits::{BlakeTwo256, Hash as _};

/// Most participants of a round.
pub const MAX_ROSTER: u32 = 64;
/// Largest aggregation weight, and the most capacity a trainer declares.
pub const MAX_WEIGHT: u8 = 16;

/// Who may see a participant's data and update.
#[derive(
	Clone,
	Copy,
	Debug,
	PartialEq,
	Eq,
	Encode,
	Decode,
	DecodeWithMemTracking,
	MaxEncodedLen,
	TypeInfo,
)]
pub enum PrivacyClass {
	/// Public shards, plain updates; anyone may recompute them.
	Auditable,
	/// Masked updates; data never leaves the participant.
	Private,
}

/// One f32 by its bits, so that every constant is exact.
#[derive(
	Clone,
	Copy,
	Debug,
	PartialEq,
	Eq,
	Encode,
	Decode,
	DecodeWithMemTracking,
	MaxEncodedLen,
	TypeInfo,
	serde::Serialize,
	serde::Deserialize,
)]
pub struct F32Bits(pub u32);

impl F32Bits {
	/// The bits of `value`.
	#[cfg(feature = "std")]
	pub fn new(value: f32) -> Self {
		Self(value.to_bits())
	}

	/// Whether the number is finite and not negative, which every optimiser constant must be.
	pub fn is_finite_non_negative(self) -> bool {
		// Sign bit clear and exponent not all ones.
		self.0 < 0x7f80_0000
	}
}

/// What one participant computes in a round.
#[derive(
	Clone,
	Copy,
	Debug,
	PartialEq,
	Eq,
	Encode,
	Decode,
	DecodeWithMemTracking,
	MaxEncodedLen,
	TypeInfo,
	serde::Serialize,
	serde::Deserialize,
)]
pub struct LocalTraining {
	/// Optimiser steps a round, H.
	pub steps: u32,
	/// Documents a step, B.
	pub batch: u32,
	/// Steps over which the learning rate rises linearly from zero.
	pub warmup: u32,
	/// Learning rate of AdamW.
	pub learning_rate: F32Bits,
	/// First-moment decay of AdamW.
	pub beta1: F32Bits,
	/// Second-moment decay of AdamW.
	pub beta2: F32Bits,
	/// Denominator constant of AdamW.
	pub epsilon: F32Bits,
	/// Decoupled weight decay of AdamW.
	pub weight_decay: F32Bits,
	/// Largest global gradient norm; larger gradients are scaled down to it.
	pub clip_norm: F32Bits,
}

/// Constants of the server update, in units of 2^-16.
#[derive(
	Clone,
	Copy,
	Debug,
	PartialEq,
	Eq,
	Encode,
	Decode,
	DecodeWithMemTracking,
	MaxEncodedLen,
	TypeInfo,
	serde::Serialize,
	serde::Deserialize,
)]
pub struct Outer {
	/// Outer learning rate, eta.
	pub learning_rate_q16: u32,
	/// Nesterov momentum, mu.
	pub momentum_q16: u32,
}

/// How updates become integers.
#[derive(
	Clone,
	Copy,
	Debug,
	PartialEq,
	Eq,
	Encode,
	Decode,
	DecodeWithMemTracking,
	MaxEncodedLen,
	TypeInfo,
	serde::Serialize,
	serde::Deserialize,
)]
pub struct Quantiser {
	/// Bits of a quantised coordinate, b, sign included: 2 to 16.
	pub bits: u8,
	/// Exponent of the step, e: a step is 2^-e; 0 to 24.
	pub exponent: u8,
}

/// When a task ends.
#[derive(
	Clone,
	Copy,
	Debug,
	PartialEq,
	Eq,
	Encode,
	Decode,
	DecodeWithMemTracking,
	MaxEncodedLen,
	TypeInfo,
	serde::Serialize,
	serde::Deserialize,
)]
pub struct StopRule {
	/// Rounds at most; the pot pays for this many.
	pub max_rounds: u32,
	/// Ends once the held-out loss, in micro-nats per token, is at or below this.
	pub target_loss: Option<u64>,
	/// Ends after this many rounds in a row without the gain that `min_delta` asks.
	pub patience: Option<u32>,
	/// Smallest fall of the held-out loss, in micro-nats per token, that counts as a gain.
	pub min_delta: u64,
}

/// Length of each phase, in blocks.
#[derive(
	Clone,
	Copy,
	Debug,
	PartialEq,
	Eq,
	Encode,
	Decode,
	DecodeWithMemTracking,
	MaxEncodedLen,
	TypeInfo,
	serde::Serialize,
	serde::Deserialize,
)]
pub struct Deadlines {
	/// Training and posting the update's root.
	pub train: u32,
	/// Fetching and checking the other members' updates.
	pub hold: u32,
	/// One aggregator's turn to post the new roots.
	pub aggregate_turn: u32,
	/// Attesting or challenging the posted roots.
	pub challenge: u32,
}

/// What a publisher asks trainers to do.
#[derive(
	Clone,
	Copy,
	Debug,
	PartialEq,
	Eq,
	Encode,
	Decode,
	DecodeWithMemTracking,
	MaxEncodedLen,
	TypeInfo,
)]
pub struct TaskSpec<Balance> {
	/// Model to train.
	pub model: ModelId,
	/// Version to start from; must be the model's latest.
	pub base: VersionId,
	/// Dataset to train on.
	pub dataset: DatasetId,
	/// Who may see updates.
	pub privacy: PrivacyClass,
	/// Participants of each round.
	pub cohort: u32,
	/// What each participant computes.
	pub local: LocalTraining,
	/// How the server update moves the parameters.
	pub outer: Outer,
	/// How updates become integers.
	pub quantiser: Quantiser,
	/// Phase lengths in blocks.
	pub deadlines: Deadlines,
	/// When the task ends.
	pub stop: StopRule,
	/// Reward of one settled round, shared by weight; the pot is this times `max_rounds`.
	pub reward: Balance,
}

/// Step inside a round.
#[derive(
	Clone,
	Copy,
	Debug,
	PartialEq,
	Eq,
	PartialOrd,
	Ord,
	Encode,
	Decode,
	DecodeWithMemTracking,
	MaxEncodedLen,
	TypeInfo,
	serde::Serialize,
	serde::Deserialize,
)]
pub enum Phase {
	/// Participants train and post the root of their update.
	Train,
	/// Participants fetch and check all updates and post which they hold; survivors are fixed at its end.
	Hold,
	/// The aggregator in turn posts the new roots.
	Aggregate,
	/// The others recompute and attest.
	Challenge,
}

/// What a post belongs to. The signature covers it, so a post fits one round, one phase and one state of its inputs.
#[derive(
	Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct Envelope {
	/// The task.
	pub task: TaskId,
	/// The round's number, from 1.
	pub round: u32,
	/// The posting trainer's operator account.
	pub trainer: AccountId,
	/// Digest of the phase's inputs as this trainer saw them ([`crate::mailbox::Job::digest`]).
	pub inputs: Hash,
}

/// What a trainer says of its training.
#[derive(
	Clone,
	Copy,
	Debug,
	PartialEq,
	Eq,
	Encode,
	Decode,
	DecodeWithMemTracking,
	MaxEncodedLen,
	TypeInfo,
)]
pub struct UpdateReport {
	/// Merkle root of the weighted quantised update.
	pub root: Hash,
	/// Mean training loss of the first step, micro-nats per token.
	pub loss_before: u64,
	/// Mean training loss of the last step, micro-nats per token.
	pub loss_after: u64,
}

/// Which updates a trainer has fetched and fully checked: bit i stands for the roster's member i.
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
pub struct Holdings(pub u64);

impl Holdings {
	/// Whether member `index` is in the set.
	pub fn contains(self, index: u32) -> bool {
		self.0.checked_shr(index).is_some_and(|bits| bits & 1 == 1)
	}

	/// The set with member `index`; members from 64 on do not exist.
	pub fn with(self, index: u32) -> Self {
		Self(self.0 | 1u64.checked_shl(index).unwrap_or(0))
	}

	/// Number of members in the set.
	pub fn count(self) -> u32 {
		self.0.count_ones()
	}
}

/// The result of a round as a trainer computes it.
#[derive(
	Clone,
	Copy,
	Debug,
	PartialEq,
	Eq,
	Encode,
	Decode,
	DecodeWithMemTracking,
	MaxEncodedLen,
	TypeInfo,
	serde::Serialize,
	serde::Deserialize,
)]
pub struct AggregateReport {
	/// Roots of the new parameters and momentum.
	pub roots: crate::model::CheckpointRoots,
	/// Mean held-out loss of the new parameters, micro-nats per token.
	pub evaluation: u64,
}

/// What a trainer signs.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum PostBody {
	/// Phase `Train`.
	Update(UpdateReport),
	/// Phase `Hold`.
	Holdings(Holdings),
	/// Phase `Aggregate`: the claim of the aggregator in turn.
	Claim(AggregateReport),
	/// Phase `Challenge`: agreement with a claim.
	Attestation(AggregateReport),
}

/// The bytes that a trainer's signature covers.
pub fn signing_bytes(genesis: &Hash, envelope: &Envelope, body: &PostBody) -> Vec<u8> {
	(b"llmchain/post/1", genesis, envelope, body).encode()
}

/// The bytes that a trainer's key signs so that `account` may register it.
pub fn registration_bytes(genesis: &Hash, account: &AccountId) -> Vec<u8> {
	(b"llmchain/trainer/1", genesis, account).encode()
}

/// What public random numbers are for; different purposes never share a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum SeedPurpose {
	/// Order of documents in a participant's batches.
	Batches,
	/// Stochastic rounding of a participant's update.
	Rounding,
}

/// Public seed of one participant in one round.
pub fn public_seed(
	genesis: &Hash,
	task: &TaskId,
	round: u32,
	trainer: &AccountId,
	purpose: SeedPurpose,
) -> Hash {
	BlakeTwo256::hash_of(&(b"llmchain/seed/1", genesis, task, round, trainer, purpose))
}

/// A participant's weight and shards in a round: an arc of the dataset's shards that moves on by one each round, so that
/// every participant sees every shard. `before` is the sum of the weights of the members before it in the roster; a
/// participant never gets one shard twice.
pub fn assigned_shards(round: u32, before: u32, capacity: u8, shards: u32) -> Vec<u32> {
	let weight = u32::from(capacity.clamp(1, MAX_WEIGHT)).min(shards);
	(0..weight)
		.filter_map(|i| {
			before
				.checked_add(round)?
				.checked_add(i)?
				.checked_rem(shards)
		})
		.collect()
}

/// One member of a round as clients see it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub struct MemberView {
	/// The trainer's operator account.
	pub account: AccountId,
	/// Shards drawn for it, which is its weight.
	pub shards: Vec<u32>,
	/// What it posted in phase `Train`.
	pub update: Option<UpdateReport>,
	/// Members whose updates it holds.
	pub holdings: Option<Holdings>,
	/// Whether its update is in the aggregate; set at the end of phase `Hold`.
	pub survived: bool,
	/// Whether it attested the claim.
	pub attested: bool,
}

/// How a round stands or ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub enum RoundStatus {
	/// In this phase, since and until these blocks.
	Running {
		/// The phase.
		phase: Phase,
		/// First block of the phase.
		since: u32,
		/// Last block in which posts of the phase are taken.
		deadline: u32,
	},
	/// A version was registered.
	Settled {
		/// The new version.
		version: VersionId,
	},
	/// Nothing was registered; the next round starts afresh.
	Failed,
}

/// One round as clients see it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub struct RoundView {
	/// The task.
	pub task: TaskId,
	/// Number in the task, from 1.
	pub number: u32,
	/// Version it starts from.
	pub base: VersionId,
	/// Members in the order drawn.
	pub members: Vec<MemberView>,
	/// Where it stands.
	pub status: RoundStatus,
	/// Block in which it began.
	pub began: u32,
	/// Block in which it settled or failed.
	pub ended: Option<u32>,
	/// The claim under challenge, or that which settled.
	pub claim: Option<AggregateReport>,
}

/// Why a task is not running any more, or that it is.
#[derive(
	Clone,
	Copy,
	Debug,
	PartialEq,
	Eq,
	Encode,
	Decode,
	DecodeWithMemTracking,
	MaxEncodedLen,
	TypeInfo,
)]
pub enum TaskStatus {
	/// Rounds start whenever enough trainers are registered.
	Open,
	/// All rounds are done.
	Completed,
	/// The held-out loss reached the target.
	TargetReached,
	/// Too many rounds brought no gain.
	OutOfPatience,
	/// The publisher ended it.
	Cancelled,
}

/// A task as clients see it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub struct TaskView {
	/// Who pays.
	pub publisher: AccountId,
	/// What was asked.
	pub spec: TaskSpec<crate::Balance>,
	/// Where it stands.
	pub status: TaskStatus,
	/// Number of the round that runs or ran last; 0 before the first.
	pub round: u32,
	/// Rounds that settled.
	pub settled: u32,
	/// Version that the next round starts from.
	pub head: VersionId,
	/// Part of the pot that is not paid out yet.
	pub pot: crate::Balance,
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn shards_rotate_and_cover() {
		// Four trainers of capacity one over four shards: a permutation in each round, another one in the next.
		for round in 1..=4u32 {
			let mut seen: Vec<u32> = (0..4)
				.flat_map(|before| assigned_shards(round, before, 1, 4))
				.collect();
			seen.sort();
			assert_eq!(seen, [0, 1, 2, 3]);
		}
		let of_first: Vec<u32> = (1..=4)
			.flat_map(|round| assigned_shards(round, 0, 1, 4))
			.collect();
		assert_eq!(of_first, [1, 2, 3, 0]);
		assert_eq!(assigned_shards(1, 0, 16, 3), [1, 2, 0]);
		assert_eq!(assigned_shards(1, 0, 1, 0), Vec::<u32>::new());
	}

	#[test]
	fn holdings_are_a_set() {
		let set = Holdings::default().with(0).with(63).with(64);
		assert_eq!(
			(
				set.contains(0),
				set.contains(1),
				set.contains(63),
				set.contains(64)
			),
			(true, false, true, false)
		);
		assert_eq!(set.count(), 2);
	}

	#[test]
	fn optimiser_constants_are_finite_and_not_negative() {
		for (value, fits) in [
			(0.0, true),
			(1e-8, true),
			(f32::MAX, true),
			(-0.0, false),
			(-1.0, false),
			(f32::NAN, false),
			(f32::INFINITY, false),
		] {
			assert_eq!(
				F32Bits::new(value).is_finite_non_negative(),
				fits,
				"{value}"
			);
		}
	}
}
