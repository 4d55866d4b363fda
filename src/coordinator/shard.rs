//! All groups whose records are in one partition of `__consumer_offsets`.
//!
//! Each verb returns [`Effects`]. Whoever calls writes their records in the order of the calls, and gives each to
//! [`Shard::replay`] at once: later verbs see it. If writing fails, the shard is thrown away and read again.

use std::collections::{BTreeSet, HashMap};

use uuid::Uuid;

use super::effects::{Effects, ReplyTo};
use super::error::GroupError;
use super::event::{CommitOffsets, GroupSettings, Heartbeat, JoinGroup, LeaveGroup, Now, SyncGroup};
use super::group::{Group, GroupState};
use super::record::{CommittedOffset, GroupRecord};
use super::view::{GroupDescription, GroupListing};

/// See the module.
#[derive(Debug)]
pub struct Shard {
    /// May be changed at any time; holds from the next event on.
    pub settings: GroupSettings,
    groups: HashMap<String, Group>,
    /// When which group has to be looked at, by the monotonic clock. At most one entry a group, never too late.
    wakes: BTreeSet<(u64, String)>,
    wakes_of: HashMap<String, u64>,
    /// What members and given-out ids take, in all and of each group.
    held_bytes: usize,
    held_of: HashMap<String, usize>,
}

/// How much the members of one partition's groups may take before nobody else is let in. Ten thousand members of a
/// usual size take a tenth of it.
const HELD_BYTES_MAX: usize = 32 << 20;

/// An answer for each thing that was asked, in order.
pub type Answers = Vec<Result<(), GroupError>>;

impl Shard {
    pub fn new(settings: GroupSettings) -> Self {
        Self {
            settings,
            groups: HashMap::new(),
            wakes: BTreeSet::new(),
            wakes_of: HashMap::new(),
            held_bytes: 0,
            held_of: HashMap::new(),
        }
    }

    /// Takes in one record, from the log or on its way there. The only way in which hard state changes.
    pub fn replay(&mut self, record: GroupRecord) {
        let (id, is_tombstone, ends) = match &record {
            GroupRecord::Group { group, value } => (group, value.is_none(), value.is_none()),
            GroupRecord::Offset { group, value, .. } => (group, value.is_none(), false),
        };
        if let Some(group) = self.groups.get_mut(id) {
            group.replay(record);
            // Without its last offset it is an empty group still, until somebody ends it, or its time is over.
            if ends && group.is_nothing() {
                let id = group.id.clone();
                self.drop_group(&id);
            }
        } else if !is_tombstone {
            let mut group = Group::new(id.clone(), 0);
            group.replay(record);
            self.groups.insert(group.id.clone(), group);
        }
    }

    /// After the whole log was replayed: groups go on.
    pub fn on_loaded(&mut self, now: Now) {
        let ids: Vec<String> = self.groups.keys().cloned().collect();
        for id in ids {
            if let Some(group) = self.groups.get_mut(&id) {
                group.restore(now);
                self.look_again(&id, &Effects::default());
            }
        }
    }

    /// All that the log must have. What was written before it is not needed any more.
    pub fn live(&self) -> impl Iterator<Item = GroupRecord> {
        self.groups.values().flat_map(Group::records)
    }

    /// When [`Shard::on_tick`] has to be called next, by the monotonic clock.
    pub fn next_wake(&self) -> Option<u64> {
        self.wakes.first().map(|(at, _)| *at)
    }

    /// Lets everything happen that is due.
    pub fn on_tick(&mut self, now: Now) -> Effects {
        let mut effects = Effects::default();
        while let Some((_, id)) = self.wakes.first().filter(|(at, _)| *at <= now.monotonic_ms).cloned() {
            if let Some(group) = self.groups.get_mut(&id) {
                let of_group = group.on_tick(now, &self.settings);
                self.look_again(&id, &of_group);
                effects.and(of_group);
            }
            // Never the same group twice in one call: what is due at once again waits for the next.
            if self.wakes_of.get(&id).is_some_and(|at| *at <= now.monotonic_ms) {
                break;
            }
        }
        effects
    }

