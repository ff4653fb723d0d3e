//! Puts blobs into the chain's archive and fetches them back.
//!
//! Must not know: what the bytes are. Invariants: what is archived already is not sent again, so a broken run goes on where it stopped;
//! bytes that come back are hashed before they are used.

use crate::{
	api,
	chain::{Chain, Transaction},
	convert::{blake2, show},
	error::{Error, Result},
	output::Output,
};
use futures::{stream, StreamExt, TryStreamExt};
use llmchain_primitives::Hash;
use std::collections::BTreeMap;
use subxt_signer::sr25519::Keypair;

/// Blobs on their way at one time: as many MiB as fit into a block.
const IN_FLIGHT: usize = 8;

/// What was archived.
#[derive(Clone, Debug)]
pub struct Archived {
	/// Blobs that were sent.
	pub sent: usize,
	/// What that cost.
	pub transaction: Transaction,
}

/// Archives the blobs that the chain does not have yet. Each is in a block afterwards; a transaction that needs them and becomes
/// final makes them final too.
///
/// # Errors
/// - of the connection, or the chain's refusal.
pub async fn archive(
	chain: &Chain,
	signer: &Keypair,
	blobs: Vec<Vec<u8>>,
	output: &Output,
) -> Result<Archived> {
	let best = chain.best().await?;
	let mut missing = BTreeMap::new();
	for blob in blobs {
		let hash = blake2(&blob);
		if !missing.contains_key(&hash) && !Chain::is_archived(&best, hash).await? {
			missing.insert(hash, blob);
		}
	}
	let sent = missing.len();
	let mut transaction = Transaction::default();
	if sent == 0 {
		return Ok(Archived { sent, transaction });
	}
	let bar = output.bar(sent, "archiving blobs");
	let nonce = chain.next_nonce(&crate::keys::account_of(signer)).await?;
	let mut done = stream::iter(missing.into_values().zip(nonce..))
		.map(|(blob, nonce)| async move {
			let call = api::tx().blobs().archive(blob);
			chain.submit_as(signer, &call, nonce, false).await
		})
		.buffered(IN_FLIGHT);
	while let Some(included) = done.try_next().await? {
		transaction = transaction.and(included.transaction);
		bar.inc(1);
	}
	bar.finish_and_clear();
	Ok(Archived { sent, transaction })
}

/// Fetches a blob from the archive and checks its hash.
///
/// # Errors
/// - [`Error::NotArchived`], [`Error::WrongBlob`], or of the connection.
pub async fn fetch(chain: &Chain, hash: Hash) -> Result<Vec<u8>> {
	let bytes = chain
		.archived(hash)
		.await?
		.ok_or_else(|| Error::NotArchived { hash: show(&hash) })?;
	if blake2(&bytes) != hash {
		return Err(Error::WrongBlob { hash: show(&hash) });
	}
	Ok(bytes)
}
