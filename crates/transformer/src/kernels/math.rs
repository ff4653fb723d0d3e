//! exp, tanh and ln in `f32`, for any lanes; sin, cos and pow in `f64`, for lonely numbers.
//!
//! The first three stand on hot paths: branch-free polynomials, the same text for every instruction set. The last three
//! serve initialisation and schedules: `f64` additions, multiplications and divisions only, rounded to `f32` once.
//! Accuracy, tested by sweeps against `f64`: at most 2 ulp. Coefficients are minimax fits (Remez) of our own.
//!
//! Must not know: the operators that call it, the platform's mathematical library.
//! Source: numeric specification, section 2; argument reductions after Cody and Waite 1980.
//! Invariants: NaN in gives NaN out; no integer is ever converted from a float, since platforms disagree about NaN there.

use super::lanes::{Arithmetic, One};

/// 1.5 * 2^23: adding it rounds a small number to an integer that then stands in the low bits.
const ROUNDER: f32 = 12_582_912.0;
const LOG2_E: f32 = f32::from_bits(0x3fb8_aa3b);
/// ln 2 to fifteen bits, so that its multiples by exponents are exact.
const LN_2_HIGH: f32 = f32::from_bits(0x3f31_7200);
/// ln 2 - `LN_2_HIGH`.
const LN_2_LOW: f32 = f32::from_bits(0x35bf_be8e);

/// (e^r - 1 - r) / r^2 on |r| <= ln 2 / 2, lowest power first.
const EXP: [f32; 5] = [
	0.5,
	f32::from_bits(0x3e2a_aa47),
	f32::from_bits(0x3d2a_aa2f),
	f32::from_bits(0x3c09_1daa),
	f32::from_bits(0x3ab6_da07),
];

/// (tanh(x) / x - 1) / x^2 as a polynomial in x^2 on |x| <= 0.55, lowest power first.
const TANH: [f32; 5] = [
	f32::from_bits(0xbeaa_aaa6),
	f32::from_bits(0x3e08_869c),
	f32::from_bits(0xbd5c_958b),
	f32::from_bits(0x3cac_a86a),
	f32::from_bits(0xbbcd_cbf9),
];

/// 2/3, 2/5, 2/7, 2/9: the series of ln((1 + s) / (1 - s)) / s - 2 in s^2.
const LN: [f32; 4] = [
	f32::from_bits(0x3f2a_aaab),
	f32::from_bits(0x3ecc_cccd),
	f32::from_bits(0x3e92_4925),
	f32::from_bits(0x3e63_8e39),
];

/// `c[0] + c[1] x + ...`, a fused chain from the highest power down.
#[inline(always)]
fn horner<V: Arithmetic, const N: usize>(x: V, coefficients: &[f32; N]) -> V {
	let mut sum = V::splat(coefficients[N - 1]);
	for c in coefficients[..N - 1].iter().rev() {
		sum = sum.fma(x, V::splat(*c));
	}
	sum
}

/// e^x; 0 below about -104, infinity above about 88.7.
#[inline(always)]
pub(crate) fn exp<V: Arithmetic>(x: V) -> V {
	let low = V::splat(-105.0);
	let high = V::splat(89.0);
	let x = V::select_less(x, low, low, x);
	let x = V::select_less(high, x, high, x);
	// x = n ln 2 + r, |r| <= ln 2 / 2.
	let rounded = x.fma(V::splat(LOG2_E), V::splat(ROUNDER));
	let n = rounded.sub(V::splat(ROUNDER));
	let minus_n = n.neg();
	let r = minus_n.fma(V::splat(LN_2_HIGH), x);
	let r = minus_n.fma(V::splat(LN_2_LOW), r);
	// e^r = 1 + (r + r^2 q(r)).
	let q = horner(r, &EXP);
	let power = q.mul(r).fma(r, r).add(V::splat(1.0));
	// 2^n in two exact factors, so that only the last product rounds, also into the subnormal range.
	let n = V::int_sub(rounded.to_bits(), V::splat(ROUNDER).to_bits());
	let half = V::int_shift_right::<1>(n);
	let rest = V::int_sub(n, half);
	let bias = V::int_splat(127);
	let first = V::from_bits(V::int_shift_left::<23>(V::int_add(half, bias)));
	let second = V::from_bits(V::int_shift_left::<23>(V::int_add(rest, bias)));
	power.mul(first).mul(second)
}

/// tanh x.
#[inline(always)]
pub(crate) fn tanh<V: Arithmetic>(x: V) -> V {
	let magnitude = x.abs();
	let square = x.mul(x);
	let small = x.mul(square).fma(horner(square, &TANH), x);
	// 1 - 2 / (e^2|x| + 1); the sign is put back last, which also keeps that of zero.
	let one = V::splat(1.0);
	let e = exp(magnitude.add(magnitude));
	let large = one.sub(V::splat(2.0).div(e.add(one)));
	let value = V::select_less(magnitude, V::splat(0.55), small, large);
	let sign = V::int_and(x.to_bits(), V::int_splat(i32::MIN));
	V::from_bits(V::int_or(value.to_bits(), sign))
}

