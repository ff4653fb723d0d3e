//! Sums in a fixed order: rows over sixteen virtual lanes, long vectors in blocks of 4096.
//!
//! Lane i takes the elements i, i + 16, i + 32, ... in order, starting from +0; a row that is no multiple of sixteen is
//! filled up with +0. The lanes are then added as a binary tree: i with i + 8, then i + 4, i + 2, i + 1.
//!
//! Must not know: what is summed. Source: numeric specification, section 4.
//! Invariants: the order depends on the length alone, never on threads or registers.

use super::lanes::{Lanes, LANES};
use super::{math, pieces, split_rows, Kernel, Operation};

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

/// What happens to a block of lanes, given the same block of N inputs.
///
/// A trait and not a closure, because only functions can be `#[inline(always)]`; see [`Operation`].
pub(crate) trait Step<const N: usize>: Copy {
	fn step<V: Lanes>(self, current: V, inputs: [V; N]) -> V;
}

/// Block `index` of every input.
#[inline(always)]
fn blocks<V: Lanes, const N: usize>(inputs: [&[f32]; N], index: usize) -> [V; N] {
	let mut lanes = [V::splat(0.0); N];
	for i in 0..N {
		lanes[i] = V::load(&inputs[i].as_chunks().0[index]);
	}
	lanes
}

/// What follows the last whole block of every input, filled up.
#[inline(always)]
fn rests<V: Lanes, const N: usize>(inputs: [&[f32]; N], fills: [f32; N]) -> [V; N] {
	let mut lanes = [V::splat(0.0); N];
	for i in 0..N {
		lanes[i] = V::load_partial(inputs[i].as_chunks::<LANES>().1, fills[i]);
	}
	lanes
}

/// Folds rows of one length into lanes; missing lanes of input i are `fills[i]`.
#[inline(always)]
pub(crate) fn fold<V: Lanes, const N: usize>(
	start: f32,
	inputs: [&[f32]; N],
	fills: [f32; N],
	step: impl Step<N>,
) -> V {
	let mut lanes = V::splat(start);
	for index in 0..inputs[0].len() / LANES {
		lanes = step.step(lanes, blocks(inputs, index));
	}
	if !inputs[0].len().is_multiple_of(LANES) {
		lanes = step.step(lanes, rests(inputs, fills));
	}
	lanes
}

/// `out[i] = step(out[i], inputs[i])`; all of one length.
#[inline(always)]
pub(crate) fn update<V: Lanes, const N: usize>(
	out: &mut [f32],
	inputs: [&[f32]; N],
	step: impl Step<N>,
) {
	let (out, rest) = out.as_chunks_mut::<LANES>();
	for (index, out) in out.iter_mut().enumerate() {
		step.step(V::load(out), blocks(inputs, index)).store(out);
	}
	if !rest.is_empty() {
		let current = V::load_partial(rest, 0.0);
		step.step(current, rests(inputs, [0.0; N]))
			.store_partial(rest);
	}
}

/// `out[i] = step(0, inputs[i])`; all of one length.
#[inline(always)]
pub(crate) fn map<V: Lanes, const N: usize>(
	out: &mut [f32],
	inputs: [&[f32]; N],
	step: impl Step<N>,
) {
	let zero = V::splat(0.0);
	let (out, rest) = out.as_chunks_mut::<LANES>();
	for (index, out) in out.iter_mut().enumerate() {
		step.step(zero, blocks(inputs, index)).store(out);
	}
	if !rest.is_empty() {
		step.step(zero, rests(inputs, [0.0; N])).store_partial(rest);
	}
}

/// `current + x`.
#[derive(Clone, Copy)]
pub(crate) struct Plus;

impl Step<1> for Plus {
	#[inline(always)]
	fn step<V: Lanes>(self, current: V, [x]: [V; 1]) -> V {
		current.add(x)
	}
}

/// `a + b`.
impl Step<2> for Plus {
	#[inline(always)]
	fn step<V: Lanes>(self, _: V, [a, b]: [V; 2]) -> V {
		a.add(b)
	}
}

/// `current + x x`, fused.
#[derive(Clone, Copy)]
struct PlusSquare;

impl Step<1> for PlusSquare {
	#[inline(always)]
	fn step<V: Lanes>(self, current: V, [x]: [V; 1]) -> V {
		x.fma(x, current)
	}
}

/// The greater of both.
#[derive(Clone, Copy)]
struct Greater;

