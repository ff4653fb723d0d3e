//! What goes wrong on real nodes: a trainer killed in the middle of training, and a chain flooded with paid transactions.

use anyhow::{bail, ensure, Context, Result};
use e2e::{
	cli::{list, number, text, Cli},
	line::{jobs, rounds::is_training, Line},
	node::Node,
	polkadot_js::PolkadotJs,
	screen::Screen,
	small,
	wait::{until, Probe},
};
use serde_json::{json, Value};
use std::{
	sync::mpsc::{channel, Receiver},
	thread,
	time::Duration,
};

/// The node that is killed.
const VICTIM: usize = 3;
/// Round in which it is killed.
const KILLED: u64 = 1;
/// Round in which the chain is flooded.
const FLOODED: u64 = 2;
/// Wall time of training after which the victim has saved its state at least once (it does so every 10 s).
const SAVED: f64 = 11.0;
/// Blocks by which the other phases of a flooded round may take longer than those of a quiet one: the machine has more to do.
const SLACK: u64 = 6;
/// Time for anything.
const LIMIT: Duration = Duration::from_secs(300);

#[test]
#[ignore = "slow: kills, resumes and floods a network; not yet seen green on a busy machine"]
fn e2e_faults_delay_and_lose_nothing() -> Result<()> {
	let scripts = PolkadotJs::install()?;
	let folder = tempfile::tempdir()?;
	let mut settings = small::settings(folder.path(), 2)?;
	settings.outsider_after = None;
	// Long enough to be killed in the middle.
	settings.task = small::words("--steps 3000 --batch 16 --warmup 10 --train-blocks 120");
	let mut line = Line::start(settings, Screen::lines())?;
	let task = line.prepare()?.task;
	let events = follow(line.cli(), &task);
	a_killed_trainer_resumes(&mut line, &task)?;
	let rounds = collect(&events, &scripts, &line)?;

	let [killed, flooded] = rounds.as_slice() else {
		bail!("{} rounds settled", rounds.len());
	};
	assert_eq!(
		(killed.survivors, flooded.survivors),
		(4, 4),
		"the killed trainer is among the survivors"
	);
	// When all have trained, the first round is as quiet as any.
	ensure!(
		flooded.after_training <= killed.after_training + SLACK,
		"after training a flooded round took {} blocks, a quiet one {}",
		flooded.after_training,
		killed.after_training
	);
	Ok(())
}

/// Kills a node once its training has saved its state, starts it again, and sees that the training goes on.
fn a_killed_trainer_resumes(line: &mut Line, task: &str) -> Result<()> {
	let before = until("the victim to be in the middle of training", LIMIT, || {
		let job = training(line.network.node(VICTIM)?, task)?;
		let (done, total) = (number(&job, "done")?, number(&job, "total")?);
		Ok(match job["seconds"].as_f64() {
			Some(seconds) if seconds >= SAVED && done < total => Probe::Ready(done),
			_ if done > 0 && done == total => {
				Probe::Never(format!("it has trained all {total} steps already"))
			}
			seconds => Probe::NotYet(format!("{done} of {total} steps in {seconds:?} s")),
		})
	})?;
	let victim = line.network.node_mut(VICTIM)?;
	victim.kill();
	ensure!(!victim.is_running(), "it survived");
	victim.restart()?;
	victim.wait_ready()?;
	until("the training to go on", LIMIT, || {
		let job = training(line.network.node(VICTIM)?, task)?;
		let done = number(&job, "done")?;
		Ok(if done == 0 {
			Probe::NotYet(job.to_string())
		} else {
			Probe::Ready(())
		})
	})?;
	let job = until("the training to end", LIMIT, || {
		let job = training(line.network.node(VICTIM)?, task)?;
		Ok(if job["state"].get("Done").is_some() {
			Probe::Ready(job)
		} else {
			Probe::NotYet(job.to_string())
		})
	})?;
	// Time is counted over the restart, so it holds what was done before.
	ensure!(
		job["seconds"].as_f64() >= Some(SAVED) && number(&job, "done")? > before,
		"it began anew: {job}"
	);
	Ok(())
}

fn training(node: &Node, task: &str) -> Result<Value> {
	jobs(node)?
		.into_iter()
		.find(|job| is_training(job, task, KILLED))
		.context("no training of this round yet")
}

/// What is compared of a settled round.
#[derive(Debug)]
struct Settled {
	survivors: u64,
	/// Blocks from the end of training to the end of the round.
	after_training: u64,
}

/// Events of the task, as they come.
fn follow(cli: Cli, task: &str) -> Receiver<Result<Value>> {
	let (sender, receiver) = channel();
	let task = task.to_owned();
	thread::spawn(move || {
		let outcome = cli.follow(&["task", "watch", &task, "--until-done"], |event| {
			sender.send(Ok(event)).context("nobody listens")
		});
		if let Err(error) = outcome {
			// Nobody listens any more where this fails.
			let _ = sender.send(Err(error));
		}
	});
	receiver
}

/// Reads events to the end of the task, and floods the chain while its round lasts.
fn collect(
	events: &Receiver<Result<Value>>,
	scripts: &PolkadotJs,
	line: &Line,
) -> Result<Vec<Settled>> {
	let node = line.network.first()?;
	let mut settled = Vec::new();
	let mut training_ended = 0;
	let mut flood = None;
	for event in events {
		let event = event?;
		eprintln!("{event}");
		let round = event["round"].as_u64().unwrap_or_default();
		match text(&event, "event")? {
			"phase" if event["phase"] == "train" && round == FLOODED => {
				flood = Some(scripts.start("flood.mjs", &[&node.url(), "600", "600"])?);
				until("the flood to fill the pool", LIMIT, || {
					Ok(match pending(node)? {
						0 => Probe::NotYet("the pool is empty".into()),
						count => Probe::Ready(count),
					})
				})?;
			}
			"phase" if event["phase"] == "hold" => training_ended = number(&event, "since")?,
			"settled" => {
				if round == FLOODED {
					ensure!(pending(node)? > 0, "the flood ended before the round did");
				}
				settled.push(after(line, &event, round, training_ended)?);
				eprintln!("{:?}", settled.last());
			}
			"failed" => bail!("round {round} failed: {event}"),
			_ => {}
		}
	}
	if let Some(mut flood) = flood {
		// It may have ended by itself.
		let _ = flood.kill();
		flood.wait()?;
	}
	Ok(settled)
}

fn after(line: &Line, event: &Value, round: u64, training_ended: u64) -> Result<Settled> {
	let task = line.summary.task.as_ref().context("no task")?;
	let shown = line.cli().run(&["task", "show", text(task, "task")?])?;
	let record = list(&shown, "rounds")
		.iter()
		.find(|record| record["round"].as_u64() == Some(round))
		.context("the round is not among those of the task")?;
	Ok(Settled {
		survivors: number(event, "survivors")?,
		after_training: number(record, "ended")?.saturating_sub(training_ended),
	})
}

/// Transactions that wait in a node's pool.
fn pending(node: &Node) -> Result<usize> {
	let pending = node.rpc().call("author_pendingExtrinsics", json!([]))?;
	Ok(pending.as_array().map_or(0, Vec::len))
}
