//! Causal multi-head self-attention (Vaswani et al. 2017, section 3.2), without its projections.
//!
//! Shapes: `qkv: [M, 3C]` holds q, k and v side by side, heads as runs of D columns; `out: [M, C]`; `stats: [M, H, 2]`
//! keeps the greatest score of a row and 1 / sum of its exponentials, from which the backward pass rebuilds the
//! probabilities. Whole rows of scores exist for four queries at a time, never a T x T matrix.
//!
//! Derivation: `derivations/attention.md`. Source: numeric specification, section 6.
//! Must not know: projections, residuals. Knows sequences only as offsets into M.
//! Invariants: keys beyond a query are skipped, not added as zeros; training, prefill and decoding share `attend`, so they
//! cannot differ by a bit.

use crate::kernels::lanes::{Lanes, LANES};
use crate::kernels::reduce::{exponentials, fold, row_max, tree, update, ShiftedExp, Step};
use crate::kernels::{pieces, Kernel, Operation};

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

/// Copies `length` rows of `d` columns of `from` (at `stride`) into rows of `to` of the padded width, rest zero.
#[inline(always)]
fn pack_rows(from: &[f32], stride: usize, length: usize, d: usize, to: &mut [f32]) {
	let width = d.next_multiple_of(LANES);
	for (t, to) in to.chunks_exact_mut(width).take(length).enumerate() {
		to[..d].copy_from_slice(&from[t * stride..][..d]);
		to[d..].fill(0.0);
	}
}

/// Copies the same rows transposed: `to[d][t]`, rows of the padded length, rest zero.
#[inline(always)]
fn pack_columns(from: &[f32], stride: usize, length: usize, d: usize, to: &mut [f32]) {
	let width = length.next_multiple_of(LANES);
	to[..d * width].fill(0.0);
	for t in 0..length {
		for (column, value) in from[t * stride..][..d].iter().enumerate() {
			to[column * width + t] = *value;
		}
	}
}

/// The keys and values of one head, packed.
#[derive(Clone, Copy)]
pub(crate) struct KeysValues<'a> {
	/// `[D, key_stride]`: lane j is key j.
	pub(crate) keys: &'a [f32],
	/// At least the number of keys, filled up to whole lanes.
	pub(crate) key_stride: usize,
	/// `[T, D padded]`
	pub(crate) values: &'a [f32],
}

/// Queries of one head, in the order of their positions.
#[derive(Clone, Copy)]
struct Queries<'a> {
	/// Query r is `rows[r * stride..][..D]`.
	rows: &'a [f32],
	stride: usize,
	/// Position of the first query, that is, of its last key.
	first_position: usize,
	count: usize,
}

/// Sixteen columns of a packed matrix, from column `first` of row `row`.
#[inline(always)]
fn packed_lanes<V: Lanes>(rows: &[f32], width: usize, row: usize, first: usize) -> V {
	V::load(&rows[row * width + first..].as_chunks().0[0])
}

/// R rows of D columns from row `first` on.
#[inline(always)]
fn packed_rows<const R: usize>(rows: &[f32], width: usize, first: usize, d: usize) -> [&[f32]; R] {
	let mut out: [&[f32]; R] = [&[]; R];
	for r in 0..R {
		out[r] = &rows[(first + r) * width..][..d];
	}
	out
}

/// `scores[r][j] = scale * chain over d of q[r,d] k[j,d]` for R queries and all whole lanes up to `keys`.
#[inline(always)]
fn dot_rows<V: Lanes, const R: usize>(
	rows: [&[f32]; R],
	columns: &[f32],
	stride: usize,
	keys: usize,
	scale: Option<f32>,
	scores: &mut [f32],
	score_stride: usize,
) {
	for first in (0..keys).step_by(LANES) {
		let mut sums = [V::splat(0.0); R];
		for (d, column) in columns.chunks_exact(stride).take(rows[0].len()).enumerate() {
			let (column, _) = column[first..].as_chunks::<LANES>();
			let column = V::load(&column[0]);
			for r in 0..R {
				sums[r] = V::splat(rows[r][d]).fma(column, sums[r]);
			}
		}
		for r in 0..R {
			let (to, _) = scores[r * score_stride + first..].as_chunks_mut::<LANES>();
			match scale {
				Some(scale) => sums[r].mul(V::splat(scale)).store(&mut to[0]),
				None => sums[r].store(&mut to[0]),
			}
		}
	}
}

