//! The model as a composition of layers: forward, and the same list read upwards.
//!
//! x = embedding; for each block: x += attention(norm(x)), x += feed-forward(norm(x)); logits = norm(x) token_table^T.
//! The head works on runs of rows, so logits of a whole batch of a large vocabulary never exist at once.
//!
//! Must not know: the optimiser, batches (only rows and the ends of sequences), text.
//! Source: Radford et al. 2019, section 2.3; numeric specification, section 7.
//! Invariants: buffers grow to the largest batch and stay; rows of one batch never meet outside attention, so how a batch
//! is composed cannot be seen in a row.

use crate::config::Config;
use crate::kernels::gemm::{matmul, Matrix, Start};
use crate::kernels::reduce::{add, add_to};
use crate::kernels::Kernel;
use crate::layers::attention::{self, Heads};
use crate::layers::{cross_entropy, embedding, gelu, layer_norm, linear};
use crate::parameters::{BlockTensor, Layout};

/// Numbers of the logits that exist at a time: 64 MiB.
const HEAD_LOGITS: usize = 1 << 24;

/// What a block keeps for its backward pass.
#[derive(Clone, Debug, Default)]
pub(crate) struct Activations {
	/// `[M, C]`, `[M, 2]`
	ln_1: Vec<f32>,
	ln_1_stats: Vec<f32>,
	/// `[M, 3C]`
	qkv: Vec<f32>,
	/// `[M, C]`, `[M, H, 2]`
	attended: Vec<f32>,
	attention_stats: Vec<f32>,
	/// `[M, C]`: the residual stream between the two halves.
	middle: Vec<f32>,
	/// `[M, C]`, `[M, 2]`
	ln_2: Vec<f32>,
	ln_2_stats: Vec<f32>,
	/// `[M, F]`: before and after the non-linearity.
	wide: Vec<f32>,
	active: Vec<f32>,
}

/// Grows `buffer` to at least `length` numbers.
fn grow(buffer: &mut Vec<f32>, length: usize) {
	if buffer.len() < length {
		buffer.resize(length, 0.0);
	}
}

impl Activations {
	pub(crate) fn reserve(&mut self, config: &Config, rows: usize) {
		let (c, f) = (config.d_model as usize, config.d_ff as usize);
		let heads = config.n_heads as usize;
		for (buffer, width) in [
			(&mut self.ln_1, c),
			(&mut self.ln_1_stats, 2),
			(&mut self.qkv, 3 * c),
			(&mut self.attended, c),
			(&mut self.attention_stats, 2 * heads),
			(&mut self.middle, c),
			(&mut self.ln_2, c),
			(&mut self.ln_2_stats, 2),
			(&mut self.wide, f),
			(&mut self.active, f),
		] {
			grow(buffer, rows * width);
		}
	}
}

/// Sizes and tables that every pass needs.
#[derive(Clone, Debug)]
pub(crate) struct Network {
	pub(crate) config: Config,
	pub(crate) layout: Layout,
	pub(crate) kernel: Kernel,
}

impl Network {
	pub(crate) fn new(config: Config, layout: Layout, kernel: Kernel) -> Self {
		Self {
			config,
			layout,
			kernel,
		}
	}

	pub(crate) fn heads(&self) -> Heads {
		Heads {
			n_heads: self.config.n_heads as usize,
			n_kv_heads: self.config.n_heads as usize,
			d_head: self.config.d_head(),
		}
	}

	/// C
	pub(crate) fn d_model(&self) -> usize {
		self.config.d_model as usize
	}

	/// V
	pub(crate) fn vocabulary(&self) -> usize {
		self.config.vocab_size as usize
	}

	/// Rows that the head works on at a time.
	fn head_rows(&self) -> usize {
		(HEAD_LOGITS / self.vocabulary()).clamp(1, 1024)
	}

	/// L
	pub(crate) fn n_layers(&self) -> usize {
		self.config.n_layers as usize
	}

	/// `x` [M, C] from tokens and their positions.
	pub(crate) fn embed(&self, p: &[f32], tokens: &[u32], positions: &[u32], x: &mut [f32]) {
		let token_table = &p[self.layout.token_table()];
		let position_table = &p[self.layout.position_table()];
		embedding::forward(
			token_table,
			position_table,
			tokens,
			positions,
			self.d_model(),
			x,
		);
	}

