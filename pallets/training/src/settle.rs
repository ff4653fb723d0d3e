//! Money, and the end of rounds and tasks.
//!
//! A pot stays on hold in the publisher's account and pays from there, so it is never in a third place. Rewards are in proportion to
//! weight among survivors, rounded down; what rounding leaves stays in the pot and goes back at the end.
//! Source: docs/protocol/money.md. Must not know: phases. Invariant: a task's `pot` is what is on hold for it; nothing here
//! issues or burns money.

use crate::{
	round::{FailureReason, RoundRecord},
	types::{Activity, Task},
	Config, Event, HoldReason, OpenTasks, Pallet, Rounds, Tasks, LOG_TARGET,
};
use alloc::vec::Vec;
use frame_support::{
	storage::with_storage_layer,
	traits::{
		fungible::MutateHold,
		tokens::{Fortitude, Precision, Restriction},
		Get,
	},
};
use llmchain_primitives::{
	model::Contribution,
	training::{AggregateReport, LocalTraining, TaskStatus},
	traits::{ModelRegistry, SettledRound},
	AccountId, Balance, TaskId,
};
use sp_runtime::DispatchError;

/// Survivors of a round with their weights.
fn survivors(record: &RoundRecord) -> impl Iterator<Item = (&AccountId, u8)> {
	record
		.members
		.iter()
		.zip(0u32..)
		.filter(|(_, index)| record.survivors.contains(*index))
		.map(|(member, _)| (&member.account, member.weight))
}

/// Example-steps of a round that a survivor of that weight is credited with.
fn accepted_examples(weight: u8, local: &LocalTraining) -> u64 {
	u64::from(weight)
		.saturating_mul(local.steps.into())
		.saturating_mul(local.batch.into())
}

/// What each survivor earns of `reward`, rounded down.
pub(crate) fn shares(record: &RoundRecord, reward: Balance) -> Vec<(AccountId, Balance)> {
	let total = survivors(record).fold(0u32, |sum, (_, weight)| sum.saturating_add(weight.into()));
	survivors(record)
		.map(|(account, weight)| {
			let share = sp_runtime::helpers_128bit::multiply_by_rational_with_rounding(
				reward,
				weight.into(),
				total.into(),
				sp_runtime::Rounding::Down,
			);
			(account.clone(), share.unwrap_or_default())
		})
		.collect()
}

impl<T: Config> Pallet<T> {
	/// Puts a new task's pot and the deposit for its record on hold, and gives the deposit.
	pub(crate) fn lock(publisher: &AccountId, pot: Balance) -> Result<Balance, DispatchError> {
		let deposit = T::TaskDeposit::get();
		T::Currency::hold(&HoldReason::TaskPot.into(), publisher, pot)?;
		T::Currency::hold(&HoldReason::TaskDeposit.into(), publisher, deposit)?;
		Ok(deposit)
	}

	/// Registers the agreed version, pays, and ends the task if its stop rule says so. A refusal of the registry fails the round.
	pub(crate) fn settle_round(
		id: TaskId,
		mut task: Task,
		mut record: RoundRecord,
		report: AggregateReport,
		now: u32,
	) {
		let accepted = survivors(&record)
			.map(|(account, weight)| Contribution {
				account: account.clone(),
				examples: accepted_examples(weight, &task.spec.local),
			})
			.collect();
		let settled = SettledRound {
			model: task.spec.model,
			base: record.base,
			task: id,
			round: record.number,
			roots: report.roots,
			dataset: task.spec.dataset,
			accepted,
			evaluation: report.evaluation,
		};
		let version = match with_storage_layer(|| T::Models::register_settled_round(settled)) {
			Ok(version) => version,
			Err(error) => {
				log::warn!(
					target: LOG_TARGET,
					"round {} of task {id:?} fails, its version was refused: {error:?}",
					record.number,
				);
				let reason = FailureReason::VersionRefused;
				record.fail(reason, now);
				return Self::fail_round(id, task, record, reason);
			}
		};
		record.settle(version, now);
		Self::deposit_event(Event::RoundSettled {
			task: id,
			round: record.number,
			version,
			evaluation: report.evaluation,
		});
		Self::pay(id, &mut task, &record);
		Self::disengage(&record);
		Rounds::<T>::insert(id, record.number, record);

		task.head = version;
		task.failures = 0;
		let ends = task
			.progress
			.settle(&task.spec.stop, report.evaluation)
			.or((task.activity == Activity::LastRound).then_some(TaskStatus::Cancelled));
		task.activity = Activity::Idle;
		match ends {
			Some(status) => Self::end_task(id, task, status),
			None => Tasks::<T>::insert(id, task),
		}
	}

	fn pay(id: TaskId, task: &mut Task, record: &RoundRecord) {
		for (trainer, amount) in shares(record, task.spec.reward.min(task.pot)) {
			let paid = with_storage_layer(|| Self::pay_from_pot(&task.publisher, &trainer, amount));
			let round = record.number;
			match paid {
				Ok(()) => {
					task.pot = task.pot.saturating_sub(amount);
					Self::deposit_event(Event::TrainerPaid {
						task: id,
						round,
						trainer,
						amount,
					});
				}
				Err(error) => Self::deposit_event(Event::PaymentFailed {
					task: id,
					round,
					trainer,
					amount,
					error,
				}),
			}
		}
	}

	fn pay_from_pot(
		publisher: &AccountId,
		trainer: &AccountId,
		amount: Balance,
	) -> Result<(), DispatchError> {
		let reason = HoldReason::TaskPot.into();
		if publisher == trainer {
			return T::Currency::release(&reason, publisher, amount, Precision::Exact).map(drop);
		}
		T::Currency::transfer_on_hold(
			&reason,
			publisher,
			trainer,
			amount,
			Precision::Exact,
			Restriction::Free,
			// A freeze on the publisher's account must not keep promised money from trainers.
			Fortitude::Force,
		)
		.map(drop)
	}

	/// Ends a task that runs no round and gives the rest of its pot back.
	pub(crate) fn end_task(id: TaskId, mut task: Task, status: TaskStatus) {
		let released = with_storage_layer(|| {
			T::Currency::release(
				&HoldReason::TaskPot.into(),
				&task.publisher,
				task.pot,
				Precision::Exact,
			)
		});
		let returned = released.unwrap_or_else(|error| {
			log::error!(target: LOG_TARGET, "the pot of task {id:?} stays on hold: {error:?}");
			0
		});
		task.pot = task.pot.saturating_sub(returned);
		task.status = status;
		task.activity = Activity::Idle;
		OpenTasks::<T>::mutate(|open| open.retain(|other| *other != id));
		Tasks::<T>::insert(id, task);
		Self::deposit_event(Event::TaskEnded {
			task: id,
			status,
			returned,
		});
	}
}
