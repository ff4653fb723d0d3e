//! From a shard's chunks to token sequences.
//!
//! Must not know: how text was cleaned (crate `corpus`) or what the sequences are for.
//! Source: `docs/protocol/local-training.md`, "Documents".
//! Invariant: sequences stand in the order of shards in the job and of documents in a shard; each is beginning, text, end, cut to
//! the model's context and one target.

use crate::{
	error::JobError,
	job::{Architecture, Shard},
	Fetcher, Hash,
};
use rayon::prelude::*;
use transformer::{Batch, Tokenizer};

/// Tokens whose activations stand in memory at a time, unless one document has more; it changes no bit.
const TOKENS_TOGETHER: usize = 1024;

/// Documents of some shards as tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Documents {
	/// One sequence a document, 2 to context + 1 tokens.
	sequences: Vec<Vec<u32>>,
	/// See [`Documents::together`].
	together: usize,
}

/// The tokenizer with this hash, checked to fit the model.
pub fn load_tokenizer(
	architecture: &Architecture,
	tokenizer: &Hash,
	fetcher: &Fetcher<'_>,
) -> Result<Tokenizer, JobError> {
	let tokenizer = Tokenizer::from_bytes(&fetcher.blob(tokenizer)?)?;
	if tokenizer.vocab_size() > architecture.vocab_size {
		return Err(JobError::Vocabulary {
			tokenizer: tokenizer.vocab_size(),
			model: architecture.vocab_size,
		});
	}
	Ok(tokenizer)
}

impl Documents {
	/// Fetches shards and turns their documents into tokens.
	///
	/// # Errors
	/// - [`JobError::ShardSize`], [`JobError::Shard`], [`JobError::ShardDocuments`] naming the shard's place;
	/// - [`JobError::NoDocuments`] if there are none at all;
	/// - [`JobError::Fetch`], [`JobError::Transformer`].
	pub fn load(
		shards: &[Shard],
		tokenizer: &Tokenizer,
		context_length: u32,
		fetcher: &Fetcher<'_>,
	) -> Result<Self, JobError> {
		let mut sequences = Vec::new();
		for (place, shard) in shards.iter().enumerate() {
			let bytes = shard_bytes(place, shard, fetcher)?;
			let texts = parse(place, shard, &bytes)?;
			sequences.extend(encode(&texts, tokenizer, context_length)?);
		}
		if sequences.is_empty() {
			return Err(JobError::NoDocuments);
		}
		let together = (TOKENS_TOGETHER / (context_length as usize).max(1)).max(1);
		Ok(Documents {
			sequences,
			together,
		})
	}

	/// Documents that are computed at a time; at least 1.
	pub fn together(&self) -> usize {
		self.together
	}

	/// Number of documents; the manifest's own counts are u32, and a job has at most 16 shards.
	pub fn len(&self) -> u32 {
		u32::try_from(self.sequences.len()).unwrap_or(u32::MAX)
	}

	/// Whether there are none.
	pub fn is_empty(&self) -> bool {
		self.sequences.is_empty()
	}

	/// The documents at some indices as one batch.
	///
	/// # Errors
	/// - [`JobError::NoDocuments`] if an index has no document;
	/// - [`JobError::Transformer`].
	pub fn batch(&self, indices: &[usize]) -> Result<Batch, JobError> {
		let sequences = indices
			.iter()
			.map(|index| self.sequences.get(*index).map(Vec::as_slice))
			.collect::<Option<Vec<_>>>()
			.ok_or(JobError::NoDocuments)?;
		Ok(Batch::new(&sequences)?)
	}

	/// All documents in order, in batches of [`Documents::together`].
	///
	/// # Errors
	/// - [`JobError::Transformer`].
	pub fn batches(&self) -> Result<Vec<Batch>, JobError> {
		self.sequences
			.chunks(self.together)
			.map(|sequences| Ok(Batch::new(sequences)?))
			.collect()
	}
}

/// A shard's bytes: its chunks, one after another.
fn shard_bytes(place: usize, shard: &Shard, fetcher: &Fetcher<'_>) -> Result<Vec<u8>, JobError> {
	let mut bytes = Vec::new();
	for chunk in &shard.chunks {
		bytes.extend(fetcher.blob(chunk)?);
	}
	if bytes.len() as u64 != u64::from(shard.size) {
		return Err(JobError::ShardSize {
			shard: place,
			expected: shard.size.into(),
			got: bytes.len() as u64,
		});
	}
	Ok(bytes)
}

fn parse<'a>(place: usize, shard: &Shard, bytes: &'a [u8]) -> Result<Vec<&'a str>, JobError> {
	let texts = corpus::parse_shard(bytes).map_err(|source| JobError::Shard {
		shard: place,
		source,
	})?;
	if texts.len() as u64 != u64::from(shard.documents) {
		return Err(JobError::ShardDocuments {
			shard: place,
			expected: shard.documents.into(),
			got: texts.len() as u64,
		});
	}
	Ok(texts)
}

fn encode(
	texts: &[&str],
	tokenizer: &Tokenizer,
	context_length: u32,
) -> Result<Vec<Vec<u32>>, JobError> {
	// A sequence of n + 1 tokens has n positions.
	let longest = context_length as usize + 1;
	texts
		.par_iter()
		.map(|text| {
			let mut tokens = tokenizer.encode_document(text)?;
			tokens.truncate(longest);
			Ok(tokens)
		})
		.collect()
}
