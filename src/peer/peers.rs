//! [`Peers`]: all other nodes, as the rest of a node sees them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::connect::{BoxedStream, Connect, Incoming};
use super::error::{PeerError, PeerName};
use super::hello::Hello;
use super::link::Link;
use super::meter::PeerStats;
use super::node::Node;
use super::settings::PeerSettings;
use super::shared::{ASKING_MAX, Shared};
use super::{Lane, Serve, once};

/// The connections with all other nodes. Clones share them; ended by [`Peers::close`], not by being dropped.
#[derive(Clone)]
pub struct Peers(Arc<Shared>);

impl Peers {
    /// Opens nothing yet.
    pub fn new(settings: PeerSettings, hello: Hello, connector: Arc<dyn Connect>) -> Self {
        Self(Arc::new(Shared::new(settings, hello, connector)))
    }

    /// Sets, once, who serves what comes. Until then whoever connects is refused, and nobody is told of life and death.
    pub fn serve_with(&self, serve: Arc<dyn Serve>) {
        *self.0.serve.write() = Some(serve);
        let nodes: Vec<_> = self.0.nodes.lock().values().cloned().collect();
        for node in nodes {
            self.0.tell(&node.pulse);
        }
    }

    /// Says something else of this node from now on. All connections are opened anew, in both directions.
    pub fn set_hello(&self, hello: Hello) {
        let own = hello.node_id;
        let mut current = self.0.hello.write();
        if *current == hello {
            return;
        }
        *current = hello;
        drop(current);
        if let Some(own) = own {
            self.forget(own);
        }
        for node in self.0.nodes.lock().values() {
            node.set_hello();
        }
        self.0.seats.clear(None, "this node says something else of itself now");
    }

    pub fn hello(&self) -> Hello {
        self.0.hello()
    }

    /// From now on connects to `node` at `address` (host:port, resolved at every try), pings it and counts it. Another
    /// address than before reconnects. This node itself is ignored.
    pub fn set_address(&self, node: i32, address: String) {
        let shared = &self.0;
        if shared.hello().node_id == Some(node) {
            return;
        }
        let mut nodes = shared.nodes.lock();
        if shared.closing.get() {
            return;
        }
        if let Some(known) = nodes.get(&node) {
            return known.set_address(address);
        }
        let known = Arc::new(Node::new(node, address, &shared.settings, shared.meter(node)));
        nodes.insert(node, Arc::clone(&known));
        drop(nodes);
        let link = |lane| Link::new(Arc::clone(shared), node, Arc::clone(&known), lane).run();
        shared.tasks.spawn(&shared.settings.spawn_control, link(Lane::Control));
        shared.tasks.spawn(&shared.settings.spawn_data, link(Lane::Data));
        shared.tasks.spawn(&shared.settings.spawn_control, watch_pulse(Arc::clone(shared), known));
    }

    /// Ends all connections with `node`, and says no more of it; it may connect again, but is not pinged or counted.
    pub fn forget(&self, node: i32) {
        let known = self.0.nodes.lock().remove(&node);
        if let Some(known) = known {
            known.end();
            self.0.seats.clear(Some(node), "the node is no longer one of ours");
            self.0.meters.lock().remove(&node);
        }
    }

    /// Those that have an address, ascending.
    pub fn nodes(&self) -> Vec<i32> {
        self.0.nodes.lock().keys().copied().collect()
    }

    /// Sends a request; those of one lane to one node leave in the order of these calls, whoever polls the futures.
    /// Resolves with the answer, or fails after `within`. Dropping the future drops the answer only.
    ///
    /// While the first connection opens, or one that lasted is opened again, requests wait for it; while a node can't be
    /// reached they fail at once.
    pub fn call(
        &self,
        node: i32,
        lane: Lane,
        request: Vec<Bytes>,
        within: Duration,
    ) -> BoxFuture<'static, Result<Bytes, PeerError>> {
        if self.0.closing.get() {
            return ready(Err(PeerError::Closed)).boxed();
        }
        if let Some(known) = self.0.node(node) {
            return known.requests(lane).call(request, within);
        }
        let (node, reason) = (PeerName::Node(node), "it has no address".to_owned());
        ready(Err(PeerError::NotConnected { node, reason, sent: false })).boxed()
    }

    /// As [`Peers::call`], over a connection of its own, to an address of which no node id is known yet. Served as of
    /// [`Lane::Control`], in no order. Resolves with who answered, too.
    pub fn call_address(
        &self,
        address: &str,
        request: Vec<Bytes>,
        within: Duration,
    ) -> BoxFuture<'static, Result<(Hello, Bytes), PeerError>> {
        let (shared, address) = (Arc::clone(&self.0), address.to_owned());
        let Ok(permit) = Arc::clone(&shared.asking).try_acquire_owned() else {
            let node = PeerName::Address(address);
            return ready(Err(PeerError::Busy { node, in_flight: ASKING_MAX, bytes: 0 })).boxed();
        };
        let (done, answer) = oneshot::channel();
        self.0.tasks.spawn(&self.0.settings.spawn_data, async move {
            // Who asked may have gone.
            let _ = done.send(once::ask(shared, address, request, within).await);
            drop(permit);
        });
        async move { answer.await.unwrap_or(Err(PeerError::Closed)) }.boxed()
    }

    /// Whether we hear the node and it hears us. Never of a node without an address.
    pub fn is_alive(&self, node: i32) -> bool {
        self.0.node(node).is_some_and(|known| known.pulse.is_alive(Instant::now()))
    }

    /// Until when `node` has promised not to take us for dead: when the newest ping was sent that it answered, plus
    /// [`PeerSettings::lease`]. None: never, or not since its newest start, or long ago.
    pub fn lease_until(&self, node: i32) -> Option<Instant> {
        self.0.node(node)?.pulse.lease_until(Instant::now())
    }

    /// Of every node that was met.
    pub fn stats(&self) -> BTreeMap<i32, PeerStats> {
        self.0.meters.lock().iter().map(|(node, meter)| (*node, meter.read())).collect()
    }

    /// Serves a connection that came from `remote` (for the log), its first byte ([`super::FIRST_BYTE`]) unread. Resolves
    /// once it has ended; ends it if dropped.
    pub async fn accept(&self, stream: BoxedStream, remote: String) {
        self.0.accept(Incoming::Stream(stream), remote).await;
    }

    /// As [`Peers::accept`], and moves the socket to the runtime that serves its lane.
    pub async fn accept_tcp(&self, stream: TcpStream, remote: String) {
        self.0.accept(Incoming::Tcp(stream), remote).await;
    }

    /// Ends all connections and tasks, and lets go of what serves. Calls fail with [`PeerError::Closed`].
    pub async fn close(&self) {
        self.0.closing.change(|closing| !std::mem::replace(closing, true));
        let nodes = std::mem::take(&mut *self.0.nodes.lock());
        for node in nodes.values() {
            node.end();
        }
        self.0.tasks.ended().await;
        *self.0.serve.write() = None;
    }
}

impl fmt::Debug for Peers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peers").field("hello", &self.hello()).field("nodes", &self.nodes()).finish()
    }
}

/// Tells of deaths by silence.
async fn watch_pulse(shared: Arc<Shared>, node: Arc<Node>) {
    let mut goal = node.goal();
    tokio::select! {
        biased;
        () = goal.wait_for(|goal| goal.gone) => {}
        () = node.pulse.watch(|pulse| shared.tell(pulse)) => {}
    }
}
