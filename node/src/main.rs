//! The node of LLMChain: validators and trainers run it.
//!
//! Composition root: the only program that knows the chain and the engine. Must not know: arithmetic of either.
//!
//! Reading order: [`cli`], [`command`], [`chain_spec`], [`service`], [`trainer_service`], [`convert`],
//! [`peers`], [`rpc`].

// The SDK's own errors are large, and they end the program.
#![allow(clippy::result_large_err)]

mod chain_spec;
mod cli;
mod command;
mod convert;
mod peers;
mod rpc;
mod service;
mod trainer_service;

fn main() -> sc_cli::Result<()> {
	command::run()
}
