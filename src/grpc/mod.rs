//! The gRPC door: `log.v1`, `admin.v1`, health and reflection, on the port that nodes share.
//!
//! An RPC is decoded by what `proto` generated, asks `broker`, and is encoded; why something fails is put into codes and
//! `google.rpc` details in `error.rs` alone. *Invariants*: streams pull, they are not pushed: what a client does not take is
//! not read, what it sends is not taken while too much is on its way; every wait has a bound or ends with the node; nothing
//! that a client sends panics.

mod admin;
mod admission;
mod answer;
mod appends;
mod batch;
mod caller;
mod connection;
mod consume;
mod consume_stream;
mod deadline;
mod error;
mod health;
mod log;
mod permit;
mod produce;
mod produce_batches;
mod produce_stream;
mod reading;
mod server;
mod servers;
mod target;

pub use caller::Caller;
pub use connection::Incoming;
pub use health::Health;
pub use server::GrpcServer;
