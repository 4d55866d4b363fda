//! The logs of this node, by topic id and partition; kept in step with the metadata image.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use parking_lot::{Mutex, RwLock};

use super::distributed_log::{DistributedLog, LogSettings, NodeStorage};
use super::exchange::Logs;
use super::metadata::TopicImage;
use crate::model::{PartitionId, TopicId, TopicPartition};
use crate::partition::Identity;
use crate::storage::{GroupId, LogIdentity};

/// See the module.
#[derive(Debug)]
pub struct Replicas {
    node: i32,
    storage: NodeStorage,
    logs: RwLock<BTreeMap<(TopicId, PartitionId), Arc<DistributedLog>>>,
    /// The last log of each name that was taken out: whoever has the name next waits until its files are gone.
    taken_out: Mutex<BTreeMap<TopicPartition, Weak<DistributedLog>>>,
}

impl Replicas {
    pub fn new(node: i32, storage: NodeStorage) -> Arc<Self> {
        let exchange = Arc::clone(&storage.exchange);
        let replicas = Arc::new(Self { node, storage, logs: RwLock::default(), taken_out: Mutex::default() });
        let logs: std::sync::Weak<dyn Logs> = Arc::<Self>::downgrade(&replicas);
        exchange.set_logs(logs);
        replicas
    }

    /// The log of a partition, if this node holds a replica.
    pub fn get(&self, topic: TopicId, partition: PartitionId) -> Option<Arc<DistributedLog>> {
        self.logs.read().get(&(topic, partition)).cloned()
    }

    /// All logs, in the order of their topics' ids.
    pub fn all(&self) -> Vec<Arc<DistributedLog>> {
        self.logs.read().values().cloned().collect()
    }

    /// Makes the logs that `topic` has here, and tells those that exist of its settings. Nothing is
    /// opened: the first use does that. Returns those that are not placed here any more, for whoever deletes them.
    pub fn keep(&self, topic: &TopicImage, settings: LogSettings) -> Vec<Arc<DistributedLog>> {
        let mut logs = self.logs.write();
        let mut gone = Vec::new();
        for (partition, placed) in (0..).zip(&topic.partitions) {
            let here = placed.on(self.node);
            let key = (topic.id, partition);
            let is_other = |log: &Arc<DistributedLog>| Some(log.identity.log.replica_id) != here;
            if logs.get(&key).is_some_and(is_other) {
                gone.extend(logs.remove(&key));
                self.note(&gone);
            }
            let Some(replica_id) = here else { continue };
            if let Some(log) = logs.get(&key) {
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
            let founders = placed.founders();
            let founders = founders.contains(&replica_id).then_some(founders);
            let before = self.taken_out.lock().remove(&name).and_then(|before| before.upgrade());
            let log = DistributedLog::new(self.storage.clone(), Identity { name, log }, founders, settings);
            logs.insert(key, Arc::new(log.after(before)));
        }
        gone
    }

    /// Takes out all logs of a topic, for whoever deletes them.
    pub fn remove(&self, topic: TopicId) -> Vec<Arc<DistributedLog>> {
        let mut logs = self.logs.write();
        let keys: Vec<_> = logs.keys().filter(|(id, _)| *id == topic).copied().collect();
        let removed: Vec<_> = keys.into_iter().filter_map(|key| logs.remove(&key)).collect();
        self.note(&removed);
        removed
    }

    fn note(&self, removed: &[Arc<DistributedLog>]) {
        let mut taken_out = self.taken_out.lock();
        taken_out.retain(|_, log| log.strong_count() > 0);
        taken_out.extend(removed.iter().map(|log| (log.identity.name.clone(), Arc::downgrade(log))));
    }
}

impl Logs for Replicas {
    fn log_of(&self, group: &GroupId) -> Option<Arc<DistributedLog>> {
        self.get(group.topic_id, group.partition).filter(|log| log.group_id() == *group)
    }

    fn logs(&self) -> Vec<Arc<DistributedLog>> {
        self.all()
    }
}
