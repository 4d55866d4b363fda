//! `AclFilter`: which bindings `DescribeAcls` shows and `DeleteAcls` takes away.

use super::{AclBinding, AclError, Permission};
use crate::access::{Operation, PatternType, ResourceKind, WILDCARD};

/// A filter over bindings: one matches if all fields do. `None` and `Any` match everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AclFilter {
    pub kind: ResourceKind,
    pub name: Option<String>,
    pub pattern: PatternType,
    /// Compared as text: `User:*` finds the bindings about everybody, not those that are about anybody.
    pub principal: Option<String>,
    /// Compared as text, as `principal` is.
    pub host: Option<String>,
    pub operation: Operation,
    pub permission: Permission,
}

impl AclFilter {
    /// Matches every binding.
    pub const ANY: Self = Self {
        kind: ResourceKind::Any,
        name: None,
        pattern: PatternType::Any,
        principal: None,
        host: None,
        operation: Operation::Any,
        permission: Permission::Any,
    };

    /// Whether every field has a code that is known.
    ///
    /// # Errors
    /// [`AclError::UnknownInFilter`]; Kafka answers `INVALID_REQUEST`.
    ///
    /// Source: Kafka `AclControlManager.validateFilter`, `DescribeAclsRequest`.
    pub fn check(&self) -> Result<(), AclError> {
        let fields = [
            ("resource type", self.kind == ResourceKind::Unknown),
            ("pattern type", self.pattern == PatternType::Unknown),
            ("operation", self.operation == Operation::Unknown),
            ("permission type", self.permission == Permission::Unknown),
        ];
        for (field, unknown) in fields {
            if unknown {
                return Err(AclError::UnknownInFilter(field));
            }
        }
        Ok(())
    }

    /// Whether `binding` is meant.
    ///
    /// Source: Kafka `ResourcePatternFilter.matches`, `AccessControlEntryFilter.matches`.
    pub fn matches(&self, binding: &AclBinding) -> bool {
        let is = |asked: Option<&String>, text: &str| asked.is_none_or(|asked| asked == text);
        (self.kind == ResourceKind::Any || self.kind == binding.kind)
            && self.takes_pattern(binding)
            && is(self.principal.as_ref(), &binding.principal)
            && is(self.host.as_ref(), &binding.host)
            && (self.operation == Operation::Any || self.operation == binding.operation)
            && (self.permission == Permission::Any || self.permission == binding.permission)
    }

    fn takes_pattern(&self, binding: &AclBinding) -> bool {
        if !matches!(self.pattern, PatternType::Any | PatternType::Match) && self.pattern != binding.pattern {
            return false;
        }
        let Some(name) = &self.name else {
            return true;
        };
        if self.pattern != PatternType::Match {
            return *name == binding.name;
        }
        match binding.pattern {
            PatternType::Literal => *name == binding.name || binding.name == WILDCARD,
            PatternType::Prefixed => name.starts_with(&binding.name),
            PatternType::Unknown | PatternType::Any | PatternType::Match => false,
        }
    }
}
