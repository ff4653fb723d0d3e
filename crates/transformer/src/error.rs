//! What can go wrong, with the numbers that went wrong.
//!
//! Must not know: how errors are shown. Invariants: no variant is a bare string; each says what to change.

use crate::kernels::Kernel;

/// Result of this crate.
pub type Result<T> = core::result::Result<T, Error>;

/// Which number of a computation was not finite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantity {
	/// The mean loss of a batch.
	Loss,
	/// The global norm of the gradient.
	GradientNorm,
	/// A parameter.
	Parameter,
	/// A moment of the optimiser.
	Moment,
	/// A logit of a token to be sampled.
	Logit,
}

impl core::fmt::Display for Quantity {
	fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
		f.write_str(match self {
			Quantity::Loss => "loss",
			Quantity::GradientNorm => "gradient norm",
			Quantity::Parameter => "parameter",
			Quantity::Moment => "optimiser moment",
			Quantity::Logit => "logit",
		})
	}
}

/// A property of the processor's float mode that the numeric specification demands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FloatMode {
	/// Round to nearest, ties to even.
	RoundToNearestEven,
	/// Subnormal results are kept, not flushed to zero.
	SubnormalResults,
	/// Subnormal arguments are read as they are, not as zero.
	SubnormalArguments,
}

/// What a decoder of training states found wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateDefect {
	/// The first bytes are not those of a training state.
	Magic,
	/// Another numeric specification.
	NumericSpec {
		/// The version found.
		got: u32,
	},
	/// The length does not follow from the architecture.
	Length {
		/// Bytes that the header asks for.
		expected: usize,
		/// Bytes given.
		got: usize,
	},
	/// A second moment is negative.
	NegativeSecondMoment {
		/// Its index in the flat vector.
		index: usize,
	},
}

/// What is wrong with a tokenizer file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenizerDefect {
	/// Not JSON, or not a tokenizer that the `tokenizers` crate can load.
	Unreadable,
	/// Larger than [`crate::tokenizer::MAX_BYTES`].
	TooLarge {
		/// Bytes given.
		got: usize,
	},
	/// Not the character-level form: one of normalizer, pre_tokenizer, post_processor, decoder, model type differs.
	NotCharacterLevel,
	/// Ids are not 0..n, each once.
	Ids,
	/// The special tokens do not have ids 0 to 3.
	SpecialTokens,
	/// An entry of the vocabulary is not one character.
	NotACharacter {
		/// Its id.
		id: u32,
	},
	/// Not the byte-level form of GPT-2: pre_tokenizer, decoder or a field of the model differs.
	NotByteLevel,
	/// A merge does not join two tokens to a third, or comes twice, or out of order.
	Merge {
		/// Its index in the list.
		index: usize,
	},
	/// An entry of the vocabulary is not written in GPT-2's characters for bytes, or has another's place.
	NotBytes {
		/// Its id.
		id: u32,
	},
	/// A byte is no token, so some texts could not be written.
	MissingByte {
		/// The byte.
		byte: u8,
	},
}

/// What is wrong with a form of lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LineDefect {
	/// The form has no lines, or too many.
	Lines {
		/// Lines given.
		got: usize,
		/// Most allowed.
		max: usize,
	},
	/// A line's range is empty.
	Characters {
		/// Fewest characters.
		min: usize,
		/// Most characters.
		max: usize,
	},
	/// Only the last line may end with nothing: how else would it be told from the next?
	NoEnd,
	/// No tokens spell a line's end.
	EndNotInVocabulary {
		/// The end.
		end: String,
	},
	/// No token is made of characters that may stand inside a line.
	NothingToWrite,
}

