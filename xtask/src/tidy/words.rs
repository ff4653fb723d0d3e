//! One word for one thing: the table of forbidden synonyms in the glossary, checked over documentation comments.
//!
//! Code in backticks, link targets and addresses are left out, since names of other people's software are not ours to choose.
//! Must not know: the words; they stand in docs/glossary.md between the markers `forbidden`.

use super::{source::Source, Finding};
use crate::{region, workspace::TextFile};
use anyhow::{ensure, Result};

/// Where the table stands.
pub const GLOSSARY: &str = "docs/glossary.md";

/// One row of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forbidden {
	/// What is not said, in small letters.
	phrases: Vec<String>,
	/// What is said instead, for people.
	instead: String,
	/// Folders to which the row applies; none means all.
	folders: Vec<String>,
}

/// Reads the table.
///
/// # Errors
///
/// The markers are missing, or a row forbids nothing.
pub fn forbidden(glossary: &str) -> Result<Vec<Forbidden>> {
	region::table(glossary, "forbidden")?
		.into_iter()
		.map(|row| {
			let phrases: Vec<String> = row.code(0).iter().map(|word| word.to_lowercase()).collect();
			ensure!(
				!phrases.is_empty(),
				"line {}: the first cell names no word in backticks",
				row.line
			);
			let folders = row.code(2).into_iter().map(str::to_owned).collect();
			Ok(Forbidden {
				phrases,
				instead: row.cells.get(1).cloned().unwrap_or_default(),
				folders,
			})
		})
		.collect()
}

/// Checks the documentation comments of one Rust file.
pub fn check(file: &TextFile, table: &[Forbidden]) -> Vec<Finding> {
	let rows: Vec<&Forbidden> = table
		.iter()
		.filter(|row| {
			let folders: Vec<&str> = row.folders.iter().map(String::as_str).collect();
			folders.is_empty() || file.is_under(&folders)
		})
		.collect();
	let source = Source::new(&file.text);
	let mut findings = Vec::new();
	for (line, text) in source.documentation() {
		let text = prose(text).to_lowercase();
		for row in &rows {
			for phrase in row
				.phrases
				.iter()
				.filter(|phrase| has_phrase(&text, phrase))
			{
				let message = format!("not \"{phrase}\" but {} ({GLOSSARY})", row.instead);
				findings.push(Finding::error(&file.path, line, message));
			}
		}
	}
	findings
}

/// A line without what stands in backticks, without the targets of links, without addresses.
fn prose(line: &str) -> String {
	let spoken: Vec<&str> = line.split('`').step_by(2).collect();
	spoken
		.join(" ")
		.split_whitespace()
		.filter(|word| !word.contains("://") && !word.contains("]("))
		.collect::<Vec<_>>()
		.join(" ")
}

fn has_phrase(text: &str, phrase: &str) -> bool {
	let is_word = |c: char| c.is_alphanumeric() || c == '_';
	text.match_indices(phrase).any(|(start, found)| {
		let before = text[..start].chars().next_back();
		let after = text[start + found.len()..].chars().next();
		!before.is_some_and(is_word) && !after.is_some_and(is_word)
	})
}

#[cfg(test)]
mod tests {
	use super::*;

	const TABLE: &str = "<!-- forbidden:begin -->\n| not | but | where |\n|---|---|---|\n| `miner` | participant | |\n| `weights`, `model weight` | parameters | `crates` |\n<!-- forbidden:end -->\n";

	fn check_text(path: &str, text: &str) -> Vec<usize> {
		let table = forbidden(TABLE).unwrap();
		let file = TextFile {
			path: path.into(),
			text: text.into(),
		};
		check(&file, &table)
			.iter()
			.map(|finding| finding.line)
			.collect()
	}

	#[test]
	fn finds_words_in_documentation_only() {
		let text = "//! A Miner.\n// miner\n/// miners, `miner`, https://a.b/miner\nlet miner = \"miner\";\n/// the miner's\n";
		assert_eq!(check_text("node/src/a.rs", text), [1, 5]);
	}

	#[test]
	fn a_row_may_hold_for_some_folders() {
		assert_eq!(
			check_text("crates/a/src/b.rs", "/// all weights\n/// model weight\n"),
			[1, 2]
		);
		assert!(check_text("pallets/a/src/b.rs", "/// all weights\n").is_empty());
	}

	#[test]
	fn a_row_without_a_word_is_refused() {
		assert!(forbidden(
			"<!-- forbidden:begin -->\n|a|b|c|\n|-|-|-|\n|x|y||\n<!-- forbidden:end -->\n"
		)
		.is_err());
	}
}
