//! Measured weights of our pallets, written by `cargo xtask weights`; each file names the machine and the command.
//!
//! Must not know: what a call does. Figures from a small shared machine: right in order of magnitude, to be measured again on the
//! hardware that a network asks of its validators.

pub mod pallet_artworks;
pub mod pallet_blobs;
pub mod pallet_datasets;
pub mod pallet_models;
pub mod pallet_training;
