//! What a handler may know besides its request: the broker, and who asks.

use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::Mutex;

use super::authentication::{Authentication, Told};
use super::ended::Ended;
use super::fetch_session::FetchSessions;
use super::permissions::Permissions;
use crate::access::sasl::UnixMillis;
use crate::access::{Memo, Operation, Principal, Resource};
use crate::broker::{Broker, BrokerError};
use crate::cluster::NodeImage;
use crate::wire::header::RequestHeader;
use crate::wire::response::ReplyTo;
use crate::wire::{ApiKey, StrBytes};

/// One connection's view, with the header of the request that is being handled.
#[derive(Debug)]
pub(super) struct Context {
    pub(super) broker: Broker,
    pub(super) sessions: Arc<FetchSessions>,
    pub(super) client: Client,
    pub(super) request: RequestHeader,
    authentication: Mutex<Authentication>,
    /// What the client may do, as far as it was asked.
    memo: Mutex<Memo>,
    software: Mutex<Option<Software>>,
    /// Whether another node got the request and sent it here.
    is_forwarded: bool,
}

/// Whose connection it is.
#[derive(Clone, Debug)]
pub(super) struct Client {
    pub(super) peer: SocketAddr,
    /// The name of the listener that it came in on; empty if another node sent its request here.
    pub(super) listener: Arc<str>,
}

/// What a client says it is. Source: KIP-511.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Software {
    pub(super) name: StrBytes,
    pub(super) version: StrBytes,
}

impl Context {
    pub(super) fn new(
        broker: Broker,
        sessions: Arc<FetchSessions>,
        client: Client,
        authentication: Authentication,
    ) -> Self {
        let memo = Mutex::new(Memo::new(authentication.principal().clone(), client.peer.ip().to_canonical()));
        let authentication = Mutex::new(authentication);
        let request =
            RequestHeader { api: ApiKey::ApiVersions, version: 0, correlation_id: 0, client_id: None };
        Self {
            broker,
            sessions,
            client,
            request,
            authentication,
            memo,
            software: Mutex::new(None),
            is_forwarded: false,
        }
    }

    /// The same for requests that other nodes send here, where the controller should be.
    pub(super) fn of_another_node(self) -> Self {
        Self { is_forwarded: true, ..self }
    }

    /// Whether what only the controller does has to be asked of another node.
    pub(super) fn asks_controller(&self) -> bool {
        !self.is_forwarded && !self.broker.is_controller()
    }

    /// Where clients that come in as this one did find a node; `None`: nowhere.
    pub(super) fn address(&self, node: &NodeImage) -> Option<(StrBytes, i32)> {
        address(node, &self.client.listener)
    }

    pub(super) fn version(&self) -> i16 {
        self.request.version
    }

    pub(super) fn reply_to(&self) -> ReplyTo {
        ReplyTo::from(&self.request)
    }

    /// Who the client is, as far as is known.
    pub(super) fn principal(&self) -> Principal {
        self.memo.lock().principal().clone()
    }

    /// Lets `look` at who the client is, or change it.
    pub(super) fn authentication<T>(&self, look: impl FnOnce(&mut Authentication) -> T) -> T {
        look(&mut self.authentication.lock())
    }

    /// Whether the request that is being handled may be served at all.
    ///
    /// # Errors
    /// What ends the connection.
    pub(super) fn admits(&self) -> Result<(), Ended> {
        self.authentication.lock().admits(self.request.api)
    }

    pub(super) fn is_settled(&self) -> bool {
        self.authentication.lock().is_settled()
    }

    pub(super) fn has_failed(&self) -> bool {
        self.authentication.lock().has_failed()
    }

    /// Takes a message of an exchange; what to tell, or `None`, if there is no exchange.
    pub(super) fn step(&self, message: &[u8]) -> Option<Told> {
        let directory = self.broker.directory();
        let now = UnixMillis(self.broker.now_ms());
        let max_reauth_ms = self.broker.settings().security.max_reauth_ms.unwrap_or(0);
        let told = self.authentication.lock().step(message, &directory, now, max_reauth_ms);
        if let Some(Told::Welcome(..)) = &told {
            self.recognise();
        }
        told
    }

    /// From now on the client may do what its principal may.
    fn recognise(&self) {
        let principal = self.authentication.lock().principal().clone();
        let mut memo = self.memo.lock();
        if *memo.principal() != principal {
            *memo = Memo::new(principal, memo.host());
        }
    }

    /// What the client may do: for a handler that asks several times.
    pub(super) fn permissions(&self) -> Permissions<'_> {
        Permissions::new(self.broker.authorizer(), &self.memo, self.request.api)
    }

    /// Whether the client may do this. A refusal is audited.
    pub(super) fn allows(&self, operation: Operation, resource: Resource<'_>) -> bool {
        self.permissions().allows(operation, resource)
    }

    /// As [`Context::allows`], for what the client did not ask for by name, or need not have: nobody hears of it.
    pub(super) fn shows(&self, operation: Operation, resource: Resource<'_>) -> bool {
        self.permissions().shows(operation, resource)
    }

    /// # Errors
    /// [`BrokerError::Denied`] if the client may not do this.
    pub(super) fn authorise(&self, operation: Operation, resource: Resource<'_>) -> Result<(), BrokerError> {
        self.permissions().authorise(operation, resource)
    }

    /// What the client may do with a resource, as Kafka's bit set of operations (KIP-430).
    pub(super) fn operations(&self, resource: Resource<'_>) -> i32 {
        self.permissions().operations(resource)
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

/// Where clients of `listener` find a node; `None`: nowhere.
pub(super) fn address(node: &NodeImage, listener: &str) -> Option<(StrBytes, i32)> {
    let endpoint = node.endpoint(listener)?;
    Some((StrBytes::from_string(endpoint.host.clone()), i32::try_from(endpoint.port).unwrap_or_default()))
}
