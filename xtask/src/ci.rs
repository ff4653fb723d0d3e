//! `cargo xtask ci`: every check and every test, in the order in which they fail fastest.
//!
//! One selection of packages everywhere, `--workspace --all-targets`, because any other selects other features and rebuilds much
//! (docs/adr/0002-toolchain.md). Tests that start nodes are named `e2e_` and run alone, after all others, one at a time.
//! The last line printed is `N passed, N failed`, for programs that read it.

use crate::{
	lint,
	run::{self, Counts, Target},
	tidy,
	workspace::Workspace,
};
use anyhow::{bail, Context, Result};
use clap::{Args, ValueEnum};
use std::{
	fmt,
	time::{Duration, Instant},
};

/// Cargo's selection for everything that goes into the shared target folder.
const SELECTION: [&str; 2] = ["--workspace", "--all-targets"];
/// Beginning of the name of every test that starts nodes.
const E2E: &str = "e2e_";
/// Second implementations that write test vectors.
const VECTORS: &str = "scripts/vectors/*.py";
/// Package of those tests.
const E2E_PACKAGE: &str = "e2e";
/// Part of the path of every test that a benchmark gives.
const BENCHMARK_TESTS: &str = "benchmarking::";

/// What `cargo xtask ci` takes.
#[derive(Args)]
pub struct Options {
	/// Run these steps only, in the usual order.
	#[arg(long, value_enum, value_delimiter = ',')]
	only: Vec<Step>,
	/// Go on after a step that failed.
	#[arg(long)]
	keep_going: bool,
	/// Also run the tests that are left out because they take long.
	#[arg(long)]
	slow: bool,
}

/// One step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Step {
	/// rustfmt.
	Fmt,
	/// The rules that no compiler knows.
	Tidy,
	/// Linters of shell, images, compose files, alert rules.
	Lint,
	/// Test vectors against the second implementations that wrote them.
	Vectors,
	/// clippy without warnings.
	Clippy,
	/// Every program and test, so that later steps find them built.
	Build,
	/// Every test that starts no node.
	Test,
	/// Every benchmark of a pallet, run once as a test.
	Benchmarks,
	/// Tests that start nodes.
	E2e,
	/// Tests that take long; only with --slow or by name.
	Slow,
}

impl Step {
	fn name(self) -> &'static str {
		match self {
			Step::Fmt => "fmt",
			Step::Tidy => "tidy",
			Step::Lint => "lint",
			Step::Vectors => "vectors",
			Step::Clippy => "clippy",
			Step::Build => "build",
			Step::Test => "test",
			Step::Benchmarks => "benchmarks",
			Step::E2e => "e2e",
			Step::Slow => "slow",
		}
	}

	fn run(self, workspace: &Workspace) -> Result<Outcome> {
		match self {
			Step::Fmt => cargo(workspace, &["fmt", "--all", "--", "--check"]),
			Step::Tidy => tidy::report(workspace).map(Outcome::check),
			Step::Lint => lint::run(workspace).map(Outcome::check),
			Step::Vectors => vectors(workspace).map(Outcome::check),
			Step::Clippy => cargo(workspace, &selected("clippy", &["--", "-D", "warnings"])),
			Step::Build => cargo(workspace, &selected("build", &[])),
			Step::Test => {
				let arguments = selected("test", &["--no-fail-fast", "--", "--skip", E2E]);
				cargo_tests(workspace, &arguments)
			}
			Step::Benchmarks => benchmarks(workspace),
			Step::E2e => end_to_end(workspace, &[]),
			Step::Slow => {
				let arguments = selected(
					"test",
					&["--no-fail-fast", "--", "--ignored", "--skip", E2E],
				);
				let mut outcome = cargo_tests(workspace, &arguments)?;
				outcome.add(end_to_end(workspace, &["--ignored"])?);
				Ok(outcome)
			}
		}
	}
}

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Outcome {
	success: bool,
	counts: Counts,
}

impl Outcome {
	fn check(success: bool) -> Self {
		Self {
			success,
			counts: Counts::default(),
		}
	}

	fn add(&mut self, other: Self) {
		self.success &= other.success;
		self.counts += other.counts;
	}
}

/// A line of the closing table.
struct Line {
	step: Step,
	outcome: Outcome,
	took: Duration,
}

impl fmt::Display for Line {
	fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
		let word = if self.outcome.success { "ok" } else { "FAILED" };
		write!(
			f,
			"ci: {:<10} {word:<6} {:>7.1} s",
			self.step.name(),
			self.took.as_secs_f64()
		)?;
		let Counts {
			passed,
			failed,
			ignored,
		} = self.outcome.counts;
		if self.outcome.counts != Counts::default() {
			write!(f, "  {passed} passed, {failed} failed, {ignored} ignored")?;
		}
		Ok(())
	}
}

