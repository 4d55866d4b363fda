//! The metadata log's replica of a node that is stopped: how far it is, and, if the majority of those that vote is gone
//! for good, that it goes on alone.
//!
//! For a person with a shell on the machine, since no node can do anything then. Not here: partitions
//! (`broker::recovery`), which are recovered through a cluster whose metadata has a leader.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use uuid::Uuid;

use super::alone::{Alone, go_alone, last_of};
use super::image_file;
use super::metadata::MetadataImage;
use super::metadata_log::{METADATA_TOPIC_ID, OPTIONS, identity, node_of_metadata_replica};
use super::raft::GroupError;
use crate::model::RaftIndex;
use crate::partition::Partition;
use crate::storage::{DataDir, Disk, During, Flusher, GroupId, Identity, StorageError, Votes, votes};

/// Why a node's metadata cannot be recovered.
#[derive(Debug, thiserror::Error)]
pub enum RecoveryError {
    #[error("{} is no data directory of a node that ever belonged to a cluster", path.display())]
    NoNode { path: PathBuf },
    #[error("the votes of {} are gone: without them this node might vote twice", path.display())]
    VotesLost { path: PathBuf },
    #[error("the metadata of {} cannot be read", path.display())]
    Storage {
        path: PathBuf,
        #[source]
        source: StorageError,
    },
    #[error("the metadata of {} stays as it was", path.display())]
    Refused {
        path: PathBuf,
        #[source]
        source: GroupError,
    },
}

/// See the module. Holds the data directory's lock.
#[derive(Debug)]
pub struct MetadataReplica {
    pub identity: Identity,
    /// (term, index) of the last entry.
    pub last: Option<(u64, RaftIndex)>,
    /// The Raft index as of which everything is known to be agreed on and applied.
    pub applied: Option<RaftIndex>,
    /// The term of the last vote.
    pub voted_term: u64,
    /// The nodes of the replicas that vote, in order.
    pub voters: Vec<i32>,
    data_dir: DataDir,
    votes: Votes,
    flusher: Arc<Flusher>,
    partition: Partition,
}

impl MetadataReplica {
    /// Opens what a stopped node has in `path`; recovers it as a start does, and changes nothing else.
    ///
    /// # Errors
    /// [`RecoveryError`]; [`StorageError::Locked`] under it if the node runs.
    pub fn open(disk: Arc<dyn Disk>, path: &Path) -> Result<Self, RecoveryError> {
        let unreadable = |source| RecoveryError::Storage { path: path.to_path_buf(), source };
        let no_node = || RecoveryError::NoNode { path: path.to_path_buf() };
        if !DataDir::is_one(&*disk, path).map_err(unreadable)? {
            return Err(no_node());
        }
        // Looked for before it is opened: a directory without votes gets another id.
        if !disk
            .exists(&path.join(votes::FILE_NAME))
            .during("look for the votes of", path)
            .map_err(unreadable)?
        {
            return Err(RecoveryError::VotesLost { path: path.to_path_buf() });
        }
        let data_dir = DataDir::open(Arc::clone(&disk), path, Uuid::nil()).map_err(unreadable)?;
        let meta = data_dir.meta();
        let known = meta.identity.ok_or_else(no_node)?;
        let flusher = Flusher::inline();
        let votes =
            Votes::open(Arc::clone(&disk), &data_dir.votes_path(), meta.directory_id, Arc::clone(&flusher));
        let votes = votes.map_err(unreadable)?;
        let log = identity(known.cluster_id, known.metadata_replica);
        let dir = data_dir.partition_path(&log.name.topic, log.name.partition);
        if !disk.exists(&dir).during("look for", &dir).map_err(unreadable)? {
            return Err(no_node());
        }
        let (_, written): (MetadataImage, _) = image_file::read(&*disk, &dir).map_err(unreadable)?;
        let (partition, committed) = Partition::open(disk, &dir, log, OPTIONS).map_err(unreadable)?;
        let membership = partition.membership().map(|(_, _, membership)| membership.configs);
        let mut voters: Vec<i32> =
            membership.unwrap_or_default().concat().into_iter().map(node_of_metadata_replica).collect();
        voters.sort_unstable();
        voters.dedup();
        let mut opened = Self {
            identity: known,
            last: last_of(&partition),
            applied: committed.max(written),
            voted_term: 0,
            voters,
            data_dir,
            votes,
            flusher,
            partition,
        };
        opened.voted_term = opened.votes.get(&opened.group_id()).map_or(0, |vote| vote.term);
        Ok(opened)
    }

    /// Makes this node the only one that votes on the metadata, durably. Started afterwards it leads, and brings the
    /// others in again.
    ///
    /// # Errors
    /// [`RecoveryError::Refused`] if the disk refuses.
    pub async fn go_alone(self, now_ms: i64) -> Result<Alone, RecoveryError> {
        let step = go_alone(&self.partition, self.group_id(), (&self.votes, &self.flusher), (0, now_ms));
        let path = || self.data_dir.path().to_path_buf();
        let step = step.await.map_err(|source| RecoveryError::Refused { path: path(), source });
        self.partition.retire();
        step
    }

    fn group_id(&self) -> GroupId {
        GroupId { topic_id: METADATA_TOPIC_ID, partition: 0, replica_id: self.identity.metadata_replica }
    }
}
