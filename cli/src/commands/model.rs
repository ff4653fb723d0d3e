//! `llmchain model`: create a model from a dataset's text and a public seed, and look at its versions.
//!
//! Must not know: layers, tokens (crates/transformer). Invariant: everything a model is made of follows from public text, numbers and
//! seed, so anybody gets the same tokenizer and the same roots.

use crate::{
	api,
	chain::{Chain, Transaction},
	commands::{archive, dataset},
	convert::{self, blake2, default_seed, parse_hash, show, version_json, ChainVersion},
	error::{Error, Result},
	keys::account_of,
	presets::PresetName,
	Context,
};
use clap::{Args, Subcommand};
use llmchain_primitives::{
	data::Shard,
	model::{model_id, version_id, Architecture, CheckpointRoots, ModelName, Origin},
	runtime_api::ModelView,
	DatasetId, Hash, ModelId, VersionId,
};
use serde::Serialize;
use serde_json::json;
use subxt::utils::Static;
use trainer::Checkpoint;

/// Versions that a node returns at one time.
const PAGE: u32 = 100;

/// Commands on models.
#[derive(Debug, Subcommand)]
pub enum Command {
	/// Create a model: train its tokenizer, derive version 0 from a public seed, register both.
	Create(Create),
	/// Show a model.
	Show {
		/// Identity or name of the model.
		model: String,
	},
	/// Show a model's versions, newest first.
	Versions {
		/// Identity or name of the model.
		model: String,
		/// Most versions to show.
		#[arg(long, default_value_t = u32::MAX, hide_default_value = true, value_name = "N")]
		limit: u32,
	},
	/// Show one version.
	Version {
		/// The version.
		#[arg(value_parser = parse_hash)]
		version: Hash,
	},
}

/// What to create.
#[derive(Args, Debug)]
pub struct Create {
	/// Name that people read.
	#[arg(long)]
	pub name: String,
	/// Dataset whose text the tokenizer is trained on.
	#[arg(long, value_parser = parse_hash, value_name = "ID")]
	pub dataset: Hash,
	/// Numbers to start from; the options below go before them.
	#[arg(long, value_enum, default_value_t)]
	pub preset: PresetName,
	/// Tokens of the vocabulary at most.
	#[arg(long, value_name = "N")]
	pub vocab: Option<u32>,
	/// Longest sequence in tokens.
	#[arg(long, value_name = "N")]
	pub context: Option<u32>,
	/// Blocks of the Transformer.
	#[arg(long, value_name = "N")]
	pub layers: Option<u32>,
	/// Attention heads of a block; divides --d-model.
	#[arg(long, value_name = "N")]
	pub heads: Option<u32>,
	/// Width of the residual stream.
	#[arg(long, value_name = "N")]
	pub d_model: Option<u32>,
	/// Width of the feed-forward layer.
	#[arg(long, value_name = "N")]
	pub d_ff: Option<u32>,
	/// Public seed of version 0 [default: follows from name and dataset].
	#[arg(long, value_parser = parse_hash, value_name = "HEX")]
	pub seed: Option<Hash>,
}

/// What `model create` says.
#[derive(Serialize)]
struct Created {
	model: ModelId,
	name: String,
	version: VersionId,
	parameters: Hash,
	momentum: Hash,
	n_parameters: u64,
	tokenizer: Hash,
	vocab_size: u32,
	architecture: Architecture,
	seed: Hash,
	created_now: bool,
	#[serde(flatten)]
	transaction: Transaction,
}

/// Runs a command.
///
/// # Errors
/// - what the command says.
pub async fn run(context: &Context, command: Command) -> Result<()> {
	if let Command::Create(options) = command {
		return create(context, options).await;
	}
	let chain = context.chain().await?;
	let result = match command {
		Command::Create(_) => return Ok(()),
		Command::Show { model } => {
			let (id, model) = find(&chain, &model).await?;
			json!({
				"model": id,
				"name": model.name,
				"owner": model.owner,
				"architecture": model.architecture,
				"n_parameters": model.architecture.n_parameters(),
				"tokenizer": model.tokenizer,
				"first": model.first,
				"latest": model.latest,
				"versions": model.versions,
			})
		}
		Command::Versions { model, limit } => {
			let (id, model) = find(&chain, &model).await?;
			let versions = lineage(&chain, model.latest, limit).await?;
			let versions: Vec<_> = versions
				.iter()
				.map(|(id, version)| version_json(id, version))
				.collect();
			json!({ "model": id, "name": model.name, "versions": versions })
		}
		Command::Version { version: id } => {
			let version = version(&chain, id).await?;
			let mut result = version_json(&id, &version);
			result["model"] = json!(version.model);
			result
		}
	};
	context.output.result(&result)
}

