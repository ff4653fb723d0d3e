//! The small products of attention, whose row i stops at key i: scores, weighted rows, and weighted rows the other way.
//!
//! A tile of outputs stays in registers; what only some of its rows may see is added by a triangle of steps, so nothing is
//! ever added as a zero. Operands are read where they lie, at strides; only `columns` of [`dot_rows`] are transposed before,
//! by [`transpose_rows`].
//!
//! Must not know: softmax, heads, which of q, k, v it reads. Source: numeric specification, section 6.
//! Invariants: each output is one chain in ascending order; lengths are checked before any pointer is made.

// A tile's operands and their strides are its arguments.
// Rows and lanes of a tile are counted: an iterator would hide that the same index runs through several arrays.
#![allow(clippy::needless_range_loop, clippy::too_many_arguments)]

#[cfg(test)]
mod tests;

use super::lanes::{Lanes, LANES};

/// Rows of a tile. Blocks of queries begin at multiples of it.
pub(crate) const TILE_ROWS: usize = 8;
/// Lanes of a tile.
const TILE_LANES: usize = 2;

/// Rows of a matrix: row i is `data[i * stride..][..width]`.
#[derive(Clone, Copy)]
pub(crate) struct Rows<'a> {
	data: &'a [f32],
	stride: usize,
	width: usize,
}

impl<'a> Rows<'a> {
	/// At least one row of `width` numbers, `stride` apart.
	pub(crate) fn new(data: &'a [f32], stride: usize, width: usize) -> Self {
		assert!(width <= stride, "rows of {width} at a stride of {stride}");
		Self {
			data,
			stride,
			width,
		}
	}

	/// Without the first `count` rows.
	pub(crate) fn skip(self, count: usize) -> Self {
		Self {
			data: &self.data[count * self.stride..],
			..self
		}
	}

	/// Refuses to go on with fewer than `count` rows.
	#[inline(always)]
	fn check(&self, count: usize) {
		let needed = match count {
			0 => 0,
			_ => (count - 1) * self.stride + self.width,
		};
		assert!(needed <= self.data.len(), "{count} rows wanted");
	}

	/// Address of an element of a row that [`Rows::check`] has seen.
	#[inline(always)]
	fn at(&self, row: usize, column: usize) -> *const f32 {
		debug_assert!(column < self.width && row * self.stride + column < self.data.len());
		self.data.as_ptr().wrapping_add(row * self.stride + column)
	}
}

/// Room of an output of `count` rows of `width` numbers at `stride`.
#[inline(always)]
fn check_output(out: &[f32], stride: usize, count: usize, width: usize) {
	let needed = match count {
		0 => 0,
		_ => (count - 1) * stride + width,
	};
	assert!(
		width <= stride && needed <= out.len(),
		"output of {count} x {width}"
	);
}

/// Sixteen numbers, or the first `count` of them.
///
/// # Safety
/// `from..from + count` must be readable.
#[inline(always)]
unsafe fn load<V: Lanes>(from: *const f32, count: usize) -> V {
	// SAFETY: by the caller's promise.
	unsafe {
		if count == LANES {
			V::load_pointer(from)
		} else {
			V::load_first(from, count)
		}
	}
}

/// Writes sixteen numbers, or the first `count` of them.
///
/// # Safety
/// `to..to + count` must be writable and nobody else's.
#[inline(always)]
unsafe fn store<V: Lanes>(lanes: V, to: *mut f32, count: usize) {
	// SAFETY: by the caller's promise.
	unsafe {
		if count == LANES {
			lanes.store_pointer(to);
		} else {
			lanes.store_first(to, count);
		}
	}
}

/// `to[d * stride + t] = rows[t][d]` for `count` rows; what fills `to` up to whole lanes is zero.
#[inline(always)]
pub(crate) fn transpose_rows<V: Lanes>(
	rows: Rows<'_>,
	count: usize,
	to: &mut [f32],
	stride: usize,
) {
	rows.check(count);
	check_output(to, stride, rows.width, count.next_multiple_of(LANES));
	let to = to.as_mut_ptr();
	for first in (0..count).step_by(LANES) {
		let some = LANES.min(count - first);
		for column in (0..rows.width).step_by(LANES) {
			let columns = LANES.min(rows.width - column);
			let mut square = [V::splat(0.0); LANES];
			for i in 0..LANES {
				if i < some {
					// SAFETY: `columns` numbers of row `first + i`, which was checked.
					square[i] = unsafe { load(rows.at(first + i, column), columns) };
				}
			}
			let square = V::transpose(square);
			for j in 0..LANES {
				if j < columns {
					// SAFETY: row `column + j` has room for `first + 16` numbers, which was checked.
					unsafe {
						square[j].store_pointer(to.wrapping_add((column + j) * stride + first))
					};
				}
			}
		}
	}
}

