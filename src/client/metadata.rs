//! What a broker last said about brokers, topics and leaders.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::wire::ErrorCode;
use crate::wire::messages::MetadataResponse;
use crate::wire::messages::metadata_response::{MetadataResponsePartition, MetadataResponseTopic};

use super::Partition;

/// A broker and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerNode {
    pub id: i32,
    pub host: String,
    pub port: i32,
    pub rack: Option<String>,
}

impl BrokerNode {
    /// As it is connected to.
    pub fn address(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionMetadata {
    pub index: i32,
    /// None while there is none.
    pub leader: Option<i32>,
    pub leader_epoch: i32,
    pub replicas: Vec<i32>,
    pub in_sync: Vec<i32>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicMetadata {
    pub name: String,
    /// Nil if the broker is too old to have ids.
    pub id: Uuid,
    pub is_internal: bool,
    /// By index, from 0.
    pub partitions: Vec<PartitionMetadata>,
    /// Why the broker says nothing more.
    pub error: Option<ErrorCode>,
}

/// Brokers and the topics that were asked for so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata {
    pub cluster_id: Option<String>,
    pub controller: Option<i32>,
    pub brokers: BTreeMap<i32, BrokerNode>,
    pub topics: BTreeMap<String, TopicMetadata>,
}

impl Metadata {
    /// What is known with `response` added: its brokers replace all others, its topics those of their names.
    #[must_use]
    pub(super) fn with(&self, response: MetadataResponse) -> Self {
        let brokers = response.brokers.into_iter().map(|broker| BrokerNode {
            id: broker.node_id.0,
            host: broker.host.to_string(),
            port: broker.port,
            rack: broker.rack.map(|rack| rack.to_string()),
        });
        let mut topics = self.topics.clone();
        topics.extend(response.topics.into_iter().map(|topic| {
            let topic = TopicMetadata::from(topic);
            (topic.name.clone(), topic)
        }));
        Self {
            cluster_id: response.cluster_id.map(|id| id.to_string()),
            controller: Some(response.controller_id.0).filter(|id| *id >= 0),
            brokers: brokers.map(|broker| (broker.id, broker)).collect(),
            topics,
        }
    }

    pub fn partition(&self, topic: &str, index: i32) -> Option<&PartitionMetadata> {
        self.topics.get(topic)?.partitions.iter().find(|partition| partition.index == index)
    }

    pub fn topic_id(&self, topic: &str) -> Uuid {
        self.topics.get(topic).map_or(Uuid::nil(), |topic| topic.id)
    }

    pub fn name_of(&self, id: Uuid) -> Option<&str> {
        self.topics.values().find(|topic| topic.id == id).map(|topic| topic.name.as_str())
    }
}

impl TopicMetadata {
    pub fn all_partitions(&self) -> Vec<Partition> {
        self.partitions.iter().map(|partition| Partition::new(&self.name, partition.index)).collect()
    }
}

impl From<MetadataResponseTopic> for TopicMetadata {
    fn from(topic: MetadataResponseTopic) -> Self {
        let mut partitions: Vec<_> = topic.partitions.into_iter().map(PartitionMetadata::from).collect();
        partitions.sort_by_key(|partition| partition.index);
        Self {
            name: topic.name.map(|name| name.to_string()).unwrap_or_default(),
            id: topic.topic_id,
            is_internal: topic.is_internal,
            partitions,
            error: ErrorCode::try_from_code(topic.error_code),
        }
    }
}

impl From<MetadataResponsePartition> for PartitionMetadata {
    fn from(partition: MetadataResponsePartition) -> Self {
        Self {
            index: partition.partition_index,
            leader: Some(partition.leader_id.0).filter(|id| *id >= 0),
            leader_epoch: partition.leader_epoch,
            replicas: partition.replica_nodes.iter().map(|id| id.0).collect(),
            in_sync: partition.isr_nodes.iter().map(|id| id.0).collect(),
        }
    }
}
