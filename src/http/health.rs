//! What probes ask: whether the process lives, and whether it should be sent work.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::body;
use super::door::HttpDoor;
use super::problem::Problem;

/// `GET /healthz`: it answers, so it lives.
pub(super) async fn live() -> Result<Response, Problem> {
    body::json(StatusCode::OK, &json!({ "status": "alive" }))
}

/// `GET /readyz`
pub(super) async fn ready(State(door): State<HttpDoor>) -> Result<Response, Problem> {
    let reasons = reasons(&door);
    if reasons.is_empty() {
        return body::json(StatusCode::OK, &json!({ "status": "ready" }));
    }
    let detail = reasons.join("; ");
    let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "not-ready", detail);
    Ok(problem.with("reasons", reasons).into_response())
}

/// Why this node should not be sent work.
fn reasons(door: &HttpDoor) -> Vec<&'static str> {
    let mut reasons = Vec::new();
    if door.is_leaving() {
        reasons.push("this node is leaving");
    }
    let Some(broker) = door.broker_if_open() else {
        reasons
            .push("this node is starting, or waits for a majority of the nodes that agree on the metadata");
        return reasons;
    };
    let image = broker.image();
    if !image.nodes.get(&broker.node_id()).is_some_and(crate::cluster::NodeImage::is_serving) {
        reasons.push("this node is not registered");
    }
    if !broker.is_led() {
        reasons.push("no leader of the metadata is heard");
    }
    reasons
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_node_without_a_broker_lives_and_is_not_ready() {
        let door = HttpDoor::new(tokio::sync::watch::channel(false).1);
        assert_eq!(live().await.unwrap().status(), 200);
        assert_eq!(ready(State(door.clone())).await.unwrap().status(), 503);
        door.leave();
        assert_eq!(reasons(&door).len(), 2);
    }
}
