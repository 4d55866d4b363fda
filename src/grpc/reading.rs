//! Records out of stored batches: read up to the high watermark, checked, unpacked.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tonic::Code;

use super::batch;
use super::error::Refusal;
use crate::broker::{Broker, BrokerError, FetchPartition, FetchPlan, FetchedPartition, Isolation};
use crate::cluster::TopicImage;
use crate::model::batch::HEADER_LEN;
use crate::model::compression::Compression;
use crate::model::record::{RecordRef, Records};
use crate::model::{BatchHeader, PartitionId};
use crate::proto::log::{Header, Record};

/// The broker stores no batch that unpacks to more.
const UNPACKED_MAX: usize = 128 << 20;
/// Bytes of unpacked records that one call keeps: a small batch may unpack to very much, and many may ask for it. What is
/// behind them is read, and unpacked, again.
const KEPT_MAX: usize = 8 << 20;

/// How much to read, and how long to wait for something.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) records: usize,
    pub(super) bytes: usize,
    pub(super) wait: Duration,
}

/// What was read.
#[derive(Debug, Default)]
pub(super) struct Chunk {
    /// None, if there is nothing yet.
    pub(super) records: VecDeque<Record>,
    pub(super) high_watermark: u64,
    pub(super) log_start_offset: u64,
}

/// Reads what follows `from`, from whichever replica is here.
///
/// # Errors
/// [`Refusal`]: the offset does not exist, or not here yet; no replica is here; the log cannot be read.
pub(super) async fn read(
    broker: &Broker,
    (topic, partition): (&Arc<TopicImage>, PartitionId),
    mut from: u64,
    bounds: Bounds,
) -> Result<Chunk, Refusal> {
    loop {
        let fetched = fetch(broker, (topic, partition), from, bounds).await?;
        let mut chunk = Chunk {
            records: VecDeque::new(),
            high_watermark: unsigned(fetched.high_watermark.0),
            log_start_offset: unsigned(fetched.log_start_offset.0),
        };
        for run in &fetched.runs {
            let bytes = run.copy().map_err(BrokerError::from)?;
            let unpacked = unpack(&bytes, from, bounds.records, &mut chunk.records);
            if unpacked.map_err(|reason| damaged(topic, partition, &reason))? == Room::None {
                break;
            }
        }
        match fetched.runs.last() {
            // Batches that hold nothing for clients are stepped over.
            Some(run) if chunk.records.is_empty() => from = unsigned(run.next_offset.0).max(from + 1),
            _ => return Ok(chunk),
        }
    }
}

async fn fetch(
    broker: &Broker,
    (topic, partition): (&Arc<TopicImage>, PartitionId),
    from: u64,
    bounds: Bounds,
) -> Result<FetchedPartition, Refusal> {
    let plan = FetchPlan {
        partitions: vec![FetchPartition {
            topic: Arc::clone(topic),
            partition,
            offset: i64::try_from(from).unwrap_or(i64::MAX),
            max_bytes: bounds.bytes,
            current_leader_epoch: None,
            last_fetched_epoch: None,
        }],
        max_wait: bounds.wait,
        min_bytes: 1,
        max_bytes: bounds.bytes,
        isolation: Isolation::ReadCommitted,
    };
    let fetched = broker.fetch_near(&plan, "").await.pop().unwrap_or(Err(BrokerError::Closing));
    let fetched = fetched.map_err(|error| Refusal::of(broker, topic, partition, &error))?;
    if fetched.is_behind {
        return Err(behind(broker, (topic, partition), from));
    }
    Ok(fetched)
}

/// This replica cannot say whether there is more.
pub(super) fn behind(
    broker: &Broker,
    (topic, partition): (&TopicImage, PartitionId),
    offset: u64,
) -> Refusal {
    let words = format!("this replica of {}-{partition} has nothing at offset {offset} yet", topic.name);
    Refusal::new(Code::Unavailable, "OFFSET_NOT_AVAILABLE", words).with_leader(broker, topic, partition)
}

fn damaged(topic: &TopicImage, partition: PartitionId, reason: &dyn std::fmt::Display) -> Refusal {
    tracing::error!(topic = %topic.name, partition, %reason, "a stored batch cannot be read");
    Refusal::new(Code::DataLoss, "CORRUPT_BATCH", reason.to_string())
}

/// Whether more is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Room {
    Some,
    None,
}

/// Adds the records from `from` on, until there are `records_max`, or [`KEPT_MAX`] bytes of them.
fn unpack(bytes: &Bytes, from: u64, records_max: usize, into: &mut VecDeque<Record>) -> Result<Room, String> {
    let mut kept: usize = into.iter().map(batch::size).sum();
    let mut rest = bytes.clone();
    while rest.len() >= HEADER_LEN {
        let header = BatchHeader::parse(&rest).map_err(|error| error.to_string())?;
        if header.size as usize > rest.len() {
            return Err(format!("a batch of {} bytes ends after {}", header.size, rest.len()));
        }
        let batch = rest.split_to(header.size as usize);
        if header.is_control() || unsigned(header.next_offset().0) <= from {
            continue;
        }
        header.check_crc(&batch).map_err(|error| error.to_string())?;
        let plain = plain(&header, batch.slice(HEADER_LEN..))?;
        let is_large = plain.len() > KEPT_MAX;
        for record in Records::new(&plain, header.record_count).map_err(|error| error.to_string())? {
            let record = record.map_err(|error| error.to_string())?;
            let offset = unsigned(header.base_offset.plus(i64::from(record.offset_delta)).0);
            if offset < from {
                continue;
            }
            let lend = |part: &[u8]| match is_large {
                true => Bytes::copy_from_slice(part),
                false => plain.slice_ref(part),
            };
            let record = shown(&header, offset, record, lend);
            kept += batch::size(&record);
            into.push_back(record);
            if into.len() >= records_max || kept >= KEPT_MAX {
                return Ok(Room::None);
            }
        }
    }
    Ok(Room::Some)
}

