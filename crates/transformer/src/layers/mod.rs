//! The layers: one file each, forward next to backward, both in the numeric order of the specification.
//!
//! Letters: B sequences of a batch, M rows (all positions of all sequences, one after the other), T positions of a
//! sequence, C = d_model, H heads, D = d_head, F = d_ff, V vocabulary, L layers. Gradients are `d` + name.
//!
//! Reading order: `embedding`, `layer_norm`, `linear`, `attention`, `gelu`, `cross_entropy`.
//! Must not know: which layer of the model they are, the optimiser, text.
//! Invariants: every function reads and writes slices that its caller owns; none allocates.

// A layer's tensors are its arguments, and rows of a tile are counted, not iterated.
#![allow(clippy::too_many_arguments, clippy::needless_range_loop)]

pub(crate) mod attention;
pub(crate) mod cross_entropy;
pub(crate) mod embedding;
pub(crate) mod gelu;
pub(crate) mod layer_norm;
pub(crate) mod linear;

#[cfg(test)]
pub(crate) mod reference;
#[cfg(test)]
mod tests;
