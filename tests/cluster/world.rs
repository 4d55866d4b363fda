//! The cluster as one deterministic machine: a millisecond at a time, each node in turn.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use bateau::broker::{FetchPartition, FetchPlan, Isolation};
use bateau::storage::CrashPolicy;
use parking_lot::Mutex;
use tokio::runtime::{Builder, Runtime};
use tokio::time::Instant;

use crate::chance::Chance;
use crate::checker::{Checker, Key};
use crate::clients::Clients;
use crate::network::Network;
use crate::node::{Boot, Node, Up};
use crate::{log, panics};

/// How often what nodes have and say is looked at, in milliseconds.
const LOOKED_AT_EVERY: u64 = 20;

/// See the module.
pub(crate) struct World {
    pub(crate) now_ms: u64,
    pub(crate) chance: Chance,
    pub(crate) network: Network,
    pub(crate) nodes: Vec<Node>,
    pub(crate) clients: Clients,
    pub(crate) checker: Arc<Mutex<Checker>>,
    pub(crate) keys: BTreeMap<String, String>,
    pub(crate) sync_max_ms: u64,
    runtime: Runtime,
    began: Instant,
    /// How far each node's logs were read, and whether that goes on now.
    looks: Vec<Arc<Mutex<Look>>>,
    /// Nodes that start again at a time.
    pub(crate) restarts: BTreeMap<usize, u64>,
    formed: bool,
}

#[derive(Default)]
struct Look {
    read: BTreeMap<Key, i64>,
    under_way: bool,
}

impl World {
    pub(crate) fn new(seed: u64, nodes: i32, verbose: bool) -> Self {
        panics::forget();
        log::begin();
        let mut chance = Chance::new(seed);
        let mut builder = Builder::new_current_thread();
        builder.enable_time().start_paused(true);
        #[cfg(tokio_unstable)]
        builder.rng_seed(tokio::runtime::RngSeed::from_bytes(&chance.next().to_be_bytes()));
        let runtime = builder.build().unwrap();
        let began = runtime.block_on(async { Instant::now() });
        let mut checker = Checker::default();
        checker.verbose = verbose;
        let checker = Arc::new(Mutex::new(checker));
        let network = Network::new(Chance::new(chance.next()));
        let clients = Clients::new(Arc::clone(&checker), Chance::new(chance.next()));
        let keys = [("offsets.topic.num.partitions", "2")];
        let keys = keys.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        let sync_max_ms = [1, 3, 10, 60][chance.pick(4)];
        Self {
            now_ms: 0,
            chance,
            network,
            nodes: (1..=nodes).map(Node::new).collect(),
            clients,
            checker,
            keys,
            sync_max_ms,
            runtime,
            began,
            looks: (1..=nodes).map(|_| Arc::default()).collect(),
            restarts: BTreeMap::new(),
            formed: false,
        }
    }

    pub(crate) fn trace(&self, what: &str) {
        self.checker.lock().trace(what);
    }

    pub(crate) fn start(&mut self, at: usize) {
        let forms = at == 0 && !self.formed;
        self.formed |= forms;
        self.trace(&format!("node {} starts", self.nodes[at].id));
        *self.looks[at].lock() = Look::default();
        let boot = Boot {
            network: self.network.clone(),
            others: self.nodes.iter().map(|node| node.id).collect(),
            forms,
            keys: self.keys.clone(),
            sync_max_ms: self.sync_max_ms,
            chance: Chance::new(self.chance.next()),
        };
        self.nodes[at].start(self.now_ms, boot);
    }

    pub(crate) fn crash(&mut self, at: usize, policy: CrashPolicy, silently: bool, back_in_ms: u64) {
        self.trace(&format!(
            "node {} crashes: {policy:?}{}",
            self.nodes[at].id,
            if silently { ", silently" } else { "" }
        ));
        self.clients.lose(self.nodes[at].id);
        let seed = self.chance.next();
        self.nodes[at].crash(&self.network, policy, seed, silently);
        self.restarts.insert(at, self.now_ms + back_in_ms);
    }

    /// Starts what clients do.
    pub(crate) fn spawn(&self, client: impl Future<Output = ()> + Send + 'static) {
        drop(self.runtime.spawn(client));
    }

    pub(crate) fn run(&mut self, ms: u64) {
        for _ in 0..ms {
            self.step();
        }
    }

    /// Lets time go on until `holds`, or for `ms`. Whether it held.
    pub(crate) fn until(&mut self, ms: u64, holds: impl Fn(&Self) -> bool) -> bool {
        for _ in 0..ms {
            if holds(self) {
                return true;
            }
            self.step();
        }
        holds(self)
    }

