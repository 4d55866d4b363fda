//! What APIs about groups need.

use bytes::Bytes;
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::offset_delete_request::{
    OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
};
use kafka_protocol::messages::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use kafka_protocol::messages::{
    DeleteGroupsRequest, DescribeGroupsRequest, FindCoordinatorRequest, GroupId, HeartbeatRequest,
    JoinGroupRequest, LeaveGroupRequest, OffsetCommitRequest, OffsetDeleteRequest, OffsetFetchRequest,
    SyncGroupRequest,
};

use crate::client::{Client, text, topic};
use crate::matrix::{GROUP_DENIED, NONE, Permission, Row, TOPIC_DENIED};
use crate::of_topics::{configs_altered, configs_described, configs_replaced};

const UNKNOWN_MEMBER: i16 = 25;
const NOT_FOUND: i16 = 69;
const MEMBER_ID_REQUIRED: i16 = 79;
const BILLING: &str = "group:billing";
/// `ConfigResource.Type`.
const GROUP: i8 = 32;

const fn row(
    what: &'static str,
    needs: Permission,
    call: fn(&mut Client, &crate::matrix::Topics) -> i16,
) -> Row {
    Row { what, given: &[], needs, call, allowed: NONE, denied: GROUP_DENIED }
}

pub(crate) const ROWS: &[Row] = &[
    row("FindCoordinator", (BILLING, "describe"), |client, _| {
        let request = FindCoordinatorRequest::default().with_coordinator_keys(vec![text("billing")]);
        client.call(4, &request).coordinators[0].error_code
    }),
    row("FindCoordinator of one", (BILLING, "describe"), |client, _| {
        client.call(3, &FindCoordinatorRequest::default().with_key(text("billing"))).error_code
    }),
    Row {
        allowed: MEMBER_ID_REQUIRED,
        ..row("JoinGroup", (BILLING, "read"), |client, _| {
            let protocol =
                JoinGroupRequestProtocol::default().with_name(text("range")).with_metadata(Bytes::new());
            let request = JoinGroupRequest::default()
                .with_group_id(billing())
                .with_session_timeout_ms(10_000)
                .with_rebalance_timeout_ms(10_000)
                .with_protocol_type(text("consumer"))
                .with_protocols(vec![protocol]);
            client.call(7, &request).error_code
        })
    },
    Row {
        allowed: UNKNOWN_MEMBER,
        ..row("SyncGroup", (BILLING, "read"), |client, _| {
            let request = SyncGroupRequest::default().with_group_id(billing()).with_member_id(text("nobody"));
            client.call(4, &request).error_code
        })
    },
    Row {
        allowed: UNKNOWN_MEMBER,
        ..row("Heartbeat", (BILLING, "consume"), |client, _| {
            let request = HeartbeatRequest::default().with_group_id(billing()).with_member_id(text("nobody"));
            client.call(4, &request).error_code
        })
    },
    row("LeaveGroup", (BILLING, "read"), |client, _| {
        let member = MemberIdentity::default().with_member_id(text("nobody"));
        let request = LeaveGroupRequest::default().with_group_id(billing()).with_members(vec![member]);
        client.call(4, &request).error_code
    }),
    Row {
        given: &[("orders", "read")],
        ..row("OffsetCommit", (BILLING, "read"), |client, _| committed(client))
    },
    Row {
        given: &[(BILLING, "read")],
        denied: TOPIC_DENIED,
        ..row("OffsetCommit of a topic", ("orders", "read"), |client, _| committed(client))
    },
    Row {
        given: &[("orders", "describe")],
        ..row("OffsetFetch", (BILLING, "describe"), |client, _| offsets_fetched(client).0)
    },
    Row {
        given: &[(BILLING, "describe")],
        denied: TOPIC_DENIED,
        ..row("OffsetFetch of a topic", ("orders", "describe"), |client, _| {
            let (of_group, of_partition) = offsets_fetched(client);
            assert_eq!(of_group, NONE);
            of_partition
        })
    },
    Row {
        given: &[("orders", "read")],
        ..row("OffsetDelete", (BILLING, "delete"), |client, _| offsets_deleted(client).0)
    },
    Row {
        given: &[(BILLING, "delete")],
        denied: TOPIC_DENIED,
        ..row("OffsetDelete of a topic", ("orders", "read"), |client, _| {
            let (of_group, of_partition) = offsets_deleted(client);
            assert_eq!(of_group, NONE);
            of_partition
        })
    },
    row("DescribeGroups", (BILLING, "describe"), |client, _| {
        let request = DescribeGroupsRequest::default().with_groups(vec![billing()]);
        client.call(5, &request).groups[0].error_code
    }),
    Row {
        allowed: NOT_FOUND,
        ..row("DeleteGroups", ("group:nothing", "delete"), |client, _| {
            let request = DeleteGroupsRequest::default().with_groups_names(vec![GroupId(text("nothing"))]);
            client.call(2, &request).results[0].error_code
        })
    },
    row("DescribeConfigs of a group", (BILLING, "describeconfigs"), |client, _| {
        configs_described(client, GROUP, "billing")
    }),
    row("AlterConfigs of a group", (BILLING, "alterconfigs"), |client, _| {
        configs_replaced(client, GROUP, "billing")
    }),
    row("IncrementalAlterConfigs of a group", (BILLING, "alterconfigs"), |client, _| {
        configs_altered(client, GROUP, "billing")
    }),
];

fn billing() -> GroupId {
    GroupId(text("billing"))
}

/// Makes the group, by an offset that is committed for it.
pub(crate) fn commit_as(client: &mut Client) {
    let request = FindCoordinatorRequest::default().with_key(text("billing"));
    // A Kafka has to make the topic of offsets first, and to read it.
    client.until(3, &request, |found| found.error_code == NONE);
    client.until(8, &commit(), |done| done.topics[0].partitions[0].error_code == NONE);
}

fn committed(client: &mut Client) -> i16 {
    client.call(8, &commit()).topics[0].partitions[0].error_code
}

fn commit() -> OffsetCommitRequest {
    let partition = OffsetCommitRequestPartition::default().with_committed_leader_epoch(-1);
    let asked =
        OffsetCommitRequestTopic::default().with_name(topic("orders")).with_partitions(vec![partition]);
    OffsetCommitRequest::default()
        .with_group_id(billing())
        .with_generation_id_or_member_epoch(-1)
        .with_topics(vec![asked])
}

/// The code of the group, and of its partition if there is none.
fn offsets_fetched(client: &mut Client) -> (i16, i16) {
    let asked =
        OffsetFetchRequestTopics::default().with_name(topic("orders")).with_partition_indexes(vec![0]);
    let group = OffsetFetchRequestGroup::default().with_group_id(billing()).with_topics(Some(vec![asked]));
    let response = client.call(8, &OffsetFetchRequest::default().with_groups(vec![group]));
    let group = &response.groups[0];
    let partition = group.topics.first().map(|topic| &topic.partitions[0]);
    (group.error_code, partition.map_or(NONE, |partition| partition.error_code))
}

fn offsets_deleted(client: &mut Client) -> (i16, i16) {
    let asked = OffsetDeleteRequestTopic::default()
        .with_name(topic("orders"))
        .with_partitions(vec![OffsetDeleteRequestPartition::default()]);
    let request = OffsetDeleteRequest::default().with_group_id(billing()).with_topics(vec![asked]);
    let response = client.call(0, &request);
    let partition = response.topics.first().map(|topic| &topic.partitions[0]);
    (response.error_code, partition.map_or(NONE, |partition| partition.error_code))
}
