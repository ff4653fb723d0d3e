//! The off-chain worker: its decision as a table, and whole rounds driven by it alone.

use crate::{
	mock::*,
	offchain::{
		mark_key, next_action, ticket_phase, Action, Deed, LocalKeys, Mark, Occasion, Situation,
	},
	post::LONGEVITY,
	round::RoundRecord,
	Call, Tasks,
};
use codec::{Decode, Encode};
use frame_support::assert_ok;
use llmchain_primitives::{
	key::{TrainerPublic, TrainerSignature},
	mailbox::{
		slot_key, Entry, HoldJob, Job, JobOutcome, Outcome, Slot, Ticket, TicketKey, MAX_ENTRIES,
	},
	model::{Architecture, CheckpointRoots},
	training::{AggregateReport, Holdings, Phase, PostBody, UpdateReport},
	AccountId, Hash, TaskId,
};
use sp_core::{
	offchain::{
		testing::{TestOffchainExt, TestTransactionPoolExt},
		OffchainDbExt, OffchainWorkerExt, StorageKind, TransactionPoolExt,
	},
	Pair,
};
use sp_runtime::traits::{BlakeTwo256, Hash as _};

/// The keys of some trainers, all on one node.
struct Keys(Vec<u8>);

impl LocalKeys for Keys {
	fn all(&self) -> Vec<TrainerPublic> {
		self.0.iter().map(|who| public(*who)).collect()
	}

	fn sign(&self, key: &TrainerPublic, bytes: &[u8]) -> Option<TrainerSignature> {
		self.0
			.iter()
			.map(|who| pair(*who))
			.find(|pair| pair.public() == *key)
			.map(|pair| pair.sign(bytes))
	}
}

/// Runs a test with off-chain storage and a pool; the argument takes what was submitted since it was last called.
fn run_worker(test: impl FnOnce(&dyn Fn() -> Vec<Extrinsic>)) {
	let mut ext = new_test_ext();
	let (offchain, _) = TestOffchainExt::new();
	let (pool, submitted) = TestTransactionPoolExt::new();
	ext.register_extension(OffchainDbExt::new(offchain.clone()));
	ext.register_extension(OffchainWorkerExt::new(offchain));
	ext.register_extension(TransactionPoolExt::new(pool));
	ext.execute_with(|| {
		test(&|| {
			let transactions = std::mem::take(&mut submitted.write().transactions);
			transactions.iter().map(|bytes| decode(bytes)).collect()
		});
		assert_eq!(Training::check_invariants(), Ok(()));
	});
}

fn read_slot(who: u8) -> Slot {
	let bytes =
		sp_io::offchain::local_storage_get(StorageKind::PERSISTENT, &slot_key(&public(who)));
	Slot::decode_bounded(bytes.as_deref()).unwrap()
}

fn write_slot(who: u8, bytes: &[u8]) {
	sp_io::offchain::local_storage_set(StorageKind::PERSISTENT, &slot_key(&public(who)), bytes);
}

fn read_mark(who: u8) -> Option<Mark> {
	sp_io::offchain::local_storage_get(StorageKind::PERSISTENT, &mark_key(&public(who)))
		.map(|bytes| Mark::decode(&mut &bytes[..]).unwrap())
}

/// What an honest engine answers: a function of the job alone.
fn outcome_of(account: &AccountId, job: &Job) -> JobOutcome {
	match job {
		Job::Train(_) => JobOutcome::Trained(UpdateReport {
			root: BlakeTwo256::hash_of(&(account, job.digest())),
			loss_before: 3,
			loss_after: 2,
		}),
		Job::Hold(hold) => JobOutcome::Held(
			hold.updates
				.iter()
				.zip(0u32..)
				.filter(|(update, _)| update.root.is_some())
				.fold(Holdings::default(), |set, (_, index)| set.with(index)),
		),
		Job::Aggregate(_) => JobOutcome::Aggregated(AggregateReport {
			roots: CheckpointRoots {
				parameters: job.digest(),
				momentum: Hash::repeat_byte(1),
			},
			evaluation: 700,
		}),
	}
}

