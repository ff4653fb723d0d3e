//! Matrix product: every output element is one fused chain over k, ascending.
//!
//! `c[i,j] = fma(a[i,k], b[k,j], c[i,j])` for k = 0..K, from zero or from what `c` holds; a bias is added once after the
//! chain. A tile of outputs stays in registers while k runs over a block; between blocks it rests in `c`, which is exact.
//! Columns of a tile are lanes, threads take different columns or rows: the chain of an element is never cut in parallel.
//!
//! `b` is copied into panels of the tile's width, which also transposes it where needed; `a` is read where it lies, by two
//! strides. A single row (decoding a token) reads `b` in place.
//!
//! Must not know: layers. Source: numeric specification, section 3; blocking after Goto and van de Geijn 2008.
//! Invariants: lengths are checked against dimensions before any pointer is made.

// Rows and lanes of a tile are counted: an iterator would hide that the same index runs through several arrays.
#![allow(clippy::needless_range_loop)]

use core::mem::MaybeUninit;
use core::ops::Range;

use super::lanes::{Lanes, Tile, LANES};
use super::{pieces, split, Kernel, Operation};

/// Steps of k between two visits of a tile: a panel of 32 columns is then 16 KiB, half of a first-level cache.
const K_BLOCK: usize = 128;
/// Largest panel of any tile shape.
const PANEL: usize = K_BLOCK * 2 * LANES;
/// Largest tile of any shape.
const TILE: usize = 8 * 2 * LANES;

/// A dense matrix that may be read transposed.
#[derive(Clone, Copy)]
pub(crate) struct Matrix<'a> {
	data: &'a [f32],
	rows: usize,
	columns: usize,
	row_stride: usize,
	column_stride: usize,
}

impl<'a> Matrix<'a> {
	/// `data` as it lies: `rows` runs of `columns` numbers.
	pub(crate) fn new(data: &'a [f32], rows: usize, columns: usize) -> Self {
		assert_eq!(data.len(), rows * columns, "matrix of {rows} x {columns}");
		Self {
			data,
			rows,
			columns,
			row_stride: columns,
			column_stride: 1,
		}
	}

	/// The transposed view.
	pub(crate) fn transposed(self) -> Self {
		Self {
			data: self.data,
			rows: self.columns,
			columns: self.rows,
			row_stride: self.column_stride,
			column_stride: self.row_stride,
		}
	}
}

/// Where the chains start.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
	/// From +0.
	Zero,
	/// From what the output holds.
	Continue,
}

/// `c` [M, N] from `a` [M, K] and `b` [K, N]; `bias` [N] is added after the whole chain.
pub(crate) fn matmul(
	kernel: Kernel,
	a: Matrix<'_>,
	b: Matrix<'_>,
	bias: Option<&[f32]>,
	start: Start,
	c: &mut [f32],
) {
	let (m, k, n) = (a.rows, a.columns, b.columns);
	assert_eq!(b.rows, k, "inner dimensions");
	assert_eq!(c.len(), m * n, "output of {m} x {n}");
	assert!(bias.is_none_or(|bias| bias.len() == n), "bias of {n}");
	if m == 0 || n == 0 {
		return;
	}
	let product = Product {
		a,
		b,
		bias,
		start,
		c: Output(c.as_mut_ptr()),
		k,
		n,
	};
	let (tile_rows, tile_columns) = match kernel {
		Kernel::Avx512 => (8, 2 * LANES),
		_ => (6, LANES),
	};
	let pieces = pieces(m * n * k);
	let panels = n.div_ceil(tile_columns);
	let row_tiles = m.div_ceil(tile_rows);
	if panels >= 2 * pieces || panels >= row_tiles {
		split(0..panels, pieces, &|range| {
			let columns = range.start * tile_columns..(range.end * tile_columns).min(n);
			// The ranges of `split` are disjoint, so are these columns of `c`.
			kernel.run(Part {
				product: &product,
				rows: 0..m,
				columns,
			});
		});
	} else {
		split(0..row_tiles, pieces, &|range| {
			let rows = range.start * tile_rows..(range.end * tile_rows).min(m);
			// The ranges of `split` are disjoint, so are these rows of `c`.
			kernel.run(Part {
				product: &product,
				rows,
				columns: 0..n,
			});
		});
	}
}

