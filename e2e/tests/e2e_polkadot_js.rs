//! Polkadot.js shows and drives the chain as it should: what artists see in Polkadot.js Apps.

use anyhow::{ensure, Result};
use e2e::{
	binaries::Binaries,
	cli::number,
	network::{Network, Options},
	polkadot_js::PolkadotJs,
};

#[test]
fn e2e_polkadot_js_shows_and_drives_the_chain() -> Result<()> {
	let scripts = PolkadotJs::install()?;
	let folder = tempfile::tempdir()?;
	let network = Network::start(Options::single(Binaries::find()?, folder.path()))?;
	let found = scripts.run("check.mjs", &[&network.first()?.url()])?;
	ensure!(
		number(&found, "calls")? > 0
			&& number(&found, "events")? > 0
			&& number(&found, "blocks")? > 0,
		"{found}"
	);
	Ok(())
}
