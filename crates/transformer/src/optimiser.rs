//! AdamW over one flat vector, with clipping by global norm and a schedule of the learning rate.
//!
//! Must not know: layers; it sees one vector and which ranges decay.
//! Source: Loshchilov and Hutter 2019, algorithm 2; Pascanu et al. 2013 (clipping); numeric specification, section 10.
//! Invariants: every constant is a finite `f32`, so a training task can carry its bits.

use core::sync::atomic::{AtomicBool, Ordering};

use crate::error::{Error, Result};
use crate::kernels::lanes::{Lanes, LANES};
use crate::kernels::{math, pieces, split_work, Cut, Kernel, Operation};

/// What the learning rate does after the warm-up.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Decay {
	/// It stays.
	Constant,
	/// It follows half a cosine from the full rate down to `final_fraction` of it at `total_steps`, and stays there.
	Cosine {
		/// Step at which the lowest rate is reached, warm-up included.
		total_steps: u32,
		/// Lowest rate as a fraction of the full one, 0 to 1.
		final_fraction: f32,
	},
}

/// The learning rate over time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Schedule {
	/// Added to the step of the training state: steps of earlier rounds, whose moments were dropped.
	pub offset: u64,
	/// Steps of linear warm-up; 0 for none.
	pub warmup_steps: u32,
	/// After the warm-up.
	pub decay: Decay,
}

/// Constants of training.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hyper {
	/// Full learning rate.
	pub learning_rate: f32,
	/// Memory of the first moment.
	pub beta1: f32,
	/// Memory of the second moment.
	pub beta2: f32,
	/// Added to the root of the second moment.
	pub epsilon: f32,
	/// Decoupled weight decay of matrices.
	pub weight_decay: f32,
	/// Gradients of a larger global norm are scaled down to it; `f32::MAX` for never.
	pub clip_norm: f32,
	/// The learning rate over time.
	pub schedule: Schedule,
}

impl Default for Hyper {
	fn default() -> Self {
		Self {
			learning_rate: 1e-3,
			beta1: 0.9,
			beta2: 0.99,
			epsilon: 1e-8,
			weight_decay: 0.1,
			clip_norm: 1.0,
			schedule: Schedule {
				offset: 0,
				warmup_steps: 0,
				decay: Decay::Constant,
			},
		}
	}
}

impl Hyper {
	/// Checks the ranges of all constants.
	///
	/// # Errors
	/// - [`Error::HyperOutOfRange`]: names field and range; NaN is in no range
	pub fn validate(&self) -> Result<()> {
		let check = |field, got: f32, holds: bool, range| {
			if holds && got.is_finite() {
				Ok(())
			} else {
				Err(Error::HyperOutOfRange { field, got, range })
			}
		};
		let positive = "finite and above 0";
		let fraction = "at least 0 and below 1";
		check(
			"learning_rate",
			self.learning_rate,
			self.learning_rate > 0.0,
			positive,
		)?;
		check(
			"beta1",
			self.beta1,
			(0.0..1.0).contains(&self.beta1),
			fraction,
		)?;
		check(
			"beta2",
			self.beta2,
			(0.0..1.0).contains(&self.beta2),
			fraction,
		)?;
		check("epsilon", self.epsilon, self.epsilon > 0.0, positive)?;
		let decay = self.weight_decay;
		check("weight_decay", decay, decay >= 0.0, "finite and at least 0")?;
		check("clip_norm", self.clip_norm, self.clip_norm > 0.0, positive)?;
		if let Decay::Cosine { final_fraction, .. } = self.schedule.decay {
			let holds = (0.0..=1.0).contains(&final_fraction);
			check("final_fraction", final_fraction, holds, "0 to 1")?;
		}
		Ok(())
	}

	/// Learning rate of the step that follows `step` steps.
	pub fn learning_rate_at(&self, step: u64) -> f32 {
		let step = step.saturating_add(self.schedule.offset);
		let warmup = u64::from(self.schedule.warmup_steps);
		if step < warmup {
			return self.learning_rate * ((step + 1) as f32 / warmup as f32);
		}
		match self.schedule.decay {
			Decay::Constant => self.learning_rate,
			Decay::Cosine {
				total_steps,
				final_fraction,
			} => {
				let total = u64::from(total_steps);
				if step >= total {
					return self.learning_rate * final_fraction;
				}
				let progress = (step - warmup) as f32 / (total - warmup) as f32;
				let cosine = math::cos(core::f32::consts::PI * progress);
				let fraction = final_fraction + (1.0 - final_fraction) * (0.5 * (1.0 + cosine));
				self.learning_rate * fraction
			}
		}
	}
}

