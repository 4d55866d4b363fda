//! The metadata group: the log whose agreed commands make the image.
//!
//! Its snapshot is the image as a batch of commands, written every 16 MiB of log beside the log's
//! own; the log before it is let go. Every node has a replica; those that do not vote follow as learners, so each
//! answers from an image of its own. The leader is Kafka's controller.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::{oneshot, watch};
use uuid::Uuid;

use super::distributed_log::{DistributedLog, LogError, LogSettings, NodeStorage};
use super::exchange::Exchange;
use super::image_file;
use super::metadata::{Command, MetadataImage};
use super::raft::{Commands, Group, GroupError, Outcome, spawn};
use crate::model::{BatchHeader, LeaderEpoch, Offset, RaftIndex, TopicId, TopicName, TopicPartition};
use crate::partition::{CheckedBatch, Identity, Partition};
use crate::storage::{Damage, Disk, LogIdentity, LogOptions, SegmentFacts, StorageError};

/// The name of the log's directory, as Kafka calls it.
const TOPIC: &str = "__cluster_metadata";
/// The topic id that the metadata log goes by.
pub const METADATA_TOPIC_ID: TopicId = TopicId::CLUSTER_METADATA;
/// Bytes of log after which the image is written down and the log before it let go.
const IMAGE_EVERY_BYTES: u64 = 16 << 20;
/// How often it is looked whether the image is due.
const IMAGE_LOOKED_AT_EVERY: Duration = Duration::from_secs(5);
/// The log rolls at 8 MiB, so that there is something to let go.
pub(super) const OPTIONS: LogOptions = LogOptions {
    segment_bytes: 8 << 20,
    segment_index_bytes: 4 << 20,
    segment_ms: i64::MAX,
    segment_jitter_ms: 0,
};
/// How long whoever proposes waits for a majority: what became of it is not known then.
const AGREED_WITHIN: Duration = Duration::from_secs(20);

/// The metadata log's replica on `node`; `incarnation` counts the directories that the node has had, from 1.
///
/// The node is in the id, since a voter must find the others before it knows any image.
pub fn metadata_replica(node: i32, incarnation: u32) -> u64 {
    (u64::from(incarnation) << 32) | u64::from(node.unsigned_abs())
}

/// The node that a replica of the metadata log is on.
pub fn node_of_metadata_replica(replica: u64) -> i32 {
    i32::try_from(replica & 0xffff_ffff).unwrap_or(i32::MAX)
}

/// How many directories a node had before the one with this replica, plus one.
pub fn incarnation_of(replica: u64) -> u32 {
    u32::try_from(replica >> 32).unwrap_or(u32::MAX)
}

/// Who the log of a replica of the metadata is.
pub(super) fn identity(cluster_id: Uuid, replica_id: u64) -> Identity {
    let topic = TopicName::new(TOPIC).expect("a legal name");
    Identity {
        name: TopicPartition { topic, partition: 0 },
        log: LogIdentity { cluster_id, topic_id: METADATA_TOPIC_ID, partition: 0, replica_id },
    }
}

/// Is told of each change, in order, before whoever proposed it is answered.
pub trait Changes: Send + Sync {
    fn changed(&self, before: &MetadataImage, after: &MetadataImage);
}

/// See the module.
pub struct MetadataLog {
    log: Arc<DistributedLog>,
    keeper: Arc<Keeper>,
    /// Held by a proposal until it is known what became of it, also if nobody waits any more.
    in_flight: Arc<tokio::sync::Mutex<()>>,
}

impl std::fmt::Debug for MetadataLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MetadataLog").finish_non_exhaustive()
    }
}

/// How far the metadata log has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetadataLines {
    pub leader_epoch: LeaderEpoch,
    pub high_watermark: Offset,
    /// Exclusive.
    pub log_end: Offset,
}

/// Turns agreed batches into images.
struct Keeper {
    known: ArcSwap<Known>,
    /// Tells of each new image.
    news: watch::Sender<Option<RaftIndex>>,
    /// Held while a batch is applied.
    changes: Mutex<Option<Arc<dyn Changes>>>,
    bytes_since_image: AtomicU64,
    exchange: Arc<Exchange>,
    disk: Arc<dyn Disk>,
    dir: PathBuf,
}

/// An image, and the Raft index as of which it is.
struct Known {
    image: Arc<MetadataImage>,
    /// `None`: before any.
    applied: Option<RaftIndex>,
}

impl Keeper {
    /// The caller holds `changes`.
    fn put(&self, changes: Option<&Arc<dyn Changes>>, after: MetadataImage, index: RaftIndex) {
        let before = Arc::clone(&self.known.load().image);
        let after = Arc::new(after);
        self.known.store(Arc::new(Known { image: Arc::clone(&after), applied: Some(index) }));
        self.exchange.follow_image(&after);
        if let Some(changes) = changes {
            changes.changed(&before, &after);
        }
        self.news.send_replace(Some(index));
    }
}

