//! Splits Rust text into code and comments without changing any position.
//!
//! A small scanner, not a parser: it knows comments (nested), string and character literals (raw, byte, C) and lifetimes, which
//! is enough to say whether a word is code. Must not know: any rule.
//! Invariant: both results have the text's length in bytes and its line breaks; what does not belong is blank.

/// A Rust text taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
	/// Code; comments and the content of literals are blank.
	pub code: String,
	/// Comments with their slashes; everything else is blank.
	pub comments: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
	Code,
	Comment,
	Literal,
}

impl Source {
	/// Takes `text` apart.
	pub fn new(text: &str) -> Self {
		let bytes = text.as_bytes();
		let mut parts = vec![Part::Code; bytes.len()];
		let mut at = 0;
		while at < bytes.len() {
			let (part, end) = next_part(bytes, at);
			parts[at..end].fill(part);
			at = end;
		}
		let keep = |wanted: Part| -> String {
			let kept: Vec<u8> = bytes
				.iter()
				.zip(&parts)
				.map(|(byte, part)| {
					if *byte == b'\n' || *part == wanted {
						*byte
					} else {
						b' '
					}
				})
				.collect();
			String::from_utf8_lossy(&kept).into_owned()
		};
		Self {
			code: keep(Part::Code),
			comments: keep(Part::Comment),
		}
	}

	/// The code without the items under any of `attributes`, which are compared with `text`, the original.
	pub fn code_without(&self, text: &str, attributes: &[&str]) -> String {
		let mut code = self.code.clone().into_bytes();
		for attribute in attributes {
			for (start, _) in text.match_indices(attribute) {
				// A mention in a comment or literal is no attribute.
				if code.get(start) != Some(&b'#') {
					continue;
				}
				let end = item_end(&code, start + attribute.len());
				for byte in &mut code[start..end] {
					if *byte != b'\n' {
						*byte = b' ';
					}
				}
			}
		}
		String::from_utf8_lossy(&code).into_owned()
	}

	/// Lines of documentation comments with their numbers, without slashes.
	pub fn documentation(&self) -> impl Iterator<Item = (usize, &str)> {
		self.comments
			.lines()
			.enumerate()
			.filter_map(|(index, line)| {
				let line = line.trim();
				let text = line
					.strip_prefix("///")
					.or_else(|| line.strip_prefix("//!"))?;
				Some((index + 1, text))
			})
	}
}

/// Words (identifiers, numbers) of a text with their byte positions.
pub fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
	let is_word = |c: char| c.is_alphanumeric() || c == '_';
	let mut rest = text;
	let mut base = 0;
	std::iter::from_fn(move || {
		let start = rest.find(is_word)?;
		let length = rest[start..]
			.find(|c| !is_word(c))
			.unwrap_or(rest.len() - start);
		let word = (base + start, &rest[start..start + length]);
		base += start + length;
		rest = &rest[start + length..];
		Some(word)
	})
}

/// Number, from 1, of the line that holds byte `position`.
pub fn line_of(text: &str, position: usize) -> usize {
	text.as_bytes()
		.iter()
		.take(position)
		.filter(|byte| **byte == b'\n')
		.count()
		+ 1
}

/// What begins at `at`, and where it ends.
fn next_part(bytes: &[u8], at: usize) -> (Part, usize) {
	let rest = &bytes[at..];
	if rest.starts_with(b"//") {
		let length = rest
			.iter()
			.position(|byte| *byte == b'\n')
			.unwrap_or(rest.len());
		return (Part::Comment, at + length);
	}
	if rest.starts_with(b"/*") {
		return (Part::Comment, block_comment_end(bytes, at));
	}
	let in_word = at > 0 && (bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'_');
	if let (false, Some((prefix, hashes))) = (in_word, raw_string(rest)) {
		let mut close = vec![b'"'];
		close.extend(std::iter::repeat_n(b'#', hashes));
		let body = prefix + hashes + 1;
		let length = rest[body..]
			.windows(close.len())
			.position(|window| window == close)
			.map_or(rest.len(), |found| body + found + close.len());
		return (Part::Literal, at + length);
	}
	match rest[0] {
		b'"' => (Part::Literal, quoted_end(bytes, at, b'"')),
		b'\'' if is_character(rest) => (Part::Literal, quoted_end(bytes, at, b'\'')),
		_ => (Part::Code, at + 1),
	}
}

