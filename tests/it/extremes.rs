//! Numbers at the ends of their range are answered like any others; none is fatal.

use bateau::model::BatchHeader;
use bytes::Bytes;
use kafka_protocol::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::offset_for_leader_epoch_request::{
    OffsetForLeaderPartition, OffsetForLeaderTopic,
};
use kafka_protocol::messages::{
    ApiVersionsRequest, BrokerId, CreatePartitionsRequest, CreateTopicsRequest, DeleteRecordsRequest,
    InitProducerIdRequest, ListOffsetsRequest, OffsetForLeaderEpochRequest, ProducerId,
    create_partitions_request::CreatePartitionsTopic, create_topics_request::CreatableTopic,
};

use crate::client::{Client, batch, fetch, header, produce, topic_name};
use crate::node::Node;

const LONGS: [i64; 8] = [i64::MIN, i64::MIN + 1, -7, -2, -1, 0, i64::MAX - 1, i64::MAX];
const INTS: [i32; 7] = [i32::MIN, -2, -1, 0, 1, i32::MAX - 1, i32::MAX];

/// A node with topic `t` of one partition, with two records in it.
fn node_with_records() -> (Node, Client) {
    let node = Node::start();
    let mut client = Client::new(&node);
    client.create_topic("t", 1);
    client.produce("t", 0, batch(&[b"a", b"b"]));
    (node, client)
}

#[test]
fn extreme_offsets_epochs_and_sizes_of_a_fetch_are_answered() {
    let (_node, mut client) = node_with_records();
    for offset in LONGS {
        let response = client.call(12, &fetch("t", 0, offset).with_max_wait_ms(1));
        let code = response.responses[0].partitions[0].error_code;
        assert_eq!(code, i16::from(offset != 0), "offset {offset}");
        for epoch in INTS {
            let mut request = fetch("t", 0, offset).with_max_wait_ms(1);
            request.topics[0].partitions[0].last_fetched_epoch = epoch;
            client.call(12, &request);
            request.topics[0].partitions[0].current_leader_epoch = epoch;
            client.call(12, &request);
        }
    }
    for number in INTS {
        let mut request = fetch("t", number, 0).with_max_wait_ms(1);
        client.call(12, &request);
        request.topics[0].partitions[0].partition = 0;
        request.topics[0].partitions[0].partition_max_bytes = number;
        assert_eq!(client.call(12, &request).responses[0].partitions[0].error_code, 0);
        client.call(12, &request.clone().with_max_bytes(number));
        client.call(12, &request.clone().with_min_bytes(number));
        client.call(12, &request.clone().with_session_id(number).with_session_epoch(number));
        client.call(12, &request.clone().with_session_epoch(number));
        client.call(12, &request.clone().with_replica_id(BrokerId(number)));
        client.call(12, &request.clone().with_max_wait_ms(number)); // there is data: no wait
    }
}

#[test]
fn extreme_questions_about_offsets_are_answered() {
    let (_node, mut client) = node_with_records();
    for number in LONGS {
        for epoch in INTS {
            for index in [0, epoch] {
                let asked = ListOffsetsPartition::default()
                    .with_partition_index(index)
                    .with_current_leader_epoch(epoch)
                    .with_timestamp(number);
                let topic =
                    ListOffsetsTopic::default().with_name(topic_name("t")).with_partitions(vec![asked]);
                client.call(7, &ListOffsetsRequest::default().with_topics(vec![topic]));
            }
        }
    }
    for epoch in INTS {
        let asked = OffsetForLeaderPartition::default()
            .with_partition(0)
            .with_current_leader_epoch(-1)
            .with_leader_epoch(epoch);
        let topic = OffsetForLeaderTopic::default().with_topic(topic_name("t")).with_partitions(vec![asked]);
        client.call(4, &OffsetForLeaderEpochRequest::default().with_topics(vec![topic]));
    }
    for offset in LONGS {
        for index in [0, i32::MIN, i32::MAX] {
            let asked = DeleteRecordsPartition::default().with_partition_index(index).with_offset(offset);
            let topic = DeleteRecordsTopic::default().with_name(topic_name("t")).with_partitions(vec![asked]);
            let request = DeleteRecordsRequest::default().with_topics(vec![topic]).with_timeout_ms(i32::MAX);
            let code = client.call(2, &request).topics[0].partitions[0].error_code;
            let wanted = if index != 0 { 3 } else { i16::from(!matches!(offset, -1 | 0)) };
            assert_eq!(code, wanted, "offset {offset} of partition {index}");
        }
    }
}

