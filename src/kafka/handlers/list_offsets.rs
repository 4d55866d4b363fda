//! `ListOffsets` (key 2), v1-11. v2 isolation · v4 leader epochs (KIP-320) · v6 flexible · v7 max timestamp (KIP-734) ·
//! v8 earliest local · v9 latest tiered · v10 timeout · v11 earliest pending upload
//!
//! The protocol crate codes up to v10; v11 only allows one more special timestamp.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

use crate::access::{Operation, Resource};
use crate::broker::{BrokerError, FoundOffset, OffsetSpec};
use crate::cluster::TopicImage;
use crate::kafka::api::Handler;
use crate::kafka::context::Context;
use crate::wire::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use crate::wire::messages::list_offsets_response::{ListOffsetsPartitionResponse, ListOffsetsTopicResponse};
use crate::wire::messages::{ListOffsetsRequest, ListOffsetsResponse};
use crate::wire::{ApiKey, ErrorCode};

/// The first version whose clients know `OFFSET_NOT_AVAILABLE`.
const NOT_AVAILABLE_SINCE: i16 = 5;

pub(super) struct ListOffsets;

impl Handler for ListOffsets {
    const KEY: ApiKey = ApiKey::ListOffsets;
    const VERSIONS: RangeInclusive<i16> = 1..=11;
    const CODED_TO: i16 = 10;
    type Request = ListOffsetsRequest;
    type Response = ListOffsetsResponse;

    async fn handle(ctx: &Context, request: ListOffsetsRequest) -> Result<ListOffsetsResponse, BrokerError> {
        let (image, permissions) = (ctx.broker.image(), ctx.permissions());
        let mut topics = Vec::with_capacity(request.topics.len());
        for asked in &request.topics {
            let may_describe = permissions.allows(Operation::Describe, Resource::topic(&asked.name));
            let topic = image.topic(&asked.name);
            let mut partitions = Vec::with_capacity(asked.partitions.len());
            for (partition, times) in once_each(asked) {
                let found = match topic {
                    _ if !may_describe => Err(ErrorCode::TopicAuthorizationFailed),
                    _ if times > 1 => Err(ErrorCode::InvalidRequest),
                    None => Err(ErrorCode::UnknownTopicOrPartition),
                    Some(topic) => find(ctx, topic, partition).await,
                };
                partitions.push(answer(ctx.version(), partition.partition_index, found));
            }
            topics.push(
                ListOffsetsTopicResponse::default().with_name(asked.name.clone()).with_partitions(partitions),
            );
        }
        Ok(ListOffsetsResponse::default().with_topics(topics))
    }

    fn refused(_code: ErrorCode) -> ListOffsetsResponse {
        ListOffsetsResponse::default()
    }
}

/// Each partition, and how often it is named.
fn once_each(asked: &ListOffsetsTopic) -> Vec<(&ListOffsetsPartition, usize)> {
    let mut times: HashMap<i32, usize> = HashMap::with_capacity(asked.partitions.len());
    for partition in &asked.partitions {
        *times.entry(partition.partition_index).or_default() += 1;
    }
    let partitions = asked.partitions.iter();
    partitions.filter_map(|p| times.remove(&p.partition_index).map(|times| (p, times))).collect()
}

async fn find(
    ctx: &Context,
    topic: &Arc<TopicImage>,
    asked: &ListOffsetsPartition,
) -> Result<FoundOffset, ErrorCode> {
    let spec = spec(asked.timestamp, ctx.version()).ok_or(ErrorCode::UnsupportedVersion)?;
    let epoch = super::epoch(asked.current_leader_epoch);
    let found = ctx.broker.list_offset(topic, asked.partition_index, spec, epoch).await;
    found.map_err(|error| match error {
        BrokerError::NotLeader { .. } if ctx.broker.takes_over(topic, asked.partition_index) => {
            // KIP-207, also for clients that do not know its code.
            let knows = ctx.version() >= NOT_AVAILABLE_SINCE;
            if knows { ErrorCode::OffsetNotAvailable } else { ErrorCode::LeaderNotAvailable }
        }
        error => ErrorCode::from(&error),
    })
}

/// What a timestamp means, if the version has it.
fn spec(timestamp: i64, version: i16) -> Option<OffsetSpec> {
    let (spec, since) = match timestamp {
        -1 => (OffsetSpec::Latest, 1),
        -2 => (OffsetSpec::Earliest, 1),
        -3 => (OffsetSpec::MaxTimestamp, 7),
        -4 => (OffsetSpec::EarliestLocal, 8),
        -5 => (OffsetSpec::LatestTiered, 9),
        -6 => (OffsetSpec::EarliestPendingUpload, 11),
        at if at >= 0 => (OffsetSpec::Timestamp(at), 1),
        _ => return None,
    };
    (version >= since).then_some(spec)
}

fn answer(version: i16, index: i32, found: Result<FoundOffset, ErrorCode>) -> ListOffsetsPartitionResponse {
    let out = ListOffsetsPartitionResponse::default().with_partition_index(index);
    match found {
        Err(code) => out.with_error_code(code.code()).with_timestamp(-1).with_offset(-1),
        Ok(found) => {
            let epoch = found.epoch.filter(|_| version >= 4).map_or(-1, |epoch| epoch.0);
            out.with_timestamp(found.timestamp).with_offset(found.offset).with_leader_epoch(epoch)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_timestamps_have_a_meaning_from_their_version_on() {
        for (timestamp, since) in [(-1, 1), (-2, 1), (-3, 7), (-4, 8), (-5, 9), (-6, 11), (0, 1)] {
            for version in 1..=11 {
                assert_eq!(spec(timestamp, version).is_some(), version >= since, "{timestamp} in v{version}");
            }
        }
        assert_eq!(spec(-7, 11), None);
    }
}
