//! What the doors ask of this node, one verb a file: produce, fetch, offsets, topics, configs,
//! producer ids, groups. The broker waits; it knows no wire version and no connection.

mod configs;
mod error;
mod fetch;
mod groups;
mod log_dirs;
mod maintenance;
mod offsets;
mod produce;
mod producer_ids;
mod producers;
mod quorum;
mod reassignments;
mod settings;
mod space;
mod topics;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use uuid::Uuid;

pub use configs::ConfigChange;
pub use error::BrokerError;
pub use fetch::{FetchPartition, FetchPlan, FetchedPartition, Isolation};
pub use groups::GroupOffset;
pub use log_dirs::{LogDir, LogSize};
pub use offsets::{FoundOffset, OffsetSpec};
pub use produce::{Acks, PendingAppend, Produced};
pub use producers::ActiveProducer;
pub use quorum::{Quorum, Voter};
pub use topics::{CreatedTopic, NewTopic, TopicRef};

use crate::cluster::{
    Clock, DistributedLog, Group, MetadataImage, MetadataLog, NodeImage, NodeStorage, Replicas, TopicImage,
};
use crate::keys::{BrokerSettings, TopicSettings};
use crate::model::{LeaderEpoch, PartitionId};
use crate::storage::DataDir;
use groups::Coordinators;
use producer_ids::ProducerIds;
use settings::Settings;
use space::Space;

/// This node, as the doors see it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Broker(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    node: i32,
    cluster_id: Uuid,
    clock: Clock,
    metadata: MetadataLog,
    replicas: Arc<Replicas>,
    settings: Arc<Settings>,
    space: Space,
    data_dir: Arc<DataDir>,
    producer_ids: ProducerIds,
    coordinators: Coordinators,
    /// When this node began, by the clock of the runtime.
    began: tokio::time::Instant,
    /// Held by whoever checks a metadata change against the image and proposes it.
    controller: tokio::sync::Mutex<()>,
}

/// Who leads a partition, and who has its records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaderView {
    /// -1: none.
    pub node: i32,
    pub epoch: LeaderEpoch,
    pub in_sync: Vec<i32>,
    pub offline: Vec<i32>,
}

impl Broker {
    /// Puts the broker on a started metadata log. `statics` are the broker keys that were given by
    /// flags, environment or file.
    pub fn new(
        node: i32,
        storage: NodeStorage,
        metadata: MetadataLog,
        statics: BTreeMap<String, String>,
    ) -> Self {
        let replicas = Arc::new(Replicas::new(node, storage.clone()));
        let settings = Arc::new(Settings::new(node, statics, Arc::clone(&replicas)));
        metadata.tell(Arc::<Settings>::clone(&settings));
        let space = Space::new(Arc::clone(storage.data_dir.disk()), storage.clock.clone());
        Self(Arc::new(Inner {
            node,
            cluster_id: storage.cluster_id,
            clock: storage.clock,
            metadata,
            replicas,
            settings,
            space,
            data_dir: storage.data_dir,
            producer_ids: ProducerIds::default(),
            coordinators: Coordinators::default(),
            began: tokio::time::Instant::now(),
            controller: tokio::sync::Mutex::default(),
        }))
    }

    pub fn node_id(&self) -> i32 {
        self.0.node
    }

    /// The cluster id as Kafka writes UUIDs: 22 characters of URL-safe base64.
    pub fn cluster_id_text(&self) -> String {
        crate::model::uuid_text(self.0.cluster_id)
    }

    /// The cluster as of the newest agreed command. Immutable.
    pub fn image(&self) -> Arc<MetadataImage> {
        self.0.metadata.image()
    }

    /// This node's broker settings as they are in force.
    pub fn settings(&self) -> Arc<BrokerSettings> {
        self.0.settings.broker()
    }

    /// A topic's settings as they are in force on this node.
    pub fn topic_settings(&self, topic: &TopicImage) -> Arc<TopicSettings> {
        self.0.settings.topic(topic)
    }

    /// Who leads `partition`, which must be one of the topic's.
    pub fn leader(&self, topic: &TopicImage, partition: PartitionId) -> LeaderView {
        let placed =
            topic.partition(partition).map(crate::cluster::PartitionImage::nodes).unwrap_or_default();
        let epoch = self.0.replicas.get(topic.id, partition).map(|log| log.leader_epoch());
        LeaderView {
            node: if placed.contains(&self.0.node) { self.0.node } else { -1 },
            epoch: epoch.unwrap_or_default(),
            in_sync: placed,
            offline: Vec::new(),
        }
    }

    pub(crate) fn now_ms(&self) -> i64 {
        self.0.clock.now_ms()
    }

    fn log(&self, topic: &TopicImage, partition: PartitionId) -> Result<Arc<DistributedLog>, BrokerError> {
        self.0
            .replicas
            .get(topic.id, partition)
            .ok_or_else(|| BrokerError::UnknownPartition { topic: topic.name.to_string(), partition })
    }

    /// The partition's group to read from, if `asked` is its epoch.
    async fn group(
        &self,
        topic: &TopicImage,
        partition: PartitionId,
        asked: Option<LeaderEpoch>,
    ) -> Result<Arc<Group>, BrokerError> {
        let log = self.log(topic, partition)?;
        let group =
            log.group_to_read().await.map_err(|error| BrokerError::of_log(&log.identity.name, error))?;
        let current = group.leader_epoch();
        match asked {
            Some(asked) if asked < current => Err(BrokerError::FencedLeaderEpoch { asked, current }),
            Some(asked) if asked > current => Err(BrokerError::UnknownLeaderEpoch { asked, current }),
            _ => Ok(group),
        }
    }

    /// The controller's lock. The image shows all that was agreed on or proposed before.
    async fn control(&self) -> tokio::sync::MutexGuard<'_, ()> {
        let guard = self.0.controller.lock().await;
        self.0.metadata.settled().await;
        guard
    }

    /// Makes this node and its address known to the cluster, unless they are.
    pub async fn register(
        &self,
        directory: Uuid,
        (host, port): (String, u16),
        rack: Option<String>,
    ) -> Result<(), BrokerError> {
        let _only_one = self.control().await;
        let node =
            NodeImage { id: self.0.node, directory_id: directory, kafka_host: host, kafka_port: port, rack };
        if self.image().nodes.get(&node.id) == Some(&node) {
            return Ok(());
        }
        self.change_metadata(vec![node.registered()]).await
    }

    /// Stops all logs cleanly: everything synced, with snapshots.
    pub async fn close(&self) {
        self.end_groups();
        let logs = self.0.replicas.all();
        futures_util::future::join_all(logs.iter().map(|log| log.close())).await;
        self.0.metadata.close().await;
    }
}
