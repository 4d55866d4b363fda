//! The HTTP/JSON edge: the book's two calls on `/`, resources under `/v1`, server-sent events, health and readiness.
//!
//! Decodes, calls `broker`, encodes. One table of routes (`routes.rs`), one file for each resource, one place where an
//! error becomes a status (`error.rs`). Handlers hold no state. Memory follows bytes that came, never bytes announced;
//! connections, bodies, followed partitions and every wait are bounded. Nothing that a client sends panics.
//!
//! Not here: who may ask, and metrics.

mod batches;
mod body;
mod book;
mod caller;
mod cluster;
mod door;
mod error;
mod events;
mod groups;
mod health;
mod openapi;
mod partitions;
mod problem;
mod produce;
mod query;
mod records;
mod routes;
mod server;
mod socket;
mod spread;
mod text;
mod topics;

pub use body::BodyError;
pub use book::BookRequest;
pub use caller::Caller;
pub use door::HttpDoor;
pub use produce::{ProduceError, ProduceRequest};
pub use server::HttpServer;
