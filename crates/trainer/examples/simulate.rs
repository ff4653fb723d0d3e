//! A whole training task in one process, without chain or network: for tuning a task's numbers before it is published.
//!
//!     cargo run -p trainer --example simulate -- tang FOLDER [--rounds 5] [--steps 50] [--learning-rate 0.002] ...
//!
//! `scripts/fetch-corpora.sh` makes the folder; every option and its default is in `Options`. Trainers run one after another on all
//! threads; everything else is as in the network: shards that rotate, quantised updates, exact sum, server update, held-out loss.

use std::{
	collections::HashMap,
	error::Error,
	fs, io,
	path::{Path, PathBuf},
	time::{Duration, Instant},
};

use corpus::{prepare, Corpus, PackageFile, Plan, Source};
use secagg::Header;
use trainer::{
	aggregate, evaluate, hash, train, AggregateJob, Architecture, Checkpoint, CheckpointRef,
	F32Bits, Hash, Host, LocalTraining, Outer, PeerError, Peers, Quantiser, Served, Shard, Stop,
	Store, TrainJob, Training, UpdateRef,
};

type Anything<T> = Result<T, Box<dyn Error>>;

/// The command line: a corpus, a folder, then names and numbers.
struct Options {
	source: Source,
	folder: PathBuf,
	numbers: HashMap<String, f64>,
}

/// Every option and its default.
const DEFAULTS: &[(&str, f64)] = &[
	("rounds", 5.0),
	("trainers", 4.0),
	("threads", 2.0),
	("shards", 8.0),
	("heldout-every", 20.0),
	("vocab", 2048.0),
	("context", 40.0),
	("layers", 2.0),
	("heads", 4.0),
	("d-model", 96.0),
	("d-ff", 384.0),
	("steps", 40.0),
	("batch", 16.0),
	("warmup", 5.0),
	("learning-rate", 2e-3),
	("beta1", 0.9),
	("beta2", 0.95),
	("epsilon", 1e-8),
	("weight-decay", 0.01),
	("clip-norm", 1.0),
	("outer-rate", 1.0),
	("outer-momentum", 0.0),
	("bits", 8.0),
	("exponent", 11.0),
	("seed", 1.0),
	("sample", 0.0),
];

impl Options {
	fn parse() -> Anything<Self> {
		let usage = "usage: simulate tang|shakespeare FOLDER [--OPTION NUMBER]...";
		let mut arguments = std::env::args().skip(1);
		let source = arguments.next().ok_or(usage)?.parse()?;
		let folder = arguments.next().ok_or(usage)?.into();
		let mut numbers: HashMap<String, f64> = DEFAULTS
			.iter()
			.map(|(name, value)| (name.to_string(), *value))
			.collect();
		while let Some(option) = arguments.next() {
			let name = option.strip_prefix("--").ok_or(usage)?;
			let number = numbers
				.get_mut(name)
				.ok_or_else(|| format!("there is no option --{name}"))?;
			*number = arguments.next().ok_or(usage)?.parse()?;
		}
		Ok(Options {
			source,
			folder,
			numbers,
		})
	}

	fn real(&self, name: &str) -> f64 {
		self.numbers[name]
	}

	fn count(&self, name: &str) -> u32 {
		self.real(name) as u32
	}

	fn bits(&self, name: &str) -> F32Bits {
		F32Bits::new(self.real(name) as f32)
	}
}

/// The chain's archive in memory; one store serves everybody, so no peer is ever asked.
struct Archive(HashMap<Hash, Vec<u8>>);

impl Peers for Archive {
	fn vector_leaves(&self, root: &Hash) -> Result<Served<(Header, Vec<Hash>)>, PeerError> {
		Err(PeerError::NotFound { root: *root })
	}

	fn vector_chunks(
		&self,
		root: &Hash,
		_: u32,
		_: u32,
	) -> Result<Served<Vec<Vec<u8>>>, PeerError> {
		Err(PeerError::NotFound { root: *root })
	}

