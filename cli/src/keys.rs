//! Who signs: a development secret, or a key file exported from Polkadot.js with its password.
//!
//! Must not know: what is signed. Invariants: nothing secret is printed or kept longer than the key pair; a password is read
//! from the terminal or a file, never from an argument or the environment.

use llmchain_primitives::AccountId;
use serde::Deserialize;
use std::{
	fs,
	path::{Path, PathBuf},
};
use subxt_signer::{
	polkadot_js_compat::{decrypt_json, Error as JsonError},
	sr25519::Keypair,
	SecretUri,
};
use thiserror::Error;

/// Characters of the `encoded` field: 32 bytes salt, 12 parameters, 24 nonce, 16 tag and 117 of the key, in Base64.
const ENCODED_LENGTH: usize = 268;

/// A key cannot be had.
#[derive(Debug, Error)]
pub enum KeyError {
	/// Nobody was named.
	#[error("who signs? Give --key FILE.json (an account exported from Polkadot.js), or --suri //Alice on a development chain")]
	NoSigner,
	/// A file cannot be read.
	#[error("cannot read {}: {source}", path.display())]
	Read {
		/// The file.
		path: PathBuf,
		/// What the system says.
		source: std::io::Error,
	},
	/// The file is not an export of Polkadot.js.
	#[error("{} is not an account file: {reason}; export the account from Polkadot.js again", path.display())]
	NotAnAccount {
		/// The file.
		path: PathBuf,
		/// What is missing.
		reason: String,
	},
	/// The file holds another kind of key.
	#[error("{} holds a key that this program cannot use ({reason}); export an sr25519 account, encrypted with a password", path.display())]
	Unsupported {
		/// The file.
		path: PathBuf,
		/// What is unsupported.
		reason: String,
	},
	/// The password does not open the file.
	#[error("wrong password for {}", path.display())]
	WrongPassword {
		/// The file.
		path: PathBuf,
	},
	/// The terminal gave no password.
	#[error("cannot read a password from the terminal ({source}); give --password-file FILE")]
	Prompt {
		/// What the system says.
		source: std::io::Error,
	},
	/// A secret is malformed; it is not repeated here.
	#[error("the secret is not one: {reason}; it is a phrase of 12 or 24 words, 0x and 64 hex digits, or a development name such as //Alice")]
	Secret {
		/// What is wrong, without the secret.
		reason: String,
	},
	/// A text is no account.
	#[error("`{text}` is not an account; write an SS58 address, 0x and 64 hex digits, or a development name such as //Bob")]
	Account {
		/// What was typed.
		text: String,
	},
}

/// The part of a key file that is not encrypted.
#[derive(Deserialize)]
struct KeyFile {
	address: String,
	encoded: String,
}

/// Where the signer's key is.
#[derive(Clone, Debug, Default)]
pub struct KeySource {
	/// A secret.
	pub suri: Option<String>,
	/// A key file.
	pub file: Option<PathBuf>,
	/// File with the key file's password.
	pub password_file: Option<PathBuf>,
}

impl KeySource {
	/// The key pair. Asks for a password where one is needed and none is given.
	///
	/// # Errors
	/// - any [`KeyError`].
	pub fn keypair(&self) -> Result<Keypair, KeyError> {
		match (&self.file, &self.suri) {
			(Some(path), _) => open_file(path, self.password_file.as_deref()),
			(None, Some(suri)) => from_suri(suri),
			(None, None) => Err(KeyError::NoSigner),
		}
	}

	/// The account, without opening the key.
	///
	/// # Errors
	/// - any [`KeyError`] but a wrong password.
	pub fn account(&self) -> Result<AccountId, KeyError> {
		match (&self.file, &self.suri) {
			(Some(path), _) => {
				let file = read_key_file(path)?.1;
				file.address.parse().map_err(|_| KeyError::NotAnAccount {
					path: path.clone(),
					reason: "its address is none".into(),
				})
			}
			(None, Some(suri)) => from_suri(suri).map(|pair| account_of(&pair)),
			(None, None) => Err(KeyError::NoSigner),
		}
	}
}

/// The account of a key pair.
pub fn account_of(pair: &Keypair) -> AccountId {
	AccountId::new(pair.public_key().0)
}

/// Key pair of a secret.
///
/// # Errors
/// - [`KeyError::Secret`].
pub fn from_suri(suri: &str) -> Result<Keypair, KeyError> {
	let secret = |reason: String| KeyError::Secret { reason };
	let uri: SecretUri = suri
		.trim()
		.parse()
		.map_err(|error: subxt_signer::SecretUriError| secret(error.to_string()))?;
	Keypair::from_uri(&uri).map_err(|error| match error {
		subxt_signer::sr25519::Error::Phrase(_) => secret("its words are no valid phrase".into()),
		other => secret(other.to_string()),
	})
}

/// Key pair of `text`: the name of a key file, of a file that holds a secret on its first line, or a secret itself.
///
/// # Errors
/// - any [`KeyError`].
pub fn from_file_or_suri(text: &str, password_file: Option<&Path>) -> Result<Keypair, KeyError> {
	let path = Path::new(text);
	if !path.is_file() {
		return from_suri(text);
	}
	let content = read(path)?;
	if content.trim_start().starts_with('{') {
		return open_file(path, password_file);
	}
	from_suri(content.lines().next().unwrap_or_default())
}

/// The account that `text` names.
///
/// # Errors
/// - [`KeyError::Account`], [`KeyError::Secret`].
pub fn parse_account(text: &str) -> Result<AccountId, KeyError> {
	if text.starts_with("//") {
		return from_suri(text).map(|pair| account_of(&pair));
	}
	text.parse()
		.map_err(|_| KeyError::Account { text: text.into() })
}

fn open_file(path: &Path, password_file: Option<&Path>) -> Result<Keypair, KeyError> {
	let (content, file) = read_key_file(path)?;
	if file.encoded.len() != ENCODED_LENGTH {
		return Err(KeyError::Unsupported {
			path: path.into(),
			reason: "it is not encrypted, or with an old method".into(),
		});
	}
	let password = match password_file {
		Some(path) => read(path)?.trim_end_matches(['\r', '\n']).to_owned(),
		None => rpassword::prompt_password(format!("Password of {}: ", file.address))
			.map_err(|source| KeyError::Prompt { source })?,
	};
	decrypt_json(&content, &password).map_err(|error| {
		let path = path.to_owned();
		match error {
			JsonError::Secretbox(_) => KeyError::WrongPassword { path },
			JsonError::Json(error) => KeyError::NotAnAccount {
				path,
				reason: error.to_string(),
			},
			other => KeyError::Unsupported {
				path,
				reason: other.to_string(),
			},
		}
	})
}

fn read_key_file(path: &Path) -> Result<(String, KeyFile), KeyError> {
	let content = read(path)?;
	let file = serde_json::from_str(&content).map_err(|error| KeyError::NotAnAccount {
		path: path.into(),
		reason: error.to_string(),
	})?;
	Ok((content, file))
}

fn read(path: &Path) -> Result<String, KeyError> {
	fs::read_to_string(path).map_err(|source| KeyError::Read {
		path: path.into(),
		source,
	})
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	#[ignore]
	fn print_public() {
		let p = from_suri(&format!("0x{}", "11".repeat(32))).unwrap();
		println!("{} {}", hex::encode(p.public_key().0), account_of(&p));
	}
}
