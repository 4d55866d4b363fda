//! What a node does by itself from time to time: retention, snapshots of dirty logs, forgetting
//! silent producers, what groups need (`groups::upkeep`), and elections of last resort (`unclean`).

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::{Broker, BrokerError};
use crate::cluster::{DistributedLog, Group};
use crate::keys::TopicSettings;
use crate::model::Offset;
use crate::storage::SegmentFacts;

/// How often dirty logs get a snapshot.
const SNAPSHOT_EVERY: Duration = Duration::from_mins(1);

impl Broker {
    /// Runs until `closing` says so.
    pub async fn maintain(&self, closing: watch::Receiver<bool>) {
        let retention = self.keep_retention(closing.clone());
        let snapshots = self.keep_snapshots(closing.clone());
        let groups = self.keep_groups(closing.clone());
        let unclean = self.keep_unclean(closing.clone());
        let doomed = self.keep_doomed(closing);
        futures_util::future::join5(retention, snapshots, groups, unclean, doomed).await;
    }

    /// Deletes logs that are not this node's any more.
    async fn keep_doomed(&self, mut closing: watch::Receiver<bool>) {
        loop {
            tokio::select! {
                () = self.0.settings.doomed() => {}
                _ = closing.wait_for(|closing| *closing) => return,
            }
            for log in self.0.settings.take_doomed() {
                log.delete().await;
            }
        }
    }

    async fn keep_retention(&self, mut closing: watch::Receiver<bool>) {
        loop {
            let every = Duration::from_millis(self.settings().retention_check_interval_ms);
            if wait(&mut closing, every).await {
                return;
            }
            self.retain_all().await;
        }
    }

    /// One round of retention over all logs.
    pub async fn retain_all(&self) {
        let image = self.image();
        for topic in image.topics() {
            let settings = self.topic_settings(topic);
            for partition in (0..).take(topic.partitions.len()) {
                let Some(log) = self.0.replicas.get(topic.id, partition) else { continue };
                if let Err(error) = self.retain(&log, &settings).await {
                    tracing::warn!(partition = %log.identity.name, %error, "retention has to wait");
                }
            }
        }
    }

    async fn retain(&self, log: &Arc<DistributedLog>, settings: &TopicSettings) -> Result<(), BrokerError> {
        let group = match log.running() {
            Some(group) => group,
            // A parked log of one segment is looked at once it is used again.
            None if !log.has_closed_segments() => return Ok(()),
            None => log.group().await.map_err(|e| BrokerError::of_log(&log.identity.name, e))?,
        };
        let expiration_ms = i64::try_from(self.settings().producer_id_expiration_ms).unwrap_or(i64::MAX);
        group.partition.expire_producers(self.now_ms(), expiration_ms);
        if !settings.cleanup.delete {
            return Ok(());
        }
        let lines = &group.partition.lines;
        let due = due_start(&group.partition.segments(), settings, lines.high_watermark(), self.now_ms());
        match due.filter(|start| *start > lines.log_start()) {
            // The leader's decision, which the others follow.
            Some(_) if group.leads().is_none() => self.shorten(&group).await,
            Some(start) => {
                tracing::info!(partition = %log.identity.name, %start, "retention moves the log start");
                self.let_go(&group, start).await
            }
            // What could not be let go last time.
            None => self.shorten(&group).await,
        }
    }

    async fn let_go(&self, group: &Group, start: Offset) -> Result<(), BrokerError> {
        group.partition.close_active_below(start)?;
        self.move_log_start(group, start).await
    }

    async fn keep_snapshots(&self, mut closing: watch::Receiver<bool>) {
        while !wait(&mut closing, SNAPSHOT_EVERY).await {
            let dirty = |group: &Arc<Group>| group.partition.dirty_since_snapshot();
            for group in self.0.replicas.all().iter().filter_map(|log| log.running()).filter(dirty) {
                group.durability.snapshot(&group.partition);
                // One a turn: a node of many logs writes them one after the other.
                tokio::task::yield_now().await;
            }
        }
    }
}

