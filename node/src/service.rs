//! Builds a node: client, pool, network, consensus, off-chain workers, trainer.
//!
//! BABE makes blocks, GRANDPA finalises them. Must not know: what the runtime decides or how a job is computed.
//! Invariants: standard host functions only; off-chain workers get no HTTP; the proposer's size limit matches the runtime's block length.

use crate::{
	cli::TrainerOptions,
	peers::{self, NetworkPeers},
	rpc, trainer_service,
};
use futures::FutureExt;
use llmchain_runtime::{apis::RuntimeApi, configs::system::MAX_BLOCK_LENGTH, opaque::Block, Hash};
use sc_client_api::{Backend, BlockBackend};
use sc_consensus_babe::SlotProportion;
use sc_consensus_grandpa as grandpa;
use sc_network::{config::NetworkBackendType, NetworkBackend};
use sc_service::{error::Error as ServiceError, Configuration, TaskManager, WarpSyncConfig};
use sc_telemetry::{Telemetry, TelemetryWorker};
use sc_transaction_pool_api::OffchainTransactionPoolFactory;
use sp_consensus_babe::{inherents::InherentDataProvider as SlotProvider, SlotDuration};
use std::sync::Arc;

/// Host functions of the executor: the standard ones, so that the runtime runs on every stock tool.
pub type HostFunctions = (sp_io::SubstrateHostFunctions,);

/// Executes the runtime.
pub type Executor = sc_executor::WasmExecutor<HostFunctions>;
/// The chain's client.
pub type FullClient = sc_service::TFullClient<Block, RuntimeApi, Executor>;
/// The chain's database.
pub type FullBackend = sc_service::TFullBackend<Block>;
/// Chooses the best chain.
pub type FullSelectChain = sc_consensus::LongestChain<FullBackend, Block>;
/// Pool of pending transactions.
pub type FullPool = sc_transaction_pool::TransactionPoolHandle<Block, FullClient>;

type GrandpaImport = grandpa::GrandpaBlockImport<FullBackend, Block, FullClient, FullSelectChain>;
type BabeImport = sc_consensus_babe::BabeBlockImport<
	Block,
	FullClient,
	GrandpaImport,
	InherentProviders,
	FullSelectChain,
>;

/// Blocks between two stored justifications.
const JUSTIFICATION_PERIOD: u32 = 32;
/// Bytes of a block left to its header and digests when proposing.
const HEADER_RESERVE: usize = 64 << 10;

/// Slot and time of a block.
#[derive(Clone, Copy)]
pub struct InherentProviders(SlotDuration);

#[async_trait::async_trait]
impl sp_inherents::CreateInherentDataProviders<Block, ()> for InherentProviders {
	type InherentDataProviders = (SlotProvider, sp_timestamp::InherentDataProvider);

	async fn create_inherent_data_providers(
		&self,
		_parent: Hash,
		_: (),
	) -> Result<Self::InherentDataProviders, Box<dyn std::error::Error + Send + Sync>> {
		let timestamp = sp_timestamp::InherentDataProvider::from_system_time();
		Ok((
			SlotProvider::from_timestamp_and_slot_duration(*timestamp, self.0),
			timestamp,
		))
	}
}

/// What a running node needs beyond [`sc_service::PartialComponents`].
pub struct Consensus {
	block_import: BabeImport,
	grandpa_link: grandpa::LinkHalf<Block, FullClient, FullSelectChain>,
	babe_link: sc_consensus_babe::BabeLink<Block>,
	babe_worker: sc_consensus_babe::BabeWorkerHandle<Block>,
	telemetry: Option<Telemetry>,
}

/// Parts that subcommands need too.
pub type Partial = sc_service::PartialComponents<
	FullClient,
	FullBackend,
	FullSelectChain,
	sc_consensus::DefaultImportQueue<Block>,
	FullPool,
	Consensus,
>;

