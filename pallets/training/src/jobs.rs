//! The jobs of a round's phases, built from chain state.
//!
//! A job's digest is what posts must carry, so two nodes that read the same state build the same bytes.
//! Must not know: how a job is run, where tickets go. Invariant: everything that decides a job's result is in the job.

use crate::{round::RoundRecord, Config, Pallet};
use alloc::vec::Vec;
use llmchain_primitives::{
	data::Shards,
	mailbox::{AggregateJob, CheckpointRef, HoldJob, Job, TrainJob, UpdateRef},
	model::{Architecture, Origin},
	training::{assigned_shards, public_seed, Phase, SeedPurpose, TaskSpec},
	traits::{DatasetRegistry, ModelRegistry},
	Balance, Hash, TaskId, VersionId,
};

/// What jobs need from the registries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Materials {
	/// Genesis hash of the chain.
	pub genesis: Hash,
	/// The model's numbers.
	pub architecture: Architecture,
	/// Blob of the tokenizer of the base version.
	pub tokenizer: Hash,
	/// The base version.
	pub base: CheckpointRef,
	/// The dataset.
	pub shards: Shards,
}

impl Materials {
	/// Training job of member `index`; `None` if there is no such member or its shards are not there.
	pub fn train(
		&self,
		task: &TaskId,
		spec: &TaskSpec<Balance>,
		record: &RoundRecord,
		index: u32,
	) -> Option<Job> {
		let member = record.member(index)?;
		let seed =
			|purpose| public_seed(&self.genesis, task, record.number, &member.account, purpose);
		let shards = shards_of(record, index)
			.into_iter()
			.map(|shard| {
				self.shards
					.training
					.get(usize::try_from(shard).ok()?)
					.cloned()
			})
			.collect::<Option<Vec<_>>>()?;
		Some(Job::Train(TrainJob {
			architecture: self.architecture,
			tokenizer: self.tokenizer,
			base: self.base.clone(),
			shards,
			local: spec.local,
			quantiser: spec.quantiser,
			batch_seed: seed(SeedPurpose::Batches),
			rounding_seed: seed(SeedPurpose::Rounding),
		}))
	}

	/// Job of all members in `Hold`.
	pub fn hold(&self, record: &RoundRecord) -> Job {
		Job::Hold(HoldJob {
			architecture: self.architecture,
			updates: updates(record, |_| true),
		})
	}

	/// Job of all members in `Aggregate` and `Challenge`.
	pub fn aggregate(&self, spec: &TaskSpec<Balance>, record: &RoundRecord) -> Job {
		Job::Aggregate(AggregateJob {
			architecture: self.architecture,
			tokenizer: self.tokenizer,
			base: self.base.clone(),
			survivors: updates(record, |index| record.survivors.contains(index)),
			quantiser: spec.quantiser,
			outer: spec.outer,
			held_out: self.shards.held_out.clone(),
		})
	}

	/// Job of member `index` in the running phase; `None` if there is none.
	pub fn job(
		&self,
		task: &TaskId,
		spec: &TaskSpec<Balance>,
		record: &RoundRecord,
		index: u32,
	) -> Option<Job> {
		match record.running()?.phase {
			Phase::Train => self.train(task, spec, record, index),
			Phase::Hold => Some(self.hold(record)),
			Phase::Aggregate | Phase::Challenge => Some(self.aggregate(spec, record)),
		}
	}
}

/// Shards drawn for member `index`; none if there is no such member.
pub fn shards_of(record: &RoundRecord, index: u32) -> Vec<u32> {
	record.member(index).map_or_else(Vec::new, |member| {
		assigned_shards(
			record.number,
			record.weight_before(index),
			member.weight,
			record.shards,
		)
	})
}

fn updates(record: &RoundRecord, is_in: impl Fn(u32) -> bool) -> Vec<UpdateRef> {
	record
		.members
		.iter()
		.zip(0u32..)
		.filter(|(_, index)| is_in(*index))
		.map(|(member, _)| UpdateRef {
			account: member.account.clone(),
			root: member.update.map(|update| update.root),
			weight: member.weight,
		})
		.collect()
}

impl<T: Config> Pallet<T> {
	/// Reads what the jobs of a round on `base` need; `None` if a registry does not know it any more.
	pub fn materials(spec: &TaskSpec<Balance>, base: &VersionId) -> Option<Materials> {
		let model = T::Models::model(&spec.model)?;
		let version = T::Models::version(base)?;
		let seed = match version.origin {
			Origin::Seed(seed) => Some(seed),
			Origin::Round { .. } => None,
		};
		Some(Materials {
			genesis: Self::genesis(),
			architecture: model.architecture,
			tokenizer: version.tokenizer,
			base: CheckpointRef {
				roots: version.roots,
				seed,
			},
			shards: T::Datasets::shards(&spec.dataset)?,
		})
	}
}
