//! Posts of trainers: who may send which transaction when, and what it records.
//!
//! A post pays no fee and has no nonce, so this check is all that stands between strangers and blocks. It goes from cheap to dear:
//! membership (one small read), phase, inputs, and the signature last. The dispatch repeats what another post of the same block may
//! have changed. Source: docs/protocol/round.md. Must not know: jobs, money.
//!
//! What an invalid post gets: `Future` before its round, phase or turn (so that a node a block behind forgets it instead of holding it
//! against the sender); `Stale` after it or when posted already; `BadProof` for a wrong signature; `Custom` with a code of [`code`].
//!
//! The pool tag names task, round, phase and trainer: a second post of the same phase is refused while the first is pending, and
//! expires with it after [`LONGEVITY`] blocks.

use crate::{
	round::{phase_of, Refusal, RoundRecord, Verdict},
	types::{Activity, Engagement},
	Config, Error, Event, Pallet, Rounds, Tasks, Trainers,
};
use frame_support::{pallet_prelude::*, weights::Weight};
use llmchain_primitives::{
	key::TrainerSignature,
	training::{signing_bytes, Envelope, PostBody},
};
use sp_application_crypto::RuntimeAppPublic;
use sp_runtime::transaction_validity::TransactionValidityWithRefund;

/// Blocks that a post stays in the pool.
pub const LONGEVITY: u64 = 8;
/// Above whatever fees and tips buy, so that a flood of paid transactions delays no phase; below the reports of the consensus.
pub const PRIORITY: u64 = u64::MAX / 2;

/// Codes of `InvalidTransaction::Custom`.
pub mod code {
	/// The sender is not a member of the round.
	pub const NOT_A_MEMBER: u8 = 1;
	/// The post was made from other inputs than the chain's.
	pub const WRONG_INPUTS: u8 = 2;
	/// The post names members that posted no update.
	pub const UNKNOWN_HOLDINGS: u8 = 3;
}

fn invalid(refusal: Refusal) -> InvalidTransaction {
	match refusal {
		Refusal::NotRunning | Refusal::TooLate | Refusal::AlreadyPosted | Refusal::TurnPassed => {
			InvalidTransaction::Stale
		}
		Refusal::TooEarly | Refusal::TurnToCome => InvalidTransaction::Future,
		Refusal::NotAMember => InvalidTransaction::Custom(code::NOT_A_MEMBER),
		Refusal::UnknownHoldings => InvalidTransaction::Custom(code::UNKNOWN_HOLDINGS),
	}
}

fn engagement(envelope: &Envelope) -> Engagement {
	Engagement {
		task: envelope.task,
		round: envelope.round,
	}
}

impl<T: Config> Pallet<T> {
	/// Whether a post may enter the pool and blocks.
	pub(crate) fn authorise(
		envelope: &Envelope,
		body: PostBody,
		signature: &TrainerSignature,
	) -> TransactionValidityWithRefund {
		let trainer = Trainers::<T>::get(&envelope.trainer)
			.ok_or(InvalidTransaction::Custom(code::NOT_A_MEMBER))?;
		if trainer.engaged != Some(engagement(envelope)) {
			return Err(Self::misplaced(envelope).into());
		}
		let (record, index) = Self::seat(envelope).map_err(invalid)?;
		record.admit(index, &body, Self::now()).map_err(invalid)?;
		if record.inputs_of(index) != Some(envelope.inputs) {
			return Err(InvalidTransaction::Custom(code::WRONG_INPUTS).into());
		}
		let bytes = signing_bytes(&Self::genesis(), envelope, &body);
		if !trainer.key.verify(&bytes, signature) {
			return Err(InvalidTransaction::BadProof.into());
		}
		ValidTransaction::with_tag_prefix("llmchain")
			.priority(PRIORITY)
			.longevity(LONGEVITY)
			.and_provides((
				envelope.task,
				envelope.round,
				phase_of(&body),
				&envelope.trainer,
			))
			.propagate(true)
			.build()
			.map(|validity| (validity, Weight::zero()))
	}

	/// What to say of a registered trainer's post to a round that it is not in.
	fn misplaced(envelope: &Envelope) -> InvalidTransaction {
		let Some(task) = Tasks::<T>::get(envelope.task) else {
			return InvalidTransaction::Custom(code::NOT_A_MEMBER);
		};
		if envelope.round > task.round {
			InvalidTransaction::Future
		} else if envelope.round == task.round && task.activity != Activity::Idle {
			InvalidTransaction::Custom(code::NOT_A_MEMBER)
		} else {
			InvalidTransaction::Stale
		}
	}

	fn seat(envelope: &Envelope) -> Result<(RoundRecord, u32), Refusal> {
		let record = Rounds::<T>::get(envelope.task, envelope.round).ok_or(Refusal::NotRunning)?;
		let index = record
			.index_of(&envelope.trainer)
			.ok_or(Refusal::NotAMember)?;
		Ok((record, index))
	}

	/// Records an authorised post.
	pub(crate) fn accept(envelope: Envelope, body: PostBody) -> DispatchResult {
		let (mut record, index) = Self::seat(&envelope).map_err(Error::<T>::from)?;
		let verdict = record
			.take(index, &body, Self::now())
			.map_err(Error::<T>::from)?;
		let deadline = record.running().map_or(0, |running| running.deadline);
		Rounds::<T>::insert(envelope.task, envelope.round, record);

		let Envelope {
			task,
			round,
			trainer,
			..
		} = envelope;
		Self::deposit_event(match body {
			PostBody::Update(report) => Event::UpdatePosted {
				task,
				round,
				trainer,
				root: report.root,
			},
			PostBody::Holdings(held) => Event::HoldingsPosted {
				task,
				round,
				trainer,
				held: held.count(),
			},
			PostBody::Claim(report) => {
				Self::deposit_event(Event::AggregateClaimed {
					task,
					round,
					trainer,
					report,
				});
				Event::PhaseOpened {
					task,
					round,
					phase: llmchain_primitives::training::Phase::Challenge,
					deadline,
				}
			}
			PostBody::Attestation(report) if verdict == Some(Verdict::Disputed) => {
				Event::AggregateDisputed {
					task,
					round,
					trainer,
					report,
				}
			}
			PostBody::Attestation(_) => Event::AggregateAttested {
				task,
				round,
				trainer,
			},
		});
		Ok(())
	}
}
