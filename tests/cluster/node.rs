//! One simulated node: a whole broker on a disk in memory and a runtime of its own, so that a crash ends all its tasks
//! at once. What the agent does around a broker is done here without sockets, gossip and threads.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::time::Duration;

use bateau::broker::controller::{Join, Register, join_message, joined};
use bateau::broker::{Broker, BrokerError, LeaderView};
use bateau::cluster::{Clock, Endpoint, Exchange, MetadataLog, NodeStorage, TopicImage, metadata_replica};
use bateau::peer::{Hello, PeerSettings, Peers, VERSION};
use bateau::storage::{CrashPolicy, DataDir, DirectoryMeta, Disk, Flusher, Identity, MemDisk, Votes};
use futures_util::future::LocalBoxFuture;
use parking_lot::Mutex;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use uuid::Uuid;

use crate::chance::Chance;
use crate::network::{Dialer, Network, address};

const DATA: &str = "/data";
/// The wall clock when a simulation begins.
const WALL_MS: i64 = 1_700_000_000_000;

/// See the module.
pub(crate) struct Node {
    pub(crate) id: i32,
    pub(crate) disk: MemDisk,
    pub(crate) life: Option<Life>,
    /// What its wall clock is off by, in milliseconds.
    pub(crate) skew_ms: i64,
    wall_ms: Arc<AtomicI64>,
}

/// From a start to a stop or a crash.
pub(crate) struct Life {
    /// A clean stop that is under way.
    stopping: Option<LocalBoxFuture<'static, ()>>,
    runtime: Runtime,
    began: Instant,
    began_ms: u64,
    pub(crate) running: Arc<Running>,
    /// The disk takes no change any more; the crash follows.
    pub(crate) is_halted: bool,
}

/// What is known of a life from outside.
#[derive(Default)]
pub(crate) struct Running {
    pub(crate) up: Mutex<Option<Up>>,
    /// Why it cannot go on.
    pub(crate) failed: Mutex<Option<String>>,
    pub(crate) stopped: Mutex<bool>,
}

/// A broker that serves.
#[derive(Clone)]
pub(crate) struct Up {
    pub(crate) handle: Handle,
    pub(crate) broker: Broker,
    pub(crate) metadata: Arc<MetadataLog>,
    exchange: Arc<Exchange>,
    closing: watch::Sender<bool>,
}

impl Up {
    /// As the broker says, by its own clock: who lives is a matter of time.
    pub(crate) fn leader(&self, topic: &TopicImage, partition: i32) -> LeaderView {
        let _its_time = self.handle.enter();
        self.broker.leader(topic, partition)
    }

    pub(crate) fn controller(&self) -> Option<i32> {
        let _its_time = self.handle.enter();
        self.broker.controller()
    }
}

/// What a node is started with.
pub(crate) struct Boot {
    pub(crate) network: Network,
    /// All nodes that may be there.
    pub(crate) others: Vec<i32>,
    /// Whether it may form the cluster.
    pub(crate) forms: bool,
    pub(crate) keys: BTreeMap<String, String>,
    /// The longest that a sync takes.
    pub(crate) sync_max_ms: u64,
    pub(crate) chance: Chance,
}

impl Node {
    pub(crate) fn new(id: i32) -> Self {
        let disk = MemDisk::new();
        Self { id, disk, life: None, skew_ms: 0, wall_ms: Arc::new(AtomicI64::new(WALL_MS)) }
    }

    pub(crate) fn up(&self) -> Option<Up> {
        self.life.as_ref().and_then(|life| life.running.up.lock().clone())
    }

    /// Starts it; it is there once [`Node::up`] says so.
    pub(crate) fn start(&mut self, now_ms: u64, mut boot: Boot) {
        assert!(self.life.is_none(), "node {} runs already", self.id);
        let mut builder = Builder::new_current_thread();
        builder.enable_time().start_paused(true);
        #[cfg(tokio_unstable)]
        builder.rng_seed(tokio::runtime::RngSeed::from_bytes(&boot.chance.next().to_be_bytes()));
        let runtime = builder.build().unwrap();
        let running = Arc::<Running>::default();
        let began = runtime.block_on(async { Instant::now() });
        let (shared, disk, wall, id) =
            (Arc::clone(&running), self.disk.clone(), Arc::clone(&self.wall_ms), self.id);
        drop(runtime.spawn(async move {
            if let Err(error) = run(id, disk, wall, &mut boot, &shared).await {
                *shared.failed.lock() = Some(error);
            }
        }));
        self.life =
            Some(Life { stopping: None, runtime, began, began_ms: now_ms, running, is_halted: false });
    }

