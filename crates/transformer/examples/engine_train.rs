//! Training and decoding speed of the configurations S, M and L, and the run of S on a text: our side of
//! `cargo xtask bench engine`.
//!
//! ```text
//! cargo run --release -p transformer --example engine_train -- files  --config S --steps 25 --dir DIR
//! cargo run --release -p transformer --example engine_train -- speed  --config S --steps 25 --dir DIR
//! cargo run --release -p transformer --example engine_train -- decode --config L --steps 32
//! cargo run --release -p transformer --example engine_train -- text   --config S --steps 2000 --text FILE
//! ```
//!
//! `files` writes initial parameters (`init.f32`, the flat vector), batches (`batches.u32`) and `config.json`, which peers
//! read too; `speed` trains on them. `--threads N` chooses the threads, `--micro N` the micro-batches, `--rate R` the learning
//! rate (0.001). Every command prints one JSON object.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use rand_chacha::ChaCha8Rng;
use rand_core::{RngCore, SeedableRng};
use transformer::{
	evaluate, generate, init, probe, Batch, Config, Decay, Hyper, Kernel, Sampling, Schedule,
	TrainState, Trainer,
};

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// A configuration and its batches.
#[derive(Clone, Copy)]
struct Setting {
	/// V, T, L, H, C, F
	sizes: [u32; 6],
	/// Sequences a batch.
	batch: usize,
	/// Positions a sequence.
	length: usize,
	beta2: f32,
}

/// The configurations of the bench: a small character model, a larger one, and GPT-2 of 124 million parameters.
fn setting(name: &str) -> Result<Setting, Failure> {
	let (sizes, batch, length, beta2) = match name {
		"S" => ([65, 64, 4, 4, 128, 512], 12, 64, 0.99),
		"M" => ([65, 256, 6, 6, 384, 1536], 16, 256, 0.99),
		"L" => ([50_257, 1024, 12, 12, 768, 3072], 4, 64, 0.95),
		other => return Err(format!("{other}: S, M or L").into()),
	};
	Ok(Setting {
		sizes,
		batch,
		length,
		beta2,
	})
}

/// The command line.
struct Options {
	command: String,
	name: String,
	setting: Setting,
	steps: usize,
	threads: usize,
	micro: usize,
	rate: f32,
	dir: PathBuf,
	text: Option<PathBuf>,
}

impl Options {
	fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, Failure> {
		let command = arguments.next().ok_or("files, speed, decode or text")?;
		let mut options = Self {
			command,
			name: "S".into(),
			setting: setting("S")?,
			steps: 25,
			threads: 0,
			micro: 1,
			rate: 1e-3,
			dir: PathBuf::from("run/bench-engine"),
			text: None,
		};
		while let Some(key) = arguments.next() {
			let value = arguments
				.next()
				.ok_or_else(|| format!("{key} wants a value"))?;
			match key.as_str() {
				"--config" => {
					options.setting = setting(&value)?;
					options.name = value;
				}
				"--steps" => options.steps = value.parse()?,
				"--threads" => options.threads = value.parse()?,
				"--micro" => options.micro = value.parse()?,
				"--rate" => options.rate = value.parse()?,
				"--dir" => options.dir = value.into(),
				"--text" => options.text = Some(value.into()),
				_ => return Err(format!("{key}: unknown").into()),
			}
		}
		Ok(options)
	}

	fn config(&self) -> Config {
		Config::from_array(self.setting.sizes)
	}
}

/// Largest resident memory of this process so far, in MiB.
fn peak_mib() -> f64 {
	std::fs::read_to_string("/proc/self/status")
		.unwrap_or_default()
		.lines()
		.find_map(|line| line.strip_prefix("VmHWM:"))
		.and_then(|rest| rest.split_whitespace().next()?.parse::<f64>().ok())
		.map_or(f64::NAN, |kib| kib / 1024.0)
}

fn write_numbers<T: Copy>(
	path: &Path,
	numbers: &[T],
	bytes: fn(T) -> [u8; 4],
) -> std::io::Result<()> {
	let bytes: Vec<u8> = numbers.iter().flat_map(|number| bytes(*number)).collect();
	std::fs::write(path, bytes)
}

