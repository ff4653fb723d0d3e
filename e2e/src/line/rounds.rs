//! The rounds of the task: watched on the chain, with each trainer's progress from its own node.
//!
//! Must not know: phases beyond their names. Throughput and training time are the trainers' own figures (`llm_jobs`), everything else
//! is the chain's.

use super::{jobs, money, outsider::Outsider, prepare::Prepared, rounded, Line};
use crate::{
	cli::{list, number, real, text, Cli},
	node::Node,
	screen::{Bar, Screen},
	summary::{Reward, Round, Slots},
	wait,
};
use anyhow::{anyhow, ensure, Context, Result};
use serde_json::Value;
use std::{
	sync::atomic::{AtomicBool, Ordering},
	thread,
	time::Duration,
};

/// Time between two looks at the trainers' progress.
const LOOK: Duration = Duration::from_millis(500);

impl Line {
	/// Follows the task to its end.
	///
	/// # Errors
	///
	/// The task does not complete, or the outsider that joins meanwhile fails.
	pub fn rounds(&mut self, prepared: &Prepared) -> Result<()> {
		let rounds = self.settings.rounds;
		let title = format!("{rounds} rounds of four trainers");
		self.step(&title, |line, bar| {
			let mut outsider = line.expect_outsider()?;
			let watched = line.watch(&prepared.task, bar, outsider.as_mut());
			// Also where the watch failed: its log is worth keeping, and it is to stop with the others.
			if let Some(node) = outsider.and_then(Outsider::into_node) {
				line.network.adopt(node);
				line.note_endpoints()?;
			}
			watched?;
			let task = line.cli().run(&["task", "show", &prepared.task])?;
			line.summary.slots = Some(slots(line.network.first()?, &task)?);
			line.summary.version = Some(text(&task, "head")?.to_owned());
			line.summary.rewards = rewards(&line.cli(), &line.summary.trainers, prepared)?;
			Ok(())
		})
	}

	fn watch(&mut self, task: &str, bar: &Bar, mut outsider: Option<&mut Outsider>) -> Result<()> {
		let screen = self.screen.clone();
		let cli = self.cli();
		let Self {
			network,
			summary,
			settings,
			..
		} = self;
		let nodes = network.nodes();
		let path = crate::summary::path(&settings.run_dir);
		let is_over = AtomicBool::new(false);
		let mut failed = 0;
		thread::scope(|scope| {
			let mut joined = None;
			scope.spawn(|| show_progress(&screen, nodes, task, &is_over));
			let outcome = cli.follow(&["task", "watch", task, "--until-done"], |event| {
				match text(&event, "event")? {
					"phase" => bar.message(format!(
						"round {} of {}: {}",
						number(&event, "round")?,
						settings.rounds,
						text(&event, "phase")?
					)),
					"settled" => {
						let round = settled(&cli, nodes, task, &event)?;
						screen.say(&row(&round));
						if let Some(newcomer) = outsider
							.as_mut()
							.filter(|newcomer| newcomer.joins_after(round.number))
						{
							joined = Some(newcomer.join(scope, &screen, &round.version)?);
						}
						summary.rounds.push(round);
						summary.write(&path)?;
					}
					"failed" => {
						failed += 1;
						screen.say(&format!(
							"  round {} failed and is repeated",
							number(&event, "round")?
						));
						summary.failed_rounds = Some(failed);
					}
					"ended" => ensure!(
						text(&event, "status")? == "completed",
						"the task ended: {event}"
					),
					_ => {}
				}
				Ok(())
			});
			is_over.store(true, Ordering::Relaxed);
			outcome?;
			if let Some(joined) = joined {
				let step = joined
					.join()
					.unwrap_or_else(|_| Err(anyhow!("the outsider's thread broke off")))?;
				summary.steps.push(step);
			}
			Ok::<(), anyhow::Error>(())
		})?;
		ensure!(
			summary.rounds.len() == usize::try_from(settings.rounds)?,
			"{} of {} rounds settled",
			summary.rounds.len(),
			settings.rounds
		);
		Ok(())
	}
}

