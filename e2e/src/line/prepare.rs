//! Before the first round: trainers register while the text is archived; then the model, and the task.
//!
//! Must not know: what the text is.

use super::{arguments, Line, PUBLISHER, TRAINERS};
use crate::cli::{text, Cli};
use anyhow::{anyhow, Result};
use serde_json::Value;
use std::thread;

/// What the rounds need to know.
#[derive(Clone, Debug)]
pub struct Prepared {
	/// The task.
	pub task: String,
	/// What each trainer's account held once it had registered.
	pub balances: Vec<String>,
}

impl Line {
	/// Registers trainers, publishes the dataset, creates model and task.
	///
	/// # Errors
	///
	/// A command fails.
	pub fn prepare(&mut self) -> Result<Prepared> {
		let cli = self.cli();
		let publisher = cli.by(PUBLISHER);
		let balances = self.step("trainers register, the dataset is archived", |line, _| {
			let publish = arguments(&["dataset", "publish"], &line.settings.dataset);
			let (trainers, dataset) = thread::scope(|scope| {
				let registrations = TRAINERS.map(|suri| {
					let cli = cli.by(suri);
					scope.spawn(move || register(&cli))
				});
				let dataset = publisher.run(&publish);
				let registrations = registrations.map(|registration| {
					registration
						.join()
						.unwrap_or_else(|_| Err(anyhow!("a registration broke off")))
				});
				(registrations, dataset)
			});
			line.summary.dataset = Some(dataset?);
			let mut balances = Vec::new();
			for trainer in trainers {
				let (account, balance) = trainer?;
				line.summary.trainers.push(account);
				balances.push(balance);
			}
			Ok(balances)
		})?;

		let task = self.step("model and task are created", |line, _| {
			let dataset = field(&line.summary.dataset, "dataset")?;
			let name = line.settings.corpus.clone();
			let create = ["model", "create", "--name", &name, "--dataset", &dataset];
			let model = publisher.run(&arguments(&create, &line.settings.model))?;
			let id = text(&model, "model")?.to_owned();
			line.summary.model = Some(model);
			let rounds = line.settings.rounds.to_string();
			let create = [
				"task",
				"create",
				"--model",
				&id,
				"--dataset",
				&dataset,
				"--rounds",
				&rounds,
			];
			let task = publisher.run(&arguments(&create, &line.settings.task))?;
			let id = text(&task, "task")?.to_owned();
			line.summary.task = Some(task);
			Ok(id)
		})?;
		Ok(Prepared { task, balances })
	}
}

/// Registers the signer; its account and what that holds now.
fn register(cli: &Cli) -> Result<(String, String)> {
	let registered = cli.run(&["trainer", "register"])?;
	let account = text(&registered, "trainer")?.to_owned();
	let balance = cli.run(&["account", "balance", &account])?;
	Ok((account, text(&balance, "total")?.to_owned()))
}

/// A text of something that an earlier step found.
pub(super) fn field(found: &Option<Value>, name: &str) -> Result<String> {
	let document = found
		.as_ref()
		.ok_or_else(|| anyhow!("no step has found {name} yet"))?;
	text(document, name).map(ToOwned::to_owned)
}
