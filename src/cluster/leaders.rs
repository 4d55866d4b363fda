//! Who leads which partition, as far as this node was told: each leader announces itself to every node.
//!
//! The highest (term, sequence) wins. A node that goes silent or starts anew takes its entries along: what it led it
//! has to say again. Pure; `exchange` carries announcements.

use std::collections::{BTreeMap, BTreeSet};
use std::mem;

use parking_lot::RwLock;
use prost::Message;
use uuid::Uuid;

use crate::model::{PartitionId, TopicId};

/// A partition, by the id of its topic.
pub type PartitionKey = (TopicId, PartitionId);

/// The leader of a partition, in its own words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leader {
    pub node: i32,
    /// The Raft term: Kafka's leader epoch.
    pub term: u64,
    /// Grows with each announcement of one term.
    pub sequence: u64,
    /// Nodes of the voters that keep up, the leader among them, in the order of placement.
    pub in_sync: Vec<i32>,
    /// The start of the node's process that said so; 0: it was not said, but seen.
    pub start: u64,
}

/// Bytes of announcements.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Announcements {
    #[prost(message, repeated, tag = "1")]
    entries: Vec<Announcement>,
    /// The sender knows nothing of what the receiver leads.
    #[prost(bool, tag = "2")]
    pub(super) asks: bool,
    /// The sender leads nothing else.
    #[prost(bool, tag = "3")]
    pub(super) is_all: bool,
}

#[derive(Clone, PartialEq, Message)]
struct Announcement {
    #[prost(bytes = "vec", tag = "1")]
    topic_id: Vec<u8>,
    #[prost(int32, tag = "2")]
    partition: i32,
    #[prost(uint64, tag = "3")]
    term: u64,
    #[prost(uint64, tag = "4")]
    sequence: u64,
    #[prost(int32, repeated, tag = "5")]
    in_sync: Vec<i32>,
    /// The sender does not lead any more.
    #[prost(bool, tag = "6")]
    resigned: bool,
}

impl Announcement {
    fn key(&self) -> Option<PartitionKey> {
        Some((TopicId(Uuid::from_slice(&self.topic_id).ok()?), self.partition))
    }
}

/// See the module.
#[derive(Debug, Default)]
pub struct Leaders(RwLock<Table>);

#[derive(Debug, Default)]
struct Table {
    known: BTreeMap<PartitionKey, Leader>,
    /// What this node gave up, by term and sequence, until it was told everywhere.
    resigned: BTreeMap<PartitionKey, (u64, u64)>,
    /// What each other node has not been told.
    untold: BTreeMap<i32, BTreeSet<PartitionKey>>,
    /// Nodes that are to say everything again: one side may have taken the other for dead, and the other not.
    asked: BTreeSet<i32>,
    /// Nodes that have to be told everything at once: what they think that this node leads may be wrong.
    all_to: BTreeSet<i32>,
}

impl Table {
    fn led_by(&self, me: i32) -> BTreeSet<PartitionKey> {
        self.known.iter().filter(|(_, leader)| leader.node == me).map(|(key, _)| *key).collect()
    }

    fn tell_all(&mut self, key: PartitionKey) {
        for untold in self.untold.values_mut() {
            untold.insert(key);
        }
    }
}

impl Leaders {
    pub fn get(&self, key: &PartitionKey) -> Option<Leader> {
        self.0.read().known.get(key).cloned()
    }

    /// The leader that said so itself. One that was only heard of by its entries may have lost its leadership before it
    /// ever was ready, and then nobody takes it back: a group must not wait for it.
    pub(super) fn announced(&self, key: &PartitionKey) -> Option<Leader> {
        self.get(key).filter(|leader| leader.sequence > 0)
    }

    /// The node `me` leads, or keeps leading with others in sync. Whether that is news.
    pub(super) fn lead(&self, me: i32, key: PartitionKey, term: u64, in_sync: Vec<i32>) -> bool {
        let mut table = self.0.write();
        let sequence = match table.known.get(&key) {
            Some(known) if known.term > term => return false,
            Some(known) if (known.term, known.node) == (term, me) && known.in_sync == in_sync => {
                return false;
            }
            Some(known) if known.term == term => known.sequence + 1,
            _ => 1,
        };
        let sequence = match table.resigned.remove(&key) {
            Some((resigned, at)) if resigned == term => sequence.max(at + 1),
            _ => sequence,
        };
        table.known.insert(key, Leader { node: me, term, sequence, in_sync, start: 0 });
        table.tell_all(key);
        true
    }