impl Commands for Keeper {
    fn apply(&self, index: RaftIndex, batch: &Bytes) -> io::Result<()> {
        let changes = self.changes.lock();
        let known = self.known.load_full();
        if known.applied.is_some_and(|applied| index <= applied) {
            return Ok(());
        }
        let mut after = MetadataImage::clone(&known.image);
        let applied = Command::of_batch(batch)
            .and_then(|commands| commands.into_iter().try_for_each(|command| after.apply(command)));
        if let Err(error) = applied {
            // Going on would make another image than the log says: better none.
            let reason = format!("the metadata command at raft index {index} cannot be applied: {error}");
            tracing::error!(reason, "the metadata group stops");
            return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
        }
        self.bytes_since_image.fetch_add(batch.len() as u64, Relaxed);
        self.put(changes.as_ref(), after, index);
        Ok(())
    }

    fn applied(&self, partition: &Partition) -> Result<Option<RaftIndex>, StorageError> {
        let applied = self.known.load().applied;
        match partition.before_first() {
            Some((_, before)) if applied.is_none_or(|applied| applied < before) => {
                Err(Damage::Gap.at(&image_file::path(partition.reader().dir()), 0))
            }
            _ => Ok(applied),
        }
    }

    fn image(&self) -> Bytes {
        let known = self.known.load();
        image_file::encode(&known.image, known.applied.unwrap_or(0)).into()
    }

    fn install(&self, image: &[u8]) -> io::Result<()> {
        let (image, applied) = image_file::decode(image)?;
        let changes = self.changes.lock();
        if self.known.load().applied.is_some_and(|known| known >= applied) {
            return Ok(());
        }
        image_file::write(&*self.disk, &self.dir, &image, applied).map_err(io::Error::other)?;
        self.put(changes.as_ref(), image, applied);
        Ok(())
    }
}

impl MetadataLog {
    /// Opens this node's replica and starts it. `forms` if it is the first of a new cluster: it then is the only voter
    /// and leads when this returns; if the log is there already, it changes nothing. Any other replica follows what
    /// comes; see [`Self::informed`].
    ///
    /// # Errors
    /// [`LogError`] if the log or the written image is damaged.
    pub async fn start(storage: NodeStorage, replica_id: u64, forms: bool) -> Result<Self, LogError> {
        let identity = identity(storage.cluster_id, replica_id);
        let settings = LogSettings { options: OPTIONS, flush_messages: 1, flush_ms: u64::MAX };
        let founders = forms.then(|| vec![replica_id]);
        let exchange = Arc::clone(&storage.exchange);
        let log = DistributedLog::new(storage, identity, founders, settings);
        let (disk, dir) = (Arc::clone(log.disk()), log.dir());
        let (image, applied) = image_file::read(&*disk, &dir)
            .map_err(|source| LogError::Storage { partition: TOPIC.into(), source: Arc::new(source) })?;
        let image = Arc::new(image);
        exchange.follow_image(&image);
        let keeper = Arc::new(Keeper {
            known: ArcSwap::from_pointee(Known { image, applied }),
            news: watch::Sender::new(applied),
            changes: Mutex::default(),
            bytes_since_image: 0.into(),
            exchange: Arc::clone(&exchange),
            disk,
            dir,
        });
        let log = Arc::new(log.with_commands(Arc::<Keeper>::clone(&keeper)));
        exchange.set_metadata(&log);
        let started = Self { log, keeper, in_flight: Arc::default() };
        started.log.group().await?;
        Ok(started)
    }

    /// The image as of the newest agreed command.
    pub fn image(&self) -> Arc<MetadataImage> {
        Arc::clone(&self.keeper.known.load().image)
    }

    /// Waits until the image is one for which `holds` is true.
    pub async fn informed(&self, holds: impl Fn(&MetadataImage) -> bool) {
        let mut news = self.keeper.news.subscribe();
        drop(news.wait_for(|_| holds(&self.image())).await);
    }

    /// Waits until the image is at least as new as of `index`.
    pub async fn seen(&self, index: RaftIndex) {
        let mut news = self.keeper.news.subscribe();
        drop(news.wait_for(|seen| seen.is_some_and(|seen| seen >= index)).await);
    }

    /// The Raft index as of which the image is.
    pub fn applied(&self) -> Option<RaftIndex> {
        self.keeper.known.load().applied
    }

    /// From now on `changes` is told of every change; first of all that is there.
    pub fn tell(&self, changes: Arc<dyn Changes>) {
        let mut slot = self.keeper.changes.lock();
        changes.changed(&MetadataImage::default(), &self.image());
        *slot = Some(changes);
    }

    /// This node's replica of the log.
    pub fn log(&self) -> &Arc<DistributedLog> {
        &self.log
    }

