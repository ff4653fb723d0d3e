//! Titles and names: what they may hold, and which of them look alike.
//!
//! Must not know whose field it is. Source: docs/protocol/text.md, "Fields"; Unicode TR 36 and UTS 39 for the dangers.
//! Invariants: what passes shows all it holds, and no word of it mixes Latin letters with ones that look like them.
//! A word wholly in another alphabet passes; compare [`skeleton`]s to find that it looks like a Latin one.

use alloc::string::String;

use crate::{
	error::{Error, FieldFault},
	fold::{lookalike, lower, Collapsed, Letters},
	form::is_ignorable,
};

/// Marks in a row that a letter may carry.
pub const MAX_MARKS: u32 = 4;

/// Checks that people see all of a field and are not deceived by its letters.
///
/// # Errors
/// Every [`FieldFault`], the first from the left; `Empty` and `TooLong` before the others.
pub fn check_field(text: &str, max_bytes: usize) -> Result<(), FieldFault> {
	if text.len() > max_bytes {
		return Err(FieldFault::TooLong {
			bytes: text.len() as u64,
			max: max_bytes as u64,
		});
	}
	if text.chars().all(|c| is_blank(c) || is_ignorable(c)) && !text.chars().any(is_directing) {
		return Err(FieldFault::Empty);
	}
	let (mut before, mut marks) = (None, 0u32);
	let mut word = Word::default();
	for (at, character) in (0u32..).zip(text.chars()) {
		if character.is_control() || matches!(character, '\u{2028}' | '\u{2029}') {
			return Err(FieldFault::Control { at, character });
		}
		if is_directing(character) {
			return Err(FieldFault::Direction { at, character });
		}
		if is_joining(character) {
			if !before.is_some_and(|before| may_join(before, character)) {
				return Err(FieldFault::Joiner { at, character });
			}
		} else if is_ignorable(character) {
			return Err(FieldFault::Invisible { at, character });
		}
		marks = match unicode_normalization::char::is_combining_mark(character) {
			true => marks.saturating_add(1),
			false => 0,
		};
		if marks > MAX_MARKS {
			return Err(FieldFault::Marks { at, max: MAX_MARKS });
		}
		word.add(at, character, marks > 0)?;
		before = Some(character);
	}
	Ok(())
}

/// What a field looks like: two fields with one skeleton are told apart by nobody at a glance.
///
/// # Errors
/// - [`Error::Expands`]: as for any text.
pub fn skeleton(text: &str) -> Result<String, Error> {
	let letters = Letters::of(&Collapsed::of(text)?);
	Ok(letters.as_slice().iter().collect())
}

/// The letters of the word that is being read.
#[derive(Default)]
struct Word {
	latin: bool,
	lookalike: Option<(u32, char, char)>,
}

impl Word {
	fn add(&mut self, at: u32, character: char, is_mark: bool) -> Result<(), FieldFault> {
		if is_mark {
			return Ok(());
		}
		if is_latin(character) {
			self.latin = true;
		} else if is_other_alphabet(character) {
			let other = lookalike(lower(character)).filter(char::is_ascii);
			self.lookalike = self.lookalike.or(other.map(|like| (at, character, like)));
		} else {
			*self = Self::default();
		}
		match self.lookalike {
			Some((at, character, looks_like)) if self.latin => Err(FieldFault::Lookalike {
				at,
				character,
				looks_like,
			}),
			_ => Ok(()),
		}
	}
}

fn is_blank(character: char) -> bool {
	matches!(
		character,
		' ' | '\u{a0}' | '\u{1680}' | '\u{2000}'
			..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{2800}' | '\u{3000}'
	)
}

