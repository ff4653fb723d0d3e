//! When blocks were made.
//!
//! Must not know: rounds. The time of a block is in its state, and in its first extrinsic; the state may be pruned, so both are tried.

use super::{push, Chain, ChainError};
use crate::{api, convert::bytes_of_hex};
use codec::{Compact, Decode};
use llmchain_primitives::Hash;
use serde::Deserialize;
use subxt::rpcs::client::RpcParams;

#[derive(Deserialize)]
struct SignedBlock {
	block: BlockBody,
}

#[derive(Deserialize)]
struct BlockBody {
	extrinsics: Vec<String>,
}

impl Chain {
	/// Hash of the block of this height on the node's best chain.
	///
	/// # Errors
	/// - any [`ChainError`].
	pub async fn block_hash(&self, number: u32) -> Result<Option<Hash>, ChainError> {
		let mut params = RpcParams::new();
		push(&mut params, &number)?;
		self.request("chain_getBlockHash", params).await
	}

	/// Time of a block in milliseconds since 1970; `None` where the node has neither its state nor its body.
	///
	/// # Errors
	/// - of the connection.
	pub async fn timestamp(&self, block: Hash) -> Result<Option<u64>, ChainError> {
		let best = self.best().await?;
		let key = best
			.storage()
			.entry(api::storage().timestamp().now())?
			.key_prefix();
		let mut params = RpcParams::new();
		push(&mut params, &format!("0x{}", hex::encode(key)))?;
		push(&mut params, &block)?;
		match self
			.request::<Option<String>>("state_getStorage", params)
			.await
		{
			Ok(value) => Ok(value
				.and_then(|text| bytes_of_hex(&text))
				.and_then(|bytes| u64::decode(&mut bytes.as_slice()).ok())),
			// Pruned.
			Err(ChainError::Rpc { code: Some(_), .. }) => {
				let pallet = best
					.metadata_ref()
					.pallet_by_name("Timestamp")
					.map(|pallet| pallet.call_index());
				Ok(match pallet {
					Some(index) => self.timestamp_in_body(block, index).await?,
					None => None,
				})
			}
			Err(error) => Err(error),
		}
	}

	async fn timestamp_in_body(&self, block: Hash, pallet: u8) -> Result<Option<u64>, ChainError> {
		let params = super::params(&[&block])?;
		let body: Option<SignedBlock> = match self.request("chain_getBlock", params).await {
			Ok(body) => body,
			Err(ChainError::Rpc { code: Some(_), .. }) => None,
			Err(error) => return Err(error),
		};
		Ok(body.and_then(|body| {
			body.block
				.extrinsics
				.iter()
				.find_map(|text| timestamp_of(&bytes_of_hex(text)?, pallet))
		}))
	}
}

/// The time that a `timestamp.set` inherent sets.
fn timestamp_of(extrinsic: &[u8], pallet: u8) -> Option<u64> {
	let mut input = extrinsic;
	Compact::<u32>::decode(&mut input).ok()?;
	let (preamble, rest) = input.split_first()?;
	let (found, rest) = rest.split_first()?;
	let (call, mut argument) = rest.split_first()?;
	// Bare transactions have no bits set beside their version; `set` is call 0.
	if preamble & 0xc0 != 0 || *found != pallet || *call != 0 {
		return None;
	}
	Some(Compact::<u64>::decode(&mut argument).ok()?.0)
}

#[cfg(test)]
mod tests {
	use super::*;
	use codec::Encode;

	#[test]
	fn reads_the_inherent_and_nothing_else() {
		let body = [vec![5, 3, 0], Compact(1_700_000_000_000u64).encode()].concat();
		let extrinsic = body.encode();
		assert_eq!(timestamp_of(&extrinsic, 3), Some(1_700_000_000_000));
		assert_eq!(timestamp_of(&extrinsic, 4), None);
		let signed = [vec![0x84, 3, 0], Compact(1u64).encode()].concat().encode();
		assert_eq!(timestamp_of(&signed, 3), None);
		assert_eq!(timestamp_of(&[], 3), None);
	}
}
