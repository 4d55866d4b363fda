//! What the stories are told with: a shard, a clock that is a number, a log that is a list.

use std::collections::HashMap;

use bytes::Bytes;
use uuid::Uuid;

use super::super::*;

const SESSION_MS: i32 = 10_000;
const REBALANCE_MS: i32 = 60_000;

pub(super) fn settings() -> GroupSettings {
    GroupSettings {
        session_timeout_min_ms: 6_000,
        session_timeout_max_ms: 1_800_000,
        initial_rebalance_delay_ms: 3_000,
        members_max: 1_000,
        offset_metadata_length_max: 4_096,
        record_bytes_max: 1 << 20,
        offsets_retention_ms: 7 * 24 * 3_600_000,
    }
}

pub(super) fn offset(offset: i64) -> CommitOffset {
    CommitOffset {
        topic: "t".into(),
        topic_id: None,
        partition: 0,
        offset,
        leader_epoch: -1,
        metadata: String::new(),
    }
}

pub(super) fn commit(group: &str, member_id: &str, generation: i32) -> CommitOffsets {
    CommitOffsets {
        group: group.into(),
        generation,
        member_id: member_id.into(),
        instance_id: None,
        retention_ms: None,
        offsets: Vec::new(),
    }
}

/// A consumer's subscription to the topic `t`, with `data` behind it.
fn subscription(data: &str) -> Bytes {
    let mut bytes = vec![0, 0, 0, 0, 0, 1, 0, 1, b't'];
    bytes.extend_from_slice(data.as_bytes());
    bytes.into()
}

/// Somebody who wants to join.
#[derive(Clone, Debug)]
pub(super) struct Client {
    pub(super) name: String,
    pub(super) member_id: String,
    pub(super) instance_id: Option<String>,
    pub(super) session_timeout_ms: i32,
    pub(super) rebalance_timeout_ms: i32,
    pub(super) protocol_type: &'static str,
    /// Data of consumers follows a subscription to `t`.
    pub(super) protocols: Vec<(&'static str, &'static str)>,
    pub(super) id_required: bool,
    pub(super) knows_skip: bool,
}

impl Client {
    pub(super) fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            member_id: String::new(),
            instance_id: None,
            session_timeout_ms: SESSION_MS,
            rebalance_timeout_ms: REBALANCE_MS,
            protocol_type: "consumer",
            protocols: vec![("range", "")],
            id_required: true,
            knows_skip: false,
        }
    }

    /// As clients were before they had to come twice.
    pub(super) fn old(self) -> Self {
        Self { id_required: false, ..self }
    }

    pub(super) fn with_id(self, id: &str) -> Self {
        Self { member_id: id.into(), ..self }
    }

    pub(super) fn of_instance(self, instance: &str) -> Self {
        Self { instance_id: Some(instance.into()), ..self }
    }

    pub(super) fn with_data(self, data: &'static str) -> Self {
        Self { protocols: vec![("range", data)], ..self }
    }

    fn request(self, fresh: u128) -> JoinGroup {
        let opaque = self.protocol_type != "consumer";
        let bytes =
            |data: &str| if opaque { Bytes::copy_from_slice(data.as_bytes()) } else { subscription(data) };
        JoinGroup {
            group: "g".into(),
            member_id: self.member_id,
            instance_id: self.instance_id,
            client_id: self.name,
            client_host: "/127.0.0.1".into(),
            session_timeout_ms: self.session_timeout_ms,
            rebalance_timeout_ms: self.rebalance_timeout_ms,
            protocol_type: self.protocol_type.into(),
            protocols: self.protocols.iter().map(|(name, data)| ((*name).into(), bytes(data))).collect(),
            id_required: self.id_required,
            knows_skip: self.knows_skip,
            fresh: Uuid::from_u128(fresh),
        }
    }
}

/// See the module.
pub(super) struct World {
    pub(super) shard: Shard,
    pub(super) now: Now,
    pub(super) log: Vec<GroupRecord>,
    /// How often the shard wanted to be looked at.
    pub(super) wakes: usize,
    replies: HashMap<ReplyTo, Reply>,
    asked: u64,
}

