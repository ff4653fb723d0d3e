//! The whole line: `scripts/run.sh --once --rounds 5`, read from `run/summary.json`.
//!
//! Must not know: how run.sh works; the summary is all it reads, and a field that is absent gives a figure without value.
//! Source of the bounds: docs/benchmarks.md, "The whole line".

use super::{Bound, Figure, Measurement};
use crate::{
	run::{self, Target},
	workspace::Workspace,
};
use anyhow::{bail, Context, Result};
use serde::Deserialize;

/// What run.sh leaves behind.
const SUMMARY: &str = "run/summary.json";
/// Rounds of one measurement.
const ROUNDS: usize = 5;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Summary {
	rounds: Vec<Round>,
	machine: Option<Machine>,
	commit: Option<String>,
	seconds_after_build: Option<f64>,
	slots: Option<Slots>,
	resident_mib: Vec<f64>,
}

#[derive(Debug, Deserialize)]
struct Round {
	/// From the round's first block to its last.
	seconds: f64,
	/// Longest training of any participant.
	training_seconds: f64,
}

#[derive(Debug, Deserialize)]
struct Slots {
	/// Slots that passed while the trainers trained.
	expected: f64,
	/// Blocks authored in them.
	produced: f64,
}

#[derive(Debug, Deserialize)]
struct Machine {
	cpu: String,
	cores: f64,
	memory_gib: f64,
}

/// Runs the main job if `fresh`, and reads its figures.
///
/// # Errors
///
/// run.sh fails, or the summary is missing or says something else than agreed.
pub fn measure(workspace: &Workspace, fresh: bool) -> Result<Measurement> {
	if fresh {
		let rounds = ROUNDS.to_string();
		let job = ["bash", "scripts/run.sh", "--once", "--rounds", &rounds];
		if !run::succeeds(&mut run::command(workspace, Target::Shared, &job))? {
			bail!("scripts/run.sh failed; its own last lines say why");
		}
	}
	let text = workspace
		.read(SUMMARY)
		.context("run scripts/run.sh --once first")?;
	let summary: Summary = serde_json::from_str(&text).context(SUMMARY)?;
	Ok(Measurement {
		name: "line",
		conditions: conditions(&summary),
		figures: figures(&summary),
	})
}

fn conditions(summary: &Summary) -> String {
	let machine = summary.machine.as_ref().map_or_else(
		|| "an unnamed machine".to_owned(),
		|machine| {
			format!(
				"{}, {} cores, {:.1} GiB",
				machine.cpu, machine.cores, machine.memory_gib
			)
		},
	);
	let commit = summary.commit.as_deref().unwrap_or("unknown");
	format!(
		"Commit {commit} on {machine}, {} rounds.",
		summary.rounds.len()
	)
}

fn figures(summary: &Summary) -> Vec<Figure> {
	let complete = summary.rounds.len() >= ROUNDS;
	let time = summary.seconds_after_build.filter(|_| complete);
	let shares: Vec<f64> = summary
		.rounds
		.iter()
		.filter(|round| round.seconds > 0.0)
		.map(|round| 1.0 - round.training_seconds / round.seconds)
		.collect();
	let shares = if complete { shares } else { Vec::new() };
	let mean = (!shares.is_empty()).then(|| shares.iter().sum::<f64>() / shares.len() as f64);
	let missed = summary
		.slots
		.as_ref()
		.filter(|slots| slots.expected > 0.0)
		.map(|slots| 1.0 - slots.produced / slots.expected);
	vec![
		Figure::new(
			"main job after the build, 5 rounds",
			time,
			"s",
			Bound::AtMost(480.0),
		),
		Figure::new(
			"chain's share of a round, mean",
			mean,
			"",
			Bound::AtMost(0.30),
		),
		Figure::new(
			"chain's share of a round, largest",
			largest(&shares),
			"",
			Bound::AtMost(0.30),
		),
		Figure::new(
			"slots missed while training",
			missed,
			"",
			Bound::AtMost(0.05),
		),
		Figure::new(
			"node with trainer, resident, largest",
			largest(&summary.resident_mib),
			"MiB",
			Bound::AtMost(600.0),
		),
	]
}

fn largest(values: &[f64]) -> Option<f64> {
	values.iter().copied().reduce(f64::max)
}

#[cfg(test)]
mod tests {
	use super::*;

	fn parse(text: &str) -> Summary {
		serde_json::from_str(text).unwrap()
	}

	#[test]
	fn computes_the_figures() {
		let round = r#"{"number":1,"heldout_loss":4.5,"tokens_per_s":900.0,"seconds":40.0,"training_seconds":32.0}"#;
		let last = round.replace("32.0", "24.0");
		let rounds = [round, round, round, round, &last].join(",");
		let summary = parse(&format!(
			r#"{{"rounds":[{rounds}],"seconds_after_build":300.5,"slots":{{"expected":200,"produced":196}},
			"resident_mib":[410,388.5],"commit":"abc","machine":{{"cpu":"c","cores":2,"memory_gib":7.8}},"version":"x"}}"#
		));
		let found = figures(&summary);
		let value = |index: usize| found[index].value.unwrap();
		assert_eq!(value(0), 300.5);
		assert!((value(1) - 0.24).abs() < 1e-9);
		assert!((value(2) - 0.4).abs() < 1e-9);
		assert!((value(3) - 0.02).abs() < 1e-9);
		assert_eq!(value(4), 410.0);
		assert_eq!(
			found.iter().map(|figure| figure.met).collect::<Vec<_>>(),
			[true, true, false, true, true]
		);
		assert_eq!(
			conditions(&summary),
			"Commit abc on c, 2 cores, 7.8 GiB, 5 rounds."
		);
	}

	#[test]
	fn an_early_end_leaves_figures_without_value() {
		let summary =
			parse(r#"{"rounds":[{"seconds":40,"training_seconds":30}],"seconds_after_build":80}"#);
		assert!(figures(&summary)
			.iter()
			.all(|figure| figure.value.is_none() && !figure.met));
		assert_eq!(figures(&parse("{}")).len(), 5);
	}
}
