//! An entry of the log as its leader sent it: stored bytes, checked by themselves.
//!
//! What this replica's log must look like for it to follow is `following`'s.

use bytes::Bytes;

use super::state::{Membership, StateError};
use crate::model::batch::HEADER_LEN;
use crate::model::{BatchError, BatchHeader, Offset, RaftIndex};
use crate::storage::{EntryKind, Marker, MarkerError, StampedEntry};

/// The largest marker that is taken: far above any that is made.
pub(super) const MARKER_BYTES_MAX: usize = 64 << 10;

/// An entry and its place in the Raft log, as a leader sent them.
#[derive(Clone, Debug)]
pub struct Replicated {
    pub term: u64,
    pub index: RaftIndex,
    pub entry: ReceivedEntry,
}

/// One whole batch or marker. Its checksum holds, and a marker's value is of a known kind; offset
/// and epoch are what the leader says.
#[derive(Clone, Debug)]
pub struct ReceivedEntry {
    pub(super) stamped: StampedEntry,
    pub(super) marker: Option<Marker>,
    membership: Option<Membership>,
}

/// Why bytes are no entry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    #[error(transparent)]
    Batch(#[from] BatchError),
    #[error(transparent)]
    Marker(#[from] MarkerError),
    #[error("the value of a membership marker is none")]
    Membership(#[source] StateError),
    #[error("{len} bytes behind the value of a membership marker")]
    Trailing { len: usize },
    #[error("a marker of {size} bytes exceeds the maximum of {MARKER_BYTES_MAX}")]
    MarkerSize { size: usize },
    #[error("a batch without records")]
    Empty,
    #[error("leader epoch {epoch} is negative")]
    Epoch { epoch: i32 },
    #[error("the value of a term marker is {value}, its epoch {epoch}")]
    Term { value: u64, epoch: u64 },
    #[error("log start {start} lies past the marker's own offset {offset}")]
    LogStart { start: Offset, offset: Offset },
}

impl ReceivedEntry {
    /// Takes one entry off the front of `bytes`, sharing them.
    ///
    /// # Errors
    /// [`EntryError`] if they do not begin with a whole entry; `bytes` is as before then.
    pub fn read(bytes: &mut Bytes) -> Result<Self, EntryError> {
        let facts = BatchHeader::parse(bytes)?;
        let size = facts.size as usize;
        if size > bytes.len() {
            return Err(BatchError::Short { have: bytes.len(), need: size }.into());
        }
        let epoch = facts.leader_epoch.0;
        let Ok(term) = u64::try_from(epoch) else { return Err(EntryError::Epoch { epoch }) };
        facts.check_crc(bytes)?;
        let body = bytes.slice(HEADER_LEN..size);
        let marker = match facts.is_marker() {
            true => Some(marker(&body, &facts, term)?),
            false if facts.last_offset_delta < 0 || facts.record_count <= 0 => {
                return Err(EntryError::Empty);
            }
            false => None,
        };
        let (kind, membership) = match &marker {
            None => (EntryKind::Batch, None),
            Some(Marker::Header(_)) => return Err(MarkerError::Kind { kind: body[0] }.into()),
            Some(Marker::Term { .. }) => (EntryKind::Term, None),
            Some(Marker::Membership { body, .. }) => (EntryKind::Membership, Some(membership(body)?)),
            Some(Marker::LogStart { .. }) => (EntryKind::LogStart, None),
            Some(Marker::Void { .. }) => (EntryKind::Void, None),
        };
        let whole = bytes.split_to(size);
        let mut header = [0; HEADER_LEN];
        header.copy_from_slice(&whole[..HEADER_LEN]);
        Ok(Self { stamped: StampedEntry { header, facts, kind, body }, marker, membership })
    }

    pub fn kind(&self) -> EntryKind {
        self.stamped.kind
    }

    /// The leader epoch in its header: the term under which it was appended.
    pub fn term(&self) -> u64 {
        self.stamped.facts.leader_epoch.0.unsigned_abs().into()
    }

    /// What a membership marker says; `None` for every other entry.
    pub fn membership(&self) -> Option<&Membership> {
        self.membership.as_ref()
    }

    /// Bytes, header included.
    #[expect(clippy::len_without_is_empty, reason = "an entry is never empty")]
    pub fn len(&self) -> usize {
        self.stamped.facts.size as usize
    }

    /// The Raft index that its marker names, if it names one.
    pub(super) fn named_index(&self) -> Option<RaftIndex> {
        match &self.marker {
            Some(Marker::Term { raft_index, .. } | Marker::Membership { raft_index, .. }) => {
                Some(*raft_index)
            }
            None | Some(Marker::Header(_) | Marker::LogStart { .. } | Marker::Void { .. }) => None,
        }
    }

    pub(super) fn into_parts(self) -> (StampedEntry, Option<Membership>) {
        (self.stamped, self.membership)
    }
}

fn marker(body: &Bytes, facts: &BatchHeader, term: u64) -> Result<Marker, EntryError> {
    let size = facts.size as usize;
    if size > MARKER_BYTES_MAX {
        return Err(EntryError::MarkerSize { size });
    }
    let marker = Marker::decode_body(body)?;
    match &marker {
        Marker::Term { term: value, .. } if *value != term => {
            Err(EntryError::Term { value: *value, epoch: term })
        }
        // At its application the high watermark is at least the marker's offset, so that the log
        // start stays below it.
        Marker::LogStart { offset } if *offset < Offset::ZERO || *offset > facts.base_offset => {
            Err(EntryError::LogStart { start: *offset, offset: facts.base_offset })
        }
        _ => Ok(marker),
    }
}

fn membership(body: &[u8]) -> Result<Membership, EntryError> {
    let mut rest = body;
    let membership = Membership::decode(&mut rest).map_err(EntryError::Membership)?;
    if !rest.is_empty() {
        return Err(EntryError::Trailing { len: rest.len() });
    }
    Ok(membership)
}
