//! Speed of the matrix product against the fused multiply-add peak of the same run, and of one row against streaming.
//!
//! ```text
//! cargo run --release -p transformer --example engine_gemm -- [--threads N] [--seconds S] [--kernel K] [MxKxN[:nn|nt|tn]]...
//! ```
//!
//! Prints one JSON object a line: `{"name", "value", "unit"}`. Shapes default to those of the configurations S, M and L.

use std::time::Instant;

use transformer::probe::{self, Operands};
use transformer::Kernel;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Products of a training step, forward and backward, and squares.
const SHAPES: [&str; 17] = [
	"1024x1024x1024",
	"256x256x256",
	"512x512x512",
	"2048x2048x2048",
	"768x128x384",
	"768x128x512",
	"768x512x128",
	"768x384x128:nt",
	"128x768x512:tn",
	"4096x384x1536",
	"4096x1536x384:nt",
	"384x4096x1536:tn",
	"256x768x3072",
	"256x3072x768:nt",
	"768x256x3072:tn",
	"1x768x3072",
	"1x768x50257:nt",
];

/// Best time of repeated calls, in seconds.
fn best(seconds: f64, mut body: impl FnMut()) -> f64 {
	body();
	let (start, mut best) = (Instant::now(), f64::INFINITY);
	while start.elapsed().as_secs_f64() < seconds {
		let clock = Instant::now();
		body();
		best = best.min(clock.elapsed().as_secs_f64());
	}
	best
}

fn print(name: &str, value: f64, unit: &str) {
	println!("{{\"name\": \"{name}\", \"value\": {value:.4}, \"unit\": \"{unit}\"}}");
}

/// Gigaflops a second of all threads together, each in registers.
fn peak(kernel: Kernel, seconds: f64) -> f64 {
	let rounds = 1 << 17;
	let rates = rayon::broadcast(|_| {
		let mut count = 0;
		let time = best(seconds, || {
			let (witness, done) = probe::multiply_adds(kernel, rounds);
			count = std::hint::black_box((witness, done)).1;
		});
		2.0 * count as f64 / time / 1e9
	});
	rates.iter().sum()
}

fn numbers(n: usize) -> Vec<f32> {
	(0..n)
		.map(|i| (i as u32).wrapping_mul(2_654_435_769) as i32 as f32 / 2.0_f32.powi(31))
		.collect()
}

fn run(kernel: Kernel, seconds: f64, shapes: &[String]) -> Result<(), Failure> {
	probe::prepare();
	let peak = peak(kernel, seconds);
	print("peak", peak, "GFLOP/s");
	let stream = numbers(1 << 27);
	let time = best(seconds, || {
		std::hint::black_box(probe::read(kernel, &stream));
	});
	let bandwidth = 4.0 * stream.len() as f64 / time / 1e9;
	print("streaming", bandwidth, "GB/s");
	drop(stream);
	for shape in shapes {
		let (sizes, layout) = shape.split_once(':').unwrap_or((shape, "nn"));
		let sizes: Vec<usize> = sizes.split('x').map(str::parse).collect::<Result<_, _>>()?;
		let [m, k, n] = sizes[..] else {
			return Err(format!("{shape}: expected MxKxN").into());
		};
		let operands = match layout {
			"nn" => Operands::Plain,
			"nt" => Operands::SecondTransposed,
			"tn" => Operands::FirstTransposed,
			other => return Err(format!("{other}: nn, nt or tn").into()),
		};
		let (a, b) = (numbers(m * k), numbers(k * n));
		let mut c = vec![0.0; m * n];
		let time = best(seconds, || {
			probe::product(kernel, operands, (m, k, n), &a, &b, &mut c);
			std::hint::black_box(&mut c);
		});
		if m == 1 {
			print(
				shape,
				4.0 * (k * n) as f64 / time / 1e9 / bandwidth,
				"of streaming",
			);
		} else {
			print(
				shape,
				2.0 * (m * k * n) as f64 / time / 1e9 / peak,
				"of peak",
			);
		}
	}
	Ok(())
}

fn main() -> Result<(), Failure> {
	let (mut threads, mut seconds, mut kernel) = (0, 0.3, Kernel::detect());
	let mut shapes = Vec::new();
	let mut arguments = std::env::args().skip(1);
	while let Some(argument) = arguments.next() {
		let mut value = || arguments.next().ok_or(format!("{argument} wants a value"));
		match argument.as_str() {
			"--threads" => threads = value()?.parse()?,
			"--seconds" => seconds = value()?.parse()?,
			"--kernel" => {
				kernel = match value()?.as_str() {
					"avx512" => Kernel::Avx512,
					"avx2" => Kernel::Avx2,
					"scalar" => Kernel::Scalar,
					other => return Err(format!("{other}: avx512, avx2 or scalar").into()),
				}
			}
			_ => shapes.push(argument),
		}
	}
	if shapes.is_empty() {
		shapes = SHAPES.map(str::to_string).to_vec();
	}
	let pool = rayon::ThreadPoolBuilder::new()
		.num_threads(threads)
		.build()?;
	pool.install(|| run(kernel, seconds, &shapes))
}
