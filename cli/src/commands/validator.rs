//! `llmchain validator`: session keys, bond, intention, nominations.
//!
//! Must not know: how validators are elected. The signer is the stash; keys are made inside the node and never leave it.

use crate::{
	amount::{Amount, Percent},
	api::{self, RawSessionKeys},
	chain::{AtBlock, Chain, ChainError, Transaction},
	commands::parse_account,
	convert::{bytes_of_hex, from_subxt, money, to_subxt},
	error::Result,
	keys::account_of,
	Context,
};
use clap::{Args, Subcommand, ValueEnum};
use llmchain_primitives::AccountId;
use serde::{Deserialize, Serialize};
use serde_json::json;
use subxt::{
	error::StorageError,
	utils::{MultiAddress, Static},
};

/// Commands of validators and nominators.
#[derive(Debug, Subcommand)]
pub enum Command {
	/// Make session keys in the node at --url and set them; the node must allow unsafe RPC to you (loopback does).
	Keys,
	/// Bond money, or more of it.
	Bond(Bond),
	/// Declare that you validate from the next era on.
	Validate {
		/// Part of the rewards that you keep before your nominators share the rest.
		#[arg(long, default_value = "0", value_name = "PERCENT")]
		commission: Percent,
		/// Take no further nominations.
		#[arg(long)]
		block_nominations: bool,
	},
	/// Back validators with your bond.
	Nominate {
		/// Stashes of the validators.
		#[arg(required = true, value_parser = parse_account, value_name = "STASH")]
		targets: Vec<AccountId>,
	},
	/// Show how a stash stands.
	Status {
		/// The stash [default: the signer].
		#[arg(value_parser = parse_account)]
		stash: Option<AccountId>,
	},
}

/// What to bond.
#[derive(Args, Debug)]
pub struct Bond {
	/// Money to bond, or to add to the bond.
	#[arg(value_name = "LLM")]
	pub amount: Amount,
	/// Where rewards go; counts for the first bond only.
	#[arg(long, value_enum, default_value_t)]
	pub rewards: Rewards,
}

/// Where rewards go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Rewards {
	/// To the stash, and into the bond.
	#[default]
	Staked,
	/// To the stash.
	Stash,
	/// Nowhere.
	None,
}

/// Keys that the node made.
#[derive(Deserialize)]
struct MadeKeys {
	keys: String,
	proof: String,
}

#[derive(Serialize)]
struct KeysSet {
	stash: AccountId,
	keys: String,
	#[serde(flatten)]
	transaction: Transaction,
}

#[derive(Serialize)]
struct Bonded {
	stash: AccountId,
	bonded: Amount,
	#[serde(flatten)]
	transaction: Transaction,
}

#[derive(Serialize)]
struct Validating {
	stash: AccountId,
	commission: String,
	#[serde(flatten)]
	transaction: Transaction,
}

#[derive(Serialize)]
struct Nominated {
	stash: AccountId,
	targets: Vec<AccountId>,
	#[serde(flatten)]
	transaction: Transaction,
}

/// Runs a command.
///
/// # Errors
/// - what the command says.
pub async fn run(context: &Context, command: Command) -> Result<()> {
	match command {
		Command::Keys => keys(context).await,
		Command::Bond(options) => bond(context, &options).await,
		Command::Validate {
			commission,
			block_nominations,
		} => validate(context, commission, block_nominations).await,
		Command::Nominate { targets } => nominate(context, targets).await,
		Command::Status { stash } => status(context, stash).await,
	}
}

async fn keys(context: &Context) -> Result<()> {
	const METHOD: &str = "author_rotateKeysWithOwner";
	let signer = context.signer()?;
	let stash = account_of(&signer);
	let chain = context.chain().await?;
	let owner = format!("0x{}", hex::encode(AsRef::<[u8]>::as_ref(&stash)));
	let made: MadeKeys = chain
		.request(METHOD, crate::chain::params(&[&owner])?)
		.await?;
	let unreadable = || ChainError::Answer {
		method: METHOD,
		reason: "no keys with proof; does the node belong to this chain?".into(),
	};
	let raw = bytes_of_hex(&made.keys)
		.and_then(|bytes| <[u8; 64]>::try_from(bytes).ok())
		.ok_or_else(unreadable)?;
	let proof = bytes_of_hex(&made.proof).ok_or_else(unreadable)?;
	let call = api::tx()
		.session()
		.set_keys(Static(RawSessionKeys(raw)), proof);
	let waiting = context.output.spinner("setting the session keys");
	let included = chain.submit(&signer, &call).await?;
	waiting.finish_and_clear();
	context.output.result(&KeysSet {
		stash,
		keys: made.keys,
		transaction: included.transaction,
	})
}

