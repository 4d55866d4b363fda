//! What the nodes of a cluster say to each other, and what this one knows by it: who is where, who lives, who leads.
//!
//! One exchange serves all logs of a node. Not here: connections (`peer`), what replicas of a group say (`raft`), when
//! to campaign (`failover`).

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use prost::Message;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::distributed_log::DistributedLog;
use super::leaders::{Announcements, Leaders, PartitionKey};
use super::metadata::{MetadataImage, PartitionImage};
use super::metadata_log::{METADATA_TOPIC_ID, node_of_metadata_replica};
use super::raft::{Group, Role, RoleListener, Standing, addressee, spawn};
use crate::peer::{Hello, Lane, PeerError, Peers, Serve};
use crate::storage::GroupId;

/// How long an announcement may take until it is sent again.
const ANNOUNCED_WITHIN: Duration = Duration::from_secs(2);
/// How long announcements gather before they leave together.
const ANNOUNCED_TOGETHER: Duration = Duration::from_millis(5);

/// What a message between nodes is about: its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// From replica to replica of one group.
    Raft = 1,
    /// Leaders announce themselves.
    Leaders = 2,
    /// What only the controller can do.
    Controller = 3,
}

/// The logs of this node, for those who have messages for them.
pub(super) trait Logs: Send + Sync {
    fn log_of(&self, group: &GroupId) -> Option<Arc<DistributedLog>>;
    fn logs(&self) -> Vec<Arc<DistributedLog>>;
}

/// What the controller does for other nodes.
pub trait Verbs: Send + Sync {
    fn serve(&self, from: &Hello, request: Bytes) -> BoxFuture<'static, Result<Vec<Bytes>, String>>;
}

/// See the module.
pub struct Exchange {
    me: Weak<Self>,
    peers: Peers,
    pub leaders: Leaders,
    image: ArcSwap<MetadataImage>,
    standings: Mutex<BTreeMap<GroupId, Arc<Standing>>>,
    logs: OnceLock<Weak<dyn Logs>>,
    metadata: OnceLock<Weak<DistributedLog>>,
    verbs: OnceLock<Arc<dyn Verbs>>,
    /// Somebody has to be told something.
    news: Notify,
    /// This node is about to stop, and takes no leadership any more.
    leaves: AtomicBool,
    /// Counts what may make a campaign worth while.
    unrest: watch::Sender<u64>,
    /// The other nodes that live, and since when their processes are heard.
    living: Mutex<BTreeMap<i32, Instant>>,
}

impl std::fmt::Debug for Exchange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Exchange").finish_non_exhaustive()
    }
}

impl Exchange {
    pub fn new(peers: Peers) -> Arc<Self> {
        let exchange = Arc::new_cyclic(|me: &Weak<Self>| Self {
            me: Weak::clone(me),
            peers,
            leaders: Leaders::default(),
            image: ArcSwap::default(),
            standings: Mutex::default(),
            logs: OnceLock::new(),
            metadata: OnceLock::new(),
            verbs: OnceLock::new(),
            news: Notify::new(),
            leaves: AtomicBool::new(false),
            unrest: watch::Sender::new(0),
            living: Mutex::default(),
        });
        exchange.peers.serve_with(Arc::<Self>::clone(&exchange));
        exchange
    }

    pub fn peers(&self) -> &Peers {
        &self.peers
    }

    /// This node's id; -1 before it has one.
    pub fn node(&self) -> i32 {
        self.peers.hello().node_id.unwrap_or(-1)
    }

    pub(super) fn set_logs(&self, logs: Weak<dyn Logs>) {
        drop(self.logs.set(logs));
    }

    pub(super) fn set_metadata(&self, log: &Arc<DistributedLog>) {
        drop(self.metadata.set(Arc::downgrade(log)));
    }

    pub fn set_verbs(&self, verbs: Arc<dyn Verbs>) {
        drop(self.verbs.set(verbs));
    }

    /// The cluster as of a newer command: who holds which replica, and where nodes are.
    pub(super) fn follow_image(&self, image: &Arc<MetadataImage>) {
        let before = self.image.swap(Arc::clone(image));
        for node in image.nodes.values().filter(|node| node.id != self.node()) {
            let is_known = before.nodes.get(&node.id).is_some_and(|old| old.rpc_addr == node.rpc_addr);
            if !is_known && !node.rpc_addr.is_empty() {
                self.peers.set_address(node.id, node.rpc_addr.clone());
            }
        }
        for gone in before.nodes.keys().filter(|id| !image.nodes.contains_key(id)) {
            self.peers.forget(*gone);
        }
        for topic in before.topics().filter(|topic| image.topic_by_id(topic.id).is_none()) {
            self.leaders.drop_topic(topic.id);
        }
        self.stir();
    }

