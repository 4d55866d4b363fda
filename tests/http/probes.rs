//! Health, readiness, and where the door is.

use std::net::TcpListener;

use rustix::process::Signal;

use super::client::Request;
use super::node::{Node, until};

#[test]
fn a_node_that_serves_is_alive_and_ready() {
    let node = Node::start();
    assert_eq!(node.get("/healthz").ok()["status"], "alive");
    assert_eq!(node.get("/readyz").ok()["status"], "ready");
}

#[test]
fn a_node_that_waits_for_others_is_alive_and_not_ready() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let http = free.local_addr().unwrap();
    drop(free);
    let at = http.to_string();
    // Nobody is there to be joined, and it may not form a cluster.
    let cluster = ["--bind-addr", "127.0.0.1:0", "--rpc-port", "0", "--start-join-addrs", "127.0.0.1:1"];
    let node = Node::launch(&[&["--http-addr", &at], &cluster[..]].concat());
    until("it listens", || std::net::TcpStream::connect(http).is_ok());
    let get = |path: &str| Request::new(http, "GET", path).send();
    assert_eq!(get("/healthz").status, 200);
    let problem = get("/readyz").problem(503, "not-ready");
    assert_eq!(problem["reasons"].as_array().unwrap().len(), 1, "{problem}");
    let refused = get("/v1/topics");
    refused.problem(503, "not-ready");
    assert_eq!(refused.header("retry-after"), Some("1"));
    node.signal(Signal::TERM);
}

#[test]
fn a_node_with_an_authorizer_serves_nobody_whom_it_does_not_know() {
    let authorizer = "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer";
    let node = Node::with(&["--http-addr", "127.0.0.1:0", "--set", authorizer]);
    node.get("/v1/topics").problem(403, "not-authorized");
    node.post("/", r#"{"record":{"value":"aGk="}}"#).problem(403, "not-authorized");
    node.get("/?offset=0").problem(403, "not-authorized");
    assert_eq!(node.get("/readyz").status, 200);
}

#[test]
fn an_address_that_was_asked_for_has_to_be_free() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut node = Node::launch(&["--http-addr", &taken.local_addr().unwrap().to_string()]);
    assert_eq!(node.process.wait().unwrap().code(), Some(1));
}

#[test]
fn the_default_address_may_be_taken_and_http_may_be_off() {
    // Whether this test or another node has it, it is taken.
    let _taken = TcpListener::bind("127.0.0.1:8402");
    assert_eq!(Node::with(&[]).http, None);
    assert_eq!(Node::with(&["--http-addr", "off"]).http, None);
}
