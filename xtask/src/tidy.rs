//! The rules that no compiler knows.
//!
//! Each rule is a function from text to [`Finding`]s, so that it is tested on a few lines; only this file touches the disk.
//! Must not know: how to mend a finding; it says what is wrong and what is wanted instead.
//! Source: ARCHITECTURE.md, "Rules that a program checks".
//!
//! Reading order: `source` (what of a Rust file is code), `code`, `files`, `words`, `manifests`, `dependencies`.

mod code;
mod dependencies;
mod files;
mod manifests;
mod source;
mod words;

use crate::workspace::Workspace;
use anyhow::{Context, Result};
use std::fmt;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
	/// Worth a look; does not fail.
	Warning,
	/// Fails.
	Error,
}

/// One thing that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
	/// How bad it is.
	pub level: Level,
	/// File, from the root.
	pub path: String,
	/// Line, from 1; 0 for the file as a whole.
	pub line: usize,
	/// What is wrong, and what is wanted.
	pub message: String,
}

impl Finding {
	fn error(path: &str, line: usize, message: impl Into<String>) -> Self {
		Self {
			level: Level::Error,
			path: path.to_owned(),
			line,
			message: message.into(),
		}
	}

	fn warning(path: &str, line: usize, message: impl Into<String>) -> Self {
		Self {
			level: Level::Warning,
			..Self::error(path, line, message)
		}
	}
}

impl fmt::Display for Finding {
	fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
		let level = match self.level {
			Level::Warning => "warning: ",
			Level::Error => "",
		};
		write!(
			f,
			"{}:{}: {level}{}",
			self.path,
			self.line.max(1),
			self.message
		)
	}
}

/// Checks the workspace; findings in order of path and line.
///
/// # Errors
///
/// A file that the rules need cannot be read, or cargo cannot describe the workspace.
pub fn check(workspace: &Workspace) -> Result<Vec<Finding>> {
	let files = workspace.text_files()?;
	let mut findings = Vec::new();
	let forbidden = words::forbidden(&workspace.read(words::GLOSSARY)?)
		.with_context(|| words::GLOSSARY.to_owned())?;
	for file in &files {
		findings.extend(files::check(file));
		if file.is_rust() {
			findings.extend(code::check(file));
			findings.extend(words::check(file, &forbidden));
		}
	}
	findings.extend(manifests::check_lock(&workspace.read(manifests::LOCK)?)?);
	findings.extend(manifests::check_sources(&files));

	let graph = dependencies::Graph::read(workspace)?;
	let architecture = workspace.read(dependencies::MAP)?;
	findings.extend(dependencies::check_edges(&architecture, &graph)?);
	findings.extend(dependencies::check_map(&architecture, &graph, |path| {
		workspace.root.join(path).exists()
	})?);
	findings.sort_by(|a, b| (&a.path, a.line).cmp(&(&b.path, b.line)));
	Ok(findings)
}

/// Prints what [`check`] finds; whether there is no error.
///
/// # Errors
///
/// As for [`check`].
pub fn report(workspace: &Workspace) -> Result<bool> {
	let findings = check(workspace)?;
	for finding in &findings {
		eprintln!("{finding}");
	}
	let errors = findings
		.iter()
		.filter(|finding| finding.level == Level::Error)
		.count();
	println!(
		"tidy: {errors} errors, {} warnings",
		findings.len() - errors
	);
	Ok(errors == 0)
}
