//! openraft, kept in one room: nothing outside names its types.
//!
//! A group is a partition's Log (or the metadata's) seen as a Raft log: `log_store` appends and
//! reads, `state_machine` applies by moving lines, `network` reaches the other replicas, `group`
//! ties them together.

mod group;
mod log_store;
mod network;
mod state_machine;
mod types;

pub(super) use group::GroupParts;
pub use group::{Group, GroupError, Pending};
pub(super) use state_machine::{Commands, Progress};
pub use types::{Outcome, spawn};
