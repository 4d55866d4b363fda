//! A partition: its Log, its lines, its producers and epochs, kept in step.
//!
//! Who agrees on what is appended is `cluster`'s; this room decides what an agreed order makes of
//! it. One writer at a time (the Raft group's log store); readers take no lock that it holds.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;

use super::check::CheckedBatch;
use super::epochs::{EpochCache, EpochStart};
use super::offsets::Lines;
use super::producer_state::{Accept, Producer, ProducerError, ProducerTable};
use super::state::{Membership, PartitionState};
use super::waiters::Waiters;
use crate::model::{BatchHeader, LeaderEpoch, Offset, RaftIndex, TopicPartition};
use crate::storage::{
    Disk, During, EntryKind, FlushHandle, IndexEntry, Log, LogIdentity, LogOptions, LogReader, Marker,
    Recovery, Removal, SegmentFacts, SnapshotJob, StampedEntry, StorageError,
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
    reader: LogReader,
    flush: FlushHandle,
    writer: Mutex<Writer>,
    refusals: Mutex<BTreeMap<RaftIndex, Refusal>>,
}

#[derive(Debug)]
struct Writer {
    log: Log,
    epochs: EpochCache,
    producers: ProducerTable,
    membership: Option<(u64, RaftIndex, Membership)>,
    /// Set while the state above may be ahead of the log: from a failed append on, for good.
    is_ahead: bool,
}

