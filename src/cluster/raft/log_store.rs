//! A partition's Log as openraft's log storage.
//!
//! `append` writes at once (the page cache takes it) and reports the flush when the flusher has
//! synced; what is appended is readable when it returns. Reads for `apply` bring index entries
//! only: no payload is read back.

use std::fmt::Debug;
use std::io;
use std::ops::{Bound, RangeBounds};
use std::sync::Arc;

use openraft::storage::{IOFlushed, LogState, RaftLogReader, RaftLogStorage};
use openraft::{EntryPayload, OptionalSend};
use tokio::sync::{Notify, oneshot};

use super::types::{Entry, LogId, Proposal, Types, Vote, log_id, membership_from, membership_to, term_of};
use crate::cluster::durability::Durability;
use crate::model::RaftIndex;
use crate::partition::{Membership, Partition, Payload, Proposed};
use crate::storage::{EntryKind, GroupId, IndexEntry, Marker, VoteRecord, Votes};

/// The most entries that one read brings.
const READ_ENTRIES_MAX: u64 = 4096;

/// See the module. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct LogStore {
    pub partition: Arc<Partition>,
    pub group: GroupId,
    pub votes: Arc<Votes>,
    pub durability: Arc<Durability>,
    /// Notified when votes cannot be kept.
    pub failed: Arc<Notify>,
}

impl LogStore {
    fn stored(&self, index: RaftIndex) -> io::Result<Entry> {
        let missing = || io::Error::other(format!("raft index {index} is not in the log"));
        let entry: IndexEntry = self.partition.reader().entry(index).ok_or_else(missing)?;
        let payload = match entry.kind {
            EntryKind::Term => EntryPayload::Blank,
            EntryKind::Membership => EntryPayload::Membership(membership_from(&self.membership_at(index)?)),
            EntryKind::Batch | EntryKind::LogStart | EntryKind::Void => {
                EntryPayload::Normal(Proposal::Stored(entry))
            }
        };
        Ok(openraft::Entry { log_id: log_id(u64::from(entry.term), index), payload })
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
        EntryPayload::Blank => (Payload::Term, None),
        EntryPayload::Membership(m) => (Payload::Membership(membership_to(&m)), None),
        EntryPayload::Normal(Proposal::Batch { batch, expected_term }) => {
            (Payload::Batch(*batch), expected_term)
        }
        EntryPayload::Normal(Proposal::LogStart(offset)) => (Payload::LogStart(offset), None),
        EntryPayload::Normal(Proposal::Stored(at)) => {
            unreachable!("an entry that is in the log already is appended again: {at:?}")
        }
    };
    Proposed { term, index, expected_term, payload }
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
        self.read(start..end.min(start + READ_ENTRIES_MAX))
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
        if vote.leader_id.term <= 1 {
            // A vote says that there was a log: the first entry, the membership, goes first.
            self.durability.synced(&self.partition).await?;
        }
        let (saved, wait) = oneshot::channel();
        let done = Box::new(move |result| drop(saved.send(result)));
        self.votes.save(self.group, record, done);
        let saved = wait.await.map_err(io::Error::other)?.map_err(io::Error::other);
        if saved.is_err() && self.votes.failed() {
            self.failed.notify_one();
        }
        saved
    }

    async fn append<I>(&mut self, entries: I, flushed: IOFlushed<Types>) -> Result<(), io::Error>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let entries = entries.into_iter().map(proposed).collect();
        let appended = self.partition.append(entries, self.durability.now_ms()).map_err(io::Error::other)?;
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
