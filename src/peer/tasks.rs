//! The tasks of a node's connections: started on the right runtime, and all ended before `close` returns.

use std::sync::Arc;

use super::settings::Spawn;
use super::watched::Watched;

#[derive(Debug, Default)]
pub(super) struct Tasks {
    running: Arc<Watched<usize>>,
}

/// Counts a task for as long as its future exists, finished or not.
struct Counted(Arc<Watched<usize>>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.change(|running| {
            *running -= 1;
            *running == 0
        });
    }
}

impl Tasks {
    pub(super) fn spawn(&self, spawn: &Spawn, task: impl Future<Output = ()> + Send + 'static) {
        self.running.change(|running| {
            *running += 1;
            false
        });
        let counted = Counted(Arc::clone(&self.running));
        spawn(Box::pin(async move {
            let _counted = counted;
            task.await;
        }));
    }

    /// Resolves once no task is left.
    pub(super) async fn ended(&self) {
        self.running.watch().wait_for(|running| *running == 0).await;
    }
}
