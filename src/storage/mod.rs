//! Bytes on disk: logs of segments, the votes, the data directory, and the disk seam beneath them.
//!
//! Sync and without a clock: `now_ms` is passed in. Not here: what a batch may say
//! (`partition`), who agreed on it (`cluster`). Layout of every file: `docs/disk-format.md`.

mod append;
mod copy;
mod cut;
pub mod data_dir;
pub mod disk;
mod doubt;
pub mod error;
pub mod flusher;
pub mod index;
pub mod log;
pub mod marker;
pub mod mem_disk;
pub mod mmap;
pub mod reader;
mod rebuild;
mod recovery;
pub mod segment;
mod shared;
pub mod snapshot;
pub mod store;
pub mod sync;
pub mod votes;
mod walk;
pub mod watermark;

pub use copy::CopiedEntries;
pub use cut::Removal;
pub use data_dir::{DataDir, DirectoryMeta, Identity};
pub use disk::{Disk, DiskFile, RealDisk};
pub use doubt::Doubt;
pub use error::{Damage, During, StorageError};
pub use flusher::{FlushHandle, FlushTarget, Flusher, SyncDone};
pub use index::{EntryKind, IndexEntry};
pub use log::{Log, LogOptions, Recovery, SegmentFacts, StampedEntry, Truncated};
pub use marker::{LogIdentity, Marker, MarkerError, StoreHeader};
pub use mem_disk::{CrashPolicy, MemDisk};
pub use reader::{LogReader, Run};
pub use segment::SegmentStart;
pub use snapshot::{SnapshotFile, SnapshotJob};
pub use sync::SyncJob;
pub use votes::{GroupId, VoteRecord, Votes};
pub use watermark::DiskWatermark;
