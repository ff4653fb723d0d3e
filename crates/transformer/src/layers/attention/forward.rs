//! Forward pass: scores, exponentials, weighted values.
//!
//! Must not know: where keys and values come from (a sequence or a cache). Source: numeric specification, section 6.

use super::packed::{dot_rows, pack_columns, pack_rows, packed_rows, weighted_rows};
use super::{sequence_pieces, Heads, QUERIES};
use crate::kernels::lanes::{Lanes, LANES};
use crate::kernels::reduce::{exponentials, row_max, tree};
use crate::kernels::{Kernel, Operation};

/// The keys and values of one head, packed.
#[derive(Clone, Copy)]
pub(super) struct KeysValues<'a> {
	/// `[D, key_stride]`: lane j is key j.
	pub(super) keys: &'a [f32],
	/// At least the number of keys, filled up to whole lanes.
	pub(super) key_stride: usize,
	/// `[T, D padded]`
	pub(super) values: &'a [f32],
}

/// Queries of one head, in the order of their positions.
#[derive(Clone, Copy)]
pub(super) struct Queries<'a> {
	/// Query r is `rows[r * stride..][..D]`.
	pub(super) rows: &'a [f32],
	pub(super) stride: usize,
	/// Position of the first query, that is, of its last key.
	pub(super) first_position: usize,
	pub(super) count: usize,
}

/// R queries from number `query` on.
#[inline(always)]
fn attend_some<V: Lanes, const R: usize>(
	heads: Heads,
	queries: Queries<'_>,
	query: usize,
	memory: KeysValues<'_>,
	scores: &mut [f32],
	out: &mut [f32],
	out_stride: usize,
	stats: Option<(&mut [f32], usize)>,
) {
	let (d, stride) = (heads.d_head, memory.key_stride);
	let first_keys = queries.first_position + query + 1;
	let rows = packed_rows::<R>(queries.rows, queries.stride, query, d);
	let last_keys = first_keys + R - 1;
	dot_rows::<V, R>(
		rows,
		memory.keys,
		stride,
		last_keys,
		Some(heads.scale()),
		scores,
		stride,
	);
	let mut factor = [0.0; R];
	let mut greatest = [0.0; R];
	for r in 0..R {
		let row = &mut scores[r * stride..][..first_keys + r];
		greatest[r] = row_max::<V>(row);
		factor[r] = 1.0 / tree(exponentials::<V>(row, greatest[r]));
	}
	if let Some((stats, stats_stride)) = stats {
		for r in 0..R {
			stats[(query + r) * stats_stride] = greatest[r];
			stats[(query + r) * stats_stride + 1] = factor[r];
		}
	}
	let out = &mut out[query * out_stride..];
	weighted_rows::<V, R>(
		scores,
		stride,
		memory.values,
		first_keys,
		factor,
		d,
		out,
		out_stride,
	);
}

/// All queries of one head. Query r writes `out[r * out_stride..][..D]` and `stats[r * stats_stride..][..2]`.
#[inline(always)]
pub(super) fn attend<V: Lanes>(
	heads: Heads,
	queries: Queries<'_>,
	memory: KeysValues<'_>,
	scores: &mut [f32],
	out: &mut [f32],
	out_stride: usize,
	mut stats: Option<(&mut [f32], usize)>,
) {
	let mut query = 0;
	while query + QUERIES <= queries.count {
		let stats = stats
			.as_mut()
			.map(|(stats, stride)| (&mut **stats, *stride));
		attend_some::<V, QUERIES>(
			heads, queries, query, memory, scores, out, out_stride, stats,
		);
		query += QUERIES;
	}
	while query < queries.count {
		let stats = stats
			.as_mut()
			.map(|(stats, stride)| (&mut **stats, *stride));
		attend_some::<V, 1>(
			heads, queries, query, memory, scores, out, out_stride, stats,
		);
		query += 1;
	}
}

/// Forward pass of some sequences; `out` and `stats` begin at the first of them.
struct Forward<'a> {
	heads: Heads,
	offsets: &'a [usize],
	qkv: &'a [f32],
	out: &'a mut [f32],
	stats: &'a mut [f32],
	scratch: &'a mut [f32],
}

impl Operation for Forward<'_> {
	type Output = ();

	#[inline(always)]
	fn run<V: Lanes>(self) {
		let Self {
			heads,
			offsets,
			qkv,
			out,
			stats,
			scratch,
		} = self;
		let (c, d) = (heads.d_model(), heads.d_head);
		let origin = offsets[0];
		for sequence in offsets.windows(2) {
			let (start, length) = (sequence[0], sequence[1] - sequence[0]);
			let padded = length.next_multiple_of(LANES);
			let (keys, rest) = scratch.split_at_mut(d * padded);
			let (values, scores) = rest.split_at_mut(length * heads.padded_head());
			for head in 0..heads.n_heads {
				let rows = &qkv[start * 3 * c + head * d..];
				pack_columns(&rows[c..], 3 * c, length, d, keys);
				pack_rows(&rows[2 * c..], 3 * c, length, d, values);
				let queries = Queries {
					rows,
					stride: 3 * c,
					first_position: 0,
					count: length,
				};
				let memory = KeysValues {
					keys,
					key_stride: padded,
					values,
				};
				let out = &mut out[(start - origin) * c + head * d..];
				let stats = &mut stats[((start - origin) * heads.n_heads + head) * 2..];
				let stats = Some((stats, heads.n_heads * 2));
				attend::<V>(heads, queries, memory, scores, out, c, stats);
			}
		}
	}
}

/// `out`, `stats` from `qkv`; sequence s is the rows `offsets[s]..offsets[s + 1]`.
///
/// `scratch` holds [`sequence_pieces`] times [`Heads::scratch`] of the longest sequence.
pub(crate) fn forward(
	kernel: Kernel,
	heads: Heads,
	offsets: &[usize],
	qkv: &[f32],
	out: &mut [f32],
	stats: &mut [f32],
	scratch: &mut [f32],
) {
	let pieces = sequence_pieces(offsets, heads.d_model());
	forward_pieces(
		kernel,
		pieces,
		Forward {
			heads,
			offsets,
			qkv,
			out,
			stats,
			scratch,
		},
	);
}

fn forward_pieces(kernel: Kernel, pieces: usize, work: Forward<'_>) {
	if pieces <= 1 {
		kernel.run(work);
		return;
	}
	let Forward {
		heads,
		offsets,
		qkv,
		out,
		stats,
		scratch,
	} = work;
	let left = pieces / 2;
	let middle = (offsets.len() - 1) * left / pieces;
	let rows = offsets[middle] - offsets[0];
	let (out, out_right) = out.split_at_mut(rows * heads.d_model());
	let (stats, stats_right) = stats.split_at_mut(rows * heads.n_heads * 2);
	let (scratch, scratch_right) = scratch.split_at_mut(scratch.len() / pieces * left);
	let right = Forward {
		heads,
		offsets: &offsets[middle..],
		qkv,
		out: out_right,
		stats: stats_right,
		scratch: scratch_right,
	};
	let left_work = Forward {
		heads,
		offsets: &offsets[..=middle],
		qkv,
		out,
		stats,
		scratch,
	};
	rayon::join(
		|| forward_pieces(kernel, left, left_work),
		|| forward_pieces(kernel, pieces - left, right),
	);
}
