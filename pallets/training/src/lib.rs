//! Training tasks and federated rounds.
//!
//! A publisher locks a pot and asks for rounds; registered trainers train, hold each other's updates, aggregate them and attest the
//! result; a version with its lineage enters the registry and the pot pays. Storage holds roots, rights, money and time only.
//!
//! Must not know: how a job is computed, where bytes are, any other pallet of ours (they meet through the traits of
//! `llmchain-primitives`). Source: docs/protocol/round.md. Class `Auditable` only: groups of one, nothing drawn, no audits yet.
//!
//! What moves a round: posts of its members are general transactions that `post` authorises, signed inside by the trainer's key.
//! They only record. Phases change in `on_finalize`: it runs after the posts of its block, so a phase that is complete ends in that very
//! block, and unlike `on_idle` or `on_poll` no flood of transactions can starve it. Its weight is reserved in `on_initialize`.
//!
//! Invariants (`invariants`, checked by `try_state`): what is on hold equals bonds and pots; a trainer is a member of at most one
//! running round; digests of inputs follow from state; the list of open tasks holds exactly those with status `Open`.
//!
//! Reading order: `types`, `task`, `round` (both pure), `jobs`, `post`, `driver`, `settle`, `trainers`, `views`, `offchain`, `invariants`.

#![cfg_attr(not(feature = "std"), no_std)]
#![cfg_attr(
	not(test),
	deny(
		clippy::unwrap_used,
		clippy::expect_used,
		clippy::indexing_slicing,
		clippy::arithmetic_side_effects
	)
)]

extern crate alloc;

#[cfg(feature = "runtime-benchmarks")]
mod benchmarking;
mod driver;
#[cfg(any(feature = "std", feature = "try-runtime"))]
mod invariants;
pub mod jobs;
#[cfg(test)]
mod mock;
pub mod offchain;
pub mod post;
pub mod round;
mod settle;
pub mod task;
#[cfg(test)]
mod tests;
mod trainers;
pub mod types;
mod views;
pub mod weights;

pub use pallet::*;
pub use weights::WeightInfo;

use llmchain_primitives::{AccountId, Balance, Hash};

/// Where this pallet's log lines go.
pub(crate) const LOG_TARGET: &str = "llmchain::training";

// The attribute's own code says `expect`; ours in this module does not.
#[allow(clippy::expect_used)]
#[frame_support::pallet]
pub mod pallet {
	use super::*;
	use crate::{
		round::{FailureReason, Refusal, RoundRecord},
		task::Fault,
		types::{Task, Trainer},
	};
	use frame_support::{
		pallet_prelude::*,
		traits::fungible::{Inspect, InspectHold, MutateHold},
	};
	use frame_system::{offchain::CreateAuthorizedTransaction, pallet_prelude::*};
	use llmchain_primitives::{
		key::{TrainerPublic, TrainerSignature},
		training::{
			AggregateReport, Envelope, Holdings, Phase, PostBody, TaskSpec, TaskStatus,
			UpdateReport, MAX_ROSTER,
		},
		traits::{DatasetRegistry, ModelRegistry},
		ModelId, TaskId, VersionId,
	};
	use sp_runtime::{traits::Zero, SaturatedConversion};

	const STORAGE_VERSION: StorageVersion = StorageVersion::new(1);

	#[pallet::pallet]
	#[pallet::storage_version(STORAGE_VERSION)]
	pub struct Pallet<T>(_);

	/// What the runtime provides. `frame_system::AuthorizeCall` must be the first of its transaction extensions.
	#[pallet::config]
	pub trait Config:
		CreateAuthorizedTransaction<Call<Self>>
		+ frame_system::Config<AccountId = AccountId, Hash = Hash, RuntimeEvent: From<Event<Self>>>
	{
		/// Reasons for money on hold, of all pallets.
		type RuntimeHoldReason: From<HoldReason>;
		/// The money of pots and bonds.
		type Currency: Inspect<AccountId, Balance = Balance>
			+ InspectHold<AccountId, Reason = Self::RuntimeHoldReason>
			+ MutateHold<AccountId, Reason = Self::RuntimeHoldReason>;
		/// Where base versions come from and new ones go.
		type Models: ModelRegistry;
		/// Where shards come from.
		type Datasets: DatasetRegistry;
		/// Money that a trainer keeps on hold while registered.
		#[pallet::constant]
		type TrainerBond: Get<Balance>;
		/// Money that a publisher keeps on hold for each task: its record stays for good, since versions name it.
		#[pallet::constant]
		type TaskDeposit: Get<Balance>;
		/// Most tasks that take rounds at one time; every one costs weight in every block.
		#[pallet::constant]
		type MaxOpenTasks: Get<u32>;
		/// Rounds in a row that may fail before a task is cancelled and its pot returned.
		#[pallet::constant]
		type MaxFailedRounds: Get<u32>;
		/// Measured weights.
		type WeightInfo: WeightInfo;
	}

