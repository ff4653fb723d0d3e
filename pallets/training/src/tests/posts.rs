//! Who may post what when: the transaction's validity, code by code.

use crate::{
	mock::*,
	post::{code, LONGEVITY, PRIORITY},
	Error, Event,
};
use codec::Encode;
use frame_support::{
	assert_noop, assert_ok, dispatch::GetDispatchInfo, traits::Authorize, weights::Weight,
};
use llmchain_primitives::{
	key::TrainerSignature,
	training::{Envelope, Holdings, Phase, PostBody},
	Hash, TaskId,
};
use sp_runtime::{
	traits::{Applyable, Checkable},
	transaction_validity::{
		InvalidTransaction, TransactionSource, TransactionValidityError, ValidTransaction,
	},
	DispatchError,
};

fn invalid(reason: InvalidTransaction) -> Result<(), PostError> {
	Err(PostError::Invalid(TransactionValidityError::Invalid(
		reason,
	)))
}

fn custom(code: u8) -> Result<(), PostError> {
	invalid(InvalidTransaction::Custom(code))
}

const FUTURE: InvalidTransaction = InvalidTransaction::Future;
const STALE: InvalidTransaction = InvalidTransaction::Stale;

/// A task of four whose first round begins in this block; trainer 5 is registered and idle.
fn started() -> TaskId {
	register_all(5);
	let task = create(spec(1, 4));
	next_block();
	assert_eq!(roster(task), [1, 2, 3, 4]);
	task
}

/// Posts with this envelope, signed by `who`.
fn post_with(who: u8, envelope: Envelope, body: PostBody) -> Result<(), PostError> {
	let signature = sign(who, &envelope, &body);
	apply(call_of(envelope, body, signature).into())
}

#[test]
fn strangers_are_sent_away() {
	run(|| {
		let task = started();
		// Not registered; registered but not in the round; a member's name with a stranger's signature.
		assert_eq!(post(9, task, update(9)), custom(code::NOT_A_MEMBER));
		assert_eq!(post(5, task, update(5)), custom(code::NOT_A_MEMBER));
		let member = envelope(1, task);
		assert_eq!(
			post_with(9, member.clone(), update(1)),
			invalid(InvalidTransaction::BadProof)
		);
		// A task that is not there.
		let nowhere = Envelope {
			task: Hash::zero(),
			..member
		};
		assert_eq!(post_with(1, nowhere, update(1)), custom(code::NOT_A_MEMBER));
		assert_ok!(post(1, task, update(1)));
	});
}

#[test]
fn a_post_comes_once() {
	run(|| {
		let task = started();
		assert_ok!(post(1, task, update(1)));
		assert_eq!(post(1, task, update(1)), invalid(STALE));
		assert_eq!(post(1, task, update(2)), invalid(STALE));
		assert_eq!(
			events().last(),
			Some(&Event::UpdatePosted {
				task,
				round: 1,
				trainer: account(1),
				root: Hash::repeat_byte(1)
			})
		);
	});
}

#[test]
fn too_early_is_future_and_too_late_is_stale() {
	run(|| {
		let task = started();
		let first = envelope(1, task);
		assert_eq!(post(1, task, all(4)), invalid(FUTURE));
		assert_eq!(post(1, task, PostBody::Claim(report(1))), invalid(FUTURE));
		assert_eq!(
			post(1, task, PostBody::Attestation(report(1))),
			invalid(FUTURE)
		);
		let next_round = Envelope {
			round: 2,
			..first.clone()
		};
		assert_eq!(post_with(1, next_round.clone(), update(1)), invalid(FUTURE));

		for who in 1..=3 {
			assert_ok!(post(who, task, update(who)));
		}
		next_blocks(20);
		assert_eq!(phase(task), Some(Phase::Hold));
		assert_eq!(post(4, task, update(4)), invalid(STALE));
		// Nobody holds anything: the round fails, and all of it is stale.
		next_blocks(10);
		assert_eq!(phase(task), None);
		assert_eq!(post_with(1, first, update(1)), invalid(STALE));
		assert_eq!(
			post_with(1, next_round, update(1)),
			invalid(FUTURE),
			"the next round starts in the next block"
		);
		next_block();
		assert_ok!(post(1, task, update(1)));
	});
}

#[test]
fn inputs_must_be_the_chains_own() {
	run(|| {
		let task = started();
		for inputs in [Hash::zero(), envelope(2, task).inputs] {
			let other = Envelope {
				inputs,
				..envelope(1, task)
			};
			assert_eq!(post_with(1, other, update(1)), custom(code::WRONG_INPUTS));
		}
	});
}

#[test]
fn the_signature_covers_everything() {
	run(|| {
		let task = started();
		let envelope = envelope(1, task);
		let signature = sign(1, &envelope, &update(1));
		let bad = invalid(InvalidTransaction::BadProof);
		let changed = call_of(envelope.clone(), update(2), signature.clone());
		assert_eq!(apply(changed.into()), bad);
		let over_other_kind = sign(1, &envelope, &PostBody::Holdings(Holdings(0)));
		assert_eq!(
			apply(call_of(envelope.clone(), update(1), over_other_kind).into()),
			bad
		);
		let of_nothing = TrainerSignature::from(sp_core::sr25519::Signature::default());
		assert_eq!(
			apply(call_of(envelope.clone(), update(1), of_nothing).into()),
			bad
		);
		assert_ok!(apply(call_of(envelope, update(1), signature).into()));
	});
}

