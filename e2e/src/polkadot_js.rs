//! Runs the scripts of scripts/polkadot-js, with the library that Polkadot.js Apps is made with.
//!
//! Must not know: what a script checks. The packages are pinned by the lock file and kept in
//! `${LLMCHAIN_CACHE:-$HOME/.cache/llmchain}/polkadot-js`, so only the first run needs the network; nothing is written into the checkout.

use crate::binaries::checkout;
use anyhow::{ensure, Context, Result};
use serde_json::Value;
use std::{
	env, fs,
	path::{Path, PathBuf},
	process::{Child, Command, Stdio},
};

/// Files of the folder.
const SOURCES: &str = "scripts/polkadot-js";
/// Says that the packages of this lock file are whole.
const STAMP: &str = ".installed";

/// The scripts and their packages, ready to run.
#[derive(Clone, Debug)]
pub struct PolkadotJs {
	folder: PathBuf,
}

impl PolkadotJs {
	/// Installs the packages unless they are there, and copies the scripts beside them.
	///
	/// # Errors
	///
	/// npm is missing or fails; the cache cannot be written.
	pub fn install() -> Result<Self> {
		let sources = checkout().join(SOURCES);
		let folder = cache()?.join("polkadot-js");
		fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
		let lock = fs::read_to_string(sources.join("package-lock.json"))?;
		let stamp = folder.join(STAMP);
		for entry in fs::read_dir(&sources)? {
			let path = entry?.path();
			if let (true, Some(name)) = (path.is_file(), path.file_name()) {
				fs::copy(&path, folder.join(name))?;
			}
		}
		if fs::read_to_string(&stamp).is_ok_and(|installed| installed == lock) {
			return Ok(Self { folder });
		}
		let install = [
			"ci",
			"--ignore-scripts",
			"--no-audit",
			"--no-fund",
			"--loglevel=error",
		];
		let status = Command::new("npm")
			.args(install)
			.current_dir(&folder)
			.stdout(Stdio::null())
			.status()
			.context("npm cannot be started; install it (Debian: apt-get install npm)")?;
		ensure!(
			status.success(),
			"npm could not install {SOURCES}; its message is above"
		);
		fs::write(&stamp, lock)?;
		Ok(Self { folder })
	}

	/// Runs a script to its end and returns its last line.
	///
	/// # Errors
	///
	/// It fails; with its words.
	pub fn run(&self, script: &str, arguments: &[&str]) -> Result<Value> {
		let output = self.command(script, arguments).output();
		let output = output.context("node cannot be started")?;
		let (out, messages) = (
			String::from_utf8_lossy(&output.stdout),
			String::from_utf8_lossy(&output.stderr),
		);
		ensure!(output.status.success(), "{script} failed:\n{out}{messages}");
		let last = out.lines().last().unwrap_or_default();
		serde_json::from_str(last).with_context(|| format!("{script} ended with {last:?}"))
	}

	/// Starts a script.
	///
	/// # Errors
	///
	/// Node.js cannot be started.
	pub fn start(&self, script: &str, arguments: &[&str]) -> Result<Child> {
		self.command(script, arguments)
			.stdout(Stdio::null())
			.spawn()
			.context("node cannot be started")
	}

	fn command(&self, script: &str, arguments: &[&str]) -> Command {
		let mut command = Command::new("node");
		command
			.arg(script)
			.args(arguments)
			.current_dir(&self.folder)
			.stdin(Stdio::null());
		command
	}
}

/// Folder that keeps what was fetched.
///
/// # Errors
///
/// Neither `LLMCHAIN_CACHE` nor `HOME` is set.
pub fn cache() -> Result<PathBuf> {
	if let Some(folder) = env::var_os("LLMCHAIN_CACHE") {
		return Ok(folder.into());
	}
	let home = env::var_os("HOME").context("HOME is not set")?;
	Ok(Path::new(&home).join(".cache/llmchain"))
}