/// A batch's records, unpacked.
fn plain(header: &BatchHeader, body: Bytes) -> Result<Bytes, String> {
    let codec = header.compression().map_err(|error| error.to_string())?;
    if codec == Compression::None {
        return Ok(body);
    }
    let plain = codec.decompress(&body, UNPACKED_MAX).map_err(|error| error.to_string())?;
    Ok(Bytes::from(plain.into_owned()))
}

/// A record as clients see it; `lend` makes bytes of its parts that last.
fn shown(header: &BatchHeader, offset: u64, record: RecordRef<'_>, lend: impl Fn(&[u8]) -> Bytes) -> Record {
    let timestamp = match header.is_log_append_time() {
        true => header.max_timestamp,
        false => header.base_timestamp.wrapping_add(record.timestamp_delta),
    };
    let headers = record
        .headers
        .map(|h| Header { key: String::from_utf8_lossy(h.key).into_owned(), value: h.value.map(&lend) });
    Record {
        value: record.value.map_or_else(Bytes::new, &lend),
        offset,
        term: u64::try_from(header.leader_epoch.0).unwrap_or(0),
        r#type: 0,
        key: record.key.map(&lend),
        headers: headers.collect(),
        timestamp: Some(timestamp),
        tombstone: record.value.is_none(),
    }
}

/// Offsets of what is stored are never negative.
fn unsigned(offset: i64) -> u64 {
    u64::try_from(offset).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::record::{BatchBuilder, BatchOptions, NewRecord};

    const ALL: usize = usize::MAX;

    fn batch(compression: Compression, values: &[Option<&[u8]>]) -> Bytes {
        let mut builder = BatchBuilder::new(BatchOptions { compression, ..BatchOptions::default() });
        for (at, value) in (0..).zip(values) {
            let headers: &[(&[u8], Option<&[u8]>)] = &[(b"\xff", None), (b"h", Some(b"v"))];
            let record = NewRecord { timestamp: 1000 + at, key: Some(b"k"), value: *value, headers };
            builder.push(&record).unwrap();
        }
        Bytes::from(builder.build().unwrap())
    }

    #[test]
    fn packed_and_plain_records_look_the_same() {
        for codec in [Compression::None, Compression::Gzip, Compression::Zstd, Compression::Lz4] {
            let mut records = VecDeque::new();
            unpack(&batch(codec, &[Some(b"a"), Some(b""), None]), 0, ALL, &mut records).unwrap();
            let offsets: Vec<u64> = records.iter().map(|record| record.offset).collect();
            assert_eq!(offsets, [0, 1, 2], "{codec:?}");
            assert_eq!((&records[0].value[..], records[1].timestamp), (&b"a"[..], Some(1001)));
            assert_eq!((records[1].tombstone, records[2].tombstone), (false, true));
            assert_eq!(records[0].headers[0], Header { key: "\u{fffd}".into(), value: None });
            assert_eq!(records[0].headers[1].value.as_deref(), Some(&b"v"[..]));
        }
    }

    #[test]
    fn what_lies_before_the_offset_or_behind_the_bound_is_left_out() {
        let mut records = VecDeque::new();
        let four = batch(Compression::Gzip, &[Some(b"a"), Some(b"b"), Some(b"c"), Some(b"d")]);
        assert_eq!(unpack(&four, 1, 2, &mut records), Ok(Room::None));
        assert_eq!(records.iter().map(|record| record.offset).collect::<Vec<_>>(), [1, 2]);
    }

    #[test]
    fn of_a_batch_that_unpacks_to_very_much_little_is_kept() {
        let value = vec![0; 1 << 20];
        let bomb = batch(Compression::Zstd, &[Some(value.as_slice()); 40]);
        assert!(bomb.len() < 1 << 20);
        let mut from = 0;
        while from < 40 {
            let mut records = VecDeque::new();
            unpack(&bomb, from, ALL, &mut records).unwrap();
            assert!(records.len() <= 8 && records[0].offset == from, "{from}: {}", records.len());
            from += records.len() as u64;
        }
    }

    #[test]
    fn damage_is_an_error() {
        let mut bytes = batch(Compression::None, &[Some(b"abc")]).to_vec();
        let last = bytes.len() - 3;
        bytes[last] ^= 1;
        assert!(unpack(&Bytes::from(bytes), 0, ALL, &mut VecDeque::new()).is_err());
    }
}
