//! What people type: global options and the tree of commands.
//!
//! Must not know: what a command does. Each group's commands and options stand beside their code in `commands`.

use crate::{
	commands::{account, chain, dataset, generate, model, task, trainer, validator, verify, work},
	keys::KeySource,
};
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// Train language models together, and register, sell and verify what they make.
#[derive(Debug, Parser)]
#[command(
	name = "llmchain",
	version,
	propagate_version = true,
	max_term_width = 100
)]
pub struct Cli {
	/// Options of every command.
	#[command(flatten)]
	pub global: Global,
	/// What to do.
	#[command(subcommand)]
	pub command: Command,
}

/// Options of every command.
#[derive(Args, Debug)]
pub struct Global {
	/// Node to talk to; it is trusted for the state of the chain.
	#[arg(
		long,
		global = true,
		env = "LLMCHAIN_URL",
		default_value = "ws://127.0.0.1:9944",
		value_name = "URL"
	)]
	pub url: String,
	/// Secret of the signer: //Alice and the like on development chains only, since others on this machine can see it.
	#[arg(
		long,
		global = true,
		env = "LLMCHAIN_SURI",
		hide_env_values = true,
		value_name = "SURI"
	)]
	pub suri: Option<String>,
	/// Account of the signer, exported from Polkadot.js as JSON; goes before --suri.
	#[arg(long, global = true, value_name = "FILE.json")]
	pub key: Option<PathBuf>,
	/// File with the password of --key; else it is asked for.
	#[arg(long, global = true, value_name = "FILE")]
	pub password_file: Option<PathBuf>,
	/// Write the result as one JSON document (`task watch`: one object a line).
	#[arg(long, global = true)]
	pub json: bool,
	/// Count a transaction as done once it is in a block, without waiting until that is final.
	#[arg(long, global = true)]
	pub in_block: bool,
}

impl Global {
	/// Where the signer's key is.
	pub fn key_source(&self) -> KeySource {
		KeySource {
			suri: self.suri.clone(),
			file: self.key.clone(),
			password_file: self.password_file.clone(),
		}
	}
}

/// Groups of commands.
#[derive(Debug, Subcommand)]
pub enum Command {
	/// Publish text to train on.
	#[command(subcommand)]
	Dataset(dataset::Command),
	/// Create models and look at their versions.
	#[command(subcommand)]
	Model(model::Command),
	/// Have a model trained, and watch it.
	#[command(subcommand)]
	Task(task::Command),
	/// Take part in training.
	#[command(subcommand)]
	Trainer(trainer::Command),
	/// Make blocks, or back who does.
	#[command(subcommand)]
	Validator(validator::Command),
	/// Have a model write, with a receipt.
	Generate(generate::Options),
	/// Register, sell and buy works.
	#[command(subcommand)]
	Work(work::Command),
	/// Re-run what others claim.
	#[command(subcommand)]
	Verify(verify::Command),
	/// Look at accounts and send money.
	#[command(subcommand)]
	Account(account::Command),
	/// Look at the node and its blocks.
	#[command(subcommand)]
	Chain(chain::Command),
}

#[cfg(test)]
mod tests {
	use super::*;
	use clap::{error::ErrorKind, CommandFactory};

	fn parse(line: &str) -> Result<Cli, clap::Error> {
		Cli::try_parse_from(std::iter::once("llmchain").chain(line.split_whitespace()))
	}

	const ID: &str = "0x0101010101010101010101010101010101010101010101010101010101010101";

	#[test]
	fn the_tree_is_sound_and_every_option_documented() {
		Cli::command().debug_assert();
		fn documented(command: &clap::Command) {
			assert!(
				command.get_about().is_some() || command.get_name() == "help",
				"{}",
				command.get_name()
			);
			for argument in command.get_arguments() {
				assert!(
					argument.get_help().is_some(),
					"{} {}",
					command.get_name(),
					argument.get_id()
				);
			}
			command.get_subcommands().for_each(documented);
		}
		documented(&Cli::command());
	}

	#[test]
	fn what_the_guides_type_is_understood() {
		for line in [
			"dataset publish --corpus tang",
			"dataset publish a.txt b.txt --title T --licence CC0-1.0 --source mine",
			"--url ws://node:9945 --suri //Alice --json model create --name tang --dataset ID",
			"model create --name tang --dataset ID --preset shakespeare --layers 3 --seed ID",
			"model show tang",
			"task create --model ID --dataset ID --rounds 5 --steps 8 --learning-rate 3e-3 --outer-lr 0.7 --reward 12.5",
			"task watch ID --until-done --json",
			"trainer register --capacity 2 --trainer-key //Alice --in-block",
			"validator bond 1000 --rewards stash",
			"validator validate --commission 5",
			"validator nominate //Bob //Charlie",
			"generate --version ID --prompt 床前 --temperature 0 --out a.txt --receipt r.json",
			"work register a.txt --title T --receipt r.json",
			"work buy ID --max-price 12",
			"verify version ID --evaluate",
			"verify generation r.json",
			"account fund //Bob 5",
		] {
			let line = line.replace("ID", ID);
			assert!(parse(&line).is_ok(), "{line}: {:?}", parse(&line).err());
		}
	}

	#[test]
	fn wrong_usage_is_refused() {
		for (line, kind) in [
			("dataset publish", ErrorKind::MissingRequiredArgument),
			(
				"dataset publish --corpus tang a.txt",
				ErrorKind::ArgumentConflict,
			),
			(
				"dataset publish a.txt --title T",
				ErrorKind::MissingRequiredArgument,
			),
			("generate --prompt x", ErrorKind::MissingRequiredArgument),
			("task show 0x12", ErrorKind::ValueValidation),
			("work list ID --price 1e3", ErrorKind::ValueValidation),
			("work register a.txt", ErrorKind::MissingRequiredArgument),
			(
				"validator validate --commission 101",
				ErrorKind::ValueValidation,
			),
			("account fund nobody 5", ErrorKind::ValueValidation),
			("fly", ErrorKind::InvalidSubcommand),
		] {
			let line = line.replace("ID", ID);
			let error = parse(&line).expect_err(&line);
			assert_eq!(error.kind(), kind, "{line}: {error}");
			assert_eq!(error.exit_code(), 2);
		}
	}

	#[test]
	fn numbers_arrive_exactly() {
		let line =
			format!("task create --model m --dataset {ID} --learning-rate 0.002 --outer-lr 0.7");
		let Command::Task(task::Command::Create(options)) = parse(&line).unwrap().command else {
			panic!("another command");
		};
		assert_eq!(options.learning_rate, Some(0.002));
		assert_eq!(options.outer_lr.map(|rate| rate.0), Some(45_875));
	}
}
