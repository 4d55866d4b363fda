//! `CreateAcls` (key 30), v1-3. v1 pattern types (KIP-290) · v2 flexible · v3 resources of users
//!
//! What is wrong is refused by itself; what is right is created together.

use std::ops::RangeInclusive;

use super::acl;
use crate::access::acl::AclBinding;
use crate::access::{Operation, Resource};
use crate::broker::BrokerError;
use crate::kafka::api::Handler;
use crate::kafka::context::Context;
use crate::kafka::error::Refusal;
use crate::wire::messages::create_acls_response::AclCreationResult;
use crate::wire::messages::{CreateAclsRequest, CreateAclsResponse};
use crate::wire::{ApiKey, ErrorCode};

pub(super) struct CreateAcls;

impl Handler for CreateAcls {
    const KEY: ApiKey = ApiKey::CreateAcls;
    const VERSIONS: RangeInclusive<i16> = 1..=3;
    const CONTROLLER: bool = true;
    type Request = CreateAclsRequest;
    type Response = CreateAclsResponse;

    async fn handle(ctx: &Context, request: CreateAclsRequest) -> Result<CreateAclsResponse, BrokerError> {
        let all = |refusal: &Refusal| {
            let results = request.creations.iter().map(|_| result(Some(refusal))).collect();
            Ok(CreateAclsResponse::default().with_results(results))
        };
        if let Err(denied) = ctx.authorise(Operation::Alter, Resource::cluster()) {
            return all(&Refusal::from(&denied));
        }
        if let Some(refusal) = acl::without_authorizer(ctx) {
            return all(&refusal);
        }
        let bindings: Vec<_> = request.creations.iter().map(acl::binding).collect();
        let good: Vec<AclBinding> = bindings.iter().flatten().cloned().collect();
        let created = ctx.broker.create_acls(&good).await;
        let failed = created.err().map(|error| Refusal::from(&error));
        let outcome = |binding: &Result<AclBinding, _>| match binding {
            Ok(_) => result(failed.as_ref()),
            Err(error) => result(Some(&Refusal::from(error))),
        };
        Ok(CreateAclsResponse::default().with_results(bindings.iter().map(outcome).collect()))
    }

    fn refused(_: ErrorCode) -> CreateAclsResponse {
        CreateAclsResponse::default()
    }

    fn not_taken(request: CreateAclsRequest, refusal: &Refusal) -> CreateAclsResponse {
        let results = request.creations.iter().map(|_| result(Some(refusal))).collect();
        CreateAclsResponse::default().with_results(results)
    }
}

fn result(refusal: Option<&Refusal>) -> AclCreationResult {
    let Some(refusal) = refusal else { return AclCreationResult::default() };
    AclCreationResult::default().with_error_code(refusal.code.code()).with_error_message(refusal.text())
}
