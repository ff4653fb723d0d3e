//! `llmchain task`: have a model trained, see how it goes, end it.
//!
//! Must not know: how rounds are run. Numbers come from a preset where they are not given; the chain checks all of them.

use crate::{
	amount::{Amount, Nats, Q16},
	api,
	chain::{Chain, Transaction},
	commands::{model, watch},
	convert::{local_training_json, money, parse_hash, round_json, show, task_status},
	error::{Error, Result},
	presets::{Preset, PresetName},
	Context,
};
use clap::{Args, Subcommand};
use llmchain_primitives::{
	training::{
		Deadlines, F32Bits, LocalTraining, Outer, PrivacyClass, Quantiser, RoundView, StopRule,
		TaskSpec, TaskView,
	},
	Hash, ModelId, TaskId, VersionId,
};
use serde::Serialize;
use serde_json::json;
use subxt::utils::Static;

/// Commands on tasks.
#[derive(Debug, Subcommand)]
pub enum Command {
	/// Ask trainers to train a model, and lock the money that pays them.
	Create(Box<Create>),
	/// Show a task and its rounds.
	Show {
		/// The task.
		#[arg(value_parser = parse_hash)]
		task: Hash,
	},
	/// Follow a task's rounds as they happen.
	Watch {
		/// The task.
		#[arg(value_parser = parse_hash)]
		task: Hash,
		/// Tell of every round until the task has ended, instead of one round.
		#[arg(long)]
		until_done: bool,
	},
	/// Show the tasks that take rounds now.
	List,
	/// End a task of yours; a round that runs is finished and paid first.
	Cancel {
		/// The task.
		#[arg(value_parser = parse_hash)]
		task: Hash,
	},
}

/// What to ask for.
#[derive(Args, Debug)]
pub struct Create {
	/// Identity or name of the model; training starts from its latest version.
	#[arg(long)]
	pub model: String,
	/// Dataset to train on.
	#[arg(long, value_parser = parse_hash, value_name = "ID")]
	pub dataset: Hash,
	/// Numbers to start from; the options below go before them.
	#[arg(long, value_enum, default_value_t)]
	pub preset: PresetName,
	/// Rounds at most; the pot pays for this many.
	#[arg(long, value_name = "N")]
	pub rounds: Option<u32>,
	/// Participants of a round.
	#[arg(long, value_name = "N")]
	pub cohort: Option<u32>,
	/// Optimiser steps of a participant in a round.
	#[arg(long, value_name = "N")]
	pub steps: Option<u32>,
	/// Documents a step.
	#[arg(long, value_name = "N")]
	pub batch: Option<u32>,
	/// Learning rate of AdamW.
	#[arg(long, value_name = "F")]
	pub learning_rate: Option<f32>,
	/// Steps over which the learning rate rises from zero.
	#[arg(long, value_name = "N")]
	pub warmup: Option<u32>,
	/// First-moment decay of AdamW.
	#[arg(long, value_name = "F")]
	pub beta1: Option<f32>,
	/// Second-moment decay of AdamW.
	#[arg(long, value_name = "F")]
	pub beta2: Option<f32>,
	/// Denominator constant of AdamW.
	#[arg(long, value_name = "F")]
	pub epsilon: Option<f32>,
	/// Decoupled weight decay of AdamW.
	#[arg(long, value_name = "F")]
	pub weight_decay: Option<f32>,
	/// Largest gradient norm.
	#[arg(long, value_name = "F")]
	pub clip: Option<f32>,
	/// Learning rate of the server update; kept in units of 2^-16.
	#[arg(long, value_name = "F")]
	pub outer_lr: Option<Q16>,
	/// Nesterov momentum of the server update, below 1; kept in units of 2^-16.
	#[arg(long, value_name = "F")]
	pub outer_momentum: Option<Q16>,
	/// Bits of a quantised coordinate.
	#[arg(long, value_name = "N")]
	pub bits: Option<u8>,
	/// Exponent e of the quantiser: a step is 2^-e.
	#[arg(long, value_name = "N")]
	pub exponent: Option<u8>,
	/// Reward of a round, shared by weight.
	#[arg(long, value_name = "LLM")]
	pub reward: Option<Amount>,
	/// Blocks to train and post.
	#[arg(long, value_name = "N")]
	pub train_blocks: Option<u32>,
	/// Blocks to fetch each other's updates.
	#[arg(long, value_name = "N")]
	pub hold_blocks: Option<u32>,
	/// Blocks of one aggregator's turn.
	#[arg(long, value_name = "N")]
	pub aggregate_blocks: Option<u32>,
	/// Blocks to attest.
	#[arg(long, value_name = "N")]
	pub challenge_blocks: Option<u32>,
	/// End once the held-out loss is at or below this.
	#[arg(long, value_name = "NATS")]
	pub target_loss: Option<Nats>,
	/// End after so many rounds in a row without a gain.
	#[arg(long, value_name = "N")]
	pub patience: Option<u32>,
	/// Smallest fall of the held-out loss that is a gain.
	#[arg(long, default_value = "0", value_name = "NATS")]
	pub min_delta: Nats,
}

