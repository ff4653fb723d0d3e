//! Phase `Train`: H local steps from the base version, and the update as integers.
//!
//! Must not know: rounds, rosters, who else trains. Source: `docs/protocol/local-training.md`; McMahan et al. 2017 (local steps),
//! Douillard et al. 2023 (AdamW inside, moments from zero each round), Loshchilov and Hutter 2019.
//! Invariants: the root depends on the job and the account alone; the state is kept between two steps only, so a training that
//! is killed at any point goes on, or begins anew, to the same bits; no peer can read the update while others may still post theirs.

use crate::{
	checkpoint::Checkpoint,
	data::{load_tokenizer, Documents},
	error::JobError,
	job::TrainJob,
	order::BatchOrder,
	saved::{SavedState, Tally},
	Account, Hash, Host,
};
use secagg::{Header, VectorKind};
use std::time::{Duration, Instant};
use transformer::{loss_to_micro_nats, Parameters, TrainState, Trainer, MAX_MICRO_BATCHES};

/// What happened in a training so far.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepProgress {
	/// Steps done, H at the end.
	pub steps: u32,
	/// Targets trained on.
	pub tokens: u64,
	/// Wall time spent in steps, also before a restart.
	pub seconds: f64,
	/// Mean loss of the last step, micro-nats per token.
	pub loss: u64,
}

/// A finished training.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trained {
	/// Root of the weighted quantised update, which is in the store, withheld from peers.
	pub root: Hash,
	/// Mean loss of the first step, micro-nats per token.
	pub loss_before: u64,
	/// Mean loss of the last step, micro-nats per token.
	pub loss_after: u64,
	/// Wall time spent in steps.
	pub seconds: f64,
	/// Targets trained on.
	pub tokens: u64,
	/// Coordinates that the quantiser's range cut off.
	pub clipped: u64,
}

/// One participant's training of one round.
pub struct Training<'a> {
	/// What to do.
	pub job: &'a TrainJob,
	/// Account that the update is bound to.
	pub trainer: &'a Account,
	/// Where the unfinished state is kept; `None` keeps none.
	pub saved: Option<&'a SavedState>,
	/// Wall time between two writings of it.
	pub save_interval: Duration,
}

/// Trains, quantises, weighs and stores the update; tells `progress` of every step.
///
/// # Errors
/// - [`JobError::Weight`], [`JobError::NoSteps`] if the job trains nothing;
/// - [`JobError::Secagg`] if the quantiser's constants are wrong or its sums overflow the ring;
/// - [`JobError::Transformer`] if a number of the model or the optimiser is refused, or a loss is not finite;
/// - [`JobError::Fetch`] with `Stopped` after the host's flag was raised: the state is kept;
/// - what [`Checkpoint::load`] and [`Documents::load`] say of the inputs.
pub fn train(
	training: &Training<'_>,
	host: &Host<'_>,
	progress: &mut dyn FnMut(StepProgress),
) -> Result<Trained, JobError> {
	let job = training.job;
	let weight = weight(job)?;
	let quantiser = secagg::Quantiser::new(job.quantiser.bits, job.quantiser.exponent)?;
	secagg::check_ring(job.quantiser.bits, weight.into())?;
	if job.local.steps == 0 || job.local.batch == 0 {
		return Err(JobError::NoSteps {
			steps: job.local.steps,
			batch: job.local.batch,
		});
	}

	let fetcher = host.fetcher();
	let base = Checkpoint::load(&job.architecture, &job.base, &fetcher)?;
	let base = Parameters::from_fixed(job.architecture.config(), &base.parameters)?;
	let (tally, state) = run(training, host, &base, progress)?;

	let config = job.architecture.config();
	let update = difference(base.as_slice(), state.parameters.as_slice());
	let values = host
		.pool
		.install(|| quantiser.stochastic(&update, &job.rounding_seed))?;
	let limit = quantiser.limit();
	let clipped = values.iter().filter(|q| q.abs() == limit).count() as u64;
	let header = Header::new(
		VectorKind::Update,
		config.n_parameters()? as u64,
		*training.trainer,
	)?;
	let root = host
		.store
		.withhold_vector(&header, &secagg::weigh(&values, weight)?)?;
	Ok(Trained {
		root,
		loss_before: tally.loss_before,
		loss_after: tally.loss_after,
		seconds: tally.seconds,
		tokens: tally.tokens,
		clipped,
	})
}

/// The aggregation weight: shards of the job.
fn weight(job: &TrainJob) -> Result<u8, JobError> {
	u8::try_from(job.shards.len())
		.ok()
		.filter(|weight| (1..=secagg::MAX_WEIGHT).contains(weight))
		.ok_or(JobError::Weight {
			shards: job.shards.len(),
		})
}

/// update = base - trained, the outer gradient.
fn difference(base: &[f32], trained: &[f32]) -> Vec<f32> {
	base.iter().zip(trained).map(|(b, t)| b - t).collect()
}

/// The H steps.
fn run(
	training: &Training<'_>,
	host: &Host<'_>,
	base: &Parameters,
	progress: &mut dyn FnMut(StepProgress),
) -> Result<(Tally, TrainState), JobError> {
	let job = training.job;
	let hyper = job.local.hyper();
	hyper.validate()?;
	let fetcher = host.fetcher();
	let tokenizer = load_tokenizer(&job.architecture, &job.tokenizer, &fetcher)?;
	let documents = host.pool.install(|| {
		Documents::load(
			&job.shards,
			&tokenizer,
			job.architecture.context_length,
			&fetcher,
		)
	})?;
	let mut order = BatchOrder::new(job.batch_seed, documents.len(), job.local.batch);

	let kept = match training.saved {
		Some(saved) => saved.load()?,
		None => None,
	};
	let (mut tally, state) =
		kept.unwrap_or_else(|| (Tally::default(), TrainState::new(base.clone())));
	let micro_batches = (job.local.batch as usize).div_ceil(documents.together());
	let mut trainer =
		Trainer::new(state)?.with_micro_batches(micro_batches.min(MAX_MICRO_BATCHES))?;
	let save = |tally: &Tally, trainer: &Trainer| match training.saved {
		Some(saved) => saved.save(tally, trainer.state()),
		None => Ok(()),
	};

	let mut last_save = Instant::now();
	let steps = u64::from(job.local.steps);
	while trainer.state().step() < steps {
		if let Err(stopped) = host.stop.check() {
			save(&tally, &trainer)?;
			return Err(stopped.into());
		}
		let step = trainer.state().step();
		let batch = documents.batch(&order.batch(step))?;
		let began = Instant::now();
		let report = host.pool.install(|| trainer.train_step(&batch, &hyper))?;
		tally.seconds += began.elapsed().as_secs_f64();
		tally.tokens += report.tokens as u64;
		tally.loss_after = loss_to_micro_nats(report.loss);
		if step == 0 {
			tally.loss_before = tally.loss_after;
		}
		progress(StepProgress {
			steps: u32::try_from(step + 1).unwrap_or(u32::MAX),
			tokens: tally.tokens,
			seconds: tally.seconds,
			loss: tally.loss_after,
		});
		if last_save.elapsed() >= training.save_interval {
			save(&tally, &trainer)?;
			last_save = Instant::now();
		}
	}
	Ok((tally, trainer.into_state()))
}