/// A model by identity, or by a name that only one model has.
///
/// # Errors
/// - [`Error::NotFound`], [`Error::AmbiguousName`], or of the connection.
pub async fn find(chain: &Chain, text: &str) -> Result<(ModelId, ModelView)> {
	let unknown = || Error::NotFound {
		what: "model",
		id: text.to_owned(),
		hint: "create one with `llmchain model create`, or check the identity or name",
	};
	let id = match parse_hash(text) {
		Ok(id) => id,
		Err(_) => {
			let mut ids = named(chain, text).await?;
			match (ids.pop(), ids.len()) {
				(Some(id), 0) => id,
				(None, _) => return Err(unknown()),
				(Some(id), _) => {
					ids.push(id);
					return Err(Error::AmbiguousName {
						name: text.to_owned(),
						count: ids.len(),
						ids: ids.iter().map(show).collect(),
					});
				}
			}
		}
	};
	let model = chain
		.call(api::runtime_apis().models_api().model(id))
		.await?;
	model.map(|model| (id, model.0)).ok_or_else(unknown)
}

/// Models with this name.
async fn named(chain: &Chain, name: &str) -> Result<Vec<ModelId>> {
	let best = chain.best().await?;
	let mut models = best
		.storage()
		.iter(api::storage().models().models(), ())
		.await
		.map_err(crate::chain::ChainError::from)?;
	let mut ids = Vec::new();
	while let Some(entry) = models.next().await {
		let read = || -> Result<_, crate::chain::ChainError> {
			let entry = entry?;
			let model = entry.value().decode()?;
			let (id,) = entry.key()?.decode()?;
			Ok((model.name, id))
		};
		let (found, id) = read()?;
		if found == name {
			ids.push(id);
		}
	}
	Ok(ids)
}

/// A version by its identity.
///
/// # Errors
/// - [`Error::NotFound`], or of the connection.
pub async fn version(chain: &Chain, id: VersionId) -> Result<ChainVersion> {
	let call = api::runtime_apis().models_api().version(id);
	chain
		.call(call)
		.await?
		.map(|version| version.0)
		.ok_or_else(|| Error::NotFound {
			what: "version",
			id: show(&id),
			hint: "`llmchain model versions MODEL` lists those of a model",
		})
}

/// A version and its ancestors, newest first, at most `limit`.
///
/// # Errors
/// - of the connection.
pub async fn lineage(
	chain: &Chain,
	version: VersionId,
	limit: u32,
) -> Result<Vec<(VersionId, ChainVersion)>> {
	let best = chain.best().await?;
	let mut versions = Vec::new();
	let mut next = Some(version);
	while let Some(from) = next {
		let left = limit.saturating_sub(u32::try_from(versions.len()).unwrap_or(u32::MAX));
		if left == 0 {
			break;
		}
		let call = api::runtime_apis()
			.models_api()
			.lineage(from, left.min(PAGE));
		let page = best
			.runtime_apis()
			.call(call)
			.await
			.map_err(crate::chain::ChainError::from)?;
		if page.is_empty() {
			break;
		}
		versions.extend(page.into_iter().map(|(id, version)| (id, version.0)));
		next = versions
			.last()
			.and_then(|(_, version)| version.parents.first().copied());
	}
	Ok(versions)
}

async fn create(context: &Context, options: Create) -> Result<()> {
	let signer = context.signer()?;
	let chain = context.chain().await?;
	let name = ModelName::try_from(options.name.as_str()).map_err(Error::text("--name"))?;
	let seed = options
		.seed
		.unwrap_or_else(|| default_seed(&options.name, &options.dataset));
	let shards = texts(context, &chain, options.dataset).await?;
	let waiting = context
		.output
		.spinner("training the tokenizer and deriving version 0");
	let made = tokio::task::spawn_blocking(move || make(&options, &shards, seed)).await??;
	waiting.finish_and_clear();

	let owner = account_of(&signer);
	let model = model_id(&owner, &name, &made.architecture, &made.tokenizer, &seed);
	let version = version_id(&model, &[], &Origin::Seed(seed), &made.roots);
	let known = api::runtime_apis().models_api().model(model);
	let known = chain.call(known).await?.map(|known| known.0.first);
	let created_now = known.is_none();
	let mut transaction = Transaction::default();
	if created_now {
		let archived =
			archive::archive(&chain, &signer, vec![made.tokenizer_json], &context.output).await?;
		let waiting = context.output.spinner("registering the model");
		let call = api::tx().models().create(
			name.as_str().to_owned(),
			Static(made.architecture),
			made.tokenizer,
			seed,
			Static(made.roots),
		);
		let included = chain.submit(&signer, &call).await?;
		waiting.finish_and_clear();
		transaction = archived.transaction.and(included.transaction);
	}
	context.output.result(&Created {
		model,
		name: name.as_str().to_owned(),
		version: known.unwrap_or(version),
		parameters: made.roots.parameters,
		momentum: made.roots.momentum,
		n_parameters: made.n_parameters,
		tokenizer: made.tokenizer,
		vocab_size: made.architecture.vocab_size,
		architecture: made.architecture,
		seed,
		created_now,
		transaction,
	})
}

