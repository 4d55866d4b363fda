//! What a leader does for its groups from time to time: say who keeps up, bring replicas to where the metadata wants
//! them, hand leadership back to the preferred replica. And the controller for the metadata group: make nodes learners,
//! and learners voters.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::Instant;

use super::distributed_log::DistributedLog;
use super::exchange::Exchange;
use super::leaders::PartitionKey;
use super::metadata::{MetadataImage, PartitionImage};
use super::metadata_log::{METADATA_TOPIC_ID, node_of_metadata_replica};
use super::raft::{Group, GroupError, spawn};
use super::replicas::Replicas;
use crate::model::RaftIndex;
use crate::storage::GroupId;

/// How often a leader looks at its groups.
const EVERY: Duration = Duration::from_millis(300);
/// Rounds between two looks whether groups ended by themselves.
const LOOKED_AT_EVERY: u64 = 4;
/// A learner counts as caught up when it lacks at most so many entries: the rest comes while it is made a voter.
const CAUGHT_UP_WITHIN: u64 = 64;
/// Groups that are brought elsewhere at the same time, so that catching up does not starve producers.
const MOVES_MAX: usize = 8;
/// Leaderships that are handed back in one round.
const HANDED_BACK_MAX: usize = 16;
/// How long a node must have been there before it gets its leaderships back.
const HANDED_BACK_AFTER: Duration = Duration::from_secs(3);
/// Until when a follower has taken something from a new leader.
const HEARD_WITHIN: Duration = Duration::from_secs(1);
/// The most voters of the metadata group.
const METADATA_VOTERS_MAX: usize = 5;

/// What a leader knows of one follower.
#[derive(Clone, Copy, Debug)]
struct CaughtUp {
    /// Since when this leader looks.
    since: Instant,
    /// When the follower was last seen to have everything.
    at: Instant,
    /// The leader's last entry when it was last looked at.
    last: Option<RaftIndex>,
}

/// What of the settings concerns this.
#[derive(Clone, Copy, Debug)]
pub struct UpkeepSettings {
    /// How long a voter may lag behind and still count as in sync: `replica.lag.time.max.ms`.
    pub lag_max: Duration,
    /// Whether leadership goes back to preferred replicas: `auto.leader.rebalance.enable`.
    pub hand_back: bool,
}

/// What the controller has to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// A partition's replicas are where they were to go: these, by their ids.
    Placed(PartitionKey, BTreeSet<u64>),
    /// This node's replica of a partition, by its id, lost what it had.
    Lost(PartitionKey, u64),
}

/// Tells the controller.
pub(super) type TellController = Arc<dyn Fn(News) -> BoxFuture<'static, ()> + Send + Sync>;

/// See the module.
pub struct Upkeep {
    exchange: Arc<Exchange>,
    replicas: Arc<Replicas>,
    metadata: Arc<DistributedLog>,
    tell: TellController,
    caught_up: BTreeMap<(PartitionKey, u64), CaughtUp>,
    moving: Arc<Mutex<BTreeSet<PartitionKey>>>,
    /// Groups for which nothing was to be done, and their last entry then: as long as that is so, nothing is.
    quiet: BTreeMap<PartitionKey, Option<RaftIndex>>,
    /// The metadata and the living nodes as of the last round.
    seen: (Arc<MetadataImage>, BTreeMap<i32, Instant>),
    rounds: u64,
}

impl std::fmt::Debug for Upkeep {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Upkeep").finish_non_exhaustive()
    }
}

impl Upkeep {
    pub fn new(
        exchange: Arc<Exchange>,
        replicas: Arc<Replicas>,
        metadata: Arc<DistributedLog>,
        tell: TellController,
    ) -> Self {
        let (caught_up, moving) = (BTreeMap::new(), Arc::default());
        let (quiet, seen, rounds) = (BTreeMap::new(), Default::default(), 0);
        Self { exchange, replicas, metadata, tell, caught_up, moving, quiet, seen, rounds }
    }

    /// Runs until `closing`.
    pub async fn run(
        mut self,
        settings: impl Fn() -> UpkeepSettings + Send,
        mut closing: watch::Receiver<bool>,
    ) {
        while tokio::time::timeout(EVERY, closing.wait_for(|closing| *closing)).await.is_err() {
            self.round(settings());
        }
    }

