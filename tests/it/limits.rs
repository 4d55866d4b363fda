//! Limits on connections.

use std::io::Write;

use kafka_protocol::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use kafka_protocol::messages::{ApiVersionsRequest, FetchResponse, IncrementalAlterConfigsRequest};
use kafka_protocol::protocol::StrBytes;

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

/// Sets a key of all brokers while the node runs.
fn set(client: &mut Client, key: &'static str, value: &'static str) {
    let word = StrBytes::from_static_str;
    let config = AlterableConfig::default().with_name(word(key)).with_value(Some(word(value)));
    let brokers = AlterConfigsResource::default().with_resource_type(4).with_configs(vec![config]);
    let request = IncrementalAlterConfigsRequest::default().with_resources(vec![brokers]);
    let response = client.call(1, &request);
    assert_eq!(response.responses[0].error_code, 0, "{response:?}");
}

#[test]
fn limits_that_change_while_the_node_runs_hold_for_the_next_connection() {
    let node = Node::start();
    let mut first = Client::new(&node);
    assert!(is_served(&node));
    set(&mut first, "max.connections.per.ip", "1");
    until("the others are gone and the limit holds", || !is_served(&node));
    set(&mut first, "max.connections.per.ip.overrides", "127.0.0.1:2");
    assert!(is_served(&node));
    set(&mut first, "max.connections", "1");
    assert!(!is_served(&node));
    set(&mut first, "max.connections", "9");
    until("there is room again", || is_served(&node));
    assert_eq!(first.call(0, &ApiVersionsRequest::default()).error_code, 0);
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