/// Answers all open tickets in a trainer's slot.
fn answer(who: u8, outcome: impl Fn(&AccountId, &Job) -> JobOutcome) {
	let mut slot = read_slot(who);
	let open: Vec<_> = slot
		.entries
		.iter()
		.filter(|entry| entry.outcome.is_none())
		.map(|entry| {
			let Ticket::V1(job) = &entry.ticket;
			(entry.key.clone(), Outcome::V1(outcome(&account(who), job)))
		})
		.collect();
	for (key, outcome) in open {
		slot.post_outcome(&key, outcome);
	}
	write_slot(who, &slot.encode());
}

/// One block as a node lives it: the worker runs on the block's state, engines answer, the next block holds what was posted.
fn live_block(
	workers: &Keys,
	engines: &[u8],
	submitted: &dyn Fn() -> Vec<Extrinsic>,
) -> Vec<Call<Test>> {
	Training::work(System::block_number(), workers);
	for who in engines {
		answer(*who, outcome_of);
	}
	System::set_block_number(System::block_number() + 1);
	let mut calls = Vec::new();
	for transaction in submitted() {
		if let RuntimeCall::Training(call) = &transaction.function {
			calls.push(call.clone());
		}
		apply(transaction.function).unwrap();
	}
	use frame_support::traits::Hooks;
	Training::on_finalize(System::block_number());
	calls
}

#[test]
fn four_workers_carry_a_task_from_round_to_round() {
	run_worker(|submitted| {
		register_all(4);
		let task = create(spec(1, 4));
		let workers = Keys(vec![1, 2, 3, 4]);
		let issuance = Balances::total_issuance();
		let mut posts = 0;
		let mut blocks = 0;
		while Training::task_view(&task).unwrap().settled < 3 {
			posts += live_block(&workers, &workers.0, submitted).len();
			blocks += 1;
			assert_eq!(Training::check_invariants(), Ok(()));
			assert!(blocks < 100, "the task does not come to an end");
		}
		// Each round: four updates, four holdings, a claim, three attestations; nothing twice.
		assert_eq!(posts, 3 * 12);
		// Start, then two blocks a phase.
		assert_eq!(blocks, 3 * 9);
		assert_eq!(Balances::total_issuance(), issuance);
		assert_eq!(
			Training::task_view(&task).unwrap().status,
			llmchain_primitives::training::TaskStatus::Completed
		);
		for who in 1..=4 {
			assert_eq!(
				Balances::free_balance(account(who)),
				PURSE - BOND + 3 * 2_500
			);
			assert!(read_slot(who).entries.len() <= MAX_ENTRIES);
		}
	});
}

#[test]
fn one_worker_less_slows_a_round_and_does_not_stop_it() {
	run_worker(|submitted| {
		register_all(4);
		let task = create(spec(1, 4));
		// Trainer 2, whose turn to aggregate comes first, is off.
		let workers = Keys(vec![1, 3, 4]);
		let mut blocks = 0;
		while Training::task_view(&task).unwrap().settled < 1 {
			live_block(&workers, &workers.0, submitted);
			blocks += 1;
			assert!(blocks < 100, "the round does not come to an end");
		}
		let view = Training::round_view(&task, 1).unwrap();
		let survived: Vec<bool> = view.members.iter().map(|member| member.survived).collect();
		assert_eq!(survived, [true, false, true, true]);
	});
}

