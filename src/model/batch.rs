//! The 61-byte header of a Kafka v2 record batch: parsed, checked, stamped.
//!
//! The records behind it are `model/record.rs`'s; what a partition demands of a batch is
//! `partition`'s. Source: KIP-98; Kafka `DefaultRecordBatch`.

use super::compression::Compression;
use super::{LeaderEpoch, Offset};

/// Bytes of a batch before its first record.
pub const HEADER_LEN: usize = 61;
/// Bytes before the span that `batchLength` counts.
pub const LENGTH_END: usize = 12;
/// Where the span under the CRC begins.
pub const CRC_START: usize = 21;
const MAGIC_AT: usize = 16;

const COMPRESSION_MASK: i16 = 0x07;
const LOG_APPEND_TIME: i16 = 0x08;
const TRANSACTIONAL: i16 = 0x10;
const CONTROL: i16 = 0x20;

/// A batch header as it stands on wire and disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchHeader {
    /// Offset of the first record; a producer sends 0.
    pub base_offset: Offset,
    /// Bytes of the whole batch, this header included.
    pub size: u32,
    pub leader_epoch: LeaderEpoch,
    pub crc: u32,
    pub attributes: i16,
    /// Last offset minus base offset: the records' span less one; -1 in a marker.
    pub last_offset_delta: i32,
    /// Milliseconds since the epoch, as all timestamps.
    pub base_timestamp: i64,
    pub max_timestamp: i64,
    /// -1: not idempotent.
    pub producer_id: i64,
    pub producer_epoch: i16,
    pub base_sequence: i32,
    pub record_count: i32,
}

/// Why bytes are no batch.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    #[error("a batch of {have} bytes is shorter than its {need} bytes")]
    Short { have: usize, need: usize },
    #[error("batch length {length} is impossible")]
    Length { length: i32 },
    #[error("magic {magic} is not 2")]
    Magic { magic: i8 },
    #[error("checksum {found:#010x} of the batch is not {stored:#010x}")]
    Checksum { stored: u32, found: u32 },
    #[error("compression type {id} is unknown")]
    Compression { id: i16 },
}

impl BatchHeader {
    /// Reads the header at the start of `bytes`; the batch itself may be longer than `bytes`.
    ///
    /// # Errors
    /// [`BatchError`] if there are too few bytes for a header, or size or magic are impossible.
    pub fn parse(bytes: &[u8]) -> Result<Self, BatchError> {
        if bytes.len() > MAGIC_AT && bytes[MAGIC_AT] != 2 {
            return Err(BatchError::Magic { magic: bytes[MAGIC_AT].cast_signed() });
        }
        let Some((header, _)) = bytes.split_first_chunk::<HEADER_LEN>() else {
            return Err(BatchError::Short { have: bytes.len(), need: HEADER_LEN });
        };
        let length = i32_at(header, 8);
        let size = usize::try_from(length).ok().map(|n| n + LENGTH_END);
        let Some(size) = size.filter(|n| *n >= HEADER_LEN).and_then(|n| u32::try_from(n).ok()) else {
            return Err(BatchError::Length { length });
        };
        Ok(Self {
            base_offset: Offset(i64_at(header, 0)),
            size,
            leader_epoch: LeaderEpoch(i32_at(header, 12)),
            crc: i32_at(header, 17).cast_unsigned(),
            attributes: i16_at(header, 21),
            last_offset_delta: i32_at(header, 23),
            base_timestamp: i64_at(header, 27),
            max_timestamp: i64_at(header, 35),
            producer_id: i64_at(header, 43),
            producer_epoch: i16_at(header, 51),
            base_sequence: i32_at(header, 53),
            record_count: i32_at(header, 57),
        })
    }

    /// Checks the CRC of one whole batch.
    pub fn check_crc(&self, batch: &[u8]) -> Result<(), BatchError> {
        let need = self.size as usize;
        let Some(covered) = batch.get(CRC_START..need) else {
            return Err(BatchError::Short { have: batch.len(), need });
        };
        let found = crc32c::crc32c(covered);
        if found == self.crc {
            return Ok(());
        }
        Err(BatchError::Checksum { stored: self.crc, found })
    }

    /// The header's own bytes. The CRC is written as the field says, not computed.
    pub fn to_bytes(&self) -> [u8; HEADER_LEN] {
        let mut out = [0; HEADER_LEN];
        out[..8].copy_from_slice(&self.base_offset.0.to_be_bytes());
        let length = self.size - LENGTH_END as u32;
        out[8..12].copy_from_slice(&length.to_be_bytes());
        out[12..16].copy_from_slice(&self.leader_epoch.0.to_be_bytes());
        out[MAGIC_AT] = 2;
        out[17..21].copy_from_slice(&self.crc.to_be_bytes());
        out[21..23].copy_from_slice(&self.attributes.to_be_bytes());
        out[23..27].copy_from_slice(&self.last_offset_delta.to_be_bytes());
        out[27..35].copy_from_slice(&self.base_timestamp.to_be_bytes());
        out[35..43].copy_from_slice(&self.max_timestamp.to_be_bytes());
        out[43..51].copy_from_slice(&self.producer_id.to_be_bytes());
        out[51..53].copy_from_slice(&self.producer_epoch.to_be_bytes());
        out[53..57].copy_from_slice(&self.base_sequence.to_be_bytes());
        out[57..61].copy_from_slice(&self.record_count.to_be_bytes());
        out
    }

