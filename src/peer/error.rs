//! Why a request to another node brought no answer.

use std::fmt;
use std::time::Duration;

/// Whom a request was for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeerName {
    Node(i32),
    /// Of a node whose id is not known yet.
    Address(String),
}

/// A failed call. Unless it says that nothing was sent, the other side may have done what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PeerError {
    /// There is no connection, or it broke. `sent`: the request may have reached the other side before.
    #[error("no connection to {node}: {reason}")]
    NotConnected { node: PeerName, reason: String, sent: bool },
    /// One of the two sides does not want to speak with the other. Nothing was sent.
    #[error("{node} and this node do not speak: {text}")]
    Refused { node: PeerName, text: String },
    #[error("{node} did not answer within {within:?}")]
    TimedOut { node: PeerName, within: Duration },
    /// Too much is queued or unanswered here (nothing was sent), or being served there (it was not begun).
    #[error("{in_flight} requests of {bytes} bytes are on their way to {node}")]
    Busy { node: PeerName, in_flight: usize, bytes: usize },
    #[error("a request of {bytes} bytes to {node} is larger than {max}")]
    TooLarge { node: PeerName, bytes: usize, max: usize },
    /// The other side's own words.
    #[error("{node} answered: {text}")]
    Failed { node: PeerName, text: String },
    #[error("this node stops")]
    Closed,
}

impl fmt::Display for PeerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node(node) => write!(f, "node {node}"),
            Self::Address(address) => f.write_str(address),
        }
    }
}