fn is_directing(character: char) -> bool {
	matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn is_selector(character: char) -> bool {
	matches!(character, '\u{180b}'..='\u{180d}' | '\u{180f}' | '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}')
}

/// Characters that shape their neighbours: scripts and emoji need them.
fn is_joining(character: char) -> bool {
	matches!(character, '\u{200c}' | '\u{200d}') || is_selector(character)
}

/// Whether a joiner or selector has work to do after `before`: never after a letter that does not join, never twice.
fn may_join(before: char, joining: char) -> bool {
	if is_joining(before) {
		return is_selector(before) && !is_selector(joining);
	}
	// A keycap is a digit with a selector.
	let keycap = before.is_ascii_digit() || matches!(before, '#' | '*');
	!(is_blank(before)
		|| is_latin(before)
		|| is_other_alphabet(before)
		|| (before.is_ascii() && !(keycap && is_selector(joining))))
}

fn is_latin(character: char) -> bool {
	matches!(character, 'A'..='Z' | 'a'..='z' | '\u{aa}' | '\u{ba}' | '\u{c0}'..='\u{d6}' | '\u{d8}'..='\u{f6}' | '\u{f8}'..='\u{24f}' | '\u{1e00}'..='\u{1eff}')
}

/// Greek, Cyrillic, Armenian, Cherokee, Coptic, Lisu, by block.
fn is_other_alphabet(character: char) -> bool {
	matches!(
		character,
		'\u{370}'..='\u{3ff}'
			| '\u{400}'..='\u{52f}'
			| '\u{531}'..='\u{588}'
			| '\u{13a0}'..='\u{13ff}'
			| '\u{1c80}'..='\u{1c8f}'
			| '\u{1f00}'..='\u{1fff}'
			| '\u{2c80}'..='\u{2cff}'
			| '\u{a4d0}'..='\u{a4ff}'
			| '\u{a640}'..='\u{a69f}'
			| '\u{ab70}'..='\u{abbf}'
	)
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn titles_in_many_scripts_pass() {
		for good in [
			"静夜思",
			"Ode",
			"می\u{200c}خواهم",
			"❤\u{fe0f}\u{200d}🔥",
			"1\u{fe0f}\u{20e3} x",
			" two  words ",
			"Война и мир",
			"ΔE and λ-calculus",
			"葛\u{e0100}城",
			"Đặng e\u{323}\u{302}",
		] {
			assert_eq!(check_field(good, 128), Ok(()), "{good:?}");
		}
	}

	#[test]
	fn each_fault_has_its_name() {
		let cases = [
			("", FieldFault::Empty),
			(" \u{3000}\u{200d}", FieldFault::Empty),
			(
				"a\nb",
				FieldFault::Control {
					at: 1,
					character: '\n',
				},
			),
			(
				"a\u{2028}",
				FieldFault::Control {
					at: 1,
					character: '\u{2028}',
				},
			),
			(
				"\u{202e}abc",
				FieldFault::Direction {
					at: 0,
					character: '\u{202e}',
				},
			),
			(
				"a\u{200b}",
				FieldFault::Invisible {
					at: 1,
					character: '\u{200b}',
				},
			),
			(
				"a\u{e0041}",
				FieldFault::Invisible {
					at: 1,
					character: '\u{e0041}',
				},
			),
			(
				"a\u{200d}b",
				FieldFault::Joiner {
					at: 1,
					character: '\u{200d}',
				},
			),
			(
				"月\u{fe00}\u{fe01}",
				FieldFault::Joiner {
					at: 2,
					character: '\u{fe01}',
				},
			),
			(
				"a\u{301}\u{301}\u{301}\u{301}\u{301}",
				FieldFault::Marks { at: 5, max: 4 },
			),
			(
				"Sоnnet",
				FieldFault::Lookalike {
					at: 1,
					character: 'о',
					looks_like: 'o',
				},
			),
			(
				"\u{420}oem",
				FieldFault::Lookalike {
					at: 0,
					character: 'Р',
					looks_like: 'p',
				},
			),
		];
		for (text, fault) in cases {
			assert_eq!(check_field(text, 128), Err(fault), "{text:?}");
		}
		let long = FieldFault::TooLong { bytes: 3, max: 2 };
		assert_eq!(check_field("abc", 2), Err(long));
	}

	#[test]
	fn a_whole_word_of_lookalikes_has_the_skeleton_of_its_model() {
		assert_eq!(check_field("росе", 9), Ok(()));
		assert_eq!(skeleton("росе"), skeleton("Poce"));
	}
}
