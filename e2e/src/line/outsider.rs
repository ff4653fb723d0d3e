//! A fifth node: joins late, while the task still runs; verifies what there is, and validates; verifies the rest at the end.
//!
//! It joins before the last rounds because an election takes two sessions to count, and because who may verify while trainers still
//! work need not wait for them. Must not know: how a round is verified. Invariant: the node starts without keys and with nothing but
//! the chain's genesis; what it needs of the rounds it fetches from its peers.

use super::{tenths, Line, NEWCOMER};
use crate::{
	chain::bytes,
	cli::{text, Cli},
	network::wait_caught_up,
	node::{Node, Settings},
	rpc::Rpc,
	screen::Screen,
	summary::{FifthValidator, Step},
	wait::{self, Probe},
};
use anyhow::{ensure, Context, Result};
use serde_json::Value;
use std::{
	path::{Path, PathBuf},
	thread::{Scope, ScopedJoinHandle},
	time::{Duration, Instant},
};

/// Name of the node.
pub const NAME: &str = "eve";
/// What it bonds: as much as a validator of the genesis.
const BOND: &str = "100000";
/// Time to import all blocks.
const SYNC: Duration = Duration::from_secs(240);
/// Time to be elected and to author: an election takes effect two sessions later, and sessions of this preset take a minute.
const AUTHOR: Duration = Duration::from_secs(420);

/// A node that is to join.
#[derive(Debug)]
pub(super) struct Outsider {
	place: Settings,
	/// Round after which it joins.
	after: u64,
	/// `llmchain`, asking it.
	cli: Cli,
	first: Rpc,
	store: PathBuf,
	node: Option<Node>,
}

impl Outsider {
	/// Whether it is time to join.
	pub(super) fn joins_after(&self, round: u64) -> bool {
		self.node.is_none() && round >= self.after
	}

	/// Starts the node, and in a thread of `scope` lets it catch up, verify the version, and ask to validate. The node itself belongs
	/// to the calling thread: it would end with the other one.
	pub(super) fn join<'scope>(
		&mut self,
		scope: &'scope Scope<'scope, '_>,
		screen: &Screen,
		version: &str,
	) -> Result<ScopedJoinHandle<'scope, Result<Step>>> {
		self.node = Some(Node::start(self.place.clone())?);
		let (cli, first, node) = (self.cli.clone(), self.first, self.place.rpc());
		let (store, screen, version) = (self.store.clone(), screen.clone(), version.to_owned());
		Ok(scope.spawn(move || {
			let begun = Instant::now();
			let say = |text: &str| screen.say(&format!("            outsider: {text}"));
			say("a fifth node joins");
			wait_caught_up(node, first, SYNC)?;
			let verified = verify(&cli, &version, &store)?;
			say(&format!(
				"it has recomputed {} rounds from the seed up",
				verified["rounds"]
			));
			let stash = cli.by(NEWCOMER);
			stash.run(&["validator", "bond", BOND])?;
			stash.run(&["validator", "keys"])?;
			stash.run(&["validator", "validate"])?;
			say("it has bonded, set keys and asked to validate");
			Ok(Step {
				name: "meanwhile a fifth node joins, verifies, and bonds".into(),
				seconds: tenths(begun.elapsed()),
			})
		}))
	}

	/// The node, if it was started.
	pub(super) fn into_node(self) -> Option<Node> {
		self.node
	}
}

impl Line {
	/// A place for the fifth node, if the settings want one.
	pub(super) fn expect_outsider(&mut self) -> Result<Option<Outsider>> {
		let Some(after) = self.settings.outsider_after else {
			return Ok(None);
		};
		let place = self.network.reserve(NAME)?;
		Ok(Some(Outsider {
			after: after.min(self.settings.rounds).into(),
			cli: self.cli().at(place.url()),
			first: self.network.first()?.rpc(),
			store: self.store(),
			node: None,
			place,
		}))
	}

	/// Lets the fifth node verify the last version.
	pub(super) fn verify(&mut self) -> Result<()> {
		self.step(
			"the fifth node recomputes every round from the seed up",
			|line, _| {
				let node = line.network.nodes().iter().find(|node| node.name() == NAME);
				let url = node.context("no fifth node has joined")?.url();
				let version = line.summary.version.clone();
				let version = version.context("no step has found a version yet")?;
				let verified = verify(&line.cli().at(url), &version, &line.store())?;
				line.summary.verification = Some(verified);
				line.summary.late_joiner_verified = Some(true);
				Ok(())
			},
		)
	}

	/// Waits until the fifth validator has authored a block that the first node took.
	pub(super) fn fifth_validator(&mut self) -> Result<()> {
		self.step("the fifth validator authors a block", |line, bar| {
			let cli = line.cli().by(NEWCOMER);
			let address = cli.run(&["account", "address"])?;
			let account = text(&address, "account")?.to_owned();
			let public = bytes(text(&address, "public")?)?;
			let chain = line.network.first()?.chain();
			let mut next = 1;
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

	/// Folder in which the outsider keeps what it fetched.
	fn store(&self) -> PathBuf {
		self.settings.run_dir.join("nodes").join("verify")
	}
}

/// Recomputes a version from the seed up, with what the asked node and its peers give.
fn verify(cli: &Cli, version: &str, store: &Path) -> Result<Value> {
	let store = store
		.to_str()
		.context("the run folder's name is not UTF-8")?;
	let verified = cli.run(&["verify", "version", version, "--store", store])?;
	ensure!(verified["verified"] == true, "it says {verified}");
	Ok(verified)
}
