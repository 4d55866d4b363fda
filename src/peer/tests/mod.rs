//! Several nodes in one process: pipes instead of sockets, and a network that can be cut in either direction.
//!
//! Time is paused: it goes on when all wait, so that waits are exact and take no time.

mod calls;
mod garbage;
mod liveness;
mod opening;
mod replay;
mod tcp;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::time::Instant;
use uuid::Uuid;

use super::watched::Watched;
use super::*;

const PIPE_BYTES: usize = 64 * 1024;
const SECOND: Duration = Duration::from_secs(1);

pub(super) const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// What a node was told, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    Up(i32, u64),
    Down(i32),
}

/// Answers by what the request says: `late <ms> <text>`, `fail <text>`, `big <bytes>`, `never`, or itself.
#[derive(Debug, Default)]
struct Served {
    cluster: Mutex<Option<Uuid>>,
    requests: Mutex<Vec<(Option<i32>, Lane, Bytes)>>,
    events: Mutex<Vec<(Instant, Event)>>,
    versions: Mutex<BTreeSet<u16>>,
}

impl Serve for Served {
    fn serve(
        &self,
        from: &Hello,
        lane: Lane,
        request: Bytes,
    ) -> BoxFuture<'static, Result<Vec<Bytes>, String>> {
        self.requests.lock().push((from.node_id, lane, request.clone()));
        async move {
            let text = String::from_utf8_lossy(&request[..request.len().min(100)]).into_owned();
            let words: Vec<&str> = text.splitn(3, ' ').collect();
            match words[..] {
                ["late", millis, text] => {
                    tokio::time::sleep(ms(millis.parse().unwrap())).await;
                    Ok(vec![Bytes::copy_from_slice(text.as_bytes())])
                }
                ["fail", text] => Err(text.to_owned()),
                ["big", bytes] => Ok(vec![Bytes::from(vec![7; bytes.parse().unwrap()])]),
                ["never"] => std::future::pending().await,
                _ => Ok(vec![request]),
            }
        }
        .boxed()
    }

    fn admit(&self, peer: &Hello) -> Result<(), String> {
        self.versions.lock().insert(peer.version);
        match (*self.cluster.lock(), peer.cluster_id) {
            (Some(ours), Some(theirs)) if ours != theirs => {
                Err(format!("this is cluster {ours}, not {theirs}"))
            }
            _ => Ok(()),
        }
    }

    fn up(&self, node: i32, start_id: u64) {
        self.events.lock().push((Instant::now(), Event::Up(node, start_id)));
    }

    fn down(&self, node: i32) {
        self.events.lock().push((Instant::now(), Event::Down(node)));
    }
}

impl Served {
    fn events(&self) -> Vec<Event> {
        self.events.lock().iter().map(|(_, event)| *event).collect()
    }

    fn when(&self, event: Event) -> Instant {
        let events = self.events.lock();
        events.iter().rev().find(|(_, found)| *found == event).map(|(at, _)| *at).unwrap()
    }

    fn bodies(&self) -> Vec<Bytes> {
        self.requests.lock().iter().map(|(_, _, body)| body.clone()).collect()
    }
}

/// Who can be reached at which address, and which directions are cut.
#[derive(Clone)]
struct Network {
    nodes: Arc<Mutex<BTreeMap<String, Peers>>>,
    cut: Arc<Watched<BTreeSet<(i32, i32)>>>,
    /// Breaks all streams when it changes.
    broken: Arc<Watched<u64>>,
    tries: Arc<AtomicUsize>,
}

/// The network as one node sees it.
struct Port {
    network: Network,
    node: i32,
}

impl Network {
    fn new() -> Self {
        Self {
            nodes: Arc::default(),
            cut: Watched::new(BTreeSet::new()),
            broken: Watched::new(0),
            tries: Arc::default(),
        }
    }

    fn cut(&self, from: i32, to: i32) {
        self.cut.change(|cut| cut.insert((from, to)));
    }

    fn heal(&self) {
        self.cut.change(|cut| !std::mem::take(cut).is_empty());
    }

    fn break_all(&self) {
        self.broken.change(|count| {
            *count += 1;
            true
        });
    }

