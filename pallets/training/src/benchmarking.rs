//! What each call and each step of a round costs at its worst; run as tests too.
//!
//! Must not know: what a good weight is. `m` is the number of members of a round. Every trainer has full capacity, so each training
//! job names 16 shards.

// Set-up code; a broken benchmark stops a measurement, never the chain.
#![allow(clippy::arithmetic_side_effects)]

use crate::{
	post::PRIORITY,
	round::{RoundRecord, Verdict},
	task,
	types::Task,
	Call, Config, OpenTasks, Pallet, Registered, Rounds, Tasks, Trainers,
};
use alloc::vec::Vec;
use frame_benchmarking::v2::*;
use frame_support::{
	traits::{fungible::Mutate, Authorize, Get},
	BoundedVec,
};
use frame_system::RawOrigin;
use llmchain_primitives::{
	key::{TrainerPublic, TrainerSignature},
	model::CheckpointRoots,
	training::{
		registration_bytes, signing_bytes, AggregateReport, Deadlines, Envelope, F32Bits, Holdings,
		LocalTraining, Outer, PostBody, PrivacyClass, Quantiser, StopRule, TaskSpec, UpdateReport,
		MAX_ROSTER, MAX_WEIGHT,
	},
	traits::{DatasetRegistry, ModelRegistry},
	AccountId, Balance, Hash, TaskId,
};
use sp_runtime::{
	traits::{BlakeTwo256, Hash as _},
	transaction_validity::TransactionSource,
};

/// Trainer keys: from the host's keystore when measured, in memory when run as tests.
mod keys {
	use super::{TrainerPublic, TrainerSignature};

	#[cfg(not(test))]
	pub fn generate(_: u32) -> TrainerPublic {
		sp_application_crypto::RuntimeAppPublic::generate_pair(None)
	}

	#[cfg(not(test))]
	pub fn sign(key: &TrainerPublic, _: u32, bytes: &[u8]) -> Option<TrainerSignature> {
		sp_application_crypto::RuntimeAppPublic::sign(key, &bytes)
	}

	#[cfg(test)]
	pub fn generate(index: u32) -> TrainerPublic {
		crate::mock::public(index as u8)
	}

	#[cfg(test)]
	pub fn sign(_: &TrainerPublic, index: u32, bytes: &[u8]) -> Option<TrainerSignature> {
		Some(sp_core::Pair::sign(&crate::mock::pair(index as u8), bytes))
	}
}

const UNSIGNED: BenchmarkError = BenchmarkError::Stop("the keystore does not sign");
const MISSING: BenchmarkError = BenchmarkError::Stop("the set-up is incomplete");

fn trainer(index: u32) -> AccountId {
	account("trainer", index, 0)
}

fn fund<T: Config>(who: &AccountId) -> Result<(), BenchmarkError>
where
	T::Currency: Mutate<AccountId>,
{
	let purse = T::TrainerBond::get()
		.saturating_mul(4)
		.saturating_add(1 << 60);
	T::Currency::mint_into(who, purse)?;
	Ok(())
}

fn register<T: Config>(index: u32) -> Result<TrainerPublic, BenchmarkError>
where
	T::Currency: Mutate<AccountId>,
{
	let who = trainer(index);
	fund::<T>(&who)?;
	let key = keys::generate(index);
	let bytes = registration_bytes(&Pallet::<T>::genesis(), &who);
	let proof = keys::sign(&key, index, &bytes).ok_or(UNSIGNED)?;
	Pallet::<T>::register_trainer(
		RawOrigin::Signed(who).into(),
		key.clone(),
		MAX_WEIGHT,
		proof,
	)?;
	Ok(key)
}

fn spec<T: Config>(cohort: u32) -> TaskSpec<Balance> {
	let (model, base) = T::Models::create_for_benchmark(0);
	TaskSpec {
		model,
		base,
		dataset: T::Datasets::publish_for_benchmark(MAX_ROSTER),
		privacy: PrivacyClass::Auditable,
		cohort,
		local: LocalTraining {
			steps: 100,
			batch: 16,
			warmup: 10,
			learning_rate: F32Bits(0x3a83_126f),
			beta1: F32Bits(0x3f66_6666),
			beta2: F32Bits(0x3f73_3333),
			epsilon: F32Bits(0x322b_cc77),
			weight_decay: F32Bits(0),
			clip_norm: F32Bits(0x3f80_0000),
		},
		outer: Outer {
			learning_rate_q16: 45_875,
			momentum_q16: 58_982,
		},
		quantiser: Quantiser {
			bits: 8,
			exponent: 14,
		},
		deadlines: Deadlines {
			train: task::MAX_PHASE,
			hold: task::MAX_PHASE,
			aggregate_turn: task::MAX_PHASE,
			challenge: task::MAX_PHASE,
		},
		stop: StopRule {
			max_rounds: 1,
			target_loss: None,
			patience: None,
			min_delta: 0,
		},
		reward: 1 << 40,
	}
}

