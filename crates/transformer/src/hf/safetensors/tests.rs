//! Bytes as the `safetensors` crate writes them, files as it reads them, and files that lie.

use ::safetensors::tensor::{serialize, Dtype, TensorView};
use ::safetensors::SafeTensors;
use proptest::prelude::*;
use std::collections::HashMap;

use super::*;

fn tensors() -> Vec<(String, Vec<usize>)> {
	[
		("a.weight", vec![2, 3]),
		("b\"\\é", vec![1]),
		("c", vec![2, 1, 2]),
	]
	.map(|(name, shape)| (name.to_string(), shape))
	.into()
}

fn numbers() -> Vec<f32> {
	(0..11).map(|i| i as f32 * 0.5 - 2.0).collect()
}

fn file() -> Vec<u8> {
	write(&tensors(), numbers().into_iter())
}

/// A file with this header.
fn with_header(header: &str, data: usize) -> Vec<u8> {
	let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
	bytes.extend_from_slice(header.as_bytes());
	bytes.extend(core::iter::repeat_n(0, data));
	bytes
}

#[test]
fn writes_the_bytes_that_the_crate_writes() {
	let bytes: Vec<u8> = numbers().into_iter().flat_map(f32::to_le_bytes).collect();
	let mut rest = bytes.as_slice();
	let mut views = Vec::new();
	for (name, shape) in tensors() {
		let (own, other) = rest.split_at(4 * shape.iter().product::<usize>());
		rest = other;
		views.push((name, TensorView::new(Dtype::F32, shape, own).unwrap()));
	}
	let metadata = HashMap::from([("format".to_string(), "pt".to_string())]);
	assert!(serialize(views, Some(metadata)).unwrap() == file());
	assert_eq!((file().len() - bytes.len()) % 8, 0);
}

#[test]
fn reads_what_it_wrote() {
	let file = file();
	let read = read(&file).unwrap();
	assert_eq!(read.len(), 3);
	assert_eq!(read["c"].shape, [2, 1, 2]);
	let last: Vec<u8> = numbers()[7..]
		.iter()
		.flat_map(|x| x.to_le_bytes())
		.collect();
	assert_eq!((read["c"].kind, read["c"].bytes), ("F32", last.as_slice()));
}

#[test]
fn every_truncation_is_an_error() {
	let file = file();
	for length in 0..file.len() {
		let error = read(&file[..length]).unwrap_err();
		let truncated = matches!(error, FileDefect::Truncated { got, .. } if got == length as u64);
		let outside = matches!(error, FileDefect::Offsets { .. });
		assert!(truncated || outside, "{length}: {error:?}");
	}
	let mut longer = file.clone();
	longer.push(0);
	let error = FileDefect::DataLength {
		expected: 44,
		got: 45,
	};
	assert_eq!(read(&longer), Err(error));
}

#[test]
fn a_header_longer_than_any_is_refused_before_it_is_read() {
	let mut bytes = u64::MAX.to_le_bytes().to_vec();
	bytes.extend_from_slice(b"{}");
	let max = MAX_HEADER as u64;
	let got = u64::MAX;
	assert_eq!(read(&bytes), Err(FileDefect::HeaderLength { got, max }));
	bytes[..8].copy_from_slice(&(max + 1).to_le_bytes());
	let got = max + 1;
	assert_eq!(read(&bytes), Err(FileDefect::HeaderLength { got, max }));
}

