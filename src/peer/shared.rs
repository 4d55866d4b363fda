//! What all connections of a node have in common, and how one is opened or accepted.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use tokio::sync::{Semaphore, oneshot};
use tokio::time::Instant;
use tracing::debug;

use super::complaints::Complaints;
use super::connect::{Connect, Incoming};
use super::ended::Ended;
use super::frame::EXTRA_BYTES;
use super::hello::{Hello, Purpose, read_opening, read_verdict, send_opening};
use super::meter::Meter;
use super::node::Node;
use super::pulse::Pulse;
use super::seats::Seats;
use super::settings::PeerSettings;
use super::tasks::Tasks;
use super::watched::{Watch, Watched};
use super::wire::Wire;
use super::{Lane, Serve, served};

/// Connections that other nodes opened, those that have not said who they are included.
const ACCEPTED_MAX: usize = 1024;
/// What the four bytes of a frame's length can say.
const FRAME_BYTES_MAX: usize = u32::MAX as usize - EXTRA_BYTES;
/// Calls to addresses at a time.
pub(super) const ASKING_MAX: usize = 64;

pub(super) struct Shared {
    pub(super) settings: PeerSettings,
    pub(super) complaints: Complaints,
    pub(super) seats: Arc<Seats>,
    pub(super) connector: Arc<dyn Connect>,
    pub(super) hello: RwLock<Hello>,
    pub(super) serve: RwLock<Option<Arc<dyn Serve>>>,
    pub(super) nodes: Mutex<BTreeMap<i32, Arc<Node>>>,
    pub(super) meters: Mutex<BTreeMap<i32, Arc<Meter>>>,
    pub(super) tasks: Tasks,
    pub(super) closing: Arc<Watched<bool>>,
    accepted: Semaphore,
    pub(super) asking: Arc<Semaphore>,
}

impl Shared {
    pub(super) fn new(mut settings: PeerSettings, hello: Hello, connector: Arc<dyn Connect>) -> Self {
        settings.frame_bytes_max = settings.frame_bytes_max.min(FRAME_BYTES_MAX);
        Self {
            settings,
            complaints: Complaints::default(),
            seats: Arc::default(),
            connector,
            hello: RwLock::new(hello),
            serve: RwLock::new(None),
            nodes: Mutex::default(),
            meters: Mutex::default(),
            tasks: Tasks::default(),
            closing: Watched::new(false),
            accepted: Semaphore::new(ACCEPTED_MAX),
            asking: Arc::new(Semaphore::new(ASKING_MAX)),
        }
    }

    pub(super) fn hello(&self) -> Hello {
        self.hello.read().clone()
    }

    pub(super) fn serve(&self) -> Option<Arc<dyn Serve>> {
        self.serve.read().clone()
    }

    pub(super) fn node(&self, node: i32) -> Option<Arc<Node>> {
        self.nodes.lock().get(&node).cloned()
    }

    pub(super) fn meter(&self, node: i32) -> Arc<Meter> {
        Arc::clone(self.meters.lock().entry(node).or_default())
    }

    pub(super) fn closing(&self) -> Watch<bool> {
        self.closing.watch()
    }

    /// Why a node is no longer wanted.
    pub(super) fn gone(&self) -> Ended {
        if self.closing.get() { Ended::Closing } else { Ended::Replaced("the node is no longer one of ours") }
    }

    /// Tells whoever serves what has changed about a node.
    pub(super) fn tell(&self, pulse: &Pulse) {
        if let Some(serve) = self.serve() {
            pulse.tell(&*serve);
        }
    }

    /// A ping of `from` came.
    pub(super) fn pinged(&self, from: &Hello, since_heard: Option<Duration>) {
        if let Some(known) = from.node_id.and_then(|node| self.node(node)) {
            known.pulse.on_ping(from.start_id, since_heard, Instant::now());
            self.tell(&known.pulse);
        }
    }

    /// Bounds what belongs to opening a connection.
    pub(super) async fn soon<T>(&self, step: impl Future<Output = Result<T, Ended>>) -> Result<T, Ended> {
        let within = self.settings.connect_within;
        tokio::time::timeout(within, step).await.unwrap_or(Err(Ended::Slow(within)))
    }

    /// Opens a connection to `address`, and looks who is there.
    pub(super) async fn open(
        &self,
        address: &str,
        purpose: Purpose,
        meter: Arc<Meter>,
    ) -> Result<(Wire, Hello), Ended> {
        let opened = self.soon(async {
            let mut stream = self.connector.connect(address.to_owned()).await?;
            let hello = self.hello();
            send_opening(&mut *stream, purpose, &hello).await?;
            let peer = read_verdict(&mut *stream).await?;
            Ok((stream, hello, peer))
        });
        let (stream, hello, peer) = opened.await?;
        let wire = Wire::new(stream, self.settings.frame_bytes_max, meter);
        match self.examine(&hello, peer, purpose) {
            Ok(peer) => Ok((wire, peer)),
            Err(text) => {
                wire.goodbye(&text).await;
                Err(Ended::Unwanted(text))
            }
        }
    }

    fn examine(&self, hello: &Hello, peer: Hello, purpose: Purpose) -> Result<Hello, String> {
        let peer = hello.negotiated(peer)?;
        purpose.looks_for(&peer)?;
        if let Some(serve) = self.serve() {
            serve.admit(&peer)?;
        }
        Ok(peer)
    }

    pub(super) async fn accept(self: &Arc<Self>, mut incoming: Incoming, remote: String) {
        let Ok(_permit) = self.accepted.try_acquire() else {
            return self.complaints.say(&remote, &Ended::TooMany(ACCEPTED_MAX));
        };
        let mut closing = self.closing();
        let opening = tokio::select! {
            biased;
            () = closing.wait_for(|closing| *closing) => return,
            opening = self.soon(read_opening(incoming.stream())) => opening,
        };
        match opening {
            Ok((purpose, peer)) => self.serve_on_its_lane(incoming, purpose, peer, remote).await,
            Err(ended) => self.report(&remote, &ended),
        }
    }

    /// Hands the connection to a task on its lane's runtime, and waits for that.
    async fn serve_on_its_lane(
        self: &Arc<Self>,
        incoming: Incoming,
        purpose: Purpose,
        peer: Hello,
        remote: String,
    ) {
        let spawn = match purpose {
            Purpose::Lane(Lane::Control, _) => &self.settings.spawn_control,
            Purpose::Lane(Lane::Data, _) | Purpose::Once => &self.settings.spawn_data,
        };
        let (shared, mut closing) = (Arc::clone(self), self.closing());
        let (mut done, mut ended) = oneshot::channel::<()>();
        self.tasks.spawn(spawn, async move {
            let served = async {
                let stream = incoming.settle()?;
                served::serve(Arc::clone(&shared), stream, purpose, peer).await
            };
            let Err(ended) = tokio::select! {
                biased;
                () = closing.wait_for(|closing| *closing) => Err(Ended::Closing),
                // Whoever accepted it has gone.
                () = done.closed() => Err(Ended::Closing),
                ended = served => ended,
            };
            shared.report(&remote, &ended);
        });
        // An error is the end of the task.
        let _ = (&mut ended).await;
    }

    fn report(&self, remote: &str, ended: &Ended) {
        if ended.is_trouble() {
            self.complaints.say(&remote, ended);
        } else {
            debug!(remote, reason = %ended, "a peer's connection ended");
        }
    }
}
