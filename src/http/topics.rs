//! Topics: listed, made, described, deleted.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::body;
use super::door::HttpDoor;
use super::problem::Problem;
use super::query::{Named, topic};
use crate::broker::{Broker, NewTopic};
use crate::cluster::{PartitionImage, TopicImage};
use crate::model::{TopicId, uuid_text};

/// What a body about a topic may have.
const TOPIC_BODY_BYTES: usize = 64 * 1024;

/// A topic to be made.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TopicIn {
    name: String,
    partitions: Option<i32>,
    replication_factor: Option<i16>,
    /// Kafka's topic keys; numbers and booleans are taken as their text.
    #[serde(default)]
    configs: BTreeMap<String, Value>,
}

/// `GET /v1/topics`
pub(super) async fn list(State(door): State<HttpDoor>) -> Result<Response, Problem> {
    let image = door.broker()?.image();
    let topics: Vec<Value> = image.topics().map(|topic| summary(topic)).collect();
    body::json(StatusCode::OK, &json!({ "topics": topics }))
}

/// `POST /v1/topics`
pub(super) async fn create(
    State(door): State<HttpDoor>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let broker = door.broker()?;
    body::must_be_json(&headers)?;
    let taken = body::read(&door, body, TOPIC_BODY_BYTES).await?;
    let asked: TopicIn = body::parse(&taken.bytes)?;
    // The broker's -1 is "as configured"; who wants that here says nothing.
    if asked.partitions.is_some_and(|count| count < 1) || asked.replication_factor.is_some_and(|n| n < 1) {
        return Err(Problem::invalid("partitions and replication_factor are 1 or more, or not said"));
    }
    let name = asked.name.clone();
    let configs: Result<_, Problem> = asked.configs.into_iter().map(config).collect();
    let new = NewTopic {
        name: asked.name,
        partitions: asked.partitions.unwrap_or(-1),
        replication_factor: asked.replication_factor.unwrap_or(-1),
        assignments: Vec::new(),
        configs: configs?,
    };
    let made = broker.create_topic_anywhere(new).await?;
    let id = uuid::Uuid::from_slice(&made.id).map(uuid_text).unwrap_or_default();
    let made = json!({
        "name": name,
        "id": id,
        "partitions": made.partitions,
        "replication": made.replication_factor,
        "internal": false,
    });
    let mut response = body::json(StatusCode::CREATED, &made)?;
    // Names of topics have no character that would have to be escaped.
    if let Ok(location) = HeaderValue::from_str(&format!("/v1/topics/{name}")) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

fn config((key, value): (String, Value)) -> Result<(String, Option<String>), Problem> {
    let text = match value {
        Value::String(text) => text,
        Value::Number(number) => number.to_string(),
        Value::Bool(flag) => flag.to_string(),
        Value::Null | Value::Array(_) | Value::Object(_) => {
            return Err(Problem::invalid(format!("/configs/{key} is no string, number or boolean")));
        }
    };
    Ok((key, Some(text)))
}

/// `GET /v1/topics/{topic}`
pub(super) async fn describe(
    State(door): State<HttpDoor>,
    Named(name): Named<String>,
) -> Result<Response, Problem> {
    let broker = door.broker()?;
    let topic = topic(broker, &name)?;
    let partitions: Vec<Value> =
        (0..).zip(&topic.partitions).map(|(p, _)| placed(broker, &topic, p)).collect();
    let described = json!({
        "name": topic.name.as_str(),
        "id": id_text(topic.id),
        "internal": topic.is_internal(),
        "configs": topic.overrides,
        "partitions": partitions,
    });
    body::json(StatusCode::OK, &described)
}

/// `DELETE /v1/topics/{topic}`
pub(super) async fn delete(
    State(door): State<HttpDoor>,
    Named(name): Named<String>,
) -> Result<Response, Problem> {
    let broker = door.broker()?;
    let topic = topic(broker, &name)?;
    broker.delete_topic_anywhere(topic.name.as_str()).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn summary(topic: &TopicImage) -> Value {
    json!({
        "name": topic.name.as_str(),
        "id": id_text(topic.id),
        "partitions": topic.partitions.len(),
        "replication": topic.partitions.first().map_or(0, |placed| placed.replicas.len()),
        "internal": topic.is_internal(),
    })
}

/// Where a partition is and who leads it.
pub(super) fn placed(broker: &Broker, topic: &TopicImage, partition: i32) -> Value {
    let leader = broker.leader(topic, partition);
    let known = leader.epoch.0 >= 0;
    json!({
        "partition": partition,
        "leader": if leader.node >= 0 { Value::from(leader.node) } else { Value::Null },
        "leader_epoch": if known { Value::from(leader.epoch.0) } else { Value::Null },
        "replicas": topic.partition(partition).map(PartitionImage::nodes).unwrap_or_default(),
        "isr": leader.in_sync,
        "offline": leader.offline,
    })
}

fn id_text(id: TopicId) -> String {
    uuid_text(id.0)
}
