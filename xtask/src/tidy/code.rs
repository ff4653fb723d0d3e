//! Rules about code: where `unsafe` may stand, and where a float may.
//!
//! Source: ARCHITECTURE.md, invariant 1 (the chain agrees on integers only) and the row of the dependency table on node/.
//! Must not know: the kernels themselves; a folder's name is all it looks at.

use super::{
	source::{line_of, words, Source},
	Finding,
};
use crate::workspace::TextFile;

/// The only folder that may use `unsafe`.
const KERNELS: &str = "crates/transformer/src/kernels";
/// Folders whose code the chain runs.
const CHAIN: [&str; 3] = ["pallets", "primitives", "runtime"];
/// The folder that wires, and computes nothing.
const NODE: &str = "node";
/// What a line of node/ that holds a float is about: a figure shown to people, or a setting of the SDK that takes one.
const SHOWN: [&str; 3] = ["percent", "seconds", "SlotProportion"];

/// Checks one Rust file.
pub fn check(file: &TextFile) -> Vec<Finding> {
	let source = Source::new(&file.text);
	let mut findings = check_unsafe(file, &source);
	findings.extend(check_floats(file, &source));
	findings
}

fn check_unsafe(file: &TextFile, source: &Source) -> Vec<Finding> {
	if file.is_under(&[KERNELS, &format!("{KERNELS}.rs")]) {
		return Vec::new();
	}
	words(&source.code)
		.filter(|(_, word)| *word == "unsafe")
		.map(|(position, _)| {
			let line = line_of(&source.code, position);
			Finding::error(
				&file.path,
				line,
				format!("unsafe code belongs in {KERNELS} only"),
			)
		})
		.collect()
}

fn check_floats(file: &TextFile, source: &Source) -> Vec<Finding> {
	let (attributes, wanted): (&[&str], &str) = if file.is_under(&["primitives"]) {
		(
			&["#[cfg(test)]", "#[cfg(feature = \"std\")]"],
			"integers only; a float may be named in std-only code",
		)
	} else if file.is_under(&CHAIN) {
		(&["#[cfg(test)]"], "the chain agrees on integers only")
	} else if file.is_under(&[NODE]) {
		(
			&["#[cfg(test)]"],
			"node/ computes nothing; a line that shows a share or a time says \"percent\" or \"seconds\"",
		)
	} else {
		return Vec::new();
	};
	if is_test_file(&file.path) {
		return Vec::new();
	}
	let code = source.code_without(&file.text, attributes);
	let original: Vec<&str> = file.text.lines().collect();
	let mut findings: Vec<Finding> = Vec::new();
	for (position, word) in words(&code) {
		if !is_float(&code, position, word) {
			continue;
		}
		let line = line_of(&code, position);
		let is_shown = file.is_under(&[NODE])
			&& original
				.get(line - 1)
				.is_some_and(|text| SHOWN.iter().any(|word| text.contains(word)));
		if !is_shown && findings.last().map(|finding| finding.line) != Some(line) {
			findings.push(Finding::error(
				&file.path,
				line,
				format!("a float here: {wanted}"),
			));
		}
	}
	findings
}

/// Whether a file is compiled for tests only.
fn is_test_file(path: &str) -> bool {
	let file = path.rsplit('/').next().unwrap_or(path);
	matches!(file, "tests.rs" | "mock.rs") || path.contains("/tests/")
}

/// A float type, or a number with a float's suffix or a fraction.
fn is_float(code: &str, position: usize, word: &str) -> bool {
	if word == "f32" || word == "f64" {
		return true;
	}
	if !word.starts_with(|c: char| c.is_ascii_digit()) || word.starts_with("0x") {
		return false;
	}
	let before = code[..position].chars().next_back();
	let mut after = code[position + word.len()..].chars();
	let fraction = after.next() == Some('.') && after.next().is_some_and(|c| c.is_ascii_digit());
	// `pair.0.1` is two fields, not a number.
	(fraction && before != Some('.')) || word.ends_with("f32") || word.ends_with("f64")
}

#[cfg(test)]
mod tests {
	use super::*;

	fn lines(path: &str, text: &str) -> Vec<usize> {
		let file = TextFile {
			path: path.into(),
			text: text.into(),
		};
		check(&file).iter().map(|finding| finding.line).collect()
	}

	#[test]
	fn unsafe_is_for_kernels() {
		let text = "#![forbid(unsafe_code)]\n// unsafe\nfn a() { unsafe { b() } }\n";
		assert_eq!(lines("crates/trainer/src/a.rs", text), [3]);
		assert!(lines("crates/transformer/src/kernels/avx2.rs", text).is_empty());
		assert!(lines("crates/transformer/src/kernels.rs", text).is_empty());
	}

	#[test]
	fn the_chain_has_no_floats() {
		assert_eq!(
			lines("pallets/x/src/a.rs", "let a = 1;\nlet b: f32 = c;\n"),
			[2]
		);
		assert_eq!(lines("runtime/src/a.rs", "let a = 0.5;\n"), [1]);
		assert_eq!(lines("runtime/src/a.rs", "let a = 1_f64;\n"), [1]);
		assert!(lines(
			"pallets/x/src/a.rs",
			"pair.0.1; 0..5; 1.max(2); 0xf32; // f64 0.5\n"
		)
		.is_empty());
		assert!(lines("crates/transformer/src/a.rs", "let a: f32 = 0.5;\n").is_empty());
	}

	#[test]
	fn tests_and_std_only_words_may() {
		let text = "#[cfg(test)]\nmod tests { const A: f64 = 0.5; }\n";
		assert!(lines("pallets/x/src/a.rs", text).is_empty());
		assert!(lines("pallets/x/src/tests.rs", "let a = 0.5;\n").is_empty());
		let host =
			"impl A {\n#[cfg(feature = \"std\")]\npub fn new(v: f32) -> Self { Self(v) }\n}\n";
		assert!(lines("primitives/src/a.rs", host).is_empty());
		assert_eq!(lines("pallets/x/src/a.rs", host), [3]);
	}

	#[test]
	fn the_node_may_show_a_share_or_a_time() {
		assert!(lines("node/src/a.rs", "let percent = a as f64 / b as f64;\n").is_empty());
		assert!(lines("node/src/a.rs", "pub seconds: f64,\n").is_empty());
		assert_eq!(lines("node/src/a.rs", "let loss = a as f64;\n"), [1]);
	}
}
