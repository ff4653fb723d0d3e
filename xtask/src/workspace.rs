//! Where the checkout is and which text files it holds.
//!
//! Must not know: what is checked in them. Invariant: build output, downloads and version control are never read, whether or
//! not the folder is a git checkout, so that a source archive is checked just the same.

use anyhow::{Context, Result};
use std::{env, fs, path::PathBuf};

/// Folders that hold no sources of ours.
const SKIPPED: [&str; 6] = [
	".git",
	".cache",
	"target",
	"run",
	"node_modules",
	"__pycache__",
];
/// Endings of the files that are text of ours.
const TEXT: [&str; 11] = [
	"rs",
	"toml",
	"md",
	"sh",
	"py",
	"js",
	"ts",
	"yaml",
	"yml",
	"json",
	"Dockerfile",
];

/// The checkout.
pub struct Workspace {
	/// Its absolute path.
	pub root: PathBuf,
}

/// One text file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextFile {
	/// Path from the root, with `/` between the parts.
	pub path: String,
	/// Its content.
	pub text: String,
}

impl TextFile {
	/// Whether it is Rust.
	pub fn is_rust(&self) -> bool {
		self.path.ends_with(".rs")
	}

	/// Whether it is one of `folders` or lies in one.
	pub fn is_under(&self, folders: &[&str]) -> bool {
		folders.iter().any(|folder| {
			self.path
				.strip_prefix(folder.trim_end_matches('/'))
				.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
		})
	}
}

impl Workspace {
	/// The checkout that this program works in: the nearest folder with a `Cargo.lock`, from the package that cargo runs or from the
	/// working folder up. Asked at run time, since checkouts may share a target folder.
	///
	/// # Errors
	///
	/// There is none.
	pub fn find() -> Result<Self> {
		let start = match env::var_os("CARGO_MANIFEST_DIR") {
			Some(package) => PathBuf::from(package),
			None => env::current_dir().context("the working folder")?,
		};
		let root = start
			.ancestors()
			.find(|at| at.join("Cargo.lock").is_file())
			.with_context(|| format!("{} is not in a checkout", start.display()))?;
		Ok(Self {
			root: root.to_owned(),
		})
	}

	/// Reads a file by its path from the root.
	///
	/// # Errors
	///
	/// It cannot be read.
	pub fn read(&self, path: &str) -> Result<String> {
		fs::read_to_string(self.root.join(path)).with_context(|| format!("reading {path}"))
	}

	/// Writes a file by its path from the root, making its folder.
	///
	/// # Errors
	///
	/// It cannot be written.
	pub fn write(&self, path: &str, text: &str) -> Result<()> {
		let target = self.root.join(path);
		if let Some(folder) = target.parent() {
			fs::create_dir_all(folder).with_context(|| format!("making the folder of {path}"))?;
		}
		fs::write(target, text).with_context(|| format!("writing {path}"))
	}

	/// Paths from the root of the files that a pattern names: a path, or a folder, `/*` and an ending. Sorted.
	///
	/// # Errors
	///
	/// A folder cannot be read.
	pub fn matching(&self, pattern: &str) -> Result<Vec<String>> {
		let Some((folder, ending)) = pattern.split_once("/*") else {
			let exists = self.root.join(pattern).is_file();
			return Ok(exists.then(|| pattern.to_owned()).into_iter().collect());
		};
		let path = self.root.join(folder);
		if !path.is_dir() {
			return Ok(Vec::new());
		}
		let entries = fs::read_dir(path).with_context(|| format!("reading {folder}"))?;
		let mut files = Vec::new();
		for entry in entries {
			let name = entry?.file_name().to_string_lossy().into_owned();
			if name.ends_with(ending) {
				files.push(format!("{folder}/{name}"));
			}
		}
		files.sort();
		Ok(files)
	}

	/// Every text file, in order of path.
	///
	/// # Errors
	///
	/// A folder or file cannot be read, or a text file is not UTF-8.
	pub fn text_files(&self) -> Result<Vec<TextFile>> {
		let mut files = Vec::new();
		let mut folders = vec![self.root.clone()];
		while let Some(folder) = folders.pop() {
			let entries =
				fs::read_dir(&folder).with_context(|| format!("reading {}", folder.display()))?;
			for entry in entries {
				let entry = entry?;
				let (path, name) = (entry.path(), entry.file_name());
				let name = name.to_string_lossy();
				let kind = entry.file_type()?;
				if kind.is_dir() && !SKIPPED.contains(&name.as_ref()) {
					folders.push(path);
				} else if kind.is_file() && is_text(&name) {
					let relative = path
						.strip_prefix(&self.root)?
						.to_string_lossy()
						.into_owned();
					let text =
						fs::read_to_string(&path).with_context(|| format!("reading {relative}"))?;
					files.push(TextFile {
						path: relative,
						text,
					});
				}
			}
		}
		files.sort_by(|a, b| a.path.cmp(&b.path));
		Ok(files)
	}
}

fn is_text(name: &str) -> bool {
	name.rsplit('.')
		.next()
		.is_some_and(|ending| TEXT.contains(&ending))
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn folders_are_not_prefixes_of_names() {
		let file = TextFile {
			path: "pallets/blobs/src/lib.rs".into(),
			text: String::new(),
		};
		assert!(file.is_under(&["pallets"]));
		assert!(file.is_under(&["pallets/blobs/"]));
		assert!(file.is_under(&["pallets/blobs/src/lib.rs"]));
		assert!(!file.is_under(&["pallet"]));
	}

	#[test]
	fn lists_its_own_sources() {
		let files = Workspace::find().unwrap().text_files().unwrap();
		assert!(files
			.iter()
			.any(|file| file.path == "xtask/src/workspace.rs"));
		assert!(files.iter().all(|file| !file.path.starts_with("target/")));
	}
}
