//! `cargo xtask bench NAME`: measures what the documentation promises.
//!
//! Every bench writes `run/bench-NAME.json`, rows of [`Figure`], and the table between its markers in `docs/benchmarks.md`.
//! Must not know: how a figure comes about; each bench has a file for that. A figure that could not be measured has no value and
//! does not meet its bound.
//! Floats are fine here: nothing of this is hashed.

mod engine;
mod line;

use crate::{region, workspace::Workspace};
use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use serde::Serialize;
use std::{fmt, path::PathBuf};

/// The table of all benches, for people.
const DOCUMENT: &str = "docs/benchmarks.md";

/// What `cargo xtask bench` takes.
#[derive(Args)]
pub struct Options {
	/// Which bench.
	#[arg(value_enum)]
	name: Name,
	/// Read the result of the last run instead of running anything.
	#[arg(long)]
	no_run: bool,
	/// Text that `engine` trains on; without it those figures are not measured.
	#[arg(long)]
	text: Option<PathBuf>,
}

/// The benches there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Name {
	/// The Transformer engine, beside PyTorch and candle.
	Engine,
	/// The whole line: five rounds by four trainers on one machine.
	Line,
}

/// What a figure must be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bound {
	/// This much or less.
	AtMost(f64),
	/// This much or more.
	AtLeast(f64),
}

impl Bound {
	fn holds(self, value: f64) -> bool {
		match self {
			Bound::AtMost(most) => value <= most,
			Bound::AtLeast(least) => value >= least,
		}
	}
}

impl fmt::Display for Bound {
	fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
		match self {
			Bound::AtMost(most) => write!(f, "<= {most}"),
			Bound::AtLeast(least) => write!(f, ">= {least}"),
		}
	}
}

/// One measured figure.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figure {
	/// What was measured.
	pub name: &'static str,
	/// The result; `None` if the run did not get so far.
	pub value: Option<f64>,
	/// Unit of the value; empty for a share.
	pub unit: &'static str,
	/// The same figure of other software, where there is one.
	pub peer: Option<f64>,
	/// Value by peer.
	pub ratio: Option<f64>,
	/// What the value must be.
	pub must: String,
	/// Whether it is.
	pub met: bool,
	/// What `must` says, for comparison.
	#[serde(skip)]
	bound: Bound,
}

impl Figure {
	/// A figure without a peer.
	pub fn new(name: &'static str, value: Option<f64>, unit: &'static str, bound: Bound) -> Self {
		let met = value.is_some_and(|value| bound.holds(value));
		Self {
			name,
			value,
			unit,
			peer: None,
			ratio: None,
			must: bound.to_string(),
			met,
			bound,
		}
	}

	/// A figure beside a peer's; the bound is on value by peer.
	pub fn beside(
		name: &'static str,
		value: Option<f64>,
		unit: &'static str,
		peer: Option<f64>,
		bound: Bound,
	) -> Self {
		let ratio = value.zip(peer).map(|(value, peer)| value / peer);
		Self {
			name,
			value,
			unit,
			peer,
			ratio,
			must: format!("ratio {bound}"),
			met: ratio.is_some_and(|ratio| bound.holds(ratio)),
			bound,
		}
	}

	/// The same figure with other values.
	fn filled(self, value: Option<f64>, peer: Option<f64>) -> Self {
		if self.must.starts_with("ratio") {
			Self::beside(self.name, value, self.unit, peer, self.bound)
		} else {
			Self::new(self.name, value, self.unit, self.bound)
		}
	}

	fn row(&self) -> String {
		let number = |number: Option<f64>, absent: &str| {
			number.map_or_else(|| absent.to_owned(), |number| format!("{number:.3}"))
		};
		let met = if self.met { "yes" } else { "no" };
		format!(
			"| {} | {} | {} | {} | {} | {} | {met} |",
			self.name,
			number(self.value, "not measured"),
			self.unit,
			number(self.peer, ""),
			number(self.ratio, ""),
			self.must
		)
	}
}

/// What a bench measured, and on what.
pub struct Measurement {
	/// Name of the bench, as in its file.
	pub name: &'static str,
	/// Machine and commit, in one sentence.
	pub conditions: String,
	/// The figures.
	pub figures: Vec<Figure>,
}

/// Measures and records; whether every bound is met.
///
/// # Errors
///
/// The bench cannot be run, or its results not be written.
pub fn run(workspace: &Workspace, options: &Options) -> Result<bool> {
	let measurement = match options.name {
		Name::Engine => engine::measure(workspace, !options.no_run, options.text.as_deref())?,
		Name::Line => line::measure(workspace, !options.no_run)?,
	};
	let json = serde_json::to_string_pretty(&measurement.figures)?;
	workspace.write(
		&format!("run/bench-{}.json", measurement.name),
		&format!("{json}\n"),
	)?;
	let table = table(&measurement);
	println!("{table}");
	let marker = format!("bench-{}", measurement.name);
	let document = region::replaced(&workspace.read(DOCUMENT)?, &marker, &table)
		.with_context(|| DOCUMENT.to_owned())?;
	workspace.write(DOCUMENT, &document)?;
	Ok(measurement.figures.iter().all(|figure| figure.met))
}

fn table(measurement: &Measurement) -> String {
	let mut text = format!("{}\n\n", measurement.conditions);
	text.push_str("| figure | value | unit | peer | ratio | bound | met |\n|---|---:|---|---:|---:|---|---|\n");
	for figure in &measurement.figures {
		text.push_str(&figure.row());
		text.push('\n');
	}
	text
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn a_figure_that_was_not_measured_meets_nothing() {
		let bound = Bound::AtMost(480.0);
		assert!(Figure::new("time", Some(480.0), "s", bound).met);
		assert!(!Figure::new("time", Some(480.5), "s", bound).met);
		let absent = Figure::new("time", None, "s", bound);
		assert!(!absent.met);
		assert_eq!(
			absent.row(),
			"| time | not measured | s |  |  | <= 480 | no |"
		);
	}

	#[test]
	fn json_has_the_agreed_fields() {
		let figure = Figure::new("time", Some(1.5), "s", Bound::AtMost(2.0));
		let json = serde_json::to_value(&figure).unwrap();
		let mut fields: Vec<&str> = json
			.as_object()
			.unwrap()
			.keys()
			.map(String::as_str)
			.collect();
		fields.sort_unstable();
		assert_eq!(
			fields,
			["met", "must", "name", "peer", "ratio", "unit", "value"]
		);
	}
}
