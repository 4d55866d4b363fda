//! A line on the terminal that says how far something is. Nothing where no terminal is.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use tokio::time::Instant;

const BAR: u8 = 30;
const EVERY: Duration = Duration::from_millis(200);

#[derive(Debug)]
pub(super) struct Progress {
    is_shown: bool,
    last: Option<Instant>,
}

impl Progress {
    /// On standard error, if that is a terminal and `wanted`.
    pub(super) fn new(wanted: bool) -> Self {
        Self { is_shown: wanted && std::io::stderr().is_terminal(), last: None }
    }

    /// Shows what `text` gives, if the last line is a little while ago.
    pub(super) fn show(&mut self, text: impl FnOnce() -> String) {
        if !self.is_shown || self.last.is_some_and(|last| last.elapsed() < EVERY) {
            return;
        }
        self.last = Some(Instant::now());
        let mut terminal = std::io::stderr();
        // A terminal that has gone needs no line.
        _ = write!(terminal, "\r\x1b[K{}", text()).and_then(|()| terminal.flush());
    }

    /// Takes the line away.
    pub(super) fn clear(&mut self) {
        if self.is_shown && self.last.take().is_some() {
            let mut terminal = std::io::stderr();
            // As above.
            _ = write!(terminal, "\r\x1b[K").and_then(|()| terminal.flush());
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}

/// `[#####.....]  50 %`, for a share between 0 and 1.
pub(super) fn bar(share: f64) -> String {
    let share = share.clamp(0.0, 1.0);
    let filled = (0..BAR).filter(|at| f64::from(*at) + 0.5 < share * f64::from(BAR)).count();
    format!("[{}{}] {:3.0} %", "#".repeat(filled), ".".repeat(usize::from(BAR) - filled), share * 100.0)
}
