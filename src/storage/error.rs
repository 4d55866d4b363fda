//! What can go wrong below a partition, as situations. Codes for the wire are chosen elsewhere.

use std::io;
use std::path::{Path, PathBuf};

use super::marker::{LogIdentity, MarkerError};
use crate::model::{BatchError, Offset, RaftIndex};

/// An operation of storage that could not be done.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    #[error("{action} {path}: {source}")]
    Io {
        action: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{path} is damaged at position {position}: {reason}")]
    Corrupt {
        path: PathBuf,
        position: u64,
        #[source]
        reason: Damage,
    },
    #[error("offset {asked} is outside [{start}, {end})")]
    OffsetOutOfRange { asked: Offset, start: Offset, end: Offset },
    #[error("raft index {asked} is outside [{first}, {next})")]
    IndexOutOfRange { asked: RaftIndex, first: RaftIndex, next: RaftIndex },
    #[error("{path} refuses everything since a sync of it failed")]
    Poisoned { path: PathBuf },
    #[error("{path} belongs to {found}, not to {wanted}")]
    Foreign { path: PathBuf, found: Box<LogIdentity>, wanted: Box<LogIdentity> },
    #[error("{path} belongs to directory {found}, not to {wanted}")]
    ForeignDirectory { path: PathBuf, found: uuid::Uuid, wanted: uuid::Uuid },
    #[error("{path} is in use by another process")]
    Locked { path: PathBuf },
    #[error("{free} bytes are free, below the reserve of {reserve}")]
    DiskLow { free: u64, reserve: u64 },
    #[error("raft index {last} lies below the snapshot at {snapshot}, without which {path} cannot be opened")]
    BelowSnapshot { path: PathBuf, last: RaftIndex, snapshot: RaftIndex },
    #[error("the entry was cut away while it was read")]
    CutWhileRead,
}

/// What exactly is wrong with bytes that should be whole.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    #[error(transparent)]
    Batch(#[from] BatchError),
    #[error(transparent)]
    Marker(#[from] MarkerError),
    #[error("offset {found} stands where {wanted} is due")]
    Offset { found: Offset, wanted: Offset },
    #[error("raft index {found} stands where {wanted} is due")]
    RaftIndex { found: RaftIndex, wanted: RaftIndex },
    #[error("term {found} stands after term {before}")]
    Term { found: u64, before: u64 },
    #[error("a batch without records")]
    Empty,
    #[error("a file of {have} bytes ends below the {need} bytes that were synced")]
    Ends { have: u64, need: u64 },
    #[error("{entries} entries and {bytes} bytes are not the {wanted_entries} and {wanted_bytes} noted")]
    Disagrees { entries: u64, bytes: u64, wanted_entries: u64, wanted_bytes: u64 },
    #[error("bytes past the noted end of a closed file")]
    Trailing,
    #[error("a file is missing")]
    Missing,
    #[error("entries before it are missing")]
    Gap,
    #[error("no header")]
    Header,
    #[error("checksum")]
    Checksum,
    #[error("format version {version} is not known")]
    Version { version: u16 },
    #[error("impossible length {length}")]
    Length { length: u64 },
}

impl Damage {
    /// This damage, at a place.
    pub fn at(self, path: &Path, position: u64) -> StorageError {
        StorageError::Corrupt { path: path.to_path_buf(), position, reason: self }
    }
}

/// Gives an [`io::Error`] the verb and the file that it lacks.
pub trait During<T> {
    /// The error becomes [`StorageError::Io`].
    fn during(self, action: &'static str, path: &Path) -> Result<T, StorageError>;
}

impl<T> During<T> for io::Result<T> {
    fn during(self, action: &'static str, path: &Path) -> Result<T, StorageError> {
        self.map_err(|source| StorageError::Io { action, path: path.to_path_buf(), source })
    }
}
