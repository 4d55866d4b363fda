//! Where replicas agree: the metadata, the logs of this node, and the Raft groups under them.
//!
//! Only `raft` names openraft.

mod alone;
pub mod clock;
mod distributed_log;
mod durability;
mod exchange;
mod failover;
mod image_file;
mod leaders;
mod metadata;
mod metadata_log;
mod placement;
mod raft;
mod recovery;
mod replicas;
mod upkeep;

pub use alone::Alone;
pub use clock::Clock;
pub use distributed_log::{DistributedLog, LogError, LogSettings, NodeStorage};
pub use durability::Durability;
pub use exchange::{Exchange, Service, Verbs};
pub use failover::keep_led;
pub use leaders::{Leader, Leaders, PartitionKey};
pub use metadata::*;
pub use metadata_log::{
    Changes, METADATA_TOPIC_ID, MetadataLines, MetadataLog, incarnation_of, metadata_replica,
    node_of_metadata_replica,
};
pub use placement::{Placer, place};
pub use raft::{Follower, Group, GroupError, Outcome, Pending, Role, spawn};
pub use recovery::{MetadataReplica, RecoveryError};
pub use replicas::Replicas;
pub use upkeep::{News, Upkeep, UpkeepSettings};
