//! Training as a whole: gradients of the model, equal bits, resumption, decoding of states.

use proptest::prelude::*;

use super::*;
use crate::config::Config;
use crate::error::StateDefect;
use crate::init::init;
use crate::kernels::tests::numbers;
use crate::layers::reference;
use crate::optimiser::{Decay, Schedule};
use crate::parameters::Parameters;

const CONFIG: Config = Config {
	vocab_size: 71,
	context_length: 24,
	n_layers: 2,
	n_heads: 4,
	d_model: 64,
	d_ff: 128,
};

/// FNV-1a of 64 bits: enough to tell whether bits moved.
fn hash(bytes: &[u8]) -> u64 {
	bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
		(hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
	})
}

/// Sequences of different lengths, the same on every run.
fn batch(config: &Config, seed: u32) -> Batch {
	let random = |i: u32| i.wrapping_add(seed * 1000).wrapping_mul(2_654_435_769) >> 16;
	let sequences: Vec<Vec<u32>> = (0..8)
		.map(|s| {
			let length = 2 + random(s) % config.context_length;
			(0..length)
				.map(|t| random(100 * s + t) % config.vocab_size)
				.collect()
		})
		.collect();
	Batch::new(&sequences).unwrap()
}

fn hyper() -> Hyper {
	let decay = Decay::Cosine {
		total_steps: 20,
		final_fraction: 0.1,
	};
	let schedule = Schedule {
		offset: 3,
		warmup_steps: 5,
		decay,
	};
	Hyper {
		learning_rate: 3e-3,
		schedule,
		..Hyper::default()
	}
}

fn trainer() -> Trainer {
	Trainer::new(TrainState::new(init(CONFIG, [1; 32]).unwrap())).unwrap()
}

/// Trains some steps; gives reports and bytes.
fn run(mut trainer: Trainer, steps: core::ops::Range<u32>) -> (Vec<StepReport>, Vec<u8>) {
	let reports = steps
		.map(|step| trainer.train_step(&batch(&CONFIG, step), &hyper()).unwrap())
		.collect();
	(reports, trainer.state().to_bytes().unwrap())
}

fn with_threads<T: Send>(threads: usize, body: impl FnOnce() -> T + Send) -> T {
	rayon::ThreadPoolBuilder::new()
		.num_threads(threads)
		.build()
		.unwrap()
		.install(body)
}

/// The model's mean loss in `f64`.
fn reference_loss(config: &Config, layout: &crate::Layout, p: &[f64], batch: &Batch) -> f64 {
	let t = |name: &str| &p[layout.find(name).unwrap().range()];
	let c = config.d_model as usize;
	let sequences = 0..batch.n_sequences();
	let mut x: Vec<f64> = batch
		.inputs()
		.iter()
		.zip(batch.positions())
		.flat_map(|(token, position)| {
			let (token, position) = (*token as usize * c, *position as usize * c);
			(0..c).map(move |j| t("wte.weight")[token + j] + t("wpe.weight")[position + j])
		})
		.collect();
	for layer in 0..config.n_layers {
		let n = |name: &str| t(&format!("h.{layer}.{name}"));
		let plus = |x: &mut [f64], y: Vec<f64>| x.iter_mut().zip(y).for_each(|(x, y)| *x += y);
		let normed = reference::layer_norm(&x, n("ln_1.weight"), n("ln_1.bias"));
		let qkv = reference::linear(&normed, n("attn.c_attn.weight"), n("attn.c_attn.bias"));
		let (heads, d) = (config.n_heads as usize, config.d_head());
		let out = reference::attention(&qkv, batch.offsets(sequences.clone()), heads, d);
		let out = reference::linear(&out, n("attn.c_proj.weight"), n("attn.c_proj.bias"));
		plus(&mut x, out);
		let normed = reference::layer_norm(&x, n("ln_2.weight"), n("ln_2.bias"));
		let mut wide = reference::linear(&normed, n("mlp.c_fc.weight"), n("mlp.c_fc.bias"));
		wide.iter_mut().for_each(|x| *x = reference::gelu(*x));
		plus(
			&mut x,
			reference::linear(&wide, n("mlp.c_proj.weight"), n("mlp.c_proj.bias")),
		);
	}
	let hidden = reference::layer_norm(&x, t("ln_f.weight"), t("ln_f.bias"));
	let table = t("wte.weight");
	let logits: Vec<f64> = hidden
		.chunks_exact(c)
		.flat_map(|row| {
			table
				.chunks_exact(c)
				.map(move |token| reference::dot(row, token))
		})
		.collect();
	reference::cross_entropy(&logits, batch.targets())
}

