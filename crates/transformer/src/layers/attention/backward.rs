//! Backward pass: probabilities are rebuilt from scores and statistics, a block of queries at a time.
//!
//! Must not know: how the forward pass was split. Source: numeric specification, section 6.

use super::{sequence_pieces, Heads, QUERIES};
use crate::kernels::causal::{dot_rows, transpose_rows, weighted_columns, weighted_rows, Rows};
use crate::kernels::lanes::{Lanes, LANES};
use crate::kernels::reduce::{fold, tree, update, ShiftedExp, Step};
use crate::kernels::{split_work, Cut, Kernel, Operation};

/// Backward pass of some sequences; `dqkv` begins at the first of them, everything else at row 0.
struct Backward<'a> {
	heads: Heads,
	offsets: &'a [usize],
	qkv: &'a [f32],
	stats: &'a [f32],
	dout: &'a [f32],
	dqkv: &'a mut [f32],
	scratch: &'a mut [f32],
	/// Numbers of `scratch` for each piece.
	scratch_a_piece: usize,
}

/// Keys and values of one head, and where their gradients add up.
struct Memory<'a> {
	/// Positions of the sequence, filled up to whole lanes.
	padded: usize,
	/// `[D, padded T]`
	keys_transposed: &'a [f32],
	/// `[D, padded T]`
	values_transposed: &'a [f32],
	/// `[T, D]`
	keys: Rows<'a>,
	/// `[T, padded D]`, chains over the heads served, then queries.
	dkeys: &'a mut [f32],
	/// `[T, padded D]`, as above.
	dvalues: &'a mut [f32],
	/// `[QUERIES, padded T]`
	probabilities: &'a mut [f32],
	/// `[QUERIES, padded T]`
	dscores: &'a mut [f32],
}

/// The queries of one head of a sequence.
struct Queries<'a> {
	/// `[T, D]`
	rows: Rows<'a>,
	/// `[T, D]`
	dout: Rows<'a>,
	/// Greatest score and factor of query i are at `i * 2 H`.
	stats: &'a [f32],
	/// Query i's gradient is at `i * width`.
	dq: &'a mut [f32],
}

/// `count` queries from number `query` on: dq is written, dk and dv continue their chains.
#[inline(always)]
fn some_queries<V: Lanes>(
	heads: Heads,
	query: usize,
	count: usize,
	queries: &mut Queries<'_>,
	memory: &mut Memory<'_>,
) {
	let stride = memory.padded;
	let first_keys = query + 1;
	let (q, dout) = (queries.rows.skip(query), queries.dout.skip(query));
	let (p, ds) = (&mut *memory.probabilities, &mut *memory.dscores);
	let keys = Rows::new(memory.keys_transposed, stride, stride);
	let values = Rows::new(memory.values_transposed, stride, stride);
	dot_rows::<V>(q, count, keys, first_keys, Some(heads.scale()), p, stride);
	// dp_ij = do_i . v_j
	dot_rows::<V>(dout, count, values, first_keys, None, ds, stride);
	for r in 0..count {
		let keys = first_keys + r;
		let stats = &queries.stats[(query + r) * heads.n_heads * 2..][..2];
		softmax_backward::<V>(
			&mut p[r * stride..][..keys],
			&mut ds[r * stride..][..keys],
			stats[0],
			stats[1],
		);
	}
	let (p, ds) = (Rows::new(p, stride, stride), Rows::new(ds, stride, stride));
	// dq_i = scale * sum over j <= i of ds_ij k_j
	let dq = &mut queries.dq[query * heads.width()..];
	let scales = [heads.scale(); QUERIES];
	weighted_rows::<V>(
		ds,
		first_keys,
		memory.keys,
		&scales[..count],
		dq,
		heads.width(),
	);
	// dv_j += p_ij do_i and dk_j += ds_ij q_i, queries ascending.
	let padded_head = heads.padded_head();
	weighted_columns::<V>(p, count, first_keys, dout, memory.dvalues, padded_head);
	weighted_columns::<V>(ds, count, first_keys, q, memory.dkeys, padded_head);
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
			scratch,
			..
		} = self;
		let (c, d, padded_head) = (heads.d_model(), heads.d_head, heads.padded_head());
		let width = heads.width();
		let origin = offsets[0];
		for sequence in offsets.windows(2) {
			let (start, length) = (sequence[0], sequence[1] - sequence[0]);
			let padded = length.next_multiple_of(LANES);
			let (keys_transposed, rest) = scratch.split_at_mut(d * padded);
			let (values_transposed, rest) = rest.split_at_mut(d * padded);
			let (dkeys, rest) = rest.split_at_mut(length * padded_head);
			let (dvalues, rest) = rest.split_at_mut(length * padded_head);
			let (probabilities, dscores) = rest.split_at_mut(QUERIES * padded);
			for kv in 0..heads.n_kv_heads {
				let rows = &qkv[start * width + c + kv * d..];
				let keys = Rows::new(rows, width, d);
				let values = Rows::new(&rows[heads.d_keys()..], width, d);
				transpose_rows::<V>(keys, length, keys_transposed, padded);
				transpose_rows::<V>(values, length, values_transposed, padded);
				dkeys.fill(0.0);
				dvalues.fill(0.0);
				let mut memory = Memory {
					padded,
					keys_transposed,
					values_transposed,
					keys,
					dkeys,
					dvalues,
					probabilities,
					dscores,
				};
				for head in heads.served(kv) {
					let mut queries = Queries {
						rows: Rows::new(&qkv[start * width + head * d..], width, d),
						dout: Rows::new(&dout[start * c + head * d..], c, d),
						stats: &stats[(start * heads.n_heads + head) * 2..],
						dq: &mut dqkv[(start - origin) * width + head * d..],
					};
					for query in (0..length).step_by(QUERIES) {
						let count = QUERIES.min(length - query);
						some_queries::<V>(heads, query, count, &mut queries, &mut memory);
					}
				}
				let scale = heads.scale();
				let drows = &mut dqkv[(start - origin) * width + c + kv * d..];
				for t in 0..length {
					let drow = &mut drows[t * width..];
					for (to, dk) in drow[..d].iter_mut().zip(&dkeys[t * padded_head..]) {
						*to = *dk * scale;
					}
					drow[heads.d_keys()..][..d].copy_from_slice(&dvalues[t * padded_head..][..d]);
				}
			}
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
		scratch_a_piece: scratch.len() / pieces,
		scratch,
	};
	split_work(work, pieces, &|work| kernel.run(work));
}

impl Cut for Backward<'_> {
	fn rows(&self) -> usize {
		self.offsets.len() - 1
	}

	fn cut(self, sequences: usize) -> (Self, Self) {
		let Self {
			heads,
			offsets,
			qkv,
			stats,
			dout,
			..
		} = self;
		let rows = offsets[sequences] - offsets[0];
		let (dqkv, dqkv_right) = self.dqkv.split_at_mut(rows * heads.width());
		let (scratch, scratch_right) = self.scratch.split_at_mut(self.scratch_a_piece);
		let part = |offsets, dqkv, scratch| Self {
			heads,
			offsets,
			qkv,
			stats,
			dout,
			dqkv,
			scratch,
			scratch_a_piece: self.scratch_a_piece,
		};
		(
			part(&offsets[..=sequences], dqkv, scratch),
			part(&offsets[sequences..], dqkv_right, scratch_right),
		)
	}
}
