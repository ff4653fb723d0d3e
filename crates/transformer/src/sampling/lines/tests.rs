//! Forms kept by any walk through them, for both kinds of tokenizer; forms that cannot be written.

use proptest::prelude::*;

use super::*;
use crate::tokenizer::{train_byte_level, train_characters, EOS};

const POEMS: [&str; 2] = [
	"床前明月光，疑是地上霜。\n举头望明月，低头思故乡。",
	"白日依山尽，黄河入海流。\n欲穷千里目，更上一层楼。",
];

fn characters() -> Tokenizer {
	Tokenizer::from_bytes(&train_characters(&POEMS, 100).unwrap()).unwrap()
}

fn bytes() -> Tokenizer {
	Tokenizer::from_bytes(&train_byte_level(&POEMS, 290).unwrap()).unwrap()
}

/// A text made of allowed tokens only, by `draws`; ends where only the end is allowed, or where a draw takes it.
fn walk(tokenizer: &Tokenizer, form: &LineForm, draws: &[u32]) -> (Vec<u32>, bool) {
	let mut mask = LineMask::new(tokenizer, form, "").unwrap();
	let mut written = Vec::new();
	for draw in draws.iter().cycle().take(2000) {
		let mut allowed = vec![true; tokenizer.vocab_size() as usize];
		mask.forbid(&written, &mut allowed);
		let candidates: Vec<u32> = (0..)
			.zip(&allowed)
			.filter_map(|(token, allowed)| allowed.then_some(token))
			.collect();
		assert!(!candidates.is_empty(), "no way on after {written:?}");
		let token = candidates[*draw as usize % candidates.len()];
		if token == EOS {
			assert!(mask.is_complete());
			return (written, true);
		}
		written.push(token);
	}
	(written, false)
}

fn check_quatrain(text: &str, characters: usize) {
	let lines: Vec<&str> = text.split_inclusive(['，', '。']).collect();
	assert_eq!(lines.len(), 4, "{text:?}");
	for (line, end) in lines.iter().zip(["，", "。", "，", "。"]) {
		let body = line
			.trim_start_matches('\n')
			.strip_suffix(end)
			.unwrap_or_else(|| panic!("{text:?}"));
		assert_eq!(body.chars().count(), characters, "{text:?}");
	}
	assert_eq!(text.matches('\n').count(), 1, "{text:?}");
}

#[test]
fn a_known_poem_fits_and_a_changed_one_does_not() {
	for tokenizer in [characters(), bytes()] {
		let mask = LineMask::new(&tokenizer, &LineForm::quatrain(5), POEMS[0]).unwrap();
		assert!(mask.is_complete());
		let begun = LineMask::new(&tokenizer, &LineForm::quatrain(5), "床前明月光，疑").unwrap();
		assert!(!begun.is_complete());
		for (opening, at, character) in [
			("床前明月光疑", 5, '疑'),
			("床前明，", 3, '，'),
			("床前明月光。", 5, '。'),
			("床前\n", 2, '\n'),
			("、", 0, '、'),
		] {
			let error = Error::OpeningOutsideForm { at, character };
			let mask = LineMask::new(&tokenizer, &LineForm::quatrain(5), opening);
			assert_eq!(mask.map(|_| ()), Err(error), "{opening}");
		}
		let whole = format!("{}床", POEMS[0]);
		assert!(LineMask::new(&tokenizer, &LineForm::quatrain(5), &whole).is_err());
	}
}

#[test]
fn tokens_read_in_several_calls_are_one_text() {
	let tokenizer = bytes();
	let tokens = tokenizer.encode(POEMS[1]).unwrap();
	let mut mask = LineMask::new(&tokenizer, &LineForm::quatrain(5), "").unwrap();
	for n in 0..=tokens.len() {
		let mut allowed = vec![true; tokenizer.vocab_size() as usize];
		mask.forbid(&tokens[..n], &mut allowed);
		match tokens.get(n) {
			Some(next) => assert!(allowed[*next as usize], "{n}"),
			None => {
				let only = allowed.iter().filter(|allowed| **allowed).count();
				assert!(allowed[EOS as usize] && only == 1);
			}
		}
	}
}

