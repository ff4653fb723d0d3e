//! `llmchain generate`: have a node write with a version, and keep the receipt.
//!
//! Must not know: how text is drawn. The asker is the signer's account, without its key: only that account may cite the receipt.
//! Invariant: the file gets the text's bytes and nothing else, so its hash is the receipt's.

use crate::{
	amount::Milli,
	chain::Chain,
	commands::model,
	convert::{blake2, parse_hash},
	error::{Error, Result},
	receipt::JsonReceipt,
	Context,
};
use clap::Args;
use llmchain_primitives::{receipt::SamplingParameters, AccountId, Hash, VersionId};
use serde::{Deserialize, Serialize};
use std::{fs, path::PathBuf};

/// What to generate.
#[derive(Args, Debug)]
pub struct Options {
	/// Version to ask.
	#[arg(long, value_parser = parse_hash, value_name = "ID", required_unless_present = "model", conflicts_with = "model")]
	pub version: Option<Hash>,
	/// Identity or name of a model; its latest version is asked.
	#[arg(long)]
	pub model: Option<String>,
	/// Text to go on from.
	#[arg(
		long,
		default_value = "",
		hide_default_value = true,
		value_name = "TEXT"
	)]
	pub prompt: String,
	/// Temperature; 0 takes the likeliest token.
	#[arg(long, default_value = "0.8", value_name = "F")]
	pub temperature: Milli,
	/// Draw among the k likeliest tokens only; 0 means all.
	#[arg(long, default_value_t = 0, value_name = "K")]
	pub top_k: u32,
	/// Draw among the likeliest tokens that together have this probability; 1 means all.
	#[arg(long, default_value = "1", value_name = "P")]
	pub top_p: Milli,
	/// Tokens at most.
	#[arg(long, default_value_t = 64, value_name = "N")]
	pub max_tokens: u32,
	/// Seed of the draws: the same seed gives the same text [default: a random one].
	#[arg(long, value_parser = parse_hash, value_name = "HEX")]
	pub seed: Option<Hash>,
	/// Write the text to this file, byte for byte.
	#[arg(long, value_name = "FILE")]
	pub out: Option<PathBuf>,
	/// Write the receipt to this file.
	#[arg(long, value_name = "FILE")]
	pub receipt: Option<PathBuf>,
}

/// The node's request.
#[derive(Serialize)]
struct Request<'a> {
	asker: &'a AccountId,
	version: VersionId,
	prompt: &'a str,
	sampling: SamplingParameters,
	seed: Hash,
}

/// The node's answer.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Response {
	text: String,
	tokens: u32,
	seconds: f64,
	machine_made: bool,
	receipt: JsonReceipt,
}

/// What `generate` says.
#[derive(Serialize)]
struct Generated {
	text: String,
	machine_made: bool,
	version: VersionId,
	asker: AccountId,
	server: AccountId,
	seed: Hash,
	output: Hash,
	receipt: JsonReceipt,
	receipt_id: Hash,
	tokens: u32,
	seconds: f64,
}

/// Runs the command.
///
/// # Errors
/// - of the node, the key or a file.
pub async fn run(context: &Context, options: Options) -> Result<()> {
	let asker = context.key.account()?;
	let chain: Chain = context.chain().await?;
	let version = match (options.version, &options.model) {
		(Some(version), _) => version,
		(None, Some(model)) => model::find(&chain, model).await?.1.latest,
		(None, None) => return Err(Error::Choice("give --version or --model")),
	};
	let seed = options.seed.map_or_else(random, Ok)?;
	let request = Request {
		asker: &asker,
		version,
		prompt: &options.prompt,
		sampling: SamplingParameters {
			temperature_milli: options.temperature.0,
			top_k: options.top_k,
			top_p_milli: options.top_p.0,
			max_tokens: options.max_tokens,
		},
		seed,
	};
	let waiting = context.output.spinner("the model is writing");
	let response: Response = chain
		.request("llm_generate", crate::chain::params(&[&request])?)
		.await?;
	waiting.finish_and_clear();
	let generation = &response.receipt.generation;
	if blake2(response.text.as_bytes()) != generation.output || generation.asker != asker {
		return Err(Error::Replay {
			reason: "the node's receipt is not of this text and asker; ask another node",
		});
	}
	if let Some(path) = &options.out {
		fs::write(path, &response.text).map_err(Error::file("write", path))?;
	}
	if let Some(path) = &options.receipt {
		let text = serde_json::to_string_pretty(&response.receipt)
			.map_err(|error| Error::Output(error.into()))?;
		fs::write(path, text).map_err(Error::file("write", path))?;
	}
	let text = format!("{}\n", response.text);
	let result = Generated {
		version,
		asker,
		server: generation.server.clone(),
		seed,
		output: generation.output,
		receipt_id: generation.id(),
		text: response.text,
		machine_made: response.machine_made,
		receipt: response.receipt,
		tokens: response.tokens,
		seconds: response.seconds,
	};
	context.output.result_or_text(&result, &text)
}

fn random() -> Result<Hash> {
	let mut seed = [0; 32];
	getrandom::fill(&mut seed).map_err(Error::Random)?;
	Ok(seed.into())
}
