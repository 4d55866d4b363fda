//! Why a partition refuses to change.

use super::state::StateError;
use crate::model::{Offset, RaftIndex};
use crate::storage::StorageError;

/// A change that was refused. But for [`Self::Storage`] nothing was touched, and the partition
/// goes on.
#[derive(Debug, thiserror::Error)]
pub enum PartitionError {
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error("raft entry {found} came where {wanted} is due")]
    Index { found: RaftIndex, wanted: RaftIndex },
    #[error("raft entry {index} begins at offset {found} where {wanted} is due")]
    Offset { index: RaftIndex, found: Offset, wanted: Offset },
    #[error("raft entry {index} of term {term} bears epoch {epoch}")]
    Epoch { index: RaftIndex, term: u64, epoch: u64 },
    #[error("raft entry {index} of term {found} came after term {before}")]
    Term { index: RaftIndex, found: u64, before: u64 },
    #[error("the marker at raft index {index} names {named}")]
    Named { index: RaftIndex, named: RaftIndex },
    #[error("a partition that has entries up to raft index {last} cannot be founded")]
    Founded { last: RaftIndex },
    #[error("a cut behind raft index {last:?} would take what was agreed on up to {committed}")]
    Committed { last: Option<RaftIndex>, committed: RaftIndex },
    #[error("a foundation at raft index {before} would take what was agreed on up to {committed}")]
    Behind { before: RaftIndex, committed: RaftIndex },
    #[error("no snapshot covers the log up to raft index {before}, where it was purged")]
    NoSnapshot { before: RaftIndex },
    #[error("the state in a snapshot cannot be read")]
    State(#[from] StateError),
}
