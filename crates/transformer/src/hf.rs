//! The Hugging Face layout of a model, in and out: a folder that `transformers` and its kin load.
//!
//! Reading order: here, then `config` (`config.json`), `tensors` (whose number is where), `safetensors` (the container),
//! `card` (what stands around the numbers), `json`.
//! Must not know: files. A folder is names and bytes, so that whoever writes it can write it whole or not at all.
//! Source: the safetensors format; `GPT2Config` and `LlamaConfig` of `transformers`; Radford et al. 2019.
//! Invariants: the same model gives the same bytes; what comes in is checked before it is used, and errors name file,
//! tensor and values; a model that would compute something else here is refused, never approximated.

mod card;
mod config;
mod json;
mod safetensors;
mod tensors;

use std::collections::BTreeMap;

pub use card::Card;

use crate::error::{Error, FileDefect, Result};
use crate::parameters::Parameters;
use crate::sampling::Sampling;
use crate::tokenizer::{SpecialTokens, Tokenizer, MAX_BYTES};
use config::Marks;

/// Architecture.
pub const CONFIG: &str = "config.json";
/// Numbers.
pub const MODEL: &str = "model.safetensors";
/// Vocabulary.
pub const TOKENIZER: &str = "tokenizer.json";
/// How `transformers` wraps the vocabulary.
pub const TOKENIZER_CONFIG: &str = "tokenizer_config.json";
/// Special tokens by rôle.
pub const SPECIAL_TOKENS_MAP: &str = "special_tokens_map.json";
/// How tokens are drawn by default.
pub const GENERATION_CONFIG: &str = "generation_config.json";
/// The model card.
pub const README: &str = "README.md";

/// Files by name.
pub type Folder = BTreeMap<String, Vec<u8>>;

/// A model that came from a folder.
#[derive(Clone, Debug)]
pub struct Imported {
	/// The model.
	pub parameters: Parameters,
	/// Its tokenizer, if the folder holds one.
	pub tokenizer: Option<Tokenizer>,
	/// Begins a text, if the configuration names such a token.
	pub begin: Option<u32>,
	/// Ends a text, if the configuration names such a token.
	pub end: Option<u32>,
}

/// Writes a model as a folder. `tokenizer` is the `tokenizer.json`, `sampling` becomes the folder's default.
///
/// # Errors
/// - [`Error::BadTokenizer`], [`Error::VocabularyMismatch`]
/// - [`Error::SamplingOutOfRange`]
///
/// ```
/// use transformer::{hf, init, train_byte_level, Config, Sampling, Tokenizer};
///
/// let file = train_byte_level(&["to be or not to be"], 270)?;
/// // V, T, L, H, C, F
/// let vocab_size = Tokenizer::from_bytes(&file)?.vocab_size();
/// let config = Config::from_array([vocab_size, 16, 1, 2, 8, 16]);
/// let parameters = init(config, [0; 32])?;
/// let sampling = Sampling { temperature_milli: 800, top_k: 50, top_p_milli: 950, max_tokens: 64 };
/// let folder = hf::export(&parameters, &file, &sampling, &hf::Card::default())?;
/// assert!(folder.contains_key(hf::MODEL));
/// let back = hf::import(&folder)?;
/// assert_eq!(back.parameters, parameters);
/// # Ok::<(), transformer::Error>(())
/// ```
pub fn export(
	parameters: &Parameters,
	tokenizer: &[u8],
	sampling: &Sampling,
	card: &Card,
) -> Result<Folder> {
	let read = Tokenizer::from_bytes(tokenizer)?;
	check_vocabulary(&read, parameters)?;
	sampling.validate()?;
	let config = parameters.config();
	let specials = read.specials();
	let files = [
		(CONFIG, config::write(config, specials)),
		(MODEL, tensors::write(parameters)),
		(TOKENIZER, tokenizer.to_vec()),
		(TOKENIZER_CONFIG, card::tokenizer_config(config)),
		(SPECIAL_TOKENS_MAP, card::special_tokens_map()),
		(
			GENERATION_CONFIG,
			card::generation_config(sampling, specials),
		),
		(README, card.write(parameters)),
	];
	Ok(files
		.into_iter()
		.map(|(name, bytes)| (name.to_string(), bytes))
		.collect())
}

/// Reads a model from a folder of ours or of `transformers`: `GPT2LMHeadModel` or `LlamaForCausalLM`, f32, or f16 and bf16
/// (which widen exactly). Needs [`CONFIG`] and [`MODEL`], reads [`TOKENIZER`] if it is there, and looks at nothing else.
///
/// # Errors
/// - [`Error::BadFile`]: a file is missing, too large, damaged, or asks for another computation
/// - as [`crate::Config::validate`]
/// - [`Error::BadTokenizer`]: leave the file out to import the numbers alone
/// - [`Error::VocabularyMismatch`], [`Error::TokenOutOfVocabulary`]
pub fn import(folder: &Folder) -> Result<Imported> {
	let (config, marks) = config::read(file(folder, CONFIG)?)?;
	let Marks { begin, end } = marks;
	let parameters = tensors::read(config, file(folder, MODEL)?)?;
	let tokenizer = match folder.get(TOKENIZER) {
		None => None,
		Some(bytes) => Some(read_tokenizer(bytes, marks)?),
	};
	if let Some(tokenizer) = &tokenizer {
		check_vocabulary(tokenizer, &parameters)?;
	}
	Ok(Imported {
		parameters,
		tokenizer,
		begin,
		end,
	})
}

/// A tokenizer of ours; else one in GPT-2's form.
fn read_tokenizer(bytes: &[u8], Marks { begin, end }: Marks) -> Result<Tokenizer> {
	let own = SpecialTokens::default();
	match Tokenizer::from_bytes(bytes) {
		Ok(tokenizer) if (begin, end) == (own.begin, own.end) => Ok(tokenizer),
		Err(error) if bytes.len() > MAX_BYTES => Err(error),
		_ => Tokenizer::from_gpt2_bytes(bytes, begin, end),
	}
}

fn check_vocabulary(tokenizer: &Tokenizer, parameters: &Parameters) -> Result<()> {
	let (got, model) = (tokenizer.vocab_size(), parameters.config().vocab_size);
	match got == model {
		true => Ok(()),
		false => Err(Error::VocabularyMismatch {
			tokenizer: got,
			model,
		}),
	}
}

fn file<'a>(folder: &'a Folder, name: &'static str) -> Result<&'a [u8]> {
	let found = folder.get(name).map(Vec::as_slice);
	found.ok_or(Error::BadFile {
		file: name,
		defect: FileDefect::Missing,
	})
}

#[cfg(test)]
mod tests;
