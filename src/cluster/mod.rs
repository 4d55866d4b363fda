//! Where replicas agree: the metadata, the logs of this node, and the Raft groups under them.
//!
//! Only `raft` names openraft.

pub mod clock;
mod distributed_log;
mod durability;
mod image_file;
mod metadata;
mod metadata_log;
mod raft;
mod replicas;

pub use clock::Clock;
pub use distributed_log::{DistributedLog, LogError, LogSettings, NodeStorage};
pub use durability::Durability;
pub use metadata::*;
pub use metadata_log::{Changes, MetadataLines, MetadataLog};
pub use raft::{Group, GroupError, Outcome, Pending, spawn};
pub use replicas::Replicas;
