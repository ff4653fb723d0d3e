//! One node process: started, killed, started again over the same folder.
//!
//! Must not know: other nodes. Invariants: a node never outlives the thread that started it (`setpriv --pdeathsig`, where the
//! system has it) nor its [`Node`]; its log is kept over restarts.

use crate::{chain::Chain, rpc::Rpc, wait};
use anyhow::{bail, Context, Result};
use serde_json::json;
use std::{
	fs::{self, File, OpenOptions},
	io::{Read, Seek, SeekFrom},
	os::unix::process::CommandExt,
	path::{Path, PathBuf},
	process::{Child, Command, Stdio},
	time::Duration,
};

/// Time for a node to answer RPC: it compiles the runtime first, and several start at once.
const START: Duration = Duration::from_secs(120);
/// Time for a node to end by itself before it is killed.
const STOP: Duration = Duration::from_secs(15);
/// Bytes of a log that an error shows.
const TAIL: u64 = 2_048;

/// What a node is started with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
	/// Name, which is also its folder's.
	pub name: String,
	/// The program.
	pub program: PathBuf,
	/// Folder that holds its data and its log.
	pub folder: PathBuf,
	/// The chain: a preset or a specification's file.
	pub chain: String,
	/// Port of its RPC.
	pub rpc_port: u16,
	/// Port that peers reach it at.
	pub p2p_port: u16,
	/// Secret network key, 64 hexadecimal digits.
	pub node_key: String,
	/// Addresses of peers.
	pub bootnodes: Vec<String>,
	/// Other arguments.
	pub arguments: Vec<String>,
}

/// A node process and its folder.
#[derive(Debug)]
pub struct Node {
	settings: Settings,
	child: Option<Child>,
	/// The largest resident memory of the processes before this one, in MiB.
	peak_before: f64,
}

impl Settings {
	/// Address of the node's RPC for programs.
	pub fn url(&self) -> String {
		format!("ws://127.0.0.1:{}", self.rpc_port)
	}

	/// The node's RPC.
	pub fn rpc(&self) -> Rpc {
		Rpc::at(self.rpc_port)
	}
}

impl Node {
	/// Starts a node. It may take a while to answer: [`Node::wait_ready`].
	///
	/// # Errors
	///
	/// Its folder cannot be made or its program not be started.
	pub fn start(settings: Settings) -> Result<Self> {
		let mut node = Self {
			settings,
			child: None,
			peak_before: 0.0,
		};
		node.spawn()?;
		Ok(node)
	}

	/// Starts the program again over the same folder.
	///
	/// # Errors
	///
	/// As [`Node::start`]; or it runs still.
	pub fn restart(&mut self) -> Result<()> {
		if self.is_running() {
			bail!("{} runs still", self.name());
		}
		self.spawn()
	}

	fn spawn(&mut self) -> Result<()> {
		let settings = &self.settings;
		fs::create_dir_all(&settings.folder)
			.with_context(|| format!("making {}", settings.folder.display()))?;
		let log = OpenOptions::new()
			.create(true)
			.append(true)
			.open(self.log())?;
		let mut command = bound_to_this_process(&settings.program);
		command
			.args(["--chain", &settings.chain, "--base-path"])
			.arg(settings.folder.join("data"))
			.args(["--name", &settings.name])
			.args(["--node-key", &settings.node_key])
			.args([
				"--listen-addr",
				&format!("/ip4/127.0.0.1/tcp/{}", settings.p2p_port),
			])
			.args(["--rpc-port", &settings.rpc_port.to_string()])
			.args(["--state-pruning", "archive"])
			.args(["--no-telemetry", "--no-prometheus", "--no-mdns"])
			.args(&settings.arguments);
		if !settings.bootnodes.is_empty() {
			command.arg("--bootnodes").args(&settings.bootnodes);
		}
		let child = command
			.stdin(Stdio::null())
			.stdout(log.try_clone()?)
			.stderr(log)
			// A Ctrl-C at the terminal is for the harness, which then stops its nodes in order.
			.process_group(0)
			.spawn()
			.with_context(|| format!("starting {}", settings.program.display()))?;
		self.child = Some(child);
		Ok(())
	}

	/// Its name.
	pub fn name(&self) -> &str {
		&self.settings.name
	}

	/// Its RPC.
	pub fn rpc(&self) -> Rpc {
		self.settings.rpc()
	}

	/// The chain as it sees it.
	pub fn chain(&self) -> Chain {
		Chain::of(self.rpc())
	}

	/// Port of its RPC.
	pub fn rpc_port(&self) -> u16 {
		self.settings.rpc_port
	}

	/// Address of its RPC for programs.
	pub fn url(&self) -> String {
		self.settings.url()
	}

	/// Its log.
	pub fn log(&self) -> PathBuf {
		self.settings.folder.join("node.log")
	}

	/// The end of its log, for people.
	pub fn log_tail(&self) -> String {
		tail(&self.log()).unwrap_or_else(|error| format!("(no log: {error})"))
	}

