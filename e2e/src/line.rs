//! The main job: text, dataset, model, rounds, while an outsider joins, its verification, generation, work, its first block.
//!
//! A [`Line`] holds the network and what was found so far; [`Line::run`] does one step after the other and writes the summary after
//! each. Every step is a command of `llmchain` or a method of the node's RPC. Must not know: how the chain or the engine do it.
//! Source: README.md, "What you see". Invariant: a step that fails ends the run, and the summary says which and why.
//!
//! Reading order: [`prepare`], [`rounds`], [`outsider`], [`work`], [`report`].

pub mod money;
pub mod outsider;
pub mod prepare;
pub mod report;
pub mod rounds;
pub mod work;

use crate::{
	binaries::{checkout, Binaries},
	cli::Cli,
	network::{Network, Options},
	node::Node,
	screen::{Bar, Screen},
	summary::{self, Endpoint, Machine, Step, Summary},
	wait,
};
use anyhow::{Context, Result};
use serde_json::{json, Value};
use std::{
	fs,
	path::PathBuf,
	time::{Duration, Instant},
};

/// Who brings text and pays for training.
pub const PUBLISHER: &str = "//Alice//stash";
/// Who makes and sells the work.
pub const ARTIST: &str = "//Eve";
/// Who buys it.
pub const BUYER: &str = "//Ferdie";
/// Stash of the validator that joins.
pub const NEWCOMER: &str = "//Eve//stash";
/// Accounts of the trainers, in the order of [`crate::network::VALIDATORS`].
pub const TRAINERS: [&str; 4] = ["//Alice", "//Bob", "//Charlie", "//Dave"];

/// What the main job works on. Arguments are those of the command line.
#[derive(Clone, Debug)]
pub struct Settings {
	/// What the summary calls the text.
	pub corpus: String,
	/// Arguments of `dataset publish`.
	pub dataset: Vec<String>,
	/// Arguments of `model create`, beside the dataset.
	pub model: Vec<String>,
	/// Arguments of `task create`, beside model and dataset.
	pub task: Vec<String>,
	/// Rounds, at least one.
	pub rounds: u32,
	/// What the artist writes before asking.
	pub prompt: String,
	/// Arguments of `generate`, beside version and prompt.
	pub generate: Vec<String>,
	/// Lines of a poem of this kind; with fewer, the artist asks again.
	pub poem_lines: usize,
	/// Folder for data, logs and the summary. What an earlier run left there is removed.
	pub run_dir: PathBuf,
	/// Round after which the outsider joins, while the later ones go on; `None`: never.
	pub outsider_after: Option<u32>,
	/// Take the usual ports where they are free.
	pub usual_ports: bool,
	/// Wait for finality after each command, as people do.
	pub finality: bool,
}

/// A run.
#[derive(Debug)]
pub struct Line {
	/// The nodes.
	pub network: Network,
	/// What was found.
	pub summary: Summary,
	settings: Settings,
	cli: Cli,
	screen: Screen,
	begun: Instant,
}

impl Line {
	/// Starts four nodes in an empty run folder and waits until they finalise.
	///
	/// # Errors
	///
	/// A program is missing, the folder cannot be made, or the network does not start.
	pub fn start(settings: Settings, screen: Screen) -> Result<Self> {
		let binaries = Binaries::find()?;
		let nodes = settings.run_dir.join("nodes");
		if nodes.exists() {
			fs::remove_dir_all(&nodes)
				.with_context(|| format!("removing {}, left by an earlier run", nodes.display()))?;
		}
		fs::create_dir_all(&nodes).with_context(|| format!("making {}", nodes.display()))?;
		let mut summary = Summary {
			commit: summary::commit(&checkout()),
			machine: Some(Machine::this()),
			corpus: Some(settings.corpus.clone()),
			..Summary::default()
		};
		let path = summary::path(&settings.run_dir);
		summary.write(&path)?;

		let begun = Instant::now();
		let cli = binaries.cli.clone();
		let mut options = Options::new(binaries, nodes);
		options.usual_ports = settings.usual_ports;
		let title = "four nodes start and finalise";
		let bar = screen.step(title);
		let network = Network::start(options).inspect_err(|error| {
			summary.error = Some(format!("{title}: {error:#}"));
			// The run fails anyway, with the error that matters.
			drop(summary.write(&path));
		})?;
		drop(bar);
		let first = network.first()?;
		let mut line = Self {
			cli: Cli::new(cli, first.url()),
			summary,
			settings,
			screen,
			begun,
			network,
		};
		line.note_endpoints()?;
		line.finish_step(title, begun)?;
		Ok(line)
	}

