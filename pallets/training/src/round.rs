//! One federated round as a state machine.
//!
//! `Train -> Hold -> Aggregate <-> Challenge -> Settled | Failed`. Posts of members are admitted and taken by
//! [`RoundRecord::admit`] and [`RoundRecord::take`]; the end of each block moves the round on by [`RoundRecord::advance`].
//!
//! Must not know: storage, money, keys, signatures, how a job is built. Time is an argument, in blocks.
//! Source: docs/protocol/round.md (Bonawitz et al. 2017 for survivors; no masks in class `Auditable`).
//!
//! Invariants: a member posts once a phase; survivors are fixed at the end of `Hold` and never change; at most one claim stands;
//! each member has at most one verdict on it; a set of members never names anybody beyond the roster.

use alloc::vec::Vec;
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use frame_support::{traits::ConstU32, BoundedVec};
use llmchain_primitives::{
	training::{
		AggregateReport, Deadlines, Holdings, Phase, PostBody, UpdateReport, MAX_ROSTER, MAX_WEIGHT,
	},
	AccountId, Hash, VersionId,
};
use scale_info::TypeInfo;

/// Members by index in the roster.
pub type MemberSet = Holdings;

/// A member's view of the claim that stands.
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
pub enum Verdict {
	/// Computed the same.
	Agreed,
	/// Computed something else.
	Disputed,
}

/// A trainer in a round.
#[derive(
	Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct Member {
	/// The trainer's operator account.
	pub account: AccountId,
	/// Shards drawn for it, 1 to [`MAX_WEIGHT`].
	pub weight: u8,
	/// Digest of its training job.
	pub inputs: Hash,
	/// What it posted in `Train`.
	pub update: Option<UpdateReport>,
	/// What it posted in `Hold`.
	pub holdings: Option<Holdings>,
	/// What it said of the claim that stands or settled.
	pub verdict: Option<Verdict>,
}

/// New roots that the aggregator in turn stands for.
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
pub struct Claim {
	/// Index of the claimant.
	pub claimant: u32,
	/// What it claims.
	pub report: AggregateReport,
}

/// Where a running round stands.
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
pub struct Running {
	/// The phase.
	pub phase: Phase,
	/// First block of the phase.
	pub since: u32,
	/// Last block in which posts of the phase are taken.
	pub deadline: u32,
	/// `Aggregate`: the turn that begins at `since`. `Challenge`: the claimant's turn. Before: 0.
	pub turn: u32,
	/// Digest of the phase's job where it is the same for all; in `Train` each member has its own.
	pub inputs: Hash,
}

/// Why a round ended without a version.
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
pub enum FailureReason {
	/// Fewer members than half of the roster posted an update.
	TooFewUpdates {
		/// Members that posted.
		posted: u32,
		/// Members that had to.
		needed: u32,
	},
	/// No update was held by enough other members.
	NoSurvivors,
	/// No aggregator claimed new roots in its turn.
	NoClaim,
	/// Two thirds of the roster agreed to none of the claims.
	NoAgreement,
	/// The model, the version or the dataset cannot be read any more.
	InputsUnavailable,
	/// The registry of versions refused the result.
	VersionRefused,
}

/// Where a round stands or how it ended.
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
pub enum Status {
	/// Takes posts.
	Running(Running),
	/// Its result is this version.
	Settled(VersionId),
	/// It has no result.
	Failed(FailureReason),
}

/// Why a post is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
	/// The round is over.
	NotRunning,
	/// The roster has no such member.
	NotAMember,
	/// The post's phase has not begun.
	TooEarly,
	/// The post's phase is over.
	TooLate,
	/// The member posted in this phase already.
	AlreadyPosted,
	/// The member's turn to aggregate comes later.
	TurnToCome,
	/// The member's turn to aggregate has passed.
	TurnPassed,
	/// The set names members that posted no update.
	UnknownHoldings,
}