#[test]
fn a_worker_whose_engine_differs_disputes() {
	run_worker(|submitted| {
		register_all(4);
		let task = create(spec(1, 4));
		let workers = Keys(vec![1, 2, 3, 4]);
		let mut blocks = 0;
		while Training::task_view(&task).unwrap().settled < 1 {
			Training::work(System::block_number(), &workers);
			// Trainer 4 computes another aggregate.
			answer(4, |account, job| match outcome_of(account, job) {
				JobOutcome::Aggregated(report) => JobOutcome::Aggregated(AggregateReport {
					evaluation: 1,
					..report
				}),
				other => other,
			});
			live_block(&workers, &[1, 2, 3], submitted);
			blocks += 1;
			assert!(blocks < 100, "the round does not come to an end");
		}
		let record = crate::Rounds::<Test>::get(task, 1).unwrap();
		assert_eq!(record.claim.unwrap().report.evaluation, 700);
		// Three agreed before or while the fourth disputed.
		assert_eq!(record.verdicts(crate::round::Verdict::Agreed), 3);
	});
}

#[test]
fn the_ticket_holds_the_job_and_comes_once() {
	run_worker(|submitted| {
		register_all(4);
		let task = create(spec(1, 4));
		next_block();
		let workers = Keys(vec![1, 9]);
		Training::work(2, &workers);
		let slot = read_slot(1);
		assert_eq!(slot.entries.len(), 1);
		let entry = slot.entries[0].clone();
		let Ticket::V1(job) = &entry.ticket;
		assert_eq!(
			entry.key,
			TicketKey {
				genesis: Training::genesis(),
				task,
				round: 1,
				phase: Phase::Train,
				trainer: account(1),
				digest: job.digest(),
			}
		);
		Training::work(2, &workers);
		Training::work(3, &workers);
		assert_eq!(read_slot(1), slot);
		assert!(read_slot(9).entries.is_empty(), "no trainer, no ticket");
		assert!(submitted().is_empty());
	});
}

#[test]
fn a_broken_slot_starts_anew() {
	run_worker(|_| {
		register_all(4);
		create(spec(1, 4));
		next_block();
		let too_many = Slot {
			entries: vec![entry(None); MAX_ENTRIES + 1],
		};
		for bytes in [vec![0xff; 40], too_many.encode(), vec![0; 5 << 20]] {
			write_slot(1, &bytes);
			Training::work(2, &Keys(vec![1]));
			assert_eq!(read_slot(1).entries.len(), 1);
		}
	});
}

#[test]
fn a_post_goes_out_again_only_after_the_first_expired() {
	run_worker(|submitted| {
		register_all(4);
		create(spec(1, 4));
		next_block();
		let workers = Keys(vec![1]);
		Training::work(2, &workers);
		answer(1, outcome_of);
		let mut sent = Vec::new();
		for now in 2..=2 + 2 * LONGEVITY as u32 {
			System::set_block_number(now);
			Training::work(now, &workers);
			sent.extend(
				submitted()
					.into_iter()
					.map(|transaction| (now, transaction)),
			);
		}
		let blocks: Vec<u32> = sent.iter().map(|(now, _)| *now).collect();
		assert_eq!(blocks, [2, 10, 18]);
		assert_ne!(sent[0].1, sent[1].1, "a fresh signature each time");
		for (_, transaction) in sent.into_iter().take(1) {
			assert_ok!(apply(transaction.function));
		}
		Training::work(30, &workers);
		assert!(submitted().is_empty(), "state shows the effect");
	});
}

#[test]
fn a_key_that_cannot_sign_leaves_the_way_free() {
	struct NoSecret;
	impl LocalKeys for NoSecret {
		fn all(&self) -> Vec<TrainerPublic> {
			vec![public(1)]
		}
		fn sign(&self, _: &TrainerPublic, _: &[u8]) -> Option<TrainerSignature> {
			None
		}
	}
	run_worker(|submitted| {
		register_all(4);
		create(spec(1, 4));
		next_block();
		Training::work(2, &NoSecret);
		answer(1, outcome_of);
		Training::work(3, &NoSecret);
		assert!(submitted().is_empty());
		assert_eq!(read_mark(1), None);
		Training::work(4, &Keys(vec![1]));
		assert_eq!(submitted().len(), 1);
	});
}

