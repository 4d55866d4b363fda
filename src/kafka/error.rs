//! From situations to Kafka's error codes and words, and nowhere else.
//!
//! Words are sent where Kafka sends some, and are Kafka's own where tools print them.

#![deny(
    clippy::wildcard_enum_match_arm,
    clippy::match_wildcard_for_single_variants,
    reason = "a new failure must choose its code"
)]

use crate::access::ResourceKind;
use crate::broker::BrokerError;
use crate::coordinator::GroupError;
use crate::keys::KeyError;
use crate::model::BatchError;
use crate::partition::{CheckError, ProducerError};
use crate::storage::StorageError;
use crate::wire::{ErrorCode, StrBytes};

/// What Kafka says with `INVALID_REQUEST` when it has no better words.
pub(super) const MALFORMED: &str = "This most likely occurs because of a request being malformed by the client library or the message was sent to an incompatible broker. See the broker logs for more details.";

/// A code and the words that go with it, for one resource of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) code: ErrorCode,
    pub(super) message: Option<String>,
}

impl Refusal {
    pub(super) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: Some(message.into()) }
    }

    pub(super) fn text(&self) -> Option<StrBytes> {
        self.message.clone().map(StrBytes::from_string)
    }
}

impl From<&BrokerError> for Refusal {
    fn from(error: &BrokerError) -> Self {
        Self { code: ErrorCode::from(error), message: Some(words(error)) }
    }
}

impl From<BrokerError> for Refusal {
    fn from(error: BrokerError) -> Self {
        Self::from(&error)
    }
}

impl From<&GroupError> for Refusal {
    fn from(error: &GroupError) -> Self {
        Self { code: ErrorCode::from(error), message: Some(error.to_string()) }
    }
}

/// Source: Kafka `GroupCoordinatorService`, `ClassicGroup`.
impl From<&GroupError> for ErrorCode {
    fn from(error: &GroupError) -> Self {
        match error {
            GroupError::InvalidGroupId => Self::InvalidGroupId,
            GroupError::InvalidSessionTimeout { .. } => Self::InvalidSessionTimeout,
            GroupError::UnknownMember { .. } => Self::UnknownMemberId,
            GroupError::MemberIdRequired { .. } => Self::MemberIdRequired,
            GroupError::FencedInstance { .. } => Self::FencedInstanceId,
            GroupError::IllegalGeneration { .. } => Self::IllegalGeneration,
            GroupError::RebalanceInProgress { .. } => Self::RebalanceInProgress,
            GroupError::InconsistentProtocol { .. } => Self::InconsistentGroupProtocol,
            GroupError::GroupFull { .. } => Self::GroupMaxSizeReached,
            // Kafka's choice for a group that does not fit a record; the code for records says nothing to a member.
            GroupError::TooLarge { .. } => Self::UnknownServerError,
            GroupError::NotEmpty { .. } => Self::NonEmptyGroup,
            GroupError::NotFound { .. } => Self::GroupIdNotFound,
            GroupError::Subscribed { .. } => Self::GroupSubscribedToTopic,
            GroupError::OffsetMetadataTooLarge { .. } => Self::OffsetMetadataTooLarge,
            GroupError::UnknownPartition { .. } => Self::UnknownTopicOrPartition,
            GroupError::Loading { .. } => Self::CoordinatorLoadInProgress,
            GroupError::NotCoordinator { .. } => Self::NotCoordinator,
            GroupError::NotAvailable { .. } => Self::CoordinatorNotAvailable,
        }
    }
}