/// What the end of a block does to a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
	/// `Hold` begins: its inputs are to be computed.
	OpenedHold,
	/// `Aggregate` begins: its inputs are to be computed.
	OpenedAggregate,
	/// The claim fell and the next aggregator is in turn.
	ClaimDropped {
		/// Index of the member whose claim fell.
		claimant: u32,
	},
	/// Two thirds agree: the result is to be registered, then [`RoundRecord::settle`] or [`RoundRecord::fail`].
	Agreed(AggregateReport),
	/// The round failed.
	Failed(FailureReason),
}

/// Whether a member did its part in a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attendance {
	/// It posted whatever was asked of it.
	Present,
	/// It missed a phase that at most a third of the roster missed.
	Missed,
	/// It missed only phases that more than a third of the roster missed; the fault is likely elsewhere.
	Excused,
}

/// A round from its beginning to the record that outsiders verify.
#[derive(
	Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct RoundRecord {
	/// Number in the task, from 1.
	pub number: u32,
	/// Version it starts from.
	pub base: VersionId,
	/// The roster, in order of registration.
	pub members: BoundedVec<Member, ConstU32<MAX_ROSTER>>,
	/// Training shards of the dataset.
	pub shards: u32,
	/// Phase lengths in blocks.
	pub deadlines: Deadlines,
	/// Block in which it began.
	pub began: u32,
	/// Block in which it settled or failed.
	pub ended: Option<u32>,
	/// Where it stands.
	pub status: Status,
	/// Members whose updates are in the aggregate; empty until the end of `Hold`.
	pub survivors: MemberSet,
	/// Members that missed a phase, and those that did so in company.
	pub missed: MemberSet,
	/// Members that missed a phase that more than a third of the roster missed.
	pub excused: MemberSet,
	/// The claim under challenge, or that which settled.
	pub claim: Option<Claim>,
}

/// Last block of a phase of `length` blocks that begins at `since`.
fn last_block(since: u32, length: u32) -> u32 {
	since.saturating_add(length.saturating_sub(1))
}

/// The phase that a post belongs to.
pub fn phase_of(body: &PostBody) -> Phase {
	match body {
		PostBody::Update(_) => Phase::Train,
		PostBody::Holdings(_) => Phase::Hold,
		PostBody::Claim(_) => Phase::Aggregate,
		PostBody::Attestation(_) => Phase::Challenge,
	}
}

impl RoundRecord {
	/// A round that begins at the end of block `now`, so that its first phase takes posts from the next block on. `roster` gives
	/// each member's account and capacity; a weight is the capacity, at most the number of shards. Members beyond
	/// [`MAX_ROSTER`] are left out.
	pub fn begin(
		number: u32,
		base: VersionId,
		roster: Vec<(AccountId, u8)>,
		shards: u32,
		deadlines: Deadlines,
		now: u32,
	) -> Self {
		let most = u8::try_from(shards)
			.unwrap_or(MAX_WEIGHT)
			.clamp(1, MAX_WEIGHT);
		let members = roster
			.into_iter()
			.map(|(account, capacity)| Member {
				account,
				weight: capacity.clamp(1, most),
				inputs: Hash::zero(),
				update: None,
				holdings: None,
				verdict: None,
			})
			.collect();
		let since = now.saturating_add(1);
		Self {
			number,
			base,
			members: BoundedVec::truncate_from(members),
			shards,
			deadlines,
			began: now,
			ended: None,
			status: Status::Running(Running {
				phase: Phase::Train,
				since,
				deadline: last_block(since, deadlines.train),
				turn: 0,
				inputs: Hash::zero(),
			}),
			survivors: MemberSet::default(),
			missed: MemberSet::default(),
			excused: MemberSet::default(),
			claim: None,
		}
	}

	/// Members of the roster, n.
	pub fn size(&self) -> u32 {
		u32::try_from(self.members.len()).unwrap_or(MAX_ROSTER)
	}

