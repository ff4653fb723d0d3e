//! Hashes as hexadecimal text in the engine's own JSON files, so that people can read and search them.
//!
//! Must not know what a hash names. Invariant: reading refuses anything but 64 hexadecimal digits.

use crate::Hash;
use serde::{de::Error as _, Deserialize, Deserializer, Serializer};

pub fn serialize<S: Serializer>(hash: &Hash, serializer: S) -> Result<S::Ok, S::Error> {
	serializer.serialize_str(&hex::encode(hash))
}

pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Hash, D::Error> {
	parse(&String::deserialize(deserializer)?)
}

fn parse<E: serde::de::Error>(text: &str) -> Result<Hash, E> {
	let mut hash = [0; 32];
	hex::decode_to_slice(text, &mut hash).map_err(E::custom)?;
	Ok(hash)
}

/// `Option<Hash>` as text or null.
pub mod option {
	use super::*;

	pub fn serialize<S: Serializer>(hash: &Option<Hash>, serializer: S) -> Result<S::Ok, S::Error> {
		match hash {
			Some(hash) => serializer.serialize_some(&hex::encode(hash)),
			None => serializer.serialize_none(),
		}
	}

	pub fn deserialize<'de, D: Deserializer<'de>>(
		deserializer: D,
	) -> Result<Option<Hash>, D::Error> {
		Option::<String>::deserialize(deserializer)?
			.map(|text| parse(&text))
			.transpose()
	}
}

/// `Vec<Hash>` as a list of texts.
pub mod list {
	use super::*;

	pub fn serialize<S: Serializer>(hashes: &[Hash], serializer: S) -> Result<S::Ok, S::Error> {
		serializer.collect_seq(hashes.iter().map(hex::encode))
	}

	pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Hash>, D::Error> {
		Vec::<String>::deserialize(deserializer)?
			.iter()
			.map(|text| parse(text).map_err(D::Error::custom::<D::Error>))
			.collect()
	}
}

/// The first four bytes of a hash: enough to tell two apart in a message.
pub struct Short<'a>(pub &'a Hash);

impl std::fmt::Display for Short<'_> {
	fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
		write!(f, "0x{}…", hex::encode(&self.0[..4]))
	}
}
