//! Regions of a Markdown file between two markers, and the tables in them.
//!
//! `<!-- NAME:begin -->` and `<!-- NAME:end -->` each stand on a line of their own. People edit around them; programs read or
//! replace what is between them. Must not know: what a region is for.

use anyhow::{bail, Context, Result};

/// One row of a table: its line number in the file and its cells, trimmed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
	/// Line in the file, from 1.
	pub line: usize,
	/// Cells from left to right.
	pub cells: Vec<String>,
}

impl Row {
	/// Words in backticks of a cell, in order; none if the cell is missing.
	pub fn code(&self, cell: usize) -> Vec<&str> {
		self.cells
			.get(cell)
			.map_or_else(Vec::new, |text| code_words(text))
	}
}

/// Words in backticks.
pub fn code_words(text: &str) -> Vec<&str> {
	text.split('`')
		.skip(1)
		.step_by(2)
		.filter(|word| !word.is_empty())
		.collect()
}

/// Lines between the markers `name`, with their line numbers.
///
/// # Errors
///
/// A marker is missing, or they stand in the wrong order.
pub fn lines<'a>(text: &'a str, name: &str) -> Result<Vec<(usize, &'a str)>> {
	let (begin, end) = bounds(text, name)?;
	Ok(text
		.lines()
		.enumerate()
		.skip(begin + 1)
		.take(end - begin - 1)
		.map(|(index, line)| (index + 1, line))
		.collect())
}

/// Rows of the table between the markers `name`, without its heading.
///
/// # Errors
///
/// As for [`lines`].
pub fn table(text: &str, name: &str) -> Result<Vec<Row>> {
	let rows = lines(text, name)?
		.into_iter()
		.filter(|(_, content)| content.trim_start().starts_with('|'))
		.map(|(line, content)| {
			let inner = content.trim().trim_start_matches('|').trim_end_matches('|');
			Row {
				line,
				cells: inner
					.split('|')
					.map(|cell| cell.trim().to_owned())
					.collect(),
			}
		})
		.filter(|row| !row.cells.iter().all(|cell| is_rule(cell)));
	Ok(rows.skip(1).collect())
}

/// `text` with `content` between the markers `name`.
///
/// # Errors
///
/// As for [`lines`].
pub fn replaced(text: &str, name: &str, content: &str) -> Result<String> {
	let (begin, end) = bounds(text, name)?;
	let lines: Vec<&str> = text.lines().collect();
	let mut result = String::with_capacity(text.len() + content.len());
	for line in lines.iter().take(begin + 1) {
		result.push_str(line);
		result.push('\n');
	}
	result.push_str(content.trim_end_matches('\n'));
	result.push('\n');
	for line in lines.iter().skip(end) {
		result.push_str(line);
		result.push('\n');
	}
	Ok(result)
}

fn is_rule(cell: &str) -> bool {
	!cell.is_empty() && cell.chars().all(|c| matches!(c, '-' | ':'))
}

/// Indices of the two marker lines.
fn bounds(text: &str, name: &str) -> Result<(usize, usize)> {
	let find = |word: &str| {
		let marker = format!("<!-- {name}:{word} -->");
		text.lines()
			.position(|line| line.trim() == marker)
			.with_context(|| format!("the line {marker} is missing"))
	};
	let (begin, end) = (find("begin")?, find("end")?);
	if begin >= end {
		bail!("the markers of {name} stand in the wrong order");
	}
	Ok((begin, end))
}

#[cfg(test)]
mod tests {
	use super::*;

	const TEXT: &str =
		"a\n<!-- t:begin -->\n| x | y |\n|---|:--|\n| `p`, `q` | r |\n<!-- t:end -->\nb\n";

	#[test]
	fn reads_a_table() {
		let rows = table(TEXT, "t").unwrap();
		assert_eq!(rows.len(), 1);
		assert_eq!(rows[0].line, 5);
		assert_eq!(rows[0].code(0), ["p", "q"]);
		assert_eq!(rows[0].cells[1], "r");
		assert!(rows[0].code(7).is_empty());
	}

	#[test]
	fn replaces_only_what_is_between() {
		let text = replaced(TEXT, "t", "new\n").unwrap();
		assert_eq!(text, "a\n<!-- t:begin -->\nnew\n<!-- t:end -->\nb\n");
	}

	#[test]
	fn missing_or_crossed_markers_are_named() {
		assert!(lines(TEXT, "u")
			.unwrap_err()
			.to_string()
			.contains("u:begin"));
		let crossed = "<!-- t:end -->\n<!-- t:begin -->\n";
		assert!(lines(crossed, "t")
			.unwrap_err()
			.to_string()
			.contains("wrong order"));
	}
}
