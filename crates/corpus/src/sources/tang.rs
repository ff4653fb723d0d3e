//! Tang quatrains from npm `chinese-poetry`: four lines of five or of seven characters.
//!
//! Other forms (regulated eight-line poems, songs) are left out: one form of 28 or 36 characters is what a
//! small model learns whole. Script stays Traditional, as in the source.
//! Source: `docs/protocol/corpus.md`, "Tang". Invariants: a document has four lines, each of the same number
//! of characters and then one punctuation mark; the group is the poet.

use serde::Deserialize;

use super::{file_name, About, Extract, PackageFile, Source};
use crate::{clean::clean, decode::decode, document::Document, error::Error, report::SourceReport};

pub(super) const ABOUT: About = About {
	name: "tang",
	title: "Tang quatrains",
	registry: "npm",
	package: "chinese-poetry",
	version: "2.0.1",
	sha256: "25b549e46919c3a0569db6b68ddc96956b04a484ea4518ad2bbd4f137e307e86",
	licence: "MIT",
	attribution: "chinese-poetry contributors (compilation); Tang poets (public domain)",
	language: "zh-Hant",
};

/// Marks that end a line of verse; kept as the source has them.
const LINE_ENDS: [char; 7] = ['，', '。', '？', '！', '；', '：', '、'];

const BAD_FORM: &str = "not four lines of five or seven characters";
const BAD_CHARACTER: &str = "a gap, bracket, digit, letter or private character";

#[derive(Deserialize)]
struct Poem {
	author: String,
	title: String,
	paragraphs: Vec<String>,
}

pub(super) fn wants(path: &str) -> bool {
	file_name(path)
		.strip_prefix("poet.tang.")
		.and_then(|rest| rest.strip_suffix(".json"))
		.is_some_and(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
}

/// Quatrains of the package's `poet.tang.*.json` files.
///
/// # Errors
/// As [`Source::extract`]; [`Error::Json`] inside [`Error::File`] if a file is not the expected JSON.
pub fn tang(files: impl IntoIterator<Item = PackageFile>) -> Result<Extract, Error> {
	let (files, files_ignored) = Source::Tang.select(files)?;
	let mut report = SourceReport {
		name: ABOUT.name.to_owned(),
		files: files.len() as u64,
		files_ignored,
		..SourceReport::default()
	};
	let mut documents = Vec::new();
	for (name, bytes) in &files {
		let poems = poems(bytes).map_err(|error| error.in_file(name))?;
		report.records += poems.len() as u64;
		for poem in poems {
			let (text, counts) = clean(&poem.paragraphs.concat());
			match quatrain(&text) {
				Ok(text) => {
					report.cleaned += counts;
					documents.push(Document {
						group: clean(&poem.author).0,
						title: clean(&poem.title).0,
						text,
					});
				}
				Err(reason) => *report.dropped.entry(reason.to_owned()).or_default() += 1,
			}
		}
	}
	if documents.is_empty() {
		return Err(Error::NoDocuments);
	}
	report.documents = documents.len() as u64;
	Ok(Extract { documents, report })
}

fn poems(bytes: &[u8]) -> Result<Vec<Poem>, Error> {
	serde_json::from_str(&decode(bytes)?).map_err(|error| Error::Json {
		line: error.line(),
		column: error.column(),
	})
}

/// The poem as four lines, or why it is none of ours.
fn quatrain(text: &str) -> Result<String, &'static str> {
	let lines: Vec<&str> = text.split_inclusive(LINE_ENDS).collect();
	// Without its mark; a line that lacks one has the wrong length below.
	let length = |line: &&str| {
		line.strip_suffix(LINE_ENDS)
			.map(|verse| verse.chars().count())
	};
	let lengths: Vec<_> = lines.iter().map(length).collect();
	if !matches!(lengths[..], [Some(a @ (5 | 7)), b, c, d] if [b, c, d] == [Some(a); 3]) {
		return Err(BAD_FORM);
	}
	if !lines
		.iter()
		.flat_map(|line| line.strip_suffix(LINE_ENDS))
		.all(|verse| verse.chars().all(is_han))
	{
		return Err(BAD_CHARACTER);
	}
	Ok(lines.join("\n"))
}

