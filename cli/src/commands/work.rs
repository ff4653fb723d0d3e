//! `llmchain work`: register a text as a work, sell it, buy it, read its history.
//!
//! Must not know: who is right about a work; a registration is evidence of a claim at a time. What was paid to whom is read from the
//! transaction's events, never computed here.

use crate::{
	amount::Amount,
	api,
	chain::{Chain, ChainError, Transaction},
	convert::{blake2, disclosure, from_subxt, made_with, money, parse_hash, show},
	error::{Error, Result},
	keys::account_of,
	receipt::JsonReceipt,
	Context,
};
use clap::{Args, Subcommand, ValueEnum};
use llmchain_primitives::{
	data::Title,
	runtime_api::WorkView,
	work::{Disclosure, ProvenanceEntry, ProvenanceEvent},
	AccountId, Hash, WorkId,
};
use serde::Serialize;
use serde_json::{json, Value};
use std::{fs, path::PathBuf};
use subxt::utils::Static;

/// Entries of a history that a node returns at one time.
const PAGE: u32 = 100;

/// Commands on works.
#[derive(Debug, Subcommand)]
pub enum Command {
	/// Claim a text file as a work.
	Register(Register),
	/// Offer a work of yours for sale, or change its price.
	List {
		/// The work.
		#[arg(value_parser = parse_hash)]
		work: Hash,
		/// Asked price.
		#[arg(long, value_name = "LLM")]
		price: Amount,
	},
	/// Take the offer of a work of yours back.
	Unlist {
		/// The work.
		#[arg(value_parser = parse_hash)]
		work: Hash,
	},
	/// Buy a work at its price.
	Buy {
		/// The work.
		#[arg(value_parser = parse_hash)]
		work: Hash,
		/// Most that you pay; the price may have been raised.
		#[arg(long, value_name = "LLM")]
		max_price: Amount,
	},
	/// Show a work.
	Show {
		/// The work.
		#[arg(value_parser = parse_hash)]
		work: Hash,
	},
	/// Show everything that happened to a work.
	History {
		/// The work.
		#[arg(value_parser = parse_hash)]
		work: Hash,
	},
}

/// What to register.
#[derive(Args, Debug)]
pub struct Register {
	/// Text file in UTF-8.
	pub file: PathBuf,
	/// Title that people read.
	#[arg(long)]
	pub title: String,
	/// How much of it a machine made [default with --receipt: ai-generated if the file is the answer unchanged, else ai-assisted].
	#[arg(long, value_enum, required_unless_present = "receipt")]
	pub disclosure: Option<Disclosed>,
	/// Receipt of the generation that it was made with; that model's trainers share in every sale.
	#[arg(long, value_name = "FILE")]
	pub receipt: Option<PathBuf>,
}

/// How much of a work a machine made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Disclosed {
	/// Made by people without a model.
	Human,
	/// Made by people with the help of a model.
	AiAssisted,
	/// Made by a model.
	AiGenerated,
}

impl Disclosed {
	fn to_chain(self) -> Disclosure {
		match self {
			Disclosed::Human => Disclosure::Human,
			Disclosed::AiAssisted => Disclosure::AiAssisted,
			Disclosed::AiGenerated => Disclosure::AiGenerated,
		}
	}
}

#[derive(Serialize)]
struct Registered {
	work: WorkId,
	title: String,
	claimant: AccountId,
	file: Hash,
	size: usize,
	disclosure: &'static str,
	made_with: Value,
	#[serde(flatten)]
	transaction: Transaction,
}

#[derive(Serialize)]
struct Offered {
	work: WorkId,
	seller: AccountId,
	#[serde(skip_serializing_if = "Option::is_none")]
	price: Option<Amount>,
	#[serde(flatten)]
	transaction: Transaction,
}

#[derive(Serialize)]
struct Bought {
	work: WorkId,
	buyer: AccountId,
	seller: AccountId,
	price: Amount,
	flow_back: Amount,
	contributors: Vec<Paid>,
	#[serde(flatten)]
	transaction: Transaction,
}

#[derive(Serialize)]
struct Paid {
	account: AccountId,
	amount: Amount,
}

