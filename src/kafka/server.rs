//! The listener: accepts connections within limits, and ends them when the broker stops.
//!
//! Not here: what happens on a connection (`connection.rs`).

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpStream, ToSocketAddrs};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::{debug, error, info, warn};

use super::connection::Connection;
use super::context::Context;
use super::fetch_session::FetchSessions;
use super::memory::{self, RequestMemory};
use super::socket::Socket;
use crate::broker::Broker;
use crate::keys::BrokerSettings;

/// How long accepting rests after it failed, as it does without free file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long requests may take to finish once the broker stops.
const STOP_GRACE: Duration = Duration::from_secs(5);
/// The longest that a client may take none of its answer.
const STALL_MAX: Duration = Duration::from_mins(1);
/// The least time between two lines about refused connections.
const REFUSED_LINE_EVERY: Duration = Duration::from_secs(1);

/// What clients may take of the broker.
#[derive(Clone, Debug)]
pub struct Limits {
    /// `socket.request.max.bytes`.
    pub request_bytes_max: usize,
    /// `queued.max.request.bytes`; `None` (-1): a default of Bateau's.
    pub queued_bytes_max: Option<usize>,
    /// `max.connections`.
    pub connections_max: usize,
    /// `max.connections.per.ip`.
    pub connections_per_ip_max: usize,
    /// `max.connections.per.ip.overrides`.
    pub connections_per_ip_overrides: HashMap<IpAddr, usize>,
    /// `connections.max.idle.ms`; `None`: for ever.
    pub idle_max: Option<Duration>,
    /// `max.incremental.fetch.session.cache.slots`.
    pub fetch_sessions_max: usize,
}

impl Limits {
    /// The limits that are in force. Overrides by host name are looked up, once.
    pub fn of(settings: &BrokerSettings) -> Self {
        let addresses = |host: &str| (host, 0).to_socket_addrs().map(Vec::from_iter).unwrap_or_default();
        let overrides = settings.max_connections_per_ip_overrides.iter().flat_map(|(host, max)| {
            let found = addresses(host);
            if found.is_empty() {
                warn!(host, "max.connections.per.ip.overrides names a host that has no address");
            }
            found.into_iter().map(|address| (address.ip(), *max as usize))
        });
        Self {
            request_bytes_max: settings.socket_request_max_bytes as usize,
            queued_bytes_max: settings.queued_max_request_bytes.and_then(|bytes| usize::try_from(bytes).ok()),
            connections_max: settings.max_connections as usize,
            connections_per_ip_max: settings.max_connections_per_ip as usize,
            connections_per_ip_overrides: overrides.collect(),
            idle_max: settings.connections_max_idle_ms.map(Duration::from_millis),
            fetch_sessions_max: settings.fetch_session_slots as usize,
        }
    }
}

/// A bound listener.
#[derive(Debug)]
pub struct KafkaServer {
    listener: TcpListener,
    broker: Broker,
    limits: Limits,
}

impl KafkaServer {
    /// Listens on `addr`, whose port may be 0, and says where. Clients wait until the server runs.
    ///
    /// # Errors
    /// If the address cannot be bound.
    pub async fn listen(addr: impl ToSocketAddrs) -> io::Result<(TcpListener, SocketAddr)> {
        let listener = TcpListener::bind(addr).await?;
        let bound = listener.local_addr()?;
        Ok((listener, bound))
    }

    pub fn new(listener: TcpListener, broker: Broker, limits: Limits) -> Self {
        Self { listener, broker, limits }
    }

    /// Serves until `shutdown` is true or its sender is gone; then lets requests finish, for a bounded time.
    pub async fn run(self, mut shutdown: watch::Receiver<bool>) {
        let Self { listener, broker, limits } = self;
        let budget = limits.queued_bytes_max.unwrap_or(memory::DEFAULT_BUDGET);
        let shared = Shared {
            broker,
            sessions: Arc::new(FetchSessions::new(limits.fetch_sessions_max)),
            memory: Arc::new(RequestMemory::new(budget)),
            door: Arc::new(Door::default()),
            limits,
            shutdown: shutdown.clone(),
        };
        let mut connections = JoinSet::new();
        let mut refused = RefusedLine::default();
        loop {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((stream, peer)) => shared.admit(stream, peer, &mut connections, &mut refused),
                    Err(error) => {
                        refused.say(&format_args!("accepting failed: {error}"));
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
                Some(ended) = connections.join_next() => note_panic(ended),
                () = stopped(&mut shutdown) => break,
            }
        }
        drop(listener);
        let finished = async { while connections.join_next().await.is_some() {} };
        if tokio::time::timeout(STOP_GRACE, finished).await.is_err() {
            info!(left = connections.len(), "closing connections whose requests did not finish in time");
            connections.shutdown().await;
        }
    }
}

