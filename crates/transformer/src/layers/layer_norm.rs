//! Layer normalisation over the last axis (Ba et al. 2016, equations 3 and 4).
//!
//! Shapes: `x, y: [M, C]`, `gain, bias: [C]`, `stats: [M, 2]` keeps mean and 1 / standard deviation of each row; the
//! normalised values are recomputed from them.
//! Derivation: `derivations/layer_norm.md`. Source: numeric specification, section 5.
//! Must not know: where it sits in the model.

use crate::kernels::lanes::{Lanes, LANES};
use crate::kernels::reduce::{column_sums, fold, map, row_sum, tree, update, Step};
use crate::kernels::{pieces, split_rows, split_work, Cut, Kernel, Operation};

/// Added to the variance; GPT-2's number.
pub(crate) const EPSILON: f32 = 1e-5;

/// `current + (x - mean)^2`.
#[derive(Clone, Copy)]
struct SquaredDeviation {
	mean: f32,
}

impl Step<1> for SquaredDeviation {
	#[inline(always)]
	fn step<V: Lanes>(self, current: V, [x]: [V; 1]) -> V {
		let deviation = x.sub(V::splat(self.mean));
		deviation.fma(deviation, current)
	}
}

/// Mean and 1 / standard deviation of a row.
#[derive(Clone, Copy)]
struct Moments {
	mean: f32,
	rstd: f32,
}

impl Moments {
	#[inline(always)]
	fn normalised<V: Lanes>(self, x: V) -> V {
		x.sub(V::splat(self.mean)).mul(V::splat(self.rstd))
	}
}

/// `x^ gain + bias`.
impl Step<3> for Moments {
	#[inline(always)]
	fn step<V: Lanes>(self, _: V, [x, gain, bias]: [V; 3]) -> V {
		self.normalised(x).fma(gain, bias)
	}
}

struct Forward<'a> {
	x: &'a [f32],
	gain: &'a [f32],
	bias: &'a [f32],
	y: &'a mut [f32],
	stats: &'a mut [f32],
}

impl Operation for Forward<'_> {
	type Output = ();

	#[inline(always)]
	fn run<V: Lanes>(self) {
		let c = self.gain.len();
		let rows = self.x.chunks_exact(c).zip(self.y.chunks_exact_mut(c));
		for ((x, y), stats) in rows.zip(self.stats.chunks_exact_mut(2)) {
			let mean = row_sum::<V>(x) / c as f32;
			// Missing lanes are filled with the mean, whose deviation is +0.
			let squares = tree(fold::<V, 1>(0.0, [x], [mean], SquaredDeviation { mean }));
			let rstd = 1.0 / (squares / c as f32 + EPSILON).sqrt();
			stats[0] = mean;
			stats[1] = rstd;
			map::<V, 3>(y, [x, self.gain, self.bias], Moments { mean, rstd });
		}
	}
}

/// `y = (x - mean) / sqrt(variance + epsilon) * gain + bias`, row by row.
pub(crate) fn forward(
	kernel: Kernel,
	x: &[f32],
	gain: &[f32],
	bias: &[f32],
	y: &mut [f32],
	stats: &mut [f32],
) {
	let work = Forward {
		x,
		gain,
		bias,
		y,
		stats,
	};
	split_work(work, pieces(x.len()), &|work| kernel.run(work));
}

impl Cut for Forward<'_> {
	fn rows(&self) -> usize {
		self.stats.len() / 2
	}

	fn cut(self, rows: usize) -> (Self, Self) {
		let gain = self.gain;
		let (x, x_right) = self.x.split_at(rows * gain.len());
		let (y, y_right) = self.y.split_at_mut(rows * gain.len());
		let (stats, stats_right) = self.stats.split_at_mut(rows * 2);
		let part = |x, y, stats| Self {
			x,
			gain,
			bias: self.bias,
			y,
			stats,
		};
		(part(x, y, stats), part(x_right, y_right, stats_right))
	}
}

/// `current + dy gain`.
#[derive(Clone, Copy)]
struct PlusProduct;

impl Step<2> for PlusProduct {
	#[inline(always)]
	fn step<V: Lanes>(self, current: V, [dy, gain]: [V; 2]) -> V {
		current.add(dy.mul(gain))
	}
}

/// `current + dy gain x^`, the last product fused.
#[derive(Clone, Copy)]
struct NormalisedProduct(Moments);

