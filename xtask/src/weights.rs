//! `cargo xtask weights`: measures what each call of our pallets costs and writes `runtime/src/weights/`.
//!
//! The node is built with `runtime-benchmarks` in a target folder of its own; the runtime that it measures is the optimised WASM
//! blob, whatever the profile of the node. Must not know: which calls there are.
//! Numbers from a laptop are good for order of magnitude only; each file names the machine it was measured on.

use crate::{
	ci,
	run::{self, Target},
	workspace::Workspace,
};
use anyhow::{bail, Result};
use clap::Args;

/// Where the results go.
const FOLDER: &str = "runtime/src/weights";

/// What `cargo xtask weights` takes.
#[derive(Args)]
pub struct Options {
	/// Measure these pallets only, such as pallet-blobs.
	#[arg(long = "pallet", value_name = "PACKAGE")]
	pallets: Vec<String>,
	/// Steps across the range of each component.
	#[arg(long, default_value_t = 20)]
	steps: u32,
	/// Runs of each step.
	#[arg(long, default_value_t = 5)]
	repeat: u32,
}

/// Measures; whether every pallet was.
///
/// # Errors
///
/// A pallet has no benchmarks, or a program cannot be started.
pub fn run(workspace: &Workspace, options: &Options) -> Result<bool> {
	let known = ci::pallets(workspace)?;
	if let Some(unknown) = options.pallets.iter().find(|name| !known.contains(name)) {
		bail!(
			"{unknown} has no benchmarks; these have: {}",
			known.join(", ")
		);
	}
	let pallets = if options.pallets.is_empty() {
		&known
	} else {
		&options.pallets
	};

	let feature = ["--features", "llmchain-node/runtime-benchmarks"];
	let build = [
		"cargo",
		"build",
		"--locked",
		"--package",
		"llmchain-node",
		feature[0],
		feature[1],
	];
	let mut build = run::command(workspace, Target::Benchmarks, &build);
	// A runtime that one of the SDK's other benchmarks brings; it cannot be built from outside the SDK, and nothing here calls it.
	build.env("SKIP_FRAME_STORAGE_ACCESS_TEST_RUNTIME_WASM_BUILD", "1");
	if !run::succeeds(&mut build)? {
		return Ok(false);
	}
	std::fs::create_dir_all(workspace.root.join(FOLDER))?;
	let mut success = true;
	for pallet in pallets {
		success &= measure(workspace, options, &pallet.replace('-', "_"))?;
	}
	Ok(success)
}

fn measure(workspace: &Workspace, options: &Options, pallet: &str) -> Result<bool> {
	let output = format!("{FOLDER}/{pallet}.rs");
	println!("weights: {pallet} -> {output}");
	let (steps, repeat) = (options.steps.to_string(), options.repeat.to_string());
	// The folder is known only to the shell that has read scripts/env.sh.
	let node = "exec \"$CARGO_TARGET_DIR/debug/llmchain-node\" \"$@\"";
	let benchmark = [
		"bash",
		"-c",
		node,
		"llmchain-node",
		"benchmark",
		"pallet",
		"--chain",
		"dev",
	];
	let mut arguments = benchmark.to_vec();
	arguments.extend(["--pallet", pallet, "--extrinsic", "*", "--steps", &steps]);
	arguments.extend(["--repeat", &repeat, "--output", &output]);
	let mut command = run::command(workspace, Target::Benchmarks, &arguments);
	if !run::succeeds(&mut command)? {
		return Ok(false);
	}
	let format = ["rustfmt", "--edition", "2021", &output];
	run::succeeds(&mut run::command(workspace, Target::Benchmarks, &format))
}
