//! One record batch that is being filled for one partition.

use std::sync::Arc;

use bytes::Bytes;
use tonic::Code;

use super::error::Refusal;
use crate::broker::{Acks, Broker, PendingAppend};
use crate::cluster::TopicImage;
use crate::model::PartitionId;
use crate::model::record::{BatchBuilder, BatchOptions, NewRecord};
use crate::proto::log::Record;

/// What a batch has beside its records.
const BATCH_OVERHEAD: usize = 61;
/// The most that a record, and a header, has beside its bytes: lengths, timestamp, offset.
const RECORD_OVERHEAD: usize = 40;
const HEADER_OVERHEAD: usize = 10;

/// See the module.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) topic: Arc<TopicImage>,
    pub(super) partition: PartitionId,
    pub(super) acks: Acks,
    builder: BatchBuilder,
    /// The most that it may have when it is sent.
    bytes: usize,
    bytes_max: usize,
    pub(super) records: u32,
}

impl Batch {
    pub(super) fn new(
        broker: &Broker,
        topic: &Arc<TopicImage>,
        partition: PartitionId,
        (acks, bytes_max): (Acks, usize),
    ) -> Self {
        let bytes_max = bytes_max.min(broker.topic_settings(topic).max_message_bytes as usize);
        Self {
            topic: Arc::clone(topic),
            partition,
            acks,
            builder: BatchBuilder::new(BatchOptions::default()),
            bytes: BATCH_OVERHEAD,
            bytes_max,
            records: 0,
        }
    }

    /// Whether a record of `size` may join those that are there.
    pub(super) fn has_room(&self, size: usize) -> bool {
        self.records == 0 || self.bytes + size <= self.bytes_max
    }

    /// Adds a record, which is of `size` at most; `now` in milliseconds is its time if it has none.
    pub(super) fn push(&mut self, record: &Record, size: usize, now: i64) -> Result<(), Refusal> {
        let headers: Vec<(&[u8], Option<&[u8]>)> =
            record.headers.iter().map(|h| (h.key.as_bytes(), h.value.as_deref())).collect();
        let new = NewRecord {
            timestamp: record.timestamp.unwrap_or(now),
            key: record.key.as_deref(),
            value: if record.tombstone { None } else { Some(&record.value) },
            headers: &headers,
        };
        self.builder.push(&new).map_err(|error| unbuilt(&error))?;
        self.bytes += size;
        self.records += 1;
        Ok(())
    }

    /// Puts it before the partition's group.
    pub(super) async fn begin(self, broker: &Broker) -> Result<PendingAppend, Refusal> {
        let bytes = self.builder.build().map_err(|error| unbuilt(&error))?;
        let begun = broker.begin_produce(&self.topic, self.partition, Bytes::from(bytes), self.acks).await;
        begun.map_err(|error| Refusal::of(broker, &self.topic, self.partition, &error))
    }
}

fn unbuilt(error: &dyn std::fmt::Display) -> Refusal {
    Refusal::new(Code::InvalidArgument, "INVALID_RECORD", error.to_string())
}

/// The most bytes that `record` takes in a batch.
pub(super) fn size(record: &Record) -> usize {
    let headers = record.headers.iter();
    let headers: usize =
        headers.map(|h| HEADER_OVERHEAD + h.key.len() + h.value.as_ref().map_or(0, Bytes::len)).sum();
    RECORD_OVERHEAD + record.value.len() + record.key.as_ref().map_or(0, Bytes::len) + headers
}
