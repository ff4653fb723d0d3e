//! One row times a matrix: what decoding a token does, bound by the speed of memory.
//!
//! The matrix is read once, in place and in the order in which it lies. Where its rows run along the output, the outputs
//! wait in the first-level cache while eight rows at a time are added; where they run along k (a tied head), squares of
//! sixteen by sixteen are transposed in registers.
//! Must not know: layers. Source: numeric specification, section 3.
//! Invariants: the chains are those of the general product.

// Rows and lanes are counted: an iterator would hide that the same index runs through several arrays.
#![allow(clippy::needless_range_loop)]

use core::ops::Range;

use super::{cut, row_parts, Kernel, Product, Start};
use crate::kernels::lanes::{Lanes, LANES};
use crate::kernels::{crew, prefetch, Operation};

/// Rows of the matrix that are added in one pass over the outputs.
const ROWS: usize = 8;
/// Outputs of one pass: 4 KiB, so that they stay in the first-level cache.
const OUTPUTS: usize = 1024;

/// Computes the only row of the output, on the current pool.
pub(super) fn multiply(kernel: Kernel, product: &Product<'_>) {
	debug_assert_eq!(product.m, 1);
	let parts = row_parts(product.k, product.n);
	crew::each_index(parts, &|part| {
		// The parts of a cut are disjoint, and so are these columns of `c`.
		let columns = cut(product.n, 4 * LANES, parts, part);
		kernel.run(Row { product, columns });
	});
}

struct Row<'a, 'b> {
	product: &'a Product<'b>,
	columns: Range<usize>,
}

impl Operation for Row<'_, '_> {
	type Output = ();

	#[inline(always)]
	fn run<V: Lanes>(self) {
		if self.columns.is_empty() {
			return;
		}
		if self.product.b.column_stride == 1 {
			let mut column = self.columns.start;
			while column < self.columns.end {
				let end = (column + OUTPUTS).min(self.columns.end);
				self.along::<V>(column..end);
				column = end;
			}
		} else {
			for column in self.columns.clone().step_by(LANES) {
				self.across::<V>(column, LANES.min(self.columns.end - column));
			}
		}
	}
}

impl Row<'_, '_> {
	/// Where the chains of columns start.
	///
	/// # Safety
	/// `count` columns from `column` on must be this thread's.
	#[inline(always)]
	unsafe fn start<V: Lanes>(&self, column: usize, count: usize) -> V {
		match self.product.start {
			Start::Zero => V::splat(0.0),
			// SAFETY: by the caller's promise.
			Start::Continue => unsafe { V::load_first(self.product.c.at(column, count), count) },
		}
	}

	/// Adds the bias and stores.
	///
	/// # Safety
	/// `count` columns from `column` on must be this thread's.
	#[inline(always)]
	unsafe fn finish<V: Lanes>(&self, sums: V, column: usize, count: usize) {
		let sums = match self.product.bias {
			Some(bias) => sums.add(V::load_partial(&bias[column..column + count], 0.0)),
			None => sums,
		};
		// SAFETY: by the caller's promise.
		unsafe { sums.store_first(self.product.c.at(column, count), count) };
	}

	/// The factor of step k, in all lanes.
	#[inline(always)]
	fn factor<V: Lanes>(&self, k: usize) -> V {
		let a = self.product.a;
		V::splat(a.data[k * a.column_stride])
	}

	/// `columns` of a matrix whose rows lie along them.
	#[inline(always)]
	fn along<V: Lanes>(&self, columns: Range<usize>) {
		let k = self.product.k;
		let mut first = 0;
		while first + ROWS <= k {
			self.some_rows::<V, ROWS>(first, columns.clone());
			first += ROWS;
		}
		while first < k {
			self.some_rows::<V, 1>(first, columns.clone());
			first += 1;
		}
		if k == 0 {
			self.some_rows::<V, 0>(0, columns);
		}
	}

	/// Steps `first..first + R` of the chains of `columns`.
	#[inline(always)]
	fn some_rows<V: Lanes, const R: usize>(&self, first: usize, columns: Range<usize>) {
		let Product { b, k, ref c, .. } = *self.product;
		let mut factors = [V::splat(0.0); R];
		for r in 0..R {
			factors[r] = self.factor(first + r);
		}
		let last = first + R >= k;
		let mut column = columns.start;
		while column < columns.end {
			let count = LANES.min(columns.end - column);
			// SAFETY: these columns are this thread's; row `first + r` has them.
			unsafe {
				let mut sums = match first {
					0 => self.start::<V>(column, count),
					_ if count == LANES => V::load_pointer(c.at(column, count)),
					_ => V::load_first(c.at(column, count), count),
				};
				for r in 0..R {
					let from = b.at(first + r, column);
					prefetch(from.wrapping_add(R * b.row_stride));
					let row = match count {
						LANES => V::load_pointer(from),
						_ => V::load_first(from, count),
					};
					sums = factors[r].fma(row, sums);
				}
				if last {
					self.finish(sums, column, count);
				} else if count == LANES {
					sums.store_pointer(c.at(column, count));
				} else {
					sums.store_first(c.at(column, count), count);
				}
			}
			column += count;
		}
	}

	/// `count` columns, at most sixteen, of a matrix that lies along k.
	#[inline(always)]
	fn across<V: Lanes>(&self, column: usize, count: usize) {
		let Product { b, k, .. } = *self.product;
		// SAFETY: these columns are this thread's.
		let mut sums: V = unsafe { self.start(column, count) };
		let mut first = 0;
		while first < k {
			let steps = LANES.min(k - first);
			let mut rows = [V::splat(0.0); LANES];
			for i in 0..LANES {
				if i < count {
					let from = b.at(first, column + i);
					// The next sixteen columns follow these in memory.
					prefetch(from.wrapping_add(LANES * b.column_stride));
					// SAFETY: `steps` numbers of column `column + i`.
					rows[i] = unsafe {
						match steps {
							LANES => V::load_pointer(from),
							_ => V::load_first(from, steps),
						}
					};
				}
			}
			let rows = V::transpose(rows);
			if steps == LANES {
				for s in 0..LANES {
					sums = self.factor::<V>(first + s).fma(rows[s], sums);
				}
			} else {
				for s in 0..steps {
					sums = self.factor::<V>(first + s).fma(rows[s], sums);
				}
			}
			first += steps;
		}
		// SAFETY: these columns are this thread's.
		unsafe { self.finish(sums, column, count) };
	}
}
