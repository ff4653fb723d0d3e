//! The byte-level form of a `tokenizer.json`: GPT-2's, with our special tokens; learning, writing, reading.
//!
//! A byte is written as one printable character (GPT-2's table), so every text has tokens and none is unknown.
//!
//! Must not know: where texts come from. Source: Radford et al. 2019, section 2.2; the `tokenizers` file format, version 1.0
//! (BPE model, ByteLevel pre-tokenizer and decoder).
//! Invariants of a file of ours: tokens 0 to 3 are special, 4 to 259 the bytes in order of their characters, and merge i
//! makes token 260 + i; files of others may order tokens as they like, but every byte is a token and every merge makes one.

use std::collections::{HashMap, HashSet};

use serde_json::{json, Value};

use super::file::{self, quoted};
use super::merges::{self, Pair};
use super::{MAX_BYTES, MAX_VOCAB, SPECIALS};
use crate::error::{Error, Result, TokenizerDefect};

/// Largest vocabulary that [`train_byte_level`] learns.
pub const MAX_BYTE_LEVEL_VOCAB: u32 = 1 << 16;

/// Special tokens and bytes.
const FIRST_MERGE: u32 = SPECIALS.len() as u32 + 256;

/// Learns a byte-level vocabulary of at most `max_vocab` tokens: the four special ones, the 256 bytes, and merges of the
/// most frequent neighbours inside words. Gives the bytes of a `tokenizer.json`.
///
/// There are fewer tokens where the texts have no pair left that occurs twice. The same texts, in any order, give the same
/// bytes on every machine.
///
/// # Errors
/// - [`Error::VocabularySize`]
/// - [`Error::NoCharacters`]
/// - [`Error::Encoding`]: a text cannot be cut into words
/// - [`Error::BadTokenizer`]: the file would be larger than [`MAX_BYTES`]
///
/// # Source
/// Sennrich et al. 2016, algorithm 1, over bytes.
///
/// ```
/// use transformer::{train_byte_level, Tokenizer};
///
/// let file = train_byte_level(&["low lower lowest", "new newer newest"], 300)?;
/// let tokenizer = Tokenizer::from_bytes(&file)?;
/// let tokens = tokenizer.encode("the lowest")?;
/// assert!(tokens.len() < "the lowest".len());
/// assert_eq!(tokenizer.decode(&tokens)?, "the lowest");
/// # Ok::<(), transformer::Error>(())
/// ```
pub fn train_byte_level<S: AsRef<str>>(texts: &[S], max_vocab: u32) -> Result<Vec<u8>> {
	if !(FIRST_MERGE..=MAX_BYTE_LEVEL_VOCAB).contains(&max_vocab) {
		return Err(Error::VocabularySize {
			got: max_vocab,
			min: FIRST_MERGE,
			max: MAX_BYTE_LEVEL_VOCAB,
		});
	}
	let symbols = symbols();
	let byte_of = bytes_of(&symbols);
	let merges = merges::learn(texts, &byte_of, (max_vocab - FIRST_MERGE) as usize)?;
	let bytes = write(&own_file(&symbols, &merges));
	match bytes.len() > MAX_BYTES {
		true => Err(Error::BadTokenizer {
			defect: TokenizerDefect::TooLarge { got: bytes.len() },
		}),
		false => Ok(bytes),
	}
}

/// The character that stands for each byte: itself where it is printable Latin-1, else 256 and up in order.
fn symbols() -> [char; 256] {
	let mut next = 256;
	core::array::from_fn(|byte| {
		let code = match byte {
			0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff => byte as u32,
			_ => {
				next += 1;
				next - 1
			}
		};
		// All below 0x143, far from surrogates.
		char::from_u32(code).unwrap_or_default()
	})
}

fn bytes_of(symbols: &[char; 256]) -> HashMap<char, u8> {
	symbols.iter().copied().zip(0..=u8::MAX).collect()
}

/// What a file of this form holds.
pub(super) struct File {
	/// Keys in order of their ids: special tokens as they are, the others in GPT-2's characters.
	keys: Vec<String>,
	/// Ids of the special tokens, ascending.
	pub(super) specials: Vec<u32>,
	/// Ids of the two parts.
	merges: Vec<Pair>,
}

