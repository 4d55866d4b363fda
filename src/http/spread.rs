//! Records into partitions: chosen, packed into batches, written by whoever leads.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::http::StatusCode;
use bytes::Bytes;
use futures_util::future::join_all;

use super::problem::Problem;
use crate::broker::{Broker, BrokerError};
use crate::cluster::TopicImage;
use crate::model::PartitionId;
use crate::model::batch::HEADER_LEN;
use crate::model::partitioner::partition_for_key;
use crate::model::record::{BatchBuilder, BatchOptions, NewRecord};

/// What a record may need beside its key, value and headers, and a header beside its name and value: lengths, deltas.
const RECORD_OVERHEAD: usize = 48;
const HEADER_OVERHEAD: usize = 10;

/// A record to be written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    pub(super) key: Option<Vec<u8>>,
    pub(super) value: Option<Vec<u8>>,
    pub(super) headers: Vec<(String, Option<Vec<u8>>)>,
    /// `None`: by the key.
    pub(super) partition: Option<PartitionId>,
    /// Milliseconds since 1970; `None`: now.
    pub(super) timestamp: Option<i64>,
}

/// What became of a record: its offset, or why it has none.
#[derive(Clone, Debug)]
pub(super) struct Written {
    pub(super) partition: PartitionId,
    pub(super) result: Result<i64, Problem>,
}

/// A batch, and which of the records are in it.
#[derive(Debug, PartialEq, Eq)]
struct Batch {
    records: Vec<usize>,
    bytes: Bytes,
}

/// Writes `records`, in their order within each partition, and tells of each what became of it, in their order.
/// Those without key and partition go to one partition together, which `keyless` chooses.
///
/// # Errors
/// What is known before any of them was written.
pub(super) async fn write(
    broker: &Broker,
    topic: &Arc<TopicImage>,
    records: Vec<Record>,
    keyless: u32,
) -> Result<Vec<Written>, Problem> {
    if topic.is_internal() {
        let detail = format!("{} is not for clients to write", topic.name);
        let problem = Problem::new(StatusCode::FORBIDDEN, "internal-topic", detail);
        return Err(problem.of_kafka("INVALID_TOPIC_EXCEPTION"));
    }
    let partitions = chosen(topic, &records, keyless)?;
    let mut by_partition: BTreeMap<PartitionId, Vec<usize>> = BTreeMap::new();
    for (at, partition) in partitions.iter().enumerate() {
        by_partition.entry(*partition).or_default().push(at);
    }
    let max = broker.topic_settings(topic).max_message_bytes as usize;
    let mut batches = Vec::with_capacity(by_partition.len());
    for (partition, indexes) in by_partition {
        batches.push((partition, pack(&records, &indexes, max, broker.now_ms())?));
    }
    let written = batches.into_iter().map(|(partition, batches)| append(broker, topic, partition, batches));
    let mut results: BTreeMap<usize, Result<i64, Problem>> = BTreeMap::new();
    for done in join_all(written).await {
        results.extend(done);
    }
    let told = partitions.into_iter().zip(results.into_values());
    Ok(told.map(|(partition, result)| Written { partition, result }).collect())
}

/// The partition of each record.
fn chosen(topic: &TopicImage, records: &[Record], keyless: u32) -> Result<Vec<PartitionId>, Problem> {
    let count = i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX).max(1);
    let together = i32::try_from(keyless % count.unsigned_abs()).unwrap_or_default();
    let choose = |record: &Record| match (record.partition, &record.key) {
        (Some(partition), _) if topic.partition(partition).is_none() => {
            Err(BrokerError::UnknownPartition { topic: topic.name.to_string(), partition }.into())
        }
        (Some(partition), _) => Ok(partition),
        (None, Some(key)) => Ok(partition_for_key(key, count)),
        (None, None) => Ok(together),
    };
    records.iter().map(choose).collect()
}