	/// One block: `y` from `x`, both [M, C]. `attend(qkv, out, stats)` is the only part that sees other rows.
	pub(crate) fn block(
		&self,
		p: &[f32],
		layer: usize,
		x: &[f32],
		a: &mut Activations,
		y: &mut [f32],
		attend: impl FnOnce(&[f32], &mut [f32], &mut [f32]),
	) {
		use BlockTensor::*;
		let (c, f) = (self.d_model(), self.config.d_ff as usize);
		let rows = x.len() / c;
		let kernel = self.kernel;
		let t = |tensor| &p[self.layout.block(layer, tensor)];
		let ln_1 = &mut a.ln_1[..rows * c];
		let stats = &mut a.ln_1_stats[..rows * 2];
		layer_norm::forward(kernel, x, t(Ln1Gain), t(Ln1Bias), ln_1, stats);
		let qkv = &mut a.qkv[..rows * 3 * c];
		linear::forward(kernel, ln_1, t(AttentionIn), t(AttentionInBias), qkv);
		let attended = &mut a.attended[..rows * c];
		let stats = &mut a.attention_stats[..rows * 2 * self.config.n_heads as usize];
		attend(qkv, attended, stats);
		// `y` carries each half's output until it is added to the stream.
		linear::forward(kernel, attended, t(AttentionOut), t(AttentionOutBias), y);
		let middle = &mut a.middle[..rows * c];
		add(kernel, x, y, middle);
		let ln_2 = &mut a.ln_2[..rows * c];
		let stats = &mut a.ln_2_stats[..rows * 2];
		layer_norm::forward(kernel, middle, t(Ln2Gain), t(Ln2Bias), ln_2, stats);
		let wide = &mut a.wide[..rows * f];
		linear::forward(kernel, ln_2, t(FeedForwardIn), t(FeedForwardInBias), wide);
		let active = &mut a.active[..rows * f];
		gelu::forward(kernel, wide, active);
		linear::forward(kernel, active, t(FeedForwardOut), t(FeedForwardOutBias), y);
		add_to(kernel, middle, y);
	}

	/// The final normalisation.
	pub(crate) fn finish(&self, p: &[f32], x: &[f32], y: &mut [f32], stats: &mut [f32]) {
		let (gain, bias) = (&p[self.layout.final_gain()], &p[self.layout.final_bias()]);
		layer_norm::forward(self.kernel, x, gain, bias, y, stats);
	}

	/// `logits` [R, V] of `hidden` [R, C] by the token table.
	pub(crate) fn head(&self, p: &[f32], hidden: &[f32], logits: &mut [f32]) {
		let (c, v) = (self.d_model(), self.vocabulary());
		let hidden = Matrix::new(hidden, hidden.len() / c, c);
		let table = Matrix::new(&p[self.layout.token_table()], v, c).transposed();
		matmul(self.kernel, hidden, table, None, Start::Zero, logits);
	}
}

/// A network with the buffers of whole passes over runs of sequences.
#[derive(Clone, Debug)]
pub(crate) struct Passes {
	pub(crate) network: Network,
	/// Ends of the sequences of this run, from 0.
	offsets: Vec<usize>,
	/// Input of each block, and the last one's output: L + 1 times `[M, C]`.
	streams: Vec<Vec<f32>>,
	blocks: Vec<Activations>,
	hidden: Vec<f32>,
	hidden_stats: Vec<f32>,
	logits: Vec<f32>,
	scratch: Vec<f32>,
	/// Gradients: of a normalised stream, of q, k and v, of the feed-forward layer.
	dnormed: Vec<f32>,
	dqkv: Vec<f32>,
	dwide: Vec<f32>,
}

impl Passes {
	pub(crate) fn new(network: Network) -> Self {
		let layers = network.n_layers();
		Self {
			network,
			offsets: Vec::new(),
			streams: vec![Vec::new(); layers + 1],
			blocks: vec![Activations::default(); layers],
			hidden: Vec::new(),
			hidden_stats: Vec::new(),
			logits: Vec::new(),
			scratch: Vec::new(),
			dnormed: Vec::new(),
			dqkv: Vec::new(),
			dwide: Vec::new(),
		}
	}

