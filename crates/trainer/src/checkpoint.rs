//! A version's integers: parameters and outer momentum, and how to get them.
//!
//! Must not know: rounds, jobs. Source: `docs/protocol/aggregate.md`; ARCHITECTURE.md, invariant 1.
//! Invariants: both vectors are Q7.24 and as long as the architecture says; what [`Checkpoint::load`] returns has the roots that
//! were asked for, whether it came from disk, from peers or from a seed.

use crate::{
	error::{JobError, StoreError, Which},
	job::{Architecture, CheckpointRef},
	Fetcher, Hash, Store,
};
use secagg::{Header, VectorKind, NO_OWNER};

/// Parameters and momentum of one version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
	/// Parameters, Q7.24, in the order of the Transformer's layout.
	pub parameters: Vec<i32>,
	/// Outer momentum, Q7.24.
	pub momentum: Vec<i32>,
}

impl Checkpoint {
	/// Version 0: parameters drawn from a public seed, no momentum.
	///
	/// # Errors
	/// - [`JobError::Transformer`] if the architecture is none.
	pub fn from_seed(architecture: &Architecture, seed: Hash) -> Result<Self, JobError> {
		let parameters = transformer::init(architecture.config(), seed)?.to_fixed()?;
		Ok(Checkpoint {
			momentum: vec![0; parameters.len()],
			parameters,
		})
	}

	/// The version that `reference` names: from the store, else from its seed, else from peers.
	///
	/// # Errors
	/// - [`JobError::SeedRoot`] if the seed leads elsewhere;
	/// - [`JobError::Fetch`], [`JobError::Store`], [`JobError::Transformer`].
	pub fn load(
		architecture: &Architecture,
		reference: &CheckpointRef,
		fetcher: &Fetcher<'_>,
	) -> Result<Self, JobError> {
		let [parameters, momentum] = headers(architecture.n_parameters()?)?;
		if let Some(seed) = reference.seed {
			if let (Some(parameters), Some(momentum)) = (
				fetcher.store.vector(&reference.parameters, &parameters)?,
				fetcher.store.vector(&reference.momentum, &momentum)?,
			) {
				return Ok(Checkpoint {
					parameters,
					momentum,
				});
			}
			return Self::derive(architecture, seed, reference, fetcher.store);
		}
		Ok(Checkpoint {
			parameters: fetcher.vector(&reference.parameters, &parameters)?,
			momentum: fetcher.vector(&reference.momentum, &momentum)?,
		})
	}

	/// The parameters of the version that `reference` names, without its momentum where peers can give them alone.
	///
	/// # Errors
	/// - as [`Checkpoint::load`].
	pub fn load_parameters(
		architecture: &Architecture,
		reference: &CheckpointRef,
		fetcher: &Fetcher<'_>,
	) -> Result<Vec<i32>, JobError> {
		if reference.seed.is_some() {
			return Ok(Self::load(architecture, reference, fetcher)?.parameters);
		}
		let [parameters, _] = headers(architecture.n_parameters()?)?;
		Ok(fetcher.vector(&reference.parameters, &parameters)?)
	}

	/// Version 0 from its seed, checked and stored, so that peers can have it too.
	pub(crate) fn derive(
		architecture: &Architecture,
		seed: Hash,
		reference: &CheckpointRef,
		store: &Store,
	) -> Result<Self, JobError> {
		let checkpoint = Self::from_seed(architecture, seed)?;
		let roots = checkpoint.roots()?;
		for (which, claimed, computed) in [
			(Which::Parameters, reference.parameters, roots.0),
			(Which::Momentum, reference.momentum, roots.1),
		] {
			if claimed != computed {
				return Err(JobError::SeedRoot {
					which,
					claimed,
					computed,
				});
			}
		}
		checkpoint.put(store)?;
		Ok(checkpoint)
	}

	/// Roots of parameters and momentum.
	///
	/// # Errors
	/// - [`secagg::Error`] if a vector is empty.
	pub fn roots(&self) -> Result<(Hash, Hash), secagg::Error> {
		let [parameters, momentum] = headers(self.parameters.len() as u64)?;
		Ok((
			secagg::vector_root(&parameters, &self.parameters)?,
			secagg::vector_root(&momentum, &self.momentum)?,
		))
	}

	/// Writes both vectors and returns their roots.
	///
	/// # Errors
	/// - any [`StoreError`].
	pub fn put(&self, store: &Store) -> Result<(Hash, Hash), StoreError> {
		let [parameters, momentum] = headers(self.parameters.len() as u64)?;
		Ok((
			store.put_vector(&parameters, &self.parameters)?,
			store.put_vector(&momentum, &self.momentum)?,
		))
	}
}

/// Headers of parameters and momentum of a model with `len` parameters.
fn headers(len: u64) -> Result<[Header; 2], secagg::Error> {
	Ok([
		Header::new(VectorKind::Parameters, len, NO_OWNER)?,
		Header::new(VectorKind::Momentum, len, NO_OWNER)?,
	])
}