impl Create {
	/// The specification for this model and base.
	fn spec(&self, model: ModelId, base: VersionId) -> TaskSpec<u128> {
		let Preset {
			cohort,
			rounds,
			steps,
			batch,
			warmup,
			learning_rate,
			beta1,
			beta2,
			epsilon,
			weight_decay,
			clip_norm,
			outer_rate_q16,
			outer_momentum_q16,
			bits,
			exponent,
			reward,
			train_blocks,
			hold_blocks,
			aggregate_blocks,
			challenge_blocks,
			..
		} = *self.preset.numbers();
		let float = |given: Option<f32>, preset| F32Bits::new(given.unwrap_or(preset));
		let steps = self.steps.unwrap_or(steps);
		TaskSpec {
			model,
			base,
			dataset: self.dataset,
			privacy: PrivacyClass::Auditable,
			cohort: self.cohort.unwrap_or(cohort),
			local: LocalTraining {
				steps,
				batch: self.batch.unwrap_or(batch),
				// A preset's warm-up must not outlast fewer steps than it was made for.
				warmup: self.warmup.unwrap_or(warmup.min(steps)),
				learning_rate: float(self.learning_rate, learning_rate),
				beta1: float(self.beta1, beta1),
				beta2: float(self.beta2, beta2),
				epsilon: float(self.epsilon, epsilon),
				weight_decay: float(self.weight_decay, weight_decay),
				clip_norm: float(self.clip, clip_norm),
			},
			outer: Outer {
				learning_rate_q16: self.outer_lr.map_or(outer_rate_q16, |rate| rate.0),
				momentum_q16: self.outer_momentum.map_or(outer_momentum_q16, |mu| mu.0),
			},
			quantiser: Quantiser {
				bits: self.bits.unwrap_or(bits),
				exponent: self.exponent.unwrap_or(exponent),
			},
			deadlines: Deadlines {
				train: self.train_blocks.unwrap_or(train_blocks),
				hold: self.hold_blocks.unwrap_or(hold_blocks),
				aggregate_turn: self.aggregate_blocks.unwrap_or(aggregate_blocks),
				challenge: self.challenge_blocks.unwrap_or(challenge_blocks),
			},
			stop: StopRule {
				max_rounds: self.rounds.unwrap_or(rounds),
				target_loss: self.target_loss.map(|loss| loss.0),
				patience: self.patience,
				min_delta: self.min_delta.0,
			},
			reward: self.reward.map_or(reward, |reward| reward.0),
		}
	}
}

/// What `task create` says.
#[derive(Serialize)]
struct Created {
	task: TaskId,
	model: ModelId,
	base: VersionId,
	pot: Amount,
	#[serde(flatten)]
	transaction: Transaction,
}

/// What `task cancel` says.
#[derive(Serialize)]
struct Cancelled {
	task: TaskId,
	ended: bool,
	#[serde(flatten)]
	transaction: Transaction,
}

/// Runs a command.
///
/// # Errors
/// - what the command says.
pub async fn run(context: &Context, command: Command) -> Result<()> {
	match command {
		Command::Create(options) => create(context, &options).await,
		Command::Show { task } => show_task(context, task).await,
		Command::Watch { task, until_done } => watch::run(context, task, until_done).await,
		Command::List => list(context).await,
		Command::Cancel { task } => cancel(context, task).await,
	}
}

/// A task by its identity.
///
/// # Errors
/// - [`Error::NotFound`], or of the connection.
pub async fn fetch(at: &crate::chain::AtBlock, task: TaskId) -> Result<TaskView> {
	at.runtime_apis()
		.call(api::runtime_apis().training_api().task(task))
		.await
		.map_err(crate::chain::ChainError::from)?
		.map(|task| task.0)
		.ok_or_else(|| Error::NotFound {
			what: "task",
			id: show(&task),
			hint: "`llmchain task list` shows the open ones",
		})
}

