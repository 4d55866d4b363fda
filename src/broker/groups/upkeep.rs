//! What happens to groups without anybody asking: they are loaded after a start, their offsets expire, and go with
//! their topics.

use std::time::Duration;

use tokio::sync::watch;

use crate::broker::Broker;
use crate::coordinator::{Effects, GroupSettings, Now, Shard};

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
        if let Err(error) = self.all_coordinators().await {
            // Whoever asks for one of the others loads it, or hears why not.
            tracing::warn!(%error, "not all groups are loaded");
        }
        loop {
            let every = Duration::from_millis(self.settings().offsets_retention_check_interval_ms);
            if tokio::time::timeout(every, closing.wait_for(|c| *c)).await.is_ok() {
                return;
            }
            self.of_all_groups("offsets cannot expire now", Shard::on_expire).await;
        }
    }

    /// Forgets what groups committed for a topic that is gone.
    pub(in crate::broker) async fn forget_offsets_of(&self, topic: &str) {
        let forget = |shard: &mut Shard, _: Now| shard.on_topic_deleted(topic);
        self.of_all_groups("offsets of a deleted topic stay", forget).await;
    }

    async fn of_all_groups(&self, failure: &'static str, decide: impl Fn(&mut Shard, Now) -> Effects) {
        for coordinator in self.0.coordinators.loaded() {
            let done = coordinator.carry_out(|shard, now| Ok(((), decide(shard, now)))).await;
            if let Err(error) = done {
                tracing::warn!(%error, failure);
            }
        }
    }

    /// Nothing is decided for groups any more.
    pub(in crate::broker) fn end_groups(&self) {
        for coordinator in self.0.coordinators.loaded() {
            coordinator.end("this node is closing");
        }
    }
}
