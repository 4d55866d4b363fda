//! From the log to a [`Coordinator`]: a restart, a failover and a failed write all come this way.

use std::sync::Arc;

use super::batch::{self, UnreadableBatch};
use super::coordinator::Coordinator;
use crate::broker::{Broker, BrokerError};
use crate::cluster::{Group as RaftGroup, LogError, TopicImage};
use crate::coordinator::{GroupError, Shard};
use crate::model::{Offset, PartitionId};
use crate::storage::StorageError;

/// How much of the log is read at a time.
const READ_BYTES: usize = 1 << 20;

/// Why a log does not become groups.
#[derive(Debug, thiserror::Error)]
enum LoadError {
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error("the log ends at {at}, before its high watermark {end}")]
    Ends { at: Offset, end: Offset },
    #[error("a batch at offset {at} cannot be read: {source}")]
    Batch {
        at: Offset,
        #[source]
        source: UnreadableBatch,
    },
}

impl Broker {
    /// Reads the groups of one partition and puts them to work. `again` if a coordinator failed before: what it had
    /// proposed may still be on its way, and has to be waited for.
    pub(super) async fn load_coordinator(
        &self,
        topic: &Arc<TopicImage>,
        partition: PartitionId,
        again: bool,
    ) -> Result<Arc<Coordinator>, GroupError> {
        let name = format!("{}-{partition}", topic.name);
        let not_here = |reason: String| GroupError::NotCoordinator { group: name.clone(), reason };
        let unusable = |error: BrokerError| not_here(error.to_string());
        let log = self.log(topic, partition).map_err(unusable)?;
        // Started there, if it is not yet: its tasks then run beside the one that writes.
        let led = self.0.coordinators.beside(async move { log.leading().await }).await;
        let led = led.unwrap_or(Err(LogError::Closing));
        let (group, epoch) = led.map_err(|e| unusable(BrokerError::of_log(&name, e)))?;
        if again {
            let start = group.partition.lines.log_start();
            group.move_log_start(start).await.map_err(|e| unusable(BrokerError::of_group(&name, e)))?;
        }
        let began = self.group_time();
        let (shard, bytes) = self.read_groups(&group).await.map_err(|error| {
            tracing::error!(partition = name, %error, "groups cannot be loaded");
            not_here(error.to_string())
        })?;
        let ms = self.group_time().monotonic_ms - began.monotonic_ms;
        let groups = shard.list().count();
        if groups > 0 {
            tracing::info!(partition = name, groups, bytes, ms, "groups are loaded");
        }
        Ok(Coordinator::start(self.clone(), (group, epoch), shard, bytes))
    }

    /// All groups as of the high watermark, and the bytes that it took to say so.
    async fn read_groups(&self, group: &Arc<RaftGroup>) -> Result<(Shard, usize), LoadError> {
        let lines = &group.partition.lines;
        let (mut at, end) = (lines.log_start(), lines.high_watermark());
        let mut shard = Shard::new(self.group_settings());
        let mut read = 0;
        while at < end {
            let run = group.partition.reader().read(at, end, READ_BYTES, true)?;
            let run = run.ok_or(LoadError::Ends { at, end })?;
            let bytes = run.copy()?;
            let mut rest = &bytes[..];
            while !rest.is_empty() {
                let replayed = batch::read(&mut rest, |record| shard.replay(record));
                replayed.map_err(|source| LoadError::Batch { at, source })?;
            }
            read += run.length;
            at = run.next_offset;
            // Others have their turn between two pieces.
            tokio::task::yield_now().await;
        }
        shard.on_loaded(self.group_time());
        Ok((shard, read))
    }
}
