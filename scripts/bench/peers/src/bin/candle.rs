//! The small model in candle: its tensors, its autograd, its AdamW.

use anyhow::Result;
use bench_peers::{Report, Run};
use candle_core::{backprop::GradStore, DType, Device, Tensor, Var, D};
use candle_nn::{loss::cross_entropy, ops::softmax, AdamW, Optimizer, ParamsAdamW};
use std::time::Instant;

struct Norm {
	gain: Var,
	bias: Var,
}

impl Norm {
	fn forward(&self, x: &Tensor) -> Result<Tensor> {
		let centred = x.broadcast_sub(&x.mean_keepdim(D::Minus1)?)?;
		let variance = centred.sqr()?.mean_keepdim(D::Minus1)?;
		let normed = centred.broadcast_div(&(variance + 1e-5)?.sqrt()?)?;
		Ok(normed
			.broadcast_mul(&self.gain)?
			.broadcast_add(&self.bias)?)
	}
}

struct Affine {
	weight: Var,
	bias: Var,
}

impl Affine {
	/// `x` [M, I]; the weight is [I, O].
	fn forward(&self, x: &Tensor) -> Result<Tensor> {
		Ok(x.matmul(&self.weight)?.broadcast_add(&self.bias)?)
	}
}

struct Block {
	ln_1: Norm,
	c_attn: Affine,
	attn_proj: Affine,
	ln_2: Norm,
	c_fc: Affine,
	mlp_proj: Affine,
}

struct Model {
	wte: Var,
	wpe: Var,
	blocks: Vec<Block>,
	ln_f: Norm,
	heads: usize,
	/// `[T, T]`, minus infinity above the diagonal.
	mask: Tensor,
}

fn var(run: &mut Run, shape: &[usize]) -> Result<Var> {
	let values = run.take(shape.iter().product());
	Ok(Var::from_tensor(&Tensor::from_vec(
		values,
		shape,
		&Device::Cpu,
	)?)?)
}

impl Model {
	fn load(run: &mut Run) -> Result<Self> {
		let config = run.config.clone();
		let (c, f, t) = (config.d_model, config.d_ff, config.length);
		let wte = var(run, &[config.vocab_size, c])?;
		let wpe = var(run, &[config.context_length, c])?;
		let mut blocks = Vec::new();
		for _ in 0..config.n_layers {
			let mut affine = |inputs, outputs| -> Result<Affine> {
				Ok(Affine {
					weight: var(run, &[inputs, outputs])?,
					bias: var(run, &[outputs])?,
				})
			};
			// A norm is an affine map as far as the layout is concerned.
			let ln_1 = affine(1, c)?;
			let (c_attn, attn_proj) = (affine(c, 3 * c)?, affine(c, c)?);
			let ln_2 = affine(1, c)?;
			let (c_fc, mlp_proj) = (affine(c, f)?, affine(f, c)?);
			let norm = |map: Affine| -> Result<Norm> {
				Ok(Norm {
					gain: Var::from_tensor(&map.weight.flatten_all()?)?,
					bias: map.bias,
				})
			};
			blocks.push(Block {
				ln_1: norm(ln_1)?,
				c_attn,
				attn_proj,
				ln_2: norm(ln_2)?,
				c_fc,
				mlp_proj,
			});
		}
		let mask: Vec<f32> = (0..t)
			.flat_map(|i| (0..t).map(move |j| if j > i { f32::NEG_INFINITY } else { 0.0 }))
			.collect();
		Ok(Self {
			wte,
			wpe,
			blocks,
			ln_f: Norm {
				gain: var(run, &[c])?,
				bias: var(run, &[c])?,
			},
			heads: config.n_heads,
			mask: Tensor::from_vec(mask, (t, t), &Device::Cpu)?,
		})
	}

