//! Tests of `list_for_sale`, `unlist` and `buy`: who is paid what, and every way to be refused.

use super::*;
use frame_support::dispatch::GetDispatchInfo;
use llmchain_primitives::model::MAX_CONTRIBUTORS;

fn balances(accounts: &[AccountId]) -> Vec<Balance> {
	accounts.iter().map(Balances::free_balance).collect()
}

#[test]
fn contributors_share_a_tenth_and_the_seller_has_the_rest() {
	run(|| {
		let work = register_generated(&[(account(4), 3), (account(5), 1)]);
		list(&artist(), work, 10_000);
		assert_eq!(Artworks::work_view(work).unwrap().price, Some(10_000));
		let people = [artist(), buyer(), account(4), account(5)];
		let before = balances(&people);
		System::set_block_number(7);
		System::reset_events();
		assert_ok!(Artworks::buy(signed_by(&buyer()), work, 10_000));

		let after = balances(&people);
		assert_eq!(after[0] - before[0], 9_000);
		assert_eq!(before[1] - after[1], 10_000);
		assert_eq!(after[2] - before[2], 750);
		assert_eq!(after[3] - before[3], 250);

		let view = Artworks::work_view(work).unwrap();
		assert_eq!(
			(view.claimant, view.owner, view.price),
			(artist(), buyer(), None)
		);
		let sold = ProvenanceEvent::Sold {
			seller: artist(),
			buyer: buyer(),
			price: 10_000,
			flow_back: 1_000,
		};
		assert_eq!(
			history(work)[1..],
			[
				ProvenanceEvent::Listed {
					seller: artist(),
					price: 10_000
				},
				sold
			]
		);
		assert_eq!(Artworks::provenance(work, 2, 1)[0].block, 7);
		assert_eq!(
			events(),
			[
				Event::ContributorPaid {
					work,
					contributor: account(4),
					amount: 750
				},
				Event::ContributorPaid {
					work,
					contributor: account(5),
					amount: 250
				},
				Event::WorkSold {
					work,
					seller: artist(),
					buyer: buyer(),
					price: 10_000,
					flow_back: 1_000
				},
			]
		);
	});
}

#[test]
fn contributors_share_in_every_resale() {
	run(|| {
		let work = register_generated(&[(account(4), 1)]);
		list(&artist(), work, 1_000);
		assert_ok!(Artworks::buy(signed_by(&buyer()), work, 1_000));
		list(&buyer(), work, 2_000);
		assert_ok!(Artworks::buy(signed_by(&account(5)), work, 2_000));
		assert_eq!(Balances::free_balance(account(4)), WEALTH + 100 + 200);
		assert_eq!(Artworks::work_view(work).unwrap().owner, account(5));
		assert_eq!(Artworks::work_view(work).unwrap().claimant, artist());
	});
}

#[test]
fn a_work_without_version_pays_its_seller_alone() {
	run(|| {
		let work = register(&artist(), POEM, Disclosure::Human, None);
		list(&artist(), work, 1_000);
		let before = Balances::free_balance(artist());
		assert_ok!(Artworks::buy(signed_by(&buyer()), work, Balance::MAX));
		assert_eq!(Balances::free_balance(artist()), before + 1_000);
		assert_eq!(Balances::free_balance(buyer()), WEALTH - 1_000);
	});
}

#[test]
fn a_version_that_nobody_trained_pays_the_seller_alone() {
	run(|| {
		let work = register_generated(&[]);
		list(&artist(), work, 1_000);
		let before = Balances::free_balance(artist());
		assert_ok!(Artworks::buy(signed_by(&buyer()), work, 1_000));
		assert_eq!(Balances::free_balance(artist()), before + 1_000);
	});
}

#[test]
fn what_rounding_leaves_over_stays_with_the_seller() {
	run(|| {
		let contributors = [(account(3), 1), (account(4), 1), (account(5), 1)];
		let work = register_generated(&contributors);
		list(&artist(), work, 1_009);
		let before = Balances::free_balance(artist());
		assert_ok!(Artworks::buy(signed_by(&buyer()), work, 1_009));
		for (contributor, _) in &contributors {
			assert_eq!(Balances::free_balance(contributor), WEALTH + 33);
		}
		assert_eq!(Balances::free_balance(artist()), before + 1_009 - 99);
	});
}

