//! `DeleteGroups` (key 42), v0-2. v2 flexible. Source: KIP-229

use std::collections::HashSet;
use std::ops::RangeInclusive;

use crate::access::{Operation, Resource};
use crate::broker::BrokerError;
use crate::kafka::api::Handler;
use crate::kafka::context::Context;
use crate::wire::messages::delete_groups_response::DeletableGroupResult;
use crate::wire::messages::{DeleteGroupsRequest, DeleteGroupsResponse};
use crate::wire::{ApiKey, ErrorCode};

pub(super) struct DeleteGroups;

impl Handler for DeleteGroups {
    const KEY: ApiKey = ApiKey::DeleteGroups;
    const VERSIONS: RangeInclusive<i16> = 0..=2;
    type Request = DeleteGroupsRequest;
    type Response = DeleteGroupsResponse;

    /// A group that is named twice is deleted, and answered, once.
    async fn handle(
        ctx: &Context,
        request: DeleteGroupsRequest,
    ) -> Result<DeleteGroupsResponse, BrokerError> {
        let mut seen = HashSet::with_capacity(request.groups_names.len());
        let mut results = Vec::with_capacity(request.groups_names.len());
        for group in &request.groups_names {
            if !seen.insert(group) {
                continue;
            }
            let code = if ctx.allows(Operation::Delete, Resource::group(group)) {
                let deleted = ctx.broker.delete_group(group).await;
                deleted.err().map_or(0, |error| ErrorCode::from(&error).code())
            } else {
                ErrorCode::GroupAuthorizationFailed.code()
            };
            results.push(DeletableGroupResult::default().with_group_id(group.clone()).with_error_code(code));
        }
        Ok(DeleteGroupsResponse::default().with_results(results))
    }

    fn refused(_code: ErrorCode) -> DeleteGroupsResponse {
        DeleteGroupsResponse::default()
    }
}
