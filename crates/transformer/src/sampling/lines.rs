//! A mask that holds a text to a form of lines: so many lines, each of so many characters, each ended in a given way.
//!
//! The form is an automaton over bytes, and a token is allowed if the automaton takes all its bytes; so tokens may span
//! characters and lines, and characters may span tokens.
//!
//! Must not know: logits, metre, rhyme.
//! Invariants: a text that ends by itself has the form exactly; from every state that can be reached some token goes on.

use core::ops::RangeInclusive;

use super::LogitMask;
use crate::error::{Error, LineDefect, Result};
use crate::tokenizer::Tokenizer;

/// Most lines of a form.
pub const MAX_LINES: usize = 1024;

/// One line of a form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
	/// How many characters it has, its end not counted.
	pub characters: RangeInclusive<usize>,
	/// What follows them, such as `"，"` or `"\n"`; only the last line's may be empty.
	pub end: String,
}

/// A form of lines.
///
/// Characters of any line's end, and control characters, stand inside no line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineForm {
	/// The lines, in order.
	pub lines: Vec<Line>,
	/// Other characters that stand inside no line, such as punctuation.
	pub excluded: String,
}

impl LineForm {
	/// `lines` lines of `characters` characters, with a line break between them.
	pub fn even(lines: usize, characters: RangeInclusive<usize>) -> Self {
		let line = |index| Line {
			characters: characters.clone(),
			end: if index + 1 < lines { "\n" } else { "" }.into(),
		};
		Self {
			lines: (0..lines).map(line).collect(),
			excluded: String::new(),
		}
	}

	/// A Chinese quatrain: four lines of `characters` (5 or 7), ended by comma and full stop in turn, a line break after every
	/// second, and nothing else but characters that are letters of some script.
	pub fn quatrain(characters: usize) -> Self {
		let line = |end: &str| Line {
			characters: characters..=characters,
			end: end.into(),
		};
		Self {
			lines: ["，", "。\n", "，", "。"].map(line).into(),
			excluded: " 　、；：？！「」『』（）〔〕［］《》〈〉“”‘’—…·,.;:?!\"'()[]{}<>-□○".into(),
		}
	}
}

/// Where in the form a text is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct State {
	line: usize,
	/// Characters of the line.
	count: usize,
	/// Bytes of its end that are there.
	ended: usize,
	/// Bytes of a character that is not whole yet.
	pending: [u8; 4],
	n_pending: usize,
}

/// A form made ready for its automaton.
#[derive(Clone, Debug)]
struct Automaton {
	lines: Vec<(RangeInclusive<usize>, Vec<u8>)>,
	/// Characters that stand inside no line, sorted.
	barred: Vec<char>,
}

impl Automaton {
	fn of(form: &LineForm) -> Result<Self> {
		let refuse = |line, defect| Err(Error::LineForm { line, defect });
		let n = form.lines.len();
		if n == 0 || n > MAX_LINES {
			return refuse(
				n,
				LineDefect::Lines {
					got: n,
					max: MAX_LINES,
				},
			);
		}
		for (index, line) in form.lines.iter().enumerate() {
			let (min, max) = (*line.characters.start(), *line.characters.end());
			if min > max {
				return refuse(index, LineDefect::Characters { min, max });
			}
			if line.end.is_empty() && index + 1 < n {
				return refuse(index, LineDefect::NoEnd);
			}
		}
		let ends = form.lines.iter().flat_map(|line| line.end.chars());
		let mut barred: Vec<char> = ends.chain(form.excluded.chars()).collect();
		barred.sort_unstable();
		barred.dedup();
		let lines = form.lines.iter();
		let lines = lines.map(|line| (line.characters.clone(), line.end.clone().into_bytes()));
		Ok(Self {
			lines: lines.collect(),
			barred,
		})
	}

	fn stands_inside(&self, character: char) -> bool {
		!character.is_control()
			&& character != char::REPLACEMENT_CHARACTER
			&& self.barred.binary_search(&character).is_err()
	}

	/// Takes one byte; `None` if the form has no place for it.
	fn step(&self, mut state: State, byte: u8) -> Option<State> {
		let (characters, end) = self.lines.get(state.line)?;
		if state.ended > 0 {
			return (end[state.ended] == byte).then(|| self.ending(state, state.ended + 1));
		}
		// Four bytes are always whole or wrong.
		*state.pending.get_mut(state.n_pending)? = byte;
		state.n_pending += 1;
		let pending = &state.pending[..state.n_pending];
		let may_end = *characters.start() <= state.count && end.starts_with(pending);
		let may_go_on = state.count < *characters.end();
		match core::str::from_utf8(pending) {
			Ok(text) => {
				let inside = text.chars().all(|character| self.stands_inside(character));
				if inside && may_go_on {
					state.count += 1;
					state.n_pending = 0;
					Some(state)
				} else if may_end {
					let ended = state.n_pending;
					Some(self.ending(state, ended))
				} else {
					None
				}
			}
			// A prefix has 64 completions or more, most of which are not barred.
			Err(error) if error.error_len().is_none() => (may_end || may_go_on).then_some(state),
			Err(_) => None,
		}
	}