#[test]
fn a_contributor_without_account_cannot_stop_a_sale() {
	run(|| {
		// A tenth of 1,500 is 150: 75 cannot bring the dead account to life.
		let dead = account(200);
		let work = register_generated(&[(account(4), 1), (dead.clone(), 1)]);
		list(&artist(), work, 1_500);
		let before = Balances::free_balance(artist());
		assert_ok!(Artworks::buy(signed_by(&buyer()), work, 1_500));
		assert_eq!(Balances::free_balance(&dead), 0);
		assert_eq!(Balances::free_balance(account(4)), WEALTH + 75);
		assert_eq!(Balances::free_balance(artist()), before + 1_425);
		assert!(matches!(
			history(work).last(),
			Some(ProvenanceEvent::Sold {
				price: 1_500,
				flow_back: 75,
				..
			})
		));

		// Twice the existential deposit can.
		list(&buyer(), work, 4_000);
		assert_ok!(Artworks::buy(signed_by(&account(5)), work, 4_000));
		assert_eq!(Balances::free_balance(&dead), 200);
	});
}

#[test]
fn a_seller_whose_account_died_is_still_paid() {
	run(|| {
		let work = register(&artist(), POEM, Disclosure::Human, None);
		list(&artist(), work, MINIMUM_PRICE);
		assert_ok!(Artworks::buy(signed_by(&buyer()), work, MINIMUM_PRICE));
		list(&buyer(), work, MINIMUM_PRICE);
		assert_ok!(Balances::transfer_all(signed_by(&buyer()), artist(), false));
		assert_eq!(Balances::free_balance(buyer()), 0);
		assert_ok!(Artworks::buy(signed_by(&account(5)), work, MINIMUM_PRICE));
		assert_eq!(Balances::free_balance(buyer()), MINIMUM_PRICE);
	});
}

#[test]
fn a_buyer_or_seller_who_contributed_receives_a_share_too() {
	run(|| {
		let work = register_generated(&[(artist(), 1), (buyer(), 3)]);
		list(&artist(), work, 10_000);
		let before = Balances::free_balance(artist());
		assert_ok!(Artworks::buy(signed_by(&buyer()), work, 10_000));
		assert_eq!(Balances::free_balance(artist()), before + 9_250);
		assert_eq!(Balances::free_balance(buyer()), WEALTH - 9_250);
	});
}

#[test]
fn the_most_contributors_are_paid_and_the_fee_counts_them() {
	run(|| {
		let contributors: Vec<_> = (0..MAX_CONTRIBUTORS)
			.map(|n| (account(100 + n as u8), 1))
			.collect();
		let work = register_generated(&contributors);
		list(&artist(), work, 64_000);
		let info = crate::Call::<Test>::buy {
			work,
			max_price: 64_000,
		}
		.get_dispatch_info();
		let paid = Artworks::buy(signed_by(&buyer()), work, 64_000).unwrap();
		assert_eq!(paid.actual_weight, Some(info.call_weight));
		assert!(contributors
			.iter()
			.all(|(who, _)| Balances::free_balance(who) == 100));

		let work = register(&artist(), "no version", Disclosure::Human, None);
		list(&artist(), work, 1_000);
		let paid = Artworks::buy(signed_by(&account(5)), work, 1_000).unwrap();
		assert!(paid.actual_weight.unwrap().all_lt(info.call_weight));
	});
}

#[test]
fn only_the_owner_lists_and_unlists() {
	run(|| {
		let work = register(&artist(), POEM, Disclosure::Human, None);
		let unknown = Hash::repeat_byte(9);
		let list_as =
			|who: AccountId, work, price| Artworks::list_for_sale(signed_by(&who), work, price);
		assert_noop!(
			list_as(artist(), unknown, 1_000),
			Error::<Test>::UnknownWork
		);
		assert_noop!(list_as(buyer(), work, 1_000), Error::<Test>::NotTheOwner);
		assert_noop!(
			list_as(artist(), work, MINIMUM_PRICE - 1),
			Error::<Test>::PriceTooLow
		);
		assert_noop!(
			Artworks::unlist(signed_by(&artist()), unknown),
			Error::<Test>::UnknownWork
		);
		assert_noop!(
			Artworks::unlist(signed_by(&artist()), work),
			Error::<Test>::NotForSale
		);

		list(&artist(), work, MINIMUM_PRICE);
		assert_noop!(
			Artworks::unlist(signed_by(&buyer()), work),
			Error::<Test>::NotTheOwner
		);
		assert_noop!(
			list_as(artist(), work, MINIMUM_PRICE),
			Error::<Test>::PriceUnchanged
		);
		list(&artist(), work, 3_000);
		assert_eq!(Offers::<Test>::get(work), Some(3_000));
		assert_ok!(Artworks::unlist(signed_by(&artist()), work));
		assert_eq!(Offers::<Test>::get(work), None);
		assert_eq!(
			history(work)[1..],
			[
				ProvenanceEvent::Listed {
					seller: artist(),
					price: MINIMUM_PRICE
				},
				ProvenanceEvent::Listed {
					seller: artist(),
					price: 3_000
				},
				ProvenanceEvent::Unlisted { seller: artist() },
			]
		);
		assert_eq!(
			events()[1..],
			[
				Event::WorkListed {
					work,
					seller: artist(),
					price: MINIMUM_PRICE
				},
				Event::WorkListed {
					work,
					seller: artist(),
					price: 3_000
				},
				Event::WorkUnlisted {
					work,
					seller: artist()
				},
			]
		);
	});
}