/// Runs a command.
///
/// # Errors
/// - what the command says.
pub async fn run(context: &Context, command: Command) -> Result<()> {
	match command {
		Command::Register(options) => register(context, &options).await,
		Command::List { work, price } => {
			let call = api::tx().artworks().list_for_sale(work, price.0);
			offer(context, work, Some(price), &call).await
		}
		Command::Unlist { work } => {
			let call = api::tx().artworks().unlist(work);
			offer(context, work, None, &call).await
		}
		Command::Buy { work, max_price } => buy(context, work, max_price).await,
		Command::Show { work } => {
			let chain = context.chain().await?;
			let result = work_json(&work, &fetch(&chain, work).await?);
			context.output.result(&result)
		}
		Command::History { work } => history(context, work).await,
	}
}

async fn register(context: &Context, options: &Register) -> Result<()> {
	use api::llmchain::artworks::events::WorkRegistered;
	let signer = context.signer()?;
	let file = fs::read(&options.file).map_err(Error::file("read", &options.file))?;
	let title = Title::try_from(options.title.as_str()).map_err(Error::text("--title"))?;
	let receipt = options
		.receipt
		.as_deref()
		.map(JsonReceipt::read)
		.transpose()?;
	let hash = blake2(&file);
	let stated = state(options.disclosure, receipt.as_ref(), &hash)?;
	let cited = receipt
		.as_ref()
		.map(|receipt| (receipt.generation.version, receipt.generation.id()));
	let size = file.len();
	let call = api::tx().artworks().register(
		title.as_str().to_owned(),
		file,
		Static(stated),
		receipt
			.map(|receipt| receipt.to_chain())
			.transpose()?
			.map(Static),
	);
	let chain = context.chain().await?;
	let waiting = context.output.spinner("registering the work");
	let included = chain.submit(&signer, &call).await?;
	waiting.finish_and_clear();
	let event = included
		.events
		.first::<WorkRegistered>("Artworks.WorkRegistered")?;
	context.output.result(&Registered {
		work: event.work,
		title: title.as_str().to_owned(),
		claimant: account_of(&signer),
		file: hash,
		size,
		disclosure: disclosure(stated),
		made_with: made_with(cited),
		transaction: included.transaction,
	})
}

/// The disclosure that was typed, or the one that follows from the receipt.
fn state(
	typed: Option<Disclosed>,
	receipt: Option<&JsonReceipt>,
	file: &Hash,
) -> Result<Disclosure> {
	match (typed, receipt) {
		(Some(typed), _) => Ok(typed.to_chain()),
		(None, Some(receipt)) if receipt.generation.output == *file => Ok(Disclosure::AiGenerated),
		(None, Some(_)) => Ok(Disclosure::AiAssisted),
		(None, None) => Err(Error::Choice(
			"say how much of the work a machine made: --disclosure human|ai-assisted|ai-generated",
		)),
	}
}

async fn offer(
	context: &Context,
	work: WorkId,
	price: Option<Amount>,
	call: &impl subxt::tx::Payload,
) -> Result<()> {
	let signer = context.signer()?;
	let included = context.chain().await?.submit(&signer, call).await?;
	context.output.result(&Offered {
		work,
		seller: account_of(&signer),
		price,
		transaction: included.transaction,
	})
}

async fn buy(context: &Context, work: WorkId, max_price: Amount) -> Result<()> {
	use api::llmchain::artworks::events::{ContributorPaid, WorkSold};
	let signer = context.signer()?;
	let chain = context.chain().await?;
	let waiting = context.output.spinner("buying the work");
	let call = api::tx().artworks().buy(work, max_price.0);
	let included = chain.submit(&signer, &call).await?;
	waiting.finish_and_clear();
	let sold = included.events.first::<WorkSold>("Artworks.WorkSold")?;
	let contributors = included
		.events
		.find::<ContributorPaid>()?
		.into_iter()
		.map(|paid| Paid {
			account: from_subxt(&paid.contributor),
			amount: money(paid.amount),
		})
		.collect();
	context.output.result(&Bought {
		work,
		buyer: from_subxt(&sold.buyer),
		seller: from_subxt(&sold.seller),
		price: money(sold.price),
		flow_back: money(sold.flow_back),
		contributors,
		transaction: included.transaction,
	})
}

async fn fetch(chain: &Chain, work: WorkId) -> Result<WorkView> {
	let call = api::runtime_apis().artworks_api().work(work);
	chain
		.call(call)
		.await?
		.map(|work| work.0)
		.ok_or_else(|| Error::NotFound {
			what: "work",
			id: show(&work),
			hint: "copy the identity from its registration",
		})
}

