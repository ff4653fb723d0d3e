//! A runtime of money, training and utility calls, with registries kept in plain storage.
//!
//! The registries live in storage, so that what a failed call wrote to them is rolled back as in the real ones.

use crate::{self as pallet_training, Call};
use codec::{Decode, Encode};
use frame_support::{
	derive_impl, parameter_types,
	storage::unhashed,
	traits::{Authorize, Hooks},
};
use frame_system::RawOrigin;
use llmchain_primitives::{
	data::{Shard, Shards},
	key::{TrainerPair, TrainerPublic, TrainerSignature},
	model::{version_id, Architecture, CheckpointRoots, Contributors, Origin},
	training::{
		registration_bytes, signing_bytes, AggregateReport, Deadlines, Envelope, F32Bits, Holdings,
		LocalTraining, Outer, Phase, PostBody, PrivacyClass, Quantiser, StopRule, TaskSpec,
		UpdateReport,
	},
	traits::{DatasetRegistry, ModelFacts, ModelRegistry, SettledRound, VersionFacts},
	AccountId, Balance, DatasetId, Hash, ModelId, TaskId, VersionId, NUMERIC_SPEC,
};
use sp_core::Pair;
use sp_runtime::{
	traits::{BlakeTwo256, Hash as _, IdentityLookup},
	transaction_validity::{TransactionSource, TransactionValidityError},
	BuildStorage, DispatchError, DispatchResult, MultiSignature,
};

pub type TxExtension = frame_system::AuthorizeCall<Test>;
pub type Extrinsic =
	frame_system::mocking::MockUncheckedExtrinsic<Test, MultiSignature, TxExtension>;
type Block = frame_system::mocking::MockBlockU32<Test, MultiSignature, TxExtension>;

frame_support::construct_runtime!(
	pub enum Test {
		System: frame_system,
		Balances: pallet_balances,
		Utility: pallet_utility,
		Training: pallet_training,
	}
);

pub const BOND: Balance = 1_000;
pub const DEPOSIT: Balance = 7;
/// What every account has at first.
pub const PURSE: Balance = 1_000_000_000;
pub const MAX_FAILED: u32 = 4;

#[derive_impl(frame_system::config_preludes::TestDefaultConfig)]
impl frame_system::Config for Test {
	type Block = Block;
	type AccountId = AccountId;
	type Lookup = IdentityLookup<AccountId>;
	type AccountData = pallet_balances::AccountData<Balance>;
}

parameter_types! {
	pub const ExistentialDeposit: Balance = 100;
	pub const TrainerBond: Balance = BOND;
	pub const TaskDeposit: Balance = DEPOSIT;
	pub const MaxOpenTasks: u32 = 3;
	pub const MaxFailedRounds: u32 = MAX_FAILED;
}

#[derive_impl(pallet_balances::config_preludes::TestDefaultConfig)]
impl pallet_balances::Config for Test {
	type AccountStore = System;
	type Balance = Balance;
	type ExistentialDeposit = ExistentialDeposit;
}

impl pallet_utility::Config for Test {
	type RuntimeEvent = RuntimeEvent;
	type RuntimeCall = RuntimeCall;
	type PalletsOrigin = OriginCaller;
	type WeightInfo = ();
}

impl crate::Config for Test {
	type RuntimeHoldReason = RuntimeHoldReason;
	type Currency = Balances;
	type Models = MockModels;
	type Datasets = MockDatasets;
	type TrainerBond = TrainerBond;
	type TaskDeposit = TaskDeposit;
	type MaxOpenTasks = MaxOpenTasks;
	type MaxFailedRounds = MaxFailedRounds;
	type WeightInfo = ();
}

impl<LocalCall> frame_system::offchain::CreateTransactionBase<LocalCall> for Test
where
	RuntimeCall: From<LocalCall>,
{
	type RuntimeCall = RuntimeCall;
	type Extrinsic = Extrinsic;
}

impl<LocalCall> frame_system::offchain::CreateTransaction<LocalCall> for Test
where
	RuntimeCall: From<LocalCall>,
{
	type Extension = TxExtension;

	fn create_transaction(call: RuntimeCall, extension: TxExtension) -> Extrinsic {
		Extrinsic::new_transaction(call, extension)
	}
}

impl<LocalCall> frame_system::offchain::CreateAuthorizedTransaction<LocalCall> for Test
where
	RuntimeCall: From<LocalCall>,
{
	fn create_extension() -> TxExtension {
		TxExtension::new()
	}
}

