//! Texts from a model and its tokenizer: constraints, streaming, several at once.
//!
//! Must not know: receipts, files. Source: numeric specification, section 11.
//! Invariants: a text depends on its own request alone, not on the others of its batch; nothing is begun before every
//! request was found to be in order.

use super::decoder::{Decoder, Turn};
use super::text::TextStream;
use crate::environment::{check_float_environment, in_order};
use crate::error::{Error, Result};
use crate::evaluate::check_tokens;
use crate::kernels::{crew, Kernel};
use crate::parameters::Parameters;
use crate::sampling::{Constraints, LogitMask, Sampler, Sampling};
use crate::tokenizer::Tokenizer;

/// Why a text is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Finish {
	/// The model chose the end-of-text token.
	EndOfText,
	/// A stop string came up.
	StopString,
	/// It has `max_tokens` tokens.
	MaxTokens,
	/// The context is full.
	ContextFull,
	/// The mask allows no token.
	NothingAllowed,
}

/// What to write.
pub struct Request<'a> {
	/// Tokens to go on from (see [`Writer::prompt`]).
	pub prompt: Vec<u32>,
	/// How tokens are drawn.
	pub sampling: Sampling,
	/// What else bounds the text.
	pub constraints: Constraints,
	/// Seed of the draws.
	pub seed: [u8; 32],
	/// Forbids tokens.
	pub mask: Option<&'a mut dyn LogitMask>,
	/// Called with each new part of the text: whole characters, never a part of a stop string.
	pub on_text: Option<&'a mut dyn FnMut(&str)>,
}

impl Request<'_> {
	/// A request without constraints, mask and callback.
	pub fn new(prompt: Vec<u32>, sampling: Sampling, seed: [u8; 32]) -> Self {
		Self {
			prompt,
			sampling,
			constraints: Constraints::default(),
			seed,
			mask: None,
			on_text: None,
		}
	}
}

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
	/// The text after the prompt, up to the stop string if one came up.
	pub text: String,
	/// The tokens drawn, without the end-of-text token.
	pub tokens: Vec<u32>,
	/// Why it is over.
	pub finish: Finish,
}

/// A model and its tokenizer.
///
/// ```
/// use transformer::{
///     init, train_characters, Config, Constraints, LineForm, LineMask, Request, Sampling, Tokenizer, Writer,
/// };
///
/// let tokenizer = Tokenizer::from_bytes(&train_characters(&["ab cd\n"], 100)?)?;
/// // V, T, L, H, C, F
/// let config = Config::from_array([tokenizer.vocab_size(), 32, 1, 2, 8, 16]);
/// let parameters = init(config, [0; 32])?;
/// let writer = Writer::new(&parameters, &tokenizer)?;
/// let sampling = Sampling { temperature_milli: 800, top_k: 0, top_p_milli: 950, max_tokens: 30 };
///
/// // Two lines of four characters.
/// let mut mask = LineMask::new(&tokenizer, &LineForm::even(2, 4..=4), "")?;
/// let mut shown = String::new();
/// let mut show = |part: &str| shown.push_str(part);
/// let mut request = Request::new(writer.prompt("")?, sampling, [1; 32]);
/// request.constraints = Constraints { min_p_milli: 50, ..Constraints::default() };
/// request.mask = Some(&mut mask);
/// request.on_text = Some(&mut show);
/// let written = writer.write(request)?;
/// assert_eq!(written.text.lines().map(|line| line.chars().count()).collect::<Vec<_>>(), [4, 4]);
/// assert_eq!(written.text, shown);
/// # Ok::<(), transformer::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Writer<'a> {
	parameters: &'a Parameters,
	tokenizer: &'a Tokenizer,
	kernel: Kernel,
}

impl<'a> Writer<'a> {
	/// Brings the two together, with the fastest kernel of this processor.
	///
	/// # Errors
	/// - [`Error::VocabularyMismatch`]
	pub fn new(parameters: &'a Parameters, tokenizer: &'a Tokenizer) -> Result<Self> {
		let (got, model) = (tokenizer.vocab_size(), parameters.config().vocab_size);
		if got != model {
			return Err(Error::VocabularyMismatch {
				tokenizer: got,
				model,
			});
		}
		Ok(Self {
			parameters,
			tokenizer,
			kernel: Kernel::detect(),
		})
	}

	/// Forces a kernel; texts do not change.
	///
	/// # Errors
	/// - [`Error::KernelUnavailable`]
	pub fn with_kernel(mut self, kernel: Kernel) -> Result<Self> {
		self.kernel = kernel.require()?;
		Ok(self)
	}

	/// Beginning of text, if there is such a token, and `text`.
	///
	/// # Errors
	/// - [`Error::Encoding`]
	pub fn prompt(&self, text: &str) -> Result<Vec<u32>> {
		let mut prompt = Vec::from_iter(self.tokenizer.specials().begin);
		prompt.extend(self.tokenizer.encode(text)?);
		Ok(prompt)
	}

	/// Writes one text.
	///
	/// # Errors
	/// - [`Error::EmptyPrompt`], [`Error::PromptTooLong`], [`Error::TokenOutOfVocabulary`]
	/// - [`Error::SamplingOutOfRange`], [`Error::StopString`]
	/// - [`Error::FloatEnvironment`]
	/// - [`Error::NotFinite`]: the model's logits are not
	pub fn write(&self, request: Request<'_>) -> Result<Written> {
		self.check(&request)?;
		let mut written = self.run(vec![request])?;
		// One request gives one text.
		written.pop().ok_or(Error::EmptyBatch)
	}

