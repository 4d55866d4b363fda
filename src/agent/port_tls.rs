//! TLS of the RPC port: between nodes, which show each other certificates, and of gRPC clients.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::net::TcpStream;

use super::StartError;
use crate::access::{ANONYMOUS, Principal};
use crate::config::{Config, TlsFiles};
use crate::peer::{BoxedStream, Connect};
use crate::tls::{self, ClientAuth, ClientFiles, ClientTls, Duplex, Files, PeerCertificate, ServerTls};

/// What nodes name as their protocol (ALPN).
const PEERS: &[u8] = b"bateau-peer";
const HTTP2: &[u8] = b"h2";
/// How long the two sides may take to agree.
const AGREED_WITHIN: Duration = Duration::from_secs(10);

/// See the module. What is not configured goes in plain text, and then only so.
#[derive(Clone, Debug, Default)]
pub(super) struct PortTls {
    peers: Option<(Arc<ServerTls>, Arc<ClientTls>)>,
    clients: Option<Arc<ServerTls>>,
}

/// Who came by TLS.
pub(super) enum Came {
    Peer(BoxedStream),
    Client(Box<dyn Duplex>, Principal),
}

impl PortTls {
    pub(super) fn load(config: &Config) -> Result<Self, StartError> {
        let security = &config.security;
        let peers = security.peer_tls.as_ref().map(|files| {
            let TlsFiles { certificate, key, ca } = files.clone();
            let shown = Files { certificate: certificate.clone(), key: key.clone(), ca: ca.clone() };
            let server = ServerTls::load(shown, ClientAuth::Required, &[PEERS])?;
            let files = ClientFiles { ca, certificate: Some(certificate), key: Some(key) };
            Ok((Arc::new(server), Arc::new(ClientTls::load(files, true, &[PEERS])?)))
        });
        let clients = security.server_tls.as_ref().map(|files| {
            let TlsFiles { certificate, key, ca } = files.clone();
            let asked = match &*config.settings.security.client_auth {
                "required" => ClientAuth::Required,
                "requested" => ClientAuth::Requested,
                _ => ClientAuth::None,
            };
            ServerTls::load(Files { certificate, key, ca }, asked, &[HTTP2]).map(Arc::new)
        });
        Ok(Self {
            peers: peers.transpose().map_err(StartError::Tls)?,
            clients: clients.transpose().map_err(StartError::Tls)?,
        })
    }

    /// Whether nodes speak only TLS.
    pub(super) fn has_peers(&self) -> bool {
        self.peers.is_some()
    }

    /// Whether gRPC clients speak only TLS.
    pub(super) fn has_clients(&self) -> bool {
        self.clients.is_some()
    }

    /// How this node reaches others; `None`: in plain text.
    pub(super) fn connect(&self) -> Option<Arc<dyn Connect>> {
        let (_, tls) = self.peers.as_ref()?;
        Some(Arc::new(TlsConnect(Arc::clone(tls))))
    }

    /// Those whose files may change.
    pub(super) fn certificates(&self) -> (Vec<Arc<ServerTls>>, Vec<Arc<ClientTls>>) {
        let peers = self.peers.as_ref();
        let servers = peers.map(|(server, _)| server).into_iter().chain(&self.clients).cloned().collect();
        (servers, peers.map(|(_, client)| Arc::clone(client)).into_iter().collect())
    }

    /// Agrees on TLS with whoever came.
    ///
    /// # Errors
    /// If they come to no agreement in time.
    pub(super) async fn accept(&self, stream: TcpStream) -> io::Result<Came> {
        stream.set_nodelay(true)?;
        let peers = self.peers.as_ref().map(|(server, _)| &**server);
        let choices: Vec<&ServerTls> = peers.into_iter().chain(self.clients.as_deref()).collect();
        let accepted = tokio::time::timeout(AGREED_WITHIN, tls::accept(stream, &choices)).await;
        let accepted = accepted.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        if accepted.choice == 0 && peers.is_some() {
            return Ok(Came::Peer(Box::new(accepted.stream)));
        }
        // The book's name of a client.
        let name = accepted.certificate.as_ref().and_then(PeerCertificate::common_name);
        Ok(Came::Client(accepted.stream, name.map_or_else(|| ANONYMOUS.clone(), Principal::user)))
    }
}

/// TCP and TLS over it, without Nagle's wait.
struct TlsConnect(Arc<ClientTls>);

impl Connect for TlsConnect {
    fn connect(&self, address: String) -> BoxFuture<'static, io::Result<BoxedStream>> {
        let tls = Arc::clone(&self.0);
        async move {
            let host = address.rsplit_once(':').map_or(&*address, |(host, _)| host);
            let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            Ok(Box::new(tls.connect(stream, &host).await?) as BoxedStream)
        }
        .boxed()
    }
}
