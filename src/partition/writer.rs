//! The one writer of a partition: its Log, and what is remembered of the entries in it.
//!
//! Whatever the Log holds can be remembered again from a snapshot and what follows it. Not here:
//! lines, waiters and refusals (`partition`).

use std::io;
use std::path::Path;

use super::check::CheckedBatch;
use super::epochs::{EpochCache, EpochStart};
use super::offsets::Lines;
use super::partition::{Appended, Payload, Proposed, Refusal};
use super::producer_state::{Accept, ProducerTable};
use super::state::{Membership, PartitionState, StoredMembership};
use crate::model::{BatchHeader, LeaderEpoch, Offset, RaftIndex};
use crate::storage::{
    During, EntryKind, Log, LogReader, Marker, Recovery, SnapshotFile, StampedEntry, StorageError,
};

#[derive(Debug)]
pub(super) struct Writer {
    pub(super) log: Log,
    pub(super) epochs: EpochCache,
    pub(super) producers: ProducerTable,
    /// Ascending; the newest is in force. From the last one before the Log's first entry on: a
    /// replica that begins there has to know it. So as many as the Log has, and one.
    pub(super) memberships: Vec<StoredMembership>,
    /// Set while the state above may be ahead of the log: from a failed append on, for good.
    pub(super) is_ahead: bool,
}

impl Writer {
    /// Over a log that was just opened, as its snapshot says; what follows is still to be replayed.
    pub(super) fn over(log: Log, state: PartitionState) -> Self {
        let (epochs, producers) = (EpochCache::default(), ProducerTable::default());
        let mut writer = Self { log, epochs, producers, memberships: Vec::new(), is_ahead: false };
        writer.restore(state);
        writer
    }

    /// Takes `state` for all that is remembered.
    pub(super) fn restore(&mut self, state: PartitionState) {
        let PartitionState { epochs, producers, membership, earlier, .. } = state;
        self.epochs = epochs;
        self.producers = producers;
        self.memberships = earlier;
        self.memberships.extend(membership);
    }

    /// # Errors
    /// [`StorageError::Poisoned`] if the state is ahead of the log.
    pub(super) fn check_in_step(&self) -> Result<(), StorageError> {
        if self.is_ahead {
            return Err(StorageError::Poisoned { path: self.log.reader().dir().to_path_buf() });
        }
        Ok(())
    }

    /// The state as of the last entry.
    pub(super) fn state(&self, log_start: Offset, committed: Option<RaftIndex>) -> PartitionState {
        let mut earlier = self.memberships.clone();
        let membership = earlier.pop();
        let (epochs, producers) = (self.epochs.clone(), self.producers.clone());
        PartitionState { log_start, committed, membership, earlier, epochs, producers }
    }

    /// Adds what the log says after an append.
    pub(super) fn report(&self, appended: &mut Appended) {
        appended.rolled = self.log.rolled_since_snapshot();
        appended.bytes_since_snapshot = self.log.bytes_since_snapshot();
    }

    /// Gives an entry its place, and remembers what it changes.
    pub(super) fn stamp(
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
                self.memberships.push((term, index, membership));
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

    /// Takes in an entry that is in the log at `index`; what a membership marker says is the
    /// caller's to push. The log start is not moved here: a `LogStart` takes effect when it is
    /// applied.
    pub(super) fn remember(&mut self, index: RaftIndex, facts: &BatchHeader, kind: EntryKind, now_ms: i64) {
        let (epoch, offset) = (facts.leader_epoch, facts.base_offset);
        match kind {
            EntryKind::Batch => self.producers.record(facts, offset, now_ms),
            EntryKind::Term => self.epochs.begin(EpochStart { epoch, raft_index: index, offset }),
            EntryKind::Membership | EntryKind::LogStart | EntryKind::Void => {}
        }
    }

    /// Takes in entries from `from` on, as if they had just been appended.
    pub(super) fn replay(&mut self, reader: &LogReader, from: RaftIndex) -> Result<(), StorageError> {
        for index in from..self.log.next_raft_index() {
            let Some(entry) = reader.entry(index) else { break };
            match entry.kind {
                EntryKind::Batch | EntryKind::Term => {
                    let facts = reader.header(index)?;
                    self.remember(index, &facts, entry.kind, facts.max_timestamp);
                }
                EntryKind::Membership => {
                    let membership = read_membership(reader, index)?;
                    self.memberships.push((entry.term.into(), index, membership));
                }
                EntryKind::LogStart | EntryKind::Void => {}
            }
        }
        Ok(())
    }

    /// After a cut: forgets what was cut, by going back to the snapshot that is left and replaying
    /// what follows it.
    pub(super) fn go_back(&mut self, reader: &LogReader, lines: &Lines) -> Result<(), StorageError> {
        self.is_ahead = true;
        let snapshot = self.log.read_snapshot()?;
        // A log without a snapshot was never purged, so that replay makes all of it.
        let from = snapshot.as_ref().map_or(self.log.first_raft_index(), |s| s.raft_index + 1);
        self.restore(state_in(reader.dir(), snapshot.as_ref())?);
        self.replay(reader, from)?;
        // The snapshot may be older than a log start that was applied since.
        self.epochs.trim(lines.log_start());
        self.is_ahead = false;
        Ok(())
    }
}

/// What the newest snapshot held, and the Raft index from which on entries must be replayed.
pub(super) fn restored(
    dir: &Path,
    log: &Log,
    recovery: &Recovery,
) -> Result<(PartitionState, RaftIndex), StorageError> {
    let from = if recovery.snapshot.is_some() { recovery.replay_from } else { log.first_raft_index() };
    Ok((state_in(dir, recovery.snapshot.as_ref())?, from))
}

/// The state in a snapshot; that of an empty log, if there is none.
pub(super) fn state_in(dir: &Path, snapshot: Option<&SnapshotFile>) -> Result<PartitionState, StorageError> {
    let Some(snapshot) = snapshot else { return Ok(PartitionState::default()) };
    let state = PartitionState::decode(&snapshot.body).map_err(unreadable);
    state.during("read the partition's state in the newest snapshot of", dir)
}

pub(super) fn read_marker(reader: &LogReader, index: RaftIndex) -> Result<Marker, StorageError> {
    let batch = reader.bytes(index)?;
    Marker::decode(&batch).map_err(unreadable).during("read a marker of", reader.dir())
}

fn read_membership(reader: &LogReader, index: RaftIndex) -> Result<Membership, StorageError> {
    let marker = read_marker(reader, index)?;
    let Marker::Membership { body, .. } = marker else {
        let error = format!("{marker:?} at raft index {index} is no membership");
        return Err(io::Error::new(io::ErrorKind::InvalidData, error)).during("read", reader.dir());
    };
    Membership::decode(&mut &body[..]).map_err(unreadable).during("read a membership of", reader.dir())
}

fn unreadable(error: impl std::error::Error + Send + Sync + 'static) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}
