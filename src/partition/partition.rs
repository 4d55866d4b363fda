//! A partition: its Log, its lines, its producers and epochs, kept in step.
//!
//! Who agrees on what is appended is `cluster`'s; this room decides what an agreed order makes of
//! it. One writer at a time (the Raft group's log store); readers take no lock that it holds.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::AcqRel, Ordering::Acquire};

use parking_lot::Mutex;

use super::check::CheckedBatch;
use super::error::PartitionError;
use super::offsets::Lines;
use super::producer_state::{Producer, ProducerError};
use super::state::{Membership, StoredMembership};
use super::waiters::Waiters;
use super::writer::{Writer, read_marker, restored};
use crate::model::{LeaderEpoch, Offset, RaftIndex, TopicPartition};
use crate::storage::{
    Disk, Doubt, EntryKind, FlushHandle, IndexEntry, Log, LogIdentity, LogOptions, LogReader, Marker,
    Removal, SegmentFacts, SnapshotJob, StorageError,
};

/// Whose log this is.
#[derive(Clone, Debug)]
pub struct Identity {
    pub name: TopicPartition,
    pub log: LogIdentity,
}

/// What an entry carries, before the log gives it its place.
#[derive(Clone, Debug)]
pub enum Payload {
    /// A new leader's first entry.
    Term,
    Membership(Membership),
    Batch(CheckedBatch),
    /// Move the log start to here.
    LogStart(Offset),
}

/// An entry as the leader appends it.
#[derive(Clone, Debug)]
pub struct Proposed {
    pub term: u64,
    pub index: RaftIndex,
    /// The term that the proposer believed in, if it matters.
    pub expected_term: Option<u64>,
    pub payload: Payload,
}

/// Why an entry became a `Void` marker. It is answered once the marker is committed, so that a
/// duplicate is confirmed only when its original is safe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    Duplicate { base_offset: Offset },
    Producer(ProducerError),
    StaleTerm { expected: u64, found: u64 },
}

/// What an append did, for whoever makes it durable.
#[derive(Clone, Copy, Debug, Default)]
pub struct Appended {
    pub records: u64,
    /// Markers always wait for the sync.
    pub has_marker: bool,
    /// A segment was closed.
    pub rolled: bool,
    pub bytes_since_snapshot: u64,
}

/// See the module.
#[derive(Debug)]
pub struct Partition {
    pub identity: Identity,
    pub lines: Lines,
    pub waiters: Waiters,
    /// Whether it may lack what it acknowledged.
    pub doubt: Doubt,
    reader: LogReader,
    flush: FlushHandle,
    pub(super) writer: Mutex<Writer>,
    pub(super) refusals: Mutex<BTreeMap<RaftIndex, Refusal>>,
    /// One more than the greatest Raft index that is known to be agreed on; 0 if none is. What lies
    /// below is never cut.
    pub(super) committed_next: AtomicU64,
}

impl Partition {
    /// Opens the partition in `dir` and rebuilds what it remembers.
    ///
    /// The high watermark begins where the newest snapshot knew everything to be committed: a follower is not told again
    /// what it had applied. The rest is known when the Raft group says so. Beside the partition: the Raft index up to
    /// which that snapshot knew it.
    ///
    /// # Errors
    /// [`StorageError`] if the log is damaged or another's.
    pub fn open(
        disk: Arc<dyn Disk>,
        dir: &Path,
        identity: Identity,
        options: LogOptions,
    ) -> Result<(Self, Option<RaftIndex>), StorageError> {
        let (log, recovery) = Log::open(disk, dir.to_path_buf(), identity.log, options)?;
        let reader = log.reader();
        let (state, from) = restored(dir, &log, &recovery)?;
        let lines = Lines::new(state.log_start.max(log.base_offset()));
        let flush = log.flush_handle();
        let committed = state.committed;
        if let Some(committed) = committed {
            // Or a newer snapshot, of entries that Raft may overrule, would count as safe.
            log.note_committed(committed);
        }
        if let Some(end) = committed.and_then(|index| reader.end_of(index)) {
            lines.advance_high_watermark(end);
        }
        let committed_next = committed.map_or(0, |index| index + 1).max(log.first_raft_index());
        let mut writer = Writer::over(log, state);
        writer.replay(&reader, from)?;
        let partition = Self {
            identity,
            lines,
            waiters: Waiters::default(),
            doubt: recovery.doubt,
            reader,
            flush,
            writer: Mutex::new(writer),
            refusals: Mutex::default(),
            committed_next: committed_next.into(),
        };
        Ok((partition, committed))
    }

