//! Learning byte pairs: which two neighbouring tokens become one, again and again.
//!
//! The trainer of the `tokenizers` crate counts in 32 bits and can learn one pair twice in an order that a hash seed
//! decides, so this is our own; texts are cut into words by that crate, so that learning and encoding see the same words.
//!
//! Must not know: files, special tokens. Source: Sennrich et al. 2016, algorithm 1; Radford et al. 2019, section 2.2 (bytes).
//! Invariants: the result depends on the texts as a multiset alone: counts are exact integers, ties go to the pair of
//! lower tokens, and no order of a hash map is ever looked at. Every merge makes a string that was no token before.

use core::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, HashSet};

use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::{OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer};

use crate::error::{Error, Result};

/// Two neighbouring symbols. Symbols 0 to 255 are bytes; 256 and up are merges, in order.
pub(super) type Pair = (u32, u32);

/// A pair seen less often is never merged.
const MIN_COUNT: u64 = 2;
/// Longest token, bytes: a repeated rule of dashes must not eat the vocabulary.
const MAX_TOKEN: usize = 48;
/// Longer words are cut for learning, so that a text without spaces costs no square.
const MAX_WORD: usize = 256;

/// A distinct word of the texts.
struct Word {
	symbols: Vec<u32>,
	count: u64,
}

impl Word {
	fn pairs(&self) -> impl Iterator<Item = Pair> + '_ {
		self.symbols.windows(2).map(|two| (two[0], two[1]))
	}

	/// Puts `symbol` wherever `pair` stands, from left to right.
	fn merge(&mut self, pair: Pair, symbol: u32) {
		let (mut to, mut from) = (0, 0);
		let symbols = &mut self.symbols;
		while from < symbols.len() {
			let here = symbols[from] == pair.0 && symbols.get(from + 1) == Some(&pair.1);
			symbols[to] = if here { symbol } else { symbols[from] };
			from += 1 + usize::from(here);
			to += 1;
		}
		symbols.truncate(to);
	}
}

/// Counts of pairs, the words that hold them, and the most frequent first.
#[derive(Default)]
struct Counts {
	counts: HashMap<Pair, u64>,
	holders: HashMap<Pair, BTreeSet<usize>>,
	/// May hold outdated counts; a changed count is pushed anew.
	queue: BinaryHeap<(u64, Reverse<Pair>)>,
}

impl Counts {
	fn of(words: &[Word]) -> Self {
		let mut counts = Self::default();
		for (index, word) in words.iter().enumerate() {
			for pair in word.pairs() {
				*counts.counts.entry(pair).or_default() += word.count;
				counts.holders.entry(pair).or_default().insert(index);
			}
		}
		let entries = counts.counts.iter();
		counts.queue = entries
			.map(|(pair, count)| (*count, Reverse(*pair)))
			.collect();
		counts
	}

	/// The most frequent pair whose count is up to date.
	fn pop(&mut self) -> Option<Pair> {
		while let Some((count, Reverse(pair))) = self.queue.pop() {
			if count >= MIN_COUNT && self.counts.get(&pair) == Some(&count) {
				return Some(pair);
			}
		}
		None
	}

	/// Merges `pair` into `symbol` in every word.
	fn merge(&mut self, words: &mut [Word], pair: Pair, symbol: u32) {
		let mut changed = HashSet::new();
		for index in self.holders.remove(&pair).unwrap_or_default() {
			let word = &mut words[index];
			for before in word.pairs() {
				// Every pair of a word was counted with it, so nothing falls below zero.
				if let Some(count) = self.counts.get_mut(&before) {
					*count -= word.count;
				}
				changed.insert(before);
			}
			word.merge(pair, symbol);
			for after in word.pairs() {
				*self.counts.entry(after).or_default() += word.count;
				self.holders.entry(after).or_default().insert(index);
				changed.insert(after);
			}
		}
		for pair in changed {
			match self.counts.get(&pair) {
				Some(0) | None => {
					self.counts.remove(&pair);
					self.holders.remove(&pair);
				}
				Some(count) => self.queue.push((*count, Reverse(pair))),
			}
		}
	}
}

/// Words of `texts` as bytes, with their counts.
fn words<S: AsRef<str>>(texts: &[S], byte_of: &HashMap<char, u8>) -> Result<Vec<Word>> {
	let cutter = ByteLevel::new(false, true, true);
	let mut counts: BTreeMap<Vec<u32>, u64> = BTreeMap::new();
	for text in texts {
		let text = text.as_ref();
		let refused = |_| Error::Encoding { bytes: text.len() };
		let mut cut = PreTokenizedString::from(text);
		cutter.pre_tokenize(&mut cut).map_err(refused)?;
		for (word, _, _) in cut.get_splits(OffsetReferential::Normalized, OffsetType::None) {
			let bytes = word.chars().filter_map(|symbol| byte_of.get(&symbol));
			let symbols: Vec<u32> = bytes.map(|byte| u32::from(*byte)).collect();
			for piece in symbols.chunks(MAX_WORD) {
				*counts.entry(piece.to_vec()).or_default() += 1;
			}
		}
	}
	let words = counts.into_iter();
	Ok(words
		.map(|(symbols, count)| Word { symbols, count })
		.collect())
}

/// At most `limit` merges, the most frequent first.
///
/// # Errors
/// - [`Error::NoCharacters`]: the texts are empty
/// - [`Error::Encoding`]: the library refuses to cut a text
pub(super) fn learn<S: AsRef<str>>(
	texts: &[S],
	byte_of: &HashMap<char, u8>,
	limit: usize,
) -> Result<Vec<Pair>> {
	let mut words = words(texts, byte_of)?;
	if words.is_empty() {
		return Err(Error::NoCharacters);
	}
	let mut counts = Counts::of(&words);
	let mut strings: Vec<Vec<u8>> = (0..=u8::MAX).map(|byte| vec![byte]).collect();
	let mut known: HashSet<Vec<u8>> = strings.iter().cloned().collect();
	let mut merges = Vec::new();
	while merges.len() < limit {
		let Some(pair) = counts.pop() else { break };
		let (left, right) = (&strings[pair.0 as usize], &strings[pair.1 as usize]);
		let string = [left.as_slice(), right].concat();
		if string.len() > MAX_TOKEN || !known.insert(string.clone()) {
			continue;
		}
		// At most `limit`, which is a vocabulary's size.
		counts.merge(&mut words, pair, strings.len() as u32);
		strings.push(string);
		merges.push(pair);
	}
	Ok(merges)
}
