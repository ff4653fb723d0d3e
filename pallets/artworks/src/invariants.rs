//! What must always hold, checked after every test and by `try_state`.
//!
//! Replays every history and compares the outcome with state, so a change that was not recorded, or a record without its change,
//! is found. Must not know: how state came about. Reads all works: never call it in a block.

use crate::{
	registration::work_id,
	types::{BalanceOf, WorkOf},
	Config, HoldReason, Offers, Pallet, Provenance, WorkOfFile, WorkOfText, Works,
};
use alloc::collections::BTreeMap;
use frame_support::{ensure, traits::fungible::InspectHold};
use llmchain_primitives::{
	work::{Disclosure, ProvenanceEvent},
	WorkId,
};

impl<T: Config> Pallet<T> {
	/// Checks every invariant of the pallet.
	///
	/// # Errors
	/// A sentence saying which invariant is broken.
	pub fn do_try_state() -> Result<(), &'static str> {
		let mut works = 0usize;
		let mut entries = 0usize;
		let mut deposits = BTreeMap::<T::AccountId, BalanceOf<T>>::new();
		for (id, work) in Works::<T>::iter() {
			works = works.saturating_add(1);
			entries = entries.saturating_add(usize::try_from(work.history).unwrap_or(usize::MAX));
			let deposit = deposits.entry(work.claimant.clone()).or_default();
			*deposit = deposit.saturating_add(work.deposit);
			Self::check_record(id, &work)?;
			Self::check_history(id, &work)?;
		}
		// Each work is found under its own two hashes, so equal counts leave no index without a work.
		ensure!(
			WorkOfText::<T>::iter_keys().count() == works,
			"a text digest leads to no work"
		);
		ensure!(
			WorkOfFile::<T>::iter_keys().count() == works,
			"a file hash leads to no work"
		);
		ensure!(
			Provenance::<T>::iter_keys().count() == entries,
			"an entry is outside its history"
		);
		ensure!(
			Offers::<T>::iter_keys().all(Works::<T>::contains_key),
			"a work that does not exist is for sale"
		);
		let reason = HoldReason::WorkDeposit.into();
		ensure!(
			deposits
				.iter()
				.all(|(claimant, sum)| T::Currency::balance_on_hold(&reason, claimant) == *sum),
			"deposits of works differ from what is on hold"
		);
		Ok(())
	}

	fn check_record(id: WorkId, work: &WorkOf<T>) -> Result<(), &'static str> {
		ensure!(
			id == work_id(&work.claimant, &work.text),
			"a work's identity differs from the hash of claimant and text"
		);
		ensure!(
			WorkOfText::<T>::get(work.text) == Some(id),
			"a work is not found by its text digest"
		);
		ensure!(
			WorkOfFile::<T>::get(work.file) == Some(id),
			"a work is not found by its file hash"
		);
		ensure!(
			work.disclosure != Disclosure::Human || work.made_with.is_none(),
			"a work disclosed as human cites a version"
		);
		Ok(())
	}

	fn check_history(id: WorkId, work: &WorkOf<T>) -> Result<(), &'static str> {
		let mut owner = work.claimant.clone();
		let mut offer = None;
		let mut last_block = work.registered;
		for index in 0..work.history {
			let entry = Provenance::<T>::get(id, index).ok_or("a history has a gap")?;
			ensure!(
				(entry.work, entry.index) == (id, index),
				"an entry lies in another place than it names"
			);
			ensure!(entry.block >= last_block, "a history goes back in time");
			last_block = entry.block;
			ensure!(
				matches!(entry.event, ProvenanceEvent::Registered { .. }) == (index == 0),
				"a history does not begin with its only registration"
			);
			match entry.event {
				ProvenanceEvent::Registered {
					claimant,
					file,
					disclosure,
					made_with,
				} => ensure!(
					(claimant, file, disclosure, made_with, entry.block)
						== (
							work.claimant.clone(),
							work.file,
							work.disclosure,
							work.made_with,
							work.registered
						),
					"the registration in a history differs from the record"
				),
				ProvenanceEvent::Listed { seller, price } => {
					ensure!(
						seller == owner,
						"somebody else than the owner listed a work"
					);
					offer = Some(price);
				}
				ProvenanceEvent::Unlisted { seller } => {
					ensure!(
						seller == owner,
						"somebody else than the owner unlisted a work"
					);
					ensure!(
						offer.take().is_some(),
						"an offer that did not exist was taken back"
					);
				}
				ProvenanceEvent::Sold {
					seller,
					buyer,
					price,
					flow_back,
				} => {
					ensure!(seller == owner, "somebody else than the owner sold a work");
					ensure!(
						offer.take() == Some(price),
						"a work was sold at another price"
					);
					ensure!(seller != buyer, "a work was sold to its owner");
					ensure!(flow_back <= price, "more flowed back than was paid");
					owner = buyer;
				}
			}
		}
		ensure!(work.history > 0, "a work has no history");
		ensure!(
			owner == work.owner,
			"the owner of a work differs from its history"
		);
		ensure!(
			Offers::<T>::get(id) == offer,
			"the offer of a work differs from its history"
		);
		Ok(())
	}
}
