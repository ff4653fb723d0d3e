//! `llmchain trainer`: register a trainer's key, see how it does, leave.
//!
//! Must not know: how training runs. Invariant: the trainer key signs its own registration here and nothing else; the node has it in its
//! keystore (`llmchain-node key insert`, or a development seed).

use crate::{
	amount::Amount,
	api,
	chain::{AtBlock, Chain, ChainError, Transaction},
	commands::parse_account,
	convert::{from_subxt, money, to_subxt},
	error::Result,
	keys::{self, account_of},
	Context,
};
use clap::{Args, Subcommand};
use codec::Decode;
use llmchain_primitives::{
	key::{TrainerPublic, TrainerSignature},
	training::registration_bytes,
	AccountId,
};
use serde::Serialize;
use serde_json::{json, Value};
use subxt::{rpcs::client::RpcParams, utils::Static};

type Registration = api::runtime_types::pallet_training::types::Trainer;

/// Commands of trainers.
#[derive(Debug, Subcommand)]
pub enum Command {
	/// Register as a trainer: the bond goes on hold, and rounds take you from then on.
	Register(Register),
	/// Show a trainer's registration, and its jobs on the node.
	Status {
		/// The trainer's account [default: the signer].
		#[arg(value_parser = parse_account)]
		account: Option<AccountId>,
	},
	/// Show all registered trainers, in the order in which rounds take them.
	List,
	/// End your registration and get the bond back.
	Leave,
}

/// How to register.
#[derive(Args, Debug)]
pub struct Register {
	/// Shards that you can train on in one round, 1 to 16; it is your weight and your share.
	#[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=16), value_name = "N")]
	pub capacity: u8,
	/// The node's trainer key: a secret, a file with one, or an account file [default: that of --suri].
	#[arg(long, value_name = "SURI|FILE")]
	pub trainer_key: Option<String>,
}

/// What `trainer register` says.
#[derive(Serialize)]
struct Registered {
	trainer: AccountId,
	key: String,
	bond: Amount,
	capacity: u8,
	registered_now: bool,
	#[serde(flatten)]
	transaction: Transaction,
}

/// What `trainer leave` says.
#[derive(Serialize)]
struct Left {
	trainer: AccountId,
	#[serde(flatten)]
	transaction: Transaction,
}

/// Runs a command.
///
/// # Errors
/// - what the command says.
pub async fn run(context: &Context, command: Command) -> Result<()> {
	match command {
		Command::Register(options) => register(context, &options).await,
		Command::Status { account } => status(context, account).await,
		Command::List => list(context).await,
		Command::Leave => leave(context).await,
	}
}

async fn register(context: &Context, options: &Register) -> Result<()> {
	let signer = context.signer()?;
	let trainer = account_of(&signer);
	let pair = match &options.trainer_key {
		Some(text) => keys::from_file_or_suri(text, context.key.password_file.as_deref())?,
		None => signer.clone(),
	};
	let chain = context.chain().await?;
	let key = pair.public_key().0;
	let shown = format!("0x{}", hex::encode(key));
	if let Some(known) = registration(&chain.best().await?, &trainer).await? {
		// Another key or capacity is a change, which the chain refuses with advice.
		if public_bytes(&known) == key && known.capacity == options.capacity {
			return context.output.result(&Registered {
				trainer,
				key: shown,
				bond: money(known.bond),
				capacity: known.capacity,
				registered_now: false,
				transaction: Transaction::default(),
			});
		}
	}
	let proof = pair.sign(&registration_bytes(&chain.genesis(), &trainer)).0;
	let call = api::tx().training().register_trainer(
		Static(raw::<TrainerPublic>(&key)?),
		options.capacity,
		Static(raw::<TrainerSignature>(&proof)?),
	);
	let waiting = context.output.spinner("registering");
	let included = chain.submit(&signer, &call).await?;
	waiting.finish_and_clear();
	let bond = included
		.at
		.constants()
		.entry(api::llmchain::constants().training().trainer_bond())
		.map_err(ChainError::from)?;
	context.output.result(&Registered {
		trainer,
		key: shown,
		bond: money(bond),
		capacity: options.capacity,
		registered_now: true,
		transaction: included.transaction,
	})
}

/// A key or signature from its bytes.
fn raw<T: Decode>(mut bytes: &[u8]) -> Result<T, ChainError> {
	T::decode(&mut bytes).map_err(|error| ChainError::Answer {
		method: "a key",
		reason: error.to_string(),
	})
}

fn public_bytes(registration: &Registration) -> &[u8] {
	registration.key.0.as_ref()
}

async fn registration(at: &AtBlock, trainer: &AccountId) -> Result<Option<Registration>> {
	let entry = at
		.storage()
		.entry(api::storage().training().trainers())
		.map_err(ChainError::from)?;
	let value = entry
		.try_fetch((to_subxt(trainer),))
		.await
		.map_err(ChainError::from)?;
	Ok(value
		.map(|value| value.decode())
		.transpose()
		.map_err(ChainError::from)?)
}

fn round_json(registration: &Registration) -> Value {
	registration.engaged.as_ref().map_or(
		Value::Null,
		|engaged| json!({ "task": engaged.task, "round": engaged.round }),
	)
}

async fn status(context: &Context, account: Option<AccountId>) -> Result<()> {
	let trainer = context.account_or_signer(account.as_ref())?;
	let chain = context.chain().await?;
	let known = registration(&chain.best().await?, &trainer).await?;
	let jobs = jobs(&chain, &trainer).await?;
	let known = known.as_ref();
	context.output.result(&json!({
		"trainer": trainer,
		"registered": known.is_some(),
		"key": known.map(|known| format!("0x{}", hex::encode(public_bytes(known)))),
		"capacity": known.map(|known| known.capacity),
		"bond": known.map(|known| money(known.bond)),
		"misses": known.map(|known| known.misses),
		"round": known.map_or(Value::Null, round_json),
		"jobs": jobs,
	}))
}

/// The trainer's jobs on the node; none where the node has no such method.
async fn jobs(chain: &Chain, trainer: &AccountId) -> Result<Vec<Value>> {
	let account = hex::encode(AsRef::<[u8]>::as_ref(trainer));
	let jobs: Vec<Value> = chain.request("llm_jobs", RpcParams::new()).await?;
	Ok(jobs
		.into_iter()
		.filter(|job| job["key"]["trainer"] == account.as_str())
		.collect())
}

async fn list(context: &Context) -> Result<()> {
	let chain = context.chain().await?;
	let best = chain.best().await?;
	let registered = best
		.storage()
		.fetch(api::storage().training().registered(), ())
		.await
		.map_err(ChainError::from)?
		.decode()
		.map_err(ChainError::from)?;
	let mut trainers = Vec::new();
	for account in registered.0 {
		let trainer = from_subxt(&account);
		let Some(known) = registration(&best, &trainer).await? else {
			continue;
		};
		trainers.push(json!({
			"trainer": trainer,
			"key": format!("0x{}", hex::encode(public_bytes(&known))),
			"capacity": known.capacity,
			"misses": known.misses,
			"round": round_json(&known),
		}));
	}
	context.output.result(&json!({ "trainers": trainers }))
}

async fn leave(context: &Context) -> Result<()> {
	let signer = context.signer()?;
	let chain = context.chain().await?;
	let included = chain.submit(&signer, &api::tx().training().leave()).await?;
	context.output.result(&Left {
		trainer: account_of(&signer),
		transaction: included.transaction,
	})
}