	/// Why this pallet keeps money on hold.
	#[pallet::composite_enum]
	pub enum HoldReason {
		/// The bond of a registered trainer.
		TrainerBond,
		/// The rewards that a task has not paid yet.
		TaskPot,
		/// The deposit for a task's record.
		TaskDeposit,
	}

	/// Registered trainers by operator account. Written by registration, leaving, and the rounds they are in.
	#[pallet::storage]
	pub type Trainers<T: Config> = StorageMap<_, Blake2_128Concat, AccountId, Trainer>;

	/// Operator account of each registered trainer key; the inverse of `Trainers`.
	#[pallet::storage]
	pub type TrainerOf<T: Config> = StorageMap<_, Blake2_128Concat, TrainerPublic, AccountId>;

	/// Registered trainers in order of registration, which is the order in which rosters take them. Same accounts as `Trainers`.
	#[pallet::storage]
	pub type Registered<T: Config> =
		StorageValue<_, BoundedVec<AccountId, ConstU32<MAX_ROSTER>>, ValueQuery>;

	/// All tasks, ended ones too, since versions name them in their lineage.
	#[pallet::storage]
	pub type Tasks<T: Config> = StorageMap<_, Blake2_128Concat, TaskId, Task>;

	/// Tasks with status `Open`, in order of creation.
	#[pallet::storage]
	pub type OpenTasks<T: Config> =
		StorageValue<_, BoundedVec<TaskId, T::MaxOpenTasks>, ValueQuery>;

	/// Tasks created so far; part of a task's identity, so that two of one block differ.
	#[pallet::storage]
	pub type TaskCount<T: Config> = StorageValue<_, u64, ValueQuery>;

	/// Rounds by task and number: the running one, every settled one for good (an outsider verifies a version by them), and the last
	/// 16 failed ones of each task.
	#[pallet::storage]
	pub type Rounds<T: Config> =
		StorageDoubleMap<_, Blake2_128Concat, TaskId, Twox64Concat, u32, RoundRecord>;

