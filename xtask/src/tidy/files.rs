//! Rules about any text file: header, length, markers for later work, leftovers of templates.
//!
//! Source: CONTRIBUTING.md, "Style". The words looked for are put together from halves, so that this file does not find itself.

use super::Finding;
use crate::workspace::TextFile;

/// Longest file in lines.
const LONGEST: usize = 800;
/// Length in lines from which a file is worth splitting.
const LONG: usize = 500;

/// Markers for later work; whole words.
const MARKERS: [&str; 3] = [
	concat!("TO", "DO"),
	concat!("FIX", "ME"),
	concat!("XX", "X"),
];
/// Macros for later work.
const MACROS: [&str; 2] = [concat!("to", "do!("), concat!("unimple", "mented!(")];
/// Text that came with a template, or that stood in for a file.
const LEFTOVERS: [&str; 10] = [
	concat!("//! Skele", "ton."),
	concat!("ready for ", "hacking"),
	concat!("to define ", "custom logic"),
	concat!("pallet-", "template"),
	concat!("pallet_", "template"),
	concat!("solochain-", "template"),
	concat!("node-", "template"),
	concat!("do_some", "thing"),
	concat!("Something", "Stored"),
	concat!("substrate-developer-", "hub"),
];

/// Checks one text file.
pub fn check(file: &TextFile) -> Vec<Finding> {
	let mut findings = Vec::new();
	if file.is_rust() {
		findings.extend(check_header(file));
		findings.extend(check_length(file));
	}
	findings.extend(check_leftovers(file));
	findings
}

fn check_header(file: &TextFile) -> Option<Finding> {
	let first = file
		.text
		.lines()
		.find(|line| !line.trim().is_empty())
		.unwrap_or_default();
	(!first.starts_with("//!")).then(|| {
		Finding::error(
			&file.path,
			1,
			"begin with //!: what it is, and what it must not know",
		)
	})
}

fn check_length(file: &TextFile) -> Option<Finding> {
	let generated =
		file.path.ends_with("/weights.rs") || file.path.starts_with("runtime/src/weights/");
	let length = file.text.lines().count();
	if generated || length <= LONG {
		None
	} else if length <= LONGEST {
		let message = format!("{length} lines; think of splitting it, {LONGEST} is the most");
		Some(Finding::warning(&file.path, 0, message))
	} else {
		let message = format!("{length} lines; split it, {LONGEST} is the most");
		Some(Finding::error(&file.path, 0, message))
	}
}

fn check_leftovers(file: &TextFile) -> Vec<Finding> {
	let mut findings = Vec::new();
	for (index, line) in file.text.lines().enumerate() {
		let marker = MARKERS.into_iter().find(|marker| has_word(line, marker));
		let later = if file.is_rust() {
			MACROS.into_iter().find(|name| line.contains(name))
		} else {
			None
		};
		if let Some(word) = marker.or(later) {
			let message = format!("{word}: do it, or write an issue and say nothing here");
			findings.push(Finding::error(&file.path, index + 1, message));
		}
		if let Some(text) = LEFTOVERS.into_iter().find(|text| line.contains(text)) {
			let message = format!("left over from a template: {text:?}");
			findings.push(Finding::error(&file.path, index + 1, message));
		}
	}
	findings
}

fn has_word(line: &str, word: &str) -> bool {
	super::source::words(line).any(|(_, found)| found == word)
}

#[cfg(test)]
mod tests {
	use super::*;

	fn check_text(path: &str, text: &str) -> Vec<Finding> {
		check(&TextFile {
			path: path.into(),
			text: text.into(),
		})
	}

	#[test]
	fn a_rust_file_begins_with_its_header() {
		assert!(check_text("a/src/b.rs", "//! B.\n").is_empty());
		assert!(check_text("a/src/b.rs", "\n//! B.\n").is_empty());
		assert_eq!(check_text("a/build.rs", "fn main() {}\n").len(), 1);
		assert_eq!(check_text("a/build.rs", "").len(), 1);
		assert!(check_text("a/b.md", "B\n").is_empty());
	}

	#[test]
	fn long_files_are_warned_of_and_longer_ones_refused() {
		let text = |lines: usize| format!("//! A.\n{}", "\n".repeat(lines - 1));
		assert!(check_text("a.rs", &text(500)).is_empty());
		assert_eq!(
			check_text("a.rs", &text(501))[0].level,
			super::super::Level::Warning
		);
		assert_eq!(
			check_text("a.rs", &text(801))[0].level,
			super::super::Level::Error
		);
		assert!(check_text("pallets/a/src/weights.rs", &text(801)).is_empty());
		assert!(check_text("runtime/src/weights/a.rs", &text(801)).is_empty());
	}

	#[test]
	fn later_work_and_templates_are_found() {
		for half in ["TO", "FIX"] {
			let word = format!("{half}{}", if half == "TO" { "DO" } else { "ME" });
			assert_eq!(check_text("a.sh", &format!("x\n# {word}: y\n"))[0].line, 2);
			assert!(check_text("a.sh", &format!("# {word}S\n")).is_empty());
		}
		let text = format!("//! A.\nfn a() {{ {}!() }}\n", concat!("unimple", "mented"));
		assert_eq!(check_text("a.rs", &text)[0].line, 2);
		let text = format!("//! Skele{}.\n", "ton");
		assert_eq!(check_text("a.rs", &text).len(), 1);
	}
}
