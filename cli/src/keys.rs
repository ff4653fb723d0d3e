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

	const SECRET: &str = "0x1111111111111111111111111111111111111111111111111111111111111111";
	const ADDRESS: &str = "5DtDLm5rQHShDqojQpsvcN8tRXHVFaecfDoRet1SU6BFD9Fi";
	/// `SECRET` under the password `correct horse`, made by a Python program of scrypt and NaCl's secretbox.
	const ENCODED: &str = "v67LPL/jKT+L4ufeEkeN2GHLOB/cf6i0pys1g7dRuOQAgAAAAQAAAAgAAAB4N3tSV1e0lEJ/iQFPl9eZKPOTjRTrUeKmGwxaGqIayiSxPNko/3GN8okP+iAYz+WOm/w5zmY88snEq1+Yt3Uw9t9e6z/3lM2kWNs0sVv8l8Oi1OC5oFfJ3WamF2hKkp9f/8U4V4RTgsuNxc+hDkPfd6RGjr9ics1IMvPdTGTMSfcRPbS++CM78b3nBFVV+q5eb0gDMkbHqni2Wb7Z";

	/// A folder with a key file and a password file; the source of both.
	fn files(encoded: &str, password: &str) -> (tempfile::TempDir, KeySource) {
		let folder = tempfile::tempdir().unwrap();
		let (file, password_file) = (
			folder.path().join("key.json"),
			folder.path().join("password"),
		);
		let json = serde_json::json!({
			"encoded": encoded,
			"encoding": {
				"content": ["pkcs8", "sr25519"],
				"type": ["scrypt", "xsalsa20-poly1305"],
				"version": "3",
			},
			"address": ADDRESS,
			"meta": {},
		});
		fs::write(&file, json.to_string()).unwrap();
		fs::write(&password_file, password).unwrap();
		let source = KeySource {
			suri: None,
			file: Some(file),
			password_file: Some(password_file),
		};
		(folder, source)
	}

	#[test]
	fn an_exported_account_opens_with_its_password() {
		let (_folder, source) = files(ENCODED, "correct horse\n");
		assert_eq!(source.account().unwrap().to_string(), ADDRESS);
		let pair = source.keypair().unwrap();
		assert_eq!(account_of(&pair).to_string(), ADDRESS);
		assert_eq!(account_of(&from_suri(SECRET).unwrap()), account_of(&pair));
		let path = source.file.clone().unwrap();
		let named = from_file_or_suri(path.to_str().unwrap(), source.password_file.as_deref());
		assert_eq!(account_of(&named.unwrap()).to_string(), ADDRESS);
	}

	#[test]
	fn a_wrong_password_is_called_so() {
		let (_folder, source) = files(ENCODED, "wrong horse");
		assert!(matches!(
			source.keypair(),
			Err(KeyError::WrongPassword { .. })
		));
		// The address is not encrypted.
		assert!(source.account().is_ok());
	}

	#[test]
	fn damaged_files_are_refused_without_panic() {
		let (_folder, source) = files("c2hvcnQ=", "correct horse");
		assert!(matches!(
			source.keypair(),
			Err(KeyError::Unsupported { .. })
		));
		let (_folder, source) = files(&"A".repeat(268), "correct horse");
		assert!(matches!(
			source.keypair(),
			Err(KeyError::Unsupported { .. })
		));
		let path = source.file.clone().unwrap();
		fs::write(&path, "{}").unwrap();
		assert!(matches!(
			source.keypair(),
			Err(KeyError::NotAnAccount { .. })
		));
		fs::remove_file(&path).unwrap();
		assert!(matches!(source.keypair(), Err(KeyError::Read { .. })));
	}

	#[test]
	fn secrets_are_not_repeated_in_errors() {
		let error = from_suri("bottom drive obey lake curtain smoke")
			.err()
			.unwrap();
		assert!(!error.to_string().contains("bottom"), "{error}");
		assert!(from_suri("0x1234").is_err());
		assert!(KeySource::default().keypair().is_err());
	}

	#[test]
	fn accounts_have_three_spellings() {
		let account = parse_account(ADDRESS).unwrap();
		let hex = format!("0x{}", hex::encode(AsRef::<[u8]>::as_ref(&account)));
		assert_eq!(parse_account(&hex).unwrap(), account);
		assert_eq!(
			parse_account("//Alice").unwrap().to_string(),
			"5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY"
		);
		for wrong in ["", "nobody", &ADDRESS[1..], "0x12"] {
			assert!(parse_account(wrong).is_err(), "{wrong}");
		}
	}

	#[test]
	fn a_file_may_hold_a_secret() {
		let folder = tempfile::tempdir().unwrap();
		let path = folder.path().join("trainer.suri");
		fs::write(&path, format!("{SECRET}\n")).unwrap();
		let pair = from_file_or_suri(path.to_str().unwrap(), None).unwrap();
		assert_eq!(account_of(&pair).to_string(), ADDRESS);
	}
}
