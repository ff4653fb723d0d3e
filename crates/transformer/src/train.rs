//! Training: one step at a time, from a state that bytes can carry.
//!
//! Reading order: here, then `state` (what is kept between steps).
//! Must not know: where batches come from, rounds, clocks.
//! Source: numeric specification, sections 7 to 10.
//! Invariants: a step's result depends on state, batch and constants alone, not on threads, kernel or micro-batches; a step
//! that fails in its gradient leaves the state as it was.

mod state;
#[cfg(test)]
mod steady;
#[cfg(test)]
mod tests;

pub use state::TrainState;

use crate::batch::Batch;
use crate::environment::{check_float_environment, check_this_thread, in_order};
use crate::error::{Error, Quantity, Result};
use crate::kernels::gemm;
use crate::kernels::reduce::{long_sum, zero, Term};
use crate::kernels::{crew, Kernel};
use crate::layers::embedding;
use crate::network::{neighbours, Network, Passes};
use crate::optimiser::{self, Hyper};

/// Largest number of micro-batches.
pub const MAX_MICRO_BATCHES: usize = 4096;

/// What a step reports.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepReport {
	/// Mean over the batch's targets before the step, nats.
	pub loss: f32,
	/// Global norm of the gradient before clipping.
	pub gradient_norm: f32,
	/// Learning rate of this step.
	pub learning_rate: f32,
	/// Targets of the batch.
	pub tokens: usize,
}

/// A training state with the buffers that steps need.
#[derive(Clone, Debug)]
pub struct Trainer {
	state: TrainState,
	passes: Passes,
	micro_batches: usize,
	/// As long as the parameters.
	gradient: Vec<f32>,
	/// Gradient of the embedded batch, `[M, C]`, kept until all micro-batches are through.
	dx: Vec<f32>,
	losses: Vec<f32>,
	sums: Vec<f32>,
}

impl Trainer {
	/// Prepares to train on from `state`, with the fastest kernel of this processor.
	///
	/// # Errors
	/// - [`Error::FloatEnvironment`]
	pub fn new(state: TrainState) -> Result<Self> {
		check_float_environment()?;
		let parameters = &state.parameters;
		let layout = parameters.layout().clone();
		let network = Network::new(*parameters.config(), layout, Kernel::detect());
		let gradient = vec![0.0; parameters.as_slice().len()];
		gemm::prepare();
		Ok(Self {
			state,
			passes: Passes::new(network),
			micro_batches: 1,
			gradient,
			dx: Vec::new(),
			losses: Vec::new(),
			sums: Vec::new(),
		})
	}

	/// Splits each batch into `n` runs of sequences, to save memory; results do not change.
	///
	/// # Errors
	/// - [`Error::MicroBatches`]
	pub fn with_micro_batches(mut self, n: usize) -> Result<Self> {
		if n == 0 || n > MAX_MICRO_BATCHES {
			return Err(Error::MicroBatches {
				got: n,
				max: MAX_MICRO_BATCHES,
			});
		}
		self.micro_batches = n;
		Ok(self)
	}

	/// Forces a kernel; results do not change.
	///
	/// # Errors
	/// - [`Error::KernelUnavailable`]
	pub fn with_kernel(mut self, kernel: Kernel) -> Result<Self> {
		self.passes.network.kernel = kernel.require()?;
		Ok(self)
	}

	/// The state after the last step.
	pub fn state(&self) -> &TrainState {
		&self.state
	}

	/// The state after the last step.
	pub fn into_state(self) -> TrainState {
		self.state
	}

