//! Fetch sessions (KIP-227) as a consumer uses them.

use kafka_protocol::messages::fetch_request::ForgottenTopic;
use kafka_protocol::messages::{FetchRequest, FetchResponse};

use crate::client::{Client, batch, fetch, topic_name};
use crate::node::Node;

fn quick(request: FetchRequest) -> FetchRequest {
    request.with_max_wait_ms(20)
}

fn incremental(id: i32, epoch: i32) -> FetchRequest {
    quick(fetch("t", 0, 0)).with_topics(Vec::new()).with_session_id(id).with_session_epoch(epoch)
}

fn partitions(response: &FetchResponse) -> Vec<(i32, i16)> {
    let all = response.responses.iter().flat_map(|topic| &topic.partitions);
    all.map(|partition| (partition.partition_index, partition.error_code)).collect()
}

#[test]
fn an_incremental_fetch_is_told_only_what_changed() {
    let node = Node::start();
    let mut client = Client::new(&node);
    client.create_topic("t", 2);
    let mut full = quick(fetch("t", 0, 0)).with_session_epoch(0);
    let mut other = full.topics[0].partitions[0].clone();
    other.partition = 1;
    full.topics[0].partitions.push(other);
    let response = client.call(12, &full);
    let id = response.session_id;
    assert_ne!(id, 0);
    assert_eq!(partitions(&response), [(0, 0), (1, 0)]);
    assert_eq!(partitions(&client.call(12, &incremental(id, 1))), []);
    client.produce("t", 1, batch(&[b"x"]));
    assert_eq!(partitions(&client.call(12, &incremental(id, 2))), [(1, 0)]);
    let forget = ForgottenTopic::default().with_topic(topic_name("t")).with_partitions(vec![1]);
    let request = incremental(id, 3).with_forgotten_topics_data(vec![forget]);
    assert_eq!(partitions(&client.call(12, &request)), []);
}

#[test]
fn sessions_that_are_unknown_or_out_of_step_are_refused() {
    let node = Node::start();
    let mut client = Client::new(&node);
    client.create_topic("t", 1);
    assert_eq!(client.call(12, &incremental(12_345, 1)).error_code, 70);
    let id = client.call(12, &quick(fetch("t", 0, 0)).with_session_epoch(0)).session_id;
    assert_eq!(client.call(12, &incremental(id, 2)).error_code, 71);
    assert_eq!(client.call(13, &incremental(id, 1)).error_code, 106);
    assert_eq!(client.call(12, &incremental(id, 1)).error_code, 0);
    let ended = client.call(12, &incremental(id, -1));
    assert_eq!((ended.error_code, ended.session_id), (0, 0));
    assert_eq!(client.call(12, &incremental(id, 2)).error_code, 70);
}

#[test]
fn when_the_slots_are_taken_a_consumer_fetches_in_full() {
    let node = Node::with(&["max.incremental.fetch.session.cache.slots=1"]);
    let mut client = Client::new(&node);
    client.create_topic("t", 1);
    let full = quick(fetch("t", 0, 0)).with_session_epoch(0);
    assert_ne!(client.call(12, &full).session_id, 0);
    let second = client.call(12, &full);
    assert_eq!((second.error_code, second.session_id), (0, 0));
    assert_eq!(partitions(&second), [(0, 0)]);
}