/// A round by its number; `None` for a failed one whose record was dropped.
///
/// # Errors
/// - of the connection.
pub async fn fetch_round(
	at: &crate::chain::AtBlock,
	task: TaskId,
	number: u32,
) -> Result<Option<RoundView>> {
	let call = api::runtime_apis().training_api().round(task, number);
	Ok(at
		.runtime_apis()
		.call(call)
		.await
		.map_err(crate::chain::ChainError::from)?
		.map(|round| round.0))
}

async fn create(context: &Context, options: &Create) -> Result<()> {
	use api::llmchain::training::events::TaskCreated;
	let signer = context.signer()?;
	let chain = context.chain().await?;
	let (model, view) = model::find(&chain, &options.model).await?;
	let spec = options.spec(model, view.latest);
	let waiting = context.output.spinner("creating the task");
	let included = chain
		.submit(&signer, &api::tx().training().create_task(Static(spec)))
		.await?;
	waiting.finish_and_clear();
	let event = included
		.events
		.first::<TaskCreated>("Training.TaskCreated")?;
	context.output.result(&Created {
		task: event.task,
		model,
		base: view.latest,
		pot: money(event.pot),
		transaction: included.transaction,
	})
}

async fn show_task(context: &Context, id: TaskId) -> Result<()> {
	let chain = context.chain().await?;
	let best = chain.best().await?;
	let task = fetch(&best, id).await?;
	let mut rounds = Vec::new();
	for number in 1..=task.round {
		rounds.extend(
			fetch_round(&best, id, number)
				.await?
				.as_ref()
				.map(round_json),
		);
	}
	context.output.result(&json!({
		"task": id,
		"publisher": task.publisher,
		"model": task.spec.model,
		"base": task.spec.base,
		"dataset": task.spec.dataset,
		"status": task_status(task.status),
		"round": task.round,
		"settled": task.settled,
		"max_rounds": task.spec.stop.max_rounds,
		"cohort": task.spec.cohort,
		"head": task.head,
		"pot": money(task.pot),
		"reward": money(task.spec.reward),
		"local": local_training_json(&task.spec.local),
		"outer": task.spec.outer,
		"quantiser": task.spec.quantiser,
		"deadlines": task.spec.deadlines,
		"rounds": rounds,
	}))
}

async fn list(context: &Context) -> Result<()> {
	let chain: Chain = context.chain().await?;
	let best = chain.best().await?;
	let open = best
		.runtime_apis()
		.call(api::runtime_apis().training_api().open_tasks())
		.await
		.map_err(crate::chain::ChainError::from)?;
	let mut tasks = Vec::new();
	for id in open {
		let task = fetch(&best, id).await?;
		tasks.push(json!({
			"task": id,
			"model": task.spec.model,
			"round": task.round,
			"settled": task.settled,
			"max_rounds": task.spec.stop.max_rounds,
			"status": task_status(task.status),
		}));
	}
	context.output.result(&json!({ "tasks": tasks }))
}

async fn cancel(context: &Context, task: TaskId) -> Result<()> {
	use api::llmchain::training::events::TaskEnded;
	let signer = context.signer()?;
	let chain = context.chain().await?;
	let included = chain
		.submit(&signer, &api::tx().training().cancel_task(task))
		.await?;
	context.output.result(&Cancelled {
		task,
		ended: !included.events.find::<TaskEnded>()?.is_empty(),
		transaction: included.transaction,
	})
}

#[cfg(test)]
mod tests {
	use super::*;
	use clap::Parser;

	#[derive(Parser)]
	struct Line {
		#[command(flatten)]
		create: Create,
	}

	fn spec(options: &str) -> TaskSpec<u128> {
		let line = format!("x --model m --dataset {} {options}", "01".repeat(32));
		Line::parse_from(line.split_whitespace())
			.create
			.spec(Hash::zero(), Hash::zero())
	}

	#[test]
	fn options_go_before_the_preset() {
		let tang = PresetName::Tang.numbers();
		let given =
			spec("--steps 3 --learning-rate 0.1 --outer-lr 0.5 --reward 2.5 --target-loss 4.2");
		assert_eq!(given.local.steps, 3);
		assert_eq!(given.local.warmup, 3);
		assert_eq!(given.local.batch, tang.batch);
		assert_eq!(given.local.learning_rate, F32Bits(0.1f32.to_bits()));
		assert_eq!(given.outer.learning_rate_q16, 1 << 15);
		assert_eq!(given.reward, 2_500_000_000_000);
		assert_eq!(given.stop.target_loss, Some(4_200_000));
		assert_eq!(given.stop.max_rounds, tang.rounds);
	}
}
