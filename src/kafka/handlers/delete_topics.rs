//! `DeleteTopics` (key 20), v1-6. v4 flexible · v5 error message · v6 by id (KIP-516)

use std::collections::HashMap;
use std::ops::RangeInclusive;

use crate::broker::{BrokerError, TopicRef};
use crate::kafka::api::Handler;
use crate::kafka::context::Context;
use crate::kafka::error::Refusal;
use crate::model::TopicId;
use crate::wire::messages::delete_topics_request::DeleteTopicState;
use crate::wire::messages::delete_topics_response::DeletableTopicResult;
use crate::wire::messages::{DeleteTopicsRequest, DeleteTopicsResponse, TopicName};
use crate::wire::{ApiKey, ErrorCode, StrBytes};

pub(super) struct DeleteTopics;

impl Handler for DeleteTopics {
    const KEY: ApiKey = ApiKey::DeleteTopics;
    const VERSIONS: RangeInclusive<i16> = 1..=6;
    type Request = DeleteTopicsRequest;
    type Response = DeleteTopicsResponse;

    async fn handle(
        ctx: &Context,
        request: DeleteTopicsRequest,
    ) -> Result<DeleteTopicsResponse, BrokerError> {
        let by_name = |name: TopicName| DeleteTopicState::default().with_name(Some(name));
        let asked: Vec<DeleteTopicState> = match ctx.version() {
            0..=5 => request.topic_names.into_iter().map(by_name).collect(),
            _ => request.topics,
        };
        let mut times: HashMap<(Option<TopicName>, u128), usize> = HashMap::with_capacity(asked.len());
        for topic in &asked {
            *times.entry(key(topic)).or_default() += 1;
        }
        let mut responses = Vec::with_capacity(asked.len());
        for topic in &asked {
            let Some(times) = times.remove(&key(topic)) else { continue };
            let done = match wanted(topic, times) {
                Ok(which) => delete(ctx, &which).await,
                Err(refusal) => Err(refusal),
            };
            responses.push(match done {
                Ok((name, id)) => DeletableTopicResult::default().with_name(Some(name)).with_topic_id(id.0),
                Err(refusal) => DeletableTopicResult::default()
                    .with_name(topic.name.clone())
                    .with_topic_id(topic.topic_id)
                    .with_error_code(refusal.code.code())
                    .with_error_message(refusal.text()),
            });
        }
        Ok(DeleteTopicsResponse::default().with_responses(responses))
    }

    fn refused(_code: ErrorCode) -> DeleteTopicsResponse {
        DeleteTopicsResponse::default()
    }
}

fn key(topic: &DeleteTopicState) -> (Option<TopicName>, u128) {
    (topic.name.clone(), topic.topic_id.as_u128())
}

/// The topic that is meant, if the request says it once and in one way.
fn wanted(topic: &DeleteTopicState, times: usize) -> Result<TopicRef, Refusal> {
    let invalid = |words: &str| Err(Refusal::new(ErrorCode::InvalidRequest, words));
    match &topic.name {
        Some(_) if !topic.topic_id.is_nil() => invalid("You may not specify both topic name and topic id."),
        None if topic.topic_id.is_nil() => invalid("Neither topic name nor id were specified."),
        Some(_) if times > 1 => invalid("Duplicate topic name."),
        None if times > 1 => invalid("Duplicate topic id."),
        Some(name) => Ok(TopicRef::Name(name.to_string())),
        None => Ok(TopicRef::Id(TopicId(topic.topic_id))),
    }
}

async fn delete(ctx: &Context, which: &TopicRef) -> Result<(TopicName, TopicId), Refusal> {
    match ctx.broker.delete_topic(which).await {
        Ok((name, id)) => Ok((TopicName(StrBytes::from_string(name.to_string())), id)),
        // KIP-322: older clients do not know the newer code.
        Err(error @ BrokerError::TopicDeletionDisabled) if ctx.version() < 3 => {
            Err(Refusal { code: ErrorCode::InvalidRequest, ..Refusal::from(error) })
        }
        Err(error) => Err(Refusal::from(error)),
    }
}
