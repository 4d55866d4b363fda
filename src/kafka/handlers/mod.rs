//! The table of all APIs, one file each. Handlers decode nothing, hold no state, and ask `broker`.

mod acl;
mod alter_configs;
mod alter_partition_reassignments;
mod alter_user_scram_credentials;
mod api_versions;
mod create_acls;
mod create_partitions;
mod create_topics;
mod delete_acls;
mod delete_groups;
mod delete_records;
mod delete_topics;
mod describe_acls;
mod describe_cluster;
mod describe_configs;
mod describe_groups;
mod describe_log_dirs;
mod describe_producers;
mod describe_quorum;
mod describe_topic_partitions;
mod describe_user_scram_credentials;
mod elect_leaders;
mod fetch;
mod find_coordinator;
mod heartbeat;
mod incremental_alter_configs;
mod init_producer_id;
mod join_group;
mod leave_group;
mod list_config_resources;
mod list_groups;
mod list_offsets;
mod list_partition_reassignments;
mod metadata;
mod offset_commit;
mod offset_delete;
mod offset_fetch;
mod offset_for_leader_epoch;
mod produce;
mod resource;
mod sasl_authenticate;
mod sasl_handshake;
mod sync_group;
mod unregister_broker;
mod update_features;

use super::api::Api;
use crate::broker::{Broker, BrokerError, LeaderView};
use crate::cluster::{MetadataImage, TopicImage};
use crate::model::{LeaderEpoch, PartitionId};

pub(super) use api_versions::unsupported as unsupported_api_versions;

/// Every API that is served, busiest first. `ApiVersions` answers from it.
pub(super) const APIS: &[Api] = &[
    Api::pipelined::<produce::Produce>(),
    Api::of::<fetch::Fetch>(),
    Api::of::<heartbeat::Heartbeat>(),
    Api::of::<offset_commit::OffsetCommit>(),
    Api::of::<list_offsets::ListOffsets>(),
    Api::of::<metadata::Metadata>(),
    Api::of::<api_versions::ApiVersions>(),
    Api::of::<find_coordinator::FindCoordinator>(),
    Api::of::<join_group::JoinGroup>(),
    Api::of::<sync_group::SyncGroup>(),
    Api::of::<leave_group::LeaveGroup>(),
    Api::of::<offset_fetch::OffsetFetch>(),
    Api::of::<describe_groups::DescribeGroups>(),
    Api::of::<list_groups::ListGroups>(),
    Api::of::<delete_groups::DeleteGroups>(),
    Api::of::<offset_delete::OffsetDelete>(),
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
    Api::of::<describe_topic_partitions::DescribeTopicPartitions>(),
    Api::of::<describe_log_dirs::DescribeLogDirs>(),
    Api::of::<list_config_resources::ListConfigResources>(),
    Api::of::<elect_leaders::ElectLeaders>(),
    Api::of::<alter_partition_reassignments::AlterPartitionReassignments>(),
    Api::of::<list_partition_reassignments::ListPartitionReassignments>(),
    Api::of::<describe_quorum::DescribeQuorum>(),
    Api::of::<update_features::UpdateFeatures>(),
    Api::of::<describe_producers::DescribeProducers>(),
    Api::of::<unregister_broker::UnregisterBroker>(),
    Api::of::<sasl_handshake::SaslHandshake>(),
    Api::of::<sasl_authenticate::SaslAuthenticate>(),
    Api::of::<describe_acls::DescribeAcls>(),
    Api::of::<create_acls::CreateAcls>(),
    Api::of::<delete_acls::DeleteAcls>(),
    Api::of::<describe_user_scram_credentials::DescribeUserScramCredentials>(),
    Api::of::<alter_user_scram_credentials::AlterUserScramCredentials>(),
];

/// Where the leader is, for a client that looked for it at the wrong node or with an old epoch (KIP-951). A guess is not
/// told: while nobody is known to lead, the client has to ask for metadata.
fn leader_instead(
    broker: &Broker,
    topic: &TopicImage,
    partition: PartitionId,
    error: &BrokerError,
) -> Option<LeaderView> {
    let is_fenced = matches!(error, BrokerError::FencedLeaderEpoch { .. });
    if !is_fenced && !matches!(error, BrokerError::NotLeader { .. }) {
        return None;
    }
    let leader = broker.leader(topic, partition);
    let is_elsewhere = is_fenced || leader.node != broker.node_id();
    let is_known = leader.node >= 0 && leader.epoch > LeaderEpoch(0);
    (is_elsewhere && is_known).then_some(leader)
}

fn exists(image: &MetadataImage, topic: &str, partition: PartitionId) -> bool {
    image.topic(topic).is_some_and(|topic| topic.partition(partition).is_some())
}

/// An epoch as a client may know it. Only -1 means that it knows none; Kafka fences all other negative ones.
fn epoch(epoch: i32) -> Option<LeaderEpoch> {
    (epoch != -1).then_some(LeaderEpoch(epoch))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::ResourceKind;
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
            (8, 2, 10),
            (9, 1, 10),
            (10, 0, 6),
            (11, 0, 9),
            (12, 0, 4),
            (13, 0, 5),
            (14, 0, 5),
            (15, 0, 6),
            (16, 0, 5),
            (17, 0, 1),
            (18, 0, 4),
            (19, 2, 7),
            (20, 1, 6),
            (21, 0, 2),
            (22, 0, 5),
            (23, 2, 4),
            (29, 1, 3),
            (30, 1, 3),
            (31, 1, 3),
            (32, 1, 4),
            (33, 0, 2),
            (35, 1, 5),
            (36, 0, 2),
            (37, 0, 3),
            (42, 0, 2),
            (43, 0, 2),
            (44, 0, 1),
            (45, 0, 1),
            (46, 0, 0),
            (47, 0, 0),
            (50, 0, 0),
            (51, 0, 0),
            (55, 0, 2),
            (57, 0, 2),
            (60, 0, 2),
            (61, 0, 0),
            (64, 0, 0),
            (74, 0, 1),
            (75, 0, 0),
        ] {
            assert!(listed.contains(&kafka), "{kafka:?}");
        }
    }

    #[test]
    fn what_changes_the_cluster_is_for_the_controller() {
        let for_controller: Vec<i16> =
            APIS.iter().filter(|api| api.for_controller).map(|api| api.key as i16).collect();
        assert_eq!(for_controller, [19, 20, 33, 37, 44, 45, 55, 57, 64, 30, 31, 51]);
    }

    #[test]
    fn operations_are_what_kafka_answers_without_an_authorizer() {
        let kinds = [ResourceKind::Topic, ResourceKind::Cluster, ResourceKind::Group];
        assert_eq!(kinds.map(ResourceKind::operation_bits), [3576, 8096, 3400]);
    }
}