	/// Where the round stands, while it runs.
	pub fn running(&self) -> Option<&Running> {
		match &self.status {
			Status::Running(running) => Some(running),
			_ => None,
		}
	}

	/// Member `index` of the roster.
	pub fn member(&self, index: u32) -> Option<&Member> {
		self.members.get(usize::try_from(index).ok()?)
	}

	/// Index of an account in the roster.
	pub fn index_of(&self, account: &AccountId) -> Option<u32> {
		let index = self
			.members
			.iter()
			.position(|member| member.account == *account)?;
		u32::try_from(index).ok()
	}

	/// Sum of the weights of the members before `index`: where its arc of shards begins.
	pub fn weight_before(&self, index: u32) -> u32 {
		self.members
			.iter()
			.zip(0u32..)
			.filter(|(_, at)| *at < index)
			.fold(0u32, |sum, (member, _)| {
				sum.saturating_add(member.weight.into())
			})
	}

	/// Digest of the inputs that a post of member `index` must carry now.
	pub fn inputs_of(&self, index: u32) -> Option<Hash> {
		let running = self.running()?;
		match running.phase {
			Phase::Train => self.member(index).map(|member| member.inputs),
			Phase::Hold | Phase::Aggregate | Phase::Challenge => Some(running.inputs),
		}
	}

	/// Whether member `index` has posted what the running phase asks of it; of aggregators nobody asks anything.
	pub fn has_posted(&self, index: u32) -> bool {
		let Some((running, member)) = self.running().zip(self.member(index)) else {
			return true;
		};
		match running.phase {
			Phase::Train => member.update.is_some(),
			Phase::Hold => member.holdings.is_some(),
			Phase::Aggregate => false,
			Phase::Challenge => member.verdict.is_some(),
		}
	}

	/// Members that posted an update.
	pub fn updated(&self) -> MemberSet {
		self.those(|_, member| member.update.is_some())
	}

	/// Fewest updates that a round needs: half of the roster, rounded up.
	pub fn updates_needed(&self) -> u32 {
		self.size().div_ceil(2).max(1)
	}

	/// How many others must hold an update for it to survive: t = floor(n/3) + 1, or all others where there are fewer.
	pub fn holders_needed(&self) -> u32 {
		let n = self.size();
		n.checked_div(3)
			.unwrap_or_default()
			.saturating_add(1)
			.min(n.saturating_sub(1))
	}

	/// How many members, the claimant among them, must agree: two thirds of the roster, rounded up.
	pub fn agreement_needed(&self) -> u32 {
		self.size().saturating_mul(2).div_ceil(3).max(1)
	}

	/// Number of members with that verdict on the claim.
	pub fn verdicts(&self, verdict: Verdict) -> u32 {
		self.those(|_, member| member.verdict == Some(verdict))
			.count()
	}

	/// The turn of block `now` in phase `Aggregate`.
	fn turn_at(&self, running: &Running, now: u32) -> u32 {
		let passed = now
			.saturating_sub(running.since)
			.checked_div(self.deadlines.aggregate_turn)
			.unwrap_or_default();
		running.turn.saturating_add(passed)
	}

	/// Index of the member that aggregates in turn `turn`: the roster rotates with the round.
	pub fn aggregator(&self, turn: u32) -> Option<u32> {
		self.number.saturating_add(turn).checked_rem(self.size())
	}

	/// The turn in which member `index` aggregates.
	fn turn_of(&self, index: u32) -> Option<u32> {
		let n = self.size();
		let first = self.aggregator(0)?;
		index.saturating_add(n).saturating_sub(first).checked_rem(n)
	}

	fn those(&self, is_in: impl Fn(u32, &Member) -> bool) -> MemberSet {
		self.members
			.iter()
			.zip(0u32..)
			.filter(|(member, index)| is_in(*index, member))
			.fold(MemberSet::default(), |set, (_, index)| set.with(index))
	}