/// The output, shared by threads that write disjoint parts of it.
struct Output(*mut f32);

// SAFETY: `matmul` gives every thread its own rows or columns, and the exclusive borrow of `c` outlives them all.
unsafe impl Send for Output {}
// SAFETY: as above.
unsafe impl Sync for Output {}

struct Product<'a> {
	a: Matrix<'a>,
	b: Matrix<'a>,
	bias: Option<&'a [f32]>,
	start: Start,
	c: Output,
	k: usize,
	n: usize,
}

/// The rows and columns of the output that one thread computes.
struct Part<'a, 'b> {
	product: &'a Product<'b>,
	rows: Range<usize>,
	columns: Range<usize>,
}

impl Operation for Part<'_, '_> {
	type Output = ();

	#[inline(always)]
	fn run<V: Lanes>(self) {
		if self.product.a.rows == 1 && self.product.b.column_stride == 1 {
			self.single_row::<V>();
			return;
		}
		match V::TILE {
			Tile::Wide => self.tiles::<V, 8, 2>(),
			Tile::Narrow => self.tiles::<V, 6, 1>(),
		}
	}
}

impl Part<'_, '_> {
	/// Panels of `N` lanes, blocks of k, tiles of `R` rows.
	#[inline(always)]
	fn tiles<V: Lanes, const R: usize, const N: usize>(&self) {
		let Product {
			a,
			k,
			n,
			bias,
			start,
			..
		} = *self.product;
		let width = N * LANES;
		let mut panel = [MaybeUninit::<f32>::uninit(); PANEL];
		let panel = panel.as_mut_ptr().cast::<f32>();
		for first_column in self.columns.clone().step_by(width) {
			let columns = width.min(self.columns.end - first_column);
			let mut first_k = 0;
			loop {
				let block = K_BLOCK.min(k - first_k);
				// SAFETY: `block <= K_BLOCK` and `width <= 2 * LANES`, so the panel holds `block * width` numbers.
				unsafe { self.pack::<V>(first_k, block, first_column, columns, width, panel) };
				let step = Step {
					// SAFETY: `first_k <= k` and the strides of `a` stay inside its checked length.
					a: unsafe { a.data.as_ptr().add(first_k * a.column_stride) },
					a_row: a.row_stride,
					a_k: a.column_stride,
					b: panel,
					b_k: width,
					block,
					load: first_k > 0 || start == Start::Continue,
					bias: if first_k + block == k { bias } else { None },
					first_column,
					columns,
					c: self.product.c.0,
					n,
				};
				let mut row = self.rows.start;
				while row + R <= self.rows.end {
					// SAFETY: rows and columns lie inside `c`, belong to this thread, and `a` has these rows.
					unsafe { step.tile::<V, R, N>(row) };
					row += R;
				}
				while row < self.rows.end {
					// The last rows, by smaller tiles.
					let left = self.rows.end - row;
					// SAFETY: as above, with at most `left` rows.
					row += unsafe {
						if left >= 6 {
							step.tile::<V, 6, N>(row);
							6
						} else if left >= 3 {
							step.tile::<V, 3, N>(row);
							3
						} else {
							step.tile::<V, 1, N>(row);
							1
						}
					};
				}
				first_k += block;
				if first_k >= k {
					break;
				}
			}
		}
	}