    pub fn reader(&self) -> &LogReader {
        &self.reader
    }

    pub fn flush_handle(&self) -> &FlushHandle {
        &self.flush
    }

    /// Appends what the leader decided, in order. Here offsets, epochs and sequences are decided:
    /// an entry that may not follow what is there becomes a `Void` marker.
    ///
    /// Readable when this returns, durable after a sync.
    ///
    /// # Errors
    /// [`PartitionError::Storage`] if the disk refuses; nothing of this call is in the log then, and
    /// the partition takes no other until it is opened again.
    pub fn append(&self, entries: Vec<Proposed>, now_ms: i64) -> Result<Appended, PartitionError> {
        self.append_as_leader(&mut self.writer.lock(), entries, now_ms)
    }

    pub(super) fn append_as_leader(
        &self,
        writer: &mut Writer,
        entries: Vec<Proposed>,
        now_ms: i64,
    ) -> Result<Appended, PartitionError> {
        writer.check_in_step()?;
        let mut next = writer.log.log_end_offset();
        // What follows remembers producers before the disk has taken their batches.
        writer.is_ahead = true;
        let mut facts = Appended::default();
        let mut stamped = Vec::with_capacity(entries.len());
        for entry in entries {
            let (entry, refusal) = writer.stamp(entry, next, now_ms);
            facts.has_marker |= entry.kind != EntryKind::Batch;
            if let Some((index, refusal)) = refusal {
                self.refusals.lock().insert(index, refusal);
            }
            facts.records += (entry.facts.next_offset().0 - next.0).unsigned_abs();
            next = entry.facts.next_offset();
            stamped.push(entry);
        }
        writer.log.append(&stamped, now_ms)?;
        writer.is_ahead = false;
        writer.report(&mut facts);
        Ok(facts)
    }

    /// Drops whole segments whose entries all have a Raft index of at most `upto`, and were agreed
    /// on as far as is known here.
    ///
    /// Their files go when the returned [`Removal`] is dropped.
    pub fn purge(&self, upto: RaftIndex) -> Result<Removal, StorageError> {
        let mut writer = self.writer.lock();
        // Raft may have learnt of more than was applied here, from a leader whose foundation is still
        // to come. (Entry 0, a membership, never stands in a closed segment alone.)
        let agreed = self.committed_next.load(Acquire).saturating_sub(1);
        writer.log.note_committed(agreed);
        let removal = writer.log.purge(upto.min(agreed))?;
        let first = writer.log.first_raft_index();
        // The last one before the first entry stays: see `Writer::memberships`.
        let after = writer.memberships.partition_point(|(_, index, _)| *index < first);
        writer.memberships.drain(..after.saturating_sub(1));
        Ok(removal)
    }

    /// Raft agreed on `entry` at `index`: moves the lines, and says what became of it.
    ///
    /// Called in index order. Waiters are woken by [`Self::announce`], once for many.
    pub fn apply(&self, index: RaftIndex, entry: &IndexEntry) -> Result<Option<Refusal>, StorageError> {
        let Some(end) = self.reader.end_of(index) else {
            let Range { start: first, end: next } = self.reader.raft_range();
            return Err(StorageError::IndexOutOfRange { asked: index, first, next });
        };
        self.committed_next.fetch_max(index + 1, AcqRel);
        self.lines.advance_high_watermark(end);
        match entry.kind {
            EntryKind::Void => Ok(self.refusals.lock().remove(&index)),
            EntryKind::LogStart => {
                if let Marker::LogStart { offset } = self.marker(index)? {
                    self.lines.advance_log_start(offset);
                    self.writer.lock().epochs.trim(offset);
                }
                Ok(None)
            }
            EntryKind::Batch | EntryKind::Term | EntryKind::Membership => Ok(None),
        }
    }

    /// Wakes whoever waits for this partition.
    pub fn announce(&self) {
        self.waiters.wake_all();
    }

    /// Reads the marker at `index`.
    pub fn marker(&self, index: RaftIndex) -> Result<Marker, StorageError> {
        read_marker(&self.reader, index)
    }

    /// The newest membership at or before the entry `index`, with the (term, index) of its entry; `None` if it is not known
    /// any more, or there is none.
    pub fn membership_at(&self, index: Option<RaftIndex>) -> Option<StoredMembership> {
        let index = index?;
        self.writer.lock().memberships.iter().rev().find(|(_, at, _)| *at <= index).cloned()
    }

