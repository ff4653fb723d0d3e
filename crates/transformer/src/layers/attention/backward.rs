//! Backward pass: probabilities are rebuilt from scores and statistics, four queries at a time.
//!
//! Must not know: how the forward pass was split. Source: numeric specification, section 6.

use super::packed::{dot_rows, pack_columns, pack_rows, packed_lanes, packed_rows, weighted_rows};
use super::{sequence_pieces, Heads, QUERIES};
use crate::kernels::lanes::{Lanes, LANES};
use crate::kernels::reduce::{fold, tree, update, ShiftedExp, Step};
use crate::kernels::{Kernel, Operation};

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

/// `dqkv` from `dout`; arguments as in [`super::forward()`], whose `qkv` and `stats` are wanted back.
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
