//! As little of an HTTP client as the tests need: one request a connection, and streams of events.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};

use serde_json::Value;

use super::node::DEADLINE;

pub(crate) struct Request {
    to: SocketAddr,
    head: String,
    body: Vec<u8>,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Names in lower case.
    headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Request {
    pub(crate) fn new(to: SocketAddr, method: &str, path: &str) -> Self {
        Self { to, head: format!("{method} {path} HTTP/1.1\r\nhost: {to}\r\n"), body: Vec::new() }
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.head.extend([name, ": ", value, "\r\n"]);
        self
    }

    pub(crate) fn body(mut self, body: &str) -> Self {
        self.body = body.into();
        let length = self.body.len().to_string();
        self.header("content-length", &length)
    }

    pub(crate) fn json(self, body: &str) -> Self {
        self.header("content-type", "application/json").body(body)
    }

    fn connect(self) -> BufReader<TcpStream> {
        let mut stream = TcpStream::connect(self.to).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        // One that is refused early closes before it read all.
        _ = stream.write_all(&[self.head.as_bytes(), b"\r\n", &self.body].concat());
        BufReader::new(stream)
    }

    pub(crate) fn send(self) -> Answer {
        let is_head = self.head.starts_with("HEAD ");
        let mut stream = self.header("connection", "close").connect();
        let (status, headers) = read_head(&mut stream);
        let mut answer = Answer { status, headers, body: String::new() };
        if is_head {
            stream.read_to_string(&mut answer.body).unwrap();
            return answer;
        }
        let length: usize = answer.header("content-length").map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; length];
        stream.read_exact(&mut body).unwrap();
        answer.body = String::from_utf8(body).unwrap();
        answer
    }

    /// Begins a stream of events.
    pub(crate) fn events(self) -> Events {
        let mut stream = self.header("accept", "text/event-stream").connect();
        let (status, headers) = read_head(&mut stream);
        assert_eq!(status, 200, "{headers:?}");
        assert!(headers.contains(&("content-type".into(), "text/event-stream".into())), "{headers:?}");
        Events { stream, text: String::new() }
    }
}

fn read_head(stream: &mut BufReader<TcpStream>) -> (u16, Vec<(String, String)>) {
    let mut line = || {
        let mut line = String::new();
        stream.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    };
    let status = line().split(' ').nth(1).expect("a status line").parse().unwrap();
    let mut headers = Vec::new();
    loop {
        let line = line();
        let Some((name, value)) = line.split_once(':') else { return (status, headers) };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// A good answer.
    pub(crate) fn ok(self) -> Value {
        assert_eq!(self.status, 200, "{}", self.body);
        self.json()
    }

    /// A problem of this status; its kind is the end of its type.
    pub(crate) fn problem(&self, status: u16, kind: &str) -> Value {
        assert_eq!(self.status, status, "{}", self.body);
        assert_eq!(self.header("content-type"), Some("application/problem+json"));
        let problem = self.json();
        assert_eq!(problem["type"], format!("urn:bateau:problem:{kind}"), "{problem}");
        assert_eq!(problem["status"], status);
        problem
    }
}

/// A stream of events, unchunked.
pub(crate) struct Events {
    stream: BufReader<TcpStream>,
    text: String,
}

impl Events {
    /// The next block of lines that has data: its id, its kind and the data. `None`: the stream ended.
    pub(crate) fn next(&mut self) -> Option<(String, String, Value)> {
        loop {
            while let Some(end) = self.text.find("\n\n") {
                let block: String = self.text.drain(..end + 2).collect();
                let field = |name: &str| {
                    block.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().to_owned()
                };
                if !field("data: ").is_empty() {
                    let data = serde_json::from_str(&field("data: ")).unwrap();
                    return Some((field("id: "), field("event: "), data));
                }
            }
            let mut line = String::new();
            self.stream.read_line(&mut line).unwrap();
            let size = usize::from_str_radix(line.trim(), 16).unwrap_or(0);
            if size == 0 {
                return None;
            }
            let mut chunk = vec![0; size + 2];
            self.stream.read_exact(&mut chunk).unwrap();
            chunk.truncate(size);
            self.text += std::str::from_utf8(&chunk).unwrap();
        }
    }

    /// The next record's id and value.
    pub(crate) fn record(&mut self) -> (String, String) {
        let (id, kind, data) = self.next().expect("the stream goes on");
        assert_eq!(kind, "", "{data}");
        (id, data["value"].as_str().unwrap().to_owned())
    }
}
