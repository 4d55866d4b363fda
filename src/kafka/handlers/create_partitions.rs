//! `CreatePartitions` (key 37), v0-3. v2 flexible. Source: KIP-195

use std::collections::{HashMap, HashSet};
use std::ops::RangeInclusive;

use crate::access::{Operation, Resource};
use crate::broker::BrokerError;
use crate::kafka::api::Handler;
use crate::kafka::context::Context;
use crate::kafka::error::Refusal;
use crate::wire::messages::create_partitions_request::CreatePartitionsTopic;
use crate::wire::messages::create_partitions_response::CreatePartitionsTopicResult;
use crate::wire::messages::{CreatePartitionsRequest, CreatePartitionsResponse};
use crate::wire::{ApiKey, ErrorCode};

pub(super) struct CreatePartitions;

impl Handler for CreatePartitions {
    const KEY: ApiKey = ApiKey::CreatePartitions;
    const VERSIONS: RangeInclusive<i16> = 0..=3;
    const CONTROLLER: bool = true;
    type Request = CreatePartitionsRequest;
    type Response = CreatePartitionsResponse;

    async fn handle(
        ctx: &Context,
        request: CreatePartitionsRequest,
    ) -> Result<CreatePartitionsResponse, BrokerError> {
        let mut times: HashMap<&str, usize> = HashMap::with_capacity(request.topics.len());
        for topic in &request.topics {
            *times.entry(&topic.name).or_default() += 1;
        }
        let permissions = ctx.permissions();
        let mut results = Vec::with_capacity(request.topics.len());
        for topic in &request.topics {
            let grown = match times.remove(topic.name.as_str()) {
                None => continue,
                Some(1) if !permissions.allows(Operation::Alter, Resource::topic(&topic.name)) => {
                    Err(Refusal { code: ErrorCode::TopicAuthorizationFailed, message: None }) // as Kafka has it
                }
                Some(1) => grow(ctx, topic, request.validate_only).await,
                Some(_) => Err(Refusal::new(ErrorCode::InvalidRequest, "Duplicate topic name.")),
            };
            let result = CreatePartitionsTopicResult::default().with_name(topic.name.clone());
            results.push(match grown {
                Ok(()) => result.with_error_message(None),
                Err(refusal) => {
                    result.with_error_code(refusal.code.code()).with_error_message(refusal.text())
                }
            });
        }
        Ok(CreatePartitionsResponse::default().with_results(results))
    }

    fn refused(_code: ErrorCode) -> CreatePartitionsResponse {
        CreatePartitionsResponse::default()
    }

    fn not_taken(request: CreatePartitionsRequest, refusal: &Refusal) -> CreatePartitionsResponse {
        let mut seen = HashSet::with_capacity(request.topics.len());
        let topics = request.topics.into_iter().filter(|topic| seen.insert(topic.name.clone()));
        let result = |topic: CreatePartitionsTopic| {
            CreatePartitionsTopicResult::default()
                .with_name(topic.name)
                .with_error_code(refusal.code.code())
                .with_error_message(refusal.text())
        };
        CreatePartitionsResponse::default().with_results(topics.map(result).collect())
    }
}

async fn grow(ctx: &Context, topic: &CreatePartitionsTopic, validate_only: bool) -> Result<(), Refusal> {
    let nodes = |a: &crate::wire::messages::create_partitions_request::CreatePartitionsAssignment| {
        a.broker_ids.iter().map(|id| id.0).collect()
    };
    let assignments = topic.assignments.as_ref().map(|given| given.iter().map(nodes).collect());
    let grown = ctx.broker.create_partitions(&topic.name, topic.count, assignments, validate_only).await;
    grown.map_err(|error| match error {
        BrokerError::UnknownTopic { .. } => Refusal { message: None, ..Refusal::from(error) }, // as Kafka has it
        error => Refusal::from(error),
    })
}
