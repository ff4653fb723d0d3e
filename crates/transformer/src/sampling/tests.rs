//! Frequencies, cuts, penalties and masks; bits that must not change.

use super::*;
use crate::tokenizer::SpecialTokens;

const ALL: Sampling = Sampling {
	temperature_milli: 1000,
	top_k: 0,
	top_p_milli: 1000,
	max_tokens: 1,
};

fn sampler(sampling: Sampling, seed: [u8; 32]) -> Sampler {
	bounded(sampling, &Constraints::default(), seed)
}

fn bounded(sampling: Sampling, constraints: &Constraints, seed: [u8; 32]) -> Sampler {
	let SpecialTokens { never, .. } = SpecialTokens::default();
	Sampler::new(sampling, constraints, never, Kernel::detect(), seed)
}

/// `draws` tokens, how often each.
fn histogram(mut sampler: Sampler, logits: &[f32], draws: u32) -> Vec<u32> {
	let mut counts = vec![0; logits.len()];
	for _ in 0..draws {
		counts[sampler.choose(logits, None, &[]).unwrap().unwrap() as usize] += 1;
	}
	counts
}

fn counts(sampling: Sampling, logits: &[f32], draws: u32) -> Vec<u32> {
	histogram(sampler(sampling, [5; 32]), logits, draws)
}

#[test]
fn frequencies_follow_the_softmax() {
	// Tokens 2, 4, 5, 6 at 1 : 2 : 3 : 4; the three forbidden ones would win otherwise.
	let ln = |x: f64| x.ln() as f32;
	let logits = [9.0, 9.0, ln(1.0), 9.0, ln(2.0), ln(3.0), ln(4.0)];
	let counts = counts(ALL, &logits, 20_000);
	for (token, share) in [(2, 0.1), (4, 0.2), (5, 0.3), (6, 0.4)] {
		let got = f64::from(counts[token]) / 20_000.0;
		assert!((got - share).abs() < 0.012, "{token}: {got}");
	}
	assert_eq!([counts[0], counts[1], counts[3]], [0, 0, 0]);
}

#[test]
fn top_k_and_top_p_cut_the_tail() {
	let logits = [0.0, 0.0, 1.0, 0.0, 2.0, 3.0, 4.0];
	let two = counts(Sampling { top_k: 2, ..ALL }, &logits, 500);
	assert!(two[6] > 0 && two[5] > 0 && two[6] + two[5] == 500);
	// The likeliest has probability 0.64, with the second 0.88.
	assert_eq!(
		counts(
			Sampling {
				top_p_milli: 600,
				..ALL
			},
			&logits,
			200
		)[6],
		200
	);
	let nucleus = counts(
		Sampling {
			top_p_milli: 700,
			..ALL
		},
		&logits,
		500,
	);
	assert!(nucleus[5] > 0 && nucleus[6] + nucleus[5] == 500);
}

#[test]
fn greedy_takes_the_lowest_of_equal_tokens() {
	let logits = [9.0, 0.0, 1.0, 0.0, 2.0, 2.0];
	let greedy = Sampling {
		temperature_milli: 0,
		..ALL
	};
	let chosen = sampler(greedy, [0; 32]).choose(&logits, None, &[]);
	assert_eq!(chosen, Ok(Some(4)));
}

#[test]
fn a_cold_temperature_is_nearly_greedy_even_with_huge_logits() {
	let cold = Sampling {
		temperature_milli: 1,
		..ALL
	};
	assert_eq!(counts(cold, &[0.0, 0.0, 3e38, 0.0, -3e38, 1.0], 50)[2], 50);
}

#[test]
fn refuses_bad_numbers() {
	let mut sampler = sampler(ALL, [0; 32]);
	let error = Error::NotFinite {
		quantity: Quantity::Logit,
		step: 3,
	};
	assert_eq!(
		sampler.choose(&[0.0, 0.0, f32::NAN, 0.0, 0.0], None, &[7; 3]),
		Err(error)
	);
	for (bad, name) in [
		(
			Sampling {
				temperature_milli: 100_001,
				..ALL
			},
			"temperature_milli",
		),
		(
			Sampling {
				top_p_milli: 0,
				..ALL
			},
			"top_p_milli",
		),
		(
			Sampling {
				top_p_milli: 1001,
				..ALL
			},
			"top_p_milli",
		),
		(
			Sampling {
				max_tokens: 0,
				..ALL
			},
			"max_tokens",
		),
	] {
		match bad.validate() {
			Err(Error::SamplingOutOfRange { field, .. }) => assert_eq!(field, name),
			other => panic!("{name}: {other:?}"),
		}
	}
}

/// 1 : 2 : 3 : 4 for tokens 2, 4, 5, 6.
fn ladder() -> [f32; 7] {
	let ln = |x: f64| x.ln() as f32;
	[9.0, 9.0, ln(1.0), 9.0, ln(2.0), ln(3.0), ln(4.0)]
}