#[test]
fn a_failed_job_is_told_once_and_its_late_success_is_posted() {
	run_worker(|submitted| {
		register_all(4);
		let task = create(spec(1, 4));
		next_block();
		let workers = Keys(vec![1]);
		Training::work(2, &workers);
		answer(1, |_, _| JobOutcome::Failed("no space".try_into().unwrap()));
		for now in 2..6 {
			Training::work(now, &workers);
			assert_eq!(
				read_mark(1).unwrap(),
				Mark {
					occasion: occasion(task, Phase::Train, 2),
					deed: Deed::Warned
				}
			);
		}
		assert!(submitted().is_empty());
		let mut slot = read_slot(1);
		let key = slot.entries[0].key.clone();
		let Ticket::V1(job) = slot.entries[0].ticket.clone();
		slot.post_outcome(&key, Outcome::V1(outcome_of(&account(1), &job)));
		write_slot(1, &slot.encode());
		Training::work(6, &workers);
		assert_eq!(submitted().len(), 1);
	});
}

#[test]
fn no_ticket_for_what_the_chain_cannot_give_any_more() {
	run_worker(|_| {
		register_all(4);
		let task = create(spec(1, 4));
		next_block();
		MockDatasets::forget(&Tasks::<Test>::get(task).unwrap().spec.dataset);
		Training::work(2, &Keys(vec![1]));
		assert!(read_slot(1).entries.is_empty());
	});
}

fn occasion(task: TaskId, phase: Phase, since: u32) -> Occasion {
	Occasion {
		task,
		round: 1,
		phase,
		since,
	}
}

fn entry(outcome: Option<JobOutcome>) -> Entry {
	Entry {
		key: TicketKey {
			genesis: Hash::zero(),
			task: Hash::zero(),
			round: 1,
			phase: Phase::Train,
			trainer: account(0),
			digest: Hash::zero(),
		},
		ticket: Ticket::V1(Job::Hold(HoldJob {
			architecture: Architecture {
				vocab_size: 8,
				context_length: 4,
				n_layers: 1,
				n_heads: 2,
				d_model: 4,
				d_ff: 16,
			},
			updates: Vec::new(),
		})),
		outcome: outcome.map(Outcome::V1),
	}
}

