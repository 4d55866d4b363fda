//! One running Raft group of this node: propose, move the log start, purge, stop.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use openraft::errors::{ClientWriteError, Fatal};
use openraft::raft::ClientWriteResult;
use openraft::{Config, Raft, SnapshotPolicy};
use tokio::sync::{Notify, oneshot};

use super::log_store::LogStore;
use super::network::Links;
use super::state_machine::{Commands, Machine, Progress, stored_membership};
use super::types::{Answer, Outcome, Proposal, Types, log_id};
use crate::cluster::durability::Durability;
use crate::model::{LeaderEpoch, Offset, RaftIndex};
use crate::partition::{CheckedBatch, Partition};
use crate::storage::{GroupId, Votes};

/// How long a group of one voter may take to elect itself before its start is given up.
const START_WITHIN: Duration = Duration::from_secs(30);
/// Requests that may wait in front of a group; the connections' own limits stay far below.
const QUEUE_MAX: u64 = 4096;

static CONFIG: LazyLock<Arc<Config>> = LazyLock::new(|| {
    let config = Config {
        cluster_name: "bateau".into(),
        heartbeat_interval: 150,
        election_timeout_min: 400,
        election_timeout_max: 800,
        snapshot_policy: SnapshotPolicy::Never,
        max_in_snapshot_log_to_keep: u64::MAX,
        api_channel_size: Some(QUEUE_MAX),
        notification_channel_size: Some(QUEUE_MAX),
        // A group of one voter needs no timer: it is told to elect itself when it starts.
        enable_tick: false,
        enable_pre_vote: Some(true),
        // A restarted leader must not lead its old term again over entries that it never synced.
        enable_leader_restore: Some(false),
        ..Config::default()
    };
    Arc::new(config.validate().expect("the configuration above is valid"))
});

/// What a group is made of.
#[derive(Clone)]
pub(in crate::cluster) struct GroupParts {
    pub partition: Arc<Partition>,
    pub id: GroupId,
    pub votes: Arc<Votes>,
    pub durability: Arc<Durability>,
    /// For the metadata group.
    pub commands: Option<Arc<dyn Commands>>,
    /// The greatest Raft index whose effects the partition's and the commands' state hold.
    pub applied: Option<RaftIndex>,
    /// Notified when votes cannot be kept.
    pub failed: Arc<Notify>,
}

impl std::fmt::Debug for GroupParts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GroupParts").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Why a group cannot do what it is asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GroupError {
    #[error("this node does not lead the partition")]
    NotLeader,
    #[error("the partition's Raft group has stopped: {reason}")]
    Stopped { reason: String },
    #[error("the group has voted, and its log in {} is empty: its files were lost", dir.display())]
    Vanished { dir: PathBuf },
    #[error("the partition's Raft group did not elect itself within {} s", START_WITHIN.as_secs())]
    NoElection,
}

impl From<Fatal<Types>> for GroupError {
    fn from(fatal: Fatal<Types>) -> Self {
        Self::Stopped { reason: fatal.to_string() }
    }
}

/// A running group. Dropping it does not stop its tasks: [`Group::stop`] does.
pub struct Group {
    pub partition: Arc<Partition>,
    pub durability: Arc<Durability>,
    raft: Raft<Types, Machine>,
    progress: Arc<Progress>,
    stopped: Arc<AtomicBool>,
    term: u64,
}

impl std::fmt::Debug for Group {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Group").field("partition", &self.partition.identity.name).finish_non_exhaustive()
    }
}

/// A proposal on its way.
#[derive(Debug)]
pub struct Pending {
    answer: oneshot::Receiver<ClientWriteResult<Types>>,
    stopped: Arc<AtomicBool>,
}

impl Pending {
    /// What became of it, once a majority has it on disk (or as durable as the topic asks).
    pub async fn outcome(self) -> Result<Outcome, GroupError> {
        let stopped = |reason: String| {
            self.stopped.store(true, Relaxed);
            Err(GroupError::Stopped { reason })
        };
        match self.answer.await {
            Ok(Ok(done)) => Ok(done.data),
            Ok(Err(ClientWriteError::ForwardToLeader(_) | ClientWriteError::LogEntryDiscarded(_))) => {
                Err(GroupError::NotLeader)
            }
            Ok(Err(other)) => stopped(other.to_string()),
            Err(_) => stopped("it dropped the proposal".into()),
        }
    }
}

