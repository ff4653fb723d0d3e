//! A receipt as a JSON file: what `generate --receipt` writes, and `work register` and `verify generation` read.
//!
//! Must not know: who issues or believes receipts. The format is that of the node's RPC. Invariant: what is written reads back to
//! the same receipt, so the signature still fits.

use crate::convert::bytes_of_hex;
use codec::Decode;
use llmchain_primitives::{
	key::TrainerSignature,
	receipt::{Generation, Receipt},
};
use serde::{Deserialize, Serialize};
use std::{
	fs,
	path::{Path, PathBuf},
};
use thiserror::Error;

/// A receipt cannot be read.
#[derive(Debug, Error)]
pub enum ReceiptError {
	/// The file.
	#[error("cannot read {}: {source}", path.display())]
	Read {
		/// Which.
		path: PathBuf,
		/// What the system says.
		source: std::io::Error,
	},
	/// Its JSON.
	#[error("{} is not a receipt: {source}; `llmchain generate --receipt FILE` writes one", path.display())]
	Json {
		/// Which.
		path: PathBuf,
		/// What is wrong.
		source: serde_json::Error,
	},
	/// Its signature.
	#[error("the receipt's signature is not 64 bytes in hexadecimal; the receipt was damaged")]
	Signature,
}

/// A receipt in JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JsonReceipt {
	/// What happened.
	pub generation: Generation,
	/// Signature of the serving trainer's key, in hexadecimal.
	pub signature: String,
}

impl JsonReceipt {
	/// Reads a receipt file.
	///
	/// # Errors
	/// - any [`ReceiptError`].
	pub fn read(path: &Path) -> Result<Self, ReceiptError> {
		let text = fs::read_to_string(path).map_err(|source| ReceiptError::Read {
			path: path.into(),
			source,
		})?;
		let receipt: Self = serde_json::from_str(&text).map_err(|source| ReceiptError::Json {
			path: path.into(),
			source,
		})?;
		receipt.signature()?;
		Ok(receipt)
	}

	/// The receipt in the chain's words.
	///
	/// # Errors
	/// - [`ReceiptError::Signature`].
	pub fn to_chain(&self) -> Result<Receipt, ReceiptError> {
		Ok(Receipt {
			generation: self.generation.clone(),
			signature: self.signature()?,
		})
	}

	fn signature(&self) -> Result<TrainerSignature, ReceiptError> {
		bytes_of_hex(&self.signature)
			.filter(|bytes| bytes.len() == 64)
			.and_then(|bytes| TrainerSignature::decode(&mut bytes.as_slice()).ok())
			.ok_or(ReceiptError::Signature)
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use llmchain_primitives::{
		receipt::{Prompt, SamplingParameters},
		AccountId, Hash,
	};

	fn receipt() -> JsonReceipt {
		JsonReceipt {
			generation: Generation {
				genesis: Hash::repeat_byte(1),
				asker: AccountId::new([2; 32]),
				server: AccountId::new([3; 32]),
				version: Hash::repeat_byte(4),
				tokenizer: Hash::repeat_byte(5),
				numeric_spec: 1,
				prompt: Prompt::try_from("床前明月光，\n").unwrap(),
				sampling: SamplingParameters {
					temperature_milli: 800,
					top_k: 0,
					top_p_milli: 1000,
					max_tokens: 64,
				},
				seed: Hash::repeat_byte(6),
				output: Hash::repeat_byte(7),
			},
			signature: format!("0x{}", "08".repeat(64)),
		}
	}

	#[test]
	fn a_file_reads_back_to_the_same_receipt() {
		let folder = tempfile::tempdir().unwrap();
		let path = folder.path().join("receipt.json");
		fs::write(&path, serde_json::to_string_pretty(&receipt()).unwrap()).unwrap();
		let read = JsonReceipt::read(&path).unwrap();
		assert_eq!(read, receipt());
		assert_eq!(read.generation.id(), receipt().generation.id());
		assert_eq!(
			read.to_chain().unwrap().generation.signing_bytes(),
			receipt().generation.signing_bytes()
		);
	}

	#[test]
	fn damaged_files_are_named() {
		let folder = tempfile::tempdir().unwrap();
		let path = folder.path().join("receipt.json");
		assert!(matches!(
			JsonReceipt::read(&path),
			Err(ReceiptError::Read { .. })
		));
		fs::write(&path, "{}").unwrap();
		let error = JsonReceipt::read(&path).unwrap_err();
		assert!(error.to_string().contains("generate --receipt"), "{error}");
		let short = JsonReceipt {
			signature: "0x08".into(),
			..receipt()
		};
		fs::write(&path, serde_json::to_string(&short).unwrap()).unwrap();
		assert!(matches!(
			JsonReceipt::read(&path),
			Err(ReceiptError::Signature)
		));
	}
}
