//! Rules about the lock file and about what each crate switches on.
//!
//! Source: ARCHITECTURE.md, "Build"; docs/adr/0001-sdk-2609.md (one generation of the SDK), docs/adr/0002-toolchain.md.
//! Must not know: how dependencies are resolved; it reads the committed result.

use super::Finding;
use crate::workspace::TextFile;
use anyhow::{Context, Result};
use serde::Deserialize;
use std::collections::BTreeMap;

/// The lock file.
pub const LOCK: &str = "Cargo.lock";
/// Crates that must not be there twice, because their types are the seam between all the others.
const ONCE: [&str; 3] = ["sp-runtime", "sp-core", "frame-support"];
/// Crates that must not be there at all, with the reason.
const ABSENT: [(&str, &str); 1] = [("librocksdb-sys", "the node keeps its data in ParityDB only")];
/// The RPC library, its version in the node, and the one that only the chain client of the command line may bring.
const RPC: (&str, &str, &str, &str) = ("jsonrpsee", "0.24.", "0.26.", "subxt");
/// Crates whose library denies what may panic or wrap.
const STRICT: [&str; 4] = [
	"primitives",
	"pallets",
	"crates/secagg",
	"crates/originality",
];
/// What they deny.
const DENIED: [&str; 3] = [
	"clippy::unwrap_used",
	"clippy::indexing_slicing",
	"clippy::arithmetic_side_effects",
];

#[derive(Deserialize)]
struct Lock {
	package: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
	name: String,
	version: String,
	#[serde(default)]
	dependencies: Vec<String>,
}

/// Checks the lock file.
///
/// # Errors
///
/// It is not a lock file.
pub fn check_lock(text: &str) -> Result<Vec<Finding>> {
	let lock: Lock = toml::from_str(text).context(LOCK)?;
	let mut versions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
	for package in &lock.package {
		versions
			.entry(&package.name)
			.or_default()
			.push(&package.version);
	}
	let mut findings = Vec::new();
	let mut error = |name: &str, message: String| {
		let line = text
			.lines()
			.position(|line| line == format!("name = \"{name}\""))
			.map_or(0, |index| index + 1);
		findings.push(Finding::error(LOCK, line, message));
	};
	for name in ONCE {
		match versions.get(name).map(Vec::as_slice) {
			None | Some([_]) => {}
			Some(all) => error(
				name,
				format!("{name} in versions {}; one only", all.join(", ")),
			),
		}
	}
	for (name, reason) in ABSENT {
		if versions.contains_key(name) {
			error(name, format!("{name} is in the tree: {reason}"));
		}
	}
	check_rpc(&lock, &mut error);
	Ok(findings)
}

fn check_rpc(lock: &Lock, error: &mut impl FnMut(&str, String)) {
	let (family, ours, theirs, client) = RPC;
	let in_family = |name: &str| name == family || name.starts_with(&format!("{family}-"));
	for package in &lock.package {
		let Package {
			name,
			version,
			dependencies,
		} = package;
		if in_family(name) {
			if !version.starts_with(ours) && !version.starts_with(theirs) {
				error(
					name,
					format!("{name} {version}; {ours}x, or {theirs}x for {client}"),
				);
			}
			continue;
		}
		// With two versions of a crate in the lock, each edge carries the version.
		let foreign = dependencies.iter().any(|dependency| {
			let mut words = dependency.split(' ');
			let is_rpc = words.next().is_some_and(in_family);
			is_rpc
				&& words
					.next()
					.is_some_and(|version| version.starts_with(theirs))
		});
		if foreign && name != client && !name.starts_with(&format!("{client}-")) {
			error(
				name,
				format!("{name} uses {family} {theirs}x, which only {client} may"),
			);
		}
	}
}

/// Checks that every crate takes the workspace's lints, and that those which must not panic say so.
pub fn check_sources(files: &[TextFile]) -> Vec<Finding> {
	files
		.iter()
		.filter_map(|file| check_lints(file).or_else(|| check_denials(file)))
		.collect()
}

