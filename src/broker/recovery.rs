//! A partition whose majority of voters is gone for good: the controller has the replica go on alone that has most of
//! what is left. What only the others had is lost, so it is done only when somebody asks for it (`ElectLeaders` with
//! the election type `UNCLEAN`, Kafka's own door for that; `bateau partition recover` uses it).
//!
//! One at a time, in this order:
//! 1. All living nodes with a replica say what it has. If those that answer are a majority of the voters, nothing is
//!    given up: an ordinary election will do.
//! 2. The one with the greatest (term, index) opens its log anew, which verifies it. Until here nothing has changed.
//! 3. The metadata puts new replicas, on the same nodes, in the place of all others. From here on whatever comes back
//!    with old data does not start as the voter that it was: no majority of the old voters ever meets again.
//! 4. The chosen one makes itself the only voter (`cluster::alone`) and leads; as for any move its upkeep brings the new
//!    replicas in.
//!
//! Were 4 before 3, old voters that come back in between could elect a second leader, and the upkeep would bring them in
//! as they were. If the controller or the chosen node dies between 3 and 4, the partition has no leader, as before, and
//! the chosen log still has everything: asking once more finds that one, the only voter that answers, and ends what was
//! begun. A late request to go on alone does nothing: it names the voters that the log had, and replica ids are never
//! used again.

use std::collections::BTreeSet;
use std::time::Duration;

use prost::Message;
use tokio::time::{sleep, timeout};

use super::controller::{OfPartition, Verb};
use super::reassignments::{placed_command, replaced};
use super::{Broker, BrokerError, TopicImage};
use crate::cluster::{PartitionImage, PartitionKey, Placement, spawn};
use crate::model::PartitionId;

/// How long a node may take to say what its replica has: it may have to open it first.
const SAID_WITHIN: Duration = Duration::from_secs(5);
/// How long a leader may take to be there.
const LED_WITHIN: Duration = Duration::from_secs(5);
/// Pause between two looks whether it is.
const LOOKED_AT_EVERY: Duration = Duration::from_millis(20);
/// How often it is begun again because the replicas were placed anew meanwhile.
const TRIES: usize = 3;

/// Voters by replica id.
#[derive(Clone, PartialEq, Eq, Message)]
struct Voters {
    #[prost(uint64, repeated, tag = "1")]
    replicas: Vec<u64>,
}

/// What a replica has.
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct Holding {
    #[prost(uint64, tag = "1")]
    replica: u64,
    #[prost(bool, tag = "2")]
    leads: bool,
    /// The greatest term that it knows of.
    #[prost(uint64, tag = "3")]
    term: u64,
    /// Of its last entry.
    #[prost(uint64, tag = "4")]
    last_term: u64,
    /// Its last entry's Raft index plus one; 0: it has none.
    #[prost(uint64, tag = "5")]
    next_index: u64,
    /// One set, or two while they change.
    #[prost(message, repeated, tag = "6")]
    sets: Vec<Voters>,
}

/// A replica is to open its log anew, or to go on alone.
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct GoAlone {
    #[prost(message, optional, tag = "1")]
    of: Option<OfPartition>,
    /// What it said that it has.
    #[prost(message, optional, tag = "2")]
    holding: Option<Holding>,
    /// All terms up to this one may have been used.
    #[prost(uint64, tag = "3")]
    above: u64,
    /// The Raft index of the metadata that place the other replicas anew; 0: it only opens its log anew.
    #[prost(uint64, tag = "4")]
    placed_at: u64,
}

/// The replica that is to go on, and where it is.
#[derive(Clone, Debug)]
struct Survivor {
    node: i32,
    holding: Holding,
    /// Replicas that are there, have nothing and vote for nobody.
    blank: BTreeSet<u64>,
    /// The greatest term that anybody knows of.
    term: u64,
}

/// What is left of a partition.
enum Left {
    /// A majority of the voters, and whether one of them leads.
    Majority {
        is_led: bool,
    },
    /// Less than that.
    Survivor(Survivor),
    Nobody,
}

