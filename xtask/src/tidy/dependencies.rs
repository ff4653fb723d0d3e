//! Who may know whom: the two tables of ARCHITECTURE.md against what cargo says.
//!
//! Between the markers `dependencies` stands one row for one or more crates: what they may use, what besides in tests, and what
//! must not even be reached through others. A word ending in `*` stands for every crate of others that begins so; our own
//! crates are always named in full. Between the markers `code-map` stands every folder of the checkout that holds a crate.
//! Invariants: each member of the workspace has exactly one row and one place in the map; nothing else has.

use super::Finding;
use crate::{
	region::{self, code_words},
	workspace::Workspace,
};
use anyhow::{Context, Result};
use cargo_metadata::{DependencyKind, MetadataCommand, Package};
use std::collections::{BTreeMap, BTreeSet};

/// The file with both tables.
pub const MAP: &str = "ARCHITECTURE.md";

/// The members of the workspace and what they use.
#[derive(Debug, Default)]
pub struct Graph {
	/// By name.
	pub members: BTreeMap<String, Member>,
}

/// One member.
#[derive(Debug, Default)]
pub struct Member {
	/// Folder, from the root.
	pub folder: String,
	/// What it uses itself: to run and to build, optional or not.
	pub uses: BTreeSet<String>,
	/// What only its tests use.
	pub uses_in_tests: BTreeSet<String>,
	/// Everything that it reaches when it runs.
	pub reaches: BTreeSet<String>,
}

impl Graph {
	/// Asks cargo.
	///
	/// # Errors
	///
	/// Cargo fails, for example because the lock file is out of date.
	pub fn read(workspace: &Workspace) -> Result<Self> {
		let metadata = MetadataCommand::new()
			.manifest_path(workspace.root.join("Cargo.toml"))
			.other_options(vec!["--locked".to_owned()])
			.exec()
			.context("cargo metadata")?;
		let resolve = metadata
			.resolve
			.as_ref()
			.context("cargo metadata resolved nothing")?;
		let names: BTreeMap<_, &str> = metadata
			.packages
			.iter()
			.map(|package| (&package.id, package.name.as_str()))
			.collect();
		let edges: BTreeMap<_, Vec<_>> = resolve
			.nodes
			.iter()
			.map(|node| {
				let runs = node.deps.iter().filter(|edge| {
					edge.dep_kinds
						.iter()
						.any(|kind| kind.kind == DependencyKind::Normal)
				});
				(&node.id, runs.map(|edge| &edge.pkg).collect())
			})
			.collect();

		let mut members = BTreeMap::new();
		for package in metadata.workspace_packages() {
			let mut reached = BTreeSet::new();
			let mut next = vec![&package.id];
			while let Some(id) = next.pop() {
				for dependency in edges.get(id).into_iter().flatten() {
					if reached.insert(*dependency) {
						next.push(dependency);
					}
				}
			}
			let reaches = reached
				.iter()
				.filter_map(|id| names.get(id))
				.map(|name| (*name).to_owned())
				.collect();
			let folder = package
				.manifest_path
				.parent()
				.and_then(|folder| folder.strip_prefix(&metadata.workspace_root).ok())
				.context("a member outside of the checkout")?
				.to_string();
			let tests = |kind| kind == DependencyKind::Development;
			let member = Member {
				folder,
				uses: direct(package, |kind| !tests(kind)),
				uses_in_tests: direct(package, tests),
				reaches,
			};
			members.insert(package.name.to_string(), member);
		}
		Ok(Self { members })
	}
}

fn direct(package: &Package, wanted: impl Fn(DependencyKind) -> bool) -> BTreeSet<String> {
	let of_kind = package
		.dependencies
		.iter()
		.filter(|dependency| wanted(dependency.kind));
	of_kind.map(|dependency| dependency.name.clone()).collect()
}

/// Checks the table of dependencies.
///
/// # Errors
///
/// Its markers are missing.
pub fn check_edges(architecture: &str, graph: &Graph) -> Result<Vec<Finding>> {
	let mut findings = Vec::new();
	let mut seen = BTreeSet::new();
	for row in region::table(architecture, "dependencies").context(MAP)? {
		let (allowed, in_tests, banned) = (row.code(1), row.code(2), row.code(3));
		let permits = |patterns: &[&str], name: &str| {
			patterns.iter().any(|pattern| matches(pattern, name, graph))
		};
		let mut error = |message: String| findings.push(Finding::error(MAP, row.line, message));
		for name in row.code(0) {
			let Some(member) = graph.members.get(name) else {
				error(format!("{name} is no member of the workspace"));
				continue;
			};
			if !seen.insert(name.to_owned()) {
				error(format!("{name} has a second row"));
			}
			for used in member.uses.iter().filter(|used| !permits(&allowed, used)) {
				error(format!("{name} uses {used}, which its row does not allow"));
			}
			let only_tests = member
				.uses_in_tests
				.iter()
				.filter(|used| !permits(&allowed, used) && !permits(&in_tests, used));
			for used in only_tests {
				error(format!(
					"the tests of {name} use {used}, which its row does not allow"
				));
			}
			for reached in member
				.reaches
				.iter()
				.filter(|reached| permits(&banned, reached))
			{
				error(format!("{name} reaches {reached}, which it must not know"));
			}
		}
	}
	for name in graph.members.keys().filter(|name| !seen.contains(*name)) {
		findings.push(Finding::error(
			MAP,
			0,
			format!("{name} has no row in the table of dependencies"),
		));
	}
	Ok(findings)
}

