//! Forward pass: scores, exponentials, weighted values.
//!
//! Must not know: where keys and values come from (a sequence or a cache). Source: numeric specification, section 6.

use super::{sequence_pieces, Heads, QUERIES};
use crate::kernels::causal::{dot_rows, transpose_rows, weighted_rows, Rows};
use crate::kernels::lanes::{Lanes, LANES};
use crate::kernels::reduce::{exponentials, row_max, tree};
use crate::kernels::{split_work, Cut, Kernel, Operation};

/// The keys and values of one head.
#[derive(Clone, Copy)]
pub(super) struct KeysValues<'a> {
	/// Transposed, `[D, keys]`, filled up to whole lanes.
	pub(super) keys: Rows<'a>,
	/// `[keys, D]`
	pub(super) values: Rows<'a>,
	/// Numbers from a query's scores to the next one's: the keys, filled up to whole lanes.
	pub(super) score_stride: usize,
}

/// Queries of one head, in the order of their positions.
#[derive(Clone, Copy)]
pub(super) struct Queries<'a> {
	/// `[count, D]`
	pub(super) rows: Rows<'a>,
	/// Position of the first query, that is, of its last key.
	pub(super) first_position: usize,
	pub(super) count: usize,
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
	let stride = memory.score_stride;
	let mut query = 0;
	while query < queries.count {
		let count = QUERIES.min(queries.count - query);
		let first_keys = queries.first_position + query + 1;
		let rows = queries.rows.skip(query);
		let scale = Some(heads.scale());
		dot_rows::<V>(rows, count, memory.keys, first_keys, scale, scores, stride);
		let mut factors = [0.0; QUERIES];
		for (r, factor) in factors[..count].iter_mut().enumerate() {
			let row = &mut scores[r * stride..][..first_keys + r];
			let greatest = row_max::<V>(row);
			*factor = 1.0 / tree(exponentials::<V>(row, greatest));
			if let Some((stats, stats_stride)) = &mut stats {
				let stats = &mut stats[(query + r) * *stats_stride..][..2];
				stats[0] = greatest;
				stats[1] = *factor;
			}
		}
		weighted_rows::<V>(
			Rows::new(scores, stride, stride),
			first_keys,
			memory.values,
			&factors[..count],
			&mut out[query * out_stride..],
			out_stride,
		);
		query += count;
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
	/// Numbers of `scratch` for each piece.
	scratch_a_piece: usize,
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
			..
		} = self;
		let (c, d, width) = (heads.d_model(), heads.d_head, heads.width());
		let origin = offsets[0];
		for sequence in offsets.windows(2) {
			let (start, length) = (sequence[0], sequence[1] - sequence[0]);
			let padded = length.next_multiple_of(LANES);
			let (keys, scores) = scratch.split_at_mut(d * padded);
			for kv in 0..heads.n_kv_heads {
				let rows = &qkv[start * width + c + kv * d..];
				transpose_rows::<V>(Rows::new(rows, width, d), length, keys, padded);
				let memory = KeysValues {
					keys: Rows::new(keys, padded, padded),
					values: Rows::new(&rows[heads.d_keys()..], width, d),
					score_stride: padded,
				};
				for head in heads.served(kv) {
					let queries = Queries {
						rows: Rows::new(&qkv[start * width + head * d..], width, d),
						first_position: 0,
						count: length,
					};
					let out = &mut out[(start - origin) * c + head * d..];
					let stats = &mut stats[((start - origin) * heads.n_heads + head) * 2..];
					let stats = Some((stats, heads.n_heads * 2));
					attend::<V>(heads, queries, memory, scores, out, c, stats);
				}
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
	let work = Forward {
		heads,
		offsets,
		qkv,
		out,
		stats,
		scratch_a_piece: scratch.len() / pieces,
		scratch,
	};
	split_work(work, pieces, &|work| kernel.run(work));
}

impl Cut for Forward<'_> {
	fn rows(&self) -> usize {
		self.offsets.len() - 1
	}

	fn cut(self, sequences: usize) -> (Self, Self) {
		let Self {
			heads,
			offsets,
			qkv,
			..
		} = self;
		let rows = offsets[sequences] - offsets[0];
		let (out, out_right) = self.out.split_at_mut(rows * heads.d_model());
		let (stats, stats_right) = self.stats.split_at_mut(rows * heads.n_heads * 2);
		let (scratch, scratch_right) = self.scratch.split_at_mut(self.scratch_a_piece);
		let part = |offsets, out, stats, scratch| Self {
			heads,
			offsets,
			qkv,
			out,
			stats,
			scratch,
			scratch_a_piece: self.scratch_a_piece,
		};
		(
			part(&offsets[..=sequences], out, stats, scratch),
			part(&offsets[sequences..], out_right, stats_right, scratch_right),
		)
	}
}
