//! From documents to shards: duplicates out, a held-out split, whole groups dealt to shards.
//!
//! Must not know sources. Randomness has no place here: hashes of the text decide.
//! Source: `docs/protocol/corpus.md`, "Split". Invariants: the result depends on the set of documents, not
//! on their order; a document's place in or out of the held-out split depends on its own text alone, so
//! adding other documents never moves it; a group is never cut over two shards.

use std::collections::BTreeMap;

use crate::{
	document::{document_hash, Document},
	error::Error,
	report::{Report, ShardReport},
	shard::{write_shard, Shard},
	sources::{PackageFile, Source},
};

/// Most shards of a corpus.
pub const MAX_SHARDS: usize = 1024;

/// How to split.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
	/// Number of shards, 1..=1024.
	pub shards: usize,
	/// One document in so many is held out, at least 2.
	pub heldout_every: u64,
}

/// What a publisher publishes, and the account of how it came about.
#[derive(Clone, Debug, PartialEq)]
pub struct Corpus {
	/// Shards to train on.
	pub shards: Vec<Shard>,
	/// Documents that no participant trains on, from all groups alike.
	pub heldout: Shard,
	/// Every count.
	pub report: Report,
}

/// Extracts a source's documents and splits them.
///
/// # Errors
/// As [`Source::extract`] and [`split`].
pub fn prepare(
	source: Source,
	files: impl IntoIterator<Item = PackageFile>,
	plan: &Plan,
) -> Result<Corpus, Error> {
	let extract = source.extract(files)?;
	let mut corpus = split(extract.documents, plan)?;
	corpus.report.source = Some(extract.report);
	Ok(corpus)
}

/// Splits documents into a held-out split and shards of whole groups.
///
/// # Errors
/// - [`Error::Shards`], [`Error::HeldoutEvery`] if the plan is out of range;
/// - [`Error::NoDocuments`], [`Error::NoHeldout`], [`Error::TooFewGroups`] if the documents do not fill it;
/// - as [`write_shard`].
pub fn split(documents: Vec<Document>, plan: &Plan) -> Result<Corpus, Error> {
	let Plan {
		shards,
		heldout_every,
	} = *plan;
	if shards == 0 || shards > MAX_SHARDS {
		return Err(Error::Shards {
			shards,
			max: MAX_SHARDS,
		});
	}
	if heldout_every < 2 {
		return Err(Error::HeldoutEvery { heldout_every });
	}
	let given = documents.len();
	let documents = distinct(documents);
	if documents.is_empty() {
		return Err(Error::NoDocuments);
	}

	let (held, training): (Vec<_>, Vec<_>) = documents
		.iter()
		.partition(|document| is_heldout(&document.text, heldout_every));
	if held.is_empty() {
		return Err(Error::NoHeldout {
			documents: documents.len(),
			heldout_every,
		});
	}
	let mut groups: BTreeMap<&str, Vec<&Document>> = BTreeMap::new();
	for document in training {
		groups.entry(&document.group).or_default().push(document);
	}
	if groups.len() < shards {
		return Err(Error::TooFewGroups {
			groups: groups.len(),
			shards,
		});
	}

	let heldout = shard(&held)?;
	let shards = deal(groups, shards)
		.iter()
		.map(|part| shard(part))
		.collect::<Result<Vec<_>, _>>()?;
	let report = Report {
		preprocessing_version: crate::PREPROCESSING_VERSION,
		source: None,
		duplicates: (given - documents.len()) as u64,
		heldout_every,
		documents: documents.len() as u64,
		characters: documents
			.iter()
			.map(|d| d.text.chars().count() as u64)
			.sum(),
		distinct_characters: crate::character_frequencies(documents.iter().map(|d| &*d.text)).len()
			as u64,
		shards: shards.iter().map(ShardReport::of).collect(),
		heldout: ShardReport::of(&heldout),
	};
	Ok(Corpus {
		shards,
		heldout,
		report,
	})
}

/// Each text once, in the group (then title) that sorts first.
fn distinct(mut documents: Vec<Document>) -> Vec<Document> {
	let key = |d: &Document| (d.text.clone(), d.group.clone(), d.title.clone());
	documents.sort_by_cached_key(key);
	documents.dedup_by(|later, first| later.text == first.text);
	documents
}

fn is_heldout(text: &str, every: u64) -> bool {
	let hash = document_hash(text);
	let mut number = [0u8; 8];
	number.copy_from_slice(&hash[24..]);
	u64::from_le_bytes(number) % every == 0
}

