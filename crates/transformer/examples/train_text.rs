//! Trains a small model on a text file and writes a few lines with it.
//!
//! ```text
//! cargo run --release -p transformer --example train_text -- FILE [--key value]...
//! ```
//!
//! Documents are separated by blank lines, or are single lines if the file has no blank line. One in twenty is held out.
//! Prints the loss (nats a token) and tokens a second. Keys, with their defaults:
//!
//! | key | default | meaning |
//! |---|---|---|
//! | `steps` | 300 | training steps |
//! | `batch` | 32 | documents a step |
//! | `context` | 40 | positions; longer documents are cut into pieces |
//! | `vocab` | 4096 | tokens, four special ones included |
//! | `layers`, `heads`, `width`, `wide` | 2, 4, 96, 384 | architecture (`width` is d_model, `wide` is d_ff) |
//! | `rate` | 0.003 | learning rate, after 20 steps of warm-up down a cosine to a tenth |
//! | `threads` | all | threads; the result does not depend on it |
//! | `kernel` | best | `avx512`, `avx2` or `scalar`; the result does not depend on it |
//! | `seed` | 0 | seed of everything |
//! | `log` | 20 | steps between two lines of output |

use std::collections::HashMap;
use std::process::ExitCode;
use std::time::Instant;

use transformer::{
	evaluate, generate, init, train_characters, Batch, Config, Decay, Hyper, Kernel, Sampling,
	Schedule, Tokenizer, TrainState, Trainer,
};

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The command line: a path and numbers by key.
struct Options {
	path: String,
	values: HashMap<String, String>,
}

impl Options {
	fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, Failure> {
		let path = arguments
			.next()
			.ok_or("give a UTF-8 text file as first argument")?;
		let mut values = HashMap::new();
		while let Some(key) = arguments.next() {
			let name = key
				.strip_prefix("--")
				.ok_or_else(|| format!("{key}: expected --key"))?;
			let value = arguments
				.next()
				.ok_or_else(|| format!("{key} wants a value"))?;
			values.insert(name.to_string(), value);
		}
		Ok(Self { path, values })
	}

	fn number<T: std::str::FromStr>(&self, key: &str, default: T) -> Result<T, Failure> {
		match self.values.get(key) {
			None => Ok(default),
			Some(text) => text
				.parse()
				.map_err(|_| format!("--{key} {text}: not a number").into()),
		}
	}

	fn kernel(&self) -> Result<Kernel, Failure> {
		match self.values.get("kernel").map(String::as_str) {
			None | Some("best") => Ok(Kernel::detect()),
			Some("avx512") => Ok(Kernel::Avx512),
			Some("avx2") => Ok(Kernel::Avx2),
			Some("scalar") => Ok(Kernel::Scalar),
			Some(other) => Err(format!("--kernel {other}: avx512, avx2 or scalar").into()),
		}
	}
}

/// Documents of a text.
fn documents(text: &str) -> Vec<&str> {
	let separator = if text.contains("\n\n") { "\n\n" } else { "\n" };
	text.split(separator)
		.map(str::trim)
		.filter(|document| !document.is_empty())
		.collect()
}

/// Token sequences of at most `context` positions.
fn sequences(
	tokenizer: &Tokenizer,
	documents: &[&str],
	context: usize,
) -> Result<Vec<Vec<u32>>, Failure> {
	let mut sequences = Vec::new();
	for document in documents {
		let tokens = tokenizer.encode_document(document)?;
		let mut start = 0;
		// Each piece begins with the last token of the one before, which it predicts from.
		while start + 1 < tokens.len() {
			let end = (start + context + 1).min(tokens.len());
			sequences.push(tokens[start..end].to_vec());
			start = end - 1;
		}
	}
	Ok(sequences)
}

/// A permutation that anyone can recompute: multiplication by a number prime to the length.
fn pick(step: usize, slot: usize, batch: usize, length: usize) -> usize {
	let stride = (length / 2 + 1..)
		.find(|n| gcd(*n, length) == 1)
		.unwrap_or(1);
	(step * batch + slot) * stride % length
}

fn gcd(a: usize, b: usize) -> usize {
	if b == 0 {
		a
	} else {
		gcd(b, a % b)
	}
}

