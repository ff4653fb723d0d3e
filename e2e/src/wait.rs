//! Waiting for a state: polls a probe until it is ready, can never be, or a deadline passes.
//!
//! Must not know: what is waited for. Invariants: whoever waits says for what, and an error says what was seen last; a wait
//! ends at once when the program is [interrupted](interrupt).

use anyhow::{bail, Result};
use std::{
	sync::atomic::{AtomicBool, Ordering},
	thread,
	time::{Duration, Instant},
};

/// Time between two probes.
const PERIOD: Duration = Duration::from_millis(200);

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// What a probe found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probe<T> {
	/// What was waited for.
	Ready(T),
	/// Not yet; how far it is.
	NotYet(String),
	/// It can never come; why.
	Never(String),
}

/// Somebody wants this program to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interrupted;

impl std::fmt::Display for Interrupted {
	fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
		f.write_str("interrupted")
	}
}

impl std::error::Error for Interrupted {}

/// Ends every wait, now and later, with [`Interrupted`].
pub fn interrupt() {
	INTERRUPTED.store(true, Ordering::Relaxed);
}

/// Whether [`interrupt`] was called.
pub fn is_interrupted() -> bool {
	INTERRUPTED.load(Ordering::Relaxed)
}

/// Polls `probe` until it is ready, for `limit` at most. An error of the probe counts as not yet: a node that starts refuses
/// connections for a while.
///
/// # Errors
///
/// The probe says never, the deadline passes, or the program is interrupted.
pub fn until<T>(
	what: &str,
	limit: Duration,
	mut probe: impl FnMut() -> Result<Probe<T>>,
) -> Result<T> {
	let begun = Instant::now();
	loop {
		if is_interrupted() {
			return Err(Interrupted.into());
		}
		let seen = match probe() {
			Ok(Probe::Ready(value)) => return Ok(value),
			Ok(Probe::Never(reason)) => bail!("{what} will not come: {reason}"),
			Ok(Probe::NotYet(state)) => state,
			Err(error) => format!("{error:#}"),
		};
		if begun.elapsed() >= limit {
			bail!("waited {} s for {what}; last seen: {seen}", limit.as_secs());
		}
		thread::sleep(PERIOD);
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn goes_on_until_ready() {
		let mut probes = 0;
		let found = until("the third probe", Duration::from_secs(60), || {
			probes += 1;
			Ok(match probes {
				1 => Probe::NotYet("one".into()),
				2 => bail!("refused"),
				_ => Probe::Ready(probes),
			})
		});
		assert_eq!(found.unwrap(), 3);
	}

	#[test]
	fn errors_say_what_was_awaited_and_seen() {
		let error = until::<()>("a miracle", Duration::ZERO, || {
			Ok(Probe::NotYet("dust".into()))
		});
		let text = error.unwrap_err().to_string();
		assert!(
			text.contains("a miracle") && text.contains("dust"),
			"{text}"
		);
		let error = until::<()>("a miracle", Duration::from_secs(60), || {
			Ok(Probe::Never("no saint".into()))
		});
		assert_eq!(
			error.unwrap_err().to_string(),
			"a miracle will not come: no saint"
		);
	}
}
