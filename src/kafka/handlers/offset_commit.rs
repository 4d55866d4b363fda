//! `OffsetCommit` (key 8), v2-10. v5 no retention (KIP-211) · v6 leader epoch (KIP-320) · v7 instance id (KIP-345) ·
//! v8 flexible · v10 topic ids (KIP-848)

use std::ops::RangeInclusive;

use bytes::Bytes;

use super::exists;
use crate::access::{Operation, Resource};
use crate::broker::BrokerError;
use crate::cluster::MetadataImage;
use crate::coordinator::{CommitOffset, CommitOffsets, GroupError};
use crate::kafka::api::{Handler, RequestError};
use crate::kafka::context::Context;
use crate::model::TopicId;
use crate::wire::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use crate::wire::messages::offset_commit_response::{
    OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use crate::wire::messages::{OffsetCommitRequest, OffsetCommitResponse};
use crate::wire::{ApiKey, ErrorCode, StrBytes, offset_requests};

/// The first version in which topics come by id, and the first that is told of a group that is not there.
const TOPIC_IDS: i16 = 10;
const TELLS_ABSENCE: i16 = 9;
/// Stands for "as long as the broker keeps offsets", and after v4 for all there is.
const DEFAULT_RETENTION: i64 = -1;

pub(super) struct OffsetCommit;

impl Handler for OffsetCommit {
    const KEY: ApiKey = ApiKey::OffsetCommit;
    const VERSIONS: RangeInclusive<i16> = 2..=10;
    type Request = OffsetCommitRequest;
    type Response = OffsetCommitResponse;

    fn decode(body: &mut Bytes, version: i16) -> Result<OffsetCommitRequest, RequestError> {
        offset_requests::decode_offset_commit(body, version).map_err(RequestError::Undecodable)
    }

    /// A group is asked only if there is something to commit for it.
    async fn handle(
        ctx: &Context,
        mut request: OffsetCommitRequest,
    ) -> Result<OffsetCommitResponse, BrokerError> {
        let (image, version) = (ctx.broker.image(), ctx.version());
        if version >= TOPIC_IDS {
            name_topics(&image, &mut request.topics);
        }
        if let Err(error) = ctx.authorise(Operation::Read, Resource::group(&request.group_id)) {
            let topics = request.topics.into_iter().map(|topic| failed(topic, ErrorCode::from(&error)));
            return Ok(OffsetCommitResponse::default().with_topics(topics.collect()));
        }
        let permissions = ctx.permissions();
        let is_open = |topic: &OffsetCommitRequestTopic| {
            let is_unknown = version >= TOPIC_IDS && topic.name.is_empty();
            is_unknown || permissions.allows(Operation::Read, Resource::topic(&topic.name))
        };
        let (open, closed) = request.topics.into_iter().partition::<Vec<_>, _>(is_open);
        request.topics = open;
        let commit = commit(&image, &request);
        let count = commit.offsets.len();
        let codes = if count == 0 {
            Vec::new()
        } else {
            match ctx.broker.commit_offsets(commit).await {
                Ok(answers) => answers.iter().map(|answer| answer.as_ref().err().map_or(0, code)).collect(),
                Err(error) => vec![refusal(version, &error); count],
            }
        };
        let mut response = answer(&image, &request, version, codes);
        let closed = closed.into_iter().map(|topic| failed(topic, ErrorCode::TopicAuthorizationFailed));
        response.topics.extend(closed);
        Ok(response)
    }

    fn refused(_code: ErrorCode) -> OffsetCommitResponse {
        OffsetCommitResponse::default()
    }
}

/// A topic whose id nobody has stays without a name.
fn name_topics(image: &MetadataImage, topics: &mut [OffsetCommitRequestTopic]) {
    for topic in topics {
        if let Some(found) = image.topic_by_id(TopicId(topic.topic_id)) {
            topic.name = StrBytes::from_string(found.name.to_string()).into();
        }
    }
}

/// What is to be committed for partitions that exist.
fn commit(image: &MetadataImage, request: &OffsetCommitRequest) -> CommitOffsets {
    let mut offsets = Vec::new();
    for topic in &request.topics {
        let topic_id = image.topic(&topic.name).map(|topic| topic.id.0);
        for partition in &topic.partitions {
            if exists(image, &topic.name, partition.partition_index) {
                offsets.push(CommitOffset {
                    topic: topic.name.to_string(),
                    topic_id,
                    partition: partition.partition_index,
                    offset: partition.committed_offset,
                    leader_epoch: partition.committed_leader_epoch,
                    metadata: partition
                        .committed_metadata
                        .as_ref()
                        .map(ToString::to_string)
                        .unwrap_or_default(),
                });
            }
        }
    }
    CommitOffsets {
        group: request.group_id.to_string(),
        generation: request.generation_id_or_member_epoch,
        member_id: request.member_id.to_string(),
        instance_id: request.group_instance_id.as_ref().map(ToString::to_string),
        retention_ms: Some(request.retention_time_ms).filter(|ms| *ms != DEFAULT_RETENTION),
        offsets,
    }
}

/// `codes` are those of the partitions that exist, in order.
fn answer(
    image: &MetadataImage,
    request: &OffsetCommitRequest,
    version: i16,
    codes: Vec<i16>,
) -> OffsetCommitResponse {
    let mut codes = codes.into_iter();
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in &request.topics {
        let unknown = match version >= TOPIC_IDS && topic.name.is_empty() {
            true => ErrorCode::UnknownTopicId,
            false => ErrorCode::UnknownTopicOrPartition,
        };
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for partition in &topic.partitions {
            let index = partition.partition_index;
            let code = match exists(image, &topic.name, index) {
                true => codes.next().unwrap_or(0),
                false => unknown.code(),
            };
            partitions.push(
                OffsetCommitResponsePartition::default().with_partition_index(index).with_error_code(code),
            );
        }
        topics.push(
            OffsetCommitResponseTopic::default()
                .with_name(topic.name.clone())
                .with_topic_id(topic.topic_id)
                .with_partitions(partitions),
        );
    }
    OffsetCommitResponse::default().with_topics(topics)
}

fn failed(topic: OffsetCommitRequestTopic, code: ErrorCode) -> OffsetCommitResponseTopic {
    let partition = |one: &OffsetCommitRequestPartition| {
        OffsetCommitResponsePartition::default()
            .with_partition_index(one.partition_index)
            .with_error_code(code.code())
    };
    OffsetCommitResponseTopic::default()
        .with_partitions(topic.partitions.iter().map(partition).collect())
        .with_name(topic.name)
        .with_topic_id(topic.topic_id)
}

fn code(error: &GroupError) -> i16 {
    ErrorCode::from(error).code()
}

/// Of the whole commit.
fn refusal(version: i16, error: &GroupError) -> i16 {
    if matches!(error, GroupError::TooLarge { .. }) {
        return ErrorCode::InvalidCommitOffsetSize.code();
    }
    let absent = matches!(error, GroupError::IllegalGeneration { current: -1, .. });
    if absent && version >= TELLS_ABSENCE { ErrorCode::GroupIdNotFound.code() } else { code(error) }
}
