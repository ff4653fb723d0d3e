//! `llmchain verify`: re-run what others claim. Nothing is believed but the node's word for the state of the chain, and that is said.
//!
//! Must not know: how sums and roots are computed (crates/trainer), what fits together in a history ([`crate::history`]).
//! Source: ARCHITECTURE.md, invariant 4. Invariant: equality, not tolerance; the first difference is named.

use crate::{
	api,
	chain::{push, Chain, ChainError},
	commands::{cache_folder, dataset, model, task},
	convert::{bytes_of_hex, parse_hash, show, show_raw},
	error::{Error, Result},
	history::{History, HistoryError, Made},
	output::Output,
	receipt::JsonReceipt,
	Context,
};
use clap::{Args, Subcommand};
use indicatif::ProgressBar;
use llmchain_primitives::{model::Origin, AccountId, Hash, ModelId, VersionId};
use serde::{Deserialize, Serialize};
use std::{
	collections::{btree_map::Entry, BTreeMap},
	path::{Path, PathBuf},
};
use subxt::rpcs::client::RpcParams;
use tokio::runtime::Handle;
use trainer::{Host, PeerError, Peers, Progress, Served, Stop, Store, Verified};

/// What is said of every verification.
const TRUSTS: &str = "the node's word for the state of the chain";

/// Commands that re-run claims.
#[derive(Debug, Subcommand)]
pub enum Command {
	/// Recompute a version from version 0's seed: every round's sum and server update. No training is repeated.
	Version(Version),
	/// Have the node at --url compute a receipt's text again, and compare it byte for byte.
	Generation {
		/// The receipt, as `generate --receipt` wrote it.
		receipt: PathBuf,
	},
}

/// What to recompute.
#[derive(Args, Debug)]
pub struct Version {
	/// The version.
	#[arg(value_parser = parse_hash)]
	pub version: Hash,
	/// Where fetched updates and recomputed versions are kept [default: verify in $LLMCHAIN_CACHE or ~/.cache/llmchain].
	#[arg(long, value_name = "DIR")]
	pub store: Option<PathBuf>,
	/// Repeat the held-out evaluation of every round as well.
	#[arg(long)]
	pub evaluate: bool,
	/// Threads to compute on [default: all].
	#[arg(long, default_value_t = 0, hide_default_value = true, value_name = "N")]
	pub threads: usize,
}

#[derive(Serialize)]
struct VerifiedVersion {
	verified: bool,
	version: VersionId,
	model: ModelId,
	number: u32,
	rounds: u32,
	updates: u32,
	parameters: String,
	momentum: String,
	evaluated: bool,
	seconds: f64,
	trusts: &'static str,
}

#[derive(Serialize)]
struct VerifiedGeneration {
	same_output: bool,
	signed_by_server: bool,
	text: String,
	version: VersionId,
	server: AccountId,
	receipt: Hash,
}

/// The node's answer to a replay.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Replayed {
	text: String,
	same_output: bool,
	signed_by_server: bool,
}

/// Runs a command.
///
/// # Errors
/// - what the command says.
pub async fn run(context: &Context, command: Command) -> Result<()> {
	match command {
		Command::Version(options) => version(context, options).await,
		Command::Generation { receipt } => generation(context, &receipt).await,
	}
}

async fn version(context: &Context, options: Version) -> Result<()> {
	let chain = context.chain().await?;
	let history = history(&chain, options.version).await?;
	history.check()?;
	let mut held_out = BTreeMap::new();
	if options.evaluate {
		for id in history.datasets() {
			held_out.insert(id, dataset::fetch(&chain, id).await?.held_out);
		}
	}
	let folder = options
		.store
		.unwrap_or_else(|| cache_folder().join("verify"));
	let store = Store::open(&folder)?;
	let pool = rayon::ThreadPoolBuilder::new()
		.num_threads(options.threads)
		.build()?;
	let peers = NodePeers {
		chain,
		runtime: Handle::current(),
	};
	let segments = history.segments(&held_out);
	let (output, total) = (context.output, history.made.len());
	let verified = tokio::task::spawn_blocking(move || {
		let host = Host {
			store: &store,
			peers: &peers,
			pool: &pool,
			stop: &Stop::default(),
		};
		recompute(&segments, &host, &output, total)
	})
	.await??;
	let (model, number) = history.made.last().map_or((&history.first.1, 0), |made| {
		(&made.version, made.version.number)
	});
	context.output.result(&VerifiedVersion {
		verified: true,
		version: options.version,
		model: model.model,
		number,
		rounds: verified.rounds,
		updates: verified.updates,
		parameters: show_raw(&verified.parameters),
		momentum: show_raw(&verified.momentum),
		evaluated: options.evaluate,
		seconds: verified.seconds,
		trusts: TRUSTS,
	})
}

/// Recomputes a history, segment by segment.
fn recompute(
	segments: &[trainer::Lineage],
	host: &Host<'_>,
	output: &Output,
	total: usize,
) -> Result<Verified> {
	let bar: ProgressBar = output.bar(total, "recomputing rounds");
	let mut sum: Option<Verified> = None;
	for lineage in segments {
		let verified = trainer::verify_lineage(lineage, host, &mut |progress| {
			if matches!(progress, Progress::Round { .. }) {
				bar.inc(1);
			}
		})?;
		sum = Some(match sum {
			None => verified,
			Some(before) => Verified {
				rounds: before.rounds.saturating_add(verified.rounds),
				updates: before.updates.saturating_add(verified.updates),
				seconds: before.seconds + verified.seconds,
				..verified
			},
		});
	}
	bar.finish_and_clear();
	sum.ok_or(Error::Choice("there is nothing to verify"))
}

