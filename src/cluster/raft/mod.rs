//! openraft, kept in one room: nothing outside names its types.
//!
//! A group is a partition's Log (or the metadata's) seen as a Raft log: `log_store` appends and
//! reads, `state_machine` applies by moving lines, `network` reaches the other replicas in the words of `rpc`, `serve`
//! answers theirs, `standing` knows who leads, `group` ties them together.

mod group;
mod log_store;
mod memory;
mod network;
mod rpc;
mod serve;
mod standing;
mod state_machine;
mod types;

pub(super) use group::GroupParts;
pub use group::{Follower, Group, GroupError, Pending};
pub(super) use serve::addressee;
pub use standing::Role;
pub(super) use standing::{RoleListener, Standing};
pub(super) use state_machine::{Commands, Progress};
pub use types::{Outcome, spawn};
