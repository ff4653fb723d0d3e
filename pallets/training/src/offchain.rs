//! The off-chain worker: between the chain and the native trainer of this node.
//!
//! At each new best block, for each local trainer key that is in a running round, [`next_action`] says from state alone what is to be
//! done: write a ticket into the key's mailbox slot, post the outcome that lies there, or warn. The worker may skip blocks, run twice
//! at once or lose its memory; every action is idempotent. Source: ARCHITECTURE.md, "Off-chain worker and trainer".
//!
//! Must not know: how jobs are run. Never panics: a broken slot counts as empty and is replaced.
//!
//! Tickets of `Challenge` carry phase `Aggregate`, because the job is the same and is done once. What was posted when is kept beside
//! the slot, under its key + `/posted`, so that a post is sent again with a fresh signature only after the first has expired.

use crate::{
	post::LONGEVITY, round::RoundRecord, Call, Config, Pallet, Rounds, Tasks, TrainerOf, Trainers,
	LOG_TARGET,
};
use alloc::{vec, vec::Vec};
use codec::{Decode, Encode, Error, Input, Output};
use frame_system::offchain::SubmitTransaction;
use llmchain_primitives::{
	key::{TrainerPublic, TrainerSignature},
	mailbox::{slot_key, Entry, JobOutcome, Outcome, Slot, Ticket, TicketKey, MAX_SLOT_SIZE},
	text::BoundedText,
	training::{signing_bytes, Envelope, Phase, PostBody},
	TaskId,
};
use sp_application_crypto::RuntimeAppPublic;
use sp_runtime::offchain::storage::StorageValueRef;

/// The trainer keys of this node.
pub trait LocalKeys {
	/// Public keys.
	fn all(&self) -> Vec<TrainerPublic>;
	/// Signature of `bytes` by `key`; `None` if the key is not there.
	fn sign(&self, key: &TrainerPublic, bytes: &[u8]) -> Option<TrainerSignature>;
}

/// The node's keystore, through the host.
pub struct NodeKeystore;

impl LocalKeys for NodeKeystore {
	fn all(&self) -> Vec<TrainerPublic> {
		<TrainerPublic as RuntimeAppPublic>::all()
	}

	fn sign(&self, key: &TrainerPublic, bytes: &[u8]) -> Option<TrainerSignature> {
		RuntimeAppPublic::sign(key, &bytes)
	}
}

/// One opening of one phase: a dropped claim opens `Aggregate` and `Challenge` anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Occasion {
	/// The task.
	pub task: TaskId,
	/// The round's number.
	pub round: u32,
	/// The phase.
	pub phase: Phase,
	/// First block of the phase.
	pub since: u32,
}

/// What the worker did on an occasion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Deed {
	/// Posted, at this block.
	Posted {
		/// Best block then.
		at: u32,
	},
	/// Warned of a job that cannot be done.
	Warned,
}

/// The worker's only memory of a trainer key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Mark {
	/// When it was made.
	pub occasion: Occasion,
	/// What was done.
	pub deed: Deed,
}

/// What is to be done for a member now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
	/// Write the phase's ticket into the slot.
	PostTicket,
	/// Sign and submit.
	Submit(PostBody),
	/// Tell the operator that the engine cannot do the job; it tries again by itself.
	Warn(BoundedText<256>),
}

/// Everything that [`next_action`] decides by.
#[derive(Clone, Copy, Debug)]
pub struct Situation<'a> {
	/// The task.
	pub task: TaskId,
	/// The round, as of block `now`.
	pub record: &'a RoundRecord,
	/// The member.
	pub index: u32,
	/// Best block.
	pub now: u32,
	/// Entry of the slot for the phase's inputs.
	pub entry: Option<&'a Entry>,
	/// The last mark.
	pub mark: Option<&'a Mark>,
}

impl Situation<'_> {
	/// The occasion that runs.
	pub fn occasion(&self) -> Option<Occasion> {
		self.record.running().map(|running| Occasion {
			task: self.task,
			round: self.record.number,
			phase: running.phase,
			since: running.since,
		})
	}
}

