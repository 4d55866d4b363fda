//! A partition's Log as openraft's log storage.
//!
//! `append` writes at once (the page cache takes it) and reports the flush when the flusher has
//! synced; what is appended is readable when it returns. Reads for `apply` bring index entries
//! only: no payload is read back.

use std::fmt::Debug;
use std::io;
use std::ops::{Bound, RangeBounds};
use std::sync::Arc;

use openraft::OptionalSend;
use openraft::storage::{IOFlushed, LogState, RaftLogReader, RaftLogStorage};
use tokio::sync::{Notify, oneshot, watch};
use tokio::time::timeout;

use super::network::APPEND_BYTES;
use super::rpc::ENTRIES_MAX;
use super::standing::Standing;
use super::types::{
    Entry, LogId, Payload, Proposal, Types, Vote, log_id, membership_from, membership_to, term_of,
};
use crate::cluster::durability::Durability;
use crate::model::RaftIndex;
use crate::partition::{self, Membership, Partition, Proposed, Replicated};
use crate::storage::{EntryKind, GroupId, IndexEntry, Marker, VoteRecord, Votes};

/// How long a log may take to start over from a snapshot.
const REBUILT_WITHIN: std::time::Duration = std::time::Duration::from_secs(30);

/// See the module. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct LogStore {
    pub partition: Arc<Partition>,
    pub group: GroupId,
    pub votes: Arc<Votes>,
    pub durability: Arc<Durability>,
    pub standing: Arc<Standing>,
    /// Counts how often the log started over: openraft does not wait with appends behind a snapshot for it.
    pub rebuilds: watch::Receiver<u64>,
    /// Notified when votes cannot be kept.
    pub failed: Arc<Notify>,
}

impl LogStore {
    fn stored(&self, index: RaftIndex) -> io::Result<Entry> {
        let missing = || io::Error::other(format!("raft index {index} is not in the log"));
        let entry: IndexEntry = self.partition.reader().entry(index).ok_or_else(missing)?;
        let membership = match entry.kind {
            EntryKind::Membership => Some(membership_from(&self.membership_at(index)?)),
            EntryKind::Term | EntryKind::Batch | EntryKind::LogStart | EntryKind::Void => None,
        };
        let payload = Payload::stored(entry, membership);
        Ok(openraft::Entry { log_id: log_id(u64::from(entry.term), index), payload })
    }

    /// Waits for the snapshot that `first` follows, if it is still being taken over.
    async fn room_for(&mut self, first: Option<RaftIndex>) {
        let has_room = |partition: &Partition| {
            let last = partition.last_entry().or(partition.before_first());
            first.is_none_or(|first| first <= last.map_or(0, |(_, index)| index + 1))
        };
        while !has_room(&self.partition) {
            if !matches!(timeout(REBUILT_WITHIN, self.rebuilds.changed()).await, Ok(Ok(()))) {
                // The append says what is missing.
                return;
            }
        }
    }

    fn membership_at(&self, index: RaftIndex) -> io::Result<Membership> {
        match self.partition.marker(index).map_err(io::Error::other)? {
            Marker::Membership { body, .. } => Membership::decode(&mut &body[..]).map_err(io::Error::other),
            other => Err(io::Error::other(format!("{other:?} at raft index {index} is no membership"))),
        }
    }

    fn read(&self, range: impl RangeBounds<u64>) -> io::Result<Vec<Entry>> {
        let from = match range.start_bound() {
            Bound::Included(at) => *at,
            Bound::Excluded(at) => at + 1,
            Bound::Unbounded => self.partition.reader().raft_range().start,
        };
        let to = match range.end_bound() {
            Bound::Included(at) => at + 1,
            Bound::Excluded(at) => *at,
            Bound::Unbounded => self.partition.reader().raft_range().end,
        };
        (from..to).map(|index| self.stored(index)).collect()
    }
}

/// The payload of an entry that this replica, as leader, appends.
fn proposed(entry: Entry) -> Proposed {
    let (term, index) = (term_of(&entry.log_id), entry.log_id.index);
    let (payload, expected_term) = match entry.payload {
        Payload::Blank => (partition::Payload::Term, None),
        Payload::Membership(m) => (partition::Payload::Membership(membership_to(&m)), None),
        Payload::Normal(Proposal::Batch { batch, expected_term }) => {
            (partition::Payload::Batch(*batch), expected_term)
        }
        Payload::Normal(Proposal::LogStart(offset)) => (partition::Payload::LogStart(offset), None),
        Payload::Normal(Proposal::Stored(_)) | Payload::Received { .. } => {
            unreachable!("an entry that is in a log already is proposed again: {}", entry.payload)
        }
    };
    Proposed { term, index, expected_term, payload }
}

