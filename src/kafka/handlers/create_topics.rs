//! `CreateTopics` (key 19), v2-7. v4 defaults by -1 (KIP-464) · v5 flexible, answers what was made (KIP-525) · v7 topic id
//!
//! Each topic has its own answer. At most 10,000 new partitions a request.

use std::collections::HashMap;
use std::ops::RangeInclusive;

use crate::access::{Operation, Resource};
use crate::broker::{BrokerError, CreatedTopic, NewTopic};
use crate::kafka::api::Handler;
use crate::kafka::context::Context;
use crate::kafka::error::Refusal;
use crate::kafka::permissions::Permissions;
use crate::keys::ConfigEntry;
use crate::wire::messages::create_topics_request::CreatableTopic;
use crate::wire::messages::create_topics_response::{CreatableTopicConfigs, CreatableTopicResult};
use crate::wire::messages::{CreateTopicsRequest, CreateTopicsResponse, TopicName};
use crate::wire::{ApiKey, ErrorCode, StrBytes};

/// The most partitions that one request may create. Source: Kafka `ReplicationControlManager`.
const NEW_PARTITIONS_MAX: i64 = 10_000;
/// Kafka's metadata log, which no client may have as a topic.
const METADATA_TOPIC: &str = "__cluster_metadata";

pub(super) struct CreateTopics;

impl Handler for CreateTopics {
    const KEY: ApiKey = ApiKey::CreateTopics;
    const VERSIONS: RangeInclusive<i16> = 2..=7;
    const CONTROLLER: bool = true;
    type Request = CreateTopicsRequest;
    type Response = CreateTopicsResponse;

    async fn handle(
        ctx: &Context,
        request: CreateTopicsRequest,
    ) -> Result<CreateTopicsResponse, BrokerError> {
        let mut results = Vec::with_capacity(request.topics.len());
        let permissions = ctx.permissions();
        let creates_all = permissions.shows(Operation::Create, Resource::cluster());
        let mut allowed = Vec::with_capacity(request.topics.len());
        for (topic, times) in once_each(&request.topics) {
            match fault_before(topic, times, creates_all, &permissions) {
                Some(refusal) => results.push(refused(topic.name.clone(), &refusal)),
                None => allowed.push(topic),
            }
        }
        let too_many = new_partitions(ctx, &allowed) > NEW_PARTITIONS_MAX;
        let mut good = Vec::with_capacity(allowed.len());
        for topic in allowed {
            match fault(topic, too_many) {
                Some(refusal) => results.push(refused(topic.name.clone(), &refusal)),
                None => good.push(topic),
            }
        }
        let new = good.iter().map(|topic| new_topic(topic)).collect();
        let made = ctx.broker.create_topics(new, request.validate_only).await;
        for (topic, made) in good.into_iter().zip(made) {
            results.push(match made {
                Ok(created) => described(ctx, &permissions, topic.name.clone(), created),
                Err(error) => refused(topic.name.clone(), &Refusal::from(&error)),
            });
        }
        Ok(CreateTopicsResponse::default().with_topics(results))
    }

    fn refused(_code: ErrorCode) -> CreateTopicsResponse {
        CreateTopicsResponse::default()
    }

    fn not_taken(request: CreateTopicsRequest, refusal: &Refusal) -> CreateTopicsResponse {
        let results = once_each(&request.topics).into_iter().map(|(t, _)| refused(t.name.clone(), refusal));
        CreateTopicsResponse::default().with_topics(results.collect())
    }
}

/// Each topic, and how often it is named.
fn once_each(topics: &[CreatableTopic]) -> Vec<(&CreatableTopic, usize)> {
    let mut times: HashMap<&str, usize> = HashMap::with_capacity(topics.len());
    for topic in topics {
        *times.entry(&topic.name).or_default() += 1;
    }
    topics.iter().filter_map(|topic| times.remove(topic.name.as_str()).map(|times| (topic, times))).collect()
}