impl Broker {
    /// Has some replica lead a partition, also one that lacks what was agreed on, if nothing else is left.
    ///
    /// # Errors
    /// [`BrokerError::ElectionNotNeeded`] if one leads and has a majority; [`BrokerError::NoEligibleLeader`] if no
    /// replica that has anything is heard.
    pub async fn elect_unclean(&self, topic: &TopicImage, partition: PartitionId) -> Result<(), BrokerError> {
        let of = OfPartition::new((topic.id, partition));
        self.by_controller(Verb::Recover(of)).await.map(|_| ())
    }

    /// The controller's part. Goes on to its end even if nobody waits for it any more: half of it is of no use.
    pub(super) async fn recover(&self, key: PartitionKey) -> Result<(), BrokerError> {
        let (answer, wait) = tokio::sync::oneshot::channel();
        let broker = self.clone();
        spawn(async move {
            let _only_one = broker.0.recovering.lock().await;
            drop(answer.send(broker.recover_one(key).await));
        });
        wait.await.unwrap_or(Err(BrokerError::Closing))
    }

    async fn recover_one(&self, key: PartitionKey) -> Result<(), BrokerError> {
        for _ in 0..TRIES {
            if !self.is_controller() {
                return Err(BrokerError::NotController);
            }
            let image = self.image();
            let topic = image.topic_by_id(key.0).ok_or(BrokerError::UnknownTopicId { id: key.0 })?;
            let name = format!("{}-{}", topic.name, key.1);
            let placed = topic.partition(key.1).ok_or_else(|| BrokerError::UnknownPartition {
                topic: topic.name.to_string(),
                partition: key.1,
            })?;
            let survivor = match self.look_for_survivors(key, placed).await {
                Left::Majority { is_led: true } => {
                    return Err(BrokerError::ElectionNotNeeded { partition: name });
                }
                Left::Majority { is_led: false } => return self.led_again(key, &name).await,
                Left::Nobody => return Err(BrokerError::NoEligibleLeader { partition: name }),
                Left::Survivor(survivor) => survivor,
            };
            let go = |placed_at| GoAlone {
                of: Some(OfPartition::new(key)),
                holding: Some(survivor.holding.clone()),
                above: survivor.term,
                placed_at,
            };
            self.have_go_alone(survivor.node, go(0)).await?;
            if self.give_up_others(key, placed, &survivor).await? {
                let placed_at = self.0.metadata.applied().unwrap_or(0);
                self.have_go_alone(survivor.node, go(placed_at)).await?;
                let (node, replica) = (survivor.node, survivor.holding.replica);
                tracing::warn!(
                    partition = name,
                    node,
                    replica,
                    "the majority is given up: one replica goes on alone"
                );
                return self.led_again(key, &name).await;
            }
        }
        Err(BrokerError::NotController)
    }

    /// Asks all living nodes that have a replica.
    async fn look_for_survivors(&self, key: PartitionKey, placed: &PartitionImage) -> Left {
        let nodes: BTreeSet<i32> = placed.nodes().into_iter().filter(|node| self.is_alive(*node)).collect();
        let asked = nodes.into_iter().map(|node| async move {
            let said = timeout(SAID_WITHIN, self.holding_on(node, key)).await.ok()?;
            Some((node, said.ok()?))
        });
        let said: Vec<(i32, Holding)> =
            futures_util::future::join_all(asked).await.into_iter().flatten().collect();
        tracing::debug!(?key, ?said, "what is left of a partition");
        left(said)
    }

    async fn holding_on(&self, node: i32, key: PartitionKey) -> Result<Holding, BrokerError> {
        if node == self.node_id() {
            return self.holding(key).await;
        }
        let said = self.send_to(node, Verb::Holding(OfPartition::new(key))).await?;
        Holding::decode(&said[..])
            .map_err(|error| BrokerError::ControllerRefused { reason: format!("node {node}: {error}") })
    }

    async fn have_go_alone(&self, node: i32, go: GoAlone) -> Result<(), BrokerError> {
        if node == self.node_id() {
            return self.go_alone(go).await;
        }
        self.send_to(node, Verb::GoAlone(go)).await.map(|_| ())
    }

