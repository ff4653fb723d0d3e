//! The connection to a node: reads at its best block, plain RPC, and what the chain's refusals are called.
//!
//! Must not know: commands, keys. Trusts the node for the state of the chain. Invariant: every read of one command that must fit
//! together is made at one block.
//!
//! Files: `refusal` (errors of the chain in words), `submit` (transactions), `clock` (when a block was made).

mod clock;
mod refusal;
mod submit;

pub use refusal::{pool_advice, Refusal};
pub use submit::{Included, Transaction, TransactionEvents};

use crate::api;
use llmchain_primitives::{AccountId, Hash};
use serde::de::DeserializeOwned;
use std::sync::Arc;
use subxt::{
	backend::LegacyBackend,
	client::{Blocks, OnlineClientAtBlock},
	config::SubstrateConfig,
	rpcs::{client::RpcParams, RpcClient},
	runtime_apis::Payload,
	OnlineClient,
};
use thiserror::Error;

/// What subxt has to know of the chain: the usual types. Our transaction extensions encode to nothing, so subxt skips them.
pub type ChainConfig = SubstrateConfig;
/// The chain as it was after one block.
pub type AtBlock = OnlineClientAtBlock<ChainConfig>;

/// The node cannot be used, or the chain refused.
#[derive(Debug, Error)]
pub enum ChainError {
	/// No connection.
	#[error("cannot reach a node at {url} ({reason}); start one, or name another with --url ws://HOST:PORT")]
	Connect {
		/// Address tried.
		url: String,
		/// What the network says.
		reason: String,
	},
	/// The node runs another runtime than this program was built for.
	#[error("the node's runtime differs from the one that this program was built for ({part}); use the `llmchain` of the same release as the node")]
	Incompatible {
		/// Where they differ.
		part: String,
	},
	/// A call of a plain RPC method failed.
	#[error("{method}: {reason}")]
	Rpc {
		/// The method.
		method: &'static str,
		/// The node's code, if it answered.
		code: Option<i32>,
		/// The node's words.
		reason: String,
	},
	/// The node gave an answer that cannot be read.
	#[error("the node's answer to {method} cannot be read: {reason}")]
	Answer {
		/// The method.
		method: &'static str,
		/// What is wrong.
		reason: String,
	},
	/// A transaction was not taken into the pool, or dropped from it.
	#[error("the transaction was not taken: {reason}")]
	NotTaken {
		/// Why, and what to do.
		reason: String,
	},
	/// A transaction is in a block, but failed.
	#[error("{0}")]
	Refused(Refusal),
	/// A transaction is in a block, but its events are not those it should have.
	#[error("the transaction is in block {block:?}, but the block has no event {event} of it; ask another node")]
	NoEvent {
		/// The block.
		block: Hash,
		/// What was looked for.
		event: &'static str,
	},
	/// Anything else that subxt reports.
	#[error("{0}")]
	Client(Box<subxt::Error>),
}

impl<E: Into<subxt::Error>> From<E> for ChainError {
	fn from(error: E) -> Self {
		let error = error.into();
		if is_incompatible(&error) {
			return ChainError::Incompatible {
				part: error.to_string(),
			};
		}
		ChainError::Client(Box::new(error))
	}
}

/// Whether subxt found that the node's types, calls or methods are not those of `metadata.scale`.
fn is_incompatible(error: &subxt::Error) -> bool {
	use subxt::{
		error::{ConstantError, ExtrinsicError, RuntimeApiError, StorageError},
		Error,
	};
	matches!(
		error,
		Error::ExtrinsicError(
			ExtrinsicError::IncompatibleCodegen
				| ExtrinsicError::PalletNameNotFound(_)
				| ExtrinsicError::CallNameNotFound { .. }
		) | Error::RuntimeApiError(
			RuntimeApiError::IncompatibleCodegen
				| RuntimeApiError::TraitNotFound(_)
				| RuntimeApiError::MethodNotFound { .. }
		) | Error::StorageError(
			StorageError::IncompatibleCodegen
				| StorageError::PalletNameNotFound(_)
				| StorageError::StorageEntryNotFound { .. }
		) | Error::ConstantError(
			ConstantError::IncompatibleCodegen
				| ConstantError::PalletNameNotFound(_)
				| ConstantError::ConstantNameNotFound { .. }
		)
	)
}

/// A connection to a node.
#[derive(Clone, Debug)]
pub struct Chain {
	client: OnlineClient<ChainConfig>,
	rpc: RpcClient,
	in_block: bool,
}