impl Group {
    /// Starts the group of one voter, elects it, and waits until its `Term` marker is committed:
    /// the high watermark is known then.
    ///
    /// # Errors
    /// [`GroupError`] if storage failed on the way.
    pub(in crate::cluster) async fn start(parts: GroupParts) -> Result<Self, GroupError> {
        let GroupParts { partition, id, votes, durability, commands, applied, failed } = parts;
        let (last, before) = (partition.last_entry(), partition.before_first());
        let is_empty = last.is_none() && before.is_none();
        let is_new = is_empty && votes.get(&id).is_none();
        if is_empty && !is_new {
            // The first entry is durable before the first vote: this log had entries.
            return Err(GroupError::Vanished { dir: partition.reader().dir().to_path_buf() });
        }
        let applied = applied.or(before.map(|(_, index)| index));
        let progress = Arc::new(Progress::new(applied));
        let last_applied = applied.and_then(|index| {
            let stored = partition.reader().entry(index).map(|e| u64::from(e.term));
            let term = stored.or(before.filter(|b| b.1 == index).map(|b| b.0));
            term.map(|term| log_id(term, index))
        });
        let machine = Machine {
            partition: Arc::clone(&partition),
            commands,
            progress: Arc::clone(&progress),
            last_applied,
            membership: stored_membership(partition.membership()),
        };
        durability.follow(Arc::clone(&progress));
        let store = LogStore {
            partition: Arc::clone(&partition),
            group: id,
            votes,
            durability: Arc::clone(&durability),
            failed,
        };
        let raft = Raft::new(id.replica_id, Arc::clone(&CONFIG), Links, store, machine).await?;
        match elected(&raft, is_new, id.replica_id).await {
            Ok(term) => Ok(Self { partition, durability, raft, progress, stopped: Arc::default(), term }),
            Err(error) => {
                // Its tasks must not go on beside those of the next try.
                _ = raft.shutdown().await;
                Err(error)
            }
        }
    }

    /// Puts `batch` before the group. Proposals are appended in the order of these calls.
    pub async fn propose(&self, batch: CheckedBatch) -> Result<Pending, GroupError> {
        self.submit(Proposal::Batch { batch: Box::new(batch), expected_term: None }).await
    }

    /// As [`Group::propose`], for what was decided in this term: no other term takes it.
    pub async fn propose_as_leader(&self, batch: CheckedBatch) -> Result<Pending, GroupError> {
        self.submit(Proposal::Batch { batch: Box::new(batch), expected_term: Some(self.term) }).await
    }

    /// Moves the log start to `offset`, which must not be past the high watermark.
    pub async fn move_log_start(&self, offset: Offset) -> Result<(), GroupError> {
        self.submit(Proposal::LogStart(offset)).await?.outcome().await.map(|_| ())
    }

    async fn submit(&self, proposal: Proposal) -> Result<Pending, GroupError> {
        let (answer, wait) = oneshot::channel();
        if let Err(fatal) = self.raft.client_write_ff(proposal, Some(Answer(answer))).await {
            self.stopped.store(true, Relaxed);
            return Err(fatal.into());
        }
        Ok(Pending { answer: wait, stopped: Arc::clone(&self.stopped) })
    }

    /// The epoch under which this node leads.
    pub fn leader_epoch(&self) -> LeaderEpoch {
        LeaderEpoch(i32::try_from(self.term).unwrap_or(i32::MAX))
    }

    /// Whether a proposal has found the group's tasks ended, by a storage error for example.
    /// What was agreed on before can still be read.
    pub fn has_stopped(&self) -> bool {
        self.stopped.load(Relaxed)
    }

    /// The greatest applied Raft index.
    pub fn applied(&self) -> Option<RaftIndex> {
        self.progress.applied()
    }

    /// Lets go of every entry up to `upto` (inclusive), which must be the last of a segment that
    /// lies below the log start.
    pub async fn purge(&self, upto: RaftIndex) -> Result<(), GroupError> {
        let Some(entry) = self.partition.reader().entry(upto) else {
            return Ok(());
        };
        self.progress.allow_purge(upto);
        self.raft.trigger().snapshot().await?;
        let covered = log_id(u64::from(entry.term), upto);
        let watch = self.raft.wait(Some(START_WITHIN));
        let seen = watch.snapshot(covered, "the prefix is covered");
        seen.await.map_err(|e| GroupError::Stopped { reason: e.to_string() })?;
        self.raft.trigger().purge_log(upto).await?;
        let gone = watch.metrics(|m| m.purged >= Some(covered), "the prefix is gone");
        gone.await.map_err(|e| GroupError::Stopped { reason: e.to_string() })?;
        Ok(())
    }

    /// Ends the group's tasks; what was appended stays to be synced by the flusher.
    pub async fn stop(&self) {
        if let Err(error) = self.raft.shutdown().await {
            tracing::warn!(partition = %self.partition.identity.name, %error, "a Raft group ended badly");
        }
    }
}

/// Elects the one voter, and waits until its `Term` marker is committed. Returns the term.
async fn elected(raft: &Raft<Types, Machine>, is_new: bool, replica_id: u64) -> Result<u64, GroupError> {
    if is_new {
        raft.initialize(std::collections::BTreeSet::from([replica_id]))
            .await
            .map_err(|e| GroupError::Stopped { reason: e.to_string() })?;
    } else {
        raft.trigger().elect(false).await?;
    }
    let watch = raft.wait(Some(START_WITHIN));
    let led = watch.metrics(
        |m| {
            m.state.is_leader()
                && m.last_applied.as_ref().is_some_and(|l| super::types::term_of(l) == m.current_term)
        },
        "leading with its term committed",
    );
    match led.await {
        Ok(metrics) => Ok(metrics.current_term),
        Err(openraft::metrics::WaitError::Timeout(..)) => Err(GroupError::NoElection),
        Err(other) => Err(GroupError::Stopped { reason: other.to_string() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_settings_that_safety_rests_on_hold() {
        assert_eq!(CONFIG.enable_leader_restore, Some(false));
        assert_eq!(CONFIG.enable_pre_vote, Some(true));
        assert_eq!(CONFIG.snapshot_policy, SnapshotPolicy::Never);
        assert_eq!(CONFIG.max_in_snapshot_log_to_keep, u64::MAX);
    }
}