    pub(super) fn image(&self) -> Arc<MetadataImage> {
        self.image.load_full()
    }

    /// The node that holds a replica.
    pub(super) fn node_of(&self, group: &GroupId) -> Option<i32> {
        if group.topic_id == METADATA_TOPIC_ID {
            return Some(node_of_metadata_replica(group.replica_id));
        }
        let image = self.image.load();
        let partition = image.topic_by_id(group.topic_id)?.partition(group.partition)?;
        partition.replicas.iter().find(|r| r.replica_id == group.replica_id).map(|r| r.node)
    }

    /// From now on this node takes no leadership: it is about to stop.
    pub fn leave(&self) {
        self.leaves.store(true, Relaxed);
    }

    pub(super) fn is_leaving(&self) -> bool {
        self.leaves.load(Relaxed)
    }

    /// Whether the node of one of `group`'s replicas lives.
    pub fn is_alive_replica(&self, group: &Group, replica: u64) -> bool {
        let of = GroupId { replica_id: replica, ..group.group_id() };
        self.node_of(&of).is_some_and(|node| self.is_alive(node))
    }

    /// Whether `node` lives, as far as this one hears; itself it does.
    pub fn is_alive(&self, node: i32) -> bool {
        node == self.node() || self.peers.is_alive(node)
    }

    /// The other nodes that live, and since when their processes are heard.
    pub(super) fn living(&self) -> BTreeMap<i32, Instant> {
        self.living.lock().clone()
    }

    /// The nodes that have a partition, the preferred leader first.
    pub(super) fn placed(&self, (topic, partition): &PartitionKey) -> Vec<i32> {
        let image = self.image.load();
        match *topic == METADATA_TOPIC_ID {
            true => image.nodes.keys().copied().collect(),
            false => image
                .topic_by_id(*topic)
                .and_then(|topic| topic.partition(*partition))
                .map_or(Vec::new(), PartitionImage::nodes),
        }
    }

    /// Whether the node of a replica promised not to take this one for dead yet.
    pub(super) fn promised(&self, group: &GroupId) -> bool {
        let lease = self.node_of(group).and_then(|node| self.peers.lease_until(node));
        lease.is_some_and(|until| until > Instant::now())
    }