/// What a member's worker is to do, if anything.
pub fn next_action(situation: &Situation) -> Option<Action> {
	let record = situation.record;
	let occasion = situation.occasion()?;
	if record.has_posted(situation.index) {
		return None;
	}
	let Some(entry) = situation.entry else {
		return Some(Action::PostTicket);
	};
	let Outcome::V1(outcome) = entry.outcome.as_ref()?;
	let deed = situation
		.mark
		.filter(|mark| mark.occasion == occasion)
		.map(|mark| mark.deed);
	let body = match (occasion.phase, outcome) {
		(_, JobOutcome::Failed(reason)) => {
			return deed.is_none().then(|| Action::Warn(reason.clone()));
		}
		(Phase::Train, JobOutcome::Trained(report)) => PostBody::Update(*report),
		(Phase::Hold, JobOutcome::Held(holdings)) => PostBody::Holdings(*holdings),
		(Phase::Aggregate, JobOutcome::Aggregated(report)) => PostBody::Claim(*report),
		(Phase::Challenge, JobOutcome::Aggregated(report)) => PostBody::Attestation(*report),
		_ => return None,
	};
	// From the second block on: by then the peers know the phase too and do not hold an early post against us.
	if situation.now < occasion.since {
		return None;
	}
	// The post can be in the next block at the earliest.
	record
		.admit(situation.index, &body, situation.now.saturating_add(1))
		.ok()?;
	match deed {
		Some(Deed::Posted { at }) if is_pending(at, situation.now) => None,
		_ => Some(Action::Submit(body)),
	}
}

/// Whether a post of block `at` may still be in the pool.
fn is_pending(at: u32, now: u32) -> bool {
	u64::from(now) < u64::from(at).saturating_add(LONGEVITY)
}

/// The phase that a ticket names.
pub fn ticket_phase(phase: Phase) -> Phase {
	match phase {
		Phase::Challenge => Phase::Aggregate,
		other => other,
	}
}

/// Key of a trainer's mark in off-chain local storage.
pub fn mark_key(trainer: &TrainerPublic) -> Vec<u8> {
	let mut key = slot_key(trainer);
	key.extend_from_slice(b"/posted");
	key
}

/// A slot as stored; decodes only within the mailbox's bounds.
#[derive(Default)]
struct StoredSlot(Slot);

impl Encode for StoredSlot {
	fn encode_to<W: Output + ?Sized>(&self, dest: &mut W) {
		self.0.encode_to(dest);
	}
}

impl Decode for StoredSlot {
	fn decode<I: Input>(input: &mut I) -> Result<Self, Error> {
		let length = input
			.remaining_len()?
			.filter(|length| *length <= MAX_SLOT_SIZE)
			.ok_or("a slot is too large")?;
		let mut bytes = vec![0; length];
		input.read(&mut bytes)?;
		Slot::decode_bounded(Some(&bytes))
			.map(Self)
			.map_err(|_| "a slot is broken".into())
	}
}

impl<T: Config> Pallet<T> {
	/// Serves every local trainer key, as of best block `now`.
	pub fn work(now: u32, keys: &impl LocalKeys) {
		for key in keys.all() {
			if let Some((envelope, record, index)) = Self::engagement_of(&key) {
				Self::serve(&key, envelope, &record, index, now, keys);
			}
		}
	}

	/// The round that the owner of a key is in, and what its posts must carry now.
	fn engagement_of(key: &TrainerPublic) -> Option<(Envelope, RoundRecord, u32)> {
		let trainer = TrainerOf::<T>::get(key)?;
		let engaged = Trainers::<T>::get(&trainer)?.engaged?;
		let record = Rounds::<T>::get(engaged.task, engaged.round)?;
		let index = record.index_of(&trainer)?;
		let inputs = record.inputs_of(index)?;
		let envelope = Envelope {
			task: engaged.task,
			round: engaged.round,
			trainer,
			inputs,
		};
		Some((envelope, record, index))
	}

