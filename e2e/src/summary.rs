//! What a run of the main job found: `summary.json`, written anew after each step.
//!
//! Must not know: how anything was found. Invariants: a field that is not there was not reached, nothing is made up; the file is
//! replaced as a whole, so whoever reads it during a run reads a true state.

use anyhow::{Context, Result};
use serde::Serialize;
use serde_json::Value;
use std::{
	fs,
	path::{Path, PathBuf},
	process::Command,
	thread,
};

/// Every figure that the last screen shows, and more.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Summary {
	/// Commit of the checkout, with `-dirty` where it was changed.
	#[serde(skip_serializing_if = "Option::is_none")]
	pub commit: Option<String>,
	/// Where it ran.
	#[serde(skip_serializing_if = "Option::is_none")]
	pub machine: Option<Machine>,
	/// Name of the corpus, or what the dataset's files are.
	#[serde(skip_serializing_if = "Option::is_none")]
	pub corpus: Option<String>,
	/// Genesis hash of the chain.
	#[serde(skip_serializing_if = "Option::is_none")]
	pub genesis: Option<String>,
	/// RPC of each node.
	#[serde(skip_serializing_if = "Vec::is_empty")]
	pub endpoints: Vec<Endpoint>,
	/// The explorer, looking at the first node.
	#[serde(skip_serializing_if = "Option::is_none")]
	pub apps: Option<String>,
	/// Accounts of the trainers, in the order of `endpoints`.
	#[serde(skip_serializing_if = "Vec::is_empty")]
	pub trainers: Vec<String>,
	/// What `dataset publish` said.
	#[serde(skip_serializing_if = "Option::is_none")]
	pub dataset: Option<Value>,
	/// What `model create` said.
	#[serde(skip_serializing_if = "Option::is_none")]
	pub model: Option<Value>,
	/// What `task create` said.
	#[serde(skip_serializing_if = "Option::is_none")]
	pub task: Option<Value>,
	/// Settled rounds, in order.
	#[serde(skip_serializing_if = "Vec::is_empty")]
	pub rounds: Vec<Round>,
	/// Rounds that failed and were repeated.
	#[serde(skip_serializing_if = "Option::is_none")]
	pub failed_rounds: Option<u32>,
	/// What each trainer's account gained while the task ran, in the order of `trainers`, in whole units of the token.
	#[serde(skip_serializing_if = "Vec::is_empty")]
	pub rewards: Vec<Reward>,
	/// The version that the last round made.
	#[serde(skip_serializing_if = "Option::is_none")]
	pub version: Option<String>,
	/// Slots and blocks while the rounds ran.
	#[serde(skip_serializing_if = "Option::is_none")]
	pub slots: Option<Slots>,
	/// Whether the node that joined late recomputed every round to the chain's roots.
	#[serde(skip_serializing_if = "Option::is_none")]
	pub late_joiner_verified: Option<bool>,
	/// What `verify version` said to it.
	#[serde(skip_serializing_if = "Option::is_none")]
	pub verification: Option<Value>,
	/// The text that came out of the version.
	#[serde(skip_serializing_if = "Option::is_none")]
	pub generation: Option<Generation>,
	/// The work that it became.
	#[serde(skip_serializing_if = "Option::is_none")]
	pub work: Option<Work>,
	/// Whether the fifth validator authored a block.
	#[serde(skip_serializing_if = "Option::is_none")]
	pub fifth_validator_authored: Option<bool>,
	/// That validator.
	#[serde(skip_serializing_if = "Option::is_none")]
	pub fifth_validator: Option<FifthValidator>,
	/// The largest resident memory of each node with a trainer, in MiB.
	#[serde(skip_serializing_if = "Vec::is_empty")]
	pub resident_mib: Vec<f64>,
	/// Time of each step.
	#[serde(skip_serializing_if = "Vec::is_empty")]
	pub steps: Vec<Step>,
	/// From the first node's start to the last check.
	#[serde(skip_serializing_if = "Option::is_none")]
	pub seconds_after_build: Option<f64>,
	/// Why the run ended early.
	#[serde(skip_serializing_if = "Option::is_none")]
	pub error: Option<String>,
}

/// A machine.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Machine {
	/// Model of the processor.
	pub cpu: String,
	/// Processors that this program may use.
	pub cores: usize,
	/// Memory in GiB.
	pub memory_gib: f64,
}

/// A node's RPC.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Endpoint {
	/// Name of the node.
	pub node: String,
	/// Address for WebSocket and HTTP clients.
	pub url: String,
}

/// A settled round.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Round {
	/// Number in the task, from 1.
	pub number: u64,
	/// Version that it made.
	pub version: String,
	/// Mean loss of that version on the held-out shard, nats per token.
	pub heldout_loss: f64,
	/// Targets trained on per second of training, all trainers together.
	pub tokens_per_s: f64,
	/// From the block in which it began to that in which it settled, by the chain's clock.
	pub seconds: f64,
	/// Longest training of any participant.
	pub training_seconds: f64,
	/// Participants whose updates are in the version.
	pub survivors: u64,
	/// Participants.
	pub members: u64,
	/// Block in which it began.
	pub began: u64,
	/// Block in which it settled.
	pub ended: u64,
}

