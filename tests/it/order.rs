//! Answers leave in the order of the requests, produces overlap, and acks 0 gets none.

use std::io::Write;

use kafka_protocol::messages::{ApiVersionsRequest, ApiVersionsResponse, FetchResponse, ProduceResponse};

use crate::client::{Client, batch, fetch, produce};
use crate::node::Node;

#[test]
fn pipelined_produces_are_appended_and_answered_in_their_order() {
    let node = Node::start();
    let mut client = Client::new(&node);
    client.create_topic("order", 2);
    let mut bytes = Vec::new();
    let count = 300;
    for index in 0..count {
        let acks = if index % 3 == 0 { 1 } else { -1 };
        bytes.extend(client.framed(9, &produce("order", index % 2, batch(&[b"x", b"y"]), acks)));
    }
    let mut sender = client.stream.try_clone().unwrap();
    let sending = std::thread::spawn(move || sender.write_all(&bytes).unwrap());
    for index in 0..count {
        let (id, response) = client.receive::<ProduceResponse>(9);
        let partition = &response.responses[0].partition_responses[0];
        assert_eq!((id, partition.index, partition.error_code), (index + 2, index % 2, 0));
        assert_eq!(partition.base_offset, i64::from(index / 2) * 2);
    }
    sending.join().unwrap();
}

#[test]
fn a_fetch_behind_produces_sees_what_they_wrote() {
    let node = Node::start();
    let mut client = Client::new(&node);
    client.create_topic("behind", 1);
    let mut bytes = client.framed(9, &produce("behind", 0, batch(&[b"a"]), -1));
    bytes.extend(client.framed(9, &produce("behind", 0, batch(&[b"b"]), -1)));
    bytes.extend(client.framed(12, &fetch("behind", 0, 0)));
    bytes.extend(client.framed(9, &produce("behind", 0, batch(&[b"c"]), -1)));
    client.stream.write_all(&bytes).unwrap();
    assert_eq!(client.receive::<ProduceResponse>(9).0, 2);
    assert_eq!(client.receive::<ProduceResponse>(9).0, 3);
    let (id, fetched) = client.receive::<FetchResponse>(12);
    assert_eq!((id, fetched.responses[0].partitions[0].high_watermark), (4, 2));
    assert_eq!(client.receive::<ProduceResponse>(9).0, 5);
}

#[test]
fn acks_0_is_never_answered_and_is_appended() {
    let node = Node::start();
    let mut client = Client::new(&node);
    client.create_topic("silent", 1);
    for _ in 0..10 {
        client.send(9, &produce("silent", 0, batch(&[b"x"]), 0));
    }
    let id = client.send(0, &ApiVersionsRequest::default());
    assert_eq!(client.receive::<ApiVersionsResponse>(0).0, id);
    let fetched = client.fetch(12, "silent", 0, 0);
    assert_eq!(fetched.responses[0].partitions[0].high_watermark, 10);
}

#[test]
fn acks_0_that_fails_closes_the_connection_so_that_the_client_looks_again() {
    let node = Node::start();
    let mut client = Client::new(&node);
    client.create_topic("gone", 1);
    client.send(9, &produce("gone", 7, batch(&[b"x"]), 0));
    assert!(client.is_closed());
}

#[test]
fn acks_that_mean_nothing_are_refused() {
    let node = Node::start();
    let mut client = Client::new(&node);
    client.create_topic("acks", 1);
    let response = client.call(9, &produce("acks", 0, batch(&[b"x"]), 2));
    assert_eq!(response.responses[0].partition_responses[0].error_code, 21);
}