	#[pallet::event]
	#[pallet::generate_deposit(pub(crate) fn deposit_event)]
	pub enum Event<T: Config> {
		/// A trainer registered; it takes part in rounds until it leaves.
		TrainerRegistered {
			/// Operator account.
			trainer: AccountId,
			/// Key that signs its posts.
			key: TrainerPublic,
			/// Shards that it trains on in a round at most.
			capacity: u8,
		},
		/// A trainer left and has its bond back.
		TrainerLeft {
			/// Operator account.
			trainer: AccountId,
		},
		/// A trainer missed three rounds in a row, was taken off the list and has its bond back; it may register again.
		TrainerRemoved {
			/// Operator account.
			trainer: AccountId,
		},
		/// A task was created and its pot locked.
		TaskCreated {
			/// The task.
			task: TaskId,
			/// Who pays.
			publisher: AccountId,
			/// Model to train.
			model: ModelId,
			/// Money locked for rewards.
			pot: Balance,
		},
		/// The publisher ended the task; the round that runs is its last.
		TaskEnding {
			/// The task.
			task: TaskId,
		},
		/// A task ended and the rest of its pot went back to the publisher.
		TaskEnded {
			/// The task.
			task: TaskId,
			/// How it ended.
			status: TaskStatus,
			/// Money that went back.
			returned: Balance,
		},
		/// A round began: its members train.
		RoundStarted {
			/// The task.
			task: TaskId,
			/// The round's number.
			round: u32,
			/// Version it starts from.
			base: VersionId,
			/// Participants.
			members: u32,
			/// Last block in which updates are taken.
			deadline: u32,
		},
		/// A later phase of a round began.
		PhaseOpened {
			/// The task.
			task: TaskId,
			/// The round's number.
			round: u32,
			/// The phase.
			phase: Phase,
			/// Last block in which posts of the phase are taken.
			deadline: u32,
		},
		/// A trainer posted the root of its update.
		UpdatePosted {
			/// The task.
			task: TaskId,
			/// The round's number.
			round: u32,
			/// Operator account.
			trainer: AccountId,
			/// Merkle root of the update.
			root: Hash,
		},
		/// A trainer posted which updates it holds.
		HoldingsPosted {
			/// The task.
			task: TaskId,
			/// The round's number.
			round: u32,
			/// Operator account.
			trainer: AccountId,
			/// Number of updates that it holds.
			held: u32,
		},
		/// The aggregator in turn posted the roots of a new version; the others recompute them.
		AggregateClaimed {
			/// The task.
			task: TaskId,
			/// The round's number.
			round: u32,
			/// Operator account of the aggregator.
			trainer: AccountId,
			/// The new roots and their held-out loss.
			report: AggregateReport,
		},
		/// A trainer computed the same new version.
		AggregateAttested {
			/// The task.
			task: TaskId,
			/// The round's number.
			round: u32,
			/// Operator account.
			trainer: AccountId,
		},
		/// A trainer computed another new version.
		AggregateDisputed {
			/// The task.
			task: TaskId,
			/// The round's number.
			round: u32,
			/// Operator account.
			trainer: AccountId,
			/// What it computed.
			report: AggregateReport,
		},
		/// Too few agreed with the aggregator; the next one is in turn.
		ClaimDropped {
			/// The task.
			task: TaskId,
			/// The round's number.
			round: u32,
			/// Operator account of the aggregator whose claim fell.
			trainer: AccountId,
		},
		/// A round is done: its version is registered.
		RoundSettled {
			/// The task.
			task: TaskId,
			/// The round's number.
			round: u32,
			/// The new version.
			version: VersionId,
			/// Mean held-out loss, micro-nats per token.
			evaluation: u64,
		},
		/// A round ended without a version; the next one starts afresh from the same base.
		RoundFailed {
			/// The task.
			task: TaskId,
			/// The round's number.
			round: u32,
			/// Why.
			reason: FailureReason,
		},
		/// A survivor of a round was paid from the pot.
		TrainerPaid {
			/// The task.
			task: TaskId,
			/// The round's number.
			round: u32,
			/// Operator account.
			trainer: AccountId,
			/// Money paid.
			amount: Balance,
		},
		/// A survivor could not be paid; its share stays in the pot and goes back to the publisher at the end.
		PaymentFailed {
			/// The task.
			task: TaskId,
			/// The round's number.
			round: u32,
			/// Operator account.
			trainer: AccountId,
			/// Money not paid.
			amount: Balance,
			/// Why.
			error: DispatchError,
		},
	}

