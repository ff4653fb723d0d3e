//! Keys and values kept while a text is decoded.
//!
//! Must not know: which layer it serves. Source: numeric specification, section 6.
//! Invariants: reading a text at once or token by token leaves the same cache and gives the same outputs.

use super::forward::{attend, KeysValues, Queries};
use super::{Heads, QUERIES};
use crate::kernels::lanes::{Lanes, LANES};
use crate::kernels::{Kernel, Operation};

/// Attention of new positions over a cache that already holds their keys and values.
struct Cached<'a> {
	heads: Heads,
	qkv: &'a [f32],
	first_position: usize,
	/// `[H, D, key_stride]`
	keys: &'a [f32],
	key_stride: usize,
	/// `[H, T, D padded]`
	values: &'a [f32],
	scores: &'a mut [f32],
	out: &'a mut [f32],
}

impl Operation for Cached<'_> {
	type Output = ();

	#[inline(always)]
	fn run<V: Lanes>(self) {
		let (c, d) = (self.heads.d_model(), self.heads.d_head);
		let count = self.qkv.len() / (3 * c);
		let per_head = self.values.len() / self.heads.n_heads;
		for head in 0..self.heads.n_heads {
			let memory = KeysValues {
				keys: &self.keys[head * d * self.key_stride..][..d * self.key_stride],
				key_stride: self.key_stride,
				values: &self.values[head * per_head..][..per_head],
			};
			let queries = Queries {
				rows: &self.qkv[head * d..],
				stride: 3 * c,
				first_position: self.first_position,
				count,
			};
			let out = &mut self.out[head * d..];
			attend::<V>(self.heads, queries, memory, self.scores, out, c, None);
		}
	}
}

/// Keys and values of the positions seen so far, one layer.
#[derive(Clone, Debug)]
pub(crate) struct Cache {
	heads: Heads,
	key_stride: usize,
	keys: Vec<f32>,
	values: Vec<f32>,
	scores: Vec<f32>,
}

impl Cache {
	/// Room for `length` positions.
	pub(crate) fn new(heads: Heads, length: usize) -> Self {
		let key_stride = length.next_multiple_of(LANES);
		Self {
			heads,
			key_stride,
			keys: vec![0.0; heads.d_model() * key_stride],
			values: vec![0.0; heads.n_heads * length * heads.padded_head()],
			scores: vec![0.0; QUERIES * key_stride],
		}
	}

	/// Takes up the keys and values of `qkv` [n, 3C] at positions `first..first + n` and attends to all up to each.
	pub(crate) fn forward(&mut self, kernel: Kernel, first: usize, qkv: &[f32], out: &mut [f32]) {
		let Self {
			heads,
			key_stride,
			keys,
			values,
			scores,
		} = self;
		let (c, d, width) = (heads.d_model(), heads.d_head, heads.padded_head());
		let per_head = values.len() / heads.n_heads;
		for (row, t) in qkv.chunks_exact(3 * c).zip(first..) {
			for head in 0..heads.n_heads {
				for (i, value) in row[c + head * d..][..d].iter().enumerate() {
					keys[(head * d + i) * *key_stride + t] = *value;
				}
				values[head * per_head + t * width..][..d]
					.copy_from_slice(&row[2 * c + head * d..][..d]);
			}
		}
		kernel.run(Cached {
			heads: *heads,
			qkv,
			first_position: first,
			keys,
			key_stride: *key_stride,
			values,
			scores,
			out,
		});
	}
}