/// `out[r][j] = scale * chain over d of rows[r][d] columns[d][j]` for the keys j that row r sees: `first_keys + r`.
///
/// Up to whole tiles more is written, which nobody may read. `columns` has one row a d.
#[inline(always)]
pub(crate) fn dot_rows<V: Lanes>(
	rows: Rows<'_>,
	count: usize,
	columns: Rows<'_>,
	first_keys: usize,
	scale: Option<f32>,
	out: &mut [f32],
	out_stride: usize,
) {
	rows.check(count);
	columns.check(rows.width);
	let keys = (first_keys + count.max(1) - 1).next_multiple_of(LANES);
	assert!(keys <= columns.width, "{keys} keys of {}", columns.width);
	check_output(out, out_stride, count, keys);
	let work = Dots {
		rows,
		columns,
		scale,
		out: out.as_mut_ptr(),
		out_stride,
	};
	let mut row = 0;
	// SAFETY: rows below `count`, and keys up to whole lanes: all were checked.
	unsafe {
		while row + TILE_ROWS <= count {
			work.row_of_tiles::<V, TILE_ROWS>(row, first_keys + row + TILE_ROWS - 1);
			row += TILE_ROWS;
		}
		while row < count {
			work.row_of_tiles::<V, 1>(row, first_keys + row);
			row += 1;
		}
	}
}

struct Dots<'a> {
	rows: Rows<'a>,
	columns: Rows<'a>,
	scale: Option<f32>,
	out: *mut f32,
	out_stride: usize,
}

impl Dots<'_> {
	/// Rows `row..row + R`, all tiles that hold one of `keys` keys.
	///
	/// # Safety
	/// Operands and output must have these rows, and `keys` filled up to whole lanes.
	#[inline(always)]
	unsafe fn row_of_tiles<V: Lanes, const R: usize>(&self, row: usize, keys: usize) {
		let mut key = 0;
		// SAFETY: by the caller's promise.
		unsafe {
			while key + LANES < keys {
				self.tile::<V, R, TILE_LANES>(row, key);
				key += TILE_LANES * LANES;
			}
			if key < keys {
				self.tile::<V, R, 1>(row, key);
			}
		}
	}

	/// # Safety
	/// As for `row_of_tiles`, for `16 N` keys from `key` on.
	#[inline(always)]
	unsafe fn tile<V: Lanes, const R: usize, const N: usize>(&self, row: usize, key: usize) {
		let mut sums = [[V::splat(0.0); N]; R];
		for d in 0..self.rows.width {
			let mut columns = [V::splat(0.0); N];
			for l in 0..N {
				// SAFETY: by the caller's promise.
				columns[l] = unsafe { V::load_pointer(self.columns.at(d, key + l * LANES)) };
			}
			for r in 0..R {
				// SAFETY: row `row + r` has `width` numbers.
				let factor = V::splat(unsafe { *self.rows.at(row + r, d) });
				for l in 0..N {
					sums[r][l] = factor.fma(columns[l], sums[r][l]);
				}
			}
		}
		for r in 0..R {
			for l in 0..N {
				let sum = match self.scale {
					Some(scale) => sums[r][l].mul(V::splat(scale)),
					None => sums[r][l],
				};
				let to = self
					.out
					.wrapping_add((row + r) * self.out_stride + key + l * LANES);
				// SAFETY: by the caller's promise.
				unsafe { sum.store_pointer(to) };
			}
		}
	}
}

