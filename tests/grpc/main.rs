//! The gRPC door of the built binary: the book's client, everything beside it, and that Kafka sees the same.

#![allow(clippy::unwrap_used, reason = "what a test needs and does not get fails it")]

mod admin;
mod book;
mod call;
mod cluster;
mod node;
mod produce;
mod service;

use bateau::proto::log::{ConsumeRequest, ConsumeResponse, Header, ProduceRequest, ProduceResponse, Record};
use futures_util::stream;
use tonic::{Code, Request};
use tonic_types::StatusExt;

use call::{Client, info};
use node::Node;

const PRODUCE: &str = "/log.v1.Log/Produce";
const CONSUME: &str = "/log.v1.Log/Consume";
const CONSUME_STREAM: &str = "/log.v1.Log/ConsumeStream";
const PRODUCE_STREAM: &str = "/log.v1.Log/ProduceStream";
const PRODUCE_BATCHES: &str = "/log.v1.Log/ProduceBatches";
const GET_SERVERS: &str = "/log.v1.Log/GetServers";

fn record(value: &str) -> Record {
    Record { value: value.to_owned().into(), ..Record::default() }
}

#[tokio::test]
async fn the_book_s_client_works_unchanged() {
    let node = Node::start(&[]);
    let client = Client::to(&node.grpc).await;
    let servers: book::GetServersResponse =
        client.unary(GET_SERVERS, book::GetServersRequest {}).await.unwrap();
    assert_eq!(servers.servers.len(), 1);
    let server = &servers.servers[0];
    assert_eq!((server.id.as_str(), &server.rpc_addr, server.is_leader), ("1", &node.grpc, true));

    for (offset, value) in (0..).zip(["hello", "", "world"]) {
        let produced: book::ProduceResponse = client.unary(PRODUCE, book::produce(value)).await.unwrap();
        assert_eq!(produced.offset, offset);
        let consumed: book::ConsumeResponse =
            client.unary(CONSUME, book::ConsumeRequest { offset }).await.unwrap();
        let record = consumed.record.unwrap();
        assert_eq!((record.value.as_slice(), record.offset, record.r#type), (value.as_bytes(), offset, 0));
        assert!(record.term > 0);
    }
    let beyond = client.unary::<_, book::ConsumeResponse>(CONSUME, book::ConsumeRequest { offset: 3 }).await;
    let status = beyond.unwrap_err();
    assert_eq!(status.code(), Code::OutOfRange);
    assert!(status.get_error_details().localized_message().is_some());
    let details = info(&status);
    assert_eq!(details.reason, "OFFSET_OUT_OF_RANGE");
    assert_eq!((&*details.metadata["asked"], &*details.metadata["end"]), ("3", "3"));
}

#[tokio::test]
async fn the_book_s_streams_work_unchanged() {
    let node = Node::start(&[]);
    let client = Client::to(&node.grpc).await;
    let records = stream::iter(["first", "second"].map(book::produce));
    let mut acks = client.both::<_, book::ProduceResponse>(PRODUCE_STREAM, records).await.unwrap();
    for offset in 0..2 {
        assert_eq!(acks.message().await.unwrap().unwrap().offset, offset);
    }
    assert!(acks.message().await.unwrap().is_none());
    let request = Request::new(book::ConsumeRequest { offset: 0 });
    let mut read = client.answers::<_, book::ConsumeResponse>(CONSUME_STREAM, request).await.unwrap();
    for value in ["first", "second"] {
        assert_eq!(read.message().await.unwrap().unwrap().record.unwrap().value, value.as_bytes());
    }
    let third: book::ProduceResponse = client.unary(PRODUCE, book::produce("third")).await.unwrap();
    let followed = read.message().await.unwrap().unwrap().record.unwrap();
    assert_eq!((followed.value.as_slice(), followed.offset), (&b"third"[..], third.offset));
}

#[tokio::test]
async fn kafka_sees_the_records_of_grpc_and_grpc_those_of_kafka() {
    let node = Node::start(&[]);
    let client = Client::to(&node.grpc).await;
    let header = |key: &str, value: Option<&str>| Header {
        key: key.into(),
        value: value.map(|value| value.to_owned().into()),
    };
    let full = Record {
        key: Some("k".into()),
        headers: vec![header("a", Some("1")), header("a", None)],
        timestamp: Some(1_700_000_000_123),
        ..record("v")
    };
    let request =
        ProduceRequest { record: Some(full.clone()), topic: "sky".into(), ..ProduceRequest::default() };
    let produced: ProduceResponse = client.unary(PRODUCE, request).await.unwrap();
    assert_eq!((produced.offset, produced.topic.as_str(), produced.partition), (0, "sky", 0));
    let gone = Record { key: Some("k".into()), tombstone: true, ..Record::default() };
    let request = ProduceRequest { record: Some(gone), topic: "sky".into(), ..ProduceRequest::default() };
    let _: ProduceResponse = client.unary(PRODUCE, request).await.unwrap();
    let seen = node.records("sky");
    assert_eq!(
        (&seen[0]["key"], &seen[0]["value"], &seen[0]["offset"]),
        (&"k".into(), &"v".into(), &0.into())
    );
    assert!(seen[0].to_string().contains("1700000000123"), "{}", seen[0]);
    let headers = seen[0]["headers"].as_array().unwrap();
    assert_eq!((headers.len(), &headers[0]["value"], headers[1]["value"].is_null()), (2, &"1".into(), true));
    assert!(seen[1]["value"].is_null(), "{}", seen[1]);

    for codec in ["gzip", "snappy", "lz4", "zstd"] {
        node.run(&["produce", "sky", "--codec", codec, "--key-separator", ":"], "x:one\ny:two\n");
    }
    let request = ConsumeRequest { topic: "sky".into(), max_records: 100, ..ConsumeRequest::default() };
    let read: ConsumeResponse = client.unary(CONSUME, request).await.unwrap();
    assert_eq!((read.records.len(), read.next_offset, read.high_watermark), (10, 10, 10));
    assert_eq!(read.records.iter().map(|r| r.offset).collect::<Vec<_>>(), (0..10).collect::<Vec<_>>());
    let first = Record { offset: 0, term: read.records[0].term, ..full };
    assert_eq!(read.records[0], first);
    assert_eq!((read.records[9].key.as_deref(), &read.records[9].value[..]), (Some(&b"y"[..]), &b"two"[..]));
}

#[tokio::test]
async fn a_stream_resumes_by_offset_and_brings_as_much_as_is_asked() {
    let node = Node::start(&[]);
    let client = Client::to(&node.grpc).await;
    node.run(&["topic", "create", "log"], "");
    node.run(&["produce", "log"], &"line\n".repeat(1000));
    let request = |offset, max_records| {
        Request::new(ConsumeRequest { offset, max_records, ..ConsumeRequest::default() })
    };
    let mut read = client.answers::<_, ConsumeResponse>(CONSUME_STREAM, request(0, 300)).await.unwrap();
    let mut next = 0;
    while next < 600 {
        let message = read.message().await.unwrap().unwrap();
        assert!(message.records.len() <= 300 && message.record.is_none());
        for record in &message.records {
            assert_eq!(record.offset, next);
            next += 1;
        }
        assert_eq!(message.next_offset, next);
    }
    drop(read);
    let mut rest = client.answers::<_, ConsumeResponse>(CONSUME_STREAM, request(next, 0)).await.unwrap();
    for offset in next..1000 {
        assert_eq!(rest.message().await.unwrap().unwrap().record.unwrap().offset, offset);
    }
}

#[tokio::test]
async fn a_reader_may_wait_for_a_record_and_a_deadline_ends_a_stream() {
    let node = Node::start(&[]);
    let client = Client::to(&node.grpc).await;
    let _: book::ProduceResponse = client.unary(PRODUCE, book::produce("first")).await.unwrap();
    let request = ConsumeRequest { offset: 1, max_wait_ms: 60_000, ..ConsumeRequest::default() };
    let waiting = client.clone();
    let waited = tokio::spawn(async move { waiting.unary::<_, ConsumeResponse>(CONSUME, request).await });
    let _: book::ProduceResponse = client.unary(PRODUCE, book::produce("second")).await.unwrap();
    assert_eq!(&waited.await.unwrap().unwrap().record.unwrap().value[..], b"second");

    let mut request = Request::new(book::ConsumeRequest { offset: 2 });
    request.set_timeout(std::time::Duration::from_millis(200));
    let mut read = client.answers::<_, book::ConsumeResponse>(CONSUME_STREAM, request).await.unwrap();
    assert_eq!(read.message().await.unwrap_err().code(), Code::DeadlineExceeded);
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let node = Node::start(&[]);
    let client = Client::to(&node.grpc).await;
    let read = async |topic: &str, partition, offset| {
        let request = ConsumeRequest { topic: topic.into(), partition, offset, ..ConsumeRequest::default() };
        client.unary::<_, ConsumeResponse>(CONSUME, request).await.unwrap_err()
    };
    assert_eq!(info(&read("moon", 0, 0).await).reason, "UNKNOWN_TOPIC");
    assert_eq!(read("a/b", 0, 0).await.code(), Code::InvalidArgument);
    assert_eq!(info(&read("", 7, 0).await).reason, "UNKNOWN_PARTITION");
    assert_eq!(info(&read("", -1, 0).await).reason, "UNKNOWN_PARTITION");
    assert_eq!(read("", 0, u64::MAX).await.code(), Code::OutOfRange);
    let nothing = client.unary::<_, ProduceResponse>(PRODUCE, ProduceRequest::default()).await;
    assert_eq!(nothing.unwrap_err().code(), Code::InvalidArgument);
}
