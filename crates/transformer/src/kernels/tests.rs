//! Every kernel against the scalar chain written out, and the functions against `f64`.

use super::gemm::{matmul, Matrix, Start};
use super::lanes::{fused_multiply_add, Arithmetic, One, Scalar, LANES};
use super::reduce::{column_sums, long_sum, Term, BLOCK};
use super::*;

/// Numbers of many magnitudes and both signs, the same on every run.
pub(crate) fn numbers(n: usize, seed: u32) -> Vec<f32> {
	let mut state = seed.wrapping_mul(2_654_435_769).wrapping_add(1);
	let mut next = || {
		state ^= state << 13;
		state ^= state >> 17;
		state ^= state << 5;
		state
	};
	(0..n)
		.map(|_| {
			let mantissa = (next() >> 8) as f32 / 8_388_608.0 - 1.0;
			mantissa * 2.0_f32.powi((next() % 9) as i32 - 4)
		})
		.collect()
}

fn bits(values: &[f32]) -> Vec<u32> {
	values.iter().map(|value| value.to_bits()).collect()
}

/// Runs `body` on pools of one to four threads.
pub(crate) fn on_pools(body: impl Fn() + Sync) {
	for threads in 1..=4 {
		let pool = rayon::ThreadPoolBuilder::new()
			.num_threads(threads)
			.build()
			.unwrap();
		pool.install(&body);
	}
}

#[test]
fn the_emulated_fused_multiply_add_is_correctly_rounded() {
	// The platform's function is trusted in tests only.
	let patterns = [
		0x0000_0000,
		0x8000_0000,
		0x0000_0001,
		0x8000_0001,
		0x007f_ffff,
		0x0080_0000,
		0x3f80_0000,
		0xbf80_0000,
		0x3f80_0001,
		0x3f7f_ffff,
		0x7f7f_ffff,
		0xff7f_ffff,
		0x7f80_0000,
		0x2000_0000,
		0x1fff_ffff,
		0x3400_0000,
		0x3380_0000,
		0x4b80_0000,
		0x0c80_0001,
		0x6f80_0000,
	];
	let check = |a: f32, b: f32, c: f32| {
		let (got, want) = (fused_multiply_add(a, b, c), a.mul_add(b, c));
		assert!(
			got.to_bits() == want.to_bits() || (got.is_nan() && want.is_nan()),
			"{a:e} * {b:e} + {c:e}: {got:e}, not {want:e}"
		);
	};
	for a in patterns {
		for b in patterns {
			for c in patterns {
				check(f32::from_bits(a), f32::from_bits(b), f32::from_bits(c));
			}
		}
	}
	// Any bits, and sums that nearly cancel, where two roundings would show.
	let raw = |i: u32| f32::from_bits(i.wrapping_mul(2_654_435_769) ^ (i << 7));
	for i in 0..300_000_u32 {
		let (a, b) = (raw(i), raw(i ^ 0x5555_5555));
		check(a, b, raw(i.wrapping_add(77)));
		check(a, b, -(a * b));
		check(a, b, f32::from_bits((a * b).to_bits() ^ 1));
	}
}

#[test]
fn rounding_twice_would_be_caught() {
	// 2^30 (1 + 2^-23) (1 + 2^-23) / 2^30 lies a hair above the tie 1 + 2^-22 of some f32 grids; scaled so that the hair
	// falls out of f64: tie + 2^-60 becomes the tie, which f32 rounds to even, downwards.
	let (a, b) = (1.0 + 2.0_f32.powi(-12), 2.0_f32.powi(-24));
	let c = 1.0;
	// a b = 2^-24 + 2^-36: f64 keeps it, so both agree.
	assert_eq!(fused_multiply_add(a, b, c), 1.0 + f32::EPSILON);
	// a a = 1 + 2^-11 + 2^-24; with 2^-54 less, the exact sum is just below the tie.
	let hair = 2.0_f32.powi(-54);
	let below = fused_multiply_add(a, a, -hair);
	let twice = (f64::from(a) * f64::from(a) - f64::from(hair)) as f32;
	let above = fused_multiply_add(a, a, hair);
	assert_eq!(below, 1.0 + 2.0_f32.powi(-11));
	assert_eq!(above, 1.0 + 2.0_f32.powi(-11) + f32::EPSILON);
	// Rounding to f64 first gives the tie both times, and the even neighbour.
	assert_eq!(twice, 1.0 + 2.0_f32.powi(-11));
	assert_eq!(
		(f64::from(a) * f64::from(a) + f64::from(hair)) as f32,
		twice
	);
}

