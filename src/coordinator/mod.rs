//! Consumer groups: who is a member, who owns what, which offsets were committed. Decides, and does nothing itself.
//!
//! Pure: events and the time come in, records to be written and replies come out. No async, no clock of its own.
//! *Invariant*: what a restart must give back (`GroupMetadata`, offsets) changes in `Shard::replay` and nowhere else;
//! everything else (rounds, timers, who waits) may be lost at any moment, and members then join again.

mod effects;
mod error;
mod event;
mod group;
mod heartbeat;
mod join;
mod leave;
mod member;
mod offsets;
mod rebalance;
mod record;
mod shard;
mod subscription;
mod sync;
mod view;

#[cfg(test)]
mod tests;

pub use effects::{Effects, Reply, ReplyTo};
pub use error::GroupError;
pub use event::{
    CommitOffset, CommitOffsets, GroupSettings, Heartbeat, JoinGroup, Joined, JoinedMember, LeaveGroup,
    Leaving, Now, SyncGroup, Synced,
};
pub use group::GroupState;
pub use record::{CommittedOffset, GroupMetadata, GroupRecord, MemberMetadata, RecordError};
pub use shard::{Answers, Shard};
pub use view::{GroupDescription, GroupListing, MemberDescription};
