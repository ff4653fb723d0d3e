//! Causal multi-head self-attention (Vaswani et al. 2017, section 3.2), without its projections.
//!
//! Shapes: `qkv: [M, 3C]` holds q, k and v side by side, heads as runs of D columns; `out: [M, C]`; `stats: [M, H, 2]`
//! keeps the greatest score of a row and 1 / sum of its exponentials, from which the backward pass rebuilds the
//! probabilities. Whole rows of scores exist for four queries at a time, never a T x T matrix.
//!
//! Reading order: `packed` (the two inner loops), `forward`, `backward`, `cache` (decoding).
//! Derivation: `derivations/attention.md`. Source: numeric specification, section 6.
//! Must not know: projections, residuals. Knows sequences only as offsets into M.
//! Invariants: keys beyond a query are skipped, not added as zeros; training, prefill and decoding share `attend`, so they
//! cannot differ by a bit.

mod backward;
mod cache;
mod forward;
mod packed;

pub(crate) use backward::backward;
pub(crate) use cache::Cache;
pub(crate) use forward::forward;

use crate::kernels::lanes::LANES;
use crate::kernels::pieces;

/// Queries that are worked on together.
const QUERIES: usize = 4;

/// Sizes of one attention layer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Heads {
	/// H
	pub(crate) n_heads: usize,
	/// D
	pub(crate) d_head: usize,
}

impl Heads {
	/// C
	fn d_model(self) -> usize {
		self.n_heads * self.d_head
	}

	/// D filled up to whole lanes.
	pub(crate) fn padded_head(self) -> usize {
		self.d_head.next_multiple_of(LANES)
	}

	/// 1 / sqrt(D), both operations IEEE.
	fn scale(self) -> f32 {
		1.0 / (self.d_head as f32).sqrt()
	}

	/// Scratch of one thread for sequences of at most `length` positions.
	pub(crate) fn scratch(self, length: usize) -> usize {
		let (padded, head) = (length.next_multiple_of(LANES), self.padded_head());
		2 * self.d_head * padded + 5 * length * head + 2 * QUERIES * padded
	}
}

/// Into how many pieces the sequences `offsets` are cut, and so how many scratches are needed.
pub(crate) fn sequence_pieces(offsets: &[usize], d_model: usize) -> usize {
	let rows = offsets.last().unwrap_or(&0) - offsets.first().unwrap_or(&0);
	pieces(rows * d_model * 16)
		.min(offsets.len().saturating_sub(1))
		.max(1)
}
