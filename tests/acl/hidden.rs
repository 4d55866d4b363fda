//! What is left out of lists, and the sets of operations that tell what a client may do.

use kafka_protocol::messages::list_groups_response::ListedGroup;
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::offset_fetch_request::OffsetFetchRequestGroup;
use kafka_protocol::messages::{
    ApiVersionsRequest, DescribeClusterRequest, DescribeGroupsRequest, DescribeTopicPartitionsRequest,
    GroupId, ListGroupsRequest, MetadataRequest, OffsetFetchRequest,
};

use crate::client::{Client, text, topic};
use crate::matrix::NONE;
use crate::node::{ADMIN, Line, Node};
use crate::of_groups::commit_as;

const CLUSTER: &str = "cluster:kafka-cluster";
/// Bits of `AclOperation`.
pub(crate) const READ: i32 = 1 << 3;
pub(crate) const DESCRIBE: i32 = 1 << 8;
/// Everything that can be done to a topic, a cluster and a group, as without an authorizer.
const TOPIC_ALL: i32 = 3576;
const CLUSTER_ALL: i32 = 8096;
const GROUP_ALL: i32 = 3400;
/// Stands for no answer.
pub(crate) const NOT_ASKED: i32 = i32::MIN;

fn line(user: &str, object: &'static str, action: &'static str) -> Line {
    (user.to_owned(), object, action)
}

/// A node with topics `orders` and `salaries`, and a group `billing`.
fn node(policy: &[Line], others: &[&str]) -> (Node, Client) {
    let node = Node::start(policy, others);
    let mut admin = Client::new(&node, ADMIN);
    admin.create_topic("orders");
    admin.create_topic("salaries");
    commit_as(&mut admin);
    (node, admin)
}

pub(crate) fn topics(client: &mut Client) -> Vec<String> {
    let request = MetadataRequest::default().with_topics(None);
    let mut names: Vec<String> = client
        .call(9, &request)
        .topics
        .iter()
        .map(|topic| topic.name.as_ref().unwrap().to_string())
        .collect();
    names.retain(|name| !name.starts_with("__"));
    names
}

pub(crate) fn pages(client: &mut Client) -> Vec<String> {
    let request =
        DescribeTopicPartitionsRequest::default().with_response_partition_limit(2_000).with_cursor(None);
    let mut names: Vec<String> = client
        .call(0, &request)
        .topics
        .iter()
        .map(|topic| topic.name.as_ref().unwrap().to_string())
        .collect();
    names.retain(|name| !name.starts_with("__"));
    names
}

pub(crate) fn groups(client: &mut Client) -> Vec<String> {
    let group = |group: &ListedGroup| group.group_id.to_string();
    client.call(4, &ListGroupsRequest::default()).groups.iter().map(group).collect()
}

#[test]
fn lists_show_what_the_client_may_see_and_nobody_is_told_of_the_rest() {
    let policy = [
        line("alice", "orders", "read"),
        line("bob", "group:billing", "describe"),
        line("carol", CLUSTER, "describe"),
    ];
    let (node, mut admin) = node(&policy, &["eve"]);
    for (user, sees, lists) in [
        ("alice", &["orders"][..], &[][..]),
        ("bob", &[], &["billing"]),
        ("carol", &[], &["billing"]), // whoever sees the cluster sees its groups
        ("eve", &[], &[]),
    ] {
        let mut client = Client::new(&node, user);
        assert_eq!(topics(&mut client), sees, "{user}");
        assert_eq!(pages(&mut client), sees, "{user}");
        assert_eq!(groups(&mut client), lists, "{user}");
    }
    assert_eq!(topics(&mut admin), ["orders", "salaries"]);
    assert_eq!(pages(&mut admin), ["orders", "salaries"]);
    assert_eq!(groups(&mut admin), ["billing"]);
}

#[test]
fn of_all_committed_offsets_only_those_of_topics_that_the_client_sees_are_told() {
    let policy = [
        line("alice", "group:billing", "describe"),
        line("alice", "orders", "describe"),
        line("bob", "group:billing", "describe"),
    ];
    let (node, _admin) = node(&policy, &[]);
    for (user, told) in [("alice", &["orders"][..]), ("bob", &[])] {
        let group =
            OffsetFetchRequestGroup::default().with_group_id(GroupId(text("billing"))).with_topics(None);
        let response =
            Client::new(&node, user).call(8, &OffsetFetchRequest::default().with_groups(vec![group]));
        assert_eq!(response.groups[0].error_code, NONE);
        let names: Vec<&str> = response.groups[0].topics.iter().map(|topic| topic.name.as_str()).collect();
        assert_eq!(names, told, "{user}");
    }
}

/// The operations on `orders`, on the cluster by `Metadata` and by `DescribeCluster`, and on `billing`.
pub(crate) fn operations(client: &mut Client) -> [i32; 4] {
    let asked = MetadataRequestTopic::default().with_name(Some(topic("orders")));
    let request = MetadataRequest::default()
        .with_topics(Some(vec![asked]))
        .with_include_topic_authorized_operations(true)
        .with_include_cluster_authorized_operations(true);
    let metadata = client.call(9, &request);
    let cluster =
        client.call(1, &DescribeClusterRequest::default().with_include_cluster_authorized_operations(true));
    let request = DescribeGroupsRequest::default()
        .with_groups(vec![GroupId(text("billing"))])
        .with_include_authorized_operations(true);
    let group = client.call(5, &request).groups[0].authorized_operations;
    let topic = metadata.topics[0].topic_authorized_operations;
    [topic, metadata.cluster_authorized_operations, cluster.cluster_authorized_operations, group]
}

#[test]
fn a_client_is_told_what_it_may_do() {
    let policy = [
        line("alice", "orders", "read"),
        line("alice", "group:billing", "describe"),
        line("alice", CLUSTER, "describe"),
    ];
    let (node, mut admin) = node(&policy, &["eve"]);
    assert_eq!(operations(&mut admin), [TOPIC_ALL, CLUSTER_ALL, CLUSTER_ALL, GROUP_ALL]);
    let alice = operations(&mut Client::new(&node, "alice"));
    assert_eq!(alice, [READ | DESCRIBE, DESCRIBE, DESCRIBE, DESCRIBE]);
    assert_eq!(operations(&mut Client::new(&node, "eve")), [NOT_ASKED, 0, 0, NOT_ASKED]);
}

#[test]
fn whoever_may_do_nothing_still_learns_the_versions() {
    let (node, _admin) = node(&[], &["eve"]);
    let response = Client::new(&node, "eve").call(2, &ApiVersionsRequest::default());
    assert_eq!(response.error_code, NONE);
    assert!(!response.api_keys.is_empty());
}
