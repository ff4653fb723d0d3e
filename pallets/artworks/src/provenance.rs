//! Histories of works: adding an entry, and the reads that the runtime API offers.
//!
//! Must not know: why something happened. Source: docs/protocol/work.md 5.
//! Invariants: entries are written here only, at the next free place; no read is longer than [`MAX_PAGE`].

use crate::{
	types::{ProvenanceEventOf, WorkOf},
	Config, Offers, Pallet, Provenance, WorkOfFile, WorkOfText, Works,
};
use alloc::vec::Vec;
use llmchain_primitives::{
	runtime_api::WorkView, work::ProvenanceEntry, AccountId, Balance, BlockNumber, Hash, WorkId,
};
use sp_runtime::{ArithmeticError, DispatchResult, SaturatedConversion};

/// Most entries of one read.
pub const MAX_PAGE: u32 = 100;

impl<T: Config> Pallet<T> {
	/// Adds a fact to the history of a work; the caller stores `work`.
	pub(crate) fn record(
		id: WorkId,
		work: &mut WorkOf<T>,
		event: ProvenanceEventOf<T>,
	) -> DispatchResult {
		let index = work.history;
		work.history = index.checked_add(1).ok_or(ArithmeticError::Overflow)?;
		let block = frame_system::Pallet::<T>::block_number();
		Provenance::<T>::insert(
			id,
			index,
			ProvenanceEntry {
				work: id,
				index,
				block,
				event,
			},
		);
		Ok(())
	}

	/// A work as clients see it.
	pub fn work_view(id: WorkId) -> Option<WorkView> {
		let work = Works::<T>::get(id)?;
		Some(WorkView {
			title: work.title,
			claimant: work.claimant,
			owner: work.owner,
			file: work.file,
			size: work.size,
			disclosure: work.disclosure,
			made_with: work.made_with,
			price: Offers::<T>::get(id),
			registered: work.registered.saturated_into(),
			history: work.history,
		})
	}

	/// The work registered for this file hash or text digest.
	///
	/// Never ambiguous: a file that hashes to a text's digest is that text in canonical form, so it is the same work's.
	pub fn work_of(digest: Hash) -> Option<WorkId> {
		WorkOfText::<T>::get(digest).or_else(|| WorkOfFile::<T>::get(digest))
	}

	/// Entries of a work's history from `first` on, at most `limit` and at most [`MAX_PAGE`].
	pub fn provenance(
		id: WorkId,
		first: u32,
		limit: u32,
	) -> Vec<ProvenanceEntry<AccountId, Balance, BlockNumber>> {
		(first..first.saturating_add(limit.min(MAX_PAGE)))
			.map_while(|index| Provenance::<T>::get(id, index))
			.map(|entry| ProvenanceEntry {
				work: entry.work,
				index: entry.index,
				block: entry.block.saturated_into(),
				event: entry.event,
			})
			.collect()
	}
}
