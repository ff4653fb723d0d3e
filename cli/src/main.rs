//! The binary `llmchain`: reads the command line and runs the command. Exit: 0 done, 1 failed, 2 wrong usage.

use clap::Parser;
use llmchain_cli::{args::Cli, run};
use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
	ExitCode::from(run(Cli::parse()).await)
}
