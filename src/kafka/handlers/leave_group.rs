//! `LeaveGroup` (key 13), v0-5. v3 several members (KIP-345) · v4 flexible · v5 reason (KIP-800)

use std::ops::RangeInclusive;

use crate::access::{Operation, Resource};
use crate::broker::BrokerError;
use crate::coordinator::{GroupError, LeaveGroup as Leave, Leaving};
use crate::kafka::api::Handler;
use crate::kafka::context::Context;
use crate::wire::messages::leave_group_request::MemberIdentity;
use crate::wire::messages::leave_group_response::MemberResponse;
use crate::wire::messages::{LeaveGroupRequest, LeaveGroupResponse};
use crate::wire::{ApiKey, ErrorCode};

/// The first version with a list of members.
const SEVERAL: i16 = 3;

pub(super) struct LeaveGroup;

impl Handler for LeaveGroup {
    const KEY: ApiKey = ApiKey::LeaveGroup;
    const VERSIONS: RangeInclusive<i16> = 0..=5;
    type Request = LeaveGroupRequest;
    type Response = LeaveGroupResponse;

    async fn handle(ctx: &Context, request: LeaveGroupRequest) -> Result<LeaveGroupResponse, BrokerError> {
        ctx.authorise(Operation::Read, Resource::group(&request.group_id))?;
        let members = if ctx.version() < SEVERAL {
            vec![MemberIdentity::default().with_member_id(request.member_id)]
        } else {
            request.members
        };
        let leaving = members.iter().map(|member| Leaving {
            member_id: member.member_id.to_string(),
            instance_id: member.group_instance_id.as_ref().map(ToString::to_string),
        });
        let leave = Leave { group: request.group_id.to_string(), members: leaving.collect() };
        let codes: Vec<i16> = match ctx.broker.leave_group(leave).await {
            Ok(answers) => answers.iter().map(|answer| answer.as_ref().err().map_or(0, code)).collect(),
            // There is no such group, so nobody is its member.
            Err(error @ GroupError::UnknownMember { .. }) => vec![code(&error); members.len()],
            Err(error) => return Ok(Self::refused(ErrorCode::from(&error))),
        };
        if ctx.version() < SEVERAL {
            let code = codes.first().copied().unwrap_or(0);
            return Ok(LeaveGroupResponse::default().with_error_code(code));
        }
        let answer = |(member, code): (MemberIdentity, i16)| {
            MemberResponse::default()
                .with_member_id(member.member_id)
                .with_group_instance_id(member.group_instance_id)
                .with_error_code(code)
        };
        Ok(LeaveGroupResponse::default().with_members(members.into_iter().zip(codes).map(answer).collect()))
    }

    fn refused(code: ErrorCode) -> LeaveGroupResponse {
        LeaveGroupResponse::default().with_error_code(code.code())
    }
}

fn code(error: &GroupError) -> i16 {
    ErrorCode::from(error).code()
}