/// A file of ours from merges of symbols (bytes by value, merges from 256).
fn own_file(symbols: &[char; 256], merges: &[Pair]) -> File {
	let mut bytes: Vec<u8> = (0..=u8::MAX).collect();
	bytes.sort_unstable_by_key(|byte| symbols[*byte as usize]);
	let mut keys: Vec<String> = SPECIALS.iter().map(ToString::to_string).collect();
	let mut ids: Vec<u32> = vec![0; 256];
	for byte in bytes {
		ids[byte as usize] = keys.len() as u32;
		keys.push(symbols[byte as usize].to_string());
	}
	let mut pairs = Vec::with_capacity(merges.len());
	for (left, right) in merges {
		let pair = (ids[*left as usize], ids[*right as usize]);
		ids.push(keys.len() as u32);
		keys.push([keys[pair.0 as usize].as_str(), &keys[pair.1 as usize]].concat());
		pairs.push(pair);
	}
	File {
		keys,
		specials: (0..SPECIALS.len() as u32).collect(),
		merges: pairs,
	}
}

/// The bytes of a file.
pub(super) fn write(file: &File) -> Vec<u8> {
	let key = |id: u32| file.keys[id as usize].as_str();
	let merges: Vec<String> = file
		.merges
		.iter()
		.map(|(left, right)| format!("      [{}, {}]", quoted(key(*left)), quoted(key(*right))))
		.collect();
	let model = format!(
		"{{\n    \"type\": \"BPE\",\n    \"dropout\": null,\n    \"unk_token\": null,\n    \"continuing_subword_prefix\": \
		 null,\n    \"end_of_word_suffix\": null,\n    \"fuse_unk\": false,\n    \"byte_fallback\": false,\n    \
		 \"ignore_merges\": false,\n    \"vocab\": {{\n{}\n    }},\n    \"merges\": [\n{}\n    ]\n  }}",
		file::vocabulary(file.keys.iter().map(String::as_str)),
		merges.join(",\n"),
	);
	let byte_level = "{\"type\": \"ByteLevel\", \"add_prefix_space\": false, \"trim_offsets\": true, \"use_regex\": true}";
	let specials = file.specials.iter().map(|id| (*id, key(*id)));
	file::write(specials, byte_level, byte_level, &model)
}

/// Whether `value` is null, absent, or one of `others`.
fn is_plain(value: &Value, others: &[Value]) -> bool {
	value.is_null() || others.contains(value)
}

/// Reads the form, whatever the order of ids.
pub(super) fn read(file: &Value) -> core::result::Result<File, TokenizerDefect> {
	let (model, cutter) = (&file["model"], &file["pre_tokenizer"]);
	let form = [
		file["version"] == json!("1.0"),
		is_plain(&file["truncation"], &[]),
		is_plain(&file["padding"], &[]),
		is_plain(&file["normalizer"], &[]),
		cutter["type"] == json!("ByteLevel"),
		is_plain(&cutter["add_prefix_space"], &[json!(false)]),
		is_plain(&cutter["use_regex"], &[json!(true)]),
		// It adds no token, and offsets are not used.
		is_plain(&file["post_processor"]["type"], &[json!("ByteLevel")]),
		file["decoder"]["type"] == json!("ByteLevel"),
		model["type"] == json!("BPE"),
		is_plain(&model["dropout"], &[]),
		is_plain(&model["continuing_subword_prefix"], &[json!("")]),
		is_plain(&model["end_of_word_suffix"], &[json!("")]),
		is_plain(&model["byte_fallback"], &[json!(false)]),
		is_plain(&model["ignore_merges"], &[json!(false)]),
	];
	if form.contains(&false) {
		return Err(TokenizerDefect::NotByteLevel);
	}
	let mut keys: Vec<String> = file::keys_by_id(&model["vocab"])?
		.into_iter()
		.map(String::from)
		.collect();
	let specials = read_specials(&file["added_tokens"], &mut keys)?;
	let merges = read_merges(&model["merges"], &keys)?;
	Ok(File {
		keys,
		specials,
		merges,
	})
}

/// Ids of the added tokens, which may lie inside the vocabulary or go on from its end; all must be special.
fn read_specials(
	added: &Value,
	keys: &mut Vec<String>,
) -> core::result::Result<Vec<u32>, TokenizerDefect> {
	let wrong = TokenizerDefect::SpecialTokens;
	let mut specials = Vec::new();
	let mut names = HashSet::new();
	for row in added.as_array().ok_or(wrong)? {
		let id = row["id"].as_u64().and_then(|id| u32::try_from(id).ok());
		let id = id.filter(|id| *id < MAX_VOCAB).ok_or(wrong)?;
		let content = row["content"].as_str().ok_or(wrong)?;
		let flags = ["single_word", "lstrip", "rstrip"];
		let plain = flags
			.iter()
			.all(|flag| is_plain(&row[flag], &[json!(false)]));
		if !plain || row["special"] != json!(true) || !names.insert(content) {
			return Err(wrong);
		}
		match keys.get(id as usize) {
			Some(key) if key == content => {}
			None if keys.len() == id as usize => keys.push(content.into()),
			_ => return Err(wrong),
		}
		specials.push(id);
	}
	specials.sort_unstable();
	// A name that is also an ordinary token would have two ids.
	let ordinary = |id: &usize| specials.binary_search(&(*id as u32)).is_err();
	let clash = (0..keys.len())
		.filter(ordinary)
		.any(|id| names.contains(keys[id].as_str()));
	match clash {
		true => Err(wrong),
		false => Ok(specials),
	}
}

