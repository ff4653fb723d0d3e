//! What people see while the main job runs: a line for each step, a bar for each trainer.
//!
//! Must not know: steps. Writes to standard error, and nothing but plain lines where that is no terminal.

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::{
	io::{stderr, IsTerminal},
	time::Duration,
};

/// Time between two pictures of a spinner.
const TICK: Duration = Duration::from_millis(120);

/// The screen.
#[derive(Clone, Debug)]
pub struct Screen {
	bars: MultiProgress,
	kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
	Terminal,
	Lines,
}

impl Screen {
	/// Bars on a terminal, lines elsewhere.
	pub fn new() -> Self {
		let kind = if stderr().is_terminal() {
			Kind::Terminal
		} else {
			Kind::Lines
		};
		Self::of(kind)
	}

	/// Lines in any case: in a test, where they are shown if it fails.
	pub fn lines() -> Self {
		Self::of(Kind::Lines)
	}

	fn of(kind: Kind) -> Self {
		let target = match kind {
			Kind::Terminal => ProgressDrawTarget::stderr(),
			Kind::Lines => ProgressDrawTarget::hidden(),
		};
		Self {
			bars: MultiProgress::with_draw_target(target),
			kind,
		}
	}

	/// A line that stays.
	pub fn say(&self, text: &str) {
		match self.kind {
			// A terminal that went away is no reason to stop the run.
			Kind::Terminal => drop(self.bars.println(text)),
			Kind::Lines => eprintln!("{text}"),
		}
	}

	/// A step that begins; the bar is cleared when it is dropped.
	pub fn step(&self, title: &str) -> Bar {
		let style = ProgressStyle::with_template("{spinner} {msg} ({elapsed})");
		let bar = self.add(ProgressBar::new_spinner(), style);
		bar.0.set_message(title.to_owned());
		bar.0.enable_steady_tick(TICK);
		if self.kind == Kind::Lines {
			eprintln!("{title} ...");
		}
		bar
	}

	/// The work of one trainer, in steps.
	pub fn trainer(&self, name: &str) -> Bar {
		let style = ProgressStyle::with_template("  {prefix:8} {bar:30} {pos:>4}/{len:<4} {msg}");
		let bar = self.add(ProgressBar::new(0), style);
		bar.0.set_prefix(name.to_owned());
		bar
	}

	fn add(
		&self,
		bar: ProgressBar,
		style: Result<ProgressStyle, indicatif::style::TemplateError>,
	) -> Bar {
		let bar = self.bars.add(bar);
		// A template that does not parse leaves the usual style.
		if let Ok(style) = style {
			bar.set_style(style);
		}
		Bar(bar)
	}
}

impl Default for Screen {
	fn default() -> Self {
		Self::new()
	}
}

/// A bar that goes away when dropped.
#[derive(Debug)]
pub struct Bar(ProgressBar);

impl Bar {
	/// Shows how far it is.
	pub fn set(&self, done: u64, total: u64, message: String) {
		self.0.set_length(total);
		self.0.set_position(done);
		self.0.set_message(message);
	}

	/// Shows what is done now.
	pub fn message(&self, text: String) {
		self.0.set_message(text);
	}
}

impl Drop for Bar {
	fn drop(&mut self) {
		self.0.finish_and_clear();
	}
}