    fn round(&mut self, settings: UpkeepSettings) {
        let image = self.exchange.image();
        let living = self.exchange.living();
        if !Arc::ptr_eq(&self.seen.0, &image) || self.seen.1 != living {
            self.quiet.clear();
            self.seen = (Arc::clone(&image), living);
        }
        self.rounds += 1;
        if self.rounds.is_multiple_of(LOOKED_AT_EVERY) {
            self.metadata.look();
            for log in self.replicas.all() {
                log.look();
                self.look_for_loss(&image, &log);
            }
        }
        let mut led = BTreeSet::new();
        let mut handed_back = 0;
        for log in self.replicas.all() {
            let Some(group) = log.running().filter(|group| group.leads().is_some()) else { continue };
            let key = (log.identity.log.topic_id, log.identity.log.partition);
            let last = group.last_index();
            led.insert(key);
            group.reach_missed();
            // What it has is what there is.
            group.recollect();
            if self.quiet.get(&key) == Some(&last) {
                continue;
            }
            let Some(placed) = image.topic_by_id(key.0).and_then(|topic| topic.partition(key.1)) else {
                continue;
            };
            let (in_sync, is_known) = self.in_sync(key, &group, placed, settings.lag_max);
            let all_in_sync = is_known && in_sync.len() == placed.replicas.len();
            self.announce(key, &group, in_sync.clone());
            if self.bring(key, &group, placed) {
                continue;
            }
            let preferred = placed.target().next().is_none_or(|first| first.node == self.exchange.node());
            if all_in_sync && (preferred || !settings.hand_back) {
                self.quiet.insert(key, last);
            }
            if settings.hand_back
                && handed_back < HANDED_BACK_MAX
                && self.hand_back(key, &group, placed, &in_sync)
            {
                handed_back += 1;
            }
        }
        self.caught_up.retain(|(key, _), _| led.contains(key));
        self.quiet.retain(|key, _| led.contains(key));
        self.keep_metadata(&image);
    }

    fn announce(&self, key: PartitionKey, group: &Group, in_sync: Vec<i32>) {
        if let Some(epoch) = group.leads() {
            self.exchange.lead(key, u64::from(epoch.0.unsigned_abs()), in_sync);
        }
    }

    /// The nodes of the voters that keep up, in the order of placement; and whether all of them said so themselves.
    fn in_sync(
        &mut self,
        key: PartitionKey,
        group: &Group,
        placed: &PartitionImage,
        lag_max: Duration,
    ) -> (Vec<i32>, bool) {
        let now = Instant::now();
        let last = group.last_index();
        for follower in group.followers() {
            let fresh = CaughtUp { since: now, at: now, last };
            let known = self.caught_up.entry((key, follower.replica)).or_insert(fresh);
            // Whoever has what was there a round ago keeps up.
            if follower.matched >= known.last {
                known.at = now;
            }
            known.last = last;
        }
        let voters: BTreeSet<u64> = group.voters().into_iter().flatten().collect();
        let me = self.exchange.node();
        let mut is_known = true;
        let mut counts = |node: i32, replica: u64| {
            if node == me {
                return true;
            }
            let up = self.seen.1.get(&node).filter(|_| self.exchange.is_alive(node));
            let (Some(up), Some(caught_up)) = (up, self.caught_up.get(&(key, replica))) else { return false };
            let is_heard = group.has_heard_since(replica, *up);
            is_known &= is_heard;
            // To a new leader those count that did so before, until they can have said more.
            let is_new = caught_up.since >= *up && now.duration_since(caught_up.since) <= HEARD_WITHIN;
            let keeps_up = now.duration_since(caught_up.at) <= lag_max;
            voters.contains(&replica) && (is_heard || is_new) && keeps_up
        };
        let in_sync =
            placed.replicas.iter().filter(|r| counts(r.node, r.replica_id)).map(|r| r.node).collect();
        (in_sync, is_known)
    }