#[test]
fn a_token_may_span_lines() {
	let text = "ab\nab\nab\nab\nab\nab\n";
	let tokenizer = Tokenizer::from_bytes(&train_characters(&[text], 100).unwrap()).unwrap();
	let automaton = Automaton::of(&LineForm::even(3, 2..=2)).unwrap();
	let state = automaton.walk(State::default(), b"ab\nab\na").unwrap();
	assert_eq!((state.line, state.count), (2, 1));
	assert_eq!(automaton.walk(State::default(), b"ab\nabc"), None);
	assert_eq!(automaton.walk(State::default(), b"a\n"), None);
	assert!(LineMask::new(&tokenizer, &LineForm::even(3, 2..=2), "ab\nab\nab").is_ok());
}

#[test]
fn impossible_forms_are_named() {
	let tokenizer = characters();
	let refused = |lines: &[(RangeInclusive<usize>, &str)], excluded: &str| {
		let line = |(characters, end): &(RangeInclusive<usize>, &str)| Line {
			characters: characters.clone(),
			end: end.to_string(),
		};
		let form = LineForm {
			lines: lines.iter().map(line).collect(),
			excluded: excluded.into(),
		};
		match LineMask::new(&tokenizer, &form, "") {
			Err(Error::LineForm { line, defect }) => (line, defect),
			other => panic!("{:?}", other.map(|_| ())),
		}
	};
	let lines = LineDefect::Lines { got: 0, max: 1024 };
	assert_eq!(refused(&[], ""), (0, lines));
	let empty = LineDefect::Characters { min: 5, max: 4 };
	// The refused input.
	#[allow(clippy::reversed_empty_ranges)]
	let reversed = 5..=4;
	assert_eq!(refused(&[(1..=2, "\n"), (reversed, "")], ""), (1, empty));
	let got = refused(&[(1..=2, ""), (1..=2, "")], "");
	assert_eq!(got, (0, LineDefect::NoEnd));
	let end = LineDefect::EndNotInVocabulary { end: "!\n".into() };
	assert_eq!(refused(&[(1..=2, "!\n")], ""), (0, end));
	let everything = POEMS.concat();
	let got = refused(&[(1..=2, "")], &everything);
	assert_eq!(got, (0, LineDefect::NothingToWrite));
}

proptest! {
	#![proptest_config(ProptestConfig::with_cases(48))]

	#[test]
	fn every_walk_through_a_quatrain_is_one(
		draws in proptest::collection::vec(any::<u32>(), 1..60),
		seven in any::<bool>(),
	) {
		let n = if seven { 7 } else { 5 };
		let form = LineForm::quatrain(n);
		for tokenizer in [characters(), bytes()] {
			let (tokens, ended) = walk(&tokenizer, &form, &draws);
			prop_assert!(ended);
			// A walk over bytes may make any characters, but never broken ones.
			let bytes: Vec<u8> = tokens.iter().flat_map(|token| tokenizer.piece(*token).to_vec()).collect();
			check_quatrain(core::str::from_utf8(&bytes).unwrap(), n);
		}
	}

	#[test]
	fn every_walk_through_lines_keeps_their_lengths(
		draws in proptest::collection::vec(any::<u32>(), 1..60),
		lines in 1_usize..5,
		min in 0_usize..4,
		more in 0_usize..6,
	) {
		let form = LineForm::even(lines, min..=min + more);
		let tokenizer = bytes();
		let (tokens, ended) = walk(&tokenizer, &form, &draws);
		let bytes: Vec<u8> = tokens.iter().flat_map(|token| tokenizer.piece(*token).to_vec()).collect();
		if ended {
			let text = core::str::from_utf8(&bytes).unwrap();
			let lengths: Vec<usize> = text.split('\n').map(|line| line.chars().count()).collect();
			prop_assert_eq!(lengths.len(), lines, "{:?}", text);
			prop_assert!(lengths.iter().all(|n| (min..=min + more).contains(n)), "{:?}", text);
		}
	}
}
