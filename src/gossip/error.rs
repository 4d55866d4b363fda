//! What keeps gossip from starting, or from saying what a node wants said.

use std::io;
use std::net::SocketAddr;

/// Why a call of this room failed. That others do not answer is none of these: they are tried again.
#[derive(Debug, thiserror::Error)]
pub enum GossipError {
    #[error("the gossip name {name:?} has {} bytes, and 1 to {limit} are allowed", name.len())]
    Name { name: String, limit: usize },
    #[error("the tags of {name} take {bytes} bytes, and gossip carries {limit}: shorten its RPC address")]
    TagsTooLong { name: String, bytes: usize, limit: usize },
    #[error("a gossip key has 16, 24 or 32 bytes, not {bytes}")]
    KeyLength { bytes: usize },
    #[error("{count} addresses to join are given, and at most {limit} are allowed")]
    TooManyAddresses { count: usize, limit: usize },
    #[error("gossip is bound to {bind}, which tells others nothing: give the address to advertise")]
    AdvertiseMissing { bind: SocketAddr },
    #[error("the advertised gossip address {address} {reason}")]
    Advertise { address: String, reason: &'static str },
    #[error("the advertised gossip address {address} cannot be resolved")]
    Resolve {
        address: String,
        #[source]
        source: io::Error,
    },
    #[error("gossip cannot bind {address}")]
    Bind {
        address: SocketAddr,
        #[source]
        source: io::Error,
    },
    #[error("gossip cannot start on {address}: {reason}")]
    Start { address: SocketAddr, reason: String },
    #[error("a gossip key is set, but encryption is off")]
    NotEncrypted,
    #[error("gossip is closed")]
    Closed,
}
