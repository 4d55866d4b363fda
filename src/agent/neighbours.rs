//! The way to other nodes: the port on which they call, the gossip by which they are found.

use std::net::SocketAddr;
use std::sync::{Arc, Weak};
use std::time::Duration;

use uuid::Uuid;

use super::StartError;
use super::control::ControlThread;
use super::port_tls::PortTls;
use super::rpc_port::RpcPort;
use crate::cluster::Exchange;
use crate::config::{ClusterConfig, Config, DEFAULT_RPC, HostPort};
use crate::gossip::{Gossip, GossipSettings, Handler, Tags};
use crate::peer::{Hello, PeerSettings, Peers, TcpConnect, VERSION};
use crate::storage::DirectoryMeta;

/// How long others may take to be told that this node leaves.
const GOODBYE_WITHIN: Duration = Duration::from_secs(2);

/// See the module.
pub(super) struct Neighbours {
    pub(super) exchange: Arc<Exchange>,
    /// Where others find this node's RPC, and gRPC clients; empty if it has none.
    pub(super) rpc_addr: String,
    pub(super) rpc_port: Option<RpcPort>,
    pub(super) tls: PortTls,
    pub(super) start_id: u64,
    wanted_id: Option<i32>,
    may_form: bool,
    gossip: Option<Gossip>,
    _control: ControlThread,
}

impl std::fmt::Debug for Neighbours {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Neighbours").field("rpc_addr", &self.rpc_addr).finish_non_exhaustive()
    }
}

/// Takes down where nodes are, as gossip tells.
struct Finder(Weak<Exchange>);

impl Handler for Finder {
    fn join(&self, name: &str, tags: &Tags) {
        let Some(exchange) = self.0.upgrade() else { return };
        let ours = exchange.peers().hello().cluster_id;
        match (tags.node_id, tags.cluster_id) {
            (Some(node), Some(theirs)) if Some(theirs) == ours => {
                exchange.peers().set_address(node, tags.rpc_addr.clone());
            }
            (_, Some(theirs)) if ours.is_some() && Some(theirs) != ours => {
                tracing::warn!(name, cluster = %theirs, "gossip shows a node of another cluster");
            }
            _ => {}
        }
    }

    fn leave(&self, name: &str, _tags: &Tags) {
        // Whether it lives is a matter of pings; who belongs to the cluster, of the metadata.
        tracing::debug!(name, "gossip does not hear a node any more");
    }
}

impl Neighbours {
    /// Opens the ways to other nodes, as far as `config` wants any.
    pub(super) async fn open(config: &Config, name: &str, meta: &DirectoryMeta) -> Result<Self, StartError> {
        let start_id = u64::from_be_bytes(Uuid::new_v4().into_bytes()[..8].try_into().unwrap_or_default());
        let control = ControlThread::start().map_err(StartError::Thread)?;
        let settings =
            PeerSettings { seed: start_id, spawn_control: control.spawner(), ..PeerSettings::default() };
        let tls = PortTls::load(config)?;
        let connect = tls.connect().unwrap_or_else(|| Arc::new(TcpConnect));
        let peers = Peers::new(settings, hello(meta, start_id), connect);
        let exchange = Exchange::new(peers);
        let mut neighbours = Self {
            exchange,
            rpc_addr: String::new(),
            rpc_port: None,
            tls,
            start_id,
            wanted_id: config.node_id,
            may_form: config.cluster.as_ref().is_some_and(|cluster| cluster.bootstrap),
            gossip: None,
            _control: control,
        };
        match &config.cluster {
            Some(config) => {
                neighbours.listen(config).await?;
                neighbours.gossip(config, name, meta).await?;
            }
            None => neighbours.listen_alone().await,
        }
        Ok(neighbours)
    }

