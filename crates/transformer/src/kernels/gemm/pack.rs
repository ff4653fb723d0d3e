//! Copies of operands in the order in which tiles read them, and the room for them.
//!
//! A panel is a run of vectors, one a step of k, each as wide as a tile is high (rows of `a`) or wide (columns of `b`),
//! filled up so that vectors begin at multiples of half a cache line.
//! Must not know: the order in which panels are used.
//! Invariants: each thread has room of its own, allocated at its first product and kept.

use core::cell::Cell;
use core::ops::Range;

use super::blocks::{COLUMN_BLOCK, K_BLOCK, ROW_BLOCK};
use super::Matrix;
use crate::kernels::lanes::{Lanes, LANES};

/// A cache line, so that no vector of a panel crosses one.
#[derive(Clone, Copy)]
#[repr(align(64))]
// The array gives the size; its numbers are reached through pointers only.
struct Line(#[allow(dead_code)] [f32; LANES]);

/// Lines of the packed rows, of which 14 take the places of 16, or 6 those of 8; the last vector is written sixteen wide.
const A_LINES: usize = ROW_BLOCK / 6 * 8 * K_BLOCK / LANES + 1;
/// Lines of the packed columns, the last panel filled up.
const B_LINES: usize = COLUMN_BLOCK * K_BLOCK / LANES;

/// Room for the packed operands of one thread.
pub(super) struct Panels(Vec<Line>);

impl Panels {
	fn new() -> Self {
		Self(vec![Line([0.0; LANES]); A_LINES + B_LINES])
	}

	/// Room for packed rows and for packed columns.
	#[inline(always)]
	pub(super) fn split(&mut self) -> (*mut f32, *mut f32) {
		let first = self.0.as_mut_ptr();
		(first.cast(), first.wrapping_add(A_LINES).cast())
	}
}

thread_local! {
	static PANELS: Cell<Option<Panels>> = const { Cell::new(None) };
}

/// Lends the calling thread's panels. A product never starts another one, so they are there but for the first time.
pub(super) fn with_panels(body: impl FnOnce(&mut Panels)) {
	let mut panels = PANELS.take().unwrap_or_else(Panels::new);
	body(&mut panels);
	PANELS.set(Some(panels));
}

/// Makes the room of every thread of the current pool, so that no later product allocates.
pub(crate) fn prepare() {
	with_panels(|_| {});
	if rayon::current_num_threads() > 1 {
		rayon::broadcast(|_| with_panels(|_| {}));
	}
}

/// Packs `rows` of `matrix` for the steps `ks` of its columns, in panels of `R` rows that take `P` places; missing rows are
/// zeros.
///
/// # Safety
/// The rows and steps must lie inside the matrix; `to` must have room for every panel's `P * ks.len()` numbers, and 16 more.
#[inline(always)]
pub(super) unsafe fn pack<V: Lanes, const R: usize, const P: usize>(
	matrix: Matrix<'_>,
	rows: Range<usize>,
	ks: Range<usize>,
	to: *mut f32,
) {
	debug_assert!(rows.end <= matrix.rows && ks.end <= matrix.columns);
	let steps = ks.len();
	let mut panel = to;
	let mut row = rows.start;
	while row < rows.end {
		let mut group = 0;
		// A tile of fewer rows than lanes has one group, whose surplus the next vector overwrites.
		while group < R {
			let first = (row + group).min(rows.end);
			let count = LANES.min(R - group).min(rows.end - first);
			let from = matrix.at(first, ks.start);
			let to = panel.wrapping_add(group);
			// SAFETY: `count` rows from `first` on and `steps` columns lie inside; the caller has made the room.
			unsafe {
				if matrix.column_stride == 1 {
					transpose::<V, P>(from, matrix.row_stride, count, steps, to);
				} else {
					debug_assert_eq!(matrix.row_stride, 1);
					copy::<V, P>(from, matrix.column_stride, count, steps, to);
				}
			}
			group += LANES;
		}
		panel = panel.wrapping_add(P * steps);
		row += R;
	}
}

/// Vector s is `from[s * stride..][..count]`, filled up with zeros, and goes to `to[s * P..][..16]`.
///
/// # Safety
/// What is read and written must be the caller's to read and write.
#[inline(always)]
unsafe fn copy<V: Lanes, const P: usize>(
	from: *const f32,
	stride: usize,
	count: usize,
	steps: usize,
	to: *mut f32,
) {
	let (mut from, mut to) = (from, to);
	for _ in 0..steps {
		// SAFETY: by the caller's promise.
		unsafe {
			let lanes = if count == LANES {
				V::load_pointer(from)
			} else {
				V::load_first(from, count)
			};
			lanes.store_pointer(to);
		}
		from = from.wrapping_add(stride);
		to = to.wrapping_add(P);
	}
}

/// Lane i of vector s is `from[i * stride + s]` for i below `count`, else zero; it goes to `to[s * P..][..16]`.
///
/// # Safety
/// What is read and written must be the caller's to read and write.
#[inline(always)]
unsafe fn transpose<V: Lanes, const P: usize>(
	from: *const f32,
	stride: usize,
	count: usize,
	steps: usize,
	to: *mut f32,
) {
	let mut first = 0;
	while first < steps {
		let some = LANES.min(steps - first);
		let mut rows = [V::splat(0.0); LANES];
		for (i, row) in rows.iter_mut().enumerate() {
			if i < count {
				let from = from.wrapping_add(i * stride + first);
				// SAFETY: `some` numbers of row i, by the caller's promise.
				*row = unsafe {
					if some == LANES {
						V::load_pointer(from)
					} else {
						V::load_first(from, some)
					}
				};
			}
		}
		let columns = V::transpose(rows);
		if some == LANES {
			for (s, column) in columns.iter().enumerate() {
				// SAFETY: by the caller's promise.
				unsafe { column.store_pointer(to.wrapping_add((first + s) * P)) };
			}
		} else {
			for (s, column) in columns.iter().enumerate().take(some) {
				// SAFETY: as above.
				unsafe { column.store_pointer(to.wrapping_add((first + s) * P)) };
			}
		}
		first += some;
	}
}