    fn peers(&self, node: i32, hello: Hello, settings: PeerSettings) -> Peers {
        let port = Port { network: self.clone(), node };
        let peers = Peers::new(settings, hello, Arc::new(port));
        self.nodes.lock().insert(format!("node-{node}"), peers.clone());
        peers
    }

    /// A node of the cluster that knows all others of `all`.
    fn node(&self, node: i32, all: &[i32], start_id: u64) -> (Peers, Arc<Served>) {
        self.node_with(node, all, start_id, PeerSettings { seed: 7, ..PeerSettings::default() })
    }

    fn node_with(
        &self,
        node: i32,
        all: &[i32],
        start_id: u64,
        settings: PeerSettings,
    ) -> (Peers, Arc<Served>) {
        let peers = self.peers(node, hello(node, start_id), settings);
        let served = Arc::new(Served::default());
        peers.serve_with(Arc::<Served>::clone(&served));
        for other in all {
            peers.set_address(*other, format!("node-{other}"));
        }
        (peers, served)
    }
}

impl Connect for Port {
    fn connect(&self, address: String) -> BoxFuture<'static, io::Result<BoxedStream>> {
        let (network, from) = (self.network.clone(), self.node);
        network.tries.fetch_add(1, Ordering::Relaxed);
        async move {
            let refused = || io::Error::new(io::ErrorKind::ConnectionRefused, "nobody listens");
            let to = address.rsplit('-').next().and_then(|id| id.parse().ok()).unwrap_or(-1);
            let open = |cut: &BTreeSet<_>| !cut.contains(&(from, to)) && !cut.contains(&(to, from));
            network.cut.watch().wait_for(open).await;
            let peers = network.nodes.lock().get(&address).cloned().ok_or_else(refused)?;
            let (ours, near) = tokio::io::duplex(PIPE_BYTES);
            let (far, theirs) = tokio::io::duplex(PIPE_BYTES);
            tokio::spawn(carry(network, near, far, (from, to)));
            tokio::spawn(async move { peers.accept(Box::new(theirs), format!("node-{from}")).await });
            Ok(Box::new(ours) as BoxedStream)
        }
        .boxed()
    }
}

/// Carries bytes both ways until an end closes or all is broken; holds them back where it is cut.
async fn carry(network: Network, near: DuplexStream, far: DuplexStream, (from, to): (i32, i32)) {
    let ((near_out, near_in), (far_out, far_in)) = (tokio::io::split(near), tokio::io::split(far));
    let before = network.broken.get();
    let mut broken = network.broken.watch();
    tokio::select! {
        biased;
        () = broken.wait_for(|count| *count != before) => {}
        () = carry_one_way(&network, near_out, far_in, (from, to)) => {}
        () = carry_one_way(&network, far_out, near_in, (to, from)) => {}
    }
}

async fn carry_one_way(
    network: &Network,
    mut source: impl tokio::io::AsyncRead + Unpin,
    mut sink: impl tokio::io::AsyncWrite + Unpin,
    way: (i32, i32),
) {
    let mut cut = network.cut.watch();
    let mut bytes = vec![0; 16 * 1024];
    loop {
        let Ok(read @ 1..) = source.read(&mut bytes).await else { return };
        cut.wait_for(|cut| !cut.contains(&way)).await;
        if sink.write_all(&bytes[..read]).await.is_err() {
            return;
        }
    }
}

fn hello(node: i32, start_id: u64) -> Hello {
    Hello {
        cluster_id: Some(Uuid::from_u128(1)),
        node_id: Some(node),
        directory_id: Uuid::from_u128(100 + u128::from(node.unsigned_abs())),
        start_id,
        version: VERSION,
    }
}

/// Two nodes that know each other to be alive.
async fn pair() -> (Network, (Peers, Arc<Served>), (Peers, Arc<Served>)) {
    let network = Network::new();
    let one = network.node(1, &[1, 2], 11);
    let two = network.node(2, &[1, 2], 22);
    until(|| one.0.is_alive(2) && two.0.is_alive(1)).await;
    (network, one, two)
}

/// Waits for a condition, a minute at most.
async fn until(condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_mins(1);
    while !condition() {
        assert!(Instant::now() < deadline, "it did not come to that");
        tokio::time::sleep(ms(1)).await;
    }
}

fn text(text: &str) -> Vec<Bytes> {
    vec![Bytes::copy_from_slice(text.as_bytes())]
}
