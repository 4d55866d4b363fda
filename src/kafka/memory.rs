//! The budget for request bytes that all connections share, and what one connection holds of it.
//!
//! A charge grows with the room that a read needs and goes when the request is answered. When the budget is used up,
//! reading pauses. Since half-read requests could then block each other for ever, one connection at a time may go on
//! over the budget until its request is whole.
//!
//! Source: Kafka `queued.max.request.bytes` (KIP-72), which here counts bytes that have arrived.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes of one permit.
const UNIT: usize = 1024;
/// Bytes that each connection has free: small requests never touch the budget.
pub(super) const FREE: usize = crate::wire::frame::READ_MIN;
/// The budget when `queued.max.request.bytes` is -1.
pub(super) const DEFAULT_BUDGET: usize = 256 * 1024 * 1024;

/// The shared budget.
#[derive(Debug)]
pub(super) struct RequestMemory {
    permits: Arc<Semaphore>,
    overdraft: Arc<Semaphore>,
}

impl RequestMemory {
    /// A budget of `bytes`.
    pub(super) fn new(bytes: usize) -> Self {
        let units = bytes.div_ceil(UNIT).clamp(1, Semaphore::MAX_PERMITS);
        Self { permits: Arc::new(Semaphore::new(units)), overdraft: Arc::new(Semaphore::new(1)) }
    }

    /// Whether the budget is used up and somebody wanted more.
    pub(super) fn is_short(&self) -> bool {
        self.overdraft.available_permits() == 0
    }
}

/// What one connection, or one of its requests, holds of the budget; given back when dropped.
#[derive(Debug, Default)]
pub(super) struct Charge {
    permits: Option<OwnedSemaphorePermit>,
    overdraft: Option<OwnedSemaphorePermit>,
}

impl Charge {
    /// Holds at least `bytes` less [`FREE`] when it returns, or the right to overdraw. Cancel safe.
    pub(super) async fn grow_to(&mut self, bytes: usize, memory: &RequestMemory) {
        let wanted = units(bytes.saturating_sub(FREE));
        let held = self.permits.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let Some(missing) = wanted.checked_sub(held).and_then(|n| u32::try_from(n).ok()).filter(|n| *n > 0)
        else {
            return;
        };
        if self.overdraft.is_some() {
            return;
        }
        if let Ok(more) = Arc::clone(&memory.permits).try_acquire_many_owned(missing) {
            return self.add(more);
        }
        tokio::select! {
            Ok(more) = Arc::clone(&memory.permits).acquire_many_owned(missing) => self.add(more),
            Ok(permit) = Arc::clone(&memory.overdraft).acquire_owned() => self.overdraft = Some(permit),
            else => {} // the semaphores are never closed
        }
    }

    /// Takes off what a whole request of `bytes` holds; an overdraft goes with it.
    pub(super) fn split(&mut self, bytes: usize) -> Self {
        let overdraft = self.overdraft.take();
        let Some(held) = &mut self.permits else { return Self { permits: None, overdraft } };
        let part = units(bytes).min(held.num_permits());
        Self { permits: held.split(part), overdraft }
    }

    /// Gives everything back.
    pub(super) fn release(&mut self) {
        *self = Self::default();
    }

    fn add(&mut self, more: OwnedSemaphorePermit) {
        match &mut self.permits {
            Some(held) => held.merge(more),
            none => *none = Some(more),
        }
    }
}

fn units(bytes: usize) -> usize {
    bytes.div_ceil(UNIT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    fn grow(charge: &mut Charge, bytes: usize, memory: &RequestMemory) -> bool {
        charge.grow_to(bytes, memory).now_or_never().is_some()
    }

    #[test]
    fn small_requests_cost_nothing() {
        let memory = RequestMemory::new(UNIT);
        let mut charge = Charge::default();
        assert!(grow(&mut charge, FREE, &memory));
        assert_eq!(memory.permits.available_permits(), 1);
    }

    #[test]
    fn the_budget_comes_back_when_requests_are_dropped() {
        let memory = RequestMemory::new(10 * UNIT);
        let mut charge = Charge::default();
        assert!(grow(&mut charge, FREE + 10 * UNIT, &memory));
        assert_eq!(memory.permits.available_permits(), 0);
        let request = charge.split(4 * UNIT);
        charge.release();
        assert_eq!(memory.permits.available_permits(), 6);
        drop(request);
        assert_eq!(memory.permits.available_permits(), 10);
    }

    #[test]
    fn one_connection_goes_on_over_a_used_up_budget_and_the_next_waits() {
        let memory = RequestMemory::new(UNIT);
        let (mut a, mut b, mut c) = (Charge::default(), Charge::default(), Charge::default());
        assert!(grow(&mut a, FREE + UNIT, &memory));
        assert!(grow(&mut b, FREE + 100 * UNIT, &memory));
        assert!(grow(&mut b, FREE + 200 * UNIT, &memory));
        assert!(memory.is_short());
        assert!(!grow(&mut c, FREE + UNIT, &memory));
        let request = b.split(200 * UNIT);
        assert!(!grow(&mut c, FREE + UNIT, &memory));
        drop(request);
        assert!(grow(&mut c, FREE + 50 * UNIT, &memory));
    }
}
