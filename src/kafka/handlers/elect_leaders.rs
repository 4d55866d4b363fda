//! `ElectLeaders` (key 43), v0-2. v1 election type, error code (KIP-460) · v2 flexible
//!
//! A partition's one replica leads it already, so no election is ever needed.

use std::ops::RangeInclusive;

use crate::broker::BrokerError;
use crate::kafka::api::Handler;
use crate::kafka::context::Context;
use crate::kafka::error::Refusal;
use crate::wire::messages::elect_leaders_request::TopicPartitions;
use crate::wire::messages::elect_leaders_response::{PartitionResult, ReplicaElectionResult};
use crate::wire::messages::{ElectLeadersRequest, ElectLeadersResponse, TopicName};
use crate::wire::{ApiKey, ErrorCode, StrBytes};

/// Election types of KIP-460: the preferred replica, or any if none is in sync.
const TYPES: RangeInclusive<i8> = 0..=1;

pub(super) struct ElectLeaders;

impl Handler for ElectLeaders {
    const KEY: ApiKey = ApiKey::ElectLeaders;
    const VERSIONS: RangeInclusive<i16> = 0..=2;
    type Request = ElectLeadersRequest;
    type Response = ElectLeadersResponse;

    async fn handle(
        ctx: &Context,
        request: ElectLeadersRequest,
    ) -> Result<ElectLeadersResponse, BrokerError> {
        let kind = request.election_type;
        let Some(asked) = &request.topic_partitions else {
            return Ok(match TYPES.contains(&kind) {
                true => ElectLeadersResponse::default().with_replica_election_results(every_topic(ctx)),
                false => Self::refused(ErrorCode::InvalidRequest),
            });
        };
        if !TYPES.contains(&kind) {
            let refusal = Refusal::new(ErrorCode::InvalidRequest, format!("Unknown election type {kind}"));
            let refused = asked.iter().map(|topic| results(topic, |_| refusal.clone())).collect();
            return Ok(Self::refused(refusal.code).with_replica_election_results(refused));
        }
        let answer = |topic: &TopicPartitions| results(topic, |index| elect(ctx, &topic.topic, index));
        let answers = asked.iter().map(answer).collect();
        Ok(ElectLeadersResponse::default().with_replica_election_results(answers))
    }

    fn refused(code: ErrorCode) -> ElectLeadersResponse {
        ElectLeadersResponse::default().with_error_code(code.code())
    }
}

/// Of all partitions only those whose leader changes are named, hence none.
fn every_topic(ctx: &Context) -> Vec<ReplicaElectionResult> {
    let result = |topic: &std::sync::Arc<crate::cluster::TopicImage>| {
        let name = TopicName(StrBytes::from_string(topic.name.to_string()));
        ReplicaElectionResult::default().with_topic(name)
    };
    ctx.broker.image().topics().map(result).collect()
}

fn elect(ctx: &Context, name: &str, index: i32) -> Refusal {
    let unknown = |words| Refusal::new(ErrorCode::UnknownTopicOrPartition, words);
    let image = ctx.broker.image();
    let Some(topic) = image.topic(name) else {
        return unknown(format!("No such topic as {name}"));
    };
    if topic.partition(index).is_none() {
        return unknown(format!("No such partition as {name}-{index}"));
    }
    if ctx.broker.leader(topic, index).node < 0 {
        let words = "The preferred leader was not available.";
        return Refusal::new(ErrorCode::PreferredLeaderNotAvailable, words);
    }
    Refusal::new(ErrorCode::ElectionNotNeeded, "Leader election not needed for topic partition.")
}

fn results(topic: &TopicPartitions, answer: impl Fn(i32) -> Refusal) -> ReplicaElectionResult {
    let result = |index: &i32| {
        let refusal = answer(*index);
        PartitionResult::default()
            .with_partition_id(*index)
            .with_error_code(refusal.code.code())
            .with_error_message(refusal.text())
    };
    ReplicaElectionResult::default()
        .with_topic(topic.topic.clone())
        .with_partition_result(topic.partitions.iter().map(result).collect())
}
