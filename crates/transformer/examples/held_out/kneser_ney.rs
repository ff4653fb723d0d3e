//! Interpolated modified Kneser-Ney over tokens, as plain a baseline as there is a good one.
//!
//! Documents begin with a token that is never predicted; all others are, the end included. Unlike the engine's, these
//! numbers are ordinary `f64` and go into no hash.
//!
//! Source: Chen and Goodman 1998, section 3 and equation 26 (discounts); Heafield et al. 2013, section 3 (n-grams at the
//! beginning of a document keep their counts, as nothing can stand before them).
//! Invariant: the probabilities of all predictable tokens after any context sum to 1.

use std::collections::HashMap;

/// Longest n-gram.
pub const MAX_ORDER: usize = 5;
/// Bits of a token in a key; five fit a `u128`.
const TOKEN_BITS: u32 = 24;
/// Where counts of counts are zero, so that the equations say nothing.
const FALLBACK: [f64; 3] = [0.5, 1.0, 1.5];

/// An n-gram or a context, of a known length.
type Key = u128;

fn key(tokens: &[u32]) -> Key {
	tokens
		.iter()
		.fold(0, |key, token| (key << TOKEN_BITS) | Key::from(token + 1))
}

/// What is known of a context.
#[derive(Clone, Copy, Debug, Default)]
struct Context {
	/// Sum of the counts of what follows.
	total: u64,
	/// Tokens that follow once, twice, more often.
	kinds: [u64; 3],
}

/// N-grams of one length.
#[derive(Clone, Debug, Default)]
struct Order {
	counts: HashMap<Key, u64>,
	contexts: HashMap<Key, Context>,
	/// Taken off counts of 1, 2, and more.
	discounts: [f64; 3],
}

/// Index of a count, from 1, among the discounts.
fn class(count: u64) -> usize {
	count.min(3) as usize - 1
}

/// Discounts from the numbers of n-grams seen once, twice, three and four times.
fn discounts(of: [u64; 4]) -> [f64; 3] {
	if of.contains(&0) {
		return FALLBACK;
	}
	let n = of.map(|count| count as f64);
	let y = n[0] / (n[0] + 2.0 * n[1]);
	core::array::from_fn(|i| (i + 1) as f64 - (i + 2) as f64 * y * n[i + 1] / n[i])
}

/// A model of what token follows.
#[derive(Clone, Debug)]
pub struct KneserNey {
	/// By length, from 1.
	orders: Vec<Order>,
	/// Number of tokens that can be predicted.
	predictable: f64,
}

impl KneserNey {
	/// Counts `documents`; `predictable` is the number of tokens that may follow anything.
	pub fn new(documents: &[Vec<u32>], order: usize, predictable: u32) -> Self {
		let order = order.clamp(1, MAX_ORDER);
		let mut orders = vec![Order::default(); order];
		// Longest n-grams, and those at the beginning, by how often they occur.
		for document in documents {
			for end in 2..=document.len() {
				let n = end.min(order);
				let ngram = key(&document[end - n..end]);
				*orders[n - 1].counts.entry(ngram).or_default() += 1;
			}
		}
		// Shorter ones by how many different tokens stand before them.
		for n in (1..order).rev() {
			let (shorter, longer) = orders.split_at_mut(n);
			let mask = (1 << (TOKEN_BITS * n as u32)) - 1;
			for ngram in longer[0].counts.keys() {
				*shorter[n - 1].counts.entry(ngram & mask).or_default() += 1;
			}
		}
		for order in &mut orders {
			let mut of = [0; 4];
			for (ngram, count) in &order.counts {
				if let Some(n) = of.get_mut(*count as usize - 1) {
					*n += 1;
				}
				let context = order.contexts.entry(ngram >> TOKEN_BITS).or_default();
				context.total += count;
				context.kinds[class(*count)] += 1;
			}
			order.discounts = discounts(of);
		}
		Self {
			orders,
			predictable: f64::from(predictable),
		}
	}

