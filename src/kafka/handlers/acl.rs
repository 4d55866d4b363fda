//! What the three APIs of ACLs share: bindings and filters as the wire has them, and their refusals.

use crate::access::acl::{AclBinding, AclError, AclFilter, Permission};
use crate::access::{Operation, PatternType, ResourceKind};
use crate::kafka::context::Context;
use crate::kafka::error::Refusal;
use crate::wire::messages::DescribeAclsRequest;
use crate::wire::messages::create_acls_request::AclCreation;
use crate::wire::messages::delete_acls_request::DeleteAclsFilter;
use crate::wire::{ErrorCode, StrBytes};

/// Source: Kafka `AclApis`, with its words.
pub(super) fn without_authorizer(ctx: &Context) -> Option<Refusal> {
    let refused = || Refusal::new(ErrorCode::SecurityDisabled, "No Authorizer is configured.");
    (!ctx.broker.has_authorizer()).then(refused)
}

impl From<&AclError> for Refusal {
    fn from(error: &AclError) -> Self {
        Self::new(ErrorCode::InvalidRequest, error.to_string())
    }
}

pub(super) fn binding(asked: &AclCreation) -> Result<AclBinding, AclError> {
    let binding = AclBinding {
        kind: ResourceKind::from_code(asked.resource_type),
        name: asked.resource_name.to_string(),
        pattern: PatternType::from_code(asked.resource_pattern_type),
        principal: asked.principal.to_string(),
        host: asked.host.to_string(),
        operation: Operation::from_code(asked.operation),
        permission: Permission::from_code(asked.permission_type),
    };
    binding.check().map(|()| binding)
}

pub(super) fn described(asked: &DescribeAclsRequest) -> Result<AclFilter, AclError> {
    checked(AclFilter {
        kind: ResourceKind::from_code(asked.resource_type_filter),
        name: text(asked.resource_name_filter.as_ref()),
        pattern: PatternType::from_code(asked.pattern_type_filter),
        principal: text(asked.principal_filter.as_ref()),
        host: text(asked.host_filter.as_ref()),
        operation: Operation::from_code(asked.operation),
        permission: Permission::from_code(asked.permission_type),
    })
}

pub(super) fn deleted(asked: &DeleteAclsFilter) -> Result<AclFilter, AclError> {
    checked(AclFilter {
        kind: ResourceKind::from_code(asked.resource_type_filter),
        name: text(asked.resource_name_filter.as_ref()),
        pattern: PatternType::from_code(asked.pattern_type_filter),
        principal: text(asked.principal_filter.as_ref()),
        host: text(asked.host_filter.as_ref()),
        operation: Operation::from_code(asked.operation),
        permission: Permission::from_code(asked.permission_type),
    })
}

fn checked(filter: AclFilter) -> Result<AclFilter, AclError> {
    filter.check().map(|()| filter)
}

fn text(field: Option<&StrBytes>) -> Option<String> {
    field.map(ToString::to_string)
}

pub(super) fn bytes(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}
