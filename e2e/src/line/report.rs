//! The last screen.
//!
//! Must not know: anything that the summary does not hold.

use super::rounds::row;
use crate::summary::Summary;
use serde_json::Value;
use std::{fmt::Write, path::Path};

/// Link that opens the explorer at a node of this machine.
pub fn apps_link(rpc_port: u16) -> String {
	format!("https://polkadot.js.org/apps/?rpc=ws%3A%2F%2F127.0.0.1%3A{rpc_port}#/explorer")
}

/// Everything that a run found, for people.
pub fn text(summary: &Summary, path: &Path) -> String {
	let mut lines = Lines::default();
	lines.rounds(summary);
	lines.outsider(summary);
	lines.poem(summary);
	lines.run(summary, path);
	lines.0
}

#[derive(Default)]
struct Lines(String);

impl Lines {
	fn line(&mut self, text: impl AsRef<str>) {
		// Writing to a string cannot fail.
		let _ = writeln!(self.0, "{}", text.as_ref());
	}

	fn part(&mut self, title: &str) {
		self.line("");
		self.line(title);
	}

	fn rounds(&mut self, summary: &Summary) {
		if summary.rounds.is_empty() {
			return;
		}
		self.part("Trained together");
		for round in &summary.rounds {
			self.line(row(round));
		}
		if let [first, .., last] = summary.rounds.as_slice() {
			self.line(format!(
				"  held-out loss after round {} is {:.3} of that after round 1",
				last.number,
				last.heldout_loss / first.heldout_loss
			));
		}
		if let Some(version) = &summary.version {
			self.line(format!("  version {version}"));
		}
		for reward in &summary.rewards {
			self.line(format!(
				"  paid    {} {} LLM",
				reward.account, reward.amount
			));
		}
		if let Some(slots) = &summary.slots {
			self.line(format!(
				"  blocks  {} in {} slots meanwhile",
				slots.produced, slots.expected
			));
		}
	}

	fn outsider(&mut self, summary: &Summary) {
		let Some(verification) = &summary.verification else {
			return;
		};
		self.part("Verified by a node that joined late");
		self.line(format!(
			"  {} rounds, {} updates recomputed from the seed up: the chain's roots",
			verification["rounds"], verification["updates"]
		));
		if let Some(fifth) = &summary.fifth_validator {
			self.line(format!(
				"  it validates now as {} and authored block {}",
				fifth.account, fifth.block
			));
		}
	}

	fn poem(&mut self, summary: &Summary) {
		let Some(generation) = &summary.generation else {
			return;
		};
		self.part("Written by the model");
		for verse in format!("{}{}", generation.prompt, generation.text).lines() {
			self.line(format!("      {verse}"));
		}
		self.line(format!(
			"  receipt {}, served by {}",
			generation.receipt_id, generation.served_by
		));
		if let (Some(true), Some(node)) = (generation.replayed, &generation.replayed_by) {
			self.line(format!("  replayed by {node} to the same bytes"));
		}
		let Some(work) = &summary.work else { return };
		self.part("Registered and sold");
		self.line(format!(
			"  work {} \"{}\", {}",
			work.id, work.title, work.disclosure
		));
		if let Some(sale) = &work.sale {
			self.line(format!(
				"  sold by {} to {} for {} LLM; {} LLM of it to the version's {} contributors",
				word(sale, "seller"),
				word(sale, "buyer"),
				word(sale, "price"),
				word(sale, "flow_back"),
				sale["contributors"].as_array().map_or(0, Vec::len)
			));
		}
		for entry in &work.provenance {
			self.line(format!(
				"  history {}: {} in block {}",
				entry["index"],
				word(entry, "event"),
				entry["block"]
			));
		}
	}

	fn run(&mut self, summary: &Summary, path: &Path) {
		self.part("This run");
		if let Some(seconds) = summary.seconds_after_build {
			self.line(format!("  {seconds:.0} s from the first node's start"));
		}
		if let Some(error) = &summary.error {
			self.line(format!("  ended early: {error}"));
		}
		let largest = summary.resident_mib.iter().copied().reduce(f64::max);
		if let Some(largest) = largest {
			self.line(format!(
				"  {largest:.0} MiB resident at most in a node with its trainer"
			));
		}
		self.line(format!("  all figures: {}", path.display()));
	}
}

/// Where the network can be reached.
pub fn endpoints(summary: &Summary) -> String {
	let mut lines = Lines::default();
	lines.part("The network is up");
	for endpoint in &summary.endpoints {
		lines.line(format!("  {:8} {}", endpoint.node, endpoint.url));
	}
	if let Some(apps) = &summary.apps {
		lines.line(format!("  look at it: {apps}"));
	}
	lines.0
}

fn word<'a>(document: &'a Value, field: &str) -> &'a str {
	document[field].as_str().unwrap_or("?")
}

#[cfg(test)]
mod tests {
	use super::*;
	use crate::summary::{Endpoint, Generation, Work};
	use serde_json::json;

	#[test]
	fn shows_only_what_was_reached() {
		let path = Path::new("run/summary.json");
		let nothing = text(&Summary::default(), path);
		assert!(!nothing.contains("Trained") && !nothing.contains("Written"));
		assert!(nothing.contains("run/summary.json"));
		let summary = Summary {
			generation: Some(Generation {
				prompt: "春".into(),
				text: "眠不覺曉，\n處處聞啼鳥。".into(),
				asked: 1,
				served_by: "alice".into(),
				receipt: json!({}),
				receipt_id: "0x01".into(),
				replayed: None,
				replayed_by: None,
			}),
			work: Some(Work {
				id: "0x02".into(),
				title: "春眠".into(),
				text: String::new(),
				disclosure: "ai-assisted".into(),
				sale: Some(json!({ "price": "25", "contributors": [1, 2] })),
				provenance: Vec::new(),
			}),
			..Summary::default()
		};
		let shown = text(&summary, path);
		assert!(shown.contains("      春眠不覺曉，\n      處處聞啼鳥。"));
		assert!(shown.contains("25 LLM") && shown.contains("2 contributors"));
		assert!(!shown.contains("replayed"));
	}

	#[test]
	fn links_the_explorer() {
		assert_eq!(
			apps_link(9944),
			"https://polkadot.js.org/apps/?rpc=ws%3A%2F%2F127.0.0.1%3A9944#/explorer"
		);
		let summary = Summary {
			endpoints: vec![Endpoint {
				node: "alice".into(),
				url: "ws://127.0.0.1:9944".into(),
			}],
			..Summary::default()
		};
		assert!(endpoints(&summary).contains("alice    ws://127.0.0.1:9944"));
	}
}
