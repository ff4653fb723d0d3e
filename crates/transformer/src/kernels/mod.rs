//! Where instructions are chosen: the only folder with `unsafe`.
//!
//! An [`Operation`] is written once over [`lanes::Lanes`]; [`Kernel::run`] compiles it for each instruction set and calls
//! the one that was asked for. All kernels give the same bits (tests force each).
//!
//! Reading order: `crew` (threads), `lanes` (what a lane can do, and the scalar oracle), `x86`, `math`, `reduce`, `gemm`, `causal`, `probe`.
//! Must not know: layers, models, files.
//! Source: numeric specification, sections 1 to 4.
//! Invariants: values of an instruction set's lane type exist only below `Kernel::run`; work is split over threads by
//! outputs only, so the number of threads cannot be seen in a result.

#![allow(unsafe_code)]

pub(crate) mod causal;
pub(crate) mod crew;
pub(crate) mod gemm;
pub(crate) mod lanes;
pub(crate) mod math;
pub mod probe;
pub(crate) mod reduce;
#[cfg(target_arch = "x86_64")]
mod x86;

#[cfg(test)]
pub(crate) mod allocations;
#[cfg(test)]
pub(crate) mod tests;

use core::ops::Range;

use crate::error::{Error, Result};
use lanes::{Lanes, Scalar};

/// An instruction set that the operators are compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kernel {
	/// 512-bit registers (x86-64 with AVX-512F).
	Avx512,
	/// 256-bit registers (x86-64 with AVX2 and FMA).
	Avx2,
	/// No special instructions; on x86-64 the fused multiply-add is emulated exactly and slowly.
	Scalar,
}

impl Kernel {
	/// All kernels that this processor can run, fastest first.
	pub fn available() -> impl Iterator<Item = Kernel> {
		[Kernel::Avx512, Kernel::Avx2, Kernel::Scalar]
			.into_iter()
			.filter(|kernel| kernel.is_available())
	}

	/// The fastest kernel of this processor.
	pub fn detect() -> Kernel {
		Self::available().next().unwrap_or(Kernel::Scalar)
	}

	/// Whether this processor can run it.
	pub fn is_available(self) -> bool {
		match self {
			#[cfg(target_arch = "x86_64")]
			Kernel::Avx512 => {
				std::arch::is_x86_feature_detected!("avx512f")
					&& std::arch::is_x86_feature_detected!("avx2")
					&& std::arch::is_x86_feature_detected!("fma")
			}
			#[cfg(target_arch = "x86_64")]
			Kernel::Avx2 => {
				std::arch::is_x86_feature_detected!("avx2")
					&& std::arch::is_x86_feature_detected!("fma")
			}
			Kernel::Scalar => true,
			#[cfg(not(target_arch = "x86_64"))]
			_ => false,
		}
	}

	/// Refuses a kernel that this processor lacks.
	///
	/// # Errors
	/// - [`Error::KernelUnavailable`]
	pub fn require(self) -> Result<Kernel> {
		if self.is_available() {
			Ok(self)
		} else {
			Err(Error::KernelUnavailable { kernel: self })
		}
	}

	/// Compiles `operation` for this instruction set and runs it on the calling thread.
	///
	/// A kernel that the processor lacks falls back to the oracle: same bits, only slower.
	#[inline]
	pub(crate) fn run<O: Operation>(self, operation: O) -> O::Output {
		match self {
			#[cfg(target_arch = "x86_64")]
			Kernel::Avx512 if self.is_available() => {
				// SAFETY: the guard has just seen every feature that the entry enables.
				unsafe { run_avx512(operation) }
			}
			#[cfg(target_arch = "x86_64")]
			Kernel::Avx2 if self.is_available() => {
				// SAFETY: the guard has just seen every feature that the entry enables.
				unsafe { run_avx2(operation) }
			}
			_ => operation.run::<Scalar>(),
		}
	}
}

/// Work that is written over lanes. `run` and all that it calls must be `#[inline(always)]`, or it is compiled without the
/// instruction set and crawls.
pub(crate) trait Operation {
	type Output;

	fn run<V: Lanes>(self) -> Self::Output;
}

/// # Safety
/// The processor must have AVX-512F, AVX2 and FMA.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx2,fma")]
unsafe fn run_avx512<O: Operation>(operation: O) -> O::Output {
	operation.run::<x86::Avx512>()
}