impl World {
    pub(super) fn new() -> Self {
        let now = Now { monotonic_ms: 1_000_000, wall_ms: 1_700_000_000_000 };
        let shard = Shard::new(settings());
        Self { shard, now, log: Vec::new(), wakes: 0, replies: HashMap::new(), asked: 0 }
    }

    /// Does what the broker does with effects.
    pub(super) fn take(&mut self, effects: Effects) {
        for record in effects.records {
            self.log.push(record.clone());
            self.shard.replay(record);
        }
        for (to, reply) in effects.replies {
            assert!(self.replies.insert(to, reply).is_none(), "{to:?} was answered twice");
        }
    }

    /// Lets time pass, with all that happens meanwhile.
    pub(super) fn pass(&mut self, ms: u64) {
        let until = self.now.monotonic_ms + ms;
        while let Some(at) = self.shard.next_wake().filter(|at| *at <= until) {
            let step = at.saturating_sub(self.now.monotonic_ms);
            self.advance(step);
            let effects = self.shard.on_tick(self.now);
            self.take(effects);
            self.wakes += 1;
            assert!(self.wakes < 100_000, "the shard wants to be looked at all the time");
        }
        self.advance(until - self.now.monotonic_ms);
    }

    fn advance(&mut self, ms: u64) {
        self.now.monotonic_ms += ms;
        self.now.wall_ms += i64::try_from(ms).unwrap();
    }

    pub(super) fn pass_days_alive(&mut self, days: u64, members: &[&str]) {
        for _ in 0..days {
            // One heartbeat a day is enough for a story: the clock of sessions stands still meanwhile.
            self.now.wall_ms += 24 * 3_600_000;
            for member in members {
                self.heartbeat(member, 1).unwrap();
            }
            self.expire();
        }
    }

    /// A new shard, from the log.
    pub(super) fn restart(&mut self) {
        self.shard = Shard::new(settings());
        self.log.clone().into_iter().for_each(|record| self.shard.replay(record));
        self.shard.on_loaded(self.now);
    }

    pub(super) fn join(&mut self, client: Client) -> ReplyTo {
        self.asked += 1;
        let to = ReplyTo(self.asked);
        let effects = self.shard.on_join(self.now, to, client.request(u128::from(self.asked)));
        self.take(effects);
        to
    }

    pub(super) fn new_id(&mut self, name: &str) -> String {
        let to = self.join(Client::new(name));
        match self.refused(to) {
            GroupError::MemberIdRequired { member, .. } => member,
            other => panic!("an id was expected: {other}"),
        }
    }

    pub(super) fn sync(&mut self, member: &str, generation: i32, assignments: &[(&str, &str)]) -> ReplyTo {
        self.asked += 1;
        let to = ReplyTo(self.asked);
        let bytes = |text: &str| Bytes::copy_from_slice(text.as_bytes());
        let sync = SyncGroup {
            group: "g".into(),
            generation,
            member_id: member.into(),
            instance_id: None,
            protocol_type: None,
            protocol: None,
            assignments: assignments.iter().map(|(id, data)| ((*id).to_owned(), bytes(data))).collect(),
        };
        let effects = self.shard.on_sync(self.now, to, sync);
        self.take(effects);
        to
    }

    pub(super) fn heartbeat(&mut self, member: &str, generation: i32) -> Result<(), GroupError> {
        let heartbeat =
            Heartbeat { group: "g".into(), generation, member_id: member.into(), instance_id: None };
        self.shard.on_heartbeat(self.now, &heartbeat)
    }

    pub(super) fn leave(&mut self, members: &[&str]) -> Answers {
        let leaving = |id: &&str| Leaving { member_id: (*id).to_owned(), instance_id: None };
        let leave = LeaveGroup { group: "g".into(), members: members.iter().map(leaving).collect() };
        let (answers, effects) = self.shard.on_leave(self.now, &leave).unwrap();
        self.take(effects);
        answers
    }

