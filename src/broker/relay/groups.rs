//! Groups, from whichever node they are asked for: each is its coordinator's.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::Instant;

use super::message::{Ask, Done, Empty, GroupAsk};
use super::{GroupInList, GroupMember, GroupView, Groups, StoredOffset, nonsense};
use crate::broker::{Broker, BrokerError};
use crate::coordinator::GroupError;

/// How long a coordinator may take to answer.
const ANSWERED_WITHIN: Duration = Duration::from_secs(10);

/// Marks, between nodes, what a group is refused with; the doors know [`GroupError`]s.
const NOT_FOUND: &str = "no such group: ";
const NOT_EMPTY: &str = "group with members: ";

impl Broker {
    /// A group with its members and the offsets that it committed; `None`: there is no such group.
    ///
    /// # Errors
    /// [`GroupError`] if its coordinator cannot be asked, or does not know.
    pub async fn group_anywhere(&self, group: &str) -> Result<Option<GroupView>, GroupError> {
        match self.at_coordinator(group, Ask::Group(GroupAsk { name: group.to_owned() })).await {
            Ok(Done::Group(view)) => Ok(Some(view)),
            Ok(_) => Err(told(group, &nonsense())),
            Err(GroupError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Ends a group without members, with its offsets, whichever node coordinates it.
    ///
    /// # Errors
    /// [`GroupError::NotFound`], [`GroupError::NotEmpty`]
    pub async fn delete_group_anywhere(&self, group: &str) -> Result<(), GroupError> {
        let ask = Ask::DeleteGroup(GroupAsk { name: group.to_owned() });
        self.at_coordinator(group, ask).await.map(|_| ())
    }

    /// The groups of all nodes that are heard, by name; and the nodes that did not answer.
    pub async fn groups_anywhere(&self) -> (Vec<GroupInList>, Vec<i32>) {
        let image = self.image();
        let deadline = Instant::now() + ANSWERED_WITHIN;
        let ask = async |node: i32| {
            let done = match node == self.node_id() {
                true => self.serve_groups().await,
                false => self.ask_node(node, Ask::Groups(Empty {}), deadline, "its groups").await,
            };
            (node, done)
        };
        let nodes = image.nodes.values().filter(|node| node.is_serving()).map(|node| node.id);
        let (mut groups, mut silent) = (Vec::new(), Vec::new());
        for (node, done) in join_all(nodes.map(ask)).await {
            match done {
                Ok(Done::Groups(mut found)) => groups.append(&mut found.groups),
                Ok(_) | Err(_) => silent.push(node),
            }
        }
        groups.sort_by(|a, b| a.group.cmp(&b.group));
        (groups, silent)
    }

    async fn at_coordinator(&self, group: &str, ask: Ask) -> Result<Done, GroupError> {
        // Asking for a group must not make the topic that groups are kept in.
        if self.image().topic("__consumer_offsets").is_none() {
            return Err(GroupError::NotFound { group: group.to_owned() });
        }
        let node = self.find_group_coordinator(group).await?.id;
        let done = match node == self.node_id() {
            true => self.serve_ask(ask).await,
            false => self.ask_node(node, ask, Instant::now() + ANSWERED_WITHIN, group).await,
        };
        done.map_err(|error| told(group, &error))
    }

    pub(super) async fn serve_group(&self, group: &str) -> Result<Done, BrokerError> {
        let found = self.describe_group(group).await.map_err(|error| tell(&error))?;
        let absent = || tell(&GroupError::NotFound { group: group.to_owned() });
        let found = found.ok_or_else(absent)?;
        let offsets = self.fetch_offsets(group, None).await.map_err(|error| tell(&error))?;
        let member = |member: crate::coordinator::MemberDescription| GroupMember {
            member_id: member.member_id,
            instance_id: member.instance_id,
            client_id: member.client_id,
            client_host: member.client_host,
            assignment: member.assignment,
        };
        let offset = |stored: crate::broker::GroupOffset| {
            let committed = stored.committed?;
            Some(StoredOffset {
                topic: stored.topic,
                partition: stored.partition,
                offset: committed.offset,
                metadata: committed.metadata,
            })
        };
        Ok(Done::Group(GroupView {
            group: found.group,
            state: found.state.to_string(),
            protocol_type: found.protocol_type,
            protocol: found.protocol,
            members: found.members.into_iter().map(member).collect(),
            offsets: offsets.into_iter().filter_map(offset).collect(),
            coordinator: self.node_id(),
        }))
    }

    pub(super) async fn serve_groups(&self) -> Result<Done, BrokerError> {
        let coordinator = self.node_id();
        let listed = self.list_groups().await.map_err(|error| tell(&error))?;
        let groups = listed.into_iter().map(|listed| GroupInList {
            group: listed.group,
            protocol_type: listed.protocol_type,
            state: listed.state.to_string(),
            coordinator,
        });
        Ok(Done::Groups(Groups { groups: groups.collect() }))
    }

    pub(super) async fn serve_delete_group(&self, group: &str) -> Result<Done, BrokerError> {
        self.delete_group(group).await.map_err(|error| tell(&error))?;
        Ok(Done::Nothing(Empty {}))
    }
}

/// A group's error as one that goes between nodes.
fn tell(error: &GroupError) -> BrokerError {
    let reason = match error {
        GroupError::NotFound { group } => format!("{NOT_FOUND}{group}"),
        GroupError::NotEmpty { group } => format!("{NOT_EMPTY}{group}"),
        other => other.to_string(),
    };
    BrokerError::InvalidRequest { reason }
}

/// And back.
fn told(group: &str, error: &BrokerError) -> GroupError {
    let group = group.to_owned();
    match error {
        BrokerError::InvalidRequest { reason } if reason.starts_with(NOT_FOUND) => {
            GroupError::NotFound { group }
        }
        BrokerError::InvalidRequest { reason } if reason.starts_with(NOT_EMPTY) => {
            GroupError::NotEmpty { group }
        }
        other => GroupError::NotAvailable { group, reason: other.to_string() },
    }
}