#[test]
fn holdings_of_nothing_posted_are_refused() {
	run(|| {
		let task = started();
		for who in 1..=3 {
			assert_ok!(post(who, task, update(who)));
		}
		next_blocks(20);
		assert_eq!(post(1, task, all(4)), custom(code::UNKNOWN_HOLDINGS));
		assert_ok!(post(1, task, all(3)));
		// Who trained nothing may still hold.
		assert_ok!(post(4, task, all(3)));
	});
}

#[test]
fn only_the_aggregator_in_turn_claims() {
	run(|| {
		let task = started();
		for who in 1..=4 {
			assert_ok!(post(who, task, update(who)));
		}
		next_block();
		for who in 1..=4 {
			assert_ok!(post(who, task, all(4)));
		}
		next_block();
		let claim = PostBody::Claim(report(1));
		// Round 1 begins with the second member.
		assert_eq!(in_turn(task), 2);
		assert_eq!(post(3, task, claim.clone()), invalid(FUTURE));
		next_blocks(5);
		assert_eq!(in_turn(task), 3);
		assert_eq!(post(2, task, claim.clone()), invalid(STALE));
		assert_ok!(post(3, task, claim.clone()));
		assert_eq!(post(4, task, claim), invalid(STALE));
	});
}

#[test]
fn a_valid_post_goes_first_spreads_and_expires() {
	run(|| {
		let task = started();
		let envelope = envelope(1, task);
		let signature = sign(1, &envelope, &update(1));
		let call: RuntimeCall = call_of(envelope, update(1), signature).into();
		let (validity, unspent) = call
			.authorize(TransactionSource::External)
			.unwrap()
			.unwrap();
		assert_eq!(
			validity,
			ValidTransaction {
				priority: PRIORITY,
				requires: vec![],
				provides: vec![("llmchain", (task, 1u32, Phase::Train, account(1))).encode()],
				longevity: LONGEVITY,
				propagate: true,
			}
		);
		assert_eq!(unspent, Weight::zero());
		assert_ne!(call.weight_of_authorize(), Weight::zero());
	});
}

#[test]
fn a_general_transaction_passes_the_whole_pipeline() {
	run(|| {
		let task = started();
		let envelope = envelope(1, task);
		let signature = sign(1, &envelope, &update(1));
		let call: RuntimeCall = call_of(envelope, update(1), signature).into();
		let transaction = Extrinsic::new_transaction(call, TxExtension::new());
		let bytes = transaction.encode();
		let info = transaction.get_dispatch_info();
		let checked = decode(&bytes)
			.check(&frame_system::ChainContext::<Test>::default())
			.unwrap();
		assert_ok!(checked.apply::<Test>(&info, bytes.len()).unwrap());
		assert_eq!(record(task).updated(), Holdings(1));
		// The same bytes again.
		let again = decode(&bytes)
			.check(&frame_system::ChainContext::<Test>::default())
			.unwrap();
		assert_eq!(again.apply::<Test>(&info, bytes.len()), Err(STALE.into()));
	});
}

#[test]
fn posts_are_taken_from_no_other_origin() {
	run(|| {
		let task = started();
		let envelope = envelope(1, task);
		let signature = sign(1, &envelope, &update(1));
		let call: RuntimeCall = call_of(envelope.clone(), update(1), signature.clone()).into();
		let PostBody::Update(report) = update(1) else {
			unreachable!()
		};
		for origin in [signed(1), RuntimeOrigin::root(), RuntimeOrigin::none()] {
			assert_noop!(
				Training::submit_update(origin, envelope.clone(), report, signature.clone()),
				DispatchError::BadOrigin
			);
		}
		assert_ok!(Utility::batch(signed(1), vec![call.clone()]));
		assert_eq!(record(task).updated(), Holdings(0));
		let batch = RuntimeCall::Utility(pallet_utility::Call::batch { calls: vec![call] });
		assert!(
			batch.authorize(TransactionSource::External).is_none(),
			"a wrapped post is not authorised"
		);
	});
}

#[test]
fn the_dispatch_names_what_changed_since_the_check() {
	run(|| {
		let task = started();
		let authorised = || RuntimeOrigin::from(frame_system::RawOrigin::Authorized);
		let send = |envelope: Envelope| {
			let signature = sign(1, &envelope, &update(1));
			let PostBody::Update(report) = update(1) else {
				unreachable!()
			};
			Training::submit_update(authorised(), envelope, report, signature)
		};
		let first = envelope(1, task);
		assert_ok!(send(first.clone()));
		assert_noop!(send(first.clone()), Error::<Test>::AlreadyPosted);
		assert_noop!(
			send(Envelope {
				round: 2,
				..first.clone()
			}),
			Error::<Test>::RoundOver
		);
		assert_noop!(
			send(Envelope {
				trainer: account(5),
				..first
			}),
			Error::<Test>::NotAMember
		);
		assert_noop!(
			Training::attest(
				authorised(),
				envelope(1, task),
				report(1),
				sign(1, &envelope(1, task), &update(1))
			),
			Error::<Test>::TooEarly
		);
	});
}
