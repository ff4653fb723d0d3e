//! The mailbox between the off-chain worker and the native trainer.
//!
//! One slot per trainer key in persistent off-chain storage, holding a bounded list, changed by compare-and-set only.
//! The worker writes tickets and reads outcomes; the native side does the reverse. Only standard host functions are used, so the
//! runtime runs on every stock tool. The mailbox may forget: the worker rewrites tickets from state, and the trainer's own
//! queue is the record. Source: ARCHITECTURE.md, "Off-chain worker and trainer".
//!
//! Must not know: how jobs are run. Invariants: entries are keyed by everything that decides their result; no secret is ever
//! written here; a slot holds at most [`MAX_ENTRIES`] entries.

use crate::{
	data::Shard,
	key::TrainerPublic,
	model::{Architecture, CheckpointRoots},
	text::BoundedText,
	training::{AggregateReport, Holdings, LocalTraining, Outer, Phase, Quantiser, UpdateReport},
	AccountId, Hash, TaskId,
};
use alloc::vec::Vec;
use codec::{Decode, Encode};
use sp_runtime::traits::{BlakeTwo256, Hash as _};

/// Most entries of a slot; the oldest go first.
pub const MAX_ENTRIES: usize = 16;
/// Largest encoded slot in bytes that either side decodes.
pub const MAX_SLOT_SIZE: usize = 4 << 20;

/// Key of a trainer's slot in off-chain local storage.
pub fn slot_key(trainer: &TrainerPublic) -> Vec<u8> {
	let mut key = b"llmchain/mailbox/1/".to_vec();
	key.extend_from_slice(trainer.as_ref());
	key
}

/// What an entry belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct TicketKey {
	/// Genesis hash of the chain.
	pub genesis: Hash,
	/// The task.
	pub task: TaskId,
	/// The round.
	pub round: u32,
	/// The phase.
	pub phase: Phase,
	/// Operator account of the trainer.
	pub trainer: AccountId,
	/// Digest of the job: other inputs, other entry.
	pub digest: Hash,
}

/// A checkpoint and how to get it: from its seed, or from peers by its roots.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct CheckpointRef {
	/// Roots of parameters and momentum.
	pub roots: CheckpointRoots,
	/// Seed of version 0.
	pub seed: Option<Hash>,
}

/// A participant's update in an aggregate.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct UpdateRef {
	/// The participant, bound into the leaves of its update.
	pub account: AccountId,
	/// Root of its weighted quantised update; `None` if it posted none.
	pub root: Option<Hash>,
	/// Its aggregation weight.
	pub weight: u8,
}

/// Phase `Train`: compute one participant's update.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct TrainJob {
	/// The model's numbers.
	pub architecture: Architecture,
	/// Blob of the tokenizer.
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
	pub batch_seed: Hash,
	/// Seed of stochastic rounding.
	pub rounding_seed: Hash,
}

/// Phase `Hold`: fetch and check all updates.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct HoldJob {
	/// The model's numbers, which give the length of an update.
	pub architecture: Architecture,
	/// The roster's updates, in order.
	pub updates: Vec<UpdateRef>,
}

/// Phases `Aggregate` and `Challenge`: compute the new version.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct AggregateJob {
	/// The model's numbers.
	pub architecture: Architecture,
	/// Blob of the tokenizer.
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

/// One piece of work for the native trainer.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Job {
	/// Phase `Train`.
	Train(TrainJob),
	/// Phase `Hold`.
	Hold(HoldJob),
	/// Phases `Aggregate` and `Challenge`.
	Aggregate(AggregateJob),
}

impl Job {
	/// Digest of the phase's inputs; the chain computes it from its own state and refuses posts made from others.
	pub fn digest(&self) -> Hash {
		BlakeTwo256::hash_of(&(b"llmchain/job/1", self))
	}
}

/// A ticket of any version of this protocol.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Ticket {
	/// First version.
	#[codec(index = 1)]
	V1(Job),
}

/// What came of a job.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum JobOutcome {
	/// Phase `Train`.
	Trained(UpdateReport),
	/// Phase `Hold`.
	Held(Holdings),
	/// Phases `Aggregate` and `Challenge`.
	Aggregated(AggregateReport),
	/// The job cannot be done as things stand; the text is for people.
	Failed(BoundedText<256>),
}

/// An outcome of any version of this protocol.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Outcome {
	/// First version.
	#[codec(index = 1)]
	V1(JobOutcome),
}

