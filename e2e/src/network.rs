//! Some nodes on this machine: the validators of a preset, who train, and who joins later.
//!
//! Must not know: what the network is used for. Invariants: ports are free when chosen; all nodes stop with the [`Network`].

use crate::{
	binaries::Binaries,
	chain::Chain,
	node::{Node, Settings},
	rpc::Rpc,
	wait::{self, Probe},
};
use anyhow::{ensure, Context, Result};
use serde_json::json;
use std::{
	io::Write,
	net::{Ipv4Addr, TcpListener},
	path::{Path, PathBuf},
	process::{Command, Stdio},
	time::Duration,
};

/// The validators of the preset: development account and node.
pub const VALIDATORS: [&str; 4] = ["alice", "bob", "charlie", "dave"];
/// RPC port of the first node, where people look for it.
pub const USUAL_RPC_PORT: u16 = 9944;
/// Time for the network to finalise its first block.
const FIRST_FINALITY: Duration = Duration::from_secs(120);

/// How a network is started.
#[derive(Clone, Debug)]
pub struct Options {
	/// The programs.
	pub binaries: Binaries,
	/// Folder in which each node has its own.
	pub folder: PathBuf,
	/// The genesis preset.
	pub chain: &'static str,
	/// How many of the validators are started.
	pub validators: usize,
	/// Whether they train.
	pub trainers: bool,
	/// Take the usual RPC ports where they are free.
	pub usual_ports: bool,
}

impl Options {
	/// All validators, training, at any free ports.
	pub fn new(binaries: Binaries, folder: impl Into<PathBuf>) -> Self {
		Self {
			binaries,
			folder: folder.into(),
			chain: "local",
			validators: VALIDATORS.len(),
			trainers: true,
			usual_ports: false,
		}
	}

	/// One validator, which trains, of the `dev` preset: enough to look at calls and blocks, and quick to start.
	pub fn single(binaries: Binaries, folder: impl Into<PathBuf>) -> Self {
		Self {
			chain: "dev",
			validators: 1,
			..Self::new(binaries, folder)
		}
	}
}

/// Running nodes.
#[derive(Debug)]
pub struct Network {
	options: Options,
	nodes: Vec<Node>,
	addresses: Vec<String>,
}

impl Network {
	/// Starts the validators and waits until each answers and one block is final.
	///
	/// # Errors
	///
	/// A node does not start, or they find no finality together; with the end of a log.
	pub fn start(options: Options) -> Result<Self> {
		ensure!(
			(1..=VALIDATORS.len()).contains(&options.validators),
			"the preset has {} validators",
			VALIDATORS.len()
		);
		let mut network = Self {
			nodes: Vec::new(),
			addresses: Vec::new(),
			options,
		};
		let names = VALIDATORS.get(..network.options.validators);
		let names = names.unwrap_or_default();
		let seats = names
			.iter()
			.map(|name| network.seat(name))
			.collect::<Result<Vec<Settings>>>()?;
		for mut settings in seats {
			settings.arguments = vec![format!("--{}", settings.name), "--validator".into()];
			if network.options.trainers {
				let trainer = ["--trainer", "--trainer-threads", "1"];
				settings.arguments.extend(trainer.map(String::from));
			}
			settings.bootnodes = network.others(settings.p2p_port);
			network.nodes.push(Node::start(settings)?);
		}
		for node in &mut network.nodes {
			node.wait_ready()?;
		}
		network.wait_finalised(1, FIRST_FINALITY)?;
		Ok(network)
	}

	/// A place for another node, which has no keys and knows the chain's genesis only. [`Node::start`] starts it there,
	/// [`Network::adopt`] makes it a part of the network.
	///
	/// # Errors
	///
	/// There is no free port.
	pub fn reserve(&mut self, name: &str) -> Result<Settings> {
		let mut settings = self.seat(name)?;
		settings.arguments = vec!["--validator".into()];
		settings.bootnodes = self.others(settings.p2p_port);
		Ok(settings)
	}

	/// Takes a node that was started elsewhere; its index.
	pub fn adopt(&mut self, node: Node) -> usize {
		self.nodes.push(node);
		self.nodes.len() - 1
	}

	/// Starts another node in a place of its own and waits until it answers; its index.
	///
	/// # Errors
	///
	/// It does not start.
	pub fn join(&mut self, name: &str) -> Result<usize> {
		let mut node = Node::start(self.reserve(name)?)?;
		node.wait_ready()?;
		Ok(self.adopt(node))
	}

	/// Waits until the first node has finalised a height.
	///
	/// # Errors
	///
	/// It has not in time.
	pub fn wait_finalised(&self, height: u32, limit: Duration) -> Result<u32> {
		let node = self.first()?;
		wait::until(&format!("block {height} to be final"), limit, || {
			let finalised = node.chain().finalised()?;
			Ok(if finalised >= height {
				Probe::Ready(finalised)
			} else {
				let best = node.chain().best()?;
				Probe::NotYet(format!("block {finalised} final, best {best}"))
			})
		})
		.with_context(|| node.log_tail())
	}