const ARCHITECTURE: Architecture = Architecture {
	vocab_size: 8,
	context_length: 4,
	n_layers: 1,
	n_heads: 2,
	d_model: 4,
	d_ff: 16,
};
const REFUSE: &[u8] = b"mock/refuse";

fn key(of: &str, id: &Hash) -> Vec<u8> {
	(b"mock/", of, id).encode()
}

type StoredVersion = (ModelId, CheckpointRoots, Origin);

/// Models whose versions form a line.
pub struct MockModels;

impl MockModels {
	/// A model with version 0, derived from `name`.
	pub fn create(name: u8, numeric_spec: u32) -> (ModelId, VersionId) {
		let model = Hash::repeat_byte(name);
		let roots = CheckpointRoots {
			parameters: BlakeTwo256::hash_of(&("parameters", name)),
			momentum: BlakeTwo256::hash_of(&("momentum", name)),
		};
		let origin = Origin::Seed(Hash::repeat_byte(name));
		let version = version_id(&model, &[], &origin, &roots);
		unhashed::put(&key("version", &version), &(model, roots, origin));
		unhashed::put(&key("model", &model), &(version, numeric_spec));
		(model, version)
	}

	/// Makes the registry forget a model.
	pub fn forget(model: &ModelId) {
		unhashed::kill(&key("model", model));
	}

	/// Makes another version the latest.
	pub fn promote(model: &ModelId, version: VersionId) {
		unhashed::put(&key("model", model), &(version, NUMERIC_SPEC));
	}

	/// Makes the registry refuse versions, or take them again.
	pub fn refuse(refuses: bool) {
		unhashed::put(REFUSE, &refuses);
	}

	/// Accepted examples of a version's last round.
	pub fn accepted(version: &VersionId) -> Vec<(AccountId, u64)> {
		unhashed::get(&key("accepted", version)).unwrap_or_default()
	}
}

impl ModelRegistry for MockModels {
	fn model(model: &ModelId) -> Option<ModelFacts> {
		let (latest, numeric_spec): (VersionId, u32) = unhashed::get(&key("model", model))?;
		Some(ModelFacts {
			architecture: ARCHITECTURE,
			tokenizer: Hash::repeat_byte(7),
			numeric_spec,
			latest,
		})
	}

	fn version(version: &VersionId) -> Option<VersionFacts> {
		let (model, roots, origin): StoredVersion = unhashed::get(&key("version", version))?;
		Some(VersionFacts {
			model,
			roots,
			origin,
			tokenizer: Hash::repeat_byte(7),
			numeric_spec: NUMERIC_SPEC,
		})
	}

	fn contributors(_: &VersionId) -> Option<Contributors<AccountId>> {
		None
	}

	fn register_settled_round(round: SettledRound) -> Result<VersionId, DispatchError> {
		let origin = Origin::Round {
			task: round.task,
			round: round.round,
		};
		let version = version_id(&round.model, &[round.base], &origin, &round.roots);
		unhashed::put(
			&key("version", &version),
			&(round.model, round.roots, origin),
		);
		unhashed::put(&key("model", &round.model), &(version, NUMERIC_SPEC));
		let accepted: Vec<_> = round
			.accepted
			.into_iter()
			.map(|contribution| (contribution.account, contribution.examples))
			.collect();
		unhashed::put(&key("accepted", &version), &accepted);
		// Refuses late, so that a caller that keeps half of the writes is found out.
		if unhashed::get_or_default(REFUSE) {
			return Err(DispatchError::Other("refused"));
		}
		Ok(version)
	}

	#[cfg(feature = "runtime-benchmarks")]
	fn create_for_benchmark(_: u32) -> (ModelId, VersionId) {
		Self::create(0xbe, NUMERIC_SPEC)
	}
}

/// Datasets by their number of shards.
pub struct MockDatasets;

impl MockDatasets {
	pub fn publish(shards: u32) -> DatasetId {
		let dataset = BlakeTwo256::hash_of(&("dataset", shards));
		unhashed::put(&key("dataset", &dataset), &shards);
		dataset
	}

	pub fn forget(dataset: &DatasetId) {
		unhashed::kill(&key("dataset", dataset));
	}

	fn shard(index: u32) -> Shard {
		Shard {
			size: 1_000,
			documents: 10,
			chunks: vec![BlakeTwo256::hash_of(&("chunk", index))]
				.try_into()
				.unwrap(),
		}
	}
}

