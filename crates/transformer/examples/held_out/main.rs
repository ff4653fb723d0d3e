//! Held-out quality beside a plain baseline: loss per character of our model and of a modified Kneser-Ney 5-gram model.
//!
//! ```text
//! scripts/fetch-corpora.sh shakespeare FOLDER
//! cargo run --release -p corpus --example prepare -- shakespeare FOLDER --out SHARDS
//! cargo run --release -p transformer --example held_out -- SHARDS [--key value]...
//! ```
//!
//! Both see the same documents, as the same tokens (characters), learn from `shard-*.txt` and are tested on `heldout.txt`;
//! both predict every character and the end of every document. Prints nats a token, ends included. Keys, with defaults:
//!
//! | key | default | meaning |
//! |---|---|---|
//! | `steps`, `batch` | 2000, 32 | training steps, sequences a step |
//! | `context` | 256 | positions; longer documents are cut, and only our model loses sight of what was before |
//! | `layers`, `heads`, `width`, `wide` | 4, 4, 128, 512 | architecture |
//! | `rate`, `decay` | 0.002, 0.1 | highest learning rate, weight decay |
//! | `seed` | 0 | of initialisation and order |
//! | `log` | 200 | steps between two lines |
//! | `limit` | 0 | seconds after which the rest of the schedule is hurried through; 0 for none |

mod kneser_ney;

use std::collections::HashMap;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use kneser_ney::{KneserNey, MAX_ORDER};
use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};
use transformer::{
	evaluate, init, train_characters, Batch, Config, Decay, Hyper, Parameters, Schedule, Tokenizer,
	TrainState, Trainer,
};

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Stands between two documents of a shard (`docs/protocol/corpus.md`).
const SEPARATOR: char = '\u{1e}';
/// Padding and beginning are never predicted.
const NEVER_PREDICTED: u32 = 2;
const WARMUP: u32 = 100;

/// Numbers by key.
struct Options(HashMap<String, String>);

impl Options {
	fn number<T: std::str::FromStr>(&self, key: &str, default: T) -> Result<T, Failure> {
		match self.0.get(key) {
			None => Ok(default),
			Some(text) => text
				.parse()
				.map_err(|_| format!("--{key} {text}: not a number").into()),
		}
	}
}

/// The training shards' text, in the order of their names, and the held-out one's.
fn read(folder: &Path) -> Result<(Vec<String>, String), Failure> {
	let mut shards = Vec::new();
	for entry in std::fs::read_dir(folder)? {
		let path = entry?.path();
		let name = path.file_name().unwrap_or_default().to_string_lossy();
		if name.starts_with("shard-") {
			shards.push(path);
		}
	}
	shards.sort();
	let shards: Result<Vec<String>, _> = shards.iter().map(std::fs::read_to_string).collect();
	Ok((
		shards?,
		std::fs::read_to_string(folder.join("heldout.txt"))?,
	))
}

/// Pieces of at most `context` positions; each begins with the last token of the one before.
fn pieces(documents: &[Vec<u32>], context: usize) -> Vec<&[u32]> {
	let mut pieces = Vec::new();
	for document in documents {
		let mut start = 0;
		while start + 1 < document.len() {
			let end = (start + context + 1).min(document.len());
			pieces.push(&document[start..end]);
			start = end - 1;
		}
	}
	pieces
}

/// Sequences in an order that is drawn anew for each pass over them.
struct Order {
	stream: ChaCha20Rng,
	order: Vec<usize>,
	next: usize,
}

impl Order {
	fn new(length: usize, seed: u8) -> Self {
		Self {
			stream: ChaCha20Rng::from_seed([seed; 32]),
			order: (0..length).collect(),
			next: length,
		}
	}

	fn next(&mut self) -> usize {
		if self.next == self.order.len() {
			self.next = 0;
			for end in (1..self.order.len()).rev() {
				let other = self.stream.next_u64() % (end as u64 + 1);
				self.order.swap(end, other as usize);
			}
		}
		self.next += 1;
		self.order[self.next - 1]
	}
}

