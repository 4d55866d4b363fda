//! One classic group: its state, its members, and what of it is in the log.
//!
//! The verbs are beside it: `join`, `sync`, `heartbeat`, `leave`, and `rebalance` for what they have in common.
//! Source: Kafka `ClassicGroup`; the numbers and their order are those of its protocol (KIP-134, -345, -394, -559, -814).

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt;

use super::error::GroupError;
use super::event::Now;
use super::member::Member;
use super::offsets::Offsets;
use super::record::{GroupMetadata, GroupRecord};
use super::subscription::{self, CONSUMER};
use super::view::{GroupDescription, GroupListing, MemberDescription};

/// Where a group is between two generations. A group that is gone is `Dead` to whoever asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupState {
    /// No members; offsets may be there.
    Empty,
    /// Members are expected to join.
    PreparingRebalance,
    /// The leader is expected to bring the assignment.
    CompletingRebalance,
    Stable,
    Dead,
}

impl GroupState {
    /// Whether a group may go from `self` to `next`.
    fn may_become(self, next: Self) -> bool {
        match next {
            Self::PreparingRebalance => {
                matches!(self, Self::Empty | Self::CompletingRebalance | Self::Stable)
            }
            Self::CompletingRebalance | Self::Empty => self == Self::PreparingRebalance,
            Self::Stable => self == Self::CompletingRebalance,
            Self::Dead => true,
        }
    }
}

impl fmt::Display for GroupState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "Empty",
            Self::PreparingRebalance => "PreparingRebalance",
            Self::CompletingRebalance => "CompletingRebalance",
            Self::Stable => "Stable",
            Self::Dead => "Dead",
        })
    }
}

/// What ends the current phase of a round if nothing else does. Times are the monotonic clock's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Timer {
    /// An empty group waits for more members, `left_ms` longer at most if some came since it was set.
    Initial { at: u64, left_ms: u64, more_came: bool },
    /// Members that have not joined by then are out.
    Join { at: u64 },
    /// Members that have not asked for their assignment by then are out.
    Sync { at: u64 },
}

impl Timer {
    pub(super) fn at(self) -> u64 {
        match self {
            Self::Initial { at, .. } | Self::Join { at } | Self::Sync { at } => at,
        }
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) id: String,
    pub(super) state: GroupState,
    pub(super) generation: i32,
    pub(super) protocol_type: Option<String>,
    pub(super) protocol: Option<String>,
    pub(super) leader: Option<String>,
    pub(super) members: BTreeMap<String, Member>,
    /// Static members' ids by their instance ids.
    pub(super) instances: BTreeMap<String, String>,
    /// Ids that were given out and have not come back yet, with when they end.
    pub(super) pending: BTreeMap<String, u64>,
    pub(super) timer: Option<Timer>,
    /// Since when it has its state, by the wall clock.
    pub(super) since_ms: i64,
    /// What the members of this generation consume, if they are consumers that say so.
    pub(super) topics: Option<BTreeSet<String>>,
    /// Hard state: as the log has it. Only [`Group::replay`] changes it.
    written: Option<GroupMetadata>,
    /// Hard state, too.
    offsets: Offsets,
}

impl Group {
    pub(super) fn new(id: String, now_ms: i64) -> Self {
        Self {
            id,
            state: GroupState::Empty,
            generation: 0,
            protocol_type: None,
            protocol: None,
            leader: None,
            members: BTreeMap::new(),
            instances: BTreeMap::new(),
            pending: BTreeMap::new(),
            timer: None,
            since_ms: now_ms,
            topics: None,
            written: None,
            offsets: Offsets::default(),
        }
    }

    /// Takes in one record of this group. The only way in which hard state changes.
    pub(super) fn replay(&mut self, record: GroupRecord) {
        match record {
            GroupRecord::Group { value, .. } => self.written = value,
            GroupRecord::Offset { topic, partition, value: Some(value), .. } => {
                self.offsets.set(topic, partition, value);
            }
            GroupRecord::Offset { topic, partition, value: None, .. } => {
                self.offsets.remove(&topic, partition);
            }
        }
    }

