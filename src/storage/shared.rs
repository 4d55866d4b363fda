//! What a log's writer, its readers and the flusher have in common.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use arc_swap::ArcSwap;
use parking_lot::Mutex;

use super::disk::Disk;
use super::error::StorageError;
use super::marker::LogIdentity;
use super::segment::Segment;
use crate::model::RaftIndex;

/// A published list of segments, oldest first; never empty; the last one is active.
pub(super) type Segments = Vec<Arc<Segment>>;

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) dir: PathBuf,
    pub(super) identity: LogIdentity,
    pub(super) segments: ArcSwap<Segments>,
    /// Counts truncations; odd while one is under way.
    pub(super) cuts: AtomicU64,
    poisoned: AtomicBool,
    /// Held while stores are synced or cut. Inside: whether the directory's own name is durable.
    pub(super) syncing: Mutex<DirNamed>,
    /// Held while a snapshot is written or taken back; before `syncing`, if both.
    pub(super) snapshotting: Mutex<()>,
    /// Raft indexes of the snapshots on disk, ascending; held for a look only.
    pub(super) snapshots: Mutex<Vec<RaftIndex>>,
    /// One more than the index up to which entries are known to be committed; 0 if none is.
    committed: AtomicU64,
    /// Bytes appended that the newest snapshot, written or under way, does not cover.
    pub(super) since_snapshot: AtomicU64,
    pub(super) rolled: AtomicBool,
}

/// Whether the name of the log's directory is durable in its parent.
#[derive(Debug)]
pub(super) struct DirNamed(pub(super) bool);

impl Shared {
    pub(super) fn new(disk: Arc<dyn Disk>, dir: PathBuf, identity: LogIdentity, list: Segments) -> Self {
        assert!(!list.is_empty(), "a log has a segment");
        Self {
            disk,
            dir,
            identity,
            segments: ArcSwap::from_pointee(list),
            cuts: AtomicU64::new(0),
            poisoned: AtomicBool::new(false),
            syncing: Mutex::new(DirNamed(false)),
            snapshotting: Mutex::new(()),
            snapshots: Mutex::default(),
            committed: AtomicU64::new(0),
            since_snapshot: AtomicU64::new(0),
            rolled: AtomicBool::new(false),
        }
    }

    pub(super) fn is_poisoned(&self) -> bool {
        self.poisoned.load(Ordering::Acquire)
    }

    pub(super) fn poison(&self) {
        self.poisoned.store(true, Ordering::Release);
    }

    pub(super) fn newest_snapshot(&self) -> Option<RaftIndex> {
        self.snapshots.lock().last().copied()
    }

    pub(super) fn note_committed(&self, index: RaftIndex) {
        self.committed.fetch_max(index.saturating_add(1), Ordering::AcqRel);
    }

    /// The newest snapshot that no truncation can make void.
    pub(super) fn anchor(&self) -> Option<RaftIndex> {
        let committed = self.committed.load(Ordering::Acquire);
        let safe = |index: &RaftIndex| committed == 0 || *index < committed;
        self.snapshots.lock().iter().copied().rfind(safe)
    }

    pub(super) fn check_usable(&self) -> Result<(), StorageError> {
        if self.is_poisoned() {
            return Err(StorageError::Poisoned { path: self.dir.clone() });
        }
        Ok(())
    }
}

/// Bytes of Stores behind the entry at `index`; all of them, if `None`.
pub(super) fn bytes_after(segments: &Segments, index: Option<RaftIndex>) -> u64 {
    let mut bytes = 0;
    for segment in segments.iter().rev() {
        let view = segment.view();
        bytes += u64::from(view.end().position);
        if let Some(covered) = index.and_then(|index| segment.ordinal(index)) {
            bytes -= u64::from(view.position((covered + 1).min(view.count)));
            break;
        }
    }
    bytes
}
