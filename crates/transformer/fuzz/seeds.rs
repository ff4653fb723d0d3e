//! Writes the files that fuzzing starts from into `seeds/`, one folder a target.
//!
//! ```text
//! cargo run --bin seeds
//! ```

use std::path::Path;

use serde_json::{json, Value};
use transformer::{hf, init, train_byte_level, train_characters, Config, Sampling, Tokenizer};

type Failure = Box<dyn std::error::Error + Send + Sync>;

const SAMPLING: Sampling = Sampling {
	temperature_milli: 800,
	top_k: 50,
	top_p_milli: 950,
	max_tokens: 16,
};

fn write(target: &str, name: &str, bytes: &[u8]) -> Result<(), Failure> {
	let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
		.join("seeds")
		.join(target);
	std::fs::create_dir_all(&folder)?;
	Ok(std::fs::write(folder.join(name), bytes)?)
}

/// The container of the target's architecture: one character beside the special tokens.
fn container() -> Result<hf::Folder, Failure> {
	let tokenizer = train_characters(&["a"], 5)?;
	// Positions, layers, heads, width, width of the feed-forward layer.
	let config = Config::from_array([
		Tokenizer::from_bytes(&tokenizer)?.vocab_size(),
		2,
		1,
		1,
		2,
		2,
	]);
	let parameters = init(config, [0; 32])?;
	Ok(hf::export(
		&parameters,
		&tokenizer,
		&SAMPLING,
		&hf::Card::default(),
	)?)
}

/// A byte-level file in the order of GPT-2: no special token before the bytes.
fn gpt2(own: &[u8]) -> Result<Vec<u8>, Failure> {
	let mut file: Value = serde_json::from_slice(own)?;
	let keys = file["model"]["vocab"].as_object().ok_or("no vocabulary")?;
	let ids = keys
		.iter()
		.filter_map(|(key, id)| Some((key, id.as_u64()?.checked_sub(4)?)));
	let vocabulary: serde_json::Map<String, Value> =
		ids.map(|(key, id)| (key.clone(), json!(id))).collect();
	file["model"]["vocab"] = Value::Object(vocabulary);
	file["added_tokens"] = json!([]);
	Ok(file.to_string().into_bytes())
}

fn main() -> Result<(), Failure> {
	let folder = container()?;
	write("safetensors", "whole", &folder[hf::MODEL])?;
	write("safetensors", "cut", &folder[hf::MODEL][..900])?;
	write("safetensors", "empty", b"\x02\0\0\0\0\0\0\0{}")?;
	write("config", "gpt2.json", &folder[hf::CONFIG])?;
	write(
		"config",
		"short.json",
		br#"{"model_type":"gpt2","n_layer":1,"n_inner":null,"eos_token_id":[2]}"#,
	)?;
	write("tokenizer", "characters.json", &folder[hf::TOKENIZER])?;
	let bytes = train_byte_level(&["abab abab"], 262)?;
	write("tokenizer", "bytes.json", &bytes)?;
	write("tokenizer", "gpt2.json", &gpt2(&bytes)?)
}