/// `out[r] = factor[r] * chain over j < first_keys + r of f[r][j] * rows[j]`, R rows of D columns.
#[inline(always)]
fn weighted_rows<V: Lanes, const R: usize>(
	f: &[f32],
	f_stride: usize,
	rows: &[f32],
	first_keys: usize,
	factor: [f32; R],
	d: usize,
	out: &mut [f32],
	out_stride: usize,
) {
	let width = d.next_multiple_of(LANES);
	for first in (0..d).step_by(LANES) {
		let mut sums = [V::splat(0.0); R];
		let weights: [&[f32]; R] = packed_rows(f, f_stride, 0, first_keys + R - 1);
		for j in 0..first_keys {
			let row = packed_lanes::<V>(rows, width, j, first);
			for r in 0..R {
				sums[r] = V::splat(weights[r][j]).fma(row, sums[r]);
			}
		}
		for r in 1..R {
			for j in first_keys..first_keys + r {
				let row = packed_lanes::<V>(rows, width, j, first);
				sums[r] = V::splat(weights[r][j]).fma(row, sums[r]);
			}
		}
		for r in 0..R {
			let columns = LANES.min(d - first);
			let sum = sums[r].mul(V::splat(factor[r]));
			sum.store_partial(&mut out[r * out_stride + first..][..columns]);
		}
	}
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
fn attend<V: Lanes>(
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

/// Backward pass of some sequences; `dqkv` begins at the first of them, everything else at row 0.
struct Backward<'a> {
	heads: Heads,
	offsets: &'a [usize],
	qkv: &'a [f32],
	stats: &'a [f32],
	dout: &'a [f32],
	dqkv: &'a mut [f32],
	scratch: &'a mut [f32],
}

/// Packed matrices of one head in the backward pass.
struct Packed<'a> {
	/// `[D, padded T]`
	keys_transposed: &'a [f32],
	/// `[D, padded T]`
	values_transposed: &'a [f32],
	/// `[T, padded D]`
	keys: &'a [f32],
	/// `[T, padded D]`
	queries: &'a [f32],
	/// `[T, padded D]`
	dout: &'a [f32],
	/// `[T, padded D]`, chains over queries.
	dkeys: &'a mut [f32],
	/// `[T, padded D]`, chains over queries.
	dvalues: &'a mut [f32],
	/// `[4, padded T]`
	probabilities: &'a mut [f32],
	/// `[4, padded T]`
	dscores: &'a mut [f32],
}