    /// Sends a message; messages of one lane to one node leave in the order of these calls.
    pub fn call(
        &self,
        node: i32,
        (lane, service): (Lane, Service),
        parts: Vec<Bytes>,
        within: Duration,
    ) -> BoxFuture<'static, Result<Bytes, PeerError>> {
        let mut request = Vec::with_capacity(parts.len() + 1);
        request.push(Bytes::from_static(match service {
            Service::Raft => &[Service::Raft as u8],
            Service::Leaders => &[Service::Leaders as u8],
            Service::Controller => &[Service::Controller as u8],
        }));
        request.extend(parts);
        self.peers.call(node, lane, request, within)
    }

    /// From now on this node's replica of a group is told when its leader falls silent.
    pub(super) fn follow(&self, group: GroupId, term: u64) -> Arc<Standing> {
        let listener: Weak<dyn RoleListener> = Weak::<Self>::clone(&self.me);
        let standing = Arc::new(Standing::new(group, term, listener));
        self.standings.lock().insert(group, Arc::clone(&standing));
        self.leaders.resign_again((group.topic_id, group.partition));
        self.news.notify_one();
        standing
    }

    /// The replica stopped: if it led, somebody else has to.
    pub(super) fn unfollow(&self, group: &GroupId) {
        if self.standings.lock().remove(group).is_none() {
            return;
        }
        self.leaders.resign(self.node(), (group.topic_id, group.partition));
        self.news.notify_one();
        self.stir();
    }

    /// Waits until each of these partitions has a leader that said so.
    pub async fn led(&self, partitions: &[PartitionKey]) {
        let mut unrest = self.unrest();
        while partitions.iter().any(|key| self.leaders.announced(key).is_none()) {
            if unrest.changed().await.is_err() {
                return;
            }
        }
    }

    /// Says who keeps up with a partition that this node leads.
    pub(super) fn lead(&self, key: PartitionKey, term: u64, in_sync: Vec<i32>) {
        if self.leaders.lead(self.node(), key, term, in_sync) {
            self.news.notify_one();
        }
    }

    /// Is told when a campaign may have become worth while.
    pub(super) fn unrest(&self) -> watch::Receiver<u64> {
        self.unrest.subscribe()
    }

    /// Has everybody look again whether to campaign.
    pub fn stir(&self) {
        self.unrest.send_modify(|count| *count += 1);
    }

    /// Announces what this node leads, until `closing`.
    pub async fn announce(&self, mut closing: watch::Receiver<bool>) {
        loop {
            tokio::select! {
                () = self.news.notified() => {}
                _ = closing.wait_for(|closing| *closing) => return,
            }
            tokio::time::sleep(ANNOUNCED_TOGETHER).await;
            for (node, keys, announcements) in self.leaders.take(self.node()) {
                let whole = (announcements.asks, announcements.is_all);
                let body = Bytes::from(announcements.encode_to_vec());
                let told = self.call(node, (Lane::Control, Service::Leaders), vec![body], ANNOUNCED_WITHIN);
                let me = Weak::clone(&self.me);
                spawn(async move {
                    let (Err(_), Some(me)) = (told.await, me.upgrade()) else { return };
                    me.leaders.untold(node, keys, whole);
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    me.news.notify_one();
                });
            }
        }
    }

    /// Leaders on `node` are forgotten: it is silent, or began anew.
    fn forget_leaders_on(&self, node: i32) {
        let standings: Vec<Arc<Standing>> = self.standings.lock().values().cloned().collect();
        for standing in standings {
            let leader = standing.role().leader;
            let Some(leader) = leader else { continue };
            let group = GroupId { replica_id: leader, ..standing.group() };
            if self.node_of(&group) == Some(node) {
                standing.forget_leader(leader);
            }
        }
        self.stir();
    }

    /// Tries replicas on `node` again at once.
    fn reach(&self, node: i32) {
        let logs = self.logs.get().and_then(Weak::upgrade).map(|logs| logs.logs()).unwrap_or_default();
        let metadata = self.metadata.get().and_then(Weak::upgrade);
        let groups: Vec<_> = logs.iter().chain(&metadata).filter_map(|log| log.running()).collect();
        let me = Weak::clone(&self.me);
        spawn(async move {
            let Some(me) = me.upgrade() else { return };
            for group in groups.into_iter().filter(|group| group.leads().is_some()) {
                let mut there = group.members();
                there.retain(|replica| {
                    me.node_of(&GroupId { replica_id: *replica, ..group.group_id() }) == Some(node)
                });
                if !there.is_empty() {
                    group.reach(there).await;
                }
            }
        });
    }

    fn log_of(&self, group: &GroupId) -> Option<Arc<DistributedLog>> {
        if group.topic_id == METADATA_TOPIC_ID {
            let metadata = self.metadata.get().and_then(Weak::upgrade);
            return metadata.filter(|log| log.group_id() == *group);
        }
        self.logs.get().and_then(Weak::upgrade)?.log_of(group)
    }

    fn serve_replica(
        &self,
        lane: Lane,
        mut message: Bytes,
    ) -> BoxFuture<'static, Result<Vec<Bytes>, String>> {
        let group = match addressee(&mut message) {
            Ok(group) => group,
            Err(error) => return refused(error.to_string()),
        };
        let Some(log) = self.log_of(&group) else {
            return refused(format!(
                "no replica {} of partition {} of topic {} is here",
                group.replica_id, group.partition, group.topic_id
            ));
        };
        let running = log.running();
        if running.is_none() && lane == Lane::Data {
            // Appends that wait for the start would be overtaken by those that come behind it. The leader tries again.
            let reason = format!("the replica of {} is being started", log.identity.name);
            spawn(async move { drop(log.group().await) });
            return refused(reason);
        }
        Box::pin(async move {
            let running = match running {
                Some(group) => group,
                None => log.group().await.map_err(|error| error.to_string())?,
            };
            running.serve(message).await.map(|answer| vec![answer]).map_err(|error| error.to_string())
        })
    }

    fn serve_leaders(&self, from: &Hello, message: &Bytes) -> Result<Vec<Bytes>, String> {
        let announcements = Announcements::decode(&message[..]).map_err(|error| error.to_string())?;
        let node = from.node_id.ok_or("a node without an id leads nothing")?;
        if announcements.asks {
            self.leaders.tell_again(node);
            self.news.notify_one();
        }
        for ((topic, partition), term) in self.leaders.hear((node, from.start_id), announcements) {
            let standings: Vec<Arc<Standing>> = self.standings.lock().values().cloned().collect();
            let of_it = |s: &&Arc<Standing>| (s.group().topic_id, s.group().partition) == (topic, partition);
            for standing in standings.iter().filter(of_it) {
                // Somebody may lead a later term by now.
                let role = standing.role();
                if let Some(leader) = role.leader.filter(|_| role.term <= term) {
                    standing.forget_leader(leader);
                }
            }
        }
        self.stir();
        Ok(vec![Bytes::new()])
    }
}

