//! Every committed vector, positive and `bad_*`, against the crate.
//!
//! `iscc.txt` comes from the reference implementation of ISO 24138, the others from a second implementation in Python, so these
//! tests freeze the protocol: domains, tables, byte order, rounding.

use std::{collections::BTreeMap, fs, path::PathBuf};

use originality::*;

type Case = (String, BTreeMap<String, String>);

fn cases(file: &str) -> Vec<Case> {
	// Asked at run time, since checkouts may share a target folder.
	let package = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| ".".into());
	let text = fs::read_to_string(PathBuf::from(package).join("vectors").join(file)).unwrap();
	let mut cases: Vec<Case> = Vec::new();
	for line in text
		.lines()
		.filter(|line| !line.is_empty() && !line.starts_with('#'))
	{
		if let Some(name) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
			cases.push((name.into(), BTreeMap::new()));
		} else {
			let (key, value) = line.split_once(" =").unwrap();
			cases
				.last_mut()
				.unwrap()
				.1
				.insert(key.into(), value.trim().into());
		}
	}
	assert!(cases.len() > 20, "{file} lost its cases");
	cases
}

fn bytes(hex: &str) -> Vec<u8> {
	(0..hex.len())
		.step_by(2)
		.map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap())
		.collect()
}

fn text(hex: &str) -> String {
	String::from_utf8(bytes(hex)).unwrap()
}

fn hex(bytes: &[u8]) -> String {
	bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn texts() {
	for (name, case) in cases("text.txt") {
		if let Some(bad) = case.get("bad") {
			assert!(Signature::decode(&bytes(bad)).is_err(), "{name}");
			continue;
		}
		let form = canonical(&text(&case["text"]), Form::Two);
		assert_eq!(hex(form.as_bytes()), case["canonical"], "{name}");
		assert_eq!(
			hex(&text_digest(&form, Form::Two)),
			case["digest"],
			"{name}"
		);
		let letters = Letters::of(&Collapsed::of(&form).unwrap());
		assert_eq!(
			letters.as_slice().iter().collect::<String>(),
			text(&case["letters"]),
			"{name}"
		);
		let Some(expected) = case.get("signature") else {
			assert_eq!(
				Signature::of(&letters),
				Err(Error::NothingToCompare),
				"{name}"
			);
			continue;
		};
		let signature = Signature::of(&letters).unwrap();
		assert_eq!(&hex(&signature.encode()), expected, "{name}");
		assert_eq!(
			Signature::decode(&signature.encode()),
			Ok(signature),
			"{name}"
		);
		let bands: Vec<_> = signature
			.bands()
			.iter()
			.map(|key| format!("{key:016x}"))
			.collect();
		assert_eq!(bands.join(" "), case["bands"], "{name}");
	}
}

#[test]
fn distances() {
	for (name, case) in cases("distance.txt") {
		let (first, second) = (text(&case["first"]), text(&case["second"]));
		let expected: u32 = case["edits"].parse().unwrap();
		let measured = edits(&first, &second, 4096).unwrap();
		assert_eq!(measured.distance, Distance::Exactly(expected), "{name}");
		if expected > 0 {
			let limited = edits(&first, &second, expected - 1).unwrap();
			assert_eq!(limited.distance, Distance::MoreThan(expected - 1), "{name}");
		}
		match case.get("overlap") {
			None => assert_eq!(
				overlap(&first, &second),
				Err(Error::NothingToCompare),
				"{name}"
			),
			Some(expected) => {
				let found = overlap(&first, &second).unwrap();
				let found = format!(
					"{} {} {}",
					found.of_first, found.of_second, found.resemblance
				);
				assert_eq!(&found, expected, "{name}");
			}
		}
	}
}

#[test]
fn iscc_codes() {
	for (name, case) in cases("iscc.txt") {
		if let Some(bad) = case.get("bad") {
			assert!(TextCode::parse(bad).is_err(), "{name}: {bad}");
			continue;
		}
		let Ok(collapsed) = Collapsed::of(&text(&case["text"])) else {
			panic!("{name} expands");
		};
		let code = TextCode::of(&collapsed);
		assert_eq!(code.to_string(), case["code256"], "{name}");
		let short = code.with_bits(64).unwrap();
		assert_eq!(short.to_string(), case["code64"], "{name}");
		assert_eq!(TextCode::parse(&case["code256"]), Ok(code), "{name}");
		assert_eq!(TextCode::parse(&case["code64"]), Ok(short), "{name}");
		assert_eq!(code.differing(&short), (0, 64), "{name}");
	}
}
