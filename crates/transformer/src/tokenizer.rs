//! Character-level tokenizer as a standard `tokenizer.json`.
//!
//! Every character is a token; four special tokens come first. The file is written by hand, in one fixed form, so that the
//! same texts give the same bytes whatever version of a library is used; it is read by the `tokenizers` crate, and so by
//! every tool that reads such files.
//!
//! Must not know: where texts come from.
//! Source: the `tokenizers` file format, version 1.0 (WordLevel model, Split pre-tokenizer, Fuse decoder).
//! Invariants: ids are 0..n; 0 to 3 are the special tokens; the rest are single characters by count, then code point.
//! Special tokens written out in a user's text are text, never specials.

use std::collections::HashMap;

use serde_json::Value;

use crate::error::{Error, Result, TokenizerDefect};

/// Fills up rows; never seen by the model.
pub const PAD: u32 = 0;
/// Beginning of a text.
pub const BOS: u32 = 1;
/// End of a text.
pub const EOS: u32 = 2;
/// A character outside the vocabulary.
pub const UNK: u32 = 3;

/// The special tokens, by id.
pub const SPECIALS: [&str; 4] = ["<|pad|>", "<|bos|>", "<|eos|>", "<|unk|>"];

/// Largest tokenizer file.
pub const MAX_BYTES: usize = 8 << 20;
/// Largest vocabulary, special tokens included.
pub const MAX_VOCAB: u32 = 1 << 17;

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
	Ok(write_file(
		characters.into_iter().map(|(character, _)| character),
	))
}

/// The file for `characters` in order of their ids.
fn write_file(characters: impl Iterator<Item = char>) -> Vec<u8> {
	let quoted = |text: &str| Value::String(text.into()).to_string();
	let added: Vec<String> = SPECIALS
		.iter()
		.enumerate()
		.map(|(id, special)| {
			let content = quoted(special);
			format!(
				"    {{\"id\": {id}, \"content\": {content}, \"single_word\": false, \"lstrip\": false, \
				 \"rstrip\": false, \"normalized\": false, \"special\": true}}"
			)
		})
		.collect();
	let specials = SPECIALS.iter().map(|special| quoted(special));
	let entries: Vec<String> = specials
		.chain(characters.map(|character| quoted(character.encode_utf8(&mut [0; 4]))))
		.enumerate()
		.map(|(id, key)| format!("      {key}: {id}"))
		.collect();
	let unknown = quoted(SPECIALS[UNK as usize]);
	let pattern = quoted(ANY_CHARACTER);
	format!(
		"{{\n  \"version\": \"1.0\",\n  \"truncation\": null,\n  \"padding\": null,\n  \"added_tokens\": [\n{}\n  ],\n  \
		 \"normalizer\": null,\n  \"pre_tokenizer\": {{\"type\": \"Split\", \"pattern\": {{\"Regex\": {pattern}}}, \
		 \"behavior\": \"Isolated\", \"invert\": false}},\n  \"post_processor\": null,\n  \"decoder\": {{\"type\": \
		 \"Fuse\"}},\n  \"model\": {{\n    \"type\": \"WordLevel\",\n    \"vocab\": {{\n{}\n    }},\n    \"unk_token\": \
		 {unknown}\n  }}\n}}\n",
		added.join(",\n"),
		entries.join(",\n"),
	)
	.into_bytes()
}

/// A character-level tokenizer.
#[derive(Clone, Debug)]
pub struct Tokenizer {
	inner: tokenizers::Tokenizer,
	vocab_size: u32,
}

