//! Fetch: lent bytes arrive unchanged, and waiting ends with the append, the client or the node.

use std::time::{Duration, Instant};

use bateau::model::BatchHeader;
use bytes::Bytes;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::{FetchResponse, MetadataRequest};

use crate::client::{Client, batch, fetch, produce, topic_name};
use crate::node::Node;

/// What must be seen well before a fetch's own minute is over.
const SOON: Duration = Duration::from_secs(20);

fn records(response: &FetchResponse) -> Bytes {
    response.responses[0].partitions[0].records.clone().unwrap()
}

/// `batch` as it is served: offset and epoch are stamped, the rest is as it came.
fn unstamped(served: &[u8]) -> Vec<u8> {
    let mut bytes = served.to_vec();
    bytes[..8].fill(0);
    bytes[12..16].fill(0xff);
    bytes
}

#[test]
fn small_and_large_batches_come_back_byte_for_byte_in_every_version() {
    let node = Node::start();
    let mut client = Client::new(&node);
    client.create_topic("bytes", 1);
    let sent = [batch(&[b"small"]), batch(&[&vec![7; 900_000]]), batch(&[&[1; 9_000], &[2; 9_000]])];
    for records in &sent {
        assert_eq!(
            client.produce("bytes", 0, records.clone()).responses[0].partition_responses[0].error_code,
            0
        );
    }
    let about = MetadataRequestTopic::default().with_name(Some(topic_name("bytes")));
    let id = client.call(12, &MetadataRequest::default().with_topics(Some(vec![about]))).topics[0].topic_id;
    for version in 4..=18 {
        let mut request = fetch("bytes", 0, 0);
        if version >= 13 {
            request.topics[0].topic_id = id;
            request.topics[0].topic = topic_name("");
        }
        let mut served = records(&client.call(version, &request));
        for (index, records) in sent.iter().enumerate() {
            let header = BatchHeader::parse(&served).unwrap();
            let one = served.split_to(header.size as usize);
            assert_eq!(header.check_crc(&one), Ok(()));
            assert!(unstamped(&one) == unstamped(records), "version {version} batch {index}");
        }
        assert!(served.is_empty(), "version {version}");
    }
}

#[test]
fn a_waiting_fetch_is_woken_by_an_append() {
    let node = Node::start();
    let (mut reader, mut writer) = (Client::new(&node), Client::new(&node));
    writer.create_topic("wake", 1);
    let start = Instant::now();
    reader.send(12, &fetch("wake", 0, 0));
    writer.produce("wake", 0, batch(&[b"x"]));
    let (_, response) = reader.receive::<FetchResponse>(12);
    assert!(!records(&response).is_empty());
    assert!(start.elapsed() < SOON);
}

#[test]
fn a_waiting_fetch_answers_empty_when_its_time_is_over() {
    let node = Node::start();
    let mut client = Client::new(&node);
    client.create_topic("empty", 1);
    let response = client.call(4, &fetch("empty", 0, 0).with_max_wait_ms(50));
    assert_eq!(records(&response).len(), 0);
    assert_eq!(response.responses[0].partitions[0].error_code, 0);
}

#[test]
fn a_node_that_stops_does_not_wait_for_waiting_fetches() {
    let mut node = Node::start();
    let mut client = Client::new(&node);
    client.create_topic("stop", 1);
    client.send(12, &fetch("stop", 0, 0));
    let start = Instant::now();
    assert!(node.stop().success());
    assert!(start.elapsed() < SOON);
    assert!(client.is_closed());
}

#[test]
fn requests_sent_behind_a_waiting_fetch_are_answered_after_it() {
    let node = Node::start();
    let (mut client, mut writer) = (Client::new(&node), Client::new(&node));
    client.create_topic("ahead", 1);
    let fetch_id = client.send(12, &fetch("ahead", 0, 0));
    let large = batch(&[&vec![3; 200_000]]);
    let produce_id = client.send(9, &produce("ahead", 0, large, -1));
    writer.produce("ahead", 0, batch(&[b"x"]));
    let (first, fetched) = client.receive::<FetchResponse>(12);
    assert_eq!((first, fetched.responses[0].partitions[0].high_watermark), (fetch_id, 1));
    let (second, produced) = client.receive::<kafka_protocol::messages::ProduceResponse>(9);
    assert_eq!((second, produced.responses[0].partition_responses[0].base_offset), (produce_id, 1));
}

#[test]
fn the_byte_limit_of_a_fetch_yields_at_least_one_batch_and_not_all() {
    let node = Node::start();
    let mut client = Client::new(&node);
    client.create_topic("limit", 2);
    for partition in [0, 0, 1] {
        client.produce("limit", partition, batch(&[&[5; 10_000]]));
    }
    let mut request = fetch("limit", 0, 0).with_max_bytes(100);
    let second = FetchPartition::default().with_partition(1).with_partition_max_bytes(1 << 20);
    request.topics.push(FetchTopic::default().with_topic(topic_name("limit")).with_partitions(vec![second]));
    let response = client.call(12, &request);
    let sizes: Vec<usize> = response
        .responses
        .iter()
        .flat_map(|topic| &topic.partitions)
        .map(|partition| partition.records.as_ref().unwrap().len())
        .collect();
    assert!(sizes[0] > 10_000 && sizes[0] < 11_000, "{sizes:?}");
    assert_eq!(sizes[1], 0);
}
