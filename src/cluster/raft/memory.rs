//! When a replica that forgot has everything again.
//!
//! It may have acknowledged whatever its leader takes for agreed on or believes it to have. So it is whole once its log
//! agrees with the leader's up to the greatest index of either kind that came since it was opened.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::AcqRel, Ordering::Release};

use crate::model::RaftIndex;

/// See the module. Clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory(Arc<State>);

#[derive(Debug, Default)]
struct State {
    /// One more than the greatest index that a leader counted on.
    expected_next: AtomicU64,
    /// The note is being taken away.
    recollects: AtomicBool,
}

impl Memory {
    /// A leader counts on `expected`. `last`: up to where its log and this one agree, if they do.
    pub(super) fn is_whole(&self, expected: Option<RaftIndex>, last: Option<RaftIndex>) -> bool {
        let next = |index: Option<RaftIndex>| index.map_or(0, |index| index + 1);
        let before = self.0.expected_next.fetch_max(next(expected), AcqRel);
        let expected = before.max(next(expected));
        expected > 0 && next(last) >= expected
    }

    /// Whether somebody takes the note away already; if not, the caller does.
    pub(super) fn begin(&self) -> bool {
        self.0.recollects.swap(true, AcqRel)
    }

    pub(super) fn end(&self) {
        self.0.recollects.store(false, Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_whole_once_it_reaches_whatever_a_leader_ever_counted_on() {
        let memory = Memory::default();
        assert!(!memory.is_whole(None, None), "nothing was heard");
        // The leader believes that entry 120 is here, which it is not; then it sends from 80 on.
        assert!(!memory.is_whole(Some(120), None));
        assert!(!memory.is_whole(Some(80), Some(100)));
        assert!(memory.is_whole(Some(100), Some(120)));
    }
}