fn new_partitions(ctx: &Context, topics: &[&CreatableTopic]) -> i64 {
    let default = i64::from(ctx.broker.settings().num_partitions);
    let of_topic = |topic: &&CreatableTopic| match (topic.assignments.len(), topic.num_partitions) {
        (0, -1) => default,
        (0, count) => i64::from(count.max(0)),
        (assigned, _) => i64::try_from(assigned).unwrap_or(i64::MAX),
    };
    topics.iter().map(of_topic).fold(0, i64::saturating_add)
}

/// What is wrong with a topic whatever is asked for it.
fn fault_before(
    topic: &CreatableTopic,
    times: usize,
    creates_all: bool,
    permissions: &Permissions<'_>,
) -> Option<Refusal> {
    if times > 1 {
        Some(Refusal::new(ErrorCode::InvalidRequest, "Duplicate topic name."))
    } else if topic.name.as_str() == METADATA_TOPIC {
        let words = format!("Creation of internal topic {METADATA_TOPIC} is prohibited.");
        Some(Refusal::new(ErrorCode::InvalidRequest, words))
    } else if !creates_all && !permissions.allows(Operation::Create, Resource::topic(&topic.name)) {
        Some(Refusal::new(ErrorCode::TopicAuthorizationFailed, "Authorization failed."))
    } else {
        None
    }
}

/// What the request alone says is wrong.
fn fault(topic: &CreatableTopic, too_many: bool) -> Option<Refusal> {
    let nulls: Vec<&str> = topic
        .configs
        .iter()
        .filter(|config| config.value.is_none())
        .map(|config| config.name.as_str())
        .collect();
    if too_many {
        let words = "Excessively large number of partitions per request.";
        Some(Refusal::new(ErrorCode::PolicyViolation, words))
    } else if !nulls.is_empty() {
        let words = format!("Null value not supported for topic configs: {}", nulls.join(","));
        Some(Refusal::new(ErrorCode::InvalidConfig, words))
    } else {
        None
    }
}

fn new_topic(topic: &CreatableTopic) -> NewTopic {
    let assignment = |a: &crate::wire::messages::create_topics_request::CreatableReplicaAssignment| {
        (a.partition_index, a.broker_ids.iter().map(|id| id.0).collect())
    };
    let text = |text: &StrBytes| text.to_string();
    NewTopic {
        name: topic.name.to_string(),
        partitions: topic.num_partitions,
        replication_factor: topic.replication_factor,
        assignments: topic.assignments.iter().map(assignment).collect(),
        configs: topic.configs.iter().map(|c| (text(&c.name), c.value.as_ref().map(text))).collect(),
    }
}

fn described(
    ctx: &Context,
    permissions: &Permissions<'_>,
    name: TopicName,
    created: CreatedTopic,
) -> CreatableTopicResult {
    let tells = permissions.shows(Operation::DescribeConfigs, Resource::topic(&name));
    let made = CreatableTopicResult::default().with_name(name).with_topic_id(created.id.0);
    let result = made.with_error_message(None);
    if ctx.version() < 5 {
        return result.with_configs(None);
    }
    if !tells {
        return result
            .with_topic_config_error_code(ErrorCode::TopicAuthorizationFailed.code())
            .with_num_partitions(-1)
            .with_replication_factor(-1)
            .with_configs(Some(Vec::new()));
    }
    result
        .with_num_partitions(created.partitions)
        .with_replication_factor(created.replication_factor)
        .with_configs(Some(created.configs.into_iter().map(config).collect()))
}

fn config(entry: ConfigEntry) -> CreatableTopicConfigs {
    CreatableTopicConfigs::default()
        .with_name(StrBytes::from_static_str(entry.name))
        .with_value(entry.value.map(StrBytes::from_string))
        .with_read_only(entry.read_only)
        .with_config_source(entry.source.code())
        .with_is_sensitive(entry.sensitive)
}

fn refused(name: TopicName, refusal: &Refusal) -> CreatableTopicResult {
    CreatableTopicResult::default()
        .with_name(name)
        .with_error_code(refusal.code.code())
        .with_error_message(refusal.text())
        .with_num_partitions(-1)
        .with_replication_factor(-1)
        .with_configs(Some(Vec::new()))
}
