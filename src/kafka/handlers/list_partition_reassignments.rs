//! `ListPartitionReassignments` (key 46), v0. Source: KIP-455. Answered by any node from its own image.

use std::ops::RangeInclusive;

use crate::access::{Operation, Resource};
use crate::broker::{BrokerError, Reassignment};
use crate::kafka::api::Handler;
use crate::kafka::context::Context;
use crate::kafka::error::Refusal;
use crate::wire::messages::list_partition_reassignments_request::ListPartitionReassignmentsTopics;
use crate::wire::messages::list_partition_reassignments_response::{
    OngoingPartitionReassignment, OngoingTopicReassignment,
};
use crate::wire::messages::{
    BrokerId, ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse, TopicName,
};
use crate::wire::{ApiKey, ErrorCode, StrBytes};

pub(super) struct ListPartitionReassignments;

impl Handler for ListPartitionReassignments {
    const KEY: ApiKey = ApiKey::ListPartitionReassignments;
    const VERSIONS: RangeInclusive<i16> = 0..=0;
    type Request = ListPartitionReassignmentsRequest;
    type Response = ListPartitionReassignmentsResponse;

    async fn handle(
        ctx: &Context,
        request: ListPartitionReassignmentsRequest,
    ) -> Result<ListPartitionReassignmentsResponse, BrokerError> {
        if let Err(denied) = ctx.authorise(Operation::Describe, Resource::cluster()) {
            let refusal = Refusal::from(denied);
            return Ok(Self::refused(refusal.code).with_error_message(refusal.text()));
        }
        let mut under_way = ctx.broker.reassignments();
        under_way.retain(|one| is_asked_for(request.topics.as_deref(), one));
        let topics = under_way.chunk_by(|one, next| one.topic == next.topic).map(described).collect();
        Ok(ListPartitionReassignmentsResponse::default().with_error_message(None).with_topics(topics))
    }

    fn refused(code: ErrorCode) -> ListPartitionReassignmentsResponse {
        ListPartitionReassignmentsResponse::default().with_error_code(code.code())
    }
}

/// None: all are.
fn is_asked_for(topics: Option<&[ListPartitionReassignmentsTopics]>, one: &Reassignment) -> bool {
    topics.is_none_or(|topics| {
        let mut same = topics.iter().filter(|topic| topic.name.as_str() == one.topic);
        same.any(|topic| topic.partition_indexes.contains(&one.partition))
    })
}

/// The moves of one topic.
fn described(moves: &[Reassignment]) -> OngoingTopicReassignment {
    let ids = |ids: &[i32]| ids.iter().copied().map(BrokerId).collect::<Vec<_>>();
    let partition = |one: &Reassignment| {
        OngoingPartitionReassignment::default()
            .with_partition_index(one.partition)
            .with_replicas(ids(&one.replicas))
            .with_adding_replicas(ids(&one.adding))
            .with_removing_replicas(ids(&one.removing))
    };
    let name = moves.first().map_or_else(String::new, |one| one.topic.clone());
    OngoingTopicReassignment::default()
        .with_name(TopicName(StrBytes::from_string(name)))
        .with_partitions(moves.iter().map(partition).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn under_way(topic: &str, partition: i32) -> Reassignment {
        Reassignment {
            topic: topic.into(),
            partition,
            replicas: vec![1, 2],
            adding: vec![2],
            removing: vec![1],
        }
    }

    #[test]
    fn all_are_listed_unless_some_are_named() {
        let one = under_way("a", 3);
        let named = |name: &'static str, partitions: &[i32]| {
            ListPartitionReassignmentsTopics::default()
                .with_name(TopicName(StrBytes::from_static_str(name)))
                .with_partition_indexes(partitions.to_vec())
        };
        assert!(is_asked_for(None, &one));
        assert!(is_asked_for(Some(&[named("b", &[3]), named("a", &[1, 3])]), &one));
        assert!(!is_asked_for(Some(&[named("b", &[3]), named("a", &[1])]), &one));
        assert!(!is_asked_for(Some(&[]), &one));
    }
}
