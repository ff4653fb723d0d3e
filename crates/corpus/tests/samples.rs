//! The committed samples are shards as this crate writes them, of the form their sources promise.

use corpus::{character_frequencies, parse_shard, write_shard};

const TANG: &[u8] = include_bytes!("../samples/tang.shard");
const SHAKESPEARE: &[u8] = include_bytes!("../samples/shakespeare.shard");

#[test]
fn samples_are_in_canonical_form() {
	for sample in [TANG, SHAKESPEARE] {
		let documents = parse_shard(sample).unwrap();
		assert_eq!(write_shard(documents.iter().copied()).unwrap(), sample);
		for document in documents {
			assert_eq!(corpus::clean(document).0, document);
		}
	}
}

#[test]
fn every_tang_document_is_a_quatrain() {
	for document in parse_shard(TANG).unwrap() {
		let lengths: Vec<_> = document.lines().map(|line| line.chars().count()).collect();
		assert!(lengths == [6; 4] || lengths == [8; 4], "{document}");
	}
}

#[test]
fn every_shakespeare_document_fits_a_small_context() {
	let documents = parse_shard(SHAKESPEARE).unwrap();
	assert!(documents
		.iter()
		.all(|d| (32..=240).contains(&d.chars().count())));
	assert!(character_frequencies(documents)
		.iter()
		.all(|(c, _)| c.is_ascii()));
}