/// Largest group first, each to the shard that is smallest so far; equals go by name and by index.
fn deal<'a>(groups: BTreeMap<&str, Vec<&'a Document>>, shards: usize) -> Vec<Vec<&'a Document>> {
	let size = |group: &[&Document]| group.iter().map(|d| d.text.len()).sum::<usize>();
	let mut groups: Vec<_> = groups
		.into_iter()
		.map(|(name, group)| (size(&group), name, group))
		.collect();
	groups.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(b.1)));
	let mut parts = vec![(0usize, Vec::new()); shards];
	for (size, _, group) in groups {
		// `min_by_key` takes the first of equals.
		if let Some(part) = parts.iter_mut().min_by_key(|part| part.0) {
			part.0 += size;
			part.1.extend(group);
		}
	}
	parts.into_iter().map(|part| part.1).collect()
}

fn shard(documents: &[&Document]) -> Result<Shard, Error> {
	let mut groups: Vec<String> = documents.iter().map(|d| d.group.clone()).collect();
	groups.sort_unstable();
	groups.dedup();
	Ok(Shard {
		bytes: write_shard(documents.iter().map(|d| &*d.text))?,
		groups,
		documents: documents.len(),
		characters: documents.iter().map(|d| d.text.chars().count()).sum(),
	})
}

#[cfg(test)]
mod tests {
	use super::*;
	use crate::shard::parse_shard;

	fn document(group: usize, number: usize) -> Document {
		Document {
			group: format!("poet {group}"),
			title: format!("{number}"),
			text: format!("line {number} of poet {group}"),
		}
	}

	fn documents() -> Vec<Document> {
		// Poet g has 10 * (g + 1) poems.
		(0..9)
			.flat_map(|g| (0..10 * (g + 1)).map(move |n| document(g, n)))
			.collect()
	}

	const PLAN: Plan = Plan {
		shards: 4,
		heldout_every: 10,
	};

	#[test]
	fn every_document_lands_once_and_groups_stay_whole() {
		let corpus = split(documents(), &PLAN).unwrap();
		let mut seen: Vec<String> = Vec::new();
		for shard in corpus.shards.iter().chain([&corpus.heldout]) {
			seen.extend(
				parse_shard(&shard.bytes)
					.unwrap()
					.into_iter()
					.map(String::from),
			);
		}
		seen.sort_unstable();
		let mut expected: Vec<_> = documents().into_iter().map(|d| d.text).collect();
		expected.sort_unstable();
		assert_eq!(seen, expected);
		let mut groups: Vec<_> = corpus
			.shards
			.iter()
			.flat_map(|s| s.groups.clone())
			.collect();
		groups.sort_unstable();
		assert_eq!(
			groups,
			(0..9).map(|g| format!("poet {g}")).collect::<Vec<_>>()
		);
	}

	#[test]
	fn shards_are_of_similar_size() {
		let corpus = split(documents(), &PLAN).unwrap();
		let sizes: Vec<_> = corpus.shards.iter().map(|s| s.bytes.len()).collect();
		let (least, most) = (sizes.iter().min().unwrap(), sizes.iter().max().unwrap());
		assert!(most - least < most / 5, "{sizes:?}");
	}

	#[test]
	fn the_order_of_documents_does_not_matter() {
		let mut reversed = documents();
		reversed.reverse();
		assert_eq!(split(reversed, &PLAN), split(documents(), &PLAN));
	}

	#[test]
	fn more_documents_never_move_one_out_of_the_heldout_split() {
		let few = split(documents(), &PLAN).unwrap();
		let mut more = documents();
		more.extend((0..50).map(|n| document(20, n)));
		let many = split(more, &PLAN).unwrap();
		let held = parse_shard(&many.heldout.bytes).unwrap();
		for text in parse_shard(&few.heldout.bytes).unwrap() {
			assert!(held.contains(&text));
		}
	}

	#[test]
	fn duplicates_are_counted_and_kept_in_the_first_group() {
		let mut documents = documents();
		let mut copy = documents[0].clone();
		copy.group = "a poet before the others".into();
		documents.push(copy);
		let corpus = split(documents, &PLAN).unwrap();
		assert_eq!(corpus.report.duplicates, 1);
		assert_eq!(corpus.report.documents, 450);
	}

	#[test]
	fn plans_that_cannot_be_are_refused() {
		let plan = |shards, heldout_every| Plan {
			shards,
			heldout_every,
		};
		let fails = |documents, plan| split(documents, &plan).unwrap_err();
		assert_eq!(
			fails(documents(), plan(0, 9)),
			Error::Shards {
				shards: 0,
				max: 1024
			}
		);
		assert_eq!(
			fails(documents(), plan(1025, 9)),
			Error::Shards {
				shards: 1025,
				max: 1024
			}
		);
		assert_eq!(
			fails(documents(), plan(1, 1)),
			Error::HeldoutEvery { heldout_every: 1 }
		);
		assert_eq!(
			fails(documents(), plan(10, 9)),
			Error::TooFewGroups {
				groups: 9,
				shards: 10
			}
		);
		assert_eq!(fails(vec![], plan(1, 9)), Error::NoDocuments);
		assert_eq!(
			fails(documents(), plan(1, u64::MAX)),
			Error::NoHeldout {
				documents: 450,
				heldout_every: u64::MAX
			}
		);
	}
}
