//! What can be wrong with a text, a code or a field, with the values that are wrong.
//!
//! Every variant is reachable from another party's bytes. Knows no user interface beyond one sentence a variant.

use core::fmt;

/// Why something could not be computed or read. The fields are the numbers that each sentence speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Error {
	/// The text has more bytes than this measure takes.
	TooLong { bytes: u64, max: u64 },
	/// Compatibility characters make the folded text longer than the text; `max` characters are allowed.
	Expands { max: u64 },
	/// No letter, digit or symbol is left to compare.
	NothingToCompare,
	/// An encoded signature has the wrong number of bytes.
	SignatureLength { expected: u64, got: u64 },
	/// No signature has this version.
	SignatureVersion { version: u8 },
	/// A code does not begin with `ISCC:`.
	CodeScheme,
	/// A character that upper-case base32 does not have. `at` counts bytes.
	CodeCharacter { at: u64 },
	/// The header of a code is not that of a text code, version 0.
	CodeHeader { header: [u8; 2] },
	/// The code has another number of characters than its header says, or bits after its end.
	CodeLength { got: u64 },
	/// A text code has 64, 96, .. 256 bits.
	CodeBits { bits: u32 },
}

impl fmt::Display for Error {
	fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
		match self {
			Self::TooLong { bytes, max } => {
				write!(f, "the text has {bytes} bytes; this is measured to {max}")
			}
			Self::Expands { max } => write!(
				f,
				"compatibility characters stand for more than {max} letters; write them out"
			),
			Self::NothingToCompare => {
				f.write_str("the text has no letter, digit or symbol to compare")
			}
			Self::SignatureLength { expected, got } => {
				write!(f, "a signature has {expected} bytes, this has {got}")
			}
			Self::SignatureVersion { version } => write!(f, "no signature has version {version}"),
			Self::CodeScheme => f.write_str("the code does not begin with ISCC:"),
			Self::CodeCharacter { at } => {
				write!(f, "byte {at} of the code is not upper-case base32")
			}
			Self::CodeHeader { header: [a, b] } => write!(
				f,
				"the header {a:02x}{b:02x} is not that of a text code, version 0, of 64 to 256 bits"
			),
			Self::CodeLength { got } => write!(
				f,
				"a code of {got} characters is not as long as its header says"
			),
			Self::CodeBits { bits } => write!(
				f,
				"a text code has 64 to 256 bits in steps of 32, not {bits}"
			),
		}
	}
}

impl core::error::Error for Error {}

/// Why a title or a name is refused. `at` counts characters from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum FieldFault {
	/// Nothing in it can be seen.
	Empty,
	/// It has more bytes than the field takes.
	TooLong { bytes: u64, max: u64 },
	/// A control character, or one that ends a line.
	Control { at: u32, character: char },
	/// A character that changes the direction of what follows.
	Direction { at: u32, character: char },
	/// A character that shows nothing.
	Invisible { at: u32, character: char },
	/// A joiner or a variation selector where no script and no emoji has one.
	Joiner { at: u32, character: char },
	/// More marks on one letter than any language has.
	Marks { at: u32, max: u32 },
	/// A letter that looks like a Latin one in a word with Latin letters.
	Lookalike {
		at: u32,
		character: char,
		looks_like: char,
	},
}

impl fmt::Display for FieldFault {
	fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
		let point = |character: &char| u32::from(*character);
		match self {
			Self::Empty => f.write_str("nothing in it can be seen"),
			Self::TooLong { bytes, max } => write!(f, "it has {bytes} bytes, at most {max} fit"),
			Self::Control { at, character } => write!(
				f,
				"character {at} is the control character U+{:04X}; take it out",
				point(character)
			),
			Self::Direction { at, character } => write!(
				f,
				"character {at}, U+{:04X}, changes the direction of the text; take it out",
				point(character)
			),
			Self::Invisible { at, character } => write!(
				f,
				"character {at}, U+{:04X}, shows nothing; take it out",
				point(character)
			),
			Self::Joiner { at, character } => write!(
				f,
				"character {at}, U+{:04X}, joins nothing there; take it out",
				point(character)
			),
			Self::Marks { at, max } => {
				write!(f, "character {at} is mark number {max} and one on one letter")
			}
			Self::Lookalike {
				at,
				character,
				looks_like,
			} => write!(
				f,
				"character {at}, {character} (U+{:04X}), looks like {looks_like} in a Latin word; use one alphabet in a word",
				point(character)
			),
		}
	}
}

impl core::error::Error for FieldFault {}