    /// Brings the group's replicas one step nearer to where they are to be. Whether there was anything to do.
    fn bring(&self, key: PartitionKey, group: &Arc<Group>, placed: &PartitionImage) -> bool {
        let target: BTreeSet<u64> = placed.target().map(|r| r.replica_id).collect();
        let sets = group.voters();
        let voters: BTreeSet<u64> = sets.iter().flatten().copied().collect();
        let members: BTreeSet<u64> = group.members().into_iter().collect();
        let is_there = sets.len() == 1 && voters == target && members == target;
        if target.is_empty() || (is_there && placed.removing.is_empty()) {
            return false;
        }
        {
            let mut moving = self.moving.lock();
            if moving.contains(&key) || moving.len() >= MOVES_MAX {
                return true;
            }
            moving.insert(key);
        }
        let me = Arc::clone(&self.moving);
        let (group, tell) = (Arc::clone(group), Arc::clone(&self.tell));
        spawn(async move {
            let moved = if is_there {
                tell(News::Placed(key, target)).await;
                Ok(())
            } else {
                step(&group, &target, &voters, &members).await
            };
            if let Err(error) = moved {
                tracing::debug!(partition = %group.partition.identity.name, %error, "its replicas stay for now");
            }
            me.lock().remove(&key);
        });
        true
    }

    /// A replica whose files are damaged or gone never votes again in its old place: another has to come instead.
    fn look_for_loss(&self, image: &MetadataImage, log: &DistributedLog) {
        let key = (log.identity.log.topic_id, log.identity.log.partition);
        let replica = log.identity.log.replica_id;
        let placed = image.topic_by_id(key.0).and_then(|topic| topic.partition(key.1));
        let is_one_of_several = placed.is_some_and(|placed| {
            placed.replicas.len() > 1 && placed.target().any(|target| target.replica_id == replica)
        });
        if !is_one_of_several || !log.is_lost() || !self.moving.lock().insert(key) {
            return;
        }
        tracing::warn!(partition = %log.identity.name, replica, "the replica is lost; another is asked for");
        let (me, tell) = (Arc::clone(&self.moving), Arc::clone(&self.tell));
        spawn(async move {
            tell(News::Lost(key, replica)).await;
            me.lock().remove(&key);
        });
    }

    /// Hands leadership to the first replica of the placement, if it is not this one and keeps up.
    fn hand_back(
        &self,
        key: PartitionKey,
        group: &Arc<Group>,
        placed: &PartitionImage,
        in_sync: &[i32],
    ) -> bool {
        let Some(preferred) = placed.target().next() else { return false };
        let is_steady =
            self.seen.1.get(&preferred.node).is_some_and(|since| since.elapsed() >= HANDED_BACK_AFTER);
        if preferred.node == self.exchange.node() || !in_sync.contains(&preferred.node) || !is_steady {
            return false;
        }
        if !self.moving.lock().insert(key) {
            return false;
        }
        let (me, group, to) = (Arc::clone(&self.moving), Arc::clone(group), preferred.replica_id);
        spawn(async move {
            group.hand_over(to).await;
            me.lock().remove(&key);
        });
        true
    }

    /// The controller's part: every node follows the metadata, and up to five vote.
    fn keep_metadata(&self, image: &MetadataImage) {
        let Some(group) = self.metadata.running() else { return };
        let Some(epoch) = group.leads() else { return };
        group.reach_missed();
        group.recollect();
        let key = (METADATA_TOPIC_ID, 0);
        self.exchange.lead(key, u64::from(epoch.0.unsigned_abs()), self.metadata_in_sync(&group));
        if image.nodes.is_empty() || !self.moving.lock().insert(key) {
            return;
        }
        let change = metadata_change(&self.exchange, &group, image);
        let me = Arc::clone(&self.moving);
        spawn(async move {
            let changed = match change {
                None => Ok(()),
                Some(Change::Learner(replica)) => group.add_learner(replica).await,
                Some(Change::Voters(voters)) => group.add_voters(voters).await,
                Some(Change::Remove(replicas)) => group.remove(replicas).await,
                Some(Change::Only(voters)) => group.keep_voters(voters).await,
            };
            if let Err(error) = changed {
                tracing::warn!(%error, "the replicas of the metadata stay as they are for now");
            }
            me.lock().remove(&key);
        });
    }

    fn metadata_in_sync(&self, group: &Group) -> Vec<i32> {
        let voters = group.voters().into_iter().flatten().map(node_of_metadata_replica);
        let alive: BTreeSet<i32> = voters.filter(|node| self.exchange.is_alive(*node)).collect();
        alive.into_iter().collect()
    }
}

