//! What admin tools ask about partitions: where their logs are, who leads them, where they go, who writes to them.

use kafka_protocol::messages::alter_partition_reassignments_request::{
    ReassignablePartition, ReassignableTopic,
};
use kafka_protocol::messages::describe_log_dirs_request::DescribableLogDirTopic;
use kafka_protocol::messages::describe_producers_request::TopicRequest as ProducersOf;
use kafka_protocol::messages::describe_topic_partitions_request::{Cursor, TopicRequest};
use kafka_protocol::messages::elect_leaders_request::TopicPartitions;
use kafka_protocol::messages::list_partition_reassignments_request::ListPartitionReassignmentsTopics;
use kafka_protocol::messages::{
    AlterPartitionReassignmentsRequest, BrokerId, DescribeLogDirsRequest, DescribeProducersRequest,
    DescribeTopicPartitionsRequest, ElectLeadersRequest, ListPartitionReassignmentsRequest, TopicName,
};

use super::produce;
use crate::batch::Batch;
use crate::session::{Session, Topic, text};

const TIMEOUT_MS: i32 = 10_000;

/// A topic of two partitions with a record in the first.
fn filled(s: &mut Session, name: &str) -> Result<Topic, String> {
    let topic = s.topic(name, 2, &[])?;
    let request = produce::one(s, &topic, Batch::of(s.time(1), &["x"]).encode());
    s.ask(&request)?;
    Ok(topic)
}

pub(crate) fn describe_log_dirs(s: &mut Session) -> Result<(), String> {
    let a = filled(s, "a")?.name;
    let b = filled(s, "b")?.name;
    let of = |name: &TopicName, partitions: &[i32]| {
        DescribableLogDirTopic::default().with_topic(name.clone()).with_partitions(partitions.to_vec())
    };
    let asked = |topics| DescribeLogDirsRequest::default().with_topics(Some(topics));
    s.step("some", &asked(vec![of(&a, &[0]), of(&b, &[0])]))?;
    s.step("none", &asked(Vec::new()))?;
    s.step("no_partitions", &asked(vec![of(&a, &[])]))?;
    s.step("unknown", &asked(vec![of(&s.name("x"), &[0]), of(&a, &[7, -1]), of(&text("a/b").into(), &[0])]))?;
    s.step("one_twice", &asked(vec![of(&a, &[0, 0])]))?;
    Ok(())
}

fn page(
    names: &[&TopicName],
    limit: i32,
    cursor: Option<(&TopicName, i32)>,
) -> DescribeTopicPartitionsRequest {
    let topic = |name: &&TopicName| TopicRequest::default().with_name((*name).clone());
    let cursor = cursor
        .map(|(name, index)| Cursor::default().with_topic_name(name.clone()).with_partition_index(index));
    DescribeTopicPartitionsRequest::default()
        .with_topics(names.iter().map(topic).collect())
        .with_response_partition_limit(limit)
        .with_cursor(cursor)
}

pub(crate) fn describe_topic_partitions(s: &mut Session) -> Result<(), String> {
    let a = s.topic("a", 3, &[])?.name;
    let b = s.topic("b", 2, &[])?.name;
    let (between, x) = (s.name("aa"), s.name("x"));
    let both = [&b, &a];
    s.step("two_out_of_order", &page(&both, 2000, None))?;
    s.step("one_twice", &page(&[&b, &b], 2000, None))?;
    for limit in [-1, 0, 2, 3, 4, 5] {
        s.step(&format!("at_most_{limit}"), &page(&both, limit, None))?;
    }
    s.step("from_a_partition", &page(&both, 2, Some((&a, 2))))?;
    s.step("from_behind_the_last_partition", &page(&both, 2000, Some((&a, 3))))?;
    s.step("from_a_negative_partition", &page(&both, 2000, Some((&a, -1))))?;
    s.step("from_a_topic_that_is_not_asked_for", &page(&both, 2000, Some((&between, 0))))?;
    s.step("from_an_unknown_topic", &page(&[&x], 2000, Some((&x, 0))))?;
    s.step("unknown", &page(&[&x, &a], 2000, None))?;
    s.step("limit_before_an_unknown_one", &page(&[&a, &x], 3, None))?;
    s.step("ill_named", &page(&[&text("a/b").into(), &a], 2000, None))?;
    s.step("of_kafka_itself", &page(&[&text("__share_group_state").into()], 2000, None))?;
    s.step("name_empty", &page(&[&text("").into()], 2000, None))?;
    Ok(())
}

fn elect(topics: Option<&[(&TopicName, &[i32])]>) -> ElectLeadersRequest {
    let topic = |(name, partitions): &(&TopicName, &[i32])| {
        TopicPartitions::default().with_topic((*name).clone()).with_partitions(partitions.to_vec())
    };
    ElectLeadersRequest::default()
        .with_topic_partitions(topics.map(|topics| topics.iter().map(topic).collect()))
        .with_timeout_ms(TIMEOUT_MS)
}

