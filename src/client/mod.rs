//! A small Kafka client over the public protocol, for the command line. It works against any broker that speaks Kafka.
//!
//! From below: a [`Connection`] speaks with one broker, a [`Cluster`] knows where everything is and tries again; over it
//! stand the [`Producer`], the [`Fetcher`], the [`GroupMember`], and the admin calls (`impl Cluster` in `admin/`).
//! *Invariant*: nothing here prints or reads the machine's clock, and every buffer and wait is bounded.

mod admin;
mod assignor;
mod backoff;
mod cluster;
mod connection;
mod error;
mod fetcher;
mod group;
mod metadata;
mod producer;
mod records;
mod sasl;
mod security;

pub use admin::acls::{Acl, AclFilter};
pub use admin::configs::{ConfigChange, ConfigEntry, Resource, ResourceKind};
pub use admin::groups::{GroupDescription, GroupListing, GroupMemberDescription};
pub use admin::nodes::{ClusterDescription, NodeDescription};
pub use admin::offsets::{CommittedOffset, FoundOffset, OffsetSpec};
pub use admin::placement::{Move, Reassignment};
pub use admin::quorum::{Quorum, QuorumReplica};
pub use admin::topics::NewTopic;
pub use admin::users::{NewCredential, UserCredential};
pub use assignor::partitions_of_assignment;
pub use cluster::{Cluster, ClusterOptions};
pub use connection::Connection;
pub use error::ClientError;
pub use fetcher::{Fetched, Fetcher, FetcherOptions};
pub use group::{GroupMember, GroupOptions};
pub use metadata::{BrokerNode, Metadata, PartitionMetadata, TopicMetadata};
pub use producer::{Delivery, OutgoingRecord, Producer, ProducerOptions};
pub use records::{FetchedBatch, RecordsError, batches};
pub use sasl::{Login, ScramHash};
pub use security::Security;

/// A partition by its topic's name. Names come from users and brokers, so they are not checked here.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Partition {
    pub topic: std::sync::Arc<str>,
    pub index: i32,
}

impl Partition {
    pub fn new(topic: &str, index: i32) -> Self {
        Self { topic: topic.into(), index }
    }
}

impl std::fmt::Display for Partition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.topic, self.index)
    }
}