	/// Takes over the ends of a run of sequences and makes room; gives the number of rows.
	fn begin(&mut self, offsets: &[usize]) -> usize {
		let origin = offsets.first().copied().unwrap_or(0);
		self.offsets.clear();
		self.offsets.extend(offsets.iter().map(|end| end - origin));
		let rows = self.offsets.last().copied().unwrap_or(0);
		let c = self.network.d_model();
		for stream in &mut self.streams {
			grow(stream, rows * c);
		}
		for block in &mut self.blocks {
			block.reserve(&self.network.config, rows);
		}
		grow(&mut self.hidden, rows * c);
		grow(&mut self.hidden_stats, rows * 2);
		grow(
			&mut self.logits,
			rows.min(self.network.head_rows()) * self.network.vocabulary(),
		);
		let longest = self
			.offsets
			.windows(2)
			.map(|ends| ends[1] - ends[0])
			.max()
			.unwrap_or(0);
		let pieces = attention::sequence_pieces(&self.offsets, c);
		let wanted = pieces * self.network.heads().scratch(longest);
		// Exactly that, since the attention cuts it into equal pieces.
		self.scratch.resize(wanted, 0.0);
		rows
	}

	/// Computes the hidden state of every row of a run of sequences; `offsets` are the ends of its sequences.
	pub(crate) fn forward(
		&mut self,
		p: &[f32],
		tokens: &[u32],
		positions: &[u32],
		offsets: &[usize],
	) {
		let rows = self.begin(offsets);
		let network = &self.network;
		let (kernel, heads, c) = (network.kernel, network.heads(), network.d_model());
		network.embed(p, tokens, positions, &mut self.streams[0][..rows * c]);
		for (layer, block) in self.blocks.iter_mut().enumerate() {
			let (before, after) = self.streams.split_at_mut(layer + 1);
			let (x, y) = (&before[layer][..rows * c], &mut after[0][..rows * c]);
			let (offsets, scratch) = (&self.offsets, &mut self.scratch);
			network.block(p, layer, x, block, y, |qkv, out, stats| {
				attention::forward(kernel, heads, offsets, qkv, out, stats, scratch);
			});
		}
		let last = &self.streams[network.n_layers()][..rows * c];
		let hidden = &mut self.hidden[..rows * c];
		network.finish(p, last, hidden, &mut self.hidden_stats[..rows * 2]);
	}

	/// Losses of all rows of the last [`Passes::forward`].
	pub(crate) fn losses(&mut self, p: &[f32], targets: &[u32], losses: &mut [f32]) {
		let (c, v) = (self.network.d_model(), self.network.vocabulary());
		let at_a_time = self.network.head_rows();
		let hidden = self.hidden[..targets.len() * c].chunks(at_a_time * c);
		let runs = targets.chunks(at_a_time).zip(losses.chunks_mut(at_a_time));
		for (hidden, (targets, losses)) in hidden.zip(runs) {
			let logits = &mut self.logits[..targets.len() * v];
			self.network.head(p, hidden, logits);
			cross_entropy::rows(self.network.kernel, logits, targets, losses, None);
		}
	}

	/// Logits `[M, V]` of all rows of the last [`Passes::forward`].
	pub(crate) fn logits(&self, p: &[f32], rows: usize, logits: &mut [f32]) {
		let hidden = &self.hidden[..rows * self.network.d_model()];
		self.network.head(p, hidden, logits);
	}

	/// Losses of all rows of the last [`Passes::forward`], and their gradients times `scale`.
	///
	/// `gradient` is continued, but for the embedding, which the caller adds from `dx` [M, C] once all runs are through.
	pub(crate) fn backward(
		&mut self,
		p: &[f32],
		targets: &[u32],
		scale: f32,
		losses: &mut [f32],
		gradient: &mut [f32],
		dx: &mut [f32],
	) {
		let (c, rows) = (self.network.d_model(), targets.len());
		grow(&mut self.dnormed, rows * c);
		grow(&mut self.dqkv, rows * 3 * c);
		grow(&mut self.dwide, rows * self.network.config.d_ff as usize);
		self.head_backward(p, targets, scale, losses, gradient);
		let network = &self.network;
		dx.fill(0.0);
		let (dgain, dbias) = neighbours(
			gradient,
			network.layout.final_gain(),
			network.layout.final_bias(),
		);
		layer_norm::backward(
			network.kernel,
			&self.dnormed[..rows * c],
			&self.streams[network.n_layers()][..rows * c],
			&self.hidden_stats[..rows * 2],
			&p[network.layout.final_gain()],
			dx,
			dgain,
			dbias,
		);
		for layer in (0..network.n_layers()).rev() {
			self.block_backward(p, layer, gradient, dx);
		}
	}

