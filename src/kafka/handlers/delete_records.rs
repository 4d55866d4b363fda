//! `DeleteRecords` (key 21), v0-2. v2 flexible. Source: KIP-107

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::access::{Operation, Resource};
use crate::broker::BrokerError;
use crate::cluster::TopicImage;
use crate::kafka::api::Handler;
use crate::kafka::context::Context;
use crate::wire::messages::delete_records_request::DeleteRecordsTopic;
use crate::wire::messages::delete_records_response::{
    DeleteRecordsPartitionResult, DeleteRecordsTopicResult,
};
use crate::wire::messages::{DeleteRecordsRequest, DeleteRecordsResponse};
use crate::wire::{ApiKey, ErrorCode};

/// The longest that one request may take, whatever the client allows, and the shortest: agreeing takes its time, which
/// Kafka does not need while a leader is alone.
const WITHIN_MAX: Duration = Duration::from_mins(5);
const WITHIN_MIN: Duration = Duration::from_secs(1);

pub(super) struct DeleteRecords;

impl Handler for DeleteRecords {
    const KEY: ApiKey = ApiKey::DeleteRecords;
    const VERSIONS: RangeInclusive<i16> = 0..=2;
    type Request = DeleteRecordsRequest;
    type Response = DeleteRecordsResponse;

    async fn handle(
        ctx: &Context,
        request: DeleteRecordsRequest,
    ) -> Result<DeleteRecordsResponse, BrokerError> {
        let (image, permissions) = (ctx.broker.image(), ctx.permissions());
        let timeout = Duration::from_millis(u64::try_from(request.timeout_ms).unwrap_or(0));
        let deadline = Instant::now() + timeout.clamp(WITHIN_MIN, WITHIN_MAX);
        let mut topics = Vec::with_capacity(request.topics.len());
        for asked in &request.topics {
            let may_delete = permissions.allows(Operation::Delete, Resource::topic(&asked.name));
            let topic = image.topic(&asked.name);
            let mut partitions = Vec::with_capacity(asked.partitions.len());
            for (index, before) in last_words(asked) {
                let deleted = match topic {
                    _ if !may_delete => Err(ErrorCode::TopicAuthorizationFailed),
                    None => Err(ErrorCode::UnknownTopicOrPartition),
                    Some(topic) if topic.is_internal() => Err(ErrorCode::InvalidTopicException),
                    // A leader that finds no majority would wait for it.
                    Some(topic) => timeout_at(deadline, delete(ctx, topic, index, before))
                        .await
                        .unwrap_or(Err(ErrorCode::RequestTimedOut)),
                };
                let (low_watermark, code) = match deleted {
                    Ok(offset) => (offset, 0),
                    Err(code) => (-1, code.code()),
                };
                partitions.push(
                    DeleteRecordsPartitionResult::default()
                        .with_partition_index(index)
                        .with_low_watermark(low_watermark)
                        .with_error_code(code),
                );
            }
            let topic = DeleteRecordsTopicResult::default().with_name(asked.name.clone());
            topics.push(topic.with_partitions(partitions));
        }
        Ok(DeleteRecordsResponse::default().with_topics(topics))
    }

    fn refused(_code: ErrorCode) -> DeleteRecordsResponse {
        DeleteRecordsResponse::default()
    }
}

/// Of a partition that is named twice, the last offset counts.
fn last_words(asked: &DeleteRecordsTopic) -> Vec<(i32, i64)> {
    let mut out: Vec<(i32, i64)> = asked.partitions.iter().map(|p| (p.partition_index, p.offset)).collect();
    out.reverse();
    out.sort_by_key(|(index, _)| *index);
    out.dedup_by_key(|(index, _)| *index);
    out
}

async fn delete(ctx: &Context, topic: &Arc<TopicImage>, index: i32, before: i64) -> Result<i64, ErrorCode> {
    let start = ctx.broker.delete_records(topic, index, before).await;
    start.map(|offset| offset.0).map_err(|error| ErrorCode::from(&error))
}
