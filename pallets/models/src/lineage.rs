//! What a version takes over from its base: pure functions, no storage.
//!
//! Must not know: rounds, models, money.
//! Invariant: results are in ascending order without repetition, and no contributor has zero examples.

use alloc::collections::{BTreeMap, BTreeSet};
use frame_support::BoundedVec;
use llmchain_primitives::{
	model::{Contribution, Contributors, MAX_DATASETS},
	DatasetId,
};
use sp_core::ConstU32;

/// Why a lineage cannot be written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
	/// More than `MAX_CONTRIBUTORS` accounts.
	TooManyContributors,
	/// More than `MAX_DATASETS` datasets.
	TooManyDatasets,
	/// An account's examples exceed 64 bits.
	TooManyExamples,
}

/// Contributors of a base and those accepted since, examples summed by account.
///
/// # Errors
/// - [`Refusal::TooManyContributors`], [`Refusal::TooManyExamples`].
pub fn merge<AccountId: Clone + Ord>(
	base: &[Contribution<AccountId>],
	accepted: &[Contribution<AccountId>],
) -> Result<Contributors<AccountId>, Refusal> {
	let mut sums = BTreeMap::<&AccountId, u64>::new();
	for contribution in base.iter().chain(accepted) {
		if contribution.examples == 0 {
			continue;
		}
		let sum = sums.entry(&contribution.account).or_default();
		*sum = sum
			.checked_add(contribution.examples)
			.ok_or(Refusal::TooManyExamples)?;
	}
	sums.into_iter()
		.map(|(account, examples)| Contribution {
			account: account.clone(),
			examples,
		})
		.collect::<alloc::vec::Vec<_>>()
		.try_into()
		.map_err(|_| Refusal::TooManyContributors)
}

/// Datasets of a base and the one trained on since.
///
/// # Errors
/// - [`Refusal::TooManyDatasets`].
pub fn inherit(
	base: &[DatasetId],
	dataset: DatasetId,
) -> Result<BoundedVec<DatasetId, ConstU32<MAX_DATASETS>>, Refusal> {
	let mut datasets: BTreeSet<DatasetId> = base.iter().copied().collect();
	datasets.insert(dataset);
	datasets
		.into_iter()
		.collect::<alloc::vec::Vec<_>>()
		.try_into()
		.map_err(|_| Refusal::TooManyDatasets)
}

/// Whether each item is larger than the one before.
#[cfg(any(feature = "try-runtime", test))]
pub(crate) fn strictly_ascending<T: Ord>(mut items: impl Iterator<Item = T>) -> bool {
	let Some(mut last) = items.next() else {
		return true;
	};
	items.all(|item| {
		let larger = last < item;
		last = item;
		larger
	})
}

#[cfg(test)]
mod tests {
	use super::*;
	use llmchain_primitives::model::MAX_CONTRIBUTORS;
	use proptest::prelude::*;

	fn contributions(list: &[(u32, u64)]) -> Vec<Contribution<u32>> {
		list.iter()
			.map(|(account, examples)| Contribution {
				account: *account,
				examples: *examples,
			})
			.collect()
	}

	#[test]
	fn sums_by_account_in_order() {
		let merged = merge(
			&contributions(&[(1, 10), (5, 50)]),
			&contributions(&[(5, 1), (3, 30), (5, 1), (9, 0)]),
		);
		assert_eq!(
			merged.unwrap().into_inner(),
			contributions(&[(1, 10), (3, 30), (5, 52)])
		);
		assert!(merge::<u32>(&[], &[]).unwrap().is_empty());
	}

	#[test]
	fn takes_as_many_contributors_as_there_may_be() {
		let all: Vec<_> = (0..MAX_CONTRIBUTORS).map(|account| (account, 1)).collect();
		let all = contributions(&all);
		assert_eq!(merge(&all, &all).unwrap().len(), all.len());
		assert_eq!(
			merge(&all, &contributions(&[(MAX_CONTRIBUTORS, 1)])),
			Err(Refusal::TooManyContributors)
		);
		// One who did nothing takes no place.
		assert!(merge(&all, &contributions(&[(MAX_CONTRIBUTORS, 0)])).is_ok());
	}

	#[test]
	fn refuses_a_sum_beyond_64_bits() {
		assert_eq!(
			merge(&contributions(&[(1, u64::MAX)]), &contributions(&[(1, 1)])),
			Err(Refusal::TooManyExamples)
		);
	}

	#[test]
	fn names_each_dataset_once() {
		let id = |n: u64| DatasetId::from_low_u64_be(n);
		let two = inherit(&[id(4)], id(2)).unwrap();
		assert_eq!(two.as_slice(), [id(2), id(4)]);
		assert_eq!(inherit(&two, id(4)).unwrap(), two);
		let full: Vec<_> = (0..u64::from(MAX_DATASETS)).map(id).collect();
		assert_eq!(inherit(&full, id(0)).unwrap().as_slice(), full);
		assert_eq!(inherit(&full, id(999)), Err(Refusal::TooManyDatasets));
	}

	#[test]
	fn order_is_strict() {
		assert!(strictly_ascending([0u8; 0].iter()));
		assert!(strictly_ascending([1, 2, 9].iter()));
		assert!(!strictly_ascending([1, 1].iter()));
		assert!(!strictly_ascending([1, 3, 2].iter()));
	}

	proptest! {
		/// Merging loses no example and leaves the list in order.
		#[test]
		fn merging_keeps_every_example(
			base in prop::collection::vec((0u32..30, 0u64..1000), 0..40),
			accepted in prop::collection::vec((0u32..30, 0u64..1000), 0..40),
		) {
			let merged = merge(&contributions(&base), &contributions(&accepted)).unwrap();
			let total = |list: &[(u32, u64)]| list.iter().map(|(_, examples)| examples).sum::<u64>();
			prop_assert_eq!(
				merged.iter().map(|one| one.examples).sum::<u64>(),
				total(&base) + total(&accepted)
			);
			prop_assert!(strictly_ascending(merged.iter().map(|one| one.account)));
			prop_assert!(merged.iter().all(|one| one.examples > 0));
		}
	}
}
