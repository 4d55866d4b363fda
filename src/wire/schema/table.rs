//! The table: every request that the walk covers, field by field, as Kafka 4.3's message JSON has them.
//!
//! Fields of versions that no broker speaks any more are left out of the ranges. A new API is one more entry of
//! [`REQUESTS`].

use super::field::{BOOL, Field, INT8, INT16, INT32, INT64, Request, Type, UUID, field, request};

pub(super) const REQUESTS: &[Request] = &[
    request(0, "Produce", PRODUCE).versions(3, 13).flexible_from(9),
    request(1, "Fetch", FETCH).versions(4, 18).flexible_from(12),
    request(2, "ListOffsets", LIST_OFFSETS).versions(1, 11).flexible_from(6),
    request(3, "Metadata", METADATA).versions(0, 13).flexible_from(9),
    request(18, "ApiVersions", API_VERSIONS).versions(0, 4).flexible_from(3),
    request(19, "CreateTopics", CREATE_TOPICS).versions(2, 7).flexible_from(5),
    request(20, "DeleteTopics", DELETE_TOPICS).versions(1, 6).flexible_from(4),
    request(21, "DeleteRecords", DELETE_RECORDS).versions(0, 2).flexible_from(2),
    request(22, "InitProducerId", INIT_PRODUCER_ID).versions(0, 5).flexible_from(2),
    request(23, "OffsetForLeaderEpoch", OFFSET_FOR_LEADER_EPOCH).versions(2, 4).flexible_from(4),
    request(32, "DescribeConfigs", DESCRIBE_CONFIGS).versions(1, 4).flexible_from(4),
    request(33, "AlterConfigs", ALTER_CONFIGS).versions(0, 2).flexible_from(2),
    request(37, "CreatePartitions", CREATE_PARTITIONS).versions(0, 3).flexible_from(2),
    request(44, "IncrementalAlterConfigs", INCREMENTAL_ALTER_CONFIGS).versions(0, 1).flexible_from(1),
    request(60, "DescribeCluster", DESCRIBE_CLUSTER).versions(0, 2).flexible_from(0),
];

/// v9 flexible · v13 topic ids (KIP-516).
const PRODUCE: &[Field] = &[
    field("TransactionalId", Type::String).nullable(),
    field("Acks", INT16),
    field("TimeoutMs", INT32),
    field("TopicData", Type::Array(&Type::Struct(PRODUCE_TOPIC))),
];
const PRODUCE_TOPIC: &[Field] = &[
    field("Name", Type::String).until(12),
    field("TopicId", UUID).since(13),
    field("PartitionData", Type::Array(&Type::Struct(PRODUCE_PARTITION))),
];
const PRODUCE_PARTITION: &[Field] = &[field("Index", INT32), field("Records", Type::Bytes).nullable()];

/// v7 sessions (KIP-227) · v11 rack (KIP-392) · v12 flexible · v13 topic ids · v15 replica state (KIP-903) · v17
/// directory id (KIP-853) · v18 high watermark (KIP-1166).
const FETCH: &[Field] = &[
    field("ClusterId", Type::String).since(12).nullable().tagged(0),
    field("ReplicaId", INT32).until(14),
    field("ReplicaState", Type::Struct(FETCH_REPLICA_STATE)).since(15).tagged(1),
    field("MaxWaitMs", INT32),
    field("MinBytes", INT32),
    field("MaxBytes", INT32),
    field("IsolationLevel", INT8),
    field("SessionId", INT32).since(7),
    field("SessionEpoch", INT32).since(7),
    field("Topics", Type::Array(&Type::Struct(FETCH_TOPIC))),
    field("ForgottenTopicsData", Type::Array(&Type::Struct(FETCH_FORGOTTEN_TOPIC))).since(7),
    field("RackId", Type::String).since(11),
];
const FETCH_REPLICA_STATE: &[Field] = &[field("ReplicaId", INT32), field("ReplicaEpoch", INT64)];
const FETCH_TOPIC: &[Field] = &[
    field("Topic", Type::String).until(12),
    field("TopicId", UUID).since(13),
    field("Partitions", Type::Array(&Type::Struct(FETCH_PARTITION))),
];
const FETCH_PARTITION: &[Field] = &[
    field("Partition", INT32),
    field("CurrentLeaderEpoch", INT32).since(9),
    field("FetchOffset", INT64),
    field("LastFetchedEpoch", INT32).since(12),
    field("LogStartOffset", INT64).since(5),
    field("PartitionMaxBytes", INT32),
    field("ReplicaDirectoryId", UUID).since(17).tagged(0),
    field("HighWatermark", INT64).since(18).tagged(1),
];
const FETCH_FORGOTTEN_TOPIC: &[Field] = &[
    field("Topic", Type::String).until(12),
    field("TopicId", UUID).since(13),
    field("Partitions", Type::Array(&INT32)),
];

/// v4 leader epoch (KIP-320) · v6 flexible · v10 timeout (KIP-1075) · v11 one more special timestamp (KIP-1023).
const LIST_OFFSETS: &[Field] = &[
    field("ReplicaId", INT32),
    field("IsolationLevel", INT8).since(2),
    field("Topics", Type::Array(&Type::Struct(LIST_OFFSETS_TOPIC))),
    field("TimeoutMs", INT32).since(10),
];
const LIST_OFFSETS_TOPIC: &[Field] =
    &[field("Name", Type::String), field("Partitions", Type::Array(&Type::Struct(LIST_OFFSETS_PARTITION)))];
