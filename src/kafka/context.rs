//! What a handler may know besides its request: the broker, and who asks.

use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::Mutex;

use super::fetch_session::FetchSessions;
use crate::broker::Broker;
use crate::wire::header::RequestHeader;
use crate::wire::response::ReplyTo;
use crate::wire::{ApiKey, StrBytes};

/// One connection's view, with the header of the request that is being handled.
#[derive(Debug)]
pub(super) struct Context {
    pub(super) broker: Broker,
    pub(super) sessions: Arc<FetchSessions>,
    pub(super) peer: SocketAddr,
    pub(super) request: RequestHeader,
    software: Mutex<Option<Software>>,
    /// Whether another node got the request and sent it here.
    is_forwarded: bool,
}

/// What a client says it is. Source: KIP-511.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Software {
    pub(super) name: StrBytes,
    pub(super) version: StrBytes,
}

impl Context {
    pub(super) fn new(broker: Broker, sessions: Arc<FetchSessions>, peer: SocketAddr) -> Self {
        let request =
            RequestHeader { api: ApiKey::ApiVersions, version: 0, correlation_id: 0, client_id: None };
        Self { broker, sessions, peer, request, software: Mutex::new(None), is_forwarded: false }
    }

    /// The same for requests that other nodes send here, where the controller should be.
    pub(super) fn of_another_node(self) -> Self {
        Self { is_forwarded: true, ..self }
    }

    /// Whether what only the controller does has to be asked of another node.
    pub(super) fn asks_controller(&self) -> bool {
        !self.is_forwarded && !self.broker.is_controller()
    }

    pub(super) fn version(&self) -> i16 {
        self.request.version
    }

    pub(super) fn reply_to(&self) -> ReplyTo {
        ReplyTo::from(&self.request)
    }

    /// Remembers what the client said with `ApiVersions`, for log lines.
    pub(super) fn set_software(&self, software: Software) {
        *self.software.lock() = Some(software);
    }

    /// `name version` of the client's software, if it has said so.
    pub(super) fn software_text(&self) -> String {
        let software = self.software.lock();
        software.as_ref().map_or_else(String::new, |s| format!("{} {}", s.name, s.version))
    }
}
