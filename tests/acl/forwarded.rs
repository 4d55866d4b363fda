//! Requests that go on to the controller: its node authorises the client, not the node that sent them.

use std::net::TcpListener;

use kafka_protocol::messages::{BrokerId, UnregisterBrokerRequest};

use crate::client::{Client, create};
use crate::matrix::{CLUSTER_DENIED, NONE, TOPIC_DENIED};
use crate::node::{ADMIN, Launched, Line, Node};

const BROKER_ID_NOT_REGISTERED: i16 = 102;

/// Three nodes that form a cluster.
fn cluster(policy: &[Line], others: &[&str]) -> Vec<Launched> {
    // Asked for together, so that they differ. Somebody else may take one before the node does; then the test fails.
    let free: Vec<_> = (0..6).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    let ports: Vec<u16> = free.iter().map(|listener| listener.local_addr().unwrap().port()).collect();
    drop(free);
    let gossip = |node: usize| format!("127.0.0.1:{}", ports[node]);
    let seeds = [gossip(0), gossip(1), gossip(2)].join(",");
    let launch = |node: usize| {
        let (id, rpc, bind) = ((node + 1).to_string(), ports[node + 3].to_string(), gossip(node));
        let mut arguments = vec!["--node-id", &id, "--rpc-port", &rpc, "--bind-addr", &bind];
        arguments.extend(["--start-join-addrs", &seeds, "--node-name", &id]);
        arguments.extend((node == 0).then_some("--bootstrap"));
        Node::launch(policy, others, &arguments)
    };
    let mut nodes: Vec<Launched> = (0..3).map(launch).collect();
    nodes.iter_mut().for_each(Launched::wait);
    nodes
}

#[test]
fn whichever_node_is_asked_the_client_is_who_it_is() {
    let line = |user: &str, object, action| (user.to_owned(), object, action);
    let policy =
        [line("alice", "a1", "create"), line("alice", "a2", "create"), line("alice", "a3", "create")];
    let nodes = cluster(&policy, &["eve"]);
    for (node, name) in nodes.iter().map(|launched| &launched.node).zip(["a1", "a2", "a3"]) {
        let created = |user: &str| Client::new(node, user).call(7, &create(name)).topics[0].error_code;
        assert_eq!(created("eve"), TOPIC_DENIED);
        assert_eq!(created("alice"), NONE);
        let unregistered = |user: &str| {
            let request = UnregisterBrokerRequest::default().with_broker_id(BrokerId(99));
            Client::new(node, user).call(0, &request).error_code
        };
        assert_eq!(unregistered("alice"), CLUSTER_DENIED);
        assert_eq!(unregistered(ADMIN), BROKER_ID_NOT_REGISTERED);
    }
}