/// Length of the letters before the quotes of a raw string, and its number of hashes.
fn raw_string(rest: &[u8]) -> Option<(usize, usize)> {
	let prefix = [&b"br"[..], b"cr", b"r"]
		.into_iter()
		.find(|p| rest.starts_with(p))?
		.len();
	let hashes = rest[prefix..]
		.iter()
		.take_while(|byte| **byte == b'#')
		.count();
	(rest.get(prefix + hashes) == Some(&b'"')).then_some((prefix, hashes))
}

/// Whether the quote at the beginning opens a character literal, not a lifetime.
fn is_character(rest: &[u8]) -> bool {
	match rest.get(1) {
		None | Some(b'\'') => false,
		Some(b'\\') => true,
		Some(first) => {
			let width = match first {
				0..=0x7f => 1,
				0xc0..=0xdf => 2,
				0xe0..=0xef => 3,
				_ => 4,
			};
			rest.get(1 + width) == Some(&b'\'')
		}
	}
}

/// Position after the quote that closes the literal opened at `at`.
fn quoted_end(bytes: &[u8], at: usize, quote: u8) -> usize {
	let mut end = at + 1;
	while let Some(byte) = bytes.get(end) {
		match byte {
			b'\\' => end += 2,
			byte if *byte == quote => return end + 1,
			_ => end += 1,
		}
	}
	bytes.len()
}

fn block_comment_end(bytes: &[u8], at: usize) -> usize {
	let mut depth = 0_usize;
	let mut end = at;
	while end < bytes.len() {
		if bytes[end..].starts_with(b"/*") {
			depth += 1;
			end += 2;
		} else if bytes[end..].starts_with(b"*/") {
			depth -= 1;
			end += 2;
			if depth == 0 {
				return end;
			}
		} else {
			end += 1;
		}
	}
	bytes.len()
}

/// End of the item that follows an attribute: its closing brace, or a semicolon or comma before any brace opens.
fn item_end(code: &[u8], from: usize) -> usize {
	let (mut braces, mut others) = (0_usize, 0_usize);
	for (offset, byte) in code[from..].iter().enumerate() {
		let end = from + offset + 1;
		match byte {
			b'(' | b'[' => others += 1,
			b')' | b']' => others = others.saturating_sub(1),
			b'{' => braces += 1,
			b'}' => {
				// A brace of the surrounding item: what stood under the attribute ended before it.
				if braces == 0 {
					return end - 1;
				}
				braces -= 1;
				if braces == 0 && others == 0 {
					return end;
				}
			}
			b';' | b',' if braces == 0 && others == 0 => return end,
			_ => {}
		}
	}
	code.len()
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn tells_code_from_comments_and_literals() {
		let text = "let a = \"f32 // no\"; // f64 \"x\n/* /* unsafe */ f32 */ fn g<'a>(c: char) { c == '\"' }\n";
		let source = Source::new(text);
		assert_eq!(source.code.len(), text.len());
		assert!(!source.code.contains("f32"));
		assert!(!source.code.contains("unsafe"));
		assert!(source.code.contains("fn g<'a>(c: char)"));
		assert!(source.code.ends_with("}\n"));
		assert!(source.comments.contains("// f64"));
	}

	#[test]
	fn knows_raw_byte_and_escaped_literals() {
		let text = r##"let a = r#"f32 " f64"#; let b = b"\"f32"; let c = b'\''; let d = '月'; f(br"unsafe");"##;
		let code = Source::new(text).code;
		assert!(!code.contains("f32") && !code.contains("f64") && !code.contains("unsafe"));
		assert!(code.contains("let d ="));
		assert!(code.trim_end().ends_with(");"));
	}

	#[test]
	fn cuts_items_under_an_attribute() {
		let text = "fn a() {}\n#[cfg(test)]\nmod tests { fn b() { c(); } }\n#[cfg(test)]\nmod other;\nfn d() {}\n";
		let code = Source::new(text).code_without(text, &["#[cfg(test)]"]);
		assert!(code.contains("fn a()") && code.contains("fn d()"));
		assert!(!code.contains("fn b") && !code.contains("mod other"));
		assert_eq!(code.lines().count(), text.lines().count());
	}

	#[test]
	fn finds_words_and_lines() {
		let found: Vec<_> = words("ab + 1f32\n月x").collect();
		assert_eq!(found, [(0, "ab"), (5, "1f32"), (10, "月x")]);
		assert_eq!(line_of("a\nb\nc", 4), 3);
	}

	#[test]
	fn documentation_is_the_lines_with_three_slashes() {
		let text = "//! A\n// B\n/// C\nlet x = \"/// D\";\n";
		let source = Source::new(text);
		assert_eq!(
			source.documentation().collect::<Vec<_>>(),
			[(1, " A"), (3, " C")]
		);
	}
}