/// Builds client, pool and import queue.
pub fn new_partial(config: &Configuration) -> Result<Partial, ServiceError> {
	let telemetry = config
		.telemetry_endpoints
		.clone()
		.filter(|endpoints| !endpoints.is_empty())
		.map(|endpoints| -> Result<_, sc_telemetry::Error> {
			let worker = TelemetryWorker::new(16)?;
			let telemetry = worker.handle().new_telemetry(endpoints);
			Ok((worker, telemetry))
		})
		.transpose()?;
	let executor = sc_service::new_wasm_executor::<HostFunctions>(&config.executor);
	let (client, backend, keystore_container, task_manager) =
		sc_service::new_full_parts::<Block, RuntimeApi, _>(
			config,
			telemetry.as_ref().map(|(_, telemetry)| telemetry.handle()),
			executor,
			Vec::new(),
		)?;
	let client = Arc::new(client);
	let telemetry = telemetry.map(|(worker, telemetry)| {
		task_manager
			.spawn_handle()
			.spawn("telemetry", None, worker.run());
		telemetry
	});
	let select_chain = sc_consensus::LongestChain::new(backend.clone());
	let transaction_pool = Arc::from(
		sc_transaction_pool::Builder::new(
			task_manager.spawn_essential_handle(),
			client.clone(),
			config.role.is_authority().into(),
		)
		.with_options(config.transaction_pool.clone())
		.with_prometheus(config.prometheus_registry())
		.build(),
	);
	let (grandpa_import, grandpa_link) = grandpa::block_import(
		client.clone(),
		JUSTIFICATION_PERIOD,
		&(client.clone() as Arc<_>),
		select_chain.clone(),
		telemetry.as_ref().map(Telemetry::handle),
	)?;
	let babe_config = sc_consensus_babe::configuration(&*client)?;
	let slot_duration = babe_config.slot_duration();
	let (block_import, babe_link) = sc_consensus_babe::block_import(
		babe_config,
		grandpa_import.clone(),
		client.clone(),
		InherentProviders(slot_duration),
		select_chain.clone(),
		OffchainTransactionPoolFactory::new(transaction_pool.clone()),
	)?;
	let (import_queue, babe_worker) =
		sc_consensus_babe::import_queue(sc_consensus_babe::ImportQueueParams {
			link: babe_link.clone(),
			block_import: block_import.clone(),
			justification_import: Some(Box::new(grandpa_import)),
			client: client.clone(),
			slot_duration,
			spawner: &task_manager.spawn_essential_handle(),
			registry: config.prometheus_registry(),
			telemetry: telemetry.as_ref().map(Telemetry::handle),
		})?;
	Ok(sc_service::PartialComponents {
		client,
		backend,
		task_manager,
		keystore_container,
		select_chain,
		import_queue,
		transaction_pool,
		other: Consensus {
			block_import,
			grandpa_link,
			babe_link,
			babe_worker,
			telemetry,
		},
	})
}

/// Starts a node.
pub fn new_full(
	config: Configuration,
	trainer: TrainerOptions,
) -> Result<TaskManager, ServiceError> {
	match config.network.network_backend {
		NetworkBackendType::Libp2p => {
			start::<sc_network::NetworkWorker<Block, Hash>>(config, trainer)
		}
		NetworkBackendType::Litep2p => start::<sc_network::Litep2pNetworkBackend>(config, trainer),
	}
}

