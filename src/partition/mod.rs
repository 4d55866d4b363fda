//! One partition's rules around its Log: what may be appended, what may be read, what is
//! remembered of producers and epochs.
//!
//! Synchronous and without a clock: time is passed in. Agreement is `cluster`'s.

mod check;
mod epochs;
mod error;
mod following;
mod foundation;
mod offsets;
#[allow(clippy::module_inception, reason = "the room is named after its main noun")]
mod partition;
mod producer_state;
mod received;
mod state;
mod waiters;
mod writer;

pub use check::{CheckError, CheckedBatch, Rules, UNCOMPRESSED_BYTES_MAX, check};
pub use epochs::{EpochCache, EpochStart};
pub use error::PartitionError;
pub use foundation::Foundation;
pub use offsets::Lines;
pub use partition::{Appended, Identity, Partition, Payload, Proposed, Refusal};
pub use producer_state::{Accept, ProducerError, ProducerTable};
pub use received::{EntryError, ReceivedEntry, Replicated};
pub use state::{Membership, PartitionState, StateError, StoredMembership};
pub use waiters::{Waiter, Waiters};
