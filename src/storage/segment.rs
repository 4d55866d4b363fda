//! A Store and its Index: one stretch of the log. Files are named by the base offset.

use std::io::IoSlice;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use super::disk::Disk;
use super::error::{During, StorageError};
use super::index::{End, Index, IndexHead, IndexView};
use super::marker::{FORMAT_VERSION, LogIdentity, Marker, STORE_HEADER_LEN, StoreHeader};
use super::store::Store;
use crate::model::{LeaderEpoch, Offset, RaftIndex};

/// Where a segment begins, in both countings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentStart {
    pub base_offset: Offset,
    pub first_raft_index: RaftIndex,
    /// Term of the entry before the first; `None` if there is no such entry.
    pub term_before: Option<u64>,
}

/// One stretch of the log, shared by its writer, readers and the flusher.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) start: SegmentStart,
    pub(super) store: Arc<Store>,
    pub(super) index: Index,
    /// Bytes of the Store known to be durable.
    synced: AtomicU32,
    /// Whether its files' names are durable.
    linked: AtomicBool,
    /// Entries whose slots were made durable.
    pub(super) indexed: AtomicU32,
}

impl Segment {
    /// Makes both files, with nothing but the header in the Store. Nothing is synced yet.
    pub(super) fn create(
        disk: &dyn Disk,
        dir: &Path,
        identity: &LogIdentity,
        start: SegmentStart,
    ) -> Result<Self, StorageError> {
        let path = store_path(dir, start.base_offset);
        let file = disk.open(&path, true).during("create", &path)?;
        let stale = file.len().during("stat", &path)?;
        let store = Store::new(file, path);
        if stale > 0 {
            store.cut(0)?;
        }
        let header = Marker::Header(StoreHeader {
            identity: *identity,
            first_raft_index: start.first_raft_index,
            has_before: start.term_before.is_some(),
            term_before: start.term_before.unwrap_or(0),
            format_version: FORMAT_VERSION,
        });
        let epoch = LeaderEpoch(start.term_before.unwrap_or(0) as i32);
        let batch = header.encode(start.base_offset, epoch);
        debug_assert_eq!(batch.len(), STORE_HEADER_LEN as usize);
        store.write_at(&[IoSlice::new(&batch)], 0)?;
        let head = start.index_head(identity);
        let index_path = index_path(dir, start.base_offset);
        let index = Index::create(disk, &index_path, &head, STORE_HEADER_LEN)?;
        Ok(Self::new(start, store, index))
    }

    pub(super) fn new(start: SegmentStart, store: Store, index: Index) -> Self {
        Self {
            start,
            store: Arc::new(store),
            index,
            synced: AtomicU32::new(0),
            linked: AtomicBool::new(false),
            indexed: AtomicU32::new(0),
        }
    }

    pub(super) fn view(&self) -> IndexView {
        self.index.view()
    }

    /// The published end.
    pub(super) fn end(&self) -> End {
        self.index.view().end()
    }

    pub(super) fn next_raft_index(&self) -> RaftIndex {
        self.start.first_raft_index + u64::from(self.view().count)
    }

    /// The ordinal of a Raft index that this segment may hold.
    pub(super) fn ordinal(&self, index: RaftIndex) -> Option<u32> {
        u32::try_from(index.checked_sub(self.start.first_raft_index)?).ok()
    }

    pub(super) fn synced(&self) -> u32 {
        self.synced.load(Ordering::Acquire)
    }

    pub(super) fn set_synced(&self, position: u32) {
        self.synced.store(position, Ordering::Release);
        self.index.note_synced(position);
    }

    /// The durable end as recovery found it; not noted again.
    pub(super) fn assume_synced(&self, position: u32) {
        self.synced.store(position, Ordering::Release);
    }

    pub(super) fn is_linked(&self) -> bool {
        self.linked.load(Ordering::Acquire)
    }

    pub(super) fn set_linked(&self) {
        self.linked.store(true, Ordering::Release);
    }

    /// Whether everything published is durable, name and all.
    pub(super) fn is_clean(&self) -> bool {
        self.is_linked() && self.synced() >= self.end().position
    }
}

impl SegmentStart {
    pub(super) fn index_head(&self, identity: &LogIdentity) -> IndexHead {
        IndexHead {
            base_offset: self.base_offset,
            first_raft_index: self.first_raft_index,
            fingerprint: identity.fingerprint(),
        }
    }
}

pub(super) fn store_path(dir: &Path, base: Offset) -> PathBuf {
    dir.join(format!("{:020}.log", base.0))
}

pub(super) fn index_path(dir: &Path, base: Offset) -> PathBuf {
    dir.join(format!("{:020}.index", base.0))
}

/// The number in a name of 20 digits and `.suffix`.
pub(super) fn number_in(name: &str, suffix: &str) -> Option<u64> {
    let digits = name.strip_suffix(suffix)?.strip_suffix('.')?;
    if digits.len() != 20 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok()
}
