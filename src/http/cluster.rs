//! The cluster: its nodes, its controller, who leads how much.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};

use super::body;
use super::door::HttpDoor;
use super::problem::Problem;
use crate::cluster::Endpoint;

/// Where Kafka's clients find a node, by the listener that they come in on.
fn listener(endpoint: &Endpoint) -> Value {
    json!({ "listener": endpoint.listener, "host": endpoint.host, "port": endpoint.port })
}

/// `GET /v1/cluster`
pub(super) async fn describe(State(door): State<HttpDoor>) -> Result<Response, Problem> {
    let broker = door.broker()?;
    let image = broker.image();
    let (mut leaders, mut replicas) = (BTreeMap::<i32, usize>::new(), BTreeMap::<i32, usize>::new());
    let mut leaderless = 0;
    for topic in image.topics() {
        for (partition, placed) in (0..).zip(&topic.partitions) {
            match broker.leader(topic, partition).node {
                -1 => leaderless += 1,
                node => *leaders.entry(node).or_default() += 1,
            }
            for replica in &placed.replicas {
                *replicas.entry(replica.node).or_default() += 1;
            }
        }
    }
    let nodes = image.nodes.values().map(|node| {
        json!({
            "id": node.id,
            "kafka": node.endpoints.iter().map(listener).collect::<Vec<_>>(),
            "rack": node.rack,
            "alive": broker.is_alive(node.id),
            "leaders": leaders.get(&node.id).copied().unwrap_or(0),
            "replicas": replicas.get(&node.id).copied().unwrap_or(0),
        })
    });
    let described = json!({
        "cluster_id": broker.cluster_id_text(),
        "node": broker.node_id(),
        "controller": broker.controller(),
        "nodes": nodes.collect::<Vec<_>>(),
        "topics": image.topics().len(),
        "partitions": image.partitions,
        "leaderless_partitions": leaderless,
    });
    body::json(StatusCode::OK, &described)
}
