//! Entries, and the plain list that a log is compared with.

use bateau::model::{BatchHeader, LeaderEpoch, Offset, RaftIndex, TopicId};
use bateau::storage::{EntryKind, LogIdentity, LogReader, Marker, StampedEntry};
use bytes::Bytes;
use uuid::Uuid;

pub(crate) fn identity() -> LogIdentity {
    LogIdentity {
        cluster_id: Uuid::from_u128(1),
        topic_id: TopicId(Uuid::from_u128(2)),
        partition: 3,
        replica_id: 4,
    }
}

/// A batch of `records` records that nobody will decode.
pub(crate) fn batch(offset: Offset, term: i32, records: i32, timestamp: i64, body: usize) -> StampedEntry {
    let fill = (offset.0 as u8).wrapping_mul(31).wrapping_add(term as u8);
    let body = Bytes::from(vec![fill; body]);
    let mut facts = BatchHeader::marker(offset, LeaderEpoch(term), body.len());
    facts.attributes = 0;
    facts.record_count = records;
    facts.last_offset_delta = records - 1;
    facts.base_timestamp = timestamp;
    facts.max_timestamp = timestamp;
    facts.seal(&body);
    StampedEntry::batch(facts, body)
}

/// A log as a list: index 0 of `entries` is the entry at Raft index 0, purged or not.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plain {
    pub(crate) entries: Vec<StampedEntry>,
    pub(crate) term: i32,
}

impl Plain {
    pub(crate) fn end(&self) -> Offset {
        self.entries.last().map_or(Offset::ZERO, |entry| entry.facts.next_offset())
    }

    /// The next entry: mostly batches, now and then a marker, all told by `draw`.
    pub(crate) fn next(&mut self, draw: u64) -> StampedEntry {
        let (offset, index) = (self.end(), self.entries.len() as RaftIndex);
        let small = (draw >> 8) as usize % 50;
        let entry = match draw % 16 {
            0 => {
                self.term += 1;
                let marker = Marker::Term { term: self.term as u64, raft_index: index };
                marker.entry(offset, LeaderEpoch(self.term))
            }
            1 => {
                let body = Bytes::from(vec![7; small]);
                Marker::Membership { raft_index: index, body }.entry(offset, LeaderEpoch(self.term))
            }
            2 => Marker::LogStart { offset }.entry(offset, LeaderEpoch(self.term)),
            3 => Marker::Void { reason: small as u16 }.entry(offset, LeaderEpoch(self.term)),
            4 => batch(offset, self.term, 3, (draw >> 16) as i64 % 1000, 700 + small),
            _ => batch(offset, self.term, 1 + small as i32 % 4, (draw >> 16) as i64 % 1000, small),
        };
        self.entries.push(entry.clone());
        entry
    }

    pub(crate) fn truncate(&mut self, keep: usize) {
        self.entries.truncate(keep);
    }

    /// The whole batch of the entry at `index`.
    pub(crate) fn bytes(&self, index: usize) -> Vec<u8> {
        let entry = &self.entries[index];
        [&entry.header[..], &entry.body[..]].concat()
    }

    /// Asserts that `reader` holds exactly the entries of `first..len`.
    pub(crate) fn assert_same(&self, reader: &LogReader, first: usize, len: usize) {
        assert_eq!(reader.raft_range(), first as u64..len as u64);
        let entries = reader.entries(0..u64::MAX);
        assert!(entries.is_empty() || first == 0, "what was purged is not listed");
        let entries = reader.entries(first as u64..len as u64 + 1);
        assert_eq!(entries.len(), len - first);
        for (index, found) in (first..len).zip(&entries) {
            let wanted = &self.entries[index];
            assert_eq!(found.offset, wanted.facts.base_offset, "offset of {index}");
            assert_eq!(found.kind, wanted.kind, "kind of {index}");
            assert_eq!(found.term, wanted.facts.leader_epoch.0 as u32, "term of {index}");
            assert_eq!(found.length, wanted.facts.size, "length of {index}");
            assert_eq!(reader.entry(index as u64).as_ref(), Some(found));
            assert_eq!(reader.bytes(index as u64).unwrap(), self.bytes(index), "bytes of {index}");
            assert_eq!(reader.header(index as u64).unwrap(), wanted.facts);
        }
        let end = self.entries[..len].last().map_or(Offset::ZERO, |e| e.facts.next_offset());
        assert_eq!(reader.log_end_offset(), end);
    }

    /// What a read from `from` below `below` must lend: the first entry and the bytes.
    pub(crate) fn run(
        &self,
        len: usize,
        from: Offset,
        below: Offset,
        max: usize,
    ) -> Option<(usize, Vec<u8>)> {
        let contains = |e: &StampedEntry| {
            e.kind == EntryKind::Batch && e.facts.base_offset <= from && from < e.facts.next_offset()
        };
        let first = self.entries[..len].iter().position(contains)?;
        let mut bytes = Vec::new();
        for index in first..len {
            let entry = &self.entries[index];
            let fits = bytes.is_empty() || bytes.len() + entry.facts.size as usize <= max;
            if entry.kind != EntryKind::Batch || entry.facts.next_offset() > below || !fits {
                break;
            }
            bytes.extend(self.bytes(index));
        }
        (!bytes.is_empty()).then_some((first, bytes))
    }
}

/// Deterministic draws.
pub(crate) struct Draw(pub(crate) u64);

impl Draw {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let mixed = (self.0 ^ (self.0 >> 33)).wrapping_mul(0xFF51_AFD7_ED55_8CCD);
        mixed ^ (mixed >> 29)
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }
}
