//! All parameters of a model: one flat vector and the table that says where each tensor lies.
//!
//! Because a model is one vector, the optimiser, clipping, quantising and hashing need no knowledge of layers. The table is
//! written once, here; names and orientation are those of GPT-2 files.
//!
//! Must not know: how tensors are used. Source: Radford et al. 2019 (names); protocol, section 2 (fixed point).
//! Invariants: tensors follow one another without gaps; every number of [`Parameters`] is finite.

use core::ops::Range;

use ndarray::{ArrayViewD, IxDyn};

use crate::config::Config;
use crate::error::{Error, Quantity, Result};
use crate::fixed;

/// How a tensor is drawn at the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Initial {
	/// All 0.
	Zeros,
	/// All 1.
	Ones,
	/// Normal with standard deviation 0.02.
	Normal,
	/// Normal with standard deviation 0.02 / sqrt(2 L): outputs onto the residual stream.
	Residual,
}

/// One row of the layout table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorInfo {
	/// GPT-2's name.
	pub name: String,
	/// Row-major.
	pub shape: Vec<usize>,
	/// Index of its first number in the flat vector.
	pub offset: usize,
	/// Whether weight decay applies (matrices only).
	pub decayed: bool,
	/// How it is drawn.
	pub initial: Initial,
}

impl TensorInfo {
	/// Its place in the flat vector.
	pub fn range(&self) -> Range<usize> {
		self.offset..self.offset + self.len()
	}

	/// Its numbers.
	pub fn len(&self) -> usize {
		self.shape.iter().product()
	}

	/// Never true for a valid architecture.
	pub fn is_empty(&self) -> bool {
		self.len() == 0
	}
}

/// Tensors of a block, in table order.
#[derive(Clone, Copy, Debug)]
pub(crate) enum BlockTensor {
	Ln1Gain,
	Ln1Bias,
	AttentionIn,
	AttentionInBias,
	AttentionOut,
	AttentionOutBias,
	Ln2Gain,
	Ln2Bias,
	FeedForwardIn,
	FeedForwardInBias,
	FeedForwardOut,
	FeedForwardOutBias,
}

const BEFORE_BLOCKS: usize = 2;
const IN_BLOCK: usize = 12;

/// The layout table of an architecture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
	tensors: Vec<TensorInfo>,
	total: usize,
}

impl Layout {
	/// Writes the table.
	///
	/// # Errors
	/// As [`Config::validate`].
	pub fn of(config: &Config) -> Result<Self> {
		config.validate()?;
		let [v, t, l, _, c, f] = config.to_array().map(|size| size as usize);
		let mut layout = Self {
			tensors: Vec::new(),
			total: 0,
		};
		// Token embedding, also the head.
		layout.push("wte.weight".into(), &[v, c], Initial::Normal);
		// Position embedding.
		layout.push("wpe.weight".into(), &[t, c], Initial::Normal);
		for i in 0..l {
			let mut push = |name: &str, shape: &[usize], initial| {
				layout.push(format!("h.{i}.{name}"), shape, initial);
			};
			push("ln_1.weight", &[c], Initial::Ones);
			push("ln_1.bias", &[c], Initial::Zeros);
			// Query, key and value projections side by side.
			push("attn.c_attn.weight", &[c, 3 * c], Initial::Normal);
			push("attn.c_attn.bias", &[3 * c], Initial::Zeros);
			push("attn.c_proj.weight", &[c, c], Initial::Residual);
			push("attn.c_proj.bias", &[c], Initial::Zeros);
			push("ln_2.weight", &[c], Initial::Ones);
			push("ln_2.bias", &[c], Initial::Zeros);
			// Feed-forward layer.
			push("mlp.c_fc.weight", &[c, f], Initial::Normal);
			push("mlp.c_fc.bias", &[f], Initial::Zeros);
			push("mlp.c_proj.weight", &[f, c], Initial::Residual);
			push("mlp.c_proj.bias", &[c], Initial::Zeros);
		}
		layout.push("ln_f.weight".into(), &[c], Initial::Ones);
		layout.push("ln_f.bias".into(), &[c], Initial::Zeros);
		Ok(layout)
	}

