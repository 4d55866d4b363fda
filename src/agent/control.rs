//! A thread of its own for what decides about life and leaders: pings, votes, announcements. Load on the other threads
//! must not look like death.

use std::sync::Arc;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

use crate::peer::Spawn;

/// The thread's nice value.
const PRECEDENCE: i32 = -10;

/// See the module. The thread ends when this is dropped.
#[derive(Debug)]
pub(super) struct ControlThread {
    handle: Handle,
    _end: oneshot::Sender<()>,
}

impl ControlThread {
    pub(super) fn start() -> std::io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (end, ended) = oneshot::channel::<()>();
        let run = move || {
            go_first();
            drop(runtime.block_on(ended));
        };
        std::thread::Builder::new().name("control".into()).spawn(run)?;
        Ok(Self { handle, _end: end })
    }

    pub(super) fn spawner(&self) -> Spawn {
        let handle = self.handle.clone();
        Arc::new(move |task| drop(handle.spawn(task)))
    }
}

/// Gives this thread precedence over the node's others, where the system lets us.
fn go_first() {
    let me = rustix::thread::gettid();
    if let Err(error) = rustix::process::setpriority_process(Some(me), PRECEDENCE) {
        tracing::debug!(%error, "the control thread has no precedence");
    }
}