/// `out[r] = factors[r] * chain over keys j < first_keys + r of weights[r][j] rows[j]`, `factors.len()` rows.
#[inline(always)]
pub(crate) fn weighted_rows<V: Lanes>(
	weights: Rows<'_>,
	first_keys: usize,
	rows: Rows<'_>,
	factors: &[f32],
	out: &mut [f32],
	out_stride: usize,
) {
	let count = factors.len();
	let keys = first_keys + count.max(1) - 1;
	weights.check(count);
	assert!(keys <= weights.width, "{keys} keys of {}", weights.width);
	rows.check(keys);
	check_output(out, out_stride, count, rows.width);
	let work = Weighted {
		weights,
		rows,
		factors,
		out: out.as_mut_ptr(),
		out_stride,
	};
	let mut row = 0;
	// SAFETY: rows below `count`, keys below those of the last row: all were checked.
	unsafe {
		while row + TILE_ROWS <= count {
			work.row_of_tiles::<V, TILE_ROWS>(row, first_keys + row);
			row += TILE_ROWS;
		}
		while row < count {
			work.row_of_tiles::<V, 1>(row, first_keys + row);
			row += 1;
		}
	}
}

struct Weighted<'a> {
	weights: Rows<'a>,
	rows: Rows<'a>,
	factors: &'a [f32],
	out: *mut f32,
	out_stride: usize,
}

impl Weighted<'_> {
	/// Rows `row..row + R`, of which the first sees `keys` keys.
	///
	/// # Safety
	/// Operands and output must have these rows, and `keys + R - 1` keys.
	#[inline(always)]
	unsafe fn row_of_tiles<V: Lanes, const R: usize>(&self, row: usize, keys: usize) {
		let width = self.rows.width;
		let mut column = 0;
		// SAFETY: by the caller's promise.
		unsafe {
			while column + LANES < width {
				let last = LANES.min(width - column - LANES);
				self.tile::<V, R, TILE_LANES>(row, keys, column, last);
				column += TILE_LANES * LANES;
			}
			if column < width {
				self.tile::<V, R, 1>(row, keys, column, width - column);
			}
		}
	}

	/// Columns `column..`, N lanes, the last of `last` columns.
	///
	/// # Safety
	/// As for `row_of_tiles`, for these columns.
	#[inline(always)]
	unsafe fn tile<V: Lanes, const R: usize, const N: usize>(
		&self,
		row: usize,
		keys: usize,
		column: usize,
		last: usize,
	) {
		let mut sums = [[V::splat(0.0); N]; R];
		for key in 0..keys {
			// SAFETY: by the caller's promise.
			let lanes = unsafe { row_lanes::<V, N>(self.rows, key, column, last) };
			for r in 0..R {
				// SAFETY: row `row + r` sees this key.
				let factor = V::splat(unsafe { *self.weights.at(row + r, key) });
				for l in 0..N {
					sums[r][l] = factor.fma(lanes[l], sums[r][l]);
				}
			}
		}
		// Keys that only the later rows see.
		for t in 1..R {
			let key = keys + t - 1;
			// SAFETY: as above.
			let lanes = unsafe { row_lanes::<V, N>(self.rows, key, column, last) };
			for r in t..R {
				// SAFETY: row `row + r` sees this key.
				let factor = V::splat(unsafe { *self.weights.at(row + r, key) });
				for l in 0..N {
					sums[r][l] = factor.fma(lanes[l], sums[r][l]);
				}
			}
		}
		for r in 0..R {
			let factor = V::splat(self.factors[row + r]);
			for l in 0..N {
				let count = if l + 1 < N { LANES } else { last };
				let to = self
					.out
					.wrapping_add((row + r) * self.out_stride + column + l * LANES);
				// SAFETY: by the caller's promise.
				unsafe { store(sums[r][l].mul(factor), to, count) };
			}
		}
	}
}

/// N lanes of a row from `column` on, the last of `last` columns.
///
/// # Safety
/// The row must have these columns.
#[inline(always)]
unsafe fn row_lanes<V: Lanes, const N: usize>(
	rows: Rows<'_>,
	row: usize,
	column: usize,
	last: usize,
) -> [V; N] {
	let mut lanes = [V::splat(0.0); N];
	for l in 0..N {
		let count = if l + 1 < N { LANES } else { last };
		// SAFETY: by the caller's promise.
		lanes[l] = unsafe { load(rows.at(row, column + l * LANES), count) };
	}
	lanes
}

