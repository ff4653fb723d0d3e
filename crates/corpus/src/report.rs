//! The account of a preparation: what came in, what went out and why, what is left.
//!
//! Must not know how anything was decided; only counts. Serialised beside a dataset's manifest.

use std::{
	collections::{BTreeMap, HashMap},
	fmt,
};

use serde::{Deserialize, Serialize};

use crate::{clean::CleanCounts, shard::Shard};

/// Why a source left text out, with how many times.
pub type Dropped = BTreeMap<String, u64>;

/// What a source found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceReport {
	/// Name of the source.
	pub name: String,
	/// Files read.
	pub files: u64,
	/// Files given that the source has no use for.
	pub files_ignored: u64,
	/// Records (poems, paragraphs) in those files.
	pub records: u64,
	/// Records left out, by reason.
	pub dropped: Dropped,
	/// Documents made of the rest, before duplicates went.
	pub documents: u64,
	/// What cleaning changed.
	pub cleaned: CleanCounts,
}

/// Size of one shard.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardReport {
	/// Documents inside.
	pub documents: u64,
	/// Unicode characters, without separators.
	pub characters: u64,
	/// Bytes, with separators.
	pub bytes: u64,
	/// Groups inside.
	pub groups: u64,
}

impl ShardReport {
	/// The sizes of a shard.
	pub fn of(shard: &Shard) -> Self {
		ShardReport {
			documents: shard.documents as u64,
			characters: shard.characters as u64,
			bytes: shard.bytes.len() as u64,
			groups: shard.groups.len() as u64,
		}
	}
}

/// Everything about a prepared corpus but its text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
	/// Version of the rules.
	pub preprocessing_version: u32,
	/// What the source found; absent if the documents came from elsewhere.
	pub source: Option<SourceReport>,
	/// Exact duplicates removed.
	pub duplicates: u64,
	/// One document in so many is held out.
	pub heldout_every: u64,
	/// Distinct documents, in shards and held out.
	pub documents: u64,
	/// Their Unicode characters.
	pub characters: u64,
	/// Distinct Unicode characters, line feed included.
	pub distinct_characters: u64,
	/// Sizes of the shards, in order.
	pub shards: Vec<ShardReport>,
	/// Size of the held-out split.
	pub heldout: ShardReport,
}

impl fmt::Display for Report {
	fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
		if let Some(source) = &self.source {
			writeln!(
				f,
				"{}: {} files, {} records, {} documents",
				source.name, source.files, source.records, source.documents
			)?;
			for (reason, count) in &source.dropped {
				writeln!(f, "  {count:>8} left out: {reason}")?;
			}
		}
		writeln!(f, "  {:>8} left out: exact duplicate", self.duplicates)?;
		writeln!(
			f,
			"{} documents, {} characters, {} distinct",
			self.documents, self.characters, self.distinct_characters
		)?;
		let row = |f: &mut fmt::Formatter<'_>, name: &str, shard: &ShardReport| {
			writeln!(
				f,
				"  {name:<9}{:>8} documents {:>9} characters {:>9} bytes {:>6} groups",
				shard.documents, shard.characters, shard.bytes, shard.groups
			)
		};
		for (index, shard) in self.shards.iter().enumerate() {
			row(f, &format!("shard {index}"), shard)?;
		}
		row(f, "held out", &self.heldout)
	}
}

/// Every character with its count, the most frequent first, equals by code point.
///
/// One order on every machine, so a vocabulary of the first n is reproducible.
pub fn character_frequencies<'a>(texts: impl IntoIterator<Item = &'a str>) -> Vec<(char, u64)> {
	let mut counts: HashMap<char, u64> = HashMap::new();
	for character in texts.into_iter().flat_map(str::chars) {
		*counts.entry(character).or_default() += 1;
	}
	let mut counts: Vec<_> = counts.into_iter().collect();
	counts.sort_unstable_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
	counts
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn frequencies_have_one_order() {
		let counted = character_frequencies(["bab", "c月月"]);
		assert_eq!(counted, [('b', 2), ('月', 2), ('a', 1), ('c', 1)]);
	}

	#[test]
	fn a_report_survives_json() {
		let mut report = Report {
			documents: 3,
			..Report::default()
		};
		report.source = Some(SourceReport {
			dropped: [("not a quatrain".to_owned(), 2)].into(),
			..SourceReport::default()
		});
		let text = serde_json::to_string(&report).unwrap();
		assert_eq!(serde_json::from_str::<Report>(&text).unwrap(), report);
		assert!(report.to_string().contains("2 left out: not a quatrain"));
	}
}
