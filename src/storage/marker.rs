//! Markers: empty control batches that carry what Raft says, and the header of every Store.
//!
//! A marker takes a Raft index and no Kafka offset. Its body, under the batch's CRC, is kind (u8),
//! version (u8) and value. Not here: what a membership means (`cluster` encodes it).

use std::fmt;

use bytes::{BufMut, Bytes, BytesMut};
use uuid::Uuid;

use super::index::EntryKind;
use super::log::StampedEntry;
use crate::model::batch::HEADER_LEN;
use crate::model::{BatchError, BatchHeader, LeaderEpoch, Offset, PartitionId, RaftIndex, TopicId};

/// The version that every marker is written with.
const VERSION: u8 = 1;
/// The version of the whole format of a partition's directory.
pub const FORMAT_VERSION: u16 = 1;
/// Bytes of a Store's header marker.
pub const STORE_HEADER_LEN: u32 = (HEADER_LEN + 2 + STORE_HEADER_VALUE_LEN) as u32;
const STORE_HEADER_VALUE_LEN: usize = 2 + IDENTITY_LEN + 8 + 1 + 8;
pub(super) const IDENTITY_LEN: usize = 16 + 16 + 4 + 8;

const HEADER: u8 = 1;

/// Whose log it is. Nothing of another identity is ever opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LogIdentity {
    pub cluster_id: Uuid,
    pub topic_id: TopicId,
    pub partition: PartitionId,
    pub replica_id: u64,
}

impl LogIdentity {
    pub(super) fn encode(&self, out: &mut impl BufMut) {
        out.put_slice(self.cluster_id.as_bytes());
        out.put_slice(self.topic_id.0.as_bytes());
        out.put_i32(self.partition);
        out.put_u64(self.replica_id);
    }

    pub(super) fn decode(from: &mut Reader<'_>) -> Option<Self> {
        Some(Self {
            cluster_id: Uuid::from_bytes(from.array()?),
            topic_id: TopicId(Uuid::from_bytes(from.array()?)),
            partition: i32::from_be_bytes(from.array()?),
            replica_id: from.u64()?,
        })
    }

    /// A number that tells identities apart well enough for jitter and cheap checks.
    pub(super) fn fingerprint(&self) -> u32 {
        let mut bytes = BytesMut::with_capacity(IDENTITY_LEN);
        self.encode(&mut bytes);
        crc32c::crc32c(&bytes)
    }
}

impl fmt::Display for LogIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cluster_id, topic_id, partition, replica_id } = self;
        write!(f, "replica {replica_id} of partition {partition} of topic {topic_id} in cluster {cluster_id}")
    }
}

/// What the first batch of every Store says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreHeader {
    pub identity: LogIdentity,
    /// Raft index of the first entry after this header.
    pub first_raft_index: RaftIndex,
    /// Whether an entry stands before the first one, here or purged.
    pub has_before: bool,
    /// Term of that entry; 0 if there is none.
    pub term_before: u64,
    pub format_version: u16,
}

/// A batch without records, by what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Marker {
    /// Local to a Store; no Raft entry.
    Header(StoreHeader),
    /// A leader begins its term: openraft's blank entry.
    Term { term: u64, raft_index: RaftIndex },
    /// Who votes, as `cluster` encodes it.
    Membership { raft_index: RaftIndex, body: Bytes },
    /// Consumers may read from `offset` on; takes effect when applied.
    LogStart { offset: Offset },
    /// A proposal that was refused at append, with the reason for its answer.
    Void { reason: u16 },
}

/// Why a batch is no marker that this version knows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MarkerError {
    #[error(transparent)]
    Batch(#[from] BatchError),
    #[error("not a marker")]
    NotAMarker,
    #[error("marker kind {kind} is unknown")]
    Kind { kind: u8 },
    #[error("version {version} of marker kind {kind} is unknown")]
    Version { kind: u8, version: u8 },
    #[error("a value of {len} bytes does not fit marker kind {kind}")]
    Length { kind: u8, len: usize },
}

impl Marker {
    /// The marker as an entry at `offset`, the log end, of the leader's `epoch`.
    pub fn entry(&self, offset: Offset, epoch: LeaderEpoch) -> StampedEntry {
        let body = self.body();
        let mut facts = BatchHeader::marker(offset, epoch, body.len());
        facts.seal(&body);
        StampedEntry { header: facts.to_bytes(), facts, kind: self.kind(), body }
    }

    /// The marker as one whole batch.
    pub fn encode(&self, offset: Offset, epoch: LeaderEpoch) -> Bytes {
        let entry = self.entry(offset, epoch);
        let mut out = BytesMut::with_capacity(entry.facts.size as usize);
        out.put_slice(&entry.header);
        out.put_slice(&entry.body);
        out.freeze()
    }

    /// Reads a marker from one whole batch. The CRC is the caller's to check.
    pub fn decode(batch: &[u8]) -> Result<Self, MarkerError> {
        let header = BatchHeader::parse(batch)?;
        if !header.is_marker() {
            return Err(MarkerError::NotAMarker);
        }
        let need = header.size as usize;
        match batch.get(HEADER_LEN..need) {
            Some(body) => Self::decode_body(body),
            None => Err(BatchError::Short { have: batch.len(), need }.into()),
        }
    }

