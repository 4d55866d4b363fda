//! Three nodes: one leads, all of them are read from.

use std::time::Duration;

use bateau::proto::admin::{CreateTopicRequest, CreateTopicResponse};
use bateau::proto::log::{
    ConsumeRequest, ConsumeResponse, GetServersRequest, GetServersResponse, ProduceRequest, ProduceResponse,
};
use tokio::time::Instant;
use tonic::{Code, Request};

use crate::call::{Client, info};
use crate::node::Node;
use crate::{CONSUME_STREAM, GET_SERVERS, PRODUCE, book, record};

#[tokio::test]
async fn a_write_finds_the_leader_and_every_node_is_read_from() {
    let nodes = Node::start_three();
    let mut clients = Vec::new();
    for node in &nodes {
        clients.push(Client::to(&node.grpc).await);
    }
    let servers: GetServersResponse =
        clients[0].unary(GET_SERVERS, GetServersRequest::default()).await.unwrap();
    assert_eq!(servers.servers.len(), 3);
    let leads: Vec<_> = servers.servers.iter().filter(|server| server.is_leader).collect();
    assert_eq!(leads.len(), 1);
    let leader = leads[0];
    assert_eq!((leader.leads[0].topic.as_str(), &leader.leads[0].partitions[..]), ("log", &[0][..]));
    for (node, server) in nodes.iter().zip(&servers.servers) {
        assert_eq!((&server.rpc_addr, &server.kafka_addr), (&node.grpc, &node.kafka));
    }
    for (node, client) in nodes.iter().zip(&clients) {
        let produced = client.unary::<_, book::ProduceResponse>(PRODUCE, book::produce("x")).await;
        if node.grpc == leader.rpc_addr {
            produced.unwrap();
            continue;
        }
        let refused = produced.unwrap_err();
        let details = info(&refused);
        assert_eq!((refused.code(), details.reason.as_str()), (Code::Unavailable, "NOT_LEADER"));
        assert_eq!(
            (&details.metadata["rpc_addr"], &details.metadata["leader"]),
            (&leader.rpc_addr, &leader.id)
        );
    }
    for client in &clients {
        let request = Request::new(ConsumeRequest::default());
        let mut read = client.answers::<_, ConsumeResponse>(CONSUME_STREAM, request).await.unwrap();
        assert_eq!(&read.message().await.unwrap().unwrap().record.unwrap().value[..], b"x");
    }
}

#[tokio::test]
async fn what_may_go_anywhere_stays_on_the_node_and_topics_are_the_controller_s() {
    let nodes = Node::start_three();
    nodes[0].run(&["topic", "create", "sky", "--partitions", "6"], "");
    for node in &nodes {
        let client = Client::to(&node.grpc).await;
        let request =
            ProduceRequest { record: Some(record("x")), topic: "sky".into(), ..ProduceRequest::default() };
        let produce = async || client.unary::<_, ProduceResponse>(PRODUCE, request.clone()).await;
        // It may have to hear first of what it leads, and leaderships still move to the preferred replicas.
        let start = Instant::now();
        let mut taken = 0;
        while taken < 6 {
            match produce().await {
                Ok(_) => taken += 1,
                Err(refused) => assert_eq!(info(&refused).reason, "NOT_LEADER"),
            }
            assert!(start.elapsed() < Duration::from_secs(30));
        }
    }
    let mut made = 0;
    for node in &nodes {
        let client = Client::to(&node.grpc).await;
        let request = CreateTopicRequest { name: format!("t-{made}"), ..CreateTopicRequest::default() };
        match client.unary::<_, CreateTopicResponse>("/admin.v1.Admin/CreateTopic", request).await {
            Ok(_) => made += 1,
            Err(refused) => {
                let details = info(&refused);
                assert_eq!(details.reason, "NOT_CONTROLLER");
                assert!(nodes.iter().any(|node| node.grpc == details.metadata["rpc_addr"]));
            }
        }
    }
    assert_eq!(made, 1);
}
