//! `DescribeGroups` (key 15), v0-6. v3 authorised operations (KIP-430) · v4 instance ids (KIP-345) · v5 flexible ·
//! v6 says when a group is not there (KIP-1043)

use std::ops::RangeInclusive;

use crate::access::{Operation, Resource};
use crate::broker::BrokerError;
use crate::coordinator::{GroupDescription, GroupError, GroupState, MemberDescription};
use crate::kafka::api::Handler;
use crate::kafka::context::Context;
use crate::kafka::error::Refusal;
use crate::wire::messages::describe_groups_response::{DescribedGroup, DescribedGroupMember};
use crate::wire::messages::{DescribeGroupsRequest, DescribeGroupsResponse, GroupId};
use crate::wire::{ApiKey, ErrorCode, StrBytes};

/// The first version that tells a group that is not there from one that is dead.
const TELLS_ABSENCE: i16 = 6;

pub(super) struct DescribeGroups;

impl Handler for DescribeGroups {
    const KEY: ApiKey = ApiKey::DescribeGroups;
    const VERSIONS: RangeInclusive<i16> = 0..=6;
    type Request = DescribeGroupsRequest;
    type Response = DescribeGroupsResponse;

    async fn handle(
        ctx: &Context,
        request: DescribeGroupsRequest,
    ) -> Result<DescribeGroupsResponse, BrokerError> {
        let permissions = ctx.permissions();
        let mut groups = Vec::with_capacity(request.groups.len());
        for id in request.groups {
            if !permissions.allows(Operation::Describe, Resource::group(&id)) {
                let group = DescribedGroup::default().with_group_id(id);
                groups.push(group.with_error_code(ErrorCode::GroupAuthorizationFailed.code()));
                continue;
            }
            let mut group = match ctx.broker.describe_group(&id).await {
                Ok(Some(group)) => described(group),
                Ok(None) | Err(GroupError::NotFound { .. }) => absent(ctx.version(), &id),
                Err(error) => DescribedGroup::default().with_error_code(ErrorCode::from(&error).code()),
            };
            if request.include_authorized_operations && group.error_code == 0 {
                group.authorized_operations = permissions.operations(Resource::group(&id));
            }
            groups.push(group.with_group_id(id));
        }
        Ok(DescribeGroupsResponse::default().with_groups(groups))
    }

    fn refused(_code: ErrorCode) -> DescribeGroupsResponse {
        DescribeGroupsResponse::default()
    }
}

fn absent(version: i16, id: &GroupId) -> DescribedGroup {
    let group = DescribedGroup::default().with_group_state(state(GroupState::Dead));
    if version < TELLS_ABSENCE {
        return group;
    }
    let refusal = Refusal::from(&GroupError::NotFound { group: id.to_string() });
    group.with_error_code(refusal.code.code()).with_error_message(refusal.text())
}

fn described(group: GroupDescription) -> DescribedGroup {
    let member = |member: MemberDescription| {
        DescribedGroupMember::default()
            .with_member_id(StrBytes::from_string(member.member_id))
            .with_group_instance_id(member.instance_id.map(StrBytes::from_string))
            .with_client_id(StrBytes::from_string(member.client_id))
            .with_client_host(StrBytes::from_string(member.client_host))
            .with_member_metadata(member.subscription)
            .with_member_assignment(member.assignment)
    };
    DescribedGroup::default()
        .with_group_state(state(group.state))
        .with_protocol_type(StrBytes::from_string(group.protocol_type))
        .with_protocol_data(StrBytes::from_string(group.protocol))
        .with_members(group.members.into_iter().map(member).collect())
}

fn state(state: GroupState) -> StrBytes {
    StrBytes::from_string(state.to_string())
}