/// An open task among as many others as the chain takes, for `m` registered trainers.
fn open_task<T: Config>(m: u32) -> Result<(TaskId, Task), BenchmarkError>
where
	T::Currency: Mutate<AccountId>,
{
	for index in 0..m {
		register::<T>(index)?;
	}
	let publisher: AccountId = whitelisted_caller();
	fund::<T>(&publisher)?;
	Pallet::<T>::create_task(RawOrigin::Signed(publisher).into(), spec::<T>(m))?;
	let id = *OpenTasks::<T>::get().last().ok_or(MISSING)?;
	let task = Tasks::<T>::get(id).ok_or(MISSING)?;
	Ok((id, task))
}

fn started<T: Config>(m: u32) -> Result<(TaskId, Task, RoundRecord), BenchmarkError>
where
	T::Currency: Mutate<AccountId>,
{
	let (id, task) = open_task::<T>(m)?;
	Pallet::<T>::start_round(
		id,
		task,
		&mut Pallet::<T>::free_trainers(),
		Pallet::<T>::now(),
	);
	read::<T>(id)
}

fn read<T: Config>(id: TaskId) -> Result<(TaskId, Task, RoundRecord), BenchmarkError> {
	let task = Tasks::<T>::get(id).ok_or(MISSING)?;
	let record = Rounds::<T>::get(id, task.round).ok_or(MISSING)?;
	Ok((id, task, record))
}

fn update() -> UpdateReport {
	UpdateReport {
		root: Hash::repeat_byte(1),
		loss_before: 2,
		loss_after: 1,
	}
}

fn report() -> AggregateReport {
	AggregateReport {
		roots: CheckpointRoots {
			parameters: Hash::repeat_byte(2),
			momentum: Hash::repeat_byte(3),
		},
		evaluation: 1,
	}
}

fn everybody(m: u32) -> Holdings {
	(0..m).fold(Holdings::default(), Holdings::with)
}

/// All members have posted their updates; the phase is still `Train`.
fn trained<T: Config>(m: u32) -> Result<(TaskId, Task, RoundRecord), BenchmarkError>
where
	T::Currency: Mutate<AccountId>,
{
	let (id, task, mut record) = started::<T>(m)?;
	for member in record.members.iter_mut() {
		member.update = Some(update());
	}
	Rounds::<T>::insert(id, record.number, record.clone());
	Ok((id, task, record))
}

/// All members have posted what they hold; the phase is still `Hold`.
fn held<T: Config>(m: u32) -> Result<(TaskId, Task, RoundRecord), BenchmarkError>
where
	T::Currency: Mutate<AccountId>,
{
	let (id, task, _) = trained::<T>(m)?;
	Pallet::<T>::move_on(id, task, Pallet::<T>::now());
	let (id, task, mut record) = read::<T>(id)?;
	for member in record.members.iter_mut() {
		member.holdings = Some(everybody(m));
	}
	Rounds::<T>::insert(id, record.number, record.clone());
	Ok((id, task, record))
}

/// Phase `Aggregate`, and the index of the member in turn.
fn aggregating<T: Config>(m: u32) -> Result<(TaskId, u32), BenchmarkError>
where
	T::Currency: Mutate<AccountId>,
{
	let (id, task, _) = held::<T>(m)?;
	Pallet::<T>::move_on(id, task, Pallet::<T>::now());
	let (_, _, record) = read::<T>(id)?;
	Ok((id, record.aggregator(0).ok_or(MISSING)?))
}

