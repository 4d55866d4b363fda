//! Chooses the gRPC code and the `google.rpc` details of everything that can go wrong. Nowhere else are codes chosen.

use std::collections::HashMap;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use crate::broker::{Broker, BrokerError};
use crate::cluster::TopicImage;
use crate::coordinator::GroupError;
use crate::model::PartitionId;

/// Whose reasons these are.
const DOMAIN: &str = "bateau";

/// Why a call fails, in a form that more can be said of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) code: Code,
    pub(super) reason: &'static str,
    pub(super) message: String,
    metadata: Vec<(&'static str, String)>,
}

impl Refusal {
    pub(super) fn new(code: Code, reason: &'static str, message: impl Into<String>) -> Self {
        Self { code, reason, message: message.into(), metadata: Vec::new() }
    }

    /// The request cannot be meant.
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(Code::InvalidArgument, "INVALID_REQUEST", message)
    }

    /// The node stops.
    pub(super) fn closing() -> Self {
        Self::from(&BrokerError::Closing)
    }

    /// The client's deadline, or ours, is over.
    pub(super) fn late() -> Self {
        Self::new(Code::DeadlineExceeded, "DEADLINE", "not acknowledged in time; it may still be written")
    }

    #[must_use]
    pub(super) fn with(mut self, key: &'static str, value: &dyn std::fmt::Display) -> Self {
        self.metadata.push((key, value.to_string()));
        self
    }

    /// What `error` means for a partition: with the leader's address, if another node has it.
    pub(super) fn of(
        broker: &Broker,
        topic: &TopicImage,
        partition: PartitionId,
        error: &BrokerError,
    ) -> Self {
        let refusal = Self::from(error);
        match error {
            BrokerError::NotLeader { .. } => refusal.with_leader(broker, topic, partition),
            _ => refusal,
        }
    }

    /// Names the node to go to, if it is another than this one and known.
    #[must_use]
    pub(super) fn with_leader(self, broker: &Broker, topic: &TopicImage, partition: PartitionId) -> Self {
        self.with_node(broker, broker.leader(topic, partition).node)
    }

    #[must_use]
    pub(super) fn with_node(self, broker: &Broker, node: i32) -> Self {
        let image = broker.image();
        match image.nodes.get(&node).filter(|node| node.id != broker.node_id()) {
            None => self,
            Some(node) => self
                .with("leader", &node.id)
                .with("rpc_addr", &node.rpc_addr)
                .with("kafka_addr", &super::servers::kafka_addr(node)),
        }
    }
}

impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Self {
        let Refusal { code, reason, message, metadata } = refusal;
        let metadata: HashMap<String, String> =
            metadata.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        let mut details = ErrorDetails::new();
        details.set_error_info(reason, DOMAIN, metadata);
        if code == Code::OutOfRange {
            details.set_localized_message("en-US", &message);
        }
        Self::with_error_details(code, message, details)
    }
}

impl From<BrokerError> for Refusal {
    fn from(error: BrokerError) -> Self {
        Self::from(&error)
    }
}

impl From<&BrokerError> for Refusal {
    fn from(error: &BrokerError) -> Self {
        let (code, reason) = code(error);
        let refusal = Self::new(code, reason, error.to_string());
        match error {
            BrokerError::OffsetOutOfRange { asked, start, end } => {
                refusal.with("asked", asked).with("start", &start.0).with("end", &end.0)
            }
            _ => refusal,
        }
    }
}