#[test]
fn the_models_gradient_matches_differences_in_every_tensor() {
	let config = Config::from_array([11, 6, 2, 2, 8, 12]);
	// Larger and rounder than an initialisation, so that no gradient hides in another's rounding.
	let n = config.n_parameters().unwrap();
	let values: Vec<f32> = numbers(n, 3).iter().map(|x| x * 0.1).collect();
	let parameters = Parameters::from_vec(config, values.clone()).unwrap();
	let layout = parameters.layout().clone();
	let batch = Batch::new(&[vec![1, 5, 9, 2], vec![3, 3, 10], vec![4, 0, 7, 7, 1, 6, 2]]).unwrap();
	let mut trainer = Trainer::new(TrainState::new(parameters)).unwrap();
	let loss = trainer.differentiate(&batch);
	let wide = reference::wide(&values);
	let f = |p: &[f64]| reference_loss(&config, &layout, p, &batch);
	assert!((f64::from(loss) - f(&wide)).abs() < 2e-6);
	for tensor in layout.tensors() {
		let range = tensor.range();
		let got = &trainer.gradient[range.clone()];
		let want: Vec<f64> = range
			.clone()
			.map(|i| reference::slope(&f, &wide, i))
			.collect();
		let scale = want.iter().fold(1e-4, |max: f64, x| max.max(x.abs()));
		for (i, (got, want)) in got.iter().zip(&want).enumerate() {
			let error = (f64::from(*got) - want).abs();
			assert!(
				error < 2e-5 * scale,
				"{}[{i}]: {got}, not {want}",
				tensor.name
			);
		}
	}
}

#[test]
fn bits_do_not_depend_on_kernel_threads_or_micro_batches() {
	let want = run(trainer().with_kernel(Kernel::Scalar).unwrap(), 0..3);
	for kernel in Kernel::available() {
		for (threads, micro_batches) in [(1, 1), (2, 2), (3, 4), (4, 1), (2, 100)] {
			let got = with_threads(threads, || {
				let trainer = trainer().with_kernel(kernel).unwrap();
				run(trainer.with_micro_batches(micro_batches).unwrap(), 0..3)
			});
			assert!(
				got == want,
				"{kernel:?}, {threads} threads, {micro_batches} micro-batches"
			);
		}
	}
}

#[test]
fn the_bits_of_a_few_steps_are_frozen() {
	// A change here is a new numeric specification: versions trained under the old one could no longer be replayed.
	let (reports, bytes) = run(trainer(), 0..4);
	let losses: Vec<u32> = reports.iter().map(|report| report.loss.to_bits()).collect();
	assert_eq!(
		(losses, hash(&bytes)),
		(FROZEN_LOSSES.to_vec(), FROZEN_STATE)
	);
}

const FROZEN_LOSSES: [u32; 4] = [0x4089_f7e7, 0x4088_8e42, 0x4085_d589, 0x4083_e032];
const FROZEN_STATE: u64 = 0x3474e79e0ad3f2b3;

#[test]
fn a_state_read_back_at_any_step_goes_on_to_the_same_bits() {
	let whole = run(trainer(), 0..4);
	for cut in 0..4 {
		let (mut reports, bytes) = run(trainer(), 0..cut);
		let state = TrainState::from_bytes(&bytes).unwrap();
		assert_eq!(state.step(), u64::from(cut));
		let (rest, bytes) = run(Trainer::new(state).unwrap(), cut..4);
		reports.extend(rest);
		assert!((reports, bytes) == whole, "cut at {cut}");
	}
}

