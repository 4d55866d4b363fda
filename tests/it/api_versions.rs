//! `ApiVersions`: the one answer that every client of every age must be able to read.

use kafka_protocol::messages::{ApiVersionsRequest, ApiVersionsResponse, MetadataRequest};
use kafka_protocol::protocol::{Decodable, StrBytes};

use crate::client::{Client, header};
use crate::node::Node;

fn request() -> ApiVersionsRequest {
    let word = StrBytes::from_static_str;
    ApiVersionsRequest::default()
        .with_client_software_name(word("it"))
        .with_client_software_version(word("1.0"))
}

fn plain() -> ApiVersionsRequest {
    ApiVersionsRequest::default()
}

#[test]
fn every_version_lists_the_same_table() {
    let node = Node::start();
    let mut client = Client::new(&node);
    let newest = client.call(4, &request()).api_keys;
    assert!(newest.iter().any(|key| (key.api_key, key.min_version, key.max_version) == (0, 0, 13)));
    for version in 0..=3 {
        let request = if version >= 3 { request() } else { plain() };
        let response = client.call(version, &request);
        assert_eq!(response.error_code, 0);
        let ranges = |keys: &[kafka_protocol::messages::api_versions_response::ApiVersion]| {
            keys.iter().map(|key| (key.api_key, key.min_version, key.max_version)).collect::<Vec<_>>()
        };
        assert_eq!(ranges(&response.api_keys), ranges(&newest), "version {version}");
    }
}

#[test]
fn a_version_of_the_future_is_answered_in_version_0_with_the_range_to_choose_from() {
    let node = Node::start();
    let mut client = Client::new(&node);
    client.send_frame(&[&header(18, 99, 77, true)[..], b"\x02x\x02y\0"].concat());
    let mut frame = client.receive_frame();
    assert_eq!(frame.split_to(4)[..], 77i32.to_be_bytes());
    let response = ApiVersionsResponse::decode(&mut frame, 0).unwrap();
    assert_eq!(response.error_code, 35);
    let range = &response.api_keys[0];
    assert_eq!((response.api_keys.len(), range.api_key, range.min_version, range.max_version), (1, 18, 0, 4));
    assert_eq!(client.call(4, &request()).error_code, 0, "the connection goes on");
}

#[test]
fn software_without_a_proper_name_is_told_so() {
    let node = Node::start();
    let mut client = Client::new(&node);
    let response = client.call(3, &plain());
    assert_eq!((response.error_code, response.api_keys.len()), (42, 0));
    assert_eq!(client.call(3, &request()).error_code, 0);
}

#[test]
fn versions_that_are_not_served_close_the_connection_as_kafka_does() {
    let node = Node::start();
    // Produce 0 is listed for old librdkafka and not served; 999 is no api; Metadata ends at 13.
    for (key, version, flexible) in
        [(0, 0, false), (0, 2, false), (0, 14, true), (999, 0, false), (3, 14, true)]
    {
        let mut client = Client::new(&node);
        client.send_frame(&header(key, version, 1, flexible));
        assert!(client.is_closed(), "key {key} version {version}");
    }
    assert!(!Client::new(&node).call(13, &MetadataRequest::default().with_topics(None)).brokers.is_empty());
}
