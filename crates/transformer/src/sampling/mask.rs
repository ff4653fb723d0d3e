//! The hook that forbids tokens before one is chosen.
//!
//! Must not know: logits, so that what may be written does not depend on how likely it is.

/// Decides which tokens may come next.
///
/// A closure over the same arguments is one:
///
/// ```
/// use transformer::LogitMask;
///
/// let mut even = |_: &[u32], allowed: &mut [bool]| {
///     for odd in allowed.iter_mut().skip(1).step_by(2) {
///         *odd = false;
///     }
/// };
/// let mut allowed = [true; 4];
/// LogitMask::forbid(&mut even, &[], &mut allowed);
/// assert_eq!(allowed, [true, false, true, false]);
/// ```
pub trait LogitMask {
	/// Sets `allowed[token]`, `[V]` and all true before, to false for tokens that must not follow `written`, the tokens since
	/// the prompt. Called once a token, with one more token each time. If nothing stays allowed, the text ends.
	fn forbid(&mut self, written: &[u32], allowed: &mut [bool]);
}

impl<F: FnMut(&[u32], &mut [bool])> LogitMask for F {
	fn forbid(&mut self, written: &[u32], allowed: &mut [bool]) {
		self(written, allowed);
	}
}
