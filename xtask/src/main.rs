//! The developer's one entry: `cargo xtask tidy | ci | weights | bench`.
//!
//! Must not know: product crates. It reads text, calls cargo and other programs, and counts.
//! Source: ARCHITECTURE.md, "Rules that a program checks"; docs/adr/0002-toolchain.md for how cargo is called.
//! Invariant: what CI runs is what a developer runs; there is no second list of steps anywhere.
//!
//! Reading order: [`workspace`], [`region`], [`tidy`], [`run`], [`ci`], [`lint`], [`weights`], [`bench`].

mod bench;
mod ci;
mod lint;
mod region;
mod run;
mod tidy;
mod weights;
mod workspace;

use clap::{Parser, Subcommand};
use std::process::ExitCode;
use workspace::Workspace;

/// Checks, tests and measures the workspace.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
	#[command(subcommand)]
	task: Task,
}

#[derive(Subcommand)]
enum Task {
	/// Check the rules that no compiler knows: dependencies, headers, sizes, words.
	Tidy,
	/// Run every check and every test, as CI does.
	Ci(ci::Options),
	/// Measure the weights of our pallets and write them to runtime/src/weights.
	Weights(weights::Options),
	/// Measure what the documentation promises and record it.
	Bench(bench::Options),
}

fn main() -> ExitCode {
	let outcome = Workspace::find().and_then(|workspace| match Arguments::parse().task {
		Task::Tidy => tidy::report(&workspace),
		Task::Ci(options) => ci::run(&workspace, &options),
		Task::Weights(options) => weights::run(&workspace, &options),
		Task::Bench(options) => bench::run(&workspace, &options),
	});
	match outcome {
		Ok(true) => ExitCode::SUCCESS,
		Ok(false) => ExitCode::FAILURE,
		Err(error) => {
			eprintln!("xtask: {error:#}");
			ExitCode::FAILURE
		}
	}
}
