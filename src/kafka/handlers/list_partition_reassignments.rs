//! `ListPartitionReassignments` (key 46), v0. Source: KIP-455. None is ever under way.

use std::ops::RangeInclusive;

use crate::broker::BrokerError;
use crate::kafka::api::Handler;
use crate::kafka::context::Context;
use crate::wire::messages::{ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse};
use crate::wire::{ApiKey, ErrorCode};

pub(super) struct ListPartitionReassignments;

impl Handler for ListPartitionReassignments {
    const KEY: ApiKey = ApiKey::ListPartitionReassignments;
    const VERSIONS: RangeInclusive<i16> = 0..=0;
    type Request = ListPartitionReassignmentsRequest;
    type Response = ListPartitionReassignmentsResponse;

    async fn handle(
        _ctx: &Context,
        _request: ListPartitionReassignmentsRequest,
    ) -> Result<ListPartitionReassignmentsResponse, BrokerError> {
        Ok(ListPartitionReassignmentsResponse::default().with_error_message(None))
    }

    fn refused(code: ErrorCode) -> ListPartitionReassignmentsResponse {
        ListPartitionReassignmentsResponse::default().with_error_code(code.code())
    }
}
