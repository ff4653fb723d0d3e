//! RPC of the native engine: generate text, replay receipts, read blobs, see jobs.
//!
//! Must not know: how text is drawn or blobs are fetched. Invariants: a receipt is signed by a registered trainer's key of this node
//! only; all work runs on blocking threads; numbers in requests are integers.

use crate::{convert, peers::NetworkPeers, service::FullClient};
use jsonrpsee::{
	core::{async_trait, RpcResult},
	proc_macros::rpc,
	types::ErrorObjectOwned,
};
use llmchain_primitives::{
	key::{TrainerPublic, TrainerSignature, KEY_TYPE},
	model::Origin,
	receipt::{Generation, Prompt, Receipt, SamplingParameters},
	runtime_api::{ModelsApi, TrainingApi},
	AccountId, Hash, VersionId, NUMERIC_SPEC,
};
use sc_client_api::{BlockBackend, HeaderBackend};
use serde::{Deserialize, Serialize};
use sp_api::ProvideRuntimeApi;
use sp_core::Bytes;
use sp_keystore::KeystorePtr;
use std::sync::Arc;
use trainer::{Engine, GenerationRequest, Peers};

/// What a client asks.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GenerateRequest {
	/// Account that asks; only it may cite the receipt.
	pub asker: AccountId,
	/// Version to ask.
	pub version: VersionId,
	/// Text to go on from; may be empty.
	pub prompt: String,
	/// How tokens are drawn.
	pub sampling: SamplingParameters,
	/// Seed of the draws; the same seed gives the same text.
	pub seed: Hash,
}

/// A receipt in JSON.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct JsonReceipt {
	/// What happened.
	pub generation: Generation,
	/// Signature of the serving trainer's key.
	pub signature: Bytes,
}

/// A generated text with its receipt. `machineMade` is always true.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GenerateResponse {
	/// The text.
	pub text: String,
	/// Tokens drawn.
	pub tokens: u32,
	/// Seconds it took.
	pub seconds: f64,
	/// Says that a machine made the text.
	pub machine_made: bool,
	/// The receipt.
	pub receipt: JsonReceipt,
}

/// What a replay found.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReplayResponse {
	/// The text as this node computes it.
	pub text: String,
	/// Whether it is that of the receipt, byte for byte.
	pub same_output: bool,
	/// Whether a registered trainer's key signed the receipt.
	pub signed_by_server: bool,
}

/// Leaf list of a vector.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Leaves {
	/// Header in its 41-byte form.
	pub header: Bytes,
	/// Hash of each chunk's leaf.
	pub leaves: Vec<Hash>,
}

/// The methods.
#[rpc(server, namespace = "llm")]
pub trait LlmApi {
	/// Generates text and signs a receipt.
	#[method(name = "generate")]
	async fn generate(&self, request: GenerateRequest) -> RpcResult<GenerateResponse>;

	/// Computes a receipt's text again and compares.
	#[method(name = "replay")]
	async fn replay(&self, receipt: JsonReceipt) -> RpcResult<ReplayResponse>;

	/// Jobs of this node's trainer, oldest first.
	#[method(name = "jobs")]
	async fn jobs(&self) -> RpcResult<Vec<trainer::JobStatus>>;

	/// Leaf list of the vector with this root, from here or from a peer.
	#[method(name = "blobLeaves")]
	async fn blob_leaves(&self, root: Hash) -> RpcResult<Leaves>;

	/// Chunks of the vector with this root, from here or from a peer; at most 64 at a time.
	#[method(name = "blobChunks")]
	async fn blob_chunks(&self, root: Hash, first: u32, count: u32) -> RpcResult<Vec<Bytes>>;

	/// Bytes that the chain has archived under this hash, if this node keeps them.
	#[method(name = "archived")]
	async fn archived(&self, hash: Hash) -> RpcResult<Option<Bytes>>;
}

