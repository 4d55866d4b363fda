//! A partition's log as this node holds it, whatever its Raft group is doing.
//!
//! Owns the life cycle: *parked* (files at most, no tasks), *active* (its group runs), *failed*
//! (its group stopped, say by a disk error; the next use after a pause opens and verifies it
//! again), *deleted*. Nothing outside asks which: whoever needs the log calls [`DistributedLog::group`].

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Acquire, Ordering::Release};
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use tokio::sync::oneshot;
use uuid::Uuid;

use super::alone::go_alone;
use super::clock::Clock;
use super::durability::Durability;
use super::exchange::Exchange;
use super::raft::{Commands, Group, GroupError, GroupParts, spawn};
use crate::model::{LeaderEpoch, RaftIndex};
use crate::partition::{Identity, Partition};
use crate::storage::{DataDir, Disk, Flusher, GroupId, LogOptions, StorageError, Votes};

/// How long somebody who needs the leader waits for an election.
const LEADER_WITHIN: Duration = Duration::from_secs(2);
/// How long a failed log is left alone before it is opened again. By the runtime's time: the wall clock may be set back.
const REOPEN_AFTER: Duration = Duration::from_secs(1);

/// What all logs of a node stand on. Cheap to clone.
#[derive(Clone, Debug)]
pub struct NodeStorage {
    pub data_dir: Arc<DataDir>,
    pub cluster_id: Uuid,
    pub flusher: Arc<Flusher>,
    pub votes: Arc<Votes>,
    pub clock: Clock,
    /// The way to other nodes.
    pub exchange: Arc<Exchange>,
    /// Notified when the node must stop, since its votes cannot be kept.
    pub failed: Arc<tokio::sync::Notify>,
}

/// A topic's settings as far as its logs heed them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogSettings {
    pub options: LogOptions,
    pub flush_messages: u64,
    pub flush_ms: u64,
}

/// Why a log cannot be used now.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LogError {
    #[error(transparent)]
    Group(#[from] GroupError),
    #[error("the log of {partition} cannot be opened")]
    Storage {
        partition: String,
        #[source]
        source: Arc<StorageError>,
    },
    #[error("{partition} was deleted")]
    Deleted { partition: String },
    #[error("the log of {partition} failed a moment ago and is left alone for now: {reason}")]
    Failed { partition: String, reason: String },
    #[error("this node does not lead {partition}")]
    NotLeader { partition: String },
    #[error("this node is closing")]
    Closing,
}

impl LogError {
    /// Whether what the log held is damaged or gone.
    fn is_loss(&self) -> bool {
        match self {
            Self::Storage { source, .. } => matches!(**source, StorageError::Corrupt { .. }),
            Self::Group(error) => matches!(error, GroupError::Vanished { .. } | GroupError::VoteLost { .. }),
            _ => false,
        }
    }
}

/// See the module.
pub struct DistributedLog {
    pub identity: Identity,
    /// The replicas that the log began with; `None` if this one came later.
    founders: Option<Vec<u64>>,
    /// For the metadata log.
    commands: Option<Arc<dyn Commands>>,
    /// Had the same name; its files go before this one's come.
    before: Option<Arc<DistributedLog>>,
    storage: NodeStorage,
    settings: ArcSwap<LogSettings>,
    active: ArcSwapOption<Group>,
    closed: AtomicBool,
    /// The last try to start it found its files damaged or gone.
    lost: AtomicBool,
    /// The term with which the group was last started, or is being started; 0 if it never was.
    started_term: AtomicU64,
    /// Held while the group is started or stopped.
    life: tokio::sync::Mutex<Life>,
}

impl std::fmt::Debug for DistributedLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DistributedLog").field("partition", &self.identity.name).finish_non_exhaustive()
    }
}

