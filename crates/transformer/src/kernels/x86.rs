//! The sixteen lanes on x86-64: one 512-bit register, or two of 256 bits.
//!
//! Must not know: what is computed with the lanes.
//! Source: numeric specification, section 1.
//! Invariants: the types are named only by `Kernel::run`, which has seen the features; code elsewhere is generic and
//! cannot make a value of them. Every instruction is the IEEE operation its trait method promises.

use core::arch::x86_64::*;

use super::lanes::{Arithmetic, Lanes, Tile, LANES};

/// Calls an intrinsic of the feature set of the type it stands in.
macro_rules! featured {
	($call:expr) => {
		// SAFETY: values of this type come into being only below the `#[target_feature]` entry of `Kernel::run`,
		// which is reached only where run-time detection has found the features. Pointers come from array references.
		unsafe { $call }
	};
}

/// AVX2 with FMA: lanes 0..8 and 8..16.
#[derive(Clone, Copy)]
pub(super) struct Avx2(__m256, __m256);

/// The same lanes as integers.
#[derive(Clone, Copy)]
pub(super) struct Avx2Int(__m256i, __m256i);

impl Arithmetic for Avx2 {
	type Int = Avx2Int;

	#[inline(always)]
	fn splat(value: f32) -> Self {
		let lanes = featured!(_mm256_set1_ps(value));
		Self(lanes, lanes)
	}
	#[inline(always)]
	fn add(self, other: Self) -> Self {
		featured!(Self(
			_mm256_add_ps(self.0, other.0),
			_mm256_add_ps(self.1, other.1)
		))
	}
	#[inline(always)]
	fn sub(self, other: Self) -> Self {
		featured!(Self(
			_mm256_sub_ps(self.0, other.0),
			_mm256_sub_ps(self.1, other.1)
		))
	}
	#[inline(always)]
	fn mul(self, other: Self) -> Self {
		featured!(Self(
			_mm256_mul_ps(self.0, other.0),
			_mm256_mul_ps(self.1, other.1)
		))
	}
	#[inline(always)]
	fn div(self, other: Self) -> Self {
		featured!(Self(
			_mm256_div_ps(self.0, other.0),
			_mm256_div_ps(self.1, other.1)
		))
	}
	#[inline(always)]
	fn sqrt(self) -> Self {
		featured!(Self(_mm256_sqrt_ps(self.0), _mm256_sqrt_ps(self.1)))
	}
	#[inline(always)]
	fn fma(self, b: Self, c: Self) -> Self {
		featured!(Self(
			_mm256_fmadd_ps(self.0, b.0, c.0),
			_mm256_fmadd_ps(self.1, b.1, c.1)
		))
	}
	#[inline(always)]
	fn max(self, other: Self) -> Self {
		// The instruction returns its second operand when they are equal or unordered, as the trait demands.
		featured!(Self(
			_mm256_max_ps(self.0, other.0),
			_mm256_max_ps(self.1, other.1)
		))
	}
	#[inline(always)]
	fn select_less(a: Self, b: Self, yes: Self, no: Self) -> Self {
		featured!(Self(
			_mm256_blendv_ps(no.0, yes.0, _mm256_cmp_ps::<_CMP_LT_OQ>(a.0, b.0)),
			_mm256_blendv_ps(no.1, yes.1, _mm256_cmp_ps::<_CMP_LT_OQ>(a.1, b.1)),
		))
	}
	#[inline(always)]
	fn to_bits(self) -> Avx2Int {
		featured!(Avx2Int(
			_mm256_castps_si256(self.0),
			_mm256_castps_si256(self.1)
		))
	}
	#[inline(always)]
	fn from_bits(bits: Avx2Int) -> Self {
		featured!(Self(
			_mm256_castsi256_ps(bits.0),
			_mm256_castsi256_ps(bits.1)
		))
	}
	#[inline(always)]
	fn int_splat(value: i32) -> Avx2Int {
		let lanes = featured!(_mm256_set1_epi32(value));
		Avx2Int(lanes, lanes)
	}
	#[inline(always)]
	fn int_add(a: Avx2Int, b: Avx2Int) -> Avx2Int {
		featured!(Avx2Int(
			_mm256_add_epi32(a.0, b.0),
			_mm256_add_epi32(a.1, b.1)
		))
	}
	#[inline(always)]
	fn int_sub(a: Avx2Int, b: Avx2Int) -> Avx2Int {
		featured!(Avx2Int(
			_mm256_sub_epi32(a.0, b.0),
			_mm256_sub_epi32(a.1, b.1)
		))
	}
	#[inline(always)]
	fn int_and(a: Avx2Int, b: Avx2Int) -> Avx2Int {
		featured!(Avx2Int(
			_mm256_and_si256(a.0, b.0),
			_mm256_and_si256(a.1, b.1)
		))
	}
	#[inline(always)]
	fn int_or(a: Avx2Int, b: Avx2Int) -> Avx2Int {
		featured!(Avx2Int(
			_mm256_or_si256(a.0, b.0),
			_mm256_or_si256(a.1, b.1)
		))
	}
	#[inline(always)]
	fn int_shift_left<const BITS: i32>(a: Avx2Int) -> Avx2Int {
		featured!(Avx2Int(
			_mm256_slli_epi32::<BITS>(a.0),
			_mm256_slli_epi32::<BITS>(a.1)
		))
	}
	#[inline(always)]
	fn int_shift_right<const BITS: i32>(a: Avx2Int) -> Avx2Int {
		featured!(Avx2Int(
			_mm256_srai_epi32::<BITS>(a.0),
			_mm256_srai_epi32::<BITS>(a.1)
		))
	}
	#[inline(always)]
	fn int_to_float(a: Avx2Int) -> Self {
		featured!(Self(_mm256_cvtepi32_ps(a.0), _mm256_cvtepi32_ps(a.1)))
	}
}

