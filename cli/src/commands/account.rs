//! `llmchain account`: addresses, balances, transfers.
//!
//! Must not know: what money is on hold for.

use crate::{
	amount::Amount,
	api,
	chain::{ChainError, Transaction},
	commands::parse_account,
	convert::{money, to_subxt},
	error::Result,
	keys::account_of,
	Context,
};
use clap::Subcommand;
use llmchain_primitives::AccountId;
use serde::Serialize;
use serde_json::json;
use subxt::utils::MultiAddress;

/// Commands on accounts.
#[derive(Debug, Subcommand)]
pub enum Command {
	/// Show the signer's address.
	Address,
	/// Send money.
	Fund {
		/// Account that gets it.
		#[arg(value_parser = parse_account)]
		to: AccountId,
		/// How much.
		#[arg(value_name = "LLM")]
		amount: Amount,
	},
	/// Show an account's money.
	Balance {
		/// The account [default: the signer].
		#[arg(value_parser = parse_account)]
		account: Option<AccountId>,
	},
}

#[derive(Serialize)]
struct Sent {
	from: AccountId,
	to: AccountId,
	amount: Amount,
	#[serde(flatten)]
	transaction: Transaction,
}

/// Runs a command.
///
/// # Errors
/// - what the command says.
pub async fn run(context: &Context, command: Command) -> Result<()> {
	match command {
		Command::Address => {
			let account = context.key.account()?;
			let public = hex::encode(AsRef::<[u8]>::as_ref(&account));
			context.output.result(&json!({
				"account": account,
				"public": format!("0x{public}"),
			}))
		}
		Command::Fund { to, amount } => {
			let signer = context.signer()?;
			// Never lets the sender's account die of it.
			let call = api::tx()
				.balances()
				.transfer_keep_alive(MultiAddress::Id(to_subxt(&to)), amount.0);
			let included = context.chain().await?.submit(&signer, &call).await?;
			context.output.result(&Sent {
				from: account_of(&signer),
				to,
				amount,
				transaction: included.transaction,
			})
		}
		Command::Balance { account } => {
			let account = context.account_or_signer(account.as_ref())?;
			let best = context.chain().await?.best().await?;
			let data = best
				.storage()
				.fetch(api::storage().system().account(), (to_subxt(&account),))
				.await
				.map_err(ChainError::from)?
				.decode()
				.map_err(ChainError::from)?
				.data;
			context.output.result(&json!({
				"account": account,
				"free": money(data.free),
				"reserved": money(data.reserved),
				"frozen": money(data.frozen),
				"total": money(data.free.saturating_add(data.reserved)),
			}))
		}
	}
}
