//! Starts programs in the project's own environment and counts what test programs report.
//!
//! Every command runs in a shell that has sourced `scripts/env.sh`, so that one place decides about target folder, lock file and
//! WASM toolchain (docs/adr/0002-toolchain.md). Must not know: which commands there are.

use crate::workspace::Workspace;
use anyhow::{bail, Context, Result};
use std::{
	env,
	io::{BufRead, BufReader, Read},
	ops::AddAssign,
	path::{Path, PathBuf},
	process::{Command, Stdio},
};

/// What cargo sets for the program it runs; a cargo started from here must not see it.
const OF_OUTER_CARGO: [&str; 2] = ["CARGO", "LD_LIBRARY_PATH"];
/// Beginnings of such names.
const OF_OUTER_PACKAGE: [&str; 3] = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_CRATE_"];

/// Which target folder a command builds into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
	/// That of all work and of CI.
	Shared,
	/// A folder of its own inside it: other features would rebuild half of the shared one.
	Benchmarks,
}

impl Target {
	fn script(self) -> &'static str {
		match self {
			Target::Shared => ". scripts/env.sh && exec \"$@\"",
			Target::Benchmarks => {
				". scripts/env.sh && CARGO_TARGET_DIR=$CARGO_TARGET_DIR/benchmarks && exec \"$@\""
			}
		}
	}
}

/// A command in the project's environment, started in the root of the checkout.
pub fn command(workspace: &Workspace, target: Target, arguments: &[&str]) -> Command {
	let mut command = Command::new("bash");
	command
		.args(["-c", target.script(), "xtask"])
		.args(arguments)
		.current_dir(&workspace.root);
	for (name, _) in env::vars_os() {
		let text = name.to_string_lossy();
		let of_outer = OF_OUTER_CARGO.contains(&text.as_ref())
			|| OF_OUTER_PACKAGE
				.iter()
				.any(|prefix| text.starts_with(prefix));
		if of_outer {
			command.env_remove(&name);
		}
	}
	command
}

/// Runs a command to its end; whether it succeeded.
///
/// # Errors
///
/// It cannot be started.
pub fn succeeds(command: &mut Command) -> Result<bool> {
	let status = command
		.status()
		.with_context(|| format!("starting {command:?}"))?;
	Ok(status.success())
}

/// Runs a command and returns what it prints; its messages go to the terminal.
///
/// # Errors
///
/// It cannot be started, fails, or prints something that is not UTF-8.
pub fn output(command: &mut Command) -> Result<String> {
	let output = command
		.stderr(Stdio::inherit())
		.output()
		.with_context(|| format!("starting {command:?}"))?;
	if !output.status.success() {
		bail!("{command:?} ended with {}", output.status);
	}
	String::from_utf8(output.stdout).context("its output is not UTF-8")
}

/// How many tests ran, by result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
	/// Passed.
	pub passed: u64,
	/// Failed.
	pub failed: u64,
	/// Left out by their own attribute.
	pub ignored: u64,
}

impl AddAssign for Counts {
	fn add_assign(&mut self, other: Self) {
		self.passed += other.passed;
		self.failed += other.failed;
		self.ignored += other.ignored;
	}
}

impl Counts {
	/// Counts in a line of the test runner's summary; `None` for any other line.
	pub fn parse(line: &str) -> Option<Self> {
		let summary = line.trim().strip_prefix("test result: ")?;
		let (_, numbers) = summary.split_once(". ")?;
		let mut counts = Self::default();
		for part in numbers.split(';') {
			let (number, name) = part.trim().split_once(' ')?;
			// The last part is the duration.
			let Ok(number) = number.parse() else { continue };
			match name {
				"passed" => counts.passed = number,
				"failed" => counts.failed = number,
				"ignored" => counts.ignored = number,
				_ => {}
			}
		}
		Some(counts)
	}
}

/// Runs test programs through `command`, showing their output as it comes; whether it succeeded, and the counts.
///
/// # Errors
///
/// The command cannot be started or its output not be read.
pub fn tests(command: &mut Command) -> Result<(bool, Counts)> {
	let mut child = command
		.stdout(Stdio::piped())
		.spawn()
		.with_context(|| format!("starting {command:?}"))?;
	let mut counts = Counts::default();
	if let Some(stdout) = child.stdout.take() {
		echo(stdout, |line| {
			if let Some(found) = Counts::parse(line) {
				counts += found;
			}
		})?;
	}
	Ok((child.wait()?.success(), counts))
}

/// Shows each line and hands it on. Bytes that are not UTF-8 (a test may print them) are shown as replacement characters.
fn echo(stream: impl Read, mut take: impl FnMut(&str)) -> Result<()> {
	let mut reader = BufReader::new(stream);
	let mut bytes = Vec::new();
	while reader.read_until(b'\n', &mut bytes)? != 0 {
		let line = String::from_utf8_lossy(&bytes);
		print!("{line}");
		take(&line);
		bytes.clear();
	}
	Ok(())
}

/// Path of a program: among the linters that `scripts/setup.sh --linters` keeps, or on the search path.
pub fn find_program(name: &str) -> Option<PathBuf> {
	let kept = env::var_os("HOME").map(|home| Path::new(&home).join(".cache/llmchain/linters/bin"));
	let search = env::var_os("PATH").unwrap_or_default();
	kept.into_iter()
		.chain(env::split_paths(&search))
		.map(|folder| folder.join(name))
		.find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn reads_the_runners_summary() {
		let line = "test result: FAILED. 12 passed; 3 failed; 1 ignored; 0 measured; 7 filtered out; finished in 0.05s";
		assert_eq!(
			Counts::parse(line),
			Some(Counts {
				passed: 12,
				failed: 3,
				ignored: 1
			})
		);
		let line = "test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.00s\n";
		assert_eq!(Counts::parse(line).unwrap().passed, 1);
		assert_eq!(Counts::parse("test a::b ... ok"), None);
		assert_eq!(Counts::parse("running 3 tests"), None);
	}

	#[test]
	fn counts_while_showing() {
		let mut command = Command::new("printf");
		command.arg("test result: ok. 2 passed; 0 failed\\n\\377\\ntest result: FAILED. 1 passed; 4 failed\\n");
		let (success, counts) = tests(&mut command).unwrap();
		assert!(success);
		assert_eq!(
			counts,
			Counts {
				passed: 3,
				failed: 4,
				ignored: 0
			}
		);
	}

	#[test]
	fn commands_see_the_projects_environment() {
		let workspace = Workspace::find().unwrap();
		let print = [
			"sh",
			"-c",
			"echo \"$CARGO_TARGET_DIR $LLMCHAIN_ROOT $CARGO_PKG_NAME\"",
		];
		let shared = output(&mut command(&workspace, Target::Shared, &print)).unwrap();
		let own = output(&mut command(&workspace, Target::Benchmarks, &print)).unwrap();
		let root = workspace.root.display().to_string();
		assert_eq!(shared.split_whitespace().nth(1), Some(root.as_str()));
		assert_eq!(shared.split_whitespace().count(), 2);
		assert!(own
			.split_whitespace()
			.next()
			.unwrap()
			.ends_with("/benchmarks"));
	}
}