	fn push(&mut self, name: String, shape: &[usize], initial: Initial) {
		let tensor = TensorInfo {
			name,
			shape: shape.to_vec(),
			offset: self.total,
			decayed: shape.len() > 1,
			initial,
		};
		self.total += tensor.len();
		self.tensors.push(tensor);
	}

	/// All tensors in the order of the flat vector.
	pub fn tensors(&self) -> &[TensorInfo] {
		&self.tensors
	}

	/// Numbers of the flat vector.
	pub fn total(&self) -> usize {
		self.total
	}

	/// The tensor of that name.
	///
	/// # Errors
	/// - [`Error::UnknownTensor`]
	pub fn find(&self, name: &str) -> Result<&TensorInfo> {
		let found = self.tensors.iter().find(|tensor| tensor.name == name);
		found.ok_or_else(|| Error::UnknownTensor { name: name.into() })
	}

	/// The tensor that holds the flat `index`.
	fn holding(&self, index: usize) -> Option<&TensorInfo> {
		self.tensors
			.iter()
			.find(|tensor| tensor.range().contains(&index))
	}

	pub(crate) fn token_table(&self) -> Range<usize> {
		self.tensors[0].range()
	}

	pub(crate) fn position_table(&self) -> Range<usize> {
		self.tensors[1].range()
	}

	pub(crate) fn block(&self, layer: usize, tensor: BlockTensor) -> Range<usize> {
		self.tensors[BEFORE_BLOCKS + layer * IN_BLOCK + tensor as usize].range()
	}

	pub(crate) fn final_gain(&self) -> Range<usize> {
		self.tensors[self.tensors.len() - 2].range()
	}

	pub(crate) fn final_bias(&self) -> Range<usize> {
		self.tensors[self.tensors.len() - 1].range()
	}
}

/// Parameters of a model with their architecture.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameters {
	config: Config,
	layout: Layout,
	values: Vec<f32>,
}

impl Parameters {
	/// Takes a flat vector in layout order.
	///
	/// # Errors
	/// - as [`Config::validate`]
	/// - [`Error::ParameterCount`]
	/// - [`Error::NotFinite`]: a number is infinite or not a number
	pub fn from_vec(config: Config, values: Vec<f32>) -> Result<Self> {
		let layout = Layout::of(&config)?;
		if values.len() != layout.total {
			return Err(Error::ParameterCount {
				expected: layout.total,
				got: values.len(),
			});
		}
		if !values.iter().all(|value| value.is_finite()) {
			return Err(Error::NotFinite {
				quantity: Quantity::Parameter,
				step: 0,
			});
		}
		Ok(Self {
			config,
			layout,
			values,
		})
	}

	/// Takes integers in Q7.24, as the chain knows a version; each becomes the nearest `f32`.
	///
	/// # Errors
	/// - as [`Config::validate`]
	/// - [`Error::ParameterCount`]
	pub fn from_fixed(config: Config, integers: &[i32]) -> Result<Self> {
		let layout = Layout::of(&config)?;
		if integers.len() != layout.total {
			return Err(Error::ParameterCount {
				expected: layout.total,
				got: integers.len(),
			});
		}
		let values = integers
			.iter()
			.map(|integer| fixed::from_q(*integer))
			.collect();
		Ok(Self {
			config,
			layout,
			values,
		})
	}

	/// The integers in Q7.24, rounded half to even.
	///
	/// # Errors
	/// - [`Error::OutOfFixedPoint`]: a magnitude of 128 or more; names the tensor
	pub fn to_fixed(&self) -> Result<Vec<i32>> {
		let convert = |(flat, value): (usize, &f32)| {
			fixed::to_q(*value).ok_or_else(|| {
				let (tensor, offset) = match self.layout.holding(flat) {
					Some(tensor) => (tensor.name.clone(), tensor.offset),
					None => (String::new(), 0),
				};
				Error::OutOfFixedPoint {
					tensor,
					index: flat - offset,
					value: *value,
				}
			})
		};
		self.values.iter().enumerate().map(convert).collect()
	}

