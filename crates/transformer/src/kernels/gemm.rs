//! Matrix product: every output element is one fused chain over k, ascending.
//!
//! `c[i,j] = fma(a[i,k], b[k,j], c[i,j])` for k = 0..K, from zero or from what `c` holds; a bias is added once after the
//! chain. A tile of outputs stays in registers while k runs over a block; between blocks it rests in `c`, which is exact.
//! Columns of a tile are lanes, threads take different columns or rows: the chain of an element is never cut in parallel.
//!
//! Both operands are copied into panels as wide as a tile, which also transposes them where needed, so callers need no
//! transposed tables. A single row (decoding a token) reads `b` in place.
//!
//! Reading order: here (who computes what), `blocks` (order of the loops), `pack`, `tile` (registers), `row` (one row).
//! Must not know: layers. Source: numeric specification, section 3; blocking after Goto and van de Geijn 2008.
//! Invariants: lengths are checked against dimensions before any pointer is made; nothing is allocated but, once a thread,
//! the room for the panels.

mod blocks;
mod pack;
mod row;
mod tile;

use core::ops::Range;

use super::lanes::LANES;
use super::{crew, Kernel, MAX_PIECES};

pub(crate) use pack::prepare;

/// Fused multiply-adds that are worth another thread: some microseconds.
const WORTH_A_PIECE: usize = 1 << 17;
/// From so many on, work is cut finer than threads, to even out a core that others use too.
const WORTH_EVENING: usize = 1 << 26;
/// Numbers of a streamed matrix that are worth another thread.
const WORTH_A_STREAM: usize = 1 << 16;

/// A dense matrix that may be read transposed.
#[derive(Clone, Copy)]
pub(crate) struct Matrix<'a> {
	data: &'a [f32],
	rows: usize,
	columns: usize,
	/// One of both strides is 1.
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

	/// Address of an element; one past an end is allowed, where nothing is read.
	#[inline(always)]
	fn at(&self, row: usize, column: usize) -> *const f32 {
		debug_assert!(row <= self.rows && column <= self.columns);
		self.data
			.as_ptr()
			.wrapping_add(row * self.row_stride + column * self.column_stride)
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
		c: Output {
			first: c.as_mut_ptr(),
			length: c.len(),
		},
		m,
		k,
		n,
	};
	if m == 1 {
		row::multiply(kernel, &product);
		return;
	}
	let grid = Grid::of(kernel, m, k, n);
	crew::each_index(grid.pieces(), &|piece| {
		// The parts of a grid are disjoint, and so are these rows and columns of `c`.
		blocks::multiply(kernel, &product, grid.rows(piece), grid.columns(piece));
	});
}

/// The output, shared by threads that write disjoint parts of it.
struct Output {
	first: *mut f32,
	length: usize,
}

// SAFETY: `matmul` gives every thread its own rows or columns, and the exclusive borrow of `c` outlives them all.
unsafe impl Send for Output {}
// SAFETY: as above.
unsafe impl Sync for Output {}

impl Output {
	/// Address of the element `index`, from which `count` numbers will be used.
	#[inline(always)]
	fn at(&self, index: usize, count: usize) -> *mut f32 {
		debug_assert!(index + count <= self.length);
		self.first.wrapping_add(index)
	}
}

/// Checked operands of one product.
struct Product<'a> {
	a: Matrix<'a>,
	b: Matrix<'a>,
	bias: Option<&'a [f32]>,
	start: Start,
	c: Output,
	m: usize,
	k: usize,
	n: usize,
}

/// Rows and columns of a register tile.
fn tile_shape(kernel: Kernel) -> (usize, usize) {
	match kernel {
		Kernel::Avx512 => (14, 2 * LANES),
		_ => (6, LANES),
	}
}

/// How an output is cut into parts for threads.
struct Grid {
	m: usize,
	n: usize,
	tile: (usize, usize),
	down: usize,
	across: usize,
}

impl Grid {
	/// The cut with the least work for the busiest thread, copies of the operands included.
	fn of(kernel: Kernel, m: usize, k: usize, n: usize) -> Self {
		let tile = tile_shape(kernel);
		let work = m * n * k;
		let threads = rayon::current_num_threads().clamp(1, MAX_PIECES / 2);
		let pieces = match work / WORTH_A_PIECE {
			0 | 1 => 1,
			_ if threads == 1 => 1,
			_ if work >= WORTH_EVENING * threads => 2 * threads,
			worth => worth.min(threads),
		};
		let mut best = (usize::MAX, 1, 1);
		for down in (1..=pieces).filter(|down| pieces.is_multiple_of(*down)) {
			let across = pieces / down;
			let rows = m.div_ceil(tile.0).div_ceil(down) * tile.0;
			let columns = n.div_ceil(tile.1).div_ceil(across) * tile.1;
			// A step of the chains of a tile row takes a cycle; copying a number takes about a fifth.
			let cost = rows * columns / tile.1 + (rows + columns) / 5;
			if cost < best.0 {
				best = (cost, down, across);
			}
		}
		let (_, down, across) = best;
		Self {
			m,
			n,
			tile,
			down,
			across,
		}
	}

	fn pieces(&self) -> usize {
		self.down * self.across
	}

	fn rows(&self, piece: usize) -> Range<usize> {
		cut(self.m, self.tile.0, self.down, piece / self.across)
	}

	fn columns(&self, piece: usize) -> Range<usize> {
		cut(self.n, self.tile.1, self.across, piece % self.across)
	}
}

/// Part `index` of `parts` of `0..length`, cut at multiples of `unit`.
fn cut(length: usize, unit: usize, parts: usize, index: usize) -> Range<usize> {
	let units = length.div_ceil(unit);
	let at = |index: usize| (units * index / parts * unit).min(length);
	at(index)..at(index + 1)
}

/// Into how many parts the columns of a single row are cut.
fn row_parts(k: usize, n: usize) -> usize {
	match rayon::current_num_threads() {
		0 | 1 => 1,
		threads => (k * n / WORTH_A_STREAM).clamp(1, threads),
	}
}