	/// Variables with and without decay.
	fn variables(&self) -> (Vec<Var>, Vec<Var>) {
		let mut all = vec![self.wte.clone(), self.wpe.clone()];
		for block in &self.blocks {
			for norm in [&block.ln_1, &block.ln_2] {
				all.extend([norm.gain.clone(), norm.bias.clone()]);
			}
			for map in [
				&block.c_attn,
				&block.attn_proj,
				&block.c_fc,
				&block.mlp_proj,
			] {
				all.extend([map.weight.clone(), map.bias.clone()]);
			}
		}
		all.extend([self.ln_f.gain.clone(), self.ln_f.bias.clone()]);
		all.into_iter().partition(|var| var.rank() > 1)
	}

	fn loss(&self, inputs: Vec<u32>, targets: Vec<u32>, batch: usize) -> Result<Tensor> {
		let rows = inputs.len();
		let (length, c) = (rows / batch, self.wte.dim(1)?);
		let tokens = Tensor::from_vec(inputs, rows, &Device::Cpu)?;
		let positions = self.wpe.narrow(0, 0, length)?;
		let mut x = self
			.wte
			.embedding(&tokens)?
			.reshape((batch, length, c))?
			.broadcast_add(&positions)?
			.reshape((rows, c))?;
		let d = c / self.heads;
		for block in &self.blocks {
			let qkv = block.c_attn.forward(&block.ln_1.forward(&x)?)?;
			let part = |index: usize| -> Result<Tensor> {
				Ok(qkv
					.narrow(1, index * c, c)?
					.reshape((batch, length, self.heads, d))?
					.transpose(1, 2)?
					.contiguous()?)
			};
			let (q, k, v) = (part(0)?, part(1)?, part(2)?);
			let scores = (q.matmul(&k.t()?)? / (d as f64).sqrt())?;
			let weights = softmax(&scores.broadcast_add(&self.mask)?, D::Minus1)?;
			let attended = weights.matmul(&v)?.transpose(1, 2)?.reshape((rows, c))?;
			x = (x + block.attn_proj.forward(&attended)?)?;
			let wide = block.c_fc.forward(&block.ln_2.forward(&x)?)?.gelu()?;
			x = (x + block.mlp_proj.forward(&wide)?)?;
		}
		let logits = self.ln_f.forward(&x)?.matmul(&self.wte.t()?)?;
		Ok(cross_entropy(
			&logits,
			&Tensor::from_vec(targets, rows, &Device::Cpu)?,
		)?)
	}
}

/// Scales all gradients to a global norm of at most 1.
fn clip(gradients: &mut GradStore, variables: &[Var]) -> Result<()> {
	let mut squares = 0.0;
	for var in variables {
		if let Some(gradient) = gradients.get(var) {
			squares += f64::from(
				gradient
					.sqr()?
					.sum_all()?
					.to_dtype(DType::F32)?
					.to_scalar::<f32>()?,
			);
		}
	}
	let norm = squares.sqrt();
	if norm > 1.0 {
		for var in variables {
			if let Some(gradient) = gradients.remove(var) {
				gradients.insert(var, (gradient / norm)?);
			}
		}
	}
	Ok(())
}

fn main() -> Result<()> {
	let mut run = Run::from_arguments()?;
	let model = Model::load(&mut run)?;
	let (decayed, others) = model.variables();
	let all: Vec<Var> = decayed.iter().chain(&others).cloned().collect();
	let constants = |weight_decay| ParamsAdamW {
		lr: 1e-3,
		beta1: 0.9,
		beta2: run.config.beta2,
		eps: 1e-8,
		weight_decay,
	};
	let mut optimisers = [
		AdamW::new(decayed, constants(0.1))?,
		AdamW::new(others, constants(0.0))?,
	];
	let mut report = Report::default();
	for step in 0..run.steps {
		let clock = Instant::now();
		let (inputs, targets) = run.batch(step);
		let loss = model.loss(inputs, targets, run.config.batch)?;
		let mut gradients = loss.backward()?;
		clip(&mut gradients, &all)?;
		for optimiser in &mut optimisers {
			optimiser.step(&gradients)?;
		}
		report.losses.push(f64::from(loss.to_scalar::<f32>()?));
		report.seconds.push(clock.elapsed().as_secs_f64());
	}
	report.print(&run.config)
}