#[test]
fn a_sold_work_is_no_longer_its_claimants_to_list() {
	run(|| {
		let work = register(&artist(), POEM, Disclosure::Human, None);
		list(&artist(), work, 1_000);
		assert_ok!(Artworks::buy(signed_by(&buyer()), work, 1_000));
		assert_noop!(
			Artworks::list_for_sale(signed_by(&artist()), work, 1_000),
			Error::<Test>::NotTheOwner
		);
		assert_noop!(
			Artworks::buy(signed_by(&account(5)), work, 1_000),
			Error::<Test>::NotForSale
		);
	});
}

#[test]
fn purchases_that_cannot_be_are_refused() {
	run(|| {
		let work = register_generated(&[(account(4), 1)]);
		let buy = |who: &AccountId, work, max_price| Artworks::buy(signed_by(who), work, max_price);
		assert_noop!(
			buy(&buyer(), Hash::repeat_byte(9), 1_000),
			Error::<Test>::UnknownWork
		);
		assert_noop!(buy(&buyer(), work, 1_000), Error::<Test>::NotForSale);
		list(&artist(), work, 1_000);
		assert_noop!(buy(&artist(), work, 1_000), Error::<Test>::CannotBuyOwn);
		assert_noop!(buy(&buyer(), work, 999), Error::<Test>::PriceAboveMaximum);
		// The buyer must stay alive.
		list(&artist(), work, WEALTH - EXISTENTIAL_DEPOSIT + 1);
		assert_noop!(buy(&buyer(), work, WEALTH), Error::<Test>::CannotPayPrice);
		list(&artist(), work, WEALTH - EXISTENTIAL_DEPOSIT);
		assert_ok!(buy(&buyer(), work, WEALTH));
		assert_eq!(Balances::free_balance(buyer()), EXISTENTIAL_DEPOSIT);
	});
}

#[test]
fn a_deposit_is_no_money_to_buy_with() {
	run(|| {
		let mine = register(&buyer(), "mine", Disclosure::Human, None);
		assert!(Works::<Test>::contains_key(mine));
		let work = register(&artist(), POEM, Disclosure::Human, None);
		list(
			&artist(),
			work,
			WEALTH - WORK_DEPOSIT - EXISTENTIAL_DEPOSIT + 1,
		);
		assert_noop!(
			Artworks::buy(signed_by(&buyer()), work, WEALTH),
			Error::<Test>::CannotPayPrice
		);
	});
}

#[test]
fn an_artist_registers_and_lists_in_one_transaction() {
	run(|| {
		let work = crate::work_id(&artist(), &hash(POEM));
		let register = RuntimeCall::Artworks(crate::Call::register {
			title: "静夜思".try_into().unwrap(),
			file: POEM.into(),
			disclosure: Disclosure::Human,
			receipt: None,
		});
		let list = |price| RuntimeCall::Artworks(crate::Call::list_for_sale { work, price });
		// The batch fails as a whole: no work, no deposit.
		let failing = vec![register.clone(), list(1)];
		assert!(Utility::batch_all(signed_by(&artist()), failing).is_err());
		assert_eq!(Artworks::work_view(work), None);
		assert_eq!(Balances::free_balance(artist()), WEALTH);

		assert_ok!(Utility::batch_all(
			signed_by(&artist()),
			vec![register, list(1_000)]
		));
		assert_eq!(Artworks::work_view(work).unwrap().price, Some(1_000));
	});
}

#[test]
fn long_histories_are_read_in_pages() {
	run(|| {
		let work = register(&artist(), POEM, Disclosure::Human, None);
		for price in 1_000..1_250 {
			list(&artist(), work, price);
		}
		let pages = [
			Artworks::provenance(work, 0, u32::MAX),
			Artworks::provenance(work, 100, 100),
			Artworks::provenance(work, 200, 100),
		];
		assert_eq!(pages.each_ref().map(Vec::len), [100, 100, 51]);
		let all: Vec<_> = pages.concat();
		assert!(all
			.iter()
			.zip(0..)
			.all(|(entry, index)| entry.index == index));
		assert!(Artworks::provenance(work, 251, 100).is_empty());
		assert!(Artworks::provenance(work, u32::MAX, 100).is_empty());
		assert!(Artworks::provenance(work, 0, 0).is_empty());
		assert!(Artworks::provenance(Hash::zero(), 0, 100).is_empty());
	});
}