    /// Computes and sets the CRC for a batch of this header and `body`.
    pub fn seal(&mut self, body: &[u8]) {
        let head = crc32c::crc32c(&self.to_bytes()[CRC_START..]);
        self.crc = crc32c::crc32c_append(head, body);
    }

    /// The offset after the last record.
    pub fn next_offset(&self) -> Offset {
        self.base_offset.plus(i64::from(self.last_offset_delta) + 1)
    }

    pub fn compression(&self) -> Result<Compression, BatchError> {
        let id = self.attributes & COMPRESSION_MASK;
        Compression::from_attributes(id).map_err(|_| BatchError::Compression { id })
    }

    pub fn set_compression(&mut self, codec: Compression) {
        self.attributes = (self.attributes & !COMPRESSION_MASK) | codec.id();
    }

    pub fn is_log_append_time(&self) -> bool {
        self.attributes & LOG_APPEND_TIME != 0
    }

    pub fn set_log_append_time(&mut self, on: bool) {
        self.attributes = (self.attributes & !LOG_APPEND_TIME) | if on { LOG_APPEND_TIME } else { 0 };
    }

    pub fn is_transactional(&self) -> bool {
        self.attributes & TRANSACTIONAL != 0
    }

    pub fn is_control(&self) -> bool {
        self.attributes & CONTROL != 0
    }

    /// A control batch without records takes a Raft index and no offset: Bateau's marker.
    pub fn is_marker(&self) -> bool {
        self.is_control() && self.record_count == 0 && self.last_offset_delta == -1
    }

    pub fn has_producer(&self) -> bool {
        self.producer_id >= 0
    }

    /// The header of a marker at `offset` whose body has `body_len` bytes; not yet sealed.
    pub fn marker(offset: Offset, epoch: LeaderEpoch, body_len: usize) -> Self {
        Self {
            base_offset: offset,
            size: (HEADER_LEN + body_len) as u32,
            leader_epoch: epoch,
            crc: 0,
            attributes: CONTROL,
            last_offset_delta: -1,
            base_timestamp: -1,
            max_timestamp: -1,
            producer_id: -1,
            producer_epoch: -1,
            base_sequence: -1,
            record_count: 0,
        }
    }
}

fn i16_at(b: &[u8; HEADER_LEN], at: usize) -> i16 {
    i16::from_be_bytes([b[at], b[at + 1]])
}

fn i32_at(b: &[u8; HEADER_LEN], at: usize) -> i32 {
    i32::from_be_bytes([b[at], b[at + 1], b[at + 2], b[at + 3]])
}

fn i64_at(b: &[u8; HEADER_LEN], at: usize) -> i64 {
    (i64::from(i32_at(b, at)) << 32) | i64::from(i32_at(b, at + 4).cast_unsigned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> BatchHeader {
        BatchHeader {
            base_offset: Offset(-5_000_000_000),
            size: 64,
            leader_epoch: LeaderEpoch(7),
            crc: 0,
            attributes: 0x0B,
            last_offset_delta: 2,
            base_timestamp: 1_700_000_000_123,
            max_timestamp: -1,
            producer_id: i64::MAX,
            producer_epoch: -2,
            base_sequence: 9,
            record_count: 3,
        }
    }

    #[test]
    fn a_header_survives_its_own_bytes() {
        let mut header = sample();
        header.seal(b"abc");
        let mut bytes = header.to_bytes().to_vec();
        bytes.extend_from_slice(b"abc");
        let parsed = BatchHeader::parse(&bytes).unwrap();
        assert_eq!(parsed, header);
        assert_eq!(parsed.check_crc(&bytes), Ok(()));
        bytes[62] ^= 1;
        assert!(matches!(parsed.check_crc(&bytes), Err(BatchError::Checksum { .. })));
    }

    #[test]
    fn offset_and_epoch_lie_outside_the_checksum() {
        let mut header = sample();
        header.seal(b"abc");
        header.base_offset = Offset(99);
        header.leader_epoch = LeaderEpoch(1);
        let mut bytes = header.to_bytes().to_vec();
        bytes.extend_from_slice(b"abc");
        assert_eq!(header.check_crc(&bytes), Ok(()));
    }

    #[test]
    fn impossible_lengths_and_old_magic_are_refused() {
        let mut bytes = sample().to_bytes();
        bytes[8..12].copy_from_slice(&(-1i32).to_be_bytes());
        assert_eq!(BatchHeader::parse(&bytes), Err(BatchError::Length { length: -1 }));
        bytes[8..12].copy_from_slice(&48i32.to_be_bytes());
        assert!(matches!(BatchHeader::parse(&bytes), Err(BatchError::Length { length: 48 })));
        bytes[16] = 1;
        assert_eq!(BatchHeader::parse(&bytes), Err(BatchError::Magic { magic: 1 }));
        assert!(matches!(BatchHeader::parse(&[0; 10]), Err(BatchError::Short { .. })));
    }
}
