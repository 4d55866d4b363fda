//! `DeleteTopics` (key 20), v1-6. v4 flexible · v5 error message · v6 by id (KIP-516)

use std::collections::{HashMap, HashSet};
use std::ops::RangeInclusive;

use uuid::Uuid;

use crate::access::{Operation, Resource, ResourceKind};
use crate::broker::{BrokerError, TopicRef};
use crate::cluster::MetadataImage;
use crate::kafka::api::Handler;
use crate::kafka::context::Context;
use crate::kafka::error::Refusal;
use crate::kafka::permissions::Permissions;
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
        let image = ctx.broker.image();
        let rights = Rights::of(ctx.permissions());
        // Which id a name has is nothing for those who may not delete it.
        let mut twice = both_ways(&image, &asked);
        twice.retain(|_, name| rights.may_describe(name) && rights.may_delete(name));
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
                Ok(which) => match rights.fault(&image, &which) {
                    None => delete(ctx, &which).await,
                    Some((refusal, name)) => {
                        responses.push(failed(name.or_else(|| topic.name.clone()), topic.topic_id, &refusal));
                        continue;
                    }
                },
                Err(refusal) => Err(refusal),
            };
            responses.push(match done {
                Ok((name, id)) => DeletableTopicResult::default().with_name(Some(name)).with_topic_id(id.0),
                Err(refusal) => {
                    let name = topic.name.clone().or_else(|| twice.get(&topic.topic_id).cloned());
                    failed(name, topic.topic_id, &refusal)
                }
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
        let result = |topic: DeleteTopicState| failed(topic.name, topic.topic_id, refusal);
        DeleteTopicsResponse::default().with_responses(asked.into_iter().map(result).collect())
    }
}

fn failed(name: Option<TopicName>, id: Uuid, refusal: &Refusal) -> DeletableTopicResult {
    DeletableTopicResult::default()
        .with_name(name)
        .with_topic_id(id)
        .with_error_code(refusal.code.code())
        .with_error_message(refusal.text())
}

/// Which topics the client may see and delete.
struct Rights<'a> {
    permissions: Permissions<'a>,
    /// Any: it may delete from the cluster.
    deletes_all: bool,
}

impl<'a> Rights<'a> {
    fn of(permissions: Permissions<'a>) -> Self {
        let deletes_all = permissions.shows(Operation::Delete, Resource::cluster());
        Self { permissions, deletes_all }
    }

    fn may_describe(&self, name: &str) -> bool {
        self.deletes_all || self.permissions.shows(Operation::Describe, Resource::topic(name))
    }

    fn may_delete(&self, name: &str) -> bool {
        self.deletes_all || self.permissions.shows(Operation::Delete, Resource::topic(name))
    }

    /// Why a topic is not deleted for this client, and its name if the client came with its id and may know it. Whether
    /// a name is a topic's is not for everybody to know; that there is an id is no secret. A topic that is not there is
    /// refused at once: if it came to be meanwhile, nobody has asked whether the client may delete it.
    ///
    /// Source: Kafka `ControllerApis.deleteTopics`.
    fn fault(&self, image: &MetadataImage, which: &TopicRef) -> Option<(Refusal, Option<TopicName>)> {
        if self.deletes_all {
            return None;
        }
        let name = match which {
            TopicRef::Name(name) => name.as_str(),
            TopicRef::Id(id) => match image.topic_by_id(*id) {
                Some(topic) => topic.name.as_str(),
                None => return Some((BrokerError::UnknownTopicId { id: *id }.into(), None)),
            },
        };
        let (is_seen, by_id) = (self.may_describe(name), matches!(which, TopicRef::Id(_)));
        if is_seen && image.topic(name).is_none() {
            return Some((BrokerError::UnknownTopic { topic: name.to_owned() }.into(), None));
        }
        if self.permissions.allows(Operation::Delete, Resource::topic(name)) && (is_seen || by_id) {
            return None;
        }
        let name = (is_seen && by_id).then(|| TopicName(StrBytes::from_string(name.to_owned())));
        Some((BrokerError::Denied { kind: ResourceKind::Topic }.into(), name))
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
