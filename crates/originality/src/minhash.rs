//! MinHash signature of a text, and the band keys under which near texts meet.
//!
//! Must not know where signatures are stored. Source: docs/protocol/fingerprint.md; Broder 1997, Indyk and Motwani 1998.
//! Invariants: the key is a public constant, so anybody computes the same and nobody is kept from writing around it;
//! the chance that a row of two texts agrees is the Jaccard resemblance of their sets of shingles.

use alloc::vec::Vec;

use blake2::{
	digest::{consts::U32, Digest},
	Blake2b,
};

use crate::{
	error::Error,
	fold::Letters,
	per_million,
	shingle::{mix, shingles, INCREMENT, SEED},
};

/// Rows of a signature.
pub const ROWS: usize = 64;
/// Bands, and so buckets that a text is looked for and entered in.
pub const BANDS: usize = 12;
/// Rows of a band; the first `BANDS * BAND_ROWS` rows are in bands.
pub const BAND_ROWS: usize = 2;
/// Bytes of an encoded signature: version, then the rows, little-endian.
pub const ENCODED_BYTES: usize = 1 + 2 * ROWS;

const VERSION: u8 = 1;
const BAND_TAG: &[u8] = b"llmchain/text/band/1";

/// Multiplier (odd) and addend of each row: the outputs of SplitMix64 from the seed, in pairs.
const FUNCTIONS: [(u64, u64); ROWS] = functions();

#[allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)] // Evaluated by the compiler, where a fault is an error.
const fn functions() -> [(u64, u64); ROWS] {
	let mut rows = [(0, 0); ROWS];
	let mut state = SEED;
	let mut row = 0;
	while row < ROWS {
		state = state.wrapping_add(INCREMENT);
		let multiplier = mix(state) | 1;
		state = state.wrapping_add(INCREMENT);
		rows[row] = (multiplier, mix(state));
		row += 1;
	}
	rows
}

/// What a text is compared by: for each of 64 hash functions 16 bits of its least value over the shingles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signature([u16; ROWS]);

impl Signature {
	/// The signature of a text. 64 multiplications for each letter.
	///
	/// # Errors
	/// - [`Error::NothingToCompare`]: no letter.
	pub fn of(letters: &Letters) -> Result<Self, Error> {
		if letters.as_slice().is_empty() {
			return Err(Error::NothingToCompare);
		}
		let mut least = [u64::MAX; ROWS];
		for shingle in shingles(letters) {
			for (value, (multiplier, addend)) in least.iter_mut().zip(FUNCTIONS) {
				*value = (*value).min(shingle.wrapping_mul(multiplier).wrapping_add(addend));
			}
		}
		// Bits 24 to 39: below the top, which is zero in the least of many, and above the weak low ones.
		Ok(Self(least.map(|value| ((value >> 24) & 0xffff) as u16)))
	}

	/// The estimate of how many of both texts' shingles they share (Jaccard), per million. Symmetric.
	pub fn resemblance(&self, other: &Self) -> u32 {
		let same = self.0.iter().zip(&other.0).filter(|(a, b)| a == b).count();
		per_million(same as u64, ROWS as u64)
	}

	/// The key of each band: near texts share at least one.
	pub fn bands(&self) -> [u64; BANDS] {
		let mut keys = [0; BANDS];
		for ((key, band), rows) in keys.iter_mut().zip(0u8..).zip(self.0.chunks(BAND_ROWS)) {
			let mut state = Blake2b::<U32>::new();
			state.update(BAND_TAG);
			state.update([band]);
			for row in rows {
				state.update(row.to_le_bytes());
			}
			let hash: [u8; 32] = state.finalize().into();
			let (first, _) = hash.split_at(8);
			*key = first
				.iter()
				.rev()
				.fold(0, |key, byte| (key << 8) | u64::from(*byte));
		}
		keys
	}

	/// Its bytes: version 1, then 64 rows of 16 bits, little-endian.
	pub fn encode(&self) -> Vec<u8> {
		let rows = self.0.iter().flat_map(|row| row.to_le_bytes());
		core::iter::once(VERSION).chain(rows).collect()
	}

	/// Reads what [`Signature::encode`] wrote. Every 129 bytes that begin with 1 are a signature.
	///
	/// # Errors
	/// - [`Error::SignatureLength`], [`Error::SignatureVersion`].
	pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
		if bytes.len() != ENCODED_BYTES {
			return Err(Error::SignatureLength {
				expected: ENCODED_BYTES as u64,
				got: bytes.len() as u64,
			});
		}
		let (version, rest) = bytes.split_at(1);
		if version != [VERSION] {
			let version = version.first().copied().unwrap_or_default();
			return Err(Error::SignatureVersion { version });
		}
		let mut rows = [0; ROWS];
		for (row, pair) in rows.iter_mut().zip(rest.chunks(2)) {
			*row = pair
				.iter()
				.rev()
				.fold(0, |row, byte| (row << 8) | u16::from(*byte));
		}
		Ok(Self(rows))
	}
}
