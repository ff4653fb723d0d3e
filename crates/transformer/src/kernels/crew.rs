//! Threads that stay awake for the length of a step, so that handing out work costs less than a microsecond.
//!
//! A training step is some hundred short pieces of parallel work; a pool that sleeps between them spends more time waking up
//! than working. [`work`] holds the threads of the current rayon pool for the duration of a closure; inside it, [`each_index`]
//! gives them indices through one atomic counter. Outside it, the pool itself splits the work.
//!
//! Must not know: what is computed. Sources: Dekker's protocol (Dijkstra 1965) for leaving a job.
//! Invariants: an index runs exactly once; `each_index` returns when all have run, also by panic; a crew whose other members
//! never come does everything on the calling thread; nothing is allocated.

use core::cell::{Cell, UnsafeCell};
use core::hint::spin_loop;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Rounds of waiting without giving the processor away: some tens of microseconds.
const SPINS: u32 = 4096;

/// What the calling thread is at the moment.
#[derive(Clone, Copy)]
enum Role {
	/// No crew: work goes to the pool.
	Outside,
	/// Gives out the work of this crew, which lives further down its stack.
	Leader(*const Crew),
	/// Does a piece of work; what that gives out, it does itself.
	Member,
}

thread_local! {
	static ROLE: Cell<Role> = const { Cell::new(Role::Outside) };
}

/// Sets the role until it is dropped.
struct Acting(Role);

impl Acting {
	fn new(role: Role) -> Self {
		Self(ROLE.replace(role))
	}
}

impl Drop for Acting {
	fn drop(&mut self) {
		ROLE.set(self.0);
	}
}

/// Work that is being given out.
#[derive(Clone, Copy)]
struct Job {
	body: *const (dyn Fn(usize) + Sync),
	count: usize,
}

struct Crew {
	/// Odd while a job is open.
	epoch: AtomicUsize,
	/// Written by the leader while no job is open and nobody is inside; read by those inside.
	job: UnsafeCell<Option<Job>>,
	/// The next index to be claimed.
	next: AtomicUsize,
	/// Members inside the job.
	inside: AtomicUsize,
	/// No more jobs will come.
	over: AtomicBool,
	/// Whether the thread that asks may take part.
	fit: fn() -> bool,
}

// SAFETY: `job` is the only part that is not atomic. The leader writes it only while `epoch` is even and `inside` is 0;
// members read it only between entering (`inside` raised, `epoch` then seen odd) and leaving.
unsafe impl Sync for Crew {}

impl Crew {
	fn new(fit: fn() -> bool) -> Self {
		Self {
			epoch: AtomicUsize::new(0),
			job: UnsafeCell::new(None),
			next: AtomicUsize::new(0),
			inside: AtomicUsize::new(0),
			over: AtomicBool::new(false),
			fit,
		}
	}

	/// Gives out `count` indices and takes part.
	fn lead(&self, count: usize, body: &(dyn Fn(usize) + Sync)) {
		// SAFETY: only the lifetime changes; `Closing` waits for everybody to leave before this function returns or unwinds.
		let body = unsafe {
			core::mem::transmute::<*const (dyn Fn(usize) + Sync + '_), *const (dyn Fn(usize) + Sync)>(
				body,
			)
		};
		let job = Job { body, count };
		// SAFETY: no job is open and nobody inside: `Closing` has waited for that at the end of the last one.
		unsafe { *self.job.get() = Some(job) };
		self.next.store(0, Ordering::Relaxed);
		self.epoch.fetch_add(1, Ordering::SeqCst);
		let _closing = Closing(self);
		self.claim(job);
	}

	/// Runs indices until none is left.
	fn claim(&self, job: Job) {
		let _acting = Acting::new(Role::Member);
		loop {
			let index = self.next.fetch_add(1, Ordering::Relaxed);
			if index >= job.count {
				return;
			}
			// SAFETY: the leader keeps the closure alive until everybody inside has left.
			unsafe { (*job.body)(index) };
		}
	}

	/// Takes part in jobs until there are no more.
	fn follow(&self) {
		if !(self.fit)() {
			return;
		}
		let mut last = 0;
		let mut wait = Wait::new();
		while !self.over.load(Ordering::Acquire) {
			let epoch = self.epoch.load(Ordering::SeqCst);
			if epoch.is_multiple_of(2) || epoch == last {
				wait.round();
				continue;
			}
			last = epoch;
			self.inside.fetch_add(1, Ordering::SeqCst);
			let leaving = Leaving(self);
			// The leader either sees that somebody is inside, or has closed the job, which is seen here.
			if self.epoch.load(Ordering::SeqCst) == epoch {
				// SAFETY: inside an open job; see the type.
				if let Some(job) = unsafe { *self.job.get() } {
					self.claim(job);
				}
			}
			drop(leaving);
			wait = Wait::new();
		}
	}
}

/// Closes the leader's job and waits for the members inside it, whatever happens.
struct Closing<'a>(&'a Crew);

impl Drop for Closing<'_> {
	fn drop(&mut self) {
		// After a panic of the leader, others need not go on.
		self.0
			.next
			.fetch_or(1 << (usize::BITS - 2), Ordering::Relaxed);
		self.0.epoch.fetch_add(1, Ordering::SeqCst);
		let mut wait = Wait::new();
		while self.0.inside.load(Ordering::SeqCst) != 0 {
			wait.round();
		}
	}
}

/// A member leaves, whatever happens; a panic goes on to the pool, which hands it to the leader at the end.
struct Leaving<'a>(&'a Crew);

impl Drop for Leaving<'_> {
	fn drop(&mut self) {
		self.0.inside.fetch_sub(1, Ordering::SeqCst);
	}
}

