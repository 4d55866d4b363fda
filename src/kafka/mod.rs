//! The Kafka edge: a listener, its connections, and one handler per API.
//!
//! A connection reads a frame, looks its API up in the table (`handlers::APIS`), which walks, decodes, calls the
//! handler and encodes; handlers ask `broker` and hold no state. Codes are chosen in `error.rs` alone.
//! *Invariants*: responses of a connection leave in the order of its requests; memory follows bytes that have arrived;
//! every wait and queue has a bound; nothing that a client sends panics.

mod admission;
mod api;
mod authentication;
mod complaints;
mod connection;
mod context;
mod ended;
mod error;
mod fetch_session;
mod forwarded;
mod handlers;
mod inbox;
mod memory;
mod outbox;
mod permissions;
mod sender;
mod server;
mod socket;

pub use forwarded::ForwardedRequests;
pub use server::{KafkaServer, Limits, Listener};
