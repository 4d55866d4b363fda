//! Writing records and whole v2 batches: for recompression, metadata commands, gRPC and HTTP produces, and tests.

use super::varint::{varlong_size, write_varlong};
use crate::model::compression::{Compression, CompressionError};

/// The bytes before the records, and which of them `batchLength` and the checksum leave out.
const HEADER: usize = 61;
const BEFORE_LENGTH_COUNTS: usize = 12;
const BEFORE_CHECKSUM_COUNTS: usize = 21;
const MAGIC: i8 = 2;

const LOG_APPEND_TIME: i16 = 1 << 3;
const TRANSACTIONAL: i16 = 1 << 4;
const CONTROL: i16 = 1 << 5;

#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    #[error("a batch of {bytes} bytes does not fit its 32-bit length")]
    TooLarge { bytes: usize },
    #[error("batch")]
    Compression(#[from] CompressionError),
}

/// A record to be written. Headers are written in their order, repeats and all.
#[derive(Debug, Clone, Copy, Default)]
pub struct NewRecord<'a> {
    /// Milliseconds since 1970; ignored under [`TimestampType::LogAppendTime`].
    pub timestamp: i64,
    pub key: Option<&'a [u8]>,
    pub value: Option<&'a [u8]>,
    pub headers: &'a [(&'a [u8], Option<&'a [u8]>)],
}

/// Collects the records of one batch, with offset deltas 0, 1, 2 … and timestamps relative to the first one.
#[derive(Debug, Clone, Default)]
pub struct RecordBuilder {
    bytes: Vec<u8>,
    count: i32,
    base_timestamp: i64,
    max_timestamp: i64,
}

impl RecordBuilder {
    /// # Errors
    /// [`BuildError::TooLarge`] if the records would pass 2 GiB; nothing is added then.
    pub fn push(&mut self, record: &NewRecord) -> Result<(), BuildError> {
        let timestamp = record.timestamp;
        if self.count == 0 {
            self.base_timestamp = timestamp;
            self.max_timestamp = timestamp;
        }
        // Wraps as Java's subtraction does; so does the reader's addition.
        let timestamp_delta = timestamp.wrapping_sub(self.base_timestamp);
        let offset_delta = i64::from(self.count);
        let size = 1
            + varlong_size(timestamp_delta)
            + varlong_size(offset_delta)
            + nullable_size(record.key)
            + nullable_size(record.value)
            + varlong_size(signed(record.headers.len()))
            + record
                .headers
                .iter()
                .map(|(key, value)| nullable_size(Some(*key)) + nullable_size(*value))
                .sum::<usize>();
        fits(self.bytes.len().saturating_add(HEADER).saturating_add(size).saturating_add(5))?;

        write_varlong(&mut self.bytes, signed(size));
        self.bytes.push(0);
        write_varlong(&mut self.bytes, timestamp_delta);
        write_varlong(&mut self.bytes, offset_delta);
        self.write_nullable(record.key);
        self.write_nullable(record.value);
        write_varlong(&mut self.bytes, signed(record.headers.len()));
        for (key, value) in record.headers {
            self.write_nullable(Some(key));
            self.write_nullable(*value);
        }
        self.max_timestamp = self.max_timestamp.max(timestamp);
        self.count += 1;
        Ok(())
    }

    pub fn count(&self) -> i32 {
        self.count
    }

    /// The records so far, unpacked, as they stand in a batch.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn write_nullable(&mut self, bytes: Option<&[u8]>) {
        write_varlong(&mut self.bytes, bytes.map_or(-1, |bytes| signed(bytes.len())));
        self.bytes.extend_from_slice(bytes.unwrap_or_default());
    }
}

fn nullable_size(bytes: Option<&[u8]>) -> usize {
    match bytes {
        None => varlong_size(-1),
        Some(bytes) => varlong_size(signed(bytes.len())) + bytes.len(),
    }
}

/// A slice has at most `isize::MAX` bytes.
fn signed(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}

fn fits(bytes: usize) -> Result<i32, BuildError> {
    i32::try_from(bytes).map_err(|_| BuildError::TooLarge { bytes })
}

/// The fields of a batch header that are not derived from the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchFields {
    pub base_offset: i64,
    pub partition_leader_epoch: i32,
    pub attributes: i16,
    pub last_offset_delta: i32,
    pub base_timestamp: i64,
    pub max_timestamp: i64,
    pub producer_id: i64,
    pub producer_epoch: i16,
    pub base_sequence: i32,
    pub record_count: i32,
}

