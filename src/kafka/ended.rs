//! How a connection's story ends, and the one line that tells it.

use std::io;
use std::time::Duration;

use tokio::time::Instant;
use tracing::{debug, warn};

use super::api::RequestError;
use super::complaints::Complaints;
use super::context::Context;
use crate::storage::StorageError;
use crate::wire::ApiKey;
use crate::wire::frame::FrameError;

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum Ended {
    #[error("the client closed the connection")]
    Peer,
    #[error("idle for {0:?}")]
    Idle(Duration),
    #[error("the server stops")]
    Shutdown,
    #[error("a request held memory for too long while others waited for it")]
    Hoarding,
    #[error("no memory came free for the request within {0:?}")]
    Starved(Duration),
    #[error("answers that nobody reads hold {held} bytes, and this one of {bytes} was not read at once")]
    AnswersFull { held: usize, bytes: usize },
    #[error("the client does not read its answers")]
    Stalled,
    #[error("an unacknowledged produce failed")]
    Unanswerable,
    #[error("{api:?} was asked for by a client that has not said who it is")]
    Unauthenticated { api: ApiKey },
    #[error("the client did not say in time again who it is")]
    SessionOver,
    #[error("the client is not who it says it is")]
    AuthenticationFailed,
    #[error("the socket failed")]
    Socket(#[source] io::Error),
    #[error("lent records could not be read")]
    Records(#[from] StorageError),
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error(transparent)]
    Request(#[from] RequestError),
}

impl From<io::Error> for Ended {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::TimedOut => Self::Stalled,
            io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => Self::Peer,
            _ => Self::Socket(error),
        }
    }
}

impl Ended {
    /// Logs the end: a warning if the client, or we, broke the protocol; so many at a time.
    pub(super) fn report(&self, context: &Context, complaints: &Complaints) {
        let (peer, request) = (&context.client.peer, &context.request);
        if matches!(
            self,
            Self::Peer
                | Self::Idle(_)
                | Self::Shutdown
                | Self::Unanswerable
                | Self::Socket(_)
                | Self::AuthenticationFailed
                | Self::SessionOver
        ) {
            return debug!(client = %peer, reason = %self, "connection closed");
        }
        let Some(not_logged) = complaints.may_say(Instant::now()) else { return };
        let client_id = request.client_id.as_deref().unwrap_or_default();
        let software = context.software_text();
        match self {
            Self::Frame(_) | Self::Request(RequestError::Header(_)) => {
                warn!(
                    client = %peer, client_id, software, reason = %self, not_logged,
                    "connection closed: not a Kafka request"
                );
            }
            _ => {
                let source = std::error::Error::source(self).map(ToString::to_string).unwrap_or_default();
                warn!(
                    client = %peer, client_id, software, api = ?request.api, version = request.version,
                    correlation_id = request.correlation_id, reason = %self, source, not_logged,
                    "connection closed"
                );
            }
        }
    }
}
