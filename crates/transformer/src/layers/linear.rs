//! Affine map `y = x W + b`, parameters in GPT-2's orientation `[in, out]`.
//!
//! Shapes: `x: [M, I]`, `w: [I, O]`, `b: [O]`, `y: [M, O]`.
//! Derivation: `derivations/linear.md`. Source: numeric specification, section 3.
//! Must not know: which projection it is.
//! Invariants: gradients of parameters continue the chains they find, rows in order, so micro-batches leave no trace.

use crate::kernels::gemm::{matmul, Matrix, Start};
use crate::kernels::reduce::column_sums;
use crate::kernels::Kernel;

/// `y = x W + b`.
pub(crate) fn forward(kernel: Kernel, x: &[f32], w: &[f32], b: &[f32], y: &mut [f32]) {
	let outputs = b.len();
	let inputs = w.len() / outputs;
	let rows = x.len() / inputs;
	let (x, w) = (
		Matrix::new(x, rows, inputs),
		Matrix::new(w, inputs, outputs),
	);
	matmul(kernel, x, w, Some(b), Start::Zero, y);
}

/// Gradients: `dx` is written, `dw` and `db` are continued.
pub(crate) fn backward(
	kernel: Kernel,
	dy: &[f32],
	x: &[f32],
	w: &[f32],
	dx: &mut [f32],
	dw: &mut [f32],
	db: &mut [f32],
) {
	let outputs = db.len();
	let inputs = w.len() / outputs;
	let rows = x.len() / inputs;
	let (x, w) = (
		Matrix::new(x, rows, inputs),
		Matrix::new(w, inputs, outputs),
	);
	let dy_matrix = Matrix::new(dy, rows, outputs);
	// dx = dy W^T
	matmul(kernel, dy_matrix, w.transposed(), None, Start::Zero, dx);
	// dW += x^T dy
	matmul(kernel, x.transposed(), dy_matrix, None, Start::Continue, dw);
	// db += column sums of dy
	column_sums(kernel, dy, db);
}
