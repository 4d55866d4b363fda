//! Schemas of the requests about consumer groups and their offsets.

use super::super::field::{BOOL, Field, INT8, INT32, INT64, Request, Type, UUID, field, request};

pub(super) const REQUESTS: &[Request] = &[
    request(8, "OffsetCommit", OFFSET_COMMIT).versions(2, 10).flexible_from(8),
    request(9, "OffsetFetch", OFFSET_FETCH).versions(1, 10).flexible_from(6),
    request(10, "FindCoordinator", FIND_COORDINATOR).versions(0, 6).flexible_from(3),
    request(11, "JoinGroup", JOIN_GROUP).versions(0, 9).flexible_from(6),
    request(12, "Heartbeat", HEARTBEAT).versions(0, 4).flexible_from(4),
    request(13, "LeaveGroup", LEAVE_GROUP).versions(0, 5).flexible_from(4),
    request(14, "SyncGroup", SYNC_GROUP).versions(0, 5).flexible_from(4),
    request(15, "DescribeGroups", DESCRIBE_GROUPS).versions(0, 6).flexible_from(5),
    request(16, "ListGroups", LIST_GROUPS).versions(0, 5).flexible_from(3),
    request(42, "DeleteGroups", DELETE_GROUPS).versions(0, 2).flexible_from(2),
    request(47, "OffsetDelete", OFFSET_DELETE),
];

/// v5 no retention (KIP-211) · v6 leader epoch (KIP-320) · v7 instance id (KIP-345) · v10 topic ids (KIP-848).
const OFFSET_COMMIT: &[Field] = &[
    field("GroupId", Type::String),
    field("GenerationIdOrMemberEpoch", INT32),
    field("MemberId", Type::String),
    field("GroupInstanceId", Type::String).since(7).nullable(),
    field("RetentionTimeMs", INT64).until(4),
    field("Topics", Type::Array(&Type::Struct(OFFSET_COMMIT_TOPIC))),
];
const OFFSET_COMMIT_TOPIC: &[Field] = &[
    field("Name", Type::String).until(9),
    field("TopicId", UUID).since(10),
    field("Partitions", Type::Array(&Type::Struct(OFFSET_COMMIT_PARTITION))),
];
const OFFSET_COMMIT_PARTITION: &[Field] = &[
    field("PartitionIndex", INT32),
    field("CommittedOffset", INT64),
    field("CommittedLeaderEpoch", INT32).since(6),
    field("CommittedMetadata", Type::String).nullable(),
];

/// v2 null means all topics · v7 stable offsets (KIP-447) · v8 several groups (KIP-709) · v9 member · v10 topic ids.
const OFFSET_FETCH: &[Field] = &[
    field("GroupId", Type::String).until(7),
    field("Topics", Type::Array(&Type::Struct(OFFSET_FETCH_OLD_TOPIC))).until(7).nullable_since(2),
    field("Groups", Type::Array(&Type::Struct(OFFSET_FETCH_GROUP))).since(8),
    field("RequireStable", BOOL).since(7),
];
const OFFSET_FETCH_OLD_TOPIC: &[Field] =
    &[field("Name", Type::String), field("PartitionIndexes", Type::Array(&INT32))];
const OFFSET_FETCH_GROUP: &[Field] = &[
    field("GroupId", Type::String),
    field("MemberId", Type::String).since(9).nullable(),
    field("MemberEpoch", INT32).since(9),
    field("Topics", Type::Array(&Type::Struct(OFFSET_FETCH_TOPIC))).nullable(),
];
const OFFSET_FETCH_TOPIC: &[Field] = &[
    field("Name", Type::String).until(9),
    field("TopicId", UUID).since(10),
    field("PartitionIndexes", Type::Array(&INT32)),
];

/// v1 key type · v4 several keys (KIP-699) · v6 share groups (KIP-932).
const FIND_COORDINATOR: &[Field] = &[
    field("Key", Type::String).until(3),
    field("KeyType", INT8).since(1),
    field("CoordinatorKeys", Type::Array(&Type::String)).since(4),
];

/// v1 rebalance timeout · v5 instance id (KIP-345) · v8 reason (KIP-800).
const JOIN_GROUP: &[Field] = &[
    field("GroupId", Type::String),
    field("SessionTimeoutMs", INT32),
    field("RebalanceTimeoutMs", INT32).since(1),
    field("MemberId", Type::String),
    field("GroupInstanceId", Type::String).since(5).nullable(),
    field("ProtocolType", Type::String),
    field("Protocols", Type::Array(&Type::Struct(JOIN_GROUP_PROTOCOL))),
    field("Reason", Type::String).since(8).nullable(),
];
const JOIN_GROUP_PROTOCOL: &[Field] = &[field("Name", Type::String), field("Metadata", Type::Bytes)];

const HEARTBEAT: &[Field] = &[
    field("GroupId", Type::String),
    field("GenerationId", INT32),
    field("MemberId", Type::String),
    field("GroupInstanceId", Type::String).since(3).nullable(),
];

/// v3 several members (KIP-345) · v5 reason (KIP-800).
const LEAVE_GROUP: &[Field] = &[
    field("GroupId", Type::String),
    field("MemberId", Type::String).until(2),
    field("Members", Type::Array(&Type::Struct(LEAVE_GROUP_MEMBER))).since(3),
];
const LEAVE_GROUP_MEMBER: &[Field] = &[
    field("MemberId", Type::String),
    field("GroupInstanceId", Type::String).nullable(),
    field("Reason", Type::String).since(5).nullable(),
];

/// v3 instance id (KIP-345) · v5 protocol (KIP-559).
const SYNC_GROUP: &[Field] = &[
    field("GroupId", Type::String),
    field("GenerationId", INT32),
    field("MemberId", Type::String),
    field("GroupInstanceId", Type::String).since(3).nullable(),
    field("ProtocolType", Type::String).since(5).nullable(),
    field("ProtocolName", Type::String).since(5).nullable(),
    field("Assignments", Type::Array(&Type::Struct(SYNC_GROUP_ASSIGNMENT))),
];
const SYNC_GROUP_ASSIGNMENT: &[Field] = &[field("MemberId", Type::String), field("Assignment", Type::Bytes)];

const DESCRIBE_GROUPS: &[Field] =
    &[field("Groups", Type::Array(&Type::String)), field("IncludeAuthorizedOperations", BOOL).since(3)];

/// v4 by state (KIP-518) · v5 by type (KIP-848).
const LIST_GROUPS: &[Field] = &[
    field("StatesFilter", Type::Array(&Type::String)).since(4),
    field("TypesFilter", Type::Array(&Type::String)).since(5),
];

const DELETE_GROUPS: &[Field] = &[field("GroupsNames", Type::Array(&Type::String))];

/// KIP-496.
const OFFSET_DELETE: &[Field] =
    &[field("GroupId", Type::String), field("Topics", Type::Array(&Type::Struct(OFFSET_DELETE_TOPIC)))];
const OFFSET_DELETE_TOPIC: &[Field] =
    &[field("Name", Type::String), field("Partitions", Type::Array(&Type::Struct(OFFSET_DELETE_PARTITION)))];
const OFFSET_DELETE_PARTITION: &[Field] = &[field("PartitionIndex", INT32)];