/// A batch of one record whose header `change` has had its way with.
fn changed(change: impl Fn(&mut BatchHeader)) -> Bytes {
    let bytes = batch(&[b"x"]);
    let mut facts = BatchHeader::parse(&bytes).unwrap();
    change(&mut facts);
    let body = bytes.slice(61..);
    facts.seal(&body);
    [&facts.to_bytes()[..], &body].concat().into()
}

#[test]
fn extreme_numbers_in_a_batch_are_taken_or_refused() {
    let (_node, mut client) = node_with_records();
    let mut taken = 0;
    for long in LONGS {
        for (name, records) in [
            ("base timestamp", changed(|h| h.base_timestamp = long)),
            ("max timestamp", changed(|h| h.max_timestamp = long)),
            ("producer id", changed(|h| h.producer_id = long)),
            (
                "producer",
                changed(|h| (h.producer_id, h.producer_epoch, h.base_sequence) = (long, 0, i32::MAX)),
            ),
            ("base offset", changed(|h| h.base_offset.0 = long)),
        ] {
            let code = client.produce("t", 0, records).responses[0].partition_responses[0].error_code;
            assert!(matches!(code, 0 | 2 | 32 | 45 | 47 | 59 | 87), "{name} {long}: {code}");
            taken += i64::from(code == 0);
        }
    }
    for int in INTS {
        for records in [
            changed(|h| h.record_count = int),
            changed(|h| h.last_offset_delta = int),
            changed(|h| (h.record_count, h.last_offset_delta) = (int, int.wrapping_sub(1))),
            changed(|h| (h.producer_id, h.producer_epoch, h.base_sequence) = (5, i16::MAX, int)),
            changed(|h| h.attributes = int as i16),
        ] {
            let code = client.produce("t", 0, records).responses[0].partition_responses[0].error_code;
            taken += i64::from(code == 0);
        }
        let other = client.call(9, &produce("t", int, batch(&[b"y"]), -1).with_timeout_ms(int));
        let code = other.responses[0].partition_responses[0].error_code;
        // With no time to wait the append goes on without an answer.
        taken += i64::from(int == 0 && matches!(code, 0 | 7));
    }
    let end = client.fetch(12, "t", 0, 0).responses[0].partitions[0].high_watermark;
    assert!((2..=2 + taken).contains(&end), "{end} after {taken}");
    for long in LONGS {
        let asked = ListOffsetsPartition::default().with_current_leader_epoch(-1).with_timestamp(long);
        let topic = ListOffsetsTopic::default().with_name(topic_name("t")).with_partitions(vec![asked]);
        client.call(7, &ListOffsetsRequest::default().with_topics(vec![topic]));
    }
}

#[test]
fn extreme_numbers_of_partitions_and_producers_are_answered() {
    let (_node, mut client) = node_with_records();
    for number in INTS.into_iter().filter(|n| ![1, -1].contains(n)) {
        let topic = CreatableTopic::default()
            .with_name(topic_name("u"))
            .with_num_partitions(number)
            .with_replication_factor(1);
        let created =
            client.call(7, &CreateTopicsRequest::default().with_topics(vec![topic]).with_timeout_ms(number));
        assert_ne!(created.topics[0].error_code, 0, "{number} partitions");
        let topic = CreatePartitionsTopic::default().with_name(topic_name("t")).with_count(number);
        let request = CreatePartitionsRequest::default().with_topics(vec![topic]).with_timeout_ms(number);
        assert_ne!(client.call(3, &request).results[0].error_code, 0, "{number} partitions");
    }
    for id in LONGS {
        for epoch in [i16::MIN, -1, 0, i16::MAX] {
            let request = InitProducerIdRequest::default()
                .with_transactional_id(None)
                .with_producer_id(ProducerId(id))
                .with_producer_epoch(epoch)
                .with_transaction_timeout_ms(i32::MIN);
            client.call(4, &request);
        }
    }
}

#[test]
fn any_correlation_id_comes_back() {
    let node = Node::start();
    let mut client = Client::new(&node);
    for id in INTS {
        client.send_frame(&header(18, 0, id, false));
        assert_eq!(client.receive_frame()[..4], id.to_be_bytes());
    }
    assert_eq!(client.call(0, &ApiVersionsRequest::default()).error_code, 0);
}
