//! The order of the loops: a block of columns and of k is packed, then blocks of rows run over it.
//!
//! A panel of columns (at most 32 KiB) is meant for the first-level cache, a block of packed rows for the second.
//! Must not know: threads; it computes the rows and columns that it is given. Source: Goto and van de Geijn 2008.
//! Invariants: k ascends; a tile is visited once a block of k.

use core::ops::Range;

use super::pack::{self, pack, Panels};
use super::tile::Tile;
use super::{Kernel, Product, Start};
use crate::kernels::lanes::{self, Lanes, LANES};
use crate::kernels::Operation;

/// Steps of k between two visits of a tile.
pub(super) const K_BLOCK: usize = 384;
/// Rows that are packed together; rounded down to whole tiles.
pub(super) const ROW_BLOCK: usize = 224;
/// Columns that are packed together.
pub(super) const COLUMN_BLOCK: usize = 768;

/// Computes `rows` x `columns` of the output, which must be the caller's alone.
pub(super) fn multiply(
	kernel: Kernel,
	product: &Product<'_>,
	rows: Range<usize>,
	columns: Range<usize>,
) {
	debug_assert!(rows.end <= product.m && columns.end <= product.n);
	pack::with_panels(|panels| {
		kernel.run(Part {
			product,
			rows,
			columns,
			panels,
		});
	});
}

struct Part<'a, 'b> {
	product: &'a Product<'b>,
	rows: Range<usize>,
	columns: Range<usize>,
	panels: &'a mut Panels,
}

impl Operation for Part<'_, '_> {
	type Output = ();

	#[inline(always)]
	fn run<V: Lanes>(self) {
		match V::TILE {
			lanes::Tile::Wide => self.blocks::<V, 14, 16, 2, 32>(),
			lanes::Tile::Narrow => self.blocks::<V, 6, 8, 1, 16>(),
		}
	}
}

impl Part<'_, '_> {
	/// Tiles of `R` rows, which take `P` places in a panel, and of `N` lanes, that is, `W` columns.
	#[inline(always)]
	fn blocks<V: Lanes, const R: usize, const P: usize, const N: usize, const W: usize>(self) {
		let Self {
			product,
			rows,
			columns,
			panels,
		} = self;
		let Product { a, b, k, .. } = *product;
		let (packed_a, packed_b) = panels.split();
		// Blocks of k of about equal length.
		let steps_a_block = k.div_ceil(k.div_ceil(K_BLOCK).max(1));
		let row_block = ROW_BLOCK / R * R;
		// Blocks of columns of about equal width, in whole panels.
		let column_blocks = columns.len().div_ceil(COLUMN_BLOCK).max(1);
		let column_block = columns.len().div_ceil(column_blocks).next_multiple_of(W);
		let mut column = columns.start;
		while column < columns.end {
			let last_column = (column + column_block).min(columns.end);
			let mut first_k = 0;
			loop {
				let steps = steps_a_block.min(k - first_k);
				let b = b.transposed();
				// SAFETY: `steps <= K_BLOCK` and at most `COLUMN_BLOCK` columns, for which `Panels` has room; all inside `b`.
				unsafe {
					pack::<V, W, W>(b, column..last_column, first_k..first_k + steps, packed_b);
				}
				let mut row = rows.start;
				while row < rows.end {
					let last_row = (row + row_block).min(rows.end);
					// SAFETY: `steps <= K_BLOCK` and at most `ROW_BLOCK` rows, for which `Panels` has room; all inside `a`.
					unsafe {
						pack::<V, R, P>(a, row..last_row, first_k..first_k + steps, packed_a)
					};
					let step = Step {
						product,
						a: packed_a,
						b: packed_b,
						first_k,
						steps,
					};
					// SAFETY: the panels were just packed for these rows and columns, which are this thread's.
					unsafe { step.tiles::<V, R, P, N, W>(row..last_row, column..last_column) };
					row = last_row;
				}
				first_k += steps;
				if first_k >= k {
					break;
				}
			}
			column = last_column;
		}
	}
}

/// A block of rows, of columns and of k, packed.
struct Step<'a, 'b> {
	product: &'a Product<'b>,
	a: *const f32,
	b: *const f32,
	first_k: usize,
	steps: usize,
}

impl Step<'_, '_> {
	/// All tiles of the block.
	///
	/// # Safety
	/// The panels must hold these rows and columns for `steps`; the output's part must be this thread's alone.
	#[inline(always)]
	unsafe fn tiles<V: Lanes, const R: usize, const P: usize, const N: usize, const W: usize>(
		&self,
		rows: Range<usize>,
		columns: Range<usize>,
	) {
		let Product {
			ref c,
			n,
			k,
			start,
			bias,
			..
		} = *self.product;
		let last = self.first_k + self.steps >= k;
		let load = self.first_k > 0 || start == Start::Continue;
		let mut column = columns.start;
		let mut b = self.b;
		while column < columns.end {
			let width = W.min(columns.end - column);
			let mut row = rows.start;
			let mut a = self.a;
			while row < rows.end {
				let height = R.min(rows.end - row);
				let tile = Tile {
					a,
					b,
					steps: self.steps,
					// The last number of the tile lies in its last row.
					c: c.at(row * n + column, (height - 1) * n + width),
					c_stride: n,
					load,
					bias: bias
						.filter(|_| last)
						.map(|bias| &bias[column..column + width]),
					columns: width,
				};
				// SAFETY: the panels hold `steps` vectors of this row and column panel; `c` has just been checked.
				unsafe {
					if N > 1 && width <= LANES {
						tile.run::<V, R, P, 1, W>(height);
					} else {
						tile.run::<V, R, P, N, W>(height);
					}
				}
				a = a.wrapping_add(P * self.steps);
				row += height;
			}
			b = b.wrapping_add(W * self.steps);
			column += width;
		}
	}
}