    /// After the log was read: the group goes on where its records leave it, and each member has a whole session.
    pub(super) fn restore(&mut self, now: Now) {
        let Some(written) = &self.written else { return };
        self.generation = written.generation;
        self.protocol_type = Some(written.protocol_type.clone()).filter(|kind| !kind.is_empty());
        self.protocol.clone_from(&written.protocol);
        self.leader.clone_from(&written.leader);
        self.since_ms = written.state_timestamp_ms;
        let protocol = written.protocol.as_deref().unwrap_or_default();
        for kept in &written.members {
            if let Some(instance) = &kept.instance_id {
                self.instances.insert(instance.clone(), kept.member_id.clone());
            }
            self.members.insert(kept.member_id.clone(), Member::restored(now, kept, protocol));
        }
        self.state = if self.members.is_empty() { GroupState::Empty } else { GroupState::Stable };
        self.note_topics();
    }

    pub(super) fn offsets(&self) -> &Offsets {
        &self.offsets
    }

    /// Whether nothing would be lost if it were forgotten.
    pub(super) fn is_nothing(&self) -> bool {
        self.state == GroupState::Empty
            && self.pending.is_empty()
            && self.written.is_none()
            && self.offsets.is_empty()
    }

    /// All that the log must have of it.
    pub(super) fn records(&self) -> impl Iterator<Item = GroupRecord> {
        let written = self.written.clone();
        let group = written.map(|value| GroupRecord::Group { group: self.id.clone(), value: Some(value) });
        let offsets = self.offsets.iter().map(|(topic, partition, value)| GroupRecord::Offset {
            group: self.id.clone(),
            topic: topic.to_owned(),
            partition,
            value: Some(value.clone()),
        });
        group.into_iter().chain(offsets)
    }

    /// What the log is to have of its membership as it is now.
    pub(super) fn metadata_record(&self) -> GroupRecord {
        let protocol = self.protocol.as_deref().unwrap_or_default();
        let value = GroupMetadata {
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            generation: self.generation,
            protocol: self.protocol.clone(),
            leader: self.leader.clone(),
            state_timestamp_ms: self.since_ms,
            members: self.members.values().map(|member| member.metadata(protocol)).collect(),
        };
        GroupRecord::Group { group: self.id.clone(), value: Some(value) }
    }

    pub(super) fn tombstone(&self, topic: &str, partition: i32) -> GroupRecord {
        GroupRecord::Offset { group: self.id.clone(), topic: topic.to_owned(), partition, value: None }
    }

    pub(super) fn enter(&mut self, next: GroupState, now: Now) {
        assert!(self.state.may_become(next), "group '{}' cannot become {next} after {}", self.id, self.state);
        self.state = next;
        self.since_ms = now.wall_ms;
    }

    /// What its members and given-out ids take, nearly.
    pub(super) fn held_bytes(&self) -> usize {
        let members = self.members.values().map(Member::held_bytes).sum::<usize>();
        members + self.pending.keys().map(|id| id.len() + 64).sum::<usize>()
    }

    /// When [`Group::on_tick`](super::rebalance) has to be called, by the monotonic clock.
    pub(super) fn wakes_at(&self) -> Option<u64> {
        let members = self.members.values().filter_map(Member::expires_at);
        let pending = self.pending.values().copied();
        members.chain(pending).chain(self.timer.map(Timer::at)).min()
    }

    /// The member, if `instance_id` is its.
    ///
    /// # Errors
    /// [`GroupError::UnknownMember`]; [`GroupError::FencedInstance`] if another member has the instance id now.
    pub(super) fn member(&mut self, id: &str, instance_id: Option<&str>) -> Result<&mut Member, GroupError> {
        let unknown = || GroupError::UnknownMember { group: self.id.clone(), member: id.to_owned() };
        if let Some(instance) = instance_id {
            match self.instances.get(instance) {
                None => return Err(unknown()),
                Some(current) if current != id => {
                    return Err(GroupError::FencedInstance {
                        group: self.id.clone(),
                        instance: instance.to_owned(),
                        member: id.to_owned(),
                    });
                }
                Some(_) => {}
            }
        }
        let error = unknown();
        self.members.get_mut(id).ok_or(error)
    }

