//! Where replicas are to be, and who is to lead: moves that somebody asks for, and those that the cluster needs itself.
//!
//! A move is written down as the old and the new replicas together; the partition's leader makes the new ones voters,
//! lets the old ones go (`cluster::upkeep`) and says so.

use std::collections::BTreeSet;

use super::controller::{OfPartition, Verb};
use super::topics::find;
use super::{Broker, BrokerError, TopicRef};
use crate::cluster::{
    Command, MetadataImage, PartitionImage, PartitionKey, PartitionPlaced, Placement, Placer, Replica,
    TopicImage,
};
use crate::model::PartitionId;

/// A move under way: node ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reassignment {
    pub topic: String,
    pub partition: PartitionId,
    pub replicas: Vec<i32>,
    pub adding: Vec<i32>,
    pub removing: Vec<i32>,
}

impl Broker {
    /// Moves a partition's replicas to `nodes`, or ends a move (`None`), on the controller. Returns once it is written
    /// down; the move itself goes on.
    ///
    /// # Errors
    /// [`BrokerError::NoReassignment`] if there is none to end; [`BrokerError::InvalidReplicaAssignment`] for nodes
    /// that are not the cluster's.
    ///
    /// Source: Kafka `ReplicationControlManager.validateManualPartitionAssignment`, with its words.
    pub async fn reassign(
        &self,
        topic: &str,
        partition: PartitionId,
        nodes: Option<&[i32]>,
    ) -> Result<(), BrokerError> {
        let _only_one = self.control().await?;
        let image = self.image();
        let found = find(&image, &TopicRef::Name(topic.into()))?;
        let placed = found
            .partition(partition)
            .ok_or_else(|| BrokerError::UnknownPartition { topic: topic.into(), partition })?;
        let target = match nodes {
            Some(nodes) => {
                check_nodes(&image, nodes)?;
                nodes.to_vec()
            }
            None => before_move(placed)
                .ok_or_else(|| BrokerError::NoReassignment { topic: topic.into(), partition })?,
        };
        let mut next_replica_id = image.next_replica_id.max(1);
        let placement = moved(placed, &target, &mut next_replica_id);
        if PartitionImage::from(placement.clone()) == *placed {
            return Ok(());
        }
        self.change_metadata(vec![placed_command(found, partition, placement)]).await
    }

    /// The moves under way.
    pub fn reassignments(&self) -> Vec<Reassignment> {
        let image = self.image();
        let of_topic = |topic: &TopicImage| {
            let moves = (0..).zip(&topic.partitions).filter(|(_, placed)| is_moving(placed));
            let described = moves.map(|(partition, placed)| Reassignment {
                topic: topic.name.to_string(),
                partition,
                replicas: placed.nodes(),
                adding: adding(placed),
                removing: removing(placed),
            });
            described.collect::<Vec<_>>()
        };
        image.topics().flat_map(|topic| of_topic(topic)).collect()
    }

    /// Has the preferred replica of a partition lead, wherever its leader is now.
    ///
    /// # Errors
    /// [`BrokerError::ElectionNotNeeded`] if it does; [`BrokerError::PreferredLeaderNotAvailable`] if it is not in sync.
    pub async fn elect_preferred(
        &self,
        topic: &TopicImage,
        partition: PartitionId,
    ) -> Result<(), BrokerError> {
        let name = || format!("{}-{partition}", topic.name);
        let unavailable = || BrokerError::PreferredLeaderNotAvailable { partition: name() };
        let view = self.leader(topic, partition);
        let preferred = topic.partition(partition).and_then(|p| p.target().next().map(|r| r.node));
        let preferred = preferred.ok_or_else(unavailable)?;
        if view.node == preferred {
            return Err(BrokerError::ElectionNotNeeded { partition: name() });
        }
        if view.node < 0 || !view.in_sync.contains(&preferred) {
            return Err(unavailable());
        }
        let of = OfPartition::new((topic.id, partition));
        if view.node == self.node_id() {
            return self.hand_back((topic.id, partition)).await;
        }
        self.send_to(view.node, Verb::HandBack(of)).await.map(|_| ())
    }

