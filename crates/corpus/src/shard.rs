//! The bytes of a shard: cleaned documents in UTF-8, one U+001E between two.
//!
//! Must not know groups' meaning, sources or plans.
//! Source: `docs/protocol/corpus.md`, "Shards". Invariants: the same set of documents gives the same
//! bytes; documents stand in the order of their hashes, so any prefix of a shard is an unbiased sample;
//! no byte before the first or after the last document.

use crate::{document::document_hash, error::Error};

/// Stands between two documents. A control character, so cleaned text never holds it.
pub const SEPARATOR: char = '\u{1e}';
/// Most bytes of one document.
pub const MAX_DOCUMENT_BYTES: usize = 64 * 1024;
/// Most bytes of one shard.
pub const MAX_SHARD_BYTES: usize = 64 * 1024 * 1024;

/// One shard, ready to publish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shard {
	/// What is published, hashed and parsed.
	pub bytes: Vec<u8>,
	/// The groups inside, sorted by name.
	pub groups: Vec<String>,
	/// Number of documents.
	pub documents: usize,
	/// Number of Unicode characters, without separators.
	pub characters: usize,
}

/// The bytes of a shard that holds these documents, each once.
///
/// An index in an error counts the documents as given.
///
/// # Errors
/// - [`Error::EmptyShard`], [`Error::ShardTooLong`];
/// - [`Error::EmptyDocument`], [`Error::Separator`], [`Error::DocumentTooLong`].
pub fn write_shard<'a>(documents: impl IntoIterator<Item = &'a str>) -> Result<Vec<u8>, Error> {
	let mut ordered = Vec::new();
	for (index, text) in documents.into_iter().enumerate() {
		check_document(index, text)?;
		if text.contains(SEPARATOR) {
			return Err(Error::Separator { index });
		}
		ordered.push((document_hash(text), text));
	}
	ordered.sort_unstable();
	ordered.dedup();
	let texts = ordered.iter().map(|(_, text)| text.len()).sum::<usize>();
	let bytes = texts + ordered.len().saturating_sub(1);
	check_size(bytes)?;
	let mut out = String::with_capacity(bytes);
	for (position, (_, text)) in ordered.iter().enumerate() {
		if position > 0 {
			out.push(SEPARATOR);
		}
		out.push_str(text);
	}
	Ok(out.into_bytes())
}

/// The documents of a shard, in its order.
///
/// Accepts any order and repetition, so that shards of other makers can be read.
///
/// # Errors
/// - [`Error::EmptyShard`], [`Error::ShardTooLong`];
/// - [`Error::Invalid`], [`Error::Truncated`] if the bytes are not UTF-8;
/// - [`Error::EmptyDocument`], [`Error::DocumentTooLong`].
pub fn parse_shard(bytes: &[u8]) -> Result<Vec<&str>, Error> {
	check_size(bytes.len())?;
	let text = std::str::from_utf8(bytes).map_err(|error| {
		let (encoding, offset) = ("UTF-8", error.valid_up_to());
		match error.error_len() {
			Some(_) => Error::Invalid { encoding, offset },
			None => Error::Truncated { encoding, offset },
		}
	})?;
	text.split(SEPARATOR)
		.enumerate()
		.map(|(index, document)| check_document(index, document).map(|()| document))
		.collect()
}

fn check_document(index: usize, text: &str) -> Result<(), Error> {
	match text.len() {
		0 => Err(Error::EmptyDocument { index }),
		bytes if bytes > MAX_DOCUMENT_BYTES => Err(Error::DocumentTooLong {
			index,
			bytes,
			max: MAX_DOCUMENT_BYTES,
		}),
		_ => Ok(()),
	}
}

fn check_size(bytes: usize) -> Result<(), Error> {
	match bytes {
		0 => Err(Error::EmptyShard),
		bytes if bytes > MAX_SHARD_BYTES => Err(Error::ShardTooLong {
			bytes,
			max: MAX_SHARD_BYTES,
		}),
		_ => Ok(()),
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn the_order_and_repetition_of_documents_do_not_matter() {
		let one = write_shard(["a", "b\nc", "床前"]).unwrap();
		assert_eq!(write_shard(["床前", "a", "b\nc", "a"]), Ok(one.clone()));
		let mut back = parse_shard(&one).unwrap();
		back.sort_unstable();
		assert_eq!(back, ["a", "b\nc", "床前"]);
	}

	#[test]
	fn bytes_that_are_no_shard_are_named() {
		assert_eq!(parse_shard(b""), Err(Error::EmptyShard));
		assert_eq!(
			parse_shard(b"a\x1e"),
			Err(Error::EmptyDocument { index: 1 })
		);
		assert_eq!(
			parse_shard(b"\x1ea"),
			Err(Error::EmptyDocument { index: 0 })
		);
		assert_eq!(
			parse_shard(b"a\x1e\xff"),
			Err(Error::Invalid {
				encoding: "UTF-8",
				offset: 2
			})
		);
		assert_eq!(
			parse_shard("a床".as_bytes().get(..3).unwrap()),
			Err(Error::Truncated {
				encoding: "UTF-8",
				offset: 1
			})
		);
		let long = "x".repeat(MAX_DOCUMENT_BYTES + 1);
		let error = Error::DocumentTooLong {
			index: 1,
			bytes: MAX_DOCUMENT_BYTES + 1,
			max: MAX_DOCUMENT_BYTES,
		};
		assert_eq!(
			parse_shard(format!("a\x1e{long}").as_bytes()),
			Err(error.clone())
		);
		assert_eq!(write_shard(["a", &long]), Err(error));
		assert_eq!(
			parse_shard(&vec![b'x'; MAX_SHARD_BYTES + 1]),
			Err(Error::ShardTooLong {
				bytes: MAX_SHARD_BYTES + 1,
				max: MAX_SHARD_BYTES
			})
		);
	}

	#[test]
	fn documents_that_would_break_a_shard_are_refused() {
		assert_eq!(write_shard([]), Err(Error::EmptyShard));
		assert_eq!(
			write_shard(["a", ""]),
			Err(Error::EmptyDocument { index: 1 })
		);
		assert_eq!(
			write_shard(["a\u{1e}b"]),
			Err(Error::Separator { index: 0 })
		);
	}
}
