//! `DescribeTopicPartitions` (key 75), v0: topics page by page. Source: KIP-966
//!
//! Replicas that may be elected beyond the in-sync ones are always none: which one may be is decided by what it has.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use super::metadata::{INTERNAL, leader};
use crate::access::{Operation, Resource};
use crate::broker::BrokerError;
use crate::cluster::{MetadataImage, TopicImage};
use crate::kafka::api::Handler;
use crate::kafka::context::Context;
use crate::kafka::permissions::Permissions;
use crate::model::TopicName as Name;
use crate::wire::messages::describe_topic_partitions_request::Cursor as From;
use crate::wire::messages::describe_topic_partitions_response::{
    Cursor, DescribeTopicPartitionsResponsePartition, DescribeTopicPartitionsResponseTopic,
};
use crate::wire::messages::{
    BrokerId, DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse, TopicName,
};
use crate::wire::{ApiKey, ErrorCode, StrBytes};

/// The most partitions in one answer. Source: Kafka's `max.request.partition.size.limit`.
const PARTITIONS_MAX: usize = 2_000;

pub(super) struct DescribeTopicPartitions;

impl Handler for DescribeTopicPartitions {
    const KEY: ApiKey = ApiKey::DescribeTopicPartitions;
    const VERSIONS: RangeInclusive<i16> = 0..=0;
    type Request = DescribeTopicPartitionsRequest;
    type Response = DescribeTopicPartitionsResponse;

    async fn handle(
        ctx: &Context,
        request: DescribeTopicPartitionsRequest,
    ) -> Result<DescribeTopicPartitionsResponse, BrokerError> {
        let image = ctx.broker.image();
        let from = request.cursor.as_ref();
        if !is_in_place(from, &request) {
            let refused = request.topics.iter().map(|topic| {
                failed(ErrorCode::InvalidRequest, topic.name.clone())
                    .with_topic_authorized_operations(i32::MIN)
                    .with_is_internal(false)
            });
            return Ok(DescribeTopicPartitionsResponse::default().with_topics(refused.collect()));
        }
        let names: BTreeSet<&str> = match request.topics.is_empty() {
            true => image.topics().map(|topic| topic.name.as_str()).collect(),
            false => request.topics.iter().map(|topic| topic.name.as_str()).collect(),
        };
        let first = from.map_or("", |from| from.topic_name.as_str());
        let limit = usize::try_from(request.response_partition_limit).unwrap_or(0).clamp(1, PARTITIONS_MAX);
        let permissions = ctx.permissions();
        let mut page = Page {
            ctx,
            image: &image,
            permissions: &permissions,
            left: limit,
            topics: Vec::new(),
            next: None,
        };
        let mut hidden = Vec::new();
        for name in names.range(first..) {
            if !request.topics.is_empty() && !permissions.allows(Operation::Describe, Resource::topic(name)) {
                let code = ErrorCode::TopicAuthorizationFailed;
                let topic = failed(code, TopicName(StrBytes::from_string((*name).to_owned())));
                hidden.push(topic.with_is_internal(false).with_topic_authorized_operations(i32::MIN));
                continue;
            }
            if !permissions.shows(Operation::Describe, Resource::topic(name)) {
                continue;
            }
            let begin = from.filter(|from| from.topic_name.as_str() == *name);
            page.add(name, begin.map_or(0, |from| usize::try_from(from.partition_index).unwrap_or(0)));
            if page.next.is_some() {
                break;
            }
        }
        page.topics.append(&mut hidden);
        Ok(DescribeTopicPartitionsResponse::default().with_topics(page.topics).with_next_cursor(page.next))
    }

    fn refused(_code: ErrorCode) -> DescribeTopicPartitionsResponse {
        DescribeTopicPartitionsResponse::default()
    }
}

/// A cursor names a partition of one of the topics that are asked for.
fn is_in_place(from: Option<&From>, request: &DescribeTopicPartitionsRequest) -> bool {
    from.is_none_or(|from| {
        let asked = request.topics.is_empty() || request.topics.iter().any(|t| t.name == from.topic_name);
        asked && from.partition_index >= 0
    })
}

/// An answer under construction.
struct Page<'a> {
    ctx: &'a Context,
    image: &'a MetadataImage,
    permissions: &'a Permissions<'a>,
    /// Partitions that still find room.
    left: usize,
    topics: Vec<DescribeTopicPartitionsResponseTopic>,
    /// Where the next page begins.
    next: Option<Cursor>,
}

impl Page<'_> {
    /// Adds a topic from its partition `begin` on, as far as there is room.
    fn add(&mut self, name: &str, begin: usize) {
        if self.left == 0 {
            self.next = Some(cursor(name, 0));
            return;
        }
        let operations = self.permissions.operations(Resource::topic(name));
        let Some(topic) = self.image.topic(name) else {
            let code = match Name::new(name) {
                Ok(_) => ErrorCode::UnknownTopicOrPartition,
                Err(_) => ErrorCode::InvalidTopicException,
            };
            let topic = failed(code, TopicName(StrBytes::from_string(name.to_owned())));
            self.topics.push(topic.with_topic_authorized_operations(operations));
            return;
        };
        let end = topic.partitions.len().min(begin.saturating_add(self.left));
        let described = (begin..end).filter_map(|index| partition(self.ctx, self.image, topic, index));
        let partitions: Vec<_> = described.collect();
        self.left -= partitions.len();
        self.topics.push(
            DescribeTopicPartitionsResponseTopic::default()
                .with_name(Some(TopicName(StrBytes::from_string(name.to_owned()))))
                .with_topic_id(topic.id.0)
                .with_is_internal(topic.is_internal())
                .with_partitions(partitions)
                .with_topic_authorized_operations(operations),
        );
        if end < topic.partitions.len() {
            self.next = Some(cursor(name, end));
        }
    }
}

fn partition(
    ctx: &Context,
    image: &MetadataImage,
    topic: &TopicImage,
    index: usize,
) -> Option<DescribeTopicPartitionsResponsePartition> {
    let (placed, index) = (topic.partitions.get(index)?, i32::try_from(index).ok()?);
    let ids = |ids: &[i32]| ids.iter().copied().map(BrokerId).collect::<Vec<_>>();
    let leader = leader(ctx, image, topic, index);
    let code = if leader.node < 0 { ErrorCode::LeaderNotAvailable.code() } else { 0 };
    Some(
        DescribeTopicPartitionsResponsePartition::default()
            .with_error_code(code)
            .with_partition_index(index)
            .with_leader_id(BrokerId(leader.node))
            .with_leader_epoch(leader.epoch.0)
            .with_replica_nodes(ids(&placed.nodes()))
            .with_isr_nodes(ids(&leader.in_sync))
            .with_eligible_leader_replicas(Some(Vec::new()))
            .with_last_known_elr(Some(Vec::new()))
            .with_offline_replicas(ids(&leader.offline)),
    )
}

fn cursor(name: &str, partition: usize) -> Cursor {
    Cursor::default()
        .with_topic_name(TopicName(StrBytes::from_string(name.to_owned())))
        .with_partition_index(i32::try_from(partition).unwrap_or(i32::MAX))
}

fn failed(code: ErrorCode, name: TopicName) -> DescribeTopicPartitionsResponseTopic {
    DescribeTopicPartitionsResponseTopic::default()
        .with_error_code(code.code())
        .with_is_internal(INTERNAL.contains(&name.as_str()))
        .with_name(Some(name))
}