/// What is wrong with a file of a model's folder.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FileDefect {
	/// It is not there.
	#[error("the file is missing")]
	Missing,
	/// It is larger than any such file has to be.
	#[error("{got} bytes, at most {max} are read")]
	TooLarge {
		/// Bytes given.
		got: u64,
		/// Largest allowed.
		max: u64,
	},
	/// It, or its header, is not JSON.
	#[error("not JSON at line {line}, column {column}")]
	NotJson {
		/// Line, from 1.
		line: usize,
		/// Column, from 1.
		column: usize,
	},
	/// It, or its header, is JSON, but no object.
	#[error("not a JSON object")]
	NotAnObject,
	/// A field asks for something that is not computed here.
	#[error("field {field} is {got}, must be {expected}")]
	Field {
		/// Its name.
		field: &'static str,
		/// Its value.
		got: String,
		/// What it may be.
		expected: &'static str,
	},
	/// It ends too early.
	#[error("{got} bytes, the header needs {expected}: was the download cut off?")]
	Truncated {
		/// Bytes that must be there.
		expected: u64,
		/// Bytes given.
		got: u64,
	},
	/// The header claims to be longer than any header has to be.
	#[error("a header of {got} bytes, at most {max} are read")]
	HeaderLength {
		/// Length claimed.
		got: u64,
		/// Longest allowed.
		max: u64,
	},
	/// The header's entry of a tensor lacks shape or offsets.
	#[error("tensor {tensor}: shape or data_offsets are not lists of whole numbers")]
	Row {
		/// The tensor.
		tensor: String,
	},
	/// Shape and offsets of a tensor do not agree.
	#[error("tensor {tensor}: shape {shape:?} does not fill bytes {start} to {end}")]
	Size {
		/// The tensor.
		tensor: String,
		/// Its shape.
		shape: Vec<usize>,
		/// First byte.
		start: u64,
		/// Byte after the last.
		end: u64,
	},
	/// A tensor overlaps another, leaves a gap, or lies outside the file.
	#[error("tensor {tensor}: bytes {start} to {end}, must begin at {expected} and end within {available}")]
	Offsets {
		/// The tensor.
		tensor: String,
		/// First byte.
		start: u64,
		/// Byte after the last.
		end: u64,
		/// Where it must begin.
		expected: u64,
		/// Bytes of data.
		available: u64,
	},
	/// Data go on after the last tensor.
	#[error("{got} bytes of data, the tensors have {expected}")]
	DataLength {
		/// Bytes of all tensors.
		expected: u64,
		/// Bytes given.
		got: u64,
	},
	/// Numbers of a kind that does not become f32 exactly.
	#[error("tensor {tensor}: numbers of kind {got}, must be F32, F16 or BF16")]
	Kind {
		/// The tensor.
		tensor: String,
		/// Its kind.
		got: String,
	},
	/// A tensor has another shape than the architecture gives it.
	#[error("tensor {tensor}: shape {got:?}, the configuration asks for {expected:?}")]
	Shape {
		/// The tensor.
		tensor: String,
		/// By the architecture.
		expected: Vec<usize>,
		/// In the file.
		got: Vec<usize>,
	},
	/// A tensor of the architecture is not there.
	#[error("tensor {tensor} is missing")]
	MissingTensor {
		/// The tensor.
		tensor: String,
	},
	/// A tensor has no place in the architecture.
	#[error("tensor {tensor} has no place in this architecture")]
	UnexpectedTensor {
		/// The tensor.
		tensor: String,
	},
	/// The head is not the token table, although the configuration says so.
	#[error("lm_head.weight differs from the token table, to which the configuration ties it")]
	HeadNotTied,
	/// A number is infinite or not a number.
	#[error("tensor {tensor}: number {index} is {value}")]
	NotFinite {
		/// The tensor.
		tensor: String,
		/// Index inside the tensor, row-major.
		index: u64,
		/// The number.
		value: String,
	},
}

