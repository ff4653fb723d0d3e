//! The chain's refusals in words: the name and documentation of a pallet's error, and advice for the others.
//!
//! Must not know: which transaction was sent. Source of the words: the documentation in the node's metadata, so an error that a
//! later runtime adds is explained too.

use std::fmt;
use subxt::{
	error::{ArithmeticError, DispatchError, TokenError},
	metadata::Metadata,
};

/// Why a transaction in a block failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
	/// Pallet and error, such as `Training.StaleBase`; or the kind of a general error, such as `Token.FundsUnavailable`.
	pub name: String,
	/// What it means and what to do.
	pub advice: String,
}

impl fmt::Display for Refusal {
	fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
		write!(f, "the chain refused ({}): {}", self.name, self.advice)
	}
}

impl Refusal {
	/// Words for a dispatch error.
	pub fn of(error: &DispatchError, metadata: &Metadata) -> Self {
		match error {
			DispatchError::Module(error) => Self::of_module(&error.bytes(), metadata),
			DispatchError::Token(error) => {
				Self::general(format!("Token.{error:?}"), token_advice(error))
			}
			DispatchError::Arithmetic(error) => {
				let advice = match error {
					ArithmeticError::Overflow => "a number became too large",
					ArithmeticError::Underflow => {
						"a number became negative; has the account that much money?"
					}
					_ => "a number cannot be computed",
				};
				Self::general(format!("Arithmetic.{error:?}"), advice)
			}
			DispatchError::BadOrigin => {
				Self::general("BadOrigin".into(), "this account may not make this call")
			}
			other => Self::general("Dispatch".into(), &other.to_string()),
		}
	}

	/// Words for a pallet's error: pallet, variant, then up to three bytes of fields.
	fn of_module(bytes: &[u8; 5], metadata: &Metadata) -> Self {
		let [pallet_index, error_index, values @ ..] = bytes;
		let unknown = || {
			Self::general(
				format!("Pallet{pallet_index}.Error{error_index}"),
				"the node's metadata does not name this error",
			)
		};
		let Some(pallet) = metadata.pallet_by_error_index(*pallet_index) else {
			return unknown();
		};
		let Some(variant) = pallet.error_variant_by_index(*error_index) else {
			return unknown();
		};
		let mut advice = variant.docs.join(" ").trim().to_owned();
		// Fields of our errors are single bytes: places of shards and chunks.
		let fields: Vec<String> = variant
			.fields
			.iter()
			.zip(values)
			.filter(|(field, _)| field.type_name.as_deref() == Some("u8"))
			.filter_map(|(field, value)| Some(format!("{} {value}", field.name.as_ref()?)))
			.collect();
		if !fields.is_empty() {
			advice.push_str(&format!(" ({})", fields.join(", ")));
		}
		Self::general(format!("{}.{}", pallet.name(), variant.name), &advice)
	}

	fn general(name: String, advice: &str) -> Self {
		Self {
			name,
			advice: advice.to_owned(),
		}
	}
}

fn token_advice(error: &TokenError) -> &'static str {
	match error {
		TokenError::FundsUnavailable => {
			"the account has too little free money; add some with `llmchain account fund`"
		}
		TokenError::BelowMinimum => "the amount is too small to keep an account alive",
		TokenError::NotExpendable | TokenError::OnlyProvider => {
			"the account would die of it; leave at least the existential deposit"
		}
		TokenError::Frozen => "the money is bonded or frozen; unlock it first",
		TokenError::CannotCreateHold => {
			"the account has too little free money for the deposit; add some with `llmchain account fund`"
		}
		_ => "the money cannot be moved",
	}
}

/// Words for a refusal of the node's transaction pool.
pub fn pool_advice(message: &str) -> String {
	let advice = [
		(
			"pay some fees",
			"the account cannot pay the fee; add money with `llmchain account fund`",
		),
		("Custom error: 101", "the blob has no bytes"),
		(
			"Custom error: 102",
			"the blob is larger than 1 MiB; split it",
		),
		(
			"Custom error: 103",
			"these bytes are archived already; use their hash",
		),
		(
			"outdated",
			"another transaction of this account was faster; try again",
		),
		(
			"Priority is too low",
			"another transaction of this account waits; try again when it is in a block",
		),
		(
			"exhaust",
			"the node's pool or block is full; try again later",
		),
		(
			"ancient birth",
			"the node is behind; try again when it has caught up",
		),
	]
	.into_iter()
	.find(|(part, _)| message.contains(part));
	match advice {
		Some((_, advice)) => advice.to_owned(),
		None => message.to_owned(),
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use codec::Decode;

	fn metadata() -> Metadata {
		let mut bytes: &[u8] = include_bytes!("../../metadata.scale");
		Metadata::decode(&mut bytes).unwrap()
	}

	/// The five bytes of a pallet's error, found by name.
	fn module(metadata: &Metadata, pallet: &str, error: &str, values: [u8; 3]) -> Refusal {
		let found = metadata.pallet_by_name(pallet).unwrap();
		let variants = found.error_variants().unwrap();
		let index = variants.iter().find(|one| one.name == error).unwrap().index;
		let [a, b, c] = values;
		Refusal::of_module(&[found.error_index(), index, a, b, c], metadata)
	}

	#[test]
	fn errors_have_their_names_and_advice() {
		let metadata = metadata();
		let refusal = module(&metadata, "Training", "StaleBase", [0; 3]);
		assert_eq!(refusal.name, "Training.StaleBase");
		assert!(refusal.advice.contains("latest"), "{refusal}");
		let refusal = module(&metadata, "Datasets", "ChunkNotArchived", [3, 1, 0]);
		assert!(refusal.advice.ends_with("(shard 3, chunk 1)"), "{refusal}");
	}

	#[test]
	fn every_error_of_ours_says_something() {
		let metadata = metadata();
		for pallet in ["Blobs", "Datasets", "Models", "Training", "Artworks"] {
			let found = metadata.pallet_by_name(pallet).unwrap();
			for variant in found.error_variants().unwrap() {
				assert!(
					!variant.docs.join("").trim().is_empty(),
					"{pallet}.{}",
					variant.name
				);
			}
		}
	}

	#[test]
	fn unknown_errors_and_pools_have_words() {
		let refusal = Refusal::of_module(&[250, 1, 0, 0, 0], &metadata());
		assert_eq!(refusal.name, "Pallet250.Error1");
		let advice = pool_advice("Invalid Transaction: Inability to pay some fees");
		assert!(advice.contains("account fund"));
		assert_eq!(pool_advice("something else"), "something else");
		let token = Refusal::of(
			&DispatchError::Token(TokenError::FundsUnavailable),
			&metadata(),
		);
		assert_eq!(token.name, "Token.FundsUnavailable");
	}
}
