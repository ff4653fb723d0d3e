//! The poem: asked of a node that did not aggregate, replayed on another, registered, listed, bought, its history read back.
//!
//! Must not know: what makes a text good. The artist asks until an answer has the form of a poem, for some times, as artists do.

use super::{arguments, Line, ARTIST, BUYER};
use crate::{
	cli::{list, number, text},
	summary::{Generation, Work},
};
use anyhow::{ensure, Context, Result};
use serde_json::Value;
use std::fs;

/// How often the artist asks at most.
const ASKS: u32 = 8;
/// What the artist wants for the work.
const PRICE: &str = "25";

impl Line {
	/// Generates a text and replays its receipt on another node.
	///
	/// # Errors
	///
	/// A command fails, or the replay gives other bytes.
	pub fn generate(&mut self) -> Result<()> {
		let (server, other) = self.step("the model writes a poem", |line, _| {
			let (server, other) = line.bystanders()?;
			let node = line.network.node(server)?;
			let (served_by, cli) = (node.name().to_owned(), line.cli().at(node.url()).by(ARTIST));
			let version = line.summary.version.clone();
			let version = version.context("no step has found a version yet")?;
			let prompt = line.settings.prompt.clone();
			let ask = ["generate", "--version", &version, "--prompt", &prompt];
			let ask = arguments(&ask, &line.settings.generate);
			let mut asked = 1;
			let mut answer = cli.run(&ask)?;
			while !has_form(
				&format!("{prompt}{}", text(&answer, "text")?),
				line.settings.poem_lines,
			) && asked < ASKS
			{
				answer = cli.run(&ask)?;
				asked += 1;
			}
			let receipt = answer["receipt"].clone();
			let path = line.settings.run_dir.join("receipt.json");
			fs::write(&path, serde_json::to_string_pretty(&receipt)?)
				.with_context(|| format!("writing {}", path.display()))?;
			line.summary.generation = Some(Generation {
				text: text(&answer, "text")?.to_owned(),
				receipt_id: text(&answer, "receipt_id")?.to_owned(),
				prompt,
				asked,
				served_by,
				receipt,
				replayed: None,
				replayed_by: None,
			});
			Ok((server, other))
		})?;
		ensure!(server != other, "the node that answered must not replay");
		self.step(
			"another node replays the receipt to the same bytes",
			|line, _| {
				let node = line.network.node(other)?;
				let (name, cli) = (node.name().to_owned(), line.cli().at(node.url()));
				let path = line.run_file("receipt.json")?;
				let replay = cli.run(&["verify", "generation", &path])?;
				let generation = line.summary.generation.as_mut();
				let generation = generation.context("no step has generated a text yet")?;
				ensure!(
					replay["same_output"] == true
						&& replay["signed_by_server"] == true
						&& replay["text"] == generation.text.as_str(),
					"it says {replay}"
				);
				generation.replayed = Some(true);
				generation.replayed_by = Some(name);
				Ok(())
			},
		)
	}

	/// Registers the poem, lists it, buys it, and reads its history.
	///
	/// # Errors
	///
	/// A command fails, or the history is another.
	pub fn work(&mut self) -> Result<()> {
		self.step("the artist registers and lists it", |line, _| {
			let cli = line.cli().by(ARTIST);
			let generation = line.summary.generation.as_ref();
			let generation = generation.context("no step has generated a text yet")?;
			let poem = format!("{}{}", generation.prompt, generation.text);
			let path = line.settings.run_dir.join("poem.txt");
			fs::write(&path, &poem).with_context(|| format!("writing {}", path.display()))?;
			let title = title(&poem);
			let (file, receipt) = (line.run_file("poem.txt")?, line.run_file("receipt.json")?);
			// The first words are the artist's own, so the work is not the model's answer alone.
			let disclosure = if generation.prompt.is_empty() {
				"ai-generated"
			} else {
				"ai-assisted"
			};
			let register = [
				"work",
				"register",
				&file,
				"--title",
				&title,
				"--disclosure",
				disclosure,
				"--receipt",
				&receipt,
			];
			let registered = cli.run(&register)?;
			let id = text(&registered, "work")?.to_owned();
			line.summary.work = Some(Work {
				id: id.clone(),
				title,
				text: poem,
				disclosure: text(&registered, "disclosure")?.to_owned(),
				sale: None,
				provenance: Vec::new(),
			});
			cli.run(&["work", "list", &id, "--price", PRICE])?;
			Ok(())
		})?;
		self.step("a buyer buys it; its history is read back", |line, _| {
			let cli = line.cli().by(BUYER);
			let work = line.summary.work.as_mut();
			let work = work.context("no step has registered a work yet")?;
			work.sale = Some(cli.run(&["work", "buy", &work.id, "--max-price", PRICE])?);
			let history = cli.run(&["work", "history", &work.id])?;
			work.provenance = list(&history, "entries").to_vec();
			let events: Vec<&str> = work
				.provenance
				.iter()
				.filter_map(|entry| entry["event"].as_str())
				.collect();
			ensure!(
				events == ["registered", "listed", "sold"],
				"the history is {events:?}"
			);
			Ok(())
		})
	}