/// Waits for `pause`; whether the node is closing.
pub(super) async fn wait(closing: &mut watch::Receiver<bool>, pause: Duration) -> bool {
    tokio::time::timeout(pause, closing.wait_for(|c| *c)).await.is_ok()
}

/// The log start that retention asks for: the end of the newest segment that is too old, or that
/// the size limit has no room for. Only whole segments, and nothing that is not agreed on yet.
///
/// Source: Kafka `UnifiedLog.deleteRetentionMsBreachedSegments`, `deleteRetentionSizeBreachedSegments`.
fn due_start(
    segments: &[SegmentFacts],
    settings: &TopicSettings,
    high_watermark: Offset,
    now_ms: i64,
) -> Option<Offset> {
    let mut due = None;
    let mut size: u64 = segments.iter().map(|s| s.bytes).sum();
    for segment in segments {
        let too_old = settings.retention_ms.is_some_and(|keep| {
            segment.has_batch && newest(segment).is_some_and(|at| now_ms.saturating_sub(at) > keep)
        });
        let too_much = !segment.active
            && settings
                .retention_bytes
                .is_some_and(|keep| size.saturating_sub(segment.bytes) >= keep.unsigned_abs());
        if !(too_old || too_much) || segment.next_offset > high_watermark {
            break;
        }
        size -= segment.bytes;
        due = Some(segment.next_offset);
    }
    due
}

/// When a segment's newest record was made, or, if none says so, when the segment was begun.
fn newest(segment: &SegmentFacts) -> Option<i64> {
    Some(segment.max_timestamp).filter(|at| *at >= 0).or(segment.created_ms)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::Layers;

    fn segment(next: i64, bytes: u64, max_timestamp: i64, active: bool) -> SegmentFacts {
        SegmentFacts {
            base_offset: Offset(next - 10),
            next_offset: Offset(next),
            first_raft_index: 0,
            last_raft_index: Some(9),
            bytes,
            max_timestamp,
            has_batch: true,
            active,
            created_ms: None,
        }
    }

    fn settings(retention_ms: Option<i64>, retention_bytes: Option<i64>) -> TopicSettings {
        let none = std::collections::BTreeMap::new();
        let layers = Layers { static_broker: &none, dynamic_default: &none, dynamic_broker: &none };
        TopicSettings { retention_ms, retention_bytes, ..TopicSettings::resolve(&layers, &none) }
    }

    fn segments() -> Vec<SegmentFacts> {
        vec![segment(10, 100, 1000, false), segment(20, 100, 2000, false), segment(30, 50, 3000, true)]
    }

    #[test]
    fn segments_whose_newest_record_is_too_old_go() {
        let due = |keep, now| due_start(&segments(), &settings(Some(keep), None), Offset(30), now);
        assert_eq!(due(500, 1500), None);
        assert_eq!(due(500, 1501), Some(Offset(10)));
        assert_eq!(due(500, 9999), Some(Offset(30)), "the active one too, once all of it is old");
    }

    #[test]
    fn records_without_a_time_age_from_when_their_segment_was_begun() {
        let untimed = |created_ms| SegmentFacts { created_ms, ..segment(10, 100, -1, true) };
        let due = |created, now| due_start(&[untimed(created)], &settings(Some(500), None), Offset(30), now);
        assert_eq!(due(Some(1000), 1500), None);
        assert_eq!(due(Some(1000), 1501), Some(Offset(10)));
        assert_eq!(due(None, i64::MAX), None, "not known: not old");
    }

    #[test]
    fn segments_beyond_the_size_go_and_the_active_one_stays() {
        let due = |keep| due_start(&segments(), &settings(None, Some(keep)), Offset(30), 0);
        assert_eq!(due(151), None);
        assert_eq!(due(150), Some(Offset(10)));
        assert_eq!(due(0), Some(Offset(20)));
    }

    #[test]
    fn what_is_not_agreed_on_stays() {
        let due = due_start(&segments(), &settings(Some(0), None), Offset(19), i64::MAX);
        assert_eq!(due, Some(Offset(10)));
    }
}