	/// Head and loss: fills `dnormed` with the gradient of the hidden state, continues the token table's.
	fn head_backward(
		&mut self,
		p: &[f32],
		targets: &[u32],
		scale: f32,
		losses: &mut [f32],
		gradient: &mut [f32],
	) {
		let network = &self.network;
		let (kernel, c, v) = (network.kernel, network.d_model(), network.vocabulary());
		let table = Matrix::new(&p[network.layout.token_table()], v, c);
		let dtable = &mut gradient[network.layout.token_table()];
		let mut first = 0;
		let at_a_time = network.head_rows();
		for (targets, losses) in targets.chunks(at_a_time).zip(losses.chunks_mut(at_a_time)) {
			let rows = targets.len();
			let range = first * c..(first + rows) * c;
			let hidden = &self.hidden[range.clone()];
			let logits = &mut self.logits[..rows * v];
			network.head(p, hidden, logits);
			cross_entropy::rows(kernel, logits, targets, losses, Some(scale));
			let dlogits = Matrix::new(logits, rows, v);
			// dh = dlogits E
			matmul(
				kernel,
				dlogits,
				table,
				None,
				Start::Zero,
				&mut self.dnormed[range],
			);
			// dE += dlogits^T h
			let hidden = Matrix::new(hidden, rows, c);
			matmul(
				kernel,
				dlogits.transposed(),
				hidden,
				None,
				Start::Continue,
				dtable,
			);
			first += rows;
		}
	}

	/// One block upwards: `dx` is the gradient of its output before, of its input after.
	fn block_backward(&mut self, p: &[f32], layer: usize, gradient: &mut [f32], dx: &mut [f32]) {
		use BlockTensor::*;
		let network = &self.network;
		let (kernel, c) = (network.kernel, network.d_model());
		let rows = dx.len() / c;
		let a = &self.blocks[layer];
		let t = |tensor| network.layout.block(layer, tensor);
		let dnormed = &mut self.dnormed[..rows * c];
		let dwide = &mut self.dwide[..rows * network.config.d_ff as usize];
		let dqkv = &mut self.dqkv[..rows * 3 * c];
		let (wide, active) = (&a.wide[..dwide.len()], &a.active[..dwide.len()]);

		// Feed-forward half.
		let (dw, db) = neighbours(gradient, t(FeedForwardOut), t(FeedForwardOutBias));
		linear::backward(kernel, dx, active, &p[t(FeedForwardOut)], dwide, dw, db);
		gelu::backward(kernel, wide, dwide);
		let (dw, db) = neighbours(gradient, t(FeedForwardIn), t(FeedForwardInBias));
		let ln_2 = &a.ln_2[..rows * c];
		linear::backward(kernel, dwide, ln_2, &p[t(FeedForwardIn)], dnormed, dw, db);
		let (dgain, dbias) = neighbours(gradient, t(Ln2Gain), t(Ln2Bias));
		let (middle, stats) = (&a.middle[..rows * c], &a.ln_2_stats[..rows * 2]);
		let gain = &p[t(Ln2Gain)];
		layer_norm::backward(kernel, dnormed, middle, stats, gain, dx, dgain, dbias);

		// Attention half.
		let (dw, db) = neighbours(gradient, t(AttentionOut), t(AttentionOutBias));
		let attended = &a.attended[..rows * c];
		linear::backward(kernel, dx, attended, &p[t(AttentionOut)], dnormed, dw, db);
		attention::backward(
			kernel,
			network.heads(),
			&self.offsets,
			&a.qkv[..rows * 3 * c],
			&a.attention_stats,
			dnormed,
			dqkv,
			&mut self.scratch,
		);
		let (dw, db) = neighbours(gradient, t(AttentionIn), t(AttentionInBias));
		let ln_1 = &a.ln_1[..rows * c];
		linear::backward(kernel, dqkv, ln_1, &p[t(AttentionIn)], dnormed, dw, db);
		let (dgain, dbias) = neighbours(gradient, t(Ln1Gain), t(Ln1Bias));
		let (x, stats) = (&self.streams[layer][..rows * c], &a.ln_1_stats[..rows * 2]);
		let gain = &p[t(Ln1Gain)];
		layer_norm::backward(kernel, dnormed, x, stats, gain, dx, dgain, dbias);
	}
}

/// Two tensors that follow one another in the flat vector.
pub(crate) fn neighbours(
	flat: &mut [f32],
	first: core::ops::Range<usize>,
	second: core::ops::Range<usize>,
) -> (&mut [f32], &mut [f32]) {
	debug_assert_eq!(first.end, second.start);
	flat[first.start..second.end].split_at_mut(first.len())
}