	/// Append only: a test freezes the indices.
	#[pallet::error]
	pub enum Error<T> {
		/// No model has this identity; create it first or check the hash.
		UnknownModel,
		/// No version of this model has this identity; read the model's latest version and use that.
		UnknownVersion,
		/// The model has a newer version than the base; start from its latest.
		StaleBase,
		/// The model follows a numeric specification that trainers of this chain do not compute by.
		UnsupportedNumericSpec,
		/// No dataset has this identity; publish it first or check the hash.
		UnknownDataset,
		/// Only tasks of class `Auditable` run on this version of the chain.
		PrivacyClassNotSupported,
		/// A cohort has 1 to 64 participants.
		BadCohort,
		/// The dataset has fewer training shards than the cohort has participants; lower the cohort or split the data finer.
		NotEnoughShards,
		/// Steps are 1 to 100 000, the batch 1 to 4 096 documents, the warm-up at most all steps.
		BadLocalTraining,
		/// Optimiser constants must be finite; learning rate, epsilon and norm above 0, both decays below 1.
		BadOptimiser,
		/// Outer momentum must be below 1 (65 536), the outer learning rate above 0 and at most 16 (1 048 576).
		BadOuter,
		/// A quantiser has 2 to 16 bits and an exponent of 0 to 24.
		BadQuantiser,
		/// Weighted updates of so many bits could overflow the ring of 16 bits; use at most 12 bits.
		RingOverflow,
		/// Each phase lasts 2 to 100 800 blocks.
		BadDeadlines,
		/// A task has 1 to 10 000 rounds and a patience of at least 1 round.
		BadStopRule,
		/// The reward of a round must be at least 16 units of money for each participant.
		RewardTooSmall,
		/// Reward times rounds is more money than there can be.
		PotOverflow,
		/// An open task trains this model already; wait for its end.
		ModelBusy,
		/// As many tasks are open as the chain takes; try again when one ends.
		TooManyTasks,
		/// No task has this identity.
		UnknownTask,
		/// Only the publisher of the task may do this.
		NotPublisher,
		/// The task has ended already.
		TaskNotOpen,
		/// The task ends with the round that runs; nothing more to do.
		TaskEndsAlready,
		/// This account is registered as a trainer; leave before registering anew.
		AlreadyRegistered,
		/// Another account registered this key; use a key of your own.
		KeyTaken,
		/// Capacity is 1 to 16 shards.
		BadCapacity,
		/// The key did not sign this account's registration on this chain; sign it with the key that you register.
		BadProof,
		/// As many trainers are registered as the chain takes; try again when one leaves.
		RosterFull,
		/// This account is not registered as a trainer.
		NotRegistered,
		/// The trainer is a member of a running round; try again when the round has settled or failed.
		TrainerInRound,
		/// The round is over or never was.
		RoundOver,
		/// The trainer is not a member of this round.
		NotAMember,
		/// The round is not in this phase yet.
		TooEarly,
		/// The phase of this post is over.
		TooLate,
		/// The trainer posted in this phase already.
		AlreadyPosted,
		/// Another member is in turn to aggregate.
		NotInTurn,
		/// The set names members that posted no update.
		UnknownHoldings,
	}

	impl<T> From<Fault> for Error<T> {
		fn from(fault: Fault) -> Self {
			match fault {
				Fault::UnknownModel => Self::UnknownModel,
				Fault::UnknownVersion => Self::UnknownVersion,
				Fault::StaleBase => Self::StaleBase,
				Fault::NumericSpec => Self::UnsupportedNumericSpec,
				Fault::UnknownDataset => Self::UnknownDataset,
				Fault::Privacy => Self::PrivacyClassNotSupported,
				Fault::Cohort => Self::BadCohort,
				Fault::NotEnoughShards => Self::NotEnoughShards,
				Fault::LocalTraining => Self::BadLocalTraining,
				Fault::Optimiser => Self::BadOptimiser,
				Fault::Outer => Self::BadOuter,
				Fault::Quantiser => Self::BadQuantiser,
				Fault::RingOverflow => Self::RingOverflow,
				Fault::Deadlines => Self::BadDeadlines,
				Fault::StopRule => Self::BadStopRule,
				Fault::RewardTooSmall => Self::RewardTooSmall,
				Fault::PotOverflow => Self::PotOverflow,
			}
		}
	}

	impl<T> From<Refusal> for Error<T> {
		fn from(refusal: Refusal) -> Self {
			match refusal {
				Refusal::NotRunning => Self::RoundOver,
				Refusal::NotAMember => Self::NotAMember,
				Refusal::TooEarly => Self::TooEarly,
				Refusal::TooLate => Self::TooLate,
				Refusal::AlreadyPosted => Self::AlreadyPosted,
				Refusal::TurnToCome | Refusal::TurnPassed => Self::NotInTurn,
				Refusal::UnknownHoldings => Self::UnknownHoldings,
			}
		}
	}

	#[pallet::hooks]
	impl<T: Config> Hooks<BlockNumberFor<T>> for Pallet<T> {
		/// Reserves the weight of `on_finalize`. A step's weight grows with the members of its round, and no trainer is in two
		/// rounds, so all steps of a block together have at most as many members as there are trainers.
		fn on_initialize(_: BlockNumberFor<T>) -> Weight {
			let tasks = OpenTasks::<T>::decode_len().unwrap_or_default();
			let trainers = Registered::<T>::decode_len().unwrap_or_default();
			Self::reserved_weight(tasks.saturated_into(), trainers.saturated_into())
		}