/// # Safety
/// The processor must have AVX2 and FMA.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn run_avx2<O: Operation>(operation: O) -> O::Output {
	operation.run::<x86::Avx2>()
}

/// Whether this processor multiplies and adds with one rounding in hardware.
///
/// Without it everything still gives the same bits, some fifty times slower: trainers must refuse, verifiers should warn.
pub fn fma_available() -> bool {
	cfg!(target_arch = "aarch64") || Kernel::Avx2.is_available()
}

/// Asks for a cache line that will be read or written soon. Any address may be given; nothing is read or changed.
#[inline(always)]
pub(crate) fn prefetch(address: *const f32) {
	#[cfg(target_arch = "x86_64")]
	// SAFETY: a hint that cannot fault, whatever the address; the instruction is part of every x86-64.
	unsafe {
		core::arch::x86_64::_mm_prefetch::<{ core::arch::x86_64::_MM_HINT_T0 }>(address.cast());
	}
	#[cfg(not(target_arch = "x86_64"))]
	let _ = address;
}

/// Into how many pieces `work` (in multiply-adds or the like) should be cut for the current pool.
///
/// One piece a thread; small work stays whole.
pub(crate) fn pieces(work: usize) -> usize {
	const WORTH_A_PIECE: usize = 1 << 14;
	match rayon::current_num_threads() {
		0 | 1 => 1,
		threads => (work / WORTH_A_PIECE).clamp(1, threads).min(MAX_PIECES),
	}
}

/// Most pieces that work is cut into.
pub(crate) const MAX_PIECES: usize = 64;

/// Part `index` of `parts` of `0..length`.
pub(crate) fn part(length: usize, parts: usize, index: usize) -> Range<usize> {
	length * index / parts..length * (index + 1) / parts
}

/// Rows that several threads write, each its own.
struct SharedRows(*mut f32);

// SAFETY: `split_rows` gives every thread its own rows, and the exclusive borrow outlives them all.
unsafe impl Sync for SharedRows {}

impl SharedRows {
	fn at(&self, index: usize) -> *mut f32 {
		self.0.wrapping_add(index)
	}
}

/// Calls `body(first_row, rows)` with disjoint runs of rows of `data`; `width` numbers a row.
pub(crate) fn split_rows(
	data: &mut [f32],
	width: usize,
	pieces: usize,
	body: &(impl Fn(usize, &mut [f32]) + Sync),
) {
	let rows = data.len() / width;
	if pieces <= 1 || rows <= 1 {
		body(0, data);
		return;
	}
	// What is not a whole row belongs to the last piece.
	let (pieces, length) = (pieces.min(rows), data.len());
	let data = SharedRows(data.as_mut_ptr());
	crew::each_index(pieces, &|index| {
		let rows = part(rows, pieces, index);
		let end = if index + 1 == pieces {
			length
		} else {
			rows.end * width
		};
		let count = end - rows.start * width;
		debug_assert!(rows.start * width + count <= length);
		// SAFETY: parts are disjoint and inside `data`; each index comes once.
		let part = unsafe { core::slice::from_raw_parts_mut(data.at(rows.start * width), count) };
		body(rows.start, part);
	});
}

/// Work on rows that can be cut between two of them.
pub(crate) trait Cut: Send + Sized {
	/// Rows, or whatever it is cut between.
	fn rows(&self) -> usize;

	/// The first `rows`, and the others.
	fn cut(self, rows: usize) -> (Self, Self);
}

/// Calls `body` with `work` cut into `pieces`.
pub(crate) fn split_work<W: Cut>(work: W, pieces: usize, body: &(impl Fn(W) + Sync)) {
	let rows = work.rows();
	let pieces = pieces.min(rows).min(MAX_PIECES);
	if pieces <= 1 {
		body(work);
		return;
	}
	let mut works = [const { None }; MAX_PIECES];
	let mut rest = work;
	for (index, work) in works[..pieces - 1].iter_mut().enumerate() {
		let (first, others) = rest.cut(part(rows, pieces, index).len());
		*work = Some(first);
		rest = others;
	}
	works[pieces - 1] = Some(rest);
	crew::each(&mut works[..pieces], body);
}
