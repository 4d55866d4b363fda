//! Schemas of the requests about records: produced, fetched, found by time or epoch, deleted; and producer ids.

use super::super::field::{Field, INT8, INT16, INT32, INT64, Request, Type, UUID, field, request};

pub(super) const REQUESTS: &[Request] = &[
    request(0, "Produce", PRODUCE).versions(3, 13).flexible_from(9),
    request(1, "Fetch", FETCH).versions(4, 18).flexible_from(12),
    request(2, "ListOffsets", LIST_OFFSETS).versions(1, 11).flexible_from(6),
    request(21, "DeleteRecords", DELETE_RECORDS).versions(0, 2).flexible_from(2),
    request(22, "InitProducerId", INIT_PRODUCER_ID).versions(0, 5).flexible_from(2),
    request(23, "OffsetForLeaderEpoch", OFFSET_FOR_LEADER_EPOCH).versions(2, 4).flexible_from(4),
    request(61, "DescribeProducers", DESCRIBE_PRODUCERS).flexible_from(0),
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

/// KIP-664.
const DESCRIBE_PRODUCERS: &[Field] = &[field("Topics", Type::Array(&Type::Struct(DESCRIBE_PRODUCERS_TOPIC)))];
const DESCRIBE_PRODUCERS_TOPIC: &[Field] =
    &[field("Name", Type::String), field("PartitionIndexes", Type::Array(&INT32))];
