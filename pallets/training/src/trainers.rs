//! The standing list of trainers: who joins, leaves, is busy, and is taken off for absence.
//!
//! Must not know: tasks, phases. There is no slashing yet: a bond only makes a registration cost something, and comes back in full.
//! Invariants: `Registered`, `Trainers` and `TrainerOf` name the same trainers; a trainer in a running round cannot leave.

use crate::{
	round::{Attendance, RoundRecord},
	types::{Engagement, Trainer, MAX_MISSES},
	Config, Error, Event, HoldReason, Pallet, Registered, TrainerOf, Trainers, LOG_TARGET,
};
use alloc::vec::Vec;
use frame_support::{
	ensure,
	pallet_prelude::DispatchResult,
	storage::with_storage_layer,
	traits::{fungible::MutateHold, tokens::Precision, Get},
};
use llmchain_primitives::{
	key::{TrainerPublic, TrainerSignature},
	training::{registration_bytes, MAX_WEIGHT},
	traits::TrainerKeys,
	AccountId,
};
use sp_application_crypto::RuntimeAppPublic;
use sp_runtime::DispatchError;

/// A trainer that is free for a round, and its capacity.
pub(crate) type FreeTrainer = (AccountId, u8);

impl<T: Config> Pallet<T> {
	pub(crate) fn do_register(
		who: AccountId,
		key: TrainerPublic,
		capacity: u8,
		proof: &TrainerSignature,
	) -> DispatchResult {
		ensure!(
			(1..=MAX_WEIGHT).contains(&capacity),
			Error::<T>::BadCapacity
		);
		ensure!(
			!Trainers::<T>::contains_key(&who),
			Error::<T>::AlreadyRegistered
		);
		ensure!(!TrainerOf::<T>::contains_key(&key), Error::<T>::KeyTaken);
		Registered::<T>::try_append(&who).map_err(|()| Error::<T>::RosterFull)?;
		let bytes = registration_bytes(&Self::genesis(), &who);
		ensure!(key.verify(&bytes, proof), Error::<T>::BadProof);

		let bond = T::TrainerBond::get();
		T::Currency::hold(&HoldReason::TrainerBond.into(), &who, bond)?;
		TrainerOf::<T>::insert(&key, &who);
		Trainers::<T>::insert(
			&who,
			Trainer {
				key: key.clone(),
				capacity,
				bond,
				engaged: None,
				misses: 0,
			},
		);
		Self::deposit_event(Event::TrainerRegistered {
			trainer: who,
			key,
			capacity,
		});
		Ok(())
	}

	pub(crate) fn do_leave(who: &AccountId) -> DispatchResult {
		let trainer = Trainers::<T>::get(who).ok_or(Error::<T>::NotRegistered)?;
		ensure!(trainer.engaged.is_none(), Error::<T>::TrainerInRound);
		Self::strike_off(who, &trainer)?;
		Self::deposit_event(Event::TrainerLeft {
			trainer: who.clone(),
		});
		Ok(())
	}

	fn strike_off(who: &AccountId, trainer: &Trainer) -> Result<(), DispatchError> {
		T::Currency::release(
			&HoldReason::TrainerBond.into(),
			who,
			trainer.bond,
			Precision::Exact,
		)?;
		Trainers::<T>::remove(who);
		TrainerOf::<T>::remove(&trainer.key);
		Registered::<T>::mutate(|list| list.retain(|account| account != who));
		Ok(())
	}

	/// Registered trainers that are in no round, in order of registration.
	pub(crate) fn free_trainers() -> Vec<FreeTrainer> {
		Registered::<T>::get()
			.into_iter()
			.filter_map(|account| {
				let trainer = Trainers::<T>::get(&account)?;
				trainer
					.engaged
					.is_none()
					.then_some((account, trainer.capacity))
			})
			.collect()
	}

	/// Marks the members of a round that begins.
	pub(crate) fn engage(record: &RoundRecord, engagement: Engagement) {
		for member in &record.members {
			Trainers::<T>::mutate_extant(&member.account, |trainer| {
				trainer.engaged = Some(engagement);
			});
		}
	}

	/// Frees the members of a round that ended, counts misses, and takes off the list who missed three rounds in a row.
	pub(crate) fn disengage(record: &RoundRecord) {
		for (member, index) in record.members.iter().zip(0u32..) {
			let Some(mut trainer) = Trainers::<T>::get(&member.account) else {
				continue;
			};
			trainer.engaged = None;
			match record.attendance(index) {
				Attendance::Present => trainer.misses = 0,
				Attendance::Missed => trainer.misses = trainer.misses.saturating_add(1),
				Attendance::Excused => {}
			}
			let is_absent = trainer.misses >= MAX_MISSES;
			Trainers::<T>::insert(&member.account, &trainer);
			if !is_absent {
				continue;
			}
			match with_storage_layer(|| Self::strike_off(&member.account, &trainer)) {
				Ok(()) => Self::deposit_event(Event::TrainerRemoved {
					trainer: member.account.clone(),
				}),
				Err(error) => log::error!(
					target: LOG_TARGET,
					"cannot take {:?} off the list of trainers: {error:?}",
					member.account,
				),
			}
		}
	}
}

impl<T: Config> TrainerKeys for Pallet<T> {
	fn trainer_key(trainer: &AccountId) -> Option<TrainerPublic> {
		Trainers::<T>::get(trainer).map(|trainer| trainer.key)
	}

	#[cfg(feature = "runtime-benchmarks")]
	fn set_trainer_key(trainer: AccountId, key: TrainerPublic) {
		if Registered::<T>::try_append(&trainer).is_ok() {
			TrainerOf::<T>::insert(&key, &trainer);
			Trainers::<T>::insert(
				trainer,
				Trainer {
					key,
					capacity: 1,
					bond: 0,
					engaged: None,
					misses: 0,
				},
			);
		}
	}
}
