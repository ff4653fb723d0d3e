//! `llmchain`: what publishers, trainers, validators, artists and verifiers type.
//!
//! A client of any node through subxt; computing is left to the library crates. Must not know: the runtime and the node (its view of
//! the chain is `metadata.scale`), nor any secret longer than a signature takes.
//! Source: ARCHITECTURE.md. Invariants: errors say what to do; `--json` is an interface and its fields are frozen; repeating a
//! command that is done changes nothing.
//!
//! Reading order: [`args`], [`commands`], [`chain`], [`api`], [`history`], [`keys`], [`convert`], [`output`].

#![warn(missing_docs)]

pub mod amount;
pub mod api;
pub mod args;
pub mod chain;
pub mod commands;
pub mod convert;
pub mod error;
pub mod history;
pub mod keys;
pub mod output;
pub mod presets;
pub mod receipt;

use args::Cli;
use chain::{Chain, ChainError};
use error::Result;
use keys::{KeyError, KeySource};
use llmchain_primitives::AccountId;
use output::Output;
use subxt_signer::sr25519::Keypair;

/// What every command works with.
#[derive(Debug)]
pub struct Context {
	/// Address of the node.
	pub url: String,
	/// Where the result goes.
	pub output: Output,
	/// Whose key signs.
	pub key: KeySource,
	in_block: bool,
}

impl Context {
	/// Connects to the node.
	///
	/// # Errors
	/// - [`ChainError::Connect`].
	pub async fn chain(&self) -> Result<Chain, ChainError> {
		Chain::connect(&self.url, self.in_block).await
	}

	/// The signer's key pair.
	///
	/// # Errors
	/// - any [`KeyError`].
	pub fn signer(&self) -> Result<Keypair, KeyError> {
		self.key.keypair()
	}

	/// The signer's account, or the one that was named.
	///
	/// # Errors
	/// - any [`KeyError`].
	pub fn account_or_signer(&self, named: Option<&AccountId>) -> Result<AccountId, KeyError> {
		named.map_or_else(|| self.key.account(), |account| Ok(account.clone()))
	}
}

/// Runs a command and returns the exit code: 0 done, 1 failed.
pub async fn run(cli: Cli) -> u8 {
	let output = Output::new(cli.global.json);
	let context = Context {
		url: cli.global.url.clone(),
		output,
		key: cli.global.key_source(),
		in_block: cli.global.in_block,
	};
	match commands::run(&context, cli.command).await {
		Ok(()) => 0,
		Err(error) => {
			output.error(&error);
			1
		}
	}
}
