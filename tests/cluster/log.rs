//! The nodes' own logs, as a simulation shows them: with its time, and the node that is speaking.

use std::cell::Cell;
use std::fmt;
use std::sync::Once;

use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;

thread_local! {
    static SPEAKING: Cell<(u64, i32)> = const { Cell::new((0, 0)) };
}

static BEGUN: Once = Once::new();

struct Simulated;

impl FormatTime for Simulated {
    fn format_time(&self, out: &mut Writer<'_>) -> fmt::Result {
        let (now_ms, node) = SPEAKING.get();
        write!(out, "{now_ms:>6}    node {node}:")
    }
}

/// Shows what `BATEAU_LOG` asks for, if anything.
pub(crate) fn begin() {
    let Ok(filter) = std::env::var("BATEAU_LOG") else { return };
    BEGUN.call_once(|| {
        let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
        log.with_timer(Simulated).with_ansi(false).init();
    });
}

/// From now on `node` speaks; 0 is nobody.
pub(crate) fn speaks(now_ms: u64, node: i32) {
    SPEAKING.set((now_ms, node));
}
