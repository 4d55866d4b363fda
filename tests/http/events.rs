//! Following by server-sent events: what comes, where it goes on, when it ends.

use rustix::process::Signal;
use serde_json::json;

use super::node::Node;

fn write(node: &Node, partition: i32, value: &str) {
    let body = json!({ "value": value, "partition": partition }).to_string();
    node.post("/v1/topics/sky/records", &body).ok();
}

#[test]
fn a_stream_tells_what_is_there_and_what_comes_and_goes_on_where_it_broke_off() {
    let node = Node::start();
    node.topic("sky", 1);
    write(&node, 0, "a");
    let path = "/v1/topics/sky/partitions/0/events";
    let mut events = node.request("GET", &format!("{path}?from=earliest")).events();
    assert_eq!(events.record(), ("0:0".into(), "a".into()));
    write(&node, 0, "b");
    assert_eq!(events.record(), ("0:1".into(), "b".into()));
    node.command(&["produce", "sky"], "c\n");
    assert_eq!(events.record(), ("0:2".into(), "c".into()));
    drop(events);
    write(&node, 0, "d");
    let mut again = node.request("GET", path).header("last-event-id", "0:1").events();
    assert_eq!(again.record().1, "c");
    assert_eq!(again.record(), ("0:3".into(), "d".into()));
    let mut late = node.request("GET", &format!("{path}?from=3")).events();
    assert_eq!(late.record().1, "d");
}

#[test]
fn a_stream_of_several_partitions_goes_on_without_gaps_and_repeats() {
    let node = Node::start();
    node.topic("sky", 2);
    let path = "/v1/topics/sky/events";
    write(&node, 0, "before");
    let mut events = node.request("GET", path).events();
    write(&node, 1, "one");
    let (id, value) = events.record();
    assert_eq!((id.as_str(), value.as_str()), ("1:0,0:0", "one"));
    drop(events);
    write(&node, 0, "missed 0");
    write(&node, 1, "missed 1");
    let mut again = node.request("GET", path).header("last-event-id", &id).events();
    let mut values = [again.record().1, again.record().1];
    values.sort();
    assert_eq!(values, ["missed 0", "missed 1"]);
}

#[test]
fn a_stream_ends_when_the_node_stops() {
    let mut node = Node::start();
    node.topic("sky", 1);
    write(&node, 0, "a");
    let mut events = node.request("GET", "/v1/topics/sky/events?from=earliest").events();
    assert_eq!(events.record().1, "a");
    node.signal(Signal::TERM);
    assert!(events.next().is_none());
    assert!(node.process.wait().unwrap().success());
}

#[test]
fn a_stream_whose_topic_goes_ends_with_the_reason() {
    let node = Node::start();
    node.topic("sky", 1);
    write(&node, 0, "a");
    let mut events = node.request("GET", "/v1/topics/sky/events?from=earliest").events();
    assert_eq!(events.record().1, "a");
    assert_eq!(node.delete("/v1/topics/sky").status, 204);
    let (_, kind, data) = events.next().expect("the reason");
    assert_eq!((kind.as_str(), &data["kafka_error"]), ("error", &"UNKNOWN_TOPIC_OR_PARTITION".into()));
    assert!(events.next().is_none());
}

#[test]
fn what_cannot_be_followed_is_refused() {
    let node = Node::start();
    node.topic("sky", 2);
    node.get("/v1/topics/moon/events").problem(404, "unknown-topic");
    node.get("/v1/topics/sky/events?from=3").problem(422, "invalid-request");
    node.get("/v1/topics/sky/partitions/0/events?from=3").problem(416, "offset-out-of-range");
    node.request("GET", "/v1/topics/sky/events")
        .header("last-event-id", "x")
        .send()
        .problem(422, "invalid-request");
    let json = node.request("GET", "/v1/topics/sky/events").header("accept", "application/json").send();
    json.problem(406, "not-acceptable");
}
