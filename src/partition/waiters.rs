//! Who waits for a partition to change: long-polled fetches, woken by the append.

use std::sync::atomic::{AtomicBool, Ordering::AcqRel, Ordering::Acquire, Ordering::Release};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

/// Registrations above which gone ones are looked for.
const PRUNE_ABOVE: usize = 64;

/// One waiting request; it may wait for several partitions.
pub trait Waiter: Send + Sync {
    /// Says that something changed. Called under no lock; must not block.
    fn wake(&self);
}

/// The waiters of one partition. Registration is for one wake: whoever goes on waiting registers
/// again. Bounded by the number of requests in flight, since gone ones are dropped.
#[derive(Default)]
pub struct Waiters {
    any: AtomicBool,
    list: Mutex<Vec<Weak<dyn Waiter>>>,
}

impl Waiters {
    pub fn register(&self, waiter: &Arc<dyn Waiter>) {
        let mut list = self.list.lock();
        if list.len() >= PRUNE_ABOVE {
            list.retain(|w| w.strong_count() > 0);
        }
        list.push(Arc::downgrade(waiter));
        self.any.store(true, Release);
    }

    /// Wakes all that registered before.
    pub fn wake_all(&self) {
        if !self.any.load(Acquire) {
            return;
        }
        let woken = {
            let mut list = self.list.lock();
            self.any.swap(false, AcqRel);
            std::mem::take(&mut *list)
        };
        for waiter in woken.iter().filter_map(Weak::upgrade) {
            waiter.wake();
        }
    }
}

impl std::fmt::Debug for Waiters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Waiters").field("any", &self.any).finish_non_exhaustive()
    }
}
