//! Topics: made, deleted, listed, described.

use std::collections::HashMap;
use std::sync::Arc;

use crate::access::{Operation, Resource};
use crate::broker::{Broker, BrokerError, NewTopic, OffsetSpec, TopicRef};
use crate::cluster::{PartitionImage, TopicImage};
use crate::grpc::error::Refusal;
use crate::grpc::permit::Permit;
use crate::model::{PartitionId, uuid_text};
use crate::proto::admin::{
    CreateTopicRequest, CreateTopicResponse, DeleteTopicRequest, DeleteTopicResponse, DescribeTopicRequest,
    DescribeTopicResponse, ListTopicsRequest, ListTopicsResponse, PartitionDescription, TopicSummary,
};

/// What stands for the broker's default there.
const DEFAULT: i32 = -1;

pub(super) async fn create(
    broker: &Broker,
    permit: &Permit,
    request: CreateTopicRequest,
) -> Result<CreateTopicResponse, Refusal> {
    permit.check_making(&request.name)?;
    let or_default = |number: i32| if number == 0 { DEFAULT } else { number };
    let factor = i16::try_from(or_default(request.replication_factor))
        .map_err(|_| Refusal::invalid("replication_factor is out of range"))?;
    let topic = NewTopic {
        name: request.name,
        partitions: or_default(request.partitions),
        replication_factor: factor,
        assignments: Vec::new(),
        configs: request.configs.into_iter().map(|(key, value)| (key, Some(value))).collect(),
    };
    let made = broker.create_topics(vec![topic], request.validate_only).await.pop();
    let made = made.unwrap_or(Err(BrokerError::Closing)).map_err(|error| by_controller(broker, &error))?;
    Ok(CreateTopicResponse {
        id: if request.validate_only { String::new() } else { uuid_text(made.id.0) },
        partitions: made.partitions,
        replication_factor: made.replication_factor.into(),
    })
}

pub(super) async fn delete(
    broker: &Broker,
    permit: &Permit,
    request: DeleteTopicRequest,
) -> Result<DeleteTopicResponse, Refusal> {
    permit.check(Operation::Delete, Resource::topic(&request.name))?;
    let deleted = broker.delete_topic(&TopicRef::Name(request.name)).await;
    deleted.map_err(|error| by_controller(broker, &error))?;
    Ok(DeleteTopicResponse {})
}

/// With the controller's address, if this node is not it.
fn by_controller(broker: &Broker, error: &BrokerError) -> Refusal {
    let refusal = Refusal::from(error);
    match (error, broker.controller()) {
        (BrokerError::NotController, Some(node)) => refusal.with_node(broker, node),
        _ => refusal,
    }
}

pub(super) fn list(broker: &Broker, permit: &Permit, request: ListTopicsRequest) -> ListTopicsResponse {
    let image = broker.image();
    let wanted = image.topics().filter(|topic| {
        (request.include_internal || !topic.is_internal())
            && permit.shows(Operation::Describe, Resource::topic(topic.name.as_str()))
    });
    let summary = |topic: &Arc<TopicImage>| TopicSummary {
        name: topic.name.to_string(),
        id: uuid_text(topic.id.0),
        partitions: i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX),
        is_internal: topic.is_internal(),
    };
    let mut topics: Vec<TopicSummary> = wanted.map(summary).collect();
    topics.sort_by(|a, b| a.name.cmp(&b.name));
    ListTopicsResponse { topics }
}

pub(super) async fn describe(
    broker: &Broker,
    permit: &Permit,
    request: &DescribeTopicRequest,
) -> Result<DescribeTopicResponse, Refusal> {
    permit.check(Operation::Describe, Resource::topic(&request.name))?;
    let shows_configs = permit.shows(Operation::DescribeConfigs, Resource::topic(&request.name));
    let image = broker.image();
    let unknown = || BrokerError::UnknownTopic { topic: request.name.clone() };
    let topic = image.topic(&request.name).ok_or_else(unknown)?;
    let mut partitions = Vec::with_capacity(topic.partitions.len());
    for (index, placed) in (0..).zip(&topic.partitions) {
        partitions.push(partition(broker, topic, (index, placed)).await);
    }
    Ok(DescribeTopicResponse {
        name: topic.name.to_string(),
        id: uuid_text(topic.id.0),
        is_internal: topic.is_internal(),
        partitions,
        configs: match shows_configs {
            true => topic.overrides.clone().into_iter().collect(),
            false => HashMap::new(),
        },
    })
}

async fn partition(
    broker: &Broker,
    topic: &Arc<TopicImage>,
    (index, placed): (PartitionId, &PartitionImage),
) -> PartitionDescription {
    let leader = broker.leader(topic, index);
    let is_here = leader.node == broker.node_id();
    PartitionDescription {
        partition: index,
        leader: leader.node,
        leader_epoch: leader.epoch.0,
        replicas: placed.nodes(),
        in_sync: leader.in_sync,
        offline: leader.offline,
        log_start_offset: if is_here { find(broker, topic, index, OffsetSpec::Earliest).await } else { None },
        high_watermark: if is_here { find(broker, topic, index, OffsetSpec::Latest).await } else { None },
    }
}

/// An offset that only the partition's leader knows; `None` if that is not this node.
pub(super) async fn find(
    broker: &Broker,
    topic: &Arc<TopicImage>,
    partition: PartitionId,
    which: OffsetSpec,
) -> Option<u64> {
    let found = broker.list_offset(topic, partition, which, None).await.ok()?;
    u64::try_from(found.offset).ok()
}