impl BatchFields {
    /// A v2 batch of these fields and `records`, which must be packed as the attributes say already; with length and
    /// checksum.
    ///
    /// # Errors
    /// [`BuildError::TooLarge`] above 2 GiB.
    pub fn seal(&self, records: &[u8]) -> Result<Vec<u8>, BuildError> {
        /// Filled in once what it covers is written.
        const CHECKSUM: std::ops::Range<usize> = 17..BEFORE_CHECKSUM_COUNTS;
        let size = HEADER.saturating_add(records.len());
        let length = fits(size - BEFORE_LENGTH_COUNTS)?;
        let mut batch = Vec::with_capacity(size);
        batch.extend_from_slice(&self.base_offset.to_be_bytes());
        batch.extend_from_slice(&length.to_be_bytes());
        batch.extend_from_slice(&self.partition_leader_epoch.to_be_bytes());
        batch.extend_from_slice(&MAGIC.to_be_bytes());
        batch.extend_from_slice(&[0; CHECKSUM.end - CHECKSUM.start]);
        batch.extend_from_slice(&self.attributes.to_be_bytes());
        batch.extend_from_slice(&self.last_offset_delta.to_be_bytes());
        batch.extend_from_slice(&self.base_timestamp.to_be_bytes());
        batch.extend_from_slice(&self.max_timestamp.to_be_bytes());
        batch.extend_from_slice(&self.producer_id.to_be_bytes());
        batch.extend_from_slice(&self.producer_epoch.to_be_bytes());
        batch.extend_from_slice(&self.base_sequence.to_be_bytes());
        batch.extend_from_slice(&self.record_count.to_be_bytes());
        debug_assert_eq!(batch.len(), HEADER);
        batch.extend_from_slice(records);
        let checksum = crc32c::crc32c(&batch[BEFORE_CHECKSUM_COUNTS..]);
        batch[CHECKSUM].copy_from_slice(&checksum.to_be_bytes());
        Ok(batch)
    }
}

/// Whose time a batch's records carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TimestampType {
    /// The producer's.
    #[default]
    CreateTime,
    /// The broker's, in milliseconds since 1970, the same for all records.
    LogAppendTime(i64),
}

/// Who wrote a batch (KIP-98).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Producer {
    pub id: i64,
    pub epoch: i16,
    pub base_sequence: i32,
}

impl Producer {
    /// Not idempotent.
    pub const NONE: Self = Self { id: -1, epoch: -1, base_sequence: -1 };
}

/// What is said of a batch beside its records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchOptions {
    pub compression: Compression,
    /// None means the codec's default.
    pub level: Option<i32>,
    pub timestamp_type: TimestampType,
    pub producer: Producer,
    pub transactional: bool,
    pub control: bool,
    /// -1 until a leader stamps it.
    pub partition_leader_epoch: i32,
}

impl Default for BatchOptions {
    fn default() -> Self {
        Self {
            compression: Compression::None,
            level: None,
            timestamp_type: TimestampType::CreateTime,
            producer: Producer::NONE,
            transactional: false,
            control: false,
            partition_leader_epoch: -1,
        }
    }
}

/// Builds a whole v2 batch at base offset 0.
#[derive(Debug, Clone)]
pub struct BatchBuilder {
    options: BatchOptions,
    records: RecordBuilder,
}

impl BatchBuilder {
    pub fn new(options: BatchOptions) -> Self {
        Self { options, records: RecordBuilder::default() }
    }

    /// # Errors
    /// [`BuildError::TooLarge`] if the records would pass 2 GiB; nothing is added then.
    pub fn push(&mut self, record: &NewRecord) -> Result<(), BuildError> {
        match self.options.timestamp_type {
            TimestampType::CreateTime => self.records.push(record),
            TimestampType::LogAppendTime(timestamp) => self.records.push(&NewRecord { timestamp, ..*record }),
        }
    }

    /// The batch. Without records its last offset delta is -1.
    ///
    /// # Errors
    /// [`BuildError`] if a level is out of range, or the batch above 2 GiB.
    pub fn build(&self) -> Result<Vec<u8>, BuildError> {
        let BatchOptions { compression, level, timestamp_type, producer, .. } = self.options;
        let packed = compression.compress(level, self.records.bytes())?;
        let fields = BatchFields {
            base_offset: 0,
            partition_leader_epoch: self.options.partition_leader_epoch,
            attributes: self.attributes(timestamp_type),
            last_offset_delta: self.records.count - 1,
            base_timestamp: self.records.base_timestamp,
            max_timestamp: self.records.max_timestamp,
            producer_id: producer.id,
            producer_epoch: producer.epoch,
            base_sequence: producer.base_sequence,
            record_count: self.records.count,
        };
        fields.seal(&packed)
    }

    fn attributes(&self, timestamp_type: TimestampType) -> i16 {
        let time = match timestamp_type {
            TimestampType::CreateTime => 0,
            TimestampType::LogAppendTime(_) => LOG_APPEND_TIME,
        };
        let transactional = if self.options.transactional { TRANSACTIONAL } else { 0 };
        let control = if self.options.control { CONTROL } else { 0 };
        self.options.compression.id() | time | transactional | control
    }
}
