//! The safetensors container: a length, a JSON header, and the bytes of all tensors without gaps.
//!
//! Must not know: models.
//! Source: the safetensors format. Our own reader, because errors must carry values and the header must be bounded; the
//! `safetensors` crate is the oracle of its tests, for bytes written and for files accepted.
//! Invariants: a file that is read covers its bytes exactly once; nothing is allocated by what a header claims.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::error::FileDefect;

/// Largest header; 256 layers need a fifth of it.
pub(super) const MAX_HEADER: usize = 4 << 20;
/// Most axes of a tensor.
const MAX_AXES: usize = 8;
/// Bytes of the header's length.
const PREFIX: usize = 8;
/// The header ends where a number of eight bytes may begin.
const ALIGNMENT: usize = 8;

/// The header's entry that is no tensor.
const METADATA: &str = "__metadata__";

type Result<T> = core::result::Result<T, FileDefect>;

/// Bytes of one number, by the format's name of its kind.
const KINDS: [(&str, usize); 13] = [
	("F64", 8),
	("I64", 8),
	("U64", 8),
	("F32", 4),
	("I32", 4),
	("U32", 4),
	("F16", 2),
	("BF16", 2),
	("I16", 2),
	("U16", 2),
	("I8", 1),
	("U8", 1),
	("BOOL", 1),
];

/// A tensor of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tensor<'a> {
	/// The format's name of the kind of its numbers.
	pub(super) kind: &'static str,
	pub(super) shape: Vec<usize>,
	/// Row-major, little-endian.
	pub(super) bytes: &'a [u8],
}

/// Writes f32 tensors, which must be in order of their names; `numbers` gives all of them in that order.
pub(super) fn write(
	tensors: &[(String, Vec<usize>)],
	numbers: impl Iterator<Item = f32>,
) -> Vec<u8> {
	let mut header = format!("{{\"{METADATA}\":{{\"format\":\"pt\"}}");
	let mut start = 0;
	for (name, shape) in tensors {
		let end = start + 4 * shape.iter().product::<usize>();
		let axes: Vec<String> = shape.iter().map(usize::to_string).collect();
		header.push_str(&format!(
			",{}:{{\"dtype\":\"F32\",\"shape\":[{}],\"data_offsets\":[{start},{end}]}}",
			Value::from(name.as_str()),
			axes.join(",")
		));
		start = end;
	}
	header.push('}');
	let length = header.len().next_multiple_of(ALIGNMENT);
	header.extend(core::iter::repeat_n(' ', length - header.len()));
	let mut bytes = Vec::with_capacity(PREFIX + length + start);
	bytes.extend_from_slice(&(length as u64).to_le_bytes());
	bytes.extend_from_slice(header.as_bytes());
	bytes.extend(numbers.flat_map(f32::to_le_bytes));
	bytes
}

/// Reads the tensors of a file, by name.
pub(super) fn read(bytes: &[u8]) -> Result<BTreeMap<String, Tensor<'_>>> {
	let (header, data) = split(bytes)?;
	let header: Value = serde_json::from_slice(header).map_err(|error| FileDefect::NotJson {
		line: error.line(),
		column: error.column(),
	})?;
	let header = header.as_object().ok_or(FileDefect::NotAnObject)?;
	let mut rows = Vec::with_capacity(header.len());
	for (name, row) in header {
		match name.as_str() {
			METADATA => check_metadata(row)?,
			name => rows.push((name, read_row(name, row)?)),
		}
	}
	// Empty tensors come before what begins where they are.
	rows.sort_by_key(|(name, row)| (row.start, row.end, *name));
	let mut tensors = BTreeMap::new();
	let mut end = 0;
	for (name, row) in rows {
		let defect = FileDefect::Offsets {
			tensor: name.to_string(),
			start: row.start as u64,
			end: row.end as u64,
			expected: end as u64,
			available: data.len() as u64,
		};
		if row.start != end {
			return Err(defect);
		}
		let bytes = data.get(row.start..row.end).ok_or(defect)?;
		end = row.end;
		let Row { kind, shape, .. } = row;
		tensors.insert(name.to_string(), Tensor { kind, shape, bytes });
	}
	match end == data.len() {
		true => Ok(tensors),
		false => Err(FileDefect::DataLength {
			expected: end as u64,
			got: data.len() as u64,
		}),
	}
}

/// Header and data.
fn split(bytes: &[u8]) -> Result<(&[u8], &[u8])> {
	let truncated = |expected: u64| FileDefect::Truncated {
		expected,
		got: bytes.len() as u64,
	};
	let (prefix, rest) = bytes
		.split_first_chunk::<PREFIX>()
		.ok_or_else(|| truncated(PREFIX as u64))?;
	let length = u64::from_le_bytes(*prefix);
	if length > MAX_HEADER as u64 {
		return Err(FileDefect::HeaderLength {
			got: length,
			max: MAX_HEADER as u64,
		});
	}
	// At most `MAX_HEADER`.
	rest.split_at_checked(length as usize)
		.ok_or_else(|| truncated(PREFIX as u64 + length))
}

/// Strings by name, or nothing; what they say is not used.
fn check_metadata(row: &Value) -> Result<()> {
	let strings = |row: &Value| {
		let row = row.as_object();
		row.is_some_and(|row| row.values().all(Value::is_string))
	};
	match row.is_null() || strings(row) {
		true => Ok(()),
		false => Err(FileDefect::Row {
			tensor: METADATA.into(),
		}),
	}
}

/// What the header says about a tensor.
struct Row {
	kind: &'static str,
	shape: Vec<usize>,
	start: usize,
	end: usize,
}

/// Whole numbers of a JSON list.
fn list(value: &Value, max: usize) -> Option<Vec<usize>> {
	let values = value.as_array().filter(|values| values.len() <= max)?;
	let whole = |value: &Value| value.as_u64().and_then(|value| usize::try_from(value).ok());
	values.iter().map(whole).collect()
}

fn read_row(name: &str, row: &Value) -> Result<Row> {
	let tensor = || name.to_string();
	let kind = row["dtype"].as_str().unwrap_or_default();
	let (kind, size) = KINDS
		.into_iter()
		.find(|(known, _)| *known == kind)
		.ok_or_else(|| FileDefect::Kind {
			tensor: tensor(),
			got: row["dtype"].to_string(),
		})?;
	let malformed = || FileDefect::Row { tensor: tensor() };
	let shape = list(&row["shape"], MAX_AXES).ok_or_else(malformed)?;
	let offsets = list(&row["data_offsets"], 2).ok_or_else(malformed)?;
	let [start, end] = offsets[..] else {
		return Err(malformed());
	};
	let bytes = shape
		.iter()
		.try_fold(size, |bytes, axis| bytes.checked_mul(*axis));
	match (bytes, end.checked_sub(start)) {
		(Some(bytes), Some(length)) if bytes == length => Ok(Row {
			kind,
			shape,
			start,
			end,
		}),
		_ => Err(FileDefect::Size {
			tensor: tensor(),
			shape,
			start: start as u64,
			end: end as u64,
		}),
	}
}

#[cfg(test)]
mod tests;