impl Chain {
	/// Connects. `in_block`: transactions count as done once in a block, without waiting for finality.
	///
	/// # Errors
	/// - [`ChainError::Connect`].
	pub async fn connect(url: &str, in_block: bool) -> Result<Self, ChainError> {
		let connect = |reason: String| ChainError::Connect {
			url: url.to_owned(),
			// Each layer of the client repeats whose error it is.
			reason: reason.replace("RPC error: client error: ", ""),
		};
		let rpc = RpcClient::from_insecure_url(url)
			.await
			.map_err(|error| connect(error.to_string()))?;
		let backend = LegacyBackend::<ChainConfig>::builder().build(rpc.clone());
		let client = OnlineClient::from_backend(Arc::new(backend))
			.await
			.map_err(|error| connect(error.to_string()))?;
		Ok(Self {
			client,
			rpc,
			in_block,
		})
	}

	/// Hash of the first block, which names the chain.
	pub fn genesis(&self) -> Hash {
		self.client.genesis_hash()
	}

	/// The chain after its best block.
	///
	/// # Errors
	/// - any [`ChainError`].
	pub async fn best(&self) -> Result<AtBlock, ChainError> {
		let hash: Hash = self.request("chain_getBlockHash", RpcParams::new()).await?;
		self.at(hash).await
	}

	/// The chain after its last final block.
	///
	/// # Errors
	/// - any [`ChainError`].
	pub async fn finalised(&self) -> Result<AtBlock, ChainError> {
		Ok(self.client.at_current_block().await?)
	}

	/// The chain after a block whose state the node still has.
	///
	/// # Errors
	/// - any [`ChainError`].
	pub async fn at(&self, block: Hash) -> Result<AtBlock, ChainError> {
		Ok(self.client.at_block(block).await?)
	}

	/// Blocks as they come: final ones, or best ones where `in_block`.
	///
	/// # Errors
	/// - any [`ChainError`].
	pub async fn blocks(&self) -> Result<Blocks<ChainConfig>, ChainError> {
		Ok(if self.in_block {
			self.client.stream_best_blocks().await?
		} else {
			self.client.stream_blocks().await?
		})
	}

	/// Calls a runtime API at the best block.
	///
	/// # Errors
	/// - any [`ChainError`].
	pub async fn call<P: Payload>(&self, payload: P) -> Result<P::ReturnType, ChainError> {
		Ok(self.best().await?.runtime_apis().call(payload).await?)
	}

	/// Calls a plain RPC method.
	///
	/// # Errors
	/// - [`ChainError::Rpc`].
	pub async fn request<T: DeserializeOwned>(
		&self,
		method: &'static str,
		params: RpcParams,
	) -> Result<T, ChainError> {
		use subxt::rpcs::Error as RpcError;
		self.rpc
			.request(method, params)
			.await
			.map_err(|error| match error {
				RpcError::User(error) => ChainError::Rpc {
					method,
					code: Some(error.code),
					reason: error.message,
				},
				RpcError::Deserialization(error) => ChainError::Answer {
					method,
					reason: error.to_string(),
				},
				error => ChainError::Rpc {
					method,
					code: None,
					reason: error.to_string(),
				},
			})
	}

	/// Number of the account's next transaction, those in the pool counted.
	///
	/// # Errors
	/// - any [`ChainError`].
	pub async fn next_nonce(&self, account: &AccountId) -> Result<u64, ChainError> {
		self.request("system_accountNextIndex", params(&[&account.to_string()])?)
			.await
	}

	/// Bytes that the chain archived under this hash, if the node keeps them.
	///
	/// # Errors
	/// - any [`ChainError`].
	pub async fn archived(&self, hash: Hash) -> Result<Option<Vec<u8>>, ChainError> {
		const METHOD: &str = "llm_archived";
		let answer: Option<String> = self.request(METHOD, params(&[&hash])?).await?;
		answer
			.map(|text| {
				crate::convert::bytes_of_hex(&text).ok_or_else(|| ChainError::Answer {
					method: METHOD,
					reason: "no hexadecimal bytes".into(),
				})
			})
			.transpose()
	}

	/// Whether the chain has archived a blob with this hash.
	///
	/// # Errors
	/// - any [`ChainError`].
	pub async fn is_archived(at: &AtBlock, hash: Hash) -> Result<bool, ChainError> {
		let entry = at.storage().entry(api::storage().blobs().blobs())?;
		Ok(entry.try_fetch((hash,)).await?.is_some())
	}
}

/// Parameters of an RPC method, all of one type.
///
/// # Errors
/// - [`ChainError::Answer`] if one cannot be written as JSON, which none of ours does.
pub fn params<T: serde::Serialize + ?Sized>(values: &[&T]) -> Result<RpcParams, ChainError> {
	let mut params = RpcParams::new();
	for value in values {
		push(&mut params, value)?;
	}
	Ok(params)
}

/// Adds a parameter.
///
/// # Errors
/// - as [`params`].
pub fn push<T: serde::Serialize + ?Sized>(
	params: &mut RpcParams,
	value: &T,
) -> Result<(), ChainError> {
	params.push(value).map_err(|error| ChainError::Answer {
		method: "a request",
		reason: error.to_string(),
	})
}
