//! Prepares a corpus from its unpacked package and prints the account of it.
//!
//!     cargo run -p corpus --example prepare -- tang FOLDER [--shards 8] [--heldout-every 20] [--out FOLDER]
//!         [--sample BYTES]
//!
//! `scripts/fetch-corpora.sh` makes the folder. With `--out`, the shards, the held-out split and the report
//! are written there; `--sample` adds the first whole documents of the held-out split, up to so many bytes
//! (the files in `samples/` were made this way).

use std::{
	error::Error,
	fs, io,
	path::{Path, PathBuf},
};

use corpus::{
	character_frequencies, parse_shard, prepare, Corpus, PackageFile, Plan, Source, SEPARATOR,
};

fn main() -> Result<(), Box<dyn Error>> {
	let mut arguments = std::env::args().skip(1);
	let usage =
		"usage: prepare tang|shakespeare FOLDER [--shards N] [--heldout-every K] [--out FOLDER] [--sample BYTES]";
	let source: Source = arguments.next().ok_or(usage)?.parse()?;
	let folder = PathBuf::from(arguments.next().ok_or(usage)?);
	let mut plan = Plan {
		shards: 8,
		heldout_every: 20,
	};
	let mut out = None;
	let mut sample = None;
	while let Some(option) = arguments.next() {
		let value = arguments.next().ok_or(usage)?;
		match option.as_str() {
			"--shards" => plan.shards = value.parse()?,
			"--heldout-every" => plan.heldout_every = value.parse()?,
			"--sample" => sample = Some(value.parse::<usize>()?),
			"--out" => out = Some(PathBuf::from(value)),
			_ => return Err(usage.into()),
		}
	}

	let mut files = Vec::new();
	read(source, &folder, "", &mut files)?;
	let corpus = prepare(source, files, &plan)?;
	print!("{}", corpus.report);
	print_coverage(&corpus)?;
	if let Some(out) = out {
		write(&corpus, &out)?;
		if let Some(limit) = sample {
			fs::write(out.join("sample.shard"), head(&corpus.heldout.bytes, limit))?;
		}
	}
	Ok(())
}

/// Collects the source's files below `folder`; `prefix` is their path inside the package.
fn read(
	source: Source,
	folder: &Path,
	prefix: &str,
	files: &mut Vec<PackageFile>,
) -> io::Result<()> {
	for entry in fs::read_dir(folder)? {
		let entry = entry?;
		let path = format!("{prefix}{}", entry.file_name().to_string_lossy());
		if entry.file_type()?.is_dir() {
			read(source, &entry.path(), &format!("{path}/"), files)?;
		} else if source.wants(&path) {
			files.push((path, fs::read(entry.path())?));
		}
	}
	Ok(())
}

/// How much of the held-out text a vocabulary of the training text's most frequent characters covers.
fn print_coverage(corpus: &Corpus) -> Result<(), corpus::Error> {
	let mut training = Vec::new();
	for shard in &corpus.shards {
		training.extend(parse_shard(&shard.bytes)?);
	}
	let heldout = character_frequencies(parse_shard(&corpus.heldout.bytes)?);
	let total: u64 = heldout.iter().map(|(_, count)| count).sum();
	let ranked = character_frequencies(training);
	println!("characters kept: share of held-out characters covered");
	for size in [64, 512, 1024, 2048, 3072, 4096, 5120, ranked.len()] {
		let kept: std::collections::HashSet<char> =
			ranked.iter().take(size).map(|(c, _)| *c).collect();
		let covered: u64 = heldout
			.iter()
			.filter(|(c, _)| kept.contains(c))
			.map(|(_, n)| n)
			.sum();
		println!(
			"  {:>5}: {:.3} %",
			kept.len(),
			100.0 * covered as f64 / total as f64
		);
		if size >= ranked.len() {
			break;
		}
	}
	Ok(())
}

/// The first whole documents of a shard, at most `limit` bytes: itself a shard.
fn head(shard: &[u8], limit: usize) -> &[u8] {
	if shard.len() <= limit {
		return shard;
	}
	let end = shard[..=limit]
		.iter()
		.rposition(|&byte| byte == SEPARATOR as u8);
	&shard[..end.unwrap_or(0)]
}

fn write(corpus: &Corpus, out: &Path) -> Result<(), Box<dyn Error>> {
	fs::create_dir_all(out)?;
	for (index, shard) in corpus.shards.iter().enumerate() {
		fs::write(out.join(format!("shard-{index}.txt")), &shard.bytes)?;
	}
	fs::write(out.join("heldout.txt"), &corpus.heldout.bytes)?;
	fs::write(
		out.join("report.json"),
		serde_json::to_vec_pretty(&corpus.report)?,
	)?;
	Ok(())
}
