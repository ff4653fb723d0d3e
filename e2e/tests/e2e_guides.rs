//! The commands of docs/guide work as they stand there, in order, on a network as `scripts/run.sh` leaves it.
//!
//! What is run are the ```` ```sh ```` blocks; commands that start programs of the reader's own are indented instead. Variables such as
//! `$WORK` are set as a reader would: from what a command prints.

use anyhow::{ensure, Context, Result};
use e2e::{
	binaries::{checkout, Binaries},
	cli::text,
	line::Line,
	polkadot_js::cache,
	screen::Screen,
	small,
};
use std::{
	collections::BTreeMap,
	env, fs,
	path::Path,
	process::{Command, Stdio},
};

/// Folder of the guides.
const GUIDES: &str = "docs/guide";
/// In the order in which one may follow them on one network: the publisher's opens a task that goes on.
const ORDER: [&str; 6] = [
	"verifier",
	"artist",
	"artist.zh",
	"validator",
	"trainer",
	"publisher",
];
/// Names of what commands print, and the variables that guides put it into.
const PRINTED: [(&str, &str); 6] = [
	("dataset", "DATASET"),
	("model", "MODEL"),
	("latest", "VERSION"),
	("version", "VERSION"),
	("task", "TASK"),
	("work", "WORK"),
];

type Variables = BTreeMap<&'static str, String>;

#[test]
#[ignore = "slow: every command of every guide on one network, about eight minutes"]
fn e2e_commands_of_the_guides_work() -> Result<()> {
	let mut guides: Vec<String> = Vec::new();
	for entry in fs::read_dir(checkout().join(GUIDES))? {
		let name = entry?.file_name().to_string_lossy().into_owned();
		guides.extend(name.strip_suffix(".md").map(ToOwned::to_owned));
	}
	guides.sort();
	let mut expected = ORDER.map(String::from);
	expected.sort();
	assert_eq!(
		guides, expected,
		"a guide was added or removed: place it in ORDER"
	);

	fetch_corpus()?;
	let folder = tempfile::tempdir()?;
	let mut settings = small::settings(folder.path(), 1)?;
	settings.outsider_after = None;
	let mut line = Line::start(settings, Screen::lines())?;
	let prepared = line.prepare()?;
	line.rounds(&prepared)?;
	line.generate()?;
	line.work()?;
	let mut reader = Reader::new(&mut line, folder.path())?;
	for guide in ORDER {
		let path = checkout().join(GUIDES).join(format!("{guide}.md"));
		let commands = commands(&fs::read_to_string(&path)?);
		ensure!(!commands.is_empty(), "{guide} has no commands");
		for command in commands {
			reader
				.run(&command)
				.with_context(|| format!("{guide}.md: {command}"))?;
		}
		// The trainer's guide ends with leaving; a task wants four.
		if guide == "trainer" {
			reader.run("llmchain trainer register --suri //Dave")?;
		}
	}
	Ok(())
}

/// Somebody who follows the guides at a terminal.
struct Reader {
	variables: Variables,
	folder: std::path::PathBuf,
	path: String,
	url: String,
}

impl Reader {
	fn new(line: &mut Line, folder: &Path) -> Result<Self> {
		let own = line.network.join("reader")?;
		let summary = &line.summary;
		let work = summary.work.as_ref().context("no work")?.id.clone();
		let version = summary.version.clone().context("no version")?;
		let task = text(summary.task.as_ref().context("no task")?, "task")?;
		let variables = [
			("NODE", line.network.node(own)?.url()),
			("VALIDATOR", "//Bob".into()),
			("WORK", work),
			("VERSION", version),
			("TASK", task.to_owned()),
		];
		let binaries = Binaries::find()?.cli;
		let binaries = binaries.parent().context("the programs have no folder")?;
		let folder = folder.join("reader-files");
		fs::create_dir_all(&folder)?;
		Ok(Self {
			variables: variables.into(),
			folder,
			path: format!(
				"{}:{}",
				binaries.display(),
				env::var("PATH").unwrap_or_default()
			),
			url: line.network.first()?.url(),
		})
	}

	/// Runs a command in a shell and takes the identities that it prints.
	fn run(&mut self, command: &str) -> Result<()> {
		let output = Command::new("bash")
			.args(["-euo", "pipefail", "-c", command])
			.current_dir(&self.folder)
			.env("PATH", &self.path)
			.env("LLMCHAIN_URL", &self.url)
			.envs(&self.variables)
			.stdin(Stdio::null())
			.output()?;
		let (out, messages) = (
			String::from_utf8_lossy(&output.stdout),
			String::from_utf8_lossy(&output.stderr),
		);
		ensure!(
			output.status.success(),
			"{}:\n{out}{messages}",
			output.status
		);
		take_identities(&out, &mut self.variables);
		Ok(())
	}
}

/// Identities in lines of a name and an identity, such as `work  0x…`.
fn take_identities(printed: &str, variables: &mut Variables) {
	for line in printed.lines() {
		let mut words = line.split_whitespace();
		let (Some(name), Some(identity), None) = (words.next(), words.next(), words.next()) else {
			continue;
		};
		let printed = PRINTED.iter().find(|(printed, _)| *printed == name);
		if let (Some((_, variable)), true) = (printed, is_identity(identity)) {
			variables.insert(variable, identity.to_owned());
		}
	}
}

fn is_identity(word: &str) -> bool {
	word.strip_prefix("0x")
		.is_some_and(|digits| digits.len() == 64 && digits.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// Commands of the `sh` blocks of a guide, one a line.
fn commands(guide: &str) -> Vec<String> {
	let mut commands = Vec::new();
	let mut is_inside = false;
	for line in guide.lines() {
		match line.trim_end() {
			"```sh" => is_inside = true,
			"```" => is_inside = false,
			command if is_inside && !command.trim().is_empty() => {
				commands.push(command.trim().to_owned());
			}
			_ => {}
		}
	}
	commands
}

/// The publisher's guide publishes the whole corpus.
fn fetch_corpus() -> Result<()> {
	let status = Command::new("bash")
		.arg(checkout().join("scripts/fetch-corpora.sh"))
		.arg("tang")
		.arg(cache()?.join("corpora/tang"))
		.stdout(Stdio::null())
		.status()?;
	ensure!(
		status.success(),
		"the corpus cannot be fetched; the reason is above"
	);
	Ok(())
}