impl Step<3> for NormalisedProduct {
	#[inline(always)]
	fn step<V: Lanes>(self, current: V, [dy, gain, x]: [V; 3]) -> V {
		dy.mul(gain).fma(self.0.normalised(x), current)
	}
}

/// `current + (dy gain - a - x^ b) rstd`.
#[derive(Clone, Copy)]
struct InputGradient {
	moments: Moments,
	a: f32,
	minus_b: f32,
}

impl Step<3> for InputGradient {
	#[inline(always)]
	fn step<V: Lanes>(self, current: V, [dy, gain, x]: [V; 3]) -> V {
		let centred = dy.mul(gain).sub(V::splat(self.a));
		let scaled = V::splat(self.minus_b).fma(self.moments.normalised(x), centred);
		current.add(scaled.mul(V::splat(self.moments.rstd)))
	}
}

struct Backward<'a> {
	dy: &'a [f32],
	x: &'a [f32],
	stats: &'a [f32],
	gain: &'a [f32],
	dx: &'a mut [f32],
}

impl Operation for Backward<'_> {
	type Output = ();

	#[inline(always)]
	fn run<V: Lanes>(self) {
		let (c, gain) = (self.gain.len(), self.gain);
		let rows = self.dy.chunks_exact(c).zip(self.x.chunks_exact(c));
		for (((dy, x), dx), stats) in rows
			.zip(self.dx.chunks_exact_mut(c))
			.zip(self.stats.chunks_exact(2))
		{
			let moments = Moments {
				mean: stats[0],
				rstd: stats[1],
			};
			// a = mean of dy gain, b = mean of dy gain x^.
			let a = tree(fold::<V, 2>(0.0, [dy, gain], [0.0; 2], PlusProduct)) / c as f32;
			let fills = [0.0, 0.0, moments.mean];
			let b = tree(fold::<V, 3>(
				0.0,
				[dy, gain, x],
				fills,
				NormalisedProduct(moments),
			));
			let step = InputGradient {
				moments,
				a,
				minus_b: -(b / c as f32),
			};
			update::<V, 3>(dx, [dy, gain, x], step);
		}
	}
}

/// `dgain[j] = fma(dy[m,j], x^[m,j], dgain[j])`, rows in order, columns `first..first + dgain.len()`.
struct GainGradient<'a> {
	dy: &'a [f32],
	x: &'a [f32],
	stats: &'a [f32],
	c: usize,
	first: usize,
	dgain: &'a mut [f32],
}

impl Operation for GainGradient<'_> {
	type Output = ();

	#[inline(always)]
	fn run<V: Lanes>(self) {
		let mut first = self.first;
		for dgain in self.dgain.chunks_mut(LANES) {
			let columns = first..first + dgain.len();
			let mut sum = V::load_partial(dgain, 0.0);
			let rows = self
				.dy
				.chunks_exact(self.c)
				.zip(self.x.chunks_exact(self.c));
			for ((dy, x), stats) in rows.zip(self.stats.chunks_exact(2)) {
				let (dy, x) = (&dy[columns.clone()], &x[columns.clone()]);
				let (dy, x) = match (dy.first_chunk(), x.first_chunk()) {
					(Some(dy), Some(x)) => (V::load(dy), V::load(x)),
					_ => (V::load_partial(dy, 0.0), V::load_partial(x, 0.0)),
				};
				let moments = Moments {
					mean: stats[0],
					rstd: stats[1],
				};
				sum = dy.fma(moments.normalised(x), sum);
			}
			sum.store_partial(dgain);
			first += dgain.len();
		}
	}
}

/// Gradients: `dx` is added to (the residual's gradient is already there), `dgain` and `dbias` are continued.
pub(crate) fn backward(
	kernel: Kernel,
	dy: &[f32],
	x: &[f32],
	stats: &[f32],
	gain: &[f32],
	dx: &mut [f32],
	dgain: &mut [f32],
	dbias: &mut [f32],
) {
	let c = gain.len();
	column_sums(kernel, dy, dbias);
	split_rows(
		dgain,
		1,
		pieces(dy.len()).min(c.div_ceil(LANES)),
		&|first, dgain| {
			kernel.run(GainGradient {
				dy,
				x,
				stats,
				c,
				first,
				dgain,
			});
		},
	);
	split_rows(dx, c, pieces(dy.len()), &|first, dx| {
		let (from, to) = (first * c, first * c + dx.len());
		let stats = &stats[first * 2..to / c * 2];
		kernel.run(Backward {
			dy: &dy[from..to],
			x: &x[from..to],
			stats,
			gain,
			dx,
		});
	});
}
