//! What of a text is compared: ISCC's collapse, and the letters that fingerprints are taken over.
//!
//! Must not know what is made of them. Source: docs/protocol/fingerprint.md; ISO 24138 for the collapse.
//! Invariants: a folded text has at most as many characters as the text has bytes, plus [`SLACK`], so costs stay linear;
//! case, marks, punctuation and blanks make no difference to either.

use alloc::{string::String, vec::Vec};
use core::cmp::Ordering;

use unicode_normalization::UnicodeNormalization;

use crate::{
	error::Error,
	form::is_ignorable,
	tables::{CASED, CASE_IGNORABLE, DROPPED, LOOKALIKES, LOWER},
};

/// Characters by which a folded text may exceed the bytes of the text.
pub const SLACK: usize = 32;

/// A text as ISO 24138 compares it: NFD, lower case, without categories C, M and P and white space, then NFKC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Collapsed(String);

impl Collapsed {
	/// Collapses a text.
	///
	/// # Errors
	/// - [`Error::Expands`]: compatibility characters make it longer than its bytes plus [`SLACK`].
	pub fn of(text: &str) -> Result<Self, Error> {
		let decomposed: Vec<char> = text.nfd().collect();
		let kept = decomposed
			.iter()
			.enumerate()
			.map(|(at, character)| match character {
				'Σ' if ends_word(&decomposed, at) => 'ς',
				other => lower(*other),
			})
			.filter(|character| !in_ranges(DROPPED, *character));
		let max = text.len().saturating_add(SLACK);
		let mut collapsed = String::with_capacity(text.len());
		for (count, character) in kept.nfkc().enumerate() {
			if count >= max {
				return Err(Error::Expands { max: max as u64 });
			}
			collapsed.push(character);
		}
		Ok(Self(collapsed))
	}

	/// The text.
	pub fn as_str(&self) -> &str {
		&self.0
	}
}

/// The letters of a text that are compared: collapsed, without what shows nothing, lookalikes as one letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letters(Vec<char>);

impl Letters {
	/// Folds a collapsed text once more.
	pub fn of(collapsed: &Collapsed) -> Self {
		let shown = collapsed.0.chars().filter(|c| !is_ignorable(*c));
		Self(shown.map(|c| lookalike(c).unwrap_or(c)).collect())
	}

	/// The letters, in order.
	pub fn as_slice(&self) -> &[char] {
		&self.0
	}
}

/// The letter that a lower-case letter looks like, if the table has it.
pub(crate) fn lookalike(character: char) -> Option<char> {
	let at = LOOKALIKES
		.binary_search_by_key(&u32::from(character), |row| row.0)
		.ok()?;
	LOOKALIKES.get(at).and_then(|row| char::from_u32(row.1))
}

/// Simple lower case.
pub(crate) fn lower(character: char) -> char {
	let point = u32::from(character);
	let row = LOWER.binary_search_by(|(first, last, ..)| side(*first, *last, point));
	let Some((first, _, step, distance)) = row.ok().and_then(|at| LOWER.get(at)) else {
		return character;
	};
	let offset = point.saturating_sub(*first);
	if offset.checked_rem(*step).unwrap_or(0) != 0 {
		return character;
	}
	point
		.checked_add_signed(*distance)
		.and_then(char::from_u32)
		.unwrap_or(character)
}

/// Unicode's `Final_Sigma` (section 3.13): a cased letter before, none after, whatever is case-ignorable between.
fn ends_word(text: &[char], at: usize) -> bool {
	let cased = |c: Option<&char>| c.is_some_and(|c| in_ranges(CASED, *c));
	let matters = |c: &&char| !in_ranges(CASE_IGNORABLE, **c);
	let (before, from) = text.split_at(at.min(text.len()));
	cased(before.iter().rev().find(matters)) && !cased(from.iter().skip(1).find(matters))
}

fn in_ranges(ranges: &[(u32, u32)], character: char) -> bool {
	let point = u32::from(character);
	ranges
		.binary_search_by(|(first, last)| side(*first, *last, point))
		.is_ok()
}

/// On which side of `point` a range lies.
fn side(first: u32, last: u32, point: u32) -> Ordering {
	if last < point {
		Ordering::Less
	} else if first > point {
		Ordering::Greater
	} else {
		Ordering::Equal
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	fn collapse(text: &str) -> String {
		Collapsed::of(text).unwrap().0
	}

	#[test]
	fn collapsing_leaves_letters_digits_and_symbols() {
		assert_eq!(collapse("Ähm, \u{ff21}1 + ☕!\n月光。"), "ahma1+☕月光");
		assert_eq!(collapse("ΟΔΟΣ ΣΑΣ"), "οδοςσας");
		assert_eq!(collapse("ΣΣ.Σ Σ"), "σσςσ");
	}

	#[test]
	fn lookalikes_are_one_letter() {
		let letters = |text: &str| Letters::of(&Collapsed::of(text).unwrap());
		assert_eq!(letters("paypal"), letters("раураI"));
		assert_eq!(letters("力"), letters("カ"));
	}

	#[test]
	fn a_text_of_ligatures_is_refused() {
		let text = "\u{fdfa}".repeat(100);
		assert_eq!(Collapsed::of(&text), Err(Error::Expands { max: 332 }));
		assert!(Collapsed::of("قال \u{fdfa}").is_ok());
	}

	#[test]
	fn tables_are_sorted_and_lookalikes_lead_nowhere_else() {
		for ranges in [DROPPED, CASED, CASE_IGNORABLE] {
			assert!(ranges.windows(2).all(|pair| pair[0].1 < pair[1].0));
		}
		assert!(LOWER.windows(2).all(|pair| pair[0].1 < pair[1].0));
		assert!(LOOKALIKES.windows(2).all(|pair| pair[0].0 < pair[1].0));
		for (_, to) in LOOKALIKES {
			assert_eq!(lookalike(char::from_u32(*to).unwrap()), None);
		}
	}
}