/// Batches of at most `max` bytes; a record that is larger has one to itself, for the leader to refuse.
fn pack(records: &[Record], indexes: &[usize], max: usize, now_ms: i64) -> Result<Vec<Batch>, Problem> {
    let new = || BatchBuilder::new(BatchOptions::default());
    let (mut batches, mut builder, mut inside, mut size) = (Vec::new(), new(), Vec::new(), HEADER_LEN);
    let too_large = |error: crate::model::record::BuildError| {
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "record-too-large", error.to_string())
            .of_kafka("MESSAGE_TOO_LARGE")
    };
    for index in indexes {
        let record = &records[*index];
        let more = largest(record);
        if !inside.is_empty() && size + more > max {
            let bytes = builder.build().map_err(too_large)?.into();
            batches.push(Batch { records: std::mem::take(&mut inside), bytes });
            (builder, size) = (new(), HEADER_LEN);
        }
        let headers: Vec<(&[u8], Option<&[u8]>)> =
            record.headers.iter().map(|(name, value)| (name.as_bytes(), value.as_deref())).collect();
        let new = NewRecord {
            timestamp: record.timestamp.unwrap_or(now_ms),
            key: record.key.as_deref(),
            value: record.value.as_deref(),
            headers: &headers,
        };
        builder.push(&new).map_err(too_large)?;
        inside.push(*index);
        size += more;
    }
    let bytes = builder.build().map_err(too_large)?.into();
    batches.push(Batch { records: inside, bytes });
    Ok(batches)
}

/// At least the bytes that a record takes in a batch.
fn largest(record: &Record) -> usize {
    let length = |bytes: &Option<Vec<u8>>| bytes.as_ref().map_or(0, Vec::len);
    let header = |(name, value): &(String, Option<Vec<u8>>)| name.len() + length(value) + HEADER_OVERHEAD;
    let headers: usize = record.headers.iter().map(header).sum();
    RECORD_OVERHEAD + length(&record.key) + length(&record.value) + headers
}

/// Appends batches one after the other. Behind one that failed none is tried: their order would be another.
async fn append(
    broker: &Broker,
    topic: &Arc<TopicImage>,
    partition: PartitionId,
    batches: Vec<Batch>,
) -> Vec<(usize, Result<i64, Problem>)> {
    let mut results = Vec::new();
    let mut failed: Option<Problem> = None;
    for batch in batches {
        let base = if let Some(problem) = &failed {
            Err(problem.clone())
        } else {
            let written = broker.produce_at_leader(topic, partition, batch.bytes).await;
            written.map(|written| written.base_offset.0).map_err(Problem::from)
        };
        failed = base.as_ref().err().cloned();
        for (at, record) in (0..).zip(batch.records) {
            results.push((record, base.clone().map(|base: i64| base.saturating_add(at))));
        }
    }
    results
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{BatchHeader, TopicId, TopicName};

    fn topic(partitions: usize) -> TopicImage {
        TopicImage {
            name: TopicName::new("t").unwrap(),
            id: TopicId(uuid::Uuid::from_u128(2)),
            partitions: vec![crate::cluster::PartitionImage::default(); partitions],
            overrides: BTreeMap::new(),
            usual_replication: false,
        }
    }

    fn record(key: Option<&[u8]>, partition: Option<i32>) -> Record {
        Record { key: key.map(<[u8]>::to_vec), value: Some(vec![7; 100]), partition, ..Record::default() }
    }

    #[test]
    fn a_record_goes_where_it_says_or_where_its_key_goes_or_with_the_others() {
        let records = [
            record(Some(b"foobar"), None),
            record(None, None),
            record(Some(b"k"), Some(1)),
            record(None, None),
        ];
        // Java's toPositive(murmur2("foobar")) is 1357151166.
        assert_eq!(chosen(&topic(7), &records, 9).unwrap(), [1_357_151_166 % 7, 2, 1, 2]);
        assert_eq!(chosen(&topic(7), &[record(None, Some(7))], 0).unwrap_err().status, 404);
        assert_eq!(chosen(&topic(7), &[record(None, Some(-1))], 0).unwrap_err().status, 404);
    }

    #[test]
    fn batches_keep_the_order_and_the_largest_size() {
        let records: Vec<_> = (0..10).map(|_| record(Some(b"key"), None)).collect();
        let indexes: Vec<_> = (0..10).collect();
        let batches = pack(&records, &indexes, 500, 5).unwrap();
        assert!(batches.len() > 2 && batches.iter().all(|batch| batch.bytes.len() <= 500));
        let order: Vec<_> = batches.iter().flat_map(|batch| batch.records.clone()).collect();
        assert_eq!(order, indexes);
        for batch in &batches {
            let header = BatchHeader::parse(&batch.bytes).unwrap();
            assert_eq!(usize::try_from(header.record_count).unwrap(), batch.records.len());
            assert_eq!(header.base_timestamp, 5);
        }
        assert_eq!(pack(&records, &indexes, 10, 5).unwrap().len(), 10);
    }
}
