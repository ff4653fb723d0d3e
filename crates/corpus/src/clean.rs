//! Cleaning: one canonical form for text that differs only in what no reader sees.
//!
//! Must not know languages or corpora; dropping documents is a source's business. Keeps the letters, their
//! order and the line structure.
//! Source: `docs/protocol/corpus.md`, "Cleaning"; Unicode Standard Annex 15 (NFC).
//! Invariant: idempotent, `clean(clean(x)) == clean(x)`.

use std::ops::AddAssign;

use serde::{Deserialize, Serialize};
use unicode_normalization::{is_nfc, UnicodeNormalization};

/// What cleaning changed, in characters unless said otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CleanCounts {
	/// Texts that were not in Unicode normalisation form C.
	pub texts_normalised: u64,
	/// Line ends other than a single line feed.
	pub line_ends: u64,
	/// Control, zero-width, directional and other invisible characters removed.
	pub invisible_removed: u64,
	/// Tabs and spaces other than U+0020 replaced by it.
	pub spaces_replaced: u64,
	/// Spaces removed at the ends of lines.
	pub trailing_spaces: u64,
	/// Empty lines removed: at both ends, and all but one of a run.
	pub blank_lines: u64,
}

impl AddAssign for CleanCounts {
	fn add_assign(&mut self, other: Self) {
		self.texts_normalised += other.texts_normalised;
		self.line_ends += other.line_ends;
		self.invisible_removed += other.invisible_removed;
		self.spaces_replaced += other.spaces_replaced;
		self.trailing_spaces += other.trailing_spaces;
		self.blank_lines += other.blank_lines;
	}
}

/// Applies the cleaning rules in their order and counts what each changed.
///
/// 1. CR LF, CR, vertical tab, form feed, U+0085, U+2028 and U+2029 become LF.
/// 2. Other control characters, U+00AD, U+200B, U+2060, U+FEFF, directional embeddings, overrides and
///    isolates, and noncharacters go. Joiners (U+200C, U+200D) stay: they change letters.
/// 3. Tabs and all Unicode spaces become U+0020; runs are kept.
/// 4. Normalisation form C. After 2, because removing a character can bring two together that compose.
/// 5. Spaces at line ends go; then empty lines at both ends, and all but one of a run.
pub fn clean(text: &str) -> (String, CleanCounts) {
	let mut counts = CleanCounts::default();
	let mut kept = String::with_capacity(text.len());
	let mut characters = text.chars().peekable();
	while let Some(character) = characters.next() {
		match character {
			'\n' => kept.push('\n'),
			'\r' => {
				characters.next_if_eq(&'\n');
				counts.line_ends += 1;
				kept.push('\n');
			}
			'\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}' => {
				counts.line_ends += 1;
				kept.push('\n');
			}
			'\t' => {
				counts.spaces_replaced += 1;
				kept.push(' ');
			}
			c if is_invisible(c) => counts.invisible_removed += 1,
			' ' => kept.push(' '),
			c if c.is_whitespace() => {
				counts.spaces_replaced += 1;
				kept.push(' ');
			}
			c => kept.push(c),
		}
	}
	if !is_nfc(&kept) {
		counts.texts_normalised = 1;
		kept = kept.nfc().collect();
	}
	(lines(&kept, &mut counts), counts)
}

fn is_invisible(c: char) -> bool {
	let code = c as u32;
	c.is_control()
		|| matches!(c, '\u{ad}' | '\u{200b}' | '\u{2060}' | '\u{feff}')
		|| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
		|| matches!(c, '\u{fdd0}'..='\u{fdef}')
		|| code & 0xfffe == 0xfffe
}

/// Rule 5.
fn lines(text: &str, counts: &mut CleanCounts) -> String {
	let mut out = String::with_capacity(text.len());
	// Empty lines seen since the last line that was kept.
	let mut blank = 0u64;
	for line in text.split('\n') {
		let trimmed = line.trim_end_matches(' ');
		// ASCII spaces: one byte each.
		counts.trailing_spaces += (line.len() - trimmed.len()) as u64;
		if trimmed.is_empty() {
			blank += 1;
			continue;
		}
		if out.is_empty() {
			counts.blank_lines += blank;
		} else {
			out.push('\n');
			if blank > 0 {
				out.push('\n');
				counts.blank_lines += blank - 1;
			}
		}
		blank = 0;
		out.push_str(trimmed);
	}
	// The line feed that ends a file is no empty line.
	counts.blank_lines += blank.saturating_sub(1);
	out
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn each_rule_changes_what_it_says_and_counts_it() {
		let (text, counts) = clean("\n\na\u{301}\r\nb\t c \u{a0}\rd\u{200b}\u{7}\n\n\n\u{3000}e\n");
		assert_eq!(text, "á\nb  c\nd\n\n e");
		assert_eq!(
			counts,
			CleanCounts {
				texts_normalised: 1,
				line_ends: 2,
				invisible_removed: 2,
				spaces_replaced: 3,
				trailing_spaces: 2,
				blank_lines: 3,
			}
		);
	}

	#[test]
	fn clean_text_is_left_alone() {
		let poem = "床前明月光，\n疑是地上霜。\n\n舉頭望明月，\n低頭思故鄉。";
		assert_eq!(clean(poem), (poem.to_owned(), CleanCounts::default()));
		assert_eq!(
			clean(&format!("{poem}\n")),
			(poem.to_owned(), CleanCounts::default())
		);
		assert_eq!(clean(" \n \n").0, "");
	}

	#[test]
	fn removal_comes_before_normalisation() {
		assert_eq!(clean("e\u{ad}\u{301}").0, "é");
	}

	#[test]
	fn the_separator_of_shards_never_survives() {
		assert_eq!(clean("a\u{1e}b").0, "ab");
	}
}
