//! What the harness reads of the chain itself, beside the command line: headers, slots, authors, times, validators.
//!
//! Must not know: our pallets; those are read through `llmchain`. Sources: BABE's pre-runtime digest (`sp_consensus_babe::digests`),
//! storage keys as `twox_128(pallet) ++ twox_128(item)`.

use crate::rpc::Rpc;
use anyhow::{bail, ensure, Context, Result};
use serde_json::{json, Value};

/// `Timestamp::Now`.
const NOW: &str = "0xf0c365c3cf59d671eb72da0e7a4113c49f1f0515f462cdcf84e0f1d6045dfcbb";
/// `Session::Validators`.
const VALIDATORS: &str = "0xcec5070d609dd3497f72bde07fc96ba088dcde934c658227ee1dfafcd6e16903";
/// `DigestItem::PreRuntime` of engine `BABE`.
const PRE_RUNTIME_BABE: [u8; 5] = *b"\x06BABE";

/// Who may have made a block, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seal {
	/// Index of the author in the session's validators.
	pub author: u32,
	/// The slot.
	pub slot: u64,
}

/// Reads of one node's chain.
#[derive(Clone, Copy, Debug)]
pub struct Chain {
	rpc: Rpc,
}

impl Chain {
	/// The chain as the node behind `rpc` sees it.
	pub fn of(rpc: Rpc) -> Self {
		Self { rpc }
	}

	/// Height of the best block.
	///
	/// # Errors
	///
	/// The node does not answer; so for all methods.
	pub fn best(&self) -> Result<u32> {
		number(&self.rpc.call("chain_getHeader", json!([]))?)
	}

	/// Height of the last finalised block.
	pub fn finalised(&self) -> Result<u32> {
		let hash = self.rpc.call("chain_getFinalizedHead", json!([]))?;
		number(&self.rpc.call("chain_getHeader", json!([hash]))?)
	}

	/// Identity of the chain.
	pub fn genesis(&self) -> Result<String> {
		self.hash(0)
	}

	/// Hash of the block at a height of the best chain.
	pub fn hash(&self, height: u32) -> Result<String> {
		let hash = self.rpc.call("chain_getBlockHash", json!([height]))?;
		match hash.as_str() {
			Some(hash) => Ok(hash.to_owned()),
			None => bail!("there is no block {height} yet"),
		}
	}

	/// Author and slot of the block at a height.
	pub fn seal(&self, height: u32) -> Result<Seal> {
		let header = self
			.rpc
			.call("chain_getHeader", json!([self.hash(height)?]))?;
		let logs = header["digest"]["logs"]
			.as_array()
			.map(Vec::as_slice)
			.unwrap_or_default();
		logs.iter()
			.filter_map(Value::as_str)
			.find_map(|log| seal(&bytes(log).ok()?))
			.with_context(|| format!("block {height} has no slot of BABE"))
	}

	/// Milliseconds since 1970 that the block at a height names.
	pub fn timestamp(&self, height: u32) -> Result<u64> {
		let stored = self.storage(NOW, height)?;
		let moment: [u8; 8] = stored.as_slice().try_into().context("Timestamp::Now")?;
		Ok(u64::from_le_bytes(moment))
	}

	/// Accounts that validate in the session of the block at a height, in the order of authors' indices.
	pub fn validators(&self, height: u32) -> Result<Vec<[u8; 32]>> {
		let stored = self.storage(VALIDATORS, height)?;
		accounts(&stored).context("Session::Validators")
	}

	/// Account of the author of the block at a height.
	pub fn author(&self, height: u32) -> Result<[u8; 32]> {
		let index = self.seal(height)?.author;
		let validators = self.validators(height)?;
		let found = usize::try_from(index)
			.ok()
			.and_then(|index| validators.get(index));
		found.copied().with_context(|| {
			format!(
				"author {index} of block {height} is not among {} validators",
				validators.len()
			)
		})
	}

	fn storage(&self, key: &str, height: u32) -> Result<Vec<u8>> {
		let value = self
			.rpc
			.call("state_getStorage", json!([key, self.hash(height)?]))?;
		bytes(value.as_str().context("nothing is stored there")?)
	}
}

fn number(header: &Value) -> Result<u32> {
	let text = header["number"]
		.as_str()
		.context("a header without number")?;
	Ok(u32::from_str_radix(text.trim_start_matches("0x"), 16)?)
}

/// Bytes of a `0x…` text.
///
/// # Errors
///
/// It is not hexadecimal.
pub fn bytes(text: &str) -> Result<Vec<u8>> {
	let digits = text.strip_prefix("0x").context("no 0x")?;
	Ok(hex::decode(digits)?)
}

/// Author and slot in a digest item, if it is BABE's.
fn seal(log: &[u8]) -> Option<Seal> {
	let rest = log.strip_prefix(&PRE_RUNTIME_BABE)?;
	let (_, payload) = compact(rest)?;
	// The first byte says how the slot was won; index and slot follow in each case.
	let author = payload.get(1..5)?.try_into().ok()?;
	let slot = payload.get(5..13)?.try_into().ok()?;
	Some(Seal {
		author: u32::from_le_bytes(author),
		slot: u64::from_le_bytes(slot),
	})
}

/// A compact SCALE length below 2^30 and the bytes after it.
fn compact(bytes: &[u8]) -> Option<(usize, &[u8])> {
	let first = *bytes.first()?;
	let width = match first & 3 {
		0 => 1,
		1 => 2,
		2 => 4,
		_ => return None,
	};
	let (length, rest) = bytes.split_at_checked(width)?;
	let mut buffer = [0u8; 4];
	buffer[..width].copy_from_slice(length);
	let length = u32::from_le_bytes(buffer) >> 2;
	Some((usize::try_from(length).ok()?, rest))
}

fn accounts(stored: &[u8]) -> Result<Vec<[u8; 32]>> {
	let (count, rest) = compact(stored).context("no length")?;
	let (chunks, remainder) = rest.as_chunks::<32>();
	ensure!(
		chunks.len() == count && remainder.is_empty(),
		"{count} accounts are announced, {} bytes follow",
		rest.len()
	);
	Ok(chunks.to_vec())
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn reads_babes_digest() {
		// SecondaryVRF (3), author 2, slot 0x0102, then a VRF of 96 bytes.
		let mut log = b"\x06BABE\xb5\x01\x03\x02\0\0\0\x02\x01\0\0\0\0\0\0".to_vec();
		log.extend([7; 96]);
		assert_eq!(
			seal(&log),
			Some(Seal {
				author: 2,
				slot: 0x0102
			})
		);
		assert_eq!(seal(b"\x06aura\x20\0\0\0\0\0\0\0\0"), None);
		assert_eq!(seal(&log[..12]), None);
	}

	#[test]
	fn reads_lists_of_accounts() {
		let two = [&[8u8][..], &[1; 32], &[2; 32]].concat();
		assert_eq!(accounts(&two).unwrap(), [[1; 32], [2; 32]]);
		assert!(accounts(&two[..40]).is_err());
		assert_eq!(compact(&[0b1111_1101, 0b11]).unwrap().0, 255);
	}

	#[test]
	fn numbers_of_headers_are_hexadecimal() {
		assert_eq!(number(&json!({ "number": "0x1f" })).unwrap(), 31);
		assert!(number(&json!({})).is_err());
	}
}