#[test]
fn min_p_drops_what_is_much_less_likely_than_the_likeliest() {
	let min_p = |milli| Constraints {
		min_p_milli: milli,
		..Constraints::default()
	};
	// Relative to the likeliest: 0.25, 0.5, 0.75, 1.
	for (milli, kept) in [(0, 4), (200, 4), (300, 3), (600, 2), (900, 1), (1000, 1)] {
		let counts = histogram(bounded(ALL, &min_p(milli), [1; 32]), &ladder(), 1000);
		let got = counts.iter().filter(|count| **count > 0).count();
		assert_eq!(got, kept, "{milli}: {counts:?}");
	}
}

#[test]
fn the_repetition_penalty_follows_the_sign() {
	let penalised = |logits: &[f32], seen: &[u32]| {
		let constraints = Constraints {
			repetition_penalty_milli: 2000,
			..Constraints::default()
		};
		let greedy = Sampling {
			temperature_milli: 0,
			..ALL
		};
		let mut sampler = bounded(greedy, &constraints, [0; 32]);
		sampler.saw(seen);
		sampler.choose(logits, None, &[]).unwrap().unwrap()
	};
	let logits = [0.0, 0.0, -3.0, 0.0, 1.0, 3.0];
	assert_eq!(penalised(&logits, &[]), 5);
	// 3 / 2 is still the greatest; however often it was seen.
	assert_eq!(penalised(&logits, &[5, 5, 5]), 5);
	let logits = [0.0, 0.0, -3.0, 0.0, 2.0, 3.0];
	assert_eq!(penalised(&logits, &[5]), 4);
	// -1 * 2 falls below -1.5, though a division would raise it.
	let logits = [0.0, 0.0, -9.0, 0.0, -1.0, -1.5];
	assert_eq!(penalised(&logits, &[4]), 5);
}

#[test]
fn a_penalty_that_overflows_is_an_error() {
	let constraints = Constraints {
		repetition_penalty_milli: 10_000,
		..Constraints::default()
	};
	let mut sampler = bounded(ALL, &constraints, [0; 32]);
	sampler.saw(&[4]);
	let logits = [0.0, 0.0, 0.0, 0.0, f32::MIN];
	assert!(matches!(
		sampler.choose(&logits, None, &[]),
		Err(Error::NotFinite { .. })
	));
}

#[test]
fn neutral_constraints_change_no_choice() {
	let logits: Vec<f32> = (0..50).map(|i| ((i * 37) % 50) as f32 * 0.1).collect();
	let run = |mut sampler: Sampler| -> Vec<Option<u32>> {
		sampler.saw(&[5, 6, 7]);
		let mut all = |_: &[u32], _: &mut [bool]| {};
		let choices = (0..200).map(|i| {
			let mask: Option<&mut dyn LogitMask> = (i % 2 == 0).then_some(&mut all);
			sampler.choose(&logits, mask, &[]).unwrap()
		});
		choices.collect()
	};
	let nucleus = Sampling {
		top_k: 30,
		top_p_milli: 900,
		..ALL
	};
	let want = run(sampler(nucleus, [3; 32]));
	assert_eq!(
		run(bounded(nucleus, &Constraints::default(), [3; 32])),
		want
	);
	assert_eq!(want[..8], FROZEN_CHOICES.map(Some));
}

/// Changes only with the numeric specification.
const FROZEN_CHOICES: [u32; 8] = [43, 27, 5, 12, 39, 27, 20, 40];

#[test]
fn a_mask_forbids_and_cannot_allow_what_is_never_chosen() {
	let mut only_four = |written: &[u32], allowed: &mut [bool]| {
		assert_eq!(written, [8, 9]);
		allowed.fill(false);
		// 0, 1 and 3 mean no text.
		for token in [0, 1, 3, 4] {
			allowed[token] = true;
		}
	};
	let mut sampler = sampler(ALL, [0; 32]);
	for _ in 0..20 {
		let chosen = sampler.choose(&ladder(), Some(&mut only_four), &[8, 9]);
		assert_eq!(chosen, Ok(Some(4)));
	}
	let mut nothing = |_: &[u32], allowed: &mut [bool]| allowed.fill(false);
	assert_eq!(sampler.choose(&ladder(), Some(&mut nothing), &[]), Ok(None));
}

#[test]
fn constraints_out_of_range_are_named() {
	let neutral = Constraints::default();
	assert_eq!(neutral.validate(), Ok(()));
	let bad = |constraints: Constraints| match constraints.validate() {
		Err(Error::SamplingOutOfRange { field, .. }) => field,
		other => panic!("{other:?}"),
	};
	let changed = Constraints {
		min_p_milli: 1001,
		..neutral.clone()
	};
	assert_eq!(bad(changed), "min_p_milli");
	for repetition_penalty_milli in [0, 99, 10_001] {
		let changed = Constraints {
			repetition_penalty_milli,
			..neutral.clone()
		};
		assert_eq!(bad(changed), "repetition_penalty_milli");
	}
	let changed = Constraints {
		stop: vec!["x".into(); MAX_STOPS + 1],
		..neutral.clone()
	};
	assert_eq!(bad(changed), "stop");
	for bytes in [0, MAX_STOP_BYTES + 1] {
		let changed = Constraints {
			stop: vec!["good".into(), "x".repeat(bytes)],
			..neutral.clone()
		};
		let max = MAX_STOP_BYTES;
		assert_eq!(changed.validate(), Err(Error::StopString { bytes, max }));
	}
}