#[test]
fn loss_falls_on_what_it_sees() {
	let mut trainer = trainer();
	let batch = batch(&CONFIG, 1);
	let hyper = Hyper {
		learning_rate: 3e-3,
		..Hyper::default()
	};
	let first = trainer.train_step(&batch, &hyper).unwrap();
	assert!((first.loss - 71.0_f32.ln()).abs() < 0.1, "{}", first.loss);
	assert_eq!(first.tokens, batch.n_targets());
	for _ in 0..60 {
		trainer.train_step(&batch, &hyper).unwrap();
	}
	let last = trainer.train_step(&batch, &hyper).unwrap();
	assert!(last.loss < 0.5 * first.loss, "{} {}", first.loss, last.loss);
	let evaluation = crate::evaluate(&trainer.state().parameters, &[batch]).unwrap();
	assert!(evaluation.loss < last.loss);
}

#[test]
fn evaluation_does_not_depend_on_batches_and_agrees_with_training() {
	let parameters = init(CONFIG, [1; 32]).unwrap();
	let sequences: Vec<Vec<u32>> = (0..9_u32)
		.map(|s| (0..2 + s * 2).map(|t| (s * 31 + t * 7) % 71).collect())
		.collect();
	let whole = crate::evaluate(&parameters, &[Batch::new(&sequences).unwrap()]).unwrap();
	let single: Vec<Batch> = sequences
		.iter()
		.map(|sequence| Batch::new(&[sequence]).unwrap())
		.collect();
	assert_eq!(crate::evaluate(&parameters, &single).unwrap(), whole);
	for kernel in Kernel::available() {
		let got = with_threads(3, || {
			crate::evaluate::evaluate_with(&parameters, &single, kernel).unwrap()
		});
		assert_eq!(got, whole, "{kernel:?}");
	}
	let mut trainer = Trainer::new(TrainState::new(parameters)).unwrap();
	let report = trainer
		.train_step(&Batch::new(&sequences).unwrap(), &hyper())
		.unwrap();
	assert_eq!(report.loss, whole.loss);
	assert_eq!(
		crate::evaluate(&trainer.state().parameters, &[]),
		Err(Error::EmptyBatch)
	);
}

#[test]
fn refuses_what_does_not_fit_and_leaves_the_state() {
	let mut trainer = trainer();
	let before = trainer.state().clone();
	let long = Batch::new(&[vec![1; 26]]).unwrap();
	let error = Error::SequenceTooLong {
		sequence: 0,
		got: 25,
		context_length: 24,
	};
	assert_eq!(trainer.train_step(&long, &hyper()), Err(error));
	let stranger = Batch::new(&[vec![1, 71]]).unwrap();
	let error = Error::TokenOutOfVocabulary {
		token: 71,
		vocab_size: 71,
	};
	assert_eq!(trainer.train_step(&stranger, &hyper()), Err(error));
	let bad = Hyper {
		beta2: 1.0,
		..hyper()
	};
	let result = trainer.train_step(&batch(&CONFIG, 0), &bad);
	assert!(matches!(
		result,
		Err(Error::HyperOutOfRange { field: "beta2", .. })
	));
	let error = Error::MicroBatches {
		got: 0,
		max: MAX_MICRO_BATCHES,
	};
	assert_eq!(trainer.clone().with_micro_batches(0).err(), Some(error));
	assert_eq!(trainer.into_state(), before);
}