impl Lanes for Avx2 {
	const TILE: Tile = Tile::Narrow;

	#[inline(always)]
	fn load(from: &[f32; LANES]) -> Self {
		let pointer = from.as_ptr();
		featured!(Self(
			_mm256_loadu_ps(pointer),
			_mm256_loadu_ps(pointer.add(8))
		))
	}
	#[inline(always)]
	fn store(self, to: &mut [f32; LANES]) {
		let pointer = to.as_mut_ptr();
		featured!({
			_mm256_storeu_ps(pointer, self.0);
			_mm256_storeu_ps(pointer.add(8), self.1);
		});
	}
	#[inline(always)]
	unsafe fn load_first(from: *const f32, count: usize) -> Self {
		let (low, high) = masks(count);
		// A masked load touches only the lanes of its mask, which the caller has promised to be readable.
		featured!(Self(
			_mm256_maskload_ps(from, low),
			_mm256_maskload_ps(from.wrapping_add(8), high)
		))
	}
	#[inline(always)]
	unsafe fn store_first(self, to: *mut f32, count: usize) {
		let (low, high) = masks(count);
		// A masked store touches only the lanes of its mask, which the caller has promised to be his.
		featured!({
			_mm256_maskstore_ps(to, low, self.0);
			_mm256_maskstore_ps(to.wrapping_add(8), high, self.1);
		});
	}
	#[inline(always)]
	fn load_partial(from: &[f32], fill: f32) -> Self {
		let count = from.len().min(LANES);
		let (low, high) = masks(count);
		let fill = Self::splat(fill);
		// SAFETY: the slice has `count` numbers.
		let lanes = unsafe { Self::load_first(from.as_ptr(), count) };
		featured!(Self(
			_mm256_blendv_ps(fill.0, lanes.0, _mm256_castsi256_ps(low)),
			_mm256_blendv_ps(fill.1, lanes.1, _mm256_castsi256_ps(high)),
		))
	}
	#[inline(always)]
	fn store_partial(self, to: &mut [f32]) {
		// SAFETY: the slice has so many numbers.
		unsafe { self.store_first(to.as_mut_ptr(), to.len().min(LANES)) };
	}
	#[inline(always)]
	fn transpose(rows: [Self; LANES]) -> [Self; LANES] {
		let mut out = rows;
		// Four squares of eight by eight.
		let mut squares = [[rows[0].0; 8]; 4];
		for i in 0..8 {
			squares[0][i] = rows[i].0;
			squares[1][i] = rows[i].1;
			squares[2][i] = rows[i + 8].0;
			squares[3][i] = rows[i + 8].1;
		}
		// No `map`: a closure cannot be forced inline, and would be compiled without the instruction set.
		for square in &mut squares {
			*square = transpose_eight(*square);
		}
		for j in 0..8 {
			out[j] = Self(squares[0][j], squares[2][j]);
			out[j + 8] = Self(squares[1][j], squares[3][j]);
		}
		out
	}
}

