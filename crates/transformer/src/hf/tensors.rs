//! `model.safetensors`: which tensor of theirs is which part of ours.
//!
//! GPT-2's files have our orientation, `[in, out]`; Llama's hold `[out, in]`, and each projection for itself, where ours
//! lie side by side.
//!
//! Must not know: the container's bytes. Source: `GPT2LMHeadModel` and `LlamaForCausalLM` of `transformers` (names, shapes).
//! Invariants: every number of ours comes from exactly one of theirs; nothing in a file is passed over in silence but
//! buffers that hold no parameter.

use std::collections::BTreeMap;

use super::safetensors::{self, Tensor};
use super::MODEL;
use crate::config::Config;
use crate::error::{Error, FileDefect, Result};
use crate::parameters::{Layout, Parameters, TensorInfo};

/// GPT-2's names begin with this in a model with a head, and with nothing in one without.
const PREFIX: &str = "transformer.";
/// Written by some savers although it is the token table again.
const TIED_HEAD: &str = "lm_head.weight";
/// Buffers of old savers, by the end of their names: causal masks and rotary wavelengths.
const BUFFERS: [&str; 3] = [".attn.bias", ".attn.masked_bias", ".rotary_emb.inv_freq"];

/// A tensor of theirs and its place in one of ours.
struct Part {
	name: String,
	/// Theirs.
	shape: Vec<usize>,
	/// First column in ours, if theirs is transposed; else it is ours as it is.
	column: Option<usize>,
}

/// The parts of `info`.
fn parts(info: &TensorInfo) -> Vec<Part> {
	let whole = |name: String| {
		vec![Part {
			name,
			shape: info.shape.clone(),
			column: None,
		}]
	};
	let (Some((stem, kind)), &[rows, columns]) = (
		info.name
			.strip_suffix(".weight")
			.and_then(|name| name.rsplit_once('.'))
			.filter(|_| info.name.starts_with("model.layers.")),
		&info.shape[..],
	) else {
		let ours = info.name.starts_with("model.") || info.name == TIED_HEAD;
		return whole(match ours {
			true => info.name.clone(),
			false => [PREFIX, &info.name].concat(),
		});
	};
	// Projections of a Llama block, side by side: names and widths.
	let side_by_side = match kind {
		"qkv_proj" => {
			let kv = (columns - rows) / 2;
			vec![("q_proj", rows), ("k_proj", kv), ("v_proj", kv)]
		}
		"gate_up_proj" => vec![("gate_proj", columns / 2), ("up_proj", columns / 2)],
		other => vec![(other, columns)],
	};
	let mut first = 0;
	side_by_side
		.into_iter()
		.map(|(name, width)| {
			let column = first;
			first += width;
			Part {
				name: format!("{stem}.{name}.weight"),
				shape: vec![width, rows],
				column: Some(column),
			}
		})
		.collect()
}

/// Indices in `info`'s numbers of those of `part`, in the order of `part`.
fn places<'a>(info: &'a TensorInfo, part: &'a Part) -> impl Iterator<Item = usize> + 'a {
	let (width, first) = (
		info.shape.last().copied().unwrap_or(1),
		part.column.unwrap_or(0),
	);
	// Theirs [out, in] lies in ours [in, width] from column `first` on.
	let (rows, columns) = match (part.column, &part.shape[..]) {
		(Some(_), [rows, columns]) => (*rows, *columns),
		_ => (0, 0),
	};
	let transposed =
		(0..rows).flat_map(move |out| (0..columns).map(move |input| input * width + first + out));
	let plain = match part.column {
		Some(_) => 0..0,
		None => 0..info.len(),
	};
	plain.chain(transposed)
}

/// The file of `parameters`.
pub(super) fn write(parameters: &Parameters) -> Vec<u8> {
	let flat = parameters.as_slice();
	let mut table: Vec<(&TensorInfo, Part)> = Vec::new();
	for info in parameters.layout().tensors() {
		table.extend(parts(info).into_iter().map(|part| (info, part)));
	}
	table.sort_by(|(_, a), (_, b)| a.name.cmp(&b.name));
	let rows: Vec<(String, Vec<usize>)> = table
		.iter()
		.map(|(_, part)| (part.name.clone(), part.shape.clone()))
		.collect();
	let numbers = table.iter().flat_map(|(info, part)| {
		let ours = &flat[info.range()];
		places(info, part).map(|place| ours[place])
	});
	safetensors::write(&rows, numbers)
}

