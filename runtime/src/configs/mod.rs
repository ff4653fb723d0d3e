//! How each pallet is configured: one file per domain.
//!
//! Must not know: logic. Files in reading order: [`system`], [`consensus`], [`community`].

pub mod community;
pub mod consensus;
pub mod system;