    /// The node `me` does not lead any more.
    pub(super) fn resign(&self, me: i32, key: PartitionKey) {
        let mut table = self.0.write();
        if let Some(known) = table.known.get(&key).filter(|known| known.node == me) {
            let at = (known.term, known.sequence + 1);
            table.known.remove(&key);
            table.resigned.insert(key, at);
            table.tell_all(key);
        }
    }

    /// This node's replica begins anew. What it sent before may have come behind the news that it does not lead.
    pub(super) fn resign_again(&self, key: PartitionKey) {
        let mut table = self.0.write();
        if let Some((_, sequence)) = table.resigned.get_mut(&key) {
            *sequence += 1;
            table.tell_all(key);
        }
    }

    /// A replica here follows `node` in `term`; what is in sync there will be announced.
    pub(super) fn follow(&self, key: PartitionKey, node: i32, term: u64) {
        let mut table = self.0.write();
        if table.known.get(&key).is_none_or(|known| known.term < term) {
            table.known.insert(key, Leader { node, term, sequence: 0, in_sync: Vec::new(), start: 0 });
        }
    }

    /// Takes in what the node `from`, in this start of it, announces. Returns what it gave up, and in which terms.
    pub(super) fn hear(
        &self,
        (from, start): (i32, u64),
        announcements: Announcements,
    ) -> Vec<(PartitionKey, u64)> {
        let mut table = self.0.write();
        let mut resigned = Vec::new();
        if announcements.is_all {
            let named: BTreeSet<_> = announcements.entries.iter().filter_map(Announcement::key).collect();
            // One that was only seen to lead is about to say so.
            let is_over = |key: &PartitionKey, leader: &Leader| {
                leader.node == from && leader.sequence > 0 && !named.contains(key)
            };
            let over = table.known.iter().filter(|(key, leader)| is_over(key, leader));
            resigned.extend(over.map(|(key, leader)| (*key, leader.term)));
            table.known.retain(|key, leader| !is_over(key, leader));
        }
        for entry in announcements.entries {
            let Some(key) = entry.key() else { continue };
            let (term, sequence) = (entry.term, entry.sequence);
            if table.known.get(&key).is_some_and(|known| (known.term, known.sequence) >= (term, sequence)) {
                continue;
            }
            if entry.resigned {
                if table.known.get(&key).is_none_or(|known| known.node == from) {
                    table.known.remove(&key);
                    resigned.push((key, term));
                }
            } else {
                table.known.insert(key, Leader { node: from, term, sequence, in_sync: entry.in_sync, start });
            }
        }
        resigned
    }

    /// From now on `node` is told everything, first of all what this one leads; and it is asked for the same.
    pub(super) fn tell(&self, node: i32) {
        let mut table = self.0.write();
        table.untold.insert(node, BTreeSet::new());
        table.all_to.insert(node);
        table.asked.insert(node);
    }

    /// `node` asks for everything that this one leads.
    pub(super) fn tell_again(&self, node: i32) {
        let mut table = self.0.write();
        // Whoever does not count as living is told when it does.
        if table.untold.contains_key(&node) {
            table.all_to.insert(node);
        }
    }

    /// `node` is silent: it will be told everything when it comes back, and leads nothing until it says so.
    pub(super) fn forget(&self, node: i32) {
        let mut table = self.0.write();
        table.untold.remove(&node);
        table.asked.remove(&node);
        table.all_to.remove(&node);
        table.known.retain(|_, leader| leader.node != node);
    }

    /// `node` came to life in this start of it. What it led before it has to say again; what it said already since it
    /// began stays: an announcement may overtake the news that its sender lives.
    pub(super) fn renew(&self, node: i32, start: u64) {
        self.0.write().known.retain(|_, leader| leader.node != node || leader.start == start);
    }

    /// Forgets partitions that are gone.
    pub(super) fn drop_topic(&self, topic: TopicId) {
        let mut table = self.0.write();
        table.known.retain(|(id, _), _| *id != topic);
        table.resigned.retain(|(id, _), _| *id != topic);
    }