#[test]
fn the_decision_is_a_table() {
	let deadlines = spec_deadlines();
	let train = RoundRecord::begin(
		1,
		Hash::zero(),
		(0..4).map(|who| (account(who), 1)).collect(),
		8,
		deadlines,
		100,
	);
	let mut hold = train.clone();
	for index in 0..4 {
		hold.take(index, &update(index as u8), 101).unwrap();
	}
	let mut posted = train.clone();
	posted.take(0, &update(0), 101).unwrap();
	hold.advance(101);
	let mut aggregate = hold.clone();
	for index in 0..4 {
		aggregate.take(index, &all(4), 102).unwrap();
	}
	aggregate.advance(102);
	let mut challenge = aggregate.clone();
	challenge.take(1, &PostBody::Claim(report(7)), 103).unwrap();
	let mut over = challenge.clone();
	over.settle(Hash::zero(), 104);

	let PostBody::Update(update_report) = update(0) else {
		unreachable!()
	};
	let trained = entry(Some(JobOutcome::Trained(update_report)));
	let held = entry(Some(JobOutcome::Held(Holdings(0b1111))));
	let too_much = entry(Some(JobOutcome::Held(Holdings(0b11111))));
	let aggregated = entry(Some(JobOutcome::Aggregated(report(7))));
	let failed = entry(Some(JobOutcome::Failed("no space".try_into().unwrap())));
	let open = entry(None);
	let mark = |phase, since, deed| Mark {
		occasion: occasion(Hash::zero(), phase, since),
		deed,
	};
	let posted_at = |at| Deed::Posted { at };

	let submit = |body: &PostBody| Some(Action::Submit(body.clone()));
	let claim = PostBody::Claim(report(7));
	let attestation = PostBody::Attestation(report(7));
	let warn = Some(Action::Warn("no space".try_into().unwrap()));
	let ticket = Some(Action::PostTicket);

	// Round, member, block, entry, mark -> action.
	type Row<'a> = (
		&'a RoundRecord,
		u32,
		u32,
		Option<&'a Entry>,
		Option<Mark>,
		Option<Action>,
	);
	let rows: Vec<Row> = vec![
		(&train, 0, 100, None, None, ticket.clone()),
		(&train, 0, 105, Some(&open), None, None),
		// The phase's first block is 101; its second is where posts may be.
		(&train, 0, 100, Some(&trained), None, None),
		(&train, 0, 101, Some(&trained), None, submit(&update(0))),
		// The last block that could hold the post is 120.
		(&train, 0, 119, Some(&trained), None, submit(&update(0))),
		(&train, 0, 120, Some(&trained), None, None),
		(&posted, 0, 105, Some(&trained), None, None),
		(&posted, 0, 105, None, None, None),
		(
			&train,
			0,
			108,
			Some(&trained),
			Some(mark(Phase::Train, 101, posted_at(101))),
			None,
		),
		(
			&train,
			0,
			109,
			Some(&trained),
			Some(mark(Phase::Train, 101, posted_at(101))),
			submit(&update(0)),
		),
		// A mark of another phase or opening says nothing.
		(
			&train,
			0,
			102,
			Some(&trained),
			Some(mark(Phase::Hold, 101, posted_at(101))),
			submit(&update(0)),
		),
		(
			&train,
			0,
			102,
			Some(&trained),
			Some(mark(Phase::Train, 90, posted_at(101))),
			submit(&update(0)),
		),
		(&train, 0, 100, Some(&failed), None, warn.clone()),
		(
			&train,
			0,
			105,
			Some(&failed),
			Some(mark(Phase::Train, 101, Deed::Warned)),
			None,
		),
		(
			&train,
			0,
			105,
			Some(&trained),
			Some(mark(Phase::Train, 101, Deed::Warned)),
			submit(&update(0)),
		),
		// An outcome of another kind, or of members that are not there, is not posted.
		(&train, 0, 105, Some(&held), None, None),
		(&hold, 0, 105, Some(&trained), None, None),
		(&hold, 0, 105, Some(&held), None, submit(&all(4))),
		(&hold, 0, 105, Some(&too_much), None, None),
		// All members compute the aggregate; the one in turn of the next block claims.
		(&aggregate, 0, 102, None, None, ticket.clone()),
		(&aggregate, 0, 103, Some(&aggregated), None, None),
		(&aggregate, 1, 103, Some(&aggregated), None, submit(&claim)),
		(&aggregate, 1, 107, Some(&aggregated), None, None),
		(&aggregate, 2, 107, Some(&aggregated), None, submit(&claim)),
		(&challenge, 1, 104, Some(&aggregated), None, None),
		(
			&challenge,
			0,
			104,
			Some(&aggregated),
			None,
			submit(&attestation),
		),
		(&challenge, 0, 104, None, None, ticket),
		(&over, 0, 105, Some(&aggregated), None, None),
		(&over, 0, 105, None, None, None),
		(&train, 9, 105, None, None, None),
	];
	for (row, (record, index, now, entry, mark, expected)) in rows.into_iter().enumerate() {
		let situation = Situation {
			task: Hash::zero(),
			record,
			index,
			now,
			entry,
			mark: mark.as_ref(),
		};
		assert_eq!(next_action(&situation), expected, "row {row}");
	}
	assert_eq!(ticket_phase(Phase::Challenge), Phase::Aggregate);
	assert_eq!(ticket_phase(Phase::Hold), Phase::Hold);
}

fn spec_deadlines() -> llmchain_primitives::training::Deadlines {
	llmchain_primitives::training::Deadlines {
		train: 20,
		hold: 10,
		aggregate_turn: 5,
		challenge: 10,
	}
}