/// Text of all shards to train on, checked chunk by chunk.
async fn texts(context: &Context, chain: &Chain, dataset: DatasetId) -> Result<Vec<Vec<u8>>> {
	let manifest = dataset::fetch(chain, dataset).await?;
	let chunks = manifest.shards.iter().map(|shard| shard.chunks.len()).sum();
	let bar = context.output.bar(chunks, "fetching the dataset");
	let mut texts = Vec::new();
	for Shard { chunks, .. } in &manifest.shards {
		let mut text = Vec::new();
		for chunk in chunks {
			text.extend(archive::fetch(chain, *chunk).await?);
			bar.inc(1);
		}
		texts.push(text);
	}
	bar.finish_and_clear();
	Ok(texts)
}

/// A model before it is registered.
struct Made {
	tokenizer_json: Vec<u8>,
	tokenizer: Hash,
	architecture: Architecture,
	n_parameters: u64,
	roots: CheckpointRoots,
}

/// Trains the tokenizer and derives version 0.
fn make(options: &Create, shards: &[Vec<u8>], seed: Hash) -> Result<Made> {
	let preset = options.preset.numbers();
	let mut documents = Vec::new();
	for shard in shards {
		documents.extend(corpus::parse_shard(shard)?);
	}
	let tokenizer_json =
		transformer::train_characters(&documents, options.vocab.unwrap_or(preset.vocab))?;
	let architecture = Architecture {
		vocab_size: transformer::Tokenizer::from_bytes(&tokenizer_json)?.vocab_size(),
		context_length: options.context.unwrap_or(preset.context),
		n_layers: options.layers.unwrap_or(preset.layers),
		n_heads: options.heads.unwrap_or(preset.heads),
		d_model: options.d_model.unwrap_or(preset.d_model),
		d_ff: options.d_ff.unwrap_or(preset.d_ff),
	};
	let numbers = convert::architecture(&architecture);
	let n_parameters = numbers.n_parameters()?;
	let roots = convert::roots(Checkpoint::from_seed(&numbers, seed.0)?.roots()?);
	Ok(Made {
		tokenizer: blake2(&tokenizer_json),
		tokenizer_json,
		architecture,
		n_parameters,
		roots,
	})
}

#[cfg(test)]
mod tests {
	use super::*;

	fn options() -> Create {
		Create {
			name: "n".into(),
			dataset: Hash::zero(),
			preset: PresetName::Tang,
			vocab: Some(32),
			context: Some(8),
			layers: Some(1),
			heads: Some(2),
			d_model: Some(8),
			d_ff: Some(16),
			seed: None,
		}
	}

	#[test]
	fn a_model_follows_from_text_numbers_and_seed() {
		let shards = [corpus::write_shard(["床前明月光", "疑是地上霜"]).unwrap()];
		let seed = Hash::repeat_byte(3);
		let made = make(&options(), &shards, seed).unwrap();
		// Ten characters and four special tokens.
		assert_eq!(made.architecture.vocab_size, 14);
		assert_eq!(made.architecture.n_parameters(), Some(made.n_parameters));
		let again = make(&options(), &shards, seed).unwrap();
		assert_eq!((again.tokenizer, again.roots), (made.tokenizer, made.roots));
		let other = make(&options(), &shards, Hash::repeat_byte(4)).unwrap();
		assert_ne!(other.roots.parameters, made.roots.parameters);
		assert_eq!(other.roots.momentum, made.roots.momentum);
	}

	#[test]
	fn impossible_numbers_and_broken_text_are_refused() {
		let shards = [corpus::write_shard(["abc"]).unwrap()];
		let odd = Create {
			heads: Some(3),
			..options()
		};
		assert!(make(&odd, &shards, Hash::zero()).is_err());
		assert!(matches!(
			make(&options(), &[vec![0xff]], Hash::zero()),
			Err(Error::Corpus(_))
		));
	}
}