fn refused(reason: String) -> BoxFuture<'static, Result<Vec<Bytes>, String>> {
    Box::pin(std::future::ready(Err(reason)))
}

impl RoleListener for Exchange {
    fn changed(&self, group: &GroupId, role: Role) {
        let key = (group.topic_id, group.partition);
        let me = self.node();
        match role.leader {
            Some(leader) if leader == group.replica_id => {
                if role.ready {
                    // Until it is known who lags, nobody does who lives.
                    let mut living = self.placed(&key);
                    living.retain(|node| self.is_alive(*node));
                    self.lead(key, role.term, if living.contains(&me) { living } else { vec![me] });
                }
            }
            Some(leader) => {
                self.leaders.resign(me, key);
                if let Some(node) = self.node_of(&GroupId { replica_id: leader, ..*group }) {
                    self.leaders.follow(key, node, role.term);
                }
            }
            None => self.leaders.resign(me, key),
        }
        self.news.notify_one();
        self.stir();
    }
}

impl Serve for Exchange {
    fn serve(
        &self,
        from: &Hello,
        lane: Lane,
        request: Bytes,
    ) -> BoxFuture<'static, Result<Vec<Bytes>, String>> {
        let mut request = request;
        if request.is_empty() {
            return refused("an empty message".into());
        }
        let service = request.split_to(1)[0];
        if service == Service::Raft as u8 {
            self.serve_replica(lane, request)
        } else if service == Service::Leaders as u8 {
            Box::pin(std::future::ready(self.serve_leaders(from, &request)))
        } else if service == Service::Controller as u8 {
            match self.verbs.get() {
                Some(verbs) => verbs.serve(from, request),
                None => refused("this node is only starting".into()),
            }
        } else {
            refused(format!("service {service} is not known here"))
        }
    }

    fn admit(&self, peer: &Hello) -> Result<(), String> {
        let me = self.peers.hello();
        if let (Some(theirs), Some(ours)) = (peer.cluster_id, me.cluster_id)
            && theirs != ours
        {
            return Err(format!("node {:?} is of cluster {theirs}, this is {ours}", peer.node_id));
        }
        if peer.directory_id == me.directory_id {
            return Err("this node is called by itself".into());
        }
        if peer.node_id.is_some() && peer.node_id == me.node_id {
            return Err(format!(
                "node id {} is this node's, of directory {}; {} has it too",
                me.node_id.unwrap_or(-1),
                me.directory_id,
                peer.directory_id
            ));
        }
        let image = self.image.load();
        match peer.node_id.and_then(|id| image.nodes.get(&id)) {
            Some(known) if known.directory_id != peer.directory_id => Err(format!(
                "node {} is registered with directory {}, not {}: start it with its own data directory, or join again",
                known.id, known.directory_id, peer.directory_id
            )),
            _ => Ok(()),
        }
    }

    fn up(&self, node: i32, start_id: u64) {
        tracing::info!(node, "a node is heard");
        self.living.lock().insert(node, Instant::now());
        self.leaders.renew(node, start_id);
        self.forget_leaders_on(node);
        self.leaders.tell(node);
        self.news.notify_one();
        self.reach(node);
    }

    fn down(&self, node: i32) {
        tracing::warn!(node, "a node is not heard any more");
        self.living.lock().remove(&node);
        self.leaders.forget(node);
        self.forget_leaders_on(node);
    }
}
