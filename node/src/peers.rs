//! The blob protocol: vectors of integers by their Merkle root, between nodes.
//!
//! Request-response `/<genesis>/llmchain/blobs/1`, SCALE messages. A leaf list is checked against the root and each chunk against
//! its leaf by the engine that asked, so a peer can withhold but not lie. Source: docs/protocol/blobs.md; ARCHITECTURE.md, "Data planes".
//!
//! Must not know: what the integers mean. Invariants: requests and answers are bounded on both sides; serving never blocks the network.

use crate::service::FullClient;
use codec::{Decode, DecodeAll, Encode};
use futures::StreamExt;
use llmchain_runtime::{opaque::Block, Hash};
use sc_client_api::BlockBackend;
use sc_network::{
	config::{IncomingRequest, OutgoingResponse},
	service::traits::NetworkService,
	IfDisconnected, NetworkBackend, ProtocolName,
};
use sc_network_types::PeerId;
use std::{
	collections::HashMap,
	sync::{Arc, Mutex},
	time::{Duration, Instant},
};
use trainer::{FetchError, PeerError, Served, Store};

/// Bytes of a request at most.
const MAX_REQUEST: u64 = 256;
/// Bytes of an answer at most: the leaf list of the largest vector.
const MAX_RESPONSE: u64 = 8 << 20;
/// Chunks of one answer at most: one MiB of 16 KiB chunks.
const MAX_CHUNKS: u32 = 64;
/// Requests that wait here at most; more are dropped by the network.
const QUEUE: usize = 128;
/// Time for one answer.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);
/// Time for which a peer that served wrong bytes is asked last.
const DISTRUST: Duration = Duration::from_secs(600);

/// What a node asks.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
enum Request {
	/// Header and leaf hashes of a vector.
	#[codec(index = 1)]
	Leaves { root: [u8; 32] },
	/// Some consecutive chunks of a vector.
	#[codec(index = 2)]
	Chunks {
		root: [u8; 32],
		first: u32,
		count: u32,
	},
}

/// What a node answers.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
enum Response {
	/// The vector is not here.
	#[codec(index = 0)]
	NotFound,
	/// Header in its 41-byte form, and leaf hashes.
	#[codec(index = 1)]
	Leaves {
		header: [u8; 41],
		leaves: Vec<[u8; 32]>,
	},
	/// Chunks from the first asked on.
	#[codec(index = 2)]
	Chunks(Vec<Vec<u8>>),
}

/// Name of the protocol on the chain with this genesis.
fn protocol_name(genesis: &Hash) -> ProtocolName {
	format!("/{}/llmchain/blobs/1", hex::encode(genesis)).into()
}

/// The protocol as the network wants it, and the queue of what others ask.
pub fn protocol<N: NetworkBackend<Block, Hash>>(
	genesis: &Hash,
) -> (
	N::RequestResponseProtocolConfig,
	async_channel::Receiver<IncomingRequest>,
) {
	let (sender, receiver) = async_channel::bounded(QUEUE);
	let config = N::request_response_config(
		protocol_name(genesis),
		Vec::new(),
		MAX_REQUEST,
		MAX_RESPONSE,
		REQUEST_TIMEOUT,
		Some(sender),
	);
	(config, receiver)
}

/// Answers what others ask until the network ends.
pub async fn serve(store: Arc<Store>, mut requests: async_channel::Receiver<IncomingRequest>) {
	while let Some(IncomingRequest {
		peer,
		payload,
		pending_response,
	}) = requests.next().await
	{
		let store = store.clone();
		let answer = tokio::task::spawn_blocking(move || answer(&store, &payload))
			.await
			.unwrap_or(Err(()));
		if answer.is_err() {
			log::debug!(target: "llmchain::blobs", "{peer} sent a request that cannot be answered");
		}
		// The asker may have gone; then nobody misses the answer.
		let _ = pending_response.send(OutgoingResponse {
			result: answer,
			reputation_changes: Vec::new(),
			sent_feedback: None,
		});
	}
}

fn answer(store: &Store, payload: &[u8]) -> Result<Vec<u8>, ()> {
	let found = match Request::decode_all(&mut &payload[..]).map_err(|_| ())? {
		Request::Leaves { root } => store.leaves(&root).map(|found| {
			found.map(|(header, leaves)| Response::Leaves {
				header: header.encode(),
				leaves,
			})
		}),
		Request::Chunks { root, first, count } => store
			.chunks(&root, first, count.min(MAX_CHUNKS))
			.map(|found| found.map(Response::Chunks)),
	};
	match found {
		Ok(found) => Ok(Encode::encode(&found.unwrap_or(Response::NotFound))),
		Err(error) => {
			log::warn!(target: "llmchain::blobs", "cannot read a blob: {error}");
			Err(())
		}
	}
}

/// Asks connected peers, one after the other; those that lied lately come last.
pub struct NetworkPeers {
	network: Arc<dyn NetworkService>,
	sync: Arc<sc_network_sync::SyncingService<Block>>,
	client: Arc<FullClient>,
	protocol: ProtocolName,
	runtime: tokio::runtime::Handle,
	distrusted: Mutex<HashMap<PeerId, Instant>>,
}

