//! Schemas of the requests about configurations, the cluster and its nodes.

use super::super::field::{BOOL, Field, INT8, INT16, INT32, Request, Type, field, request};

pub(super) const REQUESTS: &[Request] = &[
    request(18, "ApiVersions", API_VERSIONS).versions(0, 4).flexible_from(3),
    request(32, "DescribeConfigs", DESCRIBE_CONFIGS).versions(1, 4).flexible_from(4),
    request(33, "AlterConfigs", ALTER_CONFIGS).versions(0, 2).flexible_from(2),
    request(35, "DescribeLogDirs", DESCRIBE_LOG_DIRS).versions(1, 5).flexible_from(2),
    request(43, "ElectLeaders", ELECT_LEADERS).versions(0, 2).flexible_from(2),
    request(44, "IncrementalAlterConfigs", INCREMENTAL_ALTER_CONFIGS).versions(0, 1).flexible_from(1),
    request(45, "AlterPartitionReassignments", ALTER_REASSIGNMENTS).versions(0, 1).flexible_from(0),
    request(46, "ListPartitionReassignments", LIST_REASSIGNMENTS).flexible_from(0),
    request(55, "DescribeQuorum", DESCRIBE_QUORUM).versions(0, 2).flexible_from(0),
    request(57, "UpdateFeatures", UPDATE_FEATURES).versions(0, 2).flexible_from(0),
    request(60, "DescribeCluster", DESCRIBE_CLUSTER).versions(0, 2).flexible_from(0),
    request(64, "UnregisterBroker", UNREGISTER_BROKER).flexible_from(0),
    request(74, "ListConfigResources", LIST_CONFIG_RESOURCES).versions(0, 1).flexible_from(0),
];

/// v3 flexible, with the client's name (KIP-511).
const API_VERSIONS: &[Field] = &[
    field("ClientSoftwareName", Type::String).since(3),
    field("ClientSoftwareVersion", Type::String).since(3),
];

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

/// v0 is gone since Kafka 4.0.
const DESCRIBE_LOG_DIRS: &[Field] =
    &[field("Topics", Type::Array(&Type::Struct(DESCRIBE_LOG_DIRS_TOPIC))).nullable()];
const DESCRIBE_LOG_DIRS_TOPIC: &[Field] =
    &[field("Topic", Type::String), field("Partitions", Type::Array(&INT32))];

/// v1 election type (KIP-460).
const ELECT_LEADERS: &[Field] = &[
    field("ElectionType", INT8).since(1),
    field("TopicPartitions", Type::Array(&Type::Struct(ELECT_LEADERS_TOPIC))).nullable(),
    field("TimeoutMs", INT32),
];
const ELECT_LEADERS_TOPIC: &[Field] =
    &[field("Topic", Type::String), field("Partitions", Type::Array(&INT32))];

/// KIP-455. v1 whether the replication factor may change (KIP-860).
const ALTER_REASSIGNMENTS: &[Field] = &[
    field("TimeoutMs", INT32),
    field("AllowReplicationFactorChange", BOOL).since(1),
    field("Topics", Type::Array(&Type::Struct(ALTER_REASSIGNMENTS_TOPIC))),
];
const ALTER_REASSIGNMENTS_TOPIC: &[Field] = &[
    field("Name", Type::String),
    field("Partitions", Type::Array(&Type::Struct(ALTER_REASSIGNMENTS_PARTITION))),
];
const ALTER_REASSIGNMENTS_PARTITION: &[Field] =
    &[field("PartitionIndex", INT32), field("Replicas", Type::Array(&INT32)).nullable()];

const LIST_REASSIGNMENTS: &[Field] = &[
    field("TimeoutMs", INT32),
    field("Topics", Type::Array(&Type::Struct(LIST_REASSIGNMENTS_TOPIC))).nullable(),
];
const LIST_REASSIGNMENTS_TOPIC: &[Field] =
    &[field("Name", Type::String), field("PartitionIndexes", Type::Array(&INT32))];

/// KIP-595.
const DESCRIBE_QUORUM: &[Field] = &[field("Topics", Type::Array(&Type::Struct(DESCRIBE_QUORUM_TOPIC)))];
const DESCRIBE_QUORUM_TOPIC: &[Field] = &[
    field("TopicName", Type::String),
    field("Partitions", Type::Array(&Type::Struct(DESCRIBE_QUORUM_PARTITION))),
];
const DESCRIBE_QUORUM_PARTITION: &[Field] = &[field("PartitionIndex", INT32)];

/// KIP-584. v1 kinds of upgrade, validation alone (KIP-778).
const UPDATE_FEATURES: &[Field] = &[
    field("TimeoutMs", INT32),
    field("FeatureUpdates", Type::Array(&Type::Struct(UPDATE_FEATURES_UPDATE))),
    field("ValidateOnly", BOOL).since(1),
];
const UPDATE_FEATURES_UPDATE: &[Field] = &[
    field("Feature", Type::String),
    field("MaxVersionLevel", INT16),
    field("AllowDowngrade", BOOL).until(0),
    field("UpgradeType", INT8).since(1),
];

const UNREGISTER_BROKER: &[Field] = &[field("BrokerId", INT32)];

/// v1 kinds of resources (KIP-1142); before, client metrics alone.
const LIST_CONFIG_RESOURCES: &[Field] = &[field("ResourceTypes", Type::Array(&INT8)).since(1)];