/// R queries from number `query` on: dq is written, dk and dv continue their chains.
#[inline(always)]
fn backward_some<V: Lanes, const R: usize>(
	heads: Heads,
	length: usize,
	query: usize,
	packed: &mut Packed<'_>,
	stats: &[f32],
	dq: &mut [f32],
) {
	let (d, width) = (heads.d_head, heads.padded_head());
	let stride = length.next_multiple_of(LANES);
	let (first_keys, last_keys) = (query + 1, query + R);
	let q = packed_rows::<R>(packed.queries, width, query, d);
	let dout = packed_rows::<R>(packed.dout, width, query, d);
	let scale = heads.scale();
	let (p, ds) = (&mut *packed.probabilities, &mut *packed.dscores);
	dot_rows::<V, R>(
		q,
		packed.keys_transposed,
		stride,
		last_keys,
		Some(scale),
		p,
		stride,
	);
	// dp_ij = do_i . v_j
	dot_rows::<V, R>(
		dout,
		packed.values_transposed,
		stride,
		last_keys,
		None,
		ds,
		stride,
	);
	for r in 0..R {
		let keys = first_keys + r;
		let stats = &stats[(query + r) * heads.n_heads * 2..][..2];
		softmax_backward::<V>(
			&mut p[r * stride..][..keys],
			&mut ds[r * stride..][..keys],
			stats[0],
			stats[1],
		);
	}
	// dq_i = scale * sum over j <= i of ds_ij k_j
	let c = heads.d_model();
	let dq = &mut dq[query * 3 * c..];
	weighted_rows::<V, R>(
		ds,
		stride,
		packed.keys,
		first_keys,
		[scale; R],
		d,
		dq,
		3 * c,
	);
	// dv_j += p_ij do_i and dk_j += ds_ij q_i, queries ascending.
	for first in (0..d).step_by(LANES) {
		let mut q = [V::splat(0.0); R];
		let mut dout = [V::splat(0.0); R];
		for r in 0..R {
			q[r] = packed_lanes(packed.queries, width, query + r, first);
			dout[r] = packed_lanes(packed.dout, width, query + r, first);
		}
		for j in 0..first_keys {
			let mut dk: V = packed_lanes(packed.dkeys, width, j, first);
			let mut dv: V = packed_lanes(packed.dvalues, width, j, first);
			for r in 0..R {
				dk = V::splat(ds[r * stride + j]).fma(q[r], dk);
				dv = V::splat(p[r * stride + j]).fma(dout[r], dv);
			}
			dk.store(&mut packed.dkeys[j * width + first..].as_chunks_mut().0[0]);
			dv.store(&mut packed.dvalues[j * width + first..].as_chunks_mut().0[0]);
		}
		// Keys that only the later of these queries see.
		for j in first_keys..last_keys {
			let mut dk: V = packed_lanes(packed.dkeys, width, j, first);
			let mut dv: V = packed_lanes(packed.dvalues, width, j, first);
			for r in j - query..R {
				dk = V::splat(ds[r * stride + j]).fma(q[r], dk);
				dv = V::splat(p[r * stride + j]).fma(dout[r], dv);
			}
			dk.store(&mut packed.dkeys[j * width + first..].as_chunks_mut().0[0]);
			dv.store(&mut packed.dvalues[j * width + first..].as_chunks_mut().0[0]);
		}
	}
}

/// `p = e^(s - greatest) factor`.
#[derive(Clone, Copy)]
struct Probability {
	greatest: ShiftedExp,
	factor: f32,
}

impl Step<0> for Probability {
	#[inline(always)]
	fn step<V: Lanes>(self, score: V, []: [V; 0]) -> V {
		self.greatest.of(score).mul(V::splat(self.factor))
	}
}

/// `current + p dp`, fused.
#[derive(Clone, Copy)]
struct PlusProduct;

impl Step<2> for PlusProduct {
	#[inline(always)]
	fn step<V: Lanes>(self, current: V, [p, dp]: [V; 2]) -> V {
		p.fma(dp, current)
	}
}

/// `p (current - delta)`.
#[derive(Clone, Copy)]
struct ScoreGradient {
	delta: f32,
}

impl Step<1> for ScoreGradient {
	#[inline(always)]
	fn step<V: Lanes>(self, dp: V, [p]: [V; 1]) -> V {
		p.mul(dp.sub(V::splat(self.delta)))
	}
}

/// `p` from scores; `dp` becomes ds = p (dp - sum over j of p dp).
#[inline(always)]
fn softmax_backward<V: Lanes>(p: &mut [f32], dp: &mut [f32], greatest: f32, factor: f32) {
	update::<V, 0>(
		p,
		[],
		Probability {
			greatest: ShiftedExp(greatest),
			factor,
		},
	);
	let delta = tree(fold::<V, 2>(0.0, [p, dp], [0.0; 2], PlusProduct));
	update::<V, 1>(dp, [p], ScoreGradient { delta });
}

