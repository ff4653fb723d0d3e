//! Bounded text that wallets show and take as text.
//!
//! SCALE bytes are those of `Vec<u8>`; the metadata type is the primitive `str`, so Polkadot.js Apps offers a Unicode text field.
//! Invariant: the bytes are valid UTF-8 and at most `N` long; decoding refuses anything else.
//! Must not know: what the text is for.

use alloc::{string::String, vec::Vec};
use codec::{Decode, DecodeWithMemTracking, Encode, Error, Input, MaxEncodedLen};
use core::fmt;
use scale_info::{Type, TypeDefPrimitive, TypeInfo};
use sp_core::{bounded::BoundedVec, ConstU32};

/// UTF-8 text of at most `N` bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Encode, MaxEncodedLen, Default)]
pub struct BoundedText<const N: u32>(BoundedVec<u8, ConstU32<N>>);

/// A text is longer than its field takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextTooLong {
	/// Length of the text in bytes.
	pub length: usize,
	/// Bytes that the field takes.
	pub limit: u32,
}

impl fmt::Display for TextTooLong {
	fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
		write!(
			f,
			"the text has {} bytes of UTF-8; the field takes {}",
			self.length, self.limit
		)
	}
}

impl<const N: u32> BoundedText<N> {
	/// The text.
	pub fn as_str(&self) -> &str {
		// Valid by construction; an empty text would show a broken invariant without stopping the chain.
		core::str::from_utf8(&self.0).unwrap_or_default()
	}

	/// The UTF-8 bytes.
	pub fn as_bytes(&self) -> &[u8] {
		&self.0
	}

	/// Whether the text has no bytes.
	pub fn is_empty(&self) -> bool {
		self.0.is_empty()
	}
}

impl<const N: u32> TryFrom<&str> for BoundedText<N> {
	type Error = TextTooLong;

	fn try_from(text: &str) -> Result<Self, TextTooLong> {
		let bytes = text.as_bytes().to_vec();
		let length = bytes.len();
		BoundedVec::try_from(bytes)
			.map(Self)
			.map_err(|_| TextTooLong { length, limit: N })
	}
}

impl<const N: u32> TryFrom<String> for BoundedText<N> {
	type Error = TextTooLong;

	fn try_from(text: String) -> Result<Self, TextTooLong> {
		Self::try_from(text.as_str())
	}
}

impl<const N: u32> Decode for BoundedText<N> {
	fn decode<I: Input>(input: &mut I) -> Result<Self, Error> {
		let bytes = BoundedVec::<u8, ConstU32<N>>::decode(input)?;
		core::str::from_utf8(&bytes).map_err(|_| Error::from("text is not UTF-8"))?;
		Ok(Self(bytes))
	}
}

impl<const N: u32> DecodeWithMemTracking for BoundedText<N> {}

impl<const N: u32> TypeInfo for BoundedText<N> {
	type Identity = str;

	fn type_info() -> Type {
		TypeDefPrimitive::Str.into()
	}
}

impl<const N: u32> fmt::Debug for BoundedText<N> {
	fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
		write!(f, "{:?}", self.as_str())
	}
}

impl<const N: u32> fmt::Display for BoundedText<N> {
	fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
		f.write_str(self.as_str())
	}
}

impl<const N: u32> serde::Serialize for BoundedText<N> {
	fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
		serializer.serialize_str(self.as_str())
	}
}

impl<'de, const N: u32> serde::Deserialize<'de> for BoundedText<N> {
	fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
		let text: Vec<u8> = String::deserialize(deserializer)?.into_bytes();
		let length = text.len();
		BoundedVec::try_from(text)
			.map(Self)
			.map_err(|_| serde::de::Error::custom(TextTooLong { length, limit: N }))
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn encodes_like_bytes_and_shows_as_str() {
		let text = BoundedText::<64>::try_from("床前明月光").unwrap();
		assert_eq!(text.encode(), "床前明月光".as_bytes().to_vec().encode());
		assert_eq!(
			BoundedText::<64>::decode(&mut &text.encode()[..]).unwrap(),
			text
		);
		assert_eq!(
			BoundedText::<64>::type_info(),
			<str as TypeInfo>::type_info()
		);
	}

	#[test]
	fn refuses_long_and_broken_text() {
		assert_eq!(
			BoundedText::<4>::try_from("12345"),
			Err(TextTooLong {
				length: 5,
				limit: 4
			})
		);
		assert!(BoundedText::<4>::decode(&mut &b"12345".to_vec().encode()[..]).is_err());
		assert!(BoundedText::<4>::decode(&mut &vec![0xff_u8, 0xfe].encode()[..]).is_err());
	}
}
