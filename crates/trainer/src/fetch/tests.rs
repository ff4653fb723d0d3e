//! Tests of fetching: peers that lie, withhold, or answer in pieces. Must not know a network; peers are in memory.

use super::*;
use crate::peers::PeerError;
use secagg::VectorKind;
use std::sync::Mutex;

/// A peer that keeps one vector and lies as it is told.
struct Liar {
	header: Header,
	values: Vec<i16>,
	/// What is left of the lies, last first; then it is honest.
	lies: Mutex<Vec<Lie>>,
	/// Who was refused, and first chunks asked for.
	refused: Mutex<Vec<String>>,
	asked: Mutex<Vec<u32>>,
}

#[derive(Clone, Copy, PartialEq)]
enum Lie {
	Leaves,
	Kind,
	Owner,
	Chunk(usize),
	Nothing,
	TooMany,
	Absent,
}

impl Liar {
	fn new(chunks: u64, lies: &[Lie]) -> Self {
		let header = Header::new(VectorKind::Update, chunks * 4096 - 5, [3; 32]).unwrap();
		Liar {
			header,
			values: (0..header.len()).map(|i| (i % 1009) as i16).collect(),
			lies: Mutex::new(lies.iter().rev().copied().collect()),
			refused: Mutex::default(),
			asked: Mutex::default(),
		}
	}

	fn root(&self) -> Hash {
		secagg::vector_root(&self.header, &self.values).unwrap()
	}

	/// Takes the next lie if it is one of those.
	fn lie(&self, fits: impl Fn(Lie) -> bool) -> Option<Lie> {
		self.lies.lock().unwrap().pop_if(|lie| fits(*lie))
	}
}

impl Peers for Liar {
	fn vector_leaves(&self, root: &Hash) -> Result<Served<(Header, Vec<Hash>)>, PeerError> {
		let mut leaves = secagg::leaves(&self.header, &self.values).unwrap();
		let mut header = self.header;
		match self.lie(|lie| matches!(lie, Lie::Leaves | Lie::Kind | Lie::Owner | Lie::Absent)) {
			Some(Lie::Leaves) => leaves[0][0] ^= 1,
			Some(Lie::Kind) => {
				header = Header::new(VectorKind::GroupSum, header.len(), *header.owner()).unwrap()
			}
			Some(Lie::Owner) => {
				header = Header::new(VectorKind::Update, header.len(), [4; 32]).unwrap()
			}
			Some(Lie::Absent) => return Err(PeerError::NotFound { root: *root }),
			_ => {}
		}
		Ok(Served {
			peer: "mallory".into(),
			value: (header, leaves),
		})
	}

	fn vector_chunks(
		&self,
		_: &Hash,
		first: u32,
		count: u32,
	) -> Result<Served<Vec<Vec<u8>>>, PeerError> {
		self.asked.lock().unwrap().push(first);
		let bytes = secagg::encode(&self.values);
		let mut value: Vec<Vec<u8>> = bytes
			.chunks(8192)
			.skip(first as usize)
			.take(count as usize)
			.map(<[u8]>::to_vec)
			.collect();
		match self.lie(|lie| matches!(lie, Lie::Chunk(_) | Lie::Nothing | Lie::TooMany)) {
			Some(Lie::Chunk(index)) => {
				let last = value.len() - 1;
				value[index.min(last)][5] ^= 1
			}
			Some(Lie::Nothing) => value.clear(),
			Some(Lie::TooMany) => value.push(vec![0; 8192]),
			_ => {}
		}
		Ok(Served {
			peer: "mallory".into(),
			value,
		})
	}

	fn archived(&self, hash: &Hash) -> Result<Option<Vec<u8>>, PeerError> {
		Ok((hash[0] != 0).then(|| b"other bytes".to_vec()))
	}

	fn refused(&self, peer: &str, _: &FetchError) {
		self.refused.lock().unwrap().push(peer.into());
	}
}

fn fetch(peer: &Liar, store: &Store) -> Result<Vec<i16>, FetchError> {
	Fetcher {
		store,
		peers: peer,
		stop: &Stop::default(),
	}
	.vector(&peer.root(), &peer.header)
}