fn check_lints(file: &TextFile) -> Option<Finding> {
	if !file.path.ends_with("/Cargo.toml") || file.path.starts_with("scripts/shims/") {
		return None;
	}
	let manifest = file.text.parse::<toml::Table>().unwrap_or_default();
	// A workspace of its own has nothing to inherit.
	let inherits = manifest.contains_key("workspace")
		|| manifest
			.get("lints")
			.and_then(|lints| lints.get("workspace")?.as_bool())
			== Some(true);
	(!inherits).then(|| Finding::error(&file.path, 0, "add [lints] workspace = true"))
}

fn check_denials(file: &TextFile) -> Option<Finding> {
	if !file.path.ends_with("/src/lib.rs") || !file.is_under(&STRICT) {
		return None;
	}
	let missing: Vec<&str> = DENIED
		.into_iter()
		.filter(|lint| !file.text.contains(lint))
		.collect();
	(!missing.is_empty()).then(|| {
		let message = format!(
			"deny {} outside tests: a panic here stops the chain",
			missing.join(", ")
		);
		Finding::error(&file.path, 1, message)
	})
}

#[cfg(test)]
mod tests {
	use super::*;

	fn package(name: &str, version: &str, dependencies: &[&str]) -> String {
		format!("[[package]]\nname = \"{name}\"\nversion = \"{version}\"\ndependencies = {dependencies:?}\n")
	}

	fn messages(packages: &[String]) -> Vec<String> {
		let findings = check_lock(&packages.join("\n")).unwrap();
		findings
			.into_iter()
			.map(|finding| finding.message)
			.collect()
	}

	#[test]
	fn one_generation_of_the_sdk() {
		let once = [package("sp-core", "43.0.0", &[])];
		assert!(messages(&once).is_empty());
		let twice = [
			package("sp-core", "42.0.0", &[]),
			package("sp-core", "43.0.0", &[]),
		];
		assert!(messages(&twice)[0].contains("42.0.0, 43.0.0"));
	}

	#[test]
	fn no_rocksdb() {
		assert!(messages(&[package("librocksdb-sys", "0.1.0", &[])])[0].contains("ParityDB"));
	}

	#[test]
	fn the_newer_rpc_library_is_for_the_chain_client() {
		let good = [
			package("jsonrpsee", "0.24.11", &[]),
			package("jsonrpsee", "0.26.1", &["jsonrpsee-core 0.26.1"]),
			package("jsonrpsee-core", "0.26.1", &[]),
			package("sc-rpc", "56.0.0", &["jsonrpsee 0.24.11"]),
			package("subxt-rpcs", "0.51.0", &["jsonrpsee 0.26.1"]),
		];
		assert!(messages(&good).is_empty());
		assert_eq!(
			messages(&[package("llmchain-node", "0.1.0", &["jsonrpsee 0.26.1"])]).len(),
			1
		);
		assert_eq!(messages(&[package("jsonrpsee", "0.25.0", &[])]).len(), 1);
	}

	#[test]
	fn crates_take_the_lints() {
		let manifest = |text: &str| TextFile {
			path: "a/Cargo.toml".into(),
			text: text.into(),
		};
		assert!(check_sources(&[manifest("[lints]\nworkspace = true\n")]).is_empty());
		assert!(check_sources(&[manifest("[workspace]\n")]).is_empty());
		assert_eq!(
			check_sources(&[manifest("[package]\nname = \"a\"\n")]).len(),
			1
		);
	}

	#[test]
	fn crates_that_must_not_panic_say_so() {
		let library = |path: &str, text: &str| TextFile {
			path: path.into(),
			text: text.into(),
		};
		assert_eq!(
			check_sources(&[library("pallets/a/src/lib.rs", "//! A.\n")]).len(),
			1
		);
		assert!(check_sources(&[library("pallets/a/src/lib.rs", &DENIED.join(" "))]).is_empty());
		assert!(check_sources(&[library("crates/trainer/src/lib.rs", "//! A.\n")]).is_empty());
	}
}
