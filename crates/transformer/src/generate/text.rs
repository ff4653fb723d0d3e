//! From the bytes of tokens to text that may be shown: whole characters, and nothing that a stop string may yet take back.
//!
//! Must not know: tokens, models. Source: the Unicode Standard, section 3.9 (U+FFFD for each ill-formed part).
//! Invariants: what was given out, put together, is the text, whatever pieces came in; it holds no stop string.

/// Text as it grows.
#[derive(Clone, Debug, Default)]
pub(crate) struct TextStream {
	stop: Vec<String>,
	/// Bytes that do not end a character yet; at most three.
	bytes: Vec<u8>,
	text: String,
	/// Bytes of `text` given out.
	sent: usize,
	stopped: bool,
}

impl TextStream {
	/// An empty text that ends before the first of `stop`.
	pub(crate) fn new(stop: Vec<String>) -> Self {
		Self {
			stop,
			..Self::default()
		}
	}

	/// Adds bytes; gives the text that is sure now.
	pub(crate) fn push(&mut self, piece: &[u8]) -> &str {
		if self.stopped {
			return "";
		}
		self.bytes.extend_from_slice(piece);
		self.take_characters();
		// Nothing given out can belong to a stop string, so only the rest is searched.
		let rest = &self.text[self.sent..];
		let found = self.stop.iter().filter_map(|stop| rest.find(stop.as_str()));
		if let Some(at) = found.min() {
			self.text.truncate(self.sent + at);
			self.bytes.clear();
			self.stopped = true;
		}
		let held = match self.stopped {
			true => 0,
			false => self.held(),
		};
		self.give_out(self.text.len() - held)
	}

	/// The text is over: gives what was held back.
	pub(crate) fn finish(&mut self) -> &str {
		if !self.bytes.is_empty() {
			self.bytes.clear();
			self.text.push(char::REPLACEMENT_CHARACTER);
		}
		self.give_out(self.text.len())
	}

	/// Whether a stop string came up.
	pub(crate) fn stopped(&self) -> bool {
		self.stopped
	}

	/// The whole text.
	pub(crate) fn into_text(self) -> String {
		self.text
	}

	/// Moves whole and ill-formed characters from `bytes` to `text`; keeps the start of one.
	fn take_characters(&mut self) {
		let mut taken = 0;
		for chunk in self.bytes.utf8_chunks() {
			self.text.push_str(chunk.valid());
			taken += chunk.valid().len();
			let invalid = chunk.invalid();
			// At the end it may only be unfinished.
			let unfinished = taken + invalid.len() == self.bytes.len()
				&& core::str::from_utf8(invalid).is_err_and(|error| error.error_len().is_none());
			if !invalid.is_empty() && !unfinished {
				self.text.push(char::REPLACEMENT_CHARACTER);
				taken += invalid.len();
			}
		}
		self.bytes.drain(..taken);
	}

	/// Bytes at the end of the text that may be the start of a stop string.
	fn held(&self) -> usize {
		let rest = &self.text[self.sent..];
		let longest = |stop: &String| {
			let starts = stop.char_indices().map(|(at, _)| at).skip(1);
			starts.filter(|at| rest.ends_with(&stop[..*at])).max()
		};
		self.stop.iter().filter_map(longest).max().unwrap_or(0)
	}

	fn give_out(&mut self, end: usize) -> &str {
		let start = core::mem::replace(&mut self.sent, end);
		&self.text[start..end]
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use proptest::prelude::*;

	/// Pushes `pieces` and finishes; gives all parts.
	fn run(stop: &[&str], pieces: &[&[u8]]) -> (Vec<String>, String, bool) {
		let mut stream = TextStream::new(stop.iter().map(ToString::to_string).collect());
		let mut parts: Vec<String> = pieces
			.iter()
			.map(|piece| stream.push(piece).to_string())
			.collect();
		parts.push(stream.finish().to_string());
		let stopped = stream.stopped();
		(parts, stream.into_text(), stopped)
	}

	#[test]
	fn gives_out_whole_characters_only() {
		let moon = "月".as_bytes();
		let (parts, text, _) = run(&[], &[b"a", &moon[..1], &moon[1..2], &moon[2..], b"b"]);
		assert_eq!(parts, ["a", "", "", "月", "b", ""]);
		assert_eq!(text, "a月b");
	}

	#[test]
	fn what_is_not_utf8_becomes_the_replacement_character() {
		let (parts, text, _) = run(&[], &[b"a\xff", b"\xe6\x9c", b"z", b"\xe6"]);
		assert_eq!(parts, ["a\u{fffd}", "", "\u{fffd}z", "", "\u{fffd}"]);
		assert_eq!(text, String::from_utf8_lossy(b"a\xff\xe6\x9cz\xe6"));
	}

	#[test]
	fn a_stop_string_is_found_across_borders_and_never_shown() {
		let (parts, text, stopped) = run(&["END", "。\n"], &[b"one E", b"N", b"D two"]);
		assert_eq!(parts, ["one ", "", "", ""]);
		assert_eq!((text.as_str(), stopped), ("one ", true));
		// Held back, then found innocent.
		let (parts, text, stopped) = run(&["END"], &[b"E", b"N", b"E", b"x"]);
		assert_eq!(parts, ["", "", "EN", "Ex", ""]);
		assert_eq!((text.as_str(), stopped), ("ENEx", false));
		// Inside a character.
		let stop = "。".as_bytes();
		let (_, text, stopped) = run(&["。\n"], &["月".as_bytes(), &stop[..2], &stop[2..], b"\n"]);
		assert_eq!((text.as_str(), stopped), ("月", true));
	}

	#[test]
	fn the_earliest_of_several_counts() {
		assert_eq!(run(&["bc", "abcd"], &[b"xabcde"]).1, "x");
		assert_eq!(run(&["abcd", "bc"], &[b"xab", b"c", b"de"]).1, "xa");
		assert_eq!(run(&["aab"], &[b"aa", b"ab"]).1, "a");
	}

	proptest! {
		#[test]
		fn pieces_do_not_matter(
			bytes in proptest::collection::vec(prop_oneof![any::<u8>(), Just(b'a'), Just(b'b')], 0..60),
			cuts in proptest::collection::vec(0_usize..60, 0..8),
		) {
			let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
			cuts.extend([0, bytes.len()]);
			cuts.sort_unstable();
			let pieces: Vec<&[u8]> = cuts.windows(2).map(|two| &bytes[two[0]..two[1]]).collect();
			let (parts, text, stopped) = run(&[], &pieces);
			prop_assert_eq!(parts.concat(), text.clone());
			prop_assert_eq!(&text, &String::from_utf8_lossy(&bytes).into_owned());
			prop_assert!(!stopped);
			// With stop strings: the text before the earliest one, if whole pieces do not hide it in their middle.
			let (parts, cut, stopped) = run(&["ab", "ba"], &pieces);
			let end = ["ab", "ba"].iter().filter_map(|stop| text.find(stop)).min();
			prop_assert_eq!(parts.concat(), cut.clone());
			prop_assert_eq!(stopped, end.is_some());
			prop_assert_eq!(&cut, &text[..end.unwrap_or(text.len())]);
		}
	}
}