const LIST_OFFSETS_PARTITION: &[Field] =
    &[field("PartitionIndex", INT32), field("CurrentLeaderEpoch", INT32).since(4), field("Timestamp", INT64)];

/// v1 null means all topics · v9 flexible · v10 topic ids.
const METADATA: &[Field] = &[
    field("Topics", Type::Array(&Type::Struct(METADATA_TOPIC))).nullable_since(1),
    field("AllowAutoTopicCreation", BOOL).since(4),
    field("IncludeClusterAuthorizedOperations", BOOL).since(8).until(10),
    field("IncludeTopicAuthorizedOperations", BOOL).since(8),
];
const METADATA_TOPIC: &[Field] =
    &[field("TopicId", UUID).since(10), field("Name", Type::String).nullable_since(10)];

/// v3 flexible, with the client's name (KIP-511).
const API_VERSIONS: &[Field] = &[
    field("ClientSoftwareName", Type::String).since(3),
    field("ClientSoftwareVersion", Type::String).since(3),
];

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

const DELETE_RECORDS: &[Field] =
    &[field("Topics", Type::Array(&Type::Struct(DELETE_RECORDS_TOPIC))), field("TimeoutMs", INT32)];
const DELETE_RECORDS_TOPIC: &[Field] =
    &[field("Name", Type::String), field("Partitions", Type::Array(&Type::Struct(DELETE_RECORDS_PARTITION)))];
const DELETE_RECORDS_PARTITION: &[Field] = &[field("PartitionIndex", INT32), field("Offset", INT64)];

/// v3 an old id to bump (KIP-360). v6 (KIP-939) is unstable in Kafka 4.3 and absent here.
const INIT_PRODUCER_ID: &[Field] = &[
    field("TransactionalId", Type::String).nullable(),
    field("TransactionTimeoutMs", INT32),
    field("ProducerId", INT64).since(3),
    field("ProducerEpoch", INT16).since(3),
];

const OFFSET_FOR_LEADER_EPOCH: &[Field] = &[
    field("ReplicaId", INT32).since(3),
    field("Topics", Type::Array(&Type::Struct(OFFSET_FOR_LEADER_EPOCH_TOPIC))),
];
const OFFSET_FOR_LEADER_EPOCH_TOPIC: &[Field] = &[
    field("Topic", Type::String),
    field("Partitions", Type::Array(&Type::Struct(OFFSET_FOR_LEADER_EPOCH_PARTITION))),
];
const OFFSET_FOR_LEADER_EPOCH_PARTITION: &[Field] =
    &[field("Partition", INT32), field("CurrentLeaderEpoch", INT32), field("LeaderEpoch", INT32)];

const DESCRIBE_CONFIGS: &[Field] = &[
    field("Resources", Type::Array(&Type::Struct(DESCRIBE_CONFIGS_RESOURCE))),
    field("IncludeSynonyms", BOOL),
    field("IncludeDocumentation", BOOL).since(3),
];
const DESCRIBE_CONFIGS_RESOURCE: &[Field] = &[
    field("ResourceType", INT8),
    field("ResourceName", Type::String),
    field("ConfigurationKeys", Type::Array(&Type::String)).nullable(),
];

const ALTER_CONFIGS: &[Field] =
    &[field("Resources", Type::Array(&Type::Struct(ALTER_CONFIGS_RESOURCE))), field("ValidateOnly", BOOL)];
const ALTER_CONFIGS_RESOURCE: &[Field] = &[
    field("ResourceType", INT8),
    field("ResourceName", Type::String),
    field("Configs", Type::Array(&Type::Struct(ALTER_CONFIGS_CONFIG))),
];
const ALTER_CONFIGS_CONFIG: &[Field] =
    &[field("Name", Type::String), field("Value", Type::String).nullable()];

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

/// KIP-339.
const INCREMENTAL_ALTER_CONFIGS: &[Field] = &[
    field("Resources", Type::Array(&Type::Struct(INCREMENTAL_ALTER_CONFIGS_RESOURCE))),
    field("ValidateOnly", BOOL),
];
const INCREMENTAL_ALTER_CONFIGS_RESOURCE: &[Field] = &[
    field("ResourceType", INT8),
    field("ResourceName", Type::String),
    field("Configs", Type::Array(&Type::Struct(INCREMENTAL_ALTER_CONFIGS_CONFIG))),
];
const INCREMENTAL_ALTER_CONFIGS_CONFIG: &[Field] =
    &[field("Name", Type::String), field("ConfigOperation", INT8), field("Value", Type::String).nullable()];

/// KIP-700. v1 endpoint type (KIP-919) · v2 fenced brokers (KIP-1073).
const DESCRIBE_CLUSTER: &[Field] = &[
    field("IncludeClusterAuthorizedOperations", BOOL),
    field("EndpointType", INT8).since(1),
    field("IncludeFencedBrokers", BOOL).since(2),
];