impl From<&BrokerError> for ErrorCode {
    fn from(error: &BrokerError) -> Self {
        match error {
            BrokerError::UnknownTopic { .. } | BrokerError::UnknownPartition { .. } => {
                Self::UnknownTopicOrPartition
            }
            BrokerError::UnknownTopicId { .. } => Self::UnknownTopicId,
            BrokerError::InvalidTopicName { .. } | BrokerError::TopicCollides { .. } => {
                Self::InvalidTopicException
            }
            BrokerError::TopicExists { .. } => Self::TopicAlreadyExists,
            BrokerError::InvalidPartitions { .. } => Self::InvalidPartitions,
            BrokerError::InvalidReplicationFactor { .. } | BrokerError::TooFewNodes { .. } => {
                Self::InvalidReplicationFactor
            }
            BrokerError::InvalidReplicaAssignment { .. } => Self::InvalidReplicaAssignment,
            BrokerError::NoReassignment { .. } => Self::NoReassignmentInProgress,
            BrokerError::NotController => Self::NotController,
            BrokerError::ControllerRefused { .. } => Self::UnknownServerError,
            BrokerError::ElectionNotNeeded { .. } => Self::ElectionNotNeeded,
            BrokerError::PreferredLeaderNotAvailable { .. } => Self::PreferredLeaderNotAvailable,
            BrokerError::NoEligibleLeader { .. } => Self::EligibleLeadersNotAvailable,
            // It was appended and may still be agreed on: as Kafka, whose delayed produce expires.
            BrokerError::NoMajority { .. } => Self::RequestTimedOut,
            BrokerError::InvalidRequest { .. }
            | BrokerError::UnknownNode { .. }
            | BrokerError::NodeInUse { .. } => Self::InvalidRequest,
            BrokerError::InvalidConfig(error) => Self::from(error),
            BrokerError::PolicyViolation { .. } => Self::PolicyViolation,
            BrokerError::TopicDeletionDisabled => Self::TopicDeletionDisabled,
            // A client that hears this looks for another leader, and finds this node again once it is up.
            BrokerError::NotLeader { .. } | BrokerError::Closing => Self::NotLeaderOrFollower,
            BrokerError::FencedLeaderEpoch { .. } => Self::FencedLeaderEpoch,
            BrokerError::UnknownLeaderEpoch { .. } => Self::UnknownLeaderEpoch,
            BrokerError::OffsetOutOfRange { .. } => Self::OffsetOutOfRange,
            BrokerError::NotEnoughReplicas { .. } => Self::NotEnoughReplicas,
            BrokerError::Check(error) => Self::from(error),
            BrokerError::Producer(error) => Self::from(error),
            BrokerError::LogUnavailable { .. } => Self::KafkaStorageError,
            BrokerError::Denied { kind } => match kind {
                ResourceKind::Topic => Self::TopicAuthorizationFailed,
                ResourceKind::Group => Self::GroupAuthorizationFailed,
                ResourceKind::TransactionalId => Self::TransactionalIdAuthorizationFailed,
                ResourceKind::DelegationToken => Self::DelegationTokenAuthorizationFailed,
                ResourceKind::Cluster | ResourceKind::User | ResourceKind::Any | ResourceKind::Unknown => {
                    Self::ClusterAuthorizationFailed
                }
            },
            BrokerError::Storage(error) => Self::from(&**error),
        }
    }
}

impl From<&StorageError> for ErrorCode {
    fn from(error: &StorageError) -> Self {
        match error {
            StorageError::OffsetOutOfRange { .. } => Self::OffsetOutOfRange,
            StorageError::Io { .. }
            | StorageError::Corrupt { .. }
            | StorageError::IndexOutOfRange { .. }
            | StorageError::Poisoned { .. }
            | StorageError::Foreign { .. }
            | StorageError::ForeignDirectory { .. }
            | StorageError::Locked { .. }
            | StorageError::DiskLow { .. }
            | StorageError::BelowSnapshot { .. }
            | StorageError::CutWhileRead => Self::KafkaStorageError,
        }
    }
}

impl From<&CheckError> for ErrorCode {
    fn from(error: &CheckError) -> Self {
        match error {
            CheckError::BatchCount { .. }
            | CheckError::Corrupt(BatchError::Short { .. })
            | CheckError::Magic { magic: 0 | 1 }
            | CheckError::Invalid { .. }
            | CheckError::Record(_)
            | CheckError::Keyless { .. } => Self::InvalidRecord,
            CheckError::Corrupt(BatchError::Compression { .. }) => Self::UnsupportedCompressionType,
            CheckError::Corrupt(
                BatchError::Length { .. } | BatchError::Magic { .. } | BatchError::Checksum { .. },
            )
            | CheckError::Magic { .. }
            | CheckError::Compression(_) => Self::CorruptMessage,
            CheckError::ProducerEpoch { .. } => Self::InvalidProducerEpoch,
            CheckError::TooLarge { .. } => Self::MessageTooLarge,
            CheckError::LargerThanSegment { .. } => Self::RecordListTooLarge,
            CheckError::Timestamps { .. } => Self::InvalidTimestamp,
        }
    }
}

