//! What every job needs around it: a store, peers, threads, and a way to be stopped.
//!
//! Must not know: which job runs.

use crate::{Fetcher, Peers, Stop, Store};
use rayon::ThreadPool;

/// The surroundings of a job.
#[derive(Clone, Copy)]
pub struct Host<'a> {
	/// Where bytes are kept.
	pub store: &'a Store,
	/// Where bytes come from.
	pub peers: &'a dyn Peers,
	/// Threads that compute. Work is handed to them a step at a time, so several jobs may share them.
	pub pool: &'a ThreadPool,
	/// Ends the job at its next safe point.
	pub stop: &'a Stop,
}

impl<'a> Host<'a> {
	/// Store and peers together.
	pub fn fetcher(&self) -> Fetcher<'a> {
		Fetcher {
			store: self.store,
			peers: self.peers,
			stop: self.stop,
		}
	}
}