/// Why a method failed: code and text of the JSON-RPC error.
#[derive(Debug, thiserror::Error)]
enum Refusal {
	#[error("no version {0:?} on this chain; ask `llmchain` for the versions of a model")]
	UnknownVersion(VersionId),
	#[error("version {version:?} follows numeric specification {found}; this node computes by {NUMERIC_SPEC}")]
	NumericSpec { version: VersionId, found: u32 },
	#[error("this node has no key of a registered trainer, so it cannot sign receipts; register one or ask another node")]
	NotATrainer,
	#[error("the prompt is too long: {0}")]
	Prompt(llmchain_primitives::text::TextTooLong),
	#[error("the receipt is of another chain, with genesis {0:?}")]
	OtherChain(Hash),
	#[error("the signature has {0} bytes; a trainer's has 64")]
	Signature(usize),
	#[error("{0}")]
	Engine(#[from] trainer::JobError),
	#[error("{0}")]
	Peer(#[from] trainer::PeerError),
	#[error("{0}")]
	Store(#[from] trainer::StoreError),
	#[error("the chain cannot be read: {0}")]
	Chain(String),
	#[error("the work was broken off: {0}")]
	BrokenOff(#[from] tokio::task::JoinError),
}

impl From<Refusal> for ErrorObjectOwned {
	fn from(refusal: Refusal) -> Self {
		let code = match refusal {
			Refusal::UnknownVersion(_) => 7001,
			Refusal::NumericSpec { .. } => 7002,
			Refusal::NotATrainer => 7003,
			Refusal::Prompt(_) => 7004,
			Refusal::OtherChain(_) => 7005,
			Refusal::Signature(_) => 7006,
			Refusal::Engine(_) => 7010,
			Refusal::Peer(_) => 7011,
			Refusal::Store(_) => 7012,
			Refusal::Chain(_) => 7013,
			Refusal::BrokenOff(_) => 7014,
		};
		ErrorObjectOwned::owned(code, refusal.to_string(), None::<()>)
	}
}

/// Answers the methods.
#[derive(Clone)]
pub struct Llm {
	client: Arc<FullClient>,
	keystore: KeystorePtr,
	engine: Arc<Engine>,
	peers: Arc<NetworkPeers>,
}

impl Llm {
	/// Methods over these parts of the node.
	pub fn new(
		client: Arc<FullClient>,
		keystore: KeystorePtr,
		engine: Arc<Engine>,
		peers: Arc<NetworkPeers>,
	) -> Self {
		Self {
			client,
			keystore,
			engine,
			peers,
		}
	}

	fn genesis(&self) -> Result<Hash, Refusal> {
		self.client
			.block_hash(0)
			.map_err(|error| Refusal::Chain(error.to_string()))?
			.ok_or_else(|| Refusal::Chain("no genesis block".into()))
	}

	/// What the engine needs to answer from `version`.
	fn request(
		&self,
		version: VersionId,
		prompt: &str,
		sampling: SamplingParameters,
		seed: Hash,
	) -> Result<GenerationRequest, Refusal> {
		let (api, best) = (self.client.runtime_api(), self.client.info().best_hash);
		let chain = |error: sp_api::ApiError| Refusal::Chain(error.to_string());
		let facts = api
			.version(best, version)
			.map_err(chain)?
			.ok_or(Refusal::UnknownVersion(version))?;
		let model = api
			.model(best, facts.model)
			.map_err(chain)?
			.ok_or(Refusal::UnknownVersion(version))?;
		if facts.numeric_spec != NUMERIC_SPEC {
			return Err(Refusal::NumericSpec {
				version,
				found: facts.numeric_spec,
			});
		}
		Ok(GenerationRequest {
			architecture: convert::architecture(&model.architecture),
			parameters: facts.roots.parameters.0,
			momentum: facts.roots.momentum.0,
			seed: match facts.origin {
				Origin::Seed(seed) => Some(seed.0),
				Origin::Round { .. } => None,
			},
			tokenizer: facts.tokenizer.0,
			prompt: prompt.into(),
			sampling: convert::sampling(&sampling),
			rng_seed: seed.0,
		})
	}

	/// A key of this node that a registered trainer owns, and that trainer.
	fn signer(&self) -> Result<(TrainerPublic, AccountId), Refusal> {
		let (api, best) = (self.client.runtime_api(), self.client.info().best_hash);
		self.keystore
			.sr25519_public_keys(KEY_TYPE)
			.into_iter()
			.map(TrainerPublic::from)
			.find_map(|key| Some((key.clone(), api.trainer_of(best, key).ok()??)))
			.ok_or(Refusal::NotATrainer)
	}

	fn generate_blocking(&self, request: GenerateRequest) -> Result<GenerateResponse, Refusal> {
		let prompt = Prompt::try_from(request.prompt.as_str()).map_err(Refusal::Prompt)?;
		let (key, server) = self.signer()?;
		let job = self.request(
			request.version,
			&request.prompt,
			request.sampling,
			request.seed,
		)?;
		let generated = self.engine.generate(&job)?;
		let generation = Generation {
			genesis: self.genesis()?,
			asker: request.asker,
			server,
			version: request.version,
			tokenizer: job.tokenizer.into(),
			numeric_spec: NUMERIC_SPEC,
			prompt,
			sampling: request.sampling,
			seed: request.seed,
			output: generated.output.into(),
		};
		let signature = self
			.keystore
			.sr25519_sign(KEY_TYPE, key.as_ref(), &generation.signing_bytes())
			.ok()
			.flatten()
			.ok_or(Refusal::NotATrainer)?;
		Ok(GenerateResponse {
			text: generated.text,
			tokens: generated.tokens,
			seconds: generated.seconds,
			machine_made: true,
			receipt: JsonReceipt {
				generation,
				signature: Bytes(signature.0.to_vec()),
			},
		})
	}

	fn replay_blocking(&self, receipt: JsonReceipt) -> Result<ReplayResponse, Refusal> {
		let JsonReceipt {
			generation,
			signature,
		} = receipt;
		if generation.genesis != self.genesis()? {
			return Err(Refusal::OtherChain(generation.genesis));
		}
		let signature = sp_core::sr25519::Signature::try_from(&signature[..])
			.map(TrainerSignature::from)
			.map_err(|_| Refusal::Signature(signature.len()))?;
		let receipt = Receipt {
			generation,
			signature,
		};
		let signed_by_server = self
			.client
			.runtime_api()
			.trainer_key(
				self.client.info().best_hash,
				receipt.generation.server.clone(),
			)
			.map_err(|error| Refusal::Chain(error.to_string()))?
			.is_some_and(|key| receipt.is_signed_by(&key));
		let Generation {
			version,
			prompt,
			sampling,
			seed,
			output,
			..
		} = receipt.generation;
		let generated =
			self.engine
				.generate(&self.request(version, prompt.as_str(), sampling, seed)?)?;
		Ok(ReplayResponse {
			text: generated.text,
			same_output: generated.output == output.0,
			signed_by_server,
		})
	}

	fn leaves_blocking(&self, root: Hash) -> Result<Leaves, Refusal> {
		let (header, leaves) = match self.engine.store().leaves(&root.0)? {
			Some(found) => found,
			None => self.peers.vector_leaves(&root.0)?.value,
		};
		Ok(Leaves {
			header: Bytes(header.encode().to_vec()),
			leaves: leaves.into_iter().map(Hash::from).collect(),
		})
	}

	fn chunks_blocking(&self, root: Hash, first: u32, count: u32) -> Result<Vec<Bytes>, Refusal> {
		let chunks = match self.engine.store().chunks(&root.0, first, count)? {
			Some(found) => found,
			None => self.peers.vector_chunks(&root.0, first, count)?.value,
		};
		Ok(chunks.into_iter().map(Bytes).collect())
	}

	async fn blocking<T: Send + 'static>(
		&self,
		work: impl FnOnce(&Self) -> Result<T, Refusal> + Send + 'static,
	) -> RpcResult<T> {
		let this = self.clone();
		tokio::task::spawn_blocking(move || work(&this))
			.await
			.map_err(Refusal::from)
			.and_then(|result| result)
			.map_err(Into::into)
	}
}

#[async_trait]
impl LlmApiServer for Llm {
	async fn generate(&self, request: GenerateRequest) -> RpcResult<GenerateResponse> {
		self.blocking(|this| this.generate_blocking(request)).await
	}

	async fn replay(&self, receipt: JsonReceipt) -> RpcResult<ReplayResponse> {
		self.blocking(|this| this.replay_blocking(receipt)).await
	}

	async fn jobs(&self) -> RpcResult<Vec<trainer::JobStatus>> {
		Ok(self.engine.jobs())
	}

	async fn blob_leaves(&self, root: Hash) -> RpcResult<Leaves> {
		self.blocking(move |this| this.leaves_blocking(root)).await
	}

	async fn blob_chunks(&self, root: Hash, first: u32, count: u32) -> RpcResult<Vec<Bytes>> {
		self.blocking(move |this| this.chunks_blocking(root, first, count))
			.await
	}

	async fn archived(&self, hash: Hash) -> RpcResult<Option<Bytes>> {
		self.blocking(move |this| Ok(this.peers.archived(&hash.0)?.map(Bytes)))
			.await
	}
}