#[test]
fn numbers_out_of_hand_are_errors() {
	let mut values = init(CONFIG, [1; 32]).unwrap().into_vec();
	// Queries and keys whose product overflows.
	let layout = crate::Layout::of(&CONFIG).unwrap();
	for value in &mut values[layout.find("h.0.attn.c_attn.weight").unwrap().range()] {
		*value *= 1e37;
	}
	let state = TrainState::new(Parameters::from_vec(CONFIG, values).unwrap());
	let mut trainer = Trainer::new(state.clone()).unwrap();
	let error = Error::NotFinite {
		quantity: Quantity::Loss,
		step: 0,
	};
	assert_eq!(
		trainer.train_step(&batch(&CONFIG, 0), &hyper()),
		Err(error.clone())
	);
	assert_eq!(trainer.state(), &state);
	assert_eq!(
		crate::evaluate(&state.parameters, &[batch(&CONFIG, 0)]),
		Err(error)
	);
	// A rate that throws the parameters to infinity spends the state.
	let mut trainer = self::trainer();
	let wild = Hyper {
		learning_rate: f32::MAX,
		weight_decay: 10.0,
		..Hyper::default()
	};
	let error = Error::NotFinite {
		quantity: Quantity::Parameter,
		step: 0,
	};
	assert_eq!(trainer.train_step(&batch(&CONFIG, 0), &wild), Err(error));
	assert!(matches!(
		trainer.state().to_bytes(),
		Err(Error::NotFinite { .. })
	));
}

fn small_state() -> Vec<u8> {
	let config = Config::from_array([7, 3, 1, 1, 2, 3]);
	let mut trainer = Trainer::new(TrainState::new(init(config, [2; 32]).unwrap())).unwrap();
	trainer
		.train_step(&Batch::new(&[vec![1, 5, 2]]).unwrap(), &hyper())
		.unwrap();
	trainer.into_state().to_bytes().unwrap()
}

#[test]
fn foreign_bytes_are_named() {
	let good = small_state();
	assert_eq!(
		TrainState::from_bytes(&good).unwrap().to_bytes().unwrap(),
		good
	);
	let defect = |bytes: &[u8]| match TrainState::from_bytes(bytes) {
		Err(Error::BadState { defect }) => defect,
		other => panic!("{other:?}"),
	};
	let changed = |at: usize, byte: u8| {
		let mut bytes = good.clone();
		bytes[at] = byte;
		bytes
	};
	assert_eq!(defect(&changed(0, b'X')), StateDefect::Magic);
	assert_eq!(defect(&changed(8, 9)), StateDefect::NumericSpec { got: 9 });
	let expected = good.len();
	assert_eq!(
		defect(&good[..expected - 1]),
		StateDefect::Length {
			expected,
			got: expected - 1
		}
	);
	let mut longer = good.clone();
	longer.push(0);
	assert_eq!(
		defect(&longer),
		StateDefect::Length {
			expected,
			got: expected + 1
		}
	);
	assert_eq!(
		defect(&good[..5]),
		StateDefect::Length {
			expected: 44,
			got: 5
		}
	);
	// Another architecture: either impossible or of another length.
	assert_eq!(
		TrainState::from_bytes(&changed(12, 3))
			.err()
			.map(|e| matches!(e, Error::ConfigOutOfBounds { .. })),
		Some(true)
	);
	assert!(matches!(
		defect(&changed(12, 8)),
		StateDefect::Length { .. }
	));
	// The last second moment, made negative; then infinite.
	assert!(matches!(
		defect(&changed(expected - 1, 0xbf)),
		StateDefect::NegativeSecondMoment { .. }
	));
	let mut infinite = good.clone();
	infinite[expected - 4..].copy_from_slice(&f32::INFINITY.to_le_bytes());
	let error = Error::NotFinite {
		quantity: Quantity::Moment,
		step: 1,
	};
	assert_eq!(TrainState::from_bytes(&infinite), Err(error));
	let mut nan = good;
	nan[44..48].copy_from_slice(&f32::NAN.to_le_bytes());
	assert!(matches!(
		TrainState::from_bytes(&nan),
		Err(Error::NotFinite { .. })
	));
}

proptest! {
	#[test]
	fn any_bytes_decode_or_fail_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
		let _ = TrainState::from_bytes(&bytes);
	}

	#[test]
	fn a_damaged_state_decodes_to_itself_or_fails(at in 0_usize..10_000, byte in any::<u8>()) {
		let mut bytes = small_state();
		let at = at % bytes.len();
		bytes[at] = byte;
		if let Ok(state) = TrainState::from_bytes(&bytes) {
			prop_assert_eq!(state.to_bytes().unwrap(), bytes);
		}
	}
}
