//! After the first steps, training and decoding allocate nothing.

use super::*;
use crate::config::Config;
use crate::generate::generate;
use crate::init::init;
use crate::kernels::allocations::{count, counted_pool};
use crate::sampling::Sampling;

/// Two layers, 64 wide.
const TINY: [u32; 6] = [71, 256, 2, 4, 64, 256];

#[test]
fn steady_steps_and_tokens_allocate_nothing() {
	let config = Config::from_array(TINY);
	let sequences: Vec<Vec<u32>> = (0..6)
		.map(|s| (0..33).map(|t| (s * 7 + t * 5) % 71).collect())
		.collect();
	let batch = Batch::new(&sequences).unwrap();
	for threads in [1, 2, 3] {
		counted_pool(threads).install(|| {
			let state = TrainState::new(init(config, [1; 32]).unwrap());
			let trainer = Trainer::new(state).unwrap();
			let mut trainer = trainer.with_micro_batches(2).unwrap();
			let hyper = Hyper::default();
			for _ in 0..3 {
				trainer.train_step(&batch, &hyper).unwrap();
			}
			let before = count();
			for _ in 0..10 {
				trainer.train_step(&batch, &hyper).unwrap();
			}
			assert_eq!(count() - before, 0, "training, {threads} threads");

			let sampling = Sampling {
				temperature_milli: 1000,
				top_k: 40,
				top_p_milli: 1000,
				max_tokens: 200,
			};
			let parameters = trainer.into_state().parameters;
			let mut counts = Vec::with_capacity(256);
			generate(&parameters, &[5, 6, 7], &sampling, [0; 32], &mut |_| {
				counts.push(count());
			})
			.unwrap();
			assert!(counts.len() > 20, "{} tokens", counts.len());
			let (first, last) = (counts[3], counts[counts.len() - 1]);
			assert_eq!(last - first, 0, "decoding, {threads} threads");
		});
	}
}