    /// Lets it live until `now_ms`.
    pub(crate) fn step(&mut self, now_ms: u64) {
        let wall = WALL_MS + i64::try_from(now_ms).unwrap() + self.skew_ms;
        self.wall_ms.store(wall, Relaxed);
        let Some(life) = &mut self.life else { return };
        let until = life.began + Duration::from_millis(now_ms - life.began_ms);
        let Some(stopping) = &mut life.stopping else {
            return life.runtime.block_on(async { tokio::time::sleep_until(until).await });
        };
        let has_stopped = life.runtime.block_on(async {
            tokio::select! {
                biased;
                () = tokio::time::sleep_until(until) => false,
                () = stopping => true,
            }
        });
        if has_stopped {
            life.stopping = None;
            *life.running.stopped.lock() = true;
        }
    }

    /// Ends it now. `silently`: the machine is gone, not only the process.
    pub(crate) fn crash(&mut self, network: &Network, policy: CrashPolicy, seed: u64, silently: bool) {
        let Some(life) = self.life.take() else { return };
        self.disk = self.disk.crash(policy, seed);
        network.close(self.id, silently);
        *life.running.up.lock() = None;
        drop(life);
    }

    /// Asks it to stop as SIGTERM does; it is down once [`Running::stopped`] says so.
    pub(crate) fn stop(&mut self) {
        let up = self.up();
        let (Some(life), Some(up)) = (&mut self.life, up) else { return };
        if life.stopping.is_some() || *life.running.stopped.lock() {
            return;
        }
        life.stopping = Some(Box::pin(async move {
            _ = tokio::time::timeout(Duration::from_secs(10), up.broker.hand_over_all()).await;
            up.closing.send_replace(true);
            up.broker.close().await;
            up.exchange.peers().close().await;
        }));
    }
}

async fn run(
    id: i32,
    disk: MemDisk,
    wall: Arc<AtomicI64>,
    boot: &mut Boot,
    running: &Arc<Running>,
) -> Result<(), String> {
    let said = |error: &dyn std::error::Error| match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    };
    let disk: Arc<dyn Disk> = Arc::new(disk);
    let flusher = flusher(Chance::new(boot.chance.next()), boot.sync_max_ms);
    let mut uuid = || Uuid::from_u64_pair(boot.chance.next(), boot.chance.next());
    let data_dir = DataDir::open(Arc::clone(&disk), Path::new(DATA), uuid()).map_err(|e| said(&e))?;
    let start_id = uuid().as_u64_pair().0;
    let cluster_id = uuid();
    if data_dir.lost_votes() && !data_dir.partitions().map_err(|e| said(&e))?.is_empty() {
        return Err("its votes are lost".into());
    }
    let directory_id = data_dir.meta().directory_id;
    let votes = Votes::open(disk, &data_dir.votes_path(), directory_id, Arc::clone(&flusher));
    let votes = votes.map_err(|e| said(&e))?;
    for files in data_dir.leftovers().map_err(|e| said(&e))? {
        files.run();
    }
    let settings = PeerSettings { seed: start_id, ..PeerSettings::default() };
    let dialer = Dialer { network: boot.network.clone(), from: id };
    let peers = Peers::new(settings, hello(&data_dir.meta(), start_id), Arc::new(dialer));
    let exchange = Exchange::new(peers.clone());
    boot.network.open(id, Handle::current(), peers.clone());
    let identity = match data_dir.meta().identity {
        Some(known) => known,
        None if boot.forms => {
            Identity { cluster_id, node_id: id, metadata_replica: metadata_replica(id, 1), is_founder: true }
        }
        None => join(id, directory_id, &peers, &boot.others).await,
    };
    data_dir.set_identity(identity).map_err(|e| said(&e))?;
    peers.set_hello(hello(&data_dir.meta(), start_id));
    for other in boot.others.iter().filter(|other| **other != id) {
        peers.set_address(*other, address(*other));
    }
    let failed = Arc::<Notify>::default();
    let storage = NodeStorage {
        data_dir: Arc::new(data_dir),
        cluster_id: identity.cluster_id,
        flusher,
        votes: Arc::new(votes),
        clock: Clock::new(move || wall.load(Relaxed)),
        exchange: Arc::clone(&exchange),
        failed: Arc::clone(&failed),
    };
    let metadata = MetadataLog::start(storage.clone(), identity.metadata_replica, identity.is_founder);
    let metadata = Arc::new(metadata.await.map_err(|e| said(&e))?);
    let broker = Broker::new(id, storage.clone(), Arc::clone(&metadata), boot.keys.clone());
    let (closing, is_closing) = watch::channel(false);
    let (led, until) = (broker.clone(), is_closing.clone());
    drop(tokio::spawn(async move { led.keep_cluster(until).await }));
    tokio::select! {
        registered = register(&broker, id, directory_id) => registered?,
        () = failed.notified() => return Err("its votes cannot be kept".into()),
    }
    broker.begin();
    set_strays_aside(&broker, &storage.data_dir);
    let maintained = broker.clone();
    drop(tokio::spawn(async move { maintained.maintain(is_closing).await }));
    let handle = Handle::current();
    *running.up.lock() = Some(Up { handle, broker, metadata, exchange, closing });
    failed.notified().await;
    Err("its votes cannot be kept".into())
}

