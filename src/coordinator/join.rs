//! `JoinGroup`: somebody new comes, or a member takes part in the next round.
//!
//! Source: Kafka `GroupMetadataManager.classicGroupJoinToClassicGroup` and what it calls.

use super::effects::{Effects, Reply, ReplyTo};
use super::error::GroupError;
use super::event::{GroupSettings, JoinGroup, Joined, Now};
use super::group::{Group, GroupState, Timer};
use super::member::{Member, millis};

/// How many ids may be given out that have not come back.
const PENDING_MAX: usize = 10_000;
/// How many protocols a member may offer. Real ones offer a handful.
const PROTOCOLS_MAX: usize = 100;
/// What a client or instance may be called: a member's id is that with a UUID behind it, and a string of the log has
/// 32,767 bytes at most.
const STEM_BYTES_MAX: usize = 32_767 - 37;

impl Group {
    /// The reply comes now, or when the round ends.
    pub(super) fn on_join(
        &mut self,
        now: Now,
        settings: &GroupSettings,
        to: ReplyTo,
        join: JoinGroup,
    ) -> Effects {
        if let Err(error) = self.check_join(settings, &join) {
            if matches!(error, GroupError::GroupFull { .. }) {
                self.pending.remove(&join.member_id);
            }
            return Effects::refuse(to, error);
        }
        if !join.member_id.is_empty() {
            return self.on_join_with_id(now, settings, to, join);
        }
        let stem = join.instance_id.as_ref().unwrap_or(&join.client_id);
        let id = format!("{stem}-{}", join.fresh);
        let is_known =
            join.instance_id.as_ref().is_some_and(|instance| self.instances.contains_key(instance));
        if is_known {
            return self.replace(now, settings, to, JoinGroup { member_id: id, ..join });
        }
        if join.instance_id.is_none() && join.id_required {
            let until = now.monotonic_ms.saturating_add(millis(join.session_timeout_ms));
            self.pending.insert(id.clone(), until);
            return Effects::refuse(to, GroupError::MemberIdRequired { group: self.id.clone(), member: id });
        }
        self.add(now, settings, to, JoinGroup { member_id: id, ..join })
    }

    fn check_join(&self, settings: &GroupSettings, join: &JoinGroup) -> Result<(), GroupError> {
        let (group, member) = (self.id.clone(), join.member_id.clone());
        let known = self.members.get(&join.member_id);
        let (max, room) = (settings.members_max, |count: usize| count < settings.members_max);
        let fits = match self.state {
            GroupState::Empty | GroupState::Dead => self.pending.len() < PENDING_MAX,
            GroupState::PreparingRebalance => {
                let waiting = self.members.values().filter(|member| member.joining.is_some()).count();
                known.is_some_and(|member| member.joining.is_some()) || room(waiting)
            }
            GroupState::CompletingRebalance | GroupState::Stable => {
                known.is_some() || room(self.members.len())
            }
        };
        if !fits || (join.member_id.is_empty() && self.pending.len() >= PENDING_MAX) {
            return Err(GroupError::GroupFull { group, max });
        }
        check_sizes(settings, join)?;
        if !self.accepts(&join.protocol_type, &join.protocols) {
            return Err(GroupError::InconsistentProtocol { group, member });
        }
        Ok(())
    }

    fn on_join_with_id(
        &mut self,
        now: Now,
        settings: &GroupSettings,
        to: ReplyTo,
        join: JoinGroup,
    ) -> Effects {
        if join.instance_id.is_none() && self.pending.remove(&join.member_id).is_some() {
            return self.add(now, settings, to, join);
        }
        let id = join.member_id.clone();
        let leads = self.leader.as_deref() == Some(id.as_str());
        let state = self.state;
        let member = match self.member(&id, join.instance_id.as_deref()) {
            Ok(member) => member,
            Err(error) => return Effects::refuse(to, error),
        };
        let same = member.protocols == join.protocols;
        match state {
            // Its first answer was lost: again what everybody was told.
            GroupState::CompletingRebalance if same => {
                member.heard(now);
                let mut effects = Effects::default();
                effects.reply(to, Reply::Joined(self.joined(&id)));
                effects
            }
            GroupState::Stable if same && !leads => {
                member.heard(now);
                let mut effects = Effects::default();
                effects.reply(to, Reply::Joined(self.joined(&id)));
                effects
            }
            GroupState::PreparingRebalance | GroupState::CompletingRebalance | GroupState::Stable => {
                let before = member.joining;
                member.joins_again(join, to);
                let mut effects = Effects::default();
                if let Some(before) = before {
                    // It sent the same twice, or over two connections: one reply is enough, and is the newer one's.
                    let group = self.id.clone();
                    effects.reply(before, Reply::Refused(GroupError::RebalanceInProgress { group }));
                }
                effects.and(self.rebalance(now, settings));
                effects
            }
            GroupState::Empty | GroupState::Dead => {
                let (group, member) = (self.id.clone(), id);
                Effects::refuse(to, GroupError::UnknownMember { group, member })
            }
        }
    }

