//! Offsets that groups commit, and ask for again.

use std::time::Duration;

use tokio::time::timeout;

use crate::broker::Broker;
use crate::coordinator::{Answers, CommitOffsets, CommittedOffset, GroupError};

/// What a group has committed for one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupOffset {
    pub topic: String,
    pub partition: i32,
    /// `None`: nothing.
    pub committed: Option<CommittedOffset>,
}

impl Broker {
    /// An answer for each offset, in order; returns when those that may be committed are written.
    ///
    /// # Errors
    /// [`GroupError`] if nothing may be committed.
    pub async fn commit_offsets(&self, mut commit: CommitOffsets) -> Result<Answers, GroupError> {
        let coordinator = self.coordinator(&commit.group).await?;
        self.has_room(&commit.group)?;
        let image = self.image();
        let mut known = Vec::with_capacity(commit.offsets.len());
        let mut answers: Vec<Option<GroupError>> = Vec::with_capacity(commit.offsets.len());
        for offset in commit.offsets {
            let exists = image.topic(&offset.topic).is_some_and(|t| t.partition(offset.partition).is_some());
            answers.push((!exists).then(|| GroupError::UnknownPartition {
                topic: offset.topic.clone(),
                partition: offset.partition,
            }));
            if exists {
                known.push(offset);
            }
        }
        commit.offsets = known;
        let group = commit.group.clone();
        let within = Duration::from_millis(self.settings().offsets_commit_timeout_ms);
        let committing = coordinator.carry_out(|shard, now| shard.on_commit(now, commit));
        let late = |_| GroupError::NotAvailable { group, reason: format!("not written within {within:?}") };
        let committed = timeout(within, committing).await.map_err(late)??;
        let mut committed = committed.into_iter();
        let merged = answers.into_iter().map(|unknown| match unknown {
            Some(error) => Err(error),
            None => committed.next().unwrap_or(Ok(())),
        });
        Ok(merged.collect())
    }

    /// The offsets of `asked` in its order, or all that the group has, by topic and partition.
    ///
    /// # Errors
    /// [`GroupError`] if this node cannot know.
    pub async fn fetch_offsets(
        &self,
        group: &str,
        asked: Option<&[(String, i32)]>,
    ) -> Result<Vec<GroupOffset>, GroupError> {
        let coordinator = self.coordinator(group).await?;
        let offset = |topic: &str, partition: i32, committed: Option<&CommittedOffset>| GroupOffset {
            topic: topic.to_owned(),
            partition,
            committed: committed.cloned(),
        };
        coordinator
            .read(|shard| match asked {
                Some(asked) => asked.iter().map(|(t, p)| offset(t, *p, shard.offset(group, t, *p))).collect(),
                None => shard.offsets(group).map(|(t, p, value)| offset(t, p, Some(value))).collect(),
            })
            .await
    }

    /// An answer for each partition whose offset is to be forgotten.
    ///
    /// # Errors
    /// [`GroupError`] if none may be.
    pub async fn delete_offsets(&self, group: &str, asked: &[(String, i32)]) -> Result<Answers, GroupError> {
        super::has_name(group)?;
        let coordinator = self.coordinator(group).await?;
        coordinator.carry_out(|shard, _| shard.on_delete_offsets(group, asked)).await
    }
}
