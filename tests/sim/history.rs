//! One history, and what must hold at each of its steps.

use std::collections::BTreeMap;

use bateau::coordinator::{
    CommitOffset, CommitOffsets, GroupRecord, GroupState, Heartbeat, LeaveGroup, Leaving, Now, Reply, ReplyTo,
};

use crate::chance::Chance;
use crate::member::{Doing, HEARTBEAT_MS, Member, REBALANCE_MS, SESSION_MS};
use crate::node::{Node, Told};

const MEMBERS: usize = 6;
const PARTITIONS: i32 = 7;

pub(crate) struct History {
    chance: Chance,
    node: Node,
    now: Now,
    members: Vec<Member>,
    asked: u64,
    /// Who got which partition in which generation. *Invariant*: one owner each.
    owners: BTreeMap<(i32, i32), String>,
    /// The greatest generation that somebody owns something in. *Invariant*: no commit of an older one is taken.
    owned_generation: i32,
    /// The newest commit that was acknowledged, of each partition. *Invariant*: it is not lost.
    acknowledged: BTreeMap<i32, i64>,
    next_offset: i64,
}

impl History {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            chance: Chance::new(seed),
            node: Node::new(),
            now: Now { monotonic_ms: 0, wall_ms: 1_700_000_000_000 },
            members: (0..MEMBERS).map(Member::new).collect(),
            asked: 0,
            owners: BTreeMap::new(),
            owned_generation: -1,
            acknowledged: BTreeMap::new(),
            next_offset: 0,
        }
    }

    pub(crate) fn step(&mut self) {
        match self.chance.below(1_000) {
            0..=9 => self.come_or_go(),
            10..=12 => self.crash(),
            13..=16 => self.node.rewrite(),
            17..=40 => self.dawdle(),
            41..=300 => self.sync(),
            301..=500 => self.pass(),
            _ => self.act(),
        }
        self.node.check_that_the_log_says_it_all();
        self.check_commits();
    }

    /// Nobody comes or goes any more: the group must become stable, with every partition at one member that is there.
    pub(crate) fn settle(&mut self) {
        for member in &mut self.members {
            member.busy_until = 0;
        }
        let until = self.now.monotonic_ms + 4 * u64::from((REBALANCE_MS + SESSION_MS).unsigned_abs());
        while self.now.monotonic_ms < until {
            for number in 0..MEMBERS {
                self.act_as(number, false);
            }
            self.sync();
            self.advance(20);
        }
        let present = self.members.iter().filter(|m| m.doing != Doing::Gone).count();
        let wanted = if present == 0 { GroupState::Empty } else { GroupState::Stable };
        let state = self.node.shard.state("g");
        assert!(
            state == wanted || (present == 0 && state == GroupState::Dead),
            "{state:?} with {:?}",
            self.doings()
        );
        let mut owned: Vec<i32> = Vec::new();
        for member in self.members.iter().filter(|m| m.doing != Doing::Gone) {
            let Doing::Consuming(partitions) = &member.doing else {
                panic!("{} does not consume: {:?}", member.name, member.doing)
            };
            owned.extend(partitions);
        }
        owned.sort_unstable();
        let all: Vec<i32> = if present == 0 { Vec::new() } else { (0..PARTITIONS).collect() };
        assert_eq!(owned, all);
    }

    fn doings(&self) -> Vec<(&str, &Doing)> {
        self.members.iter().map(|member| (member.name.as_str(), &member.doing)).collect()
    }

    fn advance(&mut self, ms: u64) {
        self.now.monotonic_ms += ms;
        self.now.wall_ms += i64::try_from(ms).unwrap();
        while self.node.shard.next_wake().is_some_and(|at| at <= self.now.monotonic_ms) {
            let effects = self.node.shard.on_tick(self.now);
            self.node.take(effects);
        }
    }

    fn pass(&mut self) {
        let ms = 1 + self.chance.below(60);
        self.advance(ms);
    }

    fn come_or_go(&mut self) {
        let number = self.chance.pick(MEMBERS);
        let polite = self.chance.percent(50);
        if self.members[number].doing == Doing::Gone {
            let member = &mut self.members[number];
            member.doing = Doing::Outside;
            member.id.clear();
            member.generation = -1;
            return;
        }
        if polite && self.members[number].instance_id.is_none() && !self.members[number].id.is_empty() {
            let member_id = self.members[number].id.clone();
            let leave =
                LeaveGroup { group: "g".into(), members: vec![Leaving { member_id, instance_id: None }] };
            if let Ok((_, effects)) = self.node.shard.on_leave(self.now, &leave) {
                self.node.take(effects);
            }
        }
        self.members[number].doing = Doing::Gone;
    }

    /// Whoever waits loses its connection and asks again.
    fn crash(&mut self) {
        self.node.crash(self.now, &mut self.chance);
        for member in &mut self.members {
            if matches!(member.doing, Doing::Joining(_) | Doing::Syncing(_)) {
                member.doing = Doing::Outside;
            }
        }
    }

    fn dawdle(&mut self) {
        let number = self.chance.pick(MEMBERS);
        self.members[number].busy_until = self.now.monotonic_ms + self.chance.below(2_500);
        if self.chance.percent(20) {
            self.members[number].data = self.members[number].data.wrapping_add(1);
        }
    }

    fn sync(&mut self) {
        for told in self.node.sync(&mut self.chance) {
            match told {
                Told::Committed { partition, offset } => _ = self.acknowledged.insert(partition, offset),
                Told::Reply(to, reply) => self.deliver(to, reply),
            }
        }
    }

    fn deliver(&mut self, to: ReplyTo, reply: Reply) {
        let waits = |m: &&mut Member| m.doing == Doing::Joining(to) || m.doing == Doing::Syncing(to);
        // Whoever went away hears nothing.
        let Some(member) = self.members.iter_mut().find(waits) else { return };
        match reply {
            Reply::Joined(joined) => {
                member.id.clone_from(&joined.member_id);
                member.generation = joined.generation;
                member.doing = Doing::Joined(joined);
            }
            Reply::Synced(synced) => {
                let partitions: Vec<i32> = synced.assignment.iter().map(|p| i32::from(*p)).collect();
                let (generation, name) = (member.generation, member.name.clone());
                member.doing = Doing::Consuming(partitions.clone());
                member.beats_at = self.now.monotonic_ms + HEARTBEAT_MS;
                self.owned_generation = self.owned_generation.max(generation);
                for partition in partitions {
                    let owner = self.owners.entry((generation, partition)).or_insert_with(|| name.clone());
                    assert_eq!(
                        *owner, name,
                        "two owners of partition {partition} in generation {generation}"
                    );
                }
            }
            Reply::Refused(error) => member.refused(&error),
        }
    }

    fn act(&mut self) {
        let number = self.chance.pick(MEMBERS);
        let commits = self.chance.percent(50);
        self.act_as(number, commits);
    }

    fn act_as(&mut self, number: usize, commits: bool) {
        if self.members[number].busy_until > self.now.monotonic_ms {
            return;
        }
        self.asked += 1;
        let to = ReplyTo(self.asked);
        match self.members[number].doing.clone() {
            Doing::Gone | Doing::Joining(_) | Doing::Syncing(_) => {}
            Doing::Outside => {
                let join = self.members[number].join(self.asked);
                self.members[number].doing = Doing::Joining(to);
                let effects = self.node.shard.on_join(self.now, to, join);
                self.node.take(effects);
            }
            Doing::Joined(joined) => {
                let sync = self.members[number].sync(&joined, PARTITIONS);
                self.members[number].doing = Doing::Syncing(to);
                let effects = self.node.shard.on_sync(self.now, to, sync);
                self.node.take(effects);
            }
            Doing::Consuming(partitions) if commits && !partitions.is_empty() => {
                let partition = partitions[self.chance.pick(partitions.len())];
                self.commit(number, partition);
            }
            Doing::Consuming(_) => self.beat(number),
        }
    }

    fn beat(&mut self, number: usize) {
        let member = &mut self.members[number];
        if member.beats_at > self.now.monotonic_ms {
            return;
        }
        member.beats_at = self.now.monotonic_ms + HEARTBEAT_MS;
        let heartbeat = Heartbeat {
            group: "g".into(),
            generation: member.generation,
            member_id: member.id.clone(),
            instance_id: member.instance_id.clone(),
        };
        if let Err(error) = self.node.shard.on_heartbeat(self.now, &heartbeat) {
            member.refused(&error);
        }
    }

    fn commit(&mut self, number: usize, partition: i32) {
        self.next_offset += 1;
        let (member, offset) = (&mut self.members[number], self.next_offset);
        let commit = CommitOffsets {
            group: "g".into(),
            generation: member.generation,
            member_id: member.id.clone(),
            instance_id: member.instance_id.clone(),
            retention_ms: None,
            offsets: vec![CommitOffset {
                topic: "t".into(),
                topic_id: None,
                partition,
                offset,
                leader_epoch: -1,
                metadata: String::new(),
            }],
        };
        let generation = member.generation;
        match self.node.shard.on_commit(self.now, commit) {
            Ok((answers, effects)) => {
                assert_eq!(answers, [Ok(())]);
                assert!(
                    generation >= self.owned_generation,
                    "a commit of generation {generation} was taken after somebody owned in {}",
                    self.owned_generation
                );
                self.node.take(effects);
                self.node.wait(Told::Committed { partition, offset });
            }
            Err(error) => member.refused(&error),
        }
    }

    /// Of each partition, the log has the newest acknowledged commit or one that was taken after it.
    fn check_commits(&self) {
        for (partition, offset) in &self.acknowledged {
            let committed = self.node.shard.offset("g", "t", *partition).map(|c| c.offset);
            // Offsets only grow in this history, in the order in which commits are taken.
            assert!(
                committed >= Some(*offset),
                "partition {partition}: {offset} was acknowledged, {committed:?} is kept"
            );
            let in_log = self.node.log.iter().rev().find_map(|record| match record {
                GroupRecord::Offset { partition: of, value: Some(value), .. } if of == partition => {
                    Some(value.offset)
                }
                GroupRecord::Offset { .. } | GroupRecord::Group { .. } => None,
            });
            assert_eq!(in_log, committed);
        }
    }
}
