//! What a produced record set must be before it may be proposed.
//!
//! Batches pass through as they came; only compression and timestamps are changed, and only where
//! the topic demands it. All records are looked into, compressed ones too: what is stored must be
//! readable, or one producer could stop every consumer of a partition.
//! Source: Kafka `ProduceRequest.validateRecords`, `UnifiedLog.analyzeAndValidateRecords`,
//! `LogValidator`.

use bytes::Bytes;

use crate::model::batch::{BatchError, BatchHeader, HEADER_LEN};
use crate::model::compression::{Compression, CompressionError};
use crate::model::record::{RecordError, Records, skim};

/// The most bytes that one batch may unfold to when it must be looked into.
pub const UNCOMPRESSED_BYTES_MAX: usize = 128 << 20;
/// The most records that one answer names as wrong.
const RECORD_ERRORS_MAX: usize = 100;

/// A topic's demands, as of its configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// `max.message.bytes`: bytes of a batch, header included.
    pub batch_bytes_max: usize,
    /// `segment.bytes`: a batch must fit into a segment.
    pub segment_bytes: usize,
    /// `message.timestamp.type=LogAppendTime`
    pub log_append_time: bool,
    /// `message.timestamp.before.max.ms`: how old a record may say it is.
    pub timestamp_before_max_ms: i64,
    /// `message.timestamp.after.max.ms`: how far ahead a record may be.
    pub timestamp_after_max_ms: i64,
    /// `cleanup.policy` contains compact: every record needs a key.
    pub keys_required: bool,
    /// `compression.type`, with its level, unless it is `producer`.
    pub recompress: Option<(Compression, Option<i32>)>,
}

/// A batch that may be proposed: offset and epoch are still to be stamped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedBatch {
    pub header: BatchHeader,
    /// What follows the 61 bytes of the header.
    pub body: Bytes,
    /// The leader's time, if the topic has `LogAppendTime`.
    pub log_append_time: Option<i64>,
}

