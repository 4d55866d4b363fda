//! `DeleteAcls` (key 31), v1-3. v1 pattern types (KIP-290) · v2 flexible · v3 resources of users

use std::ops::RangeInclusive;

use super::acl;
use crate::access::acl::{AclBinding, AclFilter};
use crate::access::{Operation, Resource};
use crate::broker::BrokerError;
use crate::kafka::api::Handler;
use crate::kafka::context::Context;
use crate::kafka::error::Refusal;
use crate::wire::messages::delete_acls_response::{DeleteAclsFilterResult, DeleteAclsMatchingAcl};
use crate::wire::messages::{DeleteAclsRequest, DeleteAclsResponse};
use crate::wire::{ApiKey, ErrorCode};

pub(super) struct DeleteAcls;

impl Handler for DeleteAcls {
    const KEY: ApiKey = ApiKey::DeleteAcls;
    const VERSIONS: RangeInclusive<i16> = 1..=3;
    const CONTROLLER: bool = true;
    type Request = DeleteAclsRequest;
    type Response = DeleteAclsResponse;

    async fn handle(ctx: &Context, request: DeleteAclsRequest) -> Result<DeleteAclsResponse, BrokerError> {
        let denied = ctx.authorise(Operation::Alter, Resource::cluster()).err();
        let refusal = denied.map(|denied| Refusal::from(&denied)).or_else(|| acl::without_authorizer(ctx));
        if let Some(refusal) = refusal {
            return Ok(Self::not_taken(request, &refusal));
        }
        let filters: Vec<_> = request.filters.iter().map(acl::deleted).collect();
        let good: Vec<AclFilter> = filters.iter().flatten().cloned().collect();
        let mut matched = match ctx.broker.delete_acls(&good).await {
            Ok(matched) => matched.into_iter(),
            Err(error) => return Ok(Self::not_taken(request, &Refusal::from(&error))),
        };
        let outcome = |filter: Result<AclFilter, _>| match filter {
            Ok(_) => {
                let acls = matched.next().unwrap_or_default();
                DeleteAclsFilterResult::default().with_matching_acls(acls.iter().map(deleted).collect())
            }
            Err(error) => refused(&Refusal::from(&error)),
        };
        let results = filters.into_iter().map(outcome).collect();
        Ok(DeleteAclsResponse::default().with_filter_results(results))
    }

    fn refused(_: ErrorCode) -> DeleteAclsResponse {
        DeleteAclsResponse::default()
    }

    fn not_taken(request: DeleteAclsRequest, refusal: &Refusal) -> DeleteAclsResponse {
        let results = request.filters.iter().map(|_| refused(refusal)).collect();
        DeleteAclsResponse::default().with_filter_results(results)
    }
}

fn refused(refusal: &Refusal) -> DeleteAclsFilterResult {
    DeleteAclsFilterResult::default().with_error_code(refusal.code.code()).with_error_message(refusal.text())
}

fn deleted(binding: &AclBinding) -> DeleteAclsMatchingAcl {
    DeleteAclsMatchingAcl::default()
        .with_resource_type(binding.kind.code())
        .with_resource_name(acl::bytes(&binding.name))
        .with_pattern_type(binding.pattern.code())
        .with_principal(acl::bytes(&binding.principal))
        .with_host(acl::bytes(&binding.host))
        .with_operation(binding.operation.code())
        .with_permission_type(binding.permission.code())
}