/// Distance in units of the last place of the nearest `f32` to `want`.
fn ulps(got: f32, want: f64) -> f64 {
	if want.is_nan() {
		return if got.is_nan() { 0.0 } else { f64::INFINITY };
	}
	let nearest = want as f32;
	if nearest.is_infinite() || got.is_infinite() {
		return if got == nearest { 0.0 } else { f64::INFINITY };
	}
	let exponent = (nearest.abs().max(f32::MIN_POSITIVE).to_bits() >> 23) as i32 - 127;
	(f64::from(got) - want).abs() / 2.0_f64.powi(exponent - 23)
}

/// Worst error over numbers spread evenly over the bit patterns from `low` to `high`, both signs if `mirrored`.
fn worst(
	f: impl Fn(f32) -> f32,
	oracle: impl Fn(f64) -> f64,
	low: f32,
	high: f32,
	mirrored: bool,
) -> (f64, f32) {
	let (first, last) = (low.to_bits(), high.to_bits());
	let step = ((last - first) / 400_000).max(1) as usize;
	let mut worst = (0.0, 0.0);
	for pattern in (first..=last).step_by(step) {
		let x = f32::from_bits(pattern);
		for x in [x, -x].into_iter().take(1 + usize::from(mirrored)) {
			let error = ulps(f(x), oracle(f64::from(x)));
			if error > worst.0 {
				worst = (error, x);
			}
		}
	}
	worst
}

#[test]
fn functions_are_within_two_units_of_the_last_place() {
	let tiny = f32::from_bits(1);
	let checks = [
		(
			"exp",
			worst(|x| math::exp(One(x)).0, f64::exp, 1e-9, 110.0, true),
		),
		(
			"tanh",
			worst(|x| math::tanh(One(x)).0, f64::tanh, tiny, 20.0, true),
		),
		(
			"tanh near its seam",
			worst(|x| math::tanh(One(x)).0, f64::tanh, 0.5, 0.6, true),
		),
		("ln", worst(math::ln_one, f64::ln, tiny, f32::MAX, false)),
		("ln near one", worst(math::ln_one, f64::ln, 0.7, 1.5, false)),
		("sin", worst(math::sin, f64::sin, tiny, 65_536.0, true)),
		("cos", worst(math::cos, f64::cos, tiny, 65_536.0, true)),
		("sin of a turn", worst(math::sin, f64::sin, 0.1, 6.3, true)),
		("cos of a turn", worst(math::cos, f64::cos, 0.1, 6.3, true)),
		(
			"0.9^x",
			worst(
				|x| math::pow(0.9, x),
				|x| 0.9_f32.into_pow(x),
				1.0,
				1000.0,
				true,
			),
		),
		(
			"x^3.5",
			worst(|x| math::pow(x, 3.5), |x| x.powf(3.5), 1e-12, 1e10, false),
		),
		(
			"x^-0.01",
			worst(
				|x| math::pow(x, -0.01),
				|x| x.powf(f64::from(-0.01_f32)),
				tiny,
				1e30,
				false,
			),
		),
	];
	for (name, (error, at)) in checks {
		println!("{name}: {error:.3} ulp at {at:e}");
		assert!(error <= 2.0, "{name}: {error:.3} ulp at {at:e}");
	}
}

/// `f32` base to an `f64` power.
trait IntoPow {
	fn into_pow(self, exponent: f64) -> f64;
}

