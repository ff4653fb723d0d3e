//! Phases `Aggregate` and `Challenge`: the survivors' exact sum, the server update, the held-out loss.
//!
//! Must not know: who survived and why, or whose turn it is. Source: `docs/protocol/aggregate.md`; McMahan et al. 2017,
//! algorithm 1; Douillard et al. 2023 (outer Nesterov momentum).
//! Invariants: integers only up to the evaluation; chunk by chunk, as the runtime's referee repeats it; groups of one, so each
//! member's values are held to its own weight.

use crate::{
	checkpoint::Checkpoint,
	data::{load_tokenizer, Documents},
	error::JobError,
	job::{AggregateJob, Architecture, Outer, Quantiser, Shard, UpdateRef},
	Fetcher, Hash, Host,
};
use secagg::{Header, VectorKind, CHUNK};
use transformer::{loss_to_micro_nats, Parameters};

/// A new version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Aggregated {
	/// Root of the parameters, which are in the store.
	pub parameters: Hash,
	/// Root of the momentum, which is in the store.
	pub momentum: Hash,
	/// Mean held-out loss, micro-nats per token.
	pub evaluation: u64,
}

/// Computes, stores and evaluates the version that a round makes.
///
/// # Errors
/// - [`JobError::NoUpdate`] if a survivor has no root;
/// - [`JobError::Secagg`] if a constant is wrong or there are no survivors;
/// - [`JobError::Fetch`], [`JobError::Store`], [`JobError::Transformer`], and what [`Documents::load`] says of the shard.
pub fn aggregate(job: &AggregateJob, host: &Host<'_>) -> Result<Aggregated, JobError> {
	let fetcher = host.fetcher();
	let base = Checkpoint::load(&job.architecture, &job.base, &fetcher)?;
	let updates = fetch_updates(&job.architecture, &job.survivors, &fetcher)?;
	let new = apply(base, &updates, &job.quantiser, &job.outer)?;
	let (parameters, momentum) = new.put(host.store)?;
	host.stop.check()?;
	let evaluation = evaluate(
		&job.architecture,
		&new.parameters,
		&job.tokenizer,
		&job.held_out,
		host,
	)?;
	Ok(Aggregated {
		parameters,
		momentum,
		evaluation,
	})
}

/// Weight and update of each survivor.
pub(crate) fn fetch_updates(
	architecture: &Architecture,
	survivors: &[UpdateRef],
	fetcher: &Fetcher<'_>,
) -> Result<Vec<(u8, Vec<i16>)>, JobError> {
	let len = architecture.n_parameters()?;
	survivors
		.iter()
		.map(|survivor| {
			let root = survivor.root.ok_or(JobError::NoUpdate {
				account: survivor.account,
			})?;
			let header = Header::new(VectorKind::Update, len, survivor.account)?;
			Ok((survivor.weight, fetcher.update(&root, &header)?))
		})
		.collect()
}

/// The server update of `base` by weighted updates (weight, y = weight * q), in place and chunk by chunk.
///
/// # Errors
/// - [`secagg::Error`] if a constant is out of range, lengths differ, or there are no updates.
pub fn apply(
	mut base: Checkpoint,
	updates: &[(u8, Vec<i16>)],
	quantiser: &Quantiser,
	outer: &Outer,
) -> Result<Checkpoint, secagg::Error> {
	let outer = secagg::Outer::new(outer.momentum_q16, outer.learning_rate_q16)?;
	let len = base.parameters.len();
	if let Some((_, other)) = updates.iter().find(|(_, values)| values.len() != len) {
		return Err(secagg::Error::LengthMismatch {
			expected: len as u64,
			got: other.len() as u64,
		});
	}
	let bounds = updates
		.iter()
		.map(|(weight, _)| secagg::bound(quantiser.bits, (*weight).into()))
		.collect::<Result<Vec<i16>, _>>()?;
	let weight_sum = updates.iter().map(|(weight, _)| u32::from(*weight)).sum();
	let mut chunks: Vec<_> = updates.iter().map(|(_, y)| y.chunks(CHUNK)).collect();
	let targets = base
		.parameters
		.chunks_mut(CHUNK)
		.zip(base.momentum.chunks_mut(CHUNK));
	for (parameters, momentum) in targets {
		let sums = chunks
			.iter_mut()
			.zip(&bounds)
			.map(|(member, bound)| {
				secagg::group_sum_chunk(&[member.next().unwrap_or_default()], *bound)
			})
			.collect::<Result<Vec<_>, _>>()?;
		let sums: Vec<&[i16]> = sums.iter().map(Vec::as_slice).collect();
		let gradient = secagg::aggregate_chunk(&sums, weight_sum, quantiser.exponent)?;
		secagg::server_update_chunk(&outer, &gradient, parameters, momentum)?;
	}
	Ok(base)
}

/// Mean loss of parameters over a shard's documents in micro-nats per token.
///
/// # Errors
/// - [`JobError::Transformer`] if a loss is not finite, and what [`Documents::load`] says of the shard.
pub fn evaluate(
	architecture: &Architecture,
	parameters: &[i32],
	tokenizer: &Hash,
	held_out: &Shard,
	host: &Host<'_>,
) -> Result<u64, JobError> {
	let fetcher = host.fetcher();
	let tokenizer = load_tokenizer(architecture, tokenizer, &fetcher)?;
	let parameters = Parameters::from_fixed(architecture.config(), parameters)?;
	host.pool.install(|| {
		let documents = Documents::load(
			std::slice::from_ref(held_out),
			&tokenizer,
			architecture.context_length,
			&fetcher,
		)?;
		let evaluation = transformer::evaluate(&parameters, &documents.batches()?)?;
		Ok(loss_to_micro_nats(evaluation.loss))
	})
}
