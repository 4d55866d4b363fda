//! A value that tasks wait on. Unlike tokio's `watch`, which wakes those who wait in random order, it wakes them in the
//! order in which they came: a simulation replays.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;

#[derive(Debug, Default)]
pub(super) struct Watched<T> {
    /// The value and how often it has changed.
    value: Mutex<(T, u64)>,
    changed: Notify,
}

/// Sees the changes of a value, the newest only.
#[derive(Debug)]
pub(super) struct Watch<T> {
    of: Arc<Watched<T>>,
    seen: u64,
}

impl<T: Clone> Watched<T> {
    pub(super) fn new(value: T) -> Arc<Self> {
        Arc::new(Self { value: Mutex::new((value, 0)), changed: Notify::new() })
    }

    pub(super) fn get(&self) -> T {
        self.value.lock().0.clone()
    }

    /// Changes the value, and wakes who waits if `change` says that it did.
    pub(super) fn change(&self, change: impl FnOnce(&mut T) -> bool) {
        let mut value = self.value.lock();
        if !change(&mut value.0) {
            return;
        }
        value.1 += 1;
        drop(value);
        self.changed.notify_waiters();
    }

    /// Has seen nothing yet.
    pub(super) fn watch(self: &Arc<Self>) -> Watch<T> {
        Watch { of: Arc::clone(self), seen: u64::MAX }
    }
}

impl<T: Clone> Watch<T> {
    /// The value as of now, which counts as seen.
    pub(super) fn get(&mut self) -> T {
        let value = self.of.value.lock();
        self.seen = value.1;
        value.0.clone()
    }

    /// Resolves once there is a value that was not seen. May be dropped and called again.
    pub(super) async fn changed(&self) {
        loop {
            let mut notified = std::pin::pin!(self.of.changed.notified());
            // From here on a change is not missed.
            notified.as_mut().enable();
            if self.of.value.lock().1 != self.seen {
                return;
            }
            notified.await;
        }
    }

    /// Resolves once `condition` holds.
    pub(super) async fn wait_for(&mut self, condition: impl Fn(&T) -> bool) {
        while !condition(&self.get()) {
            self.changed().await;
        }
    }
}

impl<T> Clone for Watch<T> {
    fn clone(&self) -> Self {
        Self { of: Arc::clone(&self.of), seen: self.seen }
    }
}
