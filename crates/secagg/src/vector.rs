//! What a long vector is on the wire: kinds, headers, chunks of 4096 coordinates, little-endian bytes.
//!
//! Must not know hashing (that is `merkle`) nor what a coordinate means.
//! Source: `docs/protocol/merkle.md`, "Vectors". Invariants: a header fixes the number of bytes of every
//! chunk, so no decoder allocates more than the header's vector; the last chunk is short, never padded.

use alloc::vec::Vec;

use crate::error::Error;

/// Coordinates of a chunk: the unit of hashing, transfer and dispute.
pub const CHUNK: usize = 4096;
/// Most coordinates of one vector.
pub const MAX_LEN: u64 = 1 << 32;
/// Bytes of an encoded header: kind, length, owner.
pub const HEADER_BYTES: usize = 41;

/// The 32 bytes of an account, as the chain hashes them.
pub type Account = [u8; 32];
/// Owner of vectors that belong to the round and not to a participant.
pub const NO_OWNER: Account = [0; 32];

/// What a vector holds. The codes are frozen: they are hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum VectorKind {
	/// A participant's y = w*q: i16. Its owner is the participant.
	Update = 1,
	/// Parameters of a version: i32, Q7.24.
	Parameters = 2,
	/// Momentum of the outer optimiser: i32, Q7.24.
	Momentum = 3,
	/// Sum over a group's survivors: i16.
	GroupSum = 4,
}

impl VectorKind {
	/// The byte that stands for this kind in hashes and headers.
	pub const fn code(self) -> u8 {
		self as u8
	}

	/// The kind of a byte.
	///
	/// # Errors
	/// - [`Error::UnknownKind`].
	pub const fn from_code(code: u8) -> Result<Self, Error> {
		match code {
			1 => Ok(VectorKind::Update),
			2 => Ok(VectorKind::Parameters),
			3 => Ok(VectorKind::Momentum),
			4 => Ok(VectorKind::GroupSum),
			_ => Err(Error::UnknownKind { code }),
		}
	}

	/// Bytes of one coordinate.
	pub const fn width(self) -> usize {
		match self {
			VectorKind::Update | VectorKind::GroupSum => 2,
			VectorKind::Parameters | VectorKind::Momentum => 4,
		}
	}
}

/// What must be known of a vector before a byte of it is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Header {
	kind: VectorKind,
	len: u64,
	owner: Account,
}

impl Header {
	/// A header for `len` coordinates (1..=2^32) of `kind`, made by `owner`.
	///
	/// # Errors
	/// - [`Error::VectorLength`] outside that range.
	pub fn new(kind: VectorKind, len: u64, owner: Account) -> Result<Self, Error> {
		if len == 0 || len > MAX_LEN {
			return Err(Error::VectorLength { len });
		}
		Ok(Header { kind, len, owner })
	}

	/// What the vector holds.
	pub fn kind(&self) -> VectorKind {
		self.kind
	}

	/// Coordinates of the vector.
	#[allow(clippy::len_without_is_empty)] // A header of an empty vector cannot be made.
	pub fn len(&self) -> u64 {
		self.len
	}

	/// Whose vector it is, or [`NO_OWNER`].
	pub fn owner(&self) -> &Account {
		&self.owner
	}

	/// Number of chunks, at least one.
	pub fn chunks(&self) -> u32 {
		u32::try_from(self.len.div_ceil(CHUNK as u64)).unwrap_or(u32::MAX)
	}

	/// Levels of the tree above its leaves: ceil(log2(chunks)).
	pub fn depth(&self) -> u32 {
		self.chunks().next_power_of_two().trailing_zeros()
	}

	/// Coordinates of chunk `index`: 4096, or what is left for the last one.
	///
	/// # Errors
	/// - [`Error::ChunkIndex`] if there is no such chunk.
	pub fn chunk_len(&self, index: u32) -> Result<usize, Error> {
		let first = u64::from(index).saturating_mul(CHUNK as u64);
		let left = self.len.saturating_sub(first).min(CHUNK as u64);
		usize::try_from(left)
			.ok()
			.filter(|left| *left > 0)
			.ok_or(Error::ChunkIndex {
				index,
				chunks: self.chunks(),
			})
	}

	/// Bytes of chunk `index`.
	///
	/// # Errors
	/// - [`Error::ChunkIndex`] if there is no such chunk.
	pub fn chunk_bytes(&self, index: u32) -> Result<usize, Error> {
		Ok(self.chunk_len(index)?.saturating_mul(self.kind.width()))
	}

