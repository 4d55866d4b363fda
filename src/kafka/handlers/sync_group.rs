//! `SyncGroup` (key 14), v0-5. v3 instance id (KIP-345) · v4 flexible · v5 protocol type and name (KIP-559)

use std::ops::RangeInclusive;

use bytes::Bytes;

use crate::access::{Operation, Resource};
use crate::broker::BrokerError;
use crate::coordinator::{GroupError, SyncGroup as Sync};
use crate::kafka::api::Handler;
use crate::kafka::context::Context;
use crate::wire::messages::sync_group_request::SyncGroupRequestAssignment;
use crate::wire::messages::{SyncGroupRequest, SyncGroupResponse};
use crate::wire::{ApiKey, ErrorCode, StrBytes};

/// The first version in which a member must say what it believes to be the group's protocol.
const SAYS_PROTOCOL: i16 = 5;

pub(super) struct SyncGroup;

impl Handler for SyncGroup {
    const KEY: ApiKey = ApiKey::SyncGroup;
    const VERSIONS: RangeInclusive<i16> = 0..=5;
    const WAITS: bool = true;
    type Request = SyncGroupRequest;
    type Response = SyncGroupResponse;

    async fn handle(ctx: &Context, request: SyncGroupRequest) -> Result<SyncGroupResponse, BrokerError> {
        let says_protocol = request.protocol_type.is_some() && request.protocol_name.is_some();
        if ctx.version() >= SAYS_PROTOCOL && !says_protocol {
            return Ok(Self::refused(ErrorCode::InconsistentGroupProtocol));
        }
        ctx.authorise(Operation::Read, Resource::group(&request.group_id))?;
        Ok(match ctx.broker.sync_group(sync(&request)).await {
            Ok(synced) => SyncGroupResponse::default()
                .with_protocol_type(synced.protocol_type.map(StrBytes::from_string))
                .with_protocol_name(synced.protocol.map(StrBytes::from_string))
                .with_assignment(synced.assignment),
            // The round of which this was a part is lost; the member need not look for the coordinator again.
            Err(GroupError::Loading { .. }) => Self::refused(ErrorCode::RebalanceInProgress),
            Err(error) => Self::refused(ErrorCode::from(&error)),
        })
    }

    fn refused(code: ErrorCode) -> SyncGroupResponse {
        SyncGroupResponse::default().with_error_code(code.code())
    }
}

/// What is kept of the request is copied, so that it does not keep the whole frame.
fn sync(request: &SyncGroupRequest) -> Sync {
    let assignment = |one: &SyncGroupRequestAssignment| {
        (one.member_id.to_string(), Bytes::copy_from_slice(&one.assignment))
    };
    Sync {
        group: request.group_id.to_string(),
        generation: request.generation_id,
        member_id: request.member_id.to_string(),
        instance_id: request.group_instance_id.as_ref().map(ToString::to_string),
        protocol_type: request.protocol_type.as_ref().map(ToString::to_string),
        protocol: request.protocol_name.as_ref().map(ToString::to_string),
        assignments: request.assignments.iter().map(assignment).collect(),
    }
}
