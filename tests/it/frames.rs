//! Frames, however they arrive.

use std::io::Write;

use kafka_protocol::messages::{ApiVersionsRequest, ApiVersionsResponse, MetadataRequest, MetadataResponse};

use crate::client::Client;
use crate::node::Node;

#[test]
fn a_request_that_comes_byte_by_byte_is_answered() {
    let node = Node::start();
    let mut client = Client::new(&node);
    let frame = client.framed(9, &MetadataRequest::default().with_topics(None));
    for byte in frame {
        client.stream.write_all(&[byte]).unwrap();
    }
    assert_eq!(client.receive::<MetadataResponse>(9).1.brokers.len(), 1);
}

#[test]
fn many_requests_in_one_write_are_answered_in_their_order() {
    let node = Node::start();
    let mut client = Client::new(&node);
    let mut bytes = Vec::new();
    for _ in 0..100 {
        bytes.extend(client.framed(0, &ApiVersionsRequest::default()));
        bytes.extend(client.framed(9, &MetadataRequest::default().with_topics(Some(Vec::new()))));
    }
    client.stream.write_all(&bytes).unwrap();
    for pair in 0..100 {
        assert_eq!(client.receive::<ApiVersionsResponse>(0).0, 2 * pair + 1);
        assert_eq!(client.receive::<MetadataResponse>(9).0, 2 * pair + 2);
    }
}

#[test]
fn a_client_that_stops_sending_still_gets_its_answers() {
    let node = Node::start();
    let mut client = Client::new(&node);
    let sent: Vec<i32> = (0..10).map(|_| client.send(0, &ApiVersionsRequest::default())).collect();
    client.stream.shutdown(std::net::Shutdown::Write).unwrap();
    for id in sent {
        assert_eq!(client.receive::<ApiVersionsResponse>(0).0, id);
    }
    assert!(client.is_closed());
}

#[test]
fn impossible_sizes_and_bytes_that_are_no_kafka_close_the_connection() {
    let node = Node::start();
    let hostile: [&[u8]; 6] = [
        &0i32.to_be_bytes(),
        &(-1i32).to_be_bytes(),
        &(104_857_601i32).to_be_bytes(),
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\0\0\0\x03\0\x03\0",
    ];
    for bytes in hostile {
        let mut client = Client::new(&node);
        client.stream.write_all(bytes).unwrap();
        assert!(client.is_closed(), "{bytes:?}");
    }
    assert_eq!(Client::new(&node).call(0, &ApiVersionsRequest::default()).error_code, 0);
}