fn run() -> Result<(), Failure> {
	let options = Options::parse(std::env::args().skip(1))?;
	let text = std::fs::read_to_string(&options.path)?;
	let documents = documents(&text);
	let tokenizer_file = train_characters(&documents, options.number("vocab", 4096)?)?;
	let tokenizer = Tokenizer::from_bytes(&tokenizer_file)?;
	let config = Config {
		vocab_size: tokenizer.vocab_size(),
		context_length: options.number("context", 40)?,
		n_layers: options.number("layers", 2)?,
		n_heads: options.number("heads", 4)?,
		d_model: options.number("width", 96)?,
		d_ff: options.number("wide", 384)?,
	};
	let all = sequences(&tokenizer, &documents, config.context_length as usize)?;
	let (held_out, training): (Vec<_>, Vec<_>) = all
		.into_iter()
		.enumerate()
		.partition(|(index, _)| index % 20 == 19);
	let training: Vec<_> = training.into_iter().map(|(_, sequence)| sequence).collect();
	let held_out: Vec<_> = held_out
		.into_iter()
		.map(|(_, sequence)| sequence)
		.take(512)
		.collect();
	let (steps, batch) = (
		options.number("steps", 300_u32)?,
		options.number("batch", 32_usize)?,
	);
	let log = options.number("log", 20_u32)?.max(1);
	let held_out: Vec<Batch> = held_out
		.chunks(64)
		.map(Batch::new)
		.collect::<transformer::Result<_>>()?;
	let hyper = Hyper {
		learning_rate: options.number("rate", 3e-3)?,
		schedule: Schedule {
			offset: 0,
			warmup_steps: 20,
			decay: Decay::Cosine {
				total_steps: steps,
				final_fraction: 0.1,
			},
		},
		..Hyper::default()
	};
	let seed = [options.number("seed", 0_u8)?; 32];
	let parameters = init(config, seed)?;
	println!(
		"{} documents, {} sequences, vocabulary {}, {} parameters, {:?} kernel, {} threads",
		documents.len(),
		training.len(),
		config.vocab_size,
		parameters.as_slice().len(),
		options.kernel()?,
		rayon::current_num_threads(),
	);
	let mut trainer = Trainer::new(TrainState::new(parameters))?.with_kernel(options.kernel()?)?;
	let (mut tokens, mut clock) = (0, Instant::now());
	for step in 0..steps {
		let slots = 0..batch;
		let chosen: Vec<&[u32]> = slots
			.map(|slot| &*training[pick(step as usize, slot, batch, training.len())])
			.collect();
		let report = trainer.train_step(&Batch::new(&chosen)?, &hyper)?;
		tokens += report.tokens;
		if (step + 1) % log == 0 || step + 1 == steps {
			let seconds = clock.elapsed().as_secs_f64();
			let held_out = match held_out.is_empty() {
				true => f32::NAN,
				false => evaluate(&trainer.state().parameters, &held_out)?.loss,
			};
			println!(
				"step {:5}  loss {:.4}  held out {:.4}  norm {:.2}  rate {:.5}  {:.0} tokens/s",
				step + 1,
				report.loss,
				held_out,
				report.gradient_norm,
				report.learning_rate,
				tokens as f64 / seconds,
			);
			(tokens, clock) = (0, Instant::now());
		}
	}
	let sampling = Sampling {
		temperature_milli: 800,
		top_k: 50,
		top_p_milli: 950,
		max_tokens: 200,
	};
	for number in 0..3 {
		let prompt = [transformer::tokenizer::BOS];
		let parameters = &trainer.state().parameters;
		let written = generate(parameters, &prompt, &sampling, [number; 32], &mut |_| {})?;
		println!("---\n{}", tokenizer.decode(&written)?);
	}
	Ok(())
}

fn main() -> ExitCode {
	let threads = Options::parse(std::env::args().skip(1))
		.and_then(|options| options.number("threads", 0_usize));
	let result = threads.and_then(|threads| {
		// 0 threads means all.
		let pool = rayon::ThreadPoolBuilder::new()
			.num_threads(threads)
			.build()?;
		pool.install(run)
	});
	match result {
		Ok(()) => ExitCode::SUCCESS,
		Err(error) => {
			eprintln!("{error}");
			ExitCode::FAILURE
		}
	}
}
