//! The command line `llmchain`, as a program calls it: `--json`, one document back, errors by name.
//!
//! Must not know: what a command does. Source: docs/guide/; the errors are `{"error":{"name","message"}}` on standard output.

use crate::wait;
use anyhow::{Context, Result};
use serde_json::Value;
use std::{
	fmt,
	io::{BufRead, BufReader, Read},
	path::PathBuf,
	process::{Command, Stdio},
	thread,
};

/// `llmchain`, asking one node.
#[derive(Clone, Debug)]
pub struct Cli {
	program: PathBuf,
	url: String,
	suri: Option<String>,
	in_block: bool,
}

/// What `llmchain` said when it failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
	/// The command, without keys.
	pub command: String,
	/// Name of the chain's error, such as `Artworks.NotForSale`.
	pub name: Option<String>,
	/// What people read.
	pub message: String,
}

impl fmt::Display for Failed {
	fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
		let Self {
			command,
			name,
			message,
		} = self;
		let name = name.as_deref().unwrap_or("no name");
		write!(f, "llmchain {command}: {message} ({name})")
	}
}

impl std::error::Error for Failed {}

impl Cli {
	/// The program, asking the node at `url`.
	pub fn new(program: impl Into<PathBuf>, url: impl Into<String>) -> Self {
		Self {
			program: program.into(),
			url: url.into(),
			suri: None,
			in_block: false,
		}
	}

	/// The same, asking another node.
	pub fn at(&self, url: impl Into<String>) -> Self {
		Self {
			url: url.into(),
			..self.clone()
		}
	}

	/// The same, signing as a development account.
	pub fn by(&self, suri: &str) -> Self {
		Self {
			suri: Some(suri.to_owned()),
			..self.clone()
		}
	}

	/// The same; what it writes need not be final.
	pub fn in_block(&self) -> Self {
		Self {
			in_block: true,
			..self.clone()
		}
	}

	/// Runs a command to its end and returns its document.
	///
	/// # Errors
	///
	/// It cannot be started or prints no JSON; or it fails, which is [`Failed`].
	pub fn run(&self, arguments: &[&str]) -> Result<Value> {
		let output = self
			.command(arguments)
			.output()
			.with_context(|| format!("starting {}", self.program.display()))?;
		let text = String::from_utf8_lossy(&output.stdout);
		if !output.status.success() {
			return Err(self.failed(arguments, &text, &output.stderr).into());
		}
		serde_json::from_str(&text)
			.with_context(|| format!("llmchain {} printed {text:?}", arguments.join(" ")))
	}

	/// Runs a command that prints a document a line, and hands each on as it comes.
	///
	/// # Errors
	///
	/// As [`Cli::run`], or `take` fails.
	pub fn follow(
		&self,
		arguments: &[&str],
		mut take: impl FnMut(Value) -> Result<()>,
	) -> Result<()> {
		let mut child = self
			.command(arguments)
			.stdout(Stdio::piped())
			.stderr(Stdio::piped())
			.spawn()
			.with_context(|| format!("starting {}", self.program.display()))?;
		// Read aside, so that a talkative command does not stop at a full pipe.
		let stderr = child.stderr.take();
		let stderr = thread::spawn(move || {
			let mut bytes = Vec::new();
			if let Some(mut stream) = stderr {
				// What was read until an error is what there is to show.
				let _ = stream.read_to_end(&mut bytes);
			}
			bytes
		});
		let mut printed = String::new();
		let mut taken = Ok(());
		if let Some(stdout) = child.stdout.take() {
			for line in BufReader::new(stdout).lines() {
				let line = line?;
				printed.push_str(&line);
				printed.push('\n');
				if wait::is_interrupted() {
					taken = Err(wait::Interrupted.into());
				} else if let Ok(document) = serde_json::from_str::<Value>(&line) {
					if document.get("error").is_none() {
						taken = take(document);
					}
				}
				if taken.is_err() {
					// It may have ended by itself.
					let _ = child.kill();
					break;
				}
			}
		}
		let status = child.wait()?;
		let stderr = stderr.join().unwrap_or_default();
		taken?;
		if !status.success() {
			return Err(self.failed(arguments, &printed, &stderr).into());
		}
		Ok(())
	}

	fn command(&self, arguments: &[&str]) -> Command {
		let mut command = Command::new(&self.program);
		command
			.args(arguments)
			.args(["--json", "--url", &self.url])
			.env_remove("LLMCHAIN_SURI")
			.env_remove("LLMCHAIN_URL")
			.stdin(Stdio::null());
		if let Some(suri) = &self.suri {
			command.args(["--suri", suri]);
		}
		if self.in_block {
			command.arg("--in-block");
		}
		command
	}

