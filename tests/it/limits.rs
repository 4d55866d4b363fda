//! Limits on connections.

use std::io::Write;

use kafka_protocol::messages::{ApiVersionsRequest, FetchResponse};

use crate::client::{Client, fetch};
use crate::node::{Node, until};

fn is_served(node: &Node) -> bool {
    let mut client = Client::new(node);
    let frame = client.framed(0, &ApiVersionsRequest::default());
    client.stream.write_all(&frame).is_ok() && !client.is_closed()
}

#[test]
fn connections_above_the_limit_of_an_address_are_closed_and_later_ones_served() {
    let node = Node::with(&["max.connections.per.ip=2"]);
    let mut first = Client::new(&node);
    let mut second = Client::new(&node);
    first.call(0, &ApiVersionsRequest::default());
    second.call(0, &ApiVersionsRequest::default());
    assert!(!is_served(&node));
    assert_eq!(first.call(0, &ApiVersionsRequest::default()).error_code, 0);
    drop(second);
    until("a place is free again", || is_served(&node));
}

#[test]
fn an_override_raises_the_limit_of_one_address() {
    let node = Node::with(&["max.connections.per.ip=0", "max.connections.per.ip.overrides=127.0.0.1:1"]);
    let mut first = Client::new(&node);
    assert_eq!(first.call(0, &ApiVersionsRequest::default()).error_code, 0);
    assert!(!is_served(&node));
}

#[test]
fn an_idle_connection_is_closed_and_one_whose_fetch_waits_is_not() {
    let node = Node::with(&["connections.max.idle.ms=300"]);
    let mut idle = Client::new(&node);
    let mut waiting = Client::new(&node);
    waiting.create_topic("idle", 1);
    waiting.send(12, &fetch("idle", 0, 0).with_max_wait_ms(1500));
    assert!(idle.is_closed());
    let (_, response) = waiting.receive::<FetchResponse>(12);
    assert_eq!(response.responses[0].partitions[0].error_code, 0);
    assert!(waiting.is_closed());
}
