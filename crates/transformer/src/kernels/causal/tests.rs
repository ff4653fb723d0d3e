//! Each product against its chains written out, at every edge of a tile, in every kernel.

use super::*;
use crate::kernels::lanes::fused_multiply_add;
use crate::kernels::tests::numbers;
use crate::kernels::{Kernel, Operation};

/// Sizes of one check: rows, keys that the first of them sees, width.
#[derive(Clone, Copy, Debug)]
struct Shape {
	count: usize,
	first_keys: usize,
	width: usize,
}

const SHAPES: [Shape; 10] = [
	Shape {
		count: 1,
		first_keys: 1,
		width: 1,
	},
	Shape {
		count: 1,
		first_keys: 40,
		width: 16,
	},
	Shape {
		count: 7,
		first_keys: 1,
		width: 5,
	},
	Shape {
		count: 8,
		first_keys: 9,
		width: 32,
	},
	Shape {
		count: 9,
		first_keys: 17,
		width: 33,
	},
	Shape {
		count: 16,
		first_keys: 1,
		width: 48,
	},
	Shape {
		count: 31,
		first_keys: 33,
		width: 24,
	},
	Shape {
		count: 32,
		first_keys: 65,
		width: 64,
	},
	Shape {
		count: 20,
		first_keys: 25,
		width: 80,
	},
	Shape {
		count: 3,
		first_keys: 57,
		width: 15,
	},
];

/// All products of one shape.
struct All {
	shape: Shape,
	/// `[count, width]`, at a stride of `width + 3`.
	queries: Vec<f32>,
	/// `[keys, width]`, at a stride of `width + 5`.
	keys: Vec<f32>,
	/// `[count, keys]`, at the padded stride.
	weights: Vec<f32>,
}

impl All {
	fn new(shape: Shape) -> Self {
		let keys = shape.first_keys + shape.count - 1;
		Self {
			shape,
			queries: numbers(shape.count * (shape.width + 3), 1),
			keys: numbers(keys * (shape.width + 5), 2),
			weights: numbers(shape.count * keys.next_multiple_of(LANES), 3),
		}
	}

	fn n_keys(&self) -> usize {
		self.shape.first_keys + self.shape.count - 1
	}

	/// Scores, weighted keys and weighted queries, chain by chain; what nobody sees is left out.
	fn expected(&self) -> [Vec<f32>; 3] {
		let Shape {
			count,
			first_keys,
			width,
		} = self.shape;
		let stride = self.n_keys().next_multiple_of(LANES);
		let query = |i: usize, d: usize| self.queries[i * (width + 3) + d];
		let key = |j: usize, d: usize| self.keys[j * (width + 5) + d];
		let weight = |i: usize, j: usize| self.weights[i * stride + j];
		let mut scores = Vec::new();
		let mut rows = Vec::new();
		for i in 0..count {
			for j in 0..first_keys + i {
				let chain = (0..width).fold(0.0, |sum, d| {
					fused_multiply_add(query(i, d), key(j, d), sum)
				});
				scores.push(chain * 0.3);
			}
			for d in 0..width {
				let chain = (0..first_keys + i).fold(0.0, |sum, j| {
					fused_multiply_add(weight(i, j), key(j, d), sum)
				});
				rows.push(chain * (1.0 + i as f32));
			}
		}
		let mut columns = Vec::new();
		for j in 0..self.n_keys() {
			for d in 0..width {
				let chain = ((j + 1).saturating_sub(first_keys)..count).fold(0.5, |sum, i| {
					fused_multiply_add(weight(i, j), query(i, d), sum)
				});
				columns.push(chain);
			}
		}
		[scores, rows, columns]
	}
}

impl Operation for &All {
	type Output = [Vec<f32>; 3];

	#[inline(always)]
	fn run<V: Lanes>(self) -> [Vec<f32>; 3] {
		let Shape {
			count,
			first_keys,
			width,
		} = self.shape;
		let keys = self.n_keys();
		let stride = keys.next_multiple_of(LANES);
		let queries = Rows::new(&self.queries, width + 3, width);
		let rows = Rows::new(&self.keys, width + 5, width);
		let weights = Rows::new(&self.weights, stride, stride);
		let mut transposed = vec![f32::NAN; width * stride];
		transpose_rows::<V>(rows, keys, &mut transposed, stride);
		let columns = Rows::new(&transposed, stride, stride);
		let mut out = vec![f32::NAN; count * stride];
		dot_rows::<V>(
			queries,
			count,
			columns,
			first_keys,
			Some(0.3),
			&mut out,
			stride,
		);
		let mut scores = Vec::new();
		for (i, row) in out.chunks_exact(stride).enumerate() {
			scores.extend_from_slice(&row[..first_keys + i]);
		}
		let mut factors = vec![0.0; count];
		for (i, factor) in factors.iter_mut().enumerate() {
			*factor = 1.0 + i as f32;
		}
		let mut weighted = vec![f32::NAN; count * width];
		weighted_rows::<V>(weights, first_keys, rows, &factors, &mut weighted, width);
		let mut back = vec![0.5; keys * width];
		if (first_keys - 1).is_multiple_of(TILE_ROWS) {
			weighted_columns::<V>(weights, count, first_keys, queries, &mut back, width);
		}
		[scores, weighted, back]
	}
}

fn bits(values: &[f32]) -> Vec<u32> {
	values.iter().map(|value| value.to_bits()).collect()
}

#[test]
fn every_shape_follows_its_chains() {
	for shape in SHAPES {
		let all = All::new(shape);
		let [scores, rows, columns] = all.expected();
		for kernel in Kernel::available() {
			let got = kernel.run(&all);
			assert_eq!(
				bits(&got[0]),
				bits(&scores),
				"{kernel:?}, scores, {shape:?}"
			);
			assert_eq!(bits(&got[1]), bits(&rows), "{kernel:?}, rows, {shape:?}");
			if (shape.first_keys - 1).is_multiple_of(TILE_ROWS) {
				assert_eq!(
					bits(&got[2]),
					bits(&columns),
					"{kernel:?}, columns, {shape:?}"
				);
			}
		}
	}
}

#[test]
fn keys_beyond_a_row_are_not_touched() {
	// Infinities there would become NaN, were they multiplied by zero.
	let shape = Shape {
		count: 8,
		first_keys: 1,
		width: 16,
	};
	let mut all = All::new(shape);
	let width = shape.width + 5;
	all.keys[7 * width..][..16].fill(f32::INFINITY);
	for kernel in Kernel::available() {
		let got = kernel.run(&all);
		let (seen, last) = got[1].split_at(7 * 16);
		assert!(seen.iter().all(|x| x.is_finite()));
		assert!(last.iter().all(|x| !x.is_finite()));
	}
}

#[test]
#[should_panic(expected = "rows wanted")]
fn too_few_rows_are_refused() {
	let shape = Shape {
		count: 8,
		first_keys: 1,
		width: 16,
	};
	let mut all = All::new(shape);
	all.queries.truncate(100);
	Kernel::Scalar.run(&all);
}