    /// Reads a marker from the bytes behind the batch header.
    pub fn decode_body(body: &[u8]) -> Result<Self, MarkerError> {
        let [kind, version, value @ ..] = body else {
            return Err(MarkerError::Length { kind: 0, len: body.len() });
        };
        if *version != VERSION {
            return Err(MarkerError::Version { kind: *kind, version: *version });
        }
        let mut from = Reader(value);
        let marker = match *kind {
            HEADER => from.store_header().map(Self::Header),
            k if k == EntryKind::Term as u8 => from.term(),
            k if k == EntryKind::Membership as u8 => from.membership(),
            k if k == EntryKind::LogStart as u8 => {
                from.array().map(|b| Self::LogStart { offset: Offset(i64::from_be_bytes(b)) })
            }
            k if k == EntryKind::Void as u8 => from.u16().map(|reason| Self::Void { reason }),
            kind => return Err(MarkerError::Kind { kind }),
        };
        match marker {
            Some(marker) if from.0.is_empty() => Ok(marker),
            _ => Err(MarkerError::Length { kind: *kind, len: value.len() }),
        }
    }

    /// The kind under which the index lists it; a header, which is not listed, says `Batch`.
    fn kind(&self) -> EntryKind {
        match self {
            Self::Header(_) => EntryKind::Batch,
            Self::Term { .. } => EntryKind::Term,
            Self::Membership { .. } => EntryKind::Membership,
            Self::LogStart { .. } => EntryKind::LogStart,
            Self::Void { .. } => EntryKind::Void,
        }
    }

    fn body(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(2 + STORE_HEADER_VALUE_LEN);
        out.put_u8(if matches!(self, Self::Header(_)) { HEADER } else { self.kind() as u8 });
        out.put_u8(VERSION);
        match self {
            Self::Header(header) => {
                out.put_u16(header.format_version);
                header.identity.encode(&mut out);
                out.put_u64(header.first_raft_index);
                out.put_u8(u8::from(header.has_before));
                out.put_u64(header.term_before);
            }
            Self::Term { term, raft_index } => {
                out.put_u64(*term);
                out.put_u64(*raft_index);
            }
            Self::Membership { raft_index, body } => {
                out.put_u64(*raft_index);
                out.put_slice(body);
            }
            Self::LogStart { offset } => out.put_i64(offset.0),
            Self::Void { reason } => out.put_u16(*reason),
        }
        out.freeze()
    }
}

/// Takes big-endian fields off the front; `None` once too little is left.
#[derive(Debug)]
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }

    pub(super) fn bytes(&mut self, len: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(head)
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_be_bytes)
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    fn store_header(&mut self) -> Option<StoreHeader> {
        Some(StoreHeader {
            format_version: self.u16()?,
            identity: LogIdentity::decode(self)?,
            first_raft_index: self.u64()?,
            has_before: self.u8()? != 0,
            term_before: self.u64()?,
        })
    }

    fn term(&mut self) -> Option<Marker> {
        Some(Marker::Term { term: self.u64()?, raft_index: self.u64()? })
    }

    fn membership(&mut self) -> Option<Marker> {
        let raft_index = self.u64()?;
        let body = Bytes::copy_from_slice(std::mem::take(&mut self.0));
        Some(Marker::Membership { raft_index, body })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Vec<Marker> {
        let identity = LogIdentity {
            cluster_id: Uuid::from_u128(1),
            topic_id: TopicId(Uuid::from_u128(2)),
            partition: 3,
            replica_id: 4,
        };
        let header = StoreHeader {
            identity,
            first_raft_index: 5,
            has_before: true,
            term_before: 6,
            format_version: FORMAT_VERSION,
        };
        vec![
            Marker::Header(header),
            Marker::Term { term: 7, raft_index: 8 },
            Marker::Membership { raft_index: 9, body: Bytes::from_static(b"who") },
            Marker::Membership { raft_index: 9, body: Bytes::new() },
            Marker::LogStart { offset: Offset(10) },
            Marker::Void { reason: 11 },
        ]
    }

    #[test]
    fn a_marker_is_an_empty_control_batch_that_survives_its_own_bytes() {
        for marker in all() {
            let batch = marker.encode(Offset(100), LeaderEpoch(7));
            let header = BatchHeader::parse(&batch).unwrap();
            assert!(header.is_marker());
            assert_eq!((header.base_offset, header.next_offset()), (Offset(100), Offset(100)));
            assert_eq!(header.check_crc(&batch), Ok(()));
            assert_eq!(Marker::decode(&batch), Ok(marker.clone()));
            if matches!(marker, Marker::Header(_)) {
                assert_eq!(batch.len(), STORE_HEADER_LEN as usize);
            }
        }
    }

    #[test]
    fn unknown_kinds_versions_and_lengths_are_errors() {
        assert_eq!(Marker::decode_body(&[9, 1]), Err(MarkerError::Kind { kind: 9 }));
        assert_eq!(Marker::decode_body(&[2, 2]), Err(MarkerError::Version { kind: 2, version: 2 }));
        assert_eq!(Marker::decode_body(&[1]), Err(MarkerError::Length { kind: 0, len: 1 }));
        for marker in all() {
            let body = marker.body();
            let long = [&body[..], b"x"].concat();
            for len in 2..body.len() {
                let short = Marker::decode_body(&body[..len]);
                assert!(short.is_err() || matches!(short, Ok(Marker::Membership { .. })));
            }
            let long = Marker::decode_body(&long);
            assert!(long.is_err() || matches!(long, Ok(Marker::Membership { .. })));
        }
    }

    #[test]
    fn a_batch_of_records_is_no_marker() {
        let mut header = BatchHeader::marker(Offset(0), LeaderEpoch(0), 0);
        header.record_count = 1;
        assert_eq!(Marker::decode(&header.to_bytes()), Err(MarkerError::NotAMarker));
    }
}
