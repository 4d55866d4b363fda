//! Clients that are slow, endless or broken: the door stays open for the others.

use std::io::{Read, Write};
use std::net::TcpStream;

use super::node::{DEADLINE, Node};

fn connected(node: &Node) -> TcpStream {
    let stream = TcpStream::connect(node.http.unwrap()).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream
}

/// All that comes until the connection ends.
fn rest(mut stream: TcpStream) -> String {
    let mut bytes = Vec::new();
    // A reset is an end, too.
    _ = stream.read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

#[test]
fn a_head_that_never_ends_is_given_up() {
    let node = Node::start();
    let mut slow = connected(&node);
    slow.write_all(b"GET /v1/topics HTTP/1.1\r\nx: ").unwrap();
    assert_eq!(node.get("/v1/topics").status, 200);
    rest(slow);
}

#[test]
fn a_connection_that_asks_for_nothing_is_closed() {
    let node = Node::start();
    assert_eq!(rest(connected(&node)), "");
}

#[test]
fn heads_that_are_too_large_or_no_http_are_refused() {
    let node = Node::start();
    for head in [
        format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(100_000)),
        format!("GET / HTTP/1.1\r\nhost: h\r\n{}\r\n", "a: b\r\n".repeat(200)),
        "NONSENSE\r\n\r\n".into(),
        "GET / HTTP/1.1\r\nhost: h\r\ncontent-length: -5\r\n\r\n".into(),
        "\u{0}\u{1}\u{2}\r\n\r\n".into(),
    ] {
        let mut stream = connected(&node);
        _ = stream.write_all(head.as_bytes());
        let answer = rest(stream);
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
    }
    assert_eq!(node.get("/v1/topics").status, 200);
}

#[test]
fn an_announced_body_reserves_nothing_and_one_without_end_is_cut_off() {
    let node = Node::start();
    node.topic("sky", 1);
    let head = "POST /v1/topics/sky/records HTTP/1.1\r\nhost: h\r\ncontent-type: application/json\r\n";
    let mut announced = connected(&node);
    announced.write_all(format!("{head}content-length: 9000000000000\r\n\r\n").as_bytes()).unwrap();
    assert!(rest(announced).starts_with("HTTP/1.1 413"));
    let mut endless = connected(&node);
    endless.write_all(format!("{head}transfer-encoding: chunked\r\n\r\n").as_bytes()).unwrap();
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(65536));
    while endless.write_all(chunk.as_bytes()).is_ok() {}
    assert_eq!(node.get("/v1/topics").status, 200);
}

#[test]
fn deep_and_strange_json_is_refused() {
    let node = Node::start();
    node.topic("sky", 1);
    for body in [
        "[".repeat(100_000),
        "{\"records\":".repeat(1000),
        "\u{feff}{}".into(),
        "null".into(),
        "1e999".into(),
    ] {
        let answer = node.post("/v1/topics/sky/records", &body);
        assert!(matches!(answer.status, 400 | 422), "{}: {}", answer.status, answer.body);
    }
}
