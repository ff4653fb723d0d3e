//! A GPT-2-style Transformer whose training, evaluation and generation give the same bits on every processor.
//!
//! Pre-layer-norm blocks, learned positions, tanh GELU, head tied to the token embedding; forward and hand-derived
//! backward passes, AdamW over one flat buffer, sampling with a key-value cache. All arithmetic follows the numeric
//! specification (`docs/protocol/numerics.md`), whose scalar pseudo-code is the `Scalar` kernel.
//!
//! Reading order: [`config`], [`parameters`], [`fixed`], [`init()`], [`batch`]; `kernels` (instructions), `layers` (equations),
//! `network` (their composition), [`optimiser`], [`train`], [`mod@evaluate`], [`mod@generate`], [`sampling`], [`tokenizer`]; [`hf`] (files of others).
//! Must not know: files, clocks, chains, federated learning. Bytes in, bytes out.
//! Invariants: work runs on the current rayon pool, whose size cannot be seen in a result; nothing calls a platform's
//! mathematical library on a path to a result; not-a-number is an error.

pub mod batch;
pub mod config;
pub mod environment;
pub mod error;
pub mod evaluate;
pub mod fixed;
pub mod generate;
pub mod hf;
pub mod init;
mod kernels;
mod layers;
mod network;
pub mod optimiser;
pub mod parameters;
pub mod sampling;
pub mod tokenizer;
pub mod train;

pub use batch::Batch;
pub use config::Config;
pub use environment::check_float_environment;
pub use error::{Error, Result};
pub use evaluate::{evaluate, logits, loss_to_micro_nats, Evaluation};
pub use generate::{generate, generate_with, Finish, Request, Writer, Written};
pub use init::init;
pub use kernels::{fma_available, probe, Kernel};
pub use optimiser::{Decay, Hyper, Schedule};
pub use parameters::{Layout, Parameters, TensorInfo};
pub use sampling::{Constraints, Line, LineForm, LineMask, LogitMask, Sampling};
pub use tokenizer::{train_byte_level, train_characters, SpecialTokens, Tokenizer};
pub use train::{StepReport, TrainState, Trainer, MAX_MICRO_BATCHES};

/// Version of the numeric specification that this crate computes by. A model version names it.
pub const NUMERIC_SPEC: u32 = 1;
