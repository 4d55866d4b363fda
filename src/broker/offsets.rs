//! Questions about offsets: by time, by epoch, and moving the log start.

use std::borrow::Cow;
use std::io;
use std::sync::Arc;

use super::fetch::takes_over;
use super::{Broker, BrokerError};
use crate::cluster::{Group, TopicImage};
use crate::model::batch::HEADER_LEN;
use crate::model::record::Records;
use crate::model::{BatchHeader, LeaderEpoch, Offset, PartitionId};
use crate::partition::{Partition, UNCOMPRESSED_BYTES_MAX};
use crate::storage::{During, IndexEntry};

/// What `ListOffsets` asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OffsetSpec {
    Latest,
    Earliest,
    MaxTimestamp,
    /// As `Earliest`: all of a log is local.
    EarliestLocal,
    /// There is none: nothing is tiered.
    LatestTiered,
    /// There is none: nothing waits to be tiered.
    EarliestPendingUpload,
    /// The first record of this time or later, in milliseconds since the epoch.
    Timestamp(i64),
}

/// An offset, with the time of its record if that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FoundOffset {
    /// -1: not asked for, or nothing found.
    pub timestamp: i64,
    /// -1: nothing found.
    pub offset: i64,
    pub epoch: Option<LeaderEpoch>,
}

impl FoundOffset {
    const NONE: Self = Self { timestamp: -1, offset: -1, epoch: None };
}

impl Broker {
    /// Finds an offset. See [`OffsetSpec`]. As long as there are no transactions, the latest is the
    /// same for both isolation levels.
    pub async fn list_offset(
        &self,
        topic: &Arc<TopicImage>,
        partition: PartitionId,
        spec: OffsetSpec,
        epoch: Option<LeaderEpoch>,
    ) -> Result<FoundOffset, BrokerError> {
        let group = self.group(topic, partition, epoch).await?;
        let lines = &group.partition.lines;
        let (start, end) = (lines.log_start(), lines.high_watermark());
        match spec {
            OffsetSpec::Latest => {
                Ok(FoundOffset { timestamp: -1, offset: end.0, epoch: group.partition.latest_epoch() })
            }
            OffsetSpec::Earliest | OffsetSpec::EarliestLocal => {
                let epoch = group.partition.epoch_at(start);
                Ok(FoundOffset { timestamp: -1, offset: start.0, epoch })
            }
            OffsetSpec::LatestTiered | OffsetSpec::EarliestPendingUpload => Ok(FoundOffset::NONE),
            OffsetSpec::MaxTimestamp => match group.partition.reader().max_timestamp_entry(end) {
                Some(entry) => first_at(&group.partition, &entry, entry.max_timestamp, (start, end)),
                None => Ok(FoundOffset::NONE),
            },
            OffsetSpec::Timestamp(at) => first_since(&group.partition, at, (start, end)),
        }
    }

    /// Whether this node was elected to lead the partition and does not know yet how far its predecessor came: until
    /// then nobody can say which offsets there are.
    pub fn takes_over(&self, topic: &TopicImage, partition: PartitionId) -> bool {
        let log = self.0.replicas.get(topic.id, partition);
        log.and_then(|log| log.running()).is_some_and(|group| takes_over(&group))
    }

    /// The largest epoch that is at most `epoch`, and where it ended (exclusive); `None` if none is
    /// known.
    pub async fn epoch_end(
        &self,
        topic: &Arc<TopicImage>,
        partition: PartitionId,
        current: Option<LeaderEpoch>,
        epoch: LeaderEpoch,
    ) -> Result<Option<(LeaderEpoch, Offset)>, BrokerError> {
        let group = self.group(topic, partition, current).await?;
        Ok(group.partition.epoch_end(epoch))
    }

