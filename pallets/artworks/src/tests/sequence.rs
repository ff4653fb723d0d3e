//! Random sequences of calls by several accounts: after each, every invariant holds, no money came or went, and a refused call
//! has changed nothing.

use super::*;
use frame_support::traits::{fungible::Inspect, UnfilteredDispatchable};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// Accounts that act; the last has no money at first.
const ACTORS: u8 = 6;
/// Texts that are registered; some are one text in two files.
const TEXTS: [&str; 5] = ["moon", "moon\r\n", "frost", "home ", "home"];

#[derive(Clone, Debug)]
enum Step {
	Register {
		who: u8,
		text: usize,
		disclosure: Disclosure,
		with_receipt: bool,
	},
	List {
		who: u8,
		work: usize,
		price: Balance,
	},
	Unlist {
		who: u8,
		work: usize,
	},
	Buy {
		who: u8,
		work: usize,
		max_price: Balance,
	},
	/// Moves money, so that accounts become poor, die and live again.
	Pay {
		who: u8,
		to: u8,
		amount: Balance,
	},
}

fn step() -> impl Strategy<Value = Step> {
	let who = || 1..=ACTORS;
	let work = || 0..TEXTS.len();
	let money = || prop_oneof![0..3_000u128, 90_000..110_000u128];
	let disclosure = prop::sample::select(vec![
		Disclosure::Human,
		Disclosure::AiAssisted,
		Disclosure::AiGenerated,
	]);
	prop_oneof![
		2 => (who(), work(), disclosure, any::<bool>()).prop_map(
			|(who, text, disclosure, with_receipt)| Step::Register {
				who, text, disclosure, with_receipt
			}
		),
		4 => (who(), work(), money())
			.prop_map(|(who, work, price)| Step::List { who, work, price }),
		1 => (who(), work()).prop_map(|(who, work)| Step::Unlist { who, work }),
		4 => (who(), work(), money())
			.prop_map(|(who, work, max_price)| Step::Buy { who, work, max_price }),
		1 => (who(), who(), money()).prop_map(|(who, to, amount)| Step::Pay { who, to, amount }),
	]
}

/// The call of a step, by an account that the step means: where it names an owner's call, mostly the owner.
fn call(step: &Step) -> (AccountId, RuntimeCall) {
	let found = |text: usize| Artworks::work_of(hash(TEXTS[text])).unwrap_or_default();
	let owner_or = |work, who| {
		Artworks::work_view(work)
			.map(|view| view.owner)
			.filter(|_| who % 2 == 0)
			.unwrap_or_else(|| account(who))
	};
	match *step {
		Step::Register {
			who,
			text,
			disclosure,
			with_receipt,
		} => {
			// Contributors: two actors, one of them perhaps dead, and somebody who never had an account.
			let version = version_of(&[(account(4), 5), (account(ACTORS), 3), (account(99), 2)]);
			let file = TEXTS[text];
			let receipt = with_receipt.then(|| signed(generation(&account(who), version, file)));
			let title = "Title".try_into().unwrap();
			let call = crate::Call::register {
				title,
				file: file.into(),
				disclosure,
				receipt,
			};
			(account(who), call.into())
		}
		Step::List { who, work, price } => {
			let work = found(work);
			(
				owner_or(work, who),
				crate::Call::list_for_sale { work, price }.into(),
			)
		}
		Step::Unlist { who, work } => {
			let work = found(work);
			(owner_or(work, who), crate::Call::unlist { work }.into())
		}
		Step::Buy {
			who,
			work,
			max_price,
		} => (
			account(who),
			crate::Call::buy {
				work: found(work),
				max_price,
			}
			.into(),
		),
		Step::Pay { who, to, amount } => {
			let call = pallet_balances::Call::transfer_allow_death {
				dest: account(to),
				value: amount,
			};
			(account(who), call.into())
		}
	}
}

fn total_balances() -> BTreeMap<AccountId, Balance> {
	(1..=ACTORS)
		.chain([99])
		.map(|number| (account(number), Balances::total_balance(&account(number))))
		.collect()
}

/// Checks that exactly the price of the sale moved, and to whom its events say.
fn check_sale(before: &BTreeMap<AccountId, Balance>) -> Result<(), TestCaseError> {
	let mut expected = before.clone();
	let mut flowed = 0;
	for event in events() {
		match event {
			Event::ContributorPaid {
				contributor,
				amount,
				..
			} => {
				*expected.get_mut(&contributor).unwrap() += amount;
				flowed += amount;
			}
			Event::WorkSold {
				work,
				seller,
				buyer,
				price,
				flow_back,
			} => {
				prop_assert_eq!(flow_back, flowed);
				*expected.get_mut(&seller).unwrap() += price - flow_back;
				*expected.get_mut(&buyer).unwrap() -= price;
				prop_assert_eq!(Works::<Test>::get(work).unwrap().owner, buyer);
				prop_assert!(Offers::<Test>::get(work).is_none());
			}
			_ => {}
		}
	}
	prop_assert_eq!(expected, total_balances());
	Ok(())
}

proptest! {
	#![proptest_config(ProptestConfig::with_cases(64))]
	#[test]
	fn no_sequence_of_calls_breaks_an_invariant(steps in prop::collection::vec(step(), 1..60)) {
		externalities().execute_with(|| -> Result<(), TestCaseError> {
			for (block, step) in (2u32..).zip(&steps) {
				System::set_block_number(block);
				System::reset_events();
				let before = total_balances();
				let issuance = Balances::total_issuance();
				let root = sp_io::storage::root(sp_runtime::StateVersion::V1);
				let (who, call) = call(step);
				match call.dispatch_bypass_filter(signed_by(&who)) {
					Err(_) => prop_assert_eq!(
						sp_io::storage::root(sp_runtime::StateVersion::V1),
						root,
						"a refused call changed state"
					),
					Ok(_) if matches!(step, Step::Buy { .. }) => check_sale(&before)?,
					Ok(_) => {},
				}
				prop_assert_eq!(Artworks::do_try_state(), Ok(()));
				// A transfer that kills an account burns its dust; that is the bank's affair. Our calls keep every unit.
				if !matches!(step, Step::Pay { .. }) {
					prop_assert_eq!(Balances::total_issuance(), issuance);
				}
				prop_assert_eq!(
					total_balances().values().sum::<Balance>(),
					Balances::total_issuance()
				);
			}
			Ok(())
		})?;
	}
}

#[test]
fn sequences_reach_sales_with_and_without_flow_back() {
	// The sequences above are worth something only if they sell works; this counts what they would reach.
	use proptest::{strategy::ValueTree, test_runner::TestRunner};
	let mut runner = TestRunner::deterministic();
	let (mut sales, mut with_flow_back) = (0, 0);
	for _ in 0..32 {
		let steps = prop::collection::vec(step(), 60)
			.new_tree(&mut runner)
			.unwrap()
			.current();
		externalities().execute_with(|| {
			for step in &steps {
				let (who, call) = call(step);
				let _ = call.dispatch_bypass_filter(signed_by(&who));
			}
			for event in events() {
				if let Event::WorkSold { flow_back, .. } = event {
					sales += 1;
					with_flow_back += u32::from(flow_back > 0);
				}
			}
		});
	}
	assert!(
		sales > 20 && with_flow_back > 5,
		"{sales} sales, {with_flow_back} with flow back"
	);
}
