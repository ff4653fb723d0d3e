//! Blobs, datasets, models, training, works: how our own pallets meet through the glue traits.
//!
//! Must not know: logic. Money here is in units of the token; times are in blocks.