/// Merges as pairs of ids; written as `["a", "b"]`, or as `"a b"` in older files.
fn read_merges(
	merges: &Value,
	keys: &[String],
) -> core::result::Result<Vec<Pair>, TokenizerDefect> {
	let ids: HashMap<&str, u32> = keys.iter().map(String::as_str).zip(0..).collect();
	let mut seen = HashSet::new();
	let merges = merges.as_array().ok_or(TokenizerDefect::NotByteLevel)?;
	let pair = |(index, merge): (usize, &Value)| {
		let wrong = TokenizerDefect::Merge { index };
		let parts: Vec<&str> = match merge {
			Value::String(text) => text.split(' ').collect(),
			Value::Array(parts) => parts.iter().filter_map(Value::as_str).collect(),
			_ => return Err(wrong),
		};
		let [left, right] = parts[..] else {
			return Err(wrong);
		};
		let whole = [left, right].concat();
		let (Some(first), Some(second), Some(_)) =
			(ids.get(left), ids.get(right), ids.get(whole.as_str()))
		else {
			return Err(wrong);
		};
		match seen.insert((*first, *second)) {
			true => Ok((*first, *second)),
			false => Err(wrong),
		}
	};
	merges.iter().enumerate().map(pair).collect()
}

impl File {
	/// The bytes that each token stands for; none for special tokens.
	///
	/// # Errors
	/// - [`TokenizerDefect::NotBytes`], [`TokenizerDefect::MissingByte`]
	pub(super) fn pieces(&self) -> core::result::Result<Vec<Vec<u8>>, TokenizerDefect> {
		let byte_of = bytes_of(&symbols());
		let mut single = [false; 256];
		let mut pieces = Vec::with_capacity(self.keys.len());
		for (id, key) in (0..).zip(&self.keys) {
			if self.specials.binary_search(&id).is_ok() {
				pieces.push(Vec::new());
				continue;
			}
			let bytes = key.chars().map(|symbol| byte_of.get(&symbol).copied());
			let piece: Option<Vec<u8>> = bytes.collect();
			let piece = piece.filter(|piece| !piece.is_empty());
			let piece = piece.ok_or(TokenizerDefect::NotBytes { id })?;
			if let [byte] = piece[..] {
				single[byte as usize] = true;
			}
			pieces.push(piece);
		}
		match (0..=u8::MAX).find(|byte| !single[*byte as usize]) {
			Some(byte) => Err(TokenizerDefect::MissingByte { byte }),
			None => Ok(pieces),
		}
	}

	/// Refuses a file that [`train_byte_level`] would not have written.
	pub(super) fn check_own(&self, file: &Value) -> core::result::Result<(), TokenizerDefect> {
		file::check_own_specials(file)?;
		if self.keys.len() != FIRST_MERGE as usize + self.merges.len() {
			return Err(TokenizerDefect::Ids);
		}
		let own = own_file(&symbols(), &[]);
		if let Some(id) = (0..own.keys.len()).find(|id| self.keys[*id] != own.keys[*id]) {
			return Err(match id < SPECIALS.len() {
				true => TokenizerDefect::SpecialTokens,
				false => TokenizerDefect::NotBytes { id: id as u32 },
			});
		}
		for (index, (left, right)) in self.merges.iter().enumerate() {
			let id = FIRST_MERGE as usize + index;
			let parts = [*left, *right].map(|part| self.keys[part as usize].as_str());
			// Parts come before the whole, and specials merge with nothing.
			let ordered = [left, right]
				.iter()
				.all(|part| (SPECIALS.len()..id).contains(&(**part as usize)));
			if !ordered || self.keys[id] != parts.concat() {
				return Err(TokenizerDefect::Merge { index });
			}
		}
		Ok(())
	}
}

#[cfg(test)]
mod tests;
