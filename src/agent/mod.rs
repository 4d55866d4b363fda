//! Builds a node in order, runs it, and takes it down in reverse. The only room that knows all.

mod certificates;
mod control;
mod doors;
mod files;
mod formation;
mod http;
mod neighbours;
mod port_tls;
mod recovery;
mod rpc_port;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::broker::controller::Register;
use crate::broker::{Broker, BrokerError, check_super_users};
use crate::cluster::{Clock, LogError, MetadataLog, NodeStorage};
use crate::config::{Config, HostPort};
use crate::gossip::GossipError;
use crate::grpc::{GrpcServer, Health};
use crate::kafka::{ForwardedRequests, KafkaServer, Limits};
use crate::model::SecurityProtocol;
use crate::storage::{DataDir, Disk, During, Flusher, RealDisk, StorageError, Votes};
use crate::tls::{PrincipalRulesError, TlsError};
use doors::Doors;
pub use files::FileError;
use files::Files;
use http::Http;
use neighbours::Neighbours;
use port_tls::PortTls;
pub use recovery::{StoppedMetadata, recover_metadata};

/// Threads that sync files: the disk merges what they ask for.
const FLUSHER_THREADS: usize = 16;
/// How long leaderships may take to be handed to other nodes.
const HANDED_OVER_WITHIN: Duration = Duration::from_secs(10);
/// How often it is said that the cluster is waited for.
const SAID_EVERY: Duration = Duration::from_secs(10);
/// How long requests in flight may take to end when the node stops.
const DRAIN_WITHIN: Duration = Duration::from_secs(5);
/// How long the disk may take to close all logs.
const CLOSE_WITHIN: Duration = Duration::from_mins(1);
/// A running node.
#[derive(Debug)]
pub struct Agent {
    pub node_id: i32,
    pub cluster_id: Uuid,
    /// Where Kafka clients are served: each listener's name, protocol and address.
    pub kafka: Vec<(String, SecurityProtocol, SocketAddr)>,
    /// Where gRPC clients are served, if they are.
    pub grpc: Option<SocketAddr>,
    pub data_dir: PathBuf,
    /// Where other nodes find this one's gossip, if it is part of a cluster.
    pub gossip: Option<SocketAddr>,
    broker: Broker,
    http: Http,
    neighbours: Neighbours,
    flusher: Arc<Flusher>,
    failed: Arc<Notify>,
    health: Health,
    running: Running,
}

