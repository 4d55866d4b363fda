//! `OffsetFetch` (key 9), v1-10. v2 null = all topics, error of the group · v5 leader epoch (KIP-320) · v6 flexible ·
//! v7 require stable (KIP-447) · v8 several groups (KIP-709) · v9 member (KIP-848) · v10 topic ids
//!
//! Without transactions every offset is stable.

use std::ops::RangeInclusive;

use bytes::Bytes;
use uuid::Uuid;

use crate::access::{Operation, Resource};
use crate::broker::{BrokerError, GroupOffset};
use crate::cluster::MetadataImage;
use crate::coordinator::{CommittedOffset, GroupError};
use crate::kafka::api::{Handler, RequestError};
use crate::kafka::context::Context;
use crate::model::TopicId;
use crate::wire::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use crate::wire::messages::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions,
    OffsetFetchResponseTopic, OffsetFetchResponseTopics,
};
use crate::wire::messages::{OffsetFetchRequest, OffsetFetchResponse};
use crate::wire::{ApiKey, ErrorCode, StrBytes, offset_requests};

/// The first versions with an error for the group, with several groups, and with topics by id.
const GROUP_ERROR: i16 = 2;
const BATCHED: i16 = 8;
const TOPIC_IDS: i16 = 10;

/// What stands for nothing that was committed.
const NO_OFFSET: i64 = -1;
const NO_EPOCH: i32 = -1;

pub(super) struct OffsetFetch;

impl Handler for OffsetFetch {
    const KEY: ApiKey = ApiKey::OffsetFetch;
    const VERSIONS: RangeInclusive<i16> = 1..=10;
    type Request = OffsetFetchRequest;
    type Response = OffsetFetchResponse;

    fn decode(body: &mut Bytes, version: i16) -> Result<OffsetFetchRequest, RequestError> {
        offset_requests::decode_offset_fetch(body, version).map_err(RequestError::Undecodable)
    }

    async fn handle(ctx: &Context, request: OffsetFetchRequest) -> Result<OffsetFetchResponse, BrokerError> {
        if ctx.version() < BATCHED {
            let group = single(request);
            let answer = of_group(ctx, &group).await;
            return Ok(unbatched(ctx.version(), &group, answer));
        }
        let mut groups = Vec::with_capacity(request.groups.len());
        for group in &request.groups {
            groups.push(of_group(ctx, group).await);
        }
        Ok(OffsetFetchResponse::default().with_groups(groups))
    }

    fn refused(code: ErrorCode) -> OffsetFetchResponse {
        OffsetFetchResponse::default().with_error_code(code.code())
    }
}

/// The one group of an old request, as one of several.
fn single(request: OffsetFetchRequest) -> OffsetFetchRequestGroup {
    let topics = request.topics.map(|topics| {
        let topic = |topic: OffsetFetchRequestTopic| {
            OffsetFetchRequestTopics::default()
                .with_name(topic.name)
                .with_partition_indexes(topic.partition_indexes)
        };
        topics.into_iter().map(topic).collect()
    });
    OffsetFetchRequestGroup::default().with_group_id(request.group_id).with_topics(topics)
}

/// The answer to an old request, which has the group's error for itself, or before that for each partition.
fn unbatched(
    version: i16,
    asked: &OffsetFetchRequestGroup,
    group: OffsetFetchResponseGroup,
) -> OffsetFetchResponse {
    let partition = |one: OffsetFetchResponsePartitions| {
        OffsetFetchResponsePartition::default()
            .with_partition_index(one.partition_index)
            .with_committed_offset(one.committed_offset)
            .with_committed_leader_epoch(one.committed_leader_epoch)
            .with_metadata(one.metadata)
            .with_error_code(one.error_code)
    };
    let topic = |topic: OffsetFetchResponseTopics| {
        let partitions = topic.partitions.into_iter().map(partition).collect();
        OffsetFetchResponseTopic::default().with_name(topic.name).with_partitions(partitions)
    };
    let code = group.error_code;
    let topics = match code {
        0 => group.topics,
        _ if version >= GROUP_ERROR => Vec::new(),
        _ => asked.topics.iter().flatten().map(|topic| failed(topic, code)).collect(),
    };
    let response = OffsetFetchResponse::default().with_topics(topics.into_iter().map(topic).collect());
    response.with_error_code(if version >= GROUP_ERROR { code } else { 0 })
}

async fn of_group(ctx: &Context, asked: &OffsetFetchRequestGroup) -> OffsetFetchResponseGroup {
    let answer = OffsetFetchResponseGroup::default().with_group_id(asked.group_id.clone());
    if !ctx.allows(Operation::Describe, Resource::group(&asked.group_id)) {
        return answer.with_error_code(ErrorCode::GroupAuthorizationFailed.code());
    }
    let found = match &asked.topics {
        None => every_topic(ctx, &asked.group_id).await,
        Some(topics) => some_topics(ctx, &asked.group_id, topics).await,
    };
    match found {
        Ok(topics) => answer.with_topics(topics),
        Err(error) => answer.with_error_code(ErrorCode::from(&error).code()),
    }
}

