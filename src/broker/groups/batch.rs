//! Records of groups as batches that can be proposed, and back.

use bytes::Bytes;

use crate::coordinator::{GroupRecord, RecordError};
use crate::model::batch::{BatchError, BatchHeader, HEADER_LEN};
use crate::model::compression::CompressionError;
use crate::model::record::{BatchBuilder, BatchOptions, BuildError, NewRecord, Records};
use crate::partition::{CheckedBatch, UNCOMPRESSED_BYTES_MAX};

/// A batch is closed once it has this many bytes: whoever reads the log does it in pieces.
const BATCH_BYTES: usize = 256 << 10;

/// Why bytes of the log are no batch of groups' records.
#[derive(Debug, thiserror::Error)]
pub(super) enum UnreadableBatch {
    #[error(transparent)]
    Batch(#[from] BatchError),
    #[error(transparent)]
    Compression(#[from] CompressionError),
    #[error(transparent)]
    Records(#[from] crate::model::record::RecordError),
}

/// `records` in order, in as few batches as their sizes allow.
pub(super) fn batches(records: &[GroupRecord], now_ms: i64) -> Result<Vec<CheckedBatch>, BuildError> {
    let mut batches = Vec::new();
    let mut builder = BatchBuilder::new(BatchOptions::default());
    let (mut bytes, mut count) = (0, 0);
    for record in records {
        let (key, value) = record.encode();
        let record = NewRecord { timestamp: now_ms, key: Some(&key), value: value.as_deref(), headers: &[] };
        builder.push(&record)?;
        bytes += key.len() + value.as_ref().map_or(0, Bytes::len);
        count += 1;
        if bytes >= BATCH_BYTES {
            batches.push(sealed(&builder)?);
            builder = BatchBuilder::new(BatchOptions::default());
            (bytes, count) = (0, 0);
        }
    }
    if count > 0 {
        batches.push(sealed(&builder)?);
    }
    Ok(batches)
}

fn sealed(builder: &BatchBuilder) -> Result<CheckedBatch, BuildError> {
    let bytes = Bytes::from(builder.build()?);
    let header =
        BatchHeader::parse(&bytes).unwrap_or_else(|error| unreachable!("a batch just built: {error}"));
    Ok(CheckedBatch { header, body: bytes.slice(HEADER_LEN..), log_append_time: None })
}

/// Takes the first batch off `bytes` and hands each of its records to `take`. What is no record of a group is left out,
/// and said: one bad record must not make all groups of its partition unreachable.
pub(super) fn read(bytes: &mut &[u8], mut take: impl FnMut(GroupRecord)) -> Result<(), UnreadableBatch> {
    let header = BatchHeader::parse(bytes)?;
    let size = header.size as usize;
    let (batch, rest) =
        bytes.split_at_checked(size).ok_or(BatchError::Short { have: bytes.len(), need: size })?;
    *bytes = rest;
    if header.is_control() {
        return Ok(());
    }
    let unpacked = header.compression()?.decompress(&batch[HEADER_LEN..], UNCOMPRESSED_BYTES_MAX)?;
    for record in Records::new(&unpacked, header.record_count)? {
        let record = record?;
        match GroupRecord::decode(record.key.unwrap_or_default(), record.value) {
            Ok(Some(record)) => take(record),
            Ok(None) => {}
            Err(error) => skipped(&header, &error),
        }
    }
    Ok(())
}

fn skipped(header: &BatchHeader, error: &RecordError) {
    tracing::error!(batch = %header.base_offset, %error, "a record of __consumer_offsets cannot be read and is left out");
}
