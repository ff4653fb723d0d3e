//! What an outsider re-runs: every round's sum and server update from version 0's seed to the last root. No training is repeated.
//!
//! Must not know: where the claims come from; whoever calls has read them from the chain.
//! Source: `docs/protocol/aggregate.md`; ARCHITECTURE.md, invariant 4.
//! Invariants: nothing on this machine is believed either: parameters come from the seed and the updates alone; equality, not
//! tolerance, is the test; the first difference is named by round and vector.

use crate::{
	aggregate::{apply, evaluate, fetch_updates},
	checkpoint::Checkpoint,
	error::{JobError, Which},
	hexed::Short,
	job::{Architecture, CheckpointRef, Outer, Quantiser, Shard, UpdateRef},
	Hash, Host,
};
use std::time::Instant;
use thiserror::Error;

/// What the chain says of one settled round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoundRecord {
	/// Number in its task.
	pub number: u32,
	/// The survivors' updates, in roster order.
	pub survivors: Vec<UpdateRef>,
	/// Step of the quantised updates.
	pub quantiser: Quantiser,
	/// Constants of the server update.
	pub outer: Outer,
	/// Claimed root of the new parameters.
	pub parameters: Hash,
	/// Claimed root of the new momentum.
	pub momentum: Hash,
	/// Claimed held-out loss, micro-nats per token; compared if [`Lineage::evaluate`] is given.
	pub evaluation: Option<u64>,
}

/// A version's history from its beginning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lineage {
	/// The model's numbers.
	pub architecture: Architecture,
	/// Where it begins; with a seed it is derived, else its roots are believed.
	pub base: CheckpointRef,
	/// Its settled rounds, oldest first.
	pub rounds: Vec<RoundRecord>,
	/// Tokenizer and held-out shard, to repeat the evaluations as well.
	pub evaluate: Option<(Hash, Shard)>,
}

/// How far a verification is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
	/// The first version is here and has its roots.
	Base {
		/// Whether it was derived from a seed.
		derived: bool,
	},
	/// A round's roots are those of its updates.
	Round {
		/// Its number.
		number: u32,
		/// Rounds done, this one included.
		done: usize,
		/// Rounds in all.
		total: usize,
	},
}

/// Everything followed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Verified {
	/// Rounds recomputed.
	pub rounds: u32,
	/// Updates that were fetched and summed.
	pub updates: u32,
	/// Root of the last parameters.
	pub parameters: Hash,
	/// Root of the last momentum.
	pub momentum: Hash,
	/// Wall time.
	pub seconds: f64,
}

/// The first thing that does not follow.
#[derive(Debug, Error)]
pub enum VerifyError {
	/// The first version cannot be had, or does not follow from its seed.
	#[error("the first version cannot be verified")]
	Base {
		/// Why.
		source: JobError,
	},
	/// A round's inputs cannot be had or make no sense.
	#[error("round {round} cannot be recomputed")]
	Round {
		/// The round's number.
		round: u32,
		/// Why.
		source: JobError,
	},
	/// A round's updates lead to another root than was claimed.
	#[error("round {round}: the updates lead to {which} {}, but {} was claimed", Short(.computed), Short(.claimed))]
	WrongRoot {
		/// The round's number.
		round: u32,
		/// The parameters or the momentum.
		which: Which,
		/// Root on the chain.
		claimed: Hash,
		/// Root of the recomputed vector.
		computed: Hash,
	},
	/// A round's held-out loss is another than was claimed.
	#[error(
		"round {round}: the held-out loss is {computed} micro-nats, but {claimed} was claimed"
	)]
	WrongEvaluation {
		/// The round's number.
		round: u32,
		/// Loss on the chain.
		claimed: u64,
		/// Loss recomputed.
		computed: u64,
	},
}

/// Recomputes a history and tells `progress` of every part that follows.
///
/// # Errors
/// - [`VerifyError`]: the first part that does not.
pub fn verify_lineage(
	lineage: &Lineage,
	host: &Host<'_>,
	progress: &mut dyn FnMut(Progress),
) -> Result<Verified, VerifyError> {
	let began = Instant::now();
	let mut checkpoint = base(lineage, host).map_err(|source| VerifyError::Base { source })?;
	let mut last = (lineage.base.parameters, lineage.base.momentum);
	progress(Progress::Base {
		derived: lineage.base.seed.is_some(),
	});
	for (record, done) in lineage.rounds.iter().zip(1..) {
		checkpoint = verify_round(&lineage.architecture, checkpoint, record, host)?;
		if let Some((tokenizer, held_out)) = &lineage.evaluate {
			verify_evaluation(lineage, &checkpoint, record, (tokenizer, held_out), host)?;
		}
		last = (record.parameters, record.momentum);
		progress(Progress::Round {
			number: record.number,
			done,
			total: lineage.rounds.len(),
		});
	}
	let updates = lineage.rounds.iter().map(|round| round.survivors.len());
	Ok(Verified {
		rounds: count(lineage.rounds.len()),
		updates: count(updates.sum()),
		parameters: last.0,
		momentum: last.1,
		seconds: began.elapsed().as_secs_f64(),
	})
}

/// The version that a history begins with. A seed is always followed, whatever the store has.
fn base(lineage: &Lineage, host: &Host<'_>) -> Result<Checkpoint, JobError> {
	match lineage.base.seed {
		Some(seed) => host
			.pool
			.install(|| Checkpoint::derive(&lineage.architecture, seed, &lineage.base, host.store)),
		None => Checkpoint::load(&lineage.architecture, &lineage.base, &host.fetcher()),
	}
}

/// Recomputes one round from the version before it and returns the version after it, which is also put into the store.
///
/// # Errors
/// - [`VerifyError::Round`], [`VerifyError::WrongRoot`].
pub fn verify_round(
	architecture: &Architecture,
	base: Checkpoint,
	record: &RoundRecord,
	host: &Host<'_>,
) -> Result<Checkpoint, VerifyError> {
	let round = record.number;
	let recompute = || -> Result<_, JobError> {
		let updates = fetch_updates(architecture, &record.survivors, &host.fetcher())?;
		let new = apply(base, &updates, &record.quantiser, &record.outer)?;
		let roots = new.put(host.store)?;
		Ok((new, roots))
	};
	let (new, roots) = recompute().map_err(|source| VerifyError::Round { round, source })?;
	for (which, claimed, computed) in [
		(Which::Parameters, record.parameters, roots.0),
		(Which::Momentum, record.momentum, roots.1),
	] {
		if claimed != computed {
			return Err(VerifyError::WrongRoot {
				round,
				which,
				claimed,
				computed,
			});
		}
	}
	Ok(new)
}

fn verify_evaluation(
	lineage: &Lineage,
	checkpoint: &Checkpoint,
	record: &RoundRecord,
	(tokenizer, held_out): (&Hash, &Shard),
	host: &Host<'_>,
) -> Result<(), VerifyError> {
	let round = record.number;
	let Some(claimed) = record.evaluation else {
		return Ok(());
	};
	let computed = evaluate(
		&lineage.architecture,
		&checkpoint.parameters,
		tokenizer,
		held_out,
		host,
	)
	.map_err(|source| VerifyError::Round { round, source })?;
	if claimed != computed {
		return Err(VerifyError::WrongEvaluation {
			round,
			claimed,
			computed,
		});
	}
	Ok(())
}

fn count(number: usize) -> u32 {
	u32::try_from(number).unwrap_or(u32::MAX)
}