	/// `ended` bytes of the line's end are there.
	fn ending(&self, state: State, ended: usize) -> State {
		match ended == self.lines[state.line].1.len() {
			true => State {
				line: state.line + 1,
				..State::default()
			},
			false => State {
				ended,
				n_pending: 0,
				..state
			},
		}
	}

	fn walk(&self, state: State, bytes: &[u8]) -> Option<State> {
		bytes
			.iter()
			.try_fold(state, |state, byte| self.step(state, *byte))
	}

	/// Whether a text may end here.
	fn may_end(&self, state: State) -> bool {
		match self.lines.get(state.line) {
			None => true,
			Some((characters, end)) => {
				end.is_empty() && state.n_pending == 0 && *characters.start() <= state.count
			}
		}
	}
}

/// Holds a text to a [`LineForm`].
///
/// ```
/// use transformer::{train_characters, LineForm, LineMask, LogitMask, Tokenizer};
///
/// let file = train_characters(&["山水，日月。\n"], 100)?;
/// let tokenizer = Tokenizer::from_bytes(&file)?;
/// let mut mask = LineMask::new(&tokenizer, &LineForm::quatrain(5), "山水日月")?;
/// let mut allowed = vec![true; tokenizer.vocab_size() as usize];
/// mask.forbid(&[], &mut allowed);
/// // One character is still missing before the comma.
/// assert!(allowed[tokenizer.encode("山")?[0] as usize]);
/// assert!(!allowed[tokenizer.encode("，")?[0] as usize]);
/// # Ok::<(), transformer::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct LineMask<'a> {
	tokenizer: &'a Tokenizer,
	automaton: Automaton,
	/// After the tokens read so far; `None` once they left the form, which only another chooser can do.
	state: Option<State>,
	read: usize,
}

impl<'a> LineMask<'a> {
	/// A mask for texts of `tokenizer`. `opening` is the part of the text that the prompt already holds.
	///
	/// # Errors
	/// - [`Error::LineForm`]: an impossible form, or one whose characters the vocabulary lacks
	/// - [`Error::OpeningOutsideForm`]
	pub fn new(tokenizer: &'a Tokenizer, form: &LineForm, opening: &str) -> Result<Self> {
		let automaton = Automaton::of(form)?;
		check_vocabulary(tokenizer, &automaton)?;
		let mut state = State::default();
		for (at, character) in opening.chars().enumerate() {
			let bytes = character.len_utf8();
			let mut buffer = [0; 4];
			character.encode_utf8(&mut buffer);
			state = automaton
				.walk(state, &buffer[..bytes])
				.ok_or(Error::OpeningOutsideForm { at, character })?;
		}
		Ok(Self {
			tokenizer,
			automaton,
			state: Some(state),
			read: 0,
		})
	}

	/// Whether the tokens read so far are a whole text of the form.
	pub fn is_complete(&self) -> bool {
		self.state
			.is_some_and(|state| self.automaton.may_end(state))
	}
}

/// Refuses ends that no tokens spell, and lines that no token fills.
fn check_vocabulary(tokenizer: &Tokenizer, automaton: &Automaton) -> Result<()> {
	let tokens = 0..tokenizer.vocab_size();
	let pieces: Vec<&[u8]> = tokens
		.map(|token| tokenizer.piece(token))
		.filter(|piece| !piece.is_empty())
		.collect();
	let fills = pieces.iter().any(|piece| {
		core::str::from_utf8(piece)
			.is_ok_and(|text| text.chars().all(|c| automaton.stands_inside(c)))
	});
	for (line, (characters, end)) in automaton.lines.iter().enumerate() {
		if *characters.start() > 0 && !fills {
			let defect = LineDefect::NothingToWrite;
			return Err(Error::LineForm { line, defect });
		}
		// Where the pieces that spell the end so far may have led.
		let mut reached = vec![false; end.len() + 1];
		reached[0] = true;
		for at in 0..end.len() {
			let fits = |piece: &&&[u8]| reached[at] && end[at..].starts_with(piece);
			let lengths: Vec<usize> = pieces.iter().filter(fits).map(|p| p.len()).collect();
			for length in lengths {
				reached[at + length] = true;
			}
		}
		if !reached[end.len()] {
			let end = String::from_utf8_lossy(end).into_owned();
			let defect = LineDefect::EndNotInVocabulary { end };
			return Err(Error::LineForm { line, defect });
		}
	}
	Ok(())
}

impl LogitMask for LineMask<'_> {
	fn forbid(&mut self, written: &[u32], allowed: &mut [bool]) {
		for token in written.get(self.read..).unwrap_or_default() {
			let piece = self.tokenizer.piece(*token);
			self.state = self
				.state
				.and_then(|state| self.automaton.walk(state, piece));
		}
		self.read = written.len();
		let end = self.tokenizer.specials().end;
		for (token, allowed) in (0..).zip(allowed) {
			let piece = self.tokenizer.piece(token);
			let fits = match self.state {
				None => false,
				Some(state) if piece.is_empty() => {
					Some(token) == end && self.automaton.may_end(state)
				}
				Some(state) => self.automaton.walk(state, piece).is_some(),
			};
			*allowed &= fits;
		}
	}
}

#[cfg(test)]
mod tests;
