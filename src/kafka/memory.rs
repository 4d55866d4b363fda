//! The budgets that all connections share, for bytes of requests and of unread answers, and what one holds of them.
//!
//! A charge grows with the room that a read needs and goes when the request is answered. When the budget is used up,
//! reading pauses. Since half-read requests could then block each other for ever, one connection at a time may go on
//! over the budget until its request is whole.
//!
//! Source: Kafka `queued.max.request.bytes` (KIP-72), which here counts bytes that have arrived.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes of one permit.
const UNIT: usize = 1024;
/// Bytes that each connection has free: small requests never touch the budget.
pub(super) const FREE: usize = crate::wire::frame::READ_MIN;
/// The budget when `queued.max.request.bytes` is -1.
pub(super) const DEFAULT_BUDGET: usize = 256 * 1024 * 1024;

/// Bytes of answers that may wait for their readers.
const UNREAD_MAX: usize = 128 * 1024 * 1024;

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

    /// Whether `bytes` are paid for.
    pub(super) fn covers(&self, bytes: usize) -> bool {
        let held = self.permits.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        self.overdraft.is_some() || units(bytes.saturating_sub(FREE)) <= held
    }

    /// Keeps what `bytes` need, and gives the rest back.
    pub(super) fn shrink_to(&mut self, bytes: usize) {
        let kept = units(bytes.saturating_sub(FREE));
        if kept == 0 {
            self.overdraft = None;
        }
        if let Some(held) = &mut self.permits {
            let kept = held.split(kept.min(held.num_permits()));
            self.permits = kept;
        }
    }

    /// Whether it holds anything that others could wait for.
    pub(super) fn is_empty(&self) -> bool {
        self.overdraft.is_none() && self.permits.as_ref().is_none_or(|held| held.num_permits() == 0)
    }

    /// Takes off what a whole request of `bytes` holds; an overdraft goes with it.
    pub(super) fn split(&mut self, bytes: usize) -> Self {
        let overdraft = self.overdraft.take();
        let Some(held) = &mut self.permits else { return Self { permits: None, overdraft } };
        let part = units(bytes).min(held.num_permits());
        Self { permits: held.split(part), overdraft }
    }

    fn add(&mut self, more: OwnedSemaphorePermit) {
        match &mut self.permits {
            Some(held) => held.merge(more),
            none => *none = Some(more),
        }
    }
}

/// Bytes of answers that their readers have not taken, of all connections together: the most, but for one answer
/// of each connection that is being handled, and [`FREE`] for each.
///
/// Nobody waits for it: an answer that is there takes its memory already. So the connection is closed whose answer
/// is not read at once while the budget is used up.
#[derive(Debug)]
pub(super) struct AnswerMemory {
    held: AtomicUsize,
    max: usize,
}

/// What one unread answer holds.
#[derive(Debug)]
pub(super) struct Unread<'a> {
    memory: &'a AnswerMemory,
    bytes: usize,
}

impl Default for AnswerMemory {
    fn default() -> Self {
        Self::new(UNREAD_MAX)
    }
}

impl AnswerMemory {
    /// A budget of `max` bytes.
    pub(super) fn new(max: usize) -> Self {
        Self { held: AtomicUsize::new(0), max }
    }

    /// Holds `bytes` until dropped.
    ///
    /// # Errors
    /// How much others hold, if that leaves no room. A single answer is never too large.
    pub(super) fn hold(&self, bytes: usize) -> Result<Unread<'_>, usize> {
        if bytes <= FREE {
            return Ok(Unread { memory: self, bytes: 0 });
        }
        let held = self.held.fetch_add(bytes, Ordering::Relaxed) + bytes;
        let unread = Unread { memory: self, bytes };
        if held > self.max.max(bytes) { Err(held - bytes) } else { Ok(unread) }
    }

    /// Whether so much is unread that slow readers have to go.
    pub(super) fn is_short(&self) -> bool {
        self.held.load(Ordering::Relaxed) > self.max / 2
    }
}

impl Drop for Unread<'_> {
    fn drop(&mut self) {
        self.memory.held.fetch_sub(self.bytes, Ordering::Relaxed);
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
        charge.shrink_to(0);
        assert_eq!(memory.permits.available_permits(), 6);
        drop(request);
        assert_eq!(memory.permits.available_permits(), 10);
    }

    #[test]
    fn what_is_kept_of_a_charge_is_what_its_bytes_need() {
        let memory = RequestMemory::new(10 * UNIT);
        let mut charge = Charge::default();
        assert!(grow(&mut charge, FREE + 10 * UNIT, &memory));
        charge.shrink_to(FREE + 2 * UNIT);
        assert_eq!(memory.permits.available_permits(), 8);
        charge.shrink_to(FREE);
        assert!(charge.is_empty());
        assert_eq!(memory.permits.available_permits(), 10);
    }

    #[test]
    fn unread_answers_are_held_up_to_the_budget_and_small_ones_always() {
        let memory = AnswerMemory::default();
        let first = memory.hold(UNREAD_MAX).unwrap();
        assert_eq!(memory.hold(FREE + 1).unwrap_err(), UNREAD_MAX);
        assert!(memory.hold(FREE).is_ok());
        drop(first);
        assert!(!memory.is_short());
        assert!(memory.hold(UNREAD_MAX).is_ok());
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
