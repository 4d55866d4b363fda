//! Moving replicas and leaders: with one node, only what changes nothing is possible.

use std::collections::BTreeSet;

use super::topics::find;
use super::{Broker, BrokerError, TopicRef};
use crate::model::PartitionId;

impl Broker {
    /// Moves a partition's replicas to `nodes`, or ends a move (`None`).
    ///
    /// # Errors
    /// [`BrokerError::NoReassignment`], since none is ever under way; [`BrokerError::InvalidReplicaAssignment`] for nodes
    /// that are not the cluster's, and for any but those that have the partition.
    ///
    /// Source: Kafka `ReplicationControlManager.validateManualPartitionAssignment`, with its words.
    pub fn reassign(
        &self,
        topic: &str,
        partition: PartitionId,
        nodes: Option<&[i32]>,
    ) -> Result<(), BrokerError> {
        let image = self.image();
        let found = find(&image, &TopicRef::Name(topic.into()))?;
        let placed = found
            .partition(partition)
            .ok_or_else(|| BrokerError::UnknownPartition { topic: topic.into(), partition })?;
        let Some(nodes) = nodes else {
            return Err(BrokerError::NoReassignment { topic: topic.into(), partition });
        };
        let refuse = |reason: String| Err(BrokerError::InvalidReplicaAssignment { reason });
        if nodes.is_empty() {
            return refuse("the manual partition assignment includes an empty replica list".into());
        }
        let mut sorted = nodes.to_vec();
        sorted.sort_unstable();
        let mut seen = BTreeSet::new();
        for node in sorted {
            if !image.nodes.contains_key(&node) {
                return refuse(format!(
                    "the manual partition assignment includes broker {node}, but no such broker is registered"
                ));
            }
            if !seen.insert(node) {
                return refuse(format!(
                    "the manual partition assignment includes the broker {node} more than once"
                ));
            }
        }
        if seen != placed.nodes().into_iter().collect() {
            return refuse(format!("the replicas of {topic}-{partition} cannot be moved to other nodes yet"));
        }
        Ok(())
    }
}