    /// The newest membership in the log, with the (term, index) of its entry.
    pub fn membership(&self) -> Option<StoredMembership> {
        self.writer.lock().memberships.last().cloned()
    }

    /// (term, index) of the last entry.
    pub fn last_entry(&self) -> Option<(u64, RaftIndex)> {
        self.writer.lock().log.last_entry()
    }

    /// (term, index) of the entry before the first: what was purged last.
    pub fn before_first(&self) -> Option<(u64, RaftIndex)> {
        self.writer.lock().log.before_first()
    }

    /// Where `epoch` ended. See [`EpochCache::end_of`].
    pub fn epoch_end(&self, epoch: LeaderEpoch) -> Option<(LeaderEpoch, Offset)> {
        self.writer.lock().epochs.end_of(epoch, self.lines.high_watermark())
    }

    /// The epoch of the record at `offset`, or of the next one.
    pub fn epoch_at(&self, offset: Offset) -> Option<LeaderEpoch> {
        self.writer.lock().epochs.covering(offset)
    }

    pub fn latest_epoch(&self) -> Option<LeaderEpoch> {
        self.writer.lock().epochs.latest()
    }

    pub fn set_options(&self, options: LogOptions) {
        self.writer.lock().log.set_options(options);
    }

    pub fn expire_producers(&self, now_ms: i64, expiration_ms: i64) {
        self.writer.lock().producers.expire(now_ms, expiration_ms);
    }

    /// Whether the log has batches of this idempotent producer, as far as it is remembered.
    pub fn knows_producer(&self, producer_id: i64) -> bool {
        self.writer.lock().producers.knows(producer_id)
    }

    /// What is remembered of idempotent producers, in no order.
    pub fn producers(&self) -> Vec<(i64, Producer)> {
        self.writer.lock().producers.iter().map(|(id, producer)| (id, producer.clone())).collect()
    }

    pub fn segments(&self) -> Vec<SegmentFacts> {
        self.writer.lock().log.segments()
    }

    /// Closes the active segment if every record of it lies below `offset`.
    pub fn close_active_below(&self, offset: Offset) -> Result<(), StorageError> {
        let mut writer = self.writer.lock();
        if writer.log.log_end_offset() > offset {
            return Ok(());
        }
        writer.log.close_active()
    }

    /// The last Raft index of the closed segments whose records all lie below the log start.
    pub fn expendable(&self) -> Option<RaftIndex> {
        let start = self.lines.log_start();
        let below = |s: &&SegmentFacts| !s.active && s.next_offset <= start;
        self.segments().iter().take_while(below).filter_map(|s| s.last_raft_index).max()
    }

    /// The Raft index that the newest snapshot on disk stands for.
    pub fn snapshot_index(&self) -> Option<RaftIndex> {
        self.writer.lock().log.snapshot_index()
    }

    /// Ends all writing, for good: what another thread still holds of this partition cannot touch
    /// files that are opened anew, or that come to be under the same name. Waits for a snapshot or
    /// a removal that runs.
    pub fn retire(&self) {
        self.writer.lock().log.retire();
    }

    pub fn dirty_since_snapshot(&self) -> bool {
        self.writer.lock().log.bytes_since_snapshot() > 0
    }

    /// A snapshot of everything appended so far; to be run after a sync that began later.
    /// `None` if the log is empty, or refused an append: a snapshot would then remember batches of
    /// producers that the log has not.
    pub fn snapshot(&self, committed: Option<RaftIndex>) -> Option<SnapshotJob> {
        let writer = self.writer.lock();
        if writer.is_ahead {
            return None;
        }
        let (_, index) = writer.log.last_entry()?;
        let committed = committed.max(self.committed_next.load(Acquire).checked_sub(1));
        if let Some(committed) = committed {
            writer.log.note_committed(committed);
        }
        let state = writer.state(self.lines.log_start(), committed.map(|c| c.min(index)));
        Some(writer.log.snapshot_writer(index, state.encode()))
    }
}

impl Refusal {
    /// What stands in the marker, for people who read the log.
    pub(super) fn reason(&self) -> u16 {
        match self {
            Self::Duplicate { .. } => 1,
            Self::Producer(ProducerError::OutOfOrder { .. }) => 2,
            Self::Producer(ProducerError::FencedEpoch { .. }) => 3,
            Self::StaleTerm { .. } => 4,
        }
    }
}