    /// What each node has to be told now; it counts as told, unless [`Self::untold`] says otherwise.
    pub(super) fn take(&self, me: i32) -> Vec<(i32, Vec<PartitionKey>, Announcements)> {
        let mut table = self.0.write();
        let untold: Vec<_> = table.untold.iter_mut().map(|(node, keys)| (*node, mem::take(keys))).collect();
        let (asked, all_to) = (mem::take(&mut table.asked), mem::take(&mut table.all_to));
        let led = if all_to.is_empty() { BTreeSet::new() } else { table.led_by(me) };
        let of = |key: &PartitionKey| {
            let (term, sequence, in_sync, resigned) = match (table.known.get(key), table.resigned.get(key)) {
                (Some(leader), _) if leader.node == me => {
                    (leader.term, leader.sequence, leader.in_sync.clone(), false)
                }
                (_, Some((term, sequence))) => (*term, *sequence, Vec::new(), true),
                _ => return None,
            };
            let (topic_id, partition) = (key.0.0.as_bytes().to_vec(), key.1);
            Some(Announcement { topic_id, partition, term, sequence, in_sync, resigned })
        };
        let told = |(node, keys): (i32, BTreeSet<PartitionKey>)| {
            let (asks, is_all) = (asked.contains(&node), all_to.contains(&node));
            let keys = if is_all { keys.union(&led).copied().collect() } else { keys };
            let entries: Vec<_> = keys.iter().filter_map(of).collect();
            let is_news = asks || is_all || !entries.is_empty();
            is_news.then(|| (node, keys.into_iter().collect(), Announcements { entries, asks, is_all }))
        };
        untold.into_iter().filter_map(told).collect()
    }

