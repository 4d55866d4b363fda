//! What can go wrong when the broker is asked for something. The doors choose a code for each.

use std::sync::Arc;

use crate::access::ResourceKind;
use crate::cluster::{GroupError, LogError};
use crate::keys::KeyError;
use crate::model::topic::TopicNameError;
use crate::model::{LeaderEpoch, Offset, TopicId};
use crate::partition::{CheckError, ProducerError};
use crate::storage::StorageError;

/// Situations, not codes.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    #[error("this server does not host topic '{topic}'")]
    UnknownTopic { topic: String },
    #[error("this server does not host partition {partition} of topic '{topic}'")]
    UnknownPartition { topic: String, partition: i32 },
    #[error("this server does not host the topic with id {id}")]
    UnknownTopicId { id: TopicId },
    #[error("topic name is invalid: {source}")]
    InvalidTopicName {
        name: String,
        #[source]
        source: TopicNameError,
    },
    #[error("topic '{name}' already exists")]
    TopicExists { name: String },
    #[error("topic '{name}' collides with existing topic '{other}'")]
    TopicCollides { name: String, other: String },
    #[error("{reason}")]
    InvalidPartitions { reason: String },
    #[error("unable to replicate the partition {asked} time(s): only {nodes} broker(s) are registered")]
    InvalidReplicationFactor { asked: i16, nodes: usize },
    #[error("{reason}")]
    InvalidReplicaAssignment { reason: String },
    #[error("this node is not the controller")]
    NotController,
    #[error("the controller refused: {reason}")]
    ControllerRefused { reason: String },
    #[error("{reason}")]
    TooFewNodes { reason: String },
    #[error("broker {node} is in use: it is heard, or holds replicas ({held})")]
    NodeInUse { node: i32, held: usize },
    #[error("the preferred replica of {partition} leads already")]
    ElectionNotNeeded { partition: String },
    #[error("the preferred replica of {partition} is not in sync")]
    PreferredLeaderNotAvailable { partition: String },
    #[error("no replica of {partition} that can lead it is heard")]
    NoEligibleLeader { partition: String },
    #[error("no majority of the replicas of {partition} answered in time")]
    NoMajority { partition: String },
    #[error("no reassignment of partition {partition} of topic '{topic}' is under way")]
    NoReassignment { topic: String, partition: i32 },
    #[error("{reason}")]
    InvalidRequest { reason: String },
    #[error(transparent)]
    InvalidConfig(#[from] KeyError),
    #[error("{reason}")]
    PolicyViolation { reason: String },
    #[error("topic deletion is disabled")]
    TopicDeletionDisabled,
    #[error("broker {node} is not this cluster's")]
    UnknownNode { node: i32 },
    #[error("this node is not the leader of {partition}")]
    NotLeader { partition: String },
    #[error("leader epoch {asked} is older than {current}")]
    FencedLeaderEpoch { asked: LeaderEpoch, current: LeaderEpoch },
    #[error("leader epoch {asked} is newer than {current}")]
    UnknownLeaderEpoch { asked: LeaderEpoch, current: LeaderEpoch },
    #[error("offset {asked} is outside [{start}, {end}]")]
    OffsetOutOfRange { asked: i64, start: Offset, end: Offset },
    #[error("{in_sync} replica(s) of {partition} are in sync, {needed} are required")]
    NotEnoughReplicas { partition: String, in_sync: usize, needed: usize },
    #[error(transparent)]
    Check(#[from] CheckError),
    #[error(transparent)]
    Producer(#[from] ProducerError),
    #[error("the log of {partition} is unavailable: {reason}")]
    LogUnavailable { partition: String, reason: String },
    #[error(transparent)]
    Storage(Arc<StorageError>),
    #[error("not authorized to access {}", kind.name())]
    Denied { kind: ResourceKind },
    #[error("this node is closing")]
    Closing,
}

impl From<StorageError> for BrokerError {
    fn from(error: StorageError) -> Self {
        Self::Storage(Arc::new(error))
    }
}

impl BrokerError {
    /// What a failed log or group means to whoever asked for `partition`.
    pub(super) fn of_log(partition: &dyn std::fmt::Display, error: LogError) -> Self {
        match error {
            LogError::Group(error) => Self::of_group(partition, error),
            LogError::Storage { source, .. } => Self::Storage(source),
            LogError::Deleted { partition } => Self::UnknownTopic { topic: partition },
            LogError::NotLeader { partition } => Self::NotLeader { partition },
            LogError::Failed { partition, reason } => Self::LogUnavailable { partition, reason },
            LogError::Closing => Self::Closing,
        }
    }

    pub(super) fn of_group(partition: &dyn std::fmt::Display, error: GroupError) -> Self {
        match error {
            GroupError::NotLeader => Self::NotLeader { partition: partition.to_string() },
            GroupError::Stopped { reason } => {
                Self::LogUnavailable { partition: partition.to_string(), reason }
            }
            GroupError::NoMajority { .. } => Self::NoMajority { partition: partition.to_string() },
            GroupError::NoElection
            | GroupError::Vanished { .. }
            | GroupError::VoteLost { .. }
            | GroupError::Membership { .. } => {
                Self::LogUnavailable { partition: partition.to_string(), reason: error.to_string() }
            }
        }
    }
}
