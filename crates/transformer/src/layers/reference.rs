//! The model in `f64`, written the plain way: what gradients are compared with.

/// Matrix product with bias, `[M, I] x [I, O] + [O]`.
pub(crate) fn linear(x: &[f64], w: &[f64], b: &[f64]) -> Vec<f64> {
	let (outputs, inputs) = (b.len(), w.len() / b.len());
	let element = |row: &[f64], j: usize| {
		b[j] + (0..inputs)
			.map(|i| row[i] * w[i * outputs + j])
			.sum::<f64>()
	};
	x.chunks_exact(inputs)
		.flat_map(|row| (0..outputs).map(move |j| element(row, j)))
		.collect()
}

/// Layer normalisation of each row.
pub(crate) fn layer_norm(x: &[f64], gain: &[f64], bias: &[f64]) -> Vec<f64> {
	let c = gain.len();
	let mut y = Vec::with_capacity(x.len());
	for row in x.chunks_exact(c) {
		let mean = row.iter().sum::<f64>() / c as f64;
		let variance = row.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / c as f64;
		let rstd = 1.0 / (variance + f64::from(super::layer_norm::EPSILON)).sqrt();
		y.extend((0..c).map(|j| (row[j] - mean) * rstd * gain[j] + bias[j]));
	}
	y
}

/// Tanh form.
pub(crate) fn gelu(x: f64) -> f64 {
	let inner = (2.0 / core::f64::consts::PI).sqrt() * (x + 0.044_715 * x.powi(3));
	0.5 * x * (1.0 + inner.tanh())
}

/// Causal attention of each sequence and head.
pub(crate) fn attention(qkv: &[f64], offsets: &[usize], heads: usize, d: usize) -> Vec<f64> {
	let c = heads * d;
	let mut out = vec![0.0; qkv.len() / 3];
	for ends in offsets.windows(2) {
		for head in 0..heads {
			let at = |row: usize, part: usize, k: usize| qkv[row * 3 * c + part * c + head * d + k];
			for i in ends[0]..ends[1] {
				let score =
					|j| (0..d).map(|k| at(i, 0, k) * at(j, 1, k)).sum::<f64>() / (d as f64).sqrt();
				let e: Vec<f64> = (ends[0]..=i).map(|j| f64::exp(score(j))).collect();
				let sum: f64 = e.iter().sum();
				for k in 0..d {
					let value: f64 = e
						.iter()
						.zip(ends[0]..)
						.map(|(e, j)| e / sum * at(j, 2, k))
						.sum();
					out[i * c + head * d + k] = value;
				}
			}
		}
	}
	out
}

/// Mean cross-entropy of rows of logits.
pub(crate) fn cross_entropy(logits: &[f64], targets: &[u32]) -> f64 {
	let v = logits.len() / targets.len();
	let loss = |(row, target): (&[f64], &u32)| {
		let sum: f64 = row.iter().map(|x| x.exp()).sum();
		sum.ln() - row[*target as usize]
	};
	logits.chunks_exact(v).zip(targets).map(loss).sum::<f64>() / targets.len() as f64
}

/// Derivative of `f` along coordinate `i`.
pub(crate) fn slope(f: &impl Fn(&[f64]) -> f64, x: &[f64], i: usize) -> f64 {
	const H: f64 = 1e-5;
	let mut moved = x.to_vec();
	moved[i] = x[i] + H;
	let up = f(&moved);
	moved[i] = x[i] - H;
	(up - f(&moved)) / (2.0 * H)
}

/// Compares a gradient with central differences of `f` at `x`, coordinate by coordinate.
///
/// The tolerance is relative to the greatest coordinate: single ones cancel to less than an `f32` sum can hold.
pub(crate) fn check(name: &str, f: impl Fn(&[f64]) -> f64, x: &[f32], got: &[f32], tolerance: f64) {
	assert_eq!(x.len(), got.len(), "{name}");
	let x: Vec<f64> = x.iter().map(|x| f64::from(*x)).collect();
	let want: Vec<f64> = (0..x.len()).map(|i| slope(&f, &x, i)).collect();
	let scale = want.iter().fold(1e-6, |max: f64, x| max.max(x.abs()));
	for (i, (got, want)) in got.iter().zip(&want).enumerate() {
		let error = (f64::from(*got) - want).abs();
		assert!(
			error <= tolerance * scale,
			"{name}[{i}]: {got}, differences give {want}"
		);
	}
}

/// In `f64`.
pub(crate) fn wide(x: &[f32]) -> Vec<f64> {
	x.iter().map(|x| f64::from(*x)).collect()
}

/// Inner product, the scalar whose gradient is what a backward pass computes.
pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
	a.iter().zip(b).map(|(a, b)| a * b).sum()
}
