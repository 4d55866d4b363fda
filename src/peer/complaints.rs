//! Lines about peers that misbehave, so many at a time: whoever connects in a loop must not fill a disk with them.
//!
//! Not here: what is worth a line.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;
use tracing::warn;

/// Lines in one [`PERIOD`]; what is above is counted, and the next line says how many.
const LINES_MAX: u32 = 10;
const PERIOD: Duration = Duration::from_secs(10);

/// What was said lately, of all connections.
#[derive(Debug, Default)]
pub(super) struct Complaints(Mutex<Lately>);

#[derive(Debug, Default)]
struct Lately {
    since: Option<Instant>,
    said: u32,
    unsaid: u64,
}

impl Complaints {
    /// Says what was wrong with `peer`, unless too much was said.
    pub(super) fn say(&self, peer: &dyn std::fmt::Display, wrong: &dyn std::fmt::Display) {
        if let Some(not_logged) = self.may_say(Instant::now()) {
            warn!(%peer, reason = %wrong, not_logged, "trouble with a peer");
        }
    }

    /// Whether one more line may be written now: then, how many were not.
    fn may_say(&self, now: Instant) -> Option<u64> {
        let mut lately = self.0.lock();
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
