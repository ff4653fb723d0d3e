//! What both forms of a `tokenizer.json` share: the envelope, the rows of special tokens, ids.
//!
//! Must not know: how a vocabulary is learned, what a token stands for. Source: the `tokenizers` file format, version 1.0.
//! Invariants: written in one fixed form, so the same vocabulary gives the same bytes whatever version of a library is used.

use serde_json::{json, Value};

use super::{MAX_VOCAB, SPECIALS};
use crate::error::TokenizerDefect;

/// `text` as a JSON string.
pub(super) fn quoted(text: &str) -> String {
	Value::String(text.into()).to_string()
}

/// The file around `model`, all three parts in JSON; `specials` by id.
pub(super) fn write<'a>(
	specials: impl Iterator<Item = (u32, &'a str)>,
	pre_tokenizer: &str,
	decoder: &str,
	model: &str,
) -> Vec<u8> {
	let added: Vec<String> = specials
		.map(|(id, special)| {
			let content = quoted(special);
			format!(
				"    {{\"id\": {id}, \"content\": {content}, \"single_word\": false, \"lstrip\": false, \
				 \"rstrip\": false, \"normalized\": false, \"special\": true}}"
			)
		})
		.collect();
	format!(
		"{{\n  \"version\": \"1.0\",\n  \"truncation\": null,\n  \"padding\": null,\n  \"added_tokens\": [\n{}\n  ],\n  \
		 \"normalizer\": null,\n  \"pre_tokenizer\": {pre_tokenizer},\n  \"post_processor\": null,\n  \"decoder\": \
		 {decoder},\n  \"model\": {model}\n}}\n",
		added.join(",\n"),
	)
	.into_bytes()
}

/// The entries of a vocabulary in order of their ids, one a line.
pub(super) fn vocabulary<'a>(keys: impl Iterator<Item = &'a str>) -> String {
	let entries: Vec<String> = keys
		.enumerate()
		.map(|(id, key)| format!("      {}: {id}", quoted(key)))
		.collect();
	entries.join(",\n")
}

/// Our four special tokens with their ids.
pub(super) fn own_specials() -> impl Iterator<Item = (u32, &'static str)> {
	(0..).zip(SPECIALS)
}

/// Refuses a file whose added tokens are not exactly our four.
pub(super) fn check_own_specials(file: &Value) -> Result<(), TokenizerDefect> {
	let specials: Vec<Value> = own_specials()
		.map(|(id, content)| {
			json!({
				"id": id, "content": content, "single_word": false, "lstrip": false,
				"rstrip": false, "normalized": false, "special": true,
			})
		})
		.collect();
	match file["added_tokens"].as_array() == Some(&specials) {
		true => Ok(()),
		false => Err(TokenizerDefect::SpecialTokens),
	}
}

/// The keys of a vocabulary in order of their ids, which are 0..n, each once.
pub(super) fn keys_by_id(vocabulary: &Value) -> Result<Vec<&str>, TokenizerDefect> {
	let vocabulary = vocabulary.as_object().ok_or(TokenizerDefect::Ids)?;
	if vocabulary.len() > MAX_VOCAB as usize {
		return Err(TokenizerDefect::Ids);
	}
	// Every id once, and as many as there are entries: so 0..n.
	let mut slots: Vec<Option<&str>> = vec![None; vocabulary.len()];
	for (key, id) in vocabulary {
		let id = id.as_u64().and_then(|id| usize::try_from(id).ok());
		match id.and_then(|id| slots.get_mut(id)) {
			Some(slot @ None) => *slot = Some(key),
			_ => return Err(TokenizerDefect::Ids),
		}
	}
	Ok(slots.into_iter().flatten().collect())
}