	/// Copies `b[first_k.., first_column..]` into rows of `width`, missing columns as zeros.
	///
	/// # Safety
	/// `panel` must have room for `block * width` numbers; the block must lie inside `b`.
	#[inline(always)]
	unsafe fn pack<V: Lanes>(
		&self,
		first_k: usize,
		block: usize,
		first_column: usize,
		columns: usize,
		width: usize,
		panel: *mut f32,
	) {
		let b = self.product.b;
		if b.column_stride == 1 && columns == width {
			for k in 0..block {
				let row = &b.data[(first_k + k) * b.row_stride + first_column..][..width];
				let (row, _) = row.as_chunks::<LANES>();
				for (lane, chunk) in row.iter().enumerate() {
					// SAFETY: `k < block` and the row has `width` numbers, for which the caller made room.
					unsafe { V::load(chunk).store_pointer(panel.add(k * width + lane * LANES)) };
				}
			}
			return;
		}
		if columns < width {
			for i in 0..block * width {
				// SAFETY: inside the room that the caller made.
				unsafe { panel.add(i).write(0.0) };
			}
		}
		if b.row_stride == 1 {
			// SAFETY: the caller's promise is the same.
			unsafe { self.pack_transposed(first_k, block, first_column, columns, width, panel) };
			return;
		}
		for k in 0..block {
			for column in 0..columns {
				let at = (first_k + k) * b.row_stride + (first_column + column) * b.column_stride;
				// SAFETY: `k < block` and `column < width`.
				unsafe { panel.add(k * width + column).write(b.data[at]) };
			}
		}
	}

	/// [`Part::pack`] where `b` lies transposed: squares of 16 x 16, read along k and written along columns.
	///
	/// # Safety
	/// As for `pack`.
	#[inline(always)]
	unsafe fn pack_transposed(
		&self,
		first_k: usize,
		block: usize,
		first_column: usize,
		columns: usize,
		width: usize,
		panel: *mut f32,
	) {
		let b = self.product.b;
		for k in (0..block).step_by(LANES) {
			let steps = LANES.min(block - k);
			for column in 0..columns {
				let start = (first_column + column) * b.column_stride + first_k + k;
				let row = &b.data[start..start + steps];
				let mut to = panel.wrapping_add(k * width + column);
				for value in row {
					// SAFETY: steps of k below `block`, in a column below `width`: inside the caller's room.
					unsafe { *to = *value };
					to = to.wrapping_add(width);
				}
			}
		}
	}

	/// One row of output: four lanes' chains at a time, `b` read in place.
	#[inline(always)]
	fn single_row<V: Lanes>(&self) {
		let Product {
			a,
			b,
			bias,
			start,
			n,
			..
		} = *self.product;
		let mut column = self.columns.start;
		while column < self.columns.end {
			let columns = (4 * LANES).min(self.columns.end - column);
			let mut out = [0.0; 4 * LANES];
			// SAFETY: the columns lie inside the only row of `c` and belong to this thread.
			let c =
				unsafe { core::slice::from_raw_parts_mut(self.product.c.0.add(column), columns) };
			if start == Start::Continue {
				out[..columns].copy_from_slice(c);
			}
			let (lanes, _) = out.as_chunks_mut::<LANES>();
			let mut sums = [V::splat(0.0); 4];
			for (sum, lane) in sums.iter_mut().zip(&*lanes) {
				*sum = V::load(lane);
			}
			for (k, row) in b.data.chunks_exact(n).enumerate() {
				let factor = V::splat(a.data[k * a.column_stride]);
				let row = &row[column..column + columns];
				if columns == 4 * LANES {
					let (row, _) = row.as_chunks::<LANES>();
					for (sum, chunk) in sums.iter_mut().zip(row) {
						*sum = factor.fma(V::load(chunk), *sum);
					}
				} else {
					for (sum, chunk) in sums.iter_mut().zip(row.chunks(LANES)) {
						*sum = factor.fma(V::load_partial(chunk, 0.0), *sum);
					}
				}
			}
			for (sum, lane) in sums.into_iter().zip(lanes) {
				sum.store(lane);
			}
			match bias {
				Some(bias) => {
					for ((c, sum), bias) in c.iter_mut().zip(out).zip(&bias[column..]) {
						*c = sum + *bias;
					}
				}
				None => c.copy_from_slice(&out[..columns]),
			}
			column += columns;
		}
	}
}

