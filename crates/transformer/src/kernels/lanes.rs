//! What a kernel may do with numbers: one trait for one or sixteen lanes, and its scalar implementations.
//!
//! Every operator of this crate is written once, over [`Lanes`]; the instruction set is a type parameter. So the kernels
//! cannot differ in the order of operations, only in the instructions that carry them out, and each of those is an IEEE
//! 754 operation with one rounding. [`Scalar`] is the oracle: sixteen `f32` and a fused multiply-add of our own.
//!
//! Must not know: what is computed with the lanes.
//! Source: numeric specification, section 1; the fused multiply-add follows Boldo and Melquiond 2008 (round to odd).
//! Invariants: no operation here depends on rounding mode changes, on NaN payloads or on the platform's `fmaf`.

/// Number of virtual lanes of the numeric specification.
pub(crate) const LANES: usize = 16;

/// Correctly rounded `a * b + c` from `f64` additions only.
///
/// The product of two `f32` is exact in `f64`. The sum is computed with its exact error (Knuth's two-sum) and rounded to
/// odd, after which the conversion to `f32` rounds as if the sum had been exact.
#[inline(always)]
pub(crate) fn fused_multiply_add(a: f32, b: f32, c: f32) -> f32 {
	let product = f64::from(a) * f64::from(b);
	let addend = f64::from(c);
	let sum = product + addend;
	let virtual_addend = sum - product;
	let error = (product - (sum - virtual_addend)) + (addend - virtual_addend);
	// Infinite and NaN sums have a NaN error, which is neither above nor below zero.
	let inexact = (error > 0.0) | (error < 0.0);
	let bits = sum.to_bits();
	// An even, inexact sum steps to its odd neighbour on the side of the error. No branches: they could not be foretold.
	let step = if (error > 0.0) == (sum > 0.0) {
		1
	} else {
		u64::MAX
	};
	let steps = u64::from(inexact) & !bits & 1;
	f64::from_bits(bits.wrapping_add(steps.wrapping_mul(step))) as f32
}

/// Elementary arithmetic of one or several lanes; each method is one IEEE operation a lane, or moves bits.
pub(crate) trait Arithmetic: Copy {
	/// The same lanes as 32-bit integers.
	type Int: Copy;

	fn splat(value: f32) -> Self;
	fn add(self, other: Self) -> Self;
	fn sub(self, other: Self) -> Self;
	fn mul(self, other: Self) -> Self;
	fn div(self, other: Self) -> Self;
	fn sqrt(self) -> Self;
	/// `self * b + c` with one rounding.
	fn fma(self, b: Self, c: Self) -> Self;
	/// `if self > other { self } else { other }`.
	fn max(self, other: Self) -> Self;
	/// `if a < b { yes } else { no }`, false where a or b is NaN.
	fn select_less(a: Self, b: Self, yes: Self, no: Self) -> Self;

	fn to_bits(self) -> Self::Int;
	fn from_bits(bits: Self::Int) -> Self;
	fn int_splat(value: i32) -> Self::Int;
	/// Wrapping.
	fn int_add(a: Self::Int, b: Self::Int) -> Self::Int;
	/// Wrapping.
	fn int_sub(a: Self::Int, b: Self::Int) -> Self::Int;
	fn int_and(a: Self::Int, b: Self::Int) -> Self::Int;
	fn int_or(a: Self::Int, b: Self::Int) -> Self::Int;
	fn int_shift_left<const BITS: i32>(a: Self::Int) -> Self::Int;
	/// Arithmetic: copies of the sign come in.
	fn int_shift_right<const BITS: i32>(a: Self::Int) -> Self::Int;
	/// Round to nearest even.
	fn int_to_float(a: Self::Int) -> Self;

	/// Changes the sign.
	#[inline(always)]
	fn neg(self) -> Self {
		let sign = Self::int_splat(i32::MIN);
		let bits = self.to_bits();
		// x ^ s = (x | s) - (x & s), which spares the trait an operation.
		Self::from_bits(Self::int_sub(
			Self::int_or(bits, sign),
			Self::int_and(bits, sign),
		))
	}

	/// Clears the sign.
	#[inline(always)]
	fn abs(self) -> Self {
		Self::from_bits(Self::int_and(self.to_bits(), Self::int_splat(i32::MAX)))
	}
}

/// How large a tile of a matrix product suits the register file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tile {
	/// 32 registers of 512 bits: 14 rows by 32 columns.
	Wide,
	/// 16 registers of 256 bits, 32 of 128, or none at all: 6 rows by 16 columns.
	Narrow,
}

/// The sixteen virtual lanes.
pub(crate) trait Lanes: Arithmetic {
	const TILE: Tile;

	fn load(from: &[f32; LANES]) -> Self;
	fn store(self, to: &mut [f32; LANES]);

