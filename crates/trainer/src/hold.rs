//! Phase `Hold`: bring every member's update here and check it whole.
//!
//! Must not know: why an update is missing or how long to wait. One call is one attempt.
//! Source: `docs/protocol/round.md`, phase 2'. Invariant: a bit is set only for an update whose every chunk matched its leaf,
//! whose leaves match the posted root, and whose leaves were made for that member's account.

use crate::{
	error::{describe, JobError},
	job::HoldJob,
	Host,
};
use secagg::{Header, VectorKind};

/// Result of one attempt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
	/// Bit i: the update of member i is here and checked.
	pub bitmap: u64,
	/// Updates that another attempt may bring.
	pub missing: u32,
}

/// Fetches what is missing, member by member, and tells `progress` how many are here.
///
/// # Errors
/// - [`JobError::TooManyMembers`] above 64;
/// - [`JobError::Store`], [`JobError::Fetch`] if this machine's store fails or the host is stopped: a peer's fault is no error.
pub fn hold(
	job: &HoldJob,
	host: &Host<'_>,
	progress: &mut dyn FnMut(u64),
) -> Result<Held, JobError> {
	if job.updates.len() > u64::BITS as usize {
		return Err(JobError::TooManyMembers {
			members: job.updates.len(),
		});
	}
	let len = job.architecture.n_parameters()?;
	let fetcher = host.fetcher();
	let mut held = Held::default();
	for (member, update) in job.updates.iter().enumerate() {
		let Some(root) = update.root else {
			continue;
		};
		let header = Header::new(VectorKind::Update, len, update.account)?;
		match fetcher.update(&root, &header) {
			Ok(_) => {
				held.bitmap |= 1 << member;
				progress(held.bitmap.count_ones().into());
			}
			Err(error) if error.is_foreign() => {
				log::warn!("member {member} posted a copied root: {}", describe(&error));
			}
			Err(error) if error.is_local() => return Err(error.into()),
			Err(error) => {
				log::debug!("member {member}: {}", describe(&error));
				held.missing += 1;
			}
		}
	}
	Ok(held)
}
