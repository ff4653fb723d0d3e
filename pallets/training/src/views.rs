//! What clients read: tasks, rounds and trainers in the words of the runtime API.
//!
//! Must not know: who asks. Answers follow from state; nothing is computed that a client could not check.

use crate::{
	jobs::shards_of,
	round::{RoundRecord, Status, Verdict},
	Config, OpenTasks, Pallet, Rounds, Tasks, TrainerOf,
};
use alloc::vec::Vec;
use llmchain_primitives::{
	key::TrainerPublic,
	training::{MemberView, RoundStatus, RoundView, TaskView},
	traits::TrainerKeys,
	AccountId, TaskId,
};

impl<T: Config> Pallet<T> {
	/// Tasks that take rounds now, in order of creation.
	pub fn open_tasks() -> Vec<TaskId> {
		OpenTasks::<T>::get().into_inner()
	}

	/// A task by its identity.
	pub fn task_view(id: &TaskId) -> Option<TaskView> {
		Tasks::<T>::get(id).map(|task| TaskView {
			publisher: task.publisher,
			spec: task.spec,
			status: task.status,
			round: task.round,
			settled: task.progress.settled,
			head: task.head,
			pot: task.pot,
		})
	}

	/// A round of a task by its number; `None` for a failed round whose record was dropped.
	pub fn round_view(id: &TaskId, number: u32) -> Option<RoundView> {
		Rounds::<T>::get(id, number).map(|record| round_view(*id, &record))
	}

	/// Key of a registered trainer.
	pub fn key_of(account: &AccountId) -> Option<TrainerPublic> {
		<Self as TrainerKeys>::trainer_key(account)
	}

	/// Account that registered a trainer key.
	pub fn trainer_of(key: &TrainerPublic) -> Option<AccountId> {
		TrainerOf::<T>::get(key)
	}
}

fn round_view(task: TaskId, record: &RoundRecord) -> RoundView {
	let members = record
		.members
		.iter()
		.zip(0u32..)
		.map(|(member, index)| MemberView {
			account: member.account.clone(),
			shards: shards_of(record, index),
			update: member.update,
			holdings: member.holdings,
			survived: record.survivors.contains(index),
			attested: member.verdict == Some(Verdict::Agreed),
		})
		.collect();
	let status = match record.status {
		Status::Running(running) => RoundStatus::Running {
			phase: running.phase,
			since: running.since,
			deadline: running.deadline,
		},
		Status::Settled(version) => RoundStatus::Settled { version },
		Status::Failed(_) => RoundStatus::Failed,
	};
	RoundView {
		task,
		number: record.number,
		base: record.base,
		members,
		status,
		began: record.began,
		ended: record.ended,
		claim: record.claim.map(|claim| claim.report),
	}
}