	fn serve(
		key: &TrainerPublic,
		envelope: Envelope,
		record: &RoundRecord,
		index: u32,
		now: u32,
		keys: &impl LocalKeys,
	) {
		let Some(running) = record.running() else {
			return;
		};
		let ticket_key = TicketKey {
			genesis: Self::genesis(),
			task: envelope.task,
			round: envelope.round,
			phase: ticket_phase(running.phase),
			trainer: envelope.trainer.clone(),
			digest: envelope.inputs,
		};
		let slot = StorageValueRef::persistent(&slot_key(key))
			.get::<StoredSlot>()
			.unwrap_or_else(|_| {
				log::warn!(target: LOG_TARGET, "the mailbox slot of {key:?} is broken; it starts empty");
				None
			})
			.unwrap_or_default();
		let mark = StorageValueRef::persistent(&mark_key(key))
			.get::<Mark>()
			.unwrap_or_default();
		let situation = Situation {
			task: envelope.task,
			record,
			index,
			now,
			entry: slot.0.find(&ticket_key),
			mark: mark.as_ref(),
		};
		let Some((action, occasion)) = next_action(&situation).zip(situation.occasion()) else {
			return;
		};
		match action {
			Action::PostTicket => Self::post_ticket(key, ticket_key, record, index),
			Action::Submit(body) => {
				Self::submit(key, envelope, body, occasion, now, keys);
			}
			Action::Warn(reason) => {
				log::warn!(
					target: LOG_TARGET,
					"{:?} of round {} cannot be done yet: {reason}",
					occasion.phase,
					occasion.round,
				);
				set_mark(key, occasion, Deed::Warned, now);
			}
		}
	}

	/// Writes the ticket; where another writer was faster, the next block tries again.
	fn post_ticket(key: &TrainerPublic, ticket_key: TicketKey, record: &RoundRecord, index: u32) {
		let job = Tasks::<T>::get(ticket_key.task).and_then(|task| {
			let materials = Self::materials(&task.spec, &record.base)?;
			materials.job(&ticket_key.task, &task.spec, record, index)
		});
		// What posts must carry was fixed when the phase opened; a job of other inputs would be done in vain.
		let Some(job) = job.filter(|job| job.digest() == ticket_key.digest) else {
			log::warn!(
				target: LOG_TARGET,
				"what {:?} of round {} is computed from is not on chain any more",
				ticket_key.phase,
				ticket_key.round,
			);
			return;
		};
		let _ = StorageValueRef::persistent(&slot_key(key)).mutate(
			|stored: Result<Option<StoredSlot>, _>| {
				let mut slot = stored.unwrap_or_default().unwrap_or_default();
				if slot.0.post_ticket(ticket_key, Ticket::V1(job)) {
					Ok(slot)
				} else {
					Err(())
				}
			},
		);
	}

	fn submit(
		key: &TrainerPublic,
		envelope: Envelope,
		body: PostBody,
		occasion: Occasion,
		now: u32,
		keys: &impl LocalKeys,
	) {
		// Marked first: of two workers at once only one posts.
		if !set_mark(key, occasion, Deed::Posted { at: now }, now) {
			return;
		}
		let bytes = signing_bytes(&Self::genesis(), &envelope, &body);
		let is_sent = keys.sign(key, &bytes).is_some_and(|signature| {
			let call: Call<T> = match body {
				PostBody::Update(report) => Call::submit_update {
					envelope,
					report,
					signature,
				},
				PostBody::Holdings(holdings) => Call::submit_holdings {
					envelope,
					holdings,
					signature,
				},
				PostBody::Claim(report) => Call::claim_aggregate {
					envelope,
					report,
					signature,
				},
				PostBody::Attestation(report) => Call::attest {
					envelope,
					report,
					signature,
				},
			};
			let transaction = T::create_authorized_transaction(call.into());
			SubmitTransaction::<T, Call<T>>::submit_transaction(transaction).is_ok()
		});
		if !is_sent {
			log::warn!(
				target: LOG_TARGET,
				"{:?} of round {} could not be posted; the next block tries again",
				occasion.phase,
				occasion.round,
			);
			StorageValueRef::persistent(&mark_key(key)).clear();
		}
	}
}

/// Sets the mark unless another worker was faster; returns whether it is this one's.
fn set_mark(key: &TrainerPublic, occasion: Occasion, deed: Deed, now: u32) -> bool {
	StorageValueRef::persistent(&mark_key(key))
		.mutate(|stored: Result<Option<Mark>, _>| {
			let is_taken = stored.ok().flatten().is_some_and(|mark| {
				let is_pending = match mark.deed {
					Deed::Posted { at } => is_pending(at, now),
					Deed::Warned => deed == Deed::Warned,
				};
				mark.occasion == occasion && is_pending
			});
			if is_taken {
				Err(())
			} else {
				Ok(Mark { occasion, deed })
			}
		})
		.is_ok()
}
