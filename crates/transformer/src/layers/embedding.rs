//! Token and position embedding.
//!
//! Shapes: `token_table: [V, C]`, `position_table: [T, C]`, `x: [M, C]`.
//! Derivation: `derivations/embedding.md`. Source: numeric specification, section 7.
//! Must not know: that the token table is also the head.
//! Invariants: the backward pass walks tokens in order over a whole batch, into a table gradient that already holds the
//! head's product; it is therefore called once a step, after all micro-batches.

use crate::kernels::lanes::Lanes;
use crate::kernels::{reduce, Kernel, Operation};

/// `x[m] = token_table[tokens[m]] + position_table[positions[m]]`.
pub(crate) fn forward(
	token_table: &[f32],
	position_table: &[f32],
	tokens: &[u32],
	positions: &[u32],
	c: usize,
	x: &mut [f32],
) {
	for ((x, token), position) in x.chunks_exact_mut(c).zip(tokens).zip(positions) {
		let token = &token_table[*token as usize * c..][..c];
		let position = &position_table[*position as usize * c..][..c];
		for ((x, token), position) in x.iter_mut().zip(token).zip(position) {
			*x = *token + *position;
		}
	}
}

struct Backward<'a> {
	dx: &'a [f32],
	tokens: &'a [u32],
	positions: &'a [u32],
	c: usize,
	dtoken_table: &'a mut [f32],
	dposition_table: &'a mut [f32],
}

impl Operation for Backward<'_> {
	type Output = ();

	#[inline(always)]
	fn run<V: Lanes>(self) {
		let c = self.c;
		for ((dx, token), position) in self.dx.chunks_exact(c).zip(self.tokens).zip(self.positions)
		{
			let dtoken = &mut self.dtoken_table[*token as usize * c..][..c];
			reduce::update::<V, 1>(dtoken, [dx], reduce::Plus);
			let dposition = &mut self.dposition_table[*position as usize * c..][..c];
			reduce::update::<V, 1>(dposition, [dx], reduce::Plus);
		}
	}
}

/// Adds row m of `dx` to the rows of its token and of its position, m ascending.
pub(crate) fn backward(
	kernel: Kernel,
	dx: &[f32],
	tokens: &[u32],
	positions: &[u32],
	c: usize,
	dtoken_table: &mut [f32],
	dposition_table: &mut [f32],
) {
	kernel.run(Backward {
		dx,
		tokens,
		positions,
		c,
		dtoken_table,
		dposition_table,
	});
}
