//! `LeaveGroup`, `DeleteGroups`, `OffsetDelete`, and offsets that nobody wants any more: how things end.
//!
//! Source: Kafka `GroupMetadataManager.classicGroupLeaveToClassicGroup`, `ClassicGroup.validateDeleteGroup`,
//! `ClassicGroup.offsetExpirationCondition`.

use super::effects::Effects;
use super::error::GroupError;
use super::event::{GroupSettings, Leaving, Now};
use super::group::{Group, GroupState};
use super::record::{CommittedOffset, GroupRecord};
use super::subscription::CONSUMER;

impl Group {
    /// An answer for each of `members`, in order.
    pub(super) fn on_leave(
        &mut self,
        now: Now,
        settings: &GroupSettings,
        members: &[Leaving],
    ) -> (Vec<Result<(), GroupError>>, Effects) {
        let mut effects = Effects::default();
        let answers: Vec<_> = members.iter().map(|leaving| self.let_go(leaving, &mut effects)).collect();
        if answers.iter().any(Result::is_ok) && self.state != GroupState::Empty {
            effects.and(self.rebalance(now, settings));
        }
        (answers, effects)
    }

    fn let_go(&mut self, leaving: &Leaving, effects: &mut Effects) -> Result<(), GroupError> {
        let id = if leaving.member_id.is_empty() {
            // An operator removes a static member, whoever it is now.
            let instance = leaving.instance_id.as_deref();
            let unknown = GroupError::UnknownMember { group: self.id.clone(), member: String::new() };
            instance.and_then(|instance| self.instances.get(instance)).cloned().ok_or(unknown)?
        } else if self.pending.remove(&leaving.member_id).is_some() {
            return Ok(());
        } else {
            self.member(&leaving.member_id, leaving.instance_id.as_deref())?.id.clone()
        };
        effects.and(self.forget(&id));
        Ok(())
    }

    /// Tombstones for all that the log has of it.
    ///
    /// # Errors
    /// [`GroupError::NotEmpty`] while there are members.
    pub(super) fn on_delete(&self) -> Result<Vec<GroupRecord>, GroupError> {
        if self.state != GroupState::Empty {
            return Err(GroupError::NotEmpty { group: self.id.clone() });
        }
        Ok(self.end())
    }

    fn end(&self) -> Vec<GroupRecord> {
        let offsets = self.offsets().iter().map(|(topic, partition, _)| self.tombstone(topic, partition));
        offsets.chain([GroupRecord::Group { group: self.id.clone(), value: None }]).collect()
    }

    /// # Errors
    /// For all: [`GroupError::NotEmpty`] in a group with members that are no consumers. For one:
    /// [`GroupError::Subscribed`].
    #[allow(clippy::type_complexity, reason = "an answer for each partition, and what to write")]
    pub(super) fn on_delete_offsets(
        &self,
        asked: &[(String, i32)],
    ) -> Result<(Vec<Result<(), GroupError>>, Vec<GroupRecord>), GroupError> {
        let consumers = self.protocol_type.as_deref() == Some(CONSUMER);
        if self.state != GroupState::Empty && !consumers {
            return Err(GroupError::NotEmpty { group: self.id.clone() });
        }
        let mut records = Vec::new();
        let mut answers = Vec::with_capacity(asked.len());
        for (topic, partition) in asked {
            if self.is_subscribed(topic) {
                let (group, topic) = (self.id.clone(), topic.clone());
                answers.push(Err(GroupError::Subscribed { group, topic }));
                continue;
            }
            if self.offsets().get(topic, *partition).is_some() {
                records.push(self.tombstone(topic, *partition));
            }
            answers.push(Ok(()));
        }
        Ok((answers, records))
    }

    /// Consumers that do not say what they consume may consume anything.
    fn is_subscribed(&self, topic: &str) -> bool {
        let consumers = self.protocol_type.as_deref() == Some(CONSUMER);
        let subscribed = self.topics.as_ref().is_none_or(|topics| topics.contains(topic));
        self.state != GroupState::Empty && consumers && subscribed
    }

    /// Tombstones for offsets that are kept long enough, and for the group if nothing is left of it.
    pub(super) fn on_expire(&self, now_ms: i64, retention_ms: i64) -> Vec<GroupRecord> {
        let mut records: Vec<GroupRecord> = Vec::new();
        let mut left = false;
        for (topic, partition, value) in self.offsets().iter() {
            if self.is_expired(topic, value, now_ms, retention_ms) {
                records.push(self.tombstone(topic, partition));
            } else {
                left = true;
            }
        }
        let ends = !left && self.state == GroupState::Empty && self.pending.is_empty();
        if ends {
            records.push(GroupRecord::Group { group: self.id.clone(), value: None });
        }
        records
    }

    fn is_expired(&self, topic: &str, value: &CommittedOffset, now_ms: i64, retention_ms: i64) -> bool {
        // What nobody may let expire, whatever its own time says. Source: Kafka `OffsetExpirationConditionImpl`.
        let base = match (self.protocol_type.as_deref(), self.state) {
            (None, _) => value.commit_timestamp_ms,
            (Some(_), GroupState::Empty) => self.since_ms.max(value.commit_timestamp_ms),
            (Some(CONSUMER), GroupState::Stable) if !self.is_subscribed(topic) => value.commit_timestamp_ms,
            (Some(_), _) => return false,
        };
        match value.expire_timestamp_ms {
            Some(at) => now_ms >= at,
            None => now_ms.saturating_sub(base) >= retention_ms,
        }
    }
}
