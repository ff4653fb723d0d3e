//! The same bits everywhere: kernels, threads and micro-batches, over 50 training steps and 500 decoded tokens.
//!
//! The model is the named configuration `TINY`; the two hashes at the end of this file are what every machine must get.

use transformer::{
	generate_with, init, Batch, Config, Decay, Hyper, Kernel, Parameters, Sampling, Schedule,
	TrainState, Trainer,
};

/// Two layers, four heads, 64 wide.
const TINY: [u32; 6] = [71, 512, 2, 4, 64, 256];
const STEPS: u32 = 50;
const TOKENS: u32 = 500;

/// FNV-1a of 64 bits: enough to tell whether bits moved.
fn hash(bytes: impl IntoIterator<Item = u8>) -> u64 {
	bytes.into_iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
		(hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
	})
}

/// Sequences of different lengths, none of them a round number.
fn batch(step: u32) -> Batch {
	let number = |i: u32| (i ^ (step << 12)).wrapping_mul(2_654_435_769) >> 16;
	let sequences: Vec<Vec<u32>> = (0..8)
		.map(|s| {
			let length = 3 + number(s) % 20;
			(0..length)
				// Half of the text repeats, so that there is something to learn; special tokens do not occur.
				.map(|t| if t % 2 == 0 { t } else { number(s * 97 + t) })
				.map(|number| 4 + number % 67)
				.collect()
		})
		.collect();
	Batch::new(&sequences).unwrap()
}

fn hyper() -> Hyper {
	Hyper {
		learning_rate: 2e-3,
		schedule: Schedule {
			offset: 0,
			warmup_steps: 5,
			decay: Decay::Cosine {
				total_steps: STEPS,
				final_fraction: 0.1,
			},
		},
		..Hyper::default()
	}
}

fn on_threads<T: Send>(threads: usize, body: impl FnOnce() -> T + Send) -> T {
	rayon::ThreadPoolBuilder::new()
		.num_threads(threads)
		.build()
		.unwrap()
		.install(body)
}

/// The state after all steps.
fn trained(kernel: Kernel, threads: usize, micro_batches: usize) -> TrainState {
	on_threads(threads, || {
		let state = TrainState::new(init(Config::from_array(TINY), [1; 32]).unwrap());
		let mut trainer = Trainer::new(state)
			.unwrap()
			.with_kernel(kernel)
			.unwrap()
			.with_micro_batches(micro_batches)
			.unwrap();
		for step in 0..STEPS {
			trainer.train_step(&batch(step), &hyper()).unwrap();
		}
		trainer.into_state()
	})
}

/// Tokens sampled from the model; an end of text is answered by another prompt.
fn decoded(parameters: &Parameters, kernel: Kernel, threads: usize) -> Vec<u32> {
	on_threads(threads, || {
		let mut tokens = Vec::new();
		let mut round = 0;
		while tokens.len() < TOKENS as usize {
			let sampling = Sampling {
				temperature_milli: 900,
				top_k: 40,
				top_p_milli: 950,
				max_tokens: TOKENS - tokens.len() as u32,
			};
			let prompt = [4 + u32::from(round) % 67, 9];
			let new = generate_with(
				parameters,
				&prompt,
				&sampling,
				[round; 32],
				kernel,
				&mut |_| {},
			);
			tokens.extend(new.unwrap());
			round += 1;
		}
		tokens
	})
}

#[test]
fn training_and_decoding_give_the_frozen_bits_everywhere() {
	let mut cases = Vec::new();
	for kernel in Kernel::available() {
		// The oracle is slow: it runs alone, the others in every company.
		let threads = if kernel == Kernel::Scalar {
			2..=2
		} else {
			1..=4
		};
		for threads in threads {
			let micro_batches: &[usize] = match kernel {
				Kernel::Scalar => &[1],
				_ => &[1, 2, 4],
			};
			cases.extend(micro_batches.iter().map(|n| (kernel, threads, *n)));
		}
	}
	for (kernel, threads, micro_batches) in cases {
		let state = trained(kernel, threads, micro_batches);
		let bytes = state.to_bytes().unwrap();
		let name = format!("{kernel:?}, {threads} threads, {micro_batches} micro-batches");
		assert_eq!(hash(bytes), STATE, "state, {name}");
		if micro_batches == 1 {
			let tokens = decoded(&state.parameters, kernel, threads);
			let bytes = tokens.iter().flat_map(|token| token.to_le_bytes());
			assert_eq!(hash(bytes), TEXT, "tokens, {name}");
		}
	}
}

/// Parameters and moments after training.
const STATE: u64 = 7_456_786_118_736_724_698;
/// The decoded tokens.
const TEXT: u64 = 18_224_213_371_376_596_667;