	/// Bytes of the whole vector.
	pub fn byte_len(&self) -> u64 {
		self.len.saturating_mul(self.kind.width() as u64)
	}

	/// kind (1 byte), length (u64, little-endian), owner (32 bytes).
	pub fn encode(&self) -> [u8; HEADER_BYTES] {
		let mut bytes = [0u8; HEADER_BYTES];
		let fields = core::iter::once(self.kind.code())
			.chain(self.len.to_le_bytes())
			.chain(self.owner);
		for (byte, field) in bytes.iter_mut().zip(fields) {
			*byte = field;
		}
		bytes
	}

	/// The inverse of [`Header::encode`].
	///
	/// # Errors
	/// - [`Error::HeaderLength`], [`Error::UnknownKind`], [`Error::VectorLength`].
	pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
		let wrong = Error::HeaderLength {
			got: bytes.len() as u64,
		};
		let bytes = <&[u8; HEADER_BYTES]>::try_from(bytes).map_err(|_| wrong)?;
		let (kind, rest) = bytes.split_first().ok_or(wrong)?;
		let (len, owner) = rest.split_at_checked(8).ok_or(wrong)?;
		let len = <[u8; 8]>::try_from(len).map_err(|_| wrong)?;
		let owner = Account::try_from(owner).map_err(|_| wrong)?;
		Header::new(
			VectorKind::from_code(*kind)?,
			u64::from_le_bytes(len),
			owner,
		)
	}

	/// Checks that coordinates of `T` are what this kind holds.
	pub(crate) fn check_width<T: Coordinate>(&self) -> Result<(), Error> {
		let expected = self.kind.width();
		if T::WIDTH == expected {
			Ok(())
		} else {
			Err(Error::Width {
				kind: self.kind,
				expected: expected as u64,
				got: T::WIDTH as u64,
			})
		}
	}

	/// Checks the bytes of a chunk against the header.
	pub(crate) fn check_chunk(&self, index: u32, bytes: &[u8]) -> Result<(), Error> {
		let expected = self.chunk_bytes(index)?;
		if bytes.len() == expected {
			Ok(())
		} else {
			Err(Error::ChunkLength {
				index,
				expected: expected as u64,
				got: bytes.len() as u64,
			})
		}
	}

	/// Checks the bytes of a whole vector against the header.
	pub(crate) fn check_bytes(&self, bytes: &[u8]) -> Result<(), Error> {
		let (expected, got) = (self.byte_len(), bytes.len() as u64);
		if got == expected {
			Ok(())
		} else {
			Err(Error::ByteLength { expected, got })
		}
	}
}

/// An integer that vectors are made of: `i16` or `i32`, little-endian on the wire.
pub trait Coordinate: Copy + sealed::Sealed {
	/// Bytes of the integer.
	const WIDTH: usize;
	/// Appends the bytes.
	fn put(self, bytes: &mut Vec<u8>);
	/// Reads exactly [`Coordinate::WIDTH`] bytes; `None` for any other number of them.
	fn get(bytes: &[u8]) -> Option<Self>;
}

mod sealed {
	pub trait Sealed {}
	impl Sealed for i16 {}
	impl Sealed for i32 {}
}

macro_rules! coordinate {
	($integer:ty) => {
		impl Coordinate for $integer {
			const WIDTH: usize = core::mem::size_of::<$integer>();

			fn put(self, bytes: &mut Vec<u8>) {
				bytes.extend_from_slice(&self.to_le_bytes());
			}

			fn get(bytes: &[u8]) -> Option<Self> {
				bytes.try_into().ok().map(<$integer>::from_le_bytes)
			}
		}
	};
}
coordinate!(i16);
coordinate!(i32);

/// Bytes of a chunk, or of a whole vector: every coordinate little-endian, nothing between.
pub fn encode<T: Coordinate>(values: &[T]) -> Vec<u8> {
	let mut bytes = Vec::with_capacity(values.len().saturating_mul(T::WIDTH));
	for value in values {
		value.put(&mut bytes);
	}
	bytes
}

/// Coordinates of chunk `index`.
///
/// # Errors
/// - [`Error::Width`] if the kind holds another integer;
/// - [`Error::ChunkIndex`], [`Error::ChunkLength`].
pub fn decode_chunk<T: Coordinate>(
	header: &Header,
	index: u32,
	bytes: &[u8],
) -> Result<Vec<T>, Error> {
	header.check_width::<T>()?;
	header.check_chunk(index, bytes)?;
	Ok(decode(bytes))
}

