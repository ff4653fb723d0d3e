//! Command line of the node.
//!
//! Must not know: what a command does. The first line of each option's documentation is what `--help` shows.

use sc_cli::RunCmd;
use std::path::PathBuf;

/// Options and subcommands.
#[derive(Debug, clap::Parser)]
pub struct Cli {
	/// Subcommand; without one the node runs.
	#[command(subcommand)]
	pub subcommand: Option<Subcommand>,

	/// Options of a running node.
	#[clap(flatten)]
	pub run: RunCmd,

	/// Options of the trainer.
	#[clap(flatten)]
	pub trainer: TrainerOptions,
}

/// Options of the native trainer.
#[derive(Clone, Debug, clap::Args)]
pub struct TrainerOptions {
	/// Trains: answers the off-chain worker's tickets with this machine's processors.
	#[arg(long)]
	pub trainer: bool,

	/// Threads of the trainer; by default one for each processor.
	#[arg(long, value_name = "N", requires = "trainer")]
	pub trainer_threads: Option<usize>,

	/// Folder of the trainer's jobs and blobs; by default `trainer` in the chain's folder.
	#[arg(long, value_name = "DIR")]
	pub trainer_dir: Option<PathBuf>,
}

/// Subcommands.
#[derive(Debug, clap::Subcommand)]
// The variants hold the SDK's own command types.
#[allow(clippy::large_enum_variant)]
pub enum Subcommand {
	/// Makes, shows and inserts keys.
	#[command(subcommand)]
	Key(sc_cli::KeySubcommand),

	/// Writes a chain specification.
	ExportChainSpec(sc_cli::ExportChainSpecCmd),

	/// Validates blocks.
	CheckBlock(sc_cli::CheckBlockCmd),

	/// Writes blocks to a file.
	ExportBlocks(sc_cli::ExportBlocksCmd),

	/// Writes the state of a block as a chain specification.
	ExportState(sc_cli::ExportStateCmd),

	/// Reads blocks from a file.
	ImportBlocks(sc_cli::ImportBlocksCmd),

	/// Removes the whole chain of this node.
	PurgeChain(sc_cli::PurgeChainCmd),

	/// Takes the chain back by some blocks.
	Revert(sc_cli::RevertCmd),

	/// Measures weights.
	#[cfg(feature = "runtime-benchmarks")]
	#[command(subcommand)]
	Benchmark(frame_benchmarking_cli::BenchmarkCmd),

	/// Shows the database's meta columns.
	ChainInfo(sc_cli::ChainInfoCmd),
}
