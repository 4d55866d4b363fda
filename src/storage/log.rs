//! The log of one partition, which is also its Raft log: one writer over old segments and one active.
//!
//! Every Raft entry stands in a Store in order, batch or marker. Not here: reading (`reader`),
//! what makes it durable (`sync`, `flusher`), and how it is opened (`recovery`).

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;

use super::disk::Disk;
use super::doubt::Doubt;
use super::error::StorageError;
use super::flusher::FlushHandle;
use super::index::{EntryKind, IndexEntry, MARKERS_MAX};
use super::marker::{LogIdentity, STORE_HEADER_LEN};
use super::reader::LogReader;
use super::recovery;
use super::segment::{Segment, SegmentStart};
use super::shared::{Segments, Shared};
use super::snapshot::{SnapshotFile, SnapshotJob, snapshot_path};
use super::sync::SyncJob;
use crate::model::batch::HEADER_LEN;
use crate::model::{BatchHeader, Offset, RaftIndex};

/// When a segment is full; may change while the log is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogOptions {
    /// `segment.bytes`; a larger batch gets a segment to itself.
    pub segment_bytes: u32,
    /// `segment.index.bytes`
    pub segment_index_bytes: u32,
    /// `segment.ms`, counted from the first batch's append.
    pub segment_ms: i64,
    /// `segment.jitter.ms`: up to so much earlier, so that not all logs roll at once.
    pub segment_jitter_ms: i64,
}

impl Default for LogOptions {
    /// Kafka's defaults.
    fn default() -> Self {
        Self {
            segment_bytes: 1 << 30,
            segment_index_bytes: 10 << 20,
            segment_ms: 7 * 24 * 3_600_000,
            segment_jitter_ms: 0,
        }
    }
}

/// A Raft entry as it will stand in the Store: base offset and epoch are set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StampedEntry {
    pub header: [u8; HEADER_LEN],
    /// The header's values, parsed.
    pub facts: BatchHeader,
    pub kind: EntryKind,
    /// The bytes behind the header.
    pub body: Bytes,
}

impl StampedEntry {
    /// A batch of records with its final header.
    pub fn batch(facts: BatchHeader, body: Bytes) -> Self {
        Self { header: facts.to_bytes(), facts, kind: EntryKind::Batch, body }
    }
}

/// What opening a log found.
#[derive(Debug)]
pub struct Recovery {
    /// The recovery point, if there is one.
    pub snapshot: Option<SnapshotFile>,
    /// The first entry that the snapshot does not cover; the caller replays from here.
    pub replay_from: RaftIndex,
    /// What a power loss had left unfinished and was cut.
    pub truncated: Option<Truncated>,
    /// Whether the kernel is still the one that ran when the snapshot was written.
    pub same_boot: bool,
    pub doubt: Doubt,
}

/// Bytes that recovery cut off the end of a log. None of them was acknowledged as durable, or [`Recovery::doubt`] says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Truncated {
    pub path: PathBuf,
    pub position: u64,
    /// In that file and in later ones, which were removed.
    pub bytes: u64,
}

/// One segment, for retention and `DescribeLogDirs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentFacts {
    pub base_offset: Offset,
    pub next_offset: Offset,
    pub first_raft_index: RaftIndex,
    /// `None` if it has no entry.
    pub last_raft_index: Option<RaftIndex>,
    /// Of the Store.
    pub bytes: u64,
    /// -1 if no batch says one.
    pub max_timestamp: i64,
    pub has_batch: bool,
    pub active: bool,
    /// When its first batch was appended; `None` if not known.
    pub created_ms: Option<i64>,
}

/// Where the writer stands: the active segment's end, published or not yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tail {
    pub(super) count: u32,
    pub(super) offset: Offset,
    pub(super) position: u32,
    pub(super) max_timestamp: i64,
    pub(super) markers: u32,
    /// Of the last entry; `None` if there never was one.
    pub(super) term: Option<u64>,
}

impl Tail {
    pub(super) fn of_empty(start: &SegmentStart) -> Self {
        Self {
            count: 0,
            offset: start.base_offset,
            position: STORE_HEADER_LEN,
            max_timestamp: -1,
            markers: 0,
            term: start.term_before,
        }
    }