		/// Ends phases that are complete or due, settles and fails rounds, starts new ones.
		fn on_finalize(now: BlockNumberFor<T>) {
			Self::end_block(now.saturated_into());
		}

		/// Writes tickets, reads outcomes and posts them for every trainer key of this node.
		fn offchain_worker(now: BlockNumberFor<T>) {
			Self::work(now.saturated_into(), &offchain::NodeKeystore);
		}

		fn integrity_test() {
			assert!(
				T::MaxOpenTasks::get() > 0,
				"MaxOpenTasks must let a task open"
			);
			assert!(
				T::MaxFailedRounds::get() > 0,
				"MaxFailedRounds must let a round start"
			);
		}

		#[cfg(feature = "try-runtime")]
		fn try_state(_: BlockNumberFor<T>) -> Result<(), sp_runtime::TryRuntimeError> {
			Self::check_invariants()
		}
	}

	#[pallet::call]
	impl<T: Config> Pallet<T> {
		/// Registers the sender as a trainer with a key that is in its node's keystore.
		///
		/// *Who*: any account that can pay the bond. *Effect*: the bond goes on hold; from then on the trainer is taken into rounds in
		/// order of registration. `proof` is the key's signature over `llmchain_primitives::training::registration_bytes`. *Emits* `TrainerRegistered`.
		/// *Fails with* `BadCapacity`, `AlreadyRegistered`, `KeyTaken`, `RosterFull`, `BadProof`, or for lack of money.
		#[pallet::call_index(0)]
		#[pallet::weight(T::WeightInfo::register_trainer())]
		pub fn register_trainer(
			origin: OriginFor<T>,
			key: TrainerPublic,
			capacity: u8,
			proof: TrainerSignature,
		) -> DispatchResult {
			let who = ensure_signed(origin)?;
			Self::do_register(who, key, capacity, &proof)
		}

		/// Ends the sender's registration and gives its bond back.
		///
		/// *Who*: a registered trainer that is in no running round. *Emits* `TrainerLeft`. *Fails with* `NotRegistered`,
		/// `TrainerInRound`.
		#[pallet::call_index(1)]
		#[pallet::weight(T::WeightInfo::leave())]
		pub fn leave(origin: OriginFor<T>) -> DispatchResult {
			let who = ensure_signed(origin)?;
			Self::do_leave(&who)
		}

		/// Asks trainers to train a model and locks the money that pays them: reward times most rounds.
		///
		/// *Who*: any account that can pay the pot and the deposit for the task's record. *Effect*: rounds start as soon as enough trainers are registered and free.
		/// *Emits* `TaskCreated`. *Fails with* an error that names the number or object that does not fit, `ModelBusy`, `TooManyTasks`,
		/// or for lack of money.
		#[pallet::call_index(2)]
		#[pallet::weight(T::WeightInfo::create_task())]
		pub fn create_task(origin: OriginFor<T>, spec: TaskSpec<Balance>) -> DispatchResult {
			let who = ensure_signed(origin)?;
			Self::do_create_task(who, spec)
		}

		/// Ends a task. A round that runs is still finished and paid; the rest of the pot goes back.
		///
		/// *Who*: the publisher. *Emits* `TaskEnded`, or `TaskEnding` while a round runs. *Fails with* `UnknownTask`, `NotPublisher`,
		/// `TaskNotOpen`, `TaskEndsAlready`.
		#[pallet::call_index(3)]
		#[pallet::weight(T::WeightInfo::cancel_task())]
		pub fn cancel_task(origin: OriginFor<T>, task: TaskId) -> DispatchResult {
			let who = ensure_signed(origin)?;
			Self::do_cancel_task(&who, task)
		}

