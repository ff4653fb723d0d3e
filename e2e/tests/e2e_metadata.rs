//! The metadata file that `llmchain` is built with is that of the node.

use anyhow::{ensure, Context, Result};
use e2e::{
	binaries::{checkout, Binaries},
	chain::bytes,
	network::{Network, Options},
};
use serde_json::json;
use std::{env, fs};

/// Writes the file anew instead of comparing.
const UPDATE: &str = "LLMCHAIN_UPDATE_METADATA";
/// Version of the format: the first with runtime APIs.
const VERSION: u32 = 15;

#[test]
fn e2e_the_committed_metadata_is_the_nodes() -> Result<()> {
	let folder = tempfile::tempdir()?;
	let network = Network::start(Options::single(Binaries::find()?, folder.path()))?;
	let parameters = format!("0x{}", hex::encode(VERSION.to_le_bytes()));
	let answer = network.first()?.rpc().call(
		"state_call",
		json!(["Metadata_metadata_at_version", parameters]),
	)?;
	let answer = bytes(answer.as_str().context("state_call")?)?;
	let metadata = opaque(&answer).context("the runtime has no metadata of this version")?;
	ensure!(metadata.starts_with(b"meta"), "no magic number");

	let path = checkout().join("cli/metadata.scale");
	if env::var_os(UPDATE).is_some() {
		fs::write(&path, metadata)?;
		return Ok(());
	}
	let committed = fs::read(&path).with_context(|| path.display().to_string())?;
	ensure!(
		committed == metadata,
		"{} ({} bytes) is not the node's metadata ({} bytes); write it anew with \
		 {UPDATE}=1 cargo test --workspace --all-targets -- e2e_the_committed_metadata, and build again",
		path.display(),
		committed.len(),
		metadata.len()
	);
	Ok(())
}

/// The bytes in an `Option<Vec<u8>>` in SCALE.
fn opaque(answer: &[u8]) -> Option<&[u8]> {
	let (1, rest) = answer.split_first().map(|(first, rest)| (*first, rest))? else {
		return None;
	};
	let width = match rest.first()? & 3 {
		0 => 1,
		1 => 2,
		2 => 4,
		_ => return None,
	};
	rest.get(width..)
}