/// Why a record set is refused.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    #[error("a produce request must carry exactly one record batch for each partition, found {found}")]
    BatchCount { found: &'static str },
    #[error("the record set is corrupt")]
    Corrupt(#[source] BatchError),
    #[error("message format version {magic} is not supported")]
    Magic { magic: i8 },
    #[error("a batch of {size} bytes exceeds the maximum of {max}")]
    TooLarge { size: usize, max: usize },
    #[error("a batch of {size} bytes exceeds the segment size of {max}")]
    LargerThanSegment { size: usize, max: usize },
    #[error("the batch is invalid: {reason}")]
    Invalid { reason: &'static str },
    #[error("producer epoch {epoch} is negative")]
    ProducerEpoch { epoch: i16 },
    #[error("the records of the batch cannot be read: {0}")]
    Record(#[source] RecordError),
    #[error("the batch cannot be decompressed")]
    Compression(#[source] CompressionError),
    #[error("one or more records have been rejected: compacted topic cannot accept message without key")]
    Keyless { indexes: Vec<i32> },
    #[error("one or more records have been rejected due to invalid timestamps")]
    Timestamps { indexes: Vec<i32>, now_ms: i64 },
}

/// Checks one partition's record set of a Produce request.
///
/// # Errors
/// [`CheckError`], before anything was written.
pub fn check(records: &Bytes, rules: &Rules, now_ms: i64) -> Result<CheckedBatch, CheckError> {
    let header = one_batch(records)?;
    let size = records.len();
    if size > rules.batch_bytes_max {
        return Err(CheckError::TooLarge { size, max: rules.batch_bytes_max });
    }
    header.check_crc(records).map_err(CheckError::Corrupt)?;
    if size > rules.segment_bytes {
        return Err(CheckError::LargerThanSegment { size, max: rules.segment_bytes });
    }
    check_header(&header)?;
    let mut batch = CheckedBatch {
        header,
        body: records.slice(HEADER_LEN..),
        log_append_time: rules.log_append_time.then_some(now_ms),
    };
    look_into(&mut batch, rules, now_ms)?;
    if rules.log_append_time || batch.header.is_log_append_time() {
        batch.header.set_log_append_time(rules.log_append_time);
        if rules.log_append_time {
            batch.header.max_timestamp = now_ms;
        }
        batch.header.seal(&batch.body);
    }
    Ok(batch)
}

fn one_batch(records: &Bytes) -> Result<BatchHeader, CheckError> {
    if records.is_empty() {
        return Err(CheckError::BatchCount { found: "none" });
    }
    let header = match BatchHeader::parse(records) {
        Ok(header) => header,
        Err(BatchError::Magic { magic }) => return Err(CheckError::Magic { magic }),
        Err(error) => return Err(CheckError::Corrupt(error)),
    };
    let need = header.size as usize;
    match records.len() {
        have if have < need => Err(CheckError::Corrupt(BatchError::Short { have, need })),
        have if have > need => {
            // What follows may be the rest of a batch whose length is wrong, and then its CRC is too.
            header.check_crc(records).map_err(CheckError::Corrupt)?;
            Err(CheckError::BatchCount { found: "several" })
        }
        _ => Ok(header),
    }
}

fn check_header(header: &BatchHeader) -> Result<(), CheckError> {
    let invalid = |reason| Err(CheckError::Invalid { reason });
    if header.base_offset.0 != 0 {
        return invalid("its base offset is not 0");
    }
    if header.is_control() {
        return invalid("clients are not allowed to write control records");
    }
    if header.is_transactional() {
        return invalid("transactions are not supported");
    }
    if header.record_count <= 0 || header.last_offset_delta != header.record_count - 1 {
        return invalid("its record count and last offset delta disagree");
    }
    if header.has_producer() && header.base_sequence < 0 {
        return invalid("it has a producer id but no sequence");
    }
    if header.has_producer() && header.producer_epoch < 0 {
        return Err(CheckError::ProducerEpoch { epoch: header.producer_epoch });
    }
    header.compression().map(|_| ()).map_err(CheckError::Corrupt)
}

/// Walks the records, and changes what the topic demands.
fn look_into(batch: &mut CheckedBatch, rules: &Rules, now_ms: i64) -> Result<(), CheckError> {
    let codec = batch.header.compression().map_err(CheckError::Corrupt)?;
    let body = batch.body.clone();
    let plain = codec.decompress(&body, UNCOMPRESSED_BYTES_MAX).map_err(CheckError::Compression)?;
    let max_timestamp = walk(&batch.header, &plain, rules, now_ms)?;
    let mut changed = false;
    if batch.header.max_timestamp != max_timestamp && !rules.log_append_time {
        // The time index is built from this field, so a client that left it wrong is corrected.
        batch.header.max_timestamp = max_timestamp;
        changed = true;
    }
    if let Some((target, level)) = rules.recompress.filter(|(target, _)| *target != codec) {
        batch.body = target.compress(level, &plain).map_err(CheckError::Compression)?.into();
        batch.header.set_compression(target);
        batch.header.size = u32::try_from(HEADER_LEN + batch.body.len())
            .map_err(|_| CheckError::Invalid { reason: "it is too large once recompressed" })?;
        changed = true;
    }
    if changed {
        batch.header.seal(&batch.body);
    }
    let size = batch.header.size as usize;
    if size > rules.batch_bytes_max {
        return Err(CheckError::TooLarge { size, max: rules.batch_bytes_max });
    }
    Ok(())
}

/// The greatest timestamp of the records, if all of them may be appended.
fn walk(header: &BatchHeader, plain: &[u8], rules: &Rules, now_ms: i64) -> Result<i64, CheckError> {
    if let Some(span) = skim(plain, header.record_count, rules.keys_required) {
        let (least, most) = (
            header.base_timestamp.saturating_add(span.least),
            header.base_timestamp.saturating_add(span.most),
        );
        let in_time = |at| at >= 0 && timely(at, rules, now_ms);
        if rules.log_append_time || (in_time(least) && in_time(most)) {
            return Ok(most);
        }
    }
    let (mut keyless, mut untimely) = (Vec::new(), Vec::new());
    let (mut index, mut max_timestamp) = (0, -1);
    let records = Records::new(plain, header.record_count).map_err(CheckError::Record)?;
    for record in records {
        let record = record.map_err(CheckError::Record)?;
        if record.offset_delta != index {
            return Err(CheckError::Invalid { reason: "its records' offsets are not contiguous" });
        }
        let timestamp = header.base_timestamp.saturating_add(record.timestamp_delta);
        max_timestamp = max_timestamp.max(timestamp);
        if rules.keys_required && record.key.is_none() && keyless.len() < RECORD_ERRORS_MAX {
            keyless.push(index);
        }
        let late = !rules.log_append_time && !timely(timestamp, rules, now_ms);
        if late && untimely.len() < RECORD_ERRORS_MAX {
            untimely.push(index);
        }
        index += 1;
    }
    if index != header.record_count {
        return Err(CheckError::Invalid { reason: "it holds another number of records than it says" });
    }
    if !keyless.is_empty() {
        return Err(CheckError::Keyless { indexes: keyless });
    }
    if !untimely.is_empty() {
        return Err(CheckError::Timestamps { indexes: untimely, now_ms });
    }
    Ok(max_timestamp)
}

fn timely(timestamp: i64, rules: &Rules, now_ms: i64) -> bool {
    timestamp < 0
        || (now_ms.saturating_sub(timestamp) <= rules.timestamp_before_max_ms
            && timestamp.saturating_sub(now_ms) <= rules.timestamp_after_max_ms)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::record::{BatchBuilder, BatchOptions, NewRecord, Producer};

    const RULES: Rules = Rules {
        batch_bytes_max: 1 << 20,
        segment_bytes: 1 << 20,
        log_append_time: false,
        timestamp_before_max_ms: i64::MAX,
        timestamp_after_max_ms: i64::MAX,
        keys_required: false,
        recompress: None,
    };

    fn batch(producer: Producer) -> Vec<u8> {
        let mut batch = BatchBuilder::new(BatchOptions { producer, ..BatchOptions::default() });
        for value in ["a", "b", "c"] {
            batch.push(&NewRecord { value: Some(value.as_bytes()), ..NewRecord::default() }).unwrap();
        }
        batch.build().unwrap()
    }

    fn fault(records: Vec<u8>) -> CheckError {
        check(&records.into(), &RULES, 0).unwrap_err()
    }

    #[test]
    fn a_batch_that_says_to_be_shorter_than_it_is_is_corrupt_and_two_batches_are_not() {
        let good = batch(Producer::NONE);
        assert!(check(&good.clone().into(), &RULES, 0).is_ok());
        let twice = [good.clone(), good.clone()].concat();
        assert!(matches!(fault(twice), CheckError::BatchCount { .. }));
        let mut shorter = good;
        shorter[11] -= 1;
        assert!(matches!(fault(shorter), CheckError::Corrupt(BatchError::Checksum { .. })));
    }

    #[test]
    fn an_idempotent_producer_has_a_sequence_and_an_epoch() {
        let of = |epoch, base_sequence| batch(Producer { id: 7, epoch, base_sequence });
        assert!(check(&of(0, 0).into(), &RULES, 0).is_ok());
        assert!(matches!(fault(of(0, -1)), CheckError::Invalid { .. }));
        assert!(matches!(fault(of(-1, 0)), CheckError::ProducerEpoch { epoch: -1 }));
    }
}
