//! `JoinGroup` (key 11), v0-9. v1 rebalance timeout · v4 member id required (KIP-394) · v5 instance id (KIP-345) ·
//! v6 flexible · v7 protocol type · v8 reason (KIP-800) · v9 skip assignment (KIP-814)
//!
//! Answered when the round is complete, which may take as long as the slowest member has.

use std::ops::RangeInclusive;

use bytes::Bytes;
use uuid::Uuid;

use crate::access::{Operation, Resource};
use crate::broker::BrokerError;
use crate::coordinator::{GroupError, JoinGroup as Join, Joined, JoinedMember};
use crate::kafka::api::Handler;
use crate::kafka::context::Context;
use crate::wire::messages::join_group_request::JoinGroupRequestProtocol;
use crate::wire::messages::join_group_response::JoinGroupResponseMember;
use crate::wire::messages::{JoinGroupRequest, JoinGroupResponse};
use crate::wire::{ApiKey, ErrorCode, StrBytes};

/// The first versions with a rebalance timeout, with member ids that the broker gives first, with null protocols, and
/// whose clients know that an assignment may be skipped.
const REBALANCE_TIMEOUT: i16 = 1;
const ID_REQUIRED: i16 = 4;
const NULL_PROTOCOL: i16 = 7;
const SKIP: i16 = 9;

pub(super) struct JoinGroup;

impl Handler for JoinGroup {
    const KEY: ApiKey = ApiKey::JoinGroup;
    const VERSIONS: RangeInclusive<i16> = 0..=9;
    const WAITS: bool = true;
    type Request = JoinGroupRequest;
    type Response = JoinGroupResponse;

    async fn handle(ctx: &Context, request: JoinGroupRequest) -> Result<JoinGroupResponse, BrokerError> {
        if !ctx.allows(Operation::Read, Resource::group(&request.group_id)) {
            let refused = Self::refused(ErrorCode::GroupAuthorizationFailed);
            return Ok(refused.with_protocol_name(no_protocol(ctx.version())));
        }
        let (version, join) = (ctx.version(), join(ctx, &request));
        Ok(match ctx.broker.join_group(join).await {
            Ok(joined) => answer(version, joined),
            Err(error) => Self::refused(ErrorCode::from(&error))
                .with_member_id(id_after(&error, request.member_id))
                .with_protocol_name(no_protocol(version)),
        })
    }

    fn refused(code: ErrorCode) -> JoinGroupResponse {
        JoinGroupResponse::default().with_error_code(code.code())
    }
}

/// What is kept of the request is copied, so that it does not keep the whole frame.
fn join(ctx: &Context, request: &JoinGroupRequest) -> Join {
    let version = ctx.version();
    let protocol = |p: &JoinGroupRequestProtocol| (p.name.to_string(), Bytes::copy_from_slice(&p.metadata));
    let has_timeout = version >= REBALANCE_TIMEOUT;
    let rebalance_timeout_ms =
        if has_timeout { request.rebalance_timeout_ms } else { request.session_timeout_ms };
    Join {
        group: request.group_id.to_string(),
        member_id: request.member_id.to_string(),
        instance_id: request.group_instance_id.as_ref().map(ToString::to_string),
        client_id: ctx.request.client_id.as_ref().map(ToString::to_string).unwrap_or_default(),
        client_host: format!("/{}", ctx.client.peer.ip()),
        session_timeout_ms: request.session_timeout_ms,
        rebalance_timeout_ms,
        protocol_type: request.protocol_type.to_string(),
        protocols: request.protocols.iter().map(protocol).collect(),
        id_required: version >= ID_REQUIRED,
        knows_skip: version >= SKIP,
        fresh: Uuid::new_v4(),
    }
}

/// The id to come back with: the one that was asked with, unless it is a new one or there is no room for it.
fn id_after(error: &GroupError, asked: StrBytes) -> StrBytes {
    if let GroupError::MemberIdRequired { member, .. } = error {
        return StrBytes::from_string(member.clone());
    }
    if matches!(error, GroupError::GroupFull { .. }) { StrBytes::default() } else { asked }
}

fn no_protocol(version: i16) -> Option<StrBytes> {
    (version < NULL_PROTOCOL).then(StrBytes::default)
}

fn answer(version: i16, joined: Joined) -> JoinGroupResponse {
    let member = |member: JoinedMember| {
        JoinGroupResponseMember::default()
            .with_member_id(StrBytes::from_string(member.member_id))
            .with_group_instance_id(member.instance_id.map(StrBytes::from_string))
            .with_metadata(member.subscription)
    };
    JoinGroupResponse::default()
        .with_generation_id(joined.generation)
        .with_protocol_type(joined.protocol_type.map(StrBytes::from_string))
        .with_protocol_name(joined.protocol.map(StrBytes::from_string).or_else(|| no_protocol(version)))
        .with_leader(StrBytes::from_string(joined.leader))
        .with_skip_assignment(joined.skip_assignment)
        .with_member_id(StrBytes::from_string(joined.member_id))
        .with_members(joined.members.into_iter().map(member).collect())
}