	fn archived(&self, hash: &Hash) -> Result<Option<Vec<u8>>, PeerError> {
		Ok(self.0.get(hash).cloned())
	}
}

impl Archive {
	/// Archives a shard in chunks of 1 MiB.
	fn put_shard(&mut self, shard: &corpus::Shard) -> Shard {
		let chunks = shard.bytes.chunks(1 << 20);
		Shard {
			size: shard.bytes.len() as u32,
			documents: shard.documents as u32,
			chunks: chunks.map(|chunk| self.put(chunk.to_vec())).collect(),
		}
	}

	fn put(&mut self, bytes: Vec<u8>) -> Hash {
		let hash = hash(&bytes);
		self.0.insert(hash, bytes);
		hash
	}
}

fn main() -> Anything<()> {
	let options = Options::parse()?;
	let mut files = Vec::new();
	read(options.source, &options.folder, "", &mut files)?;
	let plan = Plan {
		shards: options.count("shards") as usize,
		heldout_every: options.count("heldout-every").into(),
	};
	let corpus = prepare(options.source, files, &plan)?;
	simulate(&options, &corpus)
}

fn simulate(options: &Options, corpus: &Corpus) -> Anything<()> {
	let mut texts = Vec::new();
	for shard in &corpus.shards {
		texts.extend(corpus::parse_shard(&shard.bytes)?);
	}
	let tokenizer = transformer::train_characters(&texts, options.count("vocab"))?;
	let architecture = Architecture {
		vocab_size: transformer::Tokenizer::from_bytes(&tokenizer)?.vocab_size(),
		context_length: options.count("context"),
		n_layers: options.count("layers"),
		n_heads: options.count("heads"),
		d_model: options.count("d-model"),
		d_ff: options.count("d-ff"),
	};
	let mut archive = Archive(HashMap::new());
	let tokenizer = archive.put(tokenizer);
	let held_out = archive.put_shard(&corpus.heldout);
	let shards: Vec<Shard> = corpus
		.shards
		.iter()
		.map(|shard| archive.put_shard(shard))
		.collect();

	let directory = tempfile::tempdir()?;
	let store = Store::open(directory.path())?;
	let pool = rayon::ThreadPoolBuilder::new()
		.num_threads(options.count("threads") as usize)
		.build()?;
	let stop = Stop::default();
	let host = Host {
		store: &store,
		peers: &archive,
		pool: &pool,
		stop: &stop,
	};
	let seed = [options.count("seed") as u8; 32];
	let version0 = Checkpoint::from_seed(&architecture, seed)?;
	let (parameters, momentum) = version0.put(&store)?;
	let mut base = CheckpointRef {
		parameters,
		momentum,
		seed: Some(seed),
	};
	let loss = evaluate(
		&architecture,
		&version0.parameters,
		&tokenizer,
		&held_out,
		&host,
	)?;
	println!(
		"{} parameters, vocabulary {}; version 0: held-out loss {:.4} nats",
		architecture.n_parameters()?,
		architecture.vocab_size,
		loss as f64 / 1e6
	);
	println!(
		"round  held-out   ratio  train before/after   seconds   tokens/s  clipped     eval s"
	);
	let (mut previous, mut first) = (loss, None);
	for round in 1..=options.count("rounds") {
		let mut survivors = Vec::new();
		let (mut seconds, mut tokens, mut clipped) = (0.0, 0, 0);
		let mut losses = (0, 0);
		for trainer in 0..options.count("trainers") {
			let account = [trainer as u8 + 1; 32];
			let shard = (trainer + round) as usize % shards.len();
			let job = TrainJob {
				architecture,
				tokenizer,
				base,
				shards: vec![shards[shard].clone()],
				local: local(options),
				quantiser: quantiser(options),
				batch_seed: hash(&[b'b', trainer as u8, round as u8]),
				rounding_seed: hash(&[b'r', trainer as u8, round as u8]),
			};
			let training = Training {
				job: &job,
				trainer: &account,
				saved: None,
				save_interval: Duration::MAX,
			};
			let trained = train(&training, &host, &mut |_| {})?;
			seconds += trained.seconds;
			tokens += trained.tokens;
			clipped += trained.clipped;
			losses.0 += trained.loss_before;
			losses.1 += trained.loss_after;
			survivors.push(UpdateRef {
				account,
				root: Some(trained.root),
				weight: 1,
			});
		}
		let began = Instant::now();
		let trainers = u64::from(options.count("trainers"));
		let made = aggregate(
			&AggregateJob {
				architecture,
				tokenizer,
				base,
				survivors,
				quantiser: quantiser(options),
				outer: Outer {
					learning_rate_q16: (options.real("outer-rate") * 65536.0) as u32,
					momentum_q16: (options.real("outer-momentum") * 65536.0) as u32,
				},
				held_out: held_out.clone(),
			},
			&host,
		)?;
		base = CheckpointRef {
			parameters: made.parameters,
			momentum: made.momentum,
			seed: None,
		};
		let first = *first.get_or_insert(made.evaluation);
		println!(
			"{round:5}  {:8.4}  {:6.4}  {:8.4} {:8.4}  {seconds:8.1}  {:9.0}  {:.5}  {:8.1}{}",
			made.evaluation as f64 / 1e6,
			made.evaluation as f64 / first as f64,
			(losses.0 / trainers) as f64 / 1e6,
			(losses.1 / trainers) as f64 / 1e6,
			tokens as f64 / seconds,
			clipped as f64 / (architecture.n_parameters()? * trainers) as f64,
			began.elapsed().as_secs_f64(),
			if made.evaluation as f64 > previous as f64 * 1.01 {
				"  WORSE"
			} else {
				""
			}
		);
		previous = made.evaluation;
	}
	samples(options, &architecture, &base, &tokenizer, &host)
}

