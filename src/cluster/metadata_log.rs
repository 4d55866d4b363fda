//! The metadata group: the log whose agreed commands make the image.
//!
//! Its snapshot is the image as a batch of commands, written every 16 MiB of log beside the log's
//! own; the log before it is let go.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use arc_swap::ArcSwap;
use bytes::Bytes;
use parking_lot::Mutex;

use super::distributed_log::{DistributedLog, LogError, LogSettings, NodeStorage};
use super::image_file;
use super::metadata::{Command, MetadataImage};
use super::raft::{Commands, Group, Outcome};
use crate::model::{BatchHeader, Offset, RaftIndex, TopicId, TopicName, TopicPartition};
use crate::partition::{CheckedBatch, Identity};
use crate::storage::{LogIdentity, LogOptions, SegmentFacts};

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
    log: DistributedLog,
    keeper: Arc<Keeper>,
}

impl std::fmt::Debug for MetadataLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MetadataLog").finish_non_exhaustive()
    }
}

/// Turns agreed batches into images.
struct Keeper {
    image: ArcSwap<MetadataImage>,
    changes: Mutex<Option<Arc<dyn Changes>>>,
    bytes_since_image: AtomicU64,
    applied: AtomicU64,
}

impl Commands for Keeper {
    fn apply(&self, index: RaftIndex, batch: &Bytes) {
        let before = self.image.load_full();
        let mut after = MetadataImage::clone(&before);
        let applied = Command::of_batch(batch)
            .and_then(|commands| commands.into_iter().try_for_each(|command| after.apply(command)));
        if let Err(error) = applied {
            // Going on would make another image than the log says: better none.
            panic!("the metadata command at raft index {index} cannot be applied: {error}");
        }
        let after = Arc::new(after);
        self.image.store(Arc::clone(&after));
        self.applied.store(index, Relaxed);
        self.bytes_since_image.fetch_add(batch.len() as u64, Relaxed);
        let changes = self.changes.lock().clone();
        if let Some(changes) = changes {
            changes.changed(&before, &after);
        }
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
            image: ArcSwap::from_pointee(image),
            changes: Mutex::default(),
            bytes_since_image: 0.into(),
            applied: applied.unwrap_or(0).into(),
        });
        let commands: Arc<dyn Commands> = Arc::<Keeper>::clone(&keeper);
        log.start_with(commands, move |_| applied).await?;
        Ok(Self { log, keeper })
    }

    /// The image as of the newest agreed command.
    pub fn image(&self) -> Arc<MetadataImage> {
        self.keeper.image.load_full()
    }

    /// From now on `changes` is told of every change; first of all that is there.
    pub fn tell(&self, changes: Arc<dyn Changes>) {
        let mut slot = self.keeper.changes.lock();
        changes.changed(&MetadataImage::default(), &self.image());
        *slot = Some(changes);
    }

    /// Agrees on `commands`, all or none, and returns when they are applied here.
    pub async fn propose(&self, commands: Vec<Command>, now_ms: i64) -> Result<(), LogError> {
        let batch = Command::batch(commands, now_ms);
        let header = BatchHeader::parse(&batch).expect("a batch that was just built");
        let body = batch.slice(crate::model::batch::HEADER_LEN..);
        let checked = CheckedBatch { header, body, log_append_time: None, checked_ms: now_ms };
        let group = self.log.running().ok_or_else(|| LogError::Failed {
            partition: TOPIC.into(),
            reason: "the metadata group has stopped; the node must be restarted".into(),
        })?;
        match group.propose(checked).await?.outcome().await? {
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
        let (image, applied) = (self.image(), self.keeper.applied.load(Relaxed));
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