    /// Replies to `to`, now or later.
    pub fn on_join(&mut self, now: Now, to: ReplyTo, join: JoinGroup) -> Effects {
        if let Err(error) = self.check_join(&join) {
            return Effects::refuse(to, error);
        }
        let id = join.group.clone();
        if !self.groups.contains_key(&id) {
            if !join.member_id.is_empty() {
                return Effects::refuse(to, GroupError::UnknownMember { group: id, member: join.member_id });
            }
            self.groups.insert(id.clone(), Group::new(id.clone(), now.wall_ms));
        }
        let settings = self.settings;
        let Some(group) = self.groups.get_mut(&id) else { return Effects::default() };
        let effects = group.on_join(now, &settings, to, join);
        self.look_again(&id, &effects);
        effects
    }

    fn check_join(&self, join: &JoinGroup) -> Result<(), GroupError> {
        if join.group.is_empty() {
            return Err(GroupError::InvalidGroupId);
        }
        let (asked, min) = (join.session_timeout_ms, self.settings.session_timeout_min_ms);
        let max = self.settings.session_timeout_max_ms;
        if !(min..=max).contains(&asked) {
            return Err(GroupError::InvalidSessionTimeout { asked, min, max });
        }
        let is_member =
            self.groups.get(&join.group).is_some_and(|group| group.members.contains_key(&join.member_id));
        // Whoever is in stays in: what newcomers take must not keep members from the next round.
        if self.held_bytes > HELD_BYTES_MAX && !is_member {
            let reason = format!("members of its neighbours take {} bytes already", self.held_bytes);
            return Err(GroupError::NotAvailable { group: join.group.clone(), reason });
        }
        Ok(())
    }

    /// Replies to `to`, now or later.
    pub fn on_sync(&mut self, now: Now, to: ReplyTo, sync: SyncGroup) -> Effects {
        if sync.group.is_empty() {
            return Effects::refuse(to, GroupError::InvalidGroupId);
        }
        let (id, settings) = (sync.group.clone(), self.settings);
        let unknown = GroupError::UnknownMember { group: id.clone(), member: sync.member_id.clone() };
        let Some(group) = self.groups.get_mut(&id) else { return Effects::refuse(to, unknown) };
        let effects = group.on_sync(now, &settings, to, sync);
        self.look_again(&id, &effects);
        effects
    }

    /// # Errors
    /// [`GroupError`]: what the member has to do.
    pub fn on_heartbeat(&mut self, now: Now, heartbeat: &Heartbeat) -> Result<(), GroupError> {
        if heartbeat.group.is_empty() {
            return Err(GroupError::InvalidGroupId);
        }
        let (group, member) = (heartbeat.group.clone(), heartbeat.member_id.clone());
        match self.groups.get_mut(&heartbeat.group) {
            // Only later than before: no look at when it wakes.
            Some(found) => found.on_heartbeat(now, heartbeat),
            None => Err(GroupError::UnknownMember { group, member }),
        }
    }

    /// An answer for each member that leaves.
    ///
    /// # Errors
    /// [`GroupError`] if none of them can be looked at.
    pub fn on_leave(&mut self, now: Now, leave: &LeaveGroup) -> Result<(Answers, Effects), GroupError> {
        if leave.group.is_empty() {
            return Err(GroupError::InvalidGroupId);
        }
        let settings = self.settings;
        let unknown = || GroupError::UnknownMember { group: leave.group.clone(), member: String::new() };
        let group = self.groups.get_mut(&leave.group).ok_or_else(unknown)?;
        let (answers, effects) = group.on_leave(now, &settings, &leave.members);
        self.look_again(&leave.group, &effects);
        Ok((answers, effects))
    }

    /// An answer for each offset; those that may be committed are in the records.
    ///
    /// # Errors
    /// [`GroupError`] if nothing may be committed.
    pub fn on_commit(&mut self, now: Now, commit: CommitOffsets) -> Result<(Answers, Effects), GroupError> {
        if !self.groups.contains_key(&commit.group) {
            if commit.generation >= 0 {
                let (group, asked) = (commit.group, commit.generation);
                return Err(GroupError::IllegalGeneration { group, asked, current: -1 });
            }
            let group = Group::new(commit.group.clone(), now.wall_ms);
            self.groups.insert(commit.group.clone(), group);
        }
        let settings = self.settings;
        let id = commit.group.clone();
        let done = self.groups.get_mut(&id).map(|group| {
            group.check_commit(now, &commit)?;
            let mut effects = Effects::default();
            let mut answers = Answers::with_capacity(commit.offsets.len());
            for offset in commit.offsets {
                let record = group.commit_record(now, &settings, offset, commit.retention_ms);
                answers.push(record.map(|record| effects.write(record)));
            }
            Ok((answers, effects))
        });
        let done = done.unwrap_or(Err(GroupError::NotFound { group: id.clone() }));
        // Nothing of it was committed, and nothing is known of it.
        let has_records = done.as_ref().is_ok_and(|(_, effects)| !effects.records.is_empty());
        if !has_records && self.groups.get(&id).is_some_and(Group::is_nothing) {
            self.drop_group(&id);
        }
        done
    }