/// Runs the steps; whether all succeeded.
///
/// # Errors
///
/// A program that a step needs cannot be started.
pub fn run(workspace: &Workspace, options: &Options) -> Result<bool> {
	let mut lines: Vec<Line> = Vec::new();
	for step in steps(options) {
		println!("ci: {}", step.name());
		let begun = Instant::now();
		let outcome = step.run(workspace)?;
		lines.push(Line {
			step,
			outcome,
			took: begun.elapsed(),
		});
		if !outcome.success && !options.keep_going {
			break;
		}
	}
	for line in &lines {
		println!("{line}");
	}
	let mut total = Outcome::check(true);
	for line in &lines {
		total.add(line.outcome);
	}
	println!(
		"{} passed, {} failed",
		total.counts.passed, total.counts.failed
	);
	Ok(total.success)
}

fn steps(options: &Options) -> Vec<Step> {
	let wanted = |step: &Step| match options.only.is_empty() {
		true => *step != Step::Slow || options.slow,
		false => options.only.contains(step),
	};
	Step::value_variants()
		.iter()
		.copied()
		.filter(wanted)
		.collect()
}

/// `cargo VERB` over the one selection.
fn selected<'a>(verb: &'a str, rest: &[&'a str]) -> Vec<&'a str> {
	let mut arguments = vec![verb, "--locked"];
	arguments.extend(SELECTION);
	arguments.extend(rest);
	arguments
}

/// Has every second implementation compare the vectors in the tree with those that it would write.
fn vectors(workspace: &Workspace) -> Result<bool> {
	let python = run::find_program("python3").context("python3 not found")?;
	let python = python.to_string_lossy();
	let mut success = true;
	for script in workspace.matching(VECTORS)? {
		let check = [&python, script.as_str(), "--check"];
		success &= run::succeeds(&mut run::command(workspace, Target::Shared, &check))?;
	}
	Ok(success)
}

fn with_cargo<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
	std::iter::once("cargo")
		.chain(arguments.iter().copied())
		.collect()
}

fn cargo(workspace: &Workspace, arguments: &[&str]) -> Result<Outcome> {
	let mut command = run::command(workspace, Target::Shared, &with_cargo(arguments));
	run::succeeds(&mut command).map(Outcome::check)
}

fn cargo_tests(workspace: &Workspace, arguments: &[&str]) -> Result<Outcome> {
	let (success, counts) = run::tests(&mut run::command(
		workspace,
		Target::Shared,
		&with_cargo(arguments),
	))?;
	Ok(Outcome {
		success: success && counts.failed == 0,
		counts,
	})
}

/// Runs each pallet's benchmarks once, in a target folder of their own; one build for all, so that features are unified once.
fn benchmarks(workspace: &Workspace) -> Result<Outcome> {
	let pallets = pallets(workspace)?;
	let mut arguments = vec!["test", "--locked", "--no-run", "--message-format", "json"];
	arguments.extend(["--lib", "--features", "runtime-benchmarks"]);
	for pallet in &pallets {
		arguments.extend(["--package", pallet]);
	}
	let mut build = run::command(workspace, Target::Benchmarks, &with_cargo(&arguments));
	let messages = run::output(&mut build)?;
	let mut total = Outcome::check(true);
	for pallet in &pallets {
		let folder = pallet.replacen("pallet-", "pallets/", 1);
		let mut outcome = Outcome::check(true);
		for program in test_programs(&messages, &folder, "lib")? {
			outcome.add(test_program(
				workspace,
				Target::Benchmarks,
				&folder,
				&[&program, BENCHMARK_TESTS],
			)?);
		}
		if outcome.success && outcome.counts.passed == 0 {
			println!("ci: {pallet} has no benchmark that runs as a test");
			outcome.success = false;
		}
		total.add(outcome);
	}
	Ok(total)
}

/// Names of our pallets that have benchmarks: those that declare the feature and have a file for them.
///
/// # Errors
///
/// The folder of pallets cannot be read.
pub fn pallets(workspace: &Workspace) -> Result<Vec<String>> {
	let mut names = Vec::new();
	for entry in workspace
		.root
		.join("pallets")
		.read_dir()
		.context("reading pallets")?
	{
		let entry = entry?;
		let source = entry.path().join("src");
		if source.join("benchmarking.rs").is_file() || source.join("benchmarking").is_dir() {
			names.push(format!("pallet-{}", entry.file_name().to_string_lossy()));
		}
	}
	names.sort();
	Ok(names)
}

