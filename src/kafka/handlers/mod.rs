//! The table of all APIs, one file each. Handlers decode nothing, hold no state, and ask `broker`.

mod alter_configs;
mod api_versions;
mod create_partitions;
mod create_topics;
mod delete_records;
mod delete_topics;
mod describe_cluster;
mod describe_configs;
mod fetch;
mod incremental_alter_configs;
mod init_producer_id;
mod list_offsets;
mod metadata;
mod offset_for_leader_epoch;
mod produce;
mod resource;

use super::api::Api;
use crate::model::LeaderEpoch;

pub(super) use api_versions::unsupported as unsupported_api_versions;

/// Every API that is served, busiest first. `ApiVersions` answers from it.
pub(super) const APIS: &[Api] = &[
    Api::pipelined::<produce::Produce>(),
    Api::of::<fetch::Fetch>(),
    Api::of::<list_offsets::ListOffsets>(),
    Api::of::<metadata::Metadata>(),
    Api::of::<api_versions::ApiVersions>(),
    Api::of::<create_topics::CreateTopics>(),
    Api::of::<delete_topics::DeleteTopics>(),
    Api::of::<delete_records::DeleteRecords>(),
    Api::of::<init_producer_id::InitProducerId>(),
    Api::of::<offset_for_leader_epoch::OffsetForLeaderEpoch>(),
    Api::of::<describe_configs::DescribeConfigs>(),
    Api::of::<alter_configs::AlterConfigs>(),
    Api::of::<create_partitions::CreatePartitions>(),
    Api::of::<incremental_alter_configs::IncrementalAlterConfigs>(),
    Api::of::<describe_cluster::DescribeCluster>(),
];

/// Operations that a client may do on a topic when nobody restricts it, as Kafka's bit set of `AclOperation` codes:
/// read, write, create, delete, alter, describe, describe and alter configs.
const TOPIC_OPERATIONS: i32 = 0b1101_1111_1000;
/// On the cluster: create, alter, describe, cluster action, describe and alter configs, idempotent write.
const CLUSTER_OPERATIONS: i32 = 0b1_1111_1010_0000;

/// An epoch as a client may know it. Only -1 means that it knows none; Kafka fences all other negative ones.
fn epoch(epoch: i32) -> Option<LeaderEpoch> {
    (epoch != -1).then_some(LeaderEpoch(epoch))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::schema;

    #[test]
    fn each_api_stands_once_in_the_table() {
        let mut keys: Vec<i16> = APIS.iter().map(|api| api.key as i16).collect();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), APIS.len());
    }

    #[test]
    fn every_version_that_is_listed_can_be_walked_and_is_what_kafka_4_3_lists() {
        let listed: Vec<(i16, i16, i16)> =
            APIS.iter().map(|api| (api.key as i16, api.listed.0, api.listed.1)).collect();
        for (key, min, max) in &listed {
            let walked = schema::versions(*key).unwrap();
            assert!(walked.contains(max) && (walked.contains(min) || *key == 0), "key {key}");
        }
        for kafka in [
            (0, 0, 13),
            (1, 4, 18),
            (2, 1, 11),
            (3, 0, 13),
            (18, 0, 4),
            (19, 2, 7),
            (20, 1, 6),
            (21, 0, 2),
            (22, 0, 5),
            (23, 2, 4),
            (32, 1, 4),
            (33, 0, 2),
            (37, 0, 3),
            (44, 0, 1),
            (60, 0, 2),
        ] {
            assert!(listed.contains(&kafka), "{kafka:?}");
        }
    }

    #[test]
    fn operations_are_what_kafka_answers_without_an_authorizer() {
        assert_eq!((TOPIC_OPERATIONS, CLUSTER_OPERATIONS), (3576, 8096));
    }
}
