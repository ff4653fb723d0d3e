//! A batch of token sequences of different lengths.
//!
//! Sequences lie one after the other; padding does not exist for the model, so it costs nothing and cannot change a bit.
//! Must not know: text, the model's sizes until it is used.
//! Invariants: every sequence has at least one position; position p of a sequence predicts token p + 1.

use core::ops::Range;

use ndarray::ArrayView2;

use crate::config::Config;
use crate::error::{Error, Result};

/// Sequences for one training step or for evaluation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
	/// Token of each row, `[M]`.
	inputs: Vec<u32>,
	/// The token that follows it, `[M]`.
	targets: Vec<u32>,
	/// Its position in its sequence, `[M]`.
	positions: Vec<u32>,
	/// Sequence s is the rows `offsets[s]..offsets[s + 1]`, `[B + 1]`.
	offsets: Vec<usize>,
	largest_token: u32,
}

impl Batch {
	/// Takes sequences of n + 1 tokens each (beginning and end marks included), which give n positions and n targets.
	///
	/// # Errors
	/// - [`Error::EmptyBatch`]
	/// - [`Error::SequenceTooShort`]: fewer than two tokens
	pub fn new<S: AsRef<[u32]>>(sequences: &[S]) -> Result<Self> {
		let mut batch = Self {
			inputs: Vec::new(),
			targets: Vec::new(),
			positions: Vec::new(),
			offsets: vec![0],
			largest_token: 0,
		};
		for (index, sequence) in sequences.iter().enumerate() {
			batch.push(index, sequence.as_ref())?;
		}
		if sequences.is_empty() {
			return Err(Error::EmptyBatch);
		}
		Ok(batch)
	}

	/// Takes a matrix `[B, T + 1]` of token ids whose rows are filled up with `pad`; trailing `pad` is dropped.
	///
	/// # Errors
	/// As [`Batch::new`].
	pub fn from_padded(tokens: ArrayView2<'_, u32>, pad: u32) -> Result<Self> {
		let trim = |row: ndarray::ArrayView1<'_, u32>| {
			let length = row
				.iter()
				.rposition(|token| *token != pad)
				.map_or(0, |last| last + 1);
			row.iter().take(length).copied().collect::<Vec<_>>()
		};
		Self::new(&tokens.rows().into_iter().map(trim).collect::<Vec<_>>())
	}

	fn push(&mut self, sequence: usize, tokens: &[u32]) -> Result<()> {
		let got = tokens.len();
		if got < 2 {
			return Err(Error::SequenceTooShort { sequence, got });
		}
		self.inputs.extend_from_slice(&tokens[..got - 1]);
		self.targets.extend_from_slice(&tokens[1..]);
		// Longer than u32 is longer than any context, and refused at use.
		self.positions
			.extend((0..got - 1).map(|position| position as u32));
		self.offsets.push(self.inputs.len());
		for token in tokens {
			self.largest_token = self.largest_token.max(*token);
		}
		Ok(())
	}

	/// Number of sequences.
	pub fn n_sequences(&self) -> usize {
		self.offsets.len() - 1
	}

	/// Number of positions, each with one target.
	pub fn n_targets(&self) -> usize {
		self.inputs.len()
	}

	/// Refuses sequences and tokens that the model has no place for.
	///
	/// # Errors
	/// - [`Error::SequenceTooLong`]
	/// - [`Error::TokenOutOfVocabulary`]
	pub fn check(&self, config: &Config) -> Result<()> {
		for (sequence, ends) in self.offsets.windows(2).enumerate() {
			let got = ends[1] - ends[0];
			let context_length = config.context_length;
			if got > context_length as usize {
				return Err(Error::SequenceTooLong {
					sequence,
					got,
					context_length,
				});
			}
		}
		if self.largest_token >= config.vocab_size {
			let (token, vocab_size) = (self.largest_token, config.vocab_size);
			return Err(Error::TokenOutOfVocabulary { token, vocab_size });
		}
		Ok(())
	}

	/// Rows of the run of sequences `sequences`.
	pub(crate) fn rows(&self, sequences: Range<usize>) -> Range<usize> {
		self.offsets[sequences.start]..self.offsets[sequences.end]
	}

	/// Ends of a run of sequences, all counted from row 0 of the batch.
	pub(crate) fn offsets(&self, sequences: Range<usize>) -> &[usize] {
		&self.offsets[sequences.start..=sequences.end]
	}

	pub(crate) fn inputs(&self) -> &[u32] {
		&self.inputs
	}

	pub(crate) fn targets(&self) -> &[u32] {
		&self.targets
	}

	pub(crate) fn positions(&self) -> &[u32] {
		&self.positions
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use ndarray::array;

	#[test]
	fn padding_is_dropped() {
		let padded = array![[1, 5, 6, 2, 0], [1, 7, 2, 0, 0]];
		let batch = Batch::from_padded(padded.view(), 0).unwrap();
		assert_eq!(
			batch,
			Batch::new(&[vec![1, 5, 6, 2], vec![1, 7, 2]]).unwrap()
		);
		assert_eq!(batch.inputs(), [1, 5, 6, 1, 7]);
		assert_eq!(batch.targets(), [5, 6, 2, 7, 2]);
		assert_eq!(batch.positions(), [0, 1, 2, 0, 1]);
		assert_eq!((batch.n_sequences(), batch.n_targets()), (2, 5));
	}

	#[test]
	fn refuses_what_predicts_nothing() {
		assert_eq!(Batch::new::<Vec<u32>>(&[]), Err(Error::EmptyBatch));
		let error = Error::SequenceTooShort {
			sequence: 1,
			got: 1,
		};
		assert_eq!(Batch::new(&[vec![1, 2], vec![1]]), Err(error));
		let padding = array![[0, 0, 0]];
		let error = Error::SequenceTooShort {
			sequence: 0,
			got: 0,
		};
		assert_eq!(Batch::from_padded(padding.view(), 0), Err(error));
	}

	#[test]
	fn refuses_what_the_model_has_no_place_for() {
		let config = Config::from_array([10, 3, 1, 1, 4, 4]);
		let long = Batch::new(&[vec![1, 2], vec![1, 2, 3, 4, 5]]).unwrap();
		let error = Error::SequenceTooLong {
			sequence: 1,
			got: 4,
			context_length: 3,
		};
		assert_eq!(long.check(&config), Err(error));
		// A target counts as much as an input.
		let stranger = Batch::new(&[vec![1, 10]]).unwrap();
		let error = Error::TokenOutOfVocabulary {
			token: 10,
			vocab_size: 10,
		};
		assert_eq!(stranger.check(&config), Err(error));
	}
}