/// A change of the metadata group's replicas; one at a time.
#[derive(Debug, PartialEq, Eq)]
enum Change {
    Learner(u64),
    Voters(BTreeSet<u64>),
    Remove(BTreeSet<u64>),
    /// Only these vote from now on; the others follow.
    Only(BTreeSet<u64>),
}

fn metadata_change(exchange: &Exchange, group: &Group, image: &MetadataImage) -> Option<Change> {
    if let [_, wanted] = &group.voters()[..] {
        // An earlier controller began a change and did not end it.
        return Some(Change::Voters(wanted.iter().copied().collect()));
    }
    let wanted: BTreeSet<u64> = image.nodes.values().map(|node| node.metadata_replica).collect();
    let members: BTreeSet<u64> = group.members().into_iter().collect();
    let gone: BTreeSet<u64> =
        members.difference(&wanted).copied().filter(|r| *r != group.replica_id()).collect();
    if !gone.is_empty() {
        return Some(Change::Remove(gone));
    }
    if let Some(new) = wanted.difference(&members).next() {
        return Some(Change::Learner(*new));
    }
    let voters: BTreeSet<u64> = group.voters().into_iter().flatten().collect();
    let last = group.last_index();
    let ready = |replica: &u64| {
        let follower = group.followers().into_iter().find(|f| f.replica == *replica);
        let promised = exchange.promised(&GroupId { replica_id: *replica, ..group.group_id() });
        promised && follower.is_some_and(|f| is_caught_up(f.matched, last))
    };
    let candidates: Vec<u64> = members.difference(&voters).copied().filter(ready).collect();
    let added = voters_to_add(voters.len(), candidates.len());
    if added > 0 {
        return Some(Change::Voters(candidates.into_iter().take(added).collect()));
    }
    // A node went for good: an even number of voters outlives no more nodes than the odd one below.
    let spare = voters.iter().rev().find(|voter| **voter != group.replica_id()).copied();
    let spare = spare.filter(|_| voters.len().is_multiple_of(2))?;
    Some(Change::Only(voters.into_iter().filter(|voter| *voter != spare).collect()))
}

/// How many candidates are made voters, so that there is an odd number of voters, five at most.
fn voters_to_add(voters: usize, candidates: usize) -> usize {
    let possible = (voters + candidates).min(METADATA_VOTERS_MAX);
    let odd = possible - (possible + 1) % 2;
    odd.saturating_sub(voters)
}

fn is_caught_up(matched: Option<RaftIndex>, last: Option<RaftIndex>) -> bool {
    matched.is_some_and(|matched| matched + CAUGHT_UP_WITHIN >= last.unwrap_or(0))
}

/// One step of a group's replicas towards `target`.
async fn step(
    group: &Group,
    target: &BTreeSet<u64>,
    voters: &BTreeSet<u64>,
    members: &BTreeSet<u64>,
) -> Result<(), GroupError> {
    if let Some(new) = target.difference(members).next() {
        return group.add_learner(*new).await;
    }
    if voters == target && group.voters().len() == 1 {
        // Learners of a move that went elsewhere before they voted.
        return group.remove(members.difference(target).copied().collect()).await;
    }
    let last = group.last_index();
    let me = group.replica_id();
    let followers = group.followers();
    let lags = |replica: &&u64| {
        let matched = followers.iter().find(|f| f.replica == **replica).and_then(|f| f.matched);
        **replica != me && !is_caught_up(matched, last)
    };
    if target.difference(voters).find(lags).is_some() {
        return Ok(());
    }
    if target.contains(&me) {
        return group.set_voters(target.clone()).await;
    }
    // The leader goes: those that stay vote first, then one of them leads, and lets it go.
    let new: BTreeSet<u64> = target.difference(voters).copied().collect();
    if !new.is_empty() {
        return group.add_voters(new).await;
    }
    for to in target {
        if group.hand_over(*to).await {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_metadata_has_an_odd_number_of_voters_and_five_at_most() {
        let added: Vec<_> =
            [(1, 0), (1, 1), (1, 2), (2, 1), (3, 1), (3, 2), (3, 4), (5, 3), (2, 0), (4, 1)].to_vec();
        let found: Vec<_> = added.into_iter().map(|(v, c)| voters_to_add(v, c)).collect();
        assert_eq!(found, [0, 0, 2, 1, 0, 2, 2, 0, 0, 1]);
    }
}
