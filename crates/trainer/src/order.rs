//! Which documents each optimiser step takes, from the public batch seed.
//!
//! Must not know what a document is. Source: `docs/protocol/local-training.md`, "Batches"; ChaCha20 is RFC 8439, written out here
//! because it draws public numbers only and nothing here needs a cipher; Fisher and Yates 1938 as in Knuth, algorithm P.
//! Invariants: the documents of a step depend on seed, number of documents, batch and step alone, so a resumed training takes
//! the same ones; each epoch (pass over the documents) has every document once.

use crate::Hash;

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
struct Stream {
	key: [u32; 8],
	nonce: [u32; 3],
	counter: u32,
	block: [u32; 16],
	/// Next word of the block; 16 when it is used up.
	next: usize,
}

impl Stream {
	fn new(seed: &Hash, epoch: u64) -> Self {
		let epoch = epoch.to_le_bytes();
		let mut nonce = [0u8; 12];
		nonce[..4].copy_from_slice(&PURPOSE);
		nonce[4..].copy_from_slice(&epoch);
		Stream {
			key: words(seed),
			nonce: words(&nonce),
			counter: 0,
			block: [0; 16],
			next: 16,
		}
	}

	fn next_u64(&mut self) -> u64 {
		let low = self.next_u32();
		u64::from(low) | u64::from(self.next_u32()) << 32
	}

	fn next_u32(&mut self) -> u32 {
		if self.next == self.block.len() {
			self.block = block(&self.key, self.counter, &self.nonce);
			// 2^32 blocks are 2^35 draws, more than an epoch of 2^32 documents takes.
			self.counter = self.counter.wrapping_add(1);
			self.next = 0;
		}
		self.next += 1;
		self.block[self.next - 1]
	}
}

/// Little-endian words of `N * 4` bytes.
fn words<const N: usize>(bytes: &[u8]) -> [u32; N] {
	let mut words = [0; N];
	for (word, bytes) in words.iter_mut().zip(bytes.as_chunks::<4>().0) {
		*word = u32::from_le_bytes(*bytes);
	}
	words
}

/// RFC 8439, section 2.3: the block function, as words.
fn block(key: &[u32; 8], counter: u32, nonce: &[u32; 3]) -> [u32; 16] {
	let mut start = [0u32; 16];
	start[..4].copy_from_slice(&words::<4>(b"expand 32-byte k"));
	start[4..12].copy_from_slice(key);
	start[12] = counter;
	start[13..].copy_from_slice(nonce);
	let mut state = start;
	for _ in 0..10 {
		for column in 0..4 {
			quarter_round(&mut state, [column, 4 + column, 8 + column, 12 + column]);
		}
		for diagonal in 0..4 {
			quarter_round(
				&mut state,
				[
					diagonal,
					4 + (diagonal + 1) % 4,
					8 + (diagonal + 2) % 4,
					12 + (diagonal + 3) % 4,
				],
			);
		}
	}
	for (word, start) in state.iter_mut().zip(start) {
		*word = word.wrapping_add(start);
	}
	state
}

/// RFC 8439, section 2.1.
fn quarter_round(state: &mut [u32; 16], [a, b, c, d]: [usize; 4]) {
	for (x, y, z, by) in [(a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)] {
		state[x] = state[x].wrapping_add(state[y]);
		state[z] = (state[z] ^ state[x]).rotate_left(by);
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use proptest::prelude::*;

	#[test]
	fn the_block_function_is_that_of_the_rfc() {
		// RFC 8439, section 2.3.2.
		let key: Vec<u8> = (0..32).collect();
		let nonce = [0, 0, 0, 9, 0, 0, 0, 0x4a, 0, 0, 0, 0];
		let got = block(&words(&key), 1, &words(&nonce));
		let expected = [
			0xe4e7f110, 0x15593bd1, 0x1fdd0f50, 0xc47120a3, 0xc7f4d1c7, 0x0368c033, 0x9aaa2204,
			0x4e6cd4c3, 0x466482d2, 0x09aa9f07, 0x05d7c214, 0xa2028bd9, 0xd19c12b5, 0xb94e16de,
			0xe883d0cb, 0x4e3c50a2,
		];
		assert_eq!(got, expected);
	}

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
