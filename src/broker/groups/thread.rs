//! The thread that groups are written on.
//!
//! A commit passes through half a dozen tasks that each do little. On one thread they follow each other; on several they
//! would wake one another's threads at each step, which costs more than what they do. Not here: requests, which are
//! decided on the thread that reads them.

use std::io;
use std::thread;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// See the module. It ends, and its tasks with it, once this is dropped; nobody waits for that.
#[derive(Debug)]
pub(super) struct GroupThread {
    runtime: Handle,
    _until_dropped: oneshot::Sender<()>,
}

impl GroupThread {
    /// # Errors
    /// If the system has no thread left.
    pub(super) fn start() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (until_dropped, dropped) = oneshot::channel::<()>();
        let run = move || drop(runtime.block_on(dropped));
        thread::Builder::new().name("groups".into()).spawn(run)?;
        Ok(Self { runtime: handle, _until_dropped: until_dropped })
    }

    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        drop(self.runtime.spawn(task));
    }

    /// `None`: the thread is ending.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        self.runtime.spawn(work).await.ok()
    }
}