impl Partition {
    /// Opens the partition in `dir` and rebuilds what it remembers.
    ///
    /// The high watermark begins at the log start: what was committed is known again only when
    /// the Raft group says so. Beside the partition: the Raft index up to which the newest
    /// snapshot knew everything to be committed.
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
        let (state, from) = restored(dir, &log, recovery)?;
        let lines = Lines::new(state.log_start.max(log.base_offset()));
        let flush = log.flush_handle();
        let PartitionState { epochs, producers, membership, committed, .. } = state;
        let mut writer = Writer { log, epochs, producers, membership, is_ahead: false };
        writer.replay(&reader, from)?;
        let partition = Self {
            identity,
            lines,
            waiters: Waiters::default(),
            reader,
            flush,
            writer: Mutex::new(writer),
            refusals: Mutex::default(),
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
    /// [`StorageError`] if the disk refuses; nothing of this call is in the log then, and the
    /// partition takes no other until it is opened again.
    pub fn append(&self, entries: Vec<Proposed>, now_ms: i64) -> Result<Appended, StorageError> {
        let mut writer = self.writer.lock();
        if writer.is_ahead {
            return Err(StorageError::Poisoned { path: self.reader.dir().to_path_buf() });
        }
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
        facts.rolled = writer.log.rolled_since_snapshot();
        facts.bytes_since_snapshot = writer.log.bytes_since_snapshot();
        Ok(facts)
    }

    /// Cuts every entry after `last` and forgets what came with it.
    pub fn truncate_after(&self, last: Option<RaftIndex>) -> Result<(), StorageError> {
        let mut writer = self.writer.lock();
        writer.log.truncate_after(last)?;
        self.refusals.lock().retain(|index, _| last.is_some_and(|l| *index <= l));
        let (state, from) = match writer.log.read_snapshot()? {
            None => (PartitionState::default(), writer.log.first_raft_index()),
            Some(snapshot) => (decoded(self.reader.dir(), &snapshot.body)?, snapshot.raft_index + 1),
        };
        writer.epochs = state.epochs;
        writer.producers = state.producers;
        writer.membership = state.membership;
        writer.replay(&self.reader, from)
    }

    /// Drops whole segments whose entries all have a Raft index of at most `upto`.
    ///
    /// Their files go when the returned [`Removal`] is dropped.
    pub fn purge(&self, upto: RaftIndex) -> Result<Removal, StorageError> {
        self.writer.lock().log.purge(upto)
    }

    /// Raft agreed on `entry` at `index`: moves the lines, and says what became of it.
    ///
    /// Called in index order. Waiters are woken by [`Self::announce`], once for many.
    pub fn apply(&self, index: RaftIndex, entry: &IndexEntry) -> Result<Option<Refusal>, StorageError> {
        self.lines.advance_high_watermark(self.end_of(index));
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

    /// The offset after the entry at `index`.
    fn end_of(&self, index: RaftIndex) -> Offset {
        // The end is read first: if there is still no next entry then, it was this entry's end.
        let log_end = self.reader.log_end_offset();
        self.reader.entry(index + 1).map_or(log_end, |next| next.offset)
    }

    /// Reads the marker at `index`.
    pub fn marker(&self, index: RaftIndex) -> Result<Marker, StorageError> {
        read_marker(&self.reader, index)
    }

    /// The newest membership in the log, with the (term, index) of its entry.
    pub fn membership(&self) -> Option<(u64, RaftIndex, Membership)> {
        self.writer.lock().membership.clone()
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
        if let Some(committed) = committed {
            writer.log.note_committed(committed);
        }
        let state = PartitionState {
            log_start: self.lines.log_start(),
            committed: committed.map(|c| c.min(index)),
            membership: writer.membership.clone(),
            epochs: writer.epochs.clone(),
            producers: writer.producers.clone(),
        };
        Some(writer.log.snapshot_writer(index, state.encode()))
    }
}

/// What the newest snapshot held, and the Raft index from which on entries must be replayed.
fn restored(dir: &Path, log: &Log, recovery: Recovery) -> Result<(PartitionState, RaftIndex), StorageError> {
    let Some(snapshot) = recovery.snapshot else {
        return Ok((PartitionState::default(), log.first_raft_index()));
    };
    Ok((decoded(dir, &snapshot.body)?, recovery.replay_from))
}

fn decoded(dir: &Path, body: &[u8]) -> Result<PartitionState, StorageError> {
    let state = PartitionState::decode(body).map_err(unreadable);
    state.during("read the partition's state in the newest snapshot of", dir)
}

fn read_marker(reader: &LogReader, index: RaftIndex) -> Result<Marker, StorageError> {
    let batch = reader.bytes(index)?;
    Marker::decode(&batch).map_err(unreadable).during("read a marker of", reader.dir())
}

fn unreadable(error: impl std::error::Error + Send + Sync + 'static) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

impl Writer {
    /// Gives an entry its place, and remembers what it changes.
    fn stamp(
        &mut self,
        entry: Proposed,
        next: Offset,
        now_ms: i64,
    ) -> (StampedEntry, Option<(RaftIndex, Refusal)>) {
        let Proposed { term, index, expected_term, payload } = entry;
        let epoch = LeaderEpoch(i32::try_from(term).expect("a term below 2^31"));
        match payload {
            Payload::Term => {
                self.epochs.begin(EpochStart { epoch, raft_index: index, offset: next });
                (Marker::Term { term, raft_index: index }.entry(next, epoch), None)
            }
            Payload::Membership(membership) => {
                let mut body = Vec::new();
                membership.encode(&mut body);
                self.membership = Some((term, index, membership));
                (Marker::Membership { raft_index: index, body: body.into() }.entry(next, epoch), None)
            }
            Payload::LogStart(offset) => (Marker::LogStart { offset }.entry(next, epoch), None),
            Payload::Batch(batch) => match self.refuse(&batch, term, expected_term) {
                None => (self.stamp_batch(batch, next, epoch, now_ms), None),
                Some(refusal) => {
                    let void = Marker::Void { reason: refusal.reason() };
                    (void.entry(next, epoch), Some((index, refusal)))
                }
            },
        }
    }

    fn refuse(&self, batch: &CheckedBatch, term: u64, expected: Option<u64>) -> Option<Refusal> {
        if let Some(expected) = expected.filter(|e| *e != term) {
            return Some(Refusal::StaleTerm { expected, found: term });
        }
        if !batch.header.has_producer() {
            return None;
        }
        match self.producers.check(&batch.header) {
            Ok(Accept::Fresh) => None,
            Ok(Accept::Duplicate { base_offset }) => Some(Refusal::Duplicate { base_offset }),
            Err(error) => Some(Refusal::Producer(error)),
        }
    }

    fn stamp_batch(
        &mut self,
        batch: CheckedBatch,
        next: Offset,
        epoch: LeaderEpoch,
        now_ms: i64,
    ) -> StampedEntry {
        let mut facts = batch.header;
        facts.base_offset = next;
        facts.leader_epoch = epoch;
        self.producers.record(&facts, next, now_ms);
        StampedEntry::batch(facts, batch.body)
    }

    /// Takes in entries from `from` on, as if they had just been appended. The log start is not
    /// moved here: a `LogStart` takes effect when it is applied.
    fn replay(&mut self, reader: &LogReader, from: RaftIndex) -> Result<(), StorageError> {
        for index in from..self.log.next_raft_index() {
            let Some(entry) = reader.entry(index) else { break };
            match entry.kind {
                EntryKind::Batch => {
                    let header: BatchHeader = reader.header(index)?;
                    self.producers.record(&header, entry.offset, header.max_timestamp);
                }
                EntryKind::Term => {
                    let epoch = LeaderEpoch(i32::try_from(entry.term).unwrap_or(i32::MAX));
                    self.epochs.begin(EpochStart { epoch, raft_index: index, offset: entry.offset });
                }
                EntryKind::Membership => {
                    if let Marker::Membership { body, .. } = read_marker(reader, index)? {
                        let membership = Membership::decode(&mut &body[..])
                            .map_err(unreadable)
                            .during("read a membership of", reader.dir())?;
                        self.membership = Some((u64::from(entry.term), index, membership));
                    }
                }
                EntryKind::LogStart | EntryKind::Void => {}
            }
        }
        Ok(())
    }
}

impl Refusal {
    /// What stands in the marker, for people who read the log.
    fn reason(&self) -> u16 {
        match self {
            Self::Duplicate { .. } => 1,
            Self::Producer(ProducerError::OutOfOrder { .. }) => 2,
            Self::Producer(ProducerError::FencedEpoch { .. }) => 3,
            Self::StaleTerm { .. } => 4,
        }
    }
}
