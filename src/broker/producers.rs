//! The idempotent producers that a partition remembers.

use super::topics::find;
use super::{Broker, BrokerError, TopicRef};
use crate::model::PartitionId;

/// A producer that wrote to a partition, and has not expired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ActiveProducer {
    pub id: i64,
    pub epoch: i16,
    /// -1: none of this epoch yet.
    pub last_sequence: i32,
    /// When it last appended, by the broker's clock, in Unix milliseconds.
    pub last_append_ms: i64,
}

impl Broker {
    /// The producers of a partition, by id.
    pub async fn active_producers(
        &self,
        topic: &str,
        partition: PartitionId,
    ) -> Result<Vec<ActiveProducer>, BrokerError> {
        let image = self.image();
        let found = find(&image, &TopicRef::Name(topic.into()))?;
        let group = self.group(found, partition, None).await?;
        let mut producers: Vec<ActiveProducer> = group
            .partition
            .producers()
            .into_iter()
            .map(|(id, producer)| ActiveProducer {
                id,
                epoch: producer.epoch,
                last_sequence: producer.batches.back().map_or(-1, |batch| batch.last_sequence),
                last_append_ms: producer.last_append_ms,
            })
            .collect();
        producers.sort_unstable_by_key(|producer| producer.id);
        Ok(producers)
    }
}