/// What a leader sent, if that is where the entries are from.
fn replicated(entries: Vec<Entry>) -> Result<Vec<Replicated>, Vec<Entry>> {
    if !entries.iter().all(|entry| matches!(entry.payload, Payload::Received { .. })) {
        return Err(entries);
    }
    let verbatim = |entry: Entry| match entry.payload {
        Payload::Received { entry: received, .. } => {
            Some(Replicated { term: term_of(&entry.log_id), index: entry.log_id.index, entry: *received })
        }
        Payload::Blank | Payload::Membership(_) | Payload::Normal(_) => None,
    };
    Ok(entries.into_iter().filter_map(verbatim).collect())
}

impl RaftLogReader<Types> for LogStore {
    async fn try_get_log_entries<R: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: R,
    ) -> Result<Vec<Entry>, io::Error> {
        self.read(range)
    }

    async fn read_vote(&mut self) -> Result<Option<Vote>, io::Error> {
        Ok(self.votes.get(&self.group).map(|r| match r.committed {
            true => Vote::new_committed(r.term, r.voted_for),
            false => Vote::new(r.term, r.voted_for),
        }))
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> Result<Vec<Entry>, io::Error> {
        let end = end.min(start + ENTRIES_MAX as u64);
        let lengths = (start..end).map_while(|index| self.partition.reader().entry(index).map(|e| e.length));
        let fits = lengths.scan(0_usize, |sum, length| {
            *sum += length as usize;
            Some(*sum <= APPEND_BYTES)
        });
        // One always goes, however large.
        let count = fits.take_while(|fits| *fits).count().max(1) as u64;
        self.read(start..end.min(start + count))
    }
}

impl RaftLogStorage<Types> for LogStore {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> Result<LogState<Types>, io::Error> {
        let (last, before) = (self.partition.last_entry(), self.partition.before_first());
        let id = |at: Option<(u64, RaftIndex)>| at.map(|(term, index)| log_id(term, index));
        Ok(LogState { last_purged_log_id: id(before), last_log_id: id(last).or(id(before)) })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> Result<(), io::Error> {
        let record = VoteRecord {
            term: vote.leader_id.term,
            voted_for: vote.leader_id.voted_for,
            committed: vote.committed,
        };
        if vote.leader_id.term <= 1 || self.partition.last_entry().is_none() {
            // A vote says that there was a log: its files, and a founder's first entry, go first.
            self.durability.synced(&self.partition).await?;
        }
        let (saved, wait) = oneshot::channel();
        let done = Box::new(move |result| drop(saved.send(result)));
        self.votes.save(self.group, record, done);
        let saved = wait.await.map_err(io::Error::other)?.map_err(io::Error::other);
        if saved.is_err() && self.votes.failed() {
            self.failed.notify_one();
        }
        if saved.is_ok() {
            self.standing.on_vote(record.term, record.committed.then_some(record.voted_for));
        }
        saved
    }

    async fn append<I>(&mut self, entries: I, flushed: IOFlushed<Types>) -> Result<(), io::Error>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let now_ms = self.durability.now_ms();
        let appended = match replicated(entries.into_iter().collect()) {
            Ok(entries) => {
                self.room_for(entries.first().map(|entry| entry.index)).await;
                self.partition.append_replicated(entries, now_ms)
            }
            Err(entries) => self.partition.append(entries.into_iter().map(proposed).collect(), now_ms),
        };
        let appended = appended.map_err(io::Error::other)?;
        self.durability.settle(&self.partition, appended, move |result| flushed.io_completed(result));
        Ok(())
    }

    async fn truncate_after(&mut self, last: Option<LogId>) -> Result<(), io::Error> {
        self.partition.truncate_after(last.map(|id| id.index)).map_err(io::Error::other)
    }

    async fn purge(&mut self, upto: LogId) -> Result<(), io::Error> {
        let removal = self.partition.purge(upto.index).map_err(io::Error::other)?;
        self.durability.in_background(move || drop(removal));
        Ok(())
    }
}
