//! Nodes find each other: who is there, and where its RPC is. Over memberlist, which only this room names.
//!
//! It knows no log and changes no Raft membership. That a node left, crashed, or was not heard for some seconds is the
//! same here. Not here: whether a node may take part (another cluster's nodes are reported like all others).

mod error;
mod gate;
mod roster;
mod seek;
mod settings;
mod tags;
#[cfg(test)]
mod tests;
mod watch;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use memberlist::agnostic::tokio::TokioRuntime;
use memberlist::delegate::{CompositeDelegate, VoidDelegate};
use memberlist::net::resolver::socket_addr::SocketAddrResolver;
use memberlist::net::{NetTransport, NetTransportOptions};
use memberlist::proto::{Meta, NodeId};
use memberlist::{Memberlist, Options};
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

pub use error::GossipError;
pub use settings::GossipSettings;
pub use tags::Tags;

use gate::Gate;
use roster::{Change, Roster, Whereabouts};
use seek::Seeker;
use watch::{Complaints, Watch};

/// Changes that wait for the handler; when they are as many, gossip waits too.
const MAX_QUEUED_CHANGES: usize = 256;
/// For the others to be told of new tags by us. They are told by each other and later in any case.
const TELL_WITHIN: Duration = Duration::from_secs(5);
/// For sockets to close and tasks to end.
const CLOSE_WITHIN: Duration = Duration::from_secs(2);
/// How often a free port is chosen that somebody else then took first.
const PORT_TRIES: u32 = 10;
/// One packet fits into a frame of the networks that containers have.
const PACKET_BYTES: usize = 1_400;
/// Packets that wait to be read, each at most 64 KiB and usually far below [`PACKET_BYTES`].
const MAX_QUEUED_PACKETS: usize = 256;

type Void = VoidDelegate<NodeId, SocketAddr>;
type Delegate = CompositeDelegate<NodeId, SocketAddr, Arc<Watch>, Void, Arc<Watch>, Void, Arc<Watch>>;
type Resolver = SocketAddrResolver<TokioRuntime>;
type Transport = NetTransport<NodeId, Resolver, Gate, TokioRuntime>;
type List = Memberlist<Transport, Delegate>;

/// The book's seam: what follows from somebody being there is not gossip's business.
///
/// Called by one task, one event after another, in the order in which they happened. Gossip waits for a slow handler.
pub trait Handler: Send + Sync + 'static {
    /// `name` is there; also when it was there already, and says something else of itself or has another address. A
    /// restart at the same address with the same tags, before its silence was noticed, is no event.
    fn join(&self, name: &str, tags: &Tags);
    /// It left, or was not heard.
    fn leave(&self, name: &str, tags: &Tags);
}

/// This node's part in gossip. Dropped, it ends as by [`Gossip::shutdown`], a little later.
pub struct Gossip {
    list: List,
    roster: Arc<Mutex<Roster>>,
    name: String,
    tags: Arc<Mutex<Meta>>,
    bound: SocketAddr,
    advertised: SocketAddr,
    tasks: [JoinHandle<()>; 2],
}

impl Gossip {
    /// Binds, and begins to look for others; that nobody answers yet is no error.
    ///
    /// # Errors
    /// What is wrong with the settings or the tags, or that the address cannot be bound.
    pub async fn start(
        settings: GossipSettings,
        tags: Tags,
        handler: Arc<dyn Handler>,
    ) -> Result<Gossip, GossipError> {
        settings.check()?;
        let tags = meta(&tags, &settings.name)?;
        let mut tries = 1;
        loop {
            let bound = settings.free_bind()?;
            match Self::start_on(bound, &settings, tags.clone(), &handler).await {
                Err(GossipError::Start { .. }) if settings.bind.port() == 0 && tries < PORT_TRIES => {
                    tries += 1;
                }
                started => return started,
            }
        }
    }

    async fn start_on(
        bound: SocketAddr,
        settings: &GossipSettings,
        tags: Meta,
        handler: &Arc<dyn Handler>,
    ) -> Result<Gossip, GossipError> {
        let options = settings.options()?;
        let advertised = settings.advertised(bound).await?;
        let own = Whereabouts { name: settings.name.clone(), address: advertised };
        let roster = Arc::new(Mutex::new(Roster::new(&settings.name)));
        let tags = Arc::new(Mutex::new(tags));
        let (changes, queued) = mpsc::channel(MAX_QUEUED_CHANGES);
        let watch = Arc::new(Watch {
            own,
            roster: roster.clone(),
            tags: tags.clone(),
            changes,
            complaints: Mutex::new(Complaints::default()),
        });
        let list = open(bound, watch, options).await?;
        if settings.key.is_some() && !list.encryption_enabled() {
            close(&list).await;
            return Err(GossipError::NotEncrypted);
        }
        let seeker = Seeker {
            list: list.clone(),
            roster: roster.clone(),
            own: [bound, advertised],
            targets: settings.start_join_addrs.clone(),
            failing: HashMap::new(),
        };
        let tasks = [tokio::spawn(tell(queued, handler.clone())), tokio::spawn(seeker.run())];
        Ok(Gossip { list, roster, name: settings.name.clone(), tags, bound, advertised, tasks })
    }

