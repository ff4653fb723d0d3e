//! Text for training: decoded, cleaned, cut into documents, split into shards as different from each
//! other as the data of real participants are.
//!
//! Pure functions over bytes and strings. Must not know files, networks, models, tokenizers or chains:
//! callers read the files and publish the shards.
//!
//! Source: `docs/protocol/corpus.md` (this crate's normative page). Invariants: the same documents in
//! any order give the same bytes; every rule that drops or changes text is counted in the report; a
//! change of any rule raises [`PREPROCESSING_VERSION`], which a dataset's manifest names.
//!
//! Reading order: `decode`, `clean`, `document`, `sources`, `shard`, `split`, `report`.

mod clean;
mod decode;
mod document;
mod error;
mod report;
mod shard;
pub mod sources;
mod split;

pub use clean::{clean, CleanCounts};
pub use decode::decode;
pub use document::{document_hash, Document};
pub use error::Error;
pub use report::{character_frequencies, Dropped, Report, ShardReport, SourceReport};
pub use shard::{parse_shard, write_shard, Shard, MAX_DOCUMENT_BYTES, MAX_SHARD_BYTES, SEPARATOR};
pub use sources::{About, Extract, PackageFile, Source};
pub use split::{prepare, split, Corpus, Plan, MAX_SHARDS};

/// Version of all the rules of this crate that decide a shard's bytes.
pub const PREPROCESSING_VERSION: u32 = 1;
