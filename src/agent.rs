//! Builds a node in order, runs it, and takes it down in reverse. The only room that knows all.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::broker::{Broker, BrokerError};
use crate::cluster::{Clock, LogError, MetadataLog, NodeStorage};
use crate::config::{Config, HostPort};
use crate::kafka::{KafkaServer, Limits};
use crate::storage::{DataDir, Disk, During, Flusher, RealDisk, StorageError, Votes};

/// Threads that sync files: the disk merges what they ask for.
const FLUSHER_THREADS: usize = 16;
/// How long requests in flight may take to end when the node stops.
const DRAIN_WITHIN: Duration = Duration::from_secs(5);
/// How long the disk may take to close all logs.
const CLOSE_WITHIN: Duration = Duration::from_mins(1);
/// A node alone that was never told its id.
const DEFAULT_NODE_ID: i32 = 1;

/// A running node.
#[derive(Debug)]
pub struct Agent {
    pub node_id: i32,
    pub cluster_id: Uuid,
    /// Where Kafka clients are served.
    pub kafka: SocketAddr,
    pub data_dir: PathBuf,
    broker: Broker,
    flusher: Arc<Flusher>,
    failed: Arc<Notify>,
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
    #[error("this node cannot be registered")]
    Register(#[source] BrokerError),
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

impl Agent {
    /// Starts a node: data directory, metadata, broker, doors.
    ///
    /// # Errors
    /// [`StartError`]; whatever had started is stopped.
    pub async fn start(config: &Config) -> Result<Self, StartError> {
        raise_file_limit();
        let flusher = Flusher::new(FLUSHER_THREADS);
        let (storage, node_id) = open_storage(config, &flusher)?;
        let cluster_id = storage.cluster_id;
        let failed = Arc::clone(&storage.failed);
        // The door is opened before the node registers: only then its port is known.
        let address = config.kafka.clone();
        let listening = KafkaServer::listen(config.kafka.to_bind()).await;
        let (listener, kafka) = listening.map_err(|source| StartError::Listen { address, source })?;
        let metadata = MetadataLog::start(storage.clone()).await.map_err(StartError::Metadata)?;
        let advertised = advertised(config, kafka);
        let keys = static_keys(config, node_id, kafka, &advertised);
        let broker = Broker::new(node_id, storage.clone(), metadata, keys);
        set_strays_aside(&broker, &storage.data_dir);
        let rack = config.settings.rack.clone();
        let directory = storage.data_dir.meta().directory_id;
        let registered = broker.register(directory, (advertised.host, advertised.port), rack).await;
        registered.map_err(StartError::Register)?;
        let (closing, is_closing) = watch::channel(false);
        let mut tasks = JoinSet::new();
        let server = KafkaServer::new(listener, broker.clone(), Limits::of(&broker.settings()));
        tasks.spawn(server.run(is_closing.clone()));
        let maintained = broker.clone();
        tasks.spawn(async move { maintained.maintain(is_closing).await });
        let data_dir = storage.data_dir.path().to_path_buf();
        Ok(Self { node_id, cluster_id, kafka, data_dir, broker, flusher, failed, closing, tasks })
    }

    pub fn broker(&self) -> &Broker {
        &self.broker
    }

    /// Resolves if the node cannot go on: its votes can't be kept.
    pub async fn failed(&self) {
        self.failed.notified().await;
    }

    /// Stops the node: no new requests, those in flight end, logs are synced and closed.
    pub async fn stop(mut self) {
        self.closing.send_replace(true);
        let drained =
            tokio::time::timeout(DRAIN_WITHIN, async { while self.tasks.join_next().await.is_some() {} });
        if drained.await.is_err() {
            tracing::warn!("some requests did not end within {} s", DRAIN_WITHIN.as_secs());
            self.tasks.shutdown().await;
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
    }
}

fn open_storage(config: &Config, flusher: &Arc<Flusher>) -> Result<(NodeStorage, i32), StartError> {
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
    let meta = data_dir.meta();
    let node_id = match (meta.node_id, config.node_id) {
        (Some(found), Some(wanted)) if found != wanted => {
            return Err(StartError::OtherNode { path: path.clone(), found, wanted });
        }
        (kept, given) => kept.or(given).unwrap_or(DEFAULT_NODE_ID),
    };
    let cluster_id = meta.cluster_id.unwrap_or_else(Uuid::new_v4);
    data_dir.set_identity(cluster_id, node_id).map_err(data)?;
    let votes =
        Votes::open(disk, &data_dir.votes_path(), meta.directory_id, Arc::clone(flusher)).map_err(data)?;
    for files in data_dir.leftovers().map_err(data)? {
        flusher.run(Box::new(move || files.run()));
    }
    let storage = NodeStorage {
        data_dir: Arc::new(data_dir),
        cluster_id,
        flusher: Arc::clone(flusher),
        votes: Arc::new(votes),
        clock: wall_clock(),
        failed: Arc::default(),
    };
    Ok((storage, node_id))
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

fn advertised(config: &Config, bound: SocketAddr) -> HostPort {
    let mut advertised = config.advertised.clone();
    if advertised.port == 0 {
        advertised.port = bound.port();
    }
    advertised
}

/// Broker keys as given, with those that follow from flags, so that tools see them.
fn static_keys(
    config: &Config,
    node: i32,
    bound: SocketAddr,
    advertised: &HostPort,
) -> BTreeMap<String, String> {
    let mut keys = config.keys.clone();
    let host = HostPort { host: config.kafka.host.clone(), port: bound.port() };
    keys.insert("listeners".into(), format!("PLAINTEXT://{host}"));
    keys.insert("advertised.listeners".into(), format!("PLAINTEXT://{advertised}"));
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
