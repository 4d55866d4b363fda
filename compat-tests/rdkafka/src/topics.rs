//! The admin features: topics, partitions, configs, records deleted, the cluster itself.

use rdkafka::admin::{AlterConfig, NewPartitions, ResourceSpecifier};
use rdkafka::admin::{ConfigEntry, ConfigSource};
use rdkafka::consumer::Consumer;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::topic_partition_list::Offset;

use crate::Check;
use crate::client::{
    ANSWER_TIME, Client, Outcome, Record, assignment, each, ensure, eventually, poll_one, refused, same,
    text, waiting,
};

pub const CHECKS: &[Check] = &[
    ("describe_cluster", describe_cluster),
    ("create_topic", create_topic),
    ("auto_create_topic", auto_create_topic),
    ("unknown_topic", unknown_topic),
    ("create_partitions", create_partitions),
    ("describe_configs", describe_configs),
    ("alter_configs", alter_configs),
    ("delete_records", delete_records),
    ("delete_topic", delete_topic),
];

fn describe_cluster(client: &Client) -> Outcome {
    let metadata = client.admin.inner().fetch_metadata(None, ANSWER_TIME)?;
    let mut brokers: Vec<_> =
        metadata.brokers().iter().map(|b| (b.id(), format!("{}:{}", b.host(), b.port()))).collect();
    brokers.sort();
    same(client.nodes().collect::<Vec<_>>(), brokers, "brokers")?;
    let cluster = client.admin.inner().fetch_cluster_id(ANSWER_TIME);
    ensure(cluster.is_some_and(|id| !id.is_empty()), || "no cluster id".into())
}

fn create_topic(client: &Client) -> Outcome {
    let name = client.name("create_topic");
    client.create(&name, 3, &[("retention.ms", "86400000")])?;
    same(3, client.partition_count(&name)?, "partitions")?;
    same("86400000", value(&config(client, &name, "retention.ms")?), "retention.ms")?;
    refused(RDKafkaErrorCode::TopicAlreadyExists, client.create(&name, 3, &[]))?;
    refused(RDKafkaErrorCode::InvalidTopic, client.create("not a name", 1, &[]))?;
    refused(
        RDKafkaErrorCode::InvalidConfig,
        client.create(&format!("{name}-2"), 1, &[("retention.ms", "soon")]),
    )
}

fn auto_create_topic(client: &Client) -> Outcome {
    let name = client.name("auto_create_topic");
    let sender = client.producer(&[])?;
    sender.send(Record::to(&name).payload(b"first"))?;
    same(vec![(0, 0)], sender.finish()?, "partition and offset of the first record")?;
    same(1, client.partition_count(&name)?, "partitions")
}

fn unknown_topic(client: &Client) -> Outcome {
    let name = client.name("unknown_topic");
    refused(RDKafkaErrorCode::UnknownTopicOrPartition, client.partition_count(&name))?;
    // librdkafka takes an unknown topic for one that is only on its way, for this long.
    let consumer = client.consumer(&[("topic.metadata.propagation.max.ms", "500")])?;
    consumer.assign(&assignment(&name, 0..1, Offset::Beginning)?)?;
    refused(RDKafkaErrorCode::UnknownTopicOrPartition, poll_one(&consumer))?;
    refused(RDKafkaErrorCode::UnknownTopicOrPartition, client.partition_count(&name))
}

fn create_partitions(client: &Client) -> Outcome {
    let topic = client.topic("create_partitions", 2)?;
    let grow = |count| -> Outcome {
        let partitions = NewPartitions::new(&topic, count);
        each(pollster::block_on(client.admin.create_partitions([&partitions], &waiting()))?)
    };
    grow(5)?;
    eventually(|| same(5, client.partition_count(&topic)?, "partitions"))?;
    client.produce_numbers(&topic, 4, 0..1)?;
    same(1, client.read_all(&topic, 5)?.len(), "records")?;
    refused(RDKafkaErrorCode::InvalidPartitions, grow(3))
}