    /// Hands this node's leadership of a partition to the preferred replica.
    pub(super) async fn hand_back(&self, key: PartitionKey) -> Result<(), BrokerError> {
        let image = self.image();
        let Some(topic) = image.topic_by_id(key.0) else {
            return Err(BrokerError::UnknownTopicId { id: key.0 });
        };
        let name = format!("{}-{}", topic.name, key.1);
        let unavailable = || BrokerError::PreferredLeaderNotAvailable { partition: name.clone() };
        let to = topic.partition(key.1).and_then(|p| p.target().next().copied()).ok_or_else(unavailable)?;
        let log = self.log(topic, key.1)?;
        let (group, _) = log.leading().await.map_err(|error| BrokerError::of_log(&name, error))?;
        if group.hand_over(to.replica_id).await { Ok(()) } else { Err(unavailable()) }
    }

    /// The leader says that `replicas`, and no others, are in the group. If they are to be elsewhere by now, that move goes
    /// on: those that it takes out are still voters.
    pub(super) async fn end_move(&self, key: PartitionKey, replicas: &[u64]) -> Result<(), BrokerError> {
        let _only_one = self.control().await?;
        let image = self.image();
        let Some(topic) = image.topic_by_id(key.0) else { return Ok(()) };
        let Some(placed) = topic.partition(key.1).filter(|placed| !placed.removing.is_empty()) else {
            return Ok(());
        };
        let target: BTreeSet<u64> = placed.target().map(|r| r.replica_id).collect();
        if target != replicas.iter().copied().collect() {
            return Ok(());
        }
        let placement = Placement { replicas: placed.target().copied().collect(), removing: Vec::new() };
        self.change_metadata(vec![placed_command(topic, key.1, placement)]).await
    }

    /// A node says that its replica lost what it had: another comes in its place, on the same node.
    pub(super) async fn replace_replica(&self, key: PartitionKey, lost: u64) -> Result<(), BrokerError> {
        let _only_one = self.control().await?;
        let image = self.image();
        let Some(topic) = image.topic_by_id(key.0) else { return Ok(()) };
        let Some(placed) = topic.partition(key.1).filter(|placed| placed.replicas.len() > 1) else {
            return Ok(());
        };
        if placed.removing.contains(&lost) {
            return Ok(());
        }
        let mut next_replica_id = image.next_replica_id.max(1);
        match replaced(placed, lost, &mut next_replica_id) {
            Some(placement) => self.change_metadata(vec![placed_command(topic, key.1, placement)]).await,
            None => Ok(()),
        }
    }

    /// Internal topics, and those made with the default replication while nodes were missing, with more replicas now
    /// that `image` has more nodes.
    pub(super) fn grown_topics(&self, image: &MetadataImage) -> Vec<Command> {
        let mut next_replica_id = image.next_replica_id.max(1);
        let mut placer = Placer::new(image, |node| image.nodes[&node].is_serving());
        let mut commands = Vec::new();
        for topic in image.topics().filter(|topic| topic.is_internal() || topic.usual_replication) {
            let wanted = self.replication_wanted(topic, placer.nodes()).min(placer.nodes());
            for (partition, placed) in (0..).zip(&topic.partitions) {
                let have: Vec<i32> = placed.target().map(|r| r.node).collect();
                // One or three, never two for longer than it takes.
                if is_moving(placed) || have.len() >= wanted || wanted.is_multiple_of(2) {
                    continue;
                }
                if let Some(nodes) = placer.next(&have, wanted) {
                    let placement = moved(placed, &nodes, &mut next_replica_id);
                    commands.push(placed_command(topic, partition, placement));
                }
            }
        }
        commands
    }

    fn replication_wanted(&self, topic: &TopicImage, nodes: usize) -> usize {
        match topic.is_internal() {
            true => usize::from(self.settings().offsets_topic_replication_factor),
            false => self.usual_replication(nodes),
        }
    }
}

