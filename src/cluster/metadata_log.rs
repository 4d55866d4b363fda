//! The metadata group: the log whose agreed commands make the image.
//!
//! Its snapshot is the image as a batch of commands, written every 16 MiB of log beside the log's
//! own; the log before it is let go.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use arc_swap::ArcSwap;
use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::distributed_log::{DistributedLog, LogError, LogSettings, NodeStorage};
use super::image_file;
use super::metadata::{Command, MetadataImage};
use super::raft::{Commands, Group, GroupError, Outcome, spawn};
use crate::model::{BatchHeader, LeaderEpoch, Offset, RaftIndex, TopicId, TopicName, TopicPartition};
use crate::partition::{CheckedBatch, Identity, Partition};
use crate::storage::{Damage, LogIdentity, LogOptions, SegmentFacts, StorageError};

/// The name of the log's directory, as Kafka calls it.
const TOPIC: &str = "__cluster_metadata";
/// Bytes of log after which the image is written down and the log before it let go.
const IMAGE_EVERY_BYTES: u64 = 16 << 20;
/// The log rolls at this size, so that there is something to let go.
const SEGMENT_BYTES: u32 = 8 << 20;
/// The metadata group's first replica id. Ids of topics' replicas have groups of their own.
const REPLICA_ID: u64 = 1;

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
    /// Held while a batch is applied.
    changes: Mutex<Option<Arc<dyn Changes>>>,
    bytes_since_image: AtomicU64,
}

/// An image, and the Raft index as of which it is.
struct Known {
    image: Arc<MetadataImage>,
    /// `None`: before any.
    applied: Option<RaftIndex>,
}

impl Commands for Keeper {
    fn apply(&self, index: RaftIndex, batch: &Bytes) -> io::Result<()> {
        let changes = self.changes.lock();
        let known = self.known.load_full();
        if known.applied.is_some_and(|applied| index <= applied) {
            return Ok(());
        }
        let before = &known.image;
        let mut after = MetadataImage::clone(before);
        let applied = Command::of_batch(batch)
            .and_then(|commands| commands.into_iter().try_for_each(|command| after.apply(command)));
        if let Err(error) = applied {
            // Going on would make another image than the log says: better none.
            let reason = format!("the metadata command at raft index {index} cannot be applied: {error}");
            tracing::error!(reason, "the metadata group stops");
            return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
        }
        let after = Arc::new(after);
        self.known.store(Arc::new(Known { image: Arc::clone(&after), applied: Some(index) }));
        self.bytes_since_image.fetch_add(batch.len() as u64, Relaxed);
        if let Some(changes) = &*changes {
            changes.changed(before, &after);
        }
        Ok(())
    }
}

impl MetadataLog {
    /// Opens the log, starts its group and waits until the image is what was agreed on.
    ///
    /// # Errors
    /// [`LogError`] if the log or the written image is damaged.
    pub async fn start(storage: NodeStorage) -> Result<Self, LogError> {
        let name = TopicName::new(TOPIC).expect("a legal name");
        let identity = Identity {
            name: TopicPartition { topic: name, partition: 0 },
            log: LogIdentity {
                cluster_id: storage.cluster_id,
                topic_id: TopicId::CLUSTER_METADATA,
                partition: 0,
                replica_id: REPLICA_ID,
            },
        };
        let options = LogOptions {
            segment_bytes: SEGMENT_BYTES,
            segment_index_bytes: 4 << 20,
            segment_ms: i64::MAX,
            segment_jitter_ms: 0,
        };
        let settings = LogSettings { options, flush_messages: 1, flush_ms: u64::MAX };
        let log = DistributedLog::new(storage, identity, settings);
        let (image, applied) = image_file::read(&**log.disk(), &log.dir())
            .map_err(|source| LogError::Storage { partition: TOPIC.into(), source: Arc::new(source) })?;
        let keeper = Arc::new(Keeper {
            known: ArcSwap::from_pointee(Known { image: Arc::new(image), applied }),
            changes: Mutex::default(),
            bytes_since_image: 0.into(),
        });
        let started = Self { log: Arc::new(log), keeper, in_flight: Arc::default() };
        started.group().await?;
        Ok(started)
    }

    /// The image as of the newest agreed command.
    pub fn image(&self) -> Arc<MetadataImage> {
        Arc::clone(&self.keeper.known.load().image)
    }

    /// From now on `changes` is told of every change; first of all that is there.
    pub fn tell(&self, changes: Arc<dyn Changes>) {
        let mut slot = self.keeper.changes.lock();
        changes.changed(&MetadataImage::default(), &self.image());
        *slot = Some(changes);
    }

    /// The running group. One that a storage error stopped is started again, after a pause.
    async fn group(&self) -> Result<Arc<Group>, LogError> {
        if let Some(group) = self.log.running() {
            return Ok(group);
        }
        let applied = self.keeper.known.load().applied;
        let commands: Arc<dyn Commands> = Arc::<Keeper>::clone(&self.keeper);
        self.log.group_with(commands, move |partition| known_from(partition, applied)).await
    }

    /// How far the log has come.
    pub async fn lines(&self) -> Result<MetadataLines, LogError> {
        let group = self.group().await?;
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
    pub async fn propose(&self, commands: Vec<Command>, now_ms: i64) -> Result<(), LogError> {
        let batch = Command::batch(commands, now_ms);
        let header = BatchHeader::parse(&batch).expect("a batch that was just built");
        let body = batch.slice(crate::model::batch::HEADER_LEN..);
        let checked = CheckedBatch { header, body, log_append_time: None };
        let group = self.group().await?;
        let alone = Arc::clone(&self.in_flight).lock_owned().await;
        let (answer, wait) = oneshot::channel();
        let proposed_to = Arc::clone(&group);
        spawn(async move {
            let outcome = match proposed_to.propose(checked).await {
                Ok(pending) => pending.outcome().await,
                Err(error) => Err(error),
            };
            drop(alone);
            drop(answer.send(outcome));
        });
        match wait.await.unwrap_or_else(|_| Err(GroupError::Stopped { reason: "it is closing".into() }))? {
            Outcome::Appended { .. } | Outcome::Done => {}
            Outcome::Refused(refusal) => unreachable!("a batch without a producer was refused: {refusal:?}"),
        }
        if self.keeper.bytes_since_image.load(Relaxed) >= IMAGE_EVERY_BYTES {
            self.write_image(&group).await;
        }
        Ok(())
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
        let moved = match group.move_log_start(start).await {
            Ok(()) => group.purge(upto).await,
            failed => failed,
        };
        if let Err(error) = moved {
            tracing::warn!(%error, "the metadata log was not shortened");
        }
    }
}

/// From where on commands are to be applied.
///
/// # Errors
/// [`StorageError::Corrupt`] if the log begins behind the image: commands are missing.
fn known_from(partition: &Partition, applied: Option<RaftIndex>) -> Result<Option<RaftIndex>, StorageError> {
    match partition.before_first() {
        Some((_, before)) if applied.is_none_or(|applied| applied < before) => {
            Err(Damage::Gap.at(&image_file::path(partition.reader().dir()), 0))
        }
        _ => Ok(applied),
    }
}