impl Operation for Backward<'_> {
	type Output = ();

	#[inline(always)]
	fn run<V: Lanes>(self) {
		let Self {
			heads,
			offsets,
			qkv,
			stats,
			dout,
			dqkv,
			mut scratch,
		} = self;
		let (c, d, width) = (heads.d_model(), heads.d_head, heads.padded_head());
		let origin = offsets[0];
		for sequence in offsets.windows(2) {
			let (start, length) = (sequence[0], sequence[1] - sequence[0]);
			let padded = length.next_multiple_of(LANES);
			let rest = &mut *scratch;
			let (keys_transposed, rest) = rest.split_at_mut(d * padded);
			let (values_transposed, rest) = rest.split_at_mut(d * padded);
			let (keys, rest) = rest.split_at_mut(length * width);
			let (queries, rest) = rest.split_at_mut(length * width);
			let (packed_dout, rest) = rest.split_at_mut(length * width);
			let (dkeys, rest) = rest.split_at_mut(length * width);
			let (dvalues, rest) = rest.split_at_mut(length * width);
			let (probabilities, rest) = rest.split_at_mut(QUERIES * padded);
			let (dscores, _) = rest.split_at_mut(QUERIES * padded);
			for head in 0..heads.n_heads {
				let rows = &qkv[start * 3 * c + head * d..];
				pack_columns(&rows[c..], 3 * c, length, d, keys_transposed);
				pack_columns(&rows[2 * c..], 3 * c, length, d, values_transposed);
				pack_rows(rows, 3 * c, length, d, queries);
				pack_rows(&rows[c..], 3 * c, length, d, keys);
				pack_rows(&dout[start * c + head * d..], c, length, d, packed_dout);
				dkeys.fill(0.0);
				dvalues.fill(0.0);
				let mut packed = Packed {
					keys_transposed,
					values_transposed,
					keys,
					queries,
					dout: packed_dout,
					dkeys,
					dvalues,
					probabilities,
					dscores,
				};
				let stats = &stats[(start * heads.n_heads + head) * 2..];
				let drows = &mut dqkv[(start - origin) * 3 * c + head * d..];
				let mut query = 0;
				while query + QUERIES <= length {
					backward_some::<V, QUERIES>(heads, length, query, &mut packed, stats, drows);
					query += QUERIES;
				}
				while query < length {
					backward_some::<V, 1>(heads, length, query, &mut packed, stats, drows);
					query += 1;
				}
				let scale = heads.scale();
				for t in 0..length {
					let drow = &mut drows[t * 3 * c..];
					for (to, dk) in drow[c..][..d].iter_mut().zip(&dkeys[t * width..]) {
						*to = *dk * scale;
					}
					drow[2 * c..][..d].copy_from_slice(&dvalues[t * width..][..d]);
				}
			}
			scratch = &mut *scratch;
		}
	}
}

/// `dqkv` from `dout`; arguments as in [`forward`], whose `qkv` and `stats` are wanted back.
pub(crate) fn backward(
	kernel: Kernel,
	heads: Heads,
	offsets: &[usize],
	qkv: &[f32],
	stats: &[f32],
	dout: &[f32],
	dqkv: &mut [f32],
	scratch: &mut [f32],
) {
	let pieces = sequence_pieces(offsets, heads.d_model());
	let work = Backward {
		heads,
		offsets,
		qkv,
		stats,
		dout,
		dqkv,
		scratch,
	};
	backward_pieces(kernel, pieces, work);
}

fn backward_pieces(kernel: Kernel, pieces: usize, work: Backward<'_>) {
	if pieces <= 1 {
		kernel.run(work);
		return;
	}
	let Backward {
		heads,
		offsets,
		qkv,
		stats,
		dout,
		dqkv,
		scratch,
	} = work;
	let left = pieces / 2;
	let middle = (offsets.len() - 1) * left / pieces;
	let rows = offsets[middle] - offsets[0];
	let (dqkv, dqkv_right) = dqkv.split_at_mut(rows * 3 * heads.d_model());
	let (scratch, scratch_right) = scratch.split_at_mut(scratch.len() / pieces * left);
	let right = Backward {
		heads,
		offsets: &offsets[middle..],
		qkv,
		stats,
		dout,
		dqkv: dqkv_right,
		scratch: scratch_right,
	};
	let left_work = Backward {
		heads,
		offsets: &offsets[..=middle],
		qkv,
		stats,
		dout,
		dqkv,
		scratch,
	};
	rayon::join(
		|| backward_pieces(kernel, left, left_work),
		|| backward_pieces(kernel, pieces - left, right),
	);
}

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
