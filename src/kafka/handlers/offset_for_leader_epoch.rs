//! `OffsetForLeaderEpoch` (key 23), v2-4. v3 replica id · v4 flexible. Source: KIP-101, KIP-320

use std::ops::RangeInclusive;

use crate::access::{Operation, Resource};
use crate::broker::BrokerError;
use crate::kafka::api::Handler;
use crate::kafka::context::Context;
use crate::model::LeaderEpoch;
use crate::wire::messages::offset_for_leader_epoch_request::{
    OffsetForLeaderPartition, OffsetForLeaderTopic,
};
use crate::wire::messages::offset_for_leader_epoch_response::{EpochEndOffset, OffsetForLeaderTopicResult};
use crate::wire::messages::{OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse};
use crate::wire::{ApiKey, ErrorCode};

/// Asked for by who knows no epoch: it has no end.
const UNDEFINED: i32 = -1;

pub(super) struct OffsetForLeaderEpoch;

impl Handler for OffsetForLeaderEpoch {
    const KEY: ApiKey = ApiKey::OffsetForLeaderEpoch;
    const VERSIONS: RangeInclusive<i16> = 2..=4;
    type Request = OffsetForLeaderEpochRequest;
    type Response = OffsetForLeaderEpochResponse;

    async fn handle(
        ctx: &Context,
        request: OffsetForLeaderEpochRequest,
    ) -> Result<OffsetForLeaderEpochResponse, BrokerError> {
        let permissions = ctx.permissions();
        // Who replicates need not see topics one by one (KIP-320).
        let sees_all = permissions.shows(Operation::ClusterAction, Resource::cluster());
        let mut topics = Vec::with_capacity(request.topics.len());
        for asked in &request.topics {
            let resource = Resource::topic(&asked.topic);
            let may_describe = sees_all || permissions.allows(Operation::Describe, resource);
            let mut partitions = Vec::with_capacity(asked.partitions.len());
            for partition in &asked.partitions {
                let found = match may_describe {
                    true => find(ctx, asked, partition).await,
                    false => Err(BrokerError::Denied { kind: resource.kind }),
                };
                let (code, epoch, end) = match found {
                    Ok((epoch, end)) => (0, epoch, end),
                    Err(error) => (ErrorCode::from(&error).code(), -1, -1),
                };
                partitions.push(
                    EpochEndOffset::default()
                        .with_error_code(code)
                        .with_partition(partition.partition)
                        .with_leader_epoch(epoch)
                        .with_end_offset(end),
                );
            }
            let topic = OffsetForLeaderTopicResult::default().with_topic(asked.topic.clone());
            topics.push(topic.with_partitions(partitions));
        }
        Ok(OffsetForLeaderEpochResponse::default().with_topics(topics))
    }

    fn refused(_code: ErrorCode) -> OffsetForLeaderEpochResponse {
        OffsetForLeaderEpochResponse::default()
    }
}

/// The largest epoch up to the one that is asked for, and its end; -1 and -1 if there is none.
async fn find(
    ctx: &Context,
    topic: &OffsetForLeaderTopic,
    asked: &OffsetForLeaderPartition,
) -> Result<(i32, i64), BrokerError> {
    let image = ctx.broker.image();
    let Some(topic) = image.topic(&topic.topic) else {
        return Err(BrokerError::UnknownTopic { topic: topic.topic.to_string() });
    };
    let current = super::epoch(asked.current_leader_epoch);
    let wanted = LeaderEpoch(asked.leader_epoch);
    let end = ctx.broker.epoch_end(topic, asked.partition, current, wanted).await?;
    let end = end.filter(|_| wanted.0 != UNDEFINED);
    Ok(end.map_or((-1, -1), |(epoch, end)| (epoch.0, end.0)))
}