	fn failed(&self, arguments: &[&str], stdout: &str, stderr: &[u8]) -> Failed {
		let document = last_document(stdout).unwrap_or_default();
		let error = &document["error"];
		let message = error["message"].as_str().map_or_else(
			|| String::from_utf8_lossy(stderr).trim().to_owned(),
			ToOwned::to_owned,
		);
		Failed {
			command: arguments.join(" "),
			name: error["name"].as_str().map(ToOwned::to_owned),
			message,
		}
	}
}

/// The document that ends a text; it may be spread over lines.
fn last_document(text: &str) -> Option<Value> {
	let begins = |(at, line): (usize, &str)| line.starts_with('{').then_some(at);
	let starts = text.split_inclusive('\n').scan(0, |at, line| {
		let start = *at;
		*at += line.len();
		Some((start, line))
	});
	let start = starts.filter_map(begins).last()?;
	serde_json::from_str(&text[start..]).ok()
}

/// Name of the chain's error behind `error`, if it came from a command that failed by one.
pub fn error_name(error: &anyhow::Error) -> Option<&str> {
	error.downcast_ref::<Failed>()?.name.as_deref()
}

/// A text field of a document.
///
/// # Errors
///
/// There is none of this name, or it is no text.
pub fn text<'a>(document: &'a Value, field: &str) -> Result<&'a str> {
	document[field]
		.as_str()
		.with_context(|| format!("no text {field:?} in {document}"))
}

/// A whole number of a document.
///
/// # Errors
///
/// There is none of this name, or it is no whole number.
pub fn number(document: &Value, field: &str) -> Result<u64> {
	document[field]
		.as_u64()
		.with_context(|| format!("no number {field:?} in {document}"))
}

/// Any number of a document.
///
/// # Errors
///
/// There is none of this name.
pub fn real(document: &Value, field: &str) -> Result<f64> {
	document[field]
		.as_f64()
		.with_context(|| format!("no number {field:?} in {document}"))
}

/// A list of a document; empty where there is none.
pub fn list<'a>(document: &'a Value, field: &str) -> &'a [Value] {
	document[field]
		.as_array()
		.map(Vec::as_slice)
		.unwrap_or_default()
}

#[cfg(test)]
mod tests {
	use super::*;
	use serde_json::json;

	/// A shell that runs `script` in place of `llmchain`: `-c SCRIPT`, then the usual arguments.
	fn shell(script: &str) -> (Cli, [&str; 2]) {
		(Cli::new("/bin/sh", "ws://nowhere"), ["-c", script])
	}

	#[test]
	fn errors_carry_their_name() {
		let script =
			r#"echo '{"error":{"name":"Artworks.NotForSale","message":"not for sale"}}'; exit 1"#;
		let (cli, arguments) = shell(script);
		let error = cli.run(&arguments).unwrap_err();
		assert_eq!(error_name(&error), Some("Artworks.NotForSale"));
		let error = cli.follow(&arguments, |_| Ok(())).unwrap_err();
		assert_eq!(error_name(&error), Some("Artworks.NotForSale"));
	}

	#[test]
	fn a_document_may_be_spread_over_lines() {
		let text = "{\"event\":1}\n{\n  \"error\": {\n    \"name\": \"A.B\"\n  }\n}\n";
		let document = last_document(text).unwrap();
		assert_eq!(document["error"]["name"], "A.B");
		assert_eq!(last_document("no document"), None);
	}

	#[test]
	fn without_json_the_last_words_count() {
		let (cli, arguments) = shell("echo 'no such command' >&2; exit 2");
		let error = cli.run(&arguments).unwrap_err();
		assert_eq!(error_name(&error), None);
		assert!(error.to_string().contains("no such command"));
	}

	#[test]
	fn follows_lines_until_told_to_stop() {
		let (cli, arguments) = shell("echo '{\"n\":1}'; echo noise; echo '{\"n\":2}'");
		let mut seen = Vec::new();
		cli.follow(&arguments, |line| {
			seen.push(number(&line, "n")?);
			Ok(())
		})
		.unwrap();
		assert_eq!(seen, [1, 2]);
		let stopped = cli.follow(&arguments, |_| anyhow::bail!("enough"));
		assert_eq!(stopped.unwrap_err().to_string(), "enough");
	}

	#[test]
	fn missing_fields_are_named() {
		let document = json!({ "work": "0x01", "n": 2, "list": [1] });
		assert_eq!(text(&document, "work").unwrap(), "0x01");
		assert!(text(&document, "n")
			.unwrap_err()
			.to_string()
			.contains("\"n\""));
		assert_eq!(real(&document, "n").unwrap(), 2.0);
		assert_eq!(list(&document, "list").len(), 1);
		assert!(list(&document, "work").is_empty());
	}
}