	/// Reads sixteen numbers.
	///
	/// # Safety
	/// `from..from + 16` must be readable.
	#[inline(always)]
	unsafe fn load_pointer(from: *const f32) -> Self {
		// SAFETY: readable by the caller's promise; `[f32; 16]` has the alignment of `f32`.
		Self::load(unsafe { &*from.cast::<[f32; LANES]>() })
	}

	/// Writes sixteen numbers.
	///
	/// # Safety
	/// `to..to + 16` must be writable and nobody else's for the duration.
	#[inline(always)]
	unsafe fn store_pointer(self, to: *mut f32) {
		// SAFETY: exclusively writable by the caller's promise; `[f32; 16]` has the alignment of `f32`.
		self.store(unsafe { &mut *to.cast::<[f32; LANES]>() });
	}

	/// Reads the first `count` lanes, at most sixteen; the others are zero.
	///
	/// # Safety
	/// `from..from + count` must be readable.
	#[inline(always)]
	unsafe fn load_first(from: *const f32, count: usize) -> Self {
		// SAFETY: readable by the caller's promise.
		Self::load_partial(unsafe { core::slice::from_raw_parts(from, count) }, 0.0)
	}

	/// Writes the first `count` lanes, at most sixteen.
	///
	/// # Safety
	/// `to..to + count` must be writable and nobody else's for the duration.
	#[inline(always)]
	unsafe fn store_first(self, to: *mut f32, count: usize) {
		// SAFETY: exclusively writable by the caller's promise.
		self.store_partial(unsafe { core::slice::from_raw_parts_mut(to, count) });
	}

	/// Lane i of result j is lane j of row i.
	#[inline(always)]
	fn transpose(rows: [Self; LANES]) -> [Self; LANES] {
		let rows = rows.map(Self::to_array);
		let mut out = [Self::splat(0.0); LANES];
		for j in 0..LANES {
			let mut column = [0.0; LANES];
			for i in 0..LANES {
				column[i] = rows[i][j];
			}
			out[j] = Self::load(&column);
		}
		out
	}

	/// The lanes as an array.
	#[inline(always)]
	fn to_array(self) -> [f32; LANES] {
		let mut out = [0.0; LANES];
		self.store(&mut out);
		out
	}

	/// Reads `from`, at most sixteen numbers; missing lanes are `fill`.
	#[inline(always)]
	fn load_partial(from: &[f32], fill: f32) -> Self {
		let mut block = [fill; LANES];
		for (to, value) in block.iter_mut().zip(from) {
			*to = *value;
		}
		Self::load(&block)
	}

	/// Writes the first lanes into `to`, at most sixteen numbers.
	#[inline(always)]
	fn store_partial(self, to: &mut [f32]) {
		for (to, value) in to.iter_mut().zip(self.to_array()) {
			*to = value;
		}
	}
}

/// One lane: for numbers that are alone, such as a learning rate.
#[derive(Clone, Copy)]
pub(crate) struct One(pub(crate) f32);

impl Arithmetic for One {
	type Int = i32;

	#[inline(always)]
	fn splat(value: f32) -> Self {
		Self(value)
	}
	#[inline(always)]
	fn add(self, other: Self) -> Self {
		Self(self.0 + other.0)
	}
	#[inline(always)]
	fn sub(self, other: Self) -> Self {
		Self(self.0 - other.0)
	}
	#[inline(always)]
	fn mul(self, other: Self) -> Self {
		Self(self.0 * other.0)
	}
	#[inline(always)]
	fn div(self, other: Self) -> Self {
		Self(self.0 / other.0)
	}
	#[inline(always)]
	fn sqrt(self) -> Self {
		Self(self.0.sqrt())
	}
	#[inline(always)]
	fn fma(self, b: Self, c: Self) -> Self {
		// On aarch64 the instruction is part of the base set, so this never reaches a library.
		if cfg!(target_arch = "aarch64") {
			Self(self.0.mul_add(b.0, c.0))
		} else {
			Self(fused_multiply_add(self.0, b.0, c.0))
		}
	}
	#[inline(always)]
	fn max(self, other: Self) -> Self {
		if self.0 > other.0 {
			self
		} else {
			other
		}
	}
	#[inline(always)]
	fn select_less(a: Self, b: Self, yes: Self, no: Self) -> Self {
		if a.0 < b.0 {
			yes
		} else {
			no
		}
	}
	#[inline(always)]
	fn to_bits(self) -> i32 {
		self.0.to_bits() as i32
	}
	#[inline(always)]
	fn from_bits(bits: i32) -> Self {
		Self(f32::from_bits(bits as u32))
	}
	#[inline(always)]
	fn int_splat(value: i32) -> i32 {
		value
	}
	#[inline(always)]
	fn int_add(a: i32, b: i32) -> i32 {
		a.wrapping_add(b)
	}
	#[inline(always)]
	fn int_sub(a: i32, b: i32) -> i32 {
		a.wrapping_sub(b)
	}
	#[inline(always)]
	fn int_and(a: i32, b: i32) -> i32 {
		a & b
	}
	#[inline(always)]
	fn int_or(a: i32, b: i32) -> i32 {
		a | b
	}
	#[inline(always)]
	fn int_shift_left<const BITS: i32>(a: i32) -> i32 {
		a << BITS
	}
	#[inline(always)]
	fn int_shift_right<const BITS: i32>(a: i32) -> i32 {
		a >> BITS
	}
	#[inline(always)]
	fn int_to_float(a: i32) -> Self {
		Self(a as f32)
	}
}

