//! JSON objects written in a fixed order, and read field by field with errors that name the field.
//!
//! The order of `serde_json`'s own maps depends on a feature that any crate of a build may turn on, so it is not used.
//!
//! Must not know: what fields mean.

use serde_json::{Map, Value};

use crate::error::{Error, FileDefect, Result};

/// Largest configuration file.
pub(super) const MAX_CONFIG: usize = 1 << 16;

/// An object, one field a line.
pub(super) fn write(fields: &[(&str, Value)]) -> Vec<u8> {
	let lines: Vec<String> = fields
		.iter()
		.map(|(key, value)| format!("  {}: {value}", Value::from(*key)))
		.collect();
	format!("{{\n{}\n}}\n", lines.join(",\n")).into_bytes()
}

/// The shortest decimal that reads back as `value`.
pub(super) fn number(value: f32) -> Value {
	// A finite f32 always has one, and it reads as f64.
	let text = format!("{value:?}");
	text.parse::<f64>().map_or(Value::Null, Value::from)
}

/// The fields of an object of a file.
pub(super) struct Fields {
	file: &'static str,
	map: Map<String, Value>,
}

impl Fields {
	/// # Errors
	/// - [`Error::BadFile`]: too large, or not an object
	pub(super) fn read(file: &'static str, bytes: &[u8]) -> Result<Self> {
		let bad = |defect| Error::BadFile { file, defect };
		if bytes.len() > MAX_CONFIG {
			return Err(bad(FileDefect::TooLarge {
				got: bytes.len() as u64,
				max: MAX_CONFIG as u64,
			}));
		}
		match serde_json::from_slice(bytes) {
			Ok(Value::Object(map)) => Ok(Self { file, map }),
			Ok(_) => Err(bad(FileDefect::NotAnObject)),
			Err(error) => Err(bad(FileDefect::NotJson {
				line: error.line(),
				column: error.column(),
			})),
		}
	}

	/// The value of a field; null if it is absent.
	pub(super) fn get(&self, field: &str) -> &Value {
		self.map.get(field).unwrap_or(&Value::Null)
	}

	/// An error that shows the field.
	pub(super) fn refuse(&self, field: &'static str, expected: &'static str) -> Error {
		Error::BadFile {
			file: self.file,
			defect: FileDefect::Field {
				field,
				got: self.get(field).to_string(),
				expected,
			},
		}
	}

	/// A whole number below 2^32, or `default` if it is absent.
	pub(super) fn whole(&self, field: &'static str, default: u32) -> Result<u32> {
		match self.get(field) {
			Value::Null => Ok(default),
			value => value
				.as_u64()
				.and_then(|value| u32::try_from(value).ok())
				.ok_or_else(|| self.refuse(field, "a whole number below 2^32")),
		}
	}

	/// A number, or `default` if it is absent.
	pub(super) fn real(&self, field: &'static str, default: f32) -> Result<f32> {
		match self.get(field) {
			Value::Null => Ok(default),
			// Rounded once, as other readers do.
			value => value
				.as_f64()
				.map(|value| value as f32)
				.filter(|value| value.is_finite())
				.ok_or_else(|| self.refuse(field, "a number")),
		}
	}

	/// Refuses a field that is there and none of `allowed`.
	pub(super) fn only(
		&self,
		field: &'static str,
		allowed: &[Value],
		expected: &'static str,
	) -> Result<()> {
		let got = self.get(field);
		match got.is_null() || allowed.contains(got) {
			true => Ok(()),
			false => Err(self.refuse(field, expected)),
		}
	}

	/// A token id; null, absent and an empty list are none, of a list the first counts.
	pub(super) fn token(&self, field: &'static str) -> Result<Option<u32>> {
		let value = match self.get(field) {
			Value::Array(tokens) => tokens.first().unwrap_or(&Value::Null),
			value => value,
		};
		match value {
			Value::Null => Ok(None),
			value => value
				.as_u64()
				.and_then(|value| u32::try_from(value).ok())
				.map(Some)
				.ok_or_else(|| self.refuse(field, "a token id")),
		}
	}
}