    /// As [`Group::member`], of the current generation.
    pub(super) fn current_member(
        &mut self,
        id: &str,
        instance_id: Option<&str>,
        generation: i32,
    ) -> Result<&mut Member, GroupError> {
        self.member(id, instance_id)?;
        if generation != self.generation {
            let (group, current) = (self.id.clone(), self.generation);
            return Err(GroupError::IllegalGeneration { group, asked: generation, current });
        }
        self.member(id, instance_id)
    }

    /// Whether a member with these could take part: it has the group's type and a protocol that all others have.
    pub(super) fn accepts(&self, protocol_type: &str, protocols: &[(String, bytes::Bytes)]) -> bool {
        if protocol_type.is_empty() || protocols.is_empty() {
            return false;
        }
        if self.state == GroupState::Empty {
            return true;
        }
        let shared = self.shared_protocols();
        self.protocol_type.as_deref() == Some(protocol_type)
            && protocols.iter().any(|(name, _)| self.members.is_empty() || shared.contains(name.as_str()))
    }

    /// The protocols that all members have.
    fn shared_protocols(&self) -> HashSet<&str> {
        let mut members = self.members.values();
        let mut shared = members.next().map(Member::protocol_names).unwrap_or_default();
        for member in members {
            let theirs = member.protocol_names();
            shared.retain(|name| theirs.contains(name));
        }
        shared
    }

    /// The protocol that all have and most like best; of equals the first by name.
    pub(super) fn chosen_protocol(&self) -> Option<String> {
        let mut votes: BTreeMap<&str, usize> = BTreeMap::new();
        let shared = self.shared_protocols();
        for member in self.members.values() {
            if let Some((name, _)) = member.protocols.iter().find(|(name, _)| shared.contains(name.as_str()))
            {
                *votes.entry(name).or_default() += 1;
            }
        }
        let most = votes.values().max().copied()?;
        votes.into_iter().find(|(_, count)| *count == most).map(|(name, _)| name.to_owned())
    }

    /// Learns what the members consume from what they brought with the chosen protocol.
    pub(super) fn note_topics(&mut self) {
        self.topics = match (&self.protocol, self.protocol_type.as_deref()) {
            (Some(protocol), Some(CONSUMER)) => {
                let of_each = self.members.values().map(|m| subscription::topics(&m.subscription(protocol)));
                of_each.collect::<Option<Vec<_>>>().map(|all| all.into_iter().flatten().collect())
            }
            _ => None,
        };
    }

    /// The time until which a round waits for its members: as long as the slowest asked for.
    pub(super) fn rebalance_timeout_ms(&self) -> u64 {
        self.members.values().map(|m| super::member::millis(m.rebalance_timeout_ms)).max().unwrap_or(0)
    }

    pub(super) fn listing(&self) -> GroupListing {
        let protocol_type = self.protocol_type.clone().unwrap_or_default();
        GroupListing { group: self.id.clone(), protocol_type, state: self.state }
    }

    pub(super) fn description(&self) -> GroupDescription {
        let protocol = self.protocol.as_deref().filter(|_| self.state == GroupState::Stable);
        let describe = |member: &Member| MemberDescription {
            member_id: member.id.clone(),
            instance_id: member.instance_id.clone(),
            client_id: member.client_id.clone(),
            client_host: member.client_host.clone(),
            subscription: protocol.map(|name| member.subscription(name)).unwrap_or_default(),
            assignment: member.assignment.clone(),
        };
        GroupDescription {
            group: self.id.clone(),
            state: self.state,
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            protocol: protocol.unwrap_or_default().to_owned(),
            members: self.members.values().map(describe).collect(),
        }
    }
}
