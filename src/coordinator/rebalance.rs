//! Rounds: how a group comes from one generation to the next, and what happens when somebody is late.
//!
//! Source: Kafka `GroupMetadataManager`: `prepareRebalance`, `completeClassicGroupJoin`, `expirePendingSync`,
//! `expireClassicGroupMemberHeartbeat`.

use super::effects::{Effects, Reply, ReplyTo};
use super::error::GroupError;
use super::event::{GroupSettings, Joined, Now};
use super::group::{Group, GroupState, Timer};
use super::member::Member;

/// A round that nobody came to begins again after this at least, whatever its members said.
const WAIT_AGAIN_MIN_MS: u64 = 1_000;

impl Group {
    /// Begins a round if none is going on; ends the one that is, if nobody is missing.
    pub(super) fn rebalance(&mut self, now: Now, settings: &GroupSettings) -> Effects {
        match self.state {
            GroupState::Empty | GroupState::CompletingRebalance | GroupState::Stable => {
                self.begin_round(now, settings)
            }
            GroupState::PreparingRebalance => self.end_round_if_all_are_there(now),
            GroupState::Dead => Effects::default(),
        }
    }

    fn begin_round(&mut self, now: Now, settings: &GroupSettings) -> Effects {
        let mut effects = Effects::default();
        if self.state == GroupState::CompletingRebalance {
            effects.and(self.drop_assignment(now));
        }
        let was_empty = self.state == GroupState::Empty;
        self.enter(GroupState::PreparingRebalance, now);
        if was_empty {
            let delay = settings.initial_rebalance_delay_ms;
            self.timer = Some(Timer::Initial {
                at: now.monotonic_ms.saturating_add(delay),
                left_ms: self.rebalance_timeout_ms().saturating_sub(delay),
                more_came: false,
            });
            return effects;
        }
        self.timer = Some(Timer::Join { at: now.monotonic_ms.saturating_add(self.rebalance_timeout_ms()) });
        effects.and(self.end_round_if_all_are_there(now));
        effects
    }

    /// Nobody gets the assignment that was being waited for.
    fn drop_assignment(&mut self, now: Now) -> Effects {
        let mut effects = Effects::default();
        for member in self.members.values_mut() {
            member.assignment = bytes::Bytes::new();
            if let Some(to) = member.syncing.take() {
                let group = self.id.clone();
                effects.reply(to, Reply::Refused(GroupError::RebalanceInProgress { group }));
                member.heard(now);
            }
        }
        effects
    }

    /// In a first round the delay has to pass, whoever is there.
    pub(super) fn end_round_if_all_are_there(&mut self, now: Now) -> Effects {
        let delayed = matches!(self.timer, Some(Timer::Initial { .. }));
        let all = self.pending.is_empty() && self.members.values().all(|member| member.joining.is_some());
        if self.state == GroupState::PreparingRebalance && all && !delayed {
            return self.end_round(now);
        }
        Effects::default()
    }

    fn end_round(&mut self, now: Now) -> Effects {
        let mut effects = Effects::default();
        let late = self.members.values().filter(|m| m.joining.is_none() && m.instance_id.is_none());
        for id in late.map(|member| member.id.clone()).collect::<Vec<_>>() {
            effects.and(self.forget(&id));
        }
        if !self.members.is_empty() && !self.elect() {
            // Only static members that have not come back are left: they may still.
            let again = self.rebalance_timeout_ms().max(WAIT_AGAIN_MIN_MS);
            self.timer = Some(Timer::Join { at: now.monotonic_ms.saturating_add(again) });
            return effects;
        }
        self.generation = self.generation.checked_add(1).unwrap_or(0);
        self.timer = None;
        if self.members.is_empty() {
            self.protocol = None;
            self.leader = None;
            self.topics = None;
            self.enter(GroupState::Empty, now);
            effects.write(self.metadata_record());
            return effects;
        }
        self.protocol = self.chosen_protocol();
        self.note_topics();
        self.enter(GroupState::CompletingRebalance, now);
        self.timer = Some(Timer::Sync { at: now.monotonic_ms.saturating_add(self.rebalance_timeout_ms()) });
        effects.and(self.tell_generation(now));
        effects
    }