	/// One step of AdamW on the mean loss of `batch`.
	///
	/// # Errors
	/// - [`Error::SequenceTooLong`], [`Error::TokenOutOfVocabulary`]: the batch does not fit the model
	/// - [`Error::HyperOutOfRange`]
	/// - [`Error::FloatEnvironment`]
	/// - [`Error::NotFinite`]: of the loss or the gradient norm: the state is unchanged; of a parameter or moment: the
	///   state is spent and refuses to be written
	pub fn train_step(&mut self, batch: &Batch, hyper: &Hyper) -> Result<StepReport> {
		hyper.validate()?;
		batch.check(self.state.parameters.config())?;
		check_this_thread()?;
		crew::work(in_order, || self.step(batch, hyper))
	}

	/// A step whose arguments are in order.
	fn step(&mut self, batch: &Batch, hyper: &Hyper) -> Result<StepReport> {
		let loss = self.differentiate(batch);
		let step = self.state.step;
		if !loss.is_finite() {
			return Err(Error::NotFinite {
				quantity: Quantity::Loss,
				step,
			});
		}
		let kernel = self.passes.network.kernel;
		let squares = long_sum(kernel, &self.gradient, Term::Square, &mut self.sums);
		let gradient_norm = squares.sqrt();
		if !gradient_norm.is_finite() {
			return Err(Error::NotFinite {
				quantity: Quantity::GradientNorm,
				step,
			});
		}
		self.update(hyper, gradient_norm)?;
		let learning_rate = hyper.learning_rate_at(step);
		Ok(StepReport {
			loss,
			gradient_norm,
			learning_rate,
			tokens: batch.n_targets(),
		})
	}

	/// Fills `gradient`; gives the mean loss.
	fn differentiate(&mut self, batch: &Batch) -> f32 {
		let network = &self.passes.network;
		let (kernel, c) = (network.kernel, network.d_model());
		let tables = (
			network.layout.token_table(),
			network.layout.position_table(),
		);
		let p = self.state.parameters.as_slice();
		let (rows, sequences) = (batch.n_targets(), batch.n_sequences());
		let scale = 1.0 / rows as f32;
		zero(&mut self.gradient);
		self.dx.resize(rows * c, 0.0);
		self.losses.resize(rows, 0.0);
		let runs = self.micro_batches.min(sequences);
		for run in 0..runs {
			let run = sequences * run / runs..sequences * (run + 1) / runs;
			let rows = batch.rows(run.clone());
			let inputs = &batch.inputs()[rows.clone()];
			let positions = &batch.positions()[rows.clone()];
			self.passes
				.forward(p, inputs, positions, batch.offsets(run));
			self.passes.backward(
				p,
				&batch.targets()[rows.clone()],
				scale,
				&mut self.losses[rows.clone()],
				&mut self.gradient,
				&mut self.dx[rows.start * c..rows.end * c],
			);
		}
		// The head's product of the whole batch is in the table's gradient by now.
		let (dtoken, dposition) = neighbours(&mut self.gradient, tables.0, tables.1);
		let (inputs, positions) = (batch.inputs(), batch.positions());
		embedding::backward(kernel, &self.dx, inputs, positions, c, dtoken, dposition);
		long_sum(kernel, &self.losses, Term::Plain, &mut self.sums) / rows as f32
	}

	/// Moves the parameters.
	fn update(&mut self, hyper: &Hyper, gradient_norm: f32) -> Result<()> {
		let network = &self.passes.network;
		let state = &mut self.state;
		let step = optimiser::Step::new(hyper, state.step, gradient_norm);
		let mut finite = true;
		for tensor in network.layout.tensors() {
			let range = tensor.range();
			finite &= optimiser::update(
				network.kernel,
				optimiser::Update {
					step,
					decayed: tensor.decayed,
					gradient: &self.gradient[range.clone()],
					parameters: &mut state.parameters.as_mut_slice()[range.clone()],
					first_moment: &mut state.first_moment[range.clone()],
					second_moment: &mut state.second_moment[range],
				},
			);
		}
		let before = state.step;
		state.step += 1;
		if finite {
			Ok(())
		} else {
			Err(Error::NotFinite {
				quantity: Quantity::Parameter,
				step: before,
			})
		}
	}
}
