//! Keys and values kept while a text is decoded.
//!
//! Must not know: which layer it serves. Source: numeric specification, section 6.
//! Invariants: reading a text at once or token by token leaves the same cache and gives the same outputs.

use super::forward::{attend, KeysValues, Queries};
use super::{Heads, QUERIES};
use crate::kernels::causal::Rows;
use crate::kernels::lanes::{Lanes, LANES};
use crate::kernels::{Kernel, Operation};

/// Attention of new positions over a cache that already holds their keys and values.
struct Cached<'a> {
	heads: Heads,
	qkv: &'a [f32],
	first_position: usize,
	/// `[G, D, key_stride]`
	keys: &'a [f32],
	key_stride: usize,
	/// `[G, T, D padded]`
	values: &'a [f32],
	scores: &'a mut [f32],
	out: &'a mut [f32],
}

impl Operation for Cached<'_> {
	type Output = ();

	#[inline(always)]
	fn run<V: Lanes>(self) {
		let heads = self.heads;
		let (c, d, width) = (heads.d_model(), heads.d_head, heads.width());
		let count = self.qkv.len() / width;
		let per_head = self.values.len() / heads.n_kv_heads;
		for kv in 0..heads.n_kv_heads {
			let (keys, values) = (
				&self.keys[kv * d * self.key_stride..],
				&self.values[kv * per_head..][..per_head],
			);
			let memory = KeysValues {
				keys: Rows::new(keys, self.key_stride, self.key_stride),
				values: Rows::new(values, heads.padded_head(), d),
				score_stride: self.key_stride,
			};
			for head in heads.served(kv) {
				let queries = Queries {
					rows: Rows::new(&self.qkv[head * d..], width, d),
					first_position: self.first_position,
					count,
				};
				let out = &mut self.out[head * d..];
				attend::<V>(heads, queries, memory, self.scores, out, c, None);
			}
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
		// Beyond the last key, so that rows of a power of two do not meet in the same sets of a cache.
		let key_stride = length.next_multiple_of(LANES) + LANES;
		Self {
			heads,
			key_stride,
			keys: vec![0.0; heads.d_keys() * key_stride],
			values: vec![0.0; heads.n_kv_heads * length * heads.padded_head()],
			scores: vec![0.0; QUERIES * key_stride],
		}
	}

	/// Takes up the keys and values of `qkv` [n, (H + 2G) D] at positions `first..first + n` and attends to all up to each.
	pub(crate) fn forward(&mut self, kernel: Kernel, first: usize, qkv: &[f32], out: &mut [f32]) {
		let Self {
			heads,
			key_stride,
			keys,
			values,
			scores,
		} = self;
		let (c, d, padded) = (heads.d_model(), heads.d_head, heads.padded_head());
		let per_head = values.len() / heads.n_kv_heads;
		for (row, t) in qkv.chunks_exact(heads.width()).zip(first..) {
			let (new_keys, new_values) = row[c..].split_at(heads.d_keys());
			for kv in 0..heads.n_kv_heads {
				for (i, value) in new_keys[kv * d..][..d].iter().enumerate() {
					keys[(kv * d + i) * *key_stride + t] = *value;
				}
				values[kv * per_head + t * padded..][..d]
					.copy_from_slice(&new_values[kv * d..][..d]);
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