impl Step<1> for Greater {
	#[inline(always)]
	fn step<V: Lanes>(self, current: V, [x]: [V; 1]) -> V {
		x.max(current)
	}
}

/// The sum of a row.
#[inline(always)]
pub(crate) fn row_sum<V: Lanes>(row: &[f32]) -> f32 {
	tree(fold::<V, 1>(0.0, [row], [0.0], Plus))
}

/// The greatest element of a row, minus infinity for none. NaN is passed over: callers check the sum for it.
#[inline(always)]
pub(crate) fn row_max<V: Lanes>(row: &[f32]) -> f32 {
	greatest(fold::<V, 1>(
		f32::NEG_INFINITY,
		[row],
		[f32::NEG_INFINITY],
		Greater,
	))
}

/// e^(x - shift).
#[derive(Clone, Copy)]
pub(crate) struct ShiftedExp(pub(crate) f32);

impl ShiftedExp {
	#[inline(always)]
	pub(crate) fn of<V: Lanes>(self, x: V) -> V {
		math::exp(x.sub(V::splat(self.0)))
	}
}

impl Step<1> for ShiftedExp {
	#[inline(always)]
	fn step<V: Lanes>(self, current: V, [x]: [V; 1]) -> V {
		current.add(self.of(x))
	}
}

/// Replaces a row by e^(x - shift); gives the lanes' sums. Missing lanes are e^-inf = +0.
#[inline(always)]
pub(crate) fn exponentials<V: Lanes>(row: &mut [f32], shift: f32) -> V {
	let e = ShiftedExp(shift);
	let mut sum = V::splat(0.0);
	let (blocks, rest) = row.as_chunks_mut::<LANES>();
	for block in blocks {
		let value = e.of(V::load(block));
		value.store(block);
		sum = sum.add(value);
	}
	if !rest.is_empty() {
		let value = e.of(V::load_partial(rest, f32::NEG_INFINITY));
		value.store_partial(rest);
		sum = sum.add(value);
	}
	sum
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
				Term::Square => tree(fold::<V, 1>(0.0, [block], [0.0], PlusSquare)),
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
	split_rows(
		&mut scratch[..blocks],
		1,
		pieces(values.len()),
		&|first, sums| {
			let end = (first + sums.len()).saturating_mul(BLOCK).min(values.len());
			kernel.run(BlockSums {
				values: &values[first * BLOCK..end],
				term,
				sums,
			});
		},
	);
	let mut count = blocks.max(1);
	while count > 1 {
		let fewer = count.div_ceil(BLOCK);
		for block in 0..fewer {
			let start = block * BLOCK;
			let end = (start + BLOCK).min(count);
			let mut sum = [0.0];
			let values = &scratch[start..end];
			kernel.run(BlockSums {
				values,
				term: Term::Plain,
				sums: &mut sum,
			});
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
		map::<V, 2>(self.out, [self.a, self.b], Plus);
	}
}

/// `out = a + b`, element by element; all of one length.
pub(crate) fn add(kernel: Kernel, a: &[f32], b: &[f32], out: &mut [f32]) {
	split_rows(out, 1, pieces(a.len() / 4), &|first, out| {
		let range = first..first + out.len();
		kernel.run(Sum {
			a: &a[range.clone()],
			b: &b[range],
			out,
		});
	});
}

/// `out = +0`, on the current pool.
pub(crate) fn zero(out: &mut [f32]) {
	let pieces = pieces(out.len() / 4);
	split_rows(out, 1, pieces, &|_, out| out.fill(0.0));
}

/// `out[i] = out[i] + x[i]`.
struct SumTo<'a> {
	x: &'a [f32],
	out: &'a mut [f32],
}

impl Operation for SumTo<'_> {
	type Output = ();

	#[inline(always)]
	fn run<V: Lanes>(self) {
		update::<V, 1>(self.out, [self.x], Plus);
	}
}

/// `out = out + x`, element by element; both of one length.
pub(crate) fn add_to(kernel: Kernel, x: &[f32], out: &mut [f32]) {
	split_rows(out, 1, pieces(x.len() / 4), &|first, out| {
		kernel.run(SumTo {
			x: &x[first..first + out.len()],
			out,
		});
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
		let Self {
			rows,
			width,
			first,
			sums,
		} = self;
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
	split_rows(
		sums,
		1,
		pieces(rows.len() / 2).min(width.div_ceil(64)),
		&|first, sums| {
			kernel.run(ColumnSums {
				rows,
				width,
				first,
				sums,
			});
		},
	);
}
