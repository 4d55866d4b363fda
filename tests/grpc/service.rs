//! The service as such: health, reflection, packing, limits, its port, its end.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use bateau::proto::admin::{CreateTopicRequest, CreateTopicResponse};
use bateau::proto::log::{ConsumeResponse, ProduceRequest, ProduceResponse};
use futures_util::{StreamExt, stream};
use tonic::codec::CompressionEncoding;
use tonic::{Code, Request, Streaming};
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use tonic_reflection::pb::v1::{ServerReflectionRequest, ServerReflectionResponse};

use crate::call::{Client, info};
use crate::node::Node;
use crate::{CONSUME, CONSUME_STREAM, GET_SERVERS, PRODUCE, PRODUCE_STREAM, book, record};

const CHECK: &str = "/grpc.health.v1.Health/Check";
const WATCH: &str = "/grpc.health.v1.Health/Watch";
const SERVING: i32 = 1;
const NOT_SERVING: i32 = 2;

#[tokio::test]
async fn health_is_told_overall_and_for_each_service() {
    let node = Node::start(&[]);
    let client = Client::to(&node.grpc).await;
    for service in ["", "log.v1.Log", "admin.v1.Admin"] {
        let request = HealthCheckRequest { service: service.into() };
        let health: HealthCheckResponse = client.unary(CHECK, request).await.unwrap();
        assert_eq!(health.status, SERVING, "{service}");
    }
    let request = HealthCheckRequest { service: "no.such.Service".into() };
    let unknown = client.unary::<_, HealthCheckResponse>(CHECK, request).await;
    assert_eq!(unknown.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn reflection_shows_the_services_in_both_versions() {
    let node = Node::start(&[]);
    let client = Client::to(&node.grpc).await;
    for path in [
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
    ] {
        // The messages of both are the same.
        let ask = |what| ServerReflectionRequest { host: String::new(), message_request: Some(what) };
        let asked = [
            ask(MessageRequest::ListServices(String::new())),
            ask(MessageRequest::FileContainingSymbol("log.v1.Log.Produce".into())),
        ];
        let mut answers =
            client.both::<_, ServerReflectionResponse>(path, stream::iter(asked)).await.unwrap();
        let Some(MessageResponse::ListServicesResponse(list)) =
            answers.message().await.unwrap().unwrap().message_response
        else {
            panic!("no list of services")
        };
        let names: Vec<&str> = list.service.iter().map(|service| service.name.as_str()).collect();
        for name in ["log.v1.Log", "admin.v1.Admin", "grpc.health.v1.Health"] {
            assert!(names.contains(&name), "{names:?}");
        }
        let Some(MessageResponse::FileDescriptorResponse(files)) =
            answers.message().await.unwrap().unwrap().message_response
        else {
            panic!("no descriptor")
        };
        assert!(!files.file_descriptor_proto.is_empty());
    }
}

#[tokio::test]
async fn a_node_that_leaves_says_so_and_ends_its_streams() {
    let mut node = Node::start(&[]);
    let client = Client::to(&node.grpc).await;
    let request = Request::new(HealthCheckRequest::default());
    let mut watched: Streaming<HealthCheckResponse> = client.answers(WATCH, request).await.unwrap();
    assert_eq!(watched.message().await.unwrap().unwrap().status, SERVING);
    let _: book::ProduceResponse = client.unary(PRODUCE, book::produce("x")).await.unwrap();
    let request = Request::new(book::ConsumeRequest { offset: 1 });
    let mut followed: Streaming<ConsumeResponse> = client.answers(CONSUME_STREAM, request).await.unwrap();
    let requests = stream::iter([book::produce("y")]).chain(stream::pending());
    let mut produced: Streaming<ProduceResponse> = client.both(PRODUCE_STREAM, requests).await.unwrap();
    produced.message().await.unwrap().unwrap();
    followed.message().await.unwrap().unwrap();

    node.terminate();
    assert_eq!(watched.message().await.unwrap().unwrap().status, NOT_SERVING);
    for status in [followed.message().await.unwrap_err(), produced.message().await.unwrap_err()] {
        assert_eq!((status.code(), info(&status).reason.as_str()), (Code::Unavailable, "CLOSING"));
    }
    assert!(node.ended().success());
}

#[tokio::test]
async fn a_node_ends_though_a_client_holds_on() {
    let mut node = Node::start(&[]);
    let client = Client::to(&node.grpc).await;
    // Nothing that the server says ends this call.
    let requests = stream::pending::<ServerReflectionRequest>();
    let path = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
    let _held = client.both::<_, ServerReflectionResponse>(path, requests).await.unwrap();
    node.terminate();
    assert!(node.ended().success());
}

#[tokio::test]
async fn packed_requests_get_packed_answers() {
    let node = Node::start(&[]);
    let plain = Client::to(&node.grpc).await;
    let value = "long ".repeat(10_000);
    for encoding in [CompressionEncoding::Gzip, CompressionEncoding::Zstd] {
        let client = plain.packing(encoding);
        let ack: book::ProduceResponse = client.unary(PRODUCE, book::produce(value.as_str())).await.unwrap();
        let request = Request::new(book::ConsumeRequest { offset: ack.offset });
        let mut read: Streaming<ConsumeResponse> = client.answers(CONSUME_STREAM, request).await.unwrap();
        assert_eq!(read.message().await.unwrap().unwrap().record.unwrap().value, value.as_bytes());
    }
}

#[tokio::test]
async fn a_request_that_is_too_large_is_refused_and_the_connection_lives() {
    let node = Node::start(&["--set", "message.max.bytes=9000000"]);
    let client = Client::to(&node.grpc).await;
    for size in [5 << 20, 100 << 20] {
        let refused = client.unary::<_, book::ProduceResponse>(PRODUCE, book::produce(vec![0; size])).await;
        assert!(refused.is_err());
        // A bomb is small on the wire.
        let client = client.packing(CompressionEncoding::Gzip);
        let refused = client.unary::<_, book::ProduceResponse>(PRODUCE, book::produce(vec![0; size])).await;
        assert!(refused.is_err());
    }
    let ack: book::ProduceResponse = client.unary(PRODUCE, book::produce(vec![0; 3 << 20])).await.unwrap();
    assert_eq!(ack.offset, 0);
}

#[tokio::test]
async fn garbage_on_the_port_hurts_nobody() {
    let node = Node::start(&[]);
    let client = Client::to(&node.grpc).await;
    for garbage in
        [&b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n"[..], b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01", b"\x01"]
    {
        let mut stream = TcpStream::connect(&node.grpc).unwrap();
        stream.write_all(garbage).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        // Closed, or reset with bytes unread.
        drop(stream.read_to_end(&mut Vec::new()));
    }
    let _silent = TcpStream::connect(&node.grpc).unwrap();
    let request = ProduceRequest { record: Some(record("x")), ..ProduceRequest::default() };
    let ack: ProduceResponse = client.unary(PRODUCE, request).await.unwrap();
    assert_eq!(ack.offset, 0);
}

#[tokio::test]
async fn a_node_alone_goes_on_without_grpc_if_the_default_port_is_taken() {
    // By this test, or by whoever has it already.
    let held = TcpListener::bind("127.0.0.1:8400");
    let mut node = Node::launch(&[]);
    node.wait();
    assert_eq!(node.grpc, "");
    node.run(&["topic", "create", "sky"], "");
    drop(held);
}

#[tokio::test]
async fn whoever_proves_nothing_may_do_what_the_authorizer_lets_everybody() {
    const AUTHORIZER: &str = "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer";
    let denied = |refused: tonic::Status| {
        assert_eq!((refused.code(), info(&refused).reason.as_str()), (Code::PermissionDenied, "DENIED"));
    };
    let node = Node::start(&["--set", AUTHORIZER]);
    let client = Client::to(&node.grpc).await;
    denied(client.unary::<_, book::ProduceResponse>(PRODUCE, book::produce("x")).await.unwrap_err());
    denied(
        client.unary::<_, book::ConsumeResponse>(CONSUME, book::ConsumeRequest::default()).await.unwrap_err(),
    );
    let servers = client.unary::<_, book::GetServersResponse>(GET_SERVERS, book::GetServersRequest {}).await;
    denied(servers.unwrap_err());
    let requests = stream::iter([book::produce("x")]).chain(stream::pending());
    let mut acks: Streaming<ProduceResponse> = client.both(PRODUCE_STREAM, requests).await.unwrap();
    denied(acks.message().await.unwrap_err());
    let create = CreateTopicRequest { name: "sky".into(), ..CreateTopicRequest::default() };
    let made = client.unary::<_, CreateTopicResponse>("/admin.v1.Admin/CreateTopic", create.clone()).await;
    denied(made.unwrap_err());
    let health: HealthCheckResponse = client.unary(CHECK, HealthCheckRequest::default()).await.unwrap();
    assert_eq!(health.status, SERVING);

    let node = Node::start(&["--set", AUTHORIZER, "--set", "allow.everyone.if.no.acl.found=true"]);
    let client = Client::to(&node.grpc).await;
    let _: book::ProduceResponse = client.unary(PRODUCE, book::produce("x")).await.unwrap();
    let _: CreateTopicResponse = client.unary("/admin.v1.Admin/CreateTopic", create).await.unwrap();
}
