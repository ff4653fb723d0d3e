//! After the first steps, training and decoding allocate nothing.
//!
//! A counting allocator replaces the global one, so this file holds a single test: others would be counted with it.

#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use transformer::{generate, init, Batch, Config, Hyper, Sampling, TrainState, Trainer};

struct Counting;

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

// SAFETY: everything is handed on to the system's allocator; counting changes nothing.
unsafe impl GlobalAlloc for Counting {
	unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
		ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
		// SAFETY: the caller's promise is the system's.
		unsafe { System.alloc(layout) }
	}

	unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
		// SAFETY: the caller's promise is the system's.
		unsafe { System.dealloc(pointer, layout) }
	}
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Two layers, 64 wide.
const TINY: [u32; 6] = [71, 256, 2, 4, 64, 256];

fn allocations() -> usize {
	ALLOCATIONS.load(Ordering::Relaxed)
}

#[test]
fn steady_steps_and_tokens_allocate_nothing() {
	let config = Config::from_array(TINY);
	let sequences: Vec<Vec<u32>> = (0..6)
		.map(|s| (0..33).map(|t| (s * 7 + t * 5) % 71).collect())
		.collect();
	let batch = Batch::new(&sequences).unwrap();
	for threads in [1, 2, 3] {
		let pool = rayon::ThreadPoolBuilder::new()
			.num_threads(threads)
			.build()
			.unwrap();
		pool.install(|| {
			let state = TrainState::new(init(config, [1; 32]).unwrap());
			let mut trainer = Trainer::new(state).unwrap().with_micro_batches(2).unwrap();
			let hyper = Hyper::default();
			for _ in 0..3 {
				trainer.train_step(&batch, &hyper).unwrap();
			}
			let before = allocations();
			for _ in 0..10 {
				trainer.train_step(&batch, &hyper).unwrap();
			}
			assert_eq!(allocations() - before, 0, "training, {threads} threads");

			let sampling = Sampling {
				temperature_milli: 1000,
				top_k: 40,
				top_p_milli: 1000,
				max_tokens: 200,
			};
			let parameters = trainer.into_state().parameters;
			let mut counts = Vec::with_capacity(256);
			generate(&parameters, &[5, 6, 7], &sampling, [0; 32], &mut |_| {
				counts.push(allocations());
			})
			.unwrap();
			assert!(counts.len() > 20, "{} tokens", counts.len());
			let (first, last) = (counts[3], counts[counts.len() - 1]);
			assert_eq!(last - first, 0, "decoding, {threads} threads");
		});
	}
}
