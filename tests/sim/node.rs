//! A node as groups see it: a shard, and a log whose end is not on disk yet.

use std::collections::{BTreeMap, VecDeque};

use bateau::coordinator::{Effects, GroupRecord, GroupSettings, Now, Reply, ReplyTo, Shard};

use crate::chance::Chance;

pub(crate) const SETTINGS: GroupSettings = GroupSettings {
    session_timeout_min_ms: 100,
    session_timeout_max_ms: 100_000,
    initial_rebalance_delay_ms: 300,
    members_max: 100,
    offset_metadata_length_max: 100,
    record_bytes_max: 1 << 20,
    offsets_retention_ms: i64::MAX,
};

/// What becomes known once the log is synced up to a place.
pub(crate) enum Told {
    Reply(ReplyTo, Reply),
    Committed { partition: i32, offset: i64 },
}

pub(crate) struct Node {
    pub(crate) shard: Shard,
    pub(crate) log: Vec<GroupRecord>,
    /// What of the log survives a crash.
    pub(crate) synced: usize,
    /// Told once the log is synced up to the number beside it.
    waiting: VecDeque<(usize, Told)>,
}

impl Node {
    pub(crate) fn new() -> Self {
        Self { shard: Shard::new(SETTINGS), log: Vec::new(), synced: 0, waiting: VecDeque::new() }
    }

    pub(crate) fn take(&mut self, effects: Effects) {
        for record in effects.records {
            self.log.push(record.clone());
            self.shard.replay(record);
        }
        for (to, reply) in effects.replies {
            self.wait(Told::Reply(to, reply));
        }
    }

    pub(crate) fn wait(&mut self, told: Told) {
        self.waiting.push_back((self.log.len(), told));
    }

    /// The disk comes some way further.
    pub(crate) fn sync(&mut self, chance: &mut Chance) -> Vec<Told> {
        let left = self.log.len() - self.synced;
        self.synced += if chance.percent(70) { left } else { chance.pick(left + 1) };
        let mut told = Vec::new();
        while self.waiting.front().is_some_and(|(place, _)| *place <= self.synced) {
            told.extend(self.waiting.pop_front().map(|(_, told)| told));
        }
        told
    }

    /// Kill -9, and a start: what was synced is there, of the rest as much as chance has it.
    pub(crate) fn crash(&mut self, now: Now, chance: &mut Chance) {
        let left = self.log.len() - self.synced;
        self.log.truncate(self.synced + chance.pick(left + 1));
        self.synced = self.log.len();
        self.waiting.clear();
        self.shard = self.read_log();
        self.shard.on_loaded(now);
    }

    fn read_log(&self) -> Shard {
        let mut shard = Shard::new(SETTINGS);
        self.log.iter().cloned().for_each(|record| shard.replay(record));
        shard
    }

    /// What lives, written once more in place of all before it.
    pub(crate) fn rewrite(&mut self) {
        if self.synced < self.log.len() {
            return;
        }
        self.log = self.shard.live().collect();
        self.synced = self.log.len();
        for (place, _) in &mut self.waiting {
            *place = self.synced;
        }
    }

    /// What is in memory is what the log says, and nothing else.
    pub(crate) fn check_that_the_log_says_it_all(&self) {
        let sorted = |shard: &Shard| -> BTreeMap<String, GroupRecord> {
            let key = |record: &GroupRecord| match record {
                GroupRecord::Group { group, .. } => group.clone(),
                GroupRecord::Offset { group, topic, partition, .. } => format!("{group}/{topic}/{partition}"),
            };
            shard.live().map(|record| (key(&record), record)).collect()
        };
        assert_eq!(sorted(&self.shard), sorted(&self.read_log()));
    }
}
