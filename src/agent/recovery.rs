//! The metadata of a stopped node, for a person who recovers a cluster: `bateau cluster recover`.

use std::path::Path;
use std::sync::Arc;

use super::wall_clock;
use crate::cluster::{Alone, MetadataReplica, RecoveryError};
use crate::storage::{Identity, RealDisk};

/// What was found, and where the node goes on alone if it does.
#[derive(Clone, Debug)]
pub struct StoppedMetadata {
    pub identity: Identity,
    /// (term, index) of the last entry.
    pub last: Option<(u64, u64)>,
    pub applied: Option<u64>,
    pub voted_term: u64,
    /// The nodes that vote.
    pub voters: Vec<i32>,
    pub alone: Option<Alone>,
}

/// Reads the metadata of the stopped node in `path`; `goes_alone` makes it the only one that votes, durably.
///
/// # Errors
/// [`RecoveryError`], say if the node runs.
pub async fn recover_metadata(path: &Path, goes_alone: bool) -> Result<StoppedMetadata, RecoveryError> {
    let replica = MetadataReplica::open(Arc::new(RealDisk::new(path)), path)?;
    let (identity, last, applied) = (replica.identity, replica.last, replica.applied);
    let (voted_term, voters) = (replica.voted_term, replica.voters.clone());
    let alone = match goes_alone {
        true => Some(replica.go_alone(wall_clock().now_ms()).await?),
        false => None,
    };
    Ok(StoppedMetadata { identity, last, applied, voted_term, voters, alone })
}
