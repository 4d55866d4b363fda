//! Appending to a log: where an entry goes, when a segment is full, and how a failure is undone.

use std::io::IoSlice;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::cut::unlink_segment;
use super::error::StorageError;
use super::index::{EntryKind, MARKERS_MAX, bytes_for};
use super::log::{Log, StampedEntry, Tail};
use super::marker::Marker;
use super::segment::{Segment, SegmentStart, index_path};
use crate::model::RaftIndex;
use crate::model::batch::HEADER_LEN;

impl Log {
    /// Appends `entries` in order and publishes them: one write for each stretch in a segment.
    ///
    /// Durable only after a [`SyncJob`] ran. Rolls to a new segment before an entry that does not
    /// fit, or if the active one is older than `segment_ms` at `now_ms`.
    ///
    /// # Errors
    /// [`StorageError::Io`] if the disk refuses: none of `entries` is in the log then. If the part
    /// that was written cannot be taken back, the log is poisoned.
    ///
    /// # Panics
    /// If offsets, terms, sizes or the Raft indexes in markers don't continue the log.
    pub fn append(&mut self, entries: &[StampedEntry], now_ms: i64) -> Result<(), StorageError> {
        self.shared.check_usable()?;
        self.assert_continues(entries);
        let (tail, old) = (self.tail, self.segments.len());
        if let Err(error) = self.write(entries, now_ms) {
            return Err(self.undo(tail, old, error));
        }
        self.publish(old);
        Ok(())
    }

    /// Closes the active segment and begins an empty one, so that the closed one can be let go.
    /// Nothing happens to a segment without a batch: the new one would bear the same name.
    ///
    /// # Errors
    /// [`StorageError::Io`] if the disk refuses; the log goes on in the old segment.
    pub fn close_active(&mut self) -> Result<(), StorageError> {
        self.shared.check_usable()?;
        if self.tail.offset == self.active().start.base_offset {
            return Ok(());
        }
        let (tail, old) = (self.tail, self.segments.len());
        if let Err(error) = self.roll() {
            return Err(self.undo(tail, old, error));
        }
        self.publish(old);
        Ok(())
    }

    fn assert_continues(&self, entries: &[StampedEntry]) {
        let (mut offset, mut term) = (self.tail.offset, self.tail.term.unwrap_or(0));
        for (index, entry) in (self.next_raft_index()..).zip(entries) {
            let facts = &entry.facts;
            assert_eq!(facts.base_offset, offset, "raft entry {index} continues the offsets");
            assert_eq!(facts.size as usize, HEADER_LEN + entry.body.len(), "size of {index}");
            let marker = facts.is_marker();
            assert_eq!(entry.kind != EntryKind::Batch, marker, "kind of raft entry {index}");
            let epoch = u64::try_from(facts.leader_epoch.0).ok().filter(|epoch| *epoch >= term);
            assert!(epoch.is_some(), "epoch {} of {index} after {term}", facts.leader_epoch);
            assert!(marker || facts.last_offset_delta >= 0, "raft entry {index} has records");
            if matches!(entry.kind, EntryKind::Term | EntryKind::Membership) {
                assert_names_index(entry, index);
            }
            offset = facts.next_offset();
            term = epoch.unwrap_or(term);
        }
    }

    fn write(&mut self, mut entries: &[StampedEntry], now_ms: i64) -> Result<(), StorageError> {
        while let Some(next) = entries.first() {
            if self.must_roll(next, now_ms) {
                self.roll()?;
            }
            let (run, rest) = entries.split_at(self.fitting(entries));
            self.write_run(run, now_ms)?;
            entries = rest;
        }
        Ok(())
    }

    /// A segment without a batch never rolls: the new one would bear the same name.
    fn must_roll(&self, next: &StampedEntry, now_ms: i64) -> bool {
        if self.tail.offset == self.active().start.base_offset {
            return false;
        }
        !self.fits(self.tail.position, self.tail.count, next) || self.is_aged(now_ms)
    }

    fn is_aged(&self, now_ms: i64) -> bool {
        let Some(since) = self.active().index.first_append_ms() else { return false };
        let jitter = match self.options.segment_jitter_ms {
            ..=0 => 0,
            most => {
                let base = self.active().start.base_offset.0.to_be_bytes();
                let draw = crc32c::crc32c_append(self.shared.identity.fingerprint(), &base);
                i64::from(draw) % most
            }
        };
        now_ms.saturating_sub(since) > self.options.segment_ms.saturating_sub(jitter)
    }

