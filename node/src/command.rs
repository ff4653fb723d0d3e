//! Runs what the command line asks for.
//!
//! Must not know: how services are built.

use crate::{
	chain_spec,
	cli::{Cli, Subcommand},
	service,
};
use sc_cli::SubstrateCli;
use sc_service::PartialComponents;

impl SubstrateCli for Cli {
	fn impl_name() -> String {
		"LLMChain Node".into()
	}

	fn impl_version() -> String {
		env!("SUBSTRATE_CLI_IMPL_VERSION").into()
	}

	fn description() -> String {
		env!("CARGO_PKG_DESCRIPTION").into()
	}

	fn author() -> String {
		"The LLMChain developers".into()
	}

	fn support_url() -> String {
		"See CONTRIBUTING.md".into()
	}

	fn copyright_start_year() -> i32 {
		2026
	}

	fn load_spec(&self, id: &str) -> Result<Box<dyn sc_service::ChainSpec>, String> {
		chain_spec::load(id)
	}
}

/// Reads the command line and runs it.
pub fn run() -> sc_cli::Result<()> {
	let cli = Cli::from_args();
	match &cli.subcommand {
		None => {
			let options = cli.trainer.clone();
			cli.create_runner(&cli.run)?
				.run_node_until_exit(|config| async move {
					service::new_full(config, options).map_err(sc_cli::Error::Service)
				})
		}
		Some(Subcommand::Key(command)) => command.run(&cli),
		Some(Subcommand::ExportChainSpec(command)) => command.run(cli.load_spec(&command.chain)?),
		Some(Subcommand::CheckBlock(command)) => cli.create_runner(command)?.async_run(|config| {
			let PartialComponents {
				client,
				task_manager,
				import_queue,
				..
			} = service::new_partial(&config)?;
			Ok((command.run(client, import_queue), task_manager))
		}),
		Some(Subcommand::ExportBlocks(command)) => {
			cli.create_runner(command)?.async_run(|config| {
				let PartialComponents {
					client,
					task_manager,
					..
				} = service::new_partial(&config)?;
				Ok((command.run(client, config.database), task_manager))
			})
		}
		Some(Subcommand::ExportState(command)) => cli.create_runner(command)?.async_run(|config| {
			let PartialComponents {
				client,
				task_manager,
				..
			} = service::new_partial(&config)?;
			Ok((command.run(client, config.chain_spec), task_manager))
		}),
		Some(Subcommand::ImportBlocks(command)) => {
			cli.create_runner(command)?.async_run(|config| {
				let PartialComponents {
					client,
					task_manager,
					import_queue,
					..
				} = service::new_partial(&config)?;
				Ok((command.run(client, import_queue), task_manager))
			})
		}
		Some(Subcommand::PurgeChain(command)) => cli
			.create_runner(command)?
			.sync_run(|config| command.run(config.database)),
		Some(Subcommand::Revert(command)) => cli.create_runner(command)?.async_run(|config| {
			let PartialComponents {
				client,
				task_manager,
				backend,
				..
			} = service::new_partial(&config)?;
			let revert_auxiliary = Box::new(
				|client: std::sync::Arc<service::FullClient>,
				 backend: std::sync::Arc<service::FullBackend>,
				 blocks: u32| {
					sc_consensus_babe::revert(client.clone(), backend, blocks)?;
					sc_consensus_grandpa::revert(client, blocks)?;
					Ok(())
				},
			);
			Ok((
				command.run(client, backend, Some(revert_auxiliary)),
				task_manager,
			))
		}),
		#[cfg(feature = "runtime-benchmarks")]
		Some(Subcommand::Benchmark(command)) => {
			cli.create_runner(command)?
				.sync_run(|config| match command {
					frame_benchmarking_cli::BenchmarkCmd::Pallet(command) => {
						command
							.run_with_spec::<sp_runtime::traits::HashingFor<llmchain_runtime::opaque::Block>, ()>(
								Some(config.chain_spec),
							)
					}
					_ => Err("only `benchmark pallet` is supported".into()),
				})
		}
		Some(Subcommand::ChainInfo(command)) => cli
			.create_runner(command)?
			.sync_run(|config| command.run::<llmchain_runtime::opaque::Block>(&config)),
	}
}
