//! A model that reads tokens of several texts side by side and predicts the next one of each.
//!
//! Must not know: how tokens are chosen. Source: numeric specification, section 6.
//! Invariants: what a text's neighbours are, how many there are, and in what pieces it is read, cannot be seen in its logits;
//! reading one token of each text allocates nothing once buffers have grown, but for the list that threads share.

use rayon::prelude::*;

use crate::kernels::Kernel;
use crate::layers::attention::Cache;
use crate::network::{Activations, Network};
use crate::parameters::Parameters;

/// One text: its keys and values.
struct Memory {
	/// One a layer.
	caches: Vec<Cache>,
	/// Tokens read.
	position: usize,
}

/// How many tokens of which text are read; at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Turn {
	pub(crate) text: usize,
	pub(crate) tokens: usize,
}

/// A model with the memories of some texts.
pub(crate) struct Decoder<'a> {
	network: Network,
	parameters: &'a [f32],
	memories: Vec<Memory>,
	activations: Activations,
	/// The residual stream before and after a block, `[n, C]`.
	streams: [Vec<f32>; 2],
	stats: Vec<f32>,
	positions: Vec<u32>,
	/// Normalised rows that the head reads, `[turns, C]`.
	last: Vec<f32>,
	/// `[turns, V]`
	logits: Vec<f32>,
}

impl<'a> Decoder<'a> {
	/// Room for `texts` texts.
	pub(crate) fn new(parameters: &'a Parameters, kernel: Kernel, texts: usize) -> Self {
		let layout = parameters.layout().clone();
		let network = Network::new(*parameters.config(), layout, kernel);
		let cache = Cache::new(network.heads(), network.config.context_length as usize);
		let memory = || Memory {
			caches: vec![cache.clone(); network.n_layers()],
			position: 0,
		};
		Self {
			memories: (0..texts).map(|_| memory()).collect(),
			network,
			parameters: parameters.as_slice(),
			activations: Activations::default(),
			streams: [Vec::new(), Vec::new()],
			stats: Vec::new(),
			positions: Vec::new(),
			last: Vec::new(),
			logits: Vec::new(),
		}
	}

	/// V
	pub(crate) fn vocabulary(&self) -> usize {
		self.network.vocabulary()
	}

	/// Tokens of `text` that still fit the context.
	pub(crate) fn room(&self, text: usize) -> usize {
		self.network.config.context_length as usize - self.memories[text].position
	}

	/// Reads tokens of a decoder's first text.
	#[cfg(test)]
	pub(crate) fn read_first(&mut self, tokens: &[u32]) -> &[f32] {
		let turn = Turn {
			text: 0,
			tokens: tokens.len(),
		};
		self.read(&[turn], tokens)
	}

	/// Those of the last [`Decoder::read`], `[turns, V]`.
	pub(crate) fn logits(&self) -> &[f32] {
		&self.logits
	}

	/// Reads the `tokens` of all `turns`, one after the other: turns are of different texts in ascending order, each of at
	/// least one token and at most [`Decoder::room`]. Gives the logits `[turns, V]` of what follows the last of each,
	/// which [`Decoder::logits`] gives again.
	pub(crate) fn read(&mut self, turns: &[Turn], tokens: &[u32]) -> &[f32] {
		let Self {
			network,
			parameters,
			memories,
			..
		} = self;
		let (c, v, n) = (network.d_model(), network.vocabulary(), tokens.len());
		let kernel = network.kernel;
		self.activations.reserve(&network.config, n);
		for stream in &mut self.streams {
			stream.resize(n * c, 0.0);
		}
		self.stats.resize(n * 2, 0.0);
		self.positions.clear();
		for turn in turns {
			let first = memories[turn.text].position;
			// Below the context length, so positions fit.
			self.positions
				.extend((first..first + turn.tokens).map(|position| position as u32));
		}
		let [x, y] = &mut self.streams;
		network.embed(parameters, tokens, &self.positions, x);
		for layer in 0..network.n_layers() {
			network.block(
				parameters,
				layer,
				x,
				&mut self.activations,
				y,
				|qkv, out, _| attend(kernel, memories, turns, layer, qkv, out),
			);
			core::mem::swap(x, y);
		}
		network.finish(parameters, x, y, &mut self.stats);
		self.last.clear();
		let mut end = 0;
		for turn in turns {
			end += turn.tokens;
			self.last.extend_from_slice(&y[(end - 1) * c..end * c]);
			memories[turn.text].position += turn.tokens;
		}
		self.logits.resize(turns.len() * v, 0.0);
		network.head(parameters, &self.last, &mut self.logits);
		&self.logits
	}
}

/// Attention of one layer: each turn over the memory of its text; `qkv` and `out` have one row a token.
fn attend(
	kernel: Kernel,
	memories: &mut [Memory],
	turns: &[Turn],
	layer: usize,
	qkv: &[f32],
	out: &mut [f32],
) {
	if let [turn] = turns {
		let memory = &mut memories[turn.text];
		memory.caches[layer].forward(kernel, memory.position, qkv, out);
		return;
	}
	let rows = turns.iter().map(|turn| turn.tokens).sum::<usize>().max(1);
	let (width, out_width) = (qkv.len() / rows, out.len() / rows);
	let (mut memories, mut skipped) = (memories.iter_mut(), 0);
	let (mut qkv, mut out) = (qkv, out);
	let mut work = Vec::with_capacity(turns.len());
	for turn in turns {
		let (own, other) = qkv.split_at(turn.tokens * width);
		let (own_out, other_out) = core::mem::take(&mut out).split_at_mut(turn.tokens * out_width);
		(qkv, out) = (other, other_out);
		if let Some(memory) = memories.nth(turn.text - skipped) {
			work.push((memory, own, own_out));
		}
		skipped = turn.text + 1;
	}
	work.into_par_iter().for_each(|(memory, qkv, out)| {
		memory.caches[layer].forward(kernel, memory.position, qkv, out);
	});
}