    fn fits(&self, position: u32, count: u32, entry: &StampedEntry) -> bool {
        let end = u64::from(position) + u64::from(entry.facts.size);
        end <= u64::from(self.options.segment_bytes)
            && bytes_for(count + 1) <= self.options.segment_index_bytes as usize
            && self.tail.markers < MARKERS_MAX
    }

    /// How many of `entries` go into the active segment, at least one.
    fn fitting(&self, entries: &[StampedEntry]) -> usize {
        let (mut position, mut count) = (self.tail.position, self.tail.count);
        for (at, entry) in entries.iter().enumerate() {
            if at > 0 && !self.fits(position, count, entry) {
                return at;
            }
            position = position.saturating_add(entry.facts.size);
            count += 1;
        }
        entries.len()
    }

    fn write_run(&mut self, run: &[StampedEntry], now_ms: i64) -> Result<(), StorageError> {
        let shared = Arc::clone(&self.shared);
        let segment = Arc::clone(self.active());
        let base = segment.start.base_offset;
        let count = self.tail.count + run.len() as u32;
        // Room in the index comes first: what is written can then be listed without fail.
        segment.index.reserve(&*shared.disk, || index_path(&shared.dir, base), count)?;
        let mut slices = Vec::with_capacity(run.len() * 2);
        for entry in run {
            slices.push(IoSlice::new(&entry.header));
            slices.push(IoSlice::new(&entry.body));
        }
        segment.store.write_at(&slices, self.tail.position.into())?;
        for entry in run {
            self.tail.put(&segment, &entry.facts, entry.kind);
        }
        // Not only with the first batch: a rebuilt index has forgotten.
        if self.tail.offset > base && segment.index.first_append_ms().is_none() {
            segment.index.set_first_append_ms(now_ms);
        }
        Ok(())
    }

    fn roll(&mut self) -> Result<(), StorageError> {
        let start = SegmentStart {
            base_offset: self.tail.offset,
            first_raft_index: self.next_raft_index(),
            term_before: self.tail.term,
        };
        let shared = &self.shared;
        let segment = Segment::create(&*shared.disk, &shared.dir, &shared.identity, start)?;
        self.segments.push(Arc::new(segment));
        self.tail = Tail::of_empty(&start);
        Ok(())
    }

    /// Publishes what was written since the list had `old` segments.
    fn publish(&self, old: usize) {
        for at in old - 1..self.segments.len() {
            let segment = &self.segments[at];
            let count = match self.segments.get(at + 1) {
                Some(next) => next.start.first_raft_index - segment.start.first_raft_index,
                None => self.tail.count.into(),
            };
            let before = segment.end().position;
            segment.index.publish(count as u32);
            let grown = segment.end().position - before;
            self.shared.since_snapshot.fetch_add(grown.into(), Ordering::AcqRel);
        }
        if self.segments.len() > old {
            self.shared.segments.store(Arc::new(self.segments.clone()));
            self.shared.rolled.store(true, Ordering::Release);
        }
    }

    /// After `error`, back to `tail` and `old` segments; poisoned, if even that can't be.
    fn undo(&mut self, tail: Tail, old: usize, error: StorageError) -> StorageError {
        if let Err(second) = self.take_back(tail, old) {
            tracing::error!(dir = %self.shared.dir.display(), error = %second, "log poisoned");
            self.shared.poison();
        }
        error
    }

    /// Undoes a failed append: nothing of it is left for a later recovery to take as valid.
    fn take_back(&mut self, tail: Tail, old: usize) -> Result<(), StorageError> {
        let rolled_to = self.tail.offset;
        self.segments[old - 1].index.set_unsettled(true);
        while self.segments.len() > old {
            if let Some(segment) = self.segments.pop() {
                unlink_segment(&self.shared, segment.start.base_offset)?;
            }
        }
        // A roll that failed half-way left its files, too.
        if rolled_to != self.active().start.base_offset {
            unlink_segment(&self.shared, rolled_to)?;
        }
        let segment = self.active();
        segment.store.cut(tail.position.into())?;
        segment.index.put_end(tail.count, tail.offset, tail.position);
        segment.index.set_unsettled(false);
        self.tail = tail;
        Ok(())
    }
}

fn assert_names_index(entry: &StampedEntry, index: RaftIndex) {
    let named = match Marker::decode_body(&entry.body) {
        Ok(Marker::Term { raft_index, .. } | Marker::Membership { raft_index, .. }) => raft_index,
        other => panic!("raft entry {index} says {other:?}"),
    };
    assert_eq!(named, index, "the marker names its raft index");
}
