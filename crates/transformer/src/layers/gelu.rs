//! Gaussian error linear unit, tanh form (Hendrycks and Gimpel 2016, section 2).
//!
//! Shapes: any; elementwise. Derivation: `derivations/gelu.md`. Source: numeric specification, section 5.
//! Must not know: rows or columns.

use crate::kernels::lanes::Lanes;
use crate::kernels::reduce::{self, Step};
use crate::kernels::{math, pieces, split_rows, Kernel, Operation};

/// sqrt(2 / pi)
const K0: f32 = 0.797_884_6;
/// 0.044715 sqrt(2 / pi)
const K1: f32 = 0.035_677_407;
/// 3 * 0.044715 sqrt(2 / pi)
const K2: f32 = 0.107_032_225;

/// tanh(x (K0 + K1 x^2))
#[inline(always)]
fn gate<V: Lanes>(x: V, square: V) -> V {
	math::tanh(x.mul(square.fma(V::splat(K1), V::splat(K0))))
}

/// `y = x/2 + x/2 tanh(...)`
#[derive(Clone, Copy)]
struct Value;

impl Step<1> for Value {
	#[inline(always)]
	fn step<V: Lanes>(self, _: V, [x]: [V; 1]) -> V {
		let half = x.mul(V::splat(0.5));
		half.fma(gate(x, x.mul(x)), half)
	}
}

struct Forward<'a> {
	x: &'a [f32],
	y: &'a mut [f32],
}

impl Operation for Forward<'_> {
	type Output = ();

	#[inline(always)]
	fn run<V: Lanes>(self) {
		reduce::map::<V, 1>(self.y, [self.x], Value);
	}
}

/// `y = gelu(x)`.
pub(crate) fn forward(kernel: Kernel, x: &[f32], y: &mut [f32]) {
	split_rows(y, 1, pieces(x.len() * 8), &|first, y| {
		kernel.run(Forward {
			x: &x[first..first + y.len()],
			y,
		});
	});
}

/// `dx = dy ((1 + t)/2 + x/2 (1 - t^2) (K0 + 3 K1 x^2))` with t = tanh(...)
#[derive(Clone, Copy)]
struct Slope;

impl Step<1> for Slope {
	#[inline(always)]
	fn step<V: Lanes>(self, dy: V, [x]: [V; 1]) -> V {
		let half = V::splat(0.5);
		let square = x.mul(x);
		let t = gate(x, square);
		let slope = t.neg().fma(t, V::splat(1.0));
		let inner = square.fma(V::splat(K2), V::splat(K0));
		let outer = half.fma(t, half);
		dy.mul(x.mul(half).mul(slope).fma(inner, outer))
	}
}

struct Backward<'a> {
	x: &'a [f32],
	dy: &'a mut [f32],
}

impl Operation for Backward<'_> {
	type Output = ();

	#[inline(always)]
	fn run<V: Lanes>(self) {
		reduce::update::<V, 1>(self.dy, [self.x], Slope);
	}
}

/// `dy` becomes `dx`.
pub(crate) fn backward(kernel: Kernel, x: &[f32], dy: &mut [f32]) {
	split_rows(dy, 1, pieces(x.len() * 8), &|first, dy| {
		kernel.run(Backward {
			x: &x[first..first + dy.len()],
			dy,
		});
	});
}
