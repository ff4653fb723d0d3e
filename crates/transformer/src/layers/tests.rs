//! Each layer's backward pass against central differences in `f64`, and closed forms where there are.

use super::attention::{sequence_pieces, Heads};
use super::reference::{check, dot, wide};
use super::*;
use crate::kernels::tests::{numbers, on_pools};
use crate::kernels::Kernel;

/// Rounding of an f32 chain of a few dozen terms, relative to the greatest coordinate.
const TOLERANCE: f64 = 3e-6;

fn small(n: usize, seed: u32) -> Vec<f32> {
	numbers(n, seed).into_iter().map(|x| x * 0.25).collect()
}

#[test]
fn linear_matches_differences() {
	let (m, i, o) = (5, 7, 19);
	let (x, w, b) = (small(m * i, 1), small(i * o, 2), small(o, 3));
	let dy = small(m * o, 4);
	let (wx, ww, wb, wdy) = (wide(&x), wide(&w), wide(&b), wide(&dy));
	for kernel in Kernel::available() {
		let mut y = vec![0.0; m * o];
		linear::forward(kernel, &x, &w, &b, &mut y);
		for (y, want) in y.iter().zip(reference::linear(&wx, &ww, &wb)) {
			assert!((f64::from(*y) - want).abs() < 1e-5);
		}
		let (mut dx, mut dw, mut db) = (vec![0.0; m * i], vec![0.0; i * o], vec![0.0; o]);
		linear::backward(kernel, &dy, &x, &w, &mut dx, &mut dw, &mut db);
		check(
			"dx",
			|x| dot(&reference::linear(x, &ww, &wb), &wdy),
			&x,
			&dx,
			TOLERANCE,
		);
		check(
			"dw",
			|w| dot(&reference::linear(&wx, w, &wb), &wdy),
			&w,
			&dw,
			TOLERANCE,
		);
		check(
			"db",
			|b| dot(&reference::linear(&wx, &ww, b), &wdy),
			&b,
			&db,
			TOLERANCE,
		);
	}
}

#[test]
fn layer_norm_matches_differences() {
	for c in [5, 16, 35] {
		let m = 4;
		let (x, gain, bias) = (numbers(m * c, 1), numbers(c, 2), numbers(c, 3));
		let dy = small(m * c, 4);
		let (wx, wg, wb, wdy) = (wide(&x), wide(&gain), wide(&bias), wide(&dy));
		for kernel in Kernel::available() {
			let (mut y, mut stats) = (vec![0.0; m * c], vec![0.0; 2 * m]);
			layer_norm::forward(kernel, &x, &gain, &bias, &mut y, &mut stats);
			for (y, want) in y.iter().zip(reference::layer_norm(&wx, &wg, &wb)) {
				assert!((f64::from(*y) - want).abs() < 1e-4, "{y} {want}");
			}
			// The residual's gradient is already in dx.
			let residual = small(m * c, 5);
			let (mut dx, mut dgain, mut dbias) = (residual.clone(), vec![0.0; c], vec![0.0; c]);
			layer_norm::backward(
				kernel, &dy, &x, &stats, &gain, &mut dx, &mut dgain, &mut dbias,
			);
			for (dx, residual) in dx.iter_mut().zip(&residual) {
				*dx -= residual;
			}
			let f = |x: &[f64]| dot(&reference::layer_norm(x, &wg, &wb), &wdy);
			check("dx", f, &x, &dx, 1e-5);
			let f = |gain: &[f64]| dot(&reference::layer_norm(&wx, gain, &wb), &wdy);
			check("dgain", f, &gain, &dgain, TOLERANCE);
			let f = |bias: &[f64]| dot(&reference::layer_norm(&wx, &wg, bias), &wdy);
			check("dbias", f, &bias, &dbias, TOLERANCE);
		}
	}
}

#[test]
fn layer_norm_of_a_constant_row_is_its_bias() {
	let (mut y, mut stats) = (vec![0.0; 20], vec![0.0; 2]);
	let bias = numbers(20, 1);
	layer_norm::forward(
		Kernel::detect(),
		&[3.0; 20],
		&[2.0; 20],
		&bias,
		&mut y,
		&mut stats,
	);
	assert_eq!(y, bias);
	assert_eq!(stats[0], 3.0);
}

