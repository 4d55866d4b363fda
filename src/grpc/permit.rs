//! What the caller of one call may do, asked at each use: who loses a right in the middle of a stream loses the stream.
//!
//! Refused is said alike of what exists and of what does not: whoever may not see a topic does not learn of it.

use std::net::{IpAddr, Ipv4Addr};

use parking_lot::Mutex;
use tonic::Request;

use super::caller::Caller;
use super::error::Refusal;
use crate::access::{ANONYMOUS, Memo, Operation, Resource};
use crate::broker::{Broker, BrokerError};

/// See the module.
#[derive(Debug)]
pub(super) struct Permit {
    broker: Broker,
    /// The name of the call.
    call: &'static str,
    memo: Mutex<Memo>,
}

impl Permit {
    pub(super) fn of<T>(broker: &Broker, request: &Request<T>, call: &'static str) -> Self {
        let (principal, host) = match Caller::of(request) {
            Some(caller) => (caller.principal.clone(), caller.peer.ip().to_canonical()),
            // A request that came over no connection.
            None => (ANONYMOUS.clone(), IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
        };
        tracing::trace!(call, %principal, %host, "called");
        Self { broker: broker.clone(), call, memo: Mutex::new(Memo::new(principal, host)) }
    }

    /// # Errors
    /// [`BrokerError::Denied`], which is audited.
    pub(super) fn check(&self, operation: Operation, resource: Resource<'_>) -> Result<(), Refusal> {
        let Some(authorizer) = self.broker.authorizer() else { return Ok(()) };
        let mut memo = self.memo.lock();
        if memo.allows(Some(&authorizer), operation, resource) {
            return Ok(());
        }
        let (principal, host) = (memo.principal(), memo.host());
        let decision = authorizer.decide(principal, host, operation, resource);
        tracing::info!(
            target: "bateau::audit", %principal, %host, operation = operation.name(), kind = resource.kind.name(),
            resource = resource.name, call = self.call, %decision, "denied"
        );
        Err(BrokerError::Denied { kind: resource.kind }.into())
    }

    /// For what was not asked for by name: it is left out, and nobody hears of it.
    pub(super) fn shows(&self, operation: Operation, resource: Resource<'_>) -> bool {
        let Some(authorizer) = self.broker.authorizer() else { return true };
        self.memo.lock().allows(Some(&authorizer), operation, resource)
    }

    /// Whether a topic of this name may be made: by a right to make it, or any.
    ///
    /// # Errors
    /// [`BrokerError::Denied`]
    pub(super) fn check_making(&self, topic: &str) -> Result<(), Refusal> {
        if self.shows(Operation::Create, Resource::cluster()) {
            return Ok(());
        }
        self.check(Operation::Create, Resource::topic(topic))
    }
}