impl IntoPow for f32 {
	fn into_pow(self, exponent: f64) -> f64 {
		f64::from(self).powf(exponent)
	}
}

#[test]
fn functions_know_their_edges() {
	let exp = |x| math::exp(One(x)).0;
	assert_eq!(
		[exp(0.0), exp(-0.0), exp(f32::NEG_INFINITY), exp(-200.0)],
		[1.0, 1.0, 0.0, 0.0]
	);
	assert_eq!([exp(f32::INFINITY), exp(89.0)], [f32::INFINITY; 2]);
	assert!(exp(-103.0) > 0.0 && exp(-103.0).is_subnormal());
	assert!(exp(f32::NAN).is_nan());
	let tanh = |x| math::tanh(One(x)).0;
	assert_eq!(tanh(-0.0).to_bits(), (-0.0_f32).to_bits());
	assert_eq!(
		[tanh(f32::INFINITY), tanh(f32::NEG_INFINITY), tanh(50.0)],
		[1.0, -1.0, 1.0]
	);
	assert!(tanh(f32::NAN).is_nan());
	let ln = math::ln_one;
	assert_eq!(
		[ln(1.0), ln(0.0), ln(-0.0)],
		[0.0, f32::NEG_INFINITY, f32::NEG_INFINITY]
	);
	assert_eq!(ln(f32::INFINITY), f32::INFINITY);
	assert!(ln(-1.0).is_nan() && ln(f32::NAN).is_nan());
	assert_eq!([math::sin(0.0), math::cos(0.0)], [0.0, 1.0]);
	assert_eq!([math::pow(0.9, 0.0), math::pow(0.5, 3.0)], [1.0, 0.125]);
}

/// All trait methods on lanes, as bits.
struct AllMethods {
	a: [f32; LANES],
	b: [f32; LANES],
	c: [f32; LANES],
}

impl Operation for AllMethods {
	type Output = Vec<[u32; LANES]>;

	#[inline(always)]
	fn run<V: Lanes>(self) -> Self::Output {
		let (a, b, c) = (V::load(&self.a), V::load(&self.b), V::load(&self.c));
		let int = V::int_add(a.to_bits(), V::int_splat(12_345));
		let results = [
			a.add(b),
			a.sub(b),
			a.mul(b),
			a.div(b),
			a.abs().sqrt(),
			a.fma(b, c),
			a.max(b),
			V::select_less(a, b, b, c),
			a.neg(),
			a.abs(),
			V::from_bits(V::int_sub(a.to_bits(), b.to_bits())),
			V::from_bits(V::int_and(a.to_bits(), b.to_bits())),
			V::from_bits(V::int_or(a.to_bits(), b.to_bits())),
			V::from_bits(V::int_shift_left::<5>(int)),
			V::from_bits(V::int_shift_right::<9>(int)),
			V::int_to_float(int),
			math::exp(a),
			math::tanh(a),
			math::ln(a),
		];
		let canonical = |x: f32| if x.is_nan() { 0x7fc0_0000 } else { x.to_bits() };
		results
			.iter()
			.map(|lanes| lanes.to_array().map(canonical))
			.collect()
	}
}

#[test]
fn every_method_of_every_kernel_equals_the_oracle() {
	let edges = [
		0.0,
		-0.0,
		1.0,
		-1.0,
		f32::INFINITY,
		f32::NEG_INFINITY,
		f32::NAN,
		f32::MIN_POSITIVE,
		1e-42,
		-1e-42,
		f32::MAX,
		f32::MIN,
		0.55,
		88.0,
		-104.0,
		3.5,
	];
	for round in 0..500 {
		let random = numbers(3 * LANES, round + 1);
		let mut lanes = [[0.0; LANES]; 3];
		for (lanes, random) in lanes.iter_mut().zip(random.chunks_exact(LANES)) {
			lanes.copy_from_slice(random);
		}
		let [mut a, mut b, c] = lanes;
		if round < 16 {
			a = edges;
			b = edges;
			b.rotate_left(round as usize);
		}
		let want = Kernel::Scalar.run(AllMethods { a, b, c });
		for kernel in Kernel::available() {
			let got = kernel.run(AllMethods { a, b, c });
			for (method, (got, want)) in got.iter().zip(&want).enumerate() {
				assert_eq!(got, want, "{kernel:?}, method {method}, {a:?}, {b:?}");
			}
		}
	}
}

