//! Lines about clients that misbehave, so many at a time: whoever connects in a loop must not fill a disk with them.
//!
//! Not here: what is worth a line (`ended.rs`).

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;
use tracing::warn;

/// Lines in one [`PERIOD`]; what is above is counted, and the next line says how many.
const LINES_MAX: u32 = 10;
const PERIOD: Duration = Duration::from_secs(1);

/// What was said lately, by all connections of a listener.
#[derive(Debug, Default)]
pub(super) struct Complaints {
    lately: Mutex<Lately>,
}

#[derive(Debug, Default)]
struct Lately {
    since: Option<Instant>,
    said: u32,
    unsaid: u64,
}

impl Complaints {
    /// Whether one more line may be written now: then, how many were not.
    pub(super) fn may_say(&self, now: Instant) -> Option<u64> {
        let mut lately = self.lately.lock();
        if lately.since.is_none_or(|since| now.duration_since(since) >= PERIOD) {
            lately.since = Some(now);
            lately.said = 0;
        }
        if lately.said == LINES_MAX {
            lately.unsaid += 1;
            return None;
        }
        lately.said += 1;
        Some(std::mem::take(&mut lately.unsaid))
    }

    /// Says that a connection was not taken.
    pub(super) fn refused(&self, reason: &std::fmt::Arguments<'_>) {
        if let Some(not_logged) = self.may_say(Instant::now()) {
            warn!(%reason, not_logged, "connection refused");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_lines_is_cut_and_counted() {
        let (complaints, now) = (Complaints::default(), Instant::now());
        let said = (0..1000).filter(|_| complaints.may_say(now).is_some()).count();
        assert_eq!(said, 10);
        assert_eq!(complaints.may_say(now + PERIOD), Some(990));
        assert_eq!(complaints.may_say(now + PERIOD), Some(0));
    }
}
