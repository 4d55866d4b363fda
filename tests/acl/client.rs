//! A client that is somebody: it authenticates by PLAIN, and then sends what it is told to.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::{
    CreateTopicsRequest, SaslAuthenticateRequest, SaslHandshakeRequest, TopicName,
};
use kafka_protocol::protocol::{Decodable, HeaderVersion, Request, StrBytes};
use uuid::Uuid;

use crate::node::{Node, PASSWORD};

/// Longer than anything here may take on a busy machine.
const DEADLINE: Duration = Duration::from_mins(1);

pub(crate) struct Client {
    stream: TcpStream,
    correlation_id: i32,
}

impl Client {
    /// Comes in as `user`.
    pub(crate) fn new(node: &Node, user: &str) -> Self {
        Self::at(node.kafka, user)
    }

    pub(crate) fn at(address: SocketAddr, user: &str) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.set_nodelay(true).unwrap();
        let mut client = Self { stream, correlation_id: 0 };
        let handshake = SaslHandshakeRequest::default().with_mechanism(StrBytes::from_static_str("PLAIN"));
        assert_eq!(client.call(1, &handshake).error_code, 0);
        let message = Bytes::from(format!("\0{user}\0{PASSWORD}"));
        let answer = client.call(2, &SaslAuthenticateRequest::default().with_auth_bytes(message));
        assert_eq!(answer.error_code, 0, "{user}: {answer:?}");
        client
    }

    pub(crate) fn call<R: Request>(&mut self, version: i16, request: &R) -> R::Response {
        self.correlation_id += 1;
        let mut frame = BytesMut::new();
        frame.put_i32(0);
        frame.put_i16(R::KEY);
        frame.put_i16(version);
        frame.put_i32(self.correlation_id);
        frame.put_i16(4);
        frame.put_slice(b"test");
        if R::header_version(version) == 2 {
            frame.put_u8(0);
        }
        request.encode(&mut frame, version).unwrap();
        let size = i32::try_from(frame.len() - 4).unwrap();
        frame[..4].copy_from_slice(&size.to_be_bytes());
        self.stream.write_all(&frame).unwrap();
        self.receive(version)
    }

    /// Asks again until the answer is as it is to be.
    pub(crate) fn until<R: Request>(
        &mut self,
        version: i16,
        request: &R,
        is_good: impl Fn(&R::Response) -> bool,
    ) -> R::Response {
        let start = Instant::now();
        loop {
            let response = self.call(version, request);
            if is_good(&response) {
                return response;
            }
            assert!(start.elapsed() < DEADLINE, "no other answer within {DEADLINE:?}");
        }
    }

    fn receive<T: Decodable + HeaderVersion>(&mut self, version: i16) -> T {
        let mut size = [0; 4];
        self.stream.read_exact(&mut size).expect("a response");
        let mut frame = vec![0; usize::try_from(i32::from_be_bytes(size)).unwrap()];
        self.stream.read_exact(&mut frame).unwrap();
        let mut frame = Bytes::from(frame);
        assert_eq!(frame.get_i32(), self.correlation_id);
        if T::header_version(version) == 1 {
            assert_eq!(frame.get_u8(), 0, "no tagged fields in the header");
        }
        T::decode(&mut frame, version).unwrap()
    }

    /// The id of a new topic of one partition.
    pub(crate) fn create_topic(&mut self, name: &str) -> Uuid {
        let response = self.call(7, &create(name));
        assert_eq!(response.topics[0].error_code, 0, "{response:?}");
        response.topics[0].topic_id
    }
}

pub(crate) fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

pub(crate) fn topic(name: &str) -> TopicName {
    TopicName(text(name))
}

pub(crate) fn create(name: &str) -> CreateTopicsRequest {
    let new =
        CreatableTopic::default().with_name(topic(name)).with_num_partitions(1).with_replication_factor(1);
    CreateTopicsRequest::default().with_topics(vec![new]).with_timeout_ms(10_000)
}