	/// Whether a post of member `index` would be taken in block `now`.
	///
	/// # Errors
	/// The [`Refusal`] that says why not.
	pub fn admit(&self, index: u32, body: &PostBody, now: u32) -> Result<(), Refusal> {
		let running = self.running().ok_or(Refusal::NotRunning)?;
		let member = self.member(index).ok_or(Refusal::NotAMember)?;
		let phase = phase_of(body);
		if phase > running.phase {
			return Err(Refusal::TooEarly);
		}
		if phase < running.phase || now > running.deadline {
			return Err(Refusal::TooLate);
		}
		let (posted, fits) = match body {
			PostBody::Update(_) => (member.update.is_some(), Ok(())),
			PostBody::Holdings(held) => {
				let known = held.0 & !self.updated().0 == 0;
				let fits = if known {
					Ok(())
				} else {
					Err(Refusal::UnknownHoldings)
				};
				(member.holdings.is_some(), fits)
			}
			PostBody::Claim(_) => {
				let current = self.turn_at(running, now);
				let fits = match self.turn_of(index) {
					Some(own) if own == current => Ok(()),
					Some(own) if own > current => Err(Refusal::TurnToCome),
					_ => Err(Refusal::TurnPassed),
				};
				(false, fits)
			}
			PostBody::Attestation(_) => (member.verdict.is_some(), Ok(())),
		};
		if posted {
			return Err(Refusal::AlreadyPosted);
		}
		fits
	}

	/// Takes a post of member `index` in block `now`. A claim opens `Challenge` at once, with the claimant's agreement; for an
	/// attestation the verdict is returned.
	///
	/// # Errors
	/// As [`Self::admit`]; the record is then unchanged.
	pub fn take(
		&mut self,
		index: u32,
		body: &PostBody,
		now: u32,
	) -> Result<Option<Verdict>, Refusal> {
		self.admit(index, body, now)?;
		let running = *self.running().ok_or(Refusal::NotRunning)?;
		let turn = self.turn_at(&running, now);
		let standing = self.claim.map(|claim| claim.report);
		let at = usize::try_from(index).map_err(|_| Refusal::NotAMember)?;
		let member = self.members.get_mut(at).ok_or(Refusal::NotAMember)?;
		match body {
			PostBody::Update(report) => member.update = Some(*report),
			PostBody::Holdings(held) => member.holdings = Some(*held),
			PostBody::Claim(report) => {
				member.verdict = Some(Verdict::Agreed);
				self.claim = Some(Claim {
					claimant: index,
					report: *report,
				});
				self.open(
					Phase::Challenge,
					now,
					self.deadlines.challenge,
					turn,
					running.inputs,
				);
			}
			PostBody::Attestation(report) => {
				let verdict = if standing == Some(*report) {
					Verdict::Agreed
				} else {
					Verdict::Disputed
				};
				member.verdict = Some(verdict);
				return Ok(Some(verdict));
			}
		}
		Ok(None)
	}

	/// Ends the running phase if block `now` was its last or nobody is left to wait for.
	pub fn advance(&mut self, now: u32) -> Option<Effect> {
		let running = *self.running()?;
		let is_due = now >= running.deadline;
		match running.phase {
			Phase::Train => {
				let updated = self.updated();
				let posted = updated.count();
				if posted < self.size() && !is_due {
					return None;
				}
				self.note_missed(self.those(|index, _| !updated.contains(index)));
				let needed = self.updates_needed();
				if posted < needed {
					return Some(self.fail(FailureReason::TooFewUpdates { posted, needed }, now));
				}
				self.open(Phase::Hold, now, self.deadlines.hold, 0, Hash::zero());
				Some(Effect::OpenedHold)
			}
			Phase::Hold => {
				let silent =
					self.those(|_, member| member.update.is_some() && member.holdings.is_none());
				if silent.count() > 0 && !is_due {
					return None;
				}
				self.note_missed(silent);
				self.survivors = self.held_by_enough();
				if self.survivors.count() == 0 {
					return Some(self.fail(FailureReason::NoSurvivors, now));
				}
				self.open_aggregate(now, 0, Hash::zero());
				Some(Effect::OpenedAggregate)
			}
			Phase::Aggregate => is_due.then(|| self.fail(FailureReason::NoClaim, now)),
			Phase::Challenge => {
				let claim = self.claim?;
				let needed = self.agreement_needed();
				if self.verdicts(Verdict::Agreed) >= needed {
					return Some(Effect::Agreed(claim.report));
				}
				// So many dispute that the others are too few: waiting longer would change nothing.
				let is_lost = self.verdicts(Verdict::Disputed) > self.size().saturating_sub(needed);
				(is_due || is_lost).then(|| self.drop_claim(&running, claim, now))
			}
		}
	}

