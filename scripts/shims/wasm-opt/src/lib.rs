//! Stand-in for the wasm-opt crate: the six names that substrate-wasm-builder uses.
//!
//! Why: the real crate compiles Binaryen (five minutes on two cores) only to strip debug sections at level 0.
//! With `LLMCHAIN_WASM_OPT` set to a Binaryen `wasm-opt` program (release builds: Debian's `binaryen`), that
//! program does the same passes; without it the module is copied as it is. Recorded in docs/adr/0002-toolchain.md.

use std::{fmt, path::Path, process::Command};

/// A Binaryen pass, by the name of its command-line option.
#[derive(Clone, Copy)]
pub enum Pass {
	/// Removes DWARF sections.
	StripDwarf,
	/// Lowers the sign-extension operators.
	SignextLowering,
}

impl Pass {
	fn option(self) -> &'static str {
		match self {
			Pass::StripDwarf => "--strip-dwarf",
			Pass::SignextLowering => "--signext-lowering",
		}
	}
}

/// What to run, built as the builder does.
pub struct OptimizationOptions {
	arguments: Vec<&'static str>,
}

impl OptimizationOptions {
	/// No optimisation passes of its own.
	pub fn new_opt_level_0() -> Self {
		Self { arguments: vec!["-O0"] }
	}

	/// Accepts only the features of WebAssembly 1.0.
	pub fn mvp_features_only(&mut self) -> &mut Self {
		self.arguments.push("--mvp-features");
		self
	}

	/// Keeps the names section.
	pub fn debug_info(&mut self, keep: bool) -> &mut Self {
		if keep {
			self.arguments.push("-g");
		}
		self
	}

	/// Adds a pass.
	pub fn add_pass(&mut self, pass: Pass) -> &mut Self {
		self.arguments.push(pass.option());
		self
	}

	/// Writes `outfile` from `infile`.
	pub fn run(
		&self,
		infile: impl AsRef<Path>,
		outfile: impl AsRef<Path>,
	) -> Result<(), OptimizationError> {
		let (infile, outfile) = (infile.as_ref(), outfile.as_ref());
		match std::env::var_os("LLMCHAIN_WASM_OPT") {
			// Copying a file onto itself would empty it.
			None if infile == outfile => Ok(()),
			None => std::fs::copy(infile, outfile).map(|_| ()).map_err(OptimizationError::Io),
			Some(program) => {
				let status = Command::new(program)
					.args(&self.arguments)
					.arg(infile)
					.arg("-o")
					.arg(outfile)
					.status()
					.map_err(OptimizationError::Io)?;
				status.success().then_some(()).ok_or(OptimizationError::Program(status.code()))
			},
		}
	}
}

/// Why a module could not be written.
#[derive(Debug)]
pub enum OptimizationError {
	/// Reading, writing or starting the program failed.
	Io(std::io::Error),
	/// The program ended with this exit code.
	Program(Option<i32>),
}

impl fmt::Display for OptimizationError {
	fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
		match self {
			Self::Io(error) => write!(f, "wasm-opt: {error}"),
			Self::Program(code) => write!(f, "wasm-opt ended with {code:?}"),
		}
	}
}

impl std::error::Error for OptimizationError {}