/// The numbers of one step, the same for every parameter.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
	rate: f32,
	beta1: f32,
	beta2: f32,
	epsilon: f32,
	/// 1 / (1 - beta^t)
	correction1: f32,
	correction2: f32,
	/// Negative product of rate and weight decay.
	shrink: f32,
	/// Factor on the gradient.
	clip: f32,
}

impl Step {
	/// For the step that follows `step` steps, with a gradient of norm `norm`.
	pub(crate) fn new(hyper: &Hyper, step: u64, norm: f32) -> Self {
		let t = step.saturating_add(1) as f32;
		let rate = hyper.learning_rate_at(step);
		// pow wants a base above 0; 0^t is 0 for t >= 1.
		let power = |beta: f32| if beta > 0.0 { math::pow(beta, t) } else { 0.0 };
		Self {
			rate,
			beta1: hyper.beta1,
			beta2: hyper.beta2,
			epsilon: hyper.epsilon,
			correction1: 1.0 / (1.0 - power(hyper.beta1)),
			correction2: 1.0 / (1.0 - power(hyper.beta2)),
			shrink: -(rate * hyper.weight_decay),
			clip: if norm > hyper.clip_norm {
				hyper.clip_norm / norm
			} else {
				1.0
			},
		}
	}
}

/// One tensor or a piece of it.
pub(crate) struct Update<'a> {
	pub(crate) step: Step,
	pub(crate) decayed: bool,
	pub(crate) gradient: &'a [f32],
	pub(crate) parameters: &'a mut [f32],
	pub(crate) first_moment: &'a mut [f32],
	pub(crate) second_moment: &'a mut [f32],
}

impl Operation for Update<'_> {
	/// Whether all numbers left are finite.
	type Output = bool;

	#[inline(always)]
	fn run<V: Lanes>(self) -> bool {
		let (gradients, gradient_rest) = self.gradient.as_chunks::<LANES>();
		let (parameters, parameter_rest) = self.parameters.as_chunks_mut::<LANES>();
		let (firsts, first_rest) = self.first_moment.as_chunks_mut::<LANES>();
		let (seconds, second_rest) = self.second_moment.as_chunks_mut::<LANES>();
		// x - x is 0 for a finite x and NaN for any other; NaN stays in the sum.
		let mut witness = V::splat(0.0);
		let blocks = gradients
			.iter()
			.zip(parameters)
			.zip(firsts.iter_mut().zip(seconds));
		for ((g, p), (m, v)) in blocks {
			let [new_p, new_m, new_v] = element(
				self.step,
				self.decayed,
				V::load(g),
				V::load(p),
				V::load(m),
				V::load(v),
			);
			for new in [new_p, new_m, new_v] {
				witness = witness.add(new.sub(new));
			}
			new_p.store(p);
			new_m.store(m);
			new_v.store(v);
		}
		if !gradient_rest.is_empty() {
			let new = element(
				self.step,
				self.decayed,
				V::load_partial(gradient_rest, 0.0),
				V::load_partial(parameter_rest, 0.0),
				V::load_partial(first_rest, 0.0),
				V::load_partial(second_rest, 0.0),
			);
			for new in new {
				witness = witness.add(new.sub(new));
			}
			new[0].store_partial(parameter_rest);
			new[1].store_partial(first_rest);
			new[2].store_partial(second_rest);
		}
		witness.to_array().iter().all(|x| *x == 0.0)
	}
}

/// New parameter, first and second moment.
#[inline(always)]
fn element<V: Lanes>(step: Step, decayed: bool, g: V, p: V, m: V, v: V) -> [V; 3] {
	let g = g.mul(V::splat(step.clip));
	// m = beta1 m + (1 - beta1) g
	let m = V::splat(1.0 - step.beta1).fma(g, m.mul(V::splat(step.beta1)));
	// v = beta2 v + (1 - beta2) g^2
	let v = V::splat(1.0 - step.beta2)
		.mul(g)
		.fma(g, v.mul(V::splat(step.beta2)));
	let denominator = v
		.mul(V::splat(step.correction2))
		.sqrt()
		.add(V::splat(step.epsilon));
	let direction = m.mul(V::splat(step.correction1)).div(denominator);
	// p = p - rate decay p - rate direction
	let p = if decayed {
		V::splat(step.shrink).fma(p, p)
	} else {
		p
	};
	[V::splat(-step.rate).fma(direction, p), m, v]
}

