//! Properties that hold for every text, and texts made to be awkward: no panic, bounded results, laws of a metric.

use originality::*;
use proptest::{collection::vec, prelude::*, sample::select};

fn awkward() -> impl Strategy<Value = String> {
	let characters = vec![
		'\r', '\n', ' ', '\t', '\u{a0}', '\u{3000}', '\u{feff}', '\u{200b}', '\u{202e}',
		'\u{fe0f}', '\u{34f}', '\0', 'a', 'Σ', '月', '\u{301}', '\u{323}', '\u{1100}', '\u{1161}',
		'\u{115f}', '\u{fdfa}', '\u{2028}',
	];
	vec(prop_oneof![select(characters), any::<char>()], 0..60).prop_map(|c| c.into_iter().collect())
}

fn word() -> impl Strategy<Value = String> {
	vec(select(vec!['a', 'b', 'c', '月', '光']), 0..200).prop_map(|c| c.into_iter().collect())
}

fn distance(a: &str, b: &str) -> u32 {
	match edits(a, b, u32::MAX).unwrap().distance {
		Distance::Exactly(edits) => edits,
		Distance::MoreThan(_) => unreachable!(),
	}
}

fn signature(text: &str) -> Result<Signature, Error> {
	Signature::of(&Letters::of(&Collapsed::of(text)?))
}

proptest! {
	#![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

	#[test]
	fn the_form_of_a_form_is_itself(text in awkward()) {
		for form in [Form::One, Form::Two] {
			let once = canonical(&text, form);
			prop_assert_eq!(canonical(&once, form), once);
		}
	}

	#[test]
	fn nothing_panics_and_codes_come_back(text in awkward()) {
		let _ = check_field(&text, 128);
		let _ = TextCode::parse(&text);
		if let Ok(collapsed) = Collapsed::of(&text) {
			let code = TextCode::of(&collapsed);
			prop_assert_eq!(TextCode::parse(&code.to_string()), Ok(code));
			prop_assert!(collapsed.as_str().chars().count() <= text.len() + SLACK);
		}
	}

	#[test]
	fn edits_are_a_metric(a in word(), b in word(), c in word()) {
		prop_assert_eq!(distance(&a, &a), 0);
		prop_assert_eq!(distance(&a, &b), distance(&b, &a));
		prop_assert!(distance(&a, &c) <= distance(&a, &b) + distance(&b, &c));
	}

	#[test]
	fn the_estimate_is_near_the_exact_resemblance(a in vec(0u32..3000, 80..300), cut in 1usize..79) {
		let character = |n: &u32| char::from_u32(0x4e00 + n).unwrap();
		let first: String = a.iter().map(character).collect();
		let second: String = a.iter().skip(cut).map(character).collect();
		let exact = overlap(&first, &second).unwrap().resemblance;
		let (first, second) = (signature(&first).unwrap(), signature(&second).unwrap());
		prop_assert_eq!(first.resemblance(&second), second.resemblance(&first));
		prop_assert_eq!(first.resemblance(&first), MILLION);
		// Five standard deviations of 64 rows.
		prop_assert!(first.resemblance(&second).abs_diff(exact) < 320_000);
	}
}

#[test]
fn texts_of_64_kib_made_to_be_awkward() {
	let many = |unit: &str| unit.repeat(65_536 / unit.len());
	for text in [
		many("a"),
		many("\u{301}"),
		many("a\u{301}\u{323}"),
		many("月"),
		many("Σ'"),
		many("\u{1d15f}"),
	] {
		let form = canonical(&text, Form::Two);
		assert_eq!(canonical(&form, Form::Two), form);
		let Ok(collapsed) = Collapsed::of(&form) else {
			panic!("refused")
		};
		let _ = TextCode::of(&collapsed);
		let _ = Signature::of(&Letters::of(&collapsed));
	}
	let marks = many("\u{301}");
	assert_eq!(signature(&marks), Err(Error::NothingToCompare));
	let selectors = many("\u{e0101}");
	assert_eq!(canonical(&selectors, Form::Two), "");
	let ligatures = many("\u{fdfa}");
	assert!(matches!(signature(&ligatures), Err(Error::Expands { .. })));
	let long = "a".repeat(65_537);
	assert!(matches!(
		overlap(&long, "a"),
		Err(Error::TooLong { bytes: 65_537, .. })
	));
	assert!(matches!(edits(&long, "a", 9), Err(Error::TooLong { .. })));
	let ones = many("a");
	assert_eq!(overlap(&ones, &ones).unwrap().of_first, MILLION);
}