    /// The offset that the group has for a partition, as of all that was replayed.
    pub fn offset(&self, group: &str, topic: &str, partition: i32) -> Option<&CommittedOffset> {
        self.groups.get(group)?.offsets().get(topic, partition)
    }

    /// All offsets of a group, by topic and partition.
    pub fn offsets(&self, group: &str) -> impl Iterator<Item = (&str, i32, &CommittedOffset)> {
        self.groups.get(group).into_iter().flat_map(|group| group.offsets().iter())
    }

    /// `None`: there is no such group.
    pub fn describe(&self, group: &str) -> Option<GroupDescription> {
        self.groups.get(group).map(Group::description)
    }

    /// In no order.
    pub fn list(&self) -> impl Iterator<Item = GroupListing> {
        self.groups.values().map(Group::listing)
    }

    /// Ends a group without members, with all its offsets.
    ///
    /// # Errors
    /// [`GroupError::NotFound`], [`GroupError::NotEmpty`].
    pub fn on_delete(&mut self, group: &str) -> Result<Effects, GroupError> {
        let found = self.groups.get(group).ok_or_else(|| GroupError::NotFound { group: group.to_owned() })?;
        let records = found.on_delete()?;
        Ok(Effects { records, replies: Vec::new() })
    }

    /// An answer for each partition whose offset is to be forgotten.
    ///
    /// # Errors
    /// [`GroupError`] if none may be.
    pub fn on_delete_offsets(
        &mut self,
        group: &str,
        asked: &[(String, i32)],
    ) -> Result<(Answers, Effects), GroupError> {
        let found = self.groups.get(group).ok_or_else(|| GroupError::NotFound { group: group.to_owned() })?;
        let (answers, records) = found.on_delete_offsets(asked)?;
        Ok((answers, Effects { records, replies: Vec::new() }))
    }

    /// Tombstones for the offsets of topics that are gone: those that `exists` knows not, or under another id.
    pub fn on_topics_deleted(&mut self, exists: impl Fn(&str, Option<Uuid>) -> bool) -> Effects {
        let mut records = Vec::new();
        for group in self.groups.values() {
            let gone = group.offsets().iter().filter(|(topic, _, value)| !exists(topic, value.topic_id));
            records.extend(gone.map(|(topic, partition, _)| group.tombstone(topic, partition)));
        }
        Effects { records, replies: Vec::new() }
    }

    /// Tombstones for offsets and groups that were kept long enough.
    pub fn on_expire(&mut self, now: Now) -> Effects {
        let keep = self.settings.offsets_retention_ms;
        let records = self.groups.values().flat_map(|group| group.on_expire(now.wall_ms, keep)).collect();
        Effects { records, replies: Vec::new() }
    }

    /// After a group decided on `effects`: when it has to be looked at again, and how much it holds.
    fn look_again(&mut self, id: &str, effects: &Effects) {
        let Some(group) = self.groups.get(id) else { return };
        let (wakes_at, holds) = (group.wakes_at(), group.held_bytes());
        // With records on their way it is something as soon as they are replayed.
        if group.is_nothing() && effects.records.is_empty() {
            self.drop_group(id);
            return;
        }
        self.held_bytes = self.held_bytes + holds - self.held_of.insert(id.to_owned(), holds).unwrap_or(0);
        let before = self.wakes_of.get(id).copied();
        if before == wakes_at {
            return;
        }
        if let Some(at) = before {
            self.wakes.remove(&(at, id.to_owned()));
            self.wakes_of.remove(id);
        }
        if let Some(at) = wakes_at {
            self.wakes.insert((at, id.to_owned()));
            self.wakes_of.insert(id.to_owned(), at);
        }
    }

    fn drop_group(&mut self, id: &str) {
        self.groups.remove(id);
        self.held_bytes -= self.held_of.remove(id).unwrap_or(0);
        if let Some(at) = self.wakes_of.remove(id) {
            self.wakes.remove(&(at, id.to_owned()));
        }
    }

    /// What a group is doing.
    pub fn state(&self, group: &str) -> GroupState {
        self.groups.get(group).map_or(GroupState::Dead, |group| group.state)
    }
}
