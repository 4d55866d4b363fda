//! The logs of this node, by topic id and partition; kept in step with the metadata image.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::RwLock;

use super::distributed_log::{DistributedLog, LogSettings, NodeStorage};
use super::metadata::TopicImage;
use crate::model::{PartitionId, TopicId, TopicPartition};
use crate::partition::Identity;
use crate::storage::LogIdentity;

/// See the module.
#[derive(Debug)]
pub struct Replicas {
    node: i32,
    storage: NodeStorage,
    logs: RwLock<HashMap<(TopicId, PartitionId), Arc<DistributedLog>>>,
}

impl Replicas {
    pub fn new(node: i32, storage: NodeStorage) -> Self {
        Self { node, storage, logs: RwLock::default() }
    }

    /// The log of a partition, if this node holds a replica.
    pub fn get(&self, topic: TopicId, partition: PartitionId) -> Option<Arc<DistributedLog>> {
        self.logs.read().get(&(topic, partition)).cloned()
    }

    /// All logs, in no order.
    pub fn all(&self) -> Vec<Arc<DistributedLog>> {
        self.logs.read().values().cloned().collect()
    }

    /// Makes the logs that `topic` has here, and tells those that exist of its settings. Nothing is
    /// opened: the first use does that.
    pub fn keep(&self, topic: &TopicImage, settings: LogSettings) {
        let mut logs = self.logs.write();
        for (partition, placed) in (0..).zip(&topic.partitions) {
            let Some(replica_id) = placed.on(self.node) else { continue };
            if let Some(log) = logs.get(&(topic.id, partition)) {
                log.configure(settings);
                continue;
            }
            let name = TopicPartition { topic: topic.name.clone(), partition };
            let log = LogIdentity {
                cluster_id: self.storage.cluster_id,
                topic_id: topic.id,
                partition,
                replica_id,
            };
            let log = DistributedLog::new(self.storage.clone(), Identity { name, log }, settings);
            logs.insert((topic.id, partition), Arc::new(log));
        }
    }

    /// Takes out all logs of a topic, for whoever deletes them.
    pub fn remove(&self, topic: TopicId) -> Vec<Arc<DistributedLog>> {
        let mut logs = self.logs.write();
        let keys: Vec<_> = logs.keys().filter(|(id, _)| *id == topic).copied().collect();
        keys.into_iter().filter_map(|key| logs.remove(&key)).collect()
    }
}