/// What all connections of a listener share.
struct Shared {
    broker: Broker,
    sessions: Arc<FetchSessions>,
    memory: Arc<RequestMemory>,
    door: Arc<Door>,
    limits: Limits,
    shutdown: watch::Receiver<bool>,
}

impl Shared {
    fn admit(&self, stream: TcpStream, peer: SocketAddr, set: &mut JoinSet<()>, refused: &mut RefusedLine) {
        let place = match Place::take(&self.door, peer.ip(), &self.limits) {
            Ok(place) => place,
            Err(limit) => return refused.say(&format_args!("{peer} is above {limit}")),
        };
        let socket =
            match Socket::new(stream, self.limits.idle_max.map_or(STALL_MAX, |idle| idle.min(STALL_MAX))) {
                Ok(socket) => socket,
                Err(error) => return debug!(client = %peer, %error, "a connection was gone at once"),
            };
        let context = Context::new(self.broker.clone(), Arc::clone(&self.sessions), peer);
        let connection = Connection::new(socket, context, Arc::clone(&self.memory), &self.limits);
        let mut shutdown = self.shutdown.clone();
        set.spawn(async move {
            let _place = place;
            connection.run(stopped(&mut shutdown)).await;
        });
    }
}

/// Resolves once the node stops, or its agent is gone.
async fn stopped(shutdown: &mut watch::Receiver<bool>) {
    drop(shutdown.wait_for(|stop| *stop).await);
}

fn note_panic(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        error!(%error, "a connection's task panicked: a fault of Bateau");
    }
}

/// Who is in.
#[derive(Debug, Default)]
struct Door {
    inside: Mutex<Inside>,
}

#[derive(Debug, Default)]
struct Inside {
    total: usize,
    per_ip: HashMap<IpAddr, usize>,
}

/// A connection's place, given back when dropped.
#[derive(Debug)]
struct Place {
    door: Arc<Door>,
    ip: IpAddr,
}

impl Place {
    /// # Errors
    /// The key of the limit that is reached.
    fn take(door: &Arc<Door>, ip: IpAddr, limits: &Limits) -> Result<Self, &'static str> {
        let per_ip_max =
            limits.connections_per_ip_overrides.get(&ip).unwrap_or(&limits.connections_per_ip_max);
        let mut inside = door.inside.lock();
        if inside.total >= limits.connections_max {
            return Err("max.connections");
        }
        let from_ip = inside.per_ip.get(&ip).copied().unwrap_or(0);
        if from_ip >= *per_ip_max {
            return Err("max.connections.per.ip");
        }
        inside.per_ip.insert(ip, from_ip + 1);
        inside.total += 1;
        Ok(Self { door: Arc::clone(door), ip })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut inside = self.door.inside.lock();
        inside.total -= 1;
        if let Some(count) = inside.per_ip.get_mut(&self.ip) {
            *count -= 1;
            if *count == 0 {
                inside.per_ip.remove(&self.ip);
            }
        }
    }
}

/// A log line that comes at most once in [`REFUSED_LINE_EVERY`].
#[derive(Debug, Default)]
struct RefusedLine {
    said: Option<Instant>,
    unsaid: u64,
}

impl RefusedLine {
    fn say(&mut self, reason: &std::fmt::Arguments<'_>) {
        let now = Instant::now();
        if self.said.is_some_and(|said| now.duration_since(said) < REFUSED_LINE_EVERY) {
            self.unsaid += 1;
            return;
        }
        warn!(%reason, not_logged = self.unsaid, "connection refused");
        *self = Self { said: Some(now), unsaid: 0 };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_free_again_when_its_connection_is_gone() {
        let (a, b) = (IpAddr::from([127, 0, 0, 1]), IpAddr::from([127, 0, 0, 2]));
        let limits = Limits {
            connections_max: 3,
            connections_per_ip_max: 1,
            connections_per_ip_overrides: HashMap::from([(b, 5)]),
            request_bytes_max: 1000,
            queued_bytes_max: None,
            idle_max: None,
            fetch_sessions_max: 1,
        };
        let door = Arc::new(Door::default());
        let first = Place::take(&door, a, &limits).unwrap();
        assert_eq!(Place::take(&door, a, &limits).unwrap_err(), "max.connections.per.ip");
        let _others = [Place::take(&door, b, &limits).unwrap(), Place::take(&door, b, &limits).unwrap()];
        assert_eq!(Place::take(&door, b, &limits).unwrap_err(), "max.connections");
        drop(first);
        assert!(Place::take(&door, a, &limits).is_ok());
        assert!(!door.inside.lock().per_ip.contains_key(&a));
    }
}
