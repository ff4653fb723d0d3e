//! The innermost loop: a tile of outputs in registers, one step of k after the other.
//!
//! Must not know: matrices; it sees two panels and a place in the output.
//! Source: numeric specification, section 3.
//! Invariants: one fused multiply-add an element and step; a bias is added once, after the last step.

// Rows and lanes of a tile are counted: an iterator would hide that the same index runs through several arrays.
#![allow(clippy::needless_range_loop)]

use crate::kernels::lanes::{Lanes, LANES};
use crate::kernels::prefetch;

/// One tile: packed rows times packed columns.
#[derive(Clone, Copy)]
pub(super) struct Tile<'a> {
	pub(super) a: *const f32,
	pub(super) b: *const f32,
	pub(super) steps: usize,
	pub(super) c: *mut f32,
	pub(super) c_stride: usize,
	/// Whether the chains continue what `c` holds.
	pub(super) load: bool,
	/// As many numbers as columns.
	pub(super) bias: Option<&'a [f32]>,
	/// Columns of the tile, 1 to `16 N`.
	pub(super) columns: usize,
}

impl Tile<'_> {
	/// `height` rows, at most `R`, of `N` lanes; vectors of the panels are `P` and `W` numbers apart.
	///
	/// # Safety
	/// The panels must hold `steps` vectors; `height` rows of `columns` numbers at `c` must be this thread's alone.
	#[inline(always)]
	pub(super) unsafe fn run<
		V: Lanes,
		const R: usize,
		const P: usize,
		const N: usize,
		const W: usize,
	>(
		self,
		height: usize,
	) {
		// SAFETY: the caller's promise, for the whole panel or for parts of it that follow one another.
		unsafe {
			if height == R {
				self.rows::<V, R, N, P, W>();
				return;
			}
			let mut tile = self;
			let mut left = height;
			if R > 8 && left >= 8 {
				tile.rows::<V, 8, N, P, W>();
				tile.advance(8);
				left -= 8;
			}
			if left >= 4 {
				tile.rows::<V, 4, N, P, W>();
				tile.advance(4);
				left -= 4;
			}
			if left >= 2 {
				tile.rows::<V, 2, N, P, W>();
				tile.advance(2);
				left -= 2;
			}
			if left >= 1 {
				tile.rows::<V, 1, N, P, W>();
			}
		}
	}

	/// Down by some rows.
	#[inline(always)]
	fn advance(&mut self, rows: usize) {
		self.a = self.a.wrapping_add(rows);
		self.c = self.c.wrapping_add(rows * self.c_stride);
	}

	/// Exactly `R` rows.
	///
	/// # Safety
	/// As for `run`.
	#[inline(always)]
	unsafe fn rows<V: Lanes, const R: usize, const N: usize, const P: usize, const W: usize>(self) {
		let Self {
			a,
			b,
			steps,
			c,
			c_stride,
			..
		} = self;
		// Columns of the last lanes; the lanes before are whole.
		let last = self.columns - (N - 1) * LANES;
		debug_assert!((1..=LANES).contains(&last));
		let mut sums = [[V::splat(0.0); N]; R];
		if self.load {
			for r in 0..R {
				for l in 0..N {
					let from = c.wrapping_add(r * c_stride + l * LANES);
					// SAFETY: inside row r of the tile.
					sums[r][l] = unsafe {
						if l + 1 < N || last == LANES {
							V::load_pointer(from)
						} else {
							V::load_first(from, last)
						}
					};
				}
			}
		}
		// The tile below is next: its outputs are fetched while this one is computed.
		for r in 0..R {
			for l in 0..N {
				prefetch(c.wrapping_add((R + r) * c_stride + l * LANES));
			}
		}
		let (mut a, mut b) = (a, b);
		for _ in 0..steps {
			let mut columns = [V::splat(0.0); N];
			for l in 0..N {
				// SAFETY: a vector of the packed columns.
				columns[l] = unsafe { V::load_pointer(b.wrapping_add(l * LANES)) };
			}
			for r in 0..R {
				// SAFETY: a number of a vector of the packed rows.
				let factor = V::splat(unsafe { *a.wrapping_add(r) });
				for l in 0..N {
					sums[r][l] = factor.fma(columns[l], sums[r][l]);
				}
			}
			// One past the last vector may lie outside the allocation, so no promise of `add` is made.
			a = a.wrapping_add(P);
			b = b.wrapping_add(W);
		}
		if let Some(bias) = self.bias {
			for l in 0..N {
				let count = if l + 1 < N { LANES } else { last };
				let lanes = V::load_partial(&bias[l * LANES..l * LANES + count], 0.0);
				for r in 0..R {
					sums[r][l] = sums[r][l].add(lanes);
				}
			}
		}
		for r in 0..R {
			for l in 0..N {
				let to = c.wrapping_add(r * c_stride + l * LANES);
				// SAFETY: inside row r of the tile.
				unsafe {
					if l + 1 < N || last == LANES {
						sums[r][l].store_pointer(to);
					} else {
						sums[r][l].store_first(to, last);
					}
				}
			}
		}
	}
}