fn describe_configs(client: &Client) -> Outcome {
    let topic = client.name("describe_configs");
    client.create(&topic, 1, &[("max.message.bytes", "500000")])?;
    let entry = config(client, &topic, "max.message.bytes")?;
    same(("500000", &ConfigSource::DynamicTopic), (value(&entry), &entry.source), "max.message.bytes")?;
    let entry = config(client, &topic, "retention.ms")?;
    same(("604800000", &ConfigSource::Default), (value(&entry), &entry.source), "retention.ms")?;
    // The crate keeps a resource's error to itself: a missing topic shows as one without configs.
    ensure(config(client, &format!("{topic}-missing"), "retention.ms").is_err(), || {
        "configs of a missing topic".into()
    })?;
    let broker =
        pollster::block_on(client.admin.describe_configs([&ResourceSpecifier::Broker(1)], &waiting()))?;
    let broker = broker.into_iter().next().ok_or("no answer")?.map_err(KafkaError::AdminOp)?;
    ensure(!broker.entries.is_empty(), || "no broker configs".into())
}

/// The old call, which replaces everything that was set before.
fn alter_configs(client: &Client) -> Outcome {
    let topic = client.topic("alter_configs", 1)?;
    let alter = |name: &str, to: &str| -> Outcome {
        let configs = AlterConfig::new(ResourceSpecifier::Topic(&topic)).set(name, to);
        for result in pollster::block_on(client.admin.alter_configs([&configs], &waiting()))? {
            result.map_err(|(_, code)| KafkaError::AdminOp(code))?;
        }
        Ok(())
    };
    let has = |name: &str, expected: &str| {
        eventually(|| same(expected, value(&config(client, &topic, name)?), name))
    };
    alter("retention.ms", "1000000")?;
    has("retention.ms", "1000000")?;
    alter("segment.bytes", "10485760")?;
    has("segment.bytes", "10485760")?;
    has("retention.ms", "604800000")
}

fn delete_records(client: &Client) -> Outcome {
    let topic = client.topic("delete_records", 1)?;
    client.produce_numbers(&topic, 0, 0..100)?;
    same(40, delete_before(client, &topic, Offset::Offset(40))?, "low watermark")?;
    let left = client.read_all(&topic, 1)?;
    same((60, Some(40)), (left.len(), left.first().map(Message::offset)), "records left and first offset")?;
    same((40, 100), client.consumer(&[])?.fetch_watermarks(&topic, 0, ANSWER_TIME)?, "watermarks")?;
    delete_before(client, &topic, Offset::End)?;
    same(0, client.read_all(&topic, 1)?.len(), "records left after deleting all")?;
    client.produce_numbers(&topic, 0, 100..101)?;
    same(Some(100), client.read_all(&topic, 1)?.first().map(Message::offset), "offset of the next record")
}

fn delete_topic(client: &Client) -> Outcome {
    let topic = client.topic("delete_topic", 2)?;
    client.produce_numbers(&topic, 0, 0..10)?;
    let delete =
        || -> Outcome { each(pollster::block_on(client.admin.delete_topics(&[&topic], &waiting()))?) };
    delete()?;
    eventually(|| refused(RDKafkaErrorCode::UnknownTopicOrPartition, client.partition_count(&topic)))?;
    refused(RDKafkaErrorCode::UnknownTopicOrPartition, delete())?;
    client.create(&topic, 1, &[])?;
    client.produce_numbers(&topic, 0, 77..78)?;
    let read = client.read_all(&topic, 1)?;
    same(1, read.len(), "records of the second topic")?;
    same(("77", 0), (text(&read[0])?, read[0].offset()), "its first value and offset")
}

fn config(client: &Client, topic: &str, name: &str) -> Outcome<ConfigEntry> {
    let answer =
        pollster::block_on(client.admin.describe_configs([&ResourceSpecifier::Topic(topic)], &waiting()))?;
    let resource = answer.into_iter().next().ok_or("no answer")?.map_err(KafkaError::AdminOp)?;
    resource
        .entries
        .into_iter()
        .find(|entry| entry.name == name)
        .ok_or_else(|| format!("no config {name}").into())
}

fn value(entry: &ConfigEntry) -> &str {
    entry.value.as_deref().unwrap_or("null")
}

/// Deletes everything before `offset` and returns the low watermark that the broker answered.
fn delete_before(client: &Client, topic: &str, offset: Offset) -> Outcome<i64> {
    let answer =
        pollster::block_on(client.admin.delete_records(&assignment(topic, 0..1, offset)?, &waiting()))?;
    let partition = answer.find_partition(topic, 0).ok_or("no partition in the answer")?;
    partition.error()?;
    partition.offset().to_raw().ok_or_else(|| "no low watermark".into())
}