	/// Probability of `token` after `context`, whose last tokens count.
	pub fn probability(&self, context: &[u32], token: u32) -> f64 {
		let mut probability = 1.0 / self.predictable;
		for (n, order) in self.orders.iter().enumerate() {
			let Some(start) = context.len().checked_sub(n) else {
				break;
			};
			let before = key(&context[start..]);
			let Some(seen) = order.contexts.get(&before) else {
				break;
			};
			let ngram = (before << TOKEN_BITS) | Key::from(token + 1);
			let kept = match order.counts.get(&ngram) {
				Some(count) => *count as f64 - order.discounts[class(*count)],
				None => 0.0,
			};
			let taken: f64 = (0..3)
				.map(|i| order.discounts[i] * seen.kinds[i] as f64)
				.sum();
			probability = (kept + taken * probability) / seen.total as f64;
		}
		probability
	}

	/// Sum over all tokens of `documents` but the first of each, in nats, and their number.
	pub fn loss(&self, documents: &[Vec<u32>]) -> (f64, usize) {
		let mut sum = 0.0;
		let mut tokens = 0;
		for document in documents {
			for at in 1..document.len() {
				sum -= self.probability(&document[..at], document[at]).ln();
				tokens += 1;
			}
		}
		(sum, tokens)
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	/// "ab" and "a", between the marks of begin and end.
	const DOCUMENTS: [&[u32]; 2] = [&[0, 1, 2, 3], &[0, 1, 3]];

	fn documents() -> Vec<Vec<u32>> {
		DOCUMENTS.map(<[u32]>::to_vec).into()
	}

	fn close(got: f64, want: f64) {
		assert!((got - want).abs() < 1e-12, "{got} {want}");
	}

	/// By hand: continuation counts a 1, b 1, end 2; bigrams (begin a) 2, (a b) 1, (b end) 1, (a end) 1; nothing is seen three
	/// times, so discounts are 1/2 and 1.
	#[test]
	fn probabilities_are_those_computed_by_hand() {
		let model = KneserNey::new(&documents(), 2, 3);
		// One token: 1/2 of the mass is taken off and spread over three tokens.
		let [a, b, end] = [0.125, 0.125, 0.25].map(|kept| kept + 0.5 / 3.0);
		for (token, want) in [(1, a), (2, b), (3, end)] {
			close(model.probability(&[], token), want);
			// A context that never was tells nothing.
			close(model.probability(&[9], token), want);
		}
		close(model.probability(&[0], 1), 0.5 + 0.5 * a);
		close(model.probability(&[0], 3), 0.5 * end);
		close(model.probability(&[0, 1], 2), 0.25 + 0.5 * b);
		close(model.probability(&[0, 1], 3), 0.25 + 0.5 * end);
		close(model.probability(&[0, 1], 1), 0.5 * a);
		close(model.probability(&[1, 2], 3), 0.5 + 0.5 * end);
		let (loss, tokens) = model.loss(&documents()[1..]);
		assert_eq!(tokens, 2);
		close(loss, -(0.5 + 0.5 * a).ln() - (0.25 + 0.5 * end).ln());
	}

	#[test]
	fn discounts_follow_chen_and_goodman() {
		assert_eq!(discounts([8, 4, 2, 1]), [0.5, 1.25, 2.0]);
		assert_eq!(discounts([8, 4, 0, 1]), FALLBACK);
	}

	#[test]
	fn probabilities_sum_to_one_after_any_context() {
		// Words of a small alphabet, many of them repeated.
		let words = (0_u32..400).map(|i| {
			let letters = (0..3 + i % 4).map(|j| 2 + (i * i + j * j * 3 + i / 7) % 6);
			core::iter::once(0).chain(letters).chain([1]).collect()
		});
		let documents: Vec<Vec<u32>> = words.collect();
		for order in 1..=MAX_ORDER {
			let model = KneserNey::new(&documents, order, 8);
			for context in [
				&[][..],
				&[0],
				&[0, 2],
				&[0, 2, 3, 4],
				&[5, 5, 5, 5],
				&[3, 2, 7, 6, 4],
			] {
				// Seven tokens occur, and one is predictable though it never does.
				let sum: f64 = (1..=8).map(|token| model.probability(context, token)).sum();
				close(sum, 1.0);
			}
		}
	}

	#[test]
	fn a_longer_memory_helps_on_its_own_text() {
		let documents: Vec<Vec<u32>> = (0..50)
			.map(|i| vec![0, 2 + i % 5, 3, 4, 2 + i % 5, 1])
			.collect();
		let losses = [1, 3, 5].map(|order| KneserNey::new(&documents, order, 8).loss(&documents).0);
		assert!(losses[0] > losses[1] && losses[1] > losses[2], "{losses:?}");
	}
}
