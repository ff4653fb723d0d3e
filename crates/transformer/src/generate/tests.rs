//! The cache against whole passes, and what generation promises.

use proptest::prelude::*;

use super::decoder::Turn;
use super::*;
use crate::config::Config;
use crate::error::Error;
use crate::evaluate::logits;
use crate::init::init;
use crate::kernels::tests::numbers;
use crate::sampling::{LineForm, LineMask, LogitMask};
use crate::tokenizer::{train_byte_level, train_characters, Tokenizer, BOS, EOS, PAD, UNK};

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
		let mut decoder = Decoder::new(&model, kernel, 1);
		for (t, token) in text.iter().enumerate() {
			let got = bits(decoder.read_first(&[*token]));
			let want = bits(whole.row(t).to_slice().unwrap());
			assert!(got == want, "{kernel:?}, token {t}");
		}
		// In pieces of any length.
		for cut in [1, 2, 7, 16, 23] {
			let mut decoder = Decoder::new(&model, kernel, 1);
			decoder.read_first(&text[..cut]);
			let got = bits(decoder.read_first(&text[cut..]));
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

#[test]
fn neighbours_cannot_be_seen_in_the_logits() {
	let model = model();
	let texts: Vec<Vec<u32>> = (0..5)
		.map(|i| tokens(24).into_iter().map(|t| (t + i * 11) % 71).collect())
		.collect();
	let whole: Vec<_> = texts
		.iter()
		.map(|text| logits(&model, text).unwrap())
		.collect();
	let row = |text: usize, t: usize| bits(whole[text].row(t).to_slice().unwrap());
	for kernel in Kernel::available() {
		let mut decoder = Decoder::new(&model, kernel, 5);
		let mut at = [0; 5];
		// Some of the texts, in pieces of various lengths, in each pass.
		for pass in 0..12_usize {
			let mut turns = Vec::new();
			let mut piece = Vec::new();
			for text in 0..5 {
				let n = ((pass * 7 + text * 3) % 4).min(24 - at[text]);
				if n > 0 {
					turns.push(Turn { text, tokens: n });
					piece.extend_from_slice(&texts[text][at[text]..at[text] + n]);
					at[text] += n;
				}
			}
			if turns.is_empty() {
				continue;
			}
			let got = decoder.read(&turns, &piece);
			for (turn, got) in turns.iter().zip(got.chunks_exact(71)) {
				let want = row(turn.text, at[turn.text] - 1);
				assert!(bits(got) == want, "{kernel:?}, pass {pass}, {turn:?}");
			}
		}
		assert!(at.iter().all(|at| *at > 12), "{at:?}");
	}
}

const LETTERS: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 \n.,;";

/// A tokenizer whose vocabulary is as large as the model's.
fn tokenizer() -> Tokenizer {
	let tokenizer = Tokenizer::from_bytes(&train_characters(&[LETTERS], 71).unwrap()).unwrap();
	assert_eq!(tokenizer.vocab_size(), 71);
	tokenizer
}

fn request<'a>(prompt: &[u32], seed: u8) -> Request<'a> {
	Request::new(prompt.to_vec(), SAMPLING, [seed; 32])
}

#[test]
fn texts_of_a_batch_are_those_of_single_requests() {
	let (model, tokenizer) = (model(), tokenizer());
	let writer = Writer::new(&model, &tokenizer).unwrap();
	let prompts: Vec<Vec<u32>> = ["", "ab", "Some longer one", "x", "y"]
		.map(|text| writer.prompt(text).unwrap())
		.into();
	let make = |index: usize| {
		let mut request = request(&prompts[index], index as u8);
		request.sampling.max_tokens = 3 + 4 * index as u32;
		if index == 3 {
			request.constraints.repetition_penalty_milli = 1300;
			request.constraints.min_p_milli = 20;
		}
		request
	};
	let single: Vec<Written> = (0..5).map(|i| writer.write(make(i)).unwrap()).collect();
	let together = writer.write_batch((0..5).map(make).collect()).unwrap();
	assert_eq!(together, single);
	let reversed = writer
		.write_batch((0..5).rev().map(make).collect())
		.unwrap();
	assert!(reversed.iter().rev().eq(&single));
	for kernel in Kernel::available() {
		let writer = writer.with_kernel(kernel).unwrap();
		for threads in [1, 3] {
			let pool = rayon::ThreadPoolBuilder::new()
				.num_threads(threads)
				.build()
				.unwrap();
			let got = pool.install(|| writer.write_batch((1..4).map(make).collect()).unwrap());
			assert_eq!(got, single[1..4], "{kernel:?}, {threads} threads");
		}
	}
}

#[test]
fn texts_are_the_tokens_of_generate() {
	let (model, tokenizer) = (model(), tokenizer());
	let writer = Writer::new(&model, &tokenizer).unwrap();
	let tokens = generate(&model, &[BOS, 9, 30], &SAMPLING, [6; 32], &mut |_| {}).unwrap();
	let written = writer.write(request(&[BOS, 9, 30], 6)).unwrap();
	assert_eq!(written.text, tokenizer.decode(&tokens).unwrap());
	assert_eq!(written.tokens, tokens);
	assert_eq!(written.finish, Finish::ContextFull);
}

#[test]
fn a_stop_string_ends_the_text_before_it() {
	let (model, tokenizer) = (model(), tokenizer());
	let writer = Writer::new(&model, &tokenizer).unwrap();
	let free = writer.write(request(&[BOS, 9, 30], 6)).unwrap();
	let whole: Vec<char> = free.text.chars().collect();
	let stop: String = whole[6..9].iter().collect();
	let before = free.text.split(&stop).next().unwrap().to_string();
	let mut parts = Vec::new();
	let mut hear = |part: &str| parts.push(part.to_string());
	let mut request = request(&[BOS, 9, 30], 6);
	request.constraints.stop = vec!["never".into(), stop];
	request.on_text = Some(&mut hear);
	let written = writer.write(request).unwrap();
	assert_eq!(written.finish, Finish::StopString);
	assert_eq!(written.text, before);
	assert_eq!(parts.concat(), before);
	let n = written.tokens.len();
	assert_eq!(written.tokens, free.tokens[..n]);
}

#[test]
fn a_streamed_text_is_whole_characters_even_where_tokens_are_bytes() {
	let corpus = "床前明月光，疑是地上霜。";
	let file = train_byte_level(&[corpus], 260).unwrap();
	let tokenizer = Tokenizer::from_bytes(&file).unwrap();
	let config = Config {
		vocab_size: 260,
		..CONFIG
	};
	let values = numbers(config.n_parameters().unwrap(), 8);
	let values = values.iter().map(|x| x * 0.08).collect();
	let model = Parameters::from_vec(config, values).unwrap();
	let writer = Writer::new(&model, &tokenizer).unwrap();
	// A mask that makes the model write the corpus, byte after byte.
	let wanted = tokenizer.encode(corpus).unwrap();
	let mut force = |written: &[u32], allowed: &mut [bool]| {
		let next = wanted[written.len()] as usize;
		for (token, allowed) in allowed.iter_mut().enumerate() {
			*allowed = token == next;
		}
	};
	let mut parts = Vec::new();
	let mut hear = |part: &str| parts.push(part.to_string());
	let mut request = request(&[BOS], 1);
	request.mask = Some(&mut force);
	request.on_text = Some(&mut hear);
	request.sampling.max_tokens = 10;
	let written = writer.write(request).unwrap();
	// Ten bytes are three characters and a third of one.
	assert_eq!(parts, ["床", "前", "明", "\u{fffd}"]);
	assert_eq!(written.text, "床前明\u{fffd}");
	assert_eq!(written.tokens, wanted[..10]);
	assert_eq!(written.finish, Finish::MaxTokens);
}

#[test]
fn lines_have_the_lengths_asked_for() {
	let (model, tokenizer) = (model(), tokenizer());
	let writer = Writer::new(&model, &tokenizer).unwrap();
	let form = LineForm::even(3, 2..=5);
	let opening = "ab";
	for seed in 0..20 {
		let mut mask = LineMask::new(&tokenizer, &form, opening).unwrap();
		let mut request = request(&writer.prompt(opening).unwrap(), seed);
		request.mask = Some(&mut mask);
		let written = writer.write(request).unwrap();
		let text = format!("{opening}{}", written.text);
		let lengths: Vec<usize> = text.split('\n').map(|line| line.chars().count()).collect();
		assert_eq!(written.finish, Finish::EndOfText, "{text:?}");
		assert_eq!(lengths.len(), 3, "{text:?}");
		assert!(lengths.iter().all(|n| (2..=5).contains(n)), "{text:?}");
	}
}

#[test]
fn a_mask_that_allows_nothing_ends_the_text() {
	let (model, tokenizer) = (model(), tokenizer());
	let writer = Writer::new(&model, &tokenizer).unwrap();
	let mut two = |written: &[u32], allowed: &mut [bool]| {
		allowed[EOS as usize] = false;
		if written.len() == 2 {
			allowed.fill(false);
		}
	};
	let mut request = request(&[BOS], 1);
	request.mask = Some(&mut two as &mut dyn LogitMask);
	let written = writer.write(request).unwrap();
	assert_eq!(written.finish, Finish::NothingAllowed);
	assert_eq!(written.tokens.len(), 2);
}

#[test]
fn refuses_tokenizers_and_requests_that_do_not_fit() {
	let (model, tokenizer) = (model(), tokenizer());
	let other = Tokenizer::from_bytes(&train_characters(&["abc"], 71).unwrap()).unwrap();
	let error = Error::VocabularyMismatch {
		tokenizer: 7,
		model: 71,
	};
	assert_eq!(Writer::new(&model, &other).map(|_| ()), Err(error));
	let writer = Writer::new(&model, &tokenizer).unwrap();
	let error = Error::PromptTooLong {
		got: 25,
		context_length: 24,
	};
	assert_eq!(writer.write(request(&[5; 25], 0)), Err(error.clone()));
	// Nothing of the batch is begun.
	let mut heard = 0;
	let mut hear = |_: &str| heard += 1;
	let mut good = request(&[BOS], 0);
	good.on_text = Some(&mut hear);
	let batch = vec![good, request(&[5; 25], 0)];
	let error = Error::Request {
		index: 1,
		error: Box::new(error),
	};
	assert_eq!(writer.write_batch(batch), Err(error));
	assert_eq!(heard, 0);
	assert_eq!(writer.write_batch(Vec::new()), Err(Error::EmptyBatch));
	let mut bad = request(&[BOS], 0);
	bad.constraints.stop = vec![String::new()];
	assert_eq!(
		writer.write(bad),
		Err(Error::StopString { bytes: 0, max: 256 })
	);
}

proptest! {
	#![proptest_config(ProptestConfig::with_cases(12))]

	#[test]
	fn any_batch_gives_the_texts_of_single_requests(
		seeds in proptest::collection::vec((0_u8..255, 1_usize..20, 1_u32..20), 1..6),
	) {
		let (model, tokenizer) = (model(), tokenizer());
		let writer = Writer::new(&model, &tokenizer).unwrap();
		let make = |(seed, prompt, max_tokens): &(u8, usize, u32)| {
			let mut request = request(&tokens(*prompt as u32), *seed);
			request.sampling.max_tokens = *max_tokens;
			request
		};
		let together = writer.write_batch(seeds.iter().map(make).collect()).unwrap();
		for (one, got) in seeds.iter().zip(together) {
			prop_assert_eq!(writer.write(make(one)).unwrap(), got);
		}
	}
}
