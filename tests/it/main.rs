//! The Kafka door from outside: a real node, real sockets, raw bytes. One module for each thing it must do.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(clippy::disallowed_methods, reason = "deadlines of tests against a real process")]

mod api_versions;
mod client;
mod extremes;
mod fetch;
mod frames;
mod hostile;
mod limits;
mod node;
mod order;
mod sessions;
