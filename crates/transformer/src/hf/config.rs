//! `config.json`: an architecture in the words of `transformers`.
//!
//! Must not know: where numbers lie. Source: `GPT2Config` and its defaults.
//! Invariants: every field that changes what is computed is read, and refused if it asks for something else.

use serde_json::{json, Value};

use super::json::{self, Fields};
use super::CONFIG;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::tokenizer::SpecialTokens;

/// Tokens that begin and end a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Marks {
	pub(super) begin: Option<u32>,
	pub(super) end: Option<u32>,
}

/// The only epsilon of layer norm that the numeric specification has.
const LAYER_NORM_EPSILON: f32 = 1e-5;

/// Writes the file.
pub(super) fn write(config: &Config, specials: &SpecialTokens) -> Vec<u8> {
	let mut fields = gpt2(config);
	fields.extend([
		("bos_token_id", json!(specials.begin)),
		("eos_token_id", json!(specials.end)),
		("dtype", json!("float32")),
		("torch_dtype", json!("float32")),
		("use_cache", json!(true)),
	]);
	json::write(&fields)
}

fn gpt2(config: &Config) -> Vec<(&'static str, Value)> {
	vec![
		("architectures", json!(["GPT2LMHeadModel"])),
		("model_type", json!("gpt2")),
		("vocab_size", json!(config.vocab_size)),
		("n_positions", json!(config.context_length)),
		("n_layer", json!(config.n_layers)),
		("n_head", json!(config.n_heads)),
		("n_embd", json!(config.d_model)),
		("n_inner", json!(config.d_ff)),
		("activation_function", json!("gelu_new")),
		("layer_norm_epsilon", json::number(LAYER_NORM_EPSILON)),
		("initializer_range", json!(0.02)),
		("tie_word_embeddings", json!(true)),
		("scale_attn_weights", json!(true)),
		("resid_pdrop", json!(0.0)),
		("embd_pdrop", json!(0.0)),
		("attn_pdrop", json!(0.0)),
	]
}

/// Reads the file; the architecture is not yet validated.
///
/// # Errors
/// - [`Error::BadFile`]
pub(super) fn read(bytes: &[u8]) -> Result<(Config, Marks)> {
	let fields = Fields::read(CONFIG, bytes)?;
	let config = match fields.get("model_type").as_str() {
		Some("gpt2") => read_gpt2(&fields)?,
		_ => return Err(fields.refuse("model_type", "\"gpt2\"")),
	};
	let marks = Marks {
		begin: fields.token("bos_token_id")?,
		end: fields.token("eos_token_id")?,
	};
	for token in [marks.begin, marks.end].into_iter().flatten() {
		if token >= config.vocab_size {
			let vocab_size = config.vocab_size;
			return Err(Error::TokenOutOfVocabulary { token, vocab_size });
		}
	}
	Ok((config, marks))
}

fn read_gpt2(fields: &Fields) -> Result<Config> {
	let tanh = ["gelu_new", "gelu_pytorch_tanh"].map(Value::from);
	let name = "\"gelu_new\" or \"gelu_pytorch_tanh\"";
	fields.only("activation_function", &tanh, name)?;
	fields.only("scale_attn_weights", &[json!(true)], "true")?;
	fields.only("tie_word_embeddings", &[json!(true)], "true")?;
	let no = [json!(false)];
	fields.only("scale_attn_by_inverse_layer_idx", &no, "false")?;
	fields.only("add_cross_attention", &no, "false")?;
	if fields.real("layer_norm_epsilon", LAYER_NORM_EPSILON)? != LAYER_NORM_EPSILON {
		return Err(fields.refuse("layer_norm_epsilon", "0.00001"));
	}
	let d_model = fields.whole("n_embd", 768)?;
	Ok(Config {
		vocab_size: fields.whole("vocab_size", 50_257)?,
		context_length: fields.whole("n_positions", 1024)?,
		n_layers: fields.whole("n_layer", 12)?,
		n_heads: fields.whole("n_head", 12)?,
		d_model,
		d_ff: fields.whole("n_inner", d_model.saturating_mul(4))?,
	})
}