/// Ends the crew, whatever happens.
struct Ending<'a>(&'a Crew);

impl Drop for Ending<'_> {
	fn drop(&mut self) {
		self.0.over.store(true, Ordering::Release);
	}
}

/// Waiting that begins eager and turns polite.
struct Wait(u32);

impl Wait {
	fn new() -> Self {
		Self(0)
	}

	fn round(&mut self) {
		if self.0 < SPINS {
			self.0 += 1;
			spin_loop();
		} else {
			std::thread::yield_now();
		}
	}
}

/// Calls `body` with those threads of the current pool at hand that are `fit`; what the calling thread is, its caller knows.
pub(crate) fn work<R: Send>(fit: fn() -> bool, body: impl FnOnce() -> R + Send) -> R {
	let alone = rayon::current_num_threads() <= 1;
	if alone || !matches!(ROLE.get(), Role::Outside) {
		return body();
	}
	let crew = Crew::new(fit);
	let lead = || {
		let _ending = Ending(&crew);
		let _acting = Acting::new(Role::Leader(&crew));
		body()
	};
	let members = rayon::current_num_threads() - 1;
	rayon::join(lead, || follow(&crew, members)).0
}

/// Has `members` threads follow, as far as the pool has them.
fn follow(crew: &Crew, members: usize) {
	if members <= 1 {
		crew.follow();
	} else {
		rayon::join(|| crew.follow(), || follow(crew, members - 1));
	}
}

/// Calls `body` once with each index below `count`, on whatever threads there are, and returns when all are done.
pub(crate) fn each_index(count: usize, body: &(dyn Fn(usize) + Sync)) {
	match ROLE.get() {
		Role::Outside if count > 1 && rayon::current_num_threads() > 1 => halves(0, count, body),
		// SAFETY: the crew lives in `work`, below us on this thread's stack, which resets the role before it returns.
		Role::Leader(crew) if count > 1 => unsafe { &*crew }.lead(count, body),
		_ => (0..count).for_each(body),
	}
}

fn halves(first: usize, count: usize, body: &(dyn Fn(usize) + Sync)) {
	if count <= 1 {
		(first..first + count).for_each(body);
		return;
	}
	let left = count / 2;
	rayon::join(
		|| halves(first, left, body),
		|| halves(first + left, count - left, body),
	);
}

/// Where one item a thread is taken from.
struct Items<W>(*mut Option<W>);

// SAFETY: every item is taken by one thread only, see `each`.
unsafe impl<W: Send> Sync for Items<W> {}

impl<W> Items<W> {
	fn at(&self, index: usize) -> *mut Option<W> {
		self.0.wrapping_add(index)
	}
}

/// Calls `body` once with each item.
pub(crate) fn each<W: Send>(items: &mut [Option<W>], body: &(impl Fn(W) + Sync)) {
	let count = items.len();
	let items = Items(items.as_mut_ptr());
	each_index(count, &|index| {
		debug_assert!(index < count);
		// SAFETY: inside the slice, which is borrowed for longer; each index comes once, so nobody else is at this item.
		if let Some(item) = unsafe { (*items.at(index)).take() } {
			body(item);
		}
	});
}

#[cfg(test)]
mod tests {
	use super::*;
	use crate::kernels::tests::on_pools;

	#[test]
	fn every_index_runs_once() {
		on_pools(|| {
			work(
				|| true,
				|| {
					for count in [0, 1, 2, 3, 17, 64] {
						let runs: Vec<AtomicUsize> =
							(0..count).map(|_| AtomicUsize::new(0)).collect();
						for round in 1..=50 {
							each_index(count, &|index| {
								runs[index].fetch_add(1, Ordering::Relaxed);
							});
							assert!(runs
								.iter()
								.all(|runs| runs.load(Ordering::Relaxed) == round));
						}
					}
				},
			);
		});
	}

	#[test]
	fn work_inside_work_is_done_by_the_same_thread() {
		on_pools(|| {
			let total = AtomicUsize::new(0);
			work(
				|| true,
				|| {
					each_index(8, &|_| {
						let here = std::thread::current().id();
						each_index(8, &|_| {
							assert_eq!(std::thread::current().id(), here);
							total.fetch_add(1, Ordering::Relaxed);
						});
					});
					work(
						|| true,
						|| {
							each_index(4, &|_| {
								total.fetch_add(1, Ordering::Relaxed);
							})
						},
					);
				},
			);
			assert_eq!(total.into_inner(), 68);
		});
	}

	#[test]
	fn items_are_handed_over_whole() {
		on_pools(|| {
			let mut numbers = [0; 40];
			let mut items: Vec<_> = numbers.chunks_mut(7).map(Some).collect();
			work(
				|| true,
				|| each(&mut items, &|item: &mut [usize]| item.fill(1)),
			);
			assert_eq!(numbers, [1; 40]);
		});
	}

	#[test]
	fn the_unfit_take_no_part() {
		on_pools(|| {
			let here = std::thread::current().id();
			work(
				|| false,
				|| {
					each_index(32, &|_| assert_eq!(std::thread::current().id(), here));
				},
			);
		});
	}

	#[test]
	fn a_panic_reaches_the_caller_and_leaves_no_role_behind() {
		on_pools(|| {
			let result = std::panic::catch_unwind(|| {
				work(
					|| true,
					|| each_index(16, &|index| assert_ne!(index, 11, "eleven")),
				);
			});
			assert!(result.is_err());
			let sum = AtomicUsize::new(0);
			work(
				|| true,
				|| {
					each_index(5, &|index| {
						sum.fetch_add(index, Ordering::Relaxed);
					})
				},
			);
			assert_eq!(sum.into_inner(), 10);
		});
	}
}
