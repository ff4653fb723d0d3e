//! The blob store: vectors by Merkle root, other blobs by BLAKE2b-256, in one directory.
//!
//! Must not know: what a vector is for, where bytes came from, who reads them.
//! Source: `docs/protocol/merkle.md`. Layout: `vectors/ROOT` = magic, header, leaves, coordinates; `vectors/ROOT.part` = the
//! same, cut after some chunk, while it is fetched; `withheld/ROOT` = the same, whole, but for this machine alone; `blobs/HASH` =
//! the bytes.
//! Invariants: every read is checked against the hash it was asked by; a file that fails is removed and counts as absent, so
//! that it is fetched again; names are hexadecimal hashes only, so no name leads out of the directory; one process a directory.

use crate::{
	error::StoreError,
	files::{self, io_error},
	Hash,
};
use blake2::{digest::consts::U32, Blake2b, Digest};
use secagg::{Coordinate, Header, HEADER_BYTES};
use std::{
	collections::HashSet,
	fs::{File, OpenOptions, TryLockError},
	io::{self, Read, Seek, SeekFrom, Write},
	path::{Path, PathBuf},
	sync::{Condvar, Mutex, MutexGuard, PoisonError},
};

/// Most chunks that one call of [`Store::chunks`] returns: 1 MiB of parameters.
pub const MAX_CHUNKS_PER_READ: u32 = 64;

const MAGIC: &[u8; 8] = b"llmvec/1";
/// Bytes before the leaves.
const PREFIX: usize = MAGIC.len() + HEADER_BYTES;

/// BLAKE2b-256 of some bytes.
pub fn hash(bytes: &[u8]) -> Hash {
	Blake2b::<U32>::digest(bytes).into()
}

/// A directory of checked bytes. All calls may come from any thread.
#[derive(Debug)]
pub struct Store {
	vectors: PathBuf,
	withheld: PathBuf,
	blobs: PathBuf,
	/// Roots that somebody is fetching now.
	fetching: Mutex<HashSet<Hash>>,
	fetched: Condvar,
	/// Held as long as the store lives; the system drops it with the process.
	_lock: File,
}

impl Store {
	/// Opens or makes the store in `dir` and clears away what an interrupted writer left.
	///
	/// # Errors
	/// - [`StoreError::Locked`] if another store works there;
	/// - [`StoreError::Io`].
	pub fn open(dir: &Path) -> Result<Self, StoreError> {
		files::prepare_directory(dir)?;
		let path = dir.join("lock");
		let lock = OpenOptions::new()
			.create(true)
			.truncate(false)
			.write(true)
			.open(&path)
			.map_err(io_error("open", &path))?;
		lock.try_lock().map_err(|error| match error {
			TryLockError::WouldBlock => StoreError::Locked {
				path: dir.to_path_buf(),
			},
			TryLockError::Error(error) => io_error("lock", &path)(error),
		})?;
		let store = Store {
			vectors: dir.join("vectors"),
			withheld: dir.join("withheld"),
			blobs: dir.join("blobs"),
			fetching: Mutex::default(),
			fetched: Condvar::new(),
			_lock: lock,
		};
		files::prepare_directory(&store.vectors)?;
		files::prepare_directory(&store.withheld)?;
		files::prepare_directory(&store.blobs)?;
		Ok(store)
	}

	/// Whether a file for this root is here; its bytes are checked when read.
	pub fn has_vector(&self, root: &Hash) -> bool {
		self.vector_path(root).exists()
	}

	/// Writes a vector and returns its root. An equal vector is replaced by itself.
	///
	/// # Errors
	/// - [`StoreError::Vector`] if the values are not what the header says;
	/// - [`StoreError::Io`].
	pub fn put_vector<T: Coordinate>(
		&self,
		header: &Header,
		values: &[T],
	) -> Result<Hash, StoreError> {
		write_vector(&self.vectors, header, values)
	}

	/// As [`Store::put_vector`], but nobody can read it before [`Store::publish`].
	///
	/// # Errors
	/// As [`Store::put_vector`].
	pub fn withhold_vector<T: Coordinate>(
		&self,
		header: &Header,
		values: &[T],
	) -> Result<Hash, StoreError> {
		write_vector(&self.withheld, header, values)
	}