    /// One millisecond.
    pub(crate) fn step(&mut self) {
        self.now_ms += 1;
        self.checker.lock().now_ms = self.now_ms;
        let due: Vec<usize> =
            self.restarts.iter().filter(|(_, at)| **at <= self.now_ms).map(|(node, _)| *node).collect();
        for at in due {
            self.restarts.remove(&at);
            self.start(at);
        }
        self.network.step(self.now_ms);
        for at in 0..self.nodes.len() {
            log::speaks(self.now_ms, self.nodes[at].id);
            self.nodes[at].step(self.now_ms);
            self.look_after(at);
        }
        log::speaks(self.now_ms, 0);
        let until = self.began + Duration::from_millis(self.now_ms);
        self.runtime.block_on(async { tokio::time::sleep_until(until).await });
        if self.now_ms.is_multiple_of(LOOKED_AT_EVERY) {
            for at in 0..self.nodes.len() {
                self.look(at);
            }
        }
        if let Some(panic) = panics::seen() {
            self.checker.lock().fault(&format!("a panic: {panic}"));
        }
        let checker = self.checker.lock();
        assert!(checker.faults.is_empty(), "{}", checker.faults.join("\n"));
    }

    /// Notices that a node came up, stopped or failed.
    fn look_after(&mut self, at: usize) {
        let id = self.nodes[at].id;
        let Some(running) = self.nodes[at].life.as_ref().map(|life| Arc::clone(&life.running)) else {
            return;
        };
        let failed = running.failed.lock().take();
        if let Some(failed) = failed {
            self.trace(&format!("node {id} gives up: {failed}"));
            let back = 500 + self.chance.below(500);
            self.crash(at, CrashPolicy::Killed, false, back);
            return;
        }
        let has_stopped = *running.stopped.lock();
        if has_stopped {
            self.trace(&format!("node {id} has stopped"));
            let back = 100 + self.chance.below(500);
            self.crash(at, CrashPolicy::Everything, false, back);
            return;
        }
        let mut known = self.clients.up.lock();
        if !known.contains_key(&id)
            && let Some(up) = self.nodes[at].up()
        {
            known.insert(id, up);
            drop(known);
            self.trace(&format!("node {id} is up"));
        }
    }

    /// Looks at what a node says, and has its logs read.
    fn look(&mut self, at: usize) {
        let id = self.nodes[at].id;
        let Some(up) = self.nodes[at].up() else { return };
        let image = up.broker.image();
        if let Some(applied) = up.metadata.applied() {
            // Both are taken one after the other; nothing runs in between.
            self.checker.lock().image(id, applied, &image);
        }
        for topic in image.topics() {
            for partition in (0..).take(topic.partitions.len()) {
                let view = up.leader(topic, partition);
                if view.node == id && view.epoch.0 > 0 {
                    self.checker.lock().leads((topic.id, partition), view.epoch.0, id);
                }
            }
        }
        self.read(at, up);
    }

    /// Has a node's logs read up to their high watermarks, one partition after the other.
    fn read(&self, at: usize, up: Up) {
        let (look, checker, id) = (Arc::clone(&self.looks[at]), Arc::clone(&self.checker), self.nodes[at].id);
        if std::mem::replace(&mut look.lock().under_way, true) {
            return;
        }
        let handle = up.handle.clone();
        drop(handle.spawn(async move {
            let image = up.broker.image();
            for topic in image.topics() {
                for (partition, placed) in (0..).zip(&topic.partitions) {
                    let key = (topic.id, partition);
                    if placed.on(id).is_some() {
                        read_one(&up, topic, key, &look, &checker).await;
                    }
                }
            }
            look.lock().under_way = false;
        }));
    }

    /// Ends all faults and all clients: everything must come to rest, with nothing lost.
    pub(crate) fn settle(&mut self, within_ms: u64) {
        self.trace("all is healed");
        self.network.heal();
        self.network.set_delay_max(3);
        for at in 0..self.nodes.len() {
            if self.nodes[at].life.as_ref().is_some_and(|life| life.is_halted) {
                self.crash(at, CrashPolicy::Synced, false, 10);
            }
        }
        self.clients.ending.store(true, Relaxed);
        let all = self.nodes.len();
        let rested = self.until(within_ms, |world| {
            world.clients.busy.load(Relaxed) == 0 && world.clients.up.lock().len() == all && world.is_whole()
        });
        if !rested {
            let said = format!("the cluster does not come to rest: {}", self.describe());
            self.checker.lock().fault(&said);
        }
        // Everything once more, from the beginning.
        for look in &self.looks {
            look.lock().read.clear();
        }
        let read = self.until(5_000, World::is_read);
        if !read {
            let said = format!("not all replicas show everything: {}", self.describe());
            self.checker.lock().fault(&said);
        }
        self.checker.lock().settle();
        let checker = self.checker.lock();
        assert!(checker.faults.is_empty(), "{}", checker.faults.join("\n"));
    }

