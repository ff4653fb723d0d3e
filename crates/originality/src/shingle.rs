//! Shingles: the runs of letters that a text is compared by, as 64-bit numbers.
//!
//! Must not know what is made of them. Source: docs/protocol/fingerprint.md, "Shingles"; Broder 1997.
//! Invariants: the number of a shingle depends on its letters only; a text with a letter has a shingle.
//! Two letters where a letter is a syllable or a word, six elsewhere: measured with `examples/recall.rs`.

use crate::fold::Letters;

/// Letters of a shingle that begins in a dense script.
const DENSE: usize = 2;
/// Letters of any other shingle.
const OTHER: usize = 6;

/// First eight bytes, little-endian, of BLAKE2b-256("llmchain/text/minhash/1").
pub(crate) const SEED: u64 = 0x5e54_8569_3ed8_8018;

/// Every shingle of a text, place by place, duplicates included.
pub(crate) fn shingles(letters: &Letters) -> impl Iterator<Item = u64> + '_ {
	let letters = letters.as_slice();
	let at = |from: usize| {
		let rest = letters.get(from..)?;
		let size = rest.first().map(|letter| size_at(*letter))?;
		rest.get(..size)
	};
	// A text too short for any shingle is one.
	let whole = (0..letters.len()).all(|from| at(from).is_none());
	let only = (whole && !letters.is_empty()).then_some(letters);
	(0..letters.len()).filter_map(at).chain(only).map(number)
}

fn size_at(letter: char) -> usize {
	if is_dense(letter) {
		DENSE
	} else {
		OTHER
	}
}

/// Scripts in which a letter is a syllable or a word: Han, kana, Bopomofo, Yi, Hangul syllables.
fn is_dense(letter: char) -> bool {
	matches!(
		letter,
		'\u{3005}' | '\u{3007}'
			| '\u{3041}'..='\u{312f}'
			| '\u{31a0}'..='\u{31bf}'
			| '\u{31f0}'..='\u{31ff}'
			| '\u{3400}'..='\u{4dbf}'
			| '\u{4e00}'..='\u{9fff}'
			| '\u{a000}'..='\u{a48c}'
			| '\u{ac00}'..='\u{d7a3}'
			| '\u{f900}'..='\u{faff}'
			| '\u{20000}'..='\u{3ffff}'
	)
}

fn number(letters: &[char]) -> u64 {
	letters.iter().fold(SEED, |state, letter| {
		mix(state
			.wrapping_add(INCREMENT)
			.wrapping_add(u64::from(u32::from(*letter))))
	})
}

/// The increment of SplitMix64.
pub(crate) const INCREMENT: u64 = 0x9e37_79b9_7f4a_7c15;

/// The finaliser of SplitMix64 (Steele, Lea and Flood 2014).
pub(crate) const fn mix(mut state: u64) -> u64 {
	state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
	state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
	state ^ (state >> 31)
}

#[cfg(test)]
mod tests {
	use super::*;
	use blake2::{digest::consts::U32, Blake2b, Digest};

	#[test]
	fn the_seed_is_that_of_its_domain() {
		let hash = Blake2b::<U32>::digest(b"llmchain/text/minhash/1");
		assert_eq!(SEED, u64::from_le_bytes(hash[..8].try_into().unwrap()));
	}
}