fn start<N: NetworkBackend<Block, Hash>>(
	mut config: Configuration,
	options: TrainerOptions,
) -> Result<TaskManager, ServiceError> {
	let sc_service::PartialComponents {
		client,
		backend,
		mut task_manager,
		import_queue,
		keystore_container,
		select_chain,
		transaction_pool,
		other:
			Consensus {
				block_import,
				grandpa_link,
				babe_link,
				babe_worker,
				mut telemetry,
			},
	} = new_partial(&config)?;

	// A trainer that is no validator needs its off-chain worker all the same.
	config.offchain_worker.enabled |= options.trainer;
	let keystore = keystore_container.keystore();
	insert_development_key(&config, &keystore)?;

	let metrics = N::register_notification_metrics(config.prometheus_registry());
	let mut net_config = sc_network::config::FullNetworkConfiguration::<_, _, N>::new(
		&config.network,
		config.prometheus_registry().cloned(),
	);
	let peer_store = net_config.peer_store_handle();
	let genesis = client
		.block_hash(0)?
		.ok_or_else(|| ServiceError::Other("the database has no genesis block".into()))?;
	let grandpa_protocol = grandpa::protocol_standard_name(&genesis, &config.chain_spec);
	let (grandpa_config, grandpa_notifications) = grandpa::grandpa_peers_set_config::<_, N>(
		grandpa_protocol.clone(),
		metrics.clone(),
		peer_store,
	);
	net_config.add_notification_protocol(grandpa_config);
	let (blob_config, blob_requests) = peers::protocol::<N>(&genesis);
	net_config.add_request_response_protocol(blob_config);
	let warp_sync = Arc::new(grandpa::warp_proof::NetworkProvider::new(
		backend.clone(),
		grandpa_link.shared_authority_set().clone(),
		Vec::new(),
	));
	let (network, system_rpc_tx, tx_handler_controller, sync_service, _bitswap) =
		sc_service::build_network(sc_service::BuildNetworkParams {
			config: &config,
			net_config,
			client: client.clone(),
			transaction_pool: transaction_pool.clone(),
			spawn_handle: task_manager.spawn_handle(),
			spawn_essential_handle: task_manager.spawn_essential_handle(),
			import_queue,
			block_announce_validator_builder: None,
			warp_sync_config: Some(WarpSyncConfig::WithProvider(warp_sync)),
			block_relay: None,
			metrics,
			gap_sync_body_policy: None,
		})?;

	let network_peers = Arc::new(NetworkPeers::new(
		&genesis,
		network.clone(),
		sync_service.clone(),
		client.clone(),
		config.tokio_handle.clone(),
	));
	let folder = config
		.base_path
		.config_dir(config.chain_spec.id())
		.join("trainer");
	let engine = trainer_service::start_engine(&options, folder, network_peers.clone())
		.map_err(|error| ServiceError::Application(error.into()))?;
	task_manager.spawn_handle().spawn(
		"blob-server",
		Some("networking"),
		peers::serve(engine.store().clone(), blob_requests),
	);
	if options.trainer {
		task_manager.spawn_handle().spawn(
			"trainer-bridge",
			Some("trainer"),
			trainer_service::run(engine.clone(), keystore.clone(), backend.clone()),
		);
	}

	if config.offchain_worker.enabled {
		let workers = sc_offchain::OffchainWorkers::new(sc_offchain::OffchainWorkerOptions {
			runtime_api_provider: client.clone(),
			keystore: Some(keystore.clone()),
			offchain_db: backend.offchain_storage(),
			transaction_pool: Some(OffchainTransactionPoolFactory::new(
				transaction_pool.clone(),
			)),
			network_provider: Arc::new(network.clone()),
			is_validator: config.role.is_authority(),
			enable_http_requests: false,
			custom_extensions: |_| Vec::new(),
		})?;
		task_manager.spawn_handle().spawn(
			"offchain-workers-runner",
			"offchain-worker",
			workers
				.run(client.clone(), task_manager.spawn_handle())
				.boxed(),
		);
	}

	let role = config.role;
	let force_authoring = config.force_authoring;
	let name = config.network.node_name.clone();
	let enable_grandpa = !config.disable_grandpa;
	let prometheus_registry = config.prometheus_registry().cloned();

	let voter_state = grandpa::SharedVoterState::empty();
	let rpc_builder = {
		let client = client.clone();
		let pool = transaction_pool.clone();
		let select_chain = select_chain.clone();
		let keystore = keystore.clone();
		let authority_set = grandpa_link.shared_authority_set().clone();
		let justifications = grandpa_link.justification_stream();
		let voter_state = voter_state.clone();
		let finality_proofs = grandpa::FinalityProofProvider::new_for_service(
			backend.clone(),
			Some(authority_set.clone()),
		);
		Box::new(move |subscriptions: sc_rpc::SubscriptionTaskExecutor| {
			rpc::create(rpc::Dependencies {
				client: client.clone(),
				pool: pool.clone(),
				select_chain: select_chain.clone(),
				keystore: keystore.clone(),
				babe_worker: babe_worker.clone(),
				authority_set: authority_set.clone(),
				voter_state: voter_state.clone(),
				justifications: justifications.clone(),
				finality_proofs: finality_proofs.clone(),
				engine: engine.clone(),
				peers: network_peers.clone(),
				subscriptions,
			})
			.map_err(Into::into)
		})
	};
	sc_service::spawn_tasks(sc_service::SpawnTasksParams {
		config,
		client: client.clone(),
		backend: backend.clone(),
		task_manager: &mut task_manager,
		keystore: keystore.clone(),
		transaction_pool: transaction_pool.clone(),
		rpc_builder,
		network: network.clone(),
		system_rpc_tx,
		tx_handler_controller,
		sync_service: sync_service.clone(),
		telemetry: telemetry.as_mut(),
		tracing_execute_block: None,
	})?;

	if role.is_authority() {
		let mut proposer = sc_basic_authorship::ProposerFactory::new(
			task_manager.spawn_handle(),
			client.clone(),
			transaction_pool.clone(),
			prometheus_registry.as_ref(),
			telemetry.as_ref().map(Telemetry::handle),
		);
		proposer.set_default_block_size_limit(MAX_BLOCK_LENGTH as usize - HEADER_RESERVE);
		let slot_duration = babe_link.config().slot_duration();
		let babe = sc_consensus_babe::start_babe(sc_consensus_babe::BabeParams {
			keystore: keystore.clone(),
			client: client.clone(),
			select_chain,
			env: proposer,
			block_import,
			sync_oracle: sync_service.clone(),
			justification_sync_link: sync_service.clone(),
			create_inherent_data_providers: InherentProviders(slot_duration),
			force_authoring,
			backoff_authoring_blocks: None::<()>,
			babe_link,
			block_proposal_slot_portion: SlotProportion::new(0.5),
			max_block_proposal_slot_portion: None,
			telemetry: telemetry.as_ref().map(Telemetry::handle),
		})?;
		task_manager.spawn_essential_handle().spawn_blocking(
			"babe-proposer",
			Some("block-authoring"),
			babe,
		);
	}

	if enable_grandpa {
		let voter = grandpa::run_grandpa_voter(grandpa::GrandpaParams {
			config: grandpa::Config {
				gossip_duration: std::time::Duration::from_millis(333),
				justification_generation_period: JUSTIFICATION_PERIOD,
				name: Some(name),
				observer_enabled: false,
				keystore: role.is_authority().then_some(keystore),
				local_role: role,
				telemetry: telemetry.as_ref().map(Telemetry::handle),
				protocol_name: grandpa_protocol,
			},
			link: grandpa_link,
			network,
			sync: sync_service,
			notification_service: grandpa_notifications,
			voting_rule: grandpa::VotingRulesBuilder::default().build(),
			prometheus_registry,
			shared_voter_state: voter_state,
			telemetry: telemetry.as_ref().map(Telemetry::handle),
			offchain_tx_pool_factory: OffchainTransactionPoolFactory::new(transaction_pool),
		})?;
		task_manager
			.spawn_essential_handle()
			.spawn_blocking("grandpa-voter", None, voter);
	}
	Ok(task_manager)
}

/// Puts the trainer key of a development seed (`--alice` and so on) into the keystore.
fn insert_development_key(
	config: &Configuration,
	keystore: &sp_keystore::KeystorePtr,
) -> Result<(), ServiceError> {
	let Some(seed) = &config.dev_key_seed else {
		return Ok(());
	};
	keystore
		.sr25519_generate_new(llmchain_primitives::key::KEY_TYPE, Some(seed))
		.map(|_| ())
		.map_err(|error| ServiceError::Other(format!("trainer key of {seed}: {error}")))
}