    /// Whether all see one leader of each partition, with all its replicas in sync.
    pub(crate) fn is_whole(&self) -> bool {
        let ups: Vec<Up> = self.nodes.iter().filter_map(Node::up).collect();
        let Some(first) = ups.first() else { return false };
        let image = first.broker.image();
        let applied = first.metadata.applied();
        ups.iter().all(|up| up.metadata.applied() == applied)
            && image.topics().all(|topic| {
                (0..).zip(&topic.partitions).all(|(partition, placed)| {
                    let views: Vec<_> = ups.iter().map(|up| up.leader(topic, partition)).collect();
                    placed.removing.is_empty()
                        && views.iter().all(|view| (view.node, view.epoch) == (views[0].node, views[0].epoch))
                        && views[0].epoch.0 > 0
                        && views[0].in_sync.len() == placed.replicas.len()
                })
            })
    }

    /// Whether every replica was read to the end of what is agreed on.
    fn is_read(&self) -> bool {
        let checker = self.checker.lock();
        self.nodes.iter().zip(&self.looks).all(|(node, look)| {
            let Some(up) = node.up() else { return false };
            let look = look.lock();
            let image = up.broker.image();
            image.topics().all(|topic| {
                (0..).zip(&topic.partitions).all(|(partition, placed)| {
                    let key = (topic.id, partition);
                    let read = look.read.get(&key).copied().unwrap_or(0);
                    placed.on(node.id).is_none() || read >= checker.end(key)
                })
            })
        })
    }

    pub(crate) fn describe(&self) -> String {
        let mut said = format!("{} clients wait", self.clients.busy.load(Relaxed));
        for (node, look) in self.nodes.iter().zip(&self.looks) {
            let Some(up) = node.up() else {
                _ = write!(said, "\n node {} is not up", node.id);
                continue;
            };
            let (applied, controller) = (up.metadata.applied(), up.controller());
            _ = write!(said, "\n node {}: metadata {applied:?}, controller {controller:?}", node.id);
            let image = up.broker.image();
            for topic in image.topics() {
                for (partition, placed) in (0..).zip(&topic.partitions) {
                    let view = up.leader(topic, partition);
                    let read = look.lock().read.get(&(topic.id, partition)).copied().unwrap_or(0);
                    let end = self.checker.lock().end((topic.id, partition));
                    let (name, nodes) = (&topic.name, placed.nodes());
                    _ = write!(said, "\n   {name}-{partition} on {nodes:?}: {view:?}, read {read} of {end}");
                }
            }
        }
        said
    }
}

async fn read_one(
    up: &Up,
    topic: &Arc<bateau::cluster::TopicImage>,
    key: Key,
    look: &Mutex<Look>,
    checker: &Mutex<Checker>,
) {
    let id = up.broker.node_id();
    loop {
        let offset = look.lock().read.get(&key).copied().unwrap_or(0);
        let wanted = FetchPartition {
            topic: Arc::clone(topic),
            partition: key.1,
            offset,
            max_bytes: 1 << 20,
            current_leader_epoch: None,
            last_fetched_epoch: None,
        };
        let plan = FetchPlan {
            partitions: vec![wanted],
            max_wait: Duration::ZERO,
            min_bytes: 1,
            max_bytes: 1 << 20,
            isolation: Isolation::ReadUncommitted,
        };
        let read = up.broker.fetch_near(&plan, "").await.pop();
        let read = match read {
            Some(Ok(read)) => read,
            Some(Err(error @ bateau::broker::BrokerError::OffsetOutOfRange { .. })) => {
                checker
                    .lock()
                    .fault(&format!("node {id} lost what it showed of {}-{}: {error}", topic.name, key.1));
                return;
            }
            _ => return,
        };
        let mut end = None;
        for run in &read.runs {
            match run.copy() {
                Ok(bytes) => end = checker.lock().shown(id, key, &bytes).or(end),
                Err(_) => return,
            }
        }
        match end {
            Some(end) if end > offset => _ = look.lock().read.insert(key, end),
            _ => return,
        }
    }
}
