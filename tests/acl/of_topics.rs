//! What APIs about topics and their records need.

use bateau::model::record::{BatchBuilder, BatchOptions, NewRecord};
use bytes::Bytes;
use kafka_protocol::messages::alter_configs_request::AlterConfigsResource;
use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_protocol::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::describe_producers_request::TopicRequest;
use kafka_protocol::messages::describe_topic_partitions_request::TopicRequest as DescribedTopic;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::incremental_alter_configs_request::AlterConfigsResource as Altered;
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::offset_for_leader_epoch_request::{
    OffsetForLeaderPartition, OffsetForLeaderTopic,
};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{
    AlterConfigsRequest, BrokerId, CreatePartitionsRequest, DeleteRecordsRequest, DeleteTopicsRequest,
    DescribeConfigsRequest, DescribeProducersRequest, DescribeTopicPartitionsRequest, FetchRequest,
    IncrementalAlterConfigsRequest, InitProducerIdRequest, ListOffsetsRequest, MetadataRequest,
    OffsetForLeaderEpochRequest, ProduceRequest,
};
use uuid::Uuid;

use crate::client::{Client, create, text, topic};
use crate::matrix::{CLUSTER_DENIED, NONE, Row, TOPIC_DENIED};

const UNKNOWN_TOPIC: i16 = 3;
const NO_LEADER: i16 = 5;
const COORDINATOR_LOADS: i16 = 14;
const CLUSTER: &str = "cluster:kafka-cluster";
/// `ConfigResource.Type`.
const TOPIC: i8 = 2;

const fn row(
    what: &'static str,
    needs: (&'static str, &'static str),
    call: fn(&mut Client, &crate::matrix::Topics) -> i16,
) -> Row {
    Row { what, given: &[], needs, call, allowed: NONE, denied: TOPIC_DENIED }
}

