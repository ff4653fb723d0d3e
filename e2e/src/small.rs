//! The main job with numbers so small that a test does it in about a minute.
//!
//! Must not know: the corpora; the text is the sample in crates/corpus/samples.

use crate::{binaries::checkout, line::Settings};
use anyhow::{ensure, Context, Result};
use std::{fs, path::Path};

/// Separates documents in a shard (docs/protocol/corpus.md).
const SEPARATOR: char = '\u{1e}';
/// Files, which become groups and so shards.
const FILES: usize = 4;

/// Every so manieth document is held out. The sample itself is held out of its corpus, every 20th of it; a number without a common
/// factor holds out few of it again.
const HELD_OUT_EVERY: &str = "7";

/// A model of one thin layer on a few poems, in `folder`.
///
/// # Errors
///
/// The sample cannot be read, or the folder not be written.
pub fn settings(folder: &Path, rounds: u32) -> Result<Settings> {
	let texts = folder.join("texts");
	let mut dataset = write_sample(&texts)?;
	let about = [
		"--title",
		"Sample of Tang quatrains",
		"--licence",
		"public-domain",
		"--source",
		"crates/corpus/samples/tang.shard",
		"--held-out-every",
		HELD_OUT_EVERY,
	];
	dataset.extend(about.map(String::from));
	let model = "--vocab 512 --context 40 --layers 1 --heads 2 --d-model 32 --d-ff 64";
	let task = "--steps 8 --batch 4 --warmup 2 --train-blocks 60";
	Ok(Settings {
		corpus: "tang".into(),
		dataset,
		model: words(model),
		task: words(task),
		rounds,
		prompt: "春".into(),
		generate: words("--max-tokens 36"),
		// A model that has seen so little knows no form.
		poem_lines: 0,
		run_dir: folder.to_owned(),
		outsider_after: Some(1),
		usual_ports: false,
		finality: true,
	})
}

/// The words of a line, as arguments.
pub fn words(line: &str) -> Vec<String> {
	line.split_whitespace().map(ToOwned::to_owned).collect()
}

/// Writes the sample's documents as plain text, a blank line between two, and returns the files.
fn write_sample(folder: &Path) -> Result<Vec<String>> {
	let shard = checkout().join("crates/corpus/samples/tang.shard");
	let shard = fs::read_to_string(&shard).with_context(|| shard.display().to_string())?;
	let documents: Vec<&str> = shard.split(SEPARATOR).map(str::trim).collect();
	ensure!(documents.len() >= FILES * 5, "the sample is too small");
	fs::create_dir_all(folder)?;
	let mut files = Vec::new();
	for (number, part) in documents
		.chunks(documents.len().div_ceil(FILES))
		.enumerate()
	{
		let file = folder.join(format!("poems-{number}.txt"));
		fs::write(&file, part.join("\n\n"))?;
		let name = file.to_str().context("the folder's name is not UTF-8")?;
		files.push(name.to_owned());
	}
	Ok(files)
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn the_sample_makes_four_files_of_poems() {
		let folder = tempfile::tempdir().unwrap();
		let files = write_sample(folder.path()).unwrap();
		assert_eq!(files.len(), FILES);
		let text = fs::read_to_string(&files[0]).unwrap();
		assert!(text.contains("\n\n") && !text.contains(SEPARATOR), "{text}");
	}
}