/// A signed post of member `index`.
fn post<T: Config>(
	id: TaskId,
	index: u32,
	body: &PostBody,
) -> Result<(Envelope, TrainerSignature), BenchmarkError> {
	let (_, _, record) = read::<T>(id)?;
	let member = record.member(index).ok_or(MISSING)?;
	let key = Trainers::<T>::get(&member.account).ok_or(MISSING)?.key;
	let envelope = Envelope {
		task: id,
		round: record.number,
		trainer: member.account.clone(),
		inputs: record.inputs_of(index).ok_or(MISSING)?,
	};
	let bytes = signing_bytes(&Pallet::<T>::genesis(), &envelope, body);
	let signature = keys::sign(&key, index, &bytes).ok_or(UNSIGNED)?;
	Ok((envelope, signature))
}

#[benchmarks(where T::Currency: Mutate<AccountId>)]
mod benches {
	use super::*;

	#[benchmark]
	fn register_trainer() -> Result<(), BenchmarkError> {
		for index in 1..MAX_ROSTER {
			register::<T>(index)?;
		}
		let who = trainer(0);
		fund::<T>(&who)?;
		let key = keys::generate(0);
		let bytes = registration_bytes(&Pallet::<T>::genesis(), &who);
		let proof = keys::sign(&key, 0, &bytes).ok_or(UNSIGNED)?;
		#[extrinsic_call]
		_(RawOrigin::Signed(who.clone()), key, MAX_WEIGHT, proof);
		assert!(Trainers::<T>::contains_key(&who));
		Ok(())
	}

	#[benchmark]
	fn leave() -> Result<(), BenchmarkError> {
		for index in 0..MAX_ROSTER {
			register::<T>(index)?;
		}
		#[extrinsic_call]
		_(RawOrigin::Signed(trainer(0)));
		assert!(!Trainers::<T>::contains_key(trainer(0)));
		Ok(())
	}

	#[benchmark]
	fn create_task() -> Result<(), BenchmarkError> {
		let publisher: AccountId = whitelisted_caller();
		fund::<T>(&publisher)?;
		let spec = spec::<T>(1);
		// Every other open task is read to see whether it trains the same model.
		let mut other = Task {
			publisher: publisher.clone(),
			spec,
			status: llmchain_primitives::training::TaskStatus::Open,
			activity: crate::types::Activity::Idle,
			round: 0,
			head: spec.base,
			pot: 0,
			deposit: 0,
			progress: Default::default(),
			failures: 0,
			failed: Default::default(),
		};
		other.spec.model = Hash::repeat_byte(0xff);
		let open: Vec<TaskId> = (1..T::MaxOpenTasks::get())
			.map(|index| BlakeTwo256::hash_of(&index))
			.collect();
		for id in &open {
			Tasks::<T>::insert(id, other.clone());
		}
		OpenTasks::<T>::put(BoundedVec::truncate_from(open));
		#[extrinsic_call]
		_(RawOrigin::Signed(publisher), spec);
		assert_eq!(OpenTasks::<T>::get().len() as u32, T::MaxOpenTasks::get());
		Ok(())
	}

	#[benchmark]
	fn cancel_task() -> Result<(), BenchmarkError> {
		let (id, task) = open_task::<T>(1)?;
		#[extrinsic_call]
		_(RawOrigin::Signed(task.publisher), id);
		assert!(OpenTasks::<T>::get().is_empty());
		Ok(())
	}

	#[benchmark]
	fn submit_update() -> Result<(), BenchmarkError> {
		let (id, _, _) = started::<T>(MAX_ROSTER)?;
		let last = MAX_ROSTER - 1;
		let (envelope, signature) = post::<T>(id, last, &PostBody::Update(update()))?;
		#[extrinsic_call]
		_(RawOrigin::Authorized, envelope, update(), signature);
		assert_eq!(read::<T>(id)?.2.updated().count(), 1);
		Ok(())
	}

	#[benchmark]
	fn submit_holdings() -> Result<(), BenchmarkError> {
		let (id, task, _) = trained::<T>(MAX_ROSTER)?;
		Pallet::<T>::move_on(id, task, Pallet::<T>::now());
		let holdings = everybody(MAX_ROSTER);
		let last = MAX_ROSTER - 1;
		let (envelope, signature) = post::<T>(id, last, &PostBody::Holdings(holdings))?;
		#[extrinsic_call]
		_(RawOrigin::Authorized, envelope, holdings, signature);
		assert!(read::<T>(id)?.2.has_posted(last));
		Ok(())
	}

