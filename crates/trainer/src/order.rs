//! Which documents each optimiser step takes, from the public batch seed.
//!
//! Must not know what a document is. Source: `docs/protocol/local-training.md`, "Batches"; ChaCha20 is RFC 8439; Fisher and Yates 1938
//! as in Knuth, algorithm P.
//! Invariants: the documents of a step depend on seed, number of documents, batch and step alone, so a resumed training takes
//! the same ones; each epoch (pass over the documents) has every document once.

use crate::Hash;
use chacha20::{
	cipher::{KeyIvInit, StreamCipher},
	ChaCha20,
};

/// First word of the nonce; it separates this use of a seed from every other.
const PURPOSE: [u8; 4] = *b"llmb";

/// The endless sequence of batches over `documents` documents.
#[derive(Clone, Debug)]
pub struct BatchOrder {
	seed: Hash,
	batch: u64,
	epoch: u64,
	permutation: Vec<u32>,
}

impl BatchOrder {
	/// Batches of `batch` documents out of `documents`; none for zero documents.
	pub fn new(seed: Hash, documents: u32, batch: u32) -> Self {
		BatchOrder {
			seed,
			batch: batch.into(),
			epoch: 0,
			permutation: permutation(&seed, 0, documents),
		}
	}

	/// Indices of the documents of `step`, counted from 0. A batch may go over the end of an epoch.
	pub fn batch(&mut self, step: u64) -> Vec<usize> {
		let documents = self.permutation.len() as u64;
		if documents == 0 {
			return Vec::new();
		}
		let first = step * self.batch;
		(first..first + self.batch)
			.map(|place| {
				let epoch = place / documents;
				if epoch != self.epoch {
					self.permutation = permutation(&self.seed, epoch, documents as u32);
					self.epoch = epoch;
				}
				self.permutation[(place % documents) as usize] as usize
			})
			.collect()
	}
}

/// The order of an epoch: a Fisher-Yates shuffle of 0..documents, from the last place down.
fn permutation(seed: &Hash, epoch: u64, documents: u32) -> Vec<u32> {
	let mut stream = Stream::new(seed, epoch);
	let mut order: Vec<u32> = (0..documents).collect();
	for last in (1..order.len()).rev() {
		// floor(u * (last + 1) / 2^64) for a 64-bit u: its bias is below 2^-32.
		let range = last as u128 + 1;
		let chosen = ((u128::from(stream.next_u64()) * range) >> 64) as usize;
		order.swap(last, chosen);
	}
	order
}

/// ChaCha20 keystream of one epoch as little-endian u64.
struct Stream(ChaCha20);

impl Stream {
	fn new(seed: &Hash, epoch: u64) -> Self {
		let mut nonce = [0u8; 12];
		nonce[..4].copy_from_slice(&PURPOSE);
		nonce[4..].copy_from_slice(&epoch.to_le_bytes());
		Stream(ChaCha20::new(seed.into(), &nonce.into()))
	}

	fn next_u64(&mut self) -> u64 {
		// 256 GiB of keystream are 2^35 draws, more than an epoch of 2^32 documents takes.
		let mut draw = [0; 8];
		self.0.apply_keystream(&mut draw);
		u64::from_le_bytes(draw)
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use proptest::prelude::*;

	#[test]
	fn the_order_is_frozen() {
		let mut order = BatchOrder::new([7; 32], 6, 4);
		let batches: Vec<Vec<usize>> = (0..3).map(|step| order.batch(step)).collect();
		assert_eq!(batches, FROZEN);
	}

	/// Epochs of six documents in batches of four; other programs depend on it.
	const FROZEN: [[usize; 4]; 3] = [[2, 0, 4, 1], [3, 5, 0, 5], [3, 2, 4, 1]];

	#[test]
	fn steps_come_in_any_order_and_nothing_has_no_batches() {
		let (mut ahead, mut back) = (
			BatchOrder::new([1; 32], 5, 3),
			BatchOrder::new([1; 32], 5, 3),
		);
		let forward: Vec<_> = (0..9).map(|step| ahead.batch(step)).collect();
		let mut backward: Vec<_> = (0..9).rev().map(|step| back.batch(step)).collect();
		backward.reverse();
		assert_eq!(forward, backward);
		assert!(BatchOrder::new([1; 32], 0, 3).batch(5).is_empty());
	}

	proptest! {
		#[test]
		fn every_epoch_has_every_document_once(
			seed in any::<[u8; 32]>(), documents in 1u32..200, batch in 1u32..40, epoch in 0u64..3,
		) {
			let mut order = BatchOrder::new(seed, documents, batch);
			let steps = ((epoch + 1) * u64::from(documents)).div_ceil(batch.into());
			let all: Vec<usize> = (0..steps).flat_map(|step| order.batch(step)).collect();
			let first = (epoch * u64::from(documents)) as usize;
			let mut pass = all[first..first + documents as usize].to_vec();
			pass.sort_unstable();
			prop_assert_eq!(pass, (0..documents as usize).collect::<Vec<_>>());
		}
	}
}
