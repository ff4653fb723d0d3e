//! RPC beyond what every Substrate node has.
//!
//! Must not know: how answers are computed. Called twice at start, so it holds shared handles only.

mod llm;

use crate::{
	peers::NetworkPeers,
	service::{FullBackend, FullClient, FullPool, FullSelectChain},
};
use jsonrpsee::RpcModule;
use llmchain_runtime::{opaque::Block, BlockNumber, Hash};
use sc_consensus_babe_rpc::{Babe, BabeApiServer};
use sc_consensus_grandpa as grandpa;
use sc_consensus_grandpa_rpc::{Grandpa, GrandpaApiServer};
use std::sync::Arc;

/// What the RPC methods answer from.
pub struct Dependencies {
	/// The chain's client.
	pub client: Arc<FullClient>,
	/// Pending transactions.
	pub pool: Arc<FullPool>,
	/// Best chain.
	pub select_chain: FullSelectChain,
	/// Keys.
	pub keystore: sp_keystore::KeystorePtr,
	/// BABE's state.
	pub babe_worker: sc_consensus_babe::BabeWorkerHandle<Block>,
	/// GRANDPA's authorities.
	pub authority_set: grandpa::SharedAuthoritySet<Hash, BlockNumber>,
	/// GRANDPA's votes.
	pub voter_state: grandpa::SharedVoterState,
	/// New justifications.
	pub justifications: grandpa::GrandpaJustificationStream<Block>,
	/// Proofs of finality.
	pub finality_proofs: Arc<grandpa::FinalityProofProvider<FullBackend, Block>>,
	/// The native engine.
	pub engine: Arc<trainer::Engine>,
	/// Where the engine gets blobs from.
	pub peers: Arc<NetworkPeers>,
	/// Runs subscriptions.
	pub subscriptions: sc_rpc::SubscriptionTaskExecutor,
}

/// All methods of ours.
pub fn create(
	deps: Dependencies,
) -> Result<RpcModule<()>, Box<dyn std::error::Error + Send + Sync>> {
	use llm::LlmApiServer;
	use pallet_transaction_payment_rpc::{TransactionPayment, TransactionPaymentApiServer};
	use substrate_frame_rpc_system::{System, SystemApiServer};

	let mut module = RpcModule::new(());
	module.merge(System::new(deps.client.clone(), deps.pool).into_rpc())?;
	module.merge(TransactionPayment::new(deps.client.clone()).into_rpc())?;
	module.merge(
		llm::Llm::new(
			deps.client.clone(),
			deps.keystore.clone(),
			deps.engine,
			deps.peers,
		)
		.into_rpc(),
	)?;
	module.merge(
		Babe::new(
			deps.client,
			deps.babe_worker,
			deps.keystore,
			deps.select_chain,
		)
		.into_rpc(),
	)?;
	module.merge(
		Grandpa::new(
			deps.subscriptions,
			deps.authority_set,
			deps.voter_state,
			deps.justifications,
			deps.finality_proofs,
		)
		.into_rpc(),
	)?;
	Ok(module)
}
