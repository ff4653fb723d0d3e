//! Tests that `try_state` notices every kind of corruption.

use super::*;
use crate::{
	types::{ProvenanceEntryOf, WorkOf},
	Provenance, WorkOfFile, WorkOfText,
};
use frame_support::traits::fungible::MutateHold;

/// Corrupts a state with a work that was listed, sold and listed again, and expects this complaint.
fn corrupt(change: impl FnOnce(WorkId), complaint: &str) {
	externalities().execute_with(|| {
		let work = register_generated(&[(account(4), 1)]);
		list(&artist(), work, 1_000);
		assert_ok!(Artworks::buy(signed_by(&buyer()), work, 1_000));
		list(&buyer(), work, 2_000);
		assert_eq!(Artworks::do_try_state(), Ok(()));
		change(work);
		assert_eq!(Artworks::do_try_state(), Err(complaint));
	});
}

fn edit(work: WorkId, change: impl FnOnce(&mut WorkOf<Test>)) {
	Works::<Test>::mutate(work, |record| change(record.as_mut().unwrap()));
}

fn edit_entry(work: WorkId, index: u32, change: impl FnOnce(&mut ProvenanceEntryOf<Test>)) {
	Provenance::<Test>::mutate(work, index, |entry| change(entry.as_mut().unwrap()));
}

#[test]
fn a_changed_record_is_noticed() {
	corrupt(
		|work| edit(work, |record| record.claimant = buyer()),
		"a work's identity differs from the hash of claimant and text",
	);
	corrupt(
		|work| edit(work, |record| record.text = Hash::zero()),
		"a work's identity differs from the hash of claimant and text",
	);
	corrupt(
		|work| edit(work, |record| record.file = Hash::zero()),
		"a work is not found by its file hash",
	);
	corrupt(
		|work| edit(work, |record| record.disclosure = Disclosure::Human),
		"a work disclosed as human cites a version",
	);
	corrupt(
		|work| edit(work, |record| record.made_with = None),
		"the registration in a history differs from the record",
	);
	corrupt(
		|work| edit(work, |record| record.owner = account(5)),
		"the owner of a work differs from its history",
	);
}

#[test]
fn a_broken_index_is_noticed() {
	corrupt(
		|_| WorkOfText::<Test>::insert(Hash::zero(), Hash::zero()),
		"a text digest leads to no work",
	);
	corrupt(
		|_| WorkOfFile::<Test>::insert(Hash::zero(), Hash::zero()),
		"a file hash leads to no work",
	);
	corrupt(
		|work| WorkOfText::<Test>::remove(Works::<Test>::get(work).unwrap().text),
		"a work is not found by its text digest",
	);
	corrupt(Works::<Test>::remove, "a text digest leads to no work");
}

#[test]
fn a_broken_history_is_noticed() {
	corrupt(
		|work| Provenance::<Test>::remove(work, 2),
		"a history has a gap",
	);
	corrupt(
		|work| edit(work, |record| record.history = 3),
		"the offer of a work differs from its history",
	);
	corrupt(
		|work| edit(work, |record| record.history = 0),
		"a work has no history",
	);
	corrupt(
		|work| {
			let entry = Provenance::<Test>::get(work, 3).unwrap();
			Provenance::<Test>::insert(work, 4, entry);
		},
		"an entry is outside its history",
	);
	corrupt(
		|work| edit_entry(work, 1, |entry| entry.index = 2),
		"an entry lies in another place than it names",
	);
	corrupt(
		|work| edit_entry(work, 2, |entry| entry.block = 0),
		"a history goes back in time",
	);
	corrupt(
		|work| {
			let first = Provenance::<Test>::get(work, 0).unwrap().event;
			edit_entry(work, 1, |entry| entry.event = first);
		},
		"a history does not begin with its only registration",
	);
}

#[test]
fn a_forged_entry_is_noticed() {
	let forge = |index, event: ProvenanceEventOf<Test>| {
		move |work| edit_entry(work, index, |entry| entry.event = event)
	};
	corrupt(
		forge(
			3,
			ProvenanceEvent::Listed {
				seller: artist(),
				price: 2_000,
			},
		),
		"somebody else than the owner listed a work",
	);
	corrupt(
		forge(3, ProvenanceEvent::Unlisted { seller: artist() }),
		"somebody else than the owner unlisted a work",
	);
	corrupt(
		forge(3, ProvenanceEvent::Unlisted { seller: buyer() }),
		"an offer that did not exist was taken back",
	);
	let sold = |seller, buyer, price, flow_back| ProvenanceEvent::Sold {
		seller,
		buyer,
		price,
		flow_back,
	};
	corrupt(
		forge(2, sold(account(5), buyer(), 1_000, 100)),
		"somebody else than the owner sold a work",
	);
	corrupt(
		forge(2, sold(artist(), buyer(), 999, 100)),
		"a work was sold at another price",
	);
	corrupt(
		forge(2, sold(artist(), artist(), 1_000, 100)),
		"a work was sold to its owner",
	);
	corrupt(
		forge(2, sold(artist(), buyer(), 1_000, 1_001)),
		"more flowed back than was paid",
	);
}

#[test]
fn a_forged_offer_is_noticed() {
	corrupt(
		Offers::<Test>::remove,
		"the offer of a work differs from its history",
	);
	corrupt(
		|work| Offers::<Test>::insert(work, 1),
		"the offer of a work differs from its history",
	);
	corrupt(
		|_| Offers::<Test>::insert(Hash::zero(), 1_000),
		"a work that does not exist is for sale",
	);
}

#[test]
fn a_deposit_that_is_not_held_is_noticed() {
	corrupt(
		|work| edit(work, |record| record.deposit += 1),
		"deposits of works differ from what is on hold",
	);
	corrupt(
		|_| {
			assert_ok!(Balances::hold(
				&HoldReason::WorkDeposit.into(),
				&artist(),
				1
			));
		},
		"deposits of works differ from what is on hold",
	);
}
