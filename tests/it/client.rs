//! A client that sends what it is told to, also what no client should.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;

use bateau::model::record::{BatchBuilder, BatchOptions, NewRecord};
use bytes::{Buf, BufMut, Bytes, BytesMut};
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{
    CreateTopicsRequest, FetchRequest, FetchResponse, ProduceRequest, ProduceResponse, TopicName,
};
use kafka_protocol::protocol::{Decodable, HeaderVersion, Request, StrBytes};

use crate::node::{DEADLINE, Node};

pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    correlation_id: i32,
}

impl Client {
    pub(crate) fn new(node: &Node) -> Self {
        let stream = TcpStream::connect(node.kafka).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, correlation_id: 0 }
    }

    /// Sends `body` as one frame.
    pub(crate) fn send_frame(&mut self, body: &[u8]) {
        let size = i32::try_from(body.len()).unwrap();
        self.stream.write_all(&[&size.to_be_bytes(), body].concat()).unwrap();
    }

    /// Sends a request and returns its correlation id.
    pub(crate) fn send<R: Request>(&mut self, version: i16, request: &R) -> i32 {
        let frame = self.framed(version, request);
        self.stream.write_all(&frame).unwrap();
        self.correlation_id
    }

    /// A request with size and header, and the next correlation id.
    pub(crate) fn framed<R: Request>(&mut self, version: i16, request: &R) -> Vec<u8> {
        self.correlation_id += 1;
        let mut frame = BytesMut::new();
        frame.put_i32(0);
        frame.put_slice(&header(R::KEY, version, self.correlation_id, R::header_version(version) == 2));
        request.encode(&mut frame, version).unwrap();
        let size = i32::try_from(frame.len() - 4).unwrap();
        frame[..4].copy_from_slice(&size.to_be_bytes());
        frame.to_vec()
    }

    /// The next response, with its correlation id in front.
    pub(crate) fn receive_frame(&mut self) -> Bytes {
        let mut size = [0; 4];
        self.stream.read_exact(&mut size).expect("a response");
        let mut frame = vec![0; usize::try_from(i32::from_be_bytes(size)).unwrap()];
        self.stream.read_exact(&mut frame).unwrap();
        frame.into()
    }

    /// The next response and its correlation id.
    pub(crate) fn receive<T: Decodable + HeaderVersion>(&mut self, version: i16) -> (i32, T) {
        let mut frame = self.receive_frame();
        let correlation_id = frame.get_i32();
        if T::header_version(version) == 1 {
            assert_eq!(frame.get_u8(), 0, "no tagged fields in the header");
        }
        let response = T::decode(&mut frame, version).unwrap();
        assert!(frame.is_empty(), "{} bytes are left over", frame.len());
        (correlation_id, response)
    }

    pub(crate) fn call<R: Request>(&mut self, version: i16, request: &R) -> R::Response {
        let sent = self.send(version, request);
        let (received, response) = self.receive(version);
        assert_eq!(sent, received);
        response
    }

    /// Whether the node has closed the connection without a word.
    pub(crate) fn is_closed(&mut self) -> bool {
        match self.stream.read(&mut [0]) {
            Ok(0) => true,
            Ok(_) => false,
            Err(error) => match error.kind() {
                ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => true,
                other => panic!("neither closed nor answered: {other}"),
            },
        }
    }

    pub(crate) fn create_topic(&mut self, name: &str, partitions: i32) {
        let topic = CreatableTopic::default()
            .with_name(topic_name(name))
            .with_num_partitions(partitions)
            .with_replication_factor(1);
        let request = CreateTopicsRequest::default().with_topics(vec![topic]).with_timeout_ms(10_000);
        let response = self.call(7, &request);
        assert_eq!(response.topics[0].error_code, 0, "{response:?}");
    }

    pub(crate) fn produce(&mut self, topic: &str, partition: i32, records: Bytes) -> ProduceResponse {
        self.call(9, &produce(topic, partition, records, -1))
    }

    pub(crate) fn fetch(&mut self, version: i16, topic: &str, partition: i32, offset: i64) -> FetchResponse {
        self.call(version, &fetch(topic, partition, offset))
    }
}

/// A request header.
pub(crate) fn header(key: i16, version: i16, correlation_id: i32, flexible: bool) -> Vec<u8> {
    let mut header = Vec::new();
    header.put_i16(key);
    header.put_i16(version);
    header.put_i32(correlation_id);
    header.put_i16(4);
    header.put_slice(b"test");
    if flexible {
        header.put_u8(0);
    }
    header
}

pub(crate) fn topic_name(name: &str) -> TopicName {
    TopicName(StrBytes::from_string(name.into()))
}

/// One batch of records with these values.
pub(crate) fn batch(values: &[&[u8]]) -> Bytes {
    let mut batch = BatchBuilder::new(BatchOptions::default());
    for value in values {
        let record = NewRecord { timestamp: 1_700_000_000_000, key: None, value: Some(value), headers: &[] };
        batch.push(&record).unwrap();
    }
    batch.build().unwrap().into()
}

pub(crate) fn produce(topic: &str, partition: i32, records: Bytes, acks: i16) -> ProduceRequest {
    let data = PartitionProduceData::default().with_index(partition).with_records(Some(records));
    let topic = TopicProduceData::default().with_name(topic_name(topic)).with_partition_data(vec![data]);
    ProduceRequest::default().with_acks(acks).with_timeout_ms(10_000).with_topic_data(vec![topic])
}

/// A fetch by name that waits for one byte, for up to a minute.
pub(crate) fn fetch(topic: &str, partition: i32, offset: i64) -> FetchRequest {
    let wanted = FetchPartition::default()
        .with_partition(partition)
        .with_fetch_offset(offset)
        .with_partition_max_bytes(64 << 20);
    let topic = FetchTopic::default().with_topic(topic_name(topic)).with_partitions(vec![wanted]);
    FetchRequest::default()
        .with_max_wait_ms(60_000)
        .with_min_bytes(1)
        .with_max_bytes(64 << 20)
        .with_topics(vec![topic])
}