/// Checks the code map; `exists` tells whether a path from the root does.
///
/// # Errors
///
/// Its markers are missing.
pub fn check_map(
	architecture: &str,
	graph: &Graph,
	exists: impl Fn(&str) -> bool,
) -> Result<Vec<Finding>> {
	let mut findings = Vec::new();
	let mut seen = BTreeSet::new();
	for (line, text) in region::lines(architecture, "code-map").context(MAP)? {
		// The first word in backticks of a row is the folder; the others belong to the sentence.
		let Some(path) = code_words(text)
			.first()
			.map(|path| path.trim_end_matches('/'))
		else {
			continue;
		};
		if !exists(path) {
			findings.push(Finding::error(
				MAP,
				line,
				format!("{path} is in the map and nowhere else"),
			));
		}
		seen.insert(path.to_owned());
	}
	for (name, member) in &graph.members {
		if !seen.contains(&member.folder) {
			let message = format!("{name} ({}) is not in the code map", member.folder);
			findings.push(Finding::error(MAP, 0, message));
		}
	}
	Ok(findings)
}

/// Whether a word of the table stands for the crate `name`.
fn matches(pattern: &str, name: &str, graph: &Graph) -> bool {
	match pattern.strip_suffix('*') {
		Some(prefix) => name.starts_with(prefix) && !graph.members.contains_key(name),
		None => pattern == name,
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	fn set(names: &[&str]) -> BTreeSet<String> {
		names.iter().map(|name| (*name).to_owned()).collect()
	}

	fn graph() -> Graph {
		let member = |folder: &str, uses: &[&str], tests: &[&str], reaches: &[&str]| Member {
			folder: folder.into(),
			uses: set(uses),
			uses_in_tests: set(tests),
			reaches: set(reaches),
		};
		let members = BTreeMap::from([
			(
				"secagg".into(),
				member("crates/secagg", &["blake2"], &["proptest"], &["blake2"]),
			),
			(
				"pallet-a".into(),
				member(
					"pallets/a",
					&["sp-core", "secagg"],
					&[],
					&["sp-core", "secagg", "blake2"],
				),
			),
		]);
		Graph { members }
	}

	fn edges(rows: &str) -> Vec<String> {
		let text = format!(
			"<!-- dependencies:begin -->\n| c | m | t | n |\n|--|--|--|--|\n{rows}\n<!-- dependencies:end -->\n"
		);
		let findings = check_edges(&text, &graph()).unwrap();
		findings
			.into_iter()
			.map(|finding| finding.message)
			.collect()
	}

	#[test]
	fn allowed_edges_pass() {
		let rows = "| `secagg` | `blake2` | `proptest` | `sp-*` |\n| `pallet-a` | `sp-*`, `secagg` | | `trainer` |";
		assert!(edges(rows).is_empty());
	}

	#[test]
	fn an_edge_that_no_row_allows_is_found() {
		let rows = "| `secagg` | `blake2` | | |\n| `pallet-a` | `sp-*` | | |";
		let found = edges(rows);
		assert!(found[0].contains("tests of secagg use proptest"));
		assert!(found[1].contains("pallet-a uses secagg"));
	}

	#[test]
	fn a_star_never_stands_for_our_own() {
		let rows = "| `secagg` | `blake2` | `proptest` | |\n| `pallet-a` | `s*` | | |";
		assert_eq!(edges(rows).len(), 1);
	}

	#[test]
	fn what_is_reached_through_others_counts() {
		let rows = "| `secagg` | `blake2` | `proptest` | |\n| `pallet-a` | `sp-*`, `secagg` | | `blake*` |";
		assert_eq!(
			edges(rows),
			["pallet-a reaches blake2, which it must not know"]
		);
	}

	#[test]
	fn rows_and_members_agree() {
		let found = edges("| `secagg`, `secagg` | `blake2` | `proptest` | |\n| `gone` | | | |");
		assert!(found.iter().any(|message| message.contains("second row")));
		assert!(found
			.iter()
			.any(|message| message.contains("gone is no member")));
		assert!(found
			.iter()
			.any(|message| message.contains("pallet-a has no row")));
	}

	#[test]
	fn the_map_names_every_member_and_nothing_else() {
		let text = "<!-- code-map:begin -->\n| `crates/secagg/` | sums, not `models` |\n| `crates/gone/` | |\n<!-- code-map:end -->\n";
		let found = check_map(text, &graph(), |path| path == "crates/secagg").unwrap();
		assert_eq!(found.len(), 2);
		assert!(found[0].message.contains("crates/gone"));
		assert!(found[1].message.contains("pallet-a"));
	}
}
