//! What can be wrong with source files, plans and shards, with the values that are wrong.
//!
//! Knows no files: a name in an error is the name the caller gave.

/// Why text was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)] // The fields are what each message shows, under the same names.
pub enum Error {
	/// Bytes that are not text in the encoding they announce.
	#[error("invalid {encoding} at byte {offset}; is this a text file?")]
	Invalid {
		encoding: &'static str,
		offset: usize,
	},
	/// The bytes end in the middle of a character.
	#[error("the text is cut off: an incomplete {encoding} character at byte {offset}; fetch the file again")]
	Truncated {
		encoding: &'static str,
		offset: usize,
	},
	/// A byte order mark of an encoding that is not supported.
	#[error("the text is UTF-32; convert it to UTF-8")]
	Utf32,
	/// Any of these errors, in a named source file.
	#[error("{name}: {error}")]
	File { name: String, error: Box<Error> },
	/// A source file is not the JSON that its package promises.
	#[error("not the expected JSON at line {line}, column {column}; fetch the package again")]
	Json { line: usize, column: usize },
	/// No file of the package was given.
	#[error(
		"none of the given files belongs to {source_name}; point to the unpacked package folder"
	)]
	NoFiles { source_name: &'static str },
	/// Nothing is left to train on.
	#[error("no document is left after cleaning")]
	NoDocuments,
	/// A name that no source has.
	#[error("there is no corpus `{name}`; choose tang or shakespeare")]
	UnknownSource { name: String },
	/// The number of shards is zero or too large.
	#[error("a corpus has 1 to {max} shards, not {shards}")]
	Shards { shards: usize, max: usize },
	/// Every k-th document is held out, and k must leave some to train on.
	#[error("heldout_every must be at least 2, got {heldout_every}")]
	HeldoutEvery { heldout_every: u64 },
	/// No document fell into the held-out split.
	#[error("none of {documents} documents is held out; lower heldout_every from {heldout_every}")]
	NoHeldout {
		documents: usize,
		heldout_every: u64,
	},
	/// A group is never cut, so there cannot be more shards than groups.
	#[error("{groups} groups cannot fill {shards} shards; ask for fewer shards")]
	TooFewGroups { groups: usize, shards: usize },
	/// A shard without documents.
	#[error("the shard is empty")]
	EmptyShard,
	/// A document without characters inside a shard.
	#[error("document {index} of the shard is empty")]
	EmptyDocument { index: usize },
	/// A document that holds the separator of shards.
	#[error("document {index} holds the separator U+001E; clean it first")]
	Separator { index: usize },
	/// A document above the limit.
	#[error("document {index} has {bytes} bytes; at most {max} are allowed, split it")]
	DocumentTooLong {
		index: usize,
		bytes: usize,
		max: usize,
	},
	/// A shard above the limit.
	#[error("the shard has {bytes} bytes; at most {max} are allowed, use more shards")]
	ShardTooLong { bytes: usize, max: usize },
}

impl Error {
	/// The same error, with the name of the file it was found in.
	pub fn in_file(self, name: &str) -> Self {
		Error::File {
			name: name.to_owned(),
			error: Box::new(self),
		}
	}
}
