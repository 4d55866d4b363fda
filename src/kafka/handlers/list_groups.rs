//! `ListGroups` (key 16), v0-5. v3 flexible · v4 states (KIP-518) · v5 types (KIP-848)

use std::ops::RangeInclusive;

use crate::access::{Operation, Resource};
use crate::broker::BrokerError;
use crate::coordinator::GroupListing;
use crate::kafka::api::Handler;
use crate::kafka::context::Context;
use crate::wire::messages::list_groups_response::ListedGroup;
use crate::wire::messages::{ListGroupsRequest, ListGroupsResponse};
use crate::wire::{ApiKey, ErrorCode, StrBytes};

/// The one type of groups that there is.
const CLASSIC: &str = "classic";

pub(super) struct ListGroups;

impl Handler for ListGroups {
    const KEY: ApiKey = ApiKey::ListGroups;
    const VERSIONS: RangeInclusive<i16> = 0..=5;
    type Request = ListGroupsRequest;
    type Response = ListGroupsResponse;

    async fn handle(ctx: &Context, request: ListGroupsRequest) -> Result<ListGroupsResponse, BrokerError> {
        let groups = match ctx.broker.list_groups().await {
            Ok(groups) => groups,
            Err(error) => return Ok(Self::refused(ErrorCode::from(&error))),
        };
        let permissions = ctx.permissions();
        let sees_all = ctx.shows(Operation::Describe, Resource::cluster());
        let is_shown = |group: &GroupListing| {
            sees_all || permissions.shows(Operation::Describe, Resource::group(&group.group))
        };
        let listed = groups.into_iter().filter(is_shown).map(listed);
        let wanted = listed.filter(|group| {
            passes(&request.states_filter, &group.group_state) && passes(&request.types_filter, CLASSIC)
        });
        Ok(ListGroupsResponse::default().with_groups(wanted.collect()))
    }

    fn refused(code: ErrorCode) -> ListGroupsResponse {
        ListGroupsResponse::default().with_error_code(code.code())
    }
}

/// Nothing named is everything; case does not matter.
fn passes(filter: &[StrBytes], value: &str) -> bool {
    filter.is_empty() || filter.iter().any(|name| name.eq_ignore_ascii_case(value))
}

fn listed(group: GroupListing) -> ListedGroup {
    ListedGroup::default()
        .with_group_id(StrBytes::from_string(group.group).into())
        .with_protocol_type(StrBytes::from_string(group.protocol_type))
        .with_group_state(StrBytes::from_string(group.state.to_string()))
        .with_group_type(StrBytes::from_static_str(CLASSIC))
}
