//! `SyncGroup`: the leader brings the assignment, everybody else waits for it.
//!
//! Source: Kafka `GroupMetadataManager.classicGroupSyncToClassicGroup`.

use std::collections::HashMap;

use bytes::Bytes;

use super::effects::{Effects, Reply, ReplyTo};
use super::error::GroupError;
use super::event::{GroupSettings, Now, SyncGroup, Synced};
use super::group::{Group, GroupState, Timer};

impl Group {
    /// The reply comes now, or when the leader has brought the assignment and it is written.
    pub(super) fn on_sync(
        &mut self,
        now: Now,
        settings: &GroupSettings,
        to: ReplyTo,
        sync: SyncGroup,
    ) -> Effects {
        let id = sync.member_id.clone();
        if let Err(error) = self.check_sync(&sync) {
            return Effects::refuse(to, error);
        }
        let group = self.id.clone();
        match self.state {
            GroupState::Empty | GroupState::Dead => {
                Effects::refuse(to, GroupError::UnknownMember { group, member: id })
            }
            GroupState::PreparingRebalance => Effects::refuse(to, GroupError::RebalanceInProgress { group }),
            GroupState::CompletingRebalance => self.wait_for_assignment(now, settings, to, sync),
            GroupState::Stable => {
                self.note_synced(now, &id);
                let mut effects = Effects::default();
                effects.reply(to, Reply::Synced(self.synced(&id)));
                effects
            }
        }
    }

    fn check_sync(&mut self, sync: &SyncGroup) -> Result<(), GroupError> {
        self.current_member(&sync.member_id, sync.instance_id.as_deref(), sync.generation)?;
        let fits = |asked: &Option<String>, ours: &Option<String>| asked.is_none() || asked == ours;
        if fits(&sync.protocol_type, &self.protocol_type) && fits(&sync.protocol, &self.protocol) {
            return Ok(());
        }
        Err(GroupError::InconsistentProtocol { group: self.id.clone(), member: sync.member_id.clone() })
    }

    fn wait_for_assignment(
        &mut self,
        now: Now,
        settings: &GroupSettings,
        to: ReplyTo,
        sync: SyncGroup,
    ) -> Effects {
        let mut effects = Effects::default();
        let leads = self.leader.as_deref() == Some(sync.member_id.as_str());
        if let Some(member) = self.members.get_mut(&sync.member_id) {
            member.synced = true;
            if let Some(before) = member.syncing.replace(to) {
                let group = self.id.clone();
                effects.reply(before, Reply::Refused(GroupError::RebalanceInProgress { group }));
            }
        }
        if !leads {
            return effects;
        }
        let mut assignments: HashMap<String, Bytes> = sync.assignments.into_iter().collect();
        for member in self.members.values_mut() {
            let assigned = assignments.remove(&member.id).unwrap_or_default();
            member.assignment = Bytes::copy_from_slice(&assigned);
        }
        let bytes = self.membership_bytes();
        if bytes > settings.record_bytes_max {
            effects.and(self.give_up(now, settings, bytes));
            return effects;
        }
        self.enter(GroupState::Stable, now);
        effects.write(self.metadata_record());
        let waiting: Vec<(String, ReplyTo)> =
            self.members.values_mut().filter_map(|m| m.syncing.take().map(|to| (m.id.clone(), to))).collect();
        for (id, to) in waiting {
            self.note_synced(now, &id);
            effects.reply(to, Reply::Synced(self.synced(&id)));
        }
        effects
    }

    /// What the log's record of the group takes, nearly.
    pub(super) fn membership_bytes(&self) -> usize {
        let protocol = self.protocol.as_deref().unwrap_or_default();
        let of_one = |m: &super::member::Member| {
            let names = m.id.len()
                + m.client_id.len()
                + m.client_host.len()
                + m.instance_id.as_ref().map_or(0, String::len);
            names + m.subscription(protocol).len() + m.assignment.len() + 24
        };
        self.members.values().map(of_one).sum::<usize>() + self.id.len() + 128
    }

    /// The membership cannot be written: everybody hears of it, and may try again.
    fn give_up(&mut self, now: Now, settings: &GroupSettings, bytes: usize) -> Effects {
        let mut effects = Effects::default();
        for member in self.members.values_mut() {
            member.assignment = Bytes::new();
            if let Some(to) = member.syncing.take() {
                let (group, max) = (self.id.clone(), settings.record_bytes_max);
                let what = "the membership";
                effects.reply(to, Reply::Refused(GroupError::TooLarge { group, what, bytes, max }));
                member.heard(now);
            }
        }
        effects.and(self.rebalance(now, settings));
        effects
    }

    fn note_synced(&mut self, now: Now, id: &str) {
        if let Some(member) = self.members.get_mut(id) {
            member.synced = true;
            member.heard(now);
        }
        if matches!(self.timer, Some(Timer::Sync { .. })) && self.members.values().all(|member| member.synced)
        {
            self.timer = None;
        }
    }

    fn synced(&self, id: &str) -> Synced {
        let assignment = self.members.get(id).map(|member| member.assignment.clone()).unwrap_or_default();
        Synced { protocol_type: self.protocol_type.clone(), protocol: self.protocol.clone(), assignment }
    }
}
