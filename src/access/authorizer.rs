//! `Authorizer`: one decision from super users, Kafka's ACLs, Casbin's policy and the default, for every
//! door.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::acl::{AclBinding, Acls, Verdict};
use super::policy::Policy;
use super::{Operation, Principal, Resource, ResourceKind};

/// Counts Authorizers of this process, so that no two are taken for each other by what remembers their
/// decisions.
static GENERATIONS: AtomicU64 = AtomicU64::new(1);

/// What an Authorizer decides by. The large parts are shared, so that the next Authorizer can have those that
/// did not change.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// Kafka's `super.users`: they may do everything, and no ACL denies them.
    pub super_users: Vec<Principal>,
    pub acls: Arc<Acls>,
    pub policy: Option<Arc<Policy>>,
    /// Kafka's `allow.everyone.if.no.acl.found`.
    pub allow_if_no_acl: bool,
}

/// Immutable: for other rules the caller makes another one and swaps them.
#[derive(Debug)]
pub struct Authorizer {
    rules: Rules,
    generation: u64,
}

/// What was decided, and by what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision<'a> {
    SuperUser,
    AllowedByAcl,
    AllowedByPolicy,
    /// No ACL is about the resource, and then everybody may.
    NoAclFound,
    DeniedBy(&'a AclBinding),
    /// Nothing allows it.
    Denied,
}

/// For the audit log.
impl fmt::Display for Decision<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SuperUser => f.write_str("super user"),
            Self::AllowedByAcl => f.write_str("allowed by an ACL"),
            Self::AllowedByPolicy => f.write_str("allowed by the policy"),
            Self::NoAclFound => f.write_str("allowed, as no ACL is found"),
            Self::DeniedBy(binding) => write!(f, "denied by {binding}"),
            Self::Denied => f.write_str("denied, as nothing allows it"),
        }
    }
}

impl Decision<'_> {
    pub const fn is_allowed(&self) -> bool {
        match self {
            Self::SuperUser | Self::AllowedByAcl | Self::AllowedByPolicy | Self::NoAclFound => true,
            Self::DeniedBy(_) | Self::Denied => false,
        }
    }
}

impl Authorizer {
    pub fn new(rules: Rules) -> Self {
        Self { rules, generation: GENERATIONS.fetch_add(1, Ordering::Relaxed) }
    }

    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Of no other Authorizer of this process; never 0.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Whether `principal`, at `host`, may do `operation` to `resource`, and why.
    ///
    /// In this order: a super user may; what an ACL denies is denied; what an ACL or the policy allows is
    /// allowed; and else it is denied, or allowed if that is the default for resources that no ACL is about.
    /// This looks everything up; [`super::Memo`] remembers.
    pub fn decide(
        &self,
        principal: &Principal,
        host: IpAddr,
        operation: Operation,
        resource: Resource<'_>,
    ) -> Decision<'_> {
        if self.is_super_user(principal) {
            return Decision::SuperUser;
        }
        match self.rules.acls.allows(principal, host, operation, resource) {
            Verdict::Denied(binding) => return Decision::DeniedBy(binding),
            Verdict::Allowed => return Decision::AllowedByAcl,
            Verdict::Silent => {}
        }
        if self.rules.policy.as_ref().is_some_and(|policy| policy.allows(principal, operation, resource)) {
            return Decision::AllowedByPolicy;
        }
        if self.rules.allow_if_no_acl && !self.rules.acls.cover(resource) {
            return Decision::NoAclFound;
        }
        Decision::Denied
    }

    /// As [`Authorizer::decide`], without the reason.
    pub fn allows(
        &self,
        principal: &Principal,
        host: IpAddr,
        operation: Operation,
        resource: Resource<'_>,
    ) -> bool {
        self.decide(principal, host, operation, resource).is_allowed()
    }

    /// Whether `principal` may do `operation` to some resource of `kind`, whichever: an idempotent producer
    /// may have an id if it may write to any topic.
    ///
    /// Source: Kafka `Authorizer.authorizeByResourceType`, `KafkaApis.handleInitProducerIdRequest`.
    pub fn allows_any_of_kind(
        &self,
        principal: &Principal,
        host: IpAddr,
        operation: Operation,
        kind: ResourceKind,
    ) -> bool {
        if self.is_super_user(principal) {
            return true;
        }
        match self.rules.acls.allows_any_of_kind(principal, host, operation, kind) {
            Verdict::Denied(_) => return false,
            Verdict::Allowed => return true,
            Verdict::Silent => {}
        }
        self.rules.policy.as_ref().is_some_and(|policy| policy.allows_any_of_kind(principal, operation, kind))
            || self.rules.allow_if_no_acl && !self.rules.acls.cover_any_of(kind)
    }

    /// The authorized operations of `resource` (KIP-430): of the operations that its kind has, those that are
    /// allowed.
    ///
    /// Source: Kafka `AuthHelper.authorizedOperations`. Without an Authorizer it is
    /// [`ResourceKind::operation_bits`].
    pub fn operations(&self, principal: &Principal, host: IpAddr, resource: Resource<'_>) -> i32 {
        let mut bits = 0;
        for &operation in resource.kind.operations() {
            if self.allows(principal, host, operation, resource) {
                bits |= operation.bit();
            }
        }
        bits
    }

    fn is_super_user(&self, principal: &Principal) -> bool {
        self.rules.super_users.contains(principal)
    }
}
