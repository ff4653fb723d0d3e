//! Tests of the pallet, in reading order: registration, sale, invariants, random sequences, and what wallets rely on.

use crate::{mock::*, types::ProvenanceEventOf, Error, Event, HoldReason, Offers, Works};
use frame_support::{assert_noop, assert_ok, traits::fungible::InspectHold};
use llmchain_primitives::{
	receipt::Receipt,
	work::{Disclosure, ProvenanceEvent},
	AccountId, Balance, Hash, WorkId,
};
use sp_runtime::traits::{BlakeTwo256, Hash as _};

mod interface;
mod invariants;
mod registration;
mod sale;
mod sequence;

/// A quatrain.
const POEM: &str = "床前明月光\n疑是地上霜\n举头望明月\n低头思故乡";

fn signed_by(account: &AccountId) -> RuntimeOrigin {
	RuntimeOrigin::signed(account.clone())
}

fn hash(bytes: &str) -> Hash {
	BlakeTwo256::hash(bytes.as_bytes())
}

/// Registers a work that must be accepted.
fn register(
	claimant: &AccountId,
	file: &str,
	disclosure: Disclosure,
	receipt: Option<Receipt>,
) -> WorkId {
	assert_ok!(Artworks::register(
		signed_by(claimant),
		"静夜思".try_into().unwrap(),
		file.into(),
		disclosure,
		receipt,
	));
	Artworks::work_of(hash(file)).unwrap()
}

/// Registers the artist's poem as one that a version with these contributors made.
fn register_generated(contributors: &[(AccountId, u64)]) -> WorkId {
	let version = version_of(contributors);
	let receipt = signed(generation(&artist(), version, POEM));
	register(&artist(), POEM, Disclosure::AiGenerated, Some(receipt))
}

fn list(seller: &AccountId, work: WorkId, price: Balance) {
	assert_ok!(Artworks::list_for_sale(signed_by(seller), work, price));
}

fn history(work: WorkId) -> Vec<ProvenanceEventOf<Test>> {
	Artworks::provenance(work, 0, 100)
		.into_iter()
		.map(|entry| entry.event)
		.collect()
}

fn events() -> Vec<Event<Test>> {
	System::events()
		.into_iter()
		.filter_map(|record| match record.event {
			RuntimeEvent::Artworks(event) => Some(event),
			_ => None,
		})
		.collect()
}