    /// `node` did not take what it was told, which was everything, perhaps, and asked.
    pub(super) fn untold(&self, node: i32, keys: Vec<PartitionKey>, (asked, all): (bool, bool)) {
        let mut table = self.0.write();
        let Some(untold) = table.untold.get_mut(&node) else { return };
        untold.extend(keys);
        if asked {
            table.asked.insert(node);
        }
        if all {
            table.all_to.insert(node);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: u128) -> PartitionKey {
        (TopicId(Uuid::from_u128(n)), 0)
    }

    /// Two nodes, 1 and 2, that tell each other everything.
    fn exchange(from: (&Leaders, i32), to: &Leaders) {
        for (_, _, announcements) in from.0.take(from.1) {
            to.hear((from.1, 5), announcements);
        }
    }

    #[test]
    fn what_a_node_leads_is_told_to_whoever_comes_and_again_when_it_changes() {
        let (one, two) = (Leaders::default(), Leaders::default());
        assert!(one.lead(1, key(7), 3, vec![1]));
        one.tell(2);
        exchange((&one, 1), &two);
        assert_eq!(two.get(&key(7)).map(|l| (l.node, l.term)), Some((1, 3)));
        assert!(!one.lead(1, key(7), 3, vec![1]), "nothing new");
        assert!(one.lead(1, key(7), 3, vec![1, 2]));
        exchange((&one, 1), &two);
        assert_eq!(two.get(&key(7)).unwrap().in_sync, [1, 2]);
        assert!(one.take(1).is_empty());
    }

    #[test]
    fn an_older_term_is_not_believed_and_a_resigned_leader_is_forgotten() {
        let (one, two) = (Leaders::default(), Leaders::default());
        one.tell(2);
        two.tell(1);
        one.lead(1, key(7), 3, vec![1]);
        two.lead(2, key(7), 4, vec![2]);
        exchange((&one, 1), &two);
        exchange((&two, 2), &one);
        assert_eq!((one.get(&key(7)).unwrap().node, two.get(&key(7)).unwrap().node), (2, 2));
        two.resign(2, key(7));
        exchange((&two, 2), &one);
        assert_eq!((one.get(&key(7)), two.get(&key(7))), (None, None));
        assert!(two.lead(2, key(7), 4, vec![2]), "it may lead the same term again");
        exchange((&two, 2), &one);
        assert_eq!(one.get(&key(7)).map(|l| l.term), Some(4));
    }

    #[test]
    fn a_silent_node_leads_nothing_and_is_told_everything_when_it_is_back() {
        let (one, two) = (Leaders::default(), Leaders::default());
        one.tell(2);
        one.lead(1, key(7), 3, vec![1]);
        exchange((&one, 1), &two);
        two.forget(1);
        assert_eq!(two.get(&key(7)), None);
        one.forget(2);
        one.tell(2);
        exchange((&one, 1), &two);
        assert_eq!(two.get(&key(7)).map(|l| l.node), Some(1));
    }

    #[test]
    fn whoever_alone_took_the_other_for_dead_asks_and_is_told_again() {
        let (one, two) = (Leaders::default(), Leaders::default());
        one.tell(2);
        two.tell(1);
        one.lead(1, key(7), 3, vec![1]);
        exchange((&one, 1), &two);
        exchange((&two, 2), &one);
        // Node 1 never missed node 2.
        two.forget(1);
        two.tell(1);
        assert!(one.take(1).is_empty());
        let asked = two.take(2).pop().map(|(node, _, told)| (node, told.asks));
        assert_eq!(asked, Some((1, true)));
        one.tell_again(2);
        exchange((&one, 1), &two);
        assert_eq!(two.get(&key(7)).map(|l| l.node), Some(1));
        assert!(two.take(2).is_empty(), "asked once");
    }

    #[test]
    fn what_a_node_says_that_it_leads_is_all_that_it_leads_if_it_says_so() {
        let (one, two) = (Leaders::default(), Leaders::default());
        one.tell(2);
        one.lead(1, key(7), 3, vec![1]);
        one.lead(1, key(8), 3, vec![1]);
        exchange((&one, 1), &two);
        two.follow(key(9), 1, 3);
        // Node 1 takes node 2 for dead before that is told, and then not any more.
        one.resign(1, key(7));
        one.forget(2);
        one.tell(2);
        let (_, _, told) = one.take(1).pop().unwrap();
        assert_eq!(two.hear((1, 5), told), [(key(7), 3)]);
        assert_eq!(two.get(&key(7)), None);
        assert_eq!((two.get(&key(8)).map(|l| l.node), two.get(&key(9)).map(|l| l.node)), (Some(1), Some(1)));
    }

    #[test]
    fn a_leader_that_resigned_says_so_again_when_its_replica_begins_anew() {
        let (one, two) = (Leaders::default(), Leaders::default());
        one.tell(2);
        one.lead(1, key(7), 3, vec![1]);
        exchange((&one, 1), &two);
        one.resign(1, key(7));
        exchange((&one, 1), &two);
        // An append that was on its way.
        two.follow(key(7), 1, 3);
        one.resign_again(key(7));
        let (_, _, told) = one.take(1).pop().unwrap();
        assert_eq!(two.hear((1, 5), told), [(key(7), 3)]);
        assert_eq!(two.get(&key(7)), None);
    }

    #[test]
    fn what_a_node_said_since_it_began_outlives_the_news_that_it_lives() {
        let (one, two) = (Leaders::default(), Leaders::default());
        one.tell(2);
        one.lead(1, key(7), 3, vec![1]);
        exchange((&one, 1), &two);
        two.renew(1, 5);
        assert_eq!(two.get(&key(7)).map(|l| l.node), Some(1));
        two.renew(1, 6);
        assert_eq!(two.get(&key(7)), None, "it began anew");
    }

    #[test]
    fn a_leader_that_never_said_so_is_shown_and_not_waited_for() {
        let two = Leaders::default();
        two.follow(key(7), 1, 3);
        assert_eq!(two.get(&key(7)).map(|l| l.node), Some(1));
        assert_eq!(two.announced(&key(7)), None);
        two.lead(2, key(7), 4, vec![2]);
        assert_eq!(two.announced(&key(7)).map(|l| l.node), Some(2));
    }

    #[test]
    fn what_was_not_taken_is_told_again() {
        let one = Leaders::default();
        one.tell(2);
        one.lead(1, key(7), 3, vec![1]);
        let (node, keys, told) = one.take(1).pop().unwrap();
        one.untold(node, keys, (told.asks, told.is_all));
        assert_eq!(one.take(1).len(), 1);
    }
}
