//! The whole line on real nodes with small numbers, and what the chain refuses along it.

use anyhow::{ensure, Context, Result};
use e2e::{
	cli::{error_name, list, text, Cli},
	line::{money::units, Line, ARTIST, BUYER, PUBLISHER},
	screen::Screen,
	small, summary,
};
use serde_json::Value;
use std::fs;

const ROUNDS: u32 = 2;

#[test]
fn e2e_the_whole_line() -> Result<()> {
	let folder = tempfile::tempdir()?;
	let mut line = Line::start(small::settings(folder.path(), ROUNDS)?, Screen::lines())?;
	line.run()?;
	the_summary_holds_what_was_seen(&line)?;
	money_went_where_it_should(&line)?;
	bad_calls_are_refused_by_name(&line)?;
	a_receipt_that_was_changed_is_found_out(&line)
}

fn the_summary_holds_what_was_seen(line: &Line) -> Result<()> {
	let path = summary::path(line.run_dir());
	let written: Value = serde_json::from_str(&fs::read_to_string(path)?)?;
	assert_eq!(written, serde_json::to_value(&line.summary)?);
	let rounds = list(&written, "rounds");
	assert_eq!(rounds.len(), ROUNDS as usize);
	for (round, number) in rounds.iter().zip(1u64..) {
		assert_eq!(round["number"], number);
		assert_eq!(round["survivors"], 4, "{round}");
		for figure in [
			"heldout_loss",
			"tokens_per_s",
			"seconds",
			"training_seconds",
		] {
			assert!(
				round[figure].as_f64().is_some_and(|value| value > 0.0),
				"{round}"
			);
		}
		assert!(
			round["training_seconds"].as_f64() <= round["seconds"].as_f64(),
			"{round}"
		);
	}
	assert_eq!(
		written["version"],
		rounds.last().context("no rounds")?["version"]
	);
	assert_eq!(written["late_joiner_verified"], true);
	assert_eq!(written["verification"]["rounds"], ROUNDS);
	assert_eq!(written["verification"]["updates"], ROUNDS * 4);
	assert_eq!(written["generation"]["replayed"], true);
	assert_eq!(written["generation"]["replayed_by"], "eve");
	assert_eq!(written["fifth_validator_authored"], true);
	assert_eq!(list(&written["work"], "provenance").len(), 3);
	assert!(written.get("error").is_none());
	Ok(())
}

/// A sale leaves buyer, contributors and artist with exactly what it says; rewards share the pot by weight.
fn money_went_where_it_should(line: &Line) -> Result<()> {
	let work = line.summary.work.as_ref().context("no work")?;
	let sale = work.sale.as_ref().context("no sale")?;
	let (price, flow_back) = (
		units(text(sale, "price")?)?,
		units(text(sale, "flow_back")?)?,
	);
	ensure!(flow_back * 10 == price, "a tenth flows back: {sale}");
	let mut parts = 0;
	for contributor in list(sale, "contributors") {
		parts += units(text(contributor, "amount")?)?;
	}
	assert_eq!(parts, flow_back);
	assert_eq!(list(sale, "contributors").len(), 4);

	let rewards = line.summary.rewards.iter();
	let rewards = rewards
		.map(|reward| units(&reward.amount))
		.collect::<Result<Vec<u128>>>()?;
	// Four trainers of one weight.
	assert!(rewards
		.iter()
		.all(|reward| *reward > 0 && *reward == rewards[0]));
	let task = line.cli().run(&["task", "show", task(line)?])?;
	assert_eq!(task["status"], "completed");
	assert_eq!(units(text(&task, "pot")?)?, 0);
	let pot = units(text(line.summary.task.as_ref().context("no task")?, "pot")?)?;
	assert_eq!(rewards.iter().sum::<u128>(), pot);
	Ok(())
}

fn bad_calls_are_refused_by_name(line: &Line) -> Result<()> {
	let work = line.summary.work.as_ref().context("no work")?;
	let (artist, buyer, publisher) = (
		line.cli().by(ARTIST),
		line.cli().by(BUYER),
		line.cli().by(PUBLISHER),
	);
	let run = |name: &str| line.run_dir().join(name).display().to_string();
	let (poem, receipt) = (run("poem.txt"), run("receipt.json"));
	let empty = run("broken.txt");
	fs::write(&empty, [0xe6, 0x98])?;
	let model = text(line.summary.model.as_ref().context("no model")?, "model")?;
	let dataset = text(
		line.summary.dataset.as_ref().context("no dataset")?,
		"dataset",
	)?;
	let nobody = format!("0x{}", "11".repeat(32));

	let again = [
		"work",
		"register",
		&poem,
		"--title",
		"again",
		"--receipt",
		&receipt,
	];
	refused(&artist, &again, "Artworks.AlreadyRegistered");
	let thief = [
		"work",
		"register",
		&poem,
		"--title",
		"mine",
		"--disclosure",
		"human",
	];
	refused(&buyer, &thief, "Artworks.AlreadyRegistered");
	let buy = ["work", "buy", &work.id, "--max-price", "25"];
	refused(&artist, &buy, "Artworks.NotForSale");
	let list = ["work", "list", &work.id, "--price", "1"];
	refused(&artist, &list, "Artworks.NotTheOwner");
	// Asked of the program or of the chain: a name in either case, and never a panic.
	failed(
		&artist,
		&[
			"work",
			"register",
			&empty,
			"--title",
			"broken",
			"--disclosure",
			"human",
		],
	);
	failed(
		&artist,
		&["generate", "--version", &nobody, "--prompt", "x"],
	);
	failed(
		&publisher,
		&["task", "create", "--model", &nobody, "--dataset", dataset],
	);
	failed(
		&publisher,
		&["task", "create", "--model", model, "--dataset", &nobody],
	);
	let overflow = [
		"task",
		"create",
		"--model",
		model,
		"--dataset",
		dataset,
		"--bits",
		"16",
	];
	failed(&publisher, &overflow);
	failed(
		&publisher,
		&[
			"dataset",
			"publish",
			&empty,
			"--title",
			"t",
			"--licence",
			"MIT",
			"--source",
			"s",
		],
	);
	Ok(())
}

fn refused(cli: &Cli, arguments: &[&str], name: &str) {
	let error = cli.run(arguments).expect_err(name);
	assert_eq!(error_name(&error), Some(name), "{error}");
}

/// It fails with a message for people.
fn failed(cli: &Cli, arguments: &[&str]) {
	let error = cli.run(arguments).expect_err(&arguments.join(" "));
	let message = error.to_string();
	assert!(
		!message.contains("panicked") && message.len() > 40,
		"{message}"
	);
}

fn a_receipt_that_was_changed_is_found_out(line: &Line) -> Result<()> {
	let path = line.run_dir().join("receipt.json");
	let mut receipt: Value = serde_json::from_str(&fs::read_to_string(&path)?)?;
	receipt["generation"]["prompt"] = "秋".into();
	let changed = line.run_dir().join("changed.json");
	fs::write(&changed, receipt.to_string())?;
	let changed = changed.display().to_string();
	let error = line.cli().run(&["verify", "generation", &changed]);
	assert!(error.is_err(), "{error:?}");
	Ok(())
}

fn task(line: &Line) -> Result<&str> {
	text(line.summary.task.as_ref().context("no task")?, "task")
}