/// Sixteen lanes without any special instruction: the oracle.
#[derive(Clone, Copy)]
pub(crate) struct Scalar([f32; LANES]);

/// Applies [`One`]'s operation to each lane.
#[inline(always)]
fn each(a: [f32; LANES], b: [f32; LANES], f: impl Fn(One, One) -> One) -> Scalar {
	let mut out = a;
	for (out, b) in out.iter_mut().zip(b) {
		*out = f(One(*out), One(b)).0;
	}
	Scalar(out)
}

#[inline(always)]
fn each_int(a: [i32; LANES], b: [i32; LANES], f: impl Fn(i32, i32) -> i32) -> [i32; LANES] {
	let mut out = a;
	for (out, b) in out.iter_mut().zip(b) {
		*out = f(*out, b);
	}
	out
}

impl Arithmetic for Scalar {
	type Int = [i32; LANES];

	#[inline(always)]
	fn splat(value: f32) -> Self {
		Self([value; LANES])
	}
	#[inline(always)]
	fn add(self, other: Self) -> Self {
		each(self.0, other.0, One::add)
	}
	#[inline(always)]
	fn sub(self, other: Self) -> Self {
		each(self.0, other.0, One::sub)
	}
	#[inline(always)]
	fn mul(self, other: Self) -> Self {
		each(self.0, other.0, One::mul)
	}
	#[inline(always)]
	fn div(self, other: Self) -> Self {
		each(self.0, other.0, One::div)
	}
	#[inline(always)]
	fn sqrt(self) -> Self {
		Self(self.0.map(f32::sqrt))
	}
	#[inline(always)]
	fn fma(self, b: Self, c: Self) -> Self {
		let mut out = c.0;
		for ((out, a), b) in out.iter_mut().zip(self.0).zip(b.0) {
			*out = One(a).fma(One(b), One(*out)).0;
		}
		Self(out)
	}
	#[inline(always)]
	fn max(self, other: Self) -> Self {
		each(self.0, other.0, One::max)
	}
	#[inline(always)]
	fn select_less(a: Self, b: Self, yes: Self, no: Self) -> Self {
		let mut out = no.0;
		for (((out, a), b), yes) in out.iter_mut().zip(a.0).zip(b.0).zip(yes.0) {
			if a < b {
				*out = yes;
			}
		}
		Self(out)
	}
	#[inline(always)]
	fn to_bits(self) -> [i32; LANES] {
		self.0.map(|x| x.to_bits() as i32)
	}
	#[inline(always)]
	fn from_bits(bits: [i32; LANES]) -> Self {
		Self(bits.map(|x| f32::from_bits(x as u32)))
	}
	#[inline(always)]
	fn int_splat(value: i32) -> [i32; LANES] {
		[value; LANES]
	}
	#[inline(always)]
	fn int_add(a: [i32; LANES], b: [i32; LANES]) -> [i32; LANES] {
		each_int(a, b, i32::wrapping_add)
	}
	#[inline(always)]
	fn int_sub(a: [i32; LANES], b: [i32; LANES]) -> [i32; LANES] {
		each_int(a, b, i32::wrapping_sub)
	}
	#[inline(always)]
	fn int_and(a: [i32; LANES], b: [i32; LANES]) -> [i32; LANES] {
		each_int(a, b, |a, b| a & b)
	}
	#[inline(always)]
	fn int_or(a: [i32; LANES], b: [i32; LANES]) -> [i32; LANES] {
		each_int(a, b, |a, b| a | b)
	}
	#[inline(always)]
	fn int_shift_left<const BITS: i32>(a: [i32; LANES]) -> [i32; LANES] {
		a.map(|x| x << BITS)
	}
	#[inline(always)]
	fn int_shift_right<const BITS: i32>(a: [i32; LANES]) -> [i32; LANES] {
		a.map(|x| x >> BITS)
	}
	#[inline(always)]
	fn int_to_float(a: [i32; LANES]) -> Self {
		Self(a.map(|x| x as f32))
	}
}

impl Lanes for Scalar {
	const TILE: Tile = Tile::Narrow;

	#[inline(always)]
	fn load(from: &[f32; LANES]) -> Self {
		Self(*from)
	}
	#[inline(always)]
	fn store(self, to: &mut [f32; LANES]) {
		*to = self.0;
	}
}