/// Unified ideographs of all planes; compatibility forms that NFC leaves are no different to a reader.
fn is_han(c: char) -> bool {
	matches!(
		c,
		'\u{3400}'..='\u{4dbf}'
			| '\u{4e00}'..='\u{9fff}'
			| '\u{f900}'..='\u{faff}'
			| '\u{20000}'..='\u{323af}'
	)
}

#[cfg(test)]
mod tests {
	use super::*;

	const POEM: &str = r#"{"author":"李白","title":"靜夜思","id":"x",
		"paragraphs":["牀前看月光，疑是地上霜。","舉頭望山月，低頭思故鄉。"]}"#;

	fn file(poems: &[&str]) -> (String, Vec<u8>) {
		let json = format!("[{}]", poems.join(","));
		(
			"package/dist/quantangshi/poet.tang.0.json".to_owned(),
			json.into_bytes(),
		)
	}

	fn poem(paragraphs: &str) -> String {
		format!(r#"{{"author":"a","title":"t","paragraphs":["{paragraphs}"]}}"#)
	}

	#[test]
	fn a_quatrain_becomes_four_lines_under_its_poet() {
		let extract = tang([file(&[POEM])]).unwrap();
		let document = &extract.documents[0];
		assert_eq!((&*document.group, &*document.title), ("李白", "靜夜思"));
		assert_eq!(
			document.text,
			"牀前看月光，\n疑是地上霜。\n舉頭望山月，\n低頭思故鄉。"
		);
	}

	#[test]
	fn other_forms_and_damaged_poems_are_counted_by_reason() {
		let extract = tang([file(&[
			POEM,
			&poem("牀前看月光，疑是地上霜。"),
			&poem("牀前看月光，疑是地上霜。舉頭望山月，低頭思故鄉君。"),
			&poem("牀前看月光，疑是地上霜。舉頭望山月，低頭思故鄉"),
			&poem("牀前看月光，疑是地上霜。舉頭望山月，低頭□故鄉。"),
			&poem("牀前看月光，疑是地上霜。舉頭望山月，低[思]鄉。"),
			&poem(""),
		])])
		.unwrap();
		assert_eq!(extract.documents.len(), 1);
		assert_eq!(extract.report.records, 7);
		assert_eq!(extract.report.dropped[BAD_FORM], 4);
		assert_eq!(extract.report.dropped[BAD_CHARACTER], 2);
	}

	#[test]
	fn only_the_poem_files_are_read() {
		assert!(wants("dist/quantangshi/poet.tang.57000.json"));
		assert!(wants("poet.tang.0.json"));
		for path in [
			"poet.song.0.json",
			"poet.tang..json",
			"poet.tang.0.json.gz",
			"authors.tang.json",
		] {
			assert!(!wants(path), "{path}");
		}
	}

	#[test]
	fn a_truncated_or_foreign_file_is_named() {
		let (name, bytes) = file(&[POEM]);
		let cut = |end: usize| tang([(name.clone(), bytes[..end].to_vec())]).unwrap_err();
		let Error::File { name: named, error } = cut(bytes.len() - 1) else {
			panic!()
		};
		assert_eq!(named, name);
		assert!(matches!(*error, Error::Json { line: 2, .. }), "{error}");
		let inside = bytes.iter().position(|&b| b > 0x7f).unwrap() + 1;
		let Error::File { error, .. } = cut(inside) else {
			panic!()
		};
		assert_eq!(
			*error,
			Error::Truncated {
				encoding: "UTF-8",
				offset: inside - 1
			}
		);
		let Err(Error::File { error, .. }) = tang([(name.clone(), b"[\"\xb4\xb2\"]".to_vec())])
		else {
			panic!()
		};
		assert_eq!(
			*error,
			Error::Invalid {
				encoding: "UTF-8",
				offset: 2
			}
		);
	}

	#[test]
	fn a_package_without_quatrains_is_an_error() {
		assert_eq!(tang([file(&[])]), Err(Error::NoDocuments));
	}
}
