//! What stands around the numbers: the card, and how `transformers` wraps tokenizer and generation.
//!
//! Must not know: where a version is registered; facts about it are given.
//! Invariants: text of others is quoted, so a name cannot add a field or a row.

use serde_json::{json, Value};

use super::json;
use crate::config::Config;
use crate::parameters::Parameters;
use crate::sampling::Sampling;
use crate::tokenizer::{SpecialTokens, BOS, EOS, PAD, SPECIALS, UNK};

/// What the card of a model says about it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Card {
	/// Heading.
	pub name: String,
	/// Licence, as an SPDX identifier in lower case; empty for none stated.
	pub licence: String,
	/// Languages, as ISO 639 codes.
	pub languages: Vec<String>,
	/// Paragraphs below the heading, Markdown.
	pub text: String,
	/// Rows of a table: what, and its value (roots, lineage, held-out loss).
	pub facts: Vec<(String, String)>,
}

/// `text` on one line, as a cell of a table.
fn cell(text: &str) -> String {
	let line: Vec<&str> = text.split_whitespace().collect();
	line.join(" ").replace('|', "\\|")
}

impl Card {
	/// The file.
	pub(super) fn write(&self, parameters: &Parameters) -> Vec<u8> {
		let config = parameters.config();
		let mut lines = vec!["---".to_string()];
		// A JSON string is a YAML string.
		let quoted = |text: &str| Value::from(cell(text)).to_string();
		if !self.licence.is_empty() {
			lines.push(format!("license: {}", quoted(&self.licence)));
		}
		if !self.languages.is_empty() {
			lines.push("language:".into());
			let languages = self.languages.iter();
			lines.extend(languages.map(|language| format!("- {}", quoted(language))));
		}
		lines.push("library_name: transformers".into());
		lines.push("pipeline_tag: text-generation".into());
		lines.push("---".into());
		let name = cell(&self.name);
		let name = if name.is_empty() { "Model" } else { &name };
		lines.extend([String::new(), format!("# {name}"), String::new()]);
		if !self.text.is_empty() {
			lines.extend([self.text.clone(), String::new()]);
		}
		lines.extend(["| what | value |".into(), "|---|---|".into()]);
		let sizes = [
			("parameters", parameters.as_slice().len()),
			("vocabulary", config.vocab_size as usize),
			("context", config.context_length as usize),
			("layers", config.n_layers as usize),
			("heads", config.n_heads as usize),
			("width", config.d_model as usize),
		];
		lines.extend(sizes.map(|(what, value)| format!("| {what} | {value} |")));
		let facts = self.facts.iter();
		lines.extend(facts.map(|(what, value)| format!("| {} | {} |", cell(what), cell(value))));
		lines.push(String::new());
		lines.join("\n").into_bytes()
	}
}

/// `tokenizer_config.json` of a tokenizer of ours.
pub(super) fn tokenizer_config(config: &Config) -> Vec<u8> {
	let special = |token: u32| json!(SPECIALS[token as usize]);
	json::write(&[
		("tokenizer_class", json!("PreTrainedTokenizerFast")),
		("bos_token", special(BOS)),
		("eos_token", special(EOS)),
		("pad_token", special(PAD)),
		("unk_token", special(UNK)),
		("model_max_length", json!(config.context_length)),
		("clean_up_tokenization_spaces", json!(false)),
	])
}

/// `special_tokens_map.json` of a tokenizer of ours.
pub(super) fn special_tokens_map() -> Vec<u8> {
	let special = |token: u32| json!(SPECIALS[token as usize]);
	json::write(&[
		("bos_token", special(BOS)),
		("eos_token", special(EOS)),
		("pad_token", special(PAD)),
		("unk_token", special(UNK)),
	])
}

/// `generation_config.json`: `sampling` as the default of others, with our tokens that are never chosen.
pub(super) fn generation_config(sampling: &Sampling, specials: &SpecialTokens) -> Vec<u8> {
	let milli = |value: u32| json::number(value as f32 / 1000.0);
	let mut fields = vec![
		("bos_token_id", json!(specials.begin)),
		("eos_token_id", json!(specials.end)),
		("pad_token_id", json!(PAD)),
		("suppress_tokens", json!(specials.never)),
		("max_new_tokens", json!(sampling.max_tokens)),
		("do_sample", json!(sampling.temperature_milli > 0)),
	];
	if sampling.temperature_milli > 0 {
		fields.extend([
			("temperature", milli(sampling.temperature_milli)),
			("top_k", json!(sampling.top_k)),
			("top_p", milli(sampling.top_p_milli)),
		]);
	}
	json::write(&fields)
}
