//! What must hold of this pallet's storage after every block and every call.
//!
//! Read by `try_state` and by tests, natively only. Must not know: how state came to be. Each check names itself in its error.

use crate::{
	round::{Claim, RoundRecord, Status},
	types::{Activity, Engagement, Task},
	Config, HoldReason, OpenTasks, Pallet, Registered, Rounds, Tasks, TrainerOf, Trainers,
};
use alloc::collections::{BTreeMap, BTreeSet};
use frame_support::{ensure, traits::fungible::InspectHold};
use llmchain_primitives::{
	training::{Phase, TaskStatus, MAX_WEIGHT},
	AccountId, Balance, TaskId,
};
use sp_runtime::DispatchError;

type Checked = Result<(), DispatchError>;

impl<T: Config> Pallet<T> {
	/// Checks every invariant.
	///
	/// # Errors
	/// `DispatchError::Other` with the first invariant that does not hold.
	pub fn check_invariants() -> Result<(), DispatchError> {
		Self::check_trainers()?;
		Self::check_pots()?;
		Self::check_open_tasks()?;
		for (id, task) in Tasks::<T>::iter() {
			Self::check_task(id, &task)?;
		}
		for (id, number, record) in Rounds::<T>::iter() {
			Self::check_record(id, number, &record)?;
		}
		Ok(())
	}

	fn check_trainers() -> Checked {
		let listed = Registered::<T>::get();
		let distinct: BTreeSet<_> = listed.iter().collect();
		ensure!(distinct.len() == listed.len(), "a trainer is listed twice");
		ensure!(
			Trainers::<T>::iter_keys().count() == listed.len()
				&& TrainerOf::<T>::iter_keys().count() == listed.len(),
			"the maps of trainers and the list differ in size"
		);
		for account in &listed {
			let trainer = Trainers::<T>::get(account).ok_or("a listed trainer is not stored")?;
			ensure!(
				TrainerOf::<T>::get(&trainer.key).as_ref() == Some(account),
				"a trainer's key leads elsewhere"
			);
			ensure!(
				(1..=MAX_WEIGHT).contains(&trainer.capacity),
				"a capacity is out of bounds"
			);
			let on_hold = T::Currency::balance_on_hold(&HoldReason::TrainerBond.into(), account);
			ensure!(on_hold == trainer.bond, "a bond is not on hold");
			if let Some(Engagement { task, round }) = trainer.engaged {
				let is_member = Rounds::<T>::get(task, round).is_some_and(|record| {
					record.running().is_some() && record.index_of(account).is_some()
				});
				ensure!(is_member, "a trainer is engaged in no running round");
			}
		}
		Ok(())
	}

	fn check_pots() -> Checked {
		let mut owed = BTreeMap::<AccountId, (Balance, Balance)>::new();
		for task in Tasks::<T>::iter_values() {
			let (pot, deposit) = owed.entry(task.publisher).or_default();
			*pot = pot.saturating_add(task.pot);
			*deposit = deposit.saturating_add(task.deposit);
		}
		for (publisher, (pot, deposit)) in owed {
			let on_hold =
				|reason: HoldReason| T::Currency::balance_on_hold(&reason.into(), &publisher);
			ensure!(
				on_hold(HoldReason::TaskPot) == pot,
				"pots and money on hold differ"
			);
			ensure!(
				on_hold(HoldReason::TaskDeposit) == deposit,
				"deposits and money on hold differ"
			);
		}
		Ok(())
	}

	fn check_open_tasks() -> Checked {
		let open = OpenTasks::<T>::get();
		let listed: BTreeSet<_> = open.iter().copied().collect();
		ensure!(listed.len() == open.len(), "an open task is listed twice");
		let stored: BTreeSet<_> = Tasks::<T>::iter()
			.filter(|(_, task)| task.status == TaskStatus::Open)
			.map(|(id, _)| id)
			.collect();
		ensure!(
			listed == stored,
			"the list of open tasks is not the open tasks"
		);
		Ok(())
	}

