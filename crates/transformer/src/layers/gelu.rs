//! Gaussian error linear unit, tanh form (Hendrycks and Gimpel 2016, section 2).
//!
//! Shapes: any; elementwise. Derivation: `derivations/gelu.md`. Source: numeric specification, section 5.
//! Must not know: rows or columns. Invariants: the slope is computed beside the value, where its tanh is at hand, and kept in
//! the argument's place.

use crate::kernels::lanes::{Lanes, LANES};
use crate::kernels::reduce::{self, Step};
use crate::kernels::{math, pieces, split_rows, split_work, Cut, Kernel, Operation};

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

struct Forward<'a> {
	/// Arguments before, slopes after.
	x: &'a mut [f32],
	y: &'a mut [f32],
}

/// `y = x/2 + x/2 t` and `y' = (1 + t)/2 + x/2 (1 - t^2) (K0 + 3 K1 x^2)` with t = tanh(...)
#[inline(always)]
fn value_and_slope<V: Lanes>(x: V) -> (V, V) {
	let half = V::splat(0.5);
	let square = x.mul(x);
	let t = gate(x, square);
	let half_x = x.mul(half);
	let inner = square.fma(V::splat(K2), V::splat(K0));
	let outer = half.fma(t, half);
	let slope = half_x.mul(t.neg().fma(t, V::splat(1.0)));
	(half_x.fma(t, half_x), slope.fma(inner, outer))
}

impl Operation for Forward<'_> {
	type Output = ();

	#[inline(always)]
	fn run<V: Lanes>(self) {
		let (x, x_rest) = self.x.as_chunks_mut::<LANES>();
		let (y, y_rest) = self.y.as_chunks_mut::<LANES>();
		for (x, y) in x.iter_mut().zip(y) {
			let (value, slope) = value_and_slope(V::load(x));
			value.store(y);
			slope.store(x);
		}
		if !x_rest.is_empty() {
			let (value, slope) = value_and_slope(V::load_partial(x_rest, 0.0));
			value.store_partial(y_rest);
			slope.store_partial(x_rest);
		}
	}
}

impl Cut for Forward<'_> {
	fn rows(&self) -> usize {
		self.x.len()
	}

	fn cut(self, numbers: usize) -> (Self, Self) {
		let (x, x_right) = self.x.split_at_mut(numbers);
		let (y, y_right) = self.y.split_at_mut(numbers);
		(
			Self { x, y },
			Self {
				x: x_right,
				y: y_right,
			},
		)
	}
}

/// `y = gelu(x)`; `x` becomes the slope there, which is what the backward pass wants to know.
pub(crate) fn forward(kernel: Kernel, x: &mut [f32], y: &mut [f32]) {
	let pieces = pieces(x.len() * 8);
	split_work(Forward { x, y }, pieces, &|work| kernel.run(work));
}

/// `dy slope`
#[derive(Clone, Copy)]
struct Product;

impl Step<1> for Product {
	#[inline(always)]
	fn step<V: Lanes>(self, dy: V, [slope]: [V; 1]) -> V {
		dy.mul(slope)
	}
}

struct Backward<'a> {
	slope: &'a [f32],
	dy: &'a mut [f32],
}

impl Operation for Backward<'_> {
	type Output = ();

	#[inline(always)]
	fn run<V: Lanes>(self) {
		reduce::update::<V, 1>(self.dy, [self.slope], Product);
	}
}

/// `dy` becomes `dx`, by the slopes that the forward pass left.
pub(crate) fn backward(kernel: Kernel, slope: &[f32], dy: &mut [f32]) {
	split_rows(dy, 1, pieces(dy.len()), &|first, dy| {
		kernel.run(Backward {
			slope: &slope[first..first + dy.len()],
			dy,
		});
	});
}
