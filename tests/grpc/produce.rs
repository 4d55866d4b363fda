//! Producing in streams and in bulk: order, failures, partitions.

use bateau::proto::log::{
    Acks, ProduceBatchesRequest, ProduceBatchesResponse, ProduceRequest, ProduceResponse, Record,
};
use futures_util::{StreamExt, stream};
use tonic::Code;

use crate::call::{Client, info};
use crate::node::Node;
use crate::{PRODUCE, PRODUCE_BATCHES, PRODUCE_STREAM, record};

fn to(topic: &str, partition: Option<i32>, record: Record) -> ProduceRequest {
    ProduceRequest { record: Some(record), topic: topic.into(), partition, ..ProduceRequest::default() }
}

#[tokio::test]
async fn offsets_of_a_stream_come_in_the_order_of_its_requests() {
    let node = Node::start(&[]);
    node.run(&["topic", "create", "sky", "--partitions", "3"], "");
    let client = Client::to(&node.grpc).await;
    let requests = (0..9_000).map(|n| to("sky", Some(n % 3), record(&n.to_string())));
    let mut acks = client.both::<_, ProduceResponse>(PRODUCE_STREAM, stream::iter(requests)).await.unwrap();
    for n in 0..9_000 {
        let ack = acks.message().await.unwrap().unwrap();
        assert_eq!((ack.partition, ack.offset), (n % 3, u64::try_from(n / 3).unwrap()));
    }
    assert!(acks.message().await.unwrap().is_none());
    for seen in node.records("sky") {
        let n: i64 = seen["value"].as_str().unwrap().parse().unwrap();
        assert_eq!((n % 3, n / 3), (seen["partition"].as_i64().unwrap(), seen["offset"].as_i64().unwrap()));
    }
}

#[tokio::test]
async fn each_request_of_a_slow_stream_is_answered_before_the_next_comes() {
    let node = Node::start(&[]);
    let client = Client::to(&node.grpc).await;
    let (send, requests) = tokio::sync::mpsc::channel::<ProduceRequest>(1);
    let requests = stream::unfold(requests, async |mut requests| Some((requests.recv().await?, requests)));
    let mut acks = client.both::<_, ProduceResponse>(PRODUCE_STREAM, requests).await.unwrap();
    for offset in 0..5 {
        send.send(to("", None, record("x"))).await.unwrap();
        assert_eq!(acks.message().await.unwrap().unwrap().offset, offset);
    }
    drop(send);
    assert!(acks.message().await.unwrap().is_none());
}

#[tokio::test]
async fn a_failure_names_the_request_and_what_came_before_is_answered() {
    let node = Node::start(&[]);
    let client = Client::to(&node.grpc).await;
    for bad in [to("", Some(9), record("x")), to("a/b", None, record("x")), ProduceRequest::default()] {
        let requests: Vec<_> = (0..3).map(|_| to("", None, record("x"))).chain([bad]).collect();
        let requests = stream::iter(requests).chain(stream::pending());
        let mut acks = client.both::<_, ProduceResponse>(PRODUCE_STREAM, requests).await.unwrap();
        for _ in 0..3 {
            acks.message().await.unwrap().unwrap();
        }
        assert_eq!(info(&acks.message().await.unwrap_err()).metadata["request"], "3");
    }
    let large = Record { value: vec![0; 2 << 20].into(), ..Record::default() };
    let requests = vec![to("", None, record("x")), to("", None, large), to("", None, record("x"))];
    let mut acks = client.both::<_, ProduceResponse>(PRODUCE_STREAM, stream::iter(requests)).await.unwrap();
    acks.message().await.unwrap().unwrap();
    let refused = acks.message().await.unwrap_err();
    assert_eq!((refused.code(), info(&refused).metadata["request"].as_str()), (Code::InvalidArgument, "1"));
}