/// One block of k for one panel of columns.
struct Step<'a> {
	/// At the block's first k, row 0.
	a: *const f32,
	a_row: usize,
	a_k: usize,
	b: *const f32,
	b_k: usize,
	block: usize,
	load: bool,
	bias: Option<&'a [f32]>,
	first_column: usize,
	columns: usize,
	c: *mut f32,
	n: usize,
}

impl Step<'_> {
	/// Rows `row..row + R` of the panel.
	///
	/// # Safety
	/// Rows and columns must lie inside `c` and be this thread's alone; `a` must have the rows, `b` the panel.
	#[inline(always)]
	unsafe fn tile<V: Lanes, const R: usize, const N: usize>(&self, row: usize) {
		let width = N * LANES;
		// SAFETY: inside `c` by the caller's promise.
		let c = unsafe { self.c.add(row * self.n + self.first_column) };
		if self.columns == width {
			// SAFETY: all `R * width` numbers at this stride are inside `c` and this thread's.
			unsafe { self.accumulate::<V, R, N>(row, c, self.n) };
			return;
		}
		// The last, narrow panel: through a full tile of its own.
		let mut buffer = [0.0_f32; TILE];
		for r in 0..R {
			for j in 0..self.columns {
				// SAFETY: `j < columns`, inside row `row + r` of `c`.
				buffer[r * width + j] = unsafe { *c.add(r * self.n + j) };
			}
		}
		// SAFETY: the buffer holds `R * width` numbers.
		unsafe { self.accumulate::<V, R, N>(row, buffer.as_mut_ptr(), width) };
		for r in 0..R {
			for j in 0..self.columns {
				// SAFETY: as for the reading.
				unsafe { *c.add(r * self.n + j) = buffer[r * width + j] };
			}
		}
	}

	/// Runs the chains of a full tile over the block.
	///
	/// # Safety
	/// `c` must hold `R` rows of `N * 16` numbers at the stride `c_row`, this thread's alone; `a` and `b` as for `tile`.
	#[inline(always)]
	unsafe fn accumulate<V: Lanes, const R: usize, const N: usize>(
		&self,
		row: usize,
		c: *mut f32,
		c_row: usize,
	) {
		let mut sums = [[V::splat(0.0); N]; R];
		if self.load {
			for r in 0..R {
				for l in 0..N {
					// SAFETY: inside the tile.
					sums[r][l] = unsafe { V::load_pointer(c.add(r * c_row + l * LANES)) };
				}
			}
		}
		// SAFETY: row `row` exists in `a`.
		let mut a = unsafe { self.a.add(row * self.a_row) };
		let mut b = self.b;
		for _ in 0..self.block {
			let mut columns = [V::splat(0.0); N];
			for l in 0..N {
				// SAFETY: the panel has `block` rows of `N * 16` numbers.
				columns[l] = unsafe { V::load_pointer(b.wrapping_add(l * LANES)) };
			}
			for r in 0..R {
				// SAFETY: `a` has the rows `row..row + R` and this k.
				let factor = V::splat(unsafe { *a.wrapping_add(r * self.a_row) });
				for l in 0..N {
					sums[r][l] = factor.fma(columns[l], sums[r][l]);
				}
			}
			// One past the last k may lie outside the allocation, so no promise of `add` is made.
			a = a.wrapping_add(self.a_k);
			b = b.wrapping_add(self.b_k);
		}
		if let Some(bias) = self.bias {
			let bias = &bias[self.first_column..self.first_column + self.columns];
			for l in 0..N {
				let from = (l * LANES).min(bias.len());
				let to = (from + LANES).min(bias.len());
				let lanes = V::load_partial(&bias[from..to], 0.0);
				for sum in &mut sums {
					sum[l] = sum[l].add(lanes);
				}
			}
		}
		for r in 0..R {
			for l in 0..N {
				// SAFETY: inside the tile.
				unsafe { sums[r][l].store_pointer(c.add(r * c_row + l * LANES)) };
			}
		}
	}
}
