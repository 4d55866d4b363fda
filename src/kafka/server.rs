//! The listener: accepts connections within limits, and ends them when the broker stops.
//!
//! Not here: who may connect (`admission.rs`), what happens on a connection (`connection.rs`).

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream, ToSocketAddrs};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::{debug, error, info};

use super::admission::Door;
use super::complaints::Complaints;
use super::connection::Connection;
use super::context::Context;
use super::fetch_session::FetchSessions;
use super::memory::{self, AnswerMemory, RequestMemory};
use super::socket::Socket;
use crate::broker::Broker;
use crate::keys::BrokerSettings;

/// How long accepting rests after it failed, as it does without free file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long requests may take to finish once the broker stops.
const STOP_GRACE: Duration = Duration::from_secs(5);
/// The longest that a client may take none of its answer.
const STALL_MAX: Duration = Duration::from_mins(1);

/// What clients may take of the broker: the limits that hold from start to stop. Those on connections may change
/// while the node runs; `admission.rs` has them.
#[derive(Clone, Debug)]
pub struct Limits {
    /// `socket.request.max.bytes`.
    pub request_bytes_max: usize,
    /// `queued.max.request.bytes`; `None` (-1): a default of Bateau's.
    pub queued_bytes_max: Option<usize>,
    /// `connections.max.idle.ms`; `None`: for ever.
    pub idle_max: Option<Duration>,
    /// `max.incremental.fetch.session.cache.slots`.
    pub fetch_sessions_max: usize,
}

impl Limits {
    /// The limits that the node starts with.
    pub fn of(settings: &BrokerSettings) -> Self {
        Self {
            request_bytes_max: settings.socket_request_max_bytes as usize,
            queued_bytes_max: settings.queued_max_request_bytes.and_then(|bytes| usize::try_from(bytes).ok()),
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
            answers: Arc::new(AnswerMemory::default()),
            door: Door::new(),
            complaints: Arc::new(Complaints::default()),
            limits,
            shutdown: shutdown.clone(),
        };
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((stream, peer)) => shared.admit(stream, peer, &mut connections),
                    Err(error) => {
                        shared.complaints.refused(&format_args!("accepting failed: {error}"));
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
    answers: Arc<AnswerMemory>,
    door: Arc<Door>,
    complaints: Arc<Complaints>,
    limits: Limits,
    shutdown: watch::Receiver<bool>,
}

impl Shared {
    fn admit(&self, stream: TcpStream, peer: SocketAddr, set: &mut JoinSet<()>) {
        let place = match self.door.enter(peer.ip(), &self.broker.settings()) {
            Ok(place) => place,
            Err(limit) => return self.complaints.refused(&format_args!("{peer} is above {limit}")),
        };
        let socket =
            match Socket::new(stream, self.limits.idle_max.map_or(STALL_MAX, |idle| idle.min(STALL_MAX))) {
                Ok(socket) => socket,
                Err(error) => return debug!(client = %peer, %error, "a connection was gone at once"),
            };
        let context = Context::new(self.broker.clone(), Arc::clone(&self.sessions), peer);
        let memory = (Arc::clone(&self.memory), Arc::clone(&self.answers));
        let connection = Connection::new(socket, context, memory, &self.limits);
        let complaints = Arc::clone(&self.complaints);
        let mut shutdown = self.shutdown.clone();
        set.spawn(async move {
            let _place = place;
            connection.run(stopped(&mut shutdown), &complaints).await;
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
