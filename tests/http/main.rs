//! The HTTP door from outside: a real node, real sockets; Kafka's side by the commands for people.
#![expect(clippy::disallowed_methods, reason = "deadlines of tests against a real process")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod book;
mod client;
mod cluster;
mod events;
mod groups;
mod hostile;
mod node;
mod probes;
mod records;
mod topics;
