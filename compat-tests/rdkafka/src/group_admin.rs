//! The admin's view of groups: listed, described, their offsets altered and deleted, the group itself deleted.

use std::collections::BTreeMap;

use rdkafka::consumer::Consumer;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::Check;
use crate::client::{ANSWER_TIME, Client, Outcome, ensure, refused, same, waiting};
use crate::group::Member;
use crate::group_offsets::{alter_offsets, delete_offsets};
use crate::groups::{committed, owned_once};

pub const CHECKS: &[Check] = &[
    ("list_groups", list_groups),
    ("describe_group", describe_group),
    ("alter_group_offsets", alter_group_offsets),
    ("delete_group_offsets", delete_group_offsets),
    ("delete_group", delete_group),
];

fn list_groups(client: &Client) -> Outcome {
    let topic = client.topic("list_groups", 2)?;
    let member = Member::join(client, &topic, &topic, &[]);
    owned_once(&[&member], &[2], 2)?;
    let list = client.consumer(&[])?.fetch_group_list(None, ANSWER_TIME)?;
    let found = list.groups().iter().find(|group| group.name() == topic);
    let found = found.map(|group| (group.state().to_owned(), group.protocol_type().to_owned()));
    same(
        Some(("Stable".to_owned(), "consumer".to_owned())),
        found,
        "state and protocol type of the listed group",
    )
}

fn describe_group(client: &Client) -> Outcome {
    let topic = client.topic("describe_group", 2)?;
    let first = Member::join(client, &topic, &topic, &[("client.id", "describe-1")]);
    let second = Member::join(client, &topic, &topic, &[("client.id", "describe-2")]);
    owned_once(&[&first, &second], &[1, 1], 2)?;
    let list = client.consumer(&[])?.fetch_group_list(Some(&topic), ANSWER_TIME)?;
    let group = list.groups().first().ok_or("no group in the answer")?;
    same(
        ("Stable", "consumer", "range"),
        (group.state(), group.protocol_type(), group.protocol()),
        "state, type, protocol",
    )?;
    let mut described = BTreeMap::new();
    for member in group.members() {
        ensure(!member.id().is_empty() && !member.client_host().is_empty(), || {
            "a member without id or host".into()
        })?;
        described.insert(
            member.client_id().to_owned(),
            assigned(member.assignment().unwrap_or_default(), &topic)?,
        );
    }
    let of = |member: &Member| member.seen().owned.into_iter().collect::<Vec<_>>();
    let expected = [("describe-1".to_owned(), of(&first)), ("describe-2".to_owned(), of(&second))];
    same(BTreeMap::from(expected), described, "partitions by client id")
}

/// The partitions of an assignment of the consumer protocol that is about `topic` alone.
fn assigned(bytes: &[u8], topic: &str) -> Outcome<Vec<i32>> {
    let mut head = 0_i16.to_be_bytes().to_vec();
    head[..2].copy_from_slice(bytes.get(..2).ok_or("no version")?);
    head.extend(1_i32.to_be_bytes());
    head.extend(u16::try_from(topic.len())?.to_be_bytes());
    head.extend(topic.as_bytes());
    let rest =
        bytes.strip_prefix(&head[..]).ok_or_else(|| format!("not an assignment of {topic}: {bytes:?}"))?;
    let numbers: Vec<i32> =
        rest.chunks_exact(4).map(|four| i32::from_be_bytes([four[0], four[1], four[2], four[3]])).collect();
    let count = usize::try_from(*numbers.first().ok_or("no count")?)?;
    Ok(numbers.get(1..=count).ok_or("fewer partitions than announced")?.to_vec())
}

/// A topic of two partitions, and a group that committed 5 of the first and 6 of the second and is empty.
fn empty_group(client: &Client, feature: &str) -> Outcome<String> {
    let topic = client.topic(feature, 2)?;
    for partition in 0..2 {
        client.produce_numbers(&topic, partition, 0..5 + partition.unsigned_abs())?;
    }
    let member = Member::join(client, &topic, &topic, &[]);
    crate::groups::within(ANSWER_TIME, || same(11, member.seen().records.len(), "records"))?;
    member.leave()?;
    same(vec![5, 6], offsets(client, &topic)?, "committed")?;
    Ok(topic)
}

/// The committed offsets of the group that has the name of its topic.
fn offsets(client: &Client, topic: &str) -> Outcome<Vec<i64>> {
    Ok(committed(client, topic, topic, 2)?.into_iter().map(|(offset, _)| offset).collect())
}

fn alter_group_offsets(client: &Client) -> Outcome {
    let topic = empty_group(client, "alter_group_offsets")?;
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(&topic, 1, Offset::Offset(2))?;
    alter_offsets(&client.consumer(&[])?, &topic, &list)?;
    same(vec![5, 2], offsets(client, &topic)?, "committed")?;
    let member = Member::join(client, &topic, &topic, &[]);
    crate::groups::within(ANSWER_TIME, || {
        same(4, member.seen().records.len(), "records from the altered offset on")
    })
}

fn delete_group_offsets(client: &Client) -> Outcome {
    let topic = empty_group(client, "delete_group_offsets")?;
    let mut list = TopicPartitionList::new();
    list.add_partition(&topic, 0);
    let admin = client.consumer(&[])?;
    delete_offsets(&admin, &topic, &list)?;
    same(vec![-1, 6], offsets(client, &topic)?, "committed")?;
    let member = Member::join(client, &topic, &topic, &[]);
    owned_once(&[&member], &[2], 2)?;
    refused(RDKafkaErrorCode::GroupSubscribedToTopic, delete_offsets(&admin, &topic, &list))
}

fn delete_group(client: &Client) -> Outcome {
    let topic = empty_group(client, "delete_group")?;
    let delete = || -> Outcome {
        for result in pollster::block_on(client.admin.delete_groups(&[&topic], &waiting()))? {
            result.map_err(|(_, code)| KafkaError::AdminOp(code))?;
        }
        Ok(())
    };
    let member = Member::join(client, &topic, &topic, &[]);
    owned_once(&[&member], &[2], 2)?;
    refused(RDKafkaErrorCode::NonEmptyGroup, delete())?;
    member.leave()?;
    delete()?;
    same(vec![-1, -1], offsets(client, &topic)?, "committed")?;
    refused(RDKafkaErrorCode::GroupIdNotFound, delete())
}
