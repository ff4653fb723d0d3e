//! The metadata file that `llmchain` is built with is that which a node serves.
//!
//! A test of the runtime compares the file with the native runtime and writes it anew; here it is the node's WASM that counts, and
//! only the values of constants, which follow the preset, may differ.

use anyhow::{ensure, Context, Result};
use e2e::{
	binaries::{checkout, Binaries},
	cli::number,
	network::{Network, Options},
	polkadot_js::PolkadotJs,
};

#[test]
fn e2e_the_committed_metadata_is_the_nodes() -> Result<()> {
	let scripts = PolkadotJs::install()?;
	let folder = tempfile::tempdir()?;
	let network = Network::start(Options::single(Binaries::find()?, folder.path()))?;
	let file = checkout().join("cli/metadata.scale");
	let file = file.to_str().context("the checkout's name is not UTF-8")?;
	let found = scripts.run("metadata.mjs", &[&network.first()?.url(), file])?;
	ensure!(number(&found, "types")? > 100, "{found}");
	Ok(())
}
