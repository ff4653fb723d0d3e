//! Selling a work: offers, the split of a price, the change of hands.
//!
//! Must not know: what the work is; why contributors earned their part. Source: docs/protocol/work.md 4.
//! Invariants: contributors' parts and the seller's rest add up to the price; no share exceeds its exact proportion; a sale
//! never fails because of a contributor's account.

use crate::{
	types::{BalanceOf, ProvenanceEventOf},
	Config, Error, Event, Offers, Pallet, Works,
};
use frame_support::{
	ensure,
	traits::{
		fungible::{Inspect, Mutate},
		tokens::{Fortitude, Preservation, Provenance as MoneyOrigin},
		Get,
	},
};
use llmchain_primitives::{model::Contribution, traits::ModelRegistry, AccountId, Balance, WorkId};
use sp_runtime::{
	helpers_128bit::multiply_by_rational_with_rounding, DispatchError, DispatchResult, Perbill,
	Rounding,
};

/// Each contributor's share of the part of `price` that flows back: in proportion to examples, rounded down.
///
/// What rounding leaves over, and all of it when nobody has examples, is not in the result: it stays with the seller.
fn shares<'a>(
	price: Balance,
	flow_back: Perbill,
	contributors: &'a [Contribution<AccountId>],
) -> impl Iterator<Item = (&'a AccountId, Balance)> + 'a {
	let part = flow_back.mul_floor(price);
	let examples = contributors.iter().fold(0u128, |sum, contribution| {
		sum.saturating_add(contribution.examples.into())
	});
	contributors.iter().filter_map(move |contribution| {
		let share = multiply_by_rational_with_rounding(
			part,
			contribution.examples.into(),
			examples,
			Rounding::Down,
		)?;
		(share > 0).then_some((&contribution.account, share))
	})
}

impl<T: Config> Pallet<T> {
	/// Offers a work or changes its price; see the call `list_for_sale`.
	pub(crate) fn do_list_for_sale(
		seller: T::AccountId,
		id: WorkId,
		price: BalanceOf<T>,
	) -> DispatchResult {
		let mut work = Works::<T>::get(id).ok_or(Error::<T>::UnknownWork)?;
		ensure!(work.owner == seller, Error::<T>::NotTheOwner);
		ensure!(price >= T::MinimumPrice::get(), Error::<T>::PriceTooLow);
		ensure!(
			Offers::<T>::get(id) != Some(price),
			Error::<T>::PriceUnchanged
		);

		let listed = ProvenanceEventOf::<T>::Listed {
			seller: seller.clone(),
			price,
		};
		Self::record(id, &mut work, listed)?;
		Works::<T>::insert(id, work);
		Offers::<T>::insert(id, price);
		Self::deposit_event(Event::WorkListed {
			work: id,
			seller,
			price,
		});
		Ok(())
	}

	/// Takes an offer back; see the call `unlist`.
	pub(crate) fn do_unlist(seller: T::AccountId, id: WorkId) -> DispatchResult {
		let mut work = Works::<T>::get(id).ok_or(Error::<T>::UnknownWork)?;
		ensure!(work.owner == seller, Error::<T>::NotTheOwner);
		Offers::<T>::take(id).ok_or(Error::<T>::NotForSale)?;

		let unlisted = ProvenanceEventOf::<T>::Unlisted {
			seller: seller.clone(),
		};
		Self::record(id, &mut work, unlisted)?;
		Works::<T>::insert(id, work);
		Self::deposit_event(Event::WorkUnlisted { work: id, seller });
		Ok(())
	}

	/// Sells a work to `buyer`; see the call `buy`. Returns how many contributors the cited version has.
	pub(crate) fn do_buy(
		buyer: T::AccountId,
		id: WorkId,
		max_price: BalanceOf<T>,
	) -> Result<u32, DispatchError> {
		let mut work = Works::<T>::get(id).ok_or(Error::<T>::UnknownWork)?;
		let price = Offers::<T>::get(id).ok_or(Error::<T>::NotForSale)?;
		ensure!(work.owner != buyer, Error::<T>::CannotBuyOwn);
		ensure!(price <= max_price, Error::<T>::PriceAboveMaximum);
		ensure!(
			T::Currency::reducible_balance(&buyer, Preservation::Preserve, Fortitude::Polite)
				>= price,
			Error::<T>::CannotPayPrice
		);

		let contributors = work
			.made_with
			.and_then(|(version, _)| T::Models::contributors(&version))
			.unwrap_or_default();
		let mut flow_back: BalanceOf<T> = 0;
		for (contributor, share) in shares(price, T::FlowBack::get(), &contributors) {
			// A contributor whose account cannot take its share, being reaped and the share below the existential deposit, must
			// not be able to stop the sale: its share stays with the seller.
			if T::Currency::can_deposit(contributor, share, MoneyOrigin::Extant)
				.into_result()
				.is_err()
			{
				continue;
			}
			T::Currency::transfer(&buyer, contributor, share, Preservation::Preserve)?;
			flow_back = flow_back.saturating_add(share);
			Self::deposit_event(Event::ContributorPaid {
				work: id,
				contributor: contributor.clone(),
				amount: share,
			});
		}
		let seller = core::mem::replace(&mut work.owner, buyer.clone());
		let rest = price.saturating_sub(flow_back);
		T::Currency::transfer(&buyer, &seller, rest, Preservation::Preserve)?;

		let sold = ProvenanceEventOf::<T>::Sold {
			seller: seller.clone(),
			buyer: buyer.clone(),
			price,
			flow_back,
		};
		Self::record(id, &mut work, sold)?;
		Works::<T>::insert(id, work);
		Offers::<T>::remove(id);
		Self::deposit_event(Event::WorkSold {
			work: id,
			seller,
			buyer,
			price,
			flow_back,
		});
		// At most `MAX_CONTRIBUTORS`, so the conversion is exact.
		Ok(u32::try_from(contributors.len()).unwrap_or(u32::MAX))
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use proptest::prelude::*;

	const TENTH: Perbill = Perbill::from_percent(10);

	fn contributions(examples: &[u64]) -> Vec<Contribution<AccountId>> {
		(0u8..)
			.zip(examples)
			.map(|(index, examples)| Contribution {
				account: AccountId::new([index; 32]),
				examples: *examples,
			})
			.collect()
	}

	fn amounts(price: Balance, flow_back: Perbill, examples: &[u64]) -> Vec<(u8, Balance)> {
		shares(price, flow_back, &contributions(examples))
			.map(|(account, share)| (AsRef::<[u8; 32]>::as_ref(account)[0], share))
			.collect()
	}

	#[test]
	fn shares_follow_examples_and_round_down() {
		assert_eq!(
			amounts(1_000, TENTH, &[1, 1, 2]),
			[(0, 25), (1, 25), (2, 50)]
		);
		// 99 and not 99.9; then thirds of it.
		assert_eq!(amounts(999, TENTH, &[1, 1, 1]), [(0, 33), (1, 33), (2, 33)]);
		assert_eq!(
			amounts(1_000, TENTH, &[1, 1, 1]),
			[(0, 33), (1, 33), (2, 33)]
		);
	}

	#[test]
	fn nobody_is_paid_nothing() {
		assert_eq!(amounts(1_000, TENTH, &[0, 1]), [(1, 100)]);
		assert_eq!(amounts(1_000, TENTH, &[1, 1_000]), [(1, 99)]);
		assert_eq!(amounts(1_000, TENTH, &[0, 0]), []);
		assert_eq!(amounts(1_000, TENTH, &[]), []);
		assert_eq!(amounts(9, TENTH, &[1]), []);
		assert_eq!(amounts(1_000, Perbill::zero(), &[1]), []);
	}

	#[test]
	fn the_largest_numbers_do_not_overflow() {
		let half = Balance::MAX / 2;
		assert_eq!(
			amounts(Balance::MAX, Perbill::one(), &[u64::MAX, u64::MAX]),
			[(0, half), (1, half)]
		);
	}

	proptest! {
		#[test]
		fn shares_never_exceed_their_proportion(
			price in any::<u64>(),
			percent in 0u32..=100,
			examples in prop::collection::vec(0u64..1 << 40, 0..64),
		) {
			let part = u128::from(price) * u128::from(percent) / 100;
			let total: u128 = examples.iter().map(|n| u128::from(*n)).sum();
			let paid = amounts(price.into(), Perbill::from_percent(percent), &examples);
			for (index, share) in &paid {
				prop_assert!(*share > 0);
				prop_assert_eq!(*share, part * u128::from(examples[usize::from(*index)]) / total);
			}
			let sum: u128 = paid.iter().map(|(_, share)| share).sum();
			prop_assert!(sum <= part);
			// Rounding keeps back less than one unit a contributor.
			prop_assert!(total == 0 || part - sum < 64);
		}
	}
}