	/// Lets everybody read the vector with this root from now on, if it was withheld.
	///
	/// # Errors
	/// - [`StoreError::Io`].
	pub fn publish(&self, root: &Hash) -> Result<(), StoreError> {
		let withheld = self.withheld.join(hex::encode(root));
		if withheld.exists() {
			files::rename(&withheld, &self.vector_path(root))?;
		}
		Ok(())
	}

	/// All coordinates of the vector with this root and header; `None` if it is not here, or was broken and is removed.
	///
	/// # Errors
	/// - [`StoreError::Foreign`] if it is here and whole, but another account's;
	/// - [`StoreError::Io`].
	pub fn vector<T: Coordinate>(
		&self,
		root: &Hash,
		header: &Header,
	) -> Result<Option<Vec<T>>, StoreError> {
		let path = self.vector_path(root);
		let Some(bytes) = files::read(&path)? else {
			return Ok(None);
		};
		let Some((found, coordinates)) = checked_vector(root, &bytes) else {
			return self.discard(&path);
		};
		if found != *header {
			// Whole, so it stays: whoever asks for it under a wrong name must not be able to remove it.
			return Err(StoreError::Foreign {
				root: *root,
				owner: *header.owner(),
				got: *found.owner(),
			});
		}
		Ok(Some(secagg::decode_vector(header, coordinates)?))
	}

	/// Header and leaves of the vector with this root, for a peer; `None` as in [`Store::vector`].
	///
	/// # Errors
	/// - [`StoreError::Io`].
	pub fn leaves(&self, root: &Hash) -> Result<Option<(Header, Vec<Hash>)>, StoreError> {
		let path = self.vector_path(root);
		let Some(mut file) = open(&path)? else {
			return Ok(None);
		};
		match read_leaves(&mut file, root).map_err(io_error("read", &path))? {
			Some(found) => Ok(Some(found)),
			None => self.discard(&path),
		}
	}

	/// Bytes of chunks from `first` on, for a peer: at most `count`, at most [`MAX_CHUNKS_PER_READ`]; none beyond the end.
	/// `None` as in [`Store::vector`].
	///
	/// # Errors
	/// - [`StoreError::Io`].
	pub fn chunks(
		&self,
		root: &Hash,
		first: u32,
		count: u32,
	) -> Result<Option<Vec<Vec<u8>>>, StoreError> {
		let path = self.vector_path(root);
		let Some(mut file) = open(&path)? else {
			return Ok(None);
		};
		let Some((header, leaves)) =
			read_leaves(&mut file, root).map_err(io_error("read", &path))?
		else {
			return self.discard(&path);
		};
		let end = first
			.saturating_add(count.min(MAX_CHUNKS_PER_READ))
			.min(header.chunks());
		let mut chunks = Vec::new();
		for index in first..end {
			let chunk = read_chunk(&mut file, &header, index).map_err(io_error("read", &path))?;
			match chunk.filter(|chunk| is_chunk(&header, &leaves, index, chunk)) {
				Some(chunk) => chunks.push(chunk),
				None => return self.discard(&path),
			}
		}
		Ok(Some(chunks))
	}

	/// Keeps bytes under their hash, which is returned.
	///
	/// # Errors
	/// - [`StoreError::Io`].
	pub fn put_blob(&self, bytes: &[u8]) -> Result<Hash, StoreError> {
		let hash = hash(bytes);
		files::write(&self.blob_path(&hash), &[bytes])?;
		Ok(hash)
	}

	/// The bytes with this hash; `None` if they are not here, or were broken and are removed.
	///
	/// # Errors
	/// - [`StoreError::Io`].
	pub fn blob(&self, wanted: &Hash) -> Result<Option<Vec<u8>>, StoreError> {
		let path = self.blob_path(wanted);
		match files::read(&path)? {
			Some(bytes) if hash(&bytes) == *wanted => Ok(Some(bytes)),
			Some(_) => self.discard(&path),
			None => Ok(None),
		}
	}