	#[benchmark]
	fn claim_aggregate() -> Result<(), BenchmarkError> {
		let (id, in_turn) = aggregating::<T>(MAX_ROSTER)?;
		let (envelope, signature) = post::<T>(id, in_turn, &PostBody::Claim(report()))?;
		#[extrinsic_call]
		_(RawOrigin::Authorized, envelope, report(), signature);
		assert!(read::<T>(id)?.2.claim.is_some());
		Ok(())
	}

	#[benchmark]
	fn attest() -> Result<(), BenchmarkError> {
		let (id, in_turn) = aggregating::<T>(MAX_ROSTER)?;
		let (envelope, _) = post::<T>(id, in_turn, &PostBody::Claim(report()))?;
		Pallet::<T>::accept(envelope, PostBody::Claim(report()))?;
		let other = (in_turn + 1) % MAX_ROSTER;
		let (envelope, signature) = post::<T>(id, other, &PostBody::Attestation(report()))?;
		#[extrinsic_call]
		_(RawOrigin::Authorized, envelope, report(), signature);
		assert_eq!(read::<T>(id)?.2.verdicts(Verdict::Agreed), 2);
		Ok(())
	}

	#[benchmark]
	fn authorize_post() -> Result<(), BenchmarkError> {
		let (id, _, _) = started::<T>(MAX_ROSTER)?;
		let last = MAX_ROSTER - 1;
		let (envelope, signature) = post::<T>(id, last, &PostBody::Update(update()))?;
		let call = Call::<T>::submit_update {
			envelope,
			report: update(),
			signature,
		};
		let validity;
		#[block]
		{
			validity = call.authorize(TransactionSource::External);
		}
		let (validity, _) = validity.ok_or(MISSING)?.map_err(|_| MISSING)?;
		assert_eq!(validity.priority, PRIORITY);
		Ok(())
	}

	#[benchmark]
	fn scan_trainers(m: Linear<1, 64>) -> Result<(), BenchmarkError> {
		for index in 0..m {
			register::<T>(index)?;
		}
		let free;
		#[block]
		{
			free = Pallet::<T>::free_trainers();
		}
		assert_eq!(free.len(), Registered::<T>::get().len());
		Ok(())
	}

	#[benchmark]
	fn start_round(m: Linear<1, 64>) -> Result<(), BenchmarkError> {
		let (id, task) = open_task::<T>(m)?;
		let mut free = Pallet::<T>::free_trainers();
		#[block]
		{
			Pallet::<T>::start_round(id, task, &mut free, Pallet::<T>::now());
		}
		assert_eq!(read::<T>(id)?.2.size(), m);
		Ok(())
	}

	#[benchmark]
	fn open_hold(m: Linear<1, 64>) -> Result<(), BenchmarkError> {
		let (id, task, _) = trained::<T>(m)?;
		#[block]
		{
			Pallet::<T>::move_on(id, task, Pallet::<T>::now());
		}
		assert!(!read::<T>(id)?.2.has_posted(0));
		Ok(())
	}

	#[benchmark]
	fn open_aggregate(m: Linear<1, 64>) -> Result<(), BenchmarkError> {
		let (id, task, _) = held::<T>(m)?;
		#[block]
		{
			Pallet::<T>::move_on(id, task, Pallet::<T>::now());
		}
		assert_eq!(read::<T>(id)?.2.survivors.count(), m);
		Ok(())
	}

	#[benchmark]
	fn settle_round(m: Linear<1, 64>) -> Result<(), BenchmarkError> {
		let (id, in_turn) = aggregating::<T>(m)?;
		let (envelope, _) = post::<T>(id, in_turn, &PostBody::Claim(report()))?;
		Pallet::<T>::accept(envelope, PostBody::Claim(report()))?;
		let (_, task, mut record) = read::<T>(id)?;
		for member in record.members.iter_mut() {
			member.verdict = Some(Verdict::Agreed);
		}
		Rounds::<T>::insert(id, record.number, record);
		#[block]
		{
			Pallet::<T>::move_on(id, task, Pallet::<T>::now());
		}
		assert_eq!(read::<T>(id)?.1.progress.settled, 1);
		Ok(())
	}

	impl_benchmark_test_suite!(Pallet, crate::mock::new_test_ext(), crate::mock::Test);
}