pub(crate) const ROWS: &[Row] = &[
    row("Produce", ("orders", "write"), |client, _| produced(client, "orders")),
    row("Produce, in the book's word", ("orders", "produce"), |client, _| produced(client, "orders")),
    row("Produce to every topic", ("*", "produce"), |client, _| produced(client, "orders")),
    Row {
        allowed: UNKNOWN_TOPIC,
        ..row("Produce to no topic", ("nothing", "write"), |client, _| produced(client, "nothing"))
    },
    row("Produce by id", ("orders", "write"), |client, topics| {
        let request = produce(TopicProduceData::default().with_topic_id(topics.orders));
        client.call(13, &request).responses[0].partition_responses[0].error_code
    }),
    row("Fetch", ("orders", "read"), |client, _| fetched(client, 12, "orders", Uuid::nil())),
    row("Fetch, in the book's word", ("orders", "consume"), |client, _| {
        fetched(client, 12, "orders", Uuid::nil())
    }),
    row("Fetch by id", ("orders", "read"), |client, topics| fetched(client, 13, "", topics.orders)),
    Row {
        allowed: UNKNOWN_TOPIC,
        ..row("Fetch of no topic", ("nothing", "read"), |client, _| {
            fetched(client, 12, "nothing", Uuid::nil())
        })
    },
    row("ListOffsets", ("orders", "describe"), |client, _| {
        let partition = ListOffsetsPartition::default().with_timestamp(-1).with_current_leader_epoch(-1);
        let asked = ListOffsetsTopic::default().with_name(topic("orders")).with_partitions(vec![partition]);
        let request = ListOffsetsRequest::default().with_replica_id(BrokerId(-1)).with_topics(vec![asked]);
        client.call(7, &request).topics[0].partitions[0].error_code
    }),
    row("OffsetForLeaderEpoch", ("orders", "describe"), |client, _| epoch_asked(client)),
    row("OffsetForLeaderEpoch of a replica", (CLUSTER, "clusteraction"), |client, _| epoch_asked(client)),
    row("Metadata", ("orders", "describe"), |client, _| metadata(client, Some("orders"), Uuid::nil(), false)),
    row("Metadata, which reading implies", ("orders", "read"), |client, _| {
        metadata(client, Some("orders"), Uuid::nil(), false)
    }),
    row("Metadata by id", ("orders", "describe"), |client, topics| {
        metadata(client, None, topics.orders, false)
    }),
    Row {
        allowed: UNKNOWN_TOPIC,
        ..row("Metadata of no topic", ("nothing", "describe"), |client, _| {
            metadata(client, Some("nothing"), Uuid::nil(), false)
        })
    },
    Row {
        given: &[("made", "describe")],
        ..row("Metadata that makes a topic", ("made", "create"), |client, _| {
            metadata(client, Some("made"), Uuid::nil(), true)
        })
    },
    Row {
        given: &[("made-too", "describe")],
        ..row("Metadata that makes any topic", (CLUSTER, "create"), |client, _| {
            metadata(client, Some("made-too"), Uuid::nil(), true)
        })
    },
    row("DescribeTopicPartitions", ("orders", "describe"), |client, _| {
        let asked = DescribedTopic::default().with_name(topic("orders"));
        let request = DescribeTopicPartitionsRequest::default().with_topics(vec![asked]);
        client.call(0, &request).topics[0].error_code
    }),
    row("CreateTopics", ("new", "create"), |client, _| {
        client.call(7, &create("new").with_validate_only(true)).topics[0].error_code
    }),
    row("CreateTopics of any name", (CLUSTER, "create"), |client, _| {
        client.call(7, &create("new").with_validate_only(true)).topics[0].error_code
    }),
    Row {
        given: &[(CLUSTER, "create")],
        ..row("the configuration that CreateTopics tells", ("new", "describeconfigs"), |client, _| {
            let response = client.call(7, &create("new").with_validate_only(true));
            let made = &response.topics[0];
            let tells = made.configs.as_ref().is_some_and(|configs| !configs.is_empty());
            assert_eq!((made.error_code, tells), (NONE, made.topic_config_error_code == NONE));
            assert_eq!(tells, made.num_partitions == 1 && made.replication_factor == 1);
            made.topic_config_error_code
        })
    },
    Row {
        given: &[("doomed", "describe")],
        ..row("DeleteTopics", ("doomed", "delete"), |client, _| deleted(client, Some("doomed"), Uuid::nil()))
    },
    Row {
        allowed: UNKNOWN_TOPIC,
        ..row("DeleteTopics of no topic", ("nothing", "describe"), |client, _| {
            deleted(client, Some("nothing"), Uuid::nil())
        })
    },
    row("DeleteTopics by id", ("doomed-by-id", "delete"), |client, topics| {
        deleted(client, None, topics.doomed)
    }),
    row("CreatePartitions", ("orders", "alter"), |client, _| {
        let asked = CreatePartitionsTopic::default().with_name(topic("orders")).with_count(2);
        let request = CreatePartitionsRequest::default().with_topics(vec![asked.with_assignments(None)]);
        let request = request.with_timeout_ms(10_000).with_validate_only(true);
        client.call(3, &request).results[0].error_code
    }),
    row("DeleteRecords", ("orders", "delete"), |client, _| {
        let asked = DeleteRecordsTopic::default()
            .with_name(topic("orders"))
            .with_partitions(vec![DeleteRecordsPartition::default()]);
        let request = DeleteRecordsRequest::default().with_topics(vec![asked]).with_timeout_ms(10_000);
        client.call(2, &request).topics[0].partitions[0].error_code
    }),
    Row {
        denied: CLUSTER_DENIED,
        ..row("InitProducerId", (CLUSTER, "idempotentwrite"), |client, _| producer_id(client))
    },
    Row {
        denied: CLUSTER_DENIED,
        ..row("InitProducerId of who may write somewhere", ("else", "write"), |client, _| producer_id(client))
    },
    row("DescribeProducers", ("orders", "read"), |client, _| {
        let asked = TopicRequest::default().with_name(topic("orders")).with_partition_indexes(vec![0]);
        let request = DescribeProducersRequest::default().with_topics(vec![asked]);
        client.call(0, &request).topics[0].partitions[0].error_code
    }),
    row("DescribeConfigs", ("orders", "describeconfigs"), |client, _| {
        configs_described(client, TOPIC, "orders")
    }),
    row("AlterConfigs", ("orders", "alterconfigs"), |client, _| configs_replaced(client, TOPIC, "orders")),
    row("IncrementalAlterConfigs", ("orders", "alterconfigs"), |client, _| {
        configs_altered(client, TOPIC, "orders")
    }),
];

fn batch() -> Bytes {
    let mut batch = BatchBuilder::new(BatchOptions::default());
    let record = NewRecord { timestamp: 1_700_000_000_000, key: None, value: Some(b"value"), headers: &[] };
    batch.push(&record).unwrap();
    batch.build().unwrap().into()
}

