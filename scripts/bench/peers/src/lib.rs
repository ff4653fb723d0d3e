//! What the peers have in common: the files that all contenders start from, and the result that they print.

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// `config.json`.
#[derive(Clone, Debug, Deserialize)]
pub struct Config {
	pub vocab_size: usize,
	pub context_length: usize,
	pub n_layers: usize,
	pub n_heads: usize,
	pub d_model: usize,
	pub d_ff: usize,
	pub batch: usize,
	pub length: usize,
	pub beta2: f64,
}

/// A run that `engine_train files` has prepared.
pub struct Run {
	pub config: Config,
	pub steps: usize,
	/// Parameters in our layout, and how many of them were taken.
	flat: Vec<f32>,
	taken: usize,
	/// `[steps, batch, length + 1]`
	tokens: Vec<u32>,
}

impl Run {
	/// Reads `speed --dir DIR --steps N`; other arguments are those of other peers.
	pub fn from_arguments() -> Result<Self> {
		let arguments: Vec<String> = std::env::args().collect();
		let value = |name: &str| {
			let at = arguments.iter().position(|argument| argument == name);
			at.and_then(|at| arguments.get(at + 1))
				.with_context(|| format!("{name} is wanted"))
		};
		let folder = PathBuf::from(value("--dir")?);
		Ok(Self {
			config: serde_json::from_slice(&std::fs::read(folder.join("config.json"))?)?,
			steps: value("--steps")?.parse()?,
			flat: numbers(&folder.join("init.f32"), f32::from_le_bytes)?,
			taken: 0,
			tokens: numbers(&folder.join("batches.u32"), u32::from_le_bytes)?,
		})
	}

	/// The next `count` parameters of the layout.
	pub fn take(&mut self, count: usize) -> Vec<f32> {
		self.taken += count;
		self.flat[self.taken - count..self.taken].to_vec()
	}

	/// Inputs and targets of a step, each `[batch * length]`.
	pub fn batch(&self, step: usize) -> (Vec<u32>, Vec<u32>) {
		let width = self.config.length + 1;
		let size = self.config.batch * width;
		let rows = self.tokens[step * size..][..size].chunks_exact(width);
		let inputs = rows.clone().flat_map(|row| row[..width - 1].to_vec());
		(
			inputs.collect(),
			rows.flat_map(|row| row[1..].to_vec()).collect(),
		)
	}
}

fn numbers<T>(path: &Path, number: fn([u8; 4]) -> T) -> Result<Vec<T>> {
	let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
	Ok(bytes
		.as_chunks::<4>()
		.0
		.iter()
		.map(|bytes| number(*bytes))
		.collect())
}

/// What a peer prints.
#[derive(Default, Serialize)]
pub struct Report {
	pub losses: Vec<f64>,
	pub seconds: Vec<f64>,
	pub peak_mib: f64,
	pub tokens: usize,
}

impl Report {
	/// Prints the run as one JSON object.
	pub fn print(mut self, config: &Config) -> Result<()> {
		self.tokens = config.batch * config.length;
		self.peak_mib = std::fs::read_to_string("/proc/self/status")?
			.lines()
			.find_map(|line| {
				line.strip_prefix("VmHWM:")?
					.split_whitespace()
					.next()?
					.parse()
					.ok()
			})
			.map_or(0.0, |kib: f64| kib / 1024.0);
		println!("{}", serde_json::to_string(&self)?);
		Ok(())
	}
}
