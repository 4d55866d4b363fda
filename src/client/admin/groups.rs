//! Groups: listed, described, deleted. Classic ones; Kafka's newer kinds are listed, too.

use std::collections::BTreeMap;

use crate::wire::messages::describe_groups_response::DescribedGroup;
use crate::wire::messages::{DeleteGroupsRequest, DescribeGroupsRequest, GroupId, ListGroupsRequest};

use super::text;
use crate::client::assignor::partitions_of_assignment;
use crate::client::{ClientError, Cluster, Partition};

/// One line of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupListing {
    pub group: String,
    pub protocol_type: String,
    /// Empty if the broker is too old to tell.
    pub state: String,
    /// `classic`, `consumer` …; empty if the broker is too old to tell.
    pub kind: String,
}

/// A classic group and its members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupDescription {
    pub group: String,
    pub state: String,
    pub protocol_type: String,
    /// The assignor.
    pub protocol: String,
    pub coordinator: String,
    pub members: Vec<GroupMemberDescription>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupMemberDescription {
    pub member_id: String,
    pub instance_id: Option<String>,
    pub client_id: String,
    pub host: String,
    /// Empty, too, if the group's protocol is none of consumers'.
    pub partitions: Vec<Partition>,
}

impl Cluster {
    /// The groups of all brokers, by name.
    ///
    /// # Errors
    /// [`ClientError`] if a broker does not answer.
    pub async fn list_groups(&self) -> Result<Vec<GroupListing>, ClientError> {
        self.patiently(async || self.list_groups_once().await).await
    }

    async fn list_groups_once(&self) -> Result<Vec<GroupListing>, ClientError> {
        let metadata = self.refresh(Some(&[])).await?;
        let mut groups = BTreeMap::new();
        for node in metadata.brokers.keys() {
            let connection = self.node(*node).await?;
            let version = connection.version::<ListGroupsRequest>()?;
            let response = connection.call(&ListGroupsRequest::default(), version).await?;
            ClientError::check(response.error_code, connection.address(), None)?;
            for group in response.groups {
                let listing = GroupListing {
                    group: group.group_id.to_string(),
                    protocol_type: group.protocol_type.to_string(),
                    state: group.group_state.to_string(),
                    kind: group.group_type.to_string(),
                };
                groups.insert(listing.group.clone(), listing);
            }
        }
        Ok(groups.into_values().collect())
    }

    /// # Errors
    /// [`ClientError::Refused`] with the coordinator's reason.
    pub async fn describe_group(&self, group: &str) -> Result<GroupDescription, ClientError> {
        self.patiently_in(group, async || self.describe_group_once(group).await).await
    }

    async fn describe_group_once(&self, group: &str) -> Result<GroupDescription, ClientError> {
        let connection = self.coordinator(group).await?;
        let version = connection.version::<DescribeGroupsRequest>()?;
        let request = DescribeGroupsRequest::default().with_groups(vec![GroupId(text(group))]);
        let response = connection.call(&request, version).await?;
        let subject = format!("group {group}");
        let Some(described) = response.groups.into_iter().next() else {
            return Err(ClientError::Missing { subject });
        };
        ClientError::check(described.error_code, subject, described.error_message.as_deref())?;
        Ok(description(described, connection.address()))
    }

    /// Deletes a group that has no members, with its offsets.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with the coordinator's reason.
    pub async fn delete_group(&self, group: &str) -> Result<(), ClientError> {
        self.patiently_in(group, async || self.delete_group_once(group).await).await
    }

    async fn delete_group_once(&self, group: &str) -> Result<(), ClientError> {
        let connection = self.coordinator(group).await?;
        let version = connection.version::<DeleteGroupsRequest>()?;
        let request = DeleteGroupsRequest::default().with_groups_names(vec![GroupId(text(group))]);
        let response = connection.call(&request, version).await?;
        let subject = format!("group {group}");
        match response.results.into_iter().next() {
            Some(result) => ClientError::check(result.error_code, subject, None),
            None => Err(ClientError::Missing { subject }),
        }
    }
}

fn description(described: DescribedGroup, coordinator: &str) -> GroupDescription {
    let members = described.members.into_iter().map(|member| GroupMemberDescription {
        member_id: member.member_id.to_string(),
        instance_id: member.group_instance_id.map(|id| id.to_string()),
        client_id: member.client_id.to_string(),
        host: member.client_host.to_string(),
        partitions: partitions_of_assignment(member.member_assignment).unwrap_or_default(),
    });
    GroupDescription {
        group: described.group_id.to_string(),
        state: described.group_state.to_string(),
        protocol_type: described.protocol_type.to_string(),
        protocol: described.protocol_data.to_string(),
        coordinator: coordinator.to_owned(),
        members: members.collect(),
    }
}
