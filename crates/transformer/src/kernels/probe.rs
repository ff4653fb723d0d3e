//! What this machine can do at most, and what the matrix product makes of it: for benches, not for models.
//!
//! A share of a peak means something only if the peak was measured beside it, by the same code on the same thread.
//! Must not know: clocks; callers time the calls.
//! Invariants: every function returns a number that depends on all its work, so that none of it can be left out.

use super::gemm::{self, matmul, Matrix, Start};
use super::lanes::{Lanes, Tile, LANES};
use super::reduce::tree;
use super::{split_rows, Kernel, Operation};

/// Independent chains: enough to hide the latency of the instruction, few enough to stay in registers.
struct MultiplyAdds {
	rounds: usize,
	seed: f32,
}

impl Operation for MultiplyAdds {
	type Output = (f32, usize);

	#[inline(always)]
	fn run<V: Lanes>(self) -> (f32, usize) {
		match V::TILE {
			Tile::Wide => self.chains::<V, 24>(),
			Tile::Narrow => self.chains::<V, 6>(),
		}
	}
}

impl MultiplyAdds {
	#[inline(always)]
	fn chains<V: Lanes, const N: usize>(self) -> (f32, usize) {
		let (factor, addend) = (V::splat(self.seed), V::splat(1.0 - self.seed));
		let mut chains = [V::splat(self.seed); N];
		for _ in 0..self.rounds {
			for chain in &mut chains {
				*chain = chain.fma(factor, addend);
			}
		}
		let mut sum = V::splat(0.0);
		for chain in chains {
			sum = sum.add(chain);
		}
		(tree(sum), self.rounds * N * LANES)
	}
}

/// Runs `rounds` of independent fused multiply-adds in registers, on the calling thread; gives a witness and their number.
pub fn multiply_adds(kernel: Kernel, rounds: usize) -> (f32, usize) {
	let seed = core::hint::black_box(0.999);
	kernel.run(MultiplyAdds { rounds, seed })
}

/// Reads a slice with eight independent sums.
struct Read<'a>(&'a [f32]);

impl Operation for Read<'_> {
	type Output = f32;

	#[inline(always)]
	fn run<V: Lanes>(self) -> f32 {
		let mut sums = [V::splat(0.0); 8];
		for run in self.0.chunks_exact(8 * LANES) {
			let (blocks, _) = run.as_chunks::<LANES>();
			for (sum, block) in sums.iter_mut().zip(blocks) {
				*sum = sum.add(V::load(block));
			}
		}
		let mut sum = sums[0];
		for other in &sums[1..] {
			sum = sum.add(*other);
		}
		tree(sum)
	}
}

/// Reads `data` once, as fast as memory gives it, on the current pool. Numbers beyond a multiple of 128 are left out.
pub fn read(kernel: Kernel, data: &[f32]) -> f32 {
	let threads = rayon::current_num_threads().max(1);
	let mut sums = vec![0.0; threads];
	let part = data.len() / threads;
	split_rows(&mut sums, 1, threads, &|first, sums| {
		for (index, sum) in sums.iter_mut().enumerate() {
			*sum = kernel.run(Read(&data[(first + index) * part..][..part]));
		}
	});
	sums.iter().sum()
}

/// Which operand of a product lies transposed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operands {
	/// `a` [M, K], `b` [K, N].
	Plain,
	/// `a` [M, K], `b` [N, K]: gradients of inputs, tied heads.
	SecondTransposed,
	/// `a` [K, M], `b` [K, N]: gradients of weights.
	FirstTransposed,
}

/// `c` [M, N] = a b on the current pool; `shape` is (M, K, N).
///
/// # Panics
/// If a length is not that of its shape.
pub fn product(
	kernel: Kernel,
	operands: Operands,
	(m, k, n): (usize, usize, usize),
	a: &[f32],
	b: &[f32],
	c: &mut [f32],
) {
	let (a, b) = match operands {
		Operands::Plain => (Matrix::new(a, m, k), Matrix::new(b, k, n)),
		Operands::SecondTransposed => (Matrix::new(a, m, k), Matrix::new(b, n, k).transposed()),
		Operands::FirstTransposed => (Matrix::new(a, k, m).transposed(), Matrix::new(b, k, n)),
	};
	matmul(kernel, a, b, None, Start::Zero, c);
}

/// Gives every thread of the current pool its working space, so that no later product allocates.
pub fn prepare() {
	gemm::prepare();
}