    pub(super) fn commit(&mut self, member: &str, generation: i32, at: i64) -> Result<(), GroupError> {
        self.commit_to("g", member, generation, at)
    }

    pub(super) fn commit_to(
        &mut self,
        group: &str,
        member: &str,
        generation: i32,
        at: i64,
    ) -> Result<(), GroupError> {
        let commit = CommitOffsets { offsets: vec![offset(at)], ..commit(group, member, generation) };
        let (answers, effects) = self.shard.on_commit(self.now, commit)?;
        self.take(effects);
        answers.into_iter().next().unwrap()
    }

    pub(super) fn committed(&self) -> Option<i64> {
        self.shard.offset("g", "t", 0).map(|committed| committed.offset)
    }

    pub(super) fn delete(&mut self) -> Result<(), GroupError> {
        let effects = self.shard.on_delete("g")?;
        self.take(effects);
        Ok(())
    }

    pub(super) fn expire(&mut self) {
        let effects = self.shard.on_expire(self.now);
        self.take(effects);
    }

    pub(super) fn answer(&self, to: ReplyTo) -> Option<&Reply> {
        self.replies.get(&to)
    }

    pub(super) fn joined(&self, to: ReplyTo) -> Joined {
        match self.answer(to) {
            Some(Reply::Joined(joined)) => joined.clone(),
            other => panic!("{to:?} did not join: {other:?}"),
        }
    }

    pub(super) fn synced(&self, to: ReplyTo) -> String {
        match self.answer(to) {
            Some(Reply::Synced(synced)) => String::from_utf8(synced.assignment.to_vec()).unwrap(),
            other => panic!("{to:?} did not sync: {other:?}"),
        }
    }

    pub(super) fn refused(&self, to: ReplyTo) -> GroupError {
        match self.answer(to) {
            Some(Reply::Refused(error)) => error.clone(),
            other => panic!("{to:?} was not refused: {other:?}"),
        }
    }

    pub(super) fn last_membership(&self) -> GroupMetadata {
        let of_group = |record: &GroupRecord| match record {
            GroupRecord::Group { value, .. } => value.clone(),
            GroupRecord::Offset { .. } => None,
        };
        self.log.iter().rev().find_map(of_group).unwrap()
    }

    /// The only member of generation 1, before it synced.
    pub(super) fn joined_alone(&mut self) -> String {
        let to = self.join(Client::new("a").old());
        self.pass(3_000);
        self.joined(to).member_id
    }

    /// Two members of generation 1, the leader first, before anybody synced.
    pub(super) fn two_joined(&mut self) -> (String, String) {
        let (a, b) = (self.join(Client::new("a").old()), self.join(Client::new("b").old()));
        self.two(a, b)
    }

    /// The same with the assignments `0` and `1`.
    pub(super) fn two_stable(&mut self) -> (String, String) {
        let (leader, follower) = self.two_joined();
        self.assign(leader, follower)
    }

    /// The same of static members `i1`, who leads, and `i2`.
    pub(super) fn two_static_stable(&mut self) -> (String, String) {
        let first = self.join(Client::new("i1").of_instance("i1"));
        let second = self.join(Client::new("i2").of_instance("i2"));
        let (leader, follower) = self.two(first, second);
        self.assign(leader, follower)
    }

    fn two(&mut self, first: ReplyTo, second: ReplyTo) -> (String, String) {
        self.pass(6_000);
        let (first, second) = (self.joined(first), self.joined(second));
        assert_eq!((first.generation, second.generation), (1, 1));
        assert_eq!(first.leader, first.member_id, "the first to come leads");
        (first.member_id, second.member_id)
    }

    fn assign(&mut self, leader: String, follower: String) -> (String, String) {
        let brings = self.sync(&leader, 1, &[(&leader, "0"), (&follower, "1")]);
        let gets = self.sync(&follower, 1, &[]);
        assert_eq!((self.synced(brings).as_str(), self.synced(gets).as_str()), ("0", "1"));
        (leader, follower)
    }
}