/// Syncs take their time, each its own, so that a crash may come between a write and its sync.
fn flusher(chance: Chance, max_ms: u64) -> Arc<Flusher> {
    let chance = Mutex::new(chance);
    Flusher::deferred(move |job| {
        let wait = Duration::from_millis(chance.lock().below(max_ms + 1));
        drop(tokio::spawn(async move {
            tokio::time::sleep(wait).await;
            job();
        }));
    })
}

fn hello(meta: &DirectoryMeta, start_id: u64) -> Hello {
    Hello {
        cluster_id: meta.identity.map(|identity| identity.cluster_id),
        node_id: meta.identity.map(|identity| identity.node_id),
        directory_id: meta.directory_id,
        start_id,
        version: VERSION,
    }
}

async fn join(id: i32, directory_id: Uuid, peers: &Peers, others: &[i32]) -> Identity {
    loop {
        for other in others.iter().filter(|other| **other != id) {
            let join = Join {
                directory_id: directory_id.as_bytes().to_vec(),
                node_id: Some(id),
                rpc_addr: address(id),
            };
            let asked =
                peers.call_address(&address(*other), vec![join_message(join)], Duration::from_secs(20)).await;
            let Ok((_, answer)) = asked else { continue };
            let Ok(joined) = joined(&answer) else { continue };
            let cluster_id = Uuid::from_slice(&joined.cluster_id).unwrap();
            let (node_id, metadata_replica) = (joined.node_id, joined.metadata_replica);
            return Identity { cluster_id, node_id, metadata_replica, is_founder: false };
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

async fn register(broker: &Broker, id: i32, directory_id: Uuid) -> Result<(), String> {
    let register = Register {
        node: id,
        directory_id: directory_id.as_bytes().to_vec(),
        endpoints: vec![Endpoint {
            listener: "PLAINTEXT".into(),
            host: format!("node-{id}"),
            port: 9092,
            protocol: 0,
        }],
        rack: None,
        rpc_addr: address(id),
    };
    loop {
        match broker.register(register.clone()).await {
            Ok(()) => return Ok(()),
            Err(BrokerError::NotController) => {}
            Err(error) => return Err(format!("it cannot be registered: {error}")),
        }
    }
}

/// As the agent does it.
fn set_strays_aside(broker: &Broker, data_dir: &DataDir) {
    let image = broker.image();
    for (topic, partition) in data_dir.partitions().unwrap_or_default() {
        let known = image.topic(topic.as_str()).is_some_and(|t| t.partition(partition).is_some());
        if !known && topic.as_str() != "__cluster_metadata" {
            drop(data_dir.set_aside(&topic, partition));
        }
    }
}
