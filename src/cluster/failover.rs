//! Sees to it that every group with a living majority has a leader: who campaigns, and when; and that every replica
//! hears of its leader.
//!
//! A group without a known leader is campaigned for by the first of its living replicas; the next ones try later, in
//! case the first lacks entries that a majority has. A campaign that has no chance changes nothing (`Group::campaign`).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;

use super::distributed_log::DistributedLog;
use super::exchange::Exchange;
use super::leaders::PartitionKey;
use super::metadata_log::METADATA_TOPIC_ID;
use super::raft::spawn;
use super::replicas::Replicas;
use crate::storage::GroupId;

/// How often groups without a leader are looked at.
const LOOKED_AT_EVERY: Duration = Duration::from_millis(25);
/// What each living replica before this one is given to become leader first.
const TURN: Duration = Duration::from_millis(150);
/// The same of a group that never had a leader: nobody waits for it yet, and handing it back would cost an epoch.
const FIRST_TURN: Duration = Duration::from_millis(600);
/// Pause after the first campaign in vain; it doubles up to [`PAUSE_MAX`].
const PAUSE_FIRST: Duration = Duration::from_millis(25);
const PAUSE_MAX: Duration = Duration::from_millis(400);
/// How long a replica believes in a leader that sends entries and does not announce itself: one that ended before it was
/// ready never will.
const ANNOUNCED_WITHIN: Duration = Duration::from_secs(5);
/// Campaigns at the same time.
const CAMPAIGNS_MAX: usize = 64;

/// A group that waits for a leader.
#[derive(Debug)]
struct Waiting {
    since: Instant,
    tries: u32,
    next: Instant,
    /// The leader that did not announce itself, its term, and since when it leads.
    silent: Option<(u64, u64, Instant)>,
    /// One campaign at a time: another would take the term of the one before.
    campaigns: Arc<Semaphore>,
}

impl Waiting {
    /// Whether the replica follows a leader that did not announce itself; for too long, and it does no more.
    fn doubts(&mut self, exchange: &Exchange, log: &DistributedLog, now: Instant) -> bool {
        let Some((leader, term)) = silent_leader(exchange, log) else { return false };
        let since = match self.silent {
            Some((known, at, since)) if (known, at) == (leader, term) => since,
            _ => now,
        };
        self.silent = Some((leader, term, since));
        if now >= since + ANNOUNCED_WITHIN
            && let Some(group) = log.running()
        {
            tracing::warn!(partition = %log.identity.name, leader, term, "the leader never announced itself");
            group.forget_leader(leader);
        }
        true
    }
}

/// Runs until `closing`: see the module.
pub async fn keep_led(
    exchange: Arc<Exchange>,
    replicas: Arc<Replicas>,
    metadata: Arc<DistributedLog>,
    mut closing: watch::Receiver<bool>,
) {
    let mut unrest = exchange.unrest();
    // What made campaigns worth while may have come before there was anybody to look.
    unrest.mark_changed();
    let mut waiting: BTreeMap<PartitionKey, Waiting> = BTreeMap::new();
    let campaigns = Arc::new(Semaphore::new(CAMPAIGNS_MAX));
    loop {
        let looked_at = async {
            if waiting.is_empty() {
                drop(unrest.changed().await);
            } else {
                tokio::time::sleep(LOOKED_AT_EVERY).await;
                unrest.mark_unchanged();
            }
        };
        tokio::select! {
            () = looked_at => {}
            _ = closing.wait_for(|closing| *closing) => return,
        }
        if exchange.is_leaving() {
            continue;
        }
        let mut without = replicas.all();
        without.push(Arc::clone(&metadata));
        without.retain(|log| {
            lacks_leader(&exchange, log)
                || is_unheard(&exchange, log)
                || silent_leader(&exchange, log).is_some()
        });
        let now = Instant::now();
        let keys: Vec<PartitionKey> = without.iter().map(|log| key_of(log)).collect();
        waiting.retain(|key, _| keys.contains(key));
        for log in without {
            let waits = waiting.entry(key_of(&log)).or_insert_with(|| Waiting {
                since: now,
                tries: 0,
                next: now,
                silent: None,
                campaigns: Arc::new(Semaphore::new(1)),
            });
            if waits.doubts(&exchange, &log, now) {
                continue;
            }
            if waits.campaigns.available_permits() == 0 {
                // After a campaign in vain turns count anew: two that began together would split the votes for ever.
                waits.since = now;
                continue;
            }
            let turn = match is_unheard(&exchange, &log) {
                true => Duration::ZERO,
                false if is_new(&log) => FIRST_TURN * rank(&exchange, &log),
                false => TURN * rank(&exchange, &log),
            };
            if now < waits.next || now < waits.since + turn {
                continue;
            }
            let Ok(alone) = Arc::clone(&waits.campaigns).try_acquire_owned() else { continue };
            let Ok(permit) = Arc::clone(&campaigns).try_acquire_owned() else { break };
            waits.next = now + (PAUSE_FIRST * (1 << waits.tries.min(5))).min(PAUSE_MAX);
            waits.tries += 1;
            let exchange = Arc::clone(&exchange);
            spawn(async move {
                match leader_of(&exchange, &log).filter(|_| is_unheard(&exchange, &log)) {
                    Some(leader) => hail(&log, leader).await,
                    None => campaign(&log).await,
                }
                drop((alone, permit));
            });
        }
    }
}