/// What a trainer was paid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reward {
	/// The trainer.
	pub account: String,
	/// In units of the token, exact decimal text.
	pub amount: String,
}

/// Slots of the chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Slots {
	/// Slots that passed.
	pub expected: u64,
	/// Blocks authored in them.
	pub produced: u64,
}

/// A generated text.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Generation {
	/// What the asker wrote.
	pub prompt: String,
	/// What the version answered.
	pub text: String,
	/// How often the artist asked until an answer had the form of a poem.
	pub asked: u32,
	/// Node that answered; it did not aggregate the last round.
	pub served_by: String,
	/// The signed receipt.
	pub receipt: Value,
	/// Identity of the receipt.
	pub receipt_id: String,
	/// Whether another node computed the same bytes from the receipt.
	#[serde(skip_serializing_if = "Option::is_none")]
	pub replayed: Option<bool>,
	/// That node.
	#[serde(skip_serializing_if = "Option::is_none")]
	pub replayed_by: Option<String>,
}

/// A registered work.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Work {
	/// Its identity.
	pub id: String,
	/// Its title.
	pub title: String,
	/// Its text.
	pub text: String,
	/// Claimed use of AI.
	pub disclosure: String,
	/// What `work buy` said.
	#[serde(skip_serializing_if = "Option::is_none")]
	pub sale: Option<Value>,
	/// Its history, read back from the chain.
	#[serde(skip_serializing_if = "Vec::is_empty")]
	pub provenance: Vec<Value>,
}

/// The validator that joined.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FifthValidator {
	/// Its stash.
	pub account: String,
	/// First block that it authored.
	pub block: u32,
}

/// A step and its time.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Step {
	/// What was done.
	pub name: String,
	/// How long it took.
	pub seconds: f64,
}

impl Summary {
	/// Replaces the file.
	///
	/// # Errors
	///
	/// It cannot be written.
	pub fn write(&self, path: &Path) -> Result<()> {
		let text = serde_json::to_string_pretty(self)?;
		let temporary = path.with_extension("json.new");
		fs::write(&temporary, format!("{text}\n"))
			.and_then(|()| fs::rename(&temporary, path))
			.with_context(|| format!("writing {}", path.display()))
	}
}

impl Machine {
	/// This machine; what the system does not tell is named unknown or 0.
	pub fn this() -> Self {
		let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
		Self {
			cpu: field(&read("/proc/cpuinfo"), "model name")
				.unwrap_or_else(|| "unknown processor".into()),
			cores: thread::available_parallelism().map_or(1, usize::from),
			memory_gib: field(&read("/proc/meminfo"), "MemTotal")
				.and_then(|text| text.strip_suffix("kB")?.trim().parse::<f64>().ok())
				.map_or(0.0, |kib| (kib / 1024.0 / 1024.0 * 10.0).round() / 10.0),
		}
	}
}

/// Commit of a checkout, if it is one.
pub fn commit(checkout: &Path) -> Option<String> {
	let output = Command::new("git")
		.args([
			"describe",
			"--always",
			"--dirty",
			"--abbrev=12",
			"--exclude=*",
		])
		.current_dir(checkout)
		.output()
		.ok()?;
	let text = String::from_utf8(output.stdout).ok()?;
	let text = text.trim();
	(output.status.success() && !text.is_empty()).then(|| text.to_owned())
}

/// Where the summary of a run lies.
pub fn path(run_dir: &Path) -> PathBuf {
	run_dir.join("summary.json")
}

/// Value of the first `name : value` line.
fn field(text: &str, name: &str) -> Option<String> {
	text.lines()
		.filter_map(|line| line.split_once(':'))
		.find(|(key, _)| key.trim() == name)
		.map(|(_, value)| value.trim().to_owned())
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn what_was_not_reached_is_absent() {
		let value = serde_json::to_value(Summary::default()).unwrap();
		assert_eq!(value, serde_json::json!({}));
	}

	#[test]
	fn is_replaced_as_a_whole() {
		let folder = tempfile::tempdir().unwrap();
		let path = path(folder.path());
		let mut summary = Summary {
			commit: Some("a".repeat(1000)),
			..Summary::default()
		};
		summary.write(&path).unwrap();
		summary.commit = Some("b".into());
		summary.write(&path).unwrap();
		let read: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
		assert_eq!(read["commit"], "b");
		assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
	}

	#[test]
	fn fields_are_found() {
		let text = "processor : 0\nmodel name\t: A: B\nMemTotal:  1024 kB\n";
		assert_eq!(field(text, "model name").as_deref(), Some("A: B"));
		assert_eq!(field(text, "MemTotal").as_deref(), Some("1024 kB"));
		assert_eq!(field(text, "other"), None);
	}
}