	/// A trainer's node that did not aggregate the last round, and another node: the outsider where it is there.
	///
	/// Turn k of round r belongs to member (r + k) mod n (docs/protocol/round.md), so the member whose turn comes last did not
	/// claim unless all others failed to.
	fn bystanders(&self) -> Result<(usize, usize)> {
		let task = super::prepare::field(&self.summary.task, "task")?;
		let shown = self.cli().run(&["task", "show", &task])?;
		let last = list(&shown, "rounds")
			.iter()
			.rfind(|round| round["status"] == "settled");
		let last = last.context("no round has settled")?;
		let bystander = last_in_turn(number(last, "round")?, list(last, "members"))
			.context("the last round has no members")?;
		let server = self
			.summary
			.trainers
			.iter()
			.position(|account| account == bystander)
			.with_context(|| format!("no node of this network trains for {bystander}"))?;
		let count = self.network.nodes().len();
		let other = if count > self.summary.trainers.len() {
			count - 1
		} else {
			(server + 1) % count
		};
		Ok((server, other))
	}

	/// Path of a file of the run, as an argument.
	fn run_file(&self, name: &str) -> Result<String> {
		let path = self.settings.run_dir.join(name);
		let path = path
			.to_str()
			.context("the run folder's name is not UTF-8")?;
		Ok(path.to_owned())
	}
}

/// Account of the member whose turn to aggregate comes last.
fn last_in_turn(round: u64, members: &[Value]) -> Option<&str> {
	let count = u64::try_from(members.len()).ok()?;
	let index = (round.checked_add(count)?.checked_sub(1)?).checked_rem(count)?;
	members.get(usize::try_from(index).ok()?)?["account"].as_str()
}

/// Whether a text has as many lines as a poem of this kind, none of them empty.
fn has_form(poem: &str, lines: usize) -> bool {
	let found: Vec<&str> = poem.lines().collect();
	found.len() >= lines && found.iter().all(|line| !line.trim().is_empty())
}

/// The first words of a poem, without what ends a line.
fn title(poem: &str) -> String {
	let first = poem.lines().map(str::trim).find(|line| !line.is_empty());
	let words = first.unwrap_or("untitled").trim_end_matches(|end: char| {
		end.is_whitespace() || matches!(end, '，' | '。' | ',' | '.' | ';' | ':' | '!' | '?')
	});
	let short: String = words.chars().filter(|c| !c.is_control()).take(30).collect();
	if short.is_empty() {
		"untitled".into()
	} else {
		short
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use serde_json::json;

	#[test]
	fn the_server_is_who_would_have_aggregated_last() {
		let members: Vec<Value> = (0..4)
			.map(|i| json!({ "account": format!("m{i}") }))
			.collect();
		// Turn 0 of round 5 is member 1, so the last turn is member 0.
		assert_eq!(last_in_turn(5, &members), Some("m0"));
		assert_eq!(last_in_turn(2, &members), Some("m1"));
		assert_eq!(last_in_turn(2, &[]), None);
	}

	#[test]
	fn poems_have_lines() {
		assert!(has_form(
			"春眠不覺曉，\n處處聞啼鳥。\n夜來風雨聲，\n花落知多少。",
			4
		));
		assert!(!has_form("春眠不覺曉，\n\n夜來風雨聲，\n花落知多少。", 4));
		assert!(!has_form("春", 4));
	}

	#[test]
	fn titles_are_the_first_words() {
		assert_eq!(title("春眠不覺曉，\n處處聞啼鳥。"), "春眠不覺曉");
		assert_eq!(title("\n , \n"), "untitled");
		assert_eq!(title(""), "untitled");
	}
}