impl DatasetRegistry for MockDatasets {
	fn shards(dataset: &DatasetId) -> Option<Shards> {
		let shards: u32 = unhashed::get(&key("dataset", dataset))?;
		Some(Shards {
			training: (0..shards).map(Self::shard).collect(),
			held_out: Self::shard(u32::MAX),
		})
	}

	#[cfg(feature = "runtime-benchmarks")]
	fn publish_for_benchmark(shards: u32) -> DatasetId {
		Self::publish(shards)
	}
}

pub const PUBLISHER: u8 = 200;

pub fn account(who: u8) -> AccountId {
	AccountId::new([who; 32])
}

pub fn pair(who: u8) -> TrainerPair {
	TrainerPair::from_seed(&[who; 32])
}

pub fn public(who: u8) -> TrainerPublic {
	pair(who).public()
}

pub fn proof(who: u8, of: u8) -> TrainerSignature {
	pair(who).sign(&registration_bytes(&Training::genesis(), &account(of)))
}

pub fn signed(who: u8) -> RuntimeOrigin {
	RuntimeOrigin::signed(account(who))
}

pub fn new_test_ext() -> sp_io::TestExternalities {
	let mut storage = frame_system::GenesisConfig::<Test>::default()
		.build_storage()
		.unwrap();
	pallet_balances::GenesisConfig::<Test> {
		balances: (1..=20)
			.chain([PUBLISHER, PUBLISHER + 1])
			.map(|who| (account(who), PURSE))
			.collect(),
		..Default::default()
	}
	.assimilate_storage(&mut storage)
	.unwrap();
	let mut ext: sp_io::TestExternalities = storage.into();
	ext.execute_with(|| System::set_block_number(1));
	ext
}

/// Runs a test in a fresh chain and checks at its end that all invariants hold and no money came or went.
pub fn run(test: impl FnOnce()) {
	new_test_ext().execute_with(|| {
		let issuance = Balances::total_issuance();
		test();
		assert_eq!(Training::check_invariants(), Ok(()));
		assert_eq!(Balances::total_issuance(), issuance);
	});
}

pub fn register(who: u8, capacity: u8) -> DispatchResult {
	Training::register_trainer(signed(who), public(who), capacity, proof(who, who))
}

/// Registers trainers 1 to `n` with capacity 1.
pub fn register_all(n: u8) {
	for who in 1..=n {
		register(who, 1).unwrap();
	}
}

/// A task of model `name` for that many trainers; its dataset has as many shards.
pub fn spec(name: u8, cohort: u32) -> TaskSpec<Balance> {
	let (model, base) = MockModels::create(name, NUMERIC_SPEC);
	TaskSpec {
		model,
		base,
		dataset: MockDatasets::publish(cohort.max(8)),
		privacy: PrivacyClass::Auditable,
		cohort,
		local: LocalTraining {
			steps: 10,
			batch: 4,
			warmup: 2,
			learning_rate: F32Bits::new(1e-3),
			beta1: F32Bits::new(0.9),
			beta2: F32Bits::new(0.95),
			epsilon: F32Bits::new(1e-8),
			weight_decay: F32Bits::new(0.0),
			clip_norm: F32Bits::new(1.0),
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
			train: 20,
			hold: 10,
			aggregate_turn: 5,
			challenge: 10,
		},
		stop: StopRule {
			max_rounds: 3,
			target_loss: None,
			patience: None,
			min_delta: 0,
		},
		reward: 10_000,
	}
}

pub fn create(spec: TaskSpec<Balance>) -> TaskId {
	Training::create_task(signed(PUBLISHER), spec).unwrap();
	*crate::OpenTasks::<Test>::get().last().unwrap()
}

/// Ends the block and begins the next one.
pub fn next_block() {
	let now = System::block_number();
	Training::on_finalize(now);
	System::set_block_number(now + 1);
	Training::on_initialize(now + 1);
}

pub fn next_blocks(n: u32) {
	for _ in 0..n {
		next_block();
	}
}

pub fn record(task: TaskId) -> crate::round::RoundRecord {
	let round = crate::Tasks::<Test>::get(task).unwrap().round;
	crate::Rounds::<Test>::get(task, round).unwrap()
}

pub fn phase(task: TaskId) -> Option<Phase> {
	record(task).running().map(|running| running.phase)
}

/// What became of a post.
#[derive(Debug, PartialEq, Eq)]
pub enum PostError {
	Invalid(TransactionValidityError),
	Dispatch(DispatchError),
}

