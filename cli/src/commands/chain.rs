//! `llmchain chain`: the node and its blocks, for people and for tests that wait.
//!
//! Must not know: consensus beyond the name of a block's author: the index in BABE's digest points into the session's validators.

use crate::{
	api,
	chain::{AtBlock, Chain, ChainError},
	convert::from_subxt,
	error::Result,
	Context,
};
use clap::Subcommand;
use llmchain_primitives::{AccountId, Hash};
use serde::Deserialize;
use serde_json::{json, Value};
use subxt::{config::substrate::DigestItem, rpcs::client::RpcParams};

/// Commands on the chain itself.
#[derive(Debug, Subcommand)]
pub enum Command {
	/// Show the node: its chain, best and final block, peers.
	Status,
	/// Show the newest blocks and who made them.
	Blocks {
		/// How many.
		#[arg(long, default_value_t = 20, value_name = "N")]
		last: u32,
	},
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Health {
	peers: u64,
	is_syncing: bool,
}

/// Runs a command.
///
/// # Errors
/// - what the command says.
pub async fn run(context: &Context, command: Command) -> Result<()> {
	let chain = context.chain().await?;
	match command {
		Command::Status => {
			let best = chain.best().await?;
			let finalised = chain.finalised().await?;
			let name: String = chain.request("system_chain", RpcParams::new()).await?;
			let health: Health = chain.request("system_health", RpcParams::new()).await?;
			context.output.result(&json!({
				"url": context.url,
				"chain": name,
				"genesis": chain.genesis(),
				"best": { "number": best.block_number(), "hash": best.block_hash() },
				"finalised": { "number": finalised.block_number(), "hash": finalised.block_hash() },
				"peers": health.peers,
				"syncing": health.is_syncing,
				"spec_version": best.spec_version(),
			}))
		}
		Command::Blocks { last } => {
			let mut blocks = Vec::new();
			let mut at = chain.best().await?;
			for _ in 0..last {
				let header = at.block_header().await.map_err(ChainError::from)?;
				blocks.push(block_json(&chain, &at, &header.digest.logs).await?);
				if header.number == 0 {
					break;
				}
				at = chain.at(header.parent_hash).await?;
			}
			context.output.result(&json!({ "blocks": blocks }))
		}
	}
}

async fn block_json(chain: &Chain, at: &AtBlock, digest: &[DigestItem]) -> Result<Value> {
	let hash: Hash = at.block_hash();
	Ok(json!({
		"number": at.block_number(),
		"hash": hash,
		"author": author(at, digest).await?,
		"extrinsics": extrinsics_of(at).await?,
		"timestamp_ms": chain.timestamp(hash).await?,
	}))
}

/// Extrinsics of a block, counted by their events: bodies full of blobs are larger than what RPC sends.
async fn extrinsics_of(at: &AtBlock) -> Result<u32> {
	let events = at.events().fetch().await.map_err(ChainError::from)?;
	let mut count = 0;
	for event in events.iter() {
		let event = event.map_err(ChainError::from)?;
		if let subxt::events::Phase::ApplyExtrinsic(index) = event.phase() {
			count = count.max(index.saturating_add(1));
		}
	}
	Ok(count)
}

/// Who made a block.
async fn author(at: &AtBlock, digest: &[DigestItem]) -> Result<Option<AccountId>> {
	let Some(index) = digest.iter().find_map(author_index) else {
		return Ok(None);
	};
	let validators = at
		.storage()
		.fetch(api::storage().session().validators(), ())
		.await
		.map_err(ChainError::from)?
		.decode()
		.map_err(ChainError::from)?;
	Ok(validators.get(index).map(from_subxt))
}

/// Place of the author among the session's validators: the first field of each kind of BABE's digest.
fn author_index(item: &DigestItem) -> Option<usize> {
	let DigestItem::PreRuntime(engine, data) = item else {
		return None;
	};
	let index = <[u8; 4]>::try_from(data.get(1..5)?).ok()?;
	(engine == b"BABE")
		.then(|| usize::try_from(u32::from_le_bytes(index)).ok())
		.flatten()
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn the_author_stands_in_babes_digest() {
		let digest =
			|engine, data: &[u8]| author_index(&DigestItem::PreRuntime(engine, data.to_vec()));
		assert_eq!(digest(*b"BABE", &[2, 3, 0, 0, 0, 9, 9]), Some(3));
		assert_eq!(digest(*b"FRNK", &[2, 3, 0, 0, 0]), None);
		assert_eq!(digest(*b"BABE", &[2, 3]), None);
	}
}
