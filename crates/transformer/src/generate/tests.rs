//! The cache against whole passes, and what generation promises.

use super::*;
use crate::config::Config;
use crate::error::Error;
use crate::evaluate::logits;
use crate::init::init;
use crate::kernels::tests::numbers;
use crate::tokenizer::{BOS, PAD, UNK};

const CONFIG: Config = Config {
	vocab_size: 71,
	context_length: 24,
	n_layers: 2,
	n_heads: 4,
	d_model: 64,
	d_ff: 128,
};

const SAMPLING: Sampling = Sampling {
	temperature_milli: 900,
	top_k: 20,
	top_p_milli: 950,
	max_tokens: 100,
};

/// A model whose predictions are far from uniform.
fn model() -> Parameters {
	let n = CONFIG.n_parameters().unwrap();
	let values = numbers(n, 8).iter().map(|x| x * 0.08).collect();
	Parameters::from_vec(CONFIG, values).unwrap()
}

fn tokens(n: u32) -> Vec<u32> {
	(0..n).map(|i| (i * 29 + 1) % 71).collect()
}

fn bits(values: &[f32]) -> Vec<u32> {
	values.iter().map(|value| value.to_bits()).collect()
}

#[test]
fn decoding_prefill_and_whole_passes_give_the_same_bits() {
	let model = model();
	let text = tokens(24);
	let whole = logits(&model, &text).unwrap();
	for kernel in Kernel::available() {
		// Token by token.
		let mut decoder = Decoder::new(&model, kernel);
		for (t, token) in text.iter().enumerate() {
			let got = bits(decoder.read(&[*token]));
			let want = bits(whole.row(t).to_slice().unwrap());
			assert!(got == want, "{kernel:?}, token {t}");
		}
		// In pieces of any length.
		for cut in [1, 2, 7, 16, 23] {
			let mut decoder = Decoder::new(&model, kernel);
			decoder.read(&text[..cut]);
			let got = bits(decoder.read(&text[cut..]));
			assert!(
				got == bits(whole.row(23).to_slice().unwrap()),
				"{kernel:?}, cut {cut}"
			);
		}
	}
}

/// Changes only with the numeric specification.
const FROZEN_TOKENS: [u32; 22] = [
	8, 23, 65, 65, 23, 65, 60, 39, 39, 20, 51, 8, 16, 23, 69, 65, 51, 30, 65, 26, 16, 65,
];

#[test]
fn tokens_do_not_depend_on_kernel_or_threads() {
	let model = model();
	let run = |kernel| {
		let mut seen = Vec::new();
		let mut note = |token| seen.push(token);
		let tokens =
			generate_with(&model, &[BOS, 9, 30], &SAMPLING, [6; 32], kernel, &mut note).unwrap();
		assert_eq!(tokens, seen);
		tokens
	};
	let want = run(Kernel::Scalar);
	assert_eq!(want, FROZEN_TOKENS);
	for threads in 1..=4 {
		let pool = rayon::ThreadPoolBuilder::new()
			.num_threads(threads)
			.build()
			.unwrap();
		for kernel in Kernel::available() {
			assert_eq!(
				pool.install(|| run(kernel)),
				want,
				"{kernel:?}, {threads} threads"
			);
		}
	}
	// Another seed, another text.
	let other = generate(&model, &[BOS, 9, 30], &SAMPLING, [7; 32], &mut |_| {}).unwrap();
	assert_ne!(other, want);
	for token in other.iter().chain(&want) {
		assert!(![PAD, BOS, EOS, UNK].contains(token));
	}
}

/// A model that always prefers `token`: its embedding points along the final bias.
fn stubborn(token: usize) -> Parameters {
	let mut values = vec![0.0; CONFIG.n_parameters().unwrap()];
	let layout = crate::Layout::of(&CONFIG).unwrap();
	values[token * 64..(token + 1) * 64].fill(1.0);
	values[layout.find("ln_f.bias").unwrap().range()].fill(1.0);
	Parameters::from_vec(CONFIG, values).unwrap()
}

#[test]
fn stops_at_end_of_text_at_the_limit_and_at_the_context() {
	let greedy = Sampling {
		temperature_milli: 0,
		..SAMPLING
	};
	let run = |model: &Parameters, prompt: &[u32], sampling: &Sampling| {
		generate(model, prompt, sampling, [0; 32], &mut |_| {}).unwrap()
	};
	assert_eq!(
		run(&stubborn(EOS as usize), &[BOS], &greedy),
		Vec::<u32>::new()
	);
	let five = Sampling {
		max_tokens: 5,
		..greedy
	};
	assert_eq!(run(&stubborn(40), &[BOS], &five), [40; 5]);
	// 24 positions: one of the prompt, 23 read back, and the last token needs no place.
	assert_eq!(run(&stubborn(40), &[BOS], &greedy), [40; 24]);
	assert_eq!(run(&stubborn(40), &[BOS; 24], &greedy), [40; 1]);
	// What is never sampled is never sampled, however likely.
	let shy = run(&stubborn(UNK as usize), &[BOS], &five);
	// All others are equal, and the end of text is the lowest of them.
	assert_eq!(shy, Vec::<u32>::new());
}

#[test]
fn refuses_bad_prompts_and_parameters() {
	let model = init(CONFIG, [0; 32]).unwrap();
	let run = |prompt: &[u32], sampling: &Sampling| {
		generate(&model, prompt, sampling, [0; 32], &mut |_| {})
	};
	assert_eq!(run(&[], &SAMPLING), Err(Error::EmptyPrompt));
	let error = Error::PromptTooLong {
		got: 25,
		context_length: 24,
	};
	assert_eq!(run(&[BOS; 25], &SAMPLING), Err(error));
	let error = Error::TokenOutOfVocabulary {
		token: 71,
		vocab_size: 71,
	};
	assert_eq!(run(&[BOS, 71], &SAMPLING), Err(error));
	let error = Error::SamplingOutOfRange {
		field: "max_tokens",
		got: 0,
		min: 1,
		max: 1 << 20,
	};
	assert_eq!(
		run(
			&[BOS],
			&Sampling {
				max_tokens: 0,
				..SAMPLING
			}
		),
		Err(error)
	);
}
