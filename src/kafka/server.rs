//! The listener: accepts connections within limits, and ends them when the broker stops.
//!
//! Not here: who may connect (`admission.rs`), what happens on a connection (`connection.rs`).

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::net::{TcpListener, TcpStream, ToSocketAddrs};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::{debug, error, info};

use super::admission::Door;
use super::authentication::{Authentication, Demands};
use super::complaints::Complaints;
use super::connection::Connection;
use super::context::{Client, Context};
use super::fetch_session::FetchSessions;
use super::memory::{self, AnswerMemory, RequestMemory};
use super::socket::Socket;
use crate::access::Principal;
use crate::access::sasl::Mechanism;
use crate::broker::Broker;
use crate::keys::BrokerSettings;
use crate::model::SecurityProtocol;
use crate::tls::{PeerCertificate, PrincipalRules, ServerTls};

/// How long accepting rests after it failed, as it does without free file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long requests may take to finish once the broker stops.
const STOP_GRACE: Duration = Duration::from_secs(5);
/// How long a client and this node may take to agree on TLS.
const AGREED_WITHIN: Duration = Duration::from_secs(10);
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
pub struct Listener {
    pub name: Arc<str>,
    pub protocol: SecurityProtocol,
    pub socket: TcpListener,
    /// Given if the protocol has TLS.
    pub tls: Option<Arc<ServerTls>>,
    /// How clients say who they are, if the protocol has SASL.
    pub mechanisms: Arc<[Mechanism]>,
    /// What principal a certificate makes.
    pub principal_rules: Arc<PrincipalRules>,
}

impl Listener {
    /// Who a connection's client is to begin with. `None`: the rules take its certificate for nobody.
    fn authentication(&self, certificate: Option<&PeerCertificate>) -> Option<Authentication> {
        let demands = match self.protocol.has_sasl() {
            true => Demands::Sasl(Arc::clone(&self.mechanisms)),
            false => Demands::Nothing,
        };
        let certified = match certificate {
            Some(shown) => Some(Principal::user(self.principal_rules.principal(shown.distinguished_name())?)),
            None => None,
        };
        Some(Authentication::new(demands, certified))
    }
}

/// The doors for Kafka clients of one node, which share its limits.
#[derive(Debug)]
pub struct KafkaServer {
    listeners: Vec<Listener>,
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

    pub fn new(listeners: Vec<Listener>, broker: Broker, limits: Limits) -> Self {
        Self { listeners, broker, limits }
    }

    /// Serves until `shutdown` is true or its sender is gone; then lets requests finish, for a bounded time.
    pub async fn run(self, shutdown: watch::Receiver<bool>) {
        let Self { listeners, broker, limits } = self;
        let budget = limits.queued_bytes_max.unwrap_or(memory::DEFAULT_BUDGET);
        let shared = Arc::new(Shared {
            broker,
            sessions: Arc::new(FetchSessions::new(limits.fetch_sessions_max)),
            memory: Arc::new(RequestMemory::new(budget)),
            answers: Arc::new(AnswerMemory::default()),
            door: Door::new(),
            complaints: Complaints::default(),
            limits,
            shutdown,
        });
        let serving = listeners.into_iter().map(|listener| serve(Arc::clone(&shared), listener));
        join_all(serving).await;
    }
}

async fn serve(shared: Arc<Shared>, listener: Listener) {
    let mut shutdown = shared.shutdown.clone();
    let mut connections = JoinSet::new();
    let listener = Arc::new(listener);
    loop {
        tokio::select! {
            accepted = listener.socket.accept() => match accepted {
                Ok((stream, peer)) => {
                    Arc::clone(&shared).admit(stream, peer, Arc::clone(&listener), &mut connections);
                }
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

/// What all connections share.
struct Shared {
    broker: Broker,
    sessions: Arc<FetchSessions>,
    memory: Arc<RequestMemory>,
    answers: Arc<AnswerMemory>,
    door: Arc<Door>,
    complaints: Complaints,
    limits: Limits,
    shutdown: watch::Receiver<bool>,
}

impl Shared {
    fn admit(
        self: Arc<Self>,
        stream: TcpStream,
        peer: SocketAddr,
        listener: Arc<Listener>,
        set: &mut JoinSet<()>,
    ) {
        let place = match self.door.enter(peer.ip(), &self.broker.settings()) {
            Ok(place) => place,
            Err(limit) => return self.complaints.refused(&format_args!("{peer} is above {limit}")),
        };
        set.spawn(async move {
            let _place = place;
            let mut shutdown = self.shutdown.clone();
            let socket = tokio::select! {
                socket = self.socket(stream, listener.tls.as_deref()) => socket,
                () = stopped(&mut shutdown) => return,
            };
            let socket = match socket {
                Ok(socket) => socket,
                Err(error) if listener.tls.is_some() => {
                    let told = format_args!("{peer} came to no agreement on TLS: {error}");
                    return self.complaints.refused(&told);
                }
                Err(error) => return debug!(client = %peer, %error, "a connection was gone at once"),
            };
            let certificate = socket.peer_certificate();
            let Some(authentication) = listener.authentication(certificate.as_ref()) else {
                let told = "ssl.principal.mapping.rules have nobody for its certificate";
                return self.complaints.refused(&format_args!("{peer}: {told}"));
            };
            let client = Client { peer, listener: Arc::clone(&listener.name) };
            // The listener is not to be kept open by its connections.
            drop(listener);
            let connection = self.connection(socket, client, authentication);
            connection.run(stopped(&mut shutdown), &self.complaints).await;
        });
    }

    async fn socket(&self, stream: TcpStream, tls: Option<&ServerTls>) -> io::Result<Socket> {
        let stall_max = self.limits.idle_max.map_or(STALL_MAX, |idle| idle.min(STALL_MAX));
        let Some(tls) = tls else { return Socket::plain(stream, stall_max) };
        let agreed = tokio::time::timeout(AGREED_WITHIN, Socket::secure(stream, stall_max, tls)).await;
        agreed.unwrap_or(Err(io::ErrorKind::TimedOut.into()))
    }

    fn connection(&self, socket: Socket, client: Client, authentication: Authentication) -> Connection {
        let context = Context::new(self.broker.clone(), Arc::clone(&self.sessions), client, authentication);
        let memory = (Arc::clone(&self.memory), Arc::clone(&self.answers));
        Connection::new(socket, context, memory, &self.limits)
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
