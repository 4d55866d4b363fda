//! Kafka's lines through a log: log start ≤ last stable ≤ high watermark ≤ log end.

use std::sync::atomic::{AtomicI64, Ordering::AcqRel, Ordering::Acquire};

use crate::model::Offset;

/// The lines that only move forwards; read without a lock.
///
/// Invariant: `log_start ≤ high_watermark`. The last stable offset is the high watermark as long
/// as there are no transactions.
#[derive(Debug)]
pub struct Lines {
    log_start: AtomicI64,
    high_watermark: AtomicI64,
}

impl Lines {
    pub fn new(log_start: Offset) -> Self {
        Self { log_start: AtomicI64::new(log_start.0), high_watermark: AtomicI64::new(log_start.0) }
    }

    /// The first offset that may be read (inclusive).
    pub fn log_start(&self) -> Offset {
        Offset(self.log_start.load(Acquire))
    }

    /// The offset that consumers may read up to (exclusive).
    pub fn high_watermark(&self) -> Offset {
        Offset(self.high_watermark.load(Acquire))
    }

    /// Moves the high watermark to `to`, never back; whether it moved.
    pub fn advance_high_watermark(&self, to: Offset) -> bool {
        self.high_watermark.fetch_max(to.0, AcqRel) < to.0
    }

    /// Moves the log start to `to`, never back, and never past the high watermark.
    pub fn advance_log_start(&self, to: Offset) -> bool {
        assert!(
            to <= self.high_watermark(),
            "log start {to} past the high watermark {}",
            self.high_watermark()
        );
        self.log_start.fetch_max(to.0, AcqRel) < to.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_never_move_back() {
        let lines = Lines::new(Offset(3));
        assert!(lines.advance_high_watermark(Offset(9)));
        assert!(!lines.advance_high_watermark(Offset(5)));
        assert!(lines.advance_log_start(Offset(7)));
        assert!(!lines.advance_log_start(Offset(4)));
        assert_eq!((lines.log_start(), lines.high_watermark()), (Offset(7), Offset(9)));
    }
}