/// A settled round, from the chain's word and the trainers'.
fn settled(cli: &Cli, nodes: &[Node], task: &str, event: &Value) -> Result<Round> {
	let number_of = number(event, "round")?;
	let shown = cli.run(&["task", "show", task])?;
	let record = list(&shown, "rounds")
		.iter()
		.find(|round| round["round"].as_u64() == Some(number_of))
		.with_context(|| format!("round {number_of} is not among those of the task"))?;
	let mut tokens_per_s = 0.0;
	let mut training_seconds = 0.0f64;
	for node in nodes {
		for job in jobs(node)? {
			if is_training(&job, task, number_of) {
				tokens_per_s += real(&job, "tokens_per_second")?;
				training_seconds = training_seconds.max(real(&job, "seconds")?);
			}
		}
	}
	Ok(Round {
		number: number_of,
		version: text(event, "version")?.to_owned(),
		heldout_loss: rounded(real(event, "heldout_loss")?, 6),
		tokens_per_s: rounded(tokens_per_s, 1),
		seconds: rounded(real(event, "seconds")?, 3),
		training_seconds: rounded(training_seconds, 3),
		survivors: number(event, "survivors")?,
		members: number(event, "members")?,
		began: number(record, "began")?,
		ended: number(record, "ended")?,
	})
}

/// Whether a job of `llm_jobs` is the training of that round.
pub fn is_training(job: &Value, task: &str, round: u64) -> bool {
	let key = &job["key"];
	let same_task = key["task"]
		.as_str()
		.is_some_and(|found| found.trim_start_matches("0x") == task.trim_start_matches("0x"));
	same_task && key["phase"] == "Train" && key["round"].as_u64() == Some(round)
}

/// One line of the results, as it is shown when a round settles and on the last screen.
pub fn row(round: &Round) -> String {
	format!(
		"  round {:>2}   held-out loss {:.4} nats/token   {:>6.0} tokens/s   {:>5.1} s, {:>5.1} s of it training   {} of {} updates",
		round.number,
		round.heldout_loss,
		round.tokens_per_s,
		round.seconds,
		round.training_seconds,
		round.survivors,
		round.members,
	)
}

/// Slots that passed from the first round's first block to the last round's last, and blocks in them.
fn slots(node: &Node, task: &Value) -> Result<Slots> {
	let rounds = list(task, "rounds");
	let began = rounds.iter().filter_map(|round| round["began"].as_u64());
	let ended = rounds.iter().filter_map(|round| round["ended"].as_u64());
	let began = u32::try_from(began.min().context("no round began")?)?;
	let ended = u32::try_from(ended.max().context("no round ended")?)?;
	let chain = node.chain();
	Ok(Slots {
		expected: chain
			.seal(ended)?
			.slot
			.saturating_sub(chain.seal(began)?.slot),
		produced: ended.saturating_sub(began).into(),
	})
}

/// What each trainer gained since it registered.
fn rewards(cli: &Cli, trainers: &[String], prepared: &Prepared) -> Result<Vec<Reward>> {
	let mut rewards = Vec::new();
	for (account, before) in trainers.iter().zip(&prepared.balances) {
		let now = cli.run(&["account", "balance", account])?;
		let gain = money::units(text(&now, "total")?)?.saturating_sub(money::units(before)?);
		rewards.push(Reward {
			account: account.clone(),
			amount: money::amount(gain),
		});
	}
	Ok(rewards)
}

/// Shows what each trainer does until the task is over.
fn show_progress(screen: &Screen, nodes: &[Node], task: &str, is_over: &AtomicBool) {
	let bars: Vec<Bar> = nodes
		.iter()
		.map(|node| screen.trainer(node.name()))
		.collect();
	while !is_over.load(Ordering::Relaxed) && !wait::is_interrupted() {
		for (node, bar) in nodes.iter().zip(&bars) {
			// A node that does not answer now is asked again.
			let Ok(found) = jobs(node) else { continue };
			let latest = found.iter().rfind(|job| {
				job["key"]["round"]
					.as_u64()
					.is_some_and(|round| is_training(job, task, round))
			});
			if let Some(job) = latest {
				bar.set(
					job["done"].as_u64().unwrap_or_default(),
					job["total"].as_u64().unwrap_or_default(),
					format!(
						"steps of round {}, {:.0} tokens/s",
						job["key"]["round"],
						job["tokens_per_second"].as_f64().unwrap_or_default()
					),
				);
			}
		}
		thread::sleep(LOOK);
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use serde_json::json;

	#[test]
	fn trainings_are_told_from_other_jobs() {
		let job = |phase: &str, task: &str| json!({ "key": { "task": task, "round": 2, "phase": phase } });
		assert!(is_training(&job("Train", "ab"), "0xab", 2));
		assert!(!is_training(&job("Hold", "ab"), "0xab", 2));
		assert!(!is_training(&job("Train", "cd"), "0xab", 2));
		assert!(!is_training(&job("Train", "ab"), "0xab", 3));
	}
}