impl From<&ProducerError> for ErrorCode {
    fn from(error: &ProducerError) -> Self {
        match error {
            ProducerError::FencedEpoch { .. } => Self::InvalidProducerEpoch,
            ProducerError::OutOfOrder { .. } => Self::OutOfOrderSequenceNumber,
        }
    }
}

/// As for a topic; a broker's bad values are answered with `INVALID_REQUEST` (see `handlers/resource.rs`).
impl From<&KeyError> for ErrorCode {
    fn from(error: &KeyError) -> Self {
        match error {
            KeyError::UnknownTopicKey { .. }
            | KeyError::UnknownGroupKey { .. }
            | KeyError::Limit { .. }
            | KeyError::ClientPattern { .. }
            | KeyError::InvalidValue { .. }
            | KeyError::Refused { .. }
            | KeyError::EmptyElement { .. }
            | KeyError::NotAList { .. }
            | KeyError::Conflict { .. } => Self::InvalidConfig,
            KeyError::UnknownBrokerKey { .. }
            | KeyError::UnknownClientMetricsKey { .. }
            | KeyError::PushInterval { .. }
            | KeyError::NotSupported { .. }
            | KeyError::NullValue { .. }
            | KeyError::DuplicateKey { .. }
            | KeyError::ReadOnly { .. } => Self::InvalidRequest,
        }
    }
}

/// Kafka's words for what its tools print; elsewhere the error's own.
fn words(error: &BrokerError) -> String {
    match error {
        BrokerError::UnknownTopic { .. } | BrokerError::UnknownPartition { .. } => {
            "This server does not host this topic-partition.".into()
        }
        BrokerError::UnknownTopicId { .. } => "This server does not host this topic ID.".into(),
        BrokerError::InvalidTopicName { source, .. } => format!("Topic name is invalid: {source}"),
        BrokerError::TopicExists { name } => format!("Topic '{name}' already exists."),
        BrokerError::TopicCollides { name, other } => {
            format!("Topic '{name}' collides with existing topic: {other}")
        }
        BrokerError::InvalidReplicationFactor { asked, nodes } if *asked > 0 => format!(
            "Unable to replicate the partition {asked} time(s): The target replication factor of {asked} cannot be \
             reached because only {nodes} broker(s) are registered."
        ),
        BrokerError::InvalidReplicationFactor { .. } => {
            "Replication factor must be larger than 0, or -1 to use the default value.".into()
        }
        BrokerError::TopicDeletionDisabled => "Topic deletion is disabled.".into(),
        BrokerError::NotController => "This is not the correct controller for this cluster.".into(),
        BrokerError::NodeInUse { node, .. } => {
            format!("Broker ID {node} is in use, it cannot be unregistered")
        }
        BrokerError::ElectionNotNeeded { .. } => "Leader election not needed for topic partition.".into(),
        BrokerError::PreferredLeaderNotAvailable { .. } => "The preferred leader was not available.".into(),
        BrokerError::NoEligibleLeader { .. } => "Eligible topic partition leaders are not available.".into(),
        BrokerError::InvalidConfig(error @ KeyError::NotAList { .. }) => format!("{error}."),
        BrokerError::InvalidConfig(error) => error.to_string(),
        BrokerError::Denied { kind } => denied(*kind).into(),
        BrokerError::InvalidPartitions { .. }
        | BrokerError::InvalidReplicaAssignment { .. }
        | BrokerError::NoReassignment { .. }
        | BrokerError::ControllerRefused { .. }
        | BrokerError::TooFewNodes { .. }
        | BrokerError::NoMajority { .. }
        | BrokerError::InvalidRequest { .. }
        | BrokerError::PolicyViolation { .. }
        | BrokerError::UnknownNode { .. }
        | BrokerError::NotLeader { .. }
        | BrokerError::FencedLeaderEpoch { .. }
        | BrokerError::UnknownLeaderEpoch { .. }
        | BrokerError::OffsetOutOfRange { .. }
        | BrokerError::NotEnoughReplicas { .. }
        | BrokerError::Check(_)
        | BrokerError::Producer(_)
        | BrokerError::LogUnavailable { .. }
        | BrokerError::Storage(_)
        | BrokerError::Closing => sentence(&error.to_string()),
    }
}