	/// Does the rest of the main job.
	///
	/// # Errors
	///
	/// A step fails. The summary then names it, and holds what came before.
	pub fn run(&mut self) -> Result<()> {
		let prepared = self.prepare()?;
		self.rounds(&prepared)?;
		self.verify()?;
		self.generate()?;
		self.work()?;
		self.fifth_validator()?;
		self.summary.seconds_after_build = Some(tenths(self.begun.elapsed()));
		self.save()
	}

	/// `llmchain`, asking the first node, with the finality that the settings ask for.
	pub fn cli(&self) -> Cli {
		if self.settings.finality {
			self.cli.clone()
		} else {
			self.cli.in_block()
		}
	}

	/// Folder for data, logs and the summary.
	pub fn run_dir(&self) -> &std::path::Path {
		&self.settings.run_dir
	}

	/// Does one step and records its time or its failure.
	fn step<T>(
		&mut self,
		title: &str,
		work: impl FnOnce(&mut Self, &Bar) -> Result<T>,
	) -> Result<T> {
		let begun = Instant::now();
		let bar = self.screen.step(title);
		let outcome = work(self, &bar);
		drop(bar);
		match outcome {
			Ok(value) => {
				self.finish_step(title, begun)?;
				Ok(value)
			}
			Err(error) => {
				let error = error.context(title.to_owned());
				if !wait::is_interrupted() {
					self.summary.error = Some(format!("{error:#}"));
				}
				self.note_memory();
				self.save()?;
				Err(error)
			}
		}
	}

	fn finish_step(&mut self, title: &str, begun: Instant) -> Result<()> {
		let seconds = tenths(begun.elapsed());
		self.screen.say(&format!("  {seconds:6.1} s  {title}"));
		self.summary.steps.push(Step {
			name: title.to_owned(),
			seconds,
		});
		self.note_memory();
		self.save()
	}

	fn save(&self) -> Result<()> {
		self.summary.write(&summary::path(&self.settings.run_dir))
	}

	fn note_endpoints(&mut self) -> Result<()> {
		let endpoint = |node: &Node| Endpoint {
			node: node.name().to_owned(),
			url: node.url(),
		};
		self.summary.endpoints = self.network.nodes().iter().map(endpoint).collect();
		let first = self.network.first()?;
		self.summary.genesis = Some(first.chain().genesis()?);
		self.summary.apps = Some(report::apps_link(first.rpc_port()));
		Ok(())
	}

	fn note_memory(&mut self) {
		let nodes = self.network.nodes_mut().iter_mut().take(TRAINERS.len());
		self.summary.resident_mib = nodes.map(|node| node.peak_resident_mib().round()).collect();
	}
}

/// Jobs of the trainer at a node, as `llm_jobs` gives them.
///
/// # Errors
///
/// The node does not answer.
pub fn jobs(node: &Node) -> Result<Vec<Value>> {
	match node.rpc().call("llm_jobs", json!([]))? {
		Value::Array(jobs) => Ok(jobs),
		other => anyhow::bail!("llm_jobs gave {other}"),
	}
}

/// Arguments of a command, from some that are fixed and some that the settings bring.
fn arguments<'a>(fixed: &[&'a str], more: &'a [String]) -> Vec<&'a str> {
	fixed
		.iter()
		.copied()
		.chain(more.iter().map(String::as_str))
		.collect()
}

/// Seconds to one decimal.
fn tenths(time: Duration) -> f64 {
	(time.as_secs_f64() * 10.0).round() / 10.0
}

/// A number to some decimals.
fn rounded(value: f64, decimals: i32) -> f64 {
	let scale = 10f64.powi(decimals);
	(value * scale).round() / scale
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn arguments_keep_their_order() {
		let more = ["--steps".to_owned(), "4".to_owned()];
		assert_eq!(
			arguments(&["task", "create"], &more),
			["task", "create", "--steps", "4"]
		);
	}

	#[test]
	fn figures_are_rounded() {
		assert_eq!(tenths(Duration::from_millis(1_250)), 1.3);
		assert_eq!(rounded(5.123_456, 4), 5.1235);
	}
}
