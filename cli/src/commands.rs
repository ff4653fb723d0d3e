//! The commands, one file a group.
//!
//! Must not know: how transactions are sent or results shown. Reading order is that of the main job: [`dataset`], [`model`],
//! [`task`], [`watch`], [`trainer`], [`validator`], [`generate`], [`work`], [`verify`], [`account`], [`chain`].

pub mod account;
pub mod archive;
pub mod chain;
pub mod dataset;
pub mod generate;
pub mod model;
pub mod task;
pub mod trainer;
pub mod validator;
pub mod verify;
pub mod watch;
pub mod work;

use crate::{args::Command, error::Result, Context};
use std::path::PathBuf;

/// Runs a command.
///
/// # Errors
/// - what the command says.
pub async fn run(context: &Context, command: Command) -> Result<()> {
	match command {
		Command::Dataset(command) => dataset::run(context, command).await,
		Command::Model(command) => model::run(context, command).await,
		Command::Task(command) => task::run(context, command).await,
		Command::Trainer(command) => trainer::run(context, command).await,
		Command::Validator(command) => validator::run(context, command).await,
		Command::Generate(options) => generate::run(context, options).await,
		Command::Work(command) => work::run(context, command).await,
		Command::Verify(command) => verify::run(context, command).await,
		Command::Account(command) => account::run(context, command).await,
		Command::Chain(command) => chain::run(context, command).await,
	}
}

/// Reads an account, for clap.
///
/// # Errors
/// - what an account looks like.
pub(crate) fn parse_account(text: &str) -> Result<llmchain_primitives::AccountId, String> {
	crate::keys::parse_account(text).map_err(|error| error.to_string())
}

/// The project's cache: `$LLMCHAIN_CACHE`, else `~/.cache/llmchain`.
pub(crate) fn cache_folder() -> PathBuf {
	let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
	set("LLMCHAIN_CACHE").map_or_else(
		|| {
			set("HOME")
				.map_or_else(|| PathBuf::from("."), PathBuf::from)
				.join(".cache/llmchain")
		},
		PathBuf::from,
	)
}