/// The parameters of `config` from a file.
///
/// # Errors
/// - as [`Config::validate`]
/// - [`Error::BadFile`]
pub(super) fn read(config: Config, bytes: &[u8]) -> Result<Parameters> {
	let bad = |defect| Error::BadFile {
		file: MODEL,
		defect,
	};
	let layout = Layout::of(&config)?;
	let mut file = safetensors::read(bytes).map_err(bad)?;
	let mut found = Vec::new();
	for info in layout.tensors() {
		for part in parts(info) {
			let tensor = take(&mut file, &part).map_err(bad)?;
			found.push((info, part, tensor));
		}
	}
	// Allocated only now, when the file is known to hold as many numbers.
	let mut values = vec![0.0; layout.total()];
	for (info, part, tensor) in &found {
		let ours = &mut values[info.range()];
		for ((index, value), place) in numbers(tensor).enumerate().zip(places(info, part)) {
			if !value.is_finite() {
				return Err(bad(FileDefect::NotFinite {
					tensor: part.name.clone(),
					index: index as u64,
					value: value.to_string(),
				}));
			}
			ours[place] = value;
		}
	}
	// A head of its own was taken above.
	if let Some(head) = file.remove(TIED_HEAD) {
		let table = &values[layout.tensors()[0].range()];
		let differs = |(value, ours): (f32, &f32)| value.to_bits() != ours.to_bits();
		let same_size = head.shape == layout.tensors()[0].shape && is_float(&head);
		if !same_size || numbers(&head).zip(table).any(differs) {
			return Err(bad(FileDefect::HeadNotTied));
		}
	}
	let buffer = |name: &&String| BUFFERS.iter().any(|end| name.ends_with(end));
	match file.keys().find(|name| !buffer(name)) {
		Some(tensor) => Err(bad(FileDefect::UnexpectedTensor {
			tensor: tensor.clone(),
		})),
		None => Parameters::from_vec(config, values),
	}
}

/// Takes the tensor of `part` out of `file`.
fn take<'a>(
	file: &mut BTreeMap<String, Tensor<'a>>,
	part: &Part,
) -> core::result::Result<Tensor<'a>, FileDefect> {
	let short = part.name.strip_prefix(PREFIX);
	let found = file
		.remove(&part.name)
		.or_else(|| short.and_then(|name| file.remove(name)));
	let tensor = found.ok_or_else(|| FileDefect::MissingTensor {
		tensor: part.name.clone(),
	})?;
	if tensor.shape != part.shape {
		return Err(FileDefect::Shape {
			tensor: part.name.clone(),
			expected: part.shape.clone(),
			got: tensor.shape,
		});
	}
	match is_float(&tensor) {
		true => Ok(tensor),
		false => Err(FileDefect::Kind {
			tensor: part.name.clone(),
			got: tensor.kind.into(),
		}),
	}
}

/// Whether its numbers widen exactly to f32.
fn is_float(tensor: &Tensor<'_>) -> bool {
	["F32", "F16", "BF16"].contains(&tensor.kind)
}

/// The numbers of a tensor of floats, widened exactly.
fn numbers<'a>(tensor: &'a Tensor<'_>) -> impl Iterator<Item = f32> + 'a {
	let width = if tensor.kind == "F32" { 4 } else { 2 };
	let halves = tensor.kind == "F16";
	tensor
		.bytes
		.chunks_exact(width)
		.map(move |bytes| match *bytes {
			[a, b, c, d] => f32::from_le_bytes([a, b, c, d]),
			[a, b] if halves => from_half(u16::from_le_bytes([a, b])),
			// bf16 is the upper half of an f32.
			[a, b] => f32::from_le_bytes([0, 0, a, b]),
			_ => f32::NAN,
		})
}

/// IEEE 754 binary16 as f32, exactly.
fn from_half(half: u16) -> f32 {
	let sign = u32::from(half & 0x8000) << 16;
	let (exponent, fraction) = ((half >> 10) & 0x1f, u32::from(half & 0x3ff));
	let magnitude = match exponent {
		// Subnormal: fraction times 2^-24, exact.
		0 => (fraction as f32 * (1.0 / 16_777_216.0)).to_bits(),
		31 => 0x7f80_0000 | fraction << 13,
		_ => (u32::from(exponent) + 112) << 23 | fraction << 13,
	};
	f32::from_bits(sign | magnitude)
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn halves_widen_exactly() {
		for (half, value) in [
			(0x0000, 0.0),
			(0x8000, -0.0),
			(0x3c00, 1.0),
			(0xc000, -2.0),
			(0x7bff, 65_504.0),
			(0x0400, 6.103_515_6e-5),
			(0x0001, 5.960_464_5e-8),
			(0x03ff, 6.097_555e-5),
			(0x3555, 0.333_251_95),
			(0x7c00, f32::INFINITY),
		] {
			assert_eq!(from_half(half).to_bits(), f32::to_bits(value), "{half:04x}");
		}
		assert!(from_half(0x7e00).is_nan());
	}

	#[test]
	fn projections_side_by_side_are_taken_apart() {
		let info = TensorInfo {
			name: "model.layers.3.self_attn.qkv_proj.weight".into(),
			shape: vec![4, 8],
			offset: 0,
			decayed: true,
			initial: crate::parameters::Initial::Normal,
		};
		let parts = parts(&info);
		let names: Vec<&str> = parts.iter().map(|part| part.name.as_str()).collect();
		assert_eq!(
			names,
			[
				"model.layers.3.self_attn.q_proj.weight",
				"model.layers.3.self_attn.k_proj.weight",
				"model.layers.3.self_attn.v_proj.weight",
			]
		);
		assert_eq!(parts[1].shape, [2, 4]);
		// Row 1 of k, input 3: row 3 of ours, column 4 + 1.
		assert_eq!(places(&info, &parts[1]).nth(4 + 3), Some(3 * 8 + 4 + 1));
		let mut all: Vec<usize> = parts.iter().flat_map(|part| places(&info, part)).collect();
		all.sort_unstable();
		assert!(all.into_iter().eq(0..32));
	}
}