    /// Says `tags` of this node from now on. Returns when others were told, at the latest after 5 s.
    ///
    /// # Errors
    /// [`GossipError::TagsTooLong`]: the earlier ones stay. [`GossipError::Closed`] after the end.
    pub async fn set_tags(&self, tags: Tags) -> Result<(), GossipError> {
        let tags = meta(&tags, &self.name)?;
        if std::mem::replace(&mut *self.tags.lock(), tags.clone()) == tags {
            return Ok(());
        }
        match self.list.update_node(TELL_WITHIN).await {
            Ok(()) | Err(memberlist::error::Error::UpdateTimeout) => Ok(()),
            Err(_) => Err(GossipError::Closed),
        }
    }

    /// Who is alive, by name, without ourselves. May be ahead of what the handler was told.
    pub fn members(&self) -> Vec<(String, Tags)> {
        self.roster.lock().members()
    }

    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.bound
    }

    /// Where others are told that it listens.
    pub fn advertised_addr(&self) -> SocketAddr {
        self.advertised
    }

    /// Tells the others, for at most `within`, and ends.
    pub async fn leave(self, within: Duration) {
        self.abort_tasks();
        // 0 would wait for ever.
        let within = within.max(Duration::from_millis(1));
        if !matches!(timeout(within, self.list.leave(within)).await, Ok(Ok(_))) {
            tracing::info!(name = self.name, "left gossip without having told everybody");
        }
        close(&self.list).await;
    }

    /// Ends without a word, as a crash does.
    pub async fn shutdown(self) {
        self.abort_tasks();
        close(&self.list).await;
    }

    fn abort_tasks(&self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Drop for Gossip {
    fn drop(&mut self) {
        self.abort_tasks();
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let list = self.list.clone();
            runtime.spawn(async move { close(&list).await });
        }
    }
}

impl std::fmt::Debug for Gossip {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Gossip { name, bound, advertised, .. } = self;
        write!(f, "Gossip({name} on {bound}, advertised as {advertised})")
    }
}

fn meta(tags: &Tags, name: &str) -> Result<Meta, GossipError> {
    let bytes = tags.encode(name)?;
    let (length, limit) = (bytes.len(), tags::MAX_TAGS_BYTES);
    Meta::try_from(bytes).map_err(|_| GossipError::TagsTooLong {
        name: name.to_owned(),
        bytes: length,
        limit,
    })
}

async fn open(bound: SocketAddr, watch: Arc<Watch>, options: Options) -> Result<List, GossipError> {
    let failed = |reason: String| GossipError::Start { address: bound, reason };
    let own = &watch.own;
    let sealed = options.primary_key().is_some();
    let id = NodeId::new(own.to_string()).map_err(|error| failed(error.to_string()))?;
    let mut transport = NetTransportOptions::<NodeId, Resolver, Gate>::with_stream_layer_options(id, sealed)
        .with_advertise_address(own.address)
        .with_max_packet_size(PACKET_BYTES)
        .with_packet_buffer_size(MAX_QUEUED_PACKETS);
    transport.add_bind_address(bound);
    let delegate = CompositeDelegate::new()
        .with_alive_delegate(watch.clone())
        .with_event_delegate(watch.clone())
        .with_node_delegate(watch);
    List::with_delegate(delegate, transport, options).await.map_err(|error| failed(error.to_string()))
}

async fn close(list: &List) {
    if !matches!(timeout(CLOSE_WITHIN, list.shutdown()).await, Ok(Ok(()))) {
        tracing::warn!(address = %list.advertise_address(), "gossip did not close cleanly");
    }
}

async fn tell(mut queued: mpsc::Receiver<Change>, handler: Arc<dyn Handler>) {
    while let Some(change) = queued.recv().await {
        match change {
            Change::Join(name, tags) => handler.join(&name, &tags),
            Change::Leave(name, tags) => handler.leave(&name, &tags),
        }
    }
}