#[derive(Debug, Default)]
struct Life {
    failed: Option<(tokio::time::Instant, String)>,
    /// How often it did not start since it last did.
    tries: u32,
    deleted: bool,
    /// What was opened last. Retired before the log is opened again: there is one writer at a time,
    /// whatever tasks of a group that ended still run.
    opened: Option<Arc<Partition>>,
}

impl DistributedLog {
    pub fn new(
        storage: NodeStorage,
        identity: Identity,
        founders: Option<Vec<u64>>,
        settings: LogSettings,
    ) -> Self {
        Self {
            identity,
            founders,
            commands: None,
            before: None,
            storage,
            settings: ArcSwap::from_pointee(settings),
            active: ArcSwapOption::empty(),
            closed: AtomicBool::new(false),
            lost: AtomicBool::new(false),
            started_term: AtomicU64::new(0),
            life: tokio::sync::Mutex::default(),
        }
    }

    /// The same for the metadata log, whose agreed commands go to `commands`.
    pub(super) fn with_commands(self, commands: Arc<dyn Commands>) -> Self {
        Self { commands: Some(commands), ..self }
    }

    /// The same, with a name that `before` had.
    pub(super) fn after(self, before: Option<Arc<Self>>) -> Self {
        Self { before, ..self }
    }

    /// The running replica, whether it leads or follows; started if it is not. One that is alone in its group is
    /// elected then, so its high watermark is known.
    ///
    /// # Errors
    /// [`LogError`] if it cannot be started, or must not be any more.
    pub async fn group(self: &Arc<Self>) -> Result<Arc<Group>, LogError> {
        if let Some(group) = self.running() {
            return Ok(group);
        }
        self.in_a_task().await
    }

    /// The running replica, if it leads, and the epoch under which it does. While nobody is known to lead, an election
    /// is waited for.
    ///
    /// # Errors
    /// [`LogError::NotLeader`] if another leads, or nobody was elected in time.
    pub async fn leading(self: &Arc<Self>) -> Result<(Arc<Group>, LeaderEpoch), LogError> {
        let group = self.group().await?;
        if let Some(epoch) = group.leads() {
            return Ok((group, epoch));
        }
        let me = group.replica_id();
        let mut roles = group.roles();
        let known = roles.wait_for(|role| role.leader.is_some_and(|leader| leader != me || role.ready));
        drop(tokio::time::timeout(LEADER_WITHIN, known).await);
        match group.leads() {
            Some(epoch) => Ok((group, epoch)),
            None => Err(LogError::NotLeader { partition: self.identity.name.to_string() }),
        }
    }

    /// As [`Self::group`]; if that can't be now, the one that stopped last: what was agreed on can
    /// still be read, say on a disk that is full.
    pub async fn group_to_read(self: &Arc<Self>) -> Result<Arc<Group>, LogError> {
        match self.group().await {
            Err(error) => self.active.load_full().ok_or(error),
            running => running,
        }
    }

    /// The group, if it runs.
    pub fn running(&self) -> Option<Arc<Group>> {
        self.active.load_full().filter(|g| !g.has_stopped())
    }

    /// Whether its files were found damaged or gone, so that it cannot start.
    pub(super) fn is_lost(&self) -> bool {
        self.lost.load(Acquire)
    }

    /// Notices a group that ended by itself: somebody else may lead then.
    pub(super) fn look(&self) {
        if let Some(group) = self.active.load_full() {
            group.look();
        }
    }

    /// The epoch that this replica knows of; of a log that is not used yet and has no other replica, the one under which
    /// it will lead: the only voter's next term follows its last vote. Never one that is greater than the group will have: clients keep
    /// the greatest that they heard of, and would wait for it.
    pub fn leader_epoch(&self) -> LeaderEpoch {
        if let Some(group) = self.running() {
            return group.leader_epoch();
        }
        // In this order: a start says its term before it votes for it.
        let alone = self.founders.as_ref().is_some_and(|founders| founders.len() == 1);
        let next = if alone { self.next_term() } else { self.next_term() - 1 };
        let term = match self.started_term.load(Acquire) {
            0 => next,
            started => started,
        };
        LeaderEpoch(i32::try_from(term).unwrap_or(i32::MAX))
    }

