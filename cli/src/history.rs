//! A version's history as the chain tells it, checked against itself and turned into what the engine recomputes.
//!
//! Must not know: the connection, the bytes. Source: ARCHITECTURE.md, invariant 4; docs/protocol/aggregate.md.
//! Invariants: a version's identity is computed again from what it binds, so a node cannot lie about roots below an identity that
//! the user knows; every round must be the one that made its version.

use crate::convert::{self, ChainVersion};
use llmchain_primitives::{
	data::Shard,
	model::{version_id, Architecture, Origin},
	training::{RoundStatus, RoundView, TaskView},
	DatasetId, Hash, VersionId, NUMERIC_SPEC,
};
use std::collections::BTreeMap;
use thiserror::Error;

/// What the chain says does not fit together.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum HistoryError {
	/// The identity does not follow from the record.
	#[error("version {id:?}: its record has the identity {computed:?}; the node lies or is broken, ask another (--url)")]
	Identity {
		/// Identity that was asked for.
		id: VersionId,
		/// Identity of the record.
		computed: VersionId,
	},
	/// The history ends before version 0.
	#[error("the history of {id:?} ends without a version 0; ask a node that has it whole")]
	NoBeginning {
		/// The version that was asked for.
		id: VersionId,
	},
	/// The order of the history is not that of its parents.
	#[error("version {id:?} is not made from {expected:?}")]
	Parent {
		/// The version.
		id: VersionId,
		/// The version before it in the history.
		expected: VersionId,
	},
	/// The model follows other arithmetic than this program computes.
	#[error("version {id:?} follows numeric specification {found}; this program computes by {NUMERIC_SPEC}")]
	NumericSpec {
		/// The version.
		id: VersionId,
		/// Its specification.
		found: u32,
	},
	/// The round does not lead to the version.
	#[error("round {round} of task {task:?} does not lead to version {id:?}: {what}")]
	Round {
		/// The version.
		id: VersionId,
		/// The task.
		task: Hash,
		/// The round.
		round: u32,
		/// What differs.
		what: &'static str,
	},
}

/// A version made by a round, with that round and its task.
#[derive(Clone, Debug)]
pub struct Made {
	/// Its identity.
	pub id: VersionId,
	/// Its record.
	pub version: ChainVersion,
	/// The round.
	pub round: RoundView,
	/// The round's task.
	pub task: TaskView,
}

/// A version's whole history.
#[derive(Clone, Debug)]
pub struct History {
	/// The model's numbers.
	pub architecture: Architecture,
	/// Version 0.
	pub first: (VersionId, ChainVersion),
	/// The versions after it, oldest first.
	pub made: Vec<Made>,
}

/// Rounds in a row that trained on one dataset, so that one held-out shard evaluates all of them.
pub type Segment = (trainer::Lineage, Option<DatasetId>);

impl History {
	/// Checks the history against itself.
	///
	/// # Errors
	/// - the first [`HistoryError`].
	pub fn check(&self) -> Result<(), HistoryError> {
		let (first, version) = &self.first;
		check_identity(first, version)?;
		if !matches!(version.origin, Origin::Seed(_)) {
			return Err(HistoryError::NoBeginning { id: *first });
		}
		let mut before = *first;
		for made in &self.made {
			check_identity(&made.id, &made.version)?;
			check_round(made, before)?;
			before = made.id;
		}
		Ok(())
	}

	/// What the engine recomputes, in order. With `held_out` (by dataset), evaluations are repeated as well.
	pub fn segments(&self, held_out: &BTreeMap<DatasetId, Shard>) -> Vec<trainer::Lineage> {
		let architecture = convert::architecture(&self.architecture);
		let evaluate = |dataset: &DatasetId, version: &ChainVersion| {
			held_out
				.get(dataset)
				.map(|shard| (version.tokenizer.0, convert::shard(shard)))
		};
		let mut segments: Vec<Segment> = vec![(
			trainer::Lineage {
				architecture,
				base: convert::checkpoint(&self.first.1),
				rounds: Vec::new(),
				evaluate: None,
			},
			None,
		)];
		let mut before = &self.first.1;
		for made in &self.made {
			let dataset = made.task.spec.dataset;
			match segments.last_mut() {
				Some((lineage, known)) if known.is_none_or(|known| known == dataset) => {
					*known = Some(dataset);
					lineage.evaluate = evaluate(&dataset, &made.version);
					lineage.rounds.push(record(made));
				}
				// The version before was recomputed by the segment before, so the store has it.
				_ => segments.push((
					trainer::Lineage {
						architecture,
						base: convert::checkpoint(before),
						rounds: vec![record(made)],
						evaluate: evaluate(&dataset, &made.version),
					},
					Some(dataset),
				)),
			}
			before = &made.version;
		}
		segments.into_iter().map(|(lineage, _)| lineage).collect()
	}

	/// Datasets that its rounds trained on.
	pub fn datasets(&self) -> Vec<DatasetId> {
		let mut datasets: Vec<_> = self
			.made
			.iter()
			.map(|made| made.task.spec.dataset)
			.collect();
		datasets.sort();
		datasets.dedup();
		datasets
	}
}

fn check_identity(id: &VersionId, version: &ChainVersion) -> Result<(), HistoryError> {
	let computed = version_id(
		&version.model,
		&version.parents,
		&version.origin,
		&version.roots,
	);
	if computed != *id {
		return Err(HistoryError::Identity { id: *id, computed });
	}
	if version.numeric_spec != NUMERIC_SPEC {
		return Err(HistoryError::NumericSpec {
			id: *id,
			found: version.numeric_spec,
		});
	}
	Ok(())
}

fn check_round(made: &Made, before: VersionId) -> Result<(), HistoryError> {
	let Made {
		id,
		version,
		round,
		task,
	} = made;
	if version.parents.as_slice() != [before] {
		return Err(HistoryError::Parent {
			id: *id,
			expected: before,
		});
	}
	let claim = round.claim.as_ref();
	let origin = Origin::Round {
		task: round.task,
		round: round.number,
	};
	let faults = [
		(version.origin == origin, "the version names another round"),
		(
			round.status == RoundStatus::Settled { version: *id },
			"the round settled another version, or none",
		),
		(round.base == before, "the round began from another version"),
		(
			task.spec.model == version.model,
			"the task trains another model",
		),
		(
			claim.is_some_and(|claim| claim.roots == version.roots),
			"the claim has other roots",
		),
		(
			claim.map(|claim| claim.evaluation) == version.evaluation,
			"the claim has another held-out loss",
		),
		(
			round
				.members
				.iter()
				.all(|member| !member.survived || member.update.is_some()),
			"a survivor posted no update",
		),
	];
	match faults.into_iter().find(|(fits, _)| !fits) {
		None => Ok(()),
		Some((_, what)) => Err(HistoryError::Round {
			id: *id,
			task: round.task,
			round: round.number,
			what,
		}),
	}
}

fn record(made: &Made) -> trainer::RoundRecord {
	trainer::RoundRecord {
		number: made.round.number,
		survivors: made
			.round
			.members
			.iter()
			.filter(|member| member.survived)
			.map(|member| trainer::UpdateRef {
				account: *member.account.as_ref(),
				root: member.update.map(|update| update.root.0),
				weight: u8::try_from(member.shards.len()).unwrap_or(u8::MAX),
			})
			.collect(),
		quantiser: convert::quantiser(&made.task.spec.quantiser),
		outer: convert::outer(&made.task.spec.outer),
		parameters: made.version.roots.parameters.0,
		momentum: made.version.roots.momentum.0,
		evaluation: made.version.evaluation,
	}
}

#[cfg(test)]
mod tests;
