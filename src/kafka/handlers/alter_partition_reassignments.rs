//! `AlterPartitionReassignments` (key 45), v0-1. Source: KIP-455. v1 whether the replication factor may change (KIP-860)
//!
//! Answered once the move is written down; the move itself goes on, and `ListPartitionReassignments` shows it.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use crate::access::{Operation, Resource};
use crate::broker::BrokerError;
use crate::cluster::MetadataImage;
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
    const CONTROLLER: bool = true;
    type Request = AlterPartitionReassignmentsRequest;
    type Response = AlterPartitionReassignmentsResponse;

    async fn handle(
        ctx: &Context,
        request: AlterPartitionReassignmentsRequest,
    ) -> Result<AlterPartitionReassignmentsResponse, BrokerError> {
        if let Err(denied) = ctx.authorise(Operation::Alter, Resource::cluster()) {
            return Ok(refused(&request.topics, &denied.into()));
        }
        let may_resize = request.allow_replication_factor_change;
        let mut responses = Vec::with_capacity(request.topics.len());
        for topic in &request.topics {
            responses.push(reassign_topic(ctx, topic, may_resize).await);
        }
        // Kafka has an empty message instead of none if nothing was asked.
        let message = request.topics.is_empty().then(StrBytes::new);
        Ok(AlterPartitionReassignmentsResponse::default()
            .with_allow_replication_factor_change(request.allow_replication_factor_change)
            .with_error_message(message)
            .with_responses(responses))
    }

    fn refused(code: ErrorCode) -> AlterPartitionReassignmentsResponse {
        AlterPartitionReassignmentsResponse::default().with_error_code(code.code())
    }
}

/// With the error of the whole for each partition too.
fn refused(topics: &[ReassignableTopic], refusal: &Refusal) -> AlterPartitionReassignmentsResponse {
    let partition = |asked: &ReassignablePartition| {
        ReassignablePartitionResponse::default()
            .with_partition_index(asked.partition_index)
            .with_error_code(refusal.code.code())
            .with_error_message(refusal.text())
    };
    let topic = |topic: &ReassignableTopic| {
        let partitions = topic.partitions.iter().map(partition).collect();
        ReassignableTopicResponse::default().with_name(topic.name.clone()).with_partitions(partitions)
    };
    AlterPartitionReassignments::refused(refusal.code)
        .with_error_message(refusal.text())
        .with_responses(topics.iter().map(topic).collect())
}

async fn reassign_topic(
    ctx: &Context,
    topic: &ReassignableTopic,
    may_resize: bool,
) -> ReassignableTopicResponse {
    let mut partitions = Vec::with_capacity(topic.partitions.len());
    for asked in &topic.partitions {
        let out = ReassignablePartitionResponse::default().with_partition_index(asked.partition_index);
        partitions.push(match reassign(ctx, &topic.name, asked, may_resize).await {
            Ok(()) => out.with_error_message(None),
            Err(refusal) => out.with_error_code(refusal.code.code()).with_error_message(refusal.text()),
        });
    }
    ReassignableTopicResponse::default().with_name(topic.name.clone()).with_partitions(partitions)
}

async fn reassign(
    ctx: &Context,
    topic: &str,
    asked: &ReassignablePartition,
    may_resize: bool,
) -> Result<(), Refusal> {
    let index = asked.partition_index;
    let nodes: Option<Vec<i32>> = asked.replicas.as_ref().map(|nodes| nodes.iter().map(|id| id.0).collect());
    if let Some(nodes) = nodes.as_deref().filter(|_| !may_resize) {
        let image = ctx.broker.image();
        let placed = image.topic(topic).and_then(|topic| topic.partition(index));
        let have = placed.map_or(nodes.len(), |placed| placed.target().count());
        if have != nodes.len() && are_nodes(nodes, &image) {
            let words = format!("The replication factor is changed from {have} to {}", nodes.len());
            return Err(Refusal::new(ErrorCode::InvalidReplicationFactor, words));
        }
    }
    let refusal = |error: BrokerError| Refusal { code: ErrorCode::from(&error), message: words(&error) };
    ctx.broker.reassign(topic, index, nodes.as_deref()).await.map_err(refusal)
}

/// Whether these are nodes of the cluster, each once. Other faults have other words, which come first.
fn are_nodes(nodes: &[i32], image: &MetadataImage) -> bool {
    let each: BTreeSet<&i32> = nodes.iter().collect();
    each.len() == nodes.len() && !each.is_empty() && each.into_iter().all(|id| image.nodes.contains_key(id))
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