#[tokio::test]
async fn a_bulk_is_answered_once_with_ranges() {
    let node = Node::start(&[]);
    node.run(&["topic", "create", "sky", "--partitions", "2"], "");
    let client = Client::to(&node.grpc).await;
    let records =
        |count| (0..count).map(|n| Record { value: vec![1; 1024].into(), ..record(&format!("{n}")) });
    let message = move |n: i32| ProduceBatchesRequest {
        topic: "sky".into(),
        partition: Some(n % 2),
        records: records(500).collect(),
        acks: Acks::All.into(),
    };
    let messages = stream::iter((0..20).map(message));
    let done: ProduceBatchesResponse = client.many(PRODUCE_BATCHES, messages).await.unwrap();
    assert_eq!((done.records, done.ranges.len()), (10_000, 2));
    for (partition, range) in (0..).zip(&done.ranges) {
        assert_eq!((range.topic.as_str(), range.partition), ("sky", partition));
        assert_eq!((range.first_offset, range.last_offset, range.records), (0, 4999, 5000));
    }
    let nothing: ProduceBatchesResponse =
        client.many(PRODUCE_BATCHES, stream::empty::<ProduceBatchesRequest>()).await.unwrap();
    assert_eq!(nothing, ProduceBatchesResponse::default());
}

#[tokio::test]
async fn a_failing_bulk_says_how_much_was_acknowledged() {
    let node = Node::start(&[]);
    let client = Client::to(&node.grpc).await;
    let good = ProduceBatchesRequest { records: vec![record("a"), record("b")], ..Default::default() };
    let bad = ProduceBatchesRequest { partition: Some(5), ..good.clone() };
    let refused = client
        .many::<_, ProduceBatchesResponse>(PRODUCE_BATCHES, stream::iter([good, bad]))
        .await
        .unwrap_err();
    let details = info(&refused);
    assert_eq!(details.reason, "UNKNOWN_PARTITION");
    assert!(["0", "2"].contains(&details.metadata["acknowledged"].as_str()), "{details:?}");
}

#[tokio::test]
async fn keys_go_where_kafka_s_clients_send_them() {
    let node = Node::start(&[]);
    node.run(&["topic", "create", "sky", "--partitions", "5"], "");
    let client = Client::to(&node.grpc).await;
    let keys: Vec<String> = (0..30).map(|n| format!("key-{n}")).collect();
    let lines: String = keys.iter().flat_map(|key| [key.as_str(), ":kafka\n"]).collect();
    node.run(&["produce", "sky", "--key-separator", ":"], &lines);
    for key in &keys {
        let keyed = Record { key: Some(key.clone().into()), ..record("grpc") };
        let _: ProduceResponse = client.unary(PRODUCE, to("sky", None, keyed)).await.unwrap();
    }
    let seen = node.records("sky");
    assert_eq!(seen.len(), 60);
    for key in &keys {
        let mut partitions = seen.iter().filter(|r| r["key"] == key.as_str()).map(|r| &r["partition"]);
        assert_eq!(partitions.next(), partitions.next(), "{key}");
    }
}

#[tokio::test]
async fn records_without_a_key_are_spread() {
    let node = Node::start(&[]);
    node.run(&["topic", "create", "sky", "--partitions", "4"], "");
    let client = Client::to(&node.grpc).await;
    let mut partitions = Vec::new();
    for _ in 0..4 {
        let ack: ProduceResponse = client.unary(PRODUCE, to("sky", None, record("x"))).await.unwrap();
        partitions.push(ack.partition);
    }
    partitions.sort_unstable();
    assert_eq!(partitions, [0, 1, 2, 3]);
}

#[tokio::test]
async fn without_acks_the_answer_has_no_offset() {
    let node = Node::start(&[]);
    let client = Client::to(&node.grpc).await;
    let request = ProduceRequest { acks: Acks::None.into(), ..to("", None, record("x")) };
    let ack: ProduceResponse = client.unary(PRODUCE, request.clone()).await.unwrap();
    assert!(ack.unacknowledged && ack.offset == 0);
    let ack: ProduceResponse = client.unary(PRODUCE, to("", None, record("y"))).await.unwrap();
    assert_eq!((ack.unacknowledged, ack.offset), (false, 1));
    let strange = ProduceRequest { acks: 77, ..request };
    let refused = client.unary::<_, ProduceResponse>(PRODUCE, strange).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
}
