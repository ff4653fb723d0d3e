//! From bytes to text: UTF-8, with or without a byte order mark, and UTF-16 announced by one.
//!
//! Guesses nothing: a legacy encoding is refused at its first invalid byte, because a wrong guess would
//! train a model on noise without a word. Must not know where the bytes come from.
//! Source: WHATWG Encoding Standard, "BOM sniff". Invariant: nothing is replaced; text is whole or refused.

use encoding_rs::{DecoderResult, Encoding, UTF_16BE, UTF_16LE};

use crate::error::Error;

/// Decodes the bytes of a text file and takes the byte order mark away.
///
/// # Errors
/// - [`Error::Invalid`], [`Error::Truncated`] with the offset of the first bad byte in `bytes`;
/// - [`Error::Utf32`].
pub fn decode(bytes: &[u8]) -> Result<String, Error> {
	match bytes {
		[0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => Err(Error::Utf32),
		[0xef, 0xbb, 0xbf, rest @ ..] => utf8(rest, 3),
		[0xff, 0xfe, rest @ ..] => utf16(UTF_16LE, rest),
		[0xfe, 0xff, rest @ ..] => utf16(UTF_16BE, rest),
		_ => utf8(bytes, 0),
	}
}

/// `skipped` is the length of the mark before `bytes`.
fn utf8(bytes: &[u8], skipped: usize) -> Result<String, Error> {
	match std::str::from_utf8(bytes) {
		Ok(text) => Ok(text.to_owned()),
		Err(error) => {
			let (encoding, offset) = ("UTF-8", skipped + error.valid_up_to());
			Err(match error.error_len() {
				Some(_) => Error::Invalid { encoding, offset },
				None => Error::Truncated { encoding, offset },
			})
		}
	}
}

/// Bytes after a two-byte mark.
fn utf16(encoding: &'static Encoding, bytes: &[u8]) -> Result<String, Error> {
	let mut decoder = encoding.new_decoder_without_bom_handling();
	// Two bytes of UTF-16 become at most three of UTF-8, so one call takes all.
	let room = decoder
		.max_utf8_buffer_length_without_replacement(bytes.len())
		.unwrap_or(0);
	let mut text = String::with_capacity(room);
	let (result, read) = decoder.decode_to_string_without_replacement(bytes, &mut text, true);
	match result {
		DecoderResult::InputEmpty => Ok(text),
		DecoderResult::OutputFull | DecoderResult::Malformed(..) => {
			let start = match result {
				DecoderResult::Malformed(bad, after) => {
					read.saturating_sub(usize::from(bad) + usize::from(after))
				}
				_ => read,
			};
			let name = encoding.name();
			let offset = start + 2;
			let cut_off = match bytes.get(start..) {
				Some([_]) | Some([_, _, _]) => true,
				Some(&[a, b]) => {
					let unit = if encoding == UTF_16LE { [b, a] } else { [a, b] };
					(0xd8..0xdc).contains(&unit[0])
				}
				_ => false,
			};
			Err(if cut_off {
				Error::Truncated {
					encoding: name,
					offset,
				}
			} else {
				Error::Invalid {
					encoding: name,
					offset,
				}
			})
		}
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	fn le(text: &str) -> Vec<u8> {
		let units = text.encode_utf16().flat_map(u16::to_le_bytes);
		[0xff, 0xfe].into_iter().chain(units).collect()
	}

	fn be(text: &str) -> Vec<u8> {
		let units = text.encode_utf16().flat_map(u16::to_be_bytes);
		[0xfe, 0xff].into_iter().chain(units).collect()
	}

	const TEXT: &str = "床前明月光，\r\n“fair” 𠜴";

	#[test]
	fn the_same_text_comes_out_of_every_supported_encoding() {
		let marked = [b"\xef\xbb\xbf", TEXT.as_bytes()].concat();
		for bytes in [TEXT.as_bytes().to_vec(), marked, le(TEXT), be(TEXT)] {
			assert_eq!(decode(&bytes).as_deref(), Ok(TEXT));
		}
		assert_eq!(decode(b"").as_deref(), Ok(""));
		assert_eq!(decode(&[0xff, 0xfe]).as_deref(), Ok(""));
	}

	#[test]
	fn a_truncated_file_is_told_from_a_foreign_one() {
		let bytes = TEXT.as_bytes();
		assert_eq!(
			decode(&bytes[..4]),
			Err(Error::Truncated {
				encoding: "UTF-8",
				offset: 3
			})
		);
		assert_eq!(
			decode(&[b"\xef\xbb\xbf", &bytes[..4]].concat()),
			Err(Error::Truncated {
				encoding: "UTF-8",
				offset: 6
			})
		);
		// GB 18030 for the same first characters.
		assert_eq!(
			decode(b"ab\xb4\xb2\xc7\xb0"),
			Err(Error::Invalid {
				encoding: "UTF-8",
				offset: 2
			})
		);
		assert_eq!(decode(&[0, 0, 0xfe, 0xff]), Err(Error::Utf32));
		assert_eq!(decode(&[0xff, 0xfe, 0, 0, 1]), Err(Error::Utf32));
	}

	#[test]
	fn utf16_errors_name_their_byte() {
		let mut odd = le("ab");
		odd.push(b'c');
		assert_eq!(
			decode(&odd),
			Err(Error::Truncated {
				encoding: "UTF-16LE",
				offset: 6
			})
		);
		let mut half = be("ab");
		half.extend([0xd8, 0x40]);
		assert_eq!(
			decode(&half),
			Err(Error::Truncated {
				encoding: "UTF-16BE",
				offset: 6
			})
		);
		let lone_low = [0xff, 0xfe, b'a', 0, 0x00, 0xdc, b'b', 0];
		assert_eq!(
			decode(&lone_low),
			Err(Error::Invalid {
				encoding: "UTF-16LE",
				offset: 4
			})
		);
		let lone_high = [0xff, 0xfe, b'a', 0, 0x00, 0xd8, b'b', 0, b'c', 0];
		assert_eq!(
			decode(&lone_high),
			Err(Error::Invalid {
				encoding: "UTF-16LE",
				offset: 4
			})
		);
	}
}