#[test]
fn offsets_that_lie_are_named() {
	let row =
		|name: &str, shape: &str, start: u64, end: u64| {
			format!("\"{name}\":{{\"dtype\":\"F32\",\"shape\":{shape},\"data_offsets\":[{start},{end}]}}")
		};
	let refused = |rows: &[String], data| {
		let file = with_header(&format!("{{{}}}", rows.join(",")), data);
		assert!(SafeTensors::deserialize(&file).is_err());
		read(&file).unwrap_err()
	};
	let offsets = |tensor: &str, start, end, expected, available| FileDefect::Offsets {
		tensor: tensor.into(),
		start,
		end,
		expected,
		available,
	};
	// Overlap, gap, beyond the end.
	let rows = [row("a", "[2]", 0, 8), row("b", "[2]", 4, 12)];
	assert_eq!(refused(&rows, 12), offsets("b", 4, 12, 8, 12));
	let rows = [row("a", "[2]", 0, 8), row("b", "[2]", 12, 20)];
	assert_eq!(refused(&rows, 20), offsets("b", 12, 20, 8, 20));
	let rows = [row("a", "[2]", 0, 8)];
	assert_eq!(refused(&rows, 4), offsets("a", 0, 8, 0, 4));
	// Shapes that do not fill their bytes, or overflow.
	for (shape, start, end) in [
		("[3]", 0, 8),
		("[2]", 8, 0),
		("[18446744073709551615,2]", 0, 8),
		("[4611686018427387904,4]", 0, 0),
	] {
		let error = refused(&[row("a", shape, start, end)], 8);
		assert!(matches!(error, FileDefect::Size { .. }), "{error:?}");
	}
	for shape in ["[-1]", "[1.5]", "null", "[[1]]", "\"2\""] {
		let error = refused(&[row("a", shape, 0, 4)], 4);
		assert_eq!(error, FileDefect::Row { tensor: "a".into() }, "{shape}");
	}
}

#[test]
fn headers_that_are_none_are_named() {
	let cases = [
		("[]", FileDefect::NotAnObject),
		("{", FileDefect::NotJson { line: 1, column: 1 }),
		(
			"{\"a\":1}",
			FileDefect::Kind {
				tensor: "a".into(),
				got: "null".into(),
			},
		),
		(
			"{\"a\":{\"dtype\":\"C64\",\"shape\":[],\"data_offsets\":[0,8]}}",
			FileDefect::Kind {
				tensor: "a".into(),
				got: "\"C64\"".into(),
			},
		),
		(
			"{\"__metadata__\":{\"a\":1}}",
			FileDefect::Row {
				tensor: "__metadata__".into(),
			},
		),
	];
	for (header, error) in cases {
		assert_eq!(read(&with_header(header, 0)), Err(error), "{header}");
	}
	let nested = format!("{{\"a\":{}1{}}}", "[".repeat(100_000), "]".repeat(100_000));
	assert!(matches!(
		read(&with_header(&nested, 0)),
		Err(FileDefect::NotJson { .. })
	));
}

/// What is read here is what the crate reads.
fn compare(bytes: &[u8]) {
	let Ok(own) = read(bytes) else { return };
	let theirs = SafeTensors::deserialize(bytes).unwrap();
	assert_eq!(theirs.len(), own.len());
	for (name, tensor) in own {
		let view = theirs.tensor(&name).unwrap();
		assert_eq!(
			(view.shape(), view.data()),
			(&tensor.shape[..], tensor.bytes)
		);
	}
}

proptest! {
	#[test]
	fn a_damaged_file_is_read_as_the_crate_reads_it(
		edits in proptest::collection::vec((0_usize..400, any::<u8>()), 1..4),
	) {
		let mut file = file();
		for (at, byte) in edits {
			let at = at % file.len();
			file[at] = byte;
		}
		compare(&file);
	}

	#[test]
	fn any_header_is_read_as_the_crate_reads_it(
		rows in proptest::collection::vec((0_usize..4, 0_usize..3, 0_usize..5, 0_usize..20), 0..4),
		data in 0_usize..40,
	) {
		let rows: Vec<String> = rows
			.into_iter()
			.map(|(name, kind, axis, start)| {
				let (kind, size) = [("F32", 4), ("BF16", 2), ("U8", 1)][kind];
				format!(
					"\"{name}\":{{\"dtype\":\"{kind}\",\"shape\":[{axis}],\"data_offsets\":[{start},{}]}}",
					start + axis * size,
				)
			})
			.collect();
		let file = with_header(&format!("{{{}}}", rows.join(",")), data);
		compare(&file);
		prop_assert_eq!(read(&file).is_ok(), SafeTensors::deserialize(&file).is_ok());
	}

	#[test]
	fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
		compare(&bytes);
	}
}
