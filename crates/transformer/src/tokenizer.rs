//! Text to tokens and back, by a standard `tokenizer.json`: one token a character, or byte pairs.
//!
//! Files are written by hand, in one fixed form, so that the same texts give the same bytes whatever version of a library is
//! used; they are read by the `tokenizers` crate, and so by every tool that reads such files. A chain pins the file's root.
//!
//! Reading order: here, then `characters`, `byte_level` (the two forms), `merges` (learning pairs), `file` (what they share).
//! Must not know: where texts come from.
//! Invariants: ids are 0..n; in files of ours 0 to 3 are the special tokens. Special tokens written out in a user's text are
//! text, never specials. What was checked is written anew and loaded, so that a second parser cannot read it another way.

mod byte_level;
mod characters;
mod file;
mod merges;

use serde_json::Value;

pub use byte_level::{train_byte_level, MAX_BYTE_LEVEL_VOCAB};
pub use characters::train_characters;

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

/// Which tokens mean no text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpecialTokens {
	/// Begins a text, if there is such a token.
	pub begin: Option<u32>,
	/// Ends a text, if there is such a token.
	pub end: Option<u32>,
	/// Never chosen in generation; ascending.
	pub never: Vec<u32>,
}

impl Default for SpecialTokens {
	/// Those of our own files.
	fn default() -> Self {
		Self {
			begin: Some(BOS),
			end: Some(EOS),
			never: vec![PAD, BOS, UNK],
		}
	}
}

/// A tokenizer.
#[derive(Clone, Debug)]
pub struct Tokenizer {
	inner: tokenizers::Tokenizer,
	/// The bytes of each token; none for special ones.
	pieces: Vec<Vec<u8>>,
	specials: SpecialTokens,
}

impl Tokenizer {
	/// Reads a `tokenizer.json` that [`train_characters`] or [`train_byte_level`] wrote, and refuses any other form: the file
	/// comes from a publisher whom nobody trusts, and a general one may hold patterns that take for ever.
	///
	/// # Errors
	/// - [`Error::BadTokenizer`]
	pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
		let bad = |defect| Error::BadTokenizer { defect };
		let file = parse(bytes).map_err(bad)?;
		if file["model"]["type"] == "BPE" {
			let parsed = byte_level::read(&file).map_err(bad)?;
			parsed.check_own(&file).map_err(bad)?;
			let pieces = parsed.pieces().map_err(bad)?;
			return Self::load(
				&byte_level::write(&parsed),
				pieces,
				SpecialTokens::default(),
			);
		}
		let characters = characters::read(&file).map_err(bad)?;
		let specials = SPECIALS.iter().map(|_| Vec::new());
		let pieces = characters
			.iter()
			.map(|character| character.to_string().into_bytes());
		Self::load(
			&characters::write(&characters),
			specials.chain(pieces).collect(),
			SpecialTokens::default(),
		)
	}

	/// Reads a byte-level `tokenizer.json` of others (GPT-2's and those trained like it): GPT-2's pattern, any order of ids.
	/// `begin` and `end` are the ids that the model's `config.json` names.
	///
	/// # Errors
	/// - [`Error::BadTokenizer`]
	/// - [`Error::TokenOutOfVocabulary`]: `begin` or `end` is not in the file
	pub fn from_gpt2_bytes(bytes: &[u8], begin: Option<u32>, end: Option<u32>) -> Result<Self> {
		let bad = |defect| Error::BadTokenizer { defect };
		let parsed = byte_level::read(&parse(bytes).map_err(bad)?).map_err(bad)?;
		let pieces = parsed.pieces().map_err(bad)?;
		let vocab_size = pieces.len() as u32;
		for token in [begin, end].into_iter().flatten() {
			if token >= vocab_size {
				return Err(Error::TokenOutOfVocabulary { token, vocab_size });
			}
		}
		let mut never = parsed.specials.clone();
		never.retain(|token| Some(*token) != end);
		let specials = SpecialTokens { begin, end, never };
		Self::load(&byte_level::write(&parsed), pieces, specials)
	}

	fn load(file: &[u8], pieces: Vec<Vec<u8>>, specials: SpecialTokens) -> Result<Self> {
		let mut inner =
			tokenizers::Tokenizer::from_bytes(file).map_err(|_| Error::BadTokenizer {
				defect: TokenizerDefect::Unreadable,
			})?;
		inner.set_encode_special_tokens(true);
		Ok(Self {
			inner,
			pieces,
			specials,
		})
	}

	/// Number of ids, special tokens included.
	pub fn vocab_size(&self) -> u32 {
		// At most `MAX_VOCAB` and some special tokens below it.
		self.pieces.len() as u32
	}

	/// Which tokens mean no text.
	pub fn specials(&self) -> &SpecialTokens {
		&self.specials
	}

	/// The bytes that `token` adds to a text: none for special tokens and for ids outside the vocabulary. A character may be
	/// spread over several tokens.
	pub fn piece(&self, token: u32) -> &[u8] {
		self.pieces.get(token as usize).map_or(&[], Vec::as_slice)
	}

	/// The ids of `text`; no beginning or end is added.
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

	/// Beginning of text, `text`, end of text, as far as there are such tokens.
	///
	/// # Errors
	/// - [`Error::Encoding`]
	pub fn encode_document(&self, text: &str) -> Result<Vec<u32>> {
		let mut tokens = Vec::from_iter(self.specials.begin);
		tokens.extend(self.encode(text)?);
		tokens.extend(self.specials.end);
		Ok(tokens)
	}

	/// The text of `tokens`; special tokens are left out, bytes that are not UTF-8 become U+FFFD.
	///
	/// # Errors
	/// - [`Error::TokenOutOfVocabulary`]
	/// - [`Error::Decoding`]
	pub fn decode(&self, tokens: &[u32]) -> Result<String> {
		let vocab_size = self.vocab_size();
		if let Some(token) = tokens.iter().find(|token| **token >= vocab_size) {
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

/// The file as JSON, of bounded size.
fn parse(bytes: &[u8]) -> core::result::Result<Value, TokenizerDefect> {
	if bytes.len() > MAX_BYTES {
		return Err(TokenizerDefect::TooLarge { got: bytes.len() });
	}
	serde_json::from_slice(bytes).map_err(|_| TokenizerDefect::Unreadable)
}

#[cfg(test)]
mod tests;