async fn history(context: &Context, work: WorkId) -> Result<()> {
	let chain = context.chain().await?;
	let view = fetch(&chain, work).await?;
	let best = chain.best().await?;
	let mut entries = Vec::new();
	loop {
		let first = u32::try_from(entries.len()).unwrap_or(u32::MAX);
		let call = api::runtime_apis()
			.artworks_api()
			.provenance(work, first, PAGE);
		let page = best
			.runtime_apis()
			.call(call)
			.await
			.map_err(ChainError::from)?;
		if page.is_empty() {
			break;
		}
		entries.extend(page.iter().map(|entry| entry_json(&entry.0)));
	}
	context.output.result(&json!({
		"work": work,
		"title": view.title,
		"claimant": view.claimant,
		"owner": view.owner,
		"entries": entries,
	}))
}

fn work_json(id: &WorkId, work: &WorkView) -> Value {
	json!({
		"work": id,
		"title": work.title,
		"claimant": work.claimant,
		"owner": work.owner,
		"file": work.file,
		"size": work.size,
		"disclosure": disclosure(work.disclosure),
		"made_with": made_with(work.made_with),
		"price": work.price.map(money),
		"registered": work.registered,
		"history": work.history,
	})
}

fn entry_json(entry: &ProvenanceEntry<AccountId, u128, u32>) -> Value {
	let mut value = match &entry.event {
		ProvenanceEvent::Registered {
			claimant,
			file,
			disclosure: stated,
			made_with: cited,
		} => json!({
			"event": "registered",
			"claimant": claimant,
			"file": file,
			"disclosure": disclosure(*stated),
			"made_with": made_with(*cited),
		}),
		ProvenanceEvent::Listed { seller, price } => {
			json!({ "event": "listed", "seller": seller, "price": money(*price) })
		}
		ProvenanceEvent::Unlisted { seller } => json!({ "event": "unlisted", "seller": seller }),
		ProvenanceEvent::Sold {
			seller,
			buyer,
			price,
			flow_back,
		} => json!({
			"event": "sold",
			"seller": seller,
			"buyer": buyer,
			"price": money(*price),
			"flow_back": money(*flow_back),
		}),
	};
	value["index"] = json!(entry.index);
	value["block"] = json!(entry.block);
	value
}

#[cfg(test)]
mod tests {
	use super::*;
	use llmchain_primitives::receipt::{Generation, Prompt, SamplingParameters};

	#[test]
	fn the_disclosure_follows_from_the_receipt() {
		let file = blake2(b"text");
		let receipt = JsonReceipt {
			generation: Generation {
				genesis: Hash::zero(),
				asker: AccountId::new([0; 32]),
				server: AccountId::new([0; 32]),
				version: Hash::zero(),
				tokenizer: Hash::zero(),
				numeric_spec: 1,
				prompt: Prompt::default(),
				sampling: SamplingParameters {
					temperature_milli: 0,
					top_k: 0,
					top_p_milli: 1000,
					max_tokens: 1,
				},
				seed: Hash::zero(),
				output: file,
			},
			signature: String::new(),
		};
		let stated = |typed, receipt, file: &Hash| state(typed, receipt, file).ok();
		assert_eq!(
			stated(None, Some(&receipt), &file),
			Some(Disclosure::AiGenerated)
		);
		assert_eq!(
			stated(None, Some(&receipt), &blake2(b"text edited")),
			Some(Disclosure::AiAssisted)
		);
		assert_eq!(
			stated(Some(Disclosed::Human), None, &file),
			Some(Disclosure::Human)
		);
		assert_eq!(stated(None, None, &file), None);
	}

	#[test]
	fn a_sale_shows_money_in_llm() {
		let entry = ProvenanceEntry {
			work: Hash::zero(),
			index: 2,
			block: 7,
			event: ProvenanceEvent::Sold {
				seller: AccountId::new([1; 32]),
				buyer: AccountId::new([2; 32]),
				price: 12_500_000_000_000,
				flow_back: 1_250_000_000_000,
			},
		};
		let value = entry_json(&entry);
		assert_eq!(value["price"], "12.5");
		assert_eq!(value["flow_back"], "1.25");
		assert_eq!((&value["index"], &value["block"]), (&json!(2), &json!(7)));
	}
}