/// The replicas of `node`, which lost its disk, made anew: what it held is not what it has.
pub(super) fn replaced_replicas(image: &MetadataImage, node: i32) -> Vec<Command> {
    let mut next_replica_id = image.next_replica_id.max(1);
    let mut commands = Vec::new();
    for topic in image.topics() {
        for (partition, placed) in (0..).zip(&topic.partitions) {
            let Some(lost) = placed.on(node).filter(|_| placed.replicas.len() > 1) else { continue };
            let placement = replaced(placed, lost, &mut next_replica_id);
            commands.extend(placement.map(|placement| placed_command(topic, partition, placement)));
        }
    }
    commands
}

/// `placed` on its way to another replica in the place of `lost`, which must not start again even if it was to go;
/// `None` if that one is not there.
pub(super) fn replaced(placed: &PartitionImage, lost: u64, next_replica_id: &mut u64) -> Option<Placement> {
    let mut placement = placed.placement();
    let at = placement.replicas.iter().position(|r| r.replica_id == lost)?;
    let anew = late(placement.replicas[at].node, next_replica_id);
    placement.replicas.insert(at, anew);
    if !placement.removing.contains(&lost) {
        placement.removing.push(lost);
    }
    Some(placement)
}

pub(super) fn placed_command(topic: &TopicImage, partition: PartitionId, placement: Placement) -> Command {
    let topic_id = topic.id.0.as_bytes().to_vec();
    Command::PartitionPlaced(PartitionPlaced { topic_id, partition, placement: Some(placement) })
}

fn late(node: i32, next_replica_id: &mut u64) -> Replica {
    let replica_id = *next_replica_id;
    *next_replica_id += 1;
    Replica { node, replica_id, is_late: true }
}

/// `placed` on its way to `nodes`: the new ones in their order, then those that go. A replica that was on its way out and
/// is wanted again stays the one that it is: its node runs one replica, and that one may still be a voter.
fn moved(placed: &PartitionImage, nodes: &[i32], next_replica_id: &mut u64) -> Placement {
    let kept = |node: &i32| placed.replicas.iter().find(|r| r.node == *node).copied();
    let mut replicas: Vec<Replica> =
        nodes.iter().map(|node| kept(node).unwrap_or_else(|| late(*node, next_replica_id))).collect();
    let stays: BTreeSet<u64> = replicas.iter().map(|r| r.replica_id).collect();
    let going: Vec<Replica> =
        placed.replicas.iter().filter(|r| !stays.contains(&r.replica_id)).copied().collect();
    let removing = going.iter().map(|r| r.replica_id).collect();
    replicas.extend(going);
    Placement { replicas, removing }
}

fn is_moving(placed: &PartitionImage) -> bool {
    !placed.removing.is_empty()
}

fn removing(placed: &PartitionImage) -> Vec<i32> {
    placed.replicas.iter().filter(|r| placed.removing.contains(&r.replica_id)).map(|r| r.node).collect()
}

/// Kafka counts as adding what was not there before the move.
fn adding(placed: &PartitionImage) -> Vec<i32> {
    let oldest_going = placed.removing.iter().min().copied().unwrap_or(0);
    let added = placed.target().filter(|r| r.is_late && r.replica_id > oldest_going);
    added.map(|r| r.node).collect()
}

/// Where the replicas were before the move that is under way.
fn before_move(placed: &PartitionImage) -> Option<Vec<i32>> {
    if !is_moving(placed) {
        return None;
    }
    let added = adding(placed);
    let kept = placed.target().map(|r| r.node).filter(|node| !added.contains(node));
    Some(kept.chain(removing(placed)).collect())
}

fn check_nodes(image: &MetadataImage, nodes: &[i32]) -> Result<(), BrokerError> {
    let refuse = |reason: String| Err(BrokerError::InvalidReplicaAssignment { reason });
    if nodes.is_empty() {
        return refuse("the manual partition assignment includes an empty replica list".into());
    }
    let mut sorted = nodes.to_vec();
    sorted.sort_unstable();
    let mut seen = BTreeSet::new();
    for node in sorted {
        if !image.nodes.contains_key(&node) {
            return refuse(format!(
                "the manual partition assignment includes broker {node}, but no such broker is registered"
            ));
        }
        if !seen.insert(node) {
            return refuse(format!(
                "the manual partition assignment includes the broker {node} more than once"
            ));
        }
    }
    Ok(())
}