async fn bond(context: &Context, options: &Bond) -> Result<()> {
	use api::runtime_types::pallet_staking::RewardDestination;
	let signer = context.signer()?;
	let stash = account_of(&signer);
	let chain = context.chain().await?;
	let is_first = ledger(&chain.best().await?, &stash).await?.is_none();
	let included = if is_first {
		let payee = match options.rewards {
			Rewards::Staked => RewardDestination::Staked,
			Rewards::Stash => RewardDestination::Stash,
			Rewards::None => RewardDestination::None,
		};
		let call = api::tx().staking().bond(options.amount.0, payee);
		chain.submit(&signer, &call).await?
	} else {
		let call = api::tx().staking().bond_extra(options.amount.0);
		chain.submit(&signer, &call).await?
	};
	let bonded = ledger(&included.at, &stash).await?.unwrap_or_default();
	context.output.result(&Bonded {
		stash,
		bonded: money(bonded),
		transaction: included.transaction,
	})
}

async fn validate(context: &Context, commission: Percent, blocked: bool) -> Result<()> {
	use api::runtime_types::{pallet_staking::ValidatorPrefs, sp_arithmetic::per_things::Perbill};
	let signer = context.signer()?;
	let chain = context.chain().await?;
	let call = api::tx().staking().validate(ValidatorPrefs {
		commission: Perbill(commission.0),
		blocked,
	});
	let included = chain.submit(&signer, &call).await?;
	context.output.result(&Validating {
		stash: account_of(&signer),
		commission: commission.to_string(),
		transaction: included.transaction,
	})
}

async fn nominate(context: &Context, targets: Vec<AccountId>) -> Result<()> {
	let signer = context.signer()?;
	let chain = context.chain().await?;
	let addresses = targets
		.iter()
		.map(|target| MultiAddress::Id(to_subxt(target)))
		.collect();
	let included = chain
		.submit(&signer, &api::tx().staking().nominate(addresses))
		.await?;
	context.output.result(&Nominated {
		stash: account_of(&signer),
		targets,
		transaction: included.transaction,
	})
}

/// A value that state has under these keys. Unlike subxt's own read it never stands in a default for what is not there.
async fn stored<A>(
	at: &AtBlock,
	address: A,
	keys: A::KeyParts,
) -> Result<Option<A::Value>, ChainError>
where
	A: subxt::storage::Address,
	A::KeyParts: Clone,
{
	let entry = at.storage().entry(address)?;
	let key = entry.fetch_key(keys.clone())?;
	match at.storage().fetch_raw(key).await {
		Ok(_) => Ok(Some(entry.fetch(keys).await?.decode()?)),
		Err(StorageError::NoValueFound) => Ok(None),
		Err(error) => Err(error.into()),
	}
}

/// What a stash has bonded.
async fn ledger(at: &AtBlock, stash: &AccountId) -> Result<Option<u128>, ChainError> {
	let ledger = stored(at, api::storage().staking().ledger(), (to_subxt(stash),)).await?;
	Ok(ledger.map(|ledger| ledger.active))
}

/// A value of state without keys, or its default.
async fn value<A>(at: &AtBlock, address: A) -> Result<A::Value, ChainError>
where
	A: subxt::storage::Address<KeyParts = ()>,
{
	Ok(at.storage().fetch(address, ()).await?.decode()?)
}

async fn status(context: &Context, stash: Option<AccountId>) -> Result<()> {
	let stash = context.account_or_signer(stash.as_ref())?;
	let chain: Chain = context.chain().await?;
	let best = chain.best().await?;
	let key = to_subxt(&stash);
	let staking = || api::storage().staking();
	let session = || api::storage().session();

	let read = async {
		let prefs = stored(&best, staking().validators(), (key,)).await?;
		let nominations = stored(&best, staking().nominators(), (key,)).await?;
		let keys = stored(&best, session().next_keys(), (key,)).await?;
		let era = stored(&best, staking().active_era(), ())
			.await?
			.map_or(0, |era| era.index);
		let points = best
			.storage()
			.fetch(staking().eras_reward_points(), (era,))
			.await?
			.decode()?;
		Ok::<_, ChainError>((prefs, nominations, keys.is_some(), era, points))
	};
	let (prefs, nominations, keys_set, era, points) = read.await?;
	let in_session = value(&best, session().validators()).await?.contains(&key);
	let queued = value(&best, session().queued_keys())
		.await?
		.iter()
		.any(|(stash, _)| *stash == key);
	let session = value(&best, session().current_index()).await?;
	let bonded = ledger(&best, &stash).await?.unwrap_or_default();
	let role = match (&prefs, &nominations) {
		(Some(_), _) => "validator",
		(None, Some(_)) => "nominator",
		(None, None) => "none",
	};
	let targets: Vec<AccountId> = nominations
		.iter()
		.flat_map(|nominations| nominations.targets.0.iter().map(from_subxt))
		.collect();
	let era_points = points
		.individual
		.iter()
		.find(|(account, _)| *account == key)
		.map_or(0, |(_, points)| *points);
	context.output.result(&json!({
		"stash": stash,
		"bonded": money(bonded),
		"role": role,
		"commission": prefs.map(|prefs| Percent(prefs.commission.0).to_string()),
		"targets": targets,
		"keys_set": keys_set,
		"in_session": in_session,
		"queued": queued,
		"era": era,
		"session": session,
		"era_points": era_points,
	}))
}
