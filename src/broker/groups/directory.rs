//! The coordinators of this node, one for each partition of `__consumer_offsets` that somebody asked for.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use super::beat::Beat;
use super::coordinator::Coordinator;
use super::thread::GroupThread;
use super::topic;
use crate::broker::Broker;
use crate::cluster::{TopicImage, spawn};
use crate::coordinator::GroupError;
use crate::model::{PartitionId, TopicId};

/// How long a request waits for groups that are being read from the log, before it is told to come again.
const LOADED_WITHIN: Duration = Duration::from_secs(3);
/// How long a log that could not be read is left alone.
const READ_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Debug, Default)]
pub(in crate::broker) struct Coordinators {
    slots: Mutex<BTreeMap<(TopicId, PartitionId), Arc<Slot>>>,
    /// On which all of them write.
    pub(super) beat: Arc<Beat>,
    thread: OnceLock<GroupThread>,
}

/// A place for one partition's coordinator.
#[derive(Debug, Default)]
struct Slot {
    place: Mutex<Place>,
    /// Told whenever a load has ended.
    loaded: Notify,
}

#[derive(Clone, Debug, Default)]
enum Place {
    #[default]
    Empty,
    /// One task reads the log, whoever asks.
    Loading,
    Ready(Arc<Coordinator>),
    Failed {
        at: Instant,
        error: GroupError,
    },
}

/// What somebody who needs a coordinator finds.
enum Found {
    Ready(Arc<Coordinator>),
    Failed(GroupError),
    /// It has to be loaded, by whoever found this. `again` if one was here before.
    Missing {
        again: bool,
    },
    Loading,
}

impl Slot {
    fn ready(&self) -> Option<Arc<Coordinator>> {
        match &*self.place.lock() {
            Place::Ready(coordinator) if coordinator.failed().is_none() => Some(Arc::clone(coordinator)),
            Place::Ready(_) | Place::Empty | Place::Loading | Place::Failed { .. } => None,
        }
    }

    /// Whoever finds it missing must call [`Slot::put`] later.
    fn look(&self) -> Found {
        let mut place = self.place.lock();
        let again = match &*place {
            Place::Ready(coordinator) if coordinator.failed().is_none() => {
                return Found::Ready(Arc::clone(coordinator));
            }
            Place::Failed { at, error } if at.elapsed() < READ_AGAIN_AFTER => {
                return Found::Failed(error.clone());
            }
            Place::Loading => return Found::Loading,
            Place::Ready(_) | Place::Failed { .. } => true,
            Place::Empty => false,
        };
        *place = Place::Loading;
        Found::Missing { again }
    }

    fn put(&self, loaded: Result<Arc<Coordinator>, GroupError>) {
        *self.place.lock() = match loaded {
            Ok(coordinator) => Place::Ready(coordinator),
            Err(error) => Place::Failed { at: Instant::now(), error },
        };
        self.loaded.notify_waiters();
    }
}

impl Coordinators {
    /// The first that is given stays.
    pub(super) fn give_thread(&self, thread: GroupThread) {
        drop(self.thread.set(thread));
    }

    /// Spawns what writes for groups; where is said in `thread.rs`.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        match self.thread.get() {
            Some(thread) => thread.spawn(task),
            None => spawn(task),
        }
    }

    /// Does `work` there, with all the tasks that it spawns. `None`: the thread is ending.
    pub(super) async fn beside<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        match self.thread.get() {
            Some(thread) => thread.run(work).await,
            None => Some(work.await),
        }
    }

    fn slot(&self, key: (TopicId, PartitionId)) -> Arc<Slot> {
        Arc::clone(self.slots.lock().entry(key).or_default())
    }

    /// Those that are loaded now.
    pub(super) fn loaded(&self) -> Vec<Arc<Coordinator>> {
        let slots: Vec<Arc<Slot>> = self.slots.lock().values().cloned().collect();
        slots.iter().filter_map(|slot| slot.ready()).collect()
    }

    /// Forgets those of a topic that is gone.
    pub(super) fn end(&self, topic: TopicId) {
        let mut slots = self.slots.lock();
        let gone: Vec<_> = slots.keys().filter(|(id, _)| *id == topic).copied().collect();
        for slot in gone.into_iter().filter_map(|key| slots.remove(&key)) {
            if let Place::Ready(coordinator) = &*slot.place.lock() {
                coordinator.end("its topic was deleted");
            }
        }
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
        match slot.ready() {
            Some(coordinator) => Ok(coordinator),
            // Apart, since every request of a group would carry the room that it takes.
            None => Box::pin(self.loaded_into(&slot, topic, partition)).await,
        }
    }

    async fn loaded_into(
        &self,
        slot: &Arc<Slot>,
        topic: &Arc<TopicImage>,
        partition: PartitionId,
    ) -> Result<Arc<Coordinator>, GroupError> {
        let deadline = Instant::now() + LOADED_WITHIN;
        loop {
            let loaded = slot.loaded.notified();
            tokio::pin!(loaded);
            // From here on no end of a load is missed.
            loaded.as_mut().enable();
            match slot.look() {
                Found::Ready(coordinator) => return Ok(coordinator),
                Found::Failed(error) => return Err(error),
                Found::Missing { again } => self.load_into(slot, topic, partition, again),
                Found::Loading => {}
            }
            if timeout_at(deadline, loaded).await.is_err() {
                return Err(GroupError::Loading { partition: format!("{}-{partition}", topic.name) });
            }
        }
    }

    /// Loads in a task of its own: a client that goes away must not leave it half done.
    fn load_into(&self, slot: &Arc<Slot>, topic: &Arc<TopicImage>, partition: PartitionId, again: bool) {
        let (broker, slot, topic) = (self.clone(), Arc::clone(slot), Arc::clone(topic));
        spawn(async move {
            let loaded = broker.load_coordinator(&topic, partition, again).await;
            slot.put(loaded.clone());
            if let Ok(coordinator) = loaded {
                // Topics that went while it was loaded, or before the node stopped in the middle of their deletion.
                broker.forget_deleted_topics(&coordinator).await;
            }
        });
    }

    /// The coordinators of all partitions that this node leads and that were ever used.
    ///
    /// # Errors
    /// The first partition's that cannot be loaded now; all others were loaded, or tried.
    pub(super) async fn all_coordinators(&self) -> Result<Vec<Arc<Coordinator>>, GroupError> {
        let Some(topic) = topic::of(&self.image()) else { return Ok(Vec::new()) };
        let mut found = Vec::new();
        let mut failed = None;
        for partition in (0..).take(topic.partitions.len()) {
            let Some(log) = self.0.replicas.get(topic.id, partition) else { continue };
            if self.leader(&topic, partition).node != self.node_id() || !log.was_used() {
                continue;
            }
            match self.coordinator_of(&topic, partition).await {
                Ok(coordinator) => found.push(coordinator),
                Err(error) => _ = failed.get_or_insert(error),
            }
        }
        failed.map_or(Ok(found), Err)
    }
}
