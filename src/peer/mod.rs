//! How nodes talk to each other: requests and answers between nodes, and who is alive.
//!
//! Each node opens one control and one data connection to every other; requests go over those that it opened itself,
//! answers come back on the same. Pings go over the control connection and decide who is alive.
//! It names no other room, and knows nothing of Raft, of topics or of what a request means.

mod complaints;
mod connect;
mod ended;
mod error;
mod frame;
mod hello;
mod inlet;
mod jitter;
mod link;
mod meter;
mod node;
mod once;
mod outlet;
mod peers;
mod pulse;
mod requests;
mod seats;
mod served;
mod settings;
mod shared;
mod tasks;
#[cfg(test)]
mod tests;
mod watched;
mod wire;

pub use connect::{AsyncReadWrite, BoxedStream, Connect, TcpConnect};
pub use error::{PeerError, PeerName};
pub use hello::{FIRST_BYTE, Hello, VERSION, VERSION_MIN};
pub use meter::PeerStats;
pub use peers::Peers;
pub use settings::{PeerSettings, Spawn};

use bytes::Bytes;
use futures_util::future::BoxFuture;

/// Two connections to each node, so that what decides about life and leaders never waits behind records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// Pings, votes, announcements: small, and never behind a large frame.
    Control,
    /// Records, and all else that is large.
    Data,
}

/// What this node does with what comes. None of it may block; `up` and `down` may call [`Peers`].
pub trait Serve: Send + Sync + 'static {
    /// Called in the order in which the requests of one lane of one peer were sent, by one task at a time.
    ///
    /// What needs that order is taken in order here; the rest happens in the future, which is polled at once, beside
    /// others. `Err(text)`: the answer is an error (16 KiB of it at most), and the connection lives on. `from` carries
    /// the version that both sides speak. The future is dropped if the connection ends first: what must not stop half
    /// way has to be spawned.
    fn serve(
        &self,
        from: &Hello,
        lane: Lane,
        request: Bytes,
    ) -> BoxFuture<'static, Result<Vec<Bytes>, String>>;

    /// Whether to speak with this peer, asked for each connection in both directions. A wrong cluster or a duplicate
    /// node id is refused with the text (1 KiB of it at most), which the other side gets and logs.
    fn admit(&self, peer: &Hello) -> Result<(), String>;

    /// A peer came to life, or was started anew (another start id): nothing from before holds.
    ///
    /// Of one node, `up` and `down` come in order and never at the same time, and no request that was sent behind the
    /// ping that brought it to life, on the control lane, is served before.
    fn up(&self, node: i32, start_id: u64);

    /// Not heard in both directions for [`PeerSettings::dead_after`]. Not called for a forgotten node.
    fn down(&self, node: i32);
}