fn store() -> (tempfile::TempDir, Store) {
	let dir = tempfile::tempdir().unwrap();
	let store = Store::open(dir.path()).unwrap();
	(dir, store)
}

#[test]
fn an_honest_peer_serves_a_vector_once() {
	let (peer, (_dir, store)) = (Liar::new(70, &[]), store());
	assert_eq!(fetch(&peer, &store).unwrap(), peer.values);
	assert_eq!(fetch(&peer, &store).unwrap(), peer.values);
	assert_eq!(*peer.asked.lock().unwrap(), [0, 32, 64]);
	assert!(peer.refused.lock().unwrap().is_empty());
}

#[test]
fn lies_are_refused_by_name_and_good_chunks_kept() {
	let lies = [Lie::Leaves, Lie::Chunk(3), Lie::Nothing];
	let (peer, (_dir, store)) = (Liar::new(70, &lies), store());
	assert_eq!(fetch(&peer, &store).unwrap(), peer.values);
	assert_eq!(*peer.refused.lock().unwrap(), ["mallory"; 3]);
	assert_eq!(*peer.asked.lock().unwrap(), [0, 3, 3, 35, 67]);
}

#[test]
fn a_stubborn_liar_is_an_error_that_says_what_was_wrong() {
	let fails = |lie: Lie| {
		let (peer, (_dir, store)) = (Liar::new(2, &[lie; 9]), store());
		let error = fetch(&peer, &store).unwrap_err();
		assert!(!store.has_vector(&peer.root()));
		(error, peer)
	};
	let (error, peer) = fails(Lie::Chunk(1));
	assert!(
		matches!(&error, FetchError::WrongChunk { index: 1, .. }),
		"{error}"
	);
	assert_eq!(error.culprit(), Some("mallory"));
	assert!(crate::describe(&error).contains("mallory sent a wrong chunk 1"));
	assert_eq!(peer.refused.lock().unwrap().len(), 4);
	assert!(matches!(
		fails(Lie::Leaves).0,
		FetchError::WrongLeaves { .. }
	));
	assert!(matches!(
		fails(Lie::Kind).0,
		FetchError::WrongHeader { got_kind: 4, .. }
	));
	assert!(matches!(
		fails(Lie::TooMany).0,
		FetchError::WrongCount {
			asked: 2,
			got: 3,
			..
		}
	));
}

#[test]
fn a_copied_root_is_not_the_peers_fault() {
	let (peer, (_dir, store)) = (Liar::new(2, &[Lie::Owner]), store());
	let error = fetch(&peer, &store).unwrap_err();
	assert!(error.is_foreign() && error.culprit().is_none(), "{error}");
	assert!(peer.refused.lock().unwrap().is_empty());
}

#[test]
fn a_damaged_file_is_fetched_again() {
	let (peer, (dir, store)) = (Liar::new(2, &[]), store());
	fetch(&peer, &store).unwrap();
	let path = dir.path().join("vectors").join(hex::encode(peer.root()));
	let mut bytes = std::fs::read(&path).unwrap();
	bytes[200] ^= 1;
	std::fs::write(&path, bytes).unwrap();
	assert_eq!(fetch(&peer, &store).unwrap(), peer.values);
	assert_eq!(*peer.asked.lock().unwrap(), [0, 0]);
}

#[test]
fn missing_and_wrong_blobs_have_names() {
	let (peer, (_dir, store)) = (Liar::new(1, &[Lie::Absent]), store());
	assert!(matches!(
		fetch(&peer, &store),
		Err(FetchError::Peer(PeerError::NotFound { .. }))
	));
	let stop = Stop::default();
	let fetcher = Fetcher {
		store: &store,
		peers: &peer,
		stop: &stop,
	};
	assert!(matches!(
		fetcher.blob(&[0; 32]),
		Err(FetchError::NotArchived { .. })
	));
	assert!(matches!(
		fetcher.blob(&[1; 32]),
		Err(FetchError::WrongBlob { .. })
	));
	let hash = hash(b"other bytes");
	assert_eq!(fetcher.blob(&hash).unwrap(), b"other bytes");
	assert_eq!(store.blob(&hash).unwrap().unwrap(), b"other bytes");
	stop.set();
	assert!(matches!(fetcher.blob(&hash), Err(FetchError::Stopped)));
}
