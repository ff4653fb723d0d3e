//! The bridge between the off-chain worker's mailbox and the native engine.
//!
//! Looks into the slot of every local trainer key, hands tickets to the engine, puts outcomes back. Tickets may be lost or come
//! twice: the worker writes them again from state, and the engine's own queue remembers. Source: docs/protocol/mailbox.md.
//!
//! Must not know: phases, arithmetic. Invariants: a slot is changed by compare-and-set only; nothing here blocks the node.

use crate::{cli::TrainerOptions, convert, peers::NetworkPeers, service::FullBackend};
use codec::Encode;
use llmchain_primitives::{
	key::{TrainerPublic, KEY_TYPE},
	mailbox::{slot_key, Slot},
};
use sc_client_api::Backend;
use sp_core::offchain::{OffchainStorage, STORAGE_PREFIX};
use sp_keystore::KeystorePtr;
use std::{path::PathBuf, sync::Arc, time::Duration};
use trainer::{Engine, EngineConfig, EngineError};

/// Time between two looks into the mailbox; a slot is far longer.
const POLL: Duration = Duration::from_millis(200);
/// Nice value of training threads: every other thread of the node goes first.
const TRAINING_NICENESS: i32 = 19;

/// Starts the engine in the node's folder.
pub fn start_engine(
	options: &TrainerOptions,
	folder: PathBuf,
	peers: Arc<NetworkPeers>,
) -> Result<Arc<Engine>, EngineError> {
	let processors = std::thread::available_parallelism().map_or(1, usize::from);
	let mut config = EngineConfig::new(options.trainer_dir.clone().unwrap_or(folder));
	config.threads = options.trainer_threads.unwrap_or(processors).max(1);
	config.generation_threads = processors;
	config.thread_start = Some(yield_to_the_node);
	// A node that only generates and verifies may do so without hardware FMA; it is slow and gives the same bits.
	config.allow_soft_fma = !options.trainer;
	Engine::start(config, peers).map(Arc::new)
}

/// Lowers the priority of the calling thread.
fn yield_to_the_node() {
	if let Err(error) = rustix::process::nice(TRAINING_NICENESS) {
		log::warn!(target: "llmchain::trainer", "a training thread keeps normal priority: {error}");
	}
}

/// Carries tickets and outcomes until the node stops.
pub async fn run(engine: Arc<Engine>, keystore: KeystorePtr, backend: Arc<FullBackend>) {
	let Some(storage) = backend.offchain_storage() else {
		log::error!(target: "llmchain::trainer", "this node has no off-chain storage, so it cannot train");
		return;
	};
	loop {
		let keys = keystore.sr25519_public_keys(KEY_TYPE);
		let (engine, mut storage) = (engine.clone(), storage.clone());
		let pass = tokio::task::spawn_blocking(move || {
			for key in keys {
				carry(&engine, &mut storage, &key.into());
			}
		});
		if let Err(error) = pass.await {
			log::error!(target: "llmchain::trainer", "the mailbox bridge broke off a pass: {error}");
		}
		tokio::time::sleep(POLL).await;
	}
}

/// One pass over one slot. A slot that changed meanwhile is left to the next pass.
fn carry(engine: &Engine, storage: &mut impl OffchainStorage, key: &TrainerPublic) {
	let address = slot_key(key);
	let Some(before) = storage.get(STORAGE_PREFIX, &address) else {
		return;
	};
	// The worker replaces a slot that does not decode.
	let Ok(mut slot) = Slot::decode_bounded(Some(&before)) else {
		return;
	};
	let mut changed = false;
	for entry in slot.entries.clone() {
		if entry.outcome.is_some() {
			continue;
		}
		let job = convert::job_key(&entry.key);
		if let Err(error) = engine.submit(job, convert::job(&entry.ticket)) {
			log::warn!(target: "llmchain::trainer", "round {}: ticket refused: {error}", entry.key.round);
			continue;
		}
		if let Some(outcome) = engine.poll(&job) {
			changed |= slot.post_outcome(&entry.key, convert::outcome(outcome));
		}
	}
	if changed {
		storage.compare_and_set(STORAGE_PREFIX, &address, Some(&before), &slot.encode());
	}
}
