//! `line`: the main job of README.md on a network of this machine. `scripts/run.sh` sets up, builds and starts it.
//!
//! Must not know: steps. Exit: 0 done; 1 a step failed, the last lines say which; 130 interrupted.

use clap::{Parser, ValueEnum};
use e2e::{
	line::{report, Line, Settings},
	screen::Screen,
	summary, wait,
};
use std::{path::PathBuf, process::ExitCode, thread, time::Duration};

/// Time for an interrupted run to stop its nodes in order.
const ORDERLY_END: Duration = Duration::from_secs(30);

/// Trains a language model together on four nodes, generates a poem with it, registers and sells the poem, and lets an outsider
/// verify all of it.
#[derive(Parser)]
#[command(name = "run.sh")]
struct Arguments {
	/// Stop the network at the end.
	#[arg(long)]
	once: bool,
	/// Text to train on.
	#[arg(long, value_enum, default_value_t = Corpus::Tang)]
	corpus: Corpus,
	/// Rounds of training.
	#[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
	rounds: u32,
	/// Folder of the fetched corpus; by default where scripts/fetch-corpora.sh is told to leave it.
	#[arg(long, value_name = "DIR")]
	corpus_dir: Option<String>,
	/// Folder for nodes, logs and summary.json.
	#[arg(long, value_name = "DIR", default_value = "run")]
	run_dir: PathBuf,
}

/// A text to train on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Corpus {
	/// Quatrains of the Tang dynasty.
	Tang,
	/// The plays of Shakespeare.
	Shakespeare,
}

impl Corpus {
	fn name(self) -> &'static str {
		match self {
			Corpus::Tang => "tang",
			Corpus::Shakespeare => "shakespeare",
		}
	}

	/// What the artist writes before asking.
	fn prompt(self) -> &'static str {
		match self {
			Corpus::Tang => "春",
			Corpus::Shakespeare => "Love ",
		}
	}

	/// Lines of a poem.
	fn lines(self) -> usize {
		match self {
			Corpus::Tang => 4,
			Corpus::Shakespeare => 2,
		}
	}
}

fn main() -> ExitCode {
	let arguments = Arguments::parse();
	if let Err(error) = heed_signals() {
		eprintln!("line: signals cannot be heeded: {error}");
		return ExitCode::FAILURE;
	}
	let once = arguments.once;
	let settings = settings(arguments);
	let path = summary::path(&settings.run_dir);
	let screen = Screen::new();
	let mut line = match Line::start(settings, screen) {
		Ok(line) => line,
		Err(error) => return failure(&error),
	};
	let outcome = line.run();
	if !wait::is_interrupted() {
		print!("{}", report::text(&line.summary, &path));
	}
	if let Err(error) = outcome {
		return failure(&error);
	}
	if !once {
		print!("{}", report::endpoints(&line.summary));
		println!("  Ctrl-C stops it");
		while !wait::is_interrupted() {
			thread::park_timeout(Duration::from_millis(500));
		}
		eprintln!("stopping the network");
	}
	line.network.stop();
	ExitCode::SUCCESS
}

fn settings(arguments: Arguments) -> Settings {
	let Arguments {
		corpus,
		rounds,
		corpus_dir,
		run_dir,
		..
	} = arguments;
	let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
	let mut dataset: Vec<String> = texts(&["--corpus", corpus.name()]);
	if let Corpus::Shakespeare = corpus {
		// Evaluation on a hundredth is precise enough and leaves the time to training.
		dataset.extend(texts(&["--held-out-every", "100"]));
	}
	if let Some(folder) = corpus_dir {
		dataset.extend(["--folder".to_owned(), folder]);
	}
	Settings {
		corpus: corpus.name().to_owned(),
		dataset,
		model: texts(&["--preset", corpus.name()]),
		task: texts(&["--preset", corpus.name()]),
		rounds,
		prompt: corpus.prompt().to_owned(),
		generate: Vec::new(),
		poem_lines: corpus.lines(),
		run_dir,
		// An election takes two sessions to count: two rounds before the end leaves them time.
		outsider_after: Some(rounds.saturating_sub(2).max(1)),
		usual_ports: true,
		finality: true,
	}
}

fn failure(error: &anyhow::Error) -> ExitCode {
	if wait::is_interrupted() {
		eprintln!("line: interrupted");
		return ExitCode::from(130);
	}
	eprintln!("line: {error:#}");
	ExitCode::FAILURE
}

/// On Ctrl-C or SIGTERM every wait ends, so that the run unwinds and stops its nodes; a second one, or a run that does not unwind,
/// ends the program at once, and the nodes with it.
fn heed_signals() -> std::io::Result<()> {
	let runtime = tokio::runtime::Builder::new_current_thread()
		.enable_all()
		.build()?;
	let (ready, is_ready) = std::sync::mpsc::channel();
	thread::spawn(move || {
		runtime.block_on(async {
			use tokio::signal::unix::{signal, SignalKind};
			let signals = signal(SignalKind::interrupt())
				.and_then(|interrupt| Ok((interrupt, signal(SignalKind::terminate())?)));
			let (mut interrupt, mut terminate) = match signals {
				Ok(signals) => {
					// The receiver waits for this word.
					let _ = ready.send(Ok(()));
					signals
				}
				Err(error) => {
					let _ = ready.send(Err(error));
					return;
				}
			};
			tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
			wait::interrupt();
			tokio::select! {
				_ = interrupt.recv() => {},
				_ = terminate.recv() => {},
				() = tokio::time::sleep(ORDERLY_END) => {},
			}
			std::process::exit(130);
		});
	});
	is_ready
		.recv()
		.unwrap_or_else(|_| Err(std::io::Error::other("the signal thread ended")))
}
