//! `DeleteTopics` (key 20), v1-6. v4 flexible · v5 error message · v6 by id (KIP-516)

use std::collections::{HashMap, HashSet};
use std::ops::RangeInclusive;

use uuid::Uuid;

use crate::broker::{BrokerError, TopicRef};
use crate::cluster::MetadataImage;
use crate::kafka::api::Handler;
use crate::kafka::context::Context;
use crate::kafka::error::Refusal;
use crate::model::TopicId;
use crate::wire::messages::delete_topics_request::DeleteTopicState;
use crate::wire::messages::delete_topics_response::DeletableTopicResult;
use crate::wire::messages::{DeleteTopicsRequest, DeleteTopicsResponse, TopicName};
use crate::wire::{ApiKey, ErrorCode, StrBytes};

/// Kafka's words for a topic that is meant twice.
const TWICE: &str = "The provided topic name maps to an ID that was already supplied.";

pub(super) struct DeleteTopics;

impl Handler for DeleteTopics {
    const KEY: ApiKey = ApiKey::DeleteTopics;
    const VERSIONS: RangeInclusive<i16> = 1..=6;
    const CONTROLLER: bool = true;
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
        let twice = both_ways(&ctx.broker.image(), &asked);
        let mut responses = Vec::with_capacity(asked.len());
        for topic in &asked {
            let Some(times) = times.remove(&key(topic)) else { continue };
            if topic.name.as_ref().is_some_and(|name| twice.values().any(|other| other == name)) {
                continue; // answered with its id
            }
            let done = match wanted(topic, times) {
                Ok(_) if twice.contains_key(&topic.topic_id) => {
                    Err(Refusal::new(ErrorCode::InvalidRequest, TWICE))
                }
                Ok(which) => delete(ctx, &which).await,
                Err(refusal) => Err(refusal),
            };
            responses.push(match done {
                Ok((name, id)) => DeletableTopicResult::default().with_name(Some(name)).with_topic_id(id.0),
                Err(refusal) => DeletableTopicResult::default()
                    .with_name(topic.name.clone().or_else(|| twice.get(&topic.topic_id).cloned()))
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

    fn not_taken(request: DeleteTopicsRequest, refusal: &Refusal) -> DeleteTopicsResponse {
        let by_name = |name: TopicName| DeleteTopicState::default().with_name(Some(name));
        let mut asked = request.topics;
        asked.extend(request.topic_names.into_iter().map(by_name));
        let mut seen = HashSet::with_capacity(asked.len());
        asked.retain(|topic| seen.insert(key(topic)));
        let result = |topic: DeleteTopicState| {
            DeletableTopicResult::default()
                .with_name(topic.name)
                .with_topic_id(topic.topic_id)
                .with_error_code(refusal.code.code())
                .with_error_message(refusal.text())
        };
        DeleteTopicsResponse::default().with_responses(asked.into_iter().map(result).collect())
    }
}

/// Topics that the request means twice, once by id and once by name.
fn both_ways(image: &MetadataImage, asked: &[DeleteTopicState]) -> HashMap<Uuid, TopicName> {
    let named: HashSet<&str> =
        asked.iter().filter_map(|topic| topic.name.as_ref()).map(|name| name.as_str()).collect();
    let ids = asked.iter().filter(|topic| topic.name.is_none()).map(|topic| topic.topic_id);
    let with_names =
        ids.filter_map(|id| image.topic_by_id(TopicId(id)).map(|topic| (id, topic.name.as_str())));
    let twice = with_names.filter(|(_, name)| named.contains(name));
    twice.map(|(id, name)| (id, TopicName(StrBytes::from_string(name.to_owned())))).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_controller_each_topic_is_answered_once_by_what_the_client_named() {
        let name = |name: &'static str| TopicName(StrBytes::from_static_str(name));
        let by_id = DeleteTopicState::default().with_name(None).with_topic_id(Uuid::from_u128(7));
        let request = DeleteTopicsRequest::default()
            .with_topic_names(vec![name("a"), name("b"), name("a")])
            .with_topics(vec![by_id.clone(), by_id]);
        let refusal = Refusal::new(ErrorCode::NotController, "elsewhere");
        let answered = DeleteTopics::not_taken(request, &refusal).responses;
        assert!(answered.iter().all(|one| one.error_code == ErrorCode::NotController.code()));
        let named: Vec<_> = answered.iter().map(|one| (one.name.clone(), one.topic_id.as_u128())).collect();
        assert_eq!(named, [(None, 7), (Some(name("a")), 0), (Some(name("b")), 0)]);
    }
}
