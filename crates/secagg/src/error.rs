//! What can be wrong with an input of this crate, with the values that are wrong.
//!
//! Knows no wording of a user interface beyond one sentence a variant. Every variant is reachable
//! from bytes or numbers of another party, so none of them is a bug of ours.

use core::fmt;

use crate::{
	merkle::Hash, quantise::MAX_EXPONENT, ring::MAX_BITS, ring::MAX_WEIGHT, ring::MIN_BITS,
	server::MAX_RATE, vector::VectorKind, vector::HEADER_BYTES, vector::MAX_LEN,
};

/// Why an input was refused.
///
/// The fields are the numbers that each variant's sentence speaks of, under the same names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Error {
	/// The number of bits of the quantiser is outside 2..=16.
	Bits { bits: u8 },
	/// The exponent of the quantiser is outside 0..=24.
	Exponent { exponent: u8 },
	/// A coordinate is NaN or infinite; the job must stop.
	NotFinite { index: u64 },
	/// A parameter has magnitude 128 or more and has no Q7.24 form. `bits` is its f32 pattern.
	ParameterRange { index: u64, bits: u32 },
	/// Two vectors that belong together differ in length (coordinates).
	LengthMismatch { expected: u64, got: u64 },
	/// The weight of a participant is outside 1..=16.
	Weight { weight: u8 },
	/// The sum of weights is zero or too large.
	WeightSum { weight_sum: u32 },
	/// A group of this weight overflows the ring: (2^(bits-1) - 1) * max_weight_sum > 32767.
	Ring { bits: u8, max_weight_sum: u32 },
	/// A weighted coordinate does not fit 16 bits.
	WeightedRange { index: u64, q: i16, weight: u8 },
	/// The bound of a group sum must be positive.
	Bound { bound: i16 },
	/// A sum over nobody.
	NoMembers,
	/// More members or groups than a round may have.
	TooManyMembers { got: u64, max: u64 },
	/// Outer momentum (Q16) is 1 or more.
	Momentum { momentum: u32 },
	/// Outer rate (Q16) is zero or above 16.
	Rate { rate: u32 },
	/// No vector has this kind code.
	UnknownKind { code: u8 },
	/// The length of a vector (coordinates) is zero or above 2^32.
	VectorLength { len: u64 },
	/// An encoded header has the wrong number of bytes.
	HeaderLength { got: u64 },
	/// The vector has fewer chunks than this.
	ChunkIndex { index: u32, chunks: u32 },
	/// The bytes of a chunk are too few or too many.
	ChunkLength { index: u32, expected: u64, got: u64 },
	/// The bytes of a vector are too few or too many.
	ByteLength { expected: u64, got: u64 },
	/// A kind of vector was given coordinates of another width (bytes).
	Width {
		kind: VectorKind,
		expected: u64,
		got: u64,
	},
	/// The number of leaves does not belong to the length of the vector.
	LeafCount { expected: u64, got: u64 },
	/// A proof has too few or too many siblings.
	ProofLength { expected: u32, got: u64 },
	/// A chunk, with its proof, leads to another root.
	ChunkNotInRoot {
		index: u32,
		root: Hash,
		computed: Hash,
	},
	/// A list of leaves leads to another root.
	RootMismatch { root: Hash, computed: Hash },
}

/// Shows the first four bytes of a hash: enough to tell two apart in a message.
struct Short<'a>(&'a Hash);

impl fmt::Display for Short<'_> {
	fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
		f.write_str("0x")?;
		for byte in self.0.iter().take(4) {
			write!(f, "{byte:02x}")?;
		}
		f.write_str("…")
	}
}

impl fmt::Display for Error {
	fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
		match self {
			Error::Bits { bits } => {
				write!(
					f,
					"quantiser bits must be {MIN_BITS} to {MAX_BITS}, got {bits}"
				)
			}
			Error::Exponent { exponent } => {
				write!(
					f,
					"quantiser exponent must be 0 to {MAX_EXPONENT}, got {exponent}"
				)
			}
			Error::NotFinite { index } => {
				write!(f, "coordinate {index} is not a finite number; lower the learning rate or check the data")
			}
			Error::ParameterRange { index, bits } => write!(
				f,
				"parameter {index} is {}, but magnitudes must stay below 128",
				f32::from_bits(*bits)
			),
			Error::LengthMismatch { expected, got } => {
				write!(
					f,
					"vectors must have the same length: expected {expected} coordinates, got {got}"
				)
			}
			Error::Weight { weight } => {
				write!(
					f,
					"the weight of a participant must be 1 to {MAX_WEIGHT}, got {weight}"
				)
			}
			Error::WeightSum { weight_sum } => {
				write!(f, "a sum of weights of {weight_sum} is zero or too large")
			}
			Error::Ring {
				bits,
				max_weight_sum,
			} => write!(
				f,
				"{bits} bits with a weight of {max_weight_sum} in one group overflow the 16-bit ring; \
				 use fewer bits or smaller groups"
			),
			Error::WeightedRange { index, q, weight } => {
				write!(f, "coordinate {index}: {weight} * {q} does not fit 16 bits")
			}
			Error::Bound { bound } => {
				write!(f, "the bound of a group sum must be positive, got {bound}")
			}
			Error::NoMembers => f.write_str("nothing to add up: there are no members"),
			Error::TooManyMembers { got, max } => {
				write!(f, "{got} members are more than the {max} allowed")
			}
			Error::Momentum { momentum } => {
				write!(
					f,
					"outer momentum must be below 65536 (1.0 in Q16), got {momentum}"
				)
			}
			Error::Rate { rate } => {
				write!(
					f,
					"outer rate must be 1 to {MAX_RATE} (16.0 in Q16), got {rate}"
				)
			}
			Error::UnknownKind { code } => write!(f, "no kind of vector has the code {code}"),
			Error::VectorLength { len } => {
				write!(
					f,
					"a vector must have 1 to {MAX_LEN} coordinates, got {len}"
				)
			}
			Error::HeaderLength { got } => {
				write!(f, "a vector header has {HEADER_BYTES} bytes, got {got}")
			}
			Error::ChunkIndex { index, chunks } => {
				write!(f, "there is no chunk {index}: the vector has {chunks}")
			}
			Error::ChunkLength {
				index,
				expected,
				got,
			} => {
				write!(f, "chunk {index} must have {expected} bytes, got {got}")
			}
			Error::ByteLength { expected, got } => {
				write!(f, "the vector must have {expected} bytes, got {got}")
			}
			Error::Width {
				kind,
				expected,
				got,
			} => {
				write!(f, "{kind:?} has coordinates of {expected} bytes, got {got}")
			}
			Error::LeafCount { expected, got } => {
				write!(f, "the vector must have {expected} leaves, got {got}")
			}
			Error::ProofLength { expected, got } => {
				write!(
					f,
					"a proof for this vector has {expected} hashes, got {got}"
				)
			}
			Error::ChunkNotInRoot {
				index,
				root,
				computed,
			} => write!(
				f,
				"chunk {index} does not belong to root {}: it leads to {}",
				Short(root),
				Short(computed)
			),
			Error::RootMismatch { root, computed } => write!(
				f,
				"the leaves lead to root {}, not to {}",
				Short(computed),
				Short(root)
			),
		}
	}
}

impl core::error::Error for Error {}
