//! Sends transactions and finds their events.
//!
//! Must not know: what a call means. A transaction's events are found by its number among those of its account in the block, never by
//! downloading the block: a block full of blobs is larger than what RPC sends.
//! Invariants: nothing counts as done before it is in a block and succeeded; fees are read from the chain, never estimated.

use super::{pool_advice, AtBlock, Chain, ChainConfig, ChainError, Refusal};
use crate::{amount::Amount, api, keys::account_of};
use llmchain_primitives::Hash;
use serde::Serialize;
use subxt::{
	config::DefaultExtrinsicParamsBuilder,
	error::DispatchError,
	events::{DecodeAsEvent, Events, Phase},
	tx::{Payload, TransactionStatus},
	utils::AccountId32,
};
use subxt_signer::sr25519::Keypair;

/// Blocks within which a transaction must be included.
const LIFETIME: u64 = 128;

/// What a writing command says of its transactions.
#[derive(Clone, Debug, Serialize)]
pub struct Transaction {
	/// Block of the last one; none where nothing had to be sent.
	pub block: Option<Hash>,
	/// Its height.
	pub block_number: Option<u64>,
	/// What all of them cost.
	pub fee: Amount,
	/// Whether that block is final.
	pub finalised: bool,
}

impl Default for Transaction {
	fn default() -> Self {
		Self {
			block: None,
			block_number: None,
			fee: Amount(0),
			finalised: true,
		}
	}
}

impl Transaction {
	/// The transactions so far and one more.
	pub fn and(self, next: Transaction) -> Self {
		Self {
			fee: Amount(self.fee.0.saturating_add(next.fee.0)),
			..next
		}
	}
}

/// A transaction that is in a block and succeeded.
pub struct Included {
	/// What to say of it.
	pub transaction: Transaction,
	/// The chain after its block.
	pub at: AtBlock,
	/// Its events.
	pub events: TransactionEvents,
}

/// The events of one transaction.
pub struct TransactionEvents {
	all: Events<ChainConfig>,
	index: u32,
	block: Hash,
}

impl TransactionEvents {
	/// Every event of this type, in order.
	pub fn find<E: DecodeAsEvent>(&self) -> Result<Vec<E>, ChainError> {
		let mut found = Vec::new();
		for event in self.all.iter() {
			let event = event?;
			if event.phase() != Phase::ApplyExtrinsic(self.index) {
				continue;
			}
			if let Some(event) = event.decode_fields_as::<E>() {
				found.push(event?);
			}
		}
		Ok(found)
	}

	/// The event of this type, which the transaction must have.
	///
	/// # Errors
	/// - [`ChainError::NoEvent`].
	pub fn first<E: DecodeAsEvent>(&self, name: &'static str) -> Result<E, ChainError> {
		self.find()?.into_iter().next().ok_or(ChainError::NoEvent {
			block: self.block,
			event: name,
		})
	}

	/// The refusal, if the call failed.
	fn refusal(&self, at: &AtBlock) -> Result<Option<Refusal>, ChainError> {
		for event in self.all.iter() {
			let event = event?;
			if event.phase() == Phase::ApplyExtrinsic(self.index)
				&& event.pallet_name() == "System"
				&& event.event_name() == "ExtrinsicFailed"
			{
				let error = DispatchError::decode_from(event.field_bytes(), at.metadata())?;
				return Ok(Some(Refusal::of(&error, at.metadata_ref())));
			}
		}
		Ok(None)
	}
}

impl Chain {
	/// Signs and sends a call as the signer's next transaction and waits until it is done.
	///
	/// # Errors
	/// - [`ChainError::NotTaken`], [`ChainError::Refused`], or of the connection.
	pub async fn submit<C: Payload>(
		&self,
		signer: &Keypair,
		call: &C,
	) -> Result<Included, ChainError> {
		let nonce = self.next_nonce(&account_of(signer)).await?;
		self.submit_as(signer, call, nonce, !self.in_block).await
	}

