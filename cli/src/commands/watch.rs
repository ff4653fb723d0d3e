//! `llmchain task watch`: a task's rounds as they happen.
//!
//! Acts on state, never on events: after each block it compares what it has told with what the chain says, so a block that was skipped
//! or a late start loses nothing. Follows final blocks unless `--in-block`, so what it told is never taken back.

use crate::{
	chain::Chain,
	commands::task,
	convert::{nats, phase, show, survivors, task_status},
	error::{Error, Result},
	Context,
};
use indicatif::ProgressBar;
use llmchain_primitives::{
	training::{Phase, RoundStatus, RoundView, TaskStatus, TaskView},
	TaskId, VersionId,
};
use serde::Serialize;

/// Something that happened to a task.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum Event {
	/// A round is in another phase.
	Phase {
		/// The round.
		round: u32,
		/// The phase.
		phase: &'static str,
		/// Its first block.
		since: u32,
		/// Last block in which its posts are taken.
		deadline: u32,
		/// Block at which this was seen.
		block: u64,
	},
	/// A round made a version.
	Settled {
		/// The round.
		round: u32,
		/// The version.
		version: VersionId,
		/// Held-out loss, nats per token.
		heldout_loss: f64,
		/// The same in micro-nats, exact.
		heldout_loss_micro_nats: u64,
		/// Members whose updates are in it.
		survivors: usize,
		/// Members.
		members: usize,
		/// Blocks that it took.
		blocks: u32,
		/// Seconds between its first block and its last; unknown where the node has forgotten them.
		seconds: Option<f64>,
		/// Mean training loss of the survivors' first steps, nats per token.
		training_loss_before: Option<f64>,
		/// Mean training loss of the survivors' last steps.
		training_loss_after: Option<f64>,
	},
	/// A round made none.
	Failed {
		/// The round.
		round: u32,
		/// Members whose updates would have been in it; unknown where the record is gone.
		survivors: Option<usize>,
		/// Members.
		members: Option<usize>,
		/// Blocks that it took.
		blocks: Option<u32>,
		/// Seconds.
		seconds: Option<f64>,
	},
	/// The task is over.
	Ended {
		/// How.
		status: &'static str,
		/// Rounds that began.
		rounds: u32,
		/// Rounds that settled.
		settled: u32,
		/// The version that it leads to.
		version: VersionId,
	},
}

/// What was told already.
#[derive(Debug, Default)]
struct Watcher {
	/// Round and phase told last.
	phase: Option<(u32, Phase)>,
	/// Rounds up to this one were told to be over.
	over: u32,
}

impl Watcher {
	/// Skips the rounds that are over when the watch begins.
	fn skip_past(task: &TaskView, current: Option<&RoundView>) -> Self {
		let is_running =
			current.is_some_and(|round| matches!(round.status, RoundStatus::Running { .. }));
		Self {
			phase: None,
			over: task.round.saturating_sub(u32::from(is_running)),
		}
	}

	/// Numbers of the rounds to look at.
	fn wanted(&self, task: &TaskView) -> std::ops::RangeInclusive<u32> {
		self.over.saturating_add(1)..=task.round
	}

	/// What is new in a round; `None` is a failed round whose record is gone. Times are filled in later.
	fn round(&mut self, number: u32, round: Option<&RoundView>, block: u64) -> Option<Event> {
		let Some(round) = round else {
			self.over = number;
			return Some(Event::Failed {
				round: number,
				survivors: None,
				members: None,
				blocks: None,
				seconds: None,
			});
		};
		let blocks = round.ended.map(|ended| ended.saturating_sub(round.began));
		match round.status {
			RoundStatus::Running {
				phase: now,
				since,
				deadline,
			} => {
				let is_new = self.phase != Some((number, now));
				self.phase = Some((number, now));
				is_new.then_some(Event::Phase {
					round: number,
					phase: phase(now),
					since,
					deadline,
					block,
				})
			}
			RoundStatus::Settled { version } => {
				self.over = number;
				let micro = round.claim.map_or(0, |claim| claim.evaluation);
				Some(Event::Settled {
					round: number,
					version,
					heldout_loss: nats(micro),
					heldout_loss_micro_nats: micro,
					survivors: survivors(round),
					members: round.members.len(),
					blocks: blocks.unwrap_or(0),
					seconds: None,
					training_loss_before: mean_loss(round, |update| update.loss_before),
					training_loss_after: mean_loss(round, |update| update.loss_after),
				})
			}
			RoundStatus::Failed => {
				self.over = number;
				Some(Event::Failed {
					round: number,
					survivors: Some(survivors(round)),
					members: Some(round.members.len()),
					blocks,
					seconds: None,
				})
			}
		}
	}
}

fn mean_loss(
	round: &RoundView,
	loss: impl Fn(&llmchain_primitives::training::UpdateReport) -> u64,
) -> Option<f64> {
	let losses: Vec<f64> = round
		.members
		.iter()
		.filter(|member| member.survived)
		.filter_map(|member| member.update.as_ref().map(|update| nats(loss(update))))
		.collect();
	(!losses.is_empty()).then(|| losses.iter().sum::<f64>() / losses.len() as f64)
}

