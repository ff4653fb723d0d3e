//! Sums in a fixed order: rows over sixteen virtual lanes, long vectors in blocks of 4096.
//!
//! Lane i takes the elements i, i + 16, i + 32, ... in order, starting from +0; a row that is no multiple of sixteen is
//! filled up with +0. The lanes are then added as a binary tree: i with i + 8, then i + 4, i + 2, i + 1.
//!
//! Must not know: what is summed. Source: numeric specification, section 4.
//! Invariants: the order depends on the length alone, never on threads or registers.

use super::lanes::{Lanes, LANES};
use super::{pieces, split_rows, Kernel, Operation};

/// Numbers a block of a long reduction.
pub(crate) const BLOCK: usize = 4096;

/// The binary tree over the lanes.
#[inline(always)]
pub(crate) fn tree<V: Lanes>(lanes: V) -> f32 {
	let mut l = lanes.to_array();
	for width in [8, 4, 2, 1] {
		for i in 0..width {
			l[i] += l[i + width];
		}
	}
	l[0]
}

/// The greatest lane; order does not matter to a maximum.
#[inline(always)]
pub(crate) fn greatest<V: Lanes>(lanes: V) -> f32 {
	let mut greatest = f32::NEG_INFINITY;
	for lane in lanes.to_array() {
		if lane > greatest {
			greatest = lane;
		}
	}
	greatest
}

/// Folds a row into lanes: `step(lanes, block)` for each block of sixteen, the last one filled up with `fill`.
#[inline(always)]
pub(crate) fn fold<V: Lanes>(
	row: &[f32],
	start: f32,
	fill: f32,
	mut step: impl FnMut(V, V) -> V,
) -> V {
	let mut lanes = V::splat(start);
	let (blocks, rest) = row.as_chunks::<LANES>();
	for block in blocks {
		lanes = step(lanes, V::load(block));
	}
	if !rest.is_empty() {
		lanes = step(lanes, V::load_partial(rest, fill));
	}
	lanes
}

/// Folds two rows of equal length at once, filled up with +0.
#[inline(always)]
pub(crate) fn fold_pair<V: Lanes>(a: &[f32], b: &[f32], mut step: impl FnMut(V, V, V) -> V) -> V {
	let mut lanes = V::splat(0.0);
	let (blocks_a, rest_a) = a.as_chunks::<LANES>();
	let (blocks_b, rest_b) = b.as_chunks::<LANES>();
	for (a, b) in blocks_a.iter().zip(blocks_b) {
		lanes = step(lanes, V::load(a), V::load(b));
	}
	if !rest_a.is_empty() {
		lanes = step(lanes, V::load_partial(rest_a, 0.0), V::load_partial(rest_b, 0.0));
	}
	lanes
}

/// The sum of a row.
#[inline(always)]
pub(crate) fn row_sum<V: Lanes>(row: &[f32]) -> f32 {
	tree(fold::<V>(row, 0.0, 0.0, V::add))
}

/// The greatest element of a row, minus infinity for none. NaN is passed over: callers check the sum for it.
#[inline(always)]
pub(crate) fn row_max<V: Lanes>(row: &[f32]) -> f32 {
	greatest(fold::<V>(row, f32::NEG_INFINITY, f32::NEG_INFINITY, |m, x| x.max(m)))
}

/// `out[i] = f(x[i])` by sixteen lanes.
#[inline(always)]
pub(crate) fn map<V: Lanes>(x: &[f32], out: &mut [f32], f: impl Fn(V) -> V) {
	let (blocks, rest) = x.as_chunks::<LANES>();
	let (out_blocks, out_rest) = out.as_chunks_mut::<LANES>();
	for (x, out) in blocks.iter().zip(out_blocks) {
		f(V::load(x)).store(out);
	}
	if !rest.is_empty() {
		f(V::load_partial(rest, 0.0)).store_partial(out_rest);
	}
}

/// `out[i] = f(out[i], x[i])` by sixteen lanes.
#[inline(always)]
pub(crate) fn update<V: Lanes>(out: &mut [f32], x: &[f32], f: impl Fn(V, V) -> V) {
	let (blocks, rest) = x.as_chunks::<LANES>();
	let (out_blocks, out_rest) = out.as_chunks_mut::<LANES>();
	for (x, out) in blocks.iter().zip(out_blocks) {
		f(V::load(out), V::load(x)).store(out);
	}
	if !rest.is_empty() {
		let value = f(V::load_partial(out_rest, 0.0), V::load_partial(rest, 0.0));
		value.store_partial(out_rest);
	}
}

/// What a long reduction adds up.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Term {
	/// The numbers themselves.
	Plain,
	/// Their squares, each fused into its lane.
	Square,
}

/// The sum of each run of [`BLOCK`] numbers.
struct BlockSums<'a> {
	values: &'a [f32],
	term: Term,
	sums: &'a mut [f32],
}

impl Operation for BlockSums<'_> {
	type Output = ();

	#[inline(always)]
	fn run<V: Lanes>(self) {
		for (block, sum) in self.values.chunks(BLOCK).zip(self.sums) {
			*sum = match self.term {
				Term::Plain => row_sum::<V>(block),
				Term::Square => tree(fold::<V>(block, 0.0, 0.0, |l, x| x.fma(x, l))),
			};
		}
	}
}