pub fn call_of(envelope: Envelope, body: PostBody, signature: TrainerSignature) -> Call<Test> {
	match body {
		PostBody::Update(report) => Call::submit_update {
			envelope,
			report,
			signature,
		},
		PostBody::Holdings(holdings) => Call::submit_holdings {
			envelope,
			holdings,
			signature,
		},
		PostBody::Claim(report) => Call::claim_aggregate {
			envelope,
			report,
			signature,
		},
		PostBody::Attestation(report) => Call::attest {
			envelope,
			report,
			signature,
		},
	}
}

/// Authorises and dispatches a call as a block does.
pub fn apply(call: RuntimeCall) -> Result<(), PostError> {
	use frame_support::traits::UnfilteredDispatchable;
	call.authorize(TransactionSource::InBlock)
		.expect("posts have an authorisation")
		.map_err(PostError::Invalid)?;
	call.dispatch_bypass_filter(RawOrigin::Authorized.into())
		.map(drop)
		.map_err(|error| PostError::Dispatch(error.error))
}

pub fn envelope(who: u8, task: TaskId) -> Envelope {
	let record = record(task);
	let index = record.index_of(&account(who));
	Envelope {
		task,
		round: record.number,
		trainer: account(who),
		inputs: index
			.and_then(|index| record.inputs_of(index))
			.unwrap_or_default(),
	}
}

pub fn sign(who: u8, envelope: &Envelope, body: &PostBody) -> TrainerSignature {
	pair(who).sign(&signing_bytes(&Training::genesis(), envelope, body))
}

pub fn post(who: u8, task: TaskId, body: PostBody) -> Result<(), PostError> {
	let envelope = envelope(who, task);
	let signature = sign(who, &envelope, &body);
	apply(call_of(envelope, body, signature).into())
}

pub fn update(who: u8) -> PostBody {
	PostBody::Update(UpdateReport {
		root: Hash::repeat_byte(who),
		loss_before: 3_000_000,
		loss_after: 2_000_000,
	})
}

/// Holdings of the first `n` members.
pub fn all(n: u32) -> PostBody {
	PostBody::Holdings((0..n).fold(Holdings::default(), Holdings::with))
}

pub fn report(evaluation: u64) -> AggregateReport {
	AggregateReport {
		roots: CheckpointRoots {
			parameters: BlakeTwo256::hash_of(&("p", evaluation)),
			momentum: BlakeTwo256::hash_of(&("m", evaluation)),
		},
		evaluation,
	}
}

/// The trainer in turn to aggregate in this block.
pub fn in_turn(task: TaskId) -> u8 {
	let record = record(task);
	let now = System::block_number();
	let body = PostBody::Claim(report(0));
	(0..record.size())
		.find(|index| record.admit(*index, &body, now).is_ok())
		.and_then(|index| record.member(index))
		.map(|member| AsRef::<[u8]>::as_ref(&member.account)[0])
		.unwrap()
}

/// The roster by trainer.
pub fn roster(task: TaskId) -> Vec<u8> {
	record(task)
		.members
		.iter()
		.map(|member| AsRef::<[u8]>::as_ref(&member.account)[0])
		.collect()
}

/// Lets all members do their part from `Train` on until the round settles with that loss.
pub fn settle(task: TaskId, evaluation: u64) {
	let members = roster(task);
	for who in &members {
		post(*who, task, update(*who)).unwrap();
	}
	next_block();
	for who in &members {
		post(*who, task, all(members.len() as u32)).unwrap();
	}
	next_block();
	agree(task, evaluation);
	next_block();
}

/// The member in turn claims, all others attest.
pub fn agree(task: TaskId, evaluation: u64) {
	let claimant = in_turn(task);
	post(claimant, task, PostBody::Claim(report(evaluation))).unwrap();
	for who in roster(task).into_iter().filter(|who| *who != claimant) {
		post(who, task, PostBody::Attestation(report(evaluation))).unwrap();
	}
}

pub fn events() -> Vec<crate::Event<Test>> {
	System::events()
		.into_iter()
		.filter_map(|record| match record.event {
			RuntimeEvent::Training(event) => Some(event),
			_ => None,
		})
		.collect()
}

/// Decodes what a worker submitted.
pub fn decode(bytes: &[u8]) -> Extrinsic {
	Extrinsic::decode(&mut &bytes[..]).unwrap()
}
