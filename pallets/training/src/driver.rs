//! The end of a block: applies what the round machine decides to storage.
//!
//! Every step is deterministic, bounded by the members of its round, and cannot fail the block: what goes wrong ends the round or the
//! task, never the chain. Must not know: the rules of a round (`round`), money (`settle`).

use crate::{
	round::{Effect, FailureReason, RoundRecord},
	task,
	trainers::FreeTrainer,
	types::{Activity, Engagement, Task},
	Config, Error, Event, OpenTasks, Pallet, Rounds, TaskCount, Tasks, WeightInfo, LOG_TARGET,
};
use alloc::vec::Vec;
use frame_support::{ensure, pallet_prelude::DispatchResult, traits::Get, weights::Weight};
use llmchain_primitives::{
	training::{TaskSpec, TaskStatus, MAX_ROSTER},
	traits::{DatasetRegistry, ModelRegistry},
	AccountId, Balance, TaskId,
};
use sp_runtime::traits::{BlakeTwo256, Hash as _};

impl<T: Config> Pallet<T> {
	pub(crate) fn do_create_task(who: AccountId, spec: TaskSpec<Balance>) -> DispatchResult {
		let ground = task::Ground {
			model: T::Models::model(&spec.model),
			base: T::Models::version(&spec.base),
			shards: T::Datasets::shards(&spec.dataset)
				.map(|shards| u32::try_from(shards.training.len()).unwrap_or(u32::MAX)),
		};
		let pot = task::check(&spec, &ground).map_err(Error::<T>::from)?;
		let open = OpenTasks::<T>::get();
		// Two tasks on one model would race for its next version, and the slower one's work would be lost.
		let is_busy = open
			.iter()
			.filter_map(Tasks::<T>::get)
			.any(|other| other.spec.model == spec.model);
		ensure!(!is_busy, Error::<T>::ModelBusy);

		let count = TaskCount::<T>::get();
		let task = BlakeTwo256::hash_of(&(b"llmchain/task/1", &who, &spec, Self::now(), count));
		OpenTasks::<T>::try_append(task).map_err(|()| Error::<T>::TooManyTasks)?;
		TaskCount::<T>::put(count.saturating_add(1));
		let deposit = Self::lock(&who, pot)?;
		Tasks::<T>::insert(
			task,
			Task {
				publisher: who.clone(),
				spec,
				status: TaskStatus::Open,
				activity: Activity::Idle,
				round: 0,
				head: spec.base,
				pot,
				deposit,
				progress: Default::default(),
				failures: 0,
				failed: Default::default(),
			},
		);
		Self::deposit_event(Event::TaskCreated {
			task,
			publisher: who,
			model: spec.model,
			pot,
		});
		Ok(())
	}

	pub(crate) fn do_cancel_task(who: &AccountId, id: TaskId) -> DispatchResult {
		let mut task = Tasks::<T>::get(id).ok_or(Error::<T>::UnknownTask)?;
		ensure!(task.publisher == *who, Error::<T>::NotPublisher);
		ensure!(task.status == TaskStatus::Open, Error::<T>::TaskNotOpen);
		match task.activity {
			Activity::Idle => Self::end_task(id, task, TaskStatus::Cancelled),
			Activity::InRound => {
				task.activity = Activity::LastRound;
				Tasks::<T>::insert(id, task);
				Self::deposit_event(Event::TaskEnding { task: id });
			}
			Activity::LastRound => return Err(Error::<T>::TaskEndsAlready.into()),
		}
		Ok(())
	}

	/// Weight of a block's end with so many open tasks and registered trainers.
	pub(crate) fn reserved_weight(tasks: u32, trainers: u32) -> Weight {
		let step = |members: u32| {
			[
				T::WeightInfo::start_round(members),
				T::WeightInfo::open_hold(members),
				T::WeightInfo::open_aggregate(members),
				T::WeightInfo::settle_round(members),
			]
			.into_iter()
			.fold(Weight::zero(), |most, step| most.max(step))
		};
		let fixed = step(0);
		let of_members = step(trainers.min(MAX_ROSTER)).saturating_sub(fixed);
		let lists = T::DbWeight::get().reads(2);
		if tasks == 0 {
			return lists;
		}
		lists
			.saturating_add(T::WeightInfo::scan_trainers(trainers.min(MAX_ROSTER)))
			.saturating_add(fixed.saturating_mul(tasks.into()))
			.saturating_add(of_members)
	}

	/// One step of every open task.
	pub(crate) fn end_block(now: u32) {
		let mut free = None;
		for id in OpenTasks::<T>::get() {
			let Some(task) = Tasks::<T>::get(id) else {
				log::error!(target: LOG_TARGET, "open task {id:?} is not there");
				continue;
			};
			match task.activity {
				Activity::Idle => {
					let free = free.get_or_insert_with(Self::free_trainers);
					Self::start_round(id, task, free, now);
				}
				Activity::InRound | Activity::LastRound => Self::move_on(id, task, now),
			}
		}
	}