/// Reads a version's history from the chain, at one block.
async fn history(chain: &Chain, id: VersionId) -> Result<History> {
	model::version(chain, id).await?;
	let mut versions = model::lineage(chain, id, u32::MAX).await?;
	let first = versions.pop().ok_or(HistoryError::NoBeginning { id })?;
	let model = api::runtime_apis().models_api().model(first.1.model);
	let model = chain
		.call(model)
		.await?
		.ok_or(HistoryError::NoBeginning { id })?;
	let best = chain.best().await?;
	let mut tasks = BTreeMap::new();
	let mut made = Vec::new();
	for (id, version) in versions.into_iter().rev() {
		let Origin::Round { task: of, round } = version.origin else {
			return Err(HistoryError::NoBeginning { id }.into());
		};
		if let Entry::Vacant(unknown) = tasks.entry(of) {
			unknown.insert(task::fetch(&best, of).await?);
		}
		let found = task::fetch_round(&best, of, round).await?;
		let (Some(task), Some(round)) = (tasks.get(&of).cloned(), found) else {
			return Err(Error::NotFound {
				what: "round",
				id: format!("{round} of task {}", show(&of)),
				hint: "ask a node of the same chain (--url)",
			});
		};
		made.push(Made {
			id,
			version,
			round,
			task,
		});
	}
	Ok(History {
		architecture: model.0.architecture,
		first,
		made,
	})
}

async fn generation(context: &Context, path: &Path) -> Result<()> {
	let receipt = JsonReceipt::read(path)?;
	let chain = context.chain().await?;
	let waiting = context.output.spinner("the node computes the text again");
	let replayed: Replayed = chain
		.request("llm_replay", crate::chain::params(&[&receipt])?)
		.await?;
	waiting.finish_and_clear();
	let reason = match (replayed.same_output, replayed.signed_by_server) {
		(true, true) => None,
		(false, _) => Some("the version writes another text for this prompt and seed"),
		(true, false) => Some("no registered trainer's key signed this receipt"),
	};
	if let Some(reason) = reason {
		return Err(Error::Replay { reason });
	}
	context.output.result(&VerifiedGeneration {
		same_output: replayed.same_output,
		signed_by_server: replayed.signed_by_server,
		text: replayed.text,
		version: receipt.generation.version,
		server: receipt.generation.server.clone(),
		receipt: receipt.generation.id(),
	})
}

/// The node as a source of blobs; every byte is checked against its root by whoever asked.
struct NodePeers {
	chain: Chain,
	runtime: Handle,
}

#[derive(Deserialize)]
struct Leaves {
	header: String,
	leaves: Vec<Hash>,
}

impl NodePeers {
	fn ask<T: serde::de::DeserializeOwned>(
		&self,
		method: &'static str,
		params: Result<RpcParams, ChainError>,
		root: &trainer::Hash,
	) -> Result<T, PeerError> {
		params
			.and_then(|params| self.runtime.block_on(self.chain.request(method, params)))
			.map_err(|error| match error {
				// The node's code for what none of its peers has.
				ChainError::Rpc {
					code: Some(7011), ..
				} => PeerError::NotFound { root: *root },
				error => PeerError::Unreachable {
					reason: error.to_string(),
				},
			})
	}

	fn serve<T>(&self, value: T) -> Served<T> {
		Served {
			peer: "the node at --url".into(),
			value,
		}
	}
}

fn unreadable(what: &str) -> PeerError {
	PeerError::Unreachable {
		reason: format!("the node's {what} cannot be read"),
	}
}

impl Peers for NodePeers {
	fn vector_leaves(
		&self,
		root: &trainer::Hash,
	) -> Result<Served<(secagg::Header, Vec<trainer::Hash>)>, PeerError> {
		let params = crate::chain::params(&[&Hash::from(*root)]);
		let answer: Leaves = self.ask("llm_blobLeaves", params, root)?;
		let header = bytes_of_hex(&answer.header)
			.and_then(|bytes| secagg::Header::decode(&bytes).ok())
			.ok_or_else(|| unreadable("header"))?;
		let leaves = answer.leaves.into_iter().map(|leaf| leaf.0).collect();
		Ok(self.serve((header, leaves)))
	}

	fn vector_chunks(
		&self,
		root: &trainer::Hash,
		first: u32,
		count: u32,
	) -> Result<Served<Vec<Vec<u8>>>, PeerError> {
		let params = || {
			let mut params = RpcParams::new();
			push(&mut params, &Hash::from(*root))?;
			push(&mut params, &first)?;
			push(&mut params, &count)?;
			Ok(params)
		};
		let answer: Vec<String> = self.ask("llm_blobChunks", params(), root)?;
		answer
			.iter()
			.map(|text| bytes_of_hex(text).ok_or_else(|| unreadable("chunk")))
			.collect::<Result<Vec<_>, _>>()
			.map(|chunks| self.serve(chunks))
	}

	fn archived(&self, hash: &trainer::Hash) -> Result<Option<Vec<u8>>, PeerError> {
		self.runtime
			.block_on(self.chain.archived(Hash::from(*hash)))
			.map_err(|error| PeerError::Unreachable {
				reason: error.to_string(),
			})
	}
}