/// Continues `out[j]`, for every key j that a row sees, by `weights[i][j] rows[i]` of the rows i that see it, ascending.
///
/// There are `count` rows, and row i sees `first_keys + i` keys; `first_keys - 1` is a multiple of [`TILE_ROWS`].
#[inline(always)]
pub(crate) fn weighted_columns<V: Lanes>(
	weights: Rows<'_>,
	count: usize,
	first_keys: usize,
	rows: Rows<'_>,
	out: &mut [f32],
	out_stride: usize,
) {
	if count == 0 {
		return;
	}
	let first = first_keys - 1;
	assert!(first.is_multiple_of(TILE_ROWS), "blocks begin at tiles");
	let keys = first + count;
	weights.check(count);
	assert!(keys <= weights.width, "{keys} keys of {}", weights.width);
	rows.check(count);
	check_output(out, out_stride, keys, rows.width);
	let work = Columns {
		weights,
		rows,
		count,
		first,
		out: out.as_mut_ptr(),
		out_stride,
	};
	let mut key = 0;
	// SAFETY: keys below `keys`, rows below `count`: all were checked.
	unsafe {
		while key + TILE_ROWS <= keys {
			work.row_of_tiles::<V, TILE_ROWS>(key);
			key += TILE_ROWS;
		}
		while key < keys {
			work.row_of_tiles::<V, 1>(key);
			key += 1;
		}
	}
}

struct Columns<'a> {
	weights: Rows<'a>,
	rows: Rows<'a>,
	count: usize,
	/// The last key that row 0 sees.
	first: usize,
	out: *mut f32,
	out_stride: usize,
}

impl Columns<'_> {
	/// Keys `key..key + R`.
	///
	/// # Safety
	/// Operands and output must have these keys and all rows.
	#[inline(always)]
	unsafe fn row_of_tiles<V: Lanes, const R: usize>(&self, key: usize) {
		let width = self.rows.width;
		let mut column = 0;
		// SAFETY: by the caller's promise.
		unsafe {
			while column + LANES < width {
				let last = LANES.min(width - column - LANES);
				self.tile::<V, R, TILE_LANES>(key, column, last);
				column += TILE_LANES * LANES;
			}
			if column < width {
				self.tile::<V, R, 1>(key, column, width - column);
			}
		}
	}

	/// Columns `column..`, N lanes, the last of `last` columns.
	///
	/// # Safety
	/// As for `row_of_tiles`, for these columns.
	#[inline(always)]
	unsafe fn tile<V: Lanes, const R: usize, const N: usize>(
		&self,
		key: usize,
		column: usize,
		last: usize,
	) {
		let mut sums = [[V::splat(0.0); N]; R];
		for r in 0..R {
			for l in 0..N {
				let count = if l + 1 < N { LANES } else { last };
				let from = self
					.out
					.wrapping_add((key + r) * self.out_stride + column + l * LANES);
				// SAFETY: by the caller's promise.
				sums[r][l] = unsafe { load(from, count) };
			}
		}
		let mut row = key.saturating_sub(self.first);
		if key >= self.first {
			// Row `row + t` sees the keys up to `key + t`.
			for t in 0..R - 1 {
				if row + t < self.count {
					// SAFETY: the row exists.
					let lanes = unsafe { row_lanes::<V, N>(self.rows, row + t, column, last) };
					for r in 0..=t {
						// SAFETY: the row sees this key.
						let factor = V::splat(unsafe { *self.weights.at(row + t, key + r) });
						for l in 0..N {
							sums[r][l] = factor.fma(lanes[l], sums[r][l]);
						}
					}
				}
			}
			row += R - 1;
		}
		for row in row..self.count {
			// SAFETY: the row exists.
			let lanes = unsafe { row_lanes::<V, N>(self.rows, row, column, last) };
			for r in 0..R {
				// SAFETY: the row sees this key.
				let factor = V::splat(unsafe { *self.weights.at(row, key + r) });
				for l in 0..N {
					sums[r][l] = factor.fma(lanes[l], sums[r][l]);
				}
			}
		}
		for r in 0..R {
			for l in 0..N {
				let count = if l + 1 < N { LANES } else { last };
				let to = self
					.out
					.wrapping_add((key + r) * self.out_stride + column + l * LANES);
				// SAFETY: by the caller's promise.
				unsafe { store(sums[r][l], to, count) };
			}
		}
	}
}
