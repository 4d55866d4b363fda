//! `Heartbeat` (key 12), v0-4. v1 throttle time · v3 group instance id (KIP-345) · v4 flexible (KIP-482)

use std::ops::RangeInclusive;

use crate::access::{Operation, Resource};
use crate::broker::BrokerError;
use crate::coordinator::{GroupError, Heartbeat as Beat};
use crate::kafka::api::Handler;
use crate::kafka::context::Context;
use crate::wire::messages::{HeartbeatRequest, HeartbeatResponse};
use crate::wire::{ApiKey, ErrorCode};

pub(super) struct Heartbeat;

impl Handler for Heartbeat {
    const KEY: ApiKey = ApiKey::Heartbeat;
    const VERSIONS: RangeInclusive<i16> = 0..=4;
    type Request = HeartbeatRequest;
    type Response = HeartbeatResponse;

    async fn handle(ctx: &Context, request: HeartbeatRequest) -> Result<HeartbeatResponse, BrokerError> {
        ctx.authorise(Operation::Read, Resource::group(&request.group_id))?;
        let beat = Beat {
            group: request.group_id.to_string(),
            generation: request.generation_id,
            member_id: request.member_id.to_string(),
            instance_id: request.group_instance_id.as_ref().map(ToString::to_string),
        };
        Ok(match ctx.broker.heartbeat(beat).await {
            // Groups that are being loaded give each member a whole session anyway.
            Ok(()) | Err(GroupError::Loading { .. }) => HeartbeatResponse::default(),
            Err(error) => Self::refused(ErrorCode::from(&error)),
        })
    }

    fn refused(code: ErrorCode) -> HeartbeatResponse {
        HeartbeatResponse::default().with_error_code(code.code())
    }
}
