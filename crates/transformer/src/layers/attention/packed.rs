//! Packed matrices of one head and the two loops over them: scores, and sums of weighted rows.
//!
//! Packing fills rows up to whole lanes, so that the loops have no tails; what is filled in is never read back.
//! Must not know: softmax, which of q, k, v, do it holds. Source: numeric specification, section 6.

use crate::kernels::lanes::{Lanes, LANES};

/// Copies `length` rows of `d` columns of `from` (at `stride`) into rows of `to` of the padded width, rest zero.
#[inline(always)]
pub(super) fn pack_rows(from: &[f32], stride: usize, length: usize, d: usize, to: &mut [f32]) {
	let width = d.next_multiple_of(LANES);
	for (t, to) in to.chunks_exact_mut(width).take(length).enumerate() {
		to[..d].copy_from_slice(&from[t * stride..][..d]);
		to[d..].fill(0.0);
	}
}

/// Copies the same rows transposed: `to[d][t]`, rows of the padded length, rest zero.
#[inline(always)]
pub(super) fn pack_columns(from: &[f32], stride: usize, length: usize, d: usize, to: &mut [f32]) {
	let width = length.next_multiple_of(LANES);
	to[..d * width].fill(0.0);
	for t in 0..length {
		for (column, value) in from[t * stride..][..d].iter().enumerate() {
			to[column * width + t] = *value;
		}
	}
}

/// Sixteen columns of a packed matrix, from column `first` of row `row`.
#[inline(always)]
pub(super) fn packed_lanes<V: Lanes>(rows: &[f32], width: usize, row: usize, first: usize) -> V {
	V::load(&rows[row * width + first..].as_chunks().0[0])
}

/// R rows of D columns from row `first` on.
#[inline(always)]
pub(super) fn packed_rows<const R: usize>(
	rows: &[f32],
	width: usize,
	first: usize,
	d: usize,
) -> [&[f32]; R] {
	let mut out: [&[f32]; R] = [&[]; R];
	for r in 0..R {
		out[r] = &rows[(first + r) * width..][..d];
	}
	out
}

/// `scores[r][j] = scale * chain over d of q[r,d] k[j,d]` for R queries and all whole lanes up to `keys`.
#[inline(always)]
pub(super) fn dot_rows<V: Lanes, const R: usize>(
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
pub(super) fn weighted_rows<V: Lanes, const R: usize>(
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