impl Tokenizer {
	/// Reads a `tokenizer.json` of the character-level form, and refuses any other: the file comes from a publisher whom
	/// nobody trusts, and a general one may hold patterns that take for ever.
	///
	/// # Errors
	/// - [`Error::BadTokenizer`]
	pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
		let bad = |defect| Error::BadTokenizer { defect };
		if bytes.len() > MAX_BYTES {
			return Err(bad(TokenizerDefect::TooLarge { got: bytes.len() }));
		}
		let file: Value =
			serde_json::from_slice(bytes).map_err(|_| bad(TokenizerDefect::Unreadable))?;
		let characters = check_file(&file).map_err(bad)?;
		// At most `MAX_VOCAB`.
		let vocab_size = (characters.len() + SPECIALS.len()) as u32;
		// What was checked is written anew and loaded, so that a second parser cannot read the bytes another way.
		let mut inner = tokenizers::Tokenizer::from_bytes(write_file(characters.into_iter()))
			.map_err(|_| bad(TokenizerDefect::Unreadable))?;
		inner.set_encode_special_tokens(true);
		Ok(Self { inner, vocab_size })
	}

	/// Number of ids, special tokens included.
	pub fn vocab_size(&self) -> u32 {
		self.vocab_size
	}

	/// One id for each character of `text`; no beginning or end is added.
	///
	/// # Errors
	/// - [`Error::Encoding`]
	pub fn encode(&self, text: &str) -> Result<Vec<u32>> {
		let bytes = text.len();
		let encoding = self
			.inner
			.encode_fast(text, false)
			.map_err(|_| Error::Encoding { bytes })?;
		Ok(encoding.get_ids().to_vec())
	}

	/// Beginning of text, `text`, end of text.
	///
	/// # Errors
	/// - [`Error::Encoding`]
	pub fn encode_document(&self, text: &str) -> Result<Vec<u32>> {
		let mut tokens = vec![BOS];
		tokens.extend(self.encode(text)?);
		tokens.push(EOS);
		Ok(tokens)
	}

	/// The text of `tokens`; special tokens are left out.
	///
	/// # Errors
	/// - [`Error::TokenOutOfVocabulary`]
	/// - [`Error::Decoding`]
	pub fn decode(&self, tokens: &[u32]) -> Result<String> {
		if let Some(token) = tokens.iter().find(|token| **token >= self.vocab_size) {
			let vocab_size = self.vocab_size;
			return Err(Error::TokenOutOfVocabulary {
				token: *token,
				vocab_size,
			});
		}
		self.inner
			.decode(tokens, true)
			.map_err(|_| Error::Decoding {
				tokens: tokens.len(),
			})
	}
}

/// Checks that `file` has the form that [`write_file`] writes; gives the characters in order of their ids.
fn check_file(file: &Value) -> core::result::Result<Vec<char>, TokenizerDefect> {
	let form = [
		(&file["version"], serde_json::json!("1.0")),
		(&file["truncation"], Value::Null),
		(&file["padding"], Value::Null),
		(&file["normalizer"], Value::Null),
		(
			&file["pre_tokenizer"],
			serde_json::json!({
				"type": "Split",
				"pattern": { "Regex": ANY_CHARACTER },
				"behavior": "Isolated",
				"invert": false,
			}),
		),
		(&file["post_processor"], Value::Null),
		(&file["decoder"], serde_json::json!({ "type": "Fuse" })),
		(&file["model"]["type"], serde_json::json!("WordLevel")),
		(
			&file["model"]["unk_token"],
			serde_json::json!(SPECIALS[UNK as usize]),
		),
	];
	if form.iter().any(|(got, expected)| *got != expected) {
		return Err(TokenizerDefect::NotCharacterLevel);
	}
	let specials: Vec<Value> = SPECIALS
		.iter()
		.enumerate()
		.map(|(id, content)| {
			serde_json::json!({
				"id": id, "content": content, "single_word": false, "lstrip": false,
				"rstrip": false, "normalized": false, "special": true,
			})
		})
		.collect();
	if file["added_tokens"].as_array() != Some(&specials) {
		return Err(TokenizerDefect::SpecialTokens);
	}
	let vocabulary = file["model"]["vocab"]
		.as_object()
		.ok_or(TokenizerDefect::Ids)?;
	if vocabulary.len() > MAX_VOCAB as usize {
		return Err(TokenizerDefect::Ids);
	}
	// Every id once, and as many as there are entries: so 0..n.
	let mut slots: Vec<Option<&str>> = vec![None; vocabulary.len()];
	for (key, id) in vocabulary {
		let id = id
			.as_u64()
			.and_then(|id| usize::try_from(id).ok())
			.ok_or(TokenizerDefect::Ids)?;
		match slots.get_mut(id) {
			Some(slot @ None) => *slot = Some(key),
			_ => return Err(TokenizerDefect::Ids),
		}
	}
	let (first, rest) = slots
		.split_at_checked(SPECIALS.len())
		.ok_or(TokenizerDefect::SpecialTokens)?;
	if first.iter().flatten().ne(SPECIALS.iter()) {
		return Err(TokenizerDefect::SpecialTokens);
	}
	let single = |(index, key): (usize, &Option<&str>)| {
		let mut characters = key.unwrap_or_default().chars();
		match (characters.next(), characters.next()) {
			(Some(character), None) => Ok(character),
			_ => Err(TokenizerDefect::NotACharacter {
				id: (index + SPECIALS.len()) as u32,
			}),
		}
	};
	rest.iter().enumerate().map(single).collect()
}

#[cfg(test)]
mod tests;