/// ln x; minus infinity at 0, NaN below.
#[inline(always)]
pub(crate) fn ln<V: Arithmetic>(x: V) -> V {
	// Subnormals are scaled up by 2^23 first.
	let smallest = V::splat(f32::MIN_POSITIVE);
	let scaled = V::select_less(x, smallest, x.mul(V::splat(8_388_608.0)), x);
	let shift = V::select_less(x, smallest, V::splat(-23.0), V::splat(0.0));
	// scaled = 2^n m with sqrt(1/2) <= m < sqrt(2).
	let bits = scaled.to_bits();
	let n = V::int_shift_right::<23>(V::int_sub(bits, V::int_splat(0x3f35_04f3)));
	let m = V::from_bits(V::int_sub(bits, V::int_shift_left::<23>(n)));
	let n = V::int_to_float(n).add(shift);
	// With f = m - 1 and s = f / (2 + f): ln m = f - (f^2/2 - s (f^2/2 + R(s^2))).
	let f = m.sub(V::splat(1.0));
	let s = f.div(V::splat(2.0).add(f));
	let square = s.mul(s);
	let series = square.mul(horner(square, &LN));
	let half_square = V::splat(0.5).mul(f).mul(f);
	let tail = s.mul(half_square.add(series));
	let tail = n.fma(V::splat(LN_2_LOW), tail);
	let mantissa = f.sub(half_square.sub(tail));
	let value = n.fma(V::splat(LN_2_HIGH), mantissa);
	// Edges: infinity stays, zero is minus infinity, negative numbers are NaN, NaN stays.
	let zero = V::splat(0.0);
	let value = V::select_less(V::splat(f32::MAX), x, x, value);
	let edge = V::select_less(
		x,
		zero,
		V::splat(f32::NAN),
		x.add(V::splat(f32::NEG_INFINITY)),
	);
	V::select_less(zero, x, value, edge)
}

/// ln x of one number.
pub(crate) fn ln_one(x: f32) -> f32 {
	ln(One(x)).0
}

/// pi/2 to 33 bits, so that its small multiples are exact in `f64`.
const HALF_PI_HIGH: f64 = 1.570_796_326_734_125_6;
/// pi/2 - `HALF_PI_HIGH`.
const HALF_PI_LOW: f64 = 6.077_100_506_506_192e-11;

/// The quadrant of `x` (0..4) and its sine and cosine of the reduced argument.
fn reduced(x: f32) -> (u8, f64, f64) {
	let x = f64::from(x);
	// 1.5 * 2^52 rounds to an integer as `ROUNDER` does in f32.
	let rounder = 6_755_399_441_055_744.0_f64;
	let rounded = x * core::f64::consts::FRAC_2_PI + rounder;
	let n = rounded - rounder;
	let quadrant = (rounded.to_bits() & 3) as u8;
	let r = (x - n * HALF_PI_HIGH) - n * HALF_PI_LOW;
	let square = r * r;
	// Taylor series: the first terms left out are below 2^-40 for |r| <= pi/4.
	let mut sine = 0.0;
	for k in [
		6_227_020_800.0,
		-39_916_800.0,
		362_880.0,
		-5_040.0,
		120.0,
		-6.0,
		1.0,
	] {
		sine = sine * square + 1.0 / k;
	}
	let mut cosine = 0.0;
	for k in [
		-87_178_291_200.0,
		479_001_600.0,
		-3_628_800.0,
		40_320.0,
		-720.0,
		24.0,
		-2.0,
		1.0,
	] {
		cosine = cosine * square + 1.0 / k;
	}
	(quadrant, sine * r, cosine)
}

/// sin x for |x| <= 65536; beyond that it is outside the specification.
pub(crate) fn sin(x: f32) -> f32 {
	let (quadrant, sine, cosine) = reduced(x);
	let value = match quadrant {
		0 => sine,
		1 => cosine,
		2 => -sine,
		_ => -cosine,
	};
	value as f32
}

/// cos x for |x| <= 65536; beyond that it is outside the specification.
pub(crate) fn cos(x: f32) -> f32 {
	let (quadrant, sine, cosine) = reduced(x);
	let value = match quadrant {
		0 => cosine,
		1 => -sine,
		2 => -cosine,
		_ => sine,
	};
	value as f32
}

/// base^exponent for a finite base > 0 and a finite exponent.
pub(crate) fn pow(base: f32, exponent: f32) -> f32 {
	let x = f64::from(base);
	// x = 2^n m with sqrt(1/2) <= m < sqrt(2); every positive f32 is a normal f64.
	let bits = x.to_bits();
	let n = (bits as i64 - 0x3fe6_a09e_667f_3bcd_i64) >> 52;
	let m = f64::from_bits((bits as i64 - (n << 52)) as u64);
	let s = (m - 1.0) / (m + 1.0);
	let square = s * s;
	// ln m = 2 (s + s^3/3 + s^5/5 + ...): terms beyond s^23 are below 2^-60.
	let mut series = 0.0;
	for k in [
		23.0, 21.0, 19.0, 17.0, 15.0, 13.0, 11.0, 9.0, 7.0, 5.0, 3.0, 1.0,
	] {
		series = series * square + 1.0 / k;
	}
	let log = 2.0 * s * series + n as f64 * core::f64::consts::LN_2;
	let power = (log * f64::from(exponent)).clamp(-200.0, 200.0);
	// e^power = 2^j e^r, |r| <= ln 2 / 2, Taylor series to r^13.
	let rounder = 6_755_399_441_055_744.0_f64;
	let j = (power * core::f64::consts::LOG2_E + rounder) - rounder;
	let r = power - j * core::f64::consts::LN_2;
	let mut sum = 1.0;
	for k in [
		13.0, 12.0, 11.0, 10.0, 9.0, 8.0, 7.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0,
	] {
		sum = 1.0 + sum * r / k;
	}
	let scale = f64::from_bits(((j as i64 + 1023) << 52) as u64);
	(sum * scale) as f32
}