fn local(options: &Options) -> LocalTraining {
	LocalTraining {
		steps: options.count("steps"),
		batch: options.count("batch"),
		warmup: options.count("warmup"),
		learning_rate: options.bits("learning-rate"),
		beta1: options.bits("beta1"),
		beta2: options.bits("beta2"),
		epsilon: options.bits("epsilon"),
		weight_decay: options.bits("weight-decay"),
		clip_norm: options.bits("clip-norm"),
	}
}

fn quantiser(options: &Options) -> Quantiser {
	Quantiser {
		bits: options.count("bits") as u8,
		exponent: options.count("exponent") as u8,
	}
}

/// Prints some texts of the last version.
fn samples(
	options: &Options,
	architecture: &Architecture,
	version: &CheckpointRef,
	tokenizer: &Hash,
	host: &Host<'_>,
) -> Anything<()> {
	let checkpoint = Checkpoint::load(architecture, version, &host.fetcher())?;
	let parameters =
		transformer::Parameters::from_fixed(architecture.config(), &checkpoint.parameters)?;
	let tokenizer = transformer::Tokenizer::from_bytes(&host.fetcher().blob(tokenizer)?)?;
	let sampling = transformer::Sampling {
		temperature_milli: 800,
		top_k: 40,
		top_p_milli: 950,
		max_tokens: architecture.context_length,
	};
	for number in 0..options.count("sample") {
		let tokens = transformer::generate(
			&parameters,
			&[transformer::tokenizer::BOS],
			&sampling,
			[number as u8; 32],
			&mut |_| {},
		)?;
		println!("---\n{}", tokenizer.decode(&tokens)?);
	}
	Ok(())
}

/// Collects the source's files below `folder`; `prefix` is their path inside the package.
fn read(
	source: Source,
	folder: &Path,
	prefix: &str,
	files: &mut Vec<PackageFile>,
) -> io::Result<()> {
	for entry in fs::read_dir(folder)? {
		let entry = entry?;
		let path = format!("{prefix}{}", entry.file_name().to_string_lossy());
		if entry.file_type()?.is_dir() {
			read(source, &entry.path(), &format!("{path}/"), files)?;
		} else if source.wants(&path) {
			files.push((path, fs::read(entry.path())?));
		}
	}
	Ok(())
}