    /// Waits for the leader.
    async fn led_again(&self, key: PartitionKey, name: &str) -> Result<(), BrokerError> {
        let is_led = async {
            while !self.0.exchange.leaders.get(&key).is_some_and(|leader| self.is_alive(leader.node)) {
                sleep(LOOKED_AT_EVERY).await;
            }
        };
        let led = timeout(LED_WITHIN, is_led).await;
        led.map_err(|_| BrokerError::NoEligibleLeader { partition: name.to_owned() })
    }

    /// New replicas in the place of all others. `false`: they are placed otherwise by now.
    async fn give_up_others(
        &self,
        key: PartitionKey,
        placed: &PartitionImage,
        survivor: &Survivor,
    ) -> Result<bool, BrokerError> {
        let _only_one = self.control().await?;
        let image = self.image();
        let Some(topic) = image.topic_by_id(key.0) else { return Ok(false) };
        if topic.partition(key.1) != Some(placed) {
            return Ok(false);
        }
        let mut next_replica_id = image.next_replica_id.max(1);
        let placement =
            without_others(placed, survivor.holding.replica, &survivor.blank, &mut next_replica_id);
        if PartitionImage::from(placement.clone()) != *placed {
            self.change_metadata(vec![placed_command(topic, key.1, placement)]).await?;
        }
        Ok(true)
    }

    /// What this node's replica has.
    pub(super) async fn holding(&self, key: PartitionKey) -> Result<Holding, BrokerError> {
        let log = self.0.replicas.get(key.0, key.1).ok_or(BrokerError::UnknownTopicId { id: key.0 })?;
        let group = log.group().await.map_err(|error| BrokerError::of_log(&log.identity.name, error))?;
        let last = group.partition.last_entry().or(group.partition.before_first());
        Ok(Holding {
            replica: group.replica_id(),
            leads: group.leads().is_some(),
            term: group.role().term,
            last_term: last.map_or(0, |(term, _)| term),
            next_index: last.map_or(0, |(_, index)| index + 1),
            sets: group.voters().into_iter().map(|replicas| Voters { replicas }).collect(),
        })
    }

    /// This node's replica opens its log anew, or goes on alone.
    pub(super) async fn go_alone(&self, go: GoAlone) -> Result<(), BrokerError> {
        let key = go.of.as_ref().and_then(OfPartition::key);
        let (Some(key), Some(said)) = (key, go.holding) else {
            return Err(BrokerError::InvalidRequest { reason: "a recovery of no partition".into() });
        };
        // What it leads is brought to where the metadata wants it.
        let seen = timeout(SAID_WITHIN, self.0.metadata.seen(go.placed_at)).await;
        seen.map_err(|_| BrokerError::NotController)?;
        let log = self.0.replicas.get(key.0, key.1).ok_or(BrokerError::UnknownTopicId { id: key.0 })?;
        let name = &log.identity.name;
        let group = log.group().await.map_err(|error| BrokerError::of_log(name, error))?;
        let is_same = group.replica_id() == said.replica && group.voters() == sets(&said);
        if group.replica_id() == said.replica && group.voters() == [[said.replica]] {
            return Ok(());
        }
        if !is_same {
            return Err(BrokerError::InvalidRequest {
                reason: format!("the voters of {name} are others by now"),
            });
        }
        let alone_above = (go.placed_at > 0).then_some(go.above);
        let started = log.start_again(alone_above).await;
        started.map(|_| ()).map_err(|error| BrokerError::of_log(name, error))
    }
}

fn sets(holding: &Holding) -> Vec<Vec<u64>> {
    holding.sets.iter().map(|set| set.replicas.clone()).collect()
}

/// What is left, by what nodes say of their replicas.
fn left(said: Vec<(i32, Holding)>) -> Left {
    let there: BTreeSet<u64> = said.iter().map(|(_, holding)| holding.replica).collect();
    let blank = said.iter().filter(|(_, holding)| holding.next_index == 0 && holding.sets.is_empty());
    let blank: BTreeSet<u64> = blank.map(|(_, holding)| holding.replica).collect();
    let term = said.iter().map(|(_, holding)| holding.term).max().unwrap_or(0);
    let is_led = said.iter().any(|(_, holding)| holding.leads);
    let with_entries =
        said.into_iter().filter(|(_, holding)| holding.next_index > 0 && !holding.sets.is_empty());
    let greatest = with_entries.max_by_key(|(_, h)| (h.last_term, h.next_index, h.leads));
    let Some((node, holding)) = greatest else { return Left::Nobody };
    let is_majority = holding.sets.iter().all(|set| {
        let heard = set.replicas.iter().filter(|voter| there.contains(voter)).count();
        heard * 2 > set.replicas.len()
    });
    if is_majority {
        return Left::Majority { is_led };
    }
    Left::Survivor(Survivor { node, holding, blank, term })
}

