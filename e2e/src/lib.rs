//! Real nodes, started and driven as people do it: harness of the end-to-end tests, and the main job that `scripts/run.sh` runs.
//!
//! Everything goes through the programs `llmchain-node` and `llmchain` and the node's RPC, so what passes here works for users.
//! Must not know: runtime, pallets, node as crates. Invariants: no sleep in place of a condition ([`wait`]); nodes end with who
//! started them ([`node`]); nothing here is needed by the product.
//!
//! Reading order: [`wait`], [`binaries`], [`rpc`], [`chain`], [`node`], [`network`], [`cli`], [`summary`], [`screen`], [`line`](mod@line);
//! for tests only: [`small`], [`polkadot_js`].

pub mod binaries;
pub mod chain;
pub mod cli;
pub mod line;
pub mod network;
pub mod node;
pub mod polkadot_js;
pub mod rpc;
pub mod screen;
pub mod small;
pub mod summary;
pub mod wait;