fn read_numbers<T>(path: &Path, number: fn([u8; 4]) -> T) -> std::io::Result<Vec<T>> {
	let bytes = std::fs::read(path)?;
	Ok(bytes
		.as_chunks::<4>()
		.0
		.iter()
		.map(|bytes| number(*bytes))
		.collect())
}

/// Writes what all contenders start from.
fn files(options: &Options) -> Result<String, Failure> {
	std::fs::create_dir_all(&options.dir)?;
	let Setting {
		sizes,
		batch,
		length,
		beta2,
	} = options.setting;
	let parameters = init(options.config(), [1; 32])?;
	write_numbers(
		&options.dir.join("init.f32"),
		parameters.as_slice(),
		f32::to_le_bytes,
	)?;
	let mut random = ChaCha8Rng::from_seed([2; 32]);
	let tokens: Vec<u32> = (0..options.steps * batch * (length + 1))
		.map(|_| random.next_u32() % sizes[0])
		.collect();
	write_numbers(&options.dir.join("batches.u32"), &tokens, u32::to_le_bytes)?;
	let [v, t, l, h, c, f] = sizes;
	let json = format!(
		"{{\"name\": \"{}\", \"vocab_size\": {v}, \"context_length\": {t}, \"n_layers\": {l}, \"n_heads\": {h}, \
		 \"d_model\": {c}, \"d_ff\": {f}, \"batch\": {batch}, \"length\": {length}, \"steps\": {}, \"beta2\": {beta2}}}",
		options.name, options.steps,
	);
	std::fs::write(options.dir.join("config.json"), &json)?;
	Ok(json)
}

fn hyper(options: &Options, schedule: Schedule) -> Hyper {
	Hyper {
		learning_rate: options.rate,
		beta2: options.setting.beta2,
		schedule,
		..Hyper::default()
	}
}

/// Trains on the files; losses and seconds of every step.
fn speed(options: &Options) -> Result<String, Failure> {
	let Setting { batch, length, .. } = options.setting;
	let values = read_numbers(&options.dir.join("init.f32"), f32::from_le_bytes)?;
	let tokens = read_numbers(&options.dir.join("batches.u32"), u32::from_le_bytes)?;
	let parameters = transformer::Parameters::from_vec(options.config(), values)?;
	let mut trainer =
		Trainer::new(TrainState::new(parameters))?.with_micro_batches(options.micro)?;
	let constant = Schedule {
		offset: 0,
		warmup_steps: 0,
		decay: Decay::Constant,
	};
	let hyper = hyper(options, constant);
	let (mut losses, mut seconds) = (Vec::new(), Vec::new());
	for tokens in tokens
		.chunks_exact(batch * (length + 1))
		.take(options.steps)
	{
		let sequences: Vec<&[u32]> = tokens.chunks_exact(length + 1).collect();
		let clock = Instant::now();
		let report = trainer.train_step(&Batch::new(&sequences)?, &hyper)?;
		seconds.push(clock.elapsed().as_secs_f64());
		losses.push(f64::from(report.loss));
	}
	Ok(format!(
		"{{\"losses\": {losses:?}, \"seconds\": {seconds:?}, \"peak_mib\": {:.1}, \"tokens\": {}}}",
		peak_mib(),
		batch * length
	))
}

/// Reads a short prompt and decodes one stream; bytes of parameters a second beside the streaming rate of the same run.
fn decode(options: &Options) -> Result<String, Failure> {
	let kernel = Kernel::detect();
	let parameters = init(options.config(), [1; 32])?;
	let streaming = {
		let data = vec![1.0_f32; 1 << 27];
		let rate = |_| {
			let clock = Instant::now();
			std::hint::black_box(probe::read(kernel, &data));
			4.0 * data.len() as f64 / clock.elapsed().as_secs_f64() / 1e9
		};
		(0..7).map(rate).fold(0.0, f64::max)
	};
	// Every parameter but those of positions is read once a token.
	let [v, t, _, _, c, _] = options.setting.sizes;
	let bytes = 4.0 * (parameters.as_slice().len() as f64 - f64::from(t) * f64::from(c));
	let sampling = Sampling {
		temperature_milli: 1000,
		top_k: 1,
		top_p_milli: 1000,
		max_tokens: options.steps as u32,
	};
	let (mut last, mut seconds) = (Instant::now(), Vec::new());
	let tokens = generate(&parameters, &[4 % v], &sampling, [3; 32], &mut |_| {
		seconds.push(last.elapsed().as_secs_f64());
		last = Instant::now();
	})?;
	// The first token pays for everything that is made once.
	let seconds = &mut seconds[1..];
	seconds.sort_unstable_by(f64::total_cmp);
	let median = seconds.get(seconds.len() / 2).copied().unwrap_or(f64::NAN);
	Ok(format!(
		"{{\"tokens\": {}, \"seconds_a_token\": {median}, \"bytes_a_second\": {}, \"streaming\": {}, \"peak_mib\": {:.1}}}",
		tokens.len(),
		bytes / median,
		streaming * 1e9,
		peak_mib()
	))
}

