//! What the doors ask of this node, one verb a file: produce, fetch, offsets, topics, configs,
//! producer ids, groups. The broker waits; it knows no wire version and no connection.

mod acls;
mod configs;
pub mod controller;
mod error;
mod fetch;
mod groups;
mod guard;
mod led;
mod log_dirs;
mod maintenance;
mod nodes;
mod offsets;
mod produce;
mod producer_ids;
mod producers;
mod quorum;
mod reassignments;
mod recovery;
mod relay;
mod scram;
mod settings;
mod space;
mod topics;
mod turned_away;
mod unclean;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use uuid::Uuid;

pub use configs::ConfigChange;
pub use controller::ServeKafka;
pub use error::BrokerError;
pub use fetch::{FetchPartition, FetchPlan, FetchedPartition, Isolation};
pub use groups::GroupOffset;
pub use guard::{KnownUsers, check_super_users};
pub use log_dirs::{LogDir, LogSize};
pub use offsets::{FoundOffset, OffsetSpec};
pub use produce::{Acks, PendingAppend, Produced};
pub use producers::ActiveProducer;
pub use quorum::{Quorum, Voter};
pub use reassignments::Reassignment;
pub use relay::{
    GroupInList, GroupMember, GroupView, Groups, LARGEST_READ, ReadFrom, ReadRecords, RelayedTopic,
    StoredOffset,
};
pub use scram::ScramUser;
pub use topics::{CreatedTopic, NewTopic, TopicRef};

use crate::cluster::{
    Clock, DistributedLog, Exchange, Group, MetadataImage, MetadataLog, NodeStorage, Replicas, TopicImage,
};
use crate::keys::{BrokerSettings, TopicSettings};
use crate::model::{LeaderEpoch, PartitionId};
use crate::storage::DataDir;
use groups::Coordinators;
use guard::Guard;
use producer_ids::ProducerIds;
use settings::Settings;
use space::Space;
use turned_away::TurnedAway;

/// How long whoever asks a leader that was just elected waits until it knows what is agreed on: clients take
/// `OFFSET_NOT_AVAILABLE` for a failure.
const TAKEN_OVER_WITHIN: std::time::Duration = std::time::Duration::from_secs(1);