impl NetworkPeers {
	/// Peers of a running network.
	pub fn new(
		genesis: &Hash,
		network: Arc<dyn NetworkService>,
		sync: Arc<sc_network_sync::SyncingService<Block>>,
		client: Arc<FullClient>,
		runtime: tokio::runtime::Handle,
	) -> Self {
		let protocol = protocol_name(genesis);
		Self {
			network,
			sync,
			client,
			protocol,
			runtime,
			distrusted: Mutex::default(),
		}
	}

	async fn candidates(&self) -> Result<Vec<PeerId>, PeerError> {
		let peers = self
			.sync
			.peers_info()
			.await
			.map_err(|_| PeerError::Stopped)?;
		let mut peers: Vec<PeerId> = peers.into_iter().map(|(peer, _)| peer).collect();
		let mut distrusted = self
			.distrusted
			.lock()
			.unwrap_or_else(|poison| poison.into_inner());
		distrusted.retain(|_, since| since.elapsed() < DISTRUST);
		peers.sort_by_key(|peer| distrusted.contains_key(peer));
		Ok(peers)
	}

	/// Asks peers in turn until one has an answer that `accept` takes.
	fn ask<T>(
		&self,
		root: &[u8; 32],
		request: &Request,
		accept: impl Fn(Response) -> Option<T>,
	) -> Result<Served<T>, PeerError> {
		self.runtime.block_on(async {
			for peer in self.candidates().await? {
				let answer = self
					.network
					.request(
						peer,
						self.protocol.clone(),
						request.encode(),
						None,
						IfDisconnected::ImmediateError,
					)
					.await;
				let response = match answer {
					Ok((bytes, _)) => Response::decode_all(&mut &bytes[..]),
					Err(error) => {
						log::debug!(target: "llmchain::blobs", "{peer}: {error}");
						continue;
					}
				};
				if let Some(value) = response.ok().and_then(&accept) {
					return Ok(Served {
						peer: peer.to_string(),
						value,
					});
				}
			}
			Err(PeerError::NotFound { root: *root })
		})
	}
}

impl trainer::Peers for NetworkPeers {
	fn vector_leaves(
		&self,
		root: &[u8; 32],
	) -> Result<Served<(secagg::Header, Vec<[u8; 32]>)>, PeerError> {
		self.ask(
			root,
			&Request::Leaves { root: *root },
			|response| match response {
				Response::Leaves { header, leaves } => {
					Some((secagg::Header::decode(&header).ok()?, leaves))
				}
				_ => None,
			},
		)
	}

	fn vector_chunks(
		&self,
		root: &[u8; 32],
		first: u32,
		count: u32,
	) -> Result<Served<Vec<Vec<u8>>>, PeerError> {
		let count = count.min(MAX_CHUNKS);
		self.ask(
			root,
			&Request::Chunks {
				root: *root,
				first,
				count,
			},
			|response| match response {
				Response::Chunks(chunks)
					if !chunks.is_empty() && chunks.len() <= count as usize =>
				{
					Some(chunks)
				}
				_ => None,
			},
		)
	}

	fn archived(&self, hash: &[u8; 32]) -> Result<Option<Vec<u8>>, PeerError> {
		self.client
			.indexed_transaction(Hash::from(*hash))
			.map_err(|error| PeerError::Unreachable {
				reason: error.to_string(),
			})
	}

	fn refused(&self, peer: &str, error: &FetchError) {
		log::warn!(target: "llmchain::blobs", "{peer} served wrong bytes: {error}");
		if let Ok(peer) = peer.parse() {
			let mut distrusted = self
				.distrusted
				.lock()
				.unwrap_or_else(|poison| poison.into_inner());
			distrusted.insert(peer, Instant::now());
		}
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn messages_stand_as_documented() {
		let request = Request::Chunks {
			root: [7; 32],
			first: 1,
			count: 2,
		};
		let bytes = request.encode();
		assert_eq!((bytes[0], bytes.len()), (2, 1 + 32 + 4 + 4));
		assert_eq!(Request::decode_all(&mut &bytes[..]), Ok(request));
		assert_eq!(Response::NotFound.encode(), [0]);
	}

	#[test]
	fn serves_what_it_has_and_refuses_what_it_cannot_read() {
		let folder = tempfile::tempdir().unwrap();
		let store = Store::open(folder.path()).unwrap();
		let values: Vec<i32> = (0..5_000).collect();
		let header =
			secagg::Header::new(secagg::VectorKind::Parameters, 5_000, secagg::NO_OWNER).unwrap();
		let root = store.put_vector(&header, &values).unwrap();

		let leaves = answer(&store, &Request::Leaves { root }.encode()).unwrap();
		let Response::Leaves {
			header: found,
			leaves,
		} = Response::decode_all(&mut &leaves[..]).unwrap()
		else {
			panic!("no leaves")
		};
		assert_eq!(found, header.encode());
		secagg::verify_leaf_list(&root, &header, &leaves).unwrap();

		let chunks = answer(
			&store,
			&Request::Chunks {
				root,
				first: 1,
				count: u32::MAX,
			}
			.encode(),
		);
		assert_eq!(
			Response::decode_all(&mut &chunks.unwrap()[..]),
			Ok(Response::Chunks(vec![secagg::encode(&values[4096..])]))
		);
		let missing = answer(&store, &Request::Leaves { root: [1; 32] }.encode()).unwrap();
		assert_eq!(missing, Response::NotFound.encode());
		assert_eq!(answer(&store, &[9, 9]), Err(()));
	}
}
