//! Counts what chosen threads allocate, for tests that promise nothing.
//!
//! Must not know: what is tested. Invariants: threads outside a counted pool, such as those of other tests, do not count.

use core::cell::Cell;
use core::sync::atomic::{AtomicUsize, Ordering};
use std::alloc::{GlobalAlloc, Layout, System};

struct Counting;

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
	static COUNTED: Cell<bool> = const { Cell::new(false) };
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: everything is handed on to the system's allocator; counting neither allocates nor changes a pointer.
unsafe impl GlobalAlloc for Counting {
	unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
		// A thread that is being torn down has no such flag any more.
		if COUNTED.try_with(Cell::get).unwrap_or(false) {
			ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
		}
		// SAFETY: the caller's promise is the system's.
		unsafe { System.alloc(layout) }
	}

	unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
		// SAFETY: the caller's promise is the system's.
		unsafe { System.dealloc(pointer, layout) }
	}
}

/// Allocations of all counted threads so far.
pub(crate) fn count() -> usize {
	ALLOCATIONS.load(Ordering::Relaxed)
}

/// A pool whose threads are counted. Only one test may use such pools, since they share the count.
pub(crate) fn counted_pool(threads: usize) -> rayon::ThreadPool {
	rayon::ThreadPoolBuilder::new()
		.num_threads(threads)
		.start_handler(|_| COUNTED.set(true))
		.build()
		.unwrap()
}