	/// Signs and sends a call as the signer's transaction number `nonce` and waits until it is in a block, or final.
	///
	/// # Errors
	/// - as [`Chain::submit`].
	pub async fn submit_as<C: Payload>(
		&self,
		signer: &Keypair,
		call: &C,
		nonce: u64,
		wait_for_finality: bool,
	) -> Result<Included, ChainError> {
		let params = DefaultExtrinsicParamsBuilder::<ChainConfig>::new()
			.nonce(nonce)
			.mortal(LIFETIME)
			.build();
		let mut progress = self
			.birth()
			.await?
			.tx()
			.sign_and_submit_then_watch(call, signer, params)
			.await
			.map_err(not_taken)?;
		let not_taken = |message: String| ChainError::NotTaken {
			reason: pool_advice(&message),
		};
		while let Some(status) = progress.next().await {
			match status? {
				TransactionStatus::InBestBlock(found) if !wait_for_finality => {
					return self
						.included(signer, nonce, found.block_hash(), false)
						.await;
				}
				TransactionStatus::InFinalizedBlock(found) => {
					return self.included(signer, nonce, found.block_hash(), true).await;
				}
				TransactionStatus::Error { message }
				| TransactionStatus::Invalid { message }
				| TransactionStatus::Dropped { message } => return Err(not_taken(message)),
				_ => {}
			}
		}
		Err(not_taken("the node stopped reporting on it".into()))
	}

	/// The block from which a transaction's lifetime counts: a final one, which no fork takes away; but where finality lags so far
	/// that the lifetime would be over, the best one.
	async fn birth(&self) -> Result<AtBlock, ChainError> {
		let (finalised, best) = (self.finalised().await?, self.best().await?);
		let lag = best.block_number().saturating_sub(finalised.block_number());
		Ok(if lag > LIFETIME / 2 { best } else { finalised })
	}

	/// Finds a transaction's events in its block and checks that it succeeded.
	async fn included(
		&self,
		signer: &Keypair,
		nonce: u64,
		block: Hash,
		finalised: bool,
	) -> Result<Included, ChainError> {
		use api::llmchain::transaction_payment::events::TransactionFeePaid;
		let at = self.at(block).await?;
		let account = AccountId32(signer.public_key().0);
		let all = at.events().fetch().await?;
		let mut paid = Vec::new();
		for event in all.iter() {
			let event = event?;
			let Phase::ApplyExtrinsic(index) = event.phase() else {
				continue;
			};
			if let Some(fee) = event.decode_fields_as::<TransactionFeePaid>() {
				let fee = fee?;
				if fee.who == account {
					paid.push((index, fee.actual_fee));
				}
			}
		}
		let next = at.tx().account_nonce(&account).await?;
		let place = nonce
			.checked_add(paid.len() as u64)
			.and_then(|sum| sum.checked_sub(next))
			.and_then(|place| usize::try_from(place).ok());
		let (index, fee) =
			place
				.and_then(|place| paid.get(place).copied())
				.ok_or(ChainError::NoEvent {
					block,
					event: "TransactionPayment.TransactionFeePaid",
				})?;
		let events = TransactionEvents { all, index, block };
		if let Some(refusal) = events.refusal(&at)? {
			return Err(ChainError::Refused(refusal));
		}
		Ok(Included {
			transaction: Transaction {
				block: Some(block),
				block_number: Some(at.block_number()),
				fee: Amount(fee),
				finalised,
			},
			at,
			events,
		})
	}
}

/// The node's own words for refusing a transaction, with advice.
fn not_taken(error: subxt::error::ExtrinsicError) -> ChainError {
	use subxt::{
		error::{BackendError, ExtrinsicError, RpcError},
		rpcs::Error as RpcsError,
	};
	match error {
		ExtrinsicError::ErrorSubmittingTransaction(BackendError::Rpc(RpcError::ClientError(
			RpcsError::User(user),
		))) => {
			let data = user.data.map_or(String::new(), |data| format!(": {data}"));
			ChainError::NotTaken {
				reason: pool_advice(&format!("{}{data}", user.message)),
			}
		}
		other => other.into(),
	}
}
