//! `DescribeProducers` (key 61), v0. Source: KIP-664
//!
//! Of idempotent producers: nobody has a transaction. Times are those of the last append, not of its records.

use std::ops::RangeInclusive;

use crate::access::{Operation, Resource};
use crate::broker::{ActiveProducer, BrokerError};
use crate::kafka::api::Handler;
use crate::kafka::context::Context;
use crate::kafka::error::Refusal;
use crate::model::TopicName;
use crate::wire::messages::describe_producers_response::{PartitionResponse, ProducerState, TopicResponse};
use crate::wire::messages::{DescribeProducersRequest, DescribeProducersResponse, ProducerId};
use crate::wire::{ApiKey, ErrorCode};

pub(super) struct DescribeProducers;

impl Handler for DescribeProducers {
    const KEY: ApiKey = ApiKey::DescribeProducers;
    const VERSIONS: RangeInclusive<i16> = 0..=0;
    type Request = DescribeProducersRequest;
    type Response = DescribeProducersResponse;

    async fn handle(
        ctx: &Context,
        request: DescribeProducersRequest,
    ) -> Result<DescribeProducersResponse, BrokerError> {
        let mut topics = Vec::with_capacity(request.topics.len());
        for topic in request.topics {
            let mut partitions = Vec::with_capacity(topic.partition_indexes.len());
            for index in topic.partition_indexes {
                let out = PartitionResponse::default().with_partition_index(index);
                partitions.push(match producers(ctx, &topic.name, index).await {
                    Ok(states) => out.with_error_message(None).with_active_producers(states),
                    Err(refusal) => {
                        out.with_error_code(refusal.code.code()).with_error_message(refusal.text())
                    }
                });
            }
            topics.push(TopicResponse::default().with_name(topic.name).with_partitions(partitions));
        }
        Ok(DescribeProducersResponse::default().with_topics(topics))
    }

    fn refused(_code: ErrorCode) -> DescribeProducersResponse {
        DescribeProducersResponse::default()
    }
}

async fn producers(ctx: &Context, name: &str, index: i32) -> Result<Vec<ProducerState>, Refusal> {
    if let Err(source) = TopicName::new(name) {
        return Err(BrokerError::InvalidTopicName { name: name.to_owned(), source }.into());
    }
    ctx.authorise(Operation::Read, Resource::topic(name))?;
    let found = ctx.broker.active_producers(name, index).await;
    let producers = found.map_err(|error| match error {
        BrokerError::UnknownPartition { .. } => Refusal { message: None, ..Refusal::from(error) }, // as Kafka has it
        error => Refusal::from(error),
    })?;
    let state = |producer: ActiveProducer| {
        ProducerState::default()
            .with_producer_id(ProducerId(producer.id))
            .with_producer_epoch(producer.epoch.into())
            .with_last_sequence(producer.last_sequence)
            .with_last_timestamp(producer.last_append_ms)
            .with_coordinator_epoch(-1)
            .with_current_txn_start_offset(-1)
    };
    Ok(producers.into_iter().map(state).collect())
}