/// Moving lanes about: partial loads and stores, transposition.
struct Moves {
	values: [[f32; LANES]; LANES],
	count: usize,
}

impl Operation for Moves {
	type Output = (Vec<[f32; LANES]>, Vec<f32>);

	#[inline(always)]
	fn run<V: Lanes>(self) -> Self::Output {
		let mut rows = [V::splat(0.0); LANES];
		for (row, values) in rows.iter_mut().zip(&self.values) {
			*row = V::load(values);
		}
		let mut out: Vec<_> = V::transpose(rows)
			.iter()
			.map(|row| row.to_array())
			.collect();
		let values = &self.values[0][..self.count];
		out.push(V::load_partial(values, 7.0).to_array());
		// SAFETY: the slice has `count` numbers.
		out.push(unsafe { V::load_first(values.as_ptr(), self.count) }.to_array());
		let mut partial = vec![0.0; self.count];
		rows[1].store_partial(&mut partial);
		(out, partial)
	}
}

#[test]
fn lanes_move_to_the_same_places_in_every_kernel() {
	let mut values = [[0.0; LANES]; LANES];
	for (i, value) in values.as_flattened_mut().iter_mut().enumerate() {
		*value = i as f32;
	}
	for count in 0..=LANES {
		let (rows, partial) = Kernel::Scalar.run(Moves { values, count });
		for (j, row) in rows[..LANES].iter().enumerate() {
			assert_eq!(row[3], values[3][j]);
		}
		assert_eq!(rows[LANES][..count], values[0][..count]);
		assert!(rows[LANES][count..].iter().all(|x| *x == 7.0));
		assert_eq!(rows[LANES + 1][..count], values[0][..count]);
		assert!(rows[LANES + 1][count..].iter().all(|x| *x == 0.0));
		assert_eq!(partial, values[1][..count]);
		for kernel in Kernel::available() {
			let got = kernel.run(Moves { values, count });
			assert_eq!(got, (rows.clone(), partial.clone()), "{kernel:?}, {count}");
		}
	}
}

/// The chain as the specification writes it.
fn chain(a: &[f32], b: &[f32], c: &mut [f32], (m, k, n): (usize, usize, usize)) {
	for i in 0..m {
		for j in 0..n {
			for x in 0..k {
				c[i * n + j] = fused_multiply_add(a[i * k + x], b[x * n + j], c[i * n + j]);
			}
		}
	}
}

fn transpose(x: &[f32], rows: usize, columns: usize) -> Vec<f32> {
	(0..columns)
		.flat_map(|j| (0..rows).map(move |i| x[i * columns + j]))
		.collect()
}