fn produce(to: TopicProduceData) -> ProduceRequest {
    let data = PartitionProduceData::default().with_records(Some(batch()));
    let topics = vec![to.with_partition_data(vec![data])];
    ProduceRequest::default().with_acks(-1).with_timeout_ms(10_000).with_topic_data(topics)
}

pub(crate) fn produced(client: &mut Client, name: &str) -> i16 {
    let request = produce(TopicProduceData::default().with_name(topic(name)));
    client.call(9, &request).responses[0].partition_responses[0].error_code
}

fn fetched(client: &mut Client, version: i16, name: &str, id: Uuid) -> i16 {
    let wanted = FetchPartition::default().with_partition_max_bytes(1 << 20).with_current_leader_epoch(-1);
    let asked = FetchTopic::default().with_topic(topic(name)).with_topic_id(id).with_partitions(vec![wanted]);
    let request = FetchRequest::default().with_replica_id(BrokerId(-1)).with_max_bytes(1 << 20);
    let response = client.call(version, &request.with_topics(vec![asked]));
    response.responses[0].partitions[0].error_code
}

fn epoch_asked(client: &mut Client) -> i16 {
    let partition = OffsetForLeaderPartition::default().with_current_leader_epoch(-1).with_leader_epoch(1);
    let asked = OffsetForLeaderTopic::default().with_topic(topic("orders")).with_partitions(vec![partition]);
    let request =
        OffsetForLeaderEpochRequest::default().with_replica_id(BrokerId(-1)).with_topics(vec![asked]);
    client.call(4, &request).topics[0].partitions[0].error_code
}

fn metadata(client: &mut Client, name: Option<&str>, id: Uuid, creates: bool) -> i16 {
    let asked = MetadataRequestTopic::default().with_name(name.map(topic)).with_topic_id(id);
    let request =
        MetadataRequest::default().with_topics(Some(vec![asked])).with_allow_auto_topic_creation(creates);
    // A Kafka makes a topic after it has answered.
    let is_made = |code: i16| !creates || ![UNKNOWN_TOPIC, NO_LEADER].contains(&code);
    let response = client.until(12, &request, |response| is_made(response.topics[0].error_code));
    let answer = &response.topics[0];
    // Nobody learns a name by an id, or an id by a name, without permission.
    if answer.error_code == TOPIC_DENIED {
        assert_eq!((answer.name.as_ref().map(|name| name.as_str()), answer.topic_id), (name, id));
    }
    answer.error_code
}

fn deleted(client: &mut Client, name: Option<&str>, id: Uuid) -> i16 {
    let asked = DeleteTopicState::default().with_name(name.map(topic)).with_topic_id(id);
    let request = DeleteTopicsRequest::default().with_topics(vec![asked]).with_timeout_ms(10_000);
    let answer = &client.call(6, &request).responses[0];
    if answer.error_code == TOPIC_DENIED {
        assert_eq!((answer.name.as_ref().map(|name| name.as_str()), answer.topic_id), (name, id));
    }
    answer.error_code
}

fn producer_id(client: &mut Client) -> i16 {
    let request = InitProducerIdRequest::default()
        .with_transactional_id(None)
        .with_producer_id((-1).into())
        .with_producer_epoch(-1);
    // A Kafka may still have to read its producer ids.
    client.until(4, &request, |response| response.error_code != COORDINATOR_LOADS).error_code
}

pub(crate) fn configs_described(client: &mut Client, kind: i8, name: &str) -> i16 {
    let asked = DescribeConfigsResource::default().with_resource_type(kind).with_resource_name(text(name));
    let asked = asked.with_configuration_keys(None);
    client.call(4, &DescribeConfigsRequest::default().with_resources(vec![asked])).results[0].error_code
}

pub(crate) fn configs_replaced(client: &mut Client, kind: i8, name: &str) -> i16 {
    let asked = AlterConfigsResource::default().with_resource_type(kind).with_resource_name(text(name));
    let request = AlterConfigsRequest::default().with_resources(vec![asked]).with_validate_only(true);
    client.call(2, &request).responses[0].error_code
}

pub(crate) fn configs_altered(client: &mut Client, kind: i8, name: &str) -> i16 {
    let asked = Altered::default().with_resource_type(kind).with_resource_name(text(name));
    let request =
        IncrementalAlterConfigsRequest::default().with_resources(vec![asked]).with_validate_only(true);
    client.call(1, &request).responses[0].error_code
}
