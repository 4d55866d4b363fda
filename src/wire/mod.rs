//! Kafka's bytes and what they mean: frames, headers, request walks, what the protocol crate lacks. Pure: no socket, no async.
//!
//! The only room that names the `kafka-protocol` crate, whose message structs it lends to the Kafka edge.
//! *Invariant*: nothing is decoded that [`schema::walk`] or, of a broker's answers, `request::announced` has not passed:
//! memory follows bytes that are really there.

pub mod fetch_response;
pub mod frame;
pub mod header;
pub mod log_dirs_response;
pub mod offset_requests;
pub mod request;
pub mod response;
pub mod schema;

pub use kafka_protocol::error::ResponseError as ErrorCode;
pub use kafka_protocol::messages;
pub use kafka_protocol::messages::ApiKey;
pub use kafka_protocol::protocol::{Decodable, Encodable, StrBytes};
