//! Ctrl-C: the first asks a command to come to its end, the second ends it there and then.

use tokio::sync::watch;

/// As a shell reports a process that SIGINT ended.
const KILLED: i32 = 130;

/// Cheap to clone; each clone hears the same.
#[derive(Clone, Debug)]
pub(super) struct Interrupt {
    told: watch::Receiver<bool>,
}

impl Interrupt {
    /// From here on Ctrl-C does not end the process any more, unless it comes twice.
    pub(super) fn listen() -> Self {
        let (tell, told) = watch::channel(false);
        tokio::spawn(async move {
            if tokio::signal::ctrl_c().await.is_err() {
                // It still ends the process then. Whoever waits here must not take that for a Ctrl-C.
                return std::future::pending().await;
            }
            tell.send_replace(true);
            if tokio::signal::ctrl_c().await.is_ok() {
                eprintln!("bateau: stopped before the end");
                std::process::exit(KILLED);
            }
        });
        Self { told }
    }

    pub(super) fn is_told(&self) -> bool {
        *self.told.borrow()
    }

    /// Resolves at the first Ctrl-C, at once if it was already.
    pub(super) async fn told(&mut self) {
        // The task lives as long as the runtime.
        _ = self.told.wait_for(|told| *told).await;
    }
}
