//! From situations to a status and Kafka's name for it, and nowhere else.

#![deny(
    clippy::wildcard_enum_match_arm,
    clippy::match_wildcard_for_single_variants,
    reason = "a new failure must choose its status"
)]

use axum::http::StatusCode;

use super::problem::Problem;
use crate::access::ResourceKind;
use crate::broker::BrokerError;
use crate::coordinator::GroupError;
use crate::partition::CheckError;
use crate::storage::StorageError;

impl From<BrokerError> for Problem {
    fn from(error: BrokerError) -> Self {
        Self::from(&error)
    }
}

impl From<&BrokerError> for Problem {
    fn from(error: &BrokerError) -> Self {
        let (status, kind, kafka) = of_broker(error);
        let problem = Self::new(status, kind, error.to_string()).of_kafka(kafka);
        if let BrokerError::OffsetOutOfRange { start, end, .. } = error {
            return problem.with("start", start.0).with("end", end.0);
        }
        problem
    }
}

type Chosen = (StatusCode, &'static str, &'static str);

fn of_broker(error: &BrokerError) -> Chosen {
    use StatusCode as S;
    match error {
        BrokerError::UnknownTopic { .. } => (S::NOT_FOUND, "unknown-topic", "UNKNOWN_TOPIC_OR_PARTITION"),
        BrokerError::UnknownPartition { .. } => {
            (S::NOT_FOUND, "unknown-partition", "UNKNOWN_TOPIC_OR_PARTITION")
        }
        BrokerError::UnknownTopicId { .. } => (S::NOT_FOUND, "unknown-topic", "UNKNOWN_TOPIC_ID"),
        BrokerError::InvalidTopicName { .. } => {
            (S::UNPROCESSABLE_ENTITY, "invalid-topic-name", "INVALID_TOPIC_EXCEPTION")
        }
        BrokerError::TopicCollides { .. } => (S::CONFLICT, "topic-collides", "INVALID_TOPIC_EXCEPTION"),
        BrokerError::TopicExists { .. } => (S::CONFLICT, "topic-exists", "TOPIC_ALREADY_EXISTS"),
        BrokerError::InvalidPartitions { .. } => {
            (S::UNPROCESSABLE_ENTITY, "invalid-partitions", "INVALID_PARTITIONS")
        }
        BrokerError::InvalidReplicationFactor { .. } | BrokerError::TooFewNodes { .. } => {
            (S::UNPROCESSABLE_ENTITY, "invalid-replication-factor", "INVALID_REPLICATION_FACTOR")
        }
        BrokerError::InvalidReplicaAssignment { .. } => {
            (S::UNPROCESSABLE_ENTITY, "invalid-replica-assignment", "INVALID_REPLICA_ASSIGNMENT")
        }
        BrokerError::InvalidRequest { .. } => (S::UNPROCESSABLE_ENTITY, "invalid-request", "INVALID_REQUEST"),
        BrokerError::InvalidConfig(_) => (S::UNPROCESSABLE_ENTITY, "invalid-config", "INVALID_CONFIG"),
        BrokerError::PolicyViolation { .. } => {
            (S::UNPROCESSABLE_ENTITY, "policy-violation", "POLICY_VIOLATION")
        }
        BrokerError::TopicDeletionDisabled => (S::FORBIDDEN, "deletion-disabled", "TOPIC_DELETION_DISABLED"),
        BrokerError::OffsetOutOfRange { .. } => {
            (S::RANGE_NOT_SATISFIABLE, "offset-out-of-range", "OFFSET_OUT_OF_RANGE")
        }
        BrokerError::NotController => (S::SERVICE_UNAVAILABLE, "no-controller", "NOT_CONTROLLER"),
        BrokerError::NotLeader { .. } => (S::SERVICE_UNAVAILABLE, "no-leader", "NOT_LEADER_OR_FOLLOWER"),
        BrokerError::Closing => (S::SERVICE_UNAVAILABLE, "closing", "NOT_LEADER_OR_FOLLOWER"),
        BrokerError::NotEnoughReplicas { .. } => {
            (S::SERVICE_UNAVAILABLE, "not-enough-replicas", "NOT_ENOUGH_REPLICAS")
        }
        // Not 503, after which a client would send it again: it may have been written.
        BrokerError::NoMajority { .. } => (S::GATEWAY_TIMEOUT, "no-majority", "REQUEST_TIMED_OUT"),
        BrokerError::LogUnavailable { .. } => {
            (S::SERVICE_UNAVAILABLE, "log-unavailable", "KAFKA_STORAGE_ERROR")
        }
        BrokerError::FencedLeaderEpoch { .. } => {
            (S::SERVICE_UNAVAILABLE, "fenced-leader-epoch", "FENCED_LEADER_EPOCH")
        }
        BrokerError::UnknownLeaderEpoch { .. } => {
            (S::SERVICE_UNAVAILABLE, "unknown-leader-epoch", "UNKNOWN_LEADER_EPOCH")
        }
        BrokerError::Denied { kind } => (S::FORBIDDEN, "not-authorized", of_denied(*kind)),
        BrokerError::Check(error) => of_check(error),
        BrokerError::Producer(_) => (S::CONFLICT, "out-of-order", "OUT_OF_ORDER_SEQUENCE_NUMBER"),
        BrokerError::Storage(error) => of_storage(error),
        BrokerError::ControllerRefused { .. } => {
            (S::INTERNAL_SERVER_ERROR, "refused-by-another-node", "UNKNOWN_SERVER_ERROR")
        }
        BrokerError::NodeInUse { .. } => (S::CONFLICT, "node-in-use", "INVALID_REQUEST"),
        BrokerError::UnknownNode { .. } => (S::NOT_FOUND, "unknown-node", "INVALID_REQUEST"),
        BrokerError::ElectionNotNeeded { .. } => (S::CONFLICT, "election-not-needed", "ELECTION_NOT_NEEDED"),
        BrokerError::PreferredLeaderNotAvailable { .. } => {
            (S::SERVICE_UNAVAILABLE, "preferred-leader-not-available", "PREFERRED_LEADER_NOT_AVAILABLE")
        }
        BrokerError::NoEligibleLeader { .. } => {
            (S::SERVICE_UNAVAILABLE, "no-eligible-leader", "ELIGIBLE_LEADERS_NOT_AVAILABLE")
        }
        BrokerError::NoReassignment { .. } => {
            (S::NOT_FOUND, "no-reassignment", "NO_REASSIGNMENT_IN_PROGRESS")
        }
    }
}

