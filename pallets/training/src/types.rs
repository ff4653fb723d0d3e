//! What the pallet stores of trainers and tasks.
//!
//! Must not know: storage, calls. Encodings are storage formats: a change needs a migration.

use crate::task::Progress;
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use frame_support::{traits::ConstU32, BoundedVec};
use llmchain_primitives::{
	key::TrainerPublic,
	training::{TaskSpec, TaskStatus},
	AccountId, Balance, TaskId, VersionId,
};
use scale_info::TypeInfo;

/// Failed rounds of a task whose records are kept; older ones are dropped. Settled rounds are kept for good.
pub const KEPT_FAILURES: u32 = 16;
/// Rounds missed in a row after which a trainer is taken off the list.
pub const MAX_MISSES: u8 = 3;

/// The round that a trainer is a member of.
#[derive(
	Clone,
	Copy,
	Debug,
	PartialEq,
	Eq,
	Encode,
	Decode,
	DecodeWithMemTracking,
	MaxEncodedLen,
	TypeInfo,
)]
pub struct Engagement {
	/// The task.
	pub task: TaskId,
	/// The round's number.
	pub round: u32,
}

/// A registered trainer.
#[derive(
	Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct Trainer {
	/// Key that signs its posts.
	pub key: TrainerPublic,
	/// Shards that it trains on in a round at most, 1 to 16.
	pub capacity: u8,
	/// Money on hold.
	pub bond: Balance,
	/// The running round that it is a member of.
	pub engaged: Option<Engagement>,
	/// Rounds missed in a row.
	pub misses: u8,
}

/// What a task is doing now.
#[derive(
	Clone,
	Copy,
	Debug,
	PartialEq,
	Eq,
	Encode,
	Decode,
	DecodeWithMemTracking,
	MaxEncodedLen,
	TypeInfo,
)]
pub enum Activity {
	/// No round runs.
	Idle,
	/// A round runs; the next one follows it.
	InRound,
	/// A round runs; the publisher ended the task, so no other follows.
	LastRound,
}

/// A training task.
#[derive(
	Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct Task {
	/// Who pays.
	pub publisher: AccountId,
	/// What was asked.
	pub spec: TaskSpec<Balance>,
	/// Whether rounds may start, and if not, why.
	pub status: TaskStatus,
	/// Whether a round runs.
	pub activity: Activity,
	/// Number of the round that runs or ran last; 0 before the first.
	pub round: u32,
	/// Version that the next round starts from.
	pub head: VersionId,
	/// Part of the pot on hold that is not paid out.
	pub pot: Balance,
	/// Money on hold for this record, for good.
	pub deposit: Balance,
	/// Settled rounds and their losses.
	pub progress: Progress,
	/// Rounds that failed since one settled.
	pub failures: u32,
	/// Failed rounds whose records are kept, oldest first.
	pub failed: BoundedVec<u32, ConstU32<KEPT_FAILURES>>,
}