    /// The end of `segment` after its first `count` entries.
    pub(super) fn after(segment: &Segment, count: u32) -> Self {
        let view = segment.view();
        let Some(last) = count.checked_sub(1).and_then(|last| view.entry(last)) else {
            return Self::of_empty(&segment.start);
        };
        let marker = u32::from(last.kind != EntryKind::Batch);
        Self {
            count,
            offset: view.offset(count),
            position: view.position(count),
            max_timestamp: last.max_timestamp,
            markers: (view.markers_before(count - 1) + marker).min(MARKERS_MAX),
            term: Some(last.term.into()),
        }
    }
}

/// The one writer of a log.
#[derive(Debug)]
pub struct Log {
    pub(super) shared: Arc<Shared>,
    pub(super) options: LogOptions,
    /// As the writer knows it: equal to the published list outside of [`Log::append`].
    pub(super) segments: Segments,
    pub(super) tail: Tail,
    handle: FlushHandle,
}

impl Log {
    /// Opens the log in `dir`, or makes one; the directory's parent must exist.
    ///
    /// # Errors
    /// [`StorageError::Foreign`] if it is another log's, [`StorageError::Corrupt`] if entries that
    /// may have been acknowledged are damaged; nothing was changed then.
    pub fn open(
        disk: Arc<dyn Disk>,
        dir: PathBuf,
        identity: LogIdentity,
        options: LogOptions,
    ) -> Result<(Self, Recovery), StorageError> {
        let (shared, recovery) = recovery::open(disk, dir, identity)?;
        Ok((Self::over(Arc::new(shared), options), recovery))
    }

    /// Makes a log in an empty or absent `dir` that begins at `start`, with `body` as the state as
    /// of the entry before it: what a replica begins with that was sent a snapshot. Durable.
    ///
    /// # Panics
    /// If there is no entry before `start`.
    pub fn create_at(
        disk: Arc<dyn Disk>,
        dir: PathBuf,
        identity: LogIdentity,
        start: SegmentStart,
        body: Vec<u8>,
    ) -> Result<Self, StorageError> {
        let shared = recovery::create(disk, dir, identity, start)?;
        let log = Self::over(Arc::new(shared), LogOptions::default());
        let Some((_, before)) = log.before_first() else { panic!("no entry before {start:?}") };
        log.snapshot_writer(before, body).run()?;
        Ok(log)
    }

    fn over(shared: Arc<Shared>, options: LogOptions) -> Self {
        let segments = Vec::clone(&shared.segments.load());
        let active = &segments[segments.len() - 1];
        let tail = Tail::after(active, active.view().count);
        let handle = FlushHandle::new(SyncJob::new(Arc::clone(&shared)));
        Self { shared, options, segments, tail, handle }
    }

    pub fn reader(&self) -> LogReader {
        LogReader { shared: Arc::clone(&self.shared) }
    }

    pub fn identity(&self) -> &LogIdentity {
        &self.shared.identity
    }

    pub fn options(&self) -> LogOptions {
        self.options
    }

    pub fn set_options(&mut self, options: LogOptions) {
        self.options = options;
    }

    pub fn log_end_offset(&self) -> Offset {
        self.tail.offset
    }

    pub fn next_raft_index(&self) -> RaftIndex {
        self.active().start.first_raft_index + u64::from(self.tail.count)
    }

    /// The raft start index: the first entry that can still be sent by append.
    pub fn first_raft_index(&self) -> RaftIndex {
        self.segments[0].start.first_raft_index
    }

    /// Term and index of the entry before the first: what was purged last.
    pub fn before_first(&self) -> Option<(u64, RaftIndex)> {
        let start = &self.segments[0].start;
        Some((start.term_before?, start.first_raft_index.checked_sub(1)?))
    }

    /// Term and index of the last entry, purged or not.
    pub fn last_entry(&self) -> Option<(u64, RaftIndex)> {
        Some((self.tail.term?, self.next_raft_index().checked_sub(1)?))
    }

    /// Offset at which the first segment begins.
    pub fn base_offset(&self) -> Offset {
        self.segments[0].start.base_offset
    }

    /// Makes everything appended so far durable, when run.
    pub fn sync_job(&self) -> SyncJob {
        SyncJob::new(Arc::clone(&self.shared))
    }