/// An error of the model library.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Error {
	// Architecture.
	/// A size of the architecture is outside its bounds.
	#[error("{field} is {got}, must be {min} to {max}")]
	ConfigOutOfBounds {
		/// Field of [`crate::Config`].
		field: &'static str,
		/// Value given.
		got: u32,
		/// Smallest allowed.
		min: u32,
		/// Largest allowed.
		max: u32,
	},
	/// Heads cannot share the model dimension evenly.
	#[error("d_model {d_model} is not divisible by n_heads {n_heads}")]
	HeadsDoNotDivide {
		/// Model dimension.
		d_model: u32,
		/// Heads.
		n_heads: u32,
	},
	/// The model would be too large.
	#[error("the architecture has {got} parameters, at most {max} are supported")]
	TooManyParameters {
		/// Parameters of the architecture.
		got: u64,
		/// Largest number allowed.
		max: u64,
	},

	// Parameters.
	/// A vector does not have one number for each parameter.
	#[error("{got} numbers given for {expected} parameters: is this another architecture?")]
	ParameterCount {
		/// Parameters of the architecture.
		expected: usize,
		/// Numbers given.
		got: usize,
	},
	/// There is no such tensor.
	#[error("no tensor is named {name}")]
	UnknownTensor {
		/// Name asked for.
		name: String,
	},
	/// A parameter cannot be written in Q7.24.
	#[error("{tensor}[{index}] is {value}, but fixed point holds magnitudes below 128: scale the model down before import")]
	OutOfFixedPoint {
		/// Tensor that holds it.
		tensor: String,
		/// Index inside the tensor, row-major.
		index: usize,
		/// The value.
		value: f32,
	},

	// Batches.
	/// A batch has no sequence.
	#[error("the batch is empty: give at least one sequence of two tokens")]
	EmptyBatch,
	/// A sequence is too short to have a target.
	#[error("sequence {sequence} has {got} tokens, needs at least 2 to predict one from another")]
	SequenceTooShort {
		/// Index in the batch.
		sequence: usize,
		/// Its tokens.
		got: usize,
	},
	/// A sequence does not fit the context.
	#[error("sequence {sequence} has {got} positions, the context holds {context_length}: cut it into pieces")]
	SequenceTooLong {
		/// Index in the batch.
		sequence: usize,
		/// Its positions (tokens less one).
		got: usize,
		/// Context of the model.
		context_length: u32,
	},
	/// A token is not in the vocabulary.
	#[error("token {token} is outside the vocabulary of {vocab_size}: was the text encoded with this model's tokenizer?")]
	TokenOutOfVocabulary {
		/// The token id.
		token: u32,
		/// Size of the vocabulary.
		vocab_size: u32,
	},
	/// A batch cannot be split so often.
	#[error("{got} micro-batches asked for, must be 1 to {max}")]
	MicroBatches {
		/// Number asked for.
		got: usize,
		/// Largest allowed.
		max: usize,
	},

	// Training.
	/// A training constant is outside its range.
	#[error("{field} is {got}, must be {range}")]
	HyperOutOfRange {
		/// Field of [`crate::Hyper`].
		field: &'static str,
		/// Value given.
		got: f32,
		/// The range in words.
		range: &'static str,
	},
	/// A number became infinite or not a number.
	#[error("a {quantity} is not finite at step {step}: lower the learning rate, or check the base version")]
	NotFinite {
		/// Which number.
		quantity: Quantity,
		/// Steps taken before.
		step: u64,
	},
	/// Bytes are not a training state.
	#[error("not a training state: {defect:?}")]
	BadState {
		/// What is wrong.
		defect: StateDefect,
	},

	// Machine.
	/// The processor lacks the instructions.
	#[error("this processor cannot run the {kernel:?} kernel")]
	KernelUnavailable {
		/// The kernel asked for.
		kernel: Kernel,
	},
	/// A thread computes in another float mode.
	#[error("worker thread {thread:?} violates {mode:?}: a library in this process changed the floating-point control register")]
	FloatEnvironment {
		/// Index in the pool, `None` for the calling thread.
		thread: Option<usize>,
		/// What does not hold.
		mode: FloatMode,
	},

	// Text.
	/// A tokenizer file cannot be used.
	#[error("unusable tokenizer file: {defect:?}")]
	BadTokenizer {
		/// What is wrong.
		defect: TokenizerDefect,
	},
	/// The size asked for leaves no room, or is too large.
	#[error("a vocabulary of {got} was asked for, must be {min} to {max}, of which four are special tokens")]
	VocabularySize {
		/// Size asked for.
		got: u32,
		/// Smallest allowed.
		min: u32,
		/// Largest allowed.
		max: u32,
	},
	/// There is no character to learn.
	#[error("the texts hold no character: nothing to build a vocabulary from")]
	NoCharacters,
	/// The tokenizer refused a text.
	#[error("a text of {bytes} bytes could not be encoded")]
	Encoding {
		/// Length of the text.
		bytes: usize,
	},
	/// The tokenizer refused token ids.
	#[error("{tokens} tokens could not be decoded")]
	Decoding {
		/// Number of tokens.
		tokens: usize,
	},

	// Generation.
	/// A sampling parameter is outside its range.
	#[error("{field} is {got}, must be {min} to {max}")]
	SamplingOutOfRange {
		/// Field of [`crate::Sampling`].
		field: &'static str,
		/// Value given.
		got: u32,
		/// Smallest allowed.
		min: u32,
		/// Largest allowed.
		max: u32,
	},
	/// There is nothing to continue.
	#[error("the prompt has no tokens: begin it with the beginning-of-text token")]
	EmptyPrompt,
	/// The prompt does not fit.
	#[error("the prompt has {got} tokens, the context holds {context_length}: shorten it")]
	PromptTooLong {
		/// Tokens of the prompt.
		got: usize,
		/// Context of the model.
		context_length: u32,
	},

	// Constraints, batches of texts, formats of others.
	/// A stop string can never or always match, or is too long to look for.
	#[error("a stop string has {bytes} bytes, must be 1 to {max}")]
	StopString {
		/// Its length.
		bytes: usize,
		/// Longest allowed.
		max: usize,
	},
	/// A form of lines cannot be written.
	#[error("line {line} of the form: {defect:?}")]
	LineForm {
		/// Index of the line.
		line: usize,
		/// What is wrong.
		defect: LineDefect,
	},
	/// The text that the prompt already holds breaks the form.
	#[error("character {at} of the opening, {character:?}, has no place in the form: shorten the opening or change the form")]
	OpeningOutsideForm {
		/// Its index, in characters.
		at: usize,
		/// The character.
		character: char,
	},
	/// A tokenizer and a model do not belong together.
	#[error("the tokenizer has {tokenizer} tokens, the model {model}: take the tokenizer that the model was trained with")]
	VocabularyMismatch {
		/// Tokens of the tokenizer.
		tokenizer: u32,
		/// Tokens of the model.
		model: u32,
	},
	/// One request of a batch is wrong, so none was begun.
	#[error("request {index} of the batch: {error}")]
	Request {
		/// Its index.
		index: usize,
		/// What is wrong with it.
		error: Box<Error>,
	},
	/// A file of a model's folder cannot be used.
	#[error("{file}: {defect}")]
	BadFile {
		/// Its name.
		file: &'static str,
		/// What is wrong.
		defect: FileDefect,
	},
}