	/// A member's update survives if it came in time and enough others hold it.
	fn held_by_enough(&self) -> MemberSet {
		let needed = self.holders_needed();
		self.those(|index, member| {
			let holders = self.those(|other, holder| {
				other != index && holder.holdings.is_some_and(|held| held.contains(index))
			});
			member.update.is_some() && holders.count() >= needed
		})
	}

	fn note_missed(&mut self, absent: MemberSet) {
		let set = if absent.count().saturating_mul(3) > self.size() {
			&mut self.excused
		} else {
			&mut self.missed
		};
		set.0 |= absent.0;
	}

	/// Whether member `index` did its part; final once the round has ended.
	pub fn attendance(&self, index: u32) -> Attendance {
		if self.missed.contains(index) {
			Attendance::Missed
		} else if self.excused.contains(index) {
			Attendance::Excused
		} else {
			Attendance::Present
		}
	}

	fn open(&mut self, phase: Phase, now: u32, length: u32, turn: u32, inputs: Hash) {
		let since = now.saturating_add(1);
		self.status = Status::Running(Running {
			phase,
			since,
			deadline: last_block(since, length),
			turn,
			inputs,
		});
	}

	/// Opens `Aggregate` with turn `turn`; one turn for each member that is left.
	fn open_aggregate(&mut self, now: u32, turn: u32, inputs: Hash) {
		let left = self.size().saturating_sub(turn);
		let length = left.saturating_mul(self.deadlines.aggregate_turn);
		self.open(Phase::Aggregate, now, length, turn, inputs);
	}

	fn drop_claim(&mut self, running: &Running, claim: Claim, now: u32) -> Effect {
		self.claim = None;
		for member in self.members.iter_mut() {
			member.verdict = None;
		}
		let next = running.turn.saturating_add(1);
		if next >= self.size() {
			return self.fail(FailureReason::NoAgreement, now);
		}
		self.open_aggregate(now, next, running.inputs);
		Effect::ClaimDropped {
			claimant: claim.claimant,
		}
	}

	/// Sets the inputs of the running phase: of member `index` in `Train`, of all in the others.
	pub fn set_inputs(&mut self, index: Option<u32>, inputs: Hash) {
		match (index, &mut self.status) {
			(Some(index), _) => {
				let at = usize::try_from(index).ok();
				if let Some(member) = at.and_then(|at| self.members.get_mut(at)) {
					member.inputs = inputs;
				}
			}
			(None, Status::Running(running)) => running.inputs = inputs,
			(None, _) => {}
		}
	}

	/// Ends the round without a version.
	pub fn fail(&mut self, reason: FailureReason, now: u32) -> Effect {
		self.status = Status::Failed(reason);
		self.ended = Some(now);
		self.claim = None;
		for member in self.members.iter_mut() {
			member.verdict = None;
		}
		Effect::Failed(reason)
	}

	/// Ends the round with a version.
	pub fn settle(&mut self, version: VersionId, now: u32) {
		self.status = Status::Settled(version);
		self.ended = Some(now);
	}
}