    fn next_term(&self) -> u64 {
        self.storage.votes.get(&self.group_id()).map_or(0, |vote| vote.term) + 1
    }

    /// Starts the group in a task of its own: a caller that goes away must not leave it half started.
    async fn in_a_task(self: &Arc<Self>) -> Result<Arc<Group>, LogError> {
        let (answer, wait) = oneshot::channel();
        let log = Arc::clone(self);
        spawn(async move { drop(answer.send(log.start().await)) });
        wait.await.unwrap_or(Err(LogError::Closing))
    }

    async fn start(&self) -> Result<Arc<Group>, LogError> {
        let mut life = self.life.lock().await;
        if let Some(group) = self.running() {
            return Ok(group);
        }
        let partition = || self.identity.name.to_string();
        if self.closed.load(Acquire) {
            return Err(LogError::Closing);
        }
        if life.deleted {
            return Err(LogError::Deleted { partition: partition() });
        }
        let now = tokio::time::Instant::now();
        if let Some((_, reason)) =
            life.failed.as_ref().filter(|(at, _)| now.duration_since(*at) < REOPEN_AFTER)
        {
            tracing::debug!(partition = %self.identity.name, "left alone");
            return Err(LogError::Failed { partition: partition(), reason: reason.clone() });
        }
        if let Some(stopped) = self.active.load_full() {
            stopped.stop().await;
            if life.failed.is_none() {
                // Requests that were sent one after the other fail one after the other: if the log
                // took later ones at once, they would overtake the one that has to be sent again.
                let reason = "its Raft group has stopped".to_owned();
                tracing::warn!(partition = %self.identity.name, reason, "the log is opened again in a moment");
                life.failed = Some((now, reason.clone()));
                return Err(LogError::Failed { partition: partition(), reason });
            }
        }
        let started = self.open_and_start(&mut life, None).await;
        self.note(&mut life, started)
    }

    /// Stops the group, opens the log anew, which reads and verifies it, and starts it again: as what it was, or alone,
    /// in a term above the one given. Whoever has it go on alone answers for what that may cost; see `alone`.
    ///
    /// # Errors
    /// [`LogError`] if it does not start again. What is on disk then is whole, and one way or the other.
    pub async fn start_again(self: &Arc<Self>, alone_above: Option<u64>) -> Result<Arc<Group>, LogError> {
        let (answer, wait) = oneshot::channel();
        let log = Arc::clone(self);
        spawn(async move {
            let mut life = log.life.lock().await;
            let partition = || log.identity.name.to_string();
            let restarted = if log.closed.load(Acquire) {
                Err(LogError::Closing)
            } else if life.deleted {
                Err(LogError::Deleted { partition: partition() })
            } else {
                if let Some(group) = log.active.load_full() {
                    group.stop().await;
                }
                let started = log.open_and_start(&mut life, alone_above).await;
                log.note(&mut life, started)
            };
            drop(answer.send(restarted));
        });
        wait.await.unwrap_or(Err(LogError::Closing))
    }

    /// Takes down what came of a start.
    fn note(&self, life: &mut Life, started: Result<Arc<Group>, LogError>) -> Result<Arc<Group>, LogError> {
        match started {
            Ok(group) => {
                self.lost.store(false, Release);
                life.failed = None;
                life.tries = 0;
                self.active.store(Some(Arc::clone(&group)));
                Ok(group)
            }
            Err(error) => {
                self.lost.store(error.is_loss(), Release);
                life.tries += 1;
                // It is tried again for as long as it is needed; said less and less often.
                if life.tries.is_power_of_two() {
                    let cause = std::error::Error::source(&error);
                    tracing::error!(partition = %self.identity.name, %error, ?cause, tries = life.tries, "a log does not start");
                }
                life.failed = Some((tokio::time::Instant::now(), error.to_string()));
                Err(error)
            }
        }
    }