fn of_denied(kind: ResourceKind) -> &'static str {
    match kind {
        ResourceKind::Topic => "TOPIC_AUTHORIZATION_FAILED",
        ResourceKind::Group => "GROUP_AUTHORIZATION_FAILED",
        ResourceKind::TransactionalId => "TRANSACTIONAL_ID_AUTHORIZATION_FAILED",
        ResourceKind::DelegationToken => "DELEGATION_TOKEN_AUTHORIZATION_FAILED",
        ResourceKind::Cluster | ResourceKind::User | ResourceKind::Any | ResourceKind::Unknown => {
            "CLUSTER_AUTHORIZATION_FAILED"
        }
    }
}

fn of_check(error: &CheckError) -> Chosen {
    use StatusCode as S;
    match error {
        CheckError::TooLarge { .. } => (S::PAYLOAD_TOO_LARGE, "record-too-large", "MESSAGE_TOO_LARGE"),
        CheckError::LargerThanSegment { .. } => {
            (S::PAYLOAD_TOO_LARGE, "record-too-large", "RECORD_LIST_TOO_LARGE")
        }
        CheckError::Timestamps { .. } => (S::UNPROCESSABLE_ENTITY, "invalid-timestamp", "INVALID_TIMESTAMP"),
        CheckError::Keyless { .. } => (S::UNPROCESSABLE_ENTITY, "key-needed", "INVALID_RECORD"),
        CheckError::BatchCount { .. }
        | CheckError::Invalid { .. }
        | CheckError::Record(_)
        | CheckError::ProducerEpoch { .. }
        | CheckError::Magic { .. }
        | CheckError::Corrupt(_)
        | CheckError::Compression(_) => (S::INTERNAL_SERVER_ERROR, "batch-refused", "INVALID_RECORD"),
    }
}