    /// What the [`Flusher`](super::Flusher) knows this log by.
    pub fn flush_handle(&self) -> FlushHandle {
        self.handle.clone()
    }

    /// Whether a failed sync, or a failed write that could not be taken back, closed the log.
    pub fn poisoned(&self) -> bool {
        self.shared.is_poisoned()
    }

    /// Closes the log for everything but reads. Waits for a snapshot, a sync or a removal that runs;
    /// later ones do nothing.
    pub fn retire(&self) {
        let _snapshotting = self.shared.snapshotting.lock();
        let _syncing = self.shared.syncing.lock();
        self.shared.poison();
    }

    /// A job that writes `body`, the caller's state as of `raft_index`, as the new recovery point.
    ///
    /// It may cover entries that Raft overrules later: see [`Self::note_committed`].
    ///
    /// # Panics
    /// If `raft_index` is not in the log (the entry before its first one counts as in it).
    pub fn snapshot_writer(&self, raft_index: RaftIndex, body: Vec<u8>) -> SnapshotJob {
        SnapshotJob::new(&self.shared, raft_index, body)
    }

    /// Tells that Raft never cuts at or below `index`. So that there is always a snapshot to go
    /// back to, the newest one at or below is kept beside a newer one, and nothing above it is
    /// purged. A log that is never told takes every snapshot for committed.
    pub fn note_committed(&self, index: RaftIndex) {
        self.shared.note_committed(index);
    }

    /// Reads the newest snapshot on disk: after a truncation, the state to replay from.
    pub fn read_snapshot(&self) -> Result<Option<SnapshotFile>, StorageError> {
        let _alone = self.shared.snapshotting.lock();
        let Some(index) = self.shared.newest_snapshot() else { return Ok(None) };
        let path = snapshot_path(&self.shared.dir, index);
        SnapshotFile::read(&*self.shared.disk, &path, &self.shared.identity).map(Some)
    }

    /// Raft index of the newest snapshot on disk.
    pub fn snapshot_index(&self) -> Option<RaftIndex> {
        self.shared.newest_snapshot()
    }

    /// Bytes that no snapshot, written or under way, covers.
    pub fn bytes_since_snapshot(&self) -> u64 {
        self.shared.since_snapshot.load(Ordering::Acquire)
    }

    pub fn rolled_since_snapshot(&self) -> bool {
        self.shared.rolled.load(Ordering::Acquire)
    }

    /// Bytes of all Stores.
    pub fn size_bytes(&self) -> u64 {
        self.segments.iter().map(|s| u64::from(s.end().position)).sum()
    }

    pub fn segments(&self) -> Vec<SegmentFacts> {
        let active = self.segments.len() - 1;
        self.segments.iter().enumerate().map(|(at, s)| facts(s, at == active)).collect()
    }

    pub(super) fn active(&self) -> &Arc<Segment> {
        &self.segments[self.segments.len() - 1]
    }
}

impl Tail {
    /// Lists one entry that stands at this end, and moves behind it.
    pub(super) fn put(&mut self, segment: &Segment, facts: &BatchHeader, kind: EntryKind) {
        self.max_timestamp = self.max_timestamp.max(facts.max_timestamp);
        let entry = IndexEntry {
            offset: facts.base_offset,
            position: self.position,
            length: facts.size,
            max_timestamp: self.max_timestamp,
            term: facts.leader_epoch.0.cast_unsigned(),
            kind,
        };
        let next = facts.next_offset();
        segment.index.put(self.count, &entry, self.markers, next);
        self.count += 1;
        self.offset = next;
        self.position += facts.size;
        self.markers += u32::from(kind != EntryKind::Batch);
        self.term = Some(entry.term.into());
    }
}

fn facts(segment: &Segment, active: bool) -> SegmentFacts {
    let view = segment.view();
    let end = view.end();
    let start = &segment.start;
    SegmentFacts {
        base_offset: start.base_offset,
        next_offset: end.offset,
        first_raft_index: start.first_raft_index,
        last_raft_index: (end.count > 0).then(|| start.first_raft_index + u64::from(end.count) - 1),
        bytes: end.position.into(),
        max_timestamp: end.count.checked_sub(1).map_or(-1, |last| view.max_timestamp(last)),
        has_batch: end.offset > start.base_offset,
        active,
        created_ms: segment.index.first_append_ms(),
    }
}
