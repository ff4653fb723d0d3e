//! Softmax and cross-entropy of a row of logits against one target.
//!
//! Shapes: `logits: [R, V]`, `targets, losses: [R]`. Loss in nats.
//! Derivation: `derivations/cross_entropy.md`. Source: numeric specification, section 8.
//! Must not know: how losses are averaged; the backward pass gets the factor 1 / count as an argument.

use crate::kernels::lanes::Lanes;
use crate::kernels::reduce::{exponentials, fold, row_max, tree, update, ShiftedExp, Step};
use crate::kernels::{math, pieces, split_work, Cut, Kernel, Operation};

struct Rows<'a> {
	logits: &'a mut [f32],
	targets: &'a [u32],
	losses: &'a mut [f32],
	/// Turns logits into their gradient, times this factor.
	gradient: Option<f32>,
}

impl Operation for Rows<'_> {
	type Output = ();

	#[inline(always)]
	fn run<V: Lanes>(self) {
		if self.targets.is_empty() {
			return;
		}
		let v = self.logits.len() / self.targets.len();
		let rows = self.logits.chunks_exact_mut(v).zip(self.targets);
		for ((logits, target), loss) in rows.zip(self.losses) {
			let max = row_max::<V>(logits);
			let target = *target as usize;
			let distance = logits[target] - max;
			let sum = match self.gradient {
				None => {
					let fills = [f32::NEG_INFINITY];
					tree(fold::<V, 1>(0.0, [&*logits], fills, ShiftedExp(max)))
				}
				Some(scale) => row_gradient::<V>(logits, target, max, scale),
			};
			*loss = math::ln(V::splat(sum)).to_array()[0] - distance;
		}
	}
}

/// `current factor scale`, in this order.
#[derive(Clone, Copy)]
struct Scaled {
	factor: f32,
	scale: f32,
}

impl Step<0> for Scaled {
	#[inline(always)]
	fn step<V: Lanes>(self, current: V, []: [V; 0]) -> V {
		current.mul(V::splat(self.factor)).mul(V::splat(self.scale))
	}
}

/// Replaces logits by (p - [j = target]) scale; gives the sum of exponentials.
#[inline(always)]
fn row_gradient<V: Lanes>(logits: &mut [f32], target: usize, max: f32, scale: f32) -> f32 {
	let sum = tree(exponentials::<V>(logits, max));
	let factor = 1.0 / sum;
	let at_target = (logits[target] * factor - 1.0) * scale;
	update::<V, 0>(logits, [], Scaled { factor, scale });
	logits[target] = at_target;
	sum
}

/// `losses[r] = ln(sum of exp(logits[r])) - logits[r, targets[r]]`; with `gradient`, logits become that factor times the
/// loss's gradient. Targets must lie inside the vocabulary.
pub(crate) fn rows(
	kernel: Kernel,
	logits: &mut [f32],
	targets: &[u32],
	losses: &mut [f32],
	gradient: Option<f32>,
) {
	let pieces = pieces(logits.len() * 4);
	let work = Rows {
		logits,
		targets,
		losses,
		gradient,
	};
	split_work(work, pieces, &|work| kernel.run(work));
}

impl Cut for Rows<'_> {
	fn rows(&self) -> usize {
		self.targets.len()
	}

	fn cut(self, rows: usize) -> (Self, Self) {
		let gradient = self.gradient;
		let width = self.logits.len() / self.targets.len();
		let (logits, logits_right) = self.logits.split_at_mut(rows * width);
		let (targets, targets_right) = self.targets.split_at(rows);
		let (losses, losses_right) = self.losses.split_at_mut(rows);
		let part = |logits, targets, losses| Self {
			logits,
			targets,
			losses,
			gradient,
		};
		(
			part(logits, targets, losses),
			part(logits_right, targets_right, losses_right),
		)
	}
}
