//! Linters of what is not Rust: shell, the image, the compose file, the Prometheus rules, the dashboard.
//!
//! A linter that is not installed is named and left out; `scripts/setup.sh --linters` installs all of them, and
//! `scripts/test.sh` does so before it runs the checks. Must not know: what the files say.

use crate::{run, workspace::Workspace};
use anyhow::Result;
use std::process::Command;

/// A linter and its arguments.
struct Linter {
	program: &'static str,
	arguments: &'static [&'static str],
	files: &'static [&'static str],
}

const LINTERS: [Linter; 4] = [
	Linter {
		program: "shellcheck",
		arguments: &["--external-sources", "--source-path=SCRIPTDIR"],
		files: &[".ci/run", "scripts/*.sh", "docker/*.sh"],
	},
	Linter {
		program: "hadolint",
		arguments: &[],
		files: &["docker/Dockerfile"],
	},
	Linter {
		program: "docker-compose",
		arguments: &["-f", "docker/compose.yaml", "config", "-q"],
		files: &[],
	},
	Linter {
		program: "promtool",
		arguments: &["check", "config"],
		files: &["docker/prometheus/prometheus.yml"],
	},
];

/// Where the dashboards lie; each must be JSON whose panels have a title and a unit.
const DASHBOARDS: &str = "docker/grafana/dashboards";

/// Runs every linter there is; whether none complained.
///
/// # Errors
///
/// A linter cannot be started, or a folder not be read.
pub fn run(workspace: &Workspace) -> Result<bool> {
	let mut success = true;
	for linter in &LINTERS {
		let Some(program) = run::find_program(linter.program) else {
			println!(
				"lint: {} left out: not installed (scripts/setup.sh --linters)",
				linter.program
			);
			continue;
		};
		let mut files = Vec::new();
		for pattern in linter.files {
			files.extend(workspace.matching(pattern)?);
		}
		let mut command = Command::new(program);
		command
			.args(linter.arguments)
			.args(files)
			.current_dir(&workspace.root);
		let passed = run::succeeds(&mut command)?;
		println!(
			"lint: {} {}",
			linter.program,
			if passed { "ok" } else { "complains" }
		);
		success &= passed;
	}
	for path in workspace.matching(&format!("{DASHBOARDS}/*.json"))? {
		for complaint in check_dashboard(&workspace.read(&path)?) {
			println!("{path}: {complaint}");
			success = false;
		}
	}
	Ok(success)
}

/// What a reader of the dashboard would miss.
fn check_dashboard(text: &str) -> Vec<String> {
	let dashboard: serde_json::Value = match serde_json::from_str(text) {
		Ok(value) => value,
		Err(error) => return vec![format!("not JSON: {error}")],
	};
	let panels = dashboard["panels"]
		.as_array()
		.map(Vec::as_slice)
		.unwrap_or_default();
	let mut complaints = Vec::new();
	if panels.is_empty() {
		complaints.push("no panels".to_owned());
	}
	for panel in panels.iter().filter(|panel| panel["type"] != "row") {
		let title = panel["title"].as_str().unwrap_or_default();
		let needed = [
			("a title", !title.is_empty()),
			(
				"a description",
				panel["description"]
					.as_str()
					.is_some_and(|text| !text.is_empty()),
			),
			(
				"a unit",
				panel["fieldConfig"]["defaults"]["unit"].is_string(),
			),
			("a query", panel["targets"][0]["expr"].is_string()),
		];
		for (what, _) in needed.iter().filter(|(_, there)| !there) {
			complaints.push(format!("panel {} ({title:?}) has not {what}", panel["id"]));
		}
	}
	complaints
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn a_panel_needs_what_a_reader_needs() {
		let good = r#"{"panels":[{"type":"row","title":"a"},{"id":1,"type":"timeseries","title":"a",
			"description":"b","fieldConfig":{"defaults":{"unit":"s"}},"targets":[{"expr":"c"}]}]}"#;
		assert!(check_dashboard(good).is_empty());
		let bare = r#"{"panels":[{"id":7,"type":"timeseries","title":"a"}]}"#;
		assert_eq!(check_dashboard(bare).len(), 3);
		assert!(check_dashboard(bare)[0].contains("panel 7"));
		assert_eq!(check_dashboard("{}"), ["no panels"]);
		assert!(check_dashboard("{")[0].starts_with("not JSON"));
	}

	#[test]
	fn patterns_name_files_that_exist() {
		let workspace = Workspace::find().unwrap();
		assert_eq!(workspace.matching("Cargo.toml").unwrap(), ["Cargo.toml"]);
		assert!(workspace.matching("absent.toml").unwrap().is_empty());
		assert!(workspace.matching("absent/*.sh").unwrap().is_empty());
		assert!(workspace
			.matching("scripts/*.sh")
			.unwrap()
			.contains(&"scripts/env.sh".to_owned()));
	}
}