fn denied(kind: ResourceKind) -> &'static str {
    match kind {
        ResourceKind::Topic => "Topic authorization failed.",
        ResourceKind::Group => "Group authorization failed.",
        ResourceKind::TransactionalId => "Transactional Id authorization failed.",
        ResourceKind::DelegationToken => "Delegation Token authorization failed.",
        ResourceKind::Cluster | ResourceKind::User | ResourceKind::Any | ResourceKind::Unknown => {
            "Cluster authorization failed."
        }
    }
}

fn sentence(words: &str) -> String {
    let mut letters = words.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    first.into_iter().chain(letters).chain(['.']).collect()
}

/// Which records of a batch are wrong and why, in a Produce answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct RecordFaults {
    /// (index in the batch, words)
    pub(super) records: Vec<(i32, String)>,
    pub(super) message: Option<String>,
    /// Kafka met it while appending, and then names the log start offset with it.
    pub(super) while_appending: bool,
}

impl RecordFaults {
    /// Source: KIP-467; Kafka `ReplicaManager.appendToLocalLog`.
    pub(super) fn of(error: &BrokerError) -> Self {
        let each =
            |indexes: &[i32], words: &str| indexes.iter().map(|index| (*index, words.to_owned())).collect();
        let appending = Self { while_appending: true, ..Self::default() };
        let BrokerError::Check(check) = error else {
            let producer = matches!(error, BrokerError::Producer(_));
            return Self { while_appending: producer, ..Self::default() };
        };
        match check {
            CheckError::Keyless { indexes } => Self {
                records: each(indexes, "Compacted topic cannot accept message without key."),
                message: Some("One or more records have been rejected".into()),
                ..appending
            },
            CheckError::Timestamps { indexes, now_ms } => Self {
                records: each(indexes, &format!("The timestamp is out of range at {now_ms}.")),
                message: Some("One or more records have been rejected due to invalid timestamp".into()),
                ..appending
            },
            CheckError::Magic { magic } if !matches!(magic, 0 | 1) => {
                Self { message: Some(format!("Invalid magic found in record: {magic}")), ..Self::default() }
            }
            CheckError::Corrupt(error @ BatchError::Length { .. }) => {
                Self { message: Some(sentence(&error.to_string())), ..Self::default() }
            }
            CheckError::Invalid { .. }
            | CheckError::ProducerEpoch { .. }
            | CheckError::Record(_)
            | CheckError::Corrupt(BatchError::Compression { .. })
            | CheckError::Compression(_) => appending,
            CheckError::BatchCount { .. }
            | CheckError::Corrupt(
                BatchError::Short { .. } | BatchError::Magic { .. } | BatchError::Checksum { .. },
            )
            | CheckError::Magic { .. }
            | CheckError::TooLarge { .. }
            | CheckError::LargerThanSegment { .. } => Self::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_that_kafka_s_tools_print() {
        let told = |error: BrokerError| Refusal::from(error).message.unwrap();
        assert_eq!(told(BrokerError::TopicExists { name: "a".into() }), "Topic 'a' already exists.");
        let reason = "topic already has 5 partition(s)".into();
        assert_eq!(told(BrokerError::InvalidPartitions { reason }), "Topic already has 5 partition(s).");
    }

    #[test]
    fn only_failures_of_the_append_name_the_log_start() {
        let append = BrokerError::Producer(ProducerError::OutOfOrder { producer_id: 1, found: 5, last: 1 });
        assert!(RecordFaults::of(&append).while_appending);
        let before = BrokerError::Check(CheckError::TooLarge { size: 2, max: 1 });
        assert!(!RecordFaults::of(&before).while_appending);
    }
}
