//! The character-level form of a `tokenizer.json`: learning, writing, reading.
//!
//! Must not know: where texts come from. Source: the `tokenizers` file format, version 1.0 (WordLevel model, Split
//! pre-tokenizer, Fuse decoder). Invariants: tokens 4 and up are single characters, by count, then code point.

use std::collections::HashMap;

use serde_json::{json, Value};

use super::file::{self, quoted};
use super::{MAX_VOCAB, SPECIALS, UNK};
use crate::error::{Error, Result, TokenizerDefect};

/// Any character, newlines included, in the regular expressions of Rust and of other languages alike.
const ANY_CHARACTER: &str = "[\\s\\S]";

/// Learns a vocabulary: the most frequent characters of `texts` (of equal ones, the lower code point), at most
/// `max_vocab - 4`. Gives the bytes of a `tokenizer.json`.
///
/// # Errors
/// - [`Error::VocabularySize`]
/// - [`Error::NoCharacters`]
pub fn train_characters<S: AsRef<str>>(texts: &[S], max_vocab: u32) -> Result<Vec<u8>> {
	let min = SPECIALS.len() as u32 + 1;
	if !(min..=MAX_VOCAB).contains(&max_vocab) {
		return Err(Error::VocabularySize {
			got: max_vocab,
			min,
			max: MAX_VOCAB,
		});
	}
	let mut counts: HashMap<char, u64> = HashMap::new();
	for text in texts {
		for character in text.as_ref().chars() {
			*counts.entry(character).or_default() += 1;
		}
	}
	if counts.is_empty() {
		return Err(Error::NoCharacters);
	}
	let mut characters: Vec<(char, u64)> = counts.into_iter().collect();
	characters.sort_unstable_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
	characters.truncate(max_vocab as usize - SPECIALS.len());
	let characters: Vec<char> = characters
		.into_iter()
		.map(|(character, _)| character)
		.collect();
	Ok(write(&characters))
}

/// The file for `characters` in order of their ids.
pub(super) fn write(characters: &[char]) -> Vec<u8> {
	let keys: Vec<String> = characters.iter().map(char::to_string).collect();
	let keys = SPECIALS.into_iter().chain(keys.iter().map(String::as_str));
	let pre_tokenizer = format!(
		"{{\"type\": \"Split\", \"pattern\": {{\"Regex\": {}}}, \"behavior\": \"Isolated\", \"invert\": false}}",
		quoted(ANY_CHARACTER)
	);
	let model = format!(
		"{{\n    \"type\": \"WordLevel\",\n    \"vocab\": {{\n{}\n    }},\n    \"unk_token\": {}\n  }}",
		file::vocabulary(keys),
		quoted(SPECIALS[UNK as usize]),
	);
	let decoder = "{\"type\": \"Fuse\"}";
	file::write(file::own_specials(), &pre_tokenizer, decoder, &model)
}

/// Checks that `file` has the form that [`write`] writes; gives the characters in order of their ids.
pub(super) fn read(file: &Value) -> core::result::Result<Vec<char>, TokenizerDefect> {
	let form = [
		(&file["version"], json!("1.0")),
		(&file["truncation"], Value::Null),
		(&file["padding"], Value::Null),
		(&file["normalizer"], Value::Null),
		(
			&file["pre_tokenizer"],
			json!({
				"type": "Split",
				"pattern": { "Regex": ANY_CHARACTER },
				"behavior": "Isolated",
				"invert": false,
			}),
		),
		(&file["post_processor"], Value::Null),
		(&file["decoder"], json!({ "type": "Fuse" })),
		(&file["model"]["type"], json!("WordLevel")),
		(&file["model"]["unk_token"], json!(SPECIALS[UNK as usize])),
	];
	if form.iter().any(|(got, expected)| *got != expected) {
		return Err(TokenizerDefect::NotCharacterLevel);
	}
	file::check_own_specials(file)?;
	let keys = file::keys_by_id(&file["model"]["vocab"])?;
	let (first, rest) = keys
		.split_at_checked(SPECIALS.len())
		.ok_or(TokenizerDefect::SpecialTokens)?;
	if first != SPECIALS {
		return Err(TokenizerDefect::SpecialTokens);
	}
	let single = |(index, key): (usize, &&str)| {
		let mut characters = key.chars();
		match (characters.next(), characters.next()) {
			(Some(character), None) => Ok(character),
			_ => Err(TokenizerDefect::NotACharacter {
				id: (index + SPECIALS.len()) as u32,
			}),
		}
	};
	rest.iter().enumerate().map(single).collect()
}