    /// Whether this node is the controller: its replica leads.
    pub fn is_controller(&self) -> bool {
        self.log.running().is_some_and(|group| group.leads().is_some())
    }

    /// The controller, as far as it is known here.
    pub fn controller(&self) -> Option<i32> {
        self.keeper.exchange.leaders.get(&(METADATA_TOPIC_ID, 0)).map(|leader| leader.node)
    }

    /// How far the log has come.
    pub async fn lines(&self) -> Result<MetadataLines, LogError> {
        let group = self.log.group().await?;
        Ok(MetadataLines {
            leader_epoch: group.leader_epoch(),
            high_watermark: group.partition.lines.high_watermark(),
            log_end: group.partition.reader().log_end_offset(),
        })
    }

    /// Returns when the image shows what became of every earlier proposal, also of those whose
    /// proposer went away.
    pub async fn settled(&self) {
        drop(self.in_flight.lock().await);
    }

    /// Agrees on `commands`, all or none, and returns when they are applied here.
    ///
    /// # Errors
    /// [`LogError::NotLeader`] if this node is not the controller; [`GroupError::NoMajority`] if it is not known what
    /// became of them.
    pub async fn propose(&self, commands: Vec<Command>, now_ms: i64) -> Result<(), LogError> {
        let batch = Command::batch(commands, now_ms);
        let header = BatchHeader::parse(&batch).expect("a batch that was just built");
        let body = batch.slice(crate::model::batch::HEADER_LEN..);
        let checked = CheckedBatch { header, body, log_append_time: None };
        let (group, epoch) = self.log.leading().await?;
        let alone = Arc::clone(&self.in_flight).lock_owned().await;
        let (answer, wait) = oneshot::channel();
        let proposed_to = Arc::clone(&group);
        spawn(async move {
            let outcome = match proposed_to.propose_in(epoch, checked).await {
                Ok(pending) => {
                    let agreed = tokio::time::timeout(AGREED_WITHIN, pending.outcome()).await;
                    agreed.unwrap_or(Err(GroupError::NoMajority { within: AGREED_WITHIN }))
                }
                Err(error) => Err(error),
            };
            drop(alone);
            drop(answer.send(outcome));
        });
        match wait.await.unwrap_or_else(|_| Err(GroupError::Stopped { reason: "it is closing".into() }))? {
            Outcome::Appended { .. } | Outcome::Done => Ok(()),
            Outcome::Refused(refusal) => {
                tracing::debug!(?refusal, "a metadata change was overtaken by another controller");
                Err(LogError::NotLeader { partition: self.log.identity.name.to_string() })
            }
        }
    }

    /// Writes the image whenever enough was applied, until `closing`.
    pub async fn maintain(&self, mut closing: watch::Receiver<bool>) {
        let closing = closing.wait_for(|closing| *closing);
        tokio::pin!(closing);
        while tokio::time::timeout(IMAGE_LOOKED_AT_EVERY, &mut closing).await.is_err() {
            if self.keeper.bytes_since_image.load(Relaxed) >= IMAGE_EVERY_BYTES
                && let Some(group) = self.log.running()
            {
                self.write_image(&group).await;
            }
        }
    }

    pub async fn close(&self) {
        self.log.close().await;
    }

    /// Writes the image down and lets go of the log before it. A failure costs only space.
    async fn write_image(&self, group: &Arc<Group>) {
        self.keeper.bytes_since_image.store(0, Relaxed);
        let known = self.keeper.known.load_full();
        let (image, Some(applied)) = (Arc::clone(&known.image), known.applied) else { return };
        let dir = self.log.dir();
        let written = self.log.in_background(move |disk| image_file::write(disk, &dir, &image, applied));
        if let Err(error) = written.await {
            tracing::warn!(%error, "the metadata image was not written");
            return;
        }
        let last_of = |s: &SegmentFacts| s.last_raft_index.filter(|last| !s.active && *last <= applied);
        let upto = group.partition.segments().iter().filter_map(last_of).max();
        let Some(upto) = upto else { return };
        let start = group.partition.reader().entry(upto + 1).map_or(Offset::ZERO, |e| e.offset);
        if group.leads().is_some()
            && let Err(error) = group.move_log_start(start).await
        {
            tracing::warn!(%error, "the metadata log's start was not moved");
            return;
        }
        // A replica that follows lets go of what the leader let go of.
        let upto = group.partition.expendable().map_or(0, |expendable| expendable.min(upto));
        if upto > 0
            && let Err(error) = group.purge(upto).await
        {
            tracing::warn!(%error, "the metadata log was not shortened");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replica_of_the_metadata_names_its_node() {
        let replica = metadata_replica(7, 3);
        assert_eq!((node_of_metadata_replica(replica), incarnation_of(replica)), (7, 3));
    }
}
