//! How a connection's story ends.

use std::io;
use std::time::Duration;

/// Why a connection ended, or never came to be.
#[derive(Debug, thiserror::Error)]
pub(super) enum Ended {
    #[error("the other side closed the connection")]
    Peer,
    #[error("refused: {0}")]
    Refused(String),
    /// We do not want to speak with the other side, and tell it so.
    #[error("refused by this node: {0}")]
    Unwanted(String),
    #[error("nothing came for {0:?}")]
    Silent(Duration),
    #[error("it took nothing for {0:?}")]
    Stalled(Duration),
    #[error("not open within {0:?}")]
    Slow(Duration),
    #[error("{what} {found} makes no sense")]
    Garbage { what: &'static str, found: u64 },
    #[error("a frame of {bytes} bytes is larger than {max}")]
    TooLarge { bytes: usize, max: usize },
    #[error("{0} connections are open")]
    TooMany(usize),
    /// Another connection takes its place, or none is wanted any more.
    #[error("{0}")]
    Replaced(&'static str),
    #[error("{0}")]
    Socket(io::Error),
    #[error("this node stops")]
    Closing,
}

impl Ended {
    /// Whether it is worth a line in the log each time, for as long as lines are left: somebody broke the rules.
    pub(super) fn is_trouble(&self) -> bool {
        match self {
            Self::Refused(_)
            | Self::Unwanted(_)
            | Self::Garbage { .. }
            | Self::TooLarge { .. }
            | Self::TooMany(_)
            | Self::Stalled(_) => true,
            Self::Peer
            | Self::Silent(_)
            | Self::Slow(_)
            | Self::Replaced(_)
            | Self::Socket(_)
            | Self::Closing => false,
        }
    }
}

impl From<io::Error> for Ended {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
                Self::Peer
            }
            _ => Self::Socket(error),
        }
    }
}