    async fn listen(&mut self, config: &ClusterConfig) -> Result<(), StartError> {
        let address = HostPort { host: config.bind.host.clone(), port: config.rpc_port };
        let failed = |source| StartError::Listen { address: address.clone(), source };
        let port = RpcPort::open(&address, Some(Arc::clone(&self.exchange)), self.tls.clone())
            .await
            .map_err(failed)?;
        self.rpc_addr =
            HostPort { host: config.advertised_host.clone(), port: port.bound.port() }.to_string();
        self.rpc_port = Some(port);
        Ok(())
    }

    /// For gRPC clients only, and only if the port is free: nobody asked for it.
    async fn listen_alone(&mut self) {
        let (host, port) = DEFAULT_RPC;
        let address = HostPort { host: host.into(), port };
        match RpcPort::open(&address, None, self.tls.clone()).await {
            Ok(port) => {
                self.rpc_addr = address.to_string();
                self.rpc_port = Some(port);
            }
            Err(error) => {
                tracing::warn!(%address, %error, "no gRPC: say with --rpc-port and --bind-addr where else to listen");
            }
        }
    }

    async fn gossip(
        &mut self,
        config: &ClusterConfig,
        name: &str,
        meta: &DirectoryMeta,
    ) -> Result<(), StartError> {
        let bind = resolve(&config.bind).await?;
        let advertise = HostPort { host: config.advertised_host.clone(), port: bind.port() };
        let settings = GossipSettings {
            name: format!("{name}/{}", meta.directory_id),
            bind,
            advertise: Some(advertise.to_string()),
            start_join_addrs: config.start_join_addrs.clone(),
            key: config.gossip_key.clone(),
        };
        let handler = Arc::new(Finder(Arc::downgrade(&self.exchange)));
        let started = Gossip::start(settings, self.tags(meta), handler).await;
        self.gossip = Some(started.map_err(StartError::Gossip)?);
        Ok(())
    }

    /// Until it has a node id, the one that it asks for.
    fn tags(&self, meta: &DirectoryMeta) -> Tags {
        Tags {
            node_id: meta.identity.map(|identity| identity.node_id).or(self.wanted_id),
            directory_id: meta.directory_id,
            cluster_id: meta.identity.map(|identity| identity.cluster_id),
            rpc_addr: self.rpc_addr.clone(),
            version: env!("CARGO_PKG_VERSION").into(),
            may_form: self.may_form,
        }
    }

    /// Says from now on what this node has become, and takes down who was known already.
    pub(super) async fn belong(&self, meta: &DirectoryMeta) {
        self.exchange.peers().set_hello(hello(meta, self.start_id));
        let Some(gossip) = &self.gossip else { return };
        let finder = Finder(Arc::downgrade(&self.exchange));
        for (name, tags) in gossip.members() {
            finder.join(&name, &tags);
        }
        if let Err(error) = gossip.set_tags(self.tags(meta)).await {
            tracing::warn!(%error, "other nodes learn late what this one has become");
        }
    }

    /// Those that gossip hears.
    pub(super) fn members(&self) -> Vec<Tags> {
        let members = self.gossip.as_ref().map(Gossip::members).unwrap_or_default();
        members.into_iter().map(|(_, tags)| tags).collect()
    }

    /// Where this node's gossip is bound.
    pub(super) fn gossip_addr(&self) -> Option<SocketAddr> {
        self.gossip.as_ref().map(Gossip::local_addr)
    }

    pub(super) async fn close(self) {
        if let Some(gossip) = self.gossip {
            gossip.leave(GOODBYE_WITHIN).await;
        }
        if let Some(port) = self.rpc_port {
            port.close();
        }
        self.exchange.peers().close().await;
    }
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

async fn resolve(address: &HostPort) -> Result<SocketAddr, StartError> {
    let failed = |source| StartError::Listen { address: address.clone(), source };
    let found = tokio::net::lookup_host(address.to_bind()).await.map_err(failed)?.next();
    found.ok_or_else(|| failed(std::io::ErrorKind::NotFound.into()))
}
