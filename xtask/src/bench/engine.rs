//! The Transformer engine against its machine and against other software: products, training, memory, decoding, a text.
//!
//! Ours are the examples `engine_gemm` and `engine_train` of the crate `transformer`; peers are the programs that
//! `scripts/bench/peer.sh` installs and starts. All run on two pinned threads, ours and the peer's in turns.
//! Must not know: how a program measures itself; it reads one JSON object a line.
//! Source of the bounds: docs/benchmarks.md, "The engine".
//! Invariants: no speed is reported against a peer whose first losses differ from ours.

use super::{Bound, Figure, Measurement};
use crate::{
	run::{self, Target},
	workspace::Workspace,
};
use anyhow::{Context, Result};
use serde::Deserialize;
use std::path::Path;

/// Where programs leave what they exchange.
const FOLDER: &str = "run/bench-engine";
/// Result of the last run, for `--no-run`.
const RECORD: &str = "run/bench-engine-runs.json";
/// Steps whose losses must agree, and how well.
const GATE_STEPS: usize = 20;
const GATE: f64 = 2e-4;
/// Steps at the beginning of a run that are not counted.
const WARM_UP: usize = 5;
/// Turns of ours and a peer.
const ROUNDS: usize = 3;

/// One configuration: steps of the timed runs, bounds of tokens a second and of memory, both against PyTorch.
struct Case {
	name: &'static str,
	steps: usize,
	micro_batches: usize,
	speed: (&'static str, f64),
	memory: (&'static str, f64),
}

const CASES: [Case; 3] = [
	Case {
		name: "S",
		steps: 60,
		micro_batches: 1,
		speed: ("training, S, against PyTorch", 2.5),
		memory: ("peak memory, S, against PyTorch", 0.1),
	},
	Case {
		name: "M",
		steps: 12,
		micro_batches: 4,
		speed: ("training, M, against PyTorch", 1.7),
		memory: ("peak memory, M, against PyTorch", 0.5),
	},
	Case {
		name: "L",
		steps: 12,
		micro_batches: 1,
		speed: ("training, L, against PyTorch", 1.8),
		memory: ("peak memory, L, against PyTorch", 0.75),
	},
];

/// A training run of ours or of a peer.
#[derive(Clone, Debug, Default, Deserialize)]
struct Training {
	losses: Vec<f64>,
	seconds: Vec<f64>,
	peak_mib: f64,
	/// Of a step.
	tokens: f64,
}

impl Training {
	/// Tokens a second of the median step.
	fn rate(&self) -> Option<f64> {
		let counted = self.seconds.get(WARM_UP..)?;
		median(counted).map(|seconds| self.tokens / seconds)
	}
}

/// Ours and a peer's runs of one configuration, in turns.
#[derive(Clone, Debug, Default, Deserialize)]
struct Pair {
	ours: Vec<Training>,
	peer: Vec<Training>,
}

impl Pair {
	/// Whether the first losses of the first runs agree.
	fn agrees(&self) -> bool {
		let (Some(ours), Some(peer)) = (self.ours.first(), self.peer.first()) else {
			return false;
		};
		let enough = ours.losses.len().min(peer.losses.len()) >= GATE_STEPS;
		let close = |(ours, peer): (&f64, &f64)| ((ours - peer) / peer).abs() <= GATE;
		enough
			&& ours
				.losses
				.iter()
				.zip(&peer.losses)
				.take(GATE_STEPS)
				.all(close)
	}

	/// Median rate of the rounds, ours and the peer's; none before they agree.
	fn rates(&self) -> (Option<f64>, Option<f64>) {
		let rate = |runs: &[Training]| {
			let rates: Vec<f64> = runs.iter().filter_map(Training::rate).collect();
			median(&rates)
		};
		if self.agrees() {
			(rate(&self.ours), rate(&self.peer))
		} else {
			(None, None)
		}
	}

	/// Largest by smallest rate of the rounds.
	fn spread(&self) -> f64 {
		let spread = |runs: &[Training]| {
			let rates = runs.iter().filter_map(Training::rate);
			let (low, high) = rates.fold((f64::INFINITY, 0.0_f64), |(low, high), rate| {
				(low.min(rate), high.max(rate))
			});
			high / low
		};
		spread(&self.ours).max(spread(&self.peer))
	}

	/// Peak memory of the first runs.
	fn memory(&self) -> (Option<f64>, Option<f64>) {
		let peak = |runs: &[Training]| runs.first().map(|run| run.peak_mib);
		(peak(&self.ours), peak(&self.peer))
	}
}

/// The run on a text.
#[derive(Clone, Copy, Debug, Deserialize)]
struct Text {
	loss: f64,
	seconds: f64,
}

#[derive(Clone, Copy, Debug, Deserialize)]
struct Decoding {
	bytes_a_second: f64,
	/// Bytes a second of reading alone, in the same run.
	streaming: f64,
}

/// A line of `engine_gemm`.
#[derive(Clone, Debug, Deserialize)]
struct Line {
	name: String,
	value: f64,
}

/// All that one run found out.
#[derive(Debug, Default)]
struct Found {
	/// Share of the peak at n = 1024, one and two threads.
	products: [Option<f64>; 2],
	peak: Option<f64>,
	/// In the order of [`CASES`].
	torch: Vec<Pair>,
	candle: Pair,
	decoding: Option<Decoding>,
	text: [Option<Text>; 2],
}

/// Runs everything, or reads the last record, and turns it into figures.
///
/// # Errors
///
/// Our own programs cannot be built or run. A peer that cannot be had leaves figures without value.
pub fn measure(workspace: &Workspace, fresh: bool, text: Option<&Path>) -> Result<Measurement> {
	if fresh {
		let found = run_all(workspace, text)?;
		let measurement = Measurement {
			name: "engine",
			conditions: conditions(&found),
			figures: figures(&found),
		};
		let record = serde_json::json!({
			"conditions": measurement.conditions,
			"values": measurement.figures.iter().map(|figure| (figure.value, figure.peer)).collect::<Vec<_>>(),
		});
		workspace.write(RECORD, &format!("{record:#}\n"))?;
		return Ok(measurement);
	}
	let record: Record = serde_json::from_str(
		&workspace
			.read(RECORD)
			.context("run cargo xtask bench engine first")?,
	)
	.context(RECORD)?;
	let figures = figures(&Found::default())
		.into_iter()
		.zip(record.values)
		.map(|(figure, (value, peer))| figure.filled(value, peer))
		.collect();
	Ok(Measurement {
		name: "engine",
		conditions: record.conditions,
		figures,
	})
}

#[derive(Deserialize)]
struct Record {
	conditions: String,
	values: Vec<(Option<f64>, Option<f64>)>,
}

fn run_all(workspace: &Workspace, text: Option<&Path>) -> Result<Found> {
	let mut found = Found::default();
	for threads in [1, 2] {
		let lines = products(workspace, threads)?;
		let value = |name: &str| {
			lines
				.iter()
				.find(|line| line.name == name)
				.map(|line| line.value)
		};
		found.products[threads - 1] = value("1024x1024x1024");
		if threads == 1 {
			found.peak = value("peak");
		}
	}
	for case in &CASES {
		let folder = format!("{FOLDER}/{}", case.name);
		let steps = case.steps.max(GATE_STEPS).to_string();
		let files = [
			"files", "--config", case.name, "--steps", &steps, "--dir", &folder,
		];
		ours(workspace, &files)?;
		found.torch.push(turns(workspace, case, "torch", &folder)?);
		if case.name == "S" {
			found.candle = turns(workspace, case, "candle", &folder)?;
		}
	}
	let decode = ["decode", "--config", "L", "--steps", "48", "--threads", "2"];
	found.decoding = Some(parse(&ours(workspace, &decode)?)?);
	if let Some(path) = text {
		let path = path.display().to_string();
		let arguments = ["text", "--text", &path, "--threads", "2", "--steps", "2000"];
		found.text = [
			Some(parse(&ours(workspace, &arguments)?)?),
			peer(workspace, "torch", &arguments).and_then(|line| parse(&line).ok()),
		];
	}
	Ok(found)
}

/// Ours and a peer in turns; the first turn is long enough for the gate.
fn turns(workspace: &Workspace, case: &Case, name: &str, folder: &str) -> Result<Pair> {
	let mut pair = Pair::default();
	let micro_batches = case.micro_batches.to_string();
	for round in 0..ROUNDS {
		let steps = match round {
			0 => case.steps.max(GATE_STEPS),
			_ => case.steps,
		}
		.to_string();
		let common = [
			"speed",
			"--dir",
			folder,
			"--steps",
			&steps,
			"--threads",
			"2",
		];
		let mut arguments = common.to_vec();
		arguments.extend(["--config", case.name, "--micro", &micro_batches]);
		pair.ours.push(parse(&ours(workspace, &arguments)?)?);
		match peer(workspace, name, &common) {
			Some(line) => pair.peer.push(parse(&line)?),
			None => break,
		}
		if !pair.agrees() {
			println!(
				"{name}, {}: losses differ, so no speed is measured",
				case.name
			);
			break;
		}
	}
	Ok(pair)
}

/// Pinned to two cores.
const PINNED: [&str; 3] = ["taskset", "-c", "0,1"];

fn products(workspace: &Workspace, threads: usize) -> Result<Vec<Line>> {
	let threads = threads.to_string();
	let text = example(
		workspace,
		"engine_gemm",
		&["--threads", &threads, "--seconds", "2", "1024x1024x1024"],
	)?;
	text.lines().map(parse).collect()
}

fn ours(workspace: &Workspace, arguments: &[&str]) -> Result<String> {
	example(workspace, "engine_train", arguments)
}

fn example(workspace: &Workspace, name: &str, arguments: &[&str]) -> Result<String> {
	let cargo = [
		"cargo",
		"run",
		"--release",
		"--quiet",
		"-p",
		"transformer",
		"--example",
		name,
		"--",
	];
	let all = [&PINNED[..], &cargo, arguments].concat();
	run::output(&mut run::command(workspace, Target::Shared, &all))
}

/// What a peer prints, if it can be had here.
fn peer(workspace: &Workspace, name: &str, arguments: &[&str]) -> Option<String> {
	let script = ["bash", "scripts/bench/peer.sh", name];
	let all = [&PINNED[..], &script, arguments].concat();
	let result = run::output(&mut run::command(workspace, Target::Shared, &all));
	if let Err(error) = &result {
		println!("{name}: {error:#}");
	}
	result.ok()
}

fn parse<T: for<'a> Deserialize<'a>>(line: &str) -> Result<T> {
	serde_json::from_str(line).with_context(|| format!("reading {line:.80}"))
}

fn median(values: &[f64]) -> Option<f64> {
	let mut values = values.to_vec();
	values.sort_unstable_by(f64::total_cmp);
	values.get(values.len() / 2).copied()
}

fn conditions(found: &Found) -> String {
	let peak = found.peak.map_or_else(String::new, |peak| {
		format!(" Peak {peak:.0} GFLOP/s a thread.")
	});
	let spreads: Vec<String> = CASES
		.iter()
		.zip(&found.torch)
		.filter(|(_, pair)| pair.agrees())
		.map(|(case, pair)| format!("{} {:.2}", case.name, pair.spread()))
		.collect();
	format!(
		"Two pinned threads, f32, medians of {ROUNDS} rounds in turns.{peak} Largest by smallest rate of the rounds: {}.",
		spreads.join(", ")
	)
}

fn figures(found: &Found) -> Vec<Figure> {
	let mut figures: Vec<Figure> = [
		"product n = 1024, one thread",
		"product n = 1024, two threads",
	]
	.into_iter()
	.zip(found.products)
	.map(|(name, share)| Figure::new(name, share, "of peak", Bound::AtLeast(0.75)))
	.collect();
	let none = Pair::default();
	for (index, case) in CASES.iter().enumerate() {
		let pair = found.torch.get(index).unwrap_or(&none);
		let (name, bound) = case.speed;
		let (ours, peer) = pair.rates();
		figures.push(Figure::beside(
			name,
			ours,
			"tokens/s",
			peer,
			Bound::AtLeast(bound),
		));
		let (name, bound) = case.memory;
		let (ours, peer) = pair.memory();
		figures.push(Figure::beside(
			name,
			ours,
			"MiB",
			peer,
			Bound::AtMost(bound),
		));
	}
	let (ours, peer) = found.candle.rates();
	figures.push(Figure::beside(
		"training, S, against candle",
		ours,
		"tokens/s",
		peer,
		Bound::AtLeast(3.0),
	));
	let share = found
		.decoding
		.map(|decoding| decoding.bytes_a_second / decoding.streaming);
	figures.push(Figure::new(
		"decoding, L, one stream",
		share,
		"of streaming",
		Bound::AtLeast(0.6),
	));
	let [ours, peer] = found.text;
	let loss = ours.map(|text| text.loss);
	figures.push(Figure::new(
		"loss on the text, S, 2000 steps",
		loss,
		"nats",
		Bound::AtMost(1.90),
	));
	let (ours, peer) = (ours.map(|text| text.seconds), peer.map(|text| text.seconds));
	// "2.5 times as fast" is at most 0.4 of the time.
	figures.push(Figure::beside(
		"time on the text, S",
		ours,
		"s",
		peer,
		Bound::AtMost(0.4),
	));
	figures
}

#[cfg(test)]
mod tests {
	use super::*;

	fn training(loss: f64, seconds: f64) -> Training {
		Training {
			losses: vec![loss; GATE_STEPS],
			seconds: vec![seconds; GATE_STEPS],
			peak_mib: 10.0,
			tokens: 100.0,
		}
	}

	fn pair(loss: f64) -> Pair {
		Pair {
			ours: vec![training(4.0, 0.5), training(4.0, 0.25), training(4.0, 0.5)],
			peer: vec![training(loss, 1.0)],
		}
	}

	#[test]
	fn rates_are_medians_of_rounds() {
		let pair = pair(4.0004);
		assert!(pair.agrees());
		assert_eq!(pair.rates(), (Some(200.0), Some(100.0)));
		assert_eq!(pair.spread(), 2.0);
		assert_eq!(pair.memory(), (Some(10.0), Some(10.0)));
	}

	#[test]
	fn a_peer_with_other_losses_gives_no_speed() {
		assert!(!pair(4.002).agrees());
		assert_eq!(pair(4.002).rates(), (None, None));
		let mut short = pair(4.0);
		short.peer[0].losses.truncate(GATE_STEPS - 1);
		assert_eq!(short.rates(), (None, None));
		assert_eq!(Pair::default().rates(), (None, None));
	}

	#[test]
	fn what_was_not_run_has_no_value() {
		let figures = figures(&Found::default());
		assert_eq!(figures.len(), 12);
		assert!(figures
			.iter()
			.all(|figure| figure.value.is_none() && !figure.met));
	}

	#[test]
	fn ratios_are_held_against_their_bounds() {
		let found = Found {
			torch: vec![pair(4.0)],
			..Found::default()
		};
		let figures = figures(&found);
		assert_eq!(figures[2].ratio, Some(2.0));
		assert!(!figures[2].met);
		assert_eq!(figures[3].ratio, Some(1.0));
		assert!(!figures[3].met);
	}
}
