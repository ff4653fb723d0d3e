//! What counts as the same text, and what a title may hold.
//!
//! Canonical form, version [`TEXT_FORM`]: characters that show nothing are dropped, line ends become LF, blanks at line ends
//! and blank lines at both ends go. Its BLAKE2b-256 is the text digest: two files that read alike have one digest.
//! Must not know: storage, accounts, receipts. Source: docs/protocol/work.md; the dropped characters are those of Unicode's
//! `Default_Ignorable_Code_Point`, written out so that no compiler's tables decide a hash.
//! Invariants: the form is idempotent; a change of any rule is a new version, and earlier digests stay valid.

use alloc::string::String;

/// Version of the canonical form that digests of new works are taken over.
pub const TEXT_FORM: u8 = 1;

/// Blanks that no reader sees at the end of a line: space, tab, no-break space, ideographic space.
const BLANKS: [char; 4] = [' ', '\t', '\u{a0}', '\u{3000}'];

/// What is wrong with a title.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TitleFault {
	/// Nothing in it can be seen.
	Empty,
	/// It holds characters that change what a reader sees without being seen.
	HiddenCharacters,
}

/// The canonical form, version 1, of a text.
///
/// Spaces inside and before a line stay: they belong to a poem. Nothing is composed or folded; two encodings of `é` differ in
/// this version.
pub fn canonical(text: &str) -> String {
	let shown: String = text
		.chars()
		.filter(|character| !is_ignorable(*character))
		.collect();
	let lines = shown.replace("\r\n", "\n").replace('\r', "\n");
	let mut trimmed = String::with_capacity(lines.len());
	for line in lines.split('\n') {
		trimmed.push_str(line.trim_end_matches(BLANKS));
		trimmed.push('\n');
	}
	// A blank line is an empty one by now, so only line feeds are left to remove at the ends.
	trimmed.trim_matches('\n').into()
}

/// Checks that people see all of a title.
///
/// # Errors
/// - [`TitleFault::Empty`]: no character, or only blanks.
/// - [`TitleFault::HiddenCharacters`]: a control character, a line separator, a direction override or another character that
///   shows nothing. Joiners and variation selectors pass: scripts and emoji need them.
pub fn check_title(title: &str) -> Result<(), TitleFault> {
	if title.chars().any(is_hidden) {
		return Err(TitleFault::HiddenCharacters);
	}
	if title
		.chars()
		.all(|character| character.is_whitespace() || is_ignorable(character))
	{
		return Err(TitleFault::Empty);
	}
	Ok(())
}

fn is_hidden(character: char) -> bool {
	let shapes_its_neighbours = matches!(
		character,
		'\u{200c}' | '\u{200d}' | '\u{180b}'..='\u{180d}' | '\u{180f}' | '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}'
	);
	let separates_lines = matches!(character, '\u{2028}' | '\u{2029}');
	character.is_control() || separates_lines || (is_ignorable(character) && !shapes_its_neighbours)
}

/// Unicode's `Default_Ignorable_Code_Point`: byte order mark, zero-width characters, direction marks, variation selectors,
/// tags, fillers.
fn is_ignorable(character: char) -> bool {
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
	use proptest::prelude::*;

	#[test]
	fn line_ends_blanks_and_invisible_characters_make_no_difference() {
		let plain = "床前明月光\n疑是地上霜";
		for same in [
			"床前明月光\n疑是地上霜\n",
			"\u{feff}床前明月光\r\n疑是地上霜\r\n",
			"床前明月光\r疑是地上霜",
			"\n \t\n床前明月光 \t\n疑是地上霜\u{3000}\n\n",
			"床\u{200b}前明\u{fe00}月光\r\u{200d}\n疑是\u{202e}地上霜",
		] {
			assert_eq!(canonical(same), plain, "{same:?}");
		}
	}

	#[test]
	fn everything_that_a_reader_sees_makes_a_difference() {
		let plain = "one\n\n  two";
		for other in ["one\n  two", "one\n\ntwo", "one \n\n  two!", "One\n\n  two"] {
			assert_ne!(canonical(other), canonical(plain), "{other:?}");
		}
		assert_eq!(canonical(plain), plain);
		// Composition comes with a later form.
		assert_ne!(canonical("e\u{301}"), canonical("\u{e9}"));
	}

	#[test]
	fn a_text_of_nothing_visible_is_empty() {
		assert_eq!(canonical("\u{feff}\r\n \u{3000}\u{200b}\t\r\r\n"), "");
	}

	#[test]
	fn ignorable_characters_are_as_many_as_unicode_says() {
		let count = ('\0'..=char::MAX)
			.filter(|character| is_ignorable(*character))
			.count();
		assert_eq!(count, 4174);
	}

	#[test]
	fn titles_show_all_they_hold() {
		for good in [
			"静夜思",
			"Ode",
			"می\u{200c}خواهم",
			"❤\u{fe0f}",
			" two  words ",
		] {
			assert_eq!(check_title(good), Ok(()), "{good:?}");
		}
		for empty in ["", "  ", "\u{3000}", "\u{200d}"] {
			assert_eq!(check_title(empty), Err(TitleFault::Empty), "{empty:?}");
		}
		for hidden in [
			"a\nb",
			"a\tb",
			"\0",
			"a\u{85}",
			"\u{202e}abc",
			"a\u{2066}b",
			"a\u{200b}b",
		] {
			assert_eq!(
				check_title(hidden),
				Err(TitleFault::HiddenCharacters),
				"{hidden:?}"
			);
		}
		for hidden in [
			"a\u{200f}",
			"\u{61c}a",
			"\u{feff}a",
			"a\u{2028}b",
			"a\u{e0041}",
		] {
			assert_eq!(
				check_title(hidden),
				Err(TitleFault::HiddenCharacters),
				"{hidden:?}"
			);
		}
	}

	fn awkward_text() -> impl Strategy<Value = String> {
		let character = prop_oneof![
			prop::sample::select(vec![
				'\r', '\n', ' ', '\t', '\u{a0}', '\u{3000}', '\u{feff}', '\u{200b}', '\u{202e}',
				'\u{fe0f}', 'a', '月', '\u{301}',
			]),
			any::<char>(),
		];
		prop::collection::vec(character, 0..40).prop_map(|characters| characters.iter().collect())
	}

	proptest! {
		#[test]
		fn the_form_of_a_form_is_itself(text in awkward_text()) {
			let once = canonical(&text);
			prop_assert_eq!(canonical(&once), once);
		}

		#[test]
		fn the_form_is_never_longer_than_the_text(text in awkward_text()) {
			prop_assert!(canonical(&text).len() <= text.len());
		}
	}
}