	fn check_task(id: TaskId, task: &Task) -> Checked {
		let runs =
			Rounds::<T>::get(id, task.round).is_some_and(|record| record.running().is_some());
		ensure!(
			runs == (task.activity != Activity::Idle),
			"a task's activity and its round differ"
		);
		let rest = task
			.spec
			.stop
			.max_rounds
			.saturating_sub(task.progress.settled);
		match task.status {
			TaskStatus::Open => ensure!(
				task.pot >= task.spec.reward.saturating_mul(rest.into()) && rest > 0,
				"a pot does not cover the rounds to come"
			),
			_ => ensure!(
				task.pot == 0 && task.activity == Activity::Idle,
				"a task that ended has a pot or a round"
			),
		}
		let mut settled = BTreeMap::new();
		let mut failed = BTreeSet::new();
		for (number, record) in Rounds::<T>::iter_prefix(id) {
			ensure!(number <= task.round, "a round is beyond the last one");
			match record.status {
				Status::Settled(version) => drop(settled.insert(number, version)),
				Status::Failed(_) => drop(failed.insert(number)),
				Status::Running(_) => {
					ensure!(number == task.round, "an old round still runs");
				}
			}
		}
		ensure!(
			u32::try_from(settled.len()) == Ok(task.progress.settled),
			"settled rounds and their count differ"
		);
		let head = settled
			.last_key_value()
			.map_or(task.spec.base, |(_, version)| *version);
		ensure!(
			head == task.head,
			"the head is not the last settled version"
		);
		let kept: BTreeSet<_> = task.failed.iter().copied().collect();
		ensure!(failed == kept, "kept and listed failed rounds differ");
		Ok(())
	}

	fn check_record(id: TaskId, number: u32, record: &RoundRecord) -> Checked {
		let task = Tasks::<T>::get(id).ok_or("a round has no task")?;
		let n = record.size();
		ensure!(
			record.number == number,
			"a round is stored under another number"
		);
		ensure!(
			n == task.spec.cohort,
			"a roster is not as large as the cohort"
		);
		let everybody = (0..n).fold(0u64, |set, index| {
			set | 1u64.checked_shl(index).unwrap_or_default()
		});
		let sets = [record.survivors, record.missed, record.excused];
		ensure!(
			sets.iter().all(|set| set.0 & !everybody == 0),
			"a set of members is beyond the roster"
		);
		let updated = record.updated();
		ensure!(
			record.survivors.0 & !updated.0 == 0,
			"a member without update survived"
		);
		for member in &record.members {
			ensure!(
				(1..=MAX_WEIGHT).contains(&member.weight),
				"a weight is out of bounds"
			);
			ensure!(
				member.holdings.is_none_or(|held| held.0 & !updated.0 == 0),
				"a member holds an update that was not posted"
			);
		}
		ensure!(
			record.ended.is_some() != record.running().is_some(),
			"a round runs and has ended, or neither"
		);
		Self::check_claim(record)?;
		if record.running().is_some() {
			Self::check_running(id, &task, record)?;
		}
		Ok(())
	}

	fn check_claim(record: &RoundRecord) -> Checked {
		let has_claim = match record.status {
			Status::Running(running) => running.phase == Phase::Challenge,
			Status::Settled(_) => true,
			Status::Failed(_) => false,
		};
		ensure!(
			record.claim.is_some() == has_claim,
			"a claim stands outside of its phase, or is missing"
		);
		let is_known = |claim: &Claim| {
			record
				.member(claim.claimant)
				.is_some_and(|m| m.verdict.is_some())
		};
		ensure!(
			record.claim.as_ref().is_none_or(is_known),
			"a claim has no claimant"
		);
		let has_verdicts = record.members.iter().any(|m| m.verdict.is_some());
		ensure!(
			has_claim || !has_verdicts,
			"a verdict stands without a claim"
		);
		Ok(())
	}

	fn check_running(id: TaskId, task: &Task, record: &RoundRecord) -> Checked {
		let engagement = Engagement {
			task: id,
			round: record.number,
		};
		for member in &record.members {
			let engaged = Trainers::<T>::get(&member.account).and_then(|trainer| trainer.engaged);
			ensure!(
				engaged == Some(engagement),
				"a member of a running round is not engaged in it"
			);
		}
		// A registry may lose a dataset in the middle of a round; then there is nothing to compare with.
		let Some(materials) = Self::materials(&task.spec, &record.base) else {
			return Ok(());
		};
		for index in 0..record.size() {
			let job = materials.job(&id, &task.spec, record, index);
			ensure!(
				job.map(|job| job.digest()) == record.inputs_of(index),
				"a digest of inputs does not follow from state"
			);
		}
		Ok(())
	}
}