/// Follows a task.
///
/// # Errors
/// - [`Error::Cancelled`] if the publisher ended it, [`Error::NotFound`], or of the connection.
pub async fn run(context: &Context, id: TaskId, until_done: bool) -> Result<()> {
	let chain = context.chain().await?;
	let mut blocks = chain.blocks().await?;
	// A task that was just created may not be final yet, but it must exist.
	task::fetch(&chain.best().await?, id).await?;
	let spinner = context.output.spinner("waiting for a round");
	let mut watcher: Option<Watcher> = until_done.then(Watcher::default);
	let mut table = Table::default();
	while let Some(block) = blocks.next().await {
		let at = block
			.map_err(crate::chain::ChainError::from)?
			.at()
			.await
			.map_err(crate::chain::ChainError::from)?;
		let task = match task::fetch(&at, id).await {
			Err(Error::NotFound { .. }) => continue,
			task => task?,
		};
		if watcher.is_none() {
			let current = task::fetch_round(&at, id, task.round).await?;
			watcher = Some(Watcher::skip_past(&task, current.as_ref()));
		}
		let Some(watcher) = watcher.as_mut() else {
			continue;
		};
		let mut is_round_over = false;
		for number in watcher.wanted(&task) {
			let round = task::fetch_round(&at, id, number).await?;
			let Some(mut event) = watcher.round(number, round.as_ref(), at.block_number()) else {
				continue;
			};
			if let Some(round) = &round {
				set_seconds(&mut event, seconds(&chain, round).await?);
			}
			is_round_over |= !matches!(event, Event::Phase { .. });
			tell(context, &spinner, &task, &event, &mut table)?;
		}
		if task.status != TaskStatus::Open {
			spinner.finish_and_clear();
			return end(context, id, &task);
		}
		if is_round_over && !until_done {
			spinner.finish_and_clear();
			return Ok(());
		}
	}
	Err(Error::NoMoreBlocks)
}

fn end(context: &Context, id: TaskId, task: &TaskView) -> Result<()> {
	context.output.line(&Event::Ended {
		status: task_status(task.status),
		rounds: task.round,
		settled: task.settled,
		version: task.head,
	})?;
	context.output.note(&format!(
		"task {}: {} of {} rounds settled, version {}",
		task_status(task.status),
		task.settled,
		task.spec.stop.max_rounds,
		show(&task.head)
	));
	if task.status == TaskStatus::Cancelled {
		return Err(Error::Cancelled {
			task: show(&id),
			settled: task.settled,
		});
	}
	Ok(())
}

fn tell(
	context: &Context,
	spinner: &ProgressBar,
	task: &TaskView,
	event: &Event,
	table: &mut Table,
) -> Result<()> {
	context.output.line(event)?;
	let of = task.spec.stop.max_rounds;
	match event {
		Event::Phase {
			round,
			phase,
			deadline,
			..
		} => spinner.set_message(format!(
			"round {round}: {phase} until block {deadline} at most ({} of {of} settled)",
			task.settled
		)),
		other => {
			if let Some(line) = table.add(other) {
				spinner.suspend(|| context.output.note(&line));
			}
		}
	}
	Ok(())
}

/// Seconds between a round's first block and its last.
async fn seconds(chain: &Chain, round: &RoundView) -> Result<Option<f64>> {
	let Some(ended) = round.ended else {
		return Ok(None);
	};
	let mut times = [None, None];
	for (time, number) in times.iter_mut().zip([round.began, ended]) {
		if let Some(hash) = chain.block_hash(number).await? {
			*time = chain.timestamp(hash).await?;
		}
	}
	let [began, ended] = times;
	Ok(began
		.zip(ended)
		.map(|(began, ended)| ended.saturating_sub(began) as f64 / 1000.0))
}

fn set_seconds(event: &mut Event, value: Option<f64>) {
	if let Event::Settled { seconds, .. } | Event::Failed { seconds, .. } = event {
		*seconds = value;
	}
}

/// Rounds for people: a line each, below one heading.
#[derive(Debug, Default)]
struct Table {
	has_heading: bool,
}

impl Table {
	/// The lines that tell of an event, if it ends a round.
	fn add(&mut self, event: &Event) -> Option<String> {
		let time = |seconds: Option<f64>| {
			seconds.map_or("-".to_owned(), |seconds| format!("{seconds:.1}"))
		};
		let line = match event {
			Event::Settled {
				round,
				heldout_loss,
				survivors,
				members,
				seconds,
				..
			} => format!(
				"{round:>5}  {heldout_loss:>13.4}  {:>9}  {:>7}",
				format!("{survivors}/{members}"),
				time(*seconds)
			),
			Event::Failed { round, seconds, .. } => {
				format!(
					"{round:>5}  {:>13}  {:>9}  {:>7}",
					"failed",
					"-",
					time(*seconds)
				)
			}
			Event::Phase { .. } | Event::Ended { .. } => return None,
		};
		let heading = "round  held-out loss  survivors  seconds\n";
		let above = if self.has_heading { "" } else { heading };
		self.has_heading = true;
		Some(format!("{above}{line}"))
	}
}

#[cfg(test)]
mod tests;