/// `placed` with another replica in the place of each that is to stay, the survivor and the blank ones aside. Those that
/// were to go do so at once.
fn without_others(
    placed: &PartitionImage,
    survivor: u64,
    blank: &BTreeSet<u64>,
    next_replica_id: &mut u64,
) -> Placement {
    let mut after = placed.clone();
    after.replicas.retain(|r| r.replica_id == survivor || !placed.removing.contains(&r.replica_id));
    after.removing.retain(|going| *going == survivor);
    let given_up: Vec<u64> = after
        .target()
        .map(|r| r.replica_id)
        .filter(|replica| *replica != survivor && !blank.contains(replica))
        .collect();
    for lost in given_up {
        if let Some(placement) = replaced(&after, lost, next_replica_id) {
            after = placement.into();
        }
    }
    after.placement()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::Replica;

    fn holding(replica: u64, (last_term, next_index): (u64, u64), sets: &[&[u64]]) -> Holding {
        let sets = sets.iter().map(|set| Voters { replicas: set.to_vec() }).collect();
        Holding { replica, leads: false, term: last_term + 1, last_term, next_index, sets }
    }

    #[test]
    fn of_less_than_a_majority_the_one_with_the_greatest_term_and_then_index_goes_on() {
        let of_five: &[&[u64]] = &[&[1, 2, 3, 4, 5]];
        let said = vec![
            (1, holding(1, (3, 90), of_five)),
            (2, holding(2, (4, 80), of_five)),
            (3, holding(9, (0, 0), &[])),
        ];
        let Left::Survivor(survivor) = left(said) else { panic!("there is one") };
        assert_eq!((survivor.node, survivor.holding.replica, survivor.term), (2, 2, 5));
        assert_eq!(survivor.blank, BTreeSet::from([9]));
    }

    #[test]
    fn a_majority_gives_nothing_up_and_replicas_without_entries_are_nobody() {
        let of_three: &[&[u64]] = &[&[1, 2, 3]];
        let said = vec![(1, holding(1, (3, 9), of_three)), (3, holding(3, (3, 7), of_three))];
        assert!(matches!(left(said), Left::Majority { is_led: false }));
        // Both sets of a change have to agree.
        let changes: &[&[u64]] = &[&[1, 2, 3], &[3, 4, 5]];
        let said = vec![(1, holding(1, (3, 9), changes)), (3, holding(3, (3, 7), changes))];
        assert!(matches!(left(said), Left::Survivor(_)));
        assert!(matches!(left(vec![(1, holding(1, (0, 0), &[]))]), Left::Nobody));
    }

    #[test]
    fn all_but_the_survivor_and_the_blank_are_replaced_where_they_are() {
        let replica = |node, replica_id| Replica { node, replica_id, is_late: false };
        let placed = PartitionImage {
            replicas: vec![replica(1, 11), replica(2, 12), replica(3, 13), replica(4, 14), replica(5, 15)],
            removing: vec![15],
        };
        let mut next = 20;
        let after = PartitionImage::from(without_others(&placed, 12, &BTreeSet::from([14]), &mut next));
        let target: Vec<_> = after.target().map(|r| (r.node, r.replica_id, r.is_late)).collect();
        assert_eq!(target, [(1, 20, true), (2, 12, false), (3, 21, true), (4, 14, false)]);
        assert_eq!(
            (after.on(1), after.on(2), after.on(3), after.on(5)),
            (Some(20), Some(12), Some(21), None)
        );
        assert_eq!(after.removing, [11, 13]);
        // Once more, with node 1 there and still without anything.
        let again = without_others(&after, 12, &BTreeSet::from([14, 20, 21]), &mut next);
        assert_eq!(
            PartitionImage::from(again).target().map(|r| r.replica_id).collect::<Vec<_>>(),
            [20, 12, 21, 14]
        );
    }
}