fn of_storage(error: &StorageError) -> Chosen {
    use StatusCode as S;
    match error {
        StorageError::OffsetOutOfRange { .. } => {
            (S::RANGE_NOT_SATISFIABLE, "offset-out-of-range", "OFFSET_OUT_OF_RANGE")
        }
        StorageError::DiskLow { .. } => (S::INSUFFICIENT_STORAGE, "disk-low", "KAFKA_STORAGE_ERROR"),
        StorageError::Io { .. }
        | StorageError::Corrupt { .. }
        | StorageError::IndexOutOfRange { .. }
        | StorageError::Poisoned { .. }
        | StorageError::Foreign { .. }
        | StorageError::ForeignDirectory { .. }
        | StorageError::Locked { .. }
        | StorageError::BelowSnapshot { .. }
        | StorageError::CutWhileRead => (S::SERVICE_UNAVAILABLE, "log-unavailable", "KAFKA_STORAGE_ERROR"),
    }
}

impl From<GroupError> for Problem {
    fn from(error: GroupError) -> Self {
        use StatusCode as S;
        let (status, kind, kafka) = match &error {
            GroupError::NotFound { .. } => (S::NOT_FOUND, "unknown-group", "GROUP_ID_NOT_FOUND"),
            GroupError::NotEmpty { .. } => (S::CONFLICT, "group-not-empty", "NON_EMPTY_GROUP"),
            GroupError::InvalidGroupId => (S::UNPROCESSABLE_ENTITY, "invalid-group", "INVALID_GROUP_ID"),
            GroupError::Loading { .. } => {
                (S::SERVICE_UNAVAILABLE, "group-loading", "COORDINATOR_LOAD_IN_PROGRESS")
            }
            GroupError::NotCoordinator { .. } => {
                (S::SERVICE_UNAVAILABLE, "no-coordinator", "NOT_COORDINATOR")
            }
            GroupError::NotAvailable { .. } => {
                (S::SERVICE_UNAVAILABLE, "no-coordinator", "COORDINATOR_NOT_AVAILABLE")
            }
            // Nothing here joins, syncs or commits.
            GroupError::InvalidSessionTimeout { .. }
            | GroupError::UnknownMember { .. }
            | GroupError::MemberIdRequired { .. }
            | GroupError::FencedInstance { .. }
            | GroupError::IllegalGeneration { .. }
            | GroupError::RebalanceInProgress { .. }
            | GroupError::InconsistentProtocol { .. }
            | GroupError::GroupFull { .. }
            | GroupError::TooLarge { .. }
            | GroupError::Subscribed { .. }
            | GroupError::OffsetMetadataTooLarge { .. }
            | GroupError::UnknownPartition { .. } => {
                (S::INTERNAL_SERVER_ERROR, "group-refused", "UNKNOWN_SERVER_ERROR")
            }
        };
        Self::new(status, kind, error.to_string()).of_kafka(kafka)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Offset;

    #[test]
    fn an_offset_out_of_range_comes_with_the_range() {
        let error = BrokerError::OffsetOutOfRange { asked: 9, start: Offset(2), end: Offset(5) };
        let json = Problem::from(error).to_json();
        assert_eq!((&json["status"], &json["start"], &json["end"]), (&416.into(), &2.into(), &5.into()));
    }

    #[test]
    fn what_may_have_been_written_is_not_to_be_sent_again() {
        let problem = Problem::from(BrokerError::NoMajority { partition: "t-0".into() });
        assert_eq!(problem.status, StatusCode::GATEWAY_TIMEOUT);
    }
}
