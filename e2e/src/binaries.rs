//! Where the programs are that the harness starts.
//!
//! Must not know: what they do. They are those of the same build: a test never builds anything itself.

use anyhow::{bail, Context, Result};
use std::{
	env,
	path::{Path, PathBuf},
};

/// Folder that is looked into first.
const OVERRIDE: &str = "LLMCHAIN_BIN";

/// The programs under test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binaries {
	/// The node.
	pub node: PathBuf,
	/// The command line.
	pub cli: PathBuf,
}

impl Binaries {
	/// Finds them in the folder that `LLMCHAIN_BIN` names; else beside this program, where cargo puts them; else in the
	/// `debug` folder of `CARGO_TARGET_DIR`.
	///
	/// # Errors
	///
	/// They are in none of these, or not both in one.
	pub fn find() -> Result<Self> {
		if let Some(folder) = env::var_os(OVERRIDE) {
			let folder = PathBuf::from(folder);
			return Self::in_folder(&folder)
				.with_context(|| format!("{OVERRIDE} is {}", folder.display()));
		}
		let here = env::current_exe().context("the path of this program")?;
		// A test program lies in `deps` below the programs.
		let beside = here.ancestors().skip(1).take(2).map(Path::to_owned);
		let target = env::var_os("CARGO_TARGET_DIR").map(|dir| Path::new(&dir).join("debug"));
		let folders: Vec<PathBuf> = beside.chain(target).collect();
		for folder in &folders {
			if let Ok(found) = Self::in_folder(folder) {
				return Ok(found);
			}
		}
		bail!(
			"neither of {folders:?} holds llmchain-node and llmchain; \
			 run `cargo build --workspace --all-targets`, or name their folder in {OVERRIDE}"
		)
	}

	fn in_folder(folder: &Path) -> Result<Self> {
		let program = |name: &str| {
			let path = folder.join(name);
			if path.is_file() {
				Ok(path)
			} else {
				bail!("{} is missing", path.display())
			}
		};
		Ok(Self {
			node: program("llmchain-node")?,
			cli: program("llmchain")?,
		})
	}
}

/// The root of the checkout that this program works in: the nearest folder with a `Cargo.lock`, from the package that cargo runs or
/// from the working folder up. Asked at run time, since checkouts may share a target folder.
pub fn checkout() -> PathBuf {
	let start = env::var_os("CARGO_MANIFEST_DIR")
		.map(PathBuf::from)
		.or_else(|| env::current_dir().ok())
		.unwrap_or_default();
	let root = start.ancestors().find(|at| at.join("Cargo.lock").is_file());
	root.unwrap_or(&start).to_owned()
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn both_programs_must_be_there() {
		let folder = tempfile::tempdir().unwrap();
		std::fs::write(folder.path().join("llmchain"), "").unwrap();
		let error = Binaries::in_folder(folder.path()).unwrap_err().to_string();
		assert!(error.contains("llmchain-node"), "{error}");
		std::fs::write(folder.path().join("llmchain-node"), "").unwrap();
		assert!(Binaries::in_folder(folder.path()).is_ok());
	}

	#[test]
	fn the_checkout_holds_the_workspace() {
		assert!(checkout().join("Cargo.lock").is_file());
	}
}
