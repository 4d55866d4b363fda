//! What one request's client may do: the authorizer is looked for once a request, and answers are remembered by the
//! connection.
//!
//! Not here: the rules (`access`), and what a handler does with a refusal. Without an authorizer everybody may do
//! everything, and asking costs a look at an option.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::access::{Authorizer, Memo, Operation, Resource, ResourceKind};
use crate::broker::BrokerError;
use crate::wire::ApiKey;

/// See the module.
pub(super) struct Permissions<'a> {
    authorizer: Option<Arc<Authorizer>>,
    memo: &'a Mutex<Memo>,
    api: ApiKey,
}

impl<'a> Permissions<'a> {
    pub(super) fn new(authorizer: Option<Arc<Authorizer>>, memo: &'a Mutex<Memo>, api: ApiKey) -> Self {
        Self { authorizer, memo, api }
    }

    /// Whether the client may do this. A refusal is audited.
    pub(super) fn allows(&self, operation: Operation, resource: Resource<'_>) -> bool {
        let Some(authorizer) = &self.authorizer else { return true };
        let mut memo = self.memo.lock();
        let is_allowed = memo.allows(Some(authorizer), operation, resource);
        if !is_allowed {
            let (principal, host) = (memo.principal(), memo.host());
            let decision = authorizer.decide(principal, host, operation, resource);
            tracing::info!(
                target: "bateau::audit", %principal, %host, operation = operation.name(), kind = resource.kind.name(),
                resource = resource.name, api = ?self.api, %decision, "denied"
            );
        }
        is_allowed
    }

    /// As [`Permissions::allows`], for what the client did not ask for by name, or need not have: nobody hears of it.
    pub(super) fn shows(&self, operation: Operation, resource: Resource<'_>) -> bool {
        let Some(authorizer) = &self.authorizer else { return true };
        self.memo.lock().allows(Some(authorizer), operation, resource)
    }

    /// Whether the client may do this to any resource of a kind, whichever.
    pub(super) fn allows_any_of_kind(&self, operation: Operation, kind: ResourceKind) -> bool {
        let Some(authorizer) = &self.authorizer else { return true };
        let memo = self.memo.lock();
        let (principal, host) = (memo.principal(), memo.host());
        let is_allowed = authorizer.allows_any_of_kind(principal, host, operation, kind);
        if !is_allowed {
            tracing::info!(
                target: "bateau::audit", %principal, %host, operation = operation.name(), kind = kind.name(),
                api = ?self.api, "denied, whichever it is"
            );
        }
        is_allowed
    }

    /// # Errors
    /// [`BrokerError::Denied`] if the client may not do this.
    pub(super) fn authorise(&self, operation: Operation, resource: Resource<'_>) -> Result<(), BrokerError> {
        match self.allows(operation, resource) {
            true => Ok(()),
            false => Err(BrokerError::Denied { kind: resource.kind }),
        }
    }

    /// What the client may do with a resource, as Kafka's bit set of operations (KIP-430).
    pub(super) fn operations(&self, resource: Resource<'_>) -> i32 {
        match &self.authorizer {
            None => resource.kind.operation_bits(),
            authorizer => self.memo.lock().operations(authorizer.as_deref(), resource),
        }
    }
}