    async fn open_and_start(
        &self,
        life: &mut Life,
        alone_above: Option<u64>,
    ) -> Result<Arc<Group>, LogError> {
        if let Some(before) = &self.before {
            Box::pin(before.delete()).await;
        }
        let settings = **self.settings.load();
        let had_files = self.has_files();
        let opened = self.open(life.opened.take(), settings).await;
        let unusable = |source| LogError::Storage {
            partition: self.identity.name.to_string(),
            source: Arc::new(source),
        };
        let (partition, applied) = opened.map_err(unusable)?;
        let commands = self.commands.clone();
        let applied = match &commands {
            None => applied,
            Some(commands) => commands.applied(&partition).map_err(unusable)?,
        };
        let NodeStorage { flusher, clock, votes, failed, exchange, .. } = self.storage.clone();
        let partition = Arc::new(partition);
        life.opened = Some(Arc::clone(&partition));
        if let Some(above) = alone_above {
            go_alone(&partition, self.group_id(), (&votes, &flusher), (above, clock.now_ms())).await?;
        }
        let durability = Durability::new(flusher, clock, settings.flush_messages, settings.flush_ms);
        self.started_term.store(self.next_term(), Release);
        let parts = GroupParts {
            partition,
            id: self.group_id(),
            votes,
            durability,
            commands,
            applied,
            founders: self.founders.clone(),
            had_files,
            exchange,
            failed,
        };
        Ok(Arc::new(Group::start(parts).await?))
    }

    /// Opens the files on one of the flusher's threads: recovery may read for a while.
    async fn open(
        &self,
        before: Option<Arc<Partition>>,
        settings: LogSettings,
    ) -> Result<Opened, StorageError> {
        let (answer, wait) = oneshot::channel();
        let (data_dir, identity) = (Arc::clone(&self.storage.data_dir), self.identity.clone());
        self.storage.flusher.run(Box::new(move || {
            if let Some(before) = before {
                before.retire();
            }
            drop(answer.send(open_in(&data_dir, identity, settings)));
        }));
        wait.await.unwrap_or_else(|_| Err(stopped(&self.dir())))
    }

    pub(super) fn group_id(&self) -> GroupId {
        let log = self.identity.log;
        GroupId { topic_id: log.topic_id, partition: log.partition, replica_id: log.replica_id }
    }

    pub fn disk(&self) -> &Arc<dyn Disk> {
        self.storage.data_dir.disk()
    }

    /// Whether there are segments beside the active one, as far as file names tell.
    pub fn has_closed_segments(&self) -> bool {
        let names = self.disk().read_dir(&self.dir()).unwrap_or_default();
        names.iter().filter_map(|name| name.strip_suffix(".log")).count() > 1
    }

    /// Whether anything was ever written to it, as far as file names tell.
    pub fn was_used(&self) -> bool {
        self.running().is_some() || self.has_files()
    }

    fn has_files(&self) -> bool {
        let names = self.disk().read_dir(&self.dir()).unwrap_or_default();
        names.iter().any(|name| name.strip_suffix(".log").is_some())
    }

    /// Does file work on one of the flusher's threads.
    pub async fn in_background(
        &self,
        work: impl FnOnce(&dyn Disk) -> Result<(), StorageError> + Send + 'static,
    ) -> Result<(), StorageError> {
        let (answer, wait) = oneshot::channel();
        let disk = Arc::clone(self.disk());
        self.storage.flusher.run(Box::new(move || drop(answer.send(work(&*disk)))));
        wait.await.unwrap_or_else(|_| Err(stopped(&self.dir())))
    }

    pub fn dir(&self) -> PathBuf {
        self.storage.data_dir.partition_path(&self.identity.name.topic, self.identity.name.partition)
    }