	/// The architecture.
	pub fn config(&self) -> &Config {
		&self.config
	}

	/// The layout table.
	pub fn layout(&self) -> &Layout {
		&self.layout
	}

	/// The flat vector.
	pub fn as_slice(&self) -> &[f32] {
		&self.values
	}

	/// The flat vector.
	pub fn into_vec(self) -> Vec<f32> {
		self.values
	}

	/// For the optimiser, which checks that what it leaves is finite.
	pub(crate) fn as_mut_slice(&mut self) -> &mut [f32] {
		&mut self.values
	}

	/// A tensor by name.
	///
	/// # Errors
	/// - [`Error::UnknownTensor`]
	pub fn tensor(&self, name: &str) -> Result<ArrayViewD<'_, f32>> {
		let info = self.layout.find(name)?;
		let values = &self.values[info.range()];
		ArrayViewD::from_shape(IxDyn(&info.shape), values)
			.map_err(|_| Error::UnknownTensor { name: name.into() })
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	const CONFIG: Config = Config {
		vocab_size: 7,
		context_length: 3,
		n_layers: 2,
		n_heads: 1,
		d_model: 2,
		d_ff: 3,
	};

	#[test]
	fn the_table_has_no_gaps_and_gpt2_names() {
		let layout = Layout::of(&CONFIG).unwrap();
		let mut next = 0;
		for tensor in layout.tensors() {
			assert_eq!(tensor.offset, next, "{}", tensor.name);
			next = tensor.range().end;
		}
		assert_eq!(next, layout.total());
		assert_eq!(layout.tensors().len(), 2 + 2 * IN_BLOCK + 2);
		let last = layout.block(1, BlockTensor::FeedForwardOutBias);
		assert_eq!(layout.find("h.1.mlp.c_proj.bias").unwrap().range(), last);
		let name = "h.2.ln_1.bias";
		assert_eq!(
			layout.find(name),
			Err(Error::UnknownTensor { name: name.into() })
		);
	}

	#[test]
	fn fixed_point_returns_what_it_took() {
		let n = CONFIG.n_parameters().unwrap();
		let integers: Vec<i32> = (0..n as i32).map(|i| i * 997 - 20_000).collect();
		let parameters = Parameters::from_fixed(CONFIG, &integers).unwrap();
		assert_eq!(parameters.to_fixed().unwrap(), integers);
	}

	#[test]
	fn a_value_beyond_fixed_point_names_its_tensor() {
		let mut values = vec![0.0; CONFIG.n_parameters().unwrap()];
		let info = Layout::of(&CONFIG)
			.unwrap()
			.find("h.1.mlp.c_fc.weight")
			.unwrap()
			.clone();
		values[info.offset + 4] = -128.0;
		let error = Parameters::from_vec(CONFIG, values)
			.unwrap()
			.to_fixed()
			.unwrap_err();
		let expected = Error::OutOfFixedPoint {
			tensor: info.name,
			index: 4,
			value: -128.0,
		};
		assert_eq!(error, expected);
	}

	#[test]
	fn refuses_another_length_and_infinite_numbers() {
		let n = CONFIG.n_parameters().unwrap();
		let error = Error::ParameterCount {
			expected: n,
			got: n - 1,
		};
		assert_eq!(
			Parameters::from_vec(CONFIG, vec![0.0; n - 1]),
			Err(error.clone())
		);
		assert_eq!(Parameters::from_fixed(CONFIG, &vec![0; n - 1]), Err(error));
		let mut values = vec![0.0; n];
		values[3] = f32::NAN;
		assert!(matches!(
			Parameters::from_vec(CONFIG, values),
			Err(Error::NotFinite { .. })
		));
	}

	#[test]
	fn tensors_are_views_of_their_shape() {
		let n = CONFIG.n_parameters().unwrap();
		let values = (0..n).map(|i| i as f32).collect();
		let parameters = Parameters::from_vec(CONFIG, values).unwrap();
		let view = parameters.tensor("wpe.weight").unwrap();
		assert_eq!(view.shape(), [3, 2]);
		assert_eq!(view[[1, 0]], 16.0);
	}
}