/// A ticket and, once there, its outcome.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Entry {
	/// What it belongs to.
	pub key: TicketKey,
	/// The work.
	pub ticket: Ticket,
	/// The result.
	pub outcome: Option<Outcome>,
}

/// A trainer's slot, oldest entry first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Slot {
	/// Tickets and outcomes.
	pub entries: Vec<Entry>,
}

/// A slot's bytes do not decode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BrokenSlot;

impl Slot {
	/// Reads a slot's bytes; `None` is an empty slot.
	pub fn decode_bounded(bytes: Option<&[u8]>) -> Result<Self, BrokenSlot> {
		let Some(mut bytes) = bytes else {
			return Ok(Self::default());
		};
		if bytes.len() > MAX_SLOT_SIZE {
			return Err(BrokenSlot);
		}
		let slot = Self::decode(&mut bytes).map_err(|_| BrokenSlot)?;
		if !bytes.is_empty() || slot.entries.len() > MAX_ENTRIES {
			return Err(BrokenSlot);
		}
		Ok(slot)
	}

	/// The entry under `key`.
	pub fn find(&self, key: &TicketKey) -> Option<&Entry> {
		self.entries.iter().find(|entry| entry.key == *key)
	}

	/// Adds a ticket unless it is there. Entries of the same phase of the same round with other inputs are dropped, then the
	/// oldest ones beyond [`MAX_ENTRIES`]. Returns whether the slot changed.
	pub fn post_ticket(&mut self, key: TicketKey, ticket: Ticket) -> bool {
		if self.find(&key).is_some() {
			return false;
		}
		self.entries.retain(|entry| {
			let other = &entry.key;
			(other.genesis, other.task, other.round, other.phase)
				!= (key.genesis, key.task, key.round, key.phase)
		});
		let surplus = self
			.entries
			.len()
			.saturating_add(1)
			.saturating_sub(MAX_ENTRIES);
		self.entries.drain(..surplus);
		self.entries.push(Entry {
			key,
			ticket,
			outcome: None,
		});
		true
	}

	/// Puts an outcome to its ticket. Returns whether the slot changed; an outcome without ticket is dropped.
	pub fn post_outcome(&mut self, key: &TicketKey, outcome: Outcome) -> bool {
		match self.entries.iter_mut().find(|entry| entry.key == *key) {
			Some(entry) if entry.outcome.as_ref() != Some(&outcome) => {
				entry.outcome = Some(outcome);
				true
			}
			_ => false,
		}
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use proptest::prelude::*;

	fn key(round: u32, digest: u8) -> TicketKey {
		TicketKey {
			genesis: Hash::zero(),
			task: Hash::zero(),
			round,
			phase: Phase::Hold,
			trainer: AccountId::new([1; 32]),
			digest: Hash::repeat_byte(digest),
		}
	}

	fn ticket() -> Ticket {
		Ticket::V1(Job::Hold(HoldJob {
			architecture: Architecture {
				vocab_size: 8,
				context_length: 4,
				n_layers: 1,
				n_heads: 2,
				d_model: 4,
				d_ff: 16,
			},
			updates: Vec::new(),
		}))
	}

	#[test]
	fn other_inputs_replace_and_the_oldest_go_first() {
		let mut slot = Slot::default();
		assert!(slot.post_ticket(key(1, 1), ticket()));
		assert!(!slot.post_ticket(key(1, 1), ticket()));
		assert!(slot.post_ticket(key(1, 2), ticket()));
		assert_eq!(slot.entries.len(), 1);
		for round in 2..40 {
			slot.post_ticket(key(round, 0), ticket());
		}
		assert_eq!(slot.entries.len(), MAX_ENTRIES);
		assert!(slot.find(&key(1, 2)).is_none());
		assert!(slot.find(&key(39, 0)).is_some());
	}

	#[test]
	fn an_outcome_needs_its_ticket() {
		let outcome = Outcome::V1(JobOutcome::Held(Holdings(3)));
		let mut slot = Slot::default();
		assert!(!slot.post_outcome(&key(1, 1), outcome.clone()));
		slot.post_ticket(key(1, 1), ticket());
		assert!(slot.post_outcome(&key(1, 1), outcome.clone()));
		assert!(!slot.post_outcome(&key(1, 1), outcome));
		assert_eq!(Slot::decode_bounded(Some(&slot.encode())), Ok(slot));
	}

	proptest! {
		#[test]
		fn any_bytes_decode_or_fail(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
			let _ = Slot::decode_bounded(Some(&bytes));
		}
	}
}