    /// Lets go of all records before `before` (-1: all that can be read), and returns the new log
    /// start offset.
    pub async fn delete_records(
        &self,
        topic: &Arc<TopicImage>,
        partition: PartitionId,
        before: i64,
    ) -> Result<Offset, BrokerError> {
        if !self.topic_settings(topic).cleanup.delete {
            let reason = format!("cleanup.policy of topic {} does not include delete", topic.name);
            return Err(BrokerError::PolicyViolation { reason });
        }
        let group = self.group(topic, partition, None).await?;
        let lines = &group.partition.lines;
        let (start, end) = (lines.log_start(), lines.high_watermark());
        let target = match before {
            -1 => end,
            other if other < 0 || other > end.0 => {
                return Err(BrokerError::OffsetOutOfRange { asked: other, start, end });
            }
            other => Offset(other),
        };
        if target > start {
            self.move_log_start(&group, target).await?;
        }
        Ok(lines.log_start())
    }

    /// Moves the log start by agreement, then lets go of what lies below it.
    pub(super) async fn move_log_start(&self, group: &Group, to: Offset) -> Result<(), BrokerError> {
        let name = &group.partition.identity.name;
        group.move_log_start(to).await.map_err(|e| BrokerError::of_group(name, e))?;
        self.shorten(group).await
    }

    /// Lets go of whole segments below the log start. Recovery must not need them any more, so a
    /// snapshot that covers them comes first.
    pub(super) async fn shorten(&self, group: &Group) -> Result<(), BrokerError> {
        let Some(upto) = group.partition.expendable() else { return Ok(()) };
        if group.partition.snapshot_index().is_none_or(|covered| covered < upto) {
            group.durability.settle_all(&group.partition).await;
        }
        let name = &group.partition.identity.name;
        group.purge(upto).await.map_err(|e| BrokerError::of_group(name, e))
    }
}

/// The first record from `start` on, below `end`, whose timestamp is at least `at`.
fn first_since(
    partition: &Partition,
    at: i64,
    (start, end): (Offset, Offset),
) -> Result<FoundOffset, BrokerError> {
    let mut from = start;
    // The time index says where a segment *reached* a time: a batch before `from` may have been it.
    while let Some(entry) = partition.reader().offset_for_timestamp(at, from, end) {
        let found = first_at(partition, &entry, at, (start, end))?;
        if found != FoundOffset::NONE {
            return Ok(found);
        }
        let Some(run) = partition.reader().read(entry.offset, end, 1, true)? else { break };
        from = run.next_offset;
    }
    Ok(FoundOffset::NONE)
}

/// The first record in the batch of `entry` whose timestamp is at least `at`.
fn first_at(
    partition: &Partition,
    entry: &IndexEntry,
    at: i64,
    (start, end): (Offset, Offset),
) -> Result<FoundOffset, BrokerError> {
    let epoch = Some(LeaderEpoch(i32::try_from(entry.term).unwrap_or(i32::MAX)));
    let reader = partition.reader();
    let Some(run) = reader.read(entry.offset, end, 1, true)? else {
        return Ok(FoundOffset::NONE);
    };
    let bytes = run.copy()?;
    let header =
        BatchHeader::parse(&bytes).map_err(io::Error::other).during("read a batch of", reader.dir())?;
    let first = FoundOffset { timestamp: header.max_timestamp, offset: entry.offset.max(start).0, epoch };
    if header.max_timestamp < at {
        return Ok(FoundOffset::NONE);
    }
    if header.is_log_append_time() {
        return Ok(first);
    }
    let codec = header.compression().map_err(io::Error::other).during("read a batch of", reader.dir())?;
    let body = &bytes[HEADER_LEN..header.size as usize];
    // Compressed records are the producer's own: a batch that cannot be read is found as a whole.
    let Ok(plain): Result<Cow<'_, [u8]>, _> = codec.decompress(body, UNCOMPRESSED_BYTES_MAX) else {
        return Ok(first);
    };
    let Ok(records) = Records::new(&plain, header.record_count) else { return Ok(first) };
    for record in records.map_while(Result::ok) {
        let timestamp = header.base_timestamp.saturating_add(record.timestamp_delta);
        let offset = entry.offset.plus(i64::from(record.offset_delta));
        if timestamp >= at && offset >= start {
            return Ok(FoundOffset { timestamp, offset: offset.0, epoch });
        }
    }
    Ok(FoundOffset::NONE)
}
