//! What a command says: one JSON document or text on standard output, progress and remarks on standard error.
//!
//! Must not know: what commands do. Invariants: with `--json` nothing but JSON is written to standard output; no colours are
//! used, so NO_COLOR holds; a closed pipe is an error, never a panic.

use crate::error::{Error, Result};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use serde_json::{json, Value};
use std::io::{self, Write};

/// Where a command speaks.
#[derive(Clone, Copy, Debug)]
pub struct Output {
	json: bool,
}

impl Output {
	/// Speaks JSON or text.
	pub fn new(json: bool) -> Self {
		Self { json }
	}

	/// Whether programs listen.
	pub fn is_json(&self) -> bool {
		self.json
	}

	/// The result: as JSON, or as lines of name and value.
	///
	/// # Errors
	/// - [`Error::Output`].
	pub fn result(&self, result: &impl Serialize) -> Result<()> {
		let value = to_value(result)?;
		let text = if self.json {
			pretty(&value)
		} else {
			readable(&value)
		};
		write_out(&text)
	}

	/// The result: as JSON, or as the given text without anything added.
	///
	/// # Errors
	/// - [`Error::Output`].
	pub fn result_or_text(&self, result: &impl Serialize, text: &str) -> Result<()> {
		if self.json {
			self.result(result)
		} else {
			write_out(text)
		}
	}

	/// One line of JSON of a stream; people see what [`Output::note`] says.
	///
	/// # Errors
	/// - [`Error::Output`].
	pub fn line(&self, line: &impl Serialize) -> Result<()> {
		if self.json {
			write_out(&format!("{}\n", to_value(line)?))?;
		}
		Ok(())
	}

	/// A remark for people.
	pub fn note(&self, text: &str) {
		// Nobody listens to a closed standard error.
		let _ = writeln!(io::stderr(), "{text}");
	}

	/// An error: for people, and as JSON.
	pub fn error(&self, error: &Error) {
		let message = error.to_string();
		self.note(&format!("error: {message}"));
		if self.json {
			let document = json!({ "error": { "name": error.name(), "message": message } });
			// The exit code tells what a closed standard output cannot.
			let _ = write_out(&pretty(&document));
		}
	}

	/// A bar on standard error; unseen where that is no terminal.
	pub fn bar(&self, length: usize, message: &str) -> ProgressBar {
		let bar = ProgressBar::new(length as u64);
		if let Ok(style) = ProgressStyle::with_template("{msg} [{bar:30}] {pos}/{len} {elapsed}") {
			bar.set_style(style.progress_chars("=> "));
		}
		bar.set_message(message.to_owned());
		bar
	}

	/// A line that tells how long something has been going on; unseen where standard error is no terminal.
	pub fn spinner(&self, message: &str) -> ProgressBar {
		let spinner = ProgressBar::new_spinner();
		if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed}") {
			spinner.set_style(style);
		}
		spinner.set_message(message.to_owned());
		spinner.enable_steady_tick(std::time::Duration::from_millis(200));
		spinner
	}
}

fn to_value(result: &impl Serialize) -> Result<Value> {
	serde_json::to_value(result).map_err(|error| Error::Output(error.into()))
}

fn pretty(value: &Value) -> String {
	format!("{value:#}\n")
}

fn write_out(text: &str) -> Result<()> {
	let mut out = io::stdout().lock();
	out.write_all(text.as_bytes())
		.and_then(|()| out.flush())
		.map_err(Error::Output)
}

/// Lines of name and value; lists of objects become numbered paragraphs.
fn readable(value: &Value) -> String {
	let mut text = String::new();
	write_fields(value, 0, &mut text);
	text
}

fn write_fields(value: &Value, indent: usize, text: &mut String) {
	let Value::Object(fields) = value else {
		text.push_str(&format!("{:indent$}{}\n", "", plain(value)));
		return;
	};
	let width = fields.keys().map(String::len).max().unwrap_or(0);
	for (name, value) in fields {
		let name = name.replace('_', " ");
		match value {
			Value::Object(_) => {
				text.push_str(&format!("{:indent$}{name}\n", ""));
				write_fields(value, indent + 2, text);
			}
			Value::Array(items) if items.iter().any(Value::is_object) => {
				for (item, number) in items.iter().zip(1..) {
					text.push_str(&format!("{:indent$}{name} {number}\n", ""));
					write_fields(item, indent + 2, text);
				}
			}
			_ => text.push_str(&format!("{:indent$}{name:width$}  {}\n", "", plain(value))),
		}
	}
}

fn plain(value: &Value) -> String {
	match value {
		Value::Null => "-".into(),
		Value::Bool(true) => "yes".into(),
		Value::Bool(false) => "no".into(),
		Value::String(text) => text.clone(),
		Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(" "),
		other => other.to_string(),
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn people_read_names_and_values() {
		let text = readable(&json!({
			"work": "0x01",
			"made_with": null,
			"finalised": true,
			"shards": [{ "size": 3 }, { "size": 4 }],
			"targets": ["a", "b"],
		}));
		assert!(text.contains("work       0x01\n"), "{text}");
		assert!(text.contains("made with  -\n"));
		assert!(text.contains("finalised  yes\n"));
		assert!(text.contains("shards 2\n  size  4\n"));
		assert!(text.contains("targets    a b\n"));
	}
}
