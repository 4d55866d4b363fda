//! Appending what producers send.

use std::sync::Arc;

use bytes::Bytes;

use super::turned_away::{ProducerKey, TurnedAway};
use super::{Broker, BrokerError};
use crate::cluster::{Group, Outcome, PartitionKey, Pending, TopicImage};
use crate::keys::{CompressionType, TimestampType, TopicSettings};
use crate::model::compression::Compression;
use crate::model::{BatchHeader, Offset, PartitionId};
use crate::partition::{ProducerError, Refusal, Rules, check};

/// When a producer wants its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acks {
    /// Never; errors close the connection.
    None,
    /// When the leader has it as durable as the topic asks.
    Leader,
    /// When a majority, and `min.insync.replicas`, have it as durable as the topic asks.
    All,
}

/// An append that was accepted, acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Produced {
    pub base_offset: Offset,
    /// Set if the topic stamps records with the leader's time.
    pub log_append_time: Option<i64>,
    pub log_start_offset: Offset,
}

/// An append on its way.
#[derive(Debug)]
pub struct PendingAppend {
    pending: Pending,
    group: Arc<Group>,
    log_append_time: Option<i64>,
    producer: Option<(ProducerKey, i32)>,
    turned_away: Arc<TurnedAway>,
}

impl Broker {
    /// Checks one record set and puts it before the partition's group. What one caller begins one
    /// after the other is appended in that order.
    ///
    /// # Errors
    /// [`BrokerError`] for everything that is known before the append; nothing was written then.
    pub async fn begin_produce(
        &self,
        topic: &Arc<TopicImage>,
        partition: PartitionId,
        records: Bytes,
        acks: Acks,
    ) -> Result<PendingAppend, BrokerError> {
        let producer = producer_of(&records, (topic.id, partition));
        let begun = self.begin_append(topic, partition, records, (acks, producer)).await;
        if let (Err(error), Some((producer, sequence))) = (&begun, producer)
            && comes_again(error)
        {
            self.0.turned_away.refused(producer, sequence);
        }
        begun
    }

    async fn begin_append(
        &self,
        topic: &Arc<TopicImage>,
        partition: PartitionId,
        records: Bytes,
        (acks, producer): (Acks, Option<(ProducerKey, i32)>),
    ) -> Result<PendingAppend, BrokerError> {
        let log = self.log(topic, partition)?;
        let settings = self.topic_settings(topic);
        let (group, _) = log.leading().await.map_err(|e| BrokerError::of_log(&log.identity.name, e))?;
        // More than there are replicas is as good as all of them. Source: Kafka `Partition.effectiveMinIsr`.
        let replicas = topic.partition(partition).map_or(0, |p| p.replicas.len());
        let asked =
            if acks == Acks::All { usize::from(settings.min_insync_replicas).min(replicas) } else { 0 };
        // Without a majority nothing is ever agreed on: better refused than appended again with each retry.
        let needed = asked.max(replicas / 2 + 1);
        if needed > 1 {
            let in_sync = self.leader(topic, partition).in_sync.len();
            if in_sync < needed {
                let partition = log.identity.name.to_string();
                return Err(BrokerError::NotEnoughReplicas { partition, in_sync, needed });
            }
        }
        self.0.space.check(records.len())?;
        let batch = check(&records, &rules(&settings), self.now_ms())?;
        if let Some((producer, sequence)) = producer {
            let is_known = || group.partition.knows_producer(producer.1);
            let admitted = self.0.turned_away.admits(&producer, sequence, is_known);
            admitted.map_err(|waited| ProducerError::OutOfOrder {
                producer_id: producer.1,
                found: sequence,
                last: waited - 1,
            })?;
        }
        let log_append_time = batch.log_append_time;
        let pending = group.propose(batch).await.map_err(|e| BrokerError::of_group(&log.identity.name, e))?;
        let turned_away = Arc::clone(&self.0.turned_away);
        Ok(PendingAppend { pending, group, log_append_time, producer, turned_away })
    }
}

/// The producer of a batch and the batch's first sequence, if it has one.
fn producer_of(records: &[u8], key: PartitionKey) -> Option<(ProducerKey, i32)> {
    let header = BatchHeader::parse(records).ok().filter(BatchHeader::has_producer)?;
    Some(((key, header.producer_id, header.producer_epoch), header.base_sequence))
}

/// Whether a producer that gets this error sends the batch again.
fn comes_again(error: &BrokerError) -> bool {
    matches!(
        error,
        BrokerError::NotLeader { .. }
            | BrokerError::NotEnoughReplicas { .. }
            | BrokerError::LogUnavailable { .. }
            | BrokerError::Storage(_)
            | BrokerError::NoMajority { .. }
            | BrokerError::Closing
    )
}

impl PendingAppend {
    /// Resolves when the append is acknowledged: agreed on by a majority, for any acks.
    pub async fn done(self) -> Result<Produced, BrokerError> {
        let (producer, turned_away) = (self.producer, Arc::clone(&self.turned_away));
        let done = self.outcome().await;
        if let (Err(error), Some((producer, sequence))) = (&done, producer)
            && comes_again(error)
        {
            turned_away.refused(producer, sequence);
        }
        done
    }

    async fn outcome(self) -> Result<Produced, BrokerError> {
        let name = &self.group.partition.identity.name;
        let outcome = self.pending.outcome().await.map_err(|e| BrokerError::of_group(name, e))?;
        let base_offset = match outcome {
            // A duplicate is answered as its original was: to the producer both are one append.
            Outcome::Appended { base_offset } | Outcome::Refused(Refusal::Duplicate { base_offset }) => {
                base_offset
            }
            Outcome::Refused(Refusal::Producer(error)) => return Err(error.into()),
            Outcome::Refused(Refusal::StaleTerm { .. }) => {
                return Err(BrokerError::NotLeader { partition: name.to_string() });
            }
            Outcome::Done => unreachable!("a batch became a marker"),
        };
        Ok(Produced {
            base_offset,
            log_append_time: self.log_append_time,
            log_start_offset: self.group.partition.lines.log_start(),
        })
    }
}

fn rules(settings: &TopicSettings) -> Rules {
    Rules {
        batch_bytes_max: settings.max_message_bytes as usize,
        segment_bytes: settings.segment_bytes as usize,
        log_append_time: settings.timestamp_type == TimestampType::LogAppendTime,
        timestamp_before_max_ms: settings.timestamp_before_max_ms,
        timestamp_after_max_ms: settings.timestamp_after_max_ms,
        keys_required: settings.cleanup.compact,
        recompress: recompress(settings.compression),
    }
}

/// The codec and level that the topic wants instead of the producer's.
fn recompress(wanted: CompressionType) -> Option<(Compression, Option<i32>)> {
    let chosen = |level: i32| (level != -1).then_some(level);
    match wanted {
        CompressionType::Producer => None,
        CompressionType::Uncompressed => Some((Compression::None, None)),
        CompressionType::Gzip { level } => Some((Compression::Gzip, chosen(level))),
        CompressionType::Snappy => Some((Compression::Snappy, None)),
        CompressionType::Lz4 { level } => Some((Compression::Lz4, Some(level))),
        CompressionType::Zstd { level } => Some((Compression::Zstd, Some(level))),
    }
}