    /// Answers everybody who joined.
    fn tell_generation(&mut self, now: Now) -> Effects {
        let mut effects = Effects::default();
        for member in self.members.values_mut() {
            member.is_new = false;
            member.synced = false;
            member.heard(now);
        }
        let waiting: Vec<(String, ReplyTo)> = self
            .members
            .values_mut()
            .filter_map(|member| member.joining.take().map(|to| (member.id.clone(), to)))
            .collect();
        for (id, to) in waiting {
            effects.reply(to, Reply::Joined(self.joined(&id)));
        }
        effects
    }

    /// What the member is told of the current generation; the leader also hears of the others.
    pub(super) fn joined(&self, id: &str) -> Joined {
        let leads = self.leader.as_deref() == Some(id);
        let protocol = self.protocol.as_deref().unwrap_or_default();
        Joined {
            generation: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            leader: self.leader.clone().unwrap_or_default(),
            skip_assignment: false,
            member_id: id.to_owned(),
            members: if leads {
                self.members.values().map(|m| m.joined(protocol)).collect()
            } else {
                Vec::new()
            },
        }
    }

    /// Keeps the leader if it joined, else takes somebody who did; whether there is one.
    fn elect(&mut self) -> bool {
        let has_joined = |id: &String| self.members.get(id).is_some_and(|member| member.joining.is_some());
        if self.leader.as_ref().is_some_and(has_joined) {
            return true;
        }
        let other = self.members.values().find(|member| member.joining.is_some());
        match other.map(|member| member.id.clone()) {
            Some(id) => {
                self.leader = Some(id);
                true
            }
            None => false,
        }
    }

    /// Takes a member out, and tells it so if it waits.
    pub(super) fn forget(&mut self, id: &str) -> Effects {
        let mut effects = Effects::default();
        let Some(member) = self.members.remove(id) else { return effects };
        for to in [member.joining, member.syncing].into_iter().flatten() {
            let (group, member) = (self.id.clone(), id.to_owned());
            effects.reply(to, Reply::Refused(GroupError::UnknownMember { group, member }));
        }
        if let Some(instance) =
            member.instance_id.filter(|i| self.instances.get(i).is_some_and(|now| now == id))
        {
            self.instances.remove(&instance);
        }
        if self.leader.as_deref() == Some(id) {
            self.leader = self.members.keys().next().cloned();
        }
        effects
    }

    /// Lets everything happen that is due.
    pub(super) fn on_tick(&mut self, now: Now, settings: &GroupSettings) -> Effects {
        let mut effects = Effects::default();
        let due = |at: u64| at <= now.monotonic_ms;
        let pending_before = self.pending.len();
        self.pending.retain(|_, at| !due(*at));
        if self.pending.len() < pending_before {
            effects.and(self.end_round_if_all_are_there(now));
        }
        let silent = self.members.values().filter(|m| m.expires_at().is_some_and(due));
        for id in silent.map(|member| member.id.clone()).collect::<Vec<_>>() {
            // The one before it may have ended a round, and given this one another session.
            if self.members.get(&id).and_then(Member::expires_at).is_some_and(due) {
                effects.and(self.remove(now, settings, &id));
            }
        }
        if let Some(timer) = self.timer.filter(|timer| due(timer.at())) {
            effects.and(self.on_timer(now, settings, timer));
        }
        effects
    }

    /// Takes members out and lets the group go on without them.
    pub(super) fn remove(&mut self, now: Now, settings: &GroupSettings, id: &str) -> Effects {
        let mut effects = self.forget(id);
        if self.state != GroupState::Empty {
            effects.and(self.rebalance(now, settings));
        }
        effects
    }

    fn on_timer(&mut self, now: Now, settings: &GroupSettings, timer: Timer) -> Effects {
        match timer {
            Timer::Initial { left_ms, more_came: true, .. } if left_ms > 0 => {
                let delay = settings.initial_rebalance_delay_ms.min(left_ms);
                let at = now.monotonic_ms.saturating_add(delay);
                self.timer = Some(Timer::Initial { at, left_ms: left_ms - delay, more_came: false });
                Effects::default()
            }
            Timer::Initial { .. } | Timer::Join { .. } => self.end_round(now),
            Timer::Sync { .. } => {
                self.timer = None;
                let mut effects = Effects::default();
                let late = self.members.values().filter(|member| !member.synced);
                let late: Vec<String> = late.map(|member| member.id.clone()).collect();
                for id in &late {
                    effects.and(self.forget(id));
                }
                if !late.is_empty() {
                    effects.and(self.rebalance(now, settings));
                }
                effects
            }
        }
    }
}