	/// Whether the process runs.
	pub fn is_running(&mut self) -> bool {
		match self.child.as_mut().map(Child::try_wait) {
			Some(Ok(None)) => true,
			Some(_) => {
				self.child = None;
				false
			}
			None => false,
		}
	}

	/// Waits until it answers RPC.
	///
	/// # Errors
	///
	/// The process ends, or does not answer in time; with the end of its log.
	pub fn wait_ready(&mut self) -> Result<()> {
		let what = format!("{} to answer", self.name());
		let rpc = self.rpc();
		wait::until(&what, START, || {
			if !self.is_running() {
				return Ok(wait::Probe::Never(format!(
					"the process ended; its log ends with\n{}",
					self.log_tail()
				)));
			}
			rpc.call("system_health", json!([]))?;
			Ok(wait::Probe::Ready(()))
		})
		.with_context(|| format!("the log is {}", self.log().display()))
	}

	/// Number of peers.
	///
	/// # Errors
	///
	/// It does not answer.
	pub fn peers(&self) -> Result<u64> {
		let health = self.rpc().call("system_health", json!([]))?;
		health["peers"].as_u64().context("system_health")
	}

	/// Ends the process at once, without any notice to it (SIGKILL).
	pub fn kill(&mut self) {
		self.note_peak();
		if let Some(mut child) = self.child.take() {
			// It has ended already where this fails.
			let _ = child.kill();
			let _ = child.wait();
		}
	}

	/// Asks the process to end (SIGTERM), without waiting for it.
	pub fn terminate(&mut self) {
		self.note_peak();
		if let Some(child) = &self.child {
			// The shell has `kill` built in; where it fails, the process has ended already.
			let _ = Command::new("sh")
				.args([
					"-c",
					"kill -TERM \"$0\" 2>/dev/null",
					&child.id().to_string(),
				])
				.status();
		}
	}

	/// Ends the process in order; kills it if that takes too long.
	pub fn stop(&mut self) {
		self.terminate();
		let begun = std::time::Instant::now();
		while self.is_running() && begun.elapsed() < STOP {
			std::thread::sleep(Duration::from_millis(50));
		}
		self.kill();
	}

	/// The largest resident memory so far, in MiB.
	pub fn peak_resident_mib(&mut self) -> f64 {
		self.note_peak();
		self.peak_before
	}

	fn note_peak(&mut self) {
		let Some(child) = &self.child else { return };
		let status = fs::read_to_string(format!("/proc/{}/status", child.id()));
		if let Some(peak) = status.ok().as_deref().and_then(peak_mib) {
			self.peak_before = self.peak_before.max(peak);
		}
	}
}

impl Drop for Node {
	fn drop(&mut self) {
		self.stop();
	}
}

/// A command that ends with the thread that starts it, where the system can do that.
fn bound_to_this_process(program: &Path) -> Command {
	let has_setpriv = std::env::var_os("PATH").is_some_and(|path| {
		std::env::split_paths(&path).any(|folder| folder.join("setpriv").is_file())
	});
	if !has_setpriv {
		return Command::new(program);
	}
	let mut command = Command::new("setpriv");
	command.args(["--pdeathsig", "KILL", "--"]).arg(program);
	command
}

/// `VmHWM` of a process's status, in MiB.
fn peak_mib(status: &str) -> Option<f64> {
	let line = status
		.lines()
		.find_map(|line| line.strip_prefix("VmHWM:"))?;
	let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
	Some(kib / 1024.0)
}

fn tail(path: &Path) -> std::io::Result<String> {
	let mut file = File::open(path)?;
	let length = file.metadata()?.len();
	file.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
	let mut bytes = Vec::new();
	file.read_to_end(&mut bytes)?;
	Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn reads_the_peak() {
		assert_eq!(
			peak_mib("Name:\tnode\nVmHWM:\t  524288 kB\nVmRSS:\t 1 kB\n"),
			Some(512.0)
		);
		assert_eq!(peak_mib("Name:\tnode\n"), None);
	}

	#[test]
	fn a_program_that_ends_is_told_with_its_last_words() {
		let folder = tempfile::tempdir().unwrap();
		let program = folder.path().join("program");
		fs::write(&program, "#!/bin/sh\necho 'no such chain'\nexit 1\n").unwrap();
		let mut permissions = fs::metadata(&program).unwrap().permissions();
		std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o755);
		fs::set_permissions(&program, permissions).unwrap();
		let mut node = Node::start(Settings {
			name: "short".into(),
			program,
			folder: folder.path().join("short"),
			chain: "dev".into(),
			rpc_port: 1,
			p2p_port: 1,
			node_key: "00".repeat(32),
			bootnodes: Vec::new(),
			arguments: Vec::new(),
		})
		.unwrap();
		let error = format!("{:#}", node.wait_ready().unwrap_err());
		assert!(error.contains("no such chain"), "{error}");
		assert!(!node.is_running());
	}
}
