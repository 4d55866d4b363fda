//! What the connections between nodes may take, and how long they wait.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;

/// Starts a task. A task that it drops unfinished counts as ended.
pub type Spawn = Arc<dyn Fn(BoxFuture<'static, ()>) + Send + Sync>;

/// All nodes of a cluster are meant to have the same.
#[derive(Clone)]
pub struct PeerSettings {
    /// Between two pings to a node.
    pub ping_every: Duration,
    /// A node not heard for this long is dead; a connection is torn down after four times as much silence.
    pub dead_after: Duration,
    /// How long an answered ping is taken as the promise not to be called dead: less than `dead_after`, by more than
    /// two clocks can drift apart meanwhile.
    pub lease: Duration,
    /// For a connection to open, hellos included.
    pub connect_within: Duration,
    /// The largest request or answer.
    pub frame_bytes_max: usize,
    /// Of the requests of one lane to one node that are queued or unanswered; a single one may be larger.
    pub in_flight_bytes_max: usize,
    /// Requests of one lane to one node that are queued or unanswered.
    pub in_flight_max: usize,
    /// The first wait before a connection is tried again; doubled up to `backoff_max`, and jittered.
    pub backoff_min: Duration,
    pub backoff_max: Duration,
    /// What the jitter comes from.
    pub seed: u64,
    /// Starts tasks of data connections.
    pub spawn_data: Spawn,
    /// Starts tasks of control connections: best on a thread of their own, so that load does not look like death.
    pub spawn_control: Spawn,
}

impl Default for PeerSettings {
    /// All tasks start on the runtime from which [`super::Peers`] is called.
    fn default() -> Self {
        let spawn: Spawn = Arc::new(|task| drop(tokio::spawn(task)));
        Self {
            ping_every: Duration::from_millis(100),
            dead_after: Duration::from_millis(500),
            lease: Duration::from_millis(400),
            connect_within: Duration::from_secs(1),
            frame_bytes_max: 256 * 1024 * 1024,
            in_flight_bytes_max: 64 * 1024 * 1024,
            in_flight_max: 4096,
            backoff_min: Duration::from_millis(50),
            backoff_max: Duration::from_secs(1),
            seed: 0,
            spawn_data: Arc::clone(&spawn),
            spawn_control: spawn,
        }
    }
}

impl PeerSettings {
    /// How much silence ends a connection on which something should have come.
    pub(super) fn silence_max(&self) -> Duration {
        self.dead_after * 4
    }
}

impl fmt::Debug for PeerSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeerSettings")
            .field("ping_every", &self.ping_every)
            .field("dead_after", &self.dead_after)
            .field("lease", &self.lease)
            .field("connect_within", &self.connect_within)
            .field("seed", &self.seed)
            .finish_non_exhaustive()
    }
}
