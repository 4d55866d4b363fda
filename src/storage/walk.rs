//! Walking a Store batch by batch, to check it and to list it in its index.

use super::disk::Disk;
use super::error::{Damage, StorageError};
use super::index::EntryKind;
use super::log::Tail;
use super::marker::{Marker, MarkerError};
use super::segment::{Segment, index_path};
use super::store::Store;
use crate::model::batch::HEADER_LEN;
use crate::model::{BatchError, BatchHeader, RaftIndex};

/// Bytes read at a time.
const CHUNK: usize = 256 << 10;

/// Whose checksums are computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Checksums {
    None,
    /// That of the batch at the very end.
    Last,
    All,
}

/// Where the walk stopped before its end, and why.
#[derive(Debug)]
pub(super) struct Bad {
    pub(super) position: u32,
    pub(super) reason: Damage,
    /// Whether it looks like the last write, cut short.
    pub(super) torn: bool,
}

impl Bad {
    fn torn(position: u32, have: u64, need: usize) -> Self {
        let reason = BatchError::Short { have: have as usize, need }.into();
        Self { position, reason, torn: true }
    }
}

/// A walk over one Store up to `end`.
#[derive(Debug)]
pub(super) struct Walk<'a> {
    pub(super) disk: &'a dyn Disk,
    pub(super) dir: &'a std::path::Path,
    pub(super) segment: &'a Segment,
    pub(super) end: u64,
    pub(super) checksums: Checksums,
}

impl Walk<'_> {
    /// Lists every entry from `tail` on, moving `tail` behind it, and stops at the first bad one.
    /// Publishes what it listed.
    pub(super) fn run(&self, tail: &mut Tail) -> Result<Option<Bad>, StorageError> {
        let mut window = Window { store: &self.segment.store, start: 0, bytes: Vec::new() };
        let mut bad = None;
        while bad.is_none() && u64::from(tail.position) < self.end {
            match self.step(&mut window, tail)? {
                Ok((facts, kind)) => {
                    let base = self.segment.start.base_offset;
                    let path = || index_path(self.dir, base);
                    self.segment.index.reserve(self.disk, path, tail.count + 1)?;
                    tail.put(self.segment, &facts, kind);
                }
                Err(found) => bad = Some(found),
            }
        }
        self.segment.index.put_end(tail.count, tail.offset, tail.position);
        self.segment.index.publish(tail.count);
        Ok(bad)
    }

    /// Checks the entry at `tail`.
    fn step(
        &self,
        window: &mut Window<'_>,
        tail: &Tail,
    ) -> Result<Result<(BatchHeader, EntryKind), Bad>, StorageError> {
        let position = tail.position;
        let left = self.end - u64::from(position);
        if left < HEADER_LEN as u64 {
            return Ok(Err(Bad::torn(position, left, HEADER_LEN)));
        }
        let bad = |reason: Damage| Ok(Err(Bad { position, reason, torn: false }));
        let facts = match BatchHeader::parse(window.get(position, HEADER_LEN, self.end)?) {
            Ok(facts) => facts,
            Err(error) => return bad(error.into()),
        };
        let size = facts.size as usize;
        if size as u64 > left {
            return Ok(Err(Bad::torn(position, left, size)));
        }
        if let Err(reason) = continues(&facts, tail) {
            return bad(reason);
        }
        let last = size as u64 == left;
        let check = match self.checksums {
            Checksums::None => false,
            Checksums::Last => last,
            Checksums::All => true,
        };
        let marker = facts.is_marker();
        if !check && !marker {
            return Ok(Ok((facts, EntryKind::Batch)));
        }
        let batch = window.get(position, size, self.end)?;
        if check && let Err(error) = facts.check_crc(batch) {
            return Ok(Err(Bad { position, reason: error.into(), torn: last }));
        }
        if !marker {
            return Ok(Ok((facts, EntryKind::Batch)));
        }
        let index = self.segment.start.first_raft_index + u64::from(tail.count);
        match marker_kind(&batch[HEADER_LEN..], index, &facts) {
            Ok(kind) => Ok(Ok((facts, kind))),
            Err(reason) => bad(reason),
        }
    }
}

fn continues(facts: &BatchHeader, tail: &Tail) -> Result<(), Damage> {
    if facts.base_offset != tail.offset {
        return Err(Damage::Offset { found: facts.base_offset, wanted: tail.offset });
    }
    let before = tail.term.unwrap_or(0);
    let epoch = facts.leader_epoch.0;
    let found = u64::try_from(epoch).ok().filter(|term| *term >= before);
    if found.is_none() {
        return Err(Damage::Term { found: u64::from(epoch.cast_unsigned()), before });
    }
    if facts.last_offset_delta < 0 && !facts.is_marker() {
        return Err(Damage::Empty);
    }
    Ok(())
}

fn marker_kind(body: &[u8], index: RaftIndex, facts: &BatchHeader) -> Result<EntryKind, Damage> {
    let (kind, named) = match Marker::decode_body(body)? {
        Marker::Header(_) => return Err(MarkerError::Kind { kind: 1 }.into()),
        Marker::Term { term, raft_index } => {
            let found = u64::from(facts.leader_epoch.0.cast_unsigned());
            if found != term {
                return Err(Damage::Term { found, before: term });
            }
            (EntryKind::Term, Some(raft_index))
        }
        Marker::Membership { raft_index, .. } => (EntryKind::Membership, Some(raft_index)),
        Marker::LogStart { .. } => (EntryKind::LogStart, None),
        Marker::Void { .. } => (EntryKind::Void, None),
    };
    match named {
        Some(found) if found != index => Err(Damage::RaftIndex { found, wanted: index }),
        _ => Ok(kind),
    }
}

/// A part of a Store in memory.
struct Window<'a> {
    store: &'a Store,
    start: u64,
    bytes: Vec<u8>,
}

impl Window<'_> {
    /// `len` bytes at `position`, which lie below `end`; reads ahead.
    fn get(&mut self, position: u32, len: usize, end: u64) -> Result<&[u8], StorageError> {
        let position = u64::from(position);
        let have = self.start..self.start + self.bytes.len() as u64;
        if position < have.start || position + len as u64 > have.end {
            let ahead = (end - position).min(CHUNK.max(len) as u64);
            self.bytes.resize(ahead as usize, 0);
            self.start = position;
            self.store.read_at(&mut self.bytes, position)?;
        }
        let at = (position - self.start) as usize;
        Ok(&self.bytes[at..at + len])
    }
}