    /// Takes over changed topic settings, at once if the log is open.
    pub fn configure(&self, settings: LogSettings) {
        self.settings.store(Arc::new(settings));
        let Some(group) = self.running() else { return };
        group.partition.set_options(settings.options);
        let (durability, partition) = (Arc::clone(&group.durability), Arc::clone(&group.partition));
        let LogSettings { flush_messages, flush_ms, .. } = settings;
        if flush_messages <= 1 {
            return durability.relax(&partition, flush_messages, flush_ms);
        }
        // Not before it stands on the disk that a power loss may take something along.
        group.durability.in_background(move || match partition.doubt.relax() {
            Ok(()) => durability.relax(&partition, flush_messages, flush_ms),
            Err(error) => {
                let name = &partition.identity.name;
                tracing::warn!(partition = %name, %error, "flush.messages stays as it was: a note cannot be written");
            }
        });
    }

    /// Stops the group and leaves everything on disk, synced, with a snapshot: a clean stop.
    pub async fn close(&self) {
        let _life = self.life.lock().await;
        self.closed.store(true, Release);
        if let Some(group) = self.active.swap(None) {
            group.stop().await;
            group.durability.settle_all(&group.partition).await;
        }
    }

    /// Stops the group and removes the files: renamed at once, unlinked in the background.
    pub async fn delete(&self) {
        let mut life = self.life.lock().await;
        if std::mem::replace(&mut life.deleted, true) {
            // The name may be another log's by now.
            return;
        }
        if let Some(group) = self.active.swap(None) {
            group.partition.announce();
            group.stop().await;
        }
        if let Err(error) = self.storage.votes.forget(&self.group_id()) {
            tracing::warn!(partition = %self.identity.name, %error, "the vote of a deleted log stays");
        }
        let (data_dir, name) = (Arc::clone(&self.storage.data_dir), self.identity.name.clone());
        let (renamed, wait) = oneshot::channel();
        let opened = life.opened.take();
        self.storage.flusher.run(Box::new(move || {
            // The name may be another topic's as soon as this one's directory has gone.
            if let Some(opened) = opened {
                opened.retire();
            }
            if !data_dir.disk().exists(&data_dir.partition_path(&name.topic, name.partition)).unwrap_or(true)
            {
                // It was never used, so nothing was ever written.
                return;
            }
            let moved = data_dir.delete(&name.topic, name.partition);
            _ = renamed.send(());
            match moved {
                Ok(files) => files.run(),
                Err(error) => tracing::warn!(partition = %name, %error, "a deleted log's files stay for now"),
            }
        }));
        drop(wait.await);
    }
}

/// An open partition, and the Raft index up to which its state is known to be applied.
type Opened = (Partition, Option<RaftIndex>);

/// The flusher went away with the work: the node is closing.
fn stopped(dir: &Path) -> StorageError {
    let source = io::Error::other("the node is closing");
    StorageError::Io { action: "work on", path: dir.to_path_buf(), source }
}

fn open_in(data_dir: &DataDir, identity: Identity, settings: LogSettings) -> Result<Opened, StorageError> {
    let opened = open_or_set_aside(data_dir, identity, settings.options)?;
    if settings.flush_messages > 1 {
        opened.0.doubt.relax()?;
    }
    Ok(opened)
}

fn open_or_set_aside(
    data_dir: &DataDir,
    identity: Identity,
    options: LogOptions,
) -> Result<Opened, StorageError> {
    let (topic, partition) = (&identity.name.topic, identity.name.partition);
    let dir = data_dir.partition_path(topic, partition);
    let disk = Arc::clone(data_dir.disk());
    match Partition::open(disk, &dir, identity.clone(), options) {
        Err(StorageError::Foreign { found, .. }) => {
            tracing::warn!(partition = %identity.name, ?found, "the directory holds another topic's log; it is set aside");
            data_dir.set_aside(topic, partition)?;
            Partition::open(Arc::clone(data_dir.disk()), &dir, identity, options)
        }
        opened => opened,
    }
}