/// Coordinates of a whole vector.
///
/// # Errors
/// - [`Error::Width`] if the kind holds another integer;
/// - [`Error::ByteLength`].
pub fn decode_vector<T: Coordinate>(header: &Header, bytes: &[u8]) -> Result<Vec<T>, Error> {
	header.check_width::<T>()?;
	header.check_bytes(bytes)?;
	Ok(decode(bytes))
}

/// The callers have checked that the bytes are whole coordinates.
fn decode<T: Coordinate>(bytes: &[u8]) -> Vec<T> {
	bytes.chunks_exact(T::WIDTH).filter_map(T::get).collect()
}

#[cfg(test)]
mod tests {
	use super::*;
	use alloc::vec;

	fn header(kind: VectorKind, len: u64) -> Header {
		Header::new(kind, len, [7; 32]).unwrap()
	}

	#[test]
	fn a_header_fixes_the_shape_of_every_chunk() {
		let header = header(VectorKind::Parameters, 2 * 4096 + 5);
		assert_eq!((header.chunks(), header.depth()), (3, 2));
		assert_eq!(header.chunk_len(1), Ok(4096));
		assert_eq!(header.chunk_bytes(2), Ok(20));
		assert_eq!(
			header.chunk_len(3),
			Err(Error::ChunkIndex {
				index: 3,
				chunks: 3
			})
		);
		assert_eq!(header.byte_len(), 4 * (2 * 4096 + 5));
	}

	#[test]
	fn the_largest_vector_has_a_shape_too() {
		let header = header(VectorKind::Update, MAX_LEN);
		assert_eq!((header.chunks(), header.depth()), (1 << 20, 20));
		assert_eq!(
			header.chunk_len(u32::MAX),
			Err(Error::ChunkIndex {
				index: u32::MAX,
				chunks: 1 << 20
			})
		);
		assert_eq!(
			Header::new(VectorKind::Update, MAX_LEN + 1, NO_OWNER),
			Err(Error::VectorLength { len: MAX_LEN + 1 })
		);
		assert_eq!(
			Header::new(VectorKind::Update, 0, NO_OWNER),
			Err(Error::VectorLength { len: 0 })
		);
	}

	#[test]
	fn headers_survive_their_encoding_and_bad_ones_do_not() {
		let header = header(VectorKind::GroupSum, 123_456);
		let bytes = header.encode();
		assert_eq!(Header::decode(&bytes), Ok(header));
		assert_eq!(
			Header::decode(&bytes[..40]),
			Err(Error::HeaderLength { got: 40 })
		);
		let mut bad = bytes;
		bad[0] = 5;
		assert_eq!(Header::decode(&bad), Err(Error::UnknownKind { code: 5 }));
		let mut bad = bytes;
		bad[8] = 0xff;
		assert!(matches!(
			Header::decode(&bad),
			Err(Error::VectorLength { .. })
		));
	}

	#[test]
	fn every_kind_keeps_its_code_and_width() {
		let frozen = [(1, 2), (2, 4), (3, 4), (4, 2)];
		for (code, width) in frozen {
			let kind = VectorKind::from_code(code).unwrap();
			assert_eq!((kind.code(), kind.width()), (code, width));
		}
		assert_eq!(
			VectorKind::from_code(0),
			Err(Error::UnknownKind { code: 0 })
		);
	}

	#[test]
	fn coordinates_survive_their_bytes() {
		let values = vec![i32::MIN, -1, 0, 1, i32::MAX];
		let bytes = encode(&values);
		let header = header(VectorKind::Momentum, 5);
		assert_eq!(decode_chunk(&header, 0, &bytes), Ok(values.clone()));
		assert_eq!(decode_vector(&header, &bytes), Ok(values));
		assert_eq!(
			decode_vector::<i16>(&header, &bytes),
			Err(Error::Width {
				kind: VectorKind::Momentum,
				expected: 4,
				got: 2
			})
		);
		assert_eq!(
			decode_vector::<i32>(&header, &bytes[1..]),
			Err(Error::ByteLength {
				expected: 20,
				got: 19
			})
		);
		assert_eq!(
			decode_chunk::<i32>(&header, 0, &[]),
			Err(Error::ChunkLength {
				index: 0,
				expected: 20,
				got: 0
			})
		);
	}
}
