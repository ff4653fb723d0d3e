//! Canonical form of a text, and its digest: two files that read alike have one digest.
//!
//! Must not know who claims a text. Source: docs/protocol/text.md.
//! Invariants: each form is idempotent; a change of any rule, or of Unicode's version, is a new form, and earlier digests
//! stay valid. No character of NFC's result is one that an earlier step drops, so the order of steps is safe.

use alloc::string::String;

use blake2::{
	digest::{consts::U32, Digest},
	Blake2b,
};
use unicode_normalization::UnicodeNormalization;

/// Domain of the second form's digest.
const DIGEST_TAG: &[u8] = b"llmchain/text/2";

/// Blanks that nobody sees at the end of a line: space, tab, no-break space, ideographic space.
const BLANKS: [char; 4] = [' ', '\t', '\u{a0}', '\u{3000}'];

/// Which canonical form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Form {
	/// The first: nothing is composed, controls stay, the digest has no domain. Frozen for the works that have it.
	One,
	/// The second: controls go too, blanks of one look are one blank, NFC of Unicode 18.0.0, a digest with a domain.
	Two,
}

impl Form {
	/// The form of new works.
	pub const LATEST: Self = Self::Two;

	/// Its number.
	pub const fn number(self) -> u8 {
		match self {
			Self::One => 1,
			Self::Two => 2,
		}
	}

	/// The form with a number, if there is one.
	pub const fn from_number(number: u8) -> Option<Self> {
		match number {
			1 => Some(Self::One),
			2 => Some(Self::Two),
			_ => None,
		}
	}
}

/// The canonical form of a text. Blanks before and inside a line stay: they belong to a poem.
///
/// Linear in the bytes of the text; the result has at most three times as many.
pub fn canonical(text: &str, form: Form) -> String {
	let shown = text.chars().filter(|character| !is_ignorable(*character));
	match form {
		Form::One => trim(&lines(shown)),
		Form::Two => {
			let composed: String = lines(shown)
				.chars()
				.filter(|character| !is_dropped_control(*character))
				.map(blank)
				.nfc()
				.collect();
			trim(&composed)
		}
	}
}

/// BLAKE2b-256 of a text in canonical form; from the second form on with a domain before it.
pub fn text_digest(canonical: &str, form: Form) -> [u8; 32] {
	let mut state = Blake2b::<U32>::new();
	match form {
		Form::One => {}
		Form::Two => state.update(DIGEST_TAG),
	}
	state.update(canonical.as_bytes());
	state.finalize().into()
}

/// CR LF and CR as LF.
fn lines(characters: impl Iterator<Item = char>) -> String {
	let mut text = String::new();
	let mut after_return = false;
	for character in characters {
		match character {
			'\r' => text.push('\n'),
			'\n' if after_return => {}
			other => text.push(other),
		}
		after_return = character == '\r';
	}
	text
}

/// Without blanks at line ends and without blank lines at both ends.
fn trim(text: &str) -> String {
	let mut trimmed = String::with_capacity(text.len());
	for line in text.split('\n') {
		trimmed.push_str(line.trim_end_matches(BLANKS));
		trimmed.push('\n');
	}
	// A blank line is an empty one by now, so only line feeds are left to remove at the ends.
	trimmed.trim_matches('\n').into()
}

/// Second form: what looks like a line end is one, what looks like a space is one.
fn blank(character: char) -> char {
	match character {
		'\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}' => '\n',
		'\u{a0}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' => ' ',
		other => other,
	}
}

/// Second form: control characters that are neither blank nor line end, and the invisible anchors of annotations.
fn is_dropped_control(character: char) -> bool {
	matches!(character, '\u{0}'..='\u{8}' | '\u{e}'..='\u{1f}' | '\u{7f}'..='\u{84}' | '\u{86}'..='\u{9f}' | '\u{fff9}'..='\u{fffb}')
}

/// Unicode's `Default_Ignorable_Code_Point`: byte order mark, zero-width characters, direction marks, variation selectors
/// (C2PA's embedded manifests are made of them), tags, fillers.
pub(crate) fn is_ignorable(character: char) -> bool {
	matches!(
		character,
		'\u{ad}'
			| '\u{34f}'
			| '\u{61c}'
			| '\u{115f}'..='\u{1160}'
			| '\u{17b4}'..='\u{17b5}'
			| '\u{180b}'..='\u{180f}'
			| '\u{200b}'..='\u{200f}'
			| '\u{202a}'..='\u{202e}'
			| '\u{2060}'..='\u{206f}'
			| '\u{3164}'
			| '\u{fe00}'..='\u{fe0f}'
			| '\u{feff}'
			| '\u{ffa0}'
			| '\u{fff0}'..='\u{fff8}'
			| '\u{1bca0}'..='\u{1bca3}'
			| '\u{1d173}'..='\u{1d17a}'
			| '\u{e0000}'..='\u{e0fff}'
	)
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn what_nobody_sees_makes_no_difference() {
		let plain = "床前明月光\n疑是é";
		for same in [
			"\u{feff}床前明月光\r\n疑是é\r\n",
			"床前明月光\r疑是e\u{301}",
			"\n \t\n床前明月光 \t\n疑是é\u{3000}\n\n",
			"床\u{200b}前明\u{fe00}\u{e0101}月光\u{2028}疑\u{0}是\u{202e}é",
		] {
			assert_eq!(canonical(same, Form::Two), plain, "{same:?}");
		}
		assert_eq!(canonical("a\u{2003}b", Form::Two), "a b");
		assert_eq!(canonical("\u{feff}\r\n \u{3000}\u{200b}", Form::Two), "");
	}

	#[test]
	fn the_first_form_composes_nothing_and_has_no_domain() {
		assert_ne!(
			canonical("e\u{301}", Form::One),
			canonical("\u{e9}", Form::One)
		);
		assert_ne!(text_digest("a", Form::One), text_digest("a", Form::Two));
	}

	#[test]
	fn every_character_alone_and_after_a_letter_has_an_idempotent_form() {
		for character in '\0'..=char::MAX {
			for text in [
				String::from(character),
				['a', character, '\u{301}'].iter().collect(),
			] {
				let once = canonical(&text, Form::Two);
				assert_eq!(canonical(&once, Form::Two), once, "{text:?}");
			}
		}
	}

	#[test]
	fn ignorable_characters_are_as_many_as_unicode_says() {
		assert_eq!(
			('\0'..=char::MAX).filter(|c| is_ignorable(*c)).count(),
			4174
		);
	}
}