/// Those that the client may see; by id only those that still exist.
async fn every_topic(ctx: &Context, group: &str) -> Result<Vec<OffsetFetchResponseTopics>, GroupError> {
    let (image, permissions) = (ctx.broker.image(), ctx.permissions());
    let mut topics: Vec<OffsetFetchResponseTopics> = Vec::new();
    for offset in ctx.broker.fetch_offsets(group, None).await? {
        let GroupOffset { topic, partition, committed } = offset;
        let id = image.topic(&topic).map_or(Uuid::nil(), |topic| topic.id.0);
        let is_gone = ctx.version() >= TOPIC_IDS && id.is_nil();
        if is_gone || !permissions.shows(Operation::Describe, Resource::topic(&topic)) {
            continue;
        }
        let one = found(partition, committed.as_ref());
        match topics.last_mut().filter(|last| last.name.as_str() == topic) {
            Some(last) => last.partitions.push(one),
            None => topics.push(
                OffsetFetchResponseTopics::default()
                    .with_name(StrBytes::from_string(topic).into())
                    .with_topic_id(id)
                    .with_partitions(vec![one]),
            ),
        }
    }
    Ok(topics)
}

/// Whether a topic exists matters only when it comes by id.
async fn some_topics(
    ctx: &Context,
    group: &str,
    asked: &[OffsetFetchRequestTopics],
) -> Result<Vec<OffsetFetchResponseTopics>, GroupError> {
    let (image, permissions) = (ctx.broker.image(), ctx.permissions());
    let name = |topic| {
        let name = name(ctx.version(), &image, topic).ok_or(ErrorCode::UnknownTopicId)?;
        match permissions.allows(Operation::Describe, Resource::topic(&name)) {
            true => Ok(name),
            false => Err(ErrorCode::TopicAuthorizationFailed),
        }
    };
    let names: Vec<Result<String, ErrorCode>> = asked.iter().map(name).collect();
    let mut wanted = Vec::new();
    for (topic, name) in asked.iter().zip(&names) {
        let partition = |index: &i32| name.clone().ok().map(|name| (name, *index));
        wanted.extend(topic.partition_indexes.iter().filter_map(partition));
    }
    let mut offsets = ctx.broker.fetch_offsets(group, Some(&wanted)).await?.into_iter();
    let mut topics = Vec::with_capacity(asked.len());
    for (topic, name) in asked.iter().zip(names) {
        let name = match name {
            Ok(name) => name,
            Err(code) => {
                topics.push(failed(topic, code.code()));
                continue;
            }
        };
        let partition = |index: &i32| {
            let committed = offsets.next().and_then(|offset| offset.committed);
            found(*index, committed.filter(|value| is_of(value, topic.topic_id)).as_ref())
        };
        topics.push(
            OffsetFetchResponseTopics::default()
                .with_name(StrBytes::from_string(name).into())
                .with_topic_id(topic.topic_id)
                .with_partitions(topic.partition_indexes.iter().map(partition).collect()),
        );
    }
    Ok(topics)
}

fn name(version: i16, image: &MetadataImage, topic: &OffsetFetchRequestTopics) -> Option<String> {
    match version >= TOPIC_IDS {
        true => image.topic_by_id(TopicId(topic.topic_id)).map(|topic| topic.name.to_string()),
        false => Some(topic.name.to_string()),
    }
}

/// Whether an offset was committed for the topic that now has its name.
fn is_of(offset: &CommittedOffset, asked: Uuid) -> bool {
    asked.is_nil() || offset.topic_id.is_none_or(|id| id == asked)
}

fn found(index: i32, committed: Option<&CommittedOffset>) -> OffsetFetchResponsePartitions {
    let metadata = committed.map(|value| value.metadata.clone()).unwrap_or_default();
    OffsetFetchResponsePartitions::default()
        .with_partition_index(index)
        .with_committed_offset(committed.map_or(NO_OFFSET, |value| value.offset))
        .with_committed_leader_epoch(committed.map_or(NO_EPOCH, |value| value.leader_epoch))
        .with_metadata(Some(StrBytes::from_string(metadata)))
}

fn failed(topic: &OffsetFetchRequestTopics, code: i16) -> OffsetFetchResponseTopics {
    let partition = |index: &i32| found(*index, None).with_error_code(code);
    OffsetFetchResponseTopics::default()
        .with_name(topic.name.clone())
        .with_topic_id(topic.topic_id)
        .with_partitions(topic.partition_indexes.iter().map(partition).collect())
}
