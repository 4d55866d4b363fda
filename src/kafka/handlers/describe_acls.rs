//! `DescribeAcls` (key 29), v1-3. v1 pattern types (KIP-290) · v2 flexible · v3 resources of users

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use super::acl;
use crate::access::{Operation, Resource};
use crate::broker::BrokerError;
use crate::kafka::api::Handler;
use crate::kafka::context::Context;
use crate::kafka::error::Refusal;
use crate::wire::messages::describe_acls_response::{AclDescription, DescribeAclsResource};
use crate::wire::messages::{DescribeAclsRequest, DescribeAclsResponse};
use crate::wire::{ApiKey, ErrorCode};

pub(super) struct DescribeAcls;

impl Handler for DescribeAcls {
    const KEY: ApiKey = ApiKey::DescribeAcls;
    const VERSIONS: RangeInclusive<i16> = 1..=3;
    type Request = DescribeAclsRequest;
    type Response = DescribeAclsResponse;

    async fn handle(
        ctx: &Context,
        request: DescribeAclsRequest,
    ) -> Result<DescribeAclsResponse, BrokerError> {
        ctx.authorise(Operation::Describe, Resource::cluster())?;
        if let Some(refusal) = acl::without_authorizer(ctx) {
            return Ok(refused(&refusal));
        }
        let filter = match acl::described(&request) {
            Ok(filter) => filter,
            Err(error) => return Ok(refused(&Refusal::from(&error))),
        };
        let mut resources: BTreeMap<(i8, String, i8), Vec<AclDescription>> = BTreeMap::new();
        for binding in ctx.broker.acls(&filter) {
            let of = (binding.kind.code(), binding.name.clone(), binding.pattern.code());
            let description = AclDescription::default()
                .with_principal(acl::bytes(&binding.principal))
                .with_host(acl::bytes(&binding.host))
                .with_operation(binding.operation.code())
                .with_permission_type(binding.permission.code());
            resources.entry(of).or_default().push(description);
        }
        let resource = |((kind, name, pattern), acls): ((i8, String, i8), Vec<AclDescription>)| {
            DescribeAclsResource::default()
                .with_resource_type(kind)
                .with_resource_name(acl::bytes(&name))
                .with_pattern_type(pattern)
                .with_acls(acls)
        };
        Ok(DescribeAclsResponse::default().with_resources(resources.into_iter().map(resource).collect()))
    }

    fn refused(code: ErrorCode) -> DescribeAclsResponse {
        DescribeAclsResponse::default().with_error_code(code.code())
    }
}

fn refused(refusal: &Refusal) -> DescribeAclsResponse {
    DescribeAcls::refused(refusal.code).with_error_message(refusal.text())
}
