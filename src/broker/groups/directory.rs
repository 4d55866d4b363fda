//! The coordinators of this node, one for each partition of `__consumer_offsets` that somebody asked for.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::timeout;

use super::coordinator::Coordinator;
use super::topic;
use crate::broker::Broker;
use crate::cluster::{TopicImage, spawn};
use crate::coordinator::GroupError;
use crate::model::{PartitionId, TopicId};

/// How long a request waits for groups that are being read from the log, before it is told to come again.
const LOADED_WITHIN: Duration = Duration::from_secs(3);

/// A place for one partition's coordinator. Its lock is held while the coordinator is loaded.
type Slot = Arc<tokio::sync::Mutex<Option<Arc<Coordinator>>>>;

/// See the module.
#[derive(Debug, Default)]
pub(in crate::broker) struct Coordinators {
    slots: Mutex<HashMap<(TopicId, PartitionId), Slot>>,
}

impl Coordinators {
    fn slot(&self, key: (TopicId, PartitionId)) -> Slot {
        Arc::clone(self.slots.lock().entry(key).or_default())
    }

    /// Those that are loaded now.
    pub(super) fn loaded(&self) -> Vec<Arc<Coordinator>> {
        let slots: Vec<Slot> = self.slots.lock().values().cloned().collect();
        let coordinator = |slot: &Slot| slot.try_lock().ok().and_then(|slot| slot.clone());
        slots.iter().filter_map(coordinator).filter(|c| c.failed().is_none()).collect()
    }
}

impl Broker {
    /// The coordinator of a partition that this node leads; loaded if it is not.
    pub(super) async fn coordinator_of(
        &self,
        topic: &Arc<TopicImage>,
        partition: PartitionId,
    ) -> Result<Arc<Coordinator>, GroupError> {
        let slot = self.0.coordinators.slot((topic.id, partition));
        if let Ok(place) = slot.try_lock()
            && let Some(coordinator) = place.as_ref().filter(|c| c.failed().is_none())
        {
            return Ok(Arc::clone(coordinator));
        }
        let (broker, of) = (self.clone(), Arc::clone(topic));
        // In a task of its own: a client that goes away must not leave it half loaded.
        let (answer, wait) = tokio::sync::oneshot::channel();
        spawn(async move {
            let mut place = slot.lock().await;
            let before = place.take();
            let found = match before.as_ref().filter(|c| c.failed().is_none()) {
                Some(ready) => Ok(Arc::clone(ready)),
                None => broker.load_coordinator(&of, partition, before.is_some()).await,
            };
            *place = found.as_ref().ok().cloned();
            drop(answer.send(found));
        });
        let loading = || GroupError::Loading { partition: format!("{}-{partition}", topic.name) };
        match timeout(LOADED_WITHIN, wait).await {
            Ok(Ok(found)) => found,
            Ok(Err(_)) | Err(_) => Err(loading()),
        }
    }

    /// The coordinators of all partitions that this node leads and that were ever used.
    pub(super) async fn all_coordinators(&self) -> Result<Vec<Arc<Coordinator>>, GroupError> {
        let Some(topic) = topic::of(&self.image()) else { return Ok(Vec::new()) };
        let mut found = Vec::new();
        for partition in (0..).take(topic.partitions.len()) {
            let Some(log) = self.0.replicas.get(topic.id, partition) else { continue };
            if self.leader(&topic, partition).node == self.node_id() && log.was_used() {
                found.push(self.coordinator_of(&topic, partition).await?);
            }
        }
        Ok(found)
    }
}