/// What runs until the node stops.
#[derive(Debug)]
struct Running {
    closing: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

/// Why a node does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("the data directory {path} cannot be used")]
    Data {
        path: PathBuf,
        #[source]
        source: StorageError,
    },
    #[error(
        "the votes of {path} are gone: without them this node might vote twice; put the file back, or start with an empty directory"
    )]
    VotesLost { path: PathBuf },
    #[error("{path} is node {found}'s, not node {wanted}'s")]
    OtherNode { path: PathBuf, found: i32, wanted: i32 },
    #[error("the metadata log does not start")]
    Metadata(#[source] LogError),
    #[error("votes cannot be kept: this node might vote twice")]
    Votes,
    #[error("this node cannot be registered")]
    Register(#[source] BrokerError),
    #[error("a thread cannot be started")]
    Thread(#[source] std::io::Error),
    #[error("gossip does not start")]
    Gossip(#[source] GossipError),
    #[error("users, policies or keys of tokens cannot be used")]
    File(#[source] FileError),
    #[error("ssl.principal.mapping.rules are wrong")]
    PrincipalRules(#[source] PrincipalRulesError),
    #[error("TLS of clients cannot begin")]
    Tls(#[source] TlsError),
    #[error("cannot listen on {address}")]
    Listen {
        address: HostPort,
        #[source]
        source: std::io::Error,
    },
}

#[expect(clippy::disallowed_methods, reason = "the one place where the wall clock is read")]
fn wall_clock() -> Clock {
    Clock::new(|| {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    })
}

#[expect(clippy::disallowed_methods, reason = "certificates are good from one date to another")]
fn unix_seconds() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

impl Agent {
    /// Starts a node: data directory, metadata, broker, doors. Waits for as long as there is no majority of the nodes that
    /// agree on the metadata; whoever drops the future ends that.
    ///
    /// # Errors
    /// [`StartError`]; whatever had started is stopped.
    pub async fn start(config: &Config) -> Result<Self, StartError> {
        raise_file_limit();
        let flusher = Flusher::new(FLUSHER_THREADS);
        let (data_dir, votes) = open_storage(config, &flusher)?;
        let mut running = Running::default();
        // The doors are opened before the node registers: only then their ports are known.
        let doors = Doors::open(config).await?;
        let until = running.until();
        let http = Http::open(config, &mut running.tasks, &until).await?;
        let name = config.node_name.clone().unwrap_or_else(|| "bateau".into());
        let mut neighbours = Neighbours::open(config, &name, &data_dir.meta()).await?;
        let identity = formation::identity(config, &data_dir, &neighbours).await?;
        neighbours.belong(&data_dir.meta()).await;
        let path = data_dir.path().to_path_buf();
        let storage = NodeStorage {
            data_dir: Arc::new(data_dir),
            cluster_id: identity.cluster_id,
            flusher: Arc::clone(&flusher),
            votes: Arc::new(votes),
            clock: wall_clock(),
            exchange: Arc::clone(&neighbours.exchange),
            failed: Arc::default(),
        };
        let failed = Arc::clone(&storage.failed);
        let started =
            MetadataLog::start(storage.clone(), identity.metadata_replica, identity.is_founder).await;
        let metadata = Arc::new(started.map_err(StartError::Metadata)?);
        let keys = static_keys(config, identity.node_id, &doors);
        let broker = Broker::new(identity.node_id, storage.clone(), Arc::clone(&metadata), keys);
        broker.give_groups_a_thread();
        let (led, until) = (broker.clone(), running.until());
        running.tasks.spawn(async move { led.keep_cluster(until).await });
        let register = Register {
            node: identity.node_id,
            directory_id: storage.data_dir.meta().directory_id.as_bytes().to_vec(),
            endpoints: doors.endpoints(),
            rack: config.settings.rack.clone(),
            rpc_addr: neighbours.rpc_addr.clone(),
        };
        broker.serve_kafka_with(Arc::new(ForwardedRequests::default()));
        tokio::select! {
            registered = register_with(&broker, register) => registered?,
            // Without it the metadata may never have a majority again.
            () = failed.notified() => return Err(StartError::Votes),
        }
        broker.begin();
        running.guard(config, &broker)?;
        set_strays_aside(&broker, &storage.data_dir);
        http.door.open(broker.clone());
        let kafka = doors.addresses();
        running.serve_kafka(doors, &neighbours.tls, &broker);
        let health = Health::new().await;
        let grpc = running.serve_grpc(&mut neighbours, &broker, &health);
        health.is_ready().await;
        let (maintained, until) = (broker.clone(), running.until());
        running.tasks.spawn(async move { maintained.maintain(until).await });
        Ok(Self {
            node_id: identity.node_id,
            cluster_id: identity.cluster_id,
            kafka,
            grpc,
            data_dir: path,
            gossip: neighbours.gossip_addr(),
            broker,
            http,
            neighbours,
            flusher,
            failed,
            health,
            running,
        })
    }

    pub fn broker(&self) -> &Broker {
        &self.broker
    }

    /// Where HTTP is served, if it is.
    pub fn http(&self) -> Option<SocketAddr> {
        self.http.bound
    }

    /// Resolves if the node cannot go on: its votes can't be kept.
    pub async fn failed(&self) {
        self.failed.notified().await;
    }

    /// Stops the node: others lead what it led, no new requests, those in flight end, logs are synced and closed.
    pub async fn stop(mut self) {
        self.http.door.leave();
        self.health.leaves().await;
        if tokio::time::timeout(HANDED_OVER_WITHIN, self.broker.hand_over_all()).await.is_err() {
            tracing::warn!("some leaderships were not handed over within {} s", HANDED_OVER_WITHIN.as_secs());
        }
        self.running.closing.send_replace(true);
        let drained = tokio::time::timeout(DRAIN_WITHIN, async {
            while self.running.tasks.join_next().await.is_some() {}
        });
        if drained.await.is_err() {
            tracing::warn!("some requests did not end within {} s", DRAIN_WITHIN.as_secs());
            self.running.tasks.shutdown().await;
        }
        let (broker, flusher) = (self.broker.clone(), Arc::clone(&self.flusher));
        let closed = tokio::time::timeout(CLOSE_WITHIN, async move {
            broker.close().await;
            tokio::task::spawn_blocking(move || flusher.stop()).await
        });
        match closed.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the flusher ended badly"),
            // What is acknowledged is on disk; the next start looks further back, that is all.
            Err(_) => tracing::error!("the disk did not take everything within {} s", CLOSE_WITHIN.as_secs()),
        }
        self.neighbours.close().await;
    }
}

impl Default for Running {
    fn default() -> Self {
        Self { closing: watch::channel(false).0, tasks: JoinSet::new() }
    }
}

impl Running {
    /// True once the node stops.
    fn until(&self) -> watch::Receiver<bool> {
        self.closing.subscribe()
    }

    /// Has `broker` know who clients are and what they may do.
    fn guard(&mut self, config: &Config, broker: &Broker) -> Result<(), StartError> {
        check_super_users(&broker.settings().security.super_users).map_err(StartError::Register)?;
        let files = Files::load(config, broker).map_err(StartError::File)?;
        self.tasks.spawn(files.keep(broker.clone(), self.until()));
        Ok(())
    }

    fn serve_kafka(&mut self, doors: Doors, port: &PortTls, broker: &Broker) {
        let (listeners, mut servers) = doors.into_listeners();
        let (others, clients) = port.certificates();
        servers.extend(others);
        let server = KafkaServer::new(listeners, broker.clone(), Limits::of(&broker.settings()));
        if !servers.is_empty() {
            let until = self.until();
            let keep = async move { certificates::keep(&servers, &clients, until, unix_seconds).await };
            self.tasks.spawn(keep);
        }
        self.tasks.spawn(server.run(self.until()));
    }

    /// Where gRPC is served, if it is.
    fn serve_grpc(
        &mut self,
        neighbours: &mut Neighbours,
        broker: &Broker,
        health: &Health,
    ) -> Option<SocketAddr> {
        let port = neighbours.rpc_port.as_mut()?;
        let server = GrpcServer::new(broker.clone(), port.clients.take()?, health.clone());
        self.tasks.spawn(server.run(self.until()));
        Some(port.bound)
    }
}

fn open_storage(config: &Config, flusher: &Arc<Flusher>) -> Result<(DataDir, Votes), StartError> {
    let path = &config.data_dir;
    let data = |source| StartError::Data { path: path.clone(), source };
    let made = std::fs::create_dir_all(path).during("create", path);
    made.map_err(data)?;
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::new(path));
    let data_dir = DataDir::open(Arc::clone(&disk), path, Uuid::new_v4()).map_err(data)?;
    let was_used = !data_dir.partitions().map_err(data)?.is_empty();
    if data_dir.lost_votes() && was_used {
        return Err(StartError::VotesLost { path: path.clone() });
    }
    let directory_id = data_dir.meta().directory_id;
    let votes = Votes::open(disk, &data_dir.votes_path(), directory_id, Arc::clone(flusher)).map_err(data)?;
    for files in data_dir.leftovers().map_err(data)? {
        flusher.run(Box::new(move || files.run()));
    }
    Ok((data_dir, votes))
}

/// Makes the node known, as soon as the cluster has a controller that hears it: without a majority nothing can begin.
async fn register_with(broker: &Broker, register: Register) -> Result<(), StartError> {
    let mut said = tokio::time::Instant::now();
    loop {
        match broker.register(register.clone()).await {
            Ok(()) => return Ok(()),
            Err(BrokerError::NotController) => {}
            Err(error) => return Err(StartError::Register(error)),
        }
        if said.elapsed() >= SAID_EVERY {
            said = tokio::time::Instant::now();
            tracing::info!("waiting for a majority of the nodes that agree on the metadata");
        }
    }
}

/// Directories of partitions that the metadata does not know are kept, under another name.
fn set_strays_aside(broker: &Broker, data_dir: &DataDir) {
    let image = broker.image();
    let found = data_dir.partitions().unwrap_or_default();
    for (topic, partition) in found {
        let known = image.topic(topic.as_str()).is_some_and(|t| t.partition(partition).is_some());
        if known || topic.as_str() == "__cluster_metadata" {
            continue;
        }
        match data_dir.set_aside(&topic, partition) {
            Ok(path) => {
                tracing::warn!(%topic, partition, path = %path.display(), "a log of no known topic is set aside");
            }
            Err(error) => {
                tracing::warn!(%topic, partition, %error, "a log of no known topic stays in the way");
            }
        }
    }
}

/// Broker keys as given, with those that follow from flags, so that tools see them.
fn static_keys(config: &Config, node: i32, doors: &Doors) -> BTreeMap<String, String> {
    let mut keys = config.keys.clone();
    keys.insert("listeners".into(), doors.listening());
    keys.insert("advertised.listeners".into(), doors.advertised());
    keys.insert("node.id".into(), node.to_string());
    keys.insert("broker.id".into(), node.to_string());
    keys.insert("log.dirs".into(), config.data_dir.display().to_string());
    keys
}

/// A log keeps a file open: as many as the system lets us have.
fn raise_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    if limit.current == limit.maximum {
        return;
    }
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })
    {
        tracing::debug!(%error, "the limit of open files stays as it was");
    }
}