pub(crate) fn elect_leaders(s: &mut Session) -> Result<(), String> {
    let a = s.topic("a", 2, &[])?.name;
    let x = s.name("x");
    s.step("led_by_the_preferred_one", &elect(Some(&[(&a, &[0, 1])])))?;
    s.step("all", &elect(None))?;
    s.step("none", &elect(Some(&[])))?;
    s.step("no_partitions", &elect(Some(&[(&a, &[])])))?;
    s.step("unknown", &elect(Some(&[(&a, &[7, -1]), (&x, &[0])])))?;
    s.step("ill_named", &elect(Some(&[(&text("a/b").into(), &[0])])))?;
    s.step("one_twice", &elect(Some(&[(&a, &[0, 0])])))?;
    if s.version >= 1 {
        let any = elect(Some(&[(&a, &[0])]));
        s.step("unclean", &any.clone().with_election_type(1))?;
        s.step("all_unclean", &elect(None).with_election_type(1))?;
        s.step("no_such_type", &any.with_election_type(9))?;
    }
    Ok(())
}

fn move_to(name: &TopicName, moves: &[(i32, Option<&[i32]>)]) -> AlterPartitionReassignmentsRequest {
    let partition = |&(index, nodes): &(i32, Option<&[i32]>)| {
        let nodes = nodes.map(|nodes| nodes.iter().copied().map(BrokerId).collect());
        ReassignablePartition::default().with_partition_index(index).with_replicas(nodes)
    };
    let topic = ReassignableTopic::default()
        .with_name(name.clone())
        .with_partitions(moves.iter().map(partition).collect());
    AlterPartitionReassignmentsRequest::default().with_topics(vec![topic]).with_timeout_ms(TIMEOUT_MS)
}

pub(crate) fn alter_partition_reassignments(s: &mut Session) -> Result<(), String> {
    let a = s.topic("a", 2, &[])?.name;
    let cases: [(&str, Option<&[i32]>); 8] = [
        ("to_where_it_is", Some(&[1])),
        ("to_an_unknown_broker", Some(&[7])),
        ("to_one_more", Some(&[1, 7])),
        ("to_two_unknown_ones", Some(&[8, 7])),
        ("to_one_twice", Some(&[1, 1])),
        ("to_a_negative_one", Some(&[-1])),
        ("to_nobody", Some(&[])),
        ("cancel", None),
    ];
    for (step, nodes) in cases {
        s.step(step, &move_to(&a, &[(0, nodes)]))?;
    }
    s.step("unknown_partitions", &move_to(&a, &[(7, Some(&[1])), (8, None), (-1, Some(&[1]))]))?;
    s.step("unknown_topic", &move_to(&s.name("x"), &[(0, Some(&[1])), (1, None)]))?;
    s.step("ill_named", &move_to(&text("a/b").into(), &[(0, Some(&[1]))]))?;
    s.step("one_twice", &move_to(&a, &[(0, Some(&[1])), (0, None)]))?;
    s.step("no_partitions", &move_to(&a, &[]))?;
    s.step("none", &AlterPartitionReassignmentsRequest::default().with_timeout_ms(TIMEOUT_MS))?;
    if s.version >= 1 {
        let same = move_to(&a, &[(0, Some(&[1]))]).with_allow_replication_factor_change(false);
        s.step("no_other_replication_factor", &same)?;
    }
    Ok(())
}

pub(crate) fn list_partition_reassignments(s: &mut Session) -> Result<(), String> {
    let a = s.topic("a", 2, &[])?.name;
    let of = |name: TopicName| {
        ListPartitionReassignmentsTopics::default().with_name(name).with_partition_indexes(vec![0, 7])
    };
    let asked =
        |topics| ListPartitionReassignmentsRequest::default().with_topics(topics).with_timeout_ms(TIMEOUT_MS);
    s.step("all", &asked(None))?;
    s.step("none", &asked(Some(Vec::new())))?;
    s.step("some", &asked(Some(vec![of(a), of(s.name("x"))])))?;
    Ok(())
}

pub(crate) fn describe_producers(s: &mut Session) -> Result<(), String> {
    let a = s.topic("a", 2, &[])?;
    let by = s.producer()?;
    let request = produce::one(s, &a, Batch::of(s.time(1), &["x", "y", "z"]).by(by, 0).encode());
    s.ask(&request)?;
    let of = |name: &TopicName, partitions: &[i32]| {
        ProducersOf::default().with_name(name.clone()).with_partition_indexes(partitions.to_vec())
    };
    let asked = |topics| DescribeProducersRequest::default().with_topics(topics);
    s.step("one_and_none", &asked(vec![of(&a.name, &[0, 1])]))?;
    s.step("unknown_partitions", &asked(vec![of(&a.name, &[7, -1])]))?;
    s.step("unknown_topic", &asked(vec![of(&s.name("x"), &[0])]))?;
    s.step("ill_named", &asked(vec![of(&text("a/b").into(), &[0])]))?;
    s.step("one_twice", &asked(vec![of(&a.name, &[1, 1])]))?;
    s.step("none", &asked(Vec::new()))?;
    Ok(())
}
