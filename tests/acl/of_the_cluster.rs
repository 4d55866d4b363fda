//! What APIs about the cluster need.

use kafka_protocol::messages::alter_partition_reassignments_request::{
    ReassignablePartition, ReassignableTopic,
};
use kafka_protocol::messages::describe_quorum_request::{PartitionData, TopicData};
use kafka_protocol::messages::elect_leaders_request::TopicPartitions;
use kafka_protocol::messages::{
    AlterPartitionReassignmentsRequest, BrokerId, DescribeLogDirsRequest, DescribeQuorumRequest,
    ElectLeadersRequest, ListConfigResourcesRequest, ListPartitionReassignmentsRequest,
    UnregisterBrokerRequest, UpdateFeaturesRequest,
};

use crate::client::{Client, topic};
use crate::matrix::{CLUSTER_DENIED, NONE, Permission, Row};
use crate::of_topics::{configs_altered, configs_described, configs_replaced};

const ELECTION_NOT_NEEDED: i16 = 84;
const NO_REASSIGNMENT: i16 = 85;
const BROKER_ID_NOT_REGISTERED: i16 = 102;
const CLUSTER: &str = "cluster:kafka-cluster";
/// `ConfigResource.Type`.
const BROKER: i8 = 4;
const CLIENT_METRICS: i8 = 16;

const fn row(
    what: &'static str,
    needs: Permission,
    call: fn(&mut Client, &crate::matrix::Topics) -> i16,
) -> Row {
    Row { what, given: &[], needs, call, allowed: NONE, denied: CLUSTER_DENIED }
}

pub(crate) const ROWS: &[Row] = &[
    row("DescribeConfigs of a broker", (CLUSTER, "describeconfigs"), |client, _| {
        configs_described(client, BROKER, "1")
    }),
    row("AlterConfigs of a broker", (CLUSTER, "alterconfigs"), |client, _| {
        configs_replaced(client, BROKER, "1")
    }),
    row("IncrementalAlterConfigs of a broker", (CLUSTER, "alterconfigs"), |client, _| {
        configs_altered(client, BROKER, "1")
    }),
    row("DescribeConfigs of a subscription", (CLUSTER, "describeconfigs"), |client, _| {
        configs_described(client, CLIENT_METRICS, "all")
    }),
    row("IncrementalAlterConfigs of a subscription", (CLUSTER, "alterconfigs"), |client, _| {
        configs_altered(client, CLIENT_METRICS, "all")
    }),
    row("ListConfigResources", (CLUSTER, "describeconfigs"), |client, _| {
        client.call(1, &ListConfigResourcesRequest::default()).error_code
    }),
    row("DescribeLogDirs", (CLUSTER, "describe"), |client, _| {
        client.call(4, &DescribeLogDirsRequest::default().with_topics(None)).error_code
    }),
    Row {
        allowed: ELECTION_NOT_NEEDED,
        ..row("ElectLeaders", (CLUSTER, "alter"), |client, _| {
            let asked = TopicPartitions::default().with_topic(topic("orders")).with_partitions(vec![0]);
            let request = ElectLeadersRequest::default().with_topic_partitions(Some(vec![asked]));
            let response = client.call(2, &request.with_timeout_ms(10_000));
            response.replica_election_results[0].partition_result[0].error_code
        })
    },
    Row {
        allowed: NO_REASSIGNMENT,
        ..row("AlterPartitionReassignments", (CLUSTER, "alter"), |client, _| {
            let cancelled = ReassignablePartition::default().with_replicas(None);
            let asked =
                ReassignableTopic::default().with_name(topic("orders")).with_partitions(vec![cancelled]);
            let request = AlterPartitionReassignmentsRequest::default().with_topics(vec![asked]);
            client.call(0, &request.with_timeout_ms(10_000)).responses[0].partitions[0].error_code
        })
    },
    row("ListPartitionReassignments", (CLUSTER, "describe"), |client, _| {
        client.call(0, &ListPartitionReassignmentsRequest::default().with_topics(None)).error_code
    }),
    row("DescribeQuorum", (CLUSTER, "describe"), |client, _| {
        let metadata = TopicData::default()
            .with_topic_name(topic("__cluster_metadata"))
            .with_partitions(vec![PartitionData::default()]);
        client.call(1, &DescribeQuorumRequest::default().with_topics(vec![metadata])).error_code
    }),
    row("UpdateFeatures", (CLUSTER, "alter"), |client, _| {
        client.call(1, &UpdateFeaturesRequest::default()).error_code
    }),
    Row {
        allowed: BROKER_ID_NOT_REGISTERED,
        ..row("UnregisterBroker", (CLUSTER, "alter"), |client, _| {
            client.call(0, &UnregisterBrokerRequest::default().with_broker_id(BrokerId(99))).error_code
        })
    },
];
