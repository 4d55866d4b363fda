//! What `proto/` says, as Rust: generated messages and service traits, and the descriptors for reflection.
//!
//! Not here: what the services do (`grpc`).

/// `log.v1`: records in, records out.
pub mod log {
    #![allow(clippy::all, clippy::pedantic, unreachable_pub, missing_debug_implementations)]
    tonic::include_proto!("log.v1");
}

/// `admin.v1`: topics and groups.
pub mod admin {
    #![allow(clippy::all, clippy::pedantic, unreachable_pub, missing_debug_implementations)]
    tonic::include_proto!("admin.v1");
}

/// Both files, encoded, with comments.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
