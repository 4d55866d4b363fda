//! Schemas of the requests about topics: listed, described, made, grown, deleted.

use super::super::field::{BOOL, Field, INT16, INT32, Request, Type, UUID, field, request};

pub(super) const REQUESTS: &[Request] = &[
    request(3, "Metadata", METADATA).versions(0, 13).flexible_from(9),
    request(19, "CreateTopics", CREATE_TOPICS).versions(2, 7).flexible_from(5),
    request(20, "DeleteTopics", DELETE_TOPICS).versions(1, 6).flexible_from(4),
    request(37, "CreatePartitions", CREATE_PARTITIONS).versions(0, 3).flexible_from(2),
    request(75, "DescribeTopicPartitions", DESCRIBE_TOPIC_PARTITIONS).flexible_from(0),
];

/// v1 null means all topics · v9 flexible · v10 topic ids.
const METADATA: &[Field] = &[
    field("Topics", Type::Array(&Type::Struct(METADATA_TOPIC))).nullable_since(1),
    field("AllowAutoTopicCreation", BOOL).since(4),
    field("IncludeClusterAuthorizedOperations", BOOL).since(8).until(10),
    field("IncludeTopicAuthorizedOperations", BOOL).since(8),
];
const METADATA_TOPIC: &[Field] =
    &[field("TopicId", UUID).since(10), field("Name", Type::String).nullable_since(10)];

const CREATE_TOPICS: &[Field] = &[
    field("Topics", Type::Array(&Type::Struct(CREATE_TOPIC))),
    field("TimeoutMs", INT32),
    field("ValidateOnly", BOOL),
];
const CREATE_TOPIC: &[Field] = &[
    field("Name", Type::String),
    field("NumPartitions", INT32),
    field("ReplicationFactor", INT16),
    field("Assignments", Type::Array(&Type::Struct(CREATE_TOPIC_ASSIGNMENT))),
    field("Configs", Type::Array(&Type::Struct(CREATE_TOPIC_CONFIG))),
];
const CREATE_TOPIC_ASSIGNMENT: &[Field] =
    &[field("PartitionIndex", INT32), field("BrokerIds", Type::Array(&INT32))];
const CREATE_TOPIC_CONFIG: &[Field] = &[field("Name", Type::String), field("Value", Type::String).nullable()];

/// v4 flexible · v6 by topic id.
const DELETE_TOPICS: &[Field] = &[
    field("Topics", Type::Array(&Type::Struct(DELETE_TOPIC))).since(6),
    field("TopicNames", Type::Array(&Type::String)).until(5),
    field("TimeoutMs", INT32),
];
const DELETE_TOPIC: &[Field] = &[field("Name", Type::String).nullable(), field("TopicId", UUID)];

const CREATE_PARTITIONS: &[Field] = &[
    field("Topics", Type::Array(&Type::Struct(CREATE_PARTITIONS_TOPIC))),
    field("TimeoutMs", INT32),
    field("ValidateOnly", BOOL),
];
const CREATE_PARTITIONS_TOPIC: &[Field] = &[
    field("Name", Type::String),
    field("Count", INT32),
    field("Assignments", Type::Array(&Type::Struct(CREATE_PARTITIONS_ASSIGNMENT))).nullable(),
];
const CREATE_PARTITIONS_ASSIGNMENT: &[Field] = &[field("BrokerIds", Type::Array(&INT32))];

/// KIP-966.
const DESCRIBE_TOPIC_PARTITIONS: &[Field] = &[
    field("Topics", Type::Array(&Type::Struct(DESCRIBE_TOPIC_PARTITIONS_TOPIC))),
    field("ResponsePartitionLimit", INT32),
    field("Cursor", Type::Struct(DESCRIBE_TOPIC_PARTITIONS_CURSOR)).nullable(),
];
const DESCRIBE_TOPIC_PARTITIONS_TOPIC: &[Field] = &[field("Name", Type::String)];
const DESCRIBE_TOPIC_PARTITIONS_CURSOR: &[Field] =
    &[field("TopicName", Type::String), field("PartitionIndex", INT32)];
