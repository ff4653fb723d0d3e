//! A fifth node: joins when all rounds are over, verifies them from the seed up, then validates.
//!
//! Must not know: how a round is verified. Invariant: the node starts without keys and with nothing but the chain's genesis; what it
//! needs of the rounds it fetches from its peers.

use super::{Line, NEWCOMER};
use crate::{
	chain::bytes,
	cli::text,
	summary::FifthValidator,
	wait::{self, Probe},
};
use anyhow::{ensure, Context, Result};
use std::time::Duration;

/// Name of the node.
pub const NAME: &str = "eve";
/// What it bonds: as much as a validator of the genesis.
const BOND: &str = "100000";
/// Time to import all blocks.
const SYNC: Duration = Duration::from_secs(180);
/// Time to be elected and to author: an election takes effect two sessions later, and sessions of this preset take a minute.
const AUTHOR: Duration = Duration::from_secs(420);

impl Line {
	/// Joins, syncs, verifies; then bonds, sets keys, and asks to validate.
	pub(super) fn outsider(&mut self) -> Result<()> {
		let index = self.step("a fifth node joins and syncs", |line, _| {
			let index = line.network.join(NAME)?;
			line.network.wait_synced(index, SYNC)?;
			line.note_endpoints()?;
			Ok(index)
		})?;
		self.step("it recomputes every round from the seed up", |line, _| {
			let url = line.network.node(index)?.url();
			let version = line.summary.version.clone();
			let version = version.context("no step has found a version yet")?;
			let store = line.settings.run_dir.join("nodes").join("verify");
			let store = store
				.to_str()
				.context("the run folder's name is not UTF-8")?;
			let verify = ["verify", "version", &version, "--store", store];
			let verified = line.cli().at(url).run(&verify)?;
			ensure!(verified["verified"] == true, "it says {verified}");
			line.summary.verification = Some(verified);
			line.summary.late_joiner_verified = Some(true);
			Ok(())
		})?;
		self.step("it bonds, sets keys and asks to validate", |line, _| {
			let url = line.network.node(index)?.url();
			let cli = line.cli().at(url).by(NEWCOMER);
			cli.run(&["validator", "bond", BOND])?;
			cli.run(&["validator", "keys"])?;
			cli.run(&["validator", "validate"])?;
			Ok(())
		})
	}

	/// Waits until the fifth validator has authored a block that the first node took.
	pub(super) fn fifth_validator(&mut self) -> Result<()> {
		self.step("the fifth validator authors a block", |line, bar| {
			let cli = line.cli().by(NEWCOMER);
			let address = cli.run(&["account", "address"])?;
			let account = text(&address, "account")?.to_owned();
			let public = bytes(text(&address, "public")?)?;
			let chain = line.network.first()?.chain();
			let mut next = chain.best()?;
			let block = wait::until("a block of the fifth validator", AUTHOR, || {
				let best = chain.best()?;
				while next <= best {
					if chain.author(next)?[..] == public[..] {
						return Ok(Probe::Ready(next));
					}
					next += 1;
				}
				let count = chain.validators(best)?.len();
				let state = format!("block {best}, {count} validators in the session");
				bar.message(format!("the fifth validator authors a block ({state})"));
				Ok(Probe::NotYet(state))
			})?;
			line.summary.fifth_validator = Some(FifthValidator { account, block });
			line.summary.fifth_validator_authored = Some(true);
			Ok(())
		})
	}
}
