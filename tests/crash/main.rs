//! What storage keeps when the power goes, a write fails or a process dies.
//!
//! Workloads run on a disk in memory that stands still at any of its changes; what may be left is
//! rebuilt under every policy, opened again and compared with what was acknowledged. Not here: the
//! same of a whole cluster (`tests/sim`).
#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss
)]

mod fixture;
mod log;
mod model;
mod real;
mod votes;