    /// Somebody new, under the member id that `join` has by now.
    fn add(&mut self, now: Now, settings: &GroupSettings, to: ReplyTo, join: JoinGroup) -> Effects {
        let id = join.member_id.clone();
        if self.members.is_empty() {
            self.protocol_type = Some(join.protocol_type.clone());
        }
        if let Some(instance) = &join.instance_id {
            self.instances.insert(instance.clone(), id.clone());
        }
        self.leader.get_or_insert_with(|| id.clone());
        self.members.insert(id.clone(), Member::new(now, join, to));
        if let Some(Timer::Initial { more_came, .. }) = &mut self.timer {
            *more_came = true;
        }
        self.rebalance(now, settings)
    }

    /// A static member is back, under the id that `join` has by now: its old one is fenced.
    fn replace(&mut self, now: Now, settings: &GroupSettings, to: ReplyTo, join: JoinGroup) -> Effects {
        let mut effects = Effects::default();
        let (group, id) = (self.id.clone(), join.member_id.clone());
        let instance = join.instance_id.clone().unwrap_or_default();
        let (bytes, max) = (self.membership_bytes() + brought(&join), settings.record_bytes_max);
        if self.state == GroupState::Stable && bytes > max {
            return Effects::refuse(to, GroupError::TooLarge { group, what: "the membership", bytes, max });
        }
        let old_id = self.instances.insert(instance.clone(), id.clone()).unwrap_or_default();
        let Some(mut member) = self.members.remove(&old_id) else {
            return Effects::refuse(to, GroupError::UnknownMember { group, member: old_id });
        };
        for waiting in [member.joining.take(), member.syncing.take()].into_iter().flatten() {
            let (group, instance, member) = (group.clone(), instance.clone(), old_id.clone());
            effects.reply(waiting, Reply::Refused(GroupError::FencedInstance { group, instance, member }));
        }
        let old_leader = self.leader.clone().unwrap_or_default();
        let leads = old_leader == old_id;
        if leads {
            self.leader = Some(id.clone());
        }
        let knows_skip = join.knows_skip;
        member.id.clone_from(&id);
        member.joins_again(join, to);
        member.is_new = false;
        member.heard(now);
        self.members.insert(id.clone(), member);
        if self.state != GroupState::Stable || self.chosen_protocol() != self.protocol {
            effects.and(self.rebalance(now, settings));
            return effects;
        }
        // Nothing changes for the others: no round.
        if let Some(member) = self.members.get_mut(&id) {
            member.joining = None;
            member.synced = false;
        }
        effects.write(self.metadata_record());
        effects.reply(to, Reply::Joined(self.rejoined(&id, leads, &old_leader, knows_skip)));
        effects
    }

    /// What a static member is told that came back into a stable group.
    fn rejoined(&self, id: &str, leads: bool, old_leader: &str, knows_skip: bool) -> Joined {
        let joined = self.joined(id);
        if leads && knows_skip {
            return Joined { skip_assignment: true, ..joined };
        }
        // A client that cannot skip must not believe that it leads: it would assign anew for nothing.
        Joined { leader: old_leader.to_owned(), members: Vec::new(), ..joined }
    }
}

/// What a member says of itself, in bytes.
fn brought(join: &JoinGroup) -> usize {
    join.protocols.iter().map(|(name, data)| name.len() + data.len()).sum()
}

fn check_sizes(settings: &GroupSettings, join: &JoinGroup) -> Result<(), GroupError> {
    let too_large =
        |what, bytes, max| Err(GroupError::TooLarge { group: join.group.clone(), what, bytes, max });
    let stem = join.instance_id.as_ref().unwrap_or(&join.client_id).len();
    if stem > STEM_BYTES_MAX {
        return too_large("a member's name", stem, STEM_BYTES_MAX);
    }
    if join.protocols.len() > PROTOCOLS_MAX {
        return too_large("a member's list of protocols", join.protocols.len(), PROTOCOLS_MAX);
    }
    match brought(join) {
        bytes if bytes > settings.record_bytes_max => {
            too_large("what a member brings", bytes, settings.record_bytes_max)
        }
        _ => Ok(()),
    }
}
