//! `__consumer_offsets`: its making, and which of its partitions has a group.

use std::sync::Arc;

use crate::broker::controller::{Nothing, Verb};
use crate::broker::{Broker, BrokerError, NewTopic};
use crate::cluster::{MetadataImage, TopicImage};
use crate::coordinator::GroupError;
use crate::model::PartitionId;

const NAME: &str = "__consumer_offsets";

/// The topic, if it exists.
pub(super) fn of(image: &MetadataImage) -> Option<Arc<TopicImage>> {
    image.topic(NAME).cloned()
}

/// The partition of `group`, as every Kafka client and tool computes it: Java's hash of the name's UTF-16 units.
///
/// Source: Kafka `GroupCoordinatorService.partitionFor`, `Utils.abs`.
pub(super) fn partition_of(group: &str, partitions: usize) -> PartitionId {
    let hash =
        group.encode_utf16().fold(0_i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)));
    let hash = hash.checked_abs().unwrap_or(0);
    let count = PartitionId::try_from(partitions).unwrap_or(PartitionId::MAX).max(1);
    hash % count
}

impl Broker {
    /// The topic; made by the first group of all.
    pub(super) async fn ensure_offsets_topic(&self, group: &str) -> Result<Arc<TopicImage>, GroupError> {
        if let Some(topic) = of(&self.image()) {
            return Ok(topic);
        }
        let not_available = |reason: String| GroupError::NotAvailable { group: group.to_owned(), reason };
        if let Err(error) = self.by_controller(Verb::OffsetsTopic(Nothing {})).await {
            return Err(not_available(format!("{NAME} cannot be made: {error}")));
        }
        of(&self.image()).ok_or_else(|| not_available(format!("{NAME} is gone again")))
    }

    /// The controller's part of it.
    pub(in crate::broker) async fn make_offsets_topic(&self) -> Result<(), BrokerError> {
        match self.create_topics(vec![self.offsets_topic()], false).await.pop() {
            Some(Err(BrokerError::TopicExists { .. })) | None => Ok(()),
            Some(made) => made.map(|_| ()),
        }
    }

    /// Source: Kafka `DefaultAutoTopicCreationManager.creatableTopic`, `GroupCoordinatorService.groupMetadataTopicConfigs`.
    fn offsets_topic(&self) -> NewTopic {
        let settings = self.settings();
        let config = |key: &str, value: String| (key.to_owned(), Some(value));
        let serving = self.image().nodes.values().filter(|node| node.is_serving()).count();
        let wanted = usize::from(settings.offsets_topic_replication_factor).min(serving);
        // An even number is no safer than the odd one below.
        let wanted = wanted.max(1);
        let factor = wanted - (wanted + 1) % 2;
        NewTopic {
            name: NAME.into(),
            partitions: i32::try_from(settings.offsets_topic_partitions).unwrap_or(i32::MAX),
            replication_factor: i16::try_from(factor).unwrap_or(i16::MAX),
            assignments: Vec::new(),
            configs: vec![
                config("cleanup.policy", "compact".into()),
                config("compression.type", "producer".into()),
                config("segment.bytes", settings.offsets_topic_segment_bytes.to_string()),
            ],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_hash_as_java_hashes_them() {
        // From Kafka: Utils.abs("…".hashCode()) % 50.
        for (group, partition) in [("", 0), ("a", 47), ("group", 47), ("polygenelubricants", 0)] {
            assert_eq!(partition_of(group, 50), partition, "{group}");
        }
        assert_eq!(partition_of("grüße-🚣", 7), partition_of("grüße-🚣", 7));
    }
}
