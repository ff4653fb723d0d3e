//! What is kept between steps, and its bytes.
//!
//! Layout, all little-endian: `LLMCTRN1`, numeric specification u32, six sizes u32, step u64, then parameters, first
//! moments and second moments as f32.
//! Must not know: files; whoever stores the bytes also guards them by a hash.
//! Invariants: a state read back goes on to the same bits; numbers that are not finite are neither written nor read.

use crate::config::Config;
use crate::error::{Error, Quantity, Result, StateDefect};
use crate::parameters::{Layout, Parameters};
use crate::NUMERIC_SPEC;

const MAGIC: [u8; 8] = *b"LLMCTRN1";
/// Magic, specification, sizes, step.
const HEADER: usize = 8 + 4 + 6 * 4 + 8;

/// Parameters and optimiser between two steps.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainState {
	/// The parameters.
	pub parameters: Parameters,
	pub(super) first_moment: Vec<f32>,
	pub(super) second_moment: Vec<f32>,
	pub(super) step: u64,
}

impl TrainState {
	/// Before the first step: moments are zero.
	pub fn new(parameters: Parameters) -> Self {
		let n = parameters.as_slice().len();
		Self {
			parameters,
			first_moment: vec![0.0; n],
			second_moment: vec![0.0; n],
			step: 0,
		}
	}

	/// Steps taken.
	pub fn step(&self) -> u64 {
		self.step
	}

	/// Running means of the gradient, in layout order.
	pub fn first_moment(&self) -> &[f32] {
		&self.first_moment
	}

	/// Running means of the squared gradient, in layout order.
	pub fn second_moment(&self) -> &[f32] {
		&self.second_moment
	}

	/// The state as bytes.
	///
	/// # Errors
	/// - [`Error::NotFinite`]: a step that failed has spent this state
	pub fn to_bytes(&self) -> Result<Vec<u8>> {
		let parameters = self.parameters.as_slice();
		let mut bytes = Vec::with_capacity(HEADER + 12 * parameters.len());
		bytes.extend(MAGIC);
		bytes.extend(NUMERIC_SPEC.to_le_bytes());
		for size in self.parameters.config().to_array() {
			bytes.extend(size.to_le_bytes());
		}
		bytes.extend(self.step.to_le_bytes());
		for (values, quantity) in [
			(parameters, Quantity::Parameter),
			(&*self.first_moment, Quantity::Moment),
			(&*self.second_moment, Quantity::Moment),
		] {
			for value in values {
				if !value.is_finite() {
					return Err(Error::NotFinite {
						quantity,
						step: self.step,
					});
				}
				bytes.extend(value.to_le_bytes());
			}
		}
		Ok(bytes)
	}

	/// Reads [`TrainState::to_bytes`] back. Memory is taken only after the length has been checked.
	///
	/// # Errors
	/// - [`Error::BadState`]: foreign, cut, lengthened or contradictory bytes
	/// - as [`Config::validate`]: impossible sizes
	/// - [`Error::NotFinite`]
	pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
		let bad = |defect| Error::BadState { defect };
		let short = || {
			bad(StateDefect::Length {
				expected: HEADER,
				got: bytes.len(),
			})
		};
		let (magic, rest) = bytes.split_first_chunk::<8>().ok_or_else(short)?;
		if *magic != MAGIC {
			return Err(bad(StateDefect::Magic));
		}
		let (spec, rest) = rest.split_first_chunk::<4>().ok_or_else(short)?;
		let got = u32::from_le_bytes(*spec);
		if got != NUMERIC_SPEC {
			return Err(bad(StateDefect::NumericSpec { got }));
		}
		let (sizes, rest) = rest.split_first_chunk::<24>().ok_or_else(short)?;
		let mut array = [0; 6];
		for (size, bytes) in array.iter_mut().zip(sizes.as_chunks::<4>().0) {
			*size = u32::from_le_bytes(*bytes);
		}
		let config = Config::from_array(array);
		let n = Layout::of(&config)?.total();
		let (step, rest) = rest.split_first_chunk::<8>().ok_or_else(short)?;
		let step = u64::from_le_bytes(*step);
		// n is at most 2^30.
		let expected = HEADER + 12 * n;
		if bytes.len() != expected {
			return Err(bad(StateDefect::Length {
				expected,
				got: bytes.len(),
			}));
		}
		let (numbers, _) = rest.as_chunks::<4>();
		let mut thirds = numbers.chunks_exact(n).map(|third| {
			third
				.iter()
				.map(|bytes| f32::from_le_bytes(*bytes))
				.collect::<Vec<_>>()
		});
		let (parameters, first_moment, second_moment) =
			match (thirds.next(), thirds.next(), thirds.next()) {
				(Some(p), Some(m), Some(v)) => (p, m, v),
				_ => return Err(short()),
			};
		let finite = |values: &[f32]| values.iter().all(|value| value.is_finite());
		if !finite(&first_moment) || !finite(&second_moment) {
			return Err(Error::NotFinite {
				quantity: Quantity::Moment,
				step,
			});
		}
		if let Some(index) = second_moment
			.iter()
			.position(|value| value.is_sign_negative())
		{
			return Err(bad(StateDefect::NegativeSecondMoment { index }));
		}
		let parameters = Parameters::from_vec(config, parameters)?;
		Ok(Self {
			parameters,
			first_moment,
			second_moment,
			step,
		})
	}
}