	/// Starts the next round if enough trainers are free: the first ones in order of registration.
	pub(crate) fn start_round(id: TaskId, mut task: Task, free: &mut Vec<FreeTrainer>, now: u32) {
		let cohort = usize::try_from(task.spec.cohort).unwrap_or(usize::MAX);
		if free.len() < cohort {
			return;
		}
		let is_current =
			T::Models::model(&task.spec.model).is_some_and(|model| model.latest == task.head);
		let materials = Self::materials(&task.spec, &task.head).filter(|_| is_current);
		let Some(materials) = materials else {
			// Another version came first, or what the task needs is gone: no round of it could settle.
			return Self::end_task(id, task, TaskStatus::Cancelled);
		};
		let roster: Vec<FreeTrainer> = free.drain(..cohort).collect();
		let shards = u32::try_from(materials.shards.training.len()).unwrap_or(u32::MAX);
		let number = task.round.saturating_add(1);
		let deadlines = task.spec.deadlines;
		let mut record = RoundRecord::begin(number, task.head, roster, shards, deadlines, now);
		for index in 0..record.size() {
			let Some(job) = materials.train(&id, &task.spec, &record, index) else {
				return Self::end_task(id, task, TaskStatus::Cancelled);
			};
			record.set_inputs(Some(index), job.digest());
		}
		Self::engage(
			&record,
			Engagement {
				task: id,
				round: number,
			},
		);
		Self::deposit_event(Event::RoundStarted {
			task: id,
			round: number,
			base: task.head,
			members: record.size(),
			deadline: record.running().map_or(now, |running| running.deadline),
		});
		task.round = number;
		task.activity = Activity::InRound;
		Rounds::<T>::insert(id, number, record);
		Tasks::<T>::insert(id, task);
	}

	/// Moves a running round on.
	pub(crate) fn move_on(id: TaskId, task: Task, now: u32) {
		let Some(mut record) = Rounds::<T>::get(id, task.round) else {
			log::error!(target: LOG_TARGET, "round {} of task {id:?} is not there", task.round);
			return;
		};
		match record.advance(now) {
			None => {}
			Some(Effect::OpenedHold | Effect::OpenedAggregate) => {
				Self::open_phase(id, task, record, now)
			}
			Some(Effect::ClaimDropped { claimant }) => {
				if let Some(member) = record.member(claimant) {
					Self::deposit_event(Event::ClaimDropped {
						task: id,
						round: record.number,
						trainer: member.account.clone(),
					});
				}
				Self::announce_phase(id, &record);
				Rounds::<T>::insert(id, record.number, record);
			}
			Some(Effect::Agreed(report)) => Self::settle_round(id, task, record, report, now),
			Some(Effect::Failed(reason)) => Self::fail_round(id, task, record, reason),
		}
	}

	/// Computes what posts of a phase that just opened must be made from.
	fn open_phase(id: TaskId, task: Task, mut record: RoundRecord, now: u32) {
		let job = Self::materials(&task.spec, &record.base)
			.and_then(|materials| materials.job(&id, &task.spec, &record, 0));
		let Some(job) = job else {
			let reason = FailureReason::InputsUnavailable;
			record.fail(reason, now);
			return Self::fail_round(id, task, record, reason);
		};
		record.set_inputs(None, job.digest());
		Self::announce_phase(id, &record);
		Rounds::<T>::insert(id, record.number, record);
	}

	fn announce_phase(id: TaskId, record: &RoundRecord) {
		if let Some(running) = record.running() {
			Self::deposit_event(Event::PhaseOpened {
				task: id,
				round: record.number,
				phase: running.phase,
				deadline: running.deadline,
			});
		}
	}

	/// Keeps the record of a round that failed, and ends the task where too many did or its publisher asked.
	pub(crate) fn fail_round(
		id: TaskId,
		mut task: Task,
		record: RoundRecord,
		reason: FailureReason,
	) {
		Self::disengage(&record);
		Self::deposit_event(Event::RoundFailed {
			task: id,
			round: record.number,
			reason,
		});
		if task.failed.is_full() {
			Rounds::<T>::remove(id, task.failed.remove(0));
		}
		if task.failed.try_push(record.number).is_ok() {
			Rounds::<T>::insert(id, record.number, record);
		}
		task.failures = task.failures.saturating_add(1);
		let is_last =
			task.activity == Activity::LastRound || task.failures >= T::MaxFailedRounds::get();
		task.activity = Activity::Idle;
		if is_last {
			Self::end_task(id, task, TaskStatus::Cancelled);
		} else {
			Tasks::<T>::insert(id, task);
		}
	}
}
