//! Our side of `scripts/hf/check.sh`: writes a trained model as a Hugging Face folder, or reads one, and tells what it computes.
//!
//! ```text
//! cargo run --release -p transformer --example hugging_face -- export bytes|characters FOLDER
//! cargo run --release -p transformer --example hugging_face -- import FOLDER
//! ```
//!
//! `export` learns a tokenizer and a small model from the source of this file and writes the folder whole or not at all.
//! `import` reads a folder and the token lists in its `prompts.json`.
//! Both print a JSON list: for each prompt its tokens, the logits after each of them, and how the model goes on greedily.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use transformer::{
	generate, hf, init, logits, train_byte_level, train_characters, Batch, Config, Hyper,
	Parameters, Sampling, Tokenizer, TrainState, Trainer,
};

type Failure = Box<dyn std::error::Error + Send + Sync>;

const TEXT: &str = include_str!("hugging_face.rs");
const PROMPTS: [&str; 3] = ["", "use transformer::{", "// a comment, 'twas — café 月"];
const STEPS: usize = 150;
const GREEDY: Sampling = Sampling {
	temperature_milli: 0,
	top_k: 0,
	top_p_milli: 1000,
	max_tokens: 24,
};

/// A small model of this file.
fn train(tokenizer: &Tokenizer) -> Result<Parameters, Failure> {
	// Positions, layers, heads, width, width of the feed-forward layer.
	let config = Config::from_array([tokenizer.vocab_size(), 64, 3, 4, 48, 96]);
	let tokens = tokenizer.encode_document(TEXT)?;
	let pieces: Vec<&[u32]> = tokens.chunks(65).filter(|piece| piece.len() > 1).collect();
	let mut trainer = Trainer::new(TrainState::new(init(config, [7; 32])?))?;
	for step in 0..STEPS {
		let chosen = (0..8).map(|slot| pieces[(step * 8 + slot) * 31 % pieces.len()]);
		let batch = Batch::new(&chosen.collect::<Vec<_>>())?;
		trainer.train_step(&batch, &Hyper::default())?;
	}
	Ok(trainer.into_state().parameters)
}

/// What the model computes for each prompt, as JSON.
fn report(parameters: &Parameters, prompts: &[Vec<u32>]) -> Result<String, Failure> {
	let mut rows = Vec::new();
	for prompt in prompts {
		let logits = logits(parameters, prompt)?;
		let logits: Vec<Vec<f32>> = logits.rows().into_iter().map(|row| row.to_vec()).collect();
		let greedy = generate(parameters, prompt, &GREEDY, [0; 32], &mut |_| {})?;
		rows.push(serde_json::json!({ "tokens": prompt, "logits": logits, "greedy": greedy }));
	}
	Ok(serde_json::Value::from(rows).to_string())
}

/// Writes all files beside `folder`, then gives the whole its name.
fn write(folder: &Path, files: &hf::Folder) -> Result<(), Failure> {
	let mut beside = folder.as_os_str().to_owned();
	beside.push(".part");
	let beside = PathBuf::from(beside);
	if beside.exists() {
		std::fs::remove_dir_all(&beside)?;
	}
	std::fs::create_dir_all(&beside)?;
	for (name, bytes) in files {
		std::fs::write(beside.join(name), bytes)?;
	}
	std::fs::rename(&beside, folder)?;
	Ok(())
}

fn export(kind: &str, folder: &Path) -> Result<String, Failure> {
	let file = match kind {
		"bytes" => train_byte_level(&[TEXT], 400)?,
		"characters" => train_characters(&[TEXT], 400)?,
		other => return Err(format!("{other}: bytes or characters").into()),
	};
	let tokenizer = Tokenizer::from_bytes(&file)?;
	let parameters = train(&tokenizer)?;
	let card = hf::Card {
		name: "A model of its own source".into(),
		licence: "apache-2.0".into(),
		..hf::Card::default()
	};
	write(folder, &hf::export(&parameters, &file, &GREEDY, &card)?)?;
	let mut prompts = Vec::new();
	for text in PROMPTS {
		let mut prompt = tokenizer.encode_document(text)?;
		// Without the end of text, so that the model goes on.
		prompt.pop();
		prompts.push(prompt);
	}
	report(&parameters, &prompts)
}

fn import(folder: &Path) -> Result<String, Failure> {
	let mut files = hf::Folder::new();
	for name in [hf::CONFIG, hf::MODEL, hf::TOKENIZER] {
		let path = folder.join(name);
		if path.exists() {
			files.insert(name.into(), std::fs::read(path)?);
		}
	}
	let imported = hf::import(&files)?;
	let prompts = std::fs::read(folder.join("prompts.json"))?;
	let prompts: Vec<Vec<u32>> = serde_json::from_slice(&prompts)?;
	report(&imported.parameters, &prompts)
}

fn run() -> Result<String, Failure> {
	let arguments: Vec<String> = std::env::args().skip(1).collect();
	let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
	match arguments[..] {
		["export", kind, folder] => export(kind, Path::new(folder)),
		["import", folder] => import(Path::new(folder)),
		_ => Err("usage: hugging_face export bytes|characters FOLDER, or import FOLDER".into()),
	}
}

fn main() -> ExitCode {
	match run() {
		Ok(report) => {
			println!("{report}");
			ExitCode::SUCCESS
		}
		Err(error) => {
			eprintln!("hugging_face: {error}");
			ExitCode::FAILURE
		}
	}
}
