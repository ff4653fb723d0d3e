//! Registration, leaving, and absence.

use crate::{mock::*, Error, Event, HoldReason, Registered, TrainerOf, Trainers};
use frame_support::{assert_noop, assert_ok, traits::fungible::InspectHold};
use llmchain_primitives::{
	training::{PostBody, StopRule, TaskSpec, MAX_ROSTER},
	Balance, TaskId,
};

fn bond_of(who: u8) -> Balance {
	Balances::balance_on_hold(&HoldReason::TrainerBond.into(), &account(who))
}

fn misses(who: u8) -> Option<u8> {
	Trainers::<Test>::get(account(who)).map(|trainer| trainer.misses)
}

#[test]
fn a_trainer_registers_with_a_key_that_it_has() {
	run(|| {
		assert_ok!(register(1, 3));
		assert_eq!(bond_of(1), BOND);
		assert_eq!(Training::key_of(&account(1)), Some(public(1)));
		assert_eq!(Training::trainer_of(&public(1)), Some(account(1)));
		assert_eq!(
			events(),
			[Event::TrainerRegistered {
				trainer: account(1),
				key: public(1),
				capacity: 3
			}]
		);
	});
}

#[test]
fn a_registration_that_does_not_fit_is_refused() {
	run(|| {
		assert_ok!(register(1, 1));
		assert_noop!(register(1, 1), Error::<Test>::AlreadyRegistered);
		for capacity in [0, 17] {
			assert_noop!(register(2, capacity), Error::<Test>::BadCapacity);
		}
		// Another's key, with another's proof or one's own.
		for proof in [proof(1, 1), proof(1, 2), proof(2, 2)] {
			assert_noop!(
				Training::register_trainer(signed(2), public(1), 1, proof),
				Error::<Test>::KeyTaken
			);
		}
		// A proof for another account, of another key, or over other bytes.
		for proof in [
			proof(2, 3),
			proof(3, 2),
			sp_core::Pair::sign(&pair(2), b"llmchain"),
		] {
			assert_noop!(
				Training::register_trainer(signed(2), public(2), 1, proof),
				Error::<Test>::BadProof
			);
		}
		// Nobody but accounts with money have a bond.
		assert!(register(99, 1).is_err());
		assert_eq!(Registered::<Test>::get().len(), 1);
	});
}

#[test]
fn the_list_of_trainers_is_bounded() {
	run(|| {
		for who in 1..=MAX_ROSTER as u8 {
			use frame_support::traits::fungible::Mutate;
			if who > 20 {
				assert_ok!(Balances::transfer(
					&account(1),
					&account(who),
					2 * BOND,
					frame_support::traits::tokens::Preservation::Preserve
				));
			}
			assert_ok!(register(who, 1));
		}
		assert_noop!(register(PUBLISHER, 1), Error::<Test>::RosterFull);
		assert_ok!(Training::leave(signed(7)));
		assert_ok!(register(PUBLISHER, 1));
		// Who comes late is last.
		assert_eq!(Registered::<Test>::get().last(), Some(&account(PUBLISHER)));
	});
}

#[test]
fn leaving_gives_the_bond_back_and_frees_the_key() {
	run(|| {
		assert_ok!(register(1, 1));
		assert_ok!(Training::leave(signed(1)));
		assert_eq!(bond_of(1), 0);
		assert_eq!(Balances::free_balance(account(1)), PURSE);
		assert!(!TrainerOf::<Test>::contains_key(public(1)));
		assert_noop!(Training::leave(signed(1)), Error::<Test>::NotRegistered);
		assert_ok!(register(1, 1));
	});
}

#[test]
fn nobody_leaves_in_the_middle_of_a_round() {
	run(|| {
		register_all(5);
		let task = create(spec(1, 4));
		next_block();
		assert_noop!(Training::leave(signed(1)), Error::<Test>::TrainerInRound);
		assert_ok!(Training::leave(signed(5)));
		settle(task, 500);
		assert_ok!(Training::leave(signed(1)));
		// Three are too few for the next round; the task waits.
		next_blocks(3);
		assert_eq!(Training::task_view(&task).unwrap().round, 1);
		assert_ok!(register(1, 1));
		next_block();
		assert_eq!(roster(task), [2, 3, 4, 1]);
	});
}

/// A round in which only `present` train and hold, and nobody aggregates.
fn round_of(task: TaskId, present: &[u8]) {
	next_block();
	for who in present {
		post(*who, task, update(*who)).unwrap();
	}
	next_blocks(20);
	let held = record(task).updated();
	for who in present {
		post(*who, task, PostBody::Holdings(held)).unwrap();
	}
	while phase(task).is_some() {
		next_block();
	}
}

#[test]
fn the_third_missed_round_in_a_row_takes_a_trainer_off_the_list() {
	run(|| {
		register_all(4);
		let task = create(spec(1, 4));
		round_of(task, &[1, 2, 3]);
		assert_eq!((misses(1), misses(4)), (Some(0), Some(1)));
		round_of(task, &[1, 2, 3]);
		assert_eq!((misses(1), misses(4)), (Some(0), Some(2)));
		round_of(task, &[1, 2, 3]);
		assert_eq!(misses(4), None);
		assert_eq!(bond_of(4), 0);
		assert!(events().contains(&Event::TrainerRemoved {
			trainer: account(4)
		}));
		assert_eq!(Training::check_invariants(), Ok(()));
		// It may come back.
		assert_ok!(register(4, 1));
		assert_eq!(misses(4), Some(0));
	});
}

#[test]
fn a_round_with_everybody_there_forgives_and_a_failing_network_blames_nobody() {
	run(|| {
		register_all(4);
		let task = create(TaskSpec {
			stop: StopRule {
				max_rounds: 10,
				..spec(1, 4).stop
			},
			..spec(1, 4)
		});
		round_of(task, &[1, 2, 3]);
		round_of(task, &[1, 2, 3]);
		assert_eq!(misses(4), Some(2));
		// More than a third is missing: no miss for anybody, none forgiven either.
		round_of(task, &[1, 2]);
		assert_eq!((misses(3), misses(4)), (Some(0), Some(2)));
		next_block();
		settle(task, 500);
		assert_eq!(misses(4), Some(0));
	});
}
