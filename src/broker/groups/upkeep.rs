//! What happens to groups without anybody asking: they are loaded after a start, their offsets expire, and go with
//! their topics.

use std::time::Duration;

use tokio::sync::watch;

use uuid::Uuid;

use super::coordinator::Coordinator;
use crate::broker::Broker;
use crate::coordinator::{GroupSettings, Now};
use crate::model::TopicId;

/// What a record of `__consumer_offsets` needs beside what is counted for it.
const RECORD_OVERHEAD_BYTES: usize = 1 << 10;
/// How much a record of that topic may take: its `max.message.bytes`, as it is made.
const RECORD_BYTES_MAX: usize = (1 << 20) + 12 - RECORD_OVERHEAD_BYTES;

impl Broker {
    /// Limits of groups, as they are in force.
    pub(super) fn group_settings(&self) -> GroupSettings {
        let settings = self.settings();
        GroupSettings {
            session_timeout_min_ms: settings.group_min_session_timeout_ms,
            session_timeout_max_ms: settings.group_max_session_timeout_ms,
            initial_rebalance_delay_ms: settings.group_initial_rebalance_delay_ms,
            members_max: settings.group_max_size,
            offset_metadata_length_max: settings.offset_metadata_max_bytes,
            record_bytes_max: RECORD_BYTES_MAX,
            offsets_retention_ms: settings.offsets_retention_ms,
        }
    }

    /// The time as groups measure it.
    pub(super) fn group_time(&self) -> Now {
        let since = tokio::time::Instant::now().duration_since(self.0.began);
        Now { monotonic_ms: u64::try_from(since.as_millis()).unwrap_or(u64::MAX), wall_ms: self.now_ms() }
    }

    /// Loads all groups, then lets their offsets expire from time to time, until `closing` says so.
    pub(in crate::broker) async fn keep_groups(&self, mut closing: watch::Receiver<bool>) {
        loop {
            if let Err(error) = self.all_coordinators().await {
                // Whoever asks for one of the others loads it, or hears why not.
                tracing::warn!(%error, "not all groups are loaded");
            }
            let every = Duration::from_millis(self.settings().offsets_retention_check_interval_ms);
            if tokio::time::timeout(every, closing.wait_for(|c| *c)).await.is_ok() {
                return;
            }
            for coordinator in self.0.coordinators.loaded() {
                let expired = coordinator.carry_out(|shard, now| Ok(((), shard.on_expire(now)))).await;
                if let Err(error) = expired {
                    tracing::warn!(%error, "offsets cannot expire now");
                }
            }
        }
    }

    /// Forgets what groups committed for topics that are gone. Those of partitions that are not loaded are forgotten
    /// when they are.
    pub(in crate::broker) async fn forget_offsets_of(&self, topic: TopicId) {
        self.0.coordinators.end(topic);
        for coordinator in self.0.coordinators.loaded() {
            self.forget_deleted_topics(&coordinator).await;
        }
    }

    pub(super) async fn forget_deleted_topics(&self, coordinator: &Coordinator) {
        let image = self.image();
        let exists = |name: &str, id: Option<Uuid>| {
            image.topic(name).is_some_and(|topic| id.is_none_or(|id| topic.id.0 == id))
        };
        let forgotten = coordinator.carry_out(|shard, _| Ok(((), shard.on_topics_deleted(exists)))).await;
        if let Err(error) = forgotten {
            tracing::warn!(%error, "offsets of deleted topics stay until their groups are loaded again");
        }
    }

    /// Nothing is decided for groups any more.
    pub(in crate::broker) fn end_groups(&self) {
        for coordinator in self.0.coordinators.loaded() {
            coordinator.end("this node is closing");
        }
    }
}
