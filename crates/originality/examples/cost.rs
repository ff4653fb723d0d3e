//! What each function costs natively, in microseconds, for ordinary and awkward texts of 1 to 64 KB.
//!
//!     cargo run -p originality --example cost
//!
//! Knows nothing of weights: the runtime's are measured in WASM by its benches.

use std::{hint::black_box, time::Instant};

use originality::*;

fn micros<T>(work: impl Fn() -> T) -> u128 {
	let times = (0..5).map(|_| {
		let start = Instant::now();
		black_box(work());
		start.elapsed().as_micros()
	});
	times.min().unwrap_or_default()
}

fn main() {
	println!(
		"| text | KB | canonical, digest | collapse | signature | bands | ISCC | overlap | edits |"
	);
	println!("|---|---|---|---|---|---|---|---|---|");
	let verse = "Shall I compare thee to a summer's day? ";
	for (name, unit) in [
		("verse", verse),
		("ideographs", "床前明月光疑是地上霜"),
		("marks", "\u{301}"),
	] {
		for kilobytes in [1usize, 4, 16, 64] {
			let text: String = unit
				.chars()
				.cycle()
				.take(kilobytes * 1024 / unit.len() * unit.chars().count())
				.collect();
			let Ok(collapsed) = Collapsed::of(&text) else {
				continue;
			};
			let letters = Letters::of(&collapsed);
			let signature = Signature::of(&letters).ok();
			// Refused beyond its bound.
			let edit_cost = match edits(&text, &text, u32::MAX) {
				Ok(_) => micros(|| edits(&text, &text, u32::MAX)).to_string(),
				Err(_) => "-".into(),
			};
			println!(
				"| {name} | {kilobytes} | {} | {} | {} | {} | {} | {} | {} |",
				micros(|| text_digest(&canonical(&text, Form::Two), Form::Two)),
				micros(|| Collapsed::of(&text)),
				micros(|| Signature::of(&letters)),
				micros(|| signature.map(|s| s.bands())),
				micros(|| TextCode::of(&collapsed)),
				micros(|| overlap(&text, &text)),
				edit_cost,
			);
		}
	}
}