	/// Waits until nobody else fetches `root`, then reserves it until the guard goes.
	pub(crate) fn reserve(&self, root: &Hash) -> Reservation<'_> {
		let mut fetching = self.fetching();
		while !fetching.insert(*root) {
			fetching = self
				.fetched
				.wait(fetching)
				.unwrap_or_else(PoisonError::into_inner);
		}
		Reservation {
			store: self,
			root: *root,
		}
	}

	fn fetching(&self) -> MutexGuard<'_, HashSet<Hash>> {
		// The set stays right whatever a panicking holder did.
		self.fetching.lock().unwrap_or_else(PoisonError::into_inner)
	}

	fn vector_path(&self, root: &Hash) -> PathBuf {
		self.vectors.join(hex::encode(root))
	}

	fn blob_path(&self, hash: &Hash) -> PathBuf {
		self.blobs.join(hex::encode(hash))
	}

	/// Removes a file that is not what its name says.
	fn discard<T>(&self, path: &Path) -> Result<Option<T>, StoreError> {
		log::warn!(
			"{} is damaged; it is removed and will be fetched again",
			path.display()
		);
		files::remove(path)?;
		Ok(None)
	}
}

/// Writes a vector under its root, which is returned.
fn write_vector<T: Coordinate>(
	dir: &Path,
	header: &Header,
	values: &[T],
) -> Result<Hash, StoreError> {
	let leaves = secagg::leaves(header, values)?;
	let root = secagg::root(header, &leaves)?;
	files::write(
		&dir.join(hex::encode(root)),
		&[
			MAGIC,
			&header.encode(),
			leaves.as_flattened(),
			&secagg::encode(values),
		],
	)?;
	Ok(root)
}

/// The sole right to fetch one root.
pub(crate) struct Reservation<'a> {
	store: &'a Store,
	root: Hash,
}

impl Drop for Reservation<'_> {
	fn drop(&mut self) {
		self.store.fetching().remove(&self.root);
		self.store.fetched.notify_all();
	}
}

/// A vector on its way: leaves are known, chunks are appended in order.
pub(crate) struct Partial {
	path: PathBuf,
	target: PathBuf,
	file: File,
	header: Header,
	leaves: Vec<Hash>,
	next: u32,
}

impl Partial {
	/// Takes up what an earlier fetch left, up to its last good chunk; `None` if there is nothing of use.
	pub fn resume(
		reservation: &Reservation<'_>,
		header: &Header,
	) -> Result<Option<Self>, StoreError> {
		let (path, target) = Self::paths(reservation);
		let mut file = match OpenOptions::new().read(true).write(true).open(&path) {
			Ok(file) => file,
			Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
			Err(error) => return Err(io_error("open", &path)(error)),
		};
		let leaves =
			match read_leaves(&mut file, &reservation.root).map_err(io_error("read", &path))? {
				Some((found, leaves)) if found == *header => leaves,
				_ => {
					files::remove(&path)?;
					return Ok(None);
				}
			};
		let mut next = 0;
		let mut end = (PREFIX + leaves.as_flattened().len()) as u64;
		while next < header.chunks() {
			let chunk = read_chunk(&mut file, header, next).map_err(io_error("read", &path))?;
			let Some(chunk) = chunk.filter(|chunk| is_chunk(header, &leaves, next, chunk)) else {
				break;
			};
			end += chunk.len() as u64;
			next += 1;
		}
		file.set_len(end)
			.and_then(|()| file.seek(SeekFrom::Start(end)))
			.map_err(io_error("write", &path))?;
		Ok(Some(Partial {
			path,
			target,
			file,
			header: *header,
			leaves,
			next,
		}))
	}

	/// Begins with leaves that the caller has checked against the root.
	pub fn begin(
		reservation: &Reservation<'_>,
		header: &Header,
		leaves: Vec<Hash>,
	) -> Result<Self, StoreError> {
		let (path, target) = Self::paths(reservation);
		let begin = || {
			let mut file = File::create(&path)?;
			file.write_all(MAGIC)?;
			file.write_all(&header.encode())?;
			file.write_all(leaves.as_flattened())?;
			Ok(file)
		};
		let file = begin().map_err(io_error("write", &path))?;
		Ok(Partial {
			path,
			target,
			file,
			header: *header,
			leaves,
			next: 0,
		})
	}

	/// The first chunk that is missing; the number of chunks once all are here.
	pub fn next(&self) -> u32 {
		self.next
	}

