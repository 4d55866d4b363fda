//! Making a log durable, in log order.

use std::sync::Arc;

use super::error::{During, StorageError};
use super::flusher::FlushTarget;
use super::segment::Segment;
use super::shared::Shared;

/// Makes everything that a log has published durable, when run.
#[derive(Clone, Debug)]
pub struct SyncJob {
    shared: Arc<Shared>,
}

impl SyncJob {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Syncs closed Stores, then new names, then the active Store; one run at a time for each log.
    ///
    /// # Errors
    /// After a first error of the disk the log is poisoned: the pages may be gone, and another
    /// sync would report success. [`StorageError::Poisoned`] from then on.
    pub fn run(&self) -> Result<(), StorageError> {
        let shared = &*self.shared;
        let mut named = shared.syncing.lock();
        shared.check_usable()?;
        let segments = shared.segments.load_full();
        // Syncs go in log order, so all before a clean segment are clean.
        let dirty = segments.iter().rposition(|s| s.is_clean()).map_or(0, |clean| clean + 1);
        let dirty = &segments[dirty..];
        if dirty.is_empty() {
            return Ok(());
        }
        let ends: Vec<u32> = dirty.iter().map(|s| s.end().position).collect();
        let result = sync_all(shared, dirty, &mut named.0);
        if let Err(error) = &result {
            tracing::error!(dir = %shared.dir.display(), %error, "sync failed, log poisoned");
            shared.poison();
            for segment in dirty {
                segment.index.set_unsettled(true);
            }
            return result;
        }
        for (segment, end) in dirty.iter().zip(ends) {
            segment.set_linked();
            segment.set_synced(end);
        }
        Ok(())
    }
}

impl FlushTarget for SyncJob {
    fn flush(&self) -> Result<(), StorageError> {
        self.run()
    }
}

fn sync_all(shared: &Shared, dirty: &[Arc<Segment>], named: &mut bool) -> Result<(), StorageError> {
    let Some((active, closed)) = dirty.split_last() else { return Ok(()) };
    for segment in closed {
        segment.store.sync()?;
    }
    if dirty.iter().any(|s| !s.is_linked()) {
        shared.disk.sync_dir(&shared.dir).during("sync", &shared.dir)?;
        if !*named && let Some(parent) = shared.dir.parent() {
            shared.disk.sync_dir(parent).during("sync", parent)?;
            *named = true;
        }
    }
    active.store.sync()
}