/// A failure that trying again may mend is `Unavailable`; one that the request itself brings is not.
fn code(error: &BrokerError) -> (Code, &'static str) {
    match error {
        BrokerError::UnknownTopic { .. } | BrokerError::UnknownTopicId { .. } => {
            (Code::NotFound, "UNKNOWN_TOPIC")
        }
        BrokerError::UnknownPartition { .. } => (Code::NotFound, "UNKNOWN_PARTITION"),
        BrokerError::InvalidTopicName { .. } => (Code::InvalidArgument, "INVALID_TOPIC"),
        BrokerError::TopicExists { .. } => (Code::AlreadyExists, "TOPIC_EXISTS"),
        BrokerError::TopicCollides { .. } => (Code::InvalidArgument, "TOPIC_COLLIDES"),
        BrokerError::InvalidPartitions { .. } => (Code::InvalidArgument, "INVALID_PARTITIONS"),
        BrokerError::InvalidReplicationFactor { .. } | BrokerError::TooFewNodes { .. } => {
            (Code::InvalidArgument, "INVALID_REPLICATION_FACTOR")
        }
        BrokerError::InvalidReplicaAssignment { .. } => (Code::InvalidArgument, "INVALID_REPLICA_ASSIGNMENT"),
        BrokerError::NotController => (Code::Unavailable, "NOT_CONTROLLER"),
        BrokerError::ControllerRefused { .. } => (Code::FailedPrecondition, "CONTROLLER_REFUSED"),
        BrokerError::NodeInUse { .. } => (Code::FailedPrecondition, "NODE_IN_USE"),
        BrokerError::ElectionNotNeeded { .. } => (Code::FailedPrecondition, "ELECTION_NOT_NEEDED"),
        BrokerError::PreferredLeaderNotAvailable { .. } | BrokerError::NoEligibleLeader { .. } => {
            (Code::Unavailable, "NO_ELIGIBLE_LEADER")
        }
        // It was appended and may still be agreed on.
        BrokerError::NoMajority { .. } => (Code::DeadlineExceeded, "NO_MAJORITY"),
        BrokerError::NoReassignment { .. } => (Code::NotFound, "NO_REASSIGNMENT"),
        BrokerError::InvalidRequest { .. } => (Code::InvalidArgument, "INVALID_REQUEST"),
        BrokerError::InvalidConfig(_) => (Code::InvalidArgument, "INVALID_CONFIG"),
        BrokerError::PolicyViolation { .. } => (Code::FailedPrecondition, "POLICY_VIOLATION"),
        BrokerError::TopicDeletionDisabled => (Code::FailedPrecondition, "TOPIC_DELETION_DISABLED"),
        BrokerError::UnknownNode { .. } => (Code::NotFound, "UNKNOWN_NODE"),
        BrokerError::NotLeader { .. } => (Code::Unavailable, "NOT_LEADER"),
        BrokerError::FencedLeaderEpoch { .. } | BrokerError::UnknownLeaderEpoch { .. } => {
            (Code::Aborted, "WRONG_LEADER_EPOCH")
        }
        BrokerError::OffsetOutOfRange { .. } => (Code::OutOfRange, "OFFSET_OUT_OF_RANGE"),
        BrokerError::NotEnoughReplicas { .. } => (Code::Unavailable, "NOT_ENOUGH_REPLICAS"),
        BrokerError::Check(_) | BrokerError::Producer(_) => (Code::InvalidArgument, "INVALID_RECORD"),
        BrokerError::LogUnavailable { .. } | BrokerError::Storage(_) => {
            (Code::Unavailable, "LOG_UNAVAILABLE")
        }
        BrokerError::Denied { .. } => (Code::PermissionDenied, "DENIED"),
        BrokerError::Closing => (Code::Unavailable, "CLOSING"),
    }
}

impl From<&GroupError> for Refusal {
    fn from(error: &GroupError) -> Self {
        let (code, reason) = match error {
            GroupError::InvalidGroupId => (Code::InvalidArgument, "INVALID_GROUP"),
            GroupError::NotFound { .. } => (Code::NotFound, "GROUP_NOT_FOUND"),
            GroupError::NotEmpty { .. } => (Code::FailedPrecondition, "GROUP_NOT_EMPTY"),
            GroupError::Subscribed { .. } => (Code::FailedPrecondition, "GROUP_SUBSCRIBED"),
            GroupError::UnknownPartition { .. } => (Code::NotFound, "UNKNOWN_PARTITION"),
            GroupError::Loading { .. } => (Code::Unavailable, "GROUPS_LOADING"),
            GroupError::NotCoordinator { .. } => (Code::Unavailable, "NOT_COORDINATOR"),
            GroupError::NotAvailable { .. } => (Code::Unavailable, "COORDINATOR_NOT_AVAILABLE"),
            // Answers to members, which no call of this door is.
            GroupError::InvalidSessionTimeout { .. }
            | GroupError::UnknownMember { .. }
            | GroupError::MemberIdRequired { .. }
            | GroupError::FencedInstance { .. }
            | GroupError::IllegalGeneration { .. }
            | GroupError::RebalanceInProgress { .. }
            | GroupError::InconsistentProtocol { .. }
            | GroupError::GroupFull { .. }
            | GroupError::TooLarge { .. }
            | GroupError::OffsetMetadataTooLarge { .. } => (Code::FailedPrecondition, "GROUP_REFUSED"),
        };
        Self::new(code, reason, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Offset;

    #[test]
    fn an_offset_out_of_range_says_what_was_asked_and_what_there_is() {
        let error = BrokerError::OffsetOutOfRange { asked: 9, start: Offset(2), end: Offset(5) };
        let status = Status::from(Refusal::from(error));
        assert_eq!(status.code(), Code::OutOfRange);
        let details = status.get_error_details();
        let info = details.error_info().unwrap();
        assert_eq!((info.reason.as_str(), info.domain.as_str()), ("OFFSET_OUT_OF_RANGE", "bateau"));
        assert_eq!(
            (&*info.metadata["asked"], &*info.metadata["start"], &*info.metadata["end"]),
            ("9", "2", "5")
        );
        assert_eq!(details.localized_message().unwrap().locale, "en-US");
    }

    #[test]
    fn only_what_another_try_may_mend_is_unavailable() {
        let code = |error: BrokerError| Refusal::from(error).code;
        assert_eq!(code(BrokerError::NotLeader { partition: "t-0".into() }), Code::Unavailable);
        assert_eq!(code(BrokerError::NoMajority { partition: "t-0".into() }), Code::DeadlineExceeded);
        assert_eq!(code(BrokerError::UnknownTopic { topic: "t".into() }), Code::NotFound);
    }
}
