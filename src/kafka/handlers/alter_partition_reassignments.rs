//! `AlterPartitionReassignments` (key 45), v0-1. Source: KIP-455. v1 whether the replication factor may change (KIP-860)
//!
//! What is asked for is decided at once: a move to where the replicas are is done, any other is refused.

use std::ops::RangeInclusive;

use crate::broker::BrokerError;
use crate::kafka::api::Handler;
use crate::kafka::context::Context;
use crate::kafka::error::Refusal;
use crate::wire::messages::alter_partition_reassignments_request::{
    ReassignablePartition, ReassignableTopic,
};
use crate::wire::messages::alter_partition_reassignments_response::{
    ReassignablePartitionResponse, ReassignableTopicResponse,
};
use crate::wire::messages::{AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse};
use crate::wire::{ApiKey, ErrorCode, StrBytes};

pub(super) struct AlterPartitionReassignments;

impl Handler for AlterPartitionReassignments {
    const KEY: ApiKey = ApiKey::AlterPartitionReassignments;
    const VERSIONS: RangeInclusive<i16> = 0..=1;
    type Request = AlterPartitionReassignmentsRequest;
    type Response = AlterPartitionReassignmentsResponse;

    async fn handle(
        ctx: &Context,
        request: AlterPartitionReassignmentsRequest,
    ) -> Result<AlterPartitionReassignmentsResponse, BrokerError> {
        let answer = |topic: &ReassignableTopic| {
            let partitions = topic.partitions.iter().map(|one| reassign(ctx, &topic.name, one)).collect();
            ReassignableTopicResponse::default().with_name(topic.name.clone()).with_partitions(partitions)
        };
        // Kafka has an empty message instead of none if nothing was asked.
        let message = request.topics.is_empty().then(StrBytes::new);
        Ok(AlterPartitionReassignmentsResponse::default()
            .with_allow_replication_factor_change(request.allow_replication_factor_change)
            .with_error_message(message)
            .with_responses(request.topics.iter().map(answer).collect()))
    }

    fn refused(code: ErrorCode) -> AlterPartitionReassignmentsResponse {
        AlterPartitionReassignmentsResponse::default().with_error_code(code.code())
    }
}

fn reassign(ctx: &Context, topic: &str, asked: &ReassignablePartition) -> ReassignablePartitionResponse {
    let index = asked.partition_index;
    let nodes: Option<Vec<i32>> = asked.replicas.as_ref().map(|nodes| nodes.iter().map(|id| id.0).collect());
    let out = ReassignablePartitionResponse::default().with_partition_index(index);
    let refusal = match ctx.broker.reassign(topic, index, nodes.as_deref()) {
        Ok(()) => return out.with_error_message(None),
        Err(error) => Refusal { code: ErrorCode::from(&error), message: words(&error) },
    };
    out.with_error_code(refusal.code.code()).with_error_message(refusal.text())
}

/// Source: Kafka `ReplicationControlManager.alterPartitionReassignments`.
fn words(error: &BrokerError) -> Option<String> {
    match error {
        BrokerError::UnknownTopic { topic } => Some(format!("Unable to find a topic named {topic}.")),
        BrokerError::UnknownPartition { topic, partition } => {
            Some(format!("Unable to find partition {topic}:{partition}."))
        }
        BrokerError::NoReassignment { .. } => None,
        error => Refusal::from(error).message,
    }
}