/// This node, as the doors see it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Broker(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    node: i32,
    cluster_id: Uuid,
    clock: Clock,
    metadata: Arc<MetadataLog>,
    exchange: Arc<Exchange>,
    replicas: Arc<Replicas>,
    settings: Arc<Settings>,
    space: Space,
    data_dir: Arc<DataDir>,
    producer_ids: ProducerIds,
    guard: Guard,
    coordinators: Coordinators,
    turned_away: Arc<TurnedAway>,
    kafka: OnceLock<Arc<dyn ServeKafka>>,
    /// When this node began, by the clock of the runtime.
    began: tokio::time::Instant,
    /// Held by whoever checks a metadata change against the image and proposes it.
    controller: tokio::sync::Mutex<()>,
    /// Held while a partition is recovered.
    recovering: tokio::sync::Mutex<()>,
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
    /// flags, environment or file. It has no logs and no settings of the metadata until [`Self::begin`].
    pub fn new(
        node: i32,
        storage: NodeStorage,
        metadata: Arc<MetadataLog>,
        statics: BTreeMap<String, String>,
    ) -> Self {
        let replicas = Replicas::new(node, storage.clone());
        let settings = Arc::new(Settings::new(node, statics, Arc::clone(&replicas)));
        let guard = Guard::new(settings.broker().security.has_authorizer);
        let space = Space::new(Arc::clone(storage.data_dir.disk()), storage.clock.clone());
        let broker = Self(Arc::new(Inner {
            node,
            cluster_id: storage.cluster_id,
            clock: storage.clock,
            metadata,
            exchange: Arc::clone(&storage.exchange),
            replicas,
            settings,
            space,
            data_dir: storage.data_dir,
            producer_ids: ProducerIds::default(),
            guard,
            coordinators: Coordinators::default(),
            turned_away: Arc::default(),
            kafka: OnceLock::new(),
            began: tokio::time::Instant::now(),
            controller: tokio::sync::Mutex::default(),
            recovering: tokio::sync::Mutex::default(),
        }));
        storage.exchange.set_verbs(Arc::new(broker.clone()));
        broker
    }

    /// Takes over topics and settings as they are in the image now. Not before the image shows all that this node knew
    /// when it stopped: what is on its disk would be taken for that of topics that went long ago.
    pub fn begin(&self) {
        self.0.metadata.tell(Arc::<Settings>::clone(&self.0.settings));
        // What came before looked for logs that were not there yet.
        self.0.exchange.stir();
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

    /// Who leads `partition`, which must be one of the topic's. While nobody is known to, the first living replica is
    /// named, with no epoch: being asked wakes it.
    pub fn leader(&self, topic: &TopicImage, partition: PartitionId) -> LeaderView {
        let placed =
            topic.partition(partition).map(crate::cluster::PartitionImage::nodes).unwrap_or_default();
        let exchange = &self.0.exchange;
        let (living, offline): (Vec<i32>, Vec<i32>) =
            placed.iter().partition(|node| exchange.is_alive(**node));
        let known =
            exchange.leaders.get(&(topic.id, partition)).filter(|known| exchange.is_alive(known.node));
        let Some(known) = known else {
            let log = self.0.replicas.get(topic.id, partition).filter(|_| placed.len() == 1);
            let epoch = log.map_or(LeaderEpoch(-1), |log| log.leader_epoch());
            return LeaderView {
                node: living.first().copied().unwrap_or(-1),
                epoch,
                in_sync: living,
                offline,
            };
        };
        let in_sync = if known.in_sync.is_empty() { living } else { known.in_sync };
        let epoch = LeaderEpoch(i32::try_from(known.term).unwrap_or(i32::MAX));
        LeaderView { node: known.node, epoch, in_sync, offline }
    }

    pub(crate) fn now_ms(&self) -> i64 {
        self.0.clock.now_ms()
    }

    fn log(&self, topic: &TopicImage, partition: PartitionId) -> Result<Arc<DistributedLog>, BrokerError> {
        let here = self.0.replicas.get(topic.id, partition);
        here.ok_or_else(|| {
            let image = self.image();
            match image.topic_by_id(topic.id).and_then(|topic| topic.partition(partition)) {
                Some(_) => BrokerError::NotLeader { partition: format!("{}-{partition}", topic.name) },
                None => BrokerError::UnknownPartition { topic: topic.name.to_string(), partition },
            }
        })
    }

    /// The partition's leader here to read from, if `asked` is its epoch.
    async fn group(
        &self,
        topic: &TopicImage,
        partition: PartitionId,
        asked: Option<LeaderEpoch>,
    ) -> Result<Arc<Group>, BrokerError> {
        let group = self.replica(topic, partition, asked).await?;
        group.taken_over(TAKEN_OVER_WITHIN).await;
        // One that stopped by itself is still read: what was agreed on stays so.
        if group.leads().is_none() {
            return Err(BrokerError::NotLeader { partition: group.partition.identity.name.to_string() });
        }
        Ok(group)
    }

    /// The partition's replica here, leading or following, if `asked` is the epoch that it knows.
    async fn replica(
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
    ///
    /// # Errors
    /// [`BrokerError::NotController`] on every other node.
    async fn control(&self) -> Result<tokio::sync::MutexGuard<'_, ()>, BrokerError> {
        let guard = self.0.controller.lock().await;
        self.0.metadata.settled().await;
        // One that a storage error stopped is started again, after a pause.
        if self.0.metadata.log().running().is_none() {
            let started = self.0.metadata.log().group().await;
            started.map_err(|error| BrokerError::of_log(&"__cluster_metadata-0", error))?;
        }
        if self.is_controller() { Ok(guard) } else { Err(BrokerError::NotController) }
    }

    /// Stops all logs cleanly: everything synced, with snapshots.
    pub async fn close(&self) {
        self.end_groups();
        let logs = self.0.replicas.all();
        futures_util::future::join_all(logs.iter().map(|log| log.close())).await;
        self.0.metadata.close().await;
    }
}
