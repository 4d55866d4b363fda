//! Groups: listed, described with what they have not read yet, deleted.

use super::topics::find;
use crate::access::{Operation, Resource};
use crate::broker::{Broker, GroupOffset as Committed, OffsetSpec};
use crate::coordinator::{GroupError, GroupListing, MemberDescription};
use crate::grpc::error::Refusal;
use crate::grpc::permit::Permit;
use crate::proto::admin::{
    DeleteGroupRequest, DeleteGroupResponse, DescribeGroupRequest, DescribeGroupResponse, GroupMember,
    GroupOffset, GroupSummary, ListGroupsResponse,
};

/// Where groups are kept; until it exists there are none.
const GROUPS: &str = "__consumer_offsets";

pub(super) async fn list(broker: &Broker, permit: &Permit) -> Result<ListGroupsResponse, Refusal> {
    let groups = broker.list_groups().await.map_err(|error| Refusal::from(&error))?;
    let summary = |group: GroupListing| GroupSummary {
        name: group.group,
        state: group.state.to_string(),
        protocol_type: group.protocol_type,
    };
    let shown = |group: &GroupListing| permit.shows(Operation::Describe, Resource::group(&group.group));
    Ok(ListGroupsResponse { groups: groups.into_iter().filter(shown).map(summary).collect() })
}

pub(super) async fn describe(
    broker: &Broker,
    permit: &Permit,
    request: DescribeGroupRequest,
) -> Result<DescribeGroupResponse, Refusal> {
    let name = request.name;
    permit.check(Operation::Describe, Resource::group(&name))?;
    exists(broker, &name)?;
    let described = match broker.describe_group(&name).await {
        Ok(described) => described,
        Err(error) => return Err(by_coordinator(broker, &name, &error).await),
    };
    let group = described.ok_or_else(|| Refusal::from(&GroupError::NotFound { group: name.clone() }))?;
    let committed = broker.fetch_offsets(&name, None).await.map_err(|error| Refusal::from(&error))?;
    let mut offsets = Vec::with_capacity(committed.len());
    let shown = |one: &Committed| permit.shows(Operation::Describe, Resource::topic(&one.topic));
    for one in committed.into_iter().filter(shown) {
        offsets.extend(offset(broker, one).await);
    }
    Ok(DescribeGroupResponse {
        name,
        state: group.state.to_string(),
        protocol_type: group.protocol_type,
        protocol: group.protocol,
        members: group.members.into_iter().map(member).collect(),
        offsets,
    })
}

pub(super) async fn delete(
    broker: &Broker,
    permit: &Permit,
    request: DeleteGroupRequest,
) -> Result<DeleteGroupResponse, Refusal> {
    permit.check(Operation::Delete, Resource::group(&request.name))?;
    exists(broker, &request.name)?;
    match broker.delete_group(&request.name).await {
        Ok(()) => Ok(DeleteGroupResponse {}),
        Err(error) => Err(by_coordinator(broker, &request.name, &error).await),
    }
}

fn exists(broker: &Broker, group: &str) -> Result<(), Refusal> {
    match broker.image().topic(GROUPS) {
        Some(_) => Ok(()),
        None => Err(Refusal::from(&GroupError::NotFound { group: group.to_owned() })),
    }
}

/// With the coordinator's address, if this node is not it.
async fn by_coordinator(broker: &Broker, group: &str, error: &GroupError) -> Refusal {
    let refusal = Refusal::from(error);
    if !matches!(error, GroupError::NotCoordinator { .. }) {
        return refusal;
    }
    match broker.find_group_coordinator(group).await {
        Ok(node) => refusal.with_node(broker, node.id),
        Err(_) => refusal,
    }
}

fn member(member: MemberDescription) -> GroupMember {
    GroupMember {
        id: member.member_id,
        instance_id: member.instance_id.unwrap_or_default(),
        client_id: member.client_id,
        host: member.client_host,
    }
}

/// `None`: nothing was committed.
async fn offset(broker: &Broker, one: Committed) -> Option<GroupOffset> {
    let committed = one.committed?;
    let topic = broker.image().topic(&one.topic).cloned();
    let end_offset = match &topic {
        Some(topic) => find(broker, topic, one.partition, OffsetSpec::Latest).await,
        None => None,
    };
    let committed_offset = u64::try_from(committed.offset).unwrap_or(0);
    Some(GroupOffset {
        topic: one.topic,
        partition: one.partition,
        committed_offset,
        metadata: committed.metadata,
        end_offset,
        lag: end_offset.map(|end| end.saturating_sub(committed_offset)),
    })
}