#[test]
fn gelu_matches_differences_and_its_limits() {
	let x = numbers(41, 1);
	let dy = small(41, 2);
	for kernel in Kernel::available() {
		let (mut y, mut slope) = (vec![0.0; x.len()], x.clone());
		gelu::forward(kernel, &mut slope, &mut y);
		for (x, y) in x.iter().zip(&y) {
			assert!((f64::from(*y) - reference::gelu(f64::from(*x))).abs() < 2e-6);
		}
		let mut dx = dy.clone();
		gelu::backward(kernel, &slope, &mut dx);
		let wdy = wide(&dy);
		let f = |x: &[f64]| {
			x.iter()
				.zip(&wdy)
				.map(|(x, dy)| reference::gelu(*x) * dy)
				.sum()
		};
		check("dx", f, &x, &dx, TOLERANCE);
	}
	let mut y = [0.0; 4];
	gelu::forward(Kernel::detect(), &mut [0.0, 20.0, -20.0, 1.0], &mut y);
	assert_eq!([y[0], y[1], y[2]], [0.0, 20.0, 0.0]);
	assert!((y[3] - 0.841_192).abs() < 1e-6);
}

/// Runs attention forward and backward; gives out and dqkv.
fn attend(
	kernel: Kernel,
	heads: Heads,
	offsets: &[usize],
	qkv: &[f32],
	dout: &[f32],
) -> (Vec<f32>, Vec<f32>) {
	let c = heads.n_heads * heads.d_head;
	let longest = offsets
		.windows(2)
		.map(|ends| ends[1] - ends[0])
		.max()
		.unwrap();
	let mut scratch = vec![0.0; sequence_pieces(offsets, c) * heads.scratch(longest)];
	let (mut out, mut dqkv) = (vec![0.0; dout.len()], vec![0.0; qkv.len()]);
	let mut stats = vec![0.0; qkv.len() / (3 * c) * heads.n_heads * 2];
	attention::forward(
		kernel,
		heads,
		offsets,
		qkv,
		&mut out,
		&mut stats,
		&mut scratch,
	);
	attention::backward(
		kernel,
		heads,
		offsets,
		qkv,
		&stats,
		dout,
		&mut dqkv,
		&mut scratch,
	);
	(out, dqkv)
}

#[test]
fn attention_matches_differences() {
	for (n_heads, d_head, offsets) in [
		(2, 3, vec![0, 1, 6]),
		(1, 16, vec![0, 5, 12]),
		(3, 5, vec![0, 19]),
	] {
		let heads = Heads {
			n_heads,
			n_kv_heads: n_heads,
			d_head,
		};
		let (c, m) = (n_heads * d_head, offsets[offsets.len() - 1]);
		let (qkv, dout) = (small(m * 3 * c, 1), small(m * c, 2));
		let (wqkv, wdout) = (wide(&qkv), wide(&dout));
		for kernel in Kernel::available() {
			let (out, dqkv) = attend(kernel, heads, &offsets, &qkv, &dout);
			let want = reference::attention(&wqkv, &offsets, n_heads, d_head);
			for (out, want) in out.iter().zip(want) {
				assert!((f64::from(*out) - want).abs() < 2e-6, "{out} {want}");
			}
			let f = |qkv: &[f64]| {
				dot(
					&reference::attention(qkv, &offsets, n_heads, d_head),
					&wdout,
				)
			};
			check("dqkv", f, &qkv, &dqkv, 1e-5);
		}
	}
}