#[test]
fn products_of_all_shapes_follow_the_chain() {
	let shapes = [
		(1, 1, 1),
		(1, 7, 70),
		(1, 130, 64),
		(2, 3, 17),
		(5, 129, 33),
		(8, 16, 32),
		(13, 260, 47),
		(37, 24, 100),
		(50, 128, 16),
		(3, 0, 5),
		(1, 0, 5),
		// One more and one fewer than a tile, a block of k, a block of columns.
		(14, 257, 31),
		(15, 256, 33),
		(13, 31, 17),
		(230, 19, 40),
		(7, 5, 529),
		(29, 523, 61),
		(1, 21, 1100),
	];
	for (m, k, n) in shapes {
		let (a, b) = (numbers(m * k, 1), numbers(k * n, 2));
		let (bias, old) = (numbers(n, 3), numbers(m * n, 4));
		let (at, bt) = (transpose(&a, m, k), transpose(&b, k, n));
		let mut fresh = vec![0.0; m * n];
		chain(&a, &b, &mut fresh, (m, k, n));
		for (c, bias) in fresh.iter_mut().zip(bias.iter().cycle()) {
			*c += bias;
		}
		let mut continued = old.clone();
		chain(&a, &b, &mut continued, (m, k, n));
		on_pools(|| {
			for kernel in Kernel::available() {
				for layout in 0..4 {
					let a = match layout & 1 {
						0 => Matrix::new(&a, m, k),
						_ => Matrix::new(&at, k, m).transposed(),
					};
					let b = match layout & 2 {
						0 => Matrix::new(&b, k, n),
						_ => Matrix::new(&bt, n, k).transposed(),
					};
					let mut c = vec![f32::NAN; m * n];
					matmul(kernel, a, b, Some(&bias), Start::Zero, &mut c);
					assert_eq!(
						bits(&c),
						bits(&fresh),
						"{kernel:?} {m}x{k}x{n} layout {layout}"
					);
					c.copy_from_slice(&old);
					matmul(kernel, a, b, None, Start::Continue, &mut c);
					assert_eq!(
						bits(&c),
						bits(&continued),
						"{kernel:?} {m}x{k}x{n} continued"
					);
				}
			}
		});
	}
}

/// A row sum as the specification writes it.
fn lanes_then_tree(row: &[f32], term: impl Fn(f32, f32) -> f32) -> f32 {
	let mut lanes = [0.0; LANES];
	for (i, x) in row.iter().enumerate() {
		lanes[i % LANES] = term(lanes[i % LANES], *x);
	}
	let mut width = LANES / 2;
	while width > 0 {
		for i in 0..width {
			lanes[i] += lanes[i + width];
		}
		width /= 2;
	}
	lanes[0]
}

#[test]
fn long_sums_are_blocks_of_rows_for_any_number_of_threads() {
	for n in [0, 1, 15, 16, 4096, 4097, 3 * BLOCK + 5, 200_001] {
		let values = numbers(n, 9);
		let square = |l: f32, x: f32| fused_multiply_add(x, x, l);
		let blocks: Vec<f32> = values
			.chunks(BLOCK)
			.map(|block| lanes_then_tree(block, square))
			.collect();
		let want = lanes_then_tree(&blocks, |l, x| l + x);
		on_pools(|| {
			for kernel in Kernel::available() {
				let got = long_sum(kernel, &values, Term::Square, &mut Vec::new());
				// A single block is its own sum.
				assert_eq!(got.to_bits(), want.to_bits(), "{kernel:?}, {n} numbers");
			}
		});
	}
}

#[test]
fn more_than_a_block_of_blocks_is_reduced_again() {
	let values = vec![1.0; BLOCK * BLOCK + 4];
	let got = long_sum(Kernel::detect(), &values, Term::Plain, &mut Vec::new());
	assert_eq!(got, (BLOCK * BLOCK + 4) as f32);
}

#[test]
fn column_sums_add_rows_in_order() {
	for (rows, width) in [(1, 1), (9, 16), (33, 70), (500, 131)] {
		let (matrix, start) = (numbers(rows * width, 5), numbers(width, 6));
		let mut want = start.clone();
		for row in matrix.chunks_exact(width) {
			for (sum, x) in want.iter_mut().zip(row) {
				*sum += x;
			}
		}
		on_pools(|| {
			for kernel in Kernel::available() {
				let mut got = start.clone();
				column_sums(kernel, &matrix, &mut got);
				assert_eq!(bits(&got), bits(&want), "{kernel:?} {rows}x{width}");
			}
		});
	}
}

#[test]
fn the_oracle_is_always_there() {
	assert_eq!(Kernel::available().last(), Some(Kernel::Scalar));
	assert!(Kernel::detect().is_available());
	let zero = Scalar::splat(0.0).to_array();
	assert_eq!(zero, [0.0; LANES]);
}