	/// All nodes, in order of their start.
	pub fn nodes(&self) -> &[Node] {
		&self.nodes
	}

	/// All nodes, to be killed and restarted.
	pub fn nodes_mut(&mut self) -> &mut [Node] {
		&mut self.nodes
	}

	/// A node.
	///
	/// # Errors
	///
	/// There are not so many.
	pub fn node(&self, index: usize) -> Result<&Node> {
		let count = self.nodes.len();
		self.nodes
			.get(index)
			.with_context(|| format!("there is no node {index} of {count}"))
	}

	/// A node, to be killed and restarted.
	///
	/// # Errors
	///
	/// There are not so many.
	pub fn node_mut(&mut self, index: usize) -> Result<&mut Node> {
		let count = self.nodes.len();
		self.nodes
			.get_mut(index)
			.with_context(|| format!("there is no node {index} of {count}"))
	}

	/// The node of the first validator.
	///
	/// # Errors
	///
	/// None; the network has at least one.
	pub fn first(&self) -> Result<&Node> {
		self.node(0)
	}

	/// Stops all nodes in order.
	pub fn stop(&mut self) {
		// All at once first, so that they end side by side.
		for node in &mut self.nodes {
			node.terminate();
		}
		for node in self.nodes.iter_mut().rev() {
			node.stop();
		}
	}

	/// Ports and network identity of a new node. The address is known to those that start after it, and to those of one batch.
	fn seat(&mut self, name: &str) -> Result<Settings> {
		let number = u16::try_from(self.addresses.len() + 1)?;
		let node_key = format!("{number:064x}");
		let peer = peer_id(&self.options.binaries.node, &node_key)?;
		let p2p_port = free_port()?;
		let usual = USUAL_RPC_PORT + number - 1;
		let rpc_port = if self.options.usual_ports && is_free(usual) {
			usual
		} else {
			free_port()?
		};
		self.addresses
			.push(format!("/ip4/127.0.0.1/tcp/{p2p_port}/p2p/{peer}"));
		Ok(Settings {
			name: name.to_owned(),
			program: self.options.binaries.node.clone(),
			folder: self.options.folder.join(name),
			chain: self.options.chain.to_owned(),
			rpc_port,
			p2p_port,
			node_key,
			bootnodes: Vec::new(),
			arguments: Vec::new(),
		})
	}

	/// Addresses of all nodes but that at `p2p_port`.
	fn others(&self, p2p_port: u16) -> Vec<String> {
		let own = format!("/tcp/{p2p_port}/");
		self.addresses
			.iter()
			.filter(|address| !address.contains(&own))
			.cloned()
			.collect()
	}
}

impl Drop for Network {
	fn drop(&mut self) {
		self.stop();
	}
}

/// Waits until a node has caught up with another one, and has then seen a block final that came later. Until blocks come one by one
/// its transaction pool looks at an old one and refuses what is new.
///
/// # Errors
///
/// It does not get there in time.
pub fn wait_caught_up(node: Rpc, with: Rpc, limit: Duration) -> Result<u32> {
	let mut caught_up = None;
	wait::until("a node to catch up", limit, || {
		let health = node.call("system_health", json!([]))?;
		let (best, first) = (Chain::of(node).best()?, Chain::of(with).best()?);
		if caught_up.is_none() && health["isSyncing"] == false && best >= first {
			caught_up = Some(best);
		}
		let finalised = Chain::of(node).finalised()?;
		Ok(if caught_up.is_some_and(|height| finalised > height) {
			Probe::Ready(best)
		} else {
			Probe::NotYet(format!(
				"block {best} of {first}, {finalised} final; {health}"
			))
		})
	})
}

/// The network identity that belongs to a secret network key, by the node's own word.
fn peer_id(program: &Path, node_key: &str) -> Result<String> {
	let mut child = Command::new(program)
		.args(["key", "inspect-node-key"])
		.stdin(Stdio::piped())
		.stdout(Stdio::piped())
		.stderr(Stdio::inherit())
		.spawn()
		.with_context(|| format!("starting {}", program.display()))?;
	if let Some(mut stdin) = child.stdin.take() {
		stdin.write_all(node_key.as_bytes())?;
	}
	let output = child.wait_with_output()?;
	ensure!(output.status.success(), "no identity for a network key");
	Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

/// A port that nothing listens at now.
fn free_port() -> Result<u16> {
	let listener =
		TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("looking for a free port")?;
	Ok(listener.local_addr()?.port())
}

fn is_free(port: u16) -> bool {
	TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn ports_that_are_taken_are_seen() {
		let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
		let port = listener.local_addr().unwrap().port();
		assert!(!is_free(port));
		assert_ne!(free_port().unwrap(), port);
	}
}
