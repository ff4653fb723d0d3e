//! Causal multi-head self-attention (Vaswani et al. 2017, section 3.2), without its projections.
//!
//! Grouped (Ainslie et al. 2023, section 2.2): each of G heads of keys and values serves H / G heads of queries; with
//! G = H every head has its own.
//!
//! Shapes: `qkv: [M, (H + 2G) D]` holds q, k and v side by side, heads as runs of D columns; `out: [M, C]`;
//! `stats: [M, H, 2]` keeps the greatest score of a row and 1 / sum of its exponentials, from which the backward pass rebuilds the
//! probabilities. Whole rows of scores exist for 32 queries at a time, never a T x T matrix.
//!
//! Reading order: `kernels::causal` (the inner loops), `forward`, `backward`, `cache` (decoding).
//! Derivation: `derivations/attention.md`. Source: numeric specification, section 6.
//! Must not know: projections, residuals. Knows sequences only as offsets into M.
//! Invariants: keys beyond a query are skipped, not added as zeros; training, prefill and decoding share `attend`, so they
//! cannot differ by a bit.

mod backward;
mod cache;
mod forward;

pub(crate) use backward::backward;
pub(crate) use cache::Cache;
pub(crate) use forward::forward;

use crate::kernels::lanes::LANES;
use crate::kernels::{causal, pieces};

/// Queries that are worked on together: a multiple of the rows of a tile.
const QUERIES: usize = 4 * causal::TILE_ROWS;

/// Sizes of one attention layer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Heads {
	/// H
	pub(crate) n_heads: usize,
	/// G, heads of keys and of values; divides H.
	pub(crate) n_kv_heads: usize,
	/// D
	pub(crate) d_head: usize,
}

impl Heads {
	/// C
	pub(crate) fn d_model(self) -> usize {
		self.n_heads * self.d_head
	}

	/// Columns of all keys, and of all values.
	pub(crate) fn d_keys(self) -> usize {
		self.n_kv_heads * self.d_head
	}

	/// Columns of q, k and v together.
	pub(crate) fn width(self) -> usize {
		self.d_model() + 2 * self.d_keys()
	}

	/// The heads of queries that head `kv` of keys and values serves.
	fn served(self, kv: usize) -> core::ops::Range<usize> {
		let group = self.n_heads / self.n_kv_heads;
		kv * group..(kv + 1) * group
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
		2 * self.d_head * padded + 2 * length * head + 2 * QUERIES * padded
	}
}

/// Into how many pieces the sequences `offsets` are cut, and so how many scratches are needed.
pub(crate) fn sequence_pieces(offsets: &[usize], d_model: usize) -> usize {
	let rows = offsets.last().unwrap_or(&0) - offsets.first().unwrap_or(&0);
	pieces(rows * d_model * 16)
		.min(offsets.len().saturating_sub(1))
		.max(1)
}
