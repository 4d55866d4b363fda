//! `Heartbeat` and `OffsetCommit`: a member is there, and how far it came.
//!
//! Source: Kafka `GroupMetadataManager.classicGroupHeartbeat`, `ClassicGroup.validateOffsetCommit`,
//! `OffsetMetadataManager.commitOffset`.

use super::error::GroupError;
use super::event::{CommitOffset, CommitOffsets, GroupSettings, Heartbeat, Now};
use super::group::{Group, GroupState};
use super::record::{CommittedOffset, GroupRecord};

impl Group {
    /// # Errors
    /// [`GroupError::RebalanceInProgress`] is how a member learns that it has to join again.
    pub(super) fn on_heartbeat(&mut self, now: Now, heartbeat: &Heartbeat) -> Result<(), GroupError> {
        let (id, instance) = (&heartbeat.member_id, heartbeat.instance_id.as_deref());
        let state = self.state;
        let group = self.id.clone();
        let member = self.current_member(id, instance, heartbeat.generation)?;
        match state {
            GroupState::Empty | GroupState::Dead => {
                Err(GroupError::UnknownMember { group, member: id.clone() })
            }
            GroupState::PreparingRebalance => {
                member.heard(now);
                Err(GroupError::RebalanceInProgress { group })
            }
            GroupState::CompletingRebalance | GroupState::Stable => {
                member.heard(now);
                Ok(())
            }
        }
    }

    /// Whether whoever asks may commit offsets; a member's commit says that it is alive.
    pub(super) fn check_commit(&mut self, now: Now, commit: &CommitOffsets) -> Result<(), GroupError> {
        if commit.generation < 0 && self.state == GroupState::Empty {
            return Ok(());
        }
        let claims_nothing =
            commit.generation < 0 && commit.member_id.is_empty() && commit.instance_id.is_none();
        if claims_nothing {
            let (group, member) = (self.id.clone(), String::new());
            return Err(GroupError::UnknownMember { group, member });
        }
        let state = self.state;
        let group = self.id.clone();
        let instance = commit.instance_id.as_deref();
        let member = self.current_member(&commit.member_id, instance, commit.generation)?;
        if state == GroupState::CompletingRebalance {
            return Err(GroupError::RebalanceInProgress { group });
        }
        member.heard(now);
        Ok(())
    }

    /// The record of one offset of a commit that may be made.
    pub(super) fn commit_record(
        &self,
        now: Now,
        settings: &GroupSettings,
        offset: CommitOffset,
        retention_ms: Option<i64>,
    ) -> Result<GroupRecord, GroupError> {
        // As Java counts, whatever the key's name says.
        let (length, max) = (offset.metadata.encode_utf16().count(), settings.offset_metadata_length_max);
        if length > max {
            return Err(GroupError::OffsetMetadataTooLarge { length, max });
        }
        let value = CommittedOffset {
            offset: offset.offset,
            leader_epoch: offset.leader_epoch,
            metadata: offset.metadata,
            commit_timestamp_ms: now.wall_ms,
            expire_timestamp_ms: retention_ms.map(|keep| now.wall_ms.saturating_add(keep)),
            topic_id: offset.topic_id,
        };
        let (topic, partition) = (offset.topic, offset.partition);
        Ok(GroupRecord::Offset { group: self.id.clone(), topic, partition, value: Some(value) })
    }
}