fn key_of(log: &DistributedLog) -> PartitionKey {
    let of = log.identity.log;
    (of.topic_id, of.partition)
}

/// Whether nobody is known to lead, and this replica is not the only one, which is elected at its first use.
fn lacks_leader(exchange: &Exchange, log: &DistributedLog) -> bool {
    let others = match log.running() {
        Some(group) => match group.role().leader {
            Some(leader) if leader != group.replica_id() || group.role().ready => return false,
            _ => group.voters().iter().flatten().any(|voter| *voter != group.replica_id()),
        },
        None if key_of(log).0 == METADATA_TOPIC_ID => true,
        None => exchange.placed(&key_of(log)).len() > 1,
    };
    others && exchange.leaders.announced(&key_of(log)).is_none_or(|leader| !exchange.is_alive(leader.node))
}

/// Whether nobody ever campaigned, as far as this replica knows.
fn is_new(log: &DistributedLog) -> bool {
    match log.running() {
        Some(group) => group.role().term == 0,
        None => !log.was_used(),
    }
}

/// The leader, and its term, that the replica follows and that did not announce itself.
fn silent_leader(exchange: &Exchange, log: &DistributedLog) -> Option<(u64, u64)> {
    let group = log.running()?;
    let role = group.role();
    let leader = role.leader.filter(|leader| *leader != group.replica_id())?;
    let node = exchange.node_of(&GroupId { replica_id: leader, ..log.group_id() });
    let announced = exchange.leaders.announced(&key_of(log)).map(|known| known.node);
    (announced.is_none() || announced != node).then_some((leader, role.term))
}

/// Whether the replica runs and has heard nothing of a leader that its node knows.
fn is_unheard(exchange: &Exchange, log: &DistributedLog) -> bool {
    let role = log.running().map(|group| group.role());
    role.is_some_and(|role| role.leader.is_none()) && leader_of(exchange, log).is_some()
}

/// The living leader's replica, as this node was told.
fn leader_of(exchange: &Exchange, log: &DistributedLog) -> Option<u64> {
    let (topic, partition) = key_of(log);
    let known = exchange.leaders.announced(&(topic, partition))?;
    if known.node == exchange.node() || !exchange.is_alive(known.node) {
        return None;
    }
    let group = log.running()?;
    group.members().into_iter().find(|replica| {
        exchange.node_of(&GroupId { replica_id: *replica, ..log.group_id() }) == Some(known.node)
    })
}

/// How many living replicas have their turn before this node's.
fn rank(exchange: &Exchange, log: &DistributedLog) -> u32 {
    let me = exchange.node();
    let mut placed = exchange.placed(&key_of(log));
    if !placed.contains(&me) {
        // The metadata's own log, nothing of which was applied yet: only it says who else there is.
        placed = nodes_of(exchange, log);
    }
    let before = placed.into_iter().take_while(|node| *node != me);
    u32::try_from(before.filter(|node| exchange.is_alive(*node)).count()).unwrap_or(u32::MAX)
}

/// Of all replicas, as far as the log tells, in order.
fn nodes_of(exchange: &Exchange, log: &DistributedLog) -> Vec<i32> {
    let members = log.running().map(|group| group.members()).unwrap_or_default();
    let node = |replica_id: u64| exchange.node_of(&GroupId { replica_id, ..log.group_id() });
    let mut nodes: Vec<i32> = members.into_iter().filter_map(node).collect();
    nodes.sort_unstable();
    nodes
}

async fn campaign(log: &Arc<DistributedLog>) {
    let ran = match log.group().await {
        Ok(group) => group.campaign().await.map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    if let Err(error) = ran {
        tracing::debug!(partition = %log.identity.name, error, "it cannot campaign");
    }
}

async fn hail(log: &Arc<DistributedLog>, leader: u64) {
    if let Some(group) = log.running() {
        group.hail(leader).await;
    }
}
