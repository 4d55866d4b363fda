//! Which topic and partition a request means, if it says little or nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::error::Refusal;
use super::permit::Permit;
use crate::access::{Operation, Resource};
use crate::broker::{Broker, BrokerError};
use crate::cluster::TopicImage;
use crate::model::partitioner::partition_for_key;
use crate::model::{PartitionId, TopicName};

/// The topic of those who name none; its partition is 0. Made at its first use.
pub(super) const DEFAULT_TOPIC: &str = "log";
/// Kafka's own, which nobody makes by writing to them.
const INTERNAL: [&str; 3] = ["__consumer_offsets", "__transaction_state", "__share_group_state"];
/// Partitions that are looked at for one that this node leads.
const LOOKED_AT_MAX: usize = 64;

/// The topic to write to; made if it does not exist and may be made.
pub(super) async fn topic_to_write(
    broker: &Broker,
    permit: &Permit,
    asked: &str,
) -> Result<Arc<TopicImage>, Refusal> {
    permit.check(Operation::Write, Resource::topic(or_default(asked)))?;
    let topic = find(broker, permit, asked, broker.settings().auto_create_topics).await?;
    if topic.is_internal() {
        return Err(Refusal::invalid(format!("topic '{}' is not for clients to write", topic.name)));
    }
    Ok(topic)
}

/// The topic to read (`Read`), or to ask about (`Describe`).
pub(super) async fn topic_to(
    operation: Operation,
    broker: &Broker,
    permit: &Permit,
    asked: &str,
) -> Result<Arc<TopicImage>, Refusal> {
    permit.check(operation, Resource::topic(or_default(asked)))?;
    find(broker, permit, asked, false).await
}

fn or_default(asked: &str) -> &str {
    if asked.is_empty() { DEFAULT_TOPIC } else { asked }
}

async fn find(
    broker: &Broker,
    permit: &Permit,
    asked: &str,
    may_make: bool,
) -> Result<Arc<TopicImage>, Refusal> {
    let name = or_default(asked);
    if let Some(topic) = broker.image().topic(name) {
        return Ok(Arc::clone(topic));
    }
    TopicName::new(name).map_err(|source| BrokerError::InvalidTopicName { name: name.into(), source })?;
    let unknown = || BrokerError::UnknownTopic { topic: name.into() };
    if name != DEFAULT_TOPIC && (!may_make || INTERNAL.contains(&name)) {
        return Err(unknown().into());
    }
    permit.check_making(name)?;
    broker.auto_create_topic(name).await?;
    let image = broker.image();
    Ok(image.topic(name).cloned().ok_or_else(unknown)?)
}

/// Deals records without a key to partitions, one after the other.
#[derive(Debug, Default)]
pub(super) struct Turns(AtomicUsize);

impl Turns {
    /// The next partition of `topic` that this node leads; if it finds none, just the next.
    pub(super) fn next(&self, broker: &Broker, topic: &TopicImage) -> PartitionId {
        let count = topic.partitions.len().max(1);
        let turn = self.0.fetch_add(1, Ordering::Relaxed);
        let partition = |at: usize| PartitionId::try_from(at % count).unwrap_or(0);
        if count == 1 {
            return 0;
        }
        let mut looked_at = (turn..turn.saturating_add(count.min(LOOKED_AT_MAX))).map(partition);
        looked_at.find(|p| broker.leader(topic, *p).node == broker.node_id()).unwrap_or(partition(turn))
    }
}

/// The partition that a record says, by number or by key; `None`: any will do.
pub(super) fn partition(
    topic: &TopicImage,
    (is_named, given): (bool, Option<PartitionId>),
    key: Option<&[u8]>,
) -> Result<Option<PartitionId>, Refusal> {
    let count = PartitionId::try_from(topic.partitions.len()).unwrap_or(PartitionId::MAX);
    match (given, key) {
        (Some(partition), _) if topic.partition(partition).is_some() => Ok(Some(partition)),
        (Some(partition), _) => {
            Err(BrokerError::UnknownPartition { topic: topic.name.to_string(), partition }.into())
        }
        (None, _) if !is_named => Ok(Some(0)),
        (None, Some(key)) if count > 0 => Ok(Some(partition_for_key(key, count))),
        (None, _) => Ok(None),
    }
}