#[test]
fn attention_is_the_same_for_any_threads_and_any_company() {
	let heads = Heads {
		n_heads: 3,
		n_kv_heads: 3,
		d_head: 24,
	};
	let c = 72;
	let offsets = [0, 9, 10, 43, 60, 77, 100, 117, 150];
	let (qkv, dout) = (small(150 * 3 * c, 1), small(150 * c, 2));
	let want = attend(Kernel::Scalar, heads, &offsets, &qkv, &dout);
	on_pools(|| {
		for kernel in Kernel::available() {
			assert_eq!(
				attend(kernel, heads, &offsets, &qkv, &dout),
				want,
				"{kernel:?}"
			);
		}
	});
	// One sequence alone gives what it gave among others.
	let rows = 10..43;
	let alone = attend(
		Kernel::detect(),
		heads,
		&[0, 33],
		&qkv[rows.start * 3 * c..rows.end * 3 * c],
		&dout[rows.start * c..rows.end * c],
	);
	assert_eq!(alone.0, want.0[rows.start * c..rows.end * c]);
	assert_eq!(alone.1, want.1[rows.start * 3 * c..rows.end * 3 * c]);
}

#[test]
fn attention_to_a_single_key_returns_its_value() {
	let heads = Heads {
		n_heads: 1,
		n_kv_heads: 1,
		d_head: 4,
	};
	let qkv = small(12, 3);
	let (out, dqkv) = attend(
		Kernel::detect(),
		heads,
		&[0, 1],
		&qkv,
		&[1.0, 2.0, 3.0, 4.0],
	);
	assert_eq!(out, qkv[8..]);
	assert_eq!(dqkv[..8], [0.0; 8]);
	assert_eq!(dqkv[8..], [1.0, 2.0, 3.0, 4.0]);
}

#[test]
fn cross_entropy_matches_differences() {
	let (rows, v) = (4, 21);
	let logits = numbers(rows * v, 1);
	let targets = [0, 20, 7, 16];
	for kernel in Kernel::available() {
		let (mut gradient, mut losses) = (logits.clone(), vec![0.0; rows]);
		cross_entropy::rows(kernel, &mut gradient, &targets, &mut losses, Some(0.25));
		let mean = losses.iter().sum::<f32>() / rows as f32;
		let want = reference::cross_entropy(&wide(&logits), &targets);
		assert!((f64::from(mean) - want).abs() < 1e-5);
		let f = |logits: &[f64]| reference::cross_entropy(logits, &targets);
		check("dlogits", f, &logits, &gradient, TOLERANCE);
		// Evaluation gives the same losses and leaves the logits.
		let (mut untouched, mut again) = (logits.clone(), vec![0.0; rows]);
		cross_entropy::rows(kernel, &mut untouched, &targets, &mut again, None);
		assert_eq!((untouched, again), (logits.clone(), losses));
	}
}

#[test]
fn equal_logits_lose_the_logarithm_of_the_vocabulary() {
	let mut losses = [0.0];
	cross_entropy::rows(Kernel::detect(), &mut [2.5; 64], &[9], &mut losses, None);
	assert!((losses[0] - 64.0_f32.ln()).abs() < 1e-6);
}

#[test]
fn embedding_adds_gradients_in_token_order() {
	let c = 3;
	let dx = [1e8, 1.0, 1.0, 1.0, 2.0, 2.0, -1e8, 3.0, 3.0];
	let (mut dtoken, mut dposition) = (vec![0.5; 4 * c], vec![0.0; 2 * c]);
	let (tokens, positions) = ([2, 2, 2], [0, 1, 0]);
	let kernel = Kernel::detect();
	embedding::backward(
		kernel,
		&dx,
		&tokens,
		&positions,
		c,
		&mut dtoken,
		&mut dposition,
	);
	// 0.5 + 1e8 swallows the half, and the 1 after it too.
	assert_eq!(
		dtoken[2 * c..3 * c],
		[((0.5_f32 + 1e8) + 1.0) - 1e8, 6.5, 6.5]
	);
	assert_eq!(dtoken[..2 * c], [0.5; 6]);
	assert_eq!(dposition, [0.0, 4.0, 4.0, 1.0, 2.0, 2.0]);
	let mut x = vec![0.0; 2 * c];
	let table: Vec<f32> = (0..12).map(|x| x as f32).collect();
	embedding::forward(&table, &[100.0; 6], &[3, 1], &[0, 1], c, &mut x);
	assert_eq!(x, [109.0, 110.0, 111.0, 103.0, 104.0, 105.0]);
}