	/// Adds chunk [`Self::next`] if it matches its leaf, and says whether it did.
	pub fn append(&mut self, chunk: &[u8]) -> Result<bool, StoreError> {
		if !is_chunk(&self.header, &self.leaves, self.next, chunk) {
			return Ok(false);
		}
		self.file
			.write_all(chunk)
			.map_err(io_error("write", &self.path))?;
		self.next += 1;
		Ok(true)
	}

	/// Puts the complete vector in its place.
	pub fn finish(self) -> Result<(), StoreError> {
		self.file.sync_all().map_err(io_error("sync", &self.path))?;
		files::rename(&self.path, &self.target)
	}

	fn paths(reservation: &Reservation<'_>) -> (PathBuf, PathBuf) {
		let target = reservation.store.vector_path(&reservation.root);
		(target.with_extension("part"), target)
	}
}

fn open(path: &Path) -> Result<Option<File>, StoreError> {
	match File::open(path) {
		Ok(file) => Ok(Some(file)),
		Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
		Err(error) => Err(io_error("open", path)(error)),
	}
}

/// Fills a buffer; `None` if the file ends before.
fn read_exactly(file: &mut File, length: usize) -> io::Result<Option<Vec<u8>>> {
	let mut bytes = vec![0; length];
	match file.read_exact(&mut bytes) {
		Ok(()) => Ok(Some(bytes)),
		Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
		Err(error) => Err(error),
	}
}

/// Header and leaves at the file's beginning, if they lead to `root`.
fn read_leaves(file: &mut File, root: &Hash) -> io::Result<Option<(Header, Vec<Hash>)>> {
	file.seek(SeekFrom::Start(0))?;
	let Some(prefix) = read_exactly(file, PREFIX)? else {
		return Ok(None);
	};
	let Some(header) = parse_prefix(&prefix) else {
		return Ok(None);
	};
	// The file's own length bounds what a damaged header can make us allocate.
	let expected = header.chunks() as usize * 32;
	if file.metadata()?.len() < (PREFIX + expected) as u64 {
		return Ok(None);
	}
	let Some(bytes) = read_exactly(file, expected)? else {
		return Ok(None);
	};
	let leaves = bytes.as_chunks::<32>().0.to_vec();
	Ok(secagg::verify_leaf_list(root, &header, &leaves)
		.is_ok()
		.then_some((header, leaves)))
}

fn parse_prefix(prefix: &[u8]) -> Option<Header> {
	Header::decode(prefix.strip_prefix(MAGIC)?).ok()
}

/// Bytes of chunk `index`; `None` if the file ends before.
fn read_chunk(file: &mut File, header: &Header, index: u32) -> io::Result<Option<Vec<u8>>> {
	let Ok(length) = header.chunk_bytes(index) else {
		return Ok(None);
	};
	let before = u64::from(index) * (secagg::CHUNK * header.kind().width()) as u64;
	let leaves = u64::from(header.chunks()) * 32;
	file.seek(SeekFrom::Start(PREFIX as u64 + leaves + before))?;
	read_exactly(file, length)
}

/// Whether a chunk is there at all and matches its leaf.
fn is_chunk(header: &Header, leaves: &[Hash], index: u32, chunk: &[u8]) -> bool {
	match (
		secagg::leaf(header, index, chunk),
		leaves.get(index as usize),
	) {
		(Ok(computed), Some(leaf)) => computed == *leaf,
		_ => false,
	}
}

/// Header and coordinates in a vector's file, if every byte belongs to `root`.
fn checked_vector<'a>(root: &Hash, bytes: &'a [u8]) -> Option<(Header, &'a [u8])> {
	let (prefix, rest) = bytes.split_at_checked(PREFIX)?;
	let header = parse_prefix(prefix)?;
	let (leaves, coordinates) = rest.split_at_checked(header.chunks() as usize * 32)?;
	let computed = secagg::leaves_of_bytes(&header, coordinates).ok()?;
	if computed.as_flattened() != leaves {
		return None;
	}
	secagg::verify_leaf_list(root, &header, &computed).ok()?;
	Some((header, coordinates))
}

#[cfg(test)]
mod tests;