/// Runs the tests that start nodes, directly: through cargo every other test program would run again.
fn end_to_end(workspace: &Workspace, rest: &[&str]) -> Result<Outcome> {
	let arguments = selected("test", &["--no-run", "--message-format", "json"]);
	let messages = run::output(&mut run::command(
		workspace,
		Target::Shared,
		&with_cargo(&arguments),
	))?;
	let programs = test_programs(&messages, E2E_PACKAGE, "test")?;
	if programs.is_empty() {
		bail!("package {E2E_PACKAGE} has no test program; its tests belong in e2e/tests");
	}
	let mut total = Outcome::check(true);
	for program in programs {
		let mut arguments = vec![program.as_str(), E2E, "--test-threads=1"];
		arguments.extend(rest);
		total.add(test_program(
			workspace,
			Target::Shared,
			E2E_PACKAGE,
			&arguments,
		)?);
	}
	Ok(total)
}

/// Runs a test program as cargo would: `folder` is its package's, from the root.
fn test_program(
	workspace: &Workspace,
	target: Target,
	folder: &str,
	arguments: &[&str],
) -> Result<Outcome> {
	let mut command = run::command(workspace, target, arguments);
	command.env("CARGO_MANIFEST_DIR", workspace.root.join(folder));
	let (success, counts) = run::tests(&mut command)?;
	Ok(Outcome {
		success: success && counts.failed == 0,
		counts,
	})
}

/// Test programs of the package in `folder` that are made from targets of `kind`, from cargo's messages, in order.
fn test_programs(messages: &str, folder: &str, kind: &str) -> Result<Vec<String>> {
	let manifest = format!("/{folder}/Cargo.toml");
	let mut programs = Vec::new();
	for line in messages.lines().filter(|line| line.starts_with('{')) {
		let message: serde_json::Value = serde_json::from_str(line).context("cargo's messages")?;
		let is_kind = message["target"]["kind"]
			.as_array()
			.is_some_and(|kinds| kinds.iter().any(|found| found == kind));
		let is_ours = message["manifest_path"]
			.as_str()
			.is_some_and(|path| path.ends_with(&manifest));
		// A library that is no test program has no executable.
		if let (true, true, Some(path)) = (is_kind, is_ours, message["executable"].as_str()) {
			programs.push(path.to_owned());
		}
	}
	programs.sort();
	Ok(programs)
}

#[cfg(test)]
mod tests {
	use super::*;

	fn options(only: &[Step], slow: bool) -> Options {
		Options {
			only: only.to_vec(),
			keep_going: false,
			slow,
		}
	}

	#[test]
	fn steps_keep_their_order() {
		let all = steps(&options(&[], false));
		assert_eq!(all.first(), Some(&Step::Fmt));
		assert_eq!(all.last(), Some(&Step::E2e));
		assert_eq!(steps(&options(&[], true)).last(), Some(&Step::Slow));
		assert_eq!(
			steps(&options(&[Step::Test, Step::Tidy], false)),
			[Step::Tidy, Step::Test]
		);
		assert_eq!(steps(&options(&[Step::Slow], false)), [Step::Slow]);
	}

	#[test]
	fn finds_the_programs_of_one_package() {
		let message = |package: &str, kind: &str, executable: &str| {
			format!(
				"{{\"reason\":\"compiler-artifact\",\"manifest_path\":\"/w/{package}/Cargo.toml\",\"target\":{{\"kind\":[\"{kind}\"]}},\"executable\":{executable}}}"
			)
		};
		let messages = [
			message("e2e", "test", "\"/t/b\""),
			message("e2e", "test", "\"/t/a\""),
			message("e2e", "lib", "\"/t/c\""),
			message("cli", "test", "\"/t/d\""),
			message("e2e", "test", "null"),
			"{\"reason\":\"build-finished\",\"success\":true}".to_owned(),
		];
		assert_eq!(
			test_programs(&messages.join("\n"), "e2e", "test").unwrap(),
			["/t/a", "/t/b"]
		);
		assert_eq!(
			test_programs(&messages.join("\n"), "e2e", "lib").unwrap(),
			["/t/c"]
		);
		assert!(test_programs("{", "e2e", "test").is_err());
	}

	#[test]
	fn the_table_shows_counts_where_there_are_any() {
		let line = |outcome| {
			Line {
				step: Step::Test,
				outcome,
				took: Duration::from_millis(1500),
			}
			.to_string()
		};
		assert_eq!(
			line(Outcome::check(true)),
			"ci: test       ok         1.5 s"
		);
		let counts = Counts {
			passed: 3,
			failed: 1,
			ignored: 0,
		};
		let shown = line(Outcome {
			success: false,
			counts,
		});
		assert!(shown.contains("FAILED") && shown.ends_with("3 passed, 1 failed, 0 ignored"));
	}
}
