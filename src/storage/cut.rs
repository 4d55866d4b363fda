//! Taking entries out of a log: the newest, that Raft overruled, and the oldest, that nobody needs.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::error::{During, StorageError};
use super::log::{Log, Tail};
use super::segment::{Segment, index_path, store_path};
use super::shared::{Shared, bytes_after};
use super::snapshot;
use super::sync::SyncJob;
use crate::model::{Offset, RaftIndex};

impl Log {
    /// Cuts every entry behind `last`; all of them, if `None`. Durable on return.
    ///
    /// # Errors
    /// [`StorageError::IndexOutOfRange`] if `last` was purged, [`StorageError::BelowSnapshot`] if a
    /// snapshot covers what would be cut and the log could not be opened without it.
    pub fn truncate_after(&mut self, last: Option<RaftIndex>) -> Result<(), StorageError> {
        self.shared.check_usable()?;
        let (first, next) = (self.first_raft_index(), self.next_raft_index());
        let keep = last.map_or(first, |last| last + 1);
        if keep >= next {
            return Ok(());
        }
        if keep < first {
            return Err(StorageError::IndexOutOfRange { asked: last.unwrap_or(0), first, next });
        }
        let shared = Arc::clone(&self.shared);
        let snapshotting = shared.snapshotting.lock();
        snapshot::forget_past(&shared, keep, self.before_first().is_some())?;
        let syncing = shared.syncing.lock();
        shared.cuts.fetch_add(1, Ordering::AcqRel);
        let result = self.cut(keep);
        shared.cuts.fetch_add(1, Ordering::AcqRel);
        drop(syncing);
        drop(snapshotting);
        if result.is_err() {
            shared.poison();
        }
        result
    }

    /// Drops the oldest segments whose entries all lie at or below `upto` and within a snapshot that
    /// stays (see [`Self::note_committed`]); never the active one. Their files go when the returned [`Removal`] is dropped,
    /// which may be on another thread.
    pub fn purge(&mut self, upto: RaftIndex) -> Result<Removal, StorageError> {
        self.shared.check_usable()?;
        let covered = self.shared.anchor().map(|index| index.min(upto));
        let gone = |s: &Arc<Segment>| covered.is_some_and(|upto| s.next_raft_index() <= upto + 1);
        let old = &self.segments[..self.segments.len() - 1];
        let count = old.iter().take_while(|s| gone(s)).count();
        let segments: Vec<_> = self.segments.drain(..count).collect();
        if count > 0 {
            self.shared.segments.store(Arc::new(self.segments.clone()));
        }
        Ok(Removal { shared: Arc::clone(&self.shared), segments })
    }

    /// Cuts to the entries below `keep`, which is in the log. The snapshot and sync locks are held.
    fn cut(&mut self, keep: RaftIndex) -> Result<(), StorageError> {
        let shared = &self.shared;
        let kept = self.segments.partition_point(|s| s.start.first_raft_index < keep).max(1);
        let removed = self.segments.split_off(kept);
        let segment = Arc::clone(self.active());
        let count = (keep - segment.start.first_raft_index) as u32;
        let tail = Tail::after(&segment, count);
        segment.index.set_unsettled(true);
        segment.index.publish(count);
        shared.segments.store(Arc::new(self.segments.clone()));
        // Notes first: one above the end would make a later power loss look like damage.
        for removed in &removed {
            removed.set_synced(0);
            removed.index.flush_note(&index_path(&shared.dir, removed.start.base_offset))?;
        }
        segment.set_synced(segment.synced().min(tail.position));
        segment.index.flush_note(&index_path(&shared.dir, segment.start.base_offset))?;
        for removed in removed.iter().rev() {
            unlink_segment(shared, removed.start.base_offset)?;
        }
        segment.store.cut(tail.position.into())?;
        segment.index.put_end(count, tail.offset, tail.position);
        segment.index.set_unsettled(false);
        segment.indexed.fetch_min(count, Ordering::AcqRel);
        let since = bytes_after(&self.segments, shared.newest_snapshot());
        shared.since_snapshot.store(since, Ordering::Release);
        self.tail = tail;
        Ok(())
    }
}

/// Files of purged segments; unlinked, oldest first, when this is dropped.
#[derive(Debug)]
pub struct Removal {
    shared: Arc<Shared>,
    segments: Vec<Arc<Segment>>,
}

impl Removal {
    pub fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }
}

impl Drop for Removal {
    fn drop(&mut self) {
        // The rest must stand by itself before anything goes: its newest file may be new.
        if self.is_empty() {
            return;
        }
        // By name: a log that was closed meanwhile may not own these names any more.
        let _alone = self.shared.snapshotting.lock();
        if SyncJob::new(Arc::clone(&self.shared)).run().is_err() {
            return;
        }
        for segment in &self.segments {
            // One by one and synced: what a power loss leaves never has a hole.
            if let Err(error) = unlink_segment(&self.shared, segment.start.base_offset) {
                tracing::warn!(%error, "purged segment stays until the next start");
                return;
            }
        }
    }
}

/// The Store's name goes first: an index without a Store is swept at the next start.
pub(super) fn unlink_segment(shared: &Shared, base: Offset) -> Result<(), StorageError> {
    for path in [store_path(&shared.dir, base), index_path(&shared.dir, base)] {
        match shared.disk.remove_file(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            other => other.during("remove", &path)?,
        }
    }
    shared.disk.sync_dir(&shared.dir).during("sync", &shared.dir)
}
