//! Consumer groups, as doors ask for them: finds the partition of `__consumer_offsets` that a group hashes to, and
//! lets the [`Coordinator`] of that partition decide.
//!
//! A node coordinates the groups of the partitions that it leads. Deciding is `coordinator`'s; here is the waiting.

mod batch;
mod beat;
mod coordinator;
mod directory;
mod load;
mod offsets;
mod thread;
mod topic;
mod upkeep;

use std::sync::Arc;

pub(super) use directory::Coordinators;
pub use offsets::GroupOffset;

use super::Broker;
use crate::cluster::NodeImage;
use crate::coordinator::{
    Answers, GroupDescription, GroupError, GroupListing, Heartbeat, JoinGroup, Joined, LeaveGroup, Reply,
    SyncGroup, Synced,
};
use coordinator::Coordinator;
use thread::GroupThread;

impl Broker {
    /// Lets groups that are loaded from now on be written on a thread of their own. A broker that is never told so, as in
    /// a simulation, writes them on its caller's runtime, and so does one for which the system has no thread left.
    pub fn give_groups_a_thread(&self) {
        match GroupThread::start() {
            Ok(thread) => self.0.coordinators.give_thread(thread),
            Err(error) => tracing::warn!(%error, "groups have no thread of their own, which costs more"),
        }
    }

    /// The node that coordinates `group`. Makes `__consumer_offsets` if it does not exist yet.
    ///
    /// # Errors
    /// [`GroupError::NotAvailable`] if the topic cannot be made now.
    pub async fn find_group_coordinator(&self, group: &str) -> Result<NodeImage, GroupError> {
        let topic = self.ensure_offsets_topic(group).await?;
        let partition = topic::partition_of(group, topic.partitions.len());
        let leader = self.leader(&topic, partition).node;
        let node = self.image().nodes.get(&leader).filter(|node| node.is_serving()).cloned();
        let reason = || format!("no node leads {}-{partition}", topic.name);
        node.ok_or_else(|| GroupError::NotAvailable { group: group.to_owned(), reason: reason() })
    }

    /// Waits until the round is complete that the member takes part in.
    ///
    /// # Errors
    /// [`GroupError`]; [`GroupError::MemberIdRequired`] brings the id to come back with.
    pub async fn join_group(&self, join: JoinGroup) -> Result<Joined, GroupError> {
        has_name(&join.group)?;
        let coordinator = self.coordinator(&join.group).await?;
        self.has_room(&join.group)?;
        match coordinator.wait(|shard, now, to| shard.on_join(now, to, join)).await? {
            Reply::Joined(joined) => Ok(joined),
            Reply::Refused(error) => Err(error),
            Reply::Synced(_) => unreachable!("a join was answered as a sync"),
        }
    }

    /// Waits until the leader of the group has brought the assignment, and it is written.
    ///
    /// # Errors
    /// [`GroupError`]
    pub async fn sync_group(&self, sync: SyncGroup) -> Result<Synced, GroupError> {
        has_name(&sync.group)?;
        let coordinator = self.coordinator(&sync.group).await?;
        match coordinator.wait(|shard, now, to| shard.on_sync(now, to, sync)).await? {
            Reply::Synced(synced) => Ok(synced),
            Reply::Refused(error) => Err(error),
            Reply::Joined(_) => unreachable!("a sync was answered as a join"),
        }
    }

    /// # Errors
    /// [`GroupError`]; [`GroupError::RebalanceInProgress`] is how a member learns that it has to join again.
    pub async fn heartbeat(&self, heartbeat: Heartbeat) -> Result<(), GroupError> {
        has_name(&heartbeat.group)?;
        let coordinator = self.coordinator(&heartbeat.group).await?;
        coordinator.at_once(|shard, now| shard.on_heartbeat(now, &heartbeat))
    }

    /// An answer for each member that leaves.
    ///
    /// # Errors
    /// [`GroupError`] if none of them can be looked at.
    pub async fn leave_group(&self, leave: LeaveGroup) -> Result<Answers, GroupError> {
        has_name(&leave.group)?;
        let coordinator = self.coordinator(&leave.group).await?;
        coordinator.carry_out(|shard, now| shard.on_leave(now, &leave)).await
    }

    /// `None`: there is no such group.
    ///
    /// # Errors
    /// [`GroupError`] if this node cannot know.
    pub async fn describe_group(&self, group: &str) -> Result<Option<GroupDescription>, GroupError> {
        let coordinator = self.coordinator(group).await?;
        coordinator.read(|shard| shard.describe(group)).await
    }

    /// All groups that this node coordinates, by name.
    ///
    /// # Errors
    /// [`GroupError::Loading`] if some of them are not known yet.
    pub async fn list_groups(&self) -> Result<Vec<GroupListing>, GroupError> {
        let mut groups = Vec::new();
        for coordinator in self.all_coordinators().await? {
            groups.extend(coordinator.read(|shard| shard.list().collect::<Vec<_>>()).await?);
        }
        groups.sort_by(|a, b| a.group.cmp(&b.group));
        Ok(groups)
    }

    /// Ends a group without members, with its offsets.
    ///
    /// # Errors
    /// [`GroupError::NotFound`], [`GroupError::NotEmpty`]
    pub async fn delete_group(&self, group: &str) -> Result<(), GroupError> {
        let coordinator = self.coordinator(group).await?;
        coordinator.carry_out(|shard, _| shard.on_delete(group).map(|effects| ((), effects))).await
    }

    /// A member that comes takes room in the log sooner or later.
    fn has_room(&self, group: &str) -> Result<(), GroupError> {
        let room = self.0.space.check(0);
        room.map_err(|error| GroupError::NotAvailable { group: group.to_owned(), reason: error.to_string() })
    }

    /// Who decides for `group`, if that is this node.
    async fn coordinator(&self, group: &str) -> Result<Arc<Coordinator>, GroupError> {
        let not_here =
            |reason: &str| GroupError::NotCoordinator { group: group.to_owned(), reason: reason.into() };
        let topic = topic::of(&self.image()).ok_or_else(|| not_here("nobody has asked for one yet"))?;
        let partition = topic::partition_of(group, topic.partitions.len());
        if self.leader(&topic, partition).node != self.node_id() {
            return Err(not_here("another node leads its partition"));
        }
        self.coordinator_of(&topic, partition).await
    }
}

/// Members need a group with a name. Whoever only keeps offsets does not: Kafka takes the empty name for that.
fn has_name(group: &str) -> Result<(), GroupError> {
    if group.is_empty() { Err(GroupError::InvalidGroupId) } else { Ok(()) }
}
