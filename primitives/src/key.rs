//! The trainer key: sr25519 under key type `llmt`.
//!
//! Signs what a trainer posts in a round and the receipts of the node that serves. It pays nothing and owns nothing.
//! Must not know: the keystore, the account that registered the key.

use sp_application_crypto::KeyTypeId;

/// Key type of trainer keys in a node's keystore.
pub const KEY_TYPE: KeyTypeId = KeyTypeId(*b"llmt");

mod app {
	use super::KEY_TYPE;
	use sp_application_crypto::{app_crypto, sr25519};
	app_crypto!(sr25519, KEY_TYPE);
}

/// A trainer's public key.
pub type TrainerPublic = app::Public;
/// A trainer's signature.
pub type TrainerSignature = app::Signature;
/// A trainer's key pair; exists only where there is a keystore.
#[cfg(feature = "std")]
pub type TrainerPair = app::Pair;
