//! What a partition does as a follower: it takes over what its leader decided, copies it on, and
//! cuts what another leader overruled.
//!
//! Nothing is decided here: bytes go into the log as they came, or not at all.

use std::sync::atomic::Ordering::Acquire;

use super::error::PartitionError;
use super::partition::{Appended, Partition, Payload, Proposed};
use super::received::Replicated;
use super::state::Membership;
use crate::model::{Offset, RaftIndex};
use crate::storage::{CopiedEntries, EntryKind, Log, StorageError};

/// Where the next entry has to stand.
struct Place {
    index: RaftIndex,
    offset: Offset,
    /// Of the entry before.
    term: u64,
}

impl Place {
    fn at_end_of(log: &Log) -> Self {
        let term = log.last_entry().map_or(0, |(term, _)| term);
        Self { index: log.next_raft_index(), offset: log.log_end_offset(), term }
    }

    /// Moves behind `replicated`, if it may stand here.
    fn take(&mut self, replicated: &Replicated) -> Result<(), PartitionError> {
        let Replicated { term, index, entry } = replicated;
        let (index, found) = (*index, *term);
        if index != self.index {
            return Err(PartitionError::Index { found: index, wanted: self.index });
        }
        if entry.term() != found {
            return Err(PartitionError::Epoch { index, term: found, epoch: entry.term() });
        }
        if found < self.term {
            return Err(PartitionError::Term { index, found, before: self.term });
        }
        let facts = &entry.stamped.facts;
        if facts.base_offset != self.offset {
            let (found, wanted) = (facts.base_offset, self.offset);
            return Err(PartitionError::Offset { index, found, wanted });
        }
        if let Some(named) = entry.named_index().filter(|named| *named != index) {
            return Err(PartitionError::Named { index, named });
        }
        *self = Self { index: index + 1, offset: facts.next_offset(), term: found };
        Ok(())
    }
}

impl Partition {
    /// Appends what a leader decided, byte for byte, in order; epochs, membership and producers
    /// follow as they did on the leader.
    ///
    /// Readable when this returns, durable after a sync.
    ///
    /// # Errors
    /// [`PartitionError`] if the entries don't continue this log, or the disk refuses: nothing of
    /// this call is in the log then.
    pub fn append_replicated(
        &self,
        entries: Vec<Replicated>,
        now_ms: i64,
    ) -> Result<Appended, PartitionError> {
        let mut writer = self.writer.lock();
        writer.check_in_step()?;
        let mut place = Place::at_end_of(&writer.log);
        let mut facts = Appended::default();
        for entry in &entries {
            let from = place.offset;
            place.take(entry)?;
            facts.has_marker |= entry.entry.kind() != EntryKind::Batch;
            facts.records += (place.offset.0 - from.0).unsigned_abs();
        }
        let first = writer.log.next_raft_index();
        let parts: (Vec<_>, Vec<_>) = entries.into_iter().map(|e| e.entry.into_parts()).unzip();
        let (stamped, memberships) = parts;
        writer.log.append(&stamped, now_ms)?;
        for (index, (entry, membership)) in (first..).zip(stamped.iter().zip(memberships)) {
            // Not asked whether this table would accept the batch: the leader did, and its table may
            // have forgotten producers that this one has not, or the other way round.
            writer.remember(index, &entry.facts, entry.kind, now_ms);
            let term = u64::from(entry.facts.leader_epoch.0.unsigned_abs());
            writer.memberships.extend(membership.map(|membership| (term, index, membership)));
        }
        writer.report(&mut facts);
        Ok(facts)
    }

    /// Copies the entries from `from` (inclusive) to `to` (exclusive), up to the log's end, for a
    /// follower: at most `max_bytes`, but at least one entry.
    ///
    /// # Errors
    /// [`StorageError::IndexOutOfRange`] if `from` is not here, [`StorageError::CutWhileRead`] if
    /// the log was truncated meanwhile. What is returned is of the terms that it says.
    pub fn copy_entries(
        &self,
        from: RaftIndex,
        to: RaftIndex,
        max_bytes: usize,
    ) -> Result<CopiedEntries, StorageError> {
        self.reader().copy(from..to, max_bytes)
    }

    /// Writes the first entry of a new partition: the membership that its topic was created with,
    /// at term 0 and Raft index 0. Its bytes are the same on every replica that is given the same.
    ///
    /// # Errors
    /// [`PartitionError::Founded`] if there is an entry already, or ever was.
    pub fn found(&self, membership: Membership, now_ms: i64) -> Result<Appended, PartitionError> {
        let payload = Payload::Membership(membership);
        let first = Proposed { term: 0, index: 0, expected_term: None, payload };
        let mut writer = self.writer.lock();
        if let Some((_, last)) = writer.log.last_entry() {
            return Err(PartitionError::Founded { last });
        }
        self.append_as_leader(&mut writer, vec![first], now_ms)
    }

    /// Cuts every entry after `last`, durably, and forgets what came with it: epochs, producers and
    /// membership are again those as of `last`.
    ///
    /// # Errors
    /// [`PartitionError::Committed`] if that would take an entry that was agreed on.
    pub fn truncate_after(&self, last: Option<RaftIndex>) -> Result<(), PartitionError> {
        let mut writer = self.writer.lock();
        writer.check_in_step()?;
        let keep = last.map_or(0, |last| last.saturating_add(1));
        let Some(first_cut) = self.reader().entry(keep) else {
            if keep < writer.log.first_raft_index() {
                let committed = writer.log.first_raft_index() - 1;
                return Err(PartitionError::Committed { last, committed });
            }
            return Ok(());
        };
        let committed = self.committed_next.load(Acquire);
        if keep < committed || first_cut.offset < self.lines.high_watermark() {
            return Err(PartitionError::Committed { last, committed: committed.saturating_sub(1) });
        }
        writer.log.truncate_after(last)?;
        self.refusals.lock().retain(|index, _| *index < keep);
        Ok(writer.go_back(self.reader(), &self.lines)?)
    }
}

#[cfg(test)]
mod tests;