/// The sum of a long vector: blocks of 4096 as rows, the block sums the same way again, until one number is left.
///
/// `scratch` is working space, reused between calls.
pub(crate) fn long_sum(kernel: Kernel, values: &[f32], term: Term, scratch: &mut Vec<f32>) -> f32 {
	let blocks = values.len().div_ceil(BLOCK);
	scratch.clear();
	scratch.resize(blocks.max(1), 0.0);
	split_rows(&mut scratch[..blocks], 1, pieces(values.len()), &|first, sums| {
		let end = (first + sums.len()).saturating_mul(BLOCK).min(values.len());
		kernel.run(BlockSums { values: &values[first * BLOCK..end], term, sums });
	});
	let mut count = blocks.max(1);
	while count > 1 {
		let fewer = count.div_ceil(BLOCK);
		for block in 0..fewer {
			let start = block * BLOCK;
			let end = (start + BLOCK).min(count);
			let mut sum = [0.0];
			let values = &scratch[start..end];
			kernel.run(BlockSums { values, term: Term::Plain, sums: &mut sum });
			scratch[block] = sum[0];
		}
		count = fewer;
	}
	scratch[0]
}

/// `out[i] = a[i] + b[i]`.
struct Sum<'a> {
	a: &'a [f32],
	b: &'a [f32],
	out: &'a mut [f32],
}

impl Operation for Sum<'_> {
	type Output = ();

	#[inline(always)]
	fn run<V: Lanes>(self) {
		let (a, rest_a) = self.a.as_chunks::<LANES>();
		let (b, rest_b) = self.b.as_chunks::<LANES>();
		let (out, rest_out) = self.out.as_chunks_mut::<LANES>();
		for ((a, b), out) in a.iter().zip(b).zip(out) {
			V::load(a).add(V::load(b)).store(out);
		}
		for ((a, b), out) in rest_a.iter().zip(rest_b).zip(rest_out) {
			*out = *a + *b;
		}
	}
}

/// `out = a + b`, element by element; all of one length.
pub(crate) fn add(kernel: Kernel, a: &[f32], b: &[f32], out: &mut [f32]) {
	split_rows(out, 1, pieces(a.len() / 4), &|first, out| {
		let range = first..first + out.len();
		kernel.run(Sum { a: &a[range.clone()], b: &b[range], out });
	});
}

/// `out[i] = x[i] + out[i]`.
struct SumTo<'a> {
	x: &'a [f32],
	out: &'a mut [f32],
}

impl Operation for SumTo<'_> {
	type Output = ();

	#[inline(always)]
	fn run<V: Lanes>(self) {
		update::<V>(self.out, self.x, |out, x| x.add(out));
	}
}

/// `out = x + out`, element by element; both of one length.
pub(crate) fn add_to(kernel: Kernel, x: &[f32], out: &mut [f32]) {
	split_rows(out, 1, pieces(x.len() / 4), &|first, out| {
		kernel.run(SumTo { x: &x[first..first + out.len()], out });
	});
}

/// Column sums of a matrix, rows in order, continuing the chains that `sums` holds.
struct ColumnSums<'a> {
	rows: &'a [f32],
	width: usize,
	first: usize,
	sums: &'a mut [f32],
}

impl Operation for ColumnSums<'_> {
	type Output = ();

	#[inline(always)]
	fn run<V: Lanes>(self) {
		let Self { rows, width, first, sums } = self;
		let mut first = first;
		for columns in sums.chunks_mut(4 * LANES) {
			if let Some(columns) = columns.first_chunk_mut::<{ 4 * LANES }>() {
				let mut lanes = [V::splat(0.0); 4];
				let (blocks, _) = columns.as_chunks_mut::<LANES>();
				for (lane, block) in lanes.iter_mut().zip(&*blocks) {
					*lane = V::load(block);
				}
				for row in rows.chunks_exact(width) {
					let (row, _) = row[first..first + 4 * LANES].as_chunks::<LANES>();
					for (lane, block) in lanes.iter_mut().zip(row) {
						*lane = lane.add(V::load(block));
					}
				}
				for (lane, block) in lanes.into_iter().zip(blocks) {
					lane.store(block);
				}
			} else {
				for block in columns.chunks_mut(LANES) {
					let mut lane = V::load_partial(block, 0.0);
					for row in rows.chunks_exact(width) {
						lane = lane.add(V::load_partial(&row[first..first + block.len()], 0.0));
					}
					lane.store_partial(block);
					first += block.len();
				}
				continue;
			}
			first += 4 * LANES;
		}
	}
}

/// `sums[j] += rows[0][j]`, then `rows[1][j]`, and so on; `sums` has one number a column.
pub(crate) fn column_sums(kernel: Kernel, rows: &[f32], sums: &mut [f32]) {
	let width = sums.len();
	split_rows(sums, 1, pieces(rows.len() / 2).min(width.div_ceil(64)), &|first, sums| {
		kernel.run(ColumnSums { rows, width, first, sums });
	});
}
