//! `AclBinding`: one rule, as `CreateAcls` brings it and the metadata keeps it; and what makes it valid.

use crate::access::{CLUSTER_NAME, Operation, PatternType, ResourceKind};

/// The principal of a binding that is about everybody, whatever kind they are of.
pub const ANYBODY: &str = "User:*";

/// The most bytes that a name, a principal or a host of a binding may have. Kafka has no limit of its own
/// here; topics end at 249.
pub const MAX_FIELD: usize = 1024;

/// Whether a binding allows or denies (Kafka's `AclPermissionType`). `Any` stands in filters alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(i8)]
pub enum Permission {
    Unknown = 0,
    Any = 1,
    Deny = 2,
    Allow = 3,
}

impl Permission {
    /// Kafka's code on the wire.
    pub const fn code(self) -> i8 {
        self as i8
    }

    /// The permission of a code on the wire; [`Permission::Unknown`] if there is none.
    pub fn from_code(code: i8) -> Self {
        match code {
            1 => Self::Any,
            2 => Self::Deny,
            3 => Self::Allow,
            _ => Self::Unknown,
        }
    }

    /// Kafka's name in lower case.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Any => "any",
            Self::Deny => "deny",
            Self::Allow => "allow",
        }
    }
}

/// One ACL. Bindings are ordered by resource first, as `DescribeAcls` groups them.
///
/// What the wire brings may be invalid; [`AclBinding::check`] tells, and only valid ones belong into the
/// metadata.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AclBinding {
    pub kind: ResourceKind,
    pub name: String,
    pub pattern: PatternType,
    /// "User:alice", or [`ANYBODY`].
    pub principal: String,
    /// An address of the client as text, or `*`. A host name is taken, as in Kafka, and never matches.
    pub host: String,
    pub operation: Operation,
    pub permission: Permission,
}

/// Why a binding or a filter is refused: `INVALID_REQUEST`, one binding at a time.
///
/// Kafka 4.3 does not always get so far: if any binding or filter of a request has code 0 (unknown) it closes the
/// connection, and if any binding has `Any` or `Match` it answers all with `UNKNOWN_SERVER_ERROR`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AclError {
    #[error("an ACL cannot be about resource type {}", .0.name())]
    Kind(ResourceKind),
    #[error("an ACL cannot have pattern type {}", .0.name())]
    Pattern(PatternType),
    #[error("an ACL cannot be about operation {}", .0.name())]
    Operation(Operation),
    #[error("an ACL cannot have permission type {}", .0.name())]
    Permission(Permission),
    #[error("the name of a resource is empty")]
    EmptyName,
    #[error("the only valid name for the CLUSTER resource is {CLUSTER_NAME}, not {0:?}")]
    ClusterName(String),
    #[error("principal {0:?} has no colon between its type and its name")]
    Principal(String),
    #[error("the {field} of an ACL has {bytes} bytes, and at most {MAX_FIELD} are taken")]
    TooLong { field: &'static str, bytes: usize },
    #[error("the filter has an unknown {0}")]
    UnknownInFilter(&'static str),
}

impl AclBinding {
    /// Whether this can be created.
    ///
    /// # Errors
    /// The first field that Kafka refuses too, or one longer than [`MAX_FIELD`].
    ///
    /// Source: Kafka 4.3 `AclControlManager.validateNewAcl` and `AclApis.handleCreateAcls`; hosts are not
    /// looked at.
    pub fn check(&self) -> Result<(), AclError> {
        if self.kind.place().is_none() {
            return Err(AclError::Kind(self.kind));
        }
        if !matches!(self.pattern, PatternType::Literal | PatternType::Prefixed) {
            return Err(AclError::Pattern(self.pattern));
        }
        if matches!(self.operation, Operation::Unknown | Operation::Any) {
            return Err(AclError::Operation(self.operation));
        }
        if !matches!(self.permission, Permission::Allow | Permission::Deny) {
            return Err(AclError::Permission(self.permission));
        }
        for (field, text) in [("name", &self.name), ("principal", &self.principal), ("host", &self.host)] {
            if text.len() > MAX_FIELD {
                return Err(AclError::TooLong { field, bytes: text.len() });
            }
        }
        if self.name.is_empty() {
            return Err(AclError::EmptyName);
        }
        if self.kind == ResourceKind::Cluster && self.name != CLUSTER_NAME {
            return Err(AclError::ClusterName(self.name.clone()));
        }
        if !self.principal.contains(':') {
            return Err(AclError::Principal(self.principal.clone()));
        }
        Ok(())
    }

    /// Whether this allows `operation`, if principal, host and resource are its own: by name, by `All`, or
    /// implied.
    pub fn allows(&self, operation: Operation) -> bool {
        self.permission == Permission::Allow
            && (self.names(operation) || operation.implied_by().contains(&self.operation))
    }

    /// Whether this denies `operation`, if principal, host and resource are its own: by name or by `All`.
    pub fn denies(&self, operation: Operation) -> bool {
        self.permission == Permission::Deny && self.names(operation)
    }

    /// Whether this is about `operation` by name or by `All`, and not only because something is implied.
    pub fn names(&self, operation: Operation) -> bool {
        self.operation == operation || self.operation == Operation::All
    }
}