/// nanoGPT's character recipe: random windows of the first 90 %; loss over all windows of the rest.
fn text(options: &Options) -> Result<String, Failure> {
	let Setting {
		sizes,
		batch,
		length,
		..
	} = options.setting;
	let path = options.text.as_ref().ok_or("--text FILE is wanted")?;
	let text = std::fs::read_to_string(path)?;
	let mut alphabet: Vec<char> = text.chars().collect();
	alphabet.sort_unstable();
	alphabet.dedup();
	if alphabet.len() > sizes[0] as usize {
		return Err(format!(
			"{} different characters, {} tokens",
			alphabet.len(),
			sizes[0]
		)
		.into());
	}
	let tokens: Vec<u32> = text
		.chars()
		.map(|character| alphabet.partition_point(|other| *other < character) as u32)
		.collect();
	let (training, held_out) = tokens.split_at(tokens.len() / 10 * 9);
	if training.len() < length + 2 || held_out.len() < length + 1 {
		return Err(format!("{} characters are too few", tokens.len()).into());
	}
	let steps = options.steps as u32;
	let cosine = Schedule {
		offset: 0,
		warmup_steps: 100.min(steps),
		decay: Decay::Cosine {
			total_steps: steps,
			final_fraction: 0.1,
		},
	};
	let hyper = hyper(options, cosine);
	let mut random = ChaCha8Rng::from_seed([5; 32]);
	let clock = Instant::now();
	let parameters = init(options.config(), [1; 32])?;
	let mut trainer =
		Trainer::new(TrainState::new(parameters))?.with_micro_batches(options.micro)?;
	let mut sequences: Vec<&[u32]> = Vec::with_capacity(batch);
	for _ in 0..steps {
		sequences.clear();
		sequences.extend((0..batch).map(|_| {
			let start = random.next_u64() % (training.len() - length) as u64;
			&training[start as usize..][..length + 1]
		}));
		trainer.train_step(&Batch::new(&sequences)?, &hyper)?;
	}
	let seconds = clock.elapsed().as_secs_f64();
	// Windows overlap by the one token that the last position of a window predicts.
	let windows: Vec<&[u32]> = held_out.windows(length + 1).step_by(length).collect();
	let batches = windows
		.chunks(64)
		.map(Batch::new)
		.collect::<transformer::Result<Vec<_>>>()?;
	let held_out = evaluate(&trainer.state().parameters, &batches)?;
	Ok(format!(
		"{{\"loss\": {}, \"windows\": {}, \"seconds\": {seconds}, \"peak_mib\": {:.1}}}",
		held_out.loss,
		windows.len(),
		peak_mib()
	))
}

fn run() -> Result<String, Failure> {
	let options = Options::parse(std::env::args().skip(1))?;
	let pool = rayon::ThreadPoolBuilder::new()
		.num_threads(options.threads)
		.build()?;
	pool.install(|| match options.command.as_str() {
		"files" => files(&options),
		"speed" => speed(&options),
		"decode" => decode(&options),
		"text" => text(&options),
		other => Err(format!("{other}: files, speed, decode or text").into()),
	})
}

fn main() -> ExitCode {
	match run() {
		Ok(json) => {
			println!("{json}");
			ExitCode::SUCCESS
		}
		Err(error) => {
			eprintln!("{error}");
			ExitCode::FAILURE
		}
	}
}