		/// Posts the root of a member's update.
		///
		/// *Who*: the off-chain worker of a member, as a general transaction. *Phase*: `Train`. *Emits* `UpdatePosted`. *Fails with*
		/// `RoundOver`, `NotAMember`, `TooEarly`, `TooLate`, `AlreadyPosted`; invalid transactions as in `post`.
		#[pallet::call_index(4)]
		#[pallet::weight(T::WeightInfo::submit_update())]
		#[pallet::weight_of_authorize(T::WeightInfo::authorize_post())]
		#[pallet::authorize(|_, envelope, report, signature| {
			Pallet::<T>::authorise(envelope, PostBody::Update(*report), signature)
		})]
		pub fn submit_update(
			origin: OriginFor<T>,
			envelope: Envelope,
			report: UpdateReport,
			_signature: TrainerSignature,
		) -> DispatchResult {
			ensure_authorized(origin)?;
			Self::accept(envelope, PostBody::Update(report))
		}

		/// Posts which updates a member has fetched and fully checked.
		///
		/// *Who*: the off-chain worker of a member, as a general transaction. *Phase*: `Hold`. *Emits* `HoldingsPosted`. *Fails with*
		/// `RoundOver`, `NotAMember`, `TooEarly`, `TooLate`, `AlreadyPosted`, `UnknownHoldings`; invalid transactions as in `post`.
		#[pallet::call_index(5)]
		#[pallet::weight(T::WeightInfo::submit_holdings())]
		#[pallet::weight_of_authorize(T::WeightInfo::authorize_post())]
		#[pallet::authorize(|_, envelope, holdings, signature| {
			Pallet::<T>::authorise(envelope, PostBody::Holdings(*holdings), signature)
		})]
		pub fn submit_holdings(
			origin: OriginFor<T>,
			envelope: Envelope,
			holdings: Holdings,
			_signature: TrainerSignature,
		) -> DispatchResult {
			ensure_authorized(origin)?;
			Self::accept(envelope, PostBody::Holdings(holdings))
		}

		/// Claims the roots of the round's new version and opens their challenge.
		///
		/// *Who*: the off-chain worker of the aggregator in turn, as a general transaction. *Phase*: `Aggregate`. *Emits*
		/// `AggregateClaimed`, `PhaseOpened`. *Fails with* `RoundOver`, `NotAMember`, `TooEarly`, `TooLate`, `NotInTurn`; invalid
		/// transactions as in `post`.
		#[pallet::call_index(6)]
		#[pallet::weight(T::WeightInfo::claim_aggregate())]
		#[pallet::weight_of_authorize(T::WeightInfo::authorize_post())]
		#[pallet::authorize(|_, envelope, report, signature| {
			Pallet::<T>::authorise(envelope, PostBody::Claim(*report), signature)
		})]
		pub fn claim_aggregate(
			origin: OriginFor<T>,
			envelope: Envelope,
			report: AggregateReport,
			_signature: TrainerSignature,
		) -> DispatchResult {
			ensure_authorized(origin)?;
			Self::accept(envelope, PostBody::Claim(report))
		}

		/// Confirms or disputes the claimed version by what this member computed.
		///
		/// *Who*: the off-chain worker of a member other than the claimant, as a general transaction. *Phase*: `Challenge`. *Emits*
		/// `AggregateAttested` or `AggregateDisputed`. *Fails with* `RoundOver`, `NotAMember`, `TooEarly`, `TooLate`, `AlreadyPosted`;
		/// invalid transactions as in `post`.
		#[pallet::call_index(7)]
		#[pallet::weight(T::WeightInfo::attest())]
		#[pallet::weight_of_authorize(T::WeightInfo::authorize_post())]
		#[pallet::authorize(|_, envelope, report, signature| {
			Pallet::<T>::authorise(envelope, PostBody::Attestation(*report), signature)
		})]
		pub fn attest(
			origin: OriginFor<T>,
			envelope: Envelope,
			report: AggregateReport,
			_signature: TrainerSignature,
		) -> DispatchResult {
			ensure_authorized(origin)?;
			Self::accept(envelope, PostBody::Attestation(report))
		}
	}

	impl<T: Config> Pallet<T> {
		/// Genesis hash of the chain, bound into every signature.
		pub fn genesis() -> Hash {
			frame_system::Pallet::<T>::block_hash(BlockNumberFor::<T>::zero())
		}

		/// The block being made, or the next one where a transaction is validated.
		pub(crate) fn now() -> u32 {
			frame_system::Pallet::<T>::block_number().saturated_into()
		}
	}
}