/// Updates one tensor on the current pool; tells whether all numbers left are finite.
pub(crate) fn update(kernel: Kernel, work: Update<'_>) -> bool {
	let pieces = pieces(work.gradient.len() * 4);
	let finite = AtomicBool::new(true);
	split_work(work, pieces, &|work| {
		if !kernel.run(work) {
			finite.store(false, Ordering::Relaxed);
		}
	});
	finite.into_inner()
}

impl Cut for Update<'_> {
	fn rows(&self) -> usize {
		self.gradient.len()
	}

	fn cut(self, numbers: usize) -> (Self, Self) {
		let (gradient, gradient_right) = self.gradient.split_at(numbers);
		let (parameters, parameters_right) = self.parameters.split_at_mut(numbers);
		let (first_moment, first_right) = self.first_moment.split_at_mut(numbers);
		let (second_moment, second_right) = self.second_moment.split_at_mut(numbers);
		let part = |gradient, parameters, first_moment, second_moment| Self {
			step: self.step,
			decayed: self.decayed,
			gradient,
			parameters,
			first_moment,
			second_moment,
		};
		(
			part(gradient, parameters, first_moment, second_moment),
			part(gradient_right, parameters_right, first_right, second_right),
		)
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn follows_the_published_algorithm_in_f64() {
		let hyper = Hyper {
			learning_rate: 0.01,
			weight_decay: 0.1,
			..Hyper::default()
		};
		let (mut p, mut m, mut v) = (vec![0.5_f32; 19], vec![0.0; 19], vec![0.0; 19]);
		let (mut rp, mut rm, mut rv) = (0.5_f64, 0.0_f64, 0.0_f64);
		for t in 0..50_u64 {
			let g = 0.3 * (t as f32 * 0.7).sin();
			let gradient = vec![g; 19];
			let work = Update {
				step: Step::new(&hyper, t, 0.5),
				decayed: true,
				gradient: &gradient,
				parameters: &mut p,
				first_moment: &mut m,
				second_moment: &mut v,
			};
			assert!(update(Kernel::detect(), work));
			let g = f64::from(g);
			rm = 0.9 * rm + 0.1 * g;
			rv = 0.99 * rv + 0.01 * g * g;
			let (c1, c2) = (
				1.0 - 0.9_f64.powi(t as i32 + 1),
				1.0 - 0.99_f64.powi(t as i32 + 1),
			);
			rp = rp - 0.01 * 0.1 * rp - 0.01 * (rm / c1) / ((rv / c2).sqrt() + 1e-8);
			for p in &p {
				assert!((f64::from(*p) - rp).abs() < 2e-5, "step {t}: {p} {rp}");
			}
		}
	}

	#[test]
	fn the_schedule_warms_up_then_falls_to_its_floor() {
		let decay = Decay::Cosine {
			total_steps: 110,
			final_fraction: 0.1,
		};
		let schedule = Schedule {
			offset: 0,
			warmup_steps: 10,
			decay,
		};
		let hyper = Hyper {
			learning_rate: 1.0,
			schedule,
			..Hyper::default()
		};
		assert_eq!(hyper.learning_rate_at(0), 0.1);
		assert_eq!(hyper.learning_rate_at(9), 1.0);
		assert_eq!(hyper.learning_rate_at(10), 1.0);
		assert!((hyper.learning_rate_at(60) - 0.55).abs() < 1e-6);
		assert_eq!(hyper.learning_rate_at(110), 0.1);
		assert_eq!(hyper.learning_rate_at(u64::MAX), 0.1);
		let later = Hyper {
			schedule: Schedule {
				offset: 60,
				..schedule
			},
			..hyper
		};
		assert_eq!(later.learning_rate_at(0), hyper.learning_rate_at(60));
	}

	#[test]
	fn refuses_constants_outside_their_ranges() {
		let good = Hyper::default();
		for (bad, name) in [
			(
				Hyper {
					learning_rate: f32::NAN,
					..good
				},
				"learning_rate",
			),
			(
				Hyper {
					learning_rate: 0.0,
					..good
				},
				"learning_rate",
			),
			(Hyper { beta1: 1.0, ..good }, "beta1"),
			(
				Hyper {
					beta2: -0.1,
					..good
				},
				"beta2",
			),
			(
				Hyper {
					epsilon: 0.0,
					..good
				},
				"epsilon",
			),
			(
				Hyper {
					weight_decay: f32::INFINITY,
					..good
				},
				"weight_decay",
			),
			(
				Hyper {
					clip_norm: 0.0,
					..good
				},
				"clip_norm",
			),
		] {
			match bad.validate() {
				Err(Error::HyperOutOfRange { field, .. }) => assert_eq!(field, name),
				other => panic!("{name}: {other:?}"),
			}
		}
		assert_eq!(good.validate(), Ok(()));
	}
}