/// All bits of the first `count` of sixteen lanes.
#[inline(always)]
fn masks(count: usize) -> (__m256i, __m256i) {
	debug_assert!(count <= LANES);
	let lane = featured!(_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
	featured!((
		_mm256_cmpgt_epi32(_mm256_set1_epi32(count as i32), lane),
		_mm256_cmpgt_epi32(_mm256_set1_epi32(count as i32 - 8), lane),
	))
}

/// Eight rows of eight become eight columns.
#[inline(always)]
fn transpose_eight(rows: [__m256; 8]) -> [__m256; 8] {
	let mut pairs = rows;
	for i in 0..4 {
		let (a, b) = (rows[2 * i], rows[2 * i + 1]);
		pairs[2 * i] = featured!(_mm256_unpacklo_ps(a, b));
		pairs[2 * i + 1] = featured!(_mm256_unpackhi_ps(a, b));
	}
	let mut fours = pairs;
	for i in 0..2 {
		let [a, b, c, d] = [
			pairs[4 * i],
			pairs[4 * i + 1],
			pairs[4 * i + 2],
			pairs[4 * i + 3],
		];
		fours[4 * i] = featured!(_mm256_shuffle_ps::<0x44>(a, c));
		fours[4 * i + 1] = featured!(_mm256_shuffle_ps::<0xee>(a, c));
		fours[4 * i + 2] = featured!(_mm256_shuffle_ps::<0x44>(b, d));
		fours[4 * i + 3] = featured!(_mm256_shuffle_ps::<0xee>(b, d));
	}
	let mut out = fours;
	for j in 0..4 {
		out[j] = featured!(_mm256_permute2f128_ps::<0x20>(fours[j], fours[j + 4]));
		out[j + 4] = featured!(_mm256_permute2f128_ps::<0x31>(fours[j], fours[j + 4]));
	}
	out
}

/// AVX-512.
#[derive(Clone, Copy)]
pub(super) struct Avx512(__m512);

impl Arithmetic for Avx512 {
	type Int = __m512i;

	#[inline(always)]
	fn splat(value: f32) -> Self {
		Self(featured!(_mm512_set1_ps(value)))
	}
	#[inline(always)]
	fn add(self, other: Self) -> Self {
		Self(featured!(_mm512_add_ps(self.0, other.0)))
	}
	#[inline(always)]
	fn sub(self, other: Self) -> Self {
		Self(featured!(_mm512_sub_ps(self.0, other.0)))
	}
	#[inline(always)]
	fn mul(self, other: Self) -> Self {
		Self(featured!(_mm512_mul_ps(self.0, other.0)))
	}
	#[inline(always)]
	fn div(self, other: Self) -> Self {
		Self(featured!(_mm512_div_ps(self.0, other.0)))
	}
	#[inline(always)]
	fn sqrt(self) -> Self {
		Self(featured!(_mm512_sqrt_ps(self.0)))
	}
	#[inline(always)]
	fn fma(self, b: Self, c: Self) -> Self {
		Self(featured!(_mm512_fmadd_ps(self.0, b.0, c.0)))
	}
	#[inline(always)]
	fn max(self, other: Self) -> Self {
		// The instruction returns its second operand when they are equal or unordered, as the trait demands.
		Self(featured!(_mm512_max_ps(self.0, other.0)))
	}
	#[inline(always)]
	fn select_less(a: Self, b: Self, yes: Self, no: Self) -> Self {
		Self(featured!(_mm512_mask_blend_ps(
			_mm512_cmp_ps_mask::<_CMP_LT_OQ>(a.0, b.0),
			no.0,
			yes.0
		)))
	}
	#[inline(always)]
	fn to_bits(self) -> __m512i {
		featured!(_mm512_castps_si512(self.0))
	}
	#[inline(always)]
	fn from_bits(bits: __m512i) -> Self {
		Self(featured!(_mm512_castsi512_ps(bits)))
	}
	#[inline(always)]
	fn int_splat(value: i32) -> __m512i {
		featured!(_mm512_set1_epi32(value))
	}
	#[inline(always)]
	fn int_add(a: __m512i, b: __m512i) -> __m512i {
		featured!(_mm512_add_epi32(a, b))
	}
	#[inline(always)]
	fn int_sub(a: __m512i, b: __m512i) -> __m512i {
		featured!(_mm512_sub_epi32(a, b))
	}
	#[inline(always)]
	fn int_and(a: __m512i, b: __m512i) -> __m512i {
		featured!(_mm512_and_si512(a, b))
	}
	#[inline(always)]
	fn int_or(a: __m512i, b: __m512i) -> __m512i {
		featured!(_mm512_or_si512(a, b))
	}
	#[inline(always)]
	fn int_shift_left<const BITS: i32>(a: __m512i) -> __m512i {
		// The count of this intrinsic is a `u32` constant, which stable Rust cannot derive from ours.
		featured!(_mm512_sll_epi32(a, _mm_cvtsi32_si128(BITS)))
	}
	#[inline(always)]
	fn int_shift_right<const BITS: i32>(a: __m512i) -> __m512i {
		featured!(_mm512_sra_epi32(a, _mm_cvtsi32_si128(BITS)))
	}
	#[inline(always)]
	fn int_to_float(a: __m512i) -> Self {
		Self(featured!(_mm512_cvtepi32_ps(a)))
	}
}

impl Lanes for Avx512 {
	const TILE: Tile = Tile::Wide;

	#[inline(always)]
	fn load(from: &[f32; LANES]) -> Self {
		Self(featured!(_mm512_loadu_ps(from.as_ptr())))
	}
	#[inline(always)]
	fn store(self, to: &mut [f32; LANES]) {
		featured!(_mm512_storeu_ps(to.as_mut_ptr(), self.0));
	}
	#[inline(always)]
	unsafe fn load_first(from: *const f32, count: usize) -> Self {
		// A masked load touches only the lanes of its mask, which the caller has promised to be readable.
		Self(featured!(_mm512_maskz_loadu_ps(mask(count), from)))
	}
	#[inline(always)]
	unsafe fn store_first(self, to: *mut f32, count: usize) {
		// A masked store touches only the lanes of its mask, which the caller has promised to be his.
		featured!(_mm512_mask_storeu_ps(to, mask(count), self.0));
	}
	#[inline(always)]
	fn load_partial(from: &[f32], fill: f32) -> Self {
		let fill = Self::splat(fill);
		let mask = mask(from.len().min(LANES));
		// The mask has a lane a number of the slice.
		Self(featured!(_mm512_mask_loadu_ps(fill.0, mask, from.as_ptr())))
	}
	#[inline(always)]
	fn store_partial(self, to: &mut [f32]) {
		// SAFETY: the slice has so many numbers.
		unsafe { self.store_first(to.as_mut_ptr(), to.len().min(LANES)) };
	}
	#[inline(always)]
	fn transpose(rows: [Self; LANES]) -> [Self; LANES] {
		// Interleave single numbers, then pairs: afterwards quarter q of `fours[4 i + j]` is column 4 q + j of rows 4 i to
		// 4 i + 3.
		let mut pairs = [rows[0].0; LANES];
		for i in 0..8 {
			let (a, b) = (rows[2 * i].0, rows[2 * i + 1].0);
			pairs[2 * i] = featured!(_mm512_unpacklo_ps(a, b));
			pairs[2 * i + 1] = featured!(_mm512_unpackhi_ps(a, b));
		}
		let mut fours = pairs;
		for i in 0..4 {
			for half in 0..2 {
				let a = featured!(_mm512_castps_pd(pairs[4 * i + half]));
				let b = featured!(_mm512_castps_pd(pairs[4 * i + half + 2]));
				let to = 4 * i + 2 * half;
				fours[to] = featured!(_mm512_castpd_ps(_mm512_unpacklo_pd(a, b)));
				fours[to + 1] = featured!(_mm512_castpd_ps(_mm512_unpackhi_pd(a, b)));
			}
		}
		// Then gather quarters: even ones (0x88) and odd ones (0xdd), twice.
		let mut eights = fours;
		for half in 0..2 {
			for j in 0..4 {
				let (a, b) = (fours[8 * half + j], fours[8 * half + 4 + j]);
				eights[8 * half + j] = featured!(_mm512_shuffle_f32x4::<0x88>(a, b));
				eights[8 * half + 4 + j] = featured!(_mm512_shuffle_f32x4::<0xdd>(a, b));
			}
		}
		let mut out = rows;
		for j in 0..8 {
			let (a, b) = (eights[j], eights[8 + j]);
			out[j] = Self(featured!(_mm512_shuffle_f32x4::<0x88>(a, b)));
			out[8 + j] = Self(featured!(_mm512_shuffle_f32x4::<0xdd>(a, b)));
		}
		out
	}
}

/// The first `count` of sixteen lanes.
#[inline(always)]
fn mask(count: usize) -> __mmask16 {
	debug_assert!(count <= LANES);
	((1_u32 << count) - 1) as __mmask16
}