/// Trains a model, with lines on the way; gives it.
fn train(
	options: &Options,
	config: Config,
	training: &[&[u32]],
	held_out: &[Batch],
) -> Result<Parameters, Failure> {
	let (mut steps, batch) = (
		options.number("steps", 2000_u32)?,
		options.number("batch", 32_usize)?,
	);
	let (log, limit) = (
		options.number("log", 200_u32)?.max(1),
		options.number("limit", 0_u64)?,
	);
	let seed = options.number("seed", 0_u8)?;
	let mut order = Order::new(training.len(), seed);
	let mut trainer = Trainer::new(TrainState::new(init(config, [seed; 32])?))?;
	let clock = Instant::now();
	let (mut sum, mut tokens, mut step) = (0.0, 0, 0);
	while step < steps {
		let chosen: Vec<&[u32]> = (0..batch).map(|_| training[order.next()]).collect();
		let hyper = Hyper {
			learning_rate: options.number("rate", 2e-3)?,
			weight_decay: options.number("decay", 0.1)?,
			schedule: Schedule {
				offset: 0,
				warmup_steps: WARMUP,
				decay: Decay::Cosine {
					total_steps: steps,
					final_fraction: 0.05,
				},
			},
			..Hyper::default()
		};
		let report = trainer.train_step(&Batch::new(&chosen)?, &hyper)?;
		step += 1;
		sum += f64::from(report.loss);
		tokens += report.tokens;
		let seconds = clock.elapsed().as_secs();
		if limit > 0 && seconds > limit && steps > step + step / 10 {
			// A tenth more, over which the rate falls.
			steps = step + step / 10;
			println!("step {step:6}  time is up: {steps} steps in all");
		}
		if step % log == 0 || step == steps {
			let loss = evaluate(&trainer.state().parameters, held_out)?.loss;
			println!(
				"step {step:6}  training {:.4}  held out {loss:.4}  {:.0} tokens/s  {seconds} s",
				sum / f64::from((step - 1) % log + 1),
				tokens as f64 / clock.elapsed().as_secs_f64(),
			);
			sum = 0.0;
		}
	}
	Ok(trainer.into_state().parameters)
}

fn run() -> Result<(), Failure> {
	let mut arguments = std::env::args().skip(1);
	let folder = arguments
		.next()
		.ok_or("give a folder of shards first; `prepare` of the corpus crate writes one")?;
	let mut options = Options(HashMap::new());
	while let Some(key) = arguments.next() {
		let name = key.strip_prefix("--").ok_or("expected --key value")?;
		let value = arguments.next().ok_or("expected --key value")?;
		options.0.insert(name.into(), value);
	}
	let (shards, held_out) = read(Path::new(&folder))?;
	let training: Vec<&str> = shards.iter().flat_map(|s| s.split(SEPARATOR)).collect();
	let held_out: Vec<&str> = held_out.split(SEPARATOR).collect();
	let tokenizer = Tokenizer::from_bytes(&train_characters(&training, 1 << 14)?)?;
	let encode = |documents: &[&str]| {
		let documents = documents.iter();
		documents
			.map(|document| tokenizer.encode_document(document))
			.collect::<transformer::Result<Vec<Vec<u32>>>>()
	};
	let (training, held_out) = (encode(&training)?, encode(&held_out)?);
	let vocab_size = tokenizer.vocab_size();
	let characters = |documents: &[Vec<u32>]| documents.iter().map(Vec::len).sum::<usize>();
	println!(
		"vocabulary {vocab_size}; training {} documents, {} tokens; held out {}, {}",
		training.len(),
		characters(&training),
		held_out.len(),
		characters(&held_out),
	);
	let baseline = KneserNey::new(&training, MAX_ORDER, vocab_size - NEVER_PREDICTED);
	let (sum, tokens) = baseline.loss(&held_out);
	let baseline = sum / tokens as f64;
	println!("modified Kneser-Ney, {MAX_ORDER} tokens: {baseline:.4} nats a token over {tokens}");

	let config = Config::from_array([
		vocab_size,
		options.number("context", 256)?,
		options.number("layers", 4)?,
		options.number("heads", 4)?,
		options.number("width", 128)?,
		options.number("wide", 512)?,
	]);
	let context = config.context_length as usize;
	let batches: transformer::Result<Vec<Batch>> = pieces(&held_out, context)
		.chunks(64)
		.map(Batch::new)
		.collect();
	let batches = batches?;
	println!("{config:?}, {} parameters", config.n_parameters()?);
	let model = train(&options, config, &pieces(&training, context), &batches)?;
	let ours = evaluate(&model, &batches)?;
	println!("model: {:.4} nats a token over {}", ours.loss, ours.tokens);
	let difference = baseline - f64::from(ours.loss);
	println!("the model is {difference:+.4} nats a token better than the baseline");
	match ours.tokens == tokens {
		true => Ok(()),
		false => Err(format!("{tokens} tokens against {}", ours.tokens).into()),
	}
}

fn main() -> ExitCode {
	match run() {
		Ok(()) => ExitCode::SUCCESS,
		Err(error) => {
			eprintln!("held_out: {error}");
			ExitCode::FAILURE
		}
	}
}
