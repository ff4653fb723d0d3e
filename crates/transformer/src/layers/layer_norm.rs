//! Layer normalisation over the last axis (Ba et al. 2016, equations 3 and 4).
//!
//! Shapes: `x, y: [M, C]`, `gain, bias: [C]`, `stats: [M, 2]` keeps mean and 1 / standard deviation of each row; the
//! normalised values are recomputed from them.
//! Derivation: `derivations/layer_norm.md`. Source: numeric specification, section 5.
//! Must not know: where it sits in the model.

use crate::kernels::lanes::{Lanes, LANES};
use crate::kernels::reduce::{column_sums, fold, fold_pair, tree};
use crate::kernels::{pieces, split_rows, Kernel, Operation};

/// Added to the variance; GPT-2's number.
pub(crate) const EPSILON: f32 = 1e-5;

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
			let mean = tree(fold::<V>(x, 0.0, 0.0, V::add)) / c as f32;
			// Missing lanes are filled with the mean, whose deviation is +0.
			let squares = fold::<V>(x, 0.0, mean, |sum, x| {
				let deviation = x.sub(V::splat(mean));
				deviation.fma(deviation, sum)
			});
			let rstd = 1.0 / (tree(squares) / c as f32 + EPSILON).sqrt();
			stats[0] = mean;
			stats[1] = rstd;
			let normalise = |x: V, gain: V, bias: V| {
				x.sub(V::splat(mean)).mul(V::splat(rstd)).fma(gain, bias)
			};
			let (x, x_rest) = x.as_chunks::<LANES>();
			let (y, y_rest) = y.as_chunks_mut::<LANES>();
			let (gain, gain_rest) = self.gain.as_chunks::<LANES>();
			let (bias, bias_rest) = self.bias.as_chunks::<LANES>();
			for (((x, y), gain), bias) in x.iter().zip(y).zip(gain).zip(bias) {
				normalise(V::load(x), V::load(gain), V::load(bias)).store(y);
			}
			if !x_rest.is_empty() {
				normalise(
					V::load_partial(x_rest, 0.0),
					V::load_partial(gain_rest, 0.0),
					V::load_partial(bias_rest, 0.0),
				)
				.store_partial(y_rest);
			}
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
	let rows = x.len() / gain.len();
	forward_pieces(kernel, pieces(x.len()).min(rows.max(1)), Forward { x, gain, bias, y, stats });
}

fn forward_pieces(kernel: Kernel, pieces: usize, work: Forward<'_>) {
	if pieces <= 1 {
		kernel.run(work);
		return;
	}
	let Forward { x, gain, bias, y, stats } = work;
	let left = pieces / 2;
	let rows = stats.len() / 2 * left / pieces;
	let (x, x_right) = x.split_at(rows * gain.len());
	let (y, y_right) = y.split_at_mut(rows * gain.len());
	let (stats, stats_right) = stats.split_at_mut(rows * 2);
	let right = Forward { x: x_right, gain, bias, y: y_right, stats: stats_right };
	rayon::join(
		|| forward_pieces(kernel, left, Forward { x, gain, bias, y, stats }),
		|| forward_pieces(kernel, pieces - left, right),
	);
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
		let c = self.gain.len();
		let rows = self.dy.chunks_exact(c).zip(self.x.chunks_exact(c));
		for (((dy, x), dx), stats) in
			rows.zip(self.dx.chunks_exact_mut(c)).zip(self.stats.chunks_exact(2))
		{
			let (mean, rstd) = (V::splat(stats[0]), V::splat(stats[1]));
			// a = mean of dy gain, b = mean of dy gain x^.
			let a = tree(fold_pair::<V>(dy, self.gain, |sum, dy, gain| sum.add(dy.mul(gain))));
			let mut b = V::splat(0.0);
			let (dy_blocks, dy_rest) = dy.as_chunks::<LANES>();
			let (x_blocks, x_rest) = x.as_chunks::<LANES>();
			let (gain_blocks, gain_rest) = self.gain.as_chunks::<LANES>();
			let (dx_blocks, dx_rest) = dx.as_chunks_mut::<LANES>();
			let normalised = |x: V| x.sub(mean).mul(rstd);
			for ((dy, x), gain) in dy_blocks.iter().zip(x_blocks).zip(gain_blocks) {
				b = V::load(dy).mul(V::load(gain)).fma(normalised(V::load(x)), b);
			}
			if !dy_rest.is_empty() {
				let dgained =
					V::load_partial(dy_rest, 0.0).mul(V::load_partial(gain_rest, 0.0));
				b = dgained.fma(normalised(V::load_partial(x_rest, stats[0])), b);
			}
			let a = V::splat(a / c as f32);
			let minus_b = V::splat(tree(b) / c as f32).neg();
			// dx += (dy gain - a - x^ b) rstd
			let step = |dy: V, x: V, gain: V, dx: V| {
				let centred = dy.mul(gain).sub(a);
				dx.add(minus_b.fma(normalised(x), centred).mul(rstd))
			};
			for (((dy, x), gain), dx) in
				dy_blocks.iter().zip(x_blocks).zip(gain_blocks).zip(dx_blocks)
			{
				step(V::load(dy), V::load(x), V::load(gain), V::load(dx)).store(dx);
			}
			if !dy_rest.is_empty() {
				step(
					V::load_partial(dy_rest, 0.0),
					V::load_partial(x_rest, 0.0),
					V::load_partial(gain_rest, 0.0),
					V::load_partial(dx_rest, 0.0),
				)
				.store_partial(dx_rest);
			}
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
			let rows = self.dy.chunks_exact(self.c).zip(self.x.chunks_exact(self.c));
			for ((dy, x), stats) in rows.zip(self.stats.chunks_exact(2)) {
				let (dy, x) = (&dy[columns.clone()], &x[columns.clone()]);
				let (dy, x) = match (dy.first_chunk(), x.first_chunk()) {
					(Some(dy), Some(x)) => (V::load(dy), V::load(x)),
					_ => (V::load_partial(dy, 0.0), V::load_partial(x, 0.0)),
				};
				sum = dy.fma(x.sub(V::splat(stats[0])).mul(V::splat(stats[1])), sum);
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
	split_rows(dgain, 1, pieces(dy.len()).min(c.div_ceil(LANES)), &|first, dgain| {
		kernel.run(GainGradient { dy, x, stats, c, first, dgain });
	});
	split_rows(dx, c, pieces(dy.len()), &|first, dx| {
		let (from, to) = (first * c, first * c + dx.len());
		let stats = &stats[first * 2..to / c * 2];
		kernel.run(Backward { dy: &dy[from..to], x: &x[from..to], stats, gain, dx });
	});
}