	/// Writes several texts side by side, reading the parameters once for all of them: faster than one by one, and each the
	/// same as by [`Writer::write`].
	///
	/// # Errors
	/// - [`Error::EmptyBatch`]
	/// - [`Error::Request`]: as [`Writer::write`], with the request's index
	/// - [`Error::FloatEnvironment`], [`Error::NotFinite`]
	pub fn write_batch(&self, requests: Vec<Request<'_>>) -> Result<Vec<Written>> {
		if requests.is_empty() {
			return Err(Error::EmptyBatch);
		}
		for (index, request) in requests.iter().enumerate() {
			self.check(request).map_err(|error| Error::Request {
				index,
				error: Box::new(error),
			})?;
		}
		self.run(requests)
	}

	fn check(&self, request: &Request<'_>) -> Result<()> {
		request.sampling.validate()?;
		request.constraints.validate()?;
		check_tokens(self.parameters, &request.prompt)
	}

	fn run(&self, requests: Vec<Request<'_>>) -> Result<Vec<Written>> {
		check_float_environment()?;
		let specials = self.tokenizer.specials();
		let mut decoder = Decoder::new(self.parameters, self.kernel, requests.len());
		let mut texts: Vec<Text> = Vec::with_capacity(requests.len());
		let mut streams: Vec<TextStream> = Vec::with_capacity(requests.len());
		let mut callbacks = Vec::with_capacity(requests.len());
		for request in requests {
			let mut sampler = Sampler::new(
				request.sampling,
				&request.constraints,
				specials.never.clone(),
				self.kernel,
				request.seed,
			);
			sampler.saw(&request.prompt);
			streams.push(TextStream::new(request.constraints.stop));
			callbacks.push(request.on_text);
			texts.push(Text {
				sampler,
				mask: request.mask,
				end: specials.end,
				limit: request.sampling.max_tokens as usize,
				prompt: request.prompt,
				tokens: Vec::new(),
				finish: None,
			});
		}
		decode(&mut decoder, &mut texts, &mut |text, token| {
			let stream = &mut streams[text];
			let part = stream.push(self.tokenizer.piece(token));
			if let Some(callback) = callbacks[text].as_mut().filter(|_| !part.is_empty()) {
				callback(part);
			}
			!stream.stopped()
		})?;
		let parts = texts.into_iter().zip(streams).zip(callbacks);
		Ok(parts
			.map(|((text, mut stream), callback)| {
				let part = stream.finish();
				if let Some(callback) = callback.filter(|_| !part.is_empty()) {
					callback(part);
				}
				Written {
					text: stream.into_text(),
					tokens: text.tokens,
					// Every text of a finished run is over.
					finish: text.finish.unwrap_or(Finish::ContextFull),
				}
			})
			.collect())
	}
}

/// A text in the making.
pub(super) struct Text<'a> {
	pub(super) sampler: Sampler,
	pub(super) mask: Option<&'a mut dyn LogitMask>,
	/// The end-of-text token.
	pub(super) end: Option<u32>,
	/// Most tokens.
	pub(super) limit: usize,
	pub(super) prompt: Vec<u32>,
	/// Tokens since the prompt.
	pub(super) tokens: Vec<u32>,
	pub(super) finish: Option<Finish>,
}

impl Text<'_> {
	/// Chooses the next token; `goes_on` is told and may end the text.
	fn choose(
		&mut self,
		logits: &[f32],
		room: usize,
		goes_on: &mut dyn FnMut(u32) -> bool,
	) -> Result<()> {
		// A mask that lives longer serves for this call.
		let mask = self
			.mask
			.as_mut()
			.map(|mask| &mut **mask as &mut dyn LogitMask);
		let Some(token) = self.sampler.choose(logits, mask, &self.tokens)? else {
			self.finish = Some(Finish::NothingAllowed);
			return Ok(());
		};
		if Some(token) == self.end {
			self.finish = Some(Finish::EndOfText);
			return Ok(());
		}
		self.tokens.push(token);
		self.sampler.saw(&[token]);
		self.finish = if !goes_on(token) {
			Some(Finish::StopString)
		} else if self.tokens.len() == self.limit {
			Some(Finish::MaxTokens)
		} else if room == 0 {
			Some(Finish::ContextFull)
		} else {
			None
		};
		Ok(())
	}
}

/// Writes all `texts` to their end. `goes_on(text, token)` hears of each token and says whether its text goes on.
pub(super) fn decode(
	decoder: &mut Decoder<'_>,
	texts: &mut [Text<'_>],
	goes_on: &mut dyn FnMut(usize, u32) -> bool,
) -> Result<()> {
	let v = decoder.vocabulary();
	// Prompts one by one, so that memory does not grow with their sum.
	for (index, text) in texts.iter_mut().enumerate() {
		let turn = Turn {
			text: index,
			tokens: text.prompt.len(),
		};
		crew::work(in_order, || {
			decoder.read(&[turn], &text.prompt);
		});
		let room = decoder.room(index);
		text.choose(decoder.logits(), room, &mut |token| goes_on(index, token))?;
	}
	let (mut turns, mut tokens) = (Vec::new(), Vec::new());
	loop {
		turns.clear();
		tokens.clear();
		for (index, text) in texts.iter().enumerate() {
			if let (None, Some(token)) = (text.finish, text.tokens.last()) {
				turns.push(Turn {
					text: index,
					tokens: 1,
				});
				tokens.push(*token);
			}
		}
		if turns.is_empty() {
			return Ok(());
		}
		crew::work(in_order, || {
			decoder.read(&turns, &tokens);
		});
		for (turn, row) in turns.iter().zip(0..) {
			let logits = &decoder.logits()[row * v..(row + 1) * v];
			let room = decoder.room(turn.text);
			texts[turn.text].choose(logits, room, &mut |token| goes_on(turn.text, token))?;
		}
	}
}
