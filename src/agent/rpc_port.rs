//! The RPC port: other nodes and gRPC clients come to the same one, and their first byte says which of them they are.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::port_tls::{Came, PortTls};
use crate::cluster::Exchange;
use crate::config::HostPort;
use crate::grpc::{Caller, Incoming};
use crate::peer::FIRST_BYTE;

/// With what HTTP/2 begins: `PRI * HTTP/2.0`.
const HTTP2: u8 = b'P';
/// With what TLS begins: a handshake.
const TLS: u8 = 0x16;
/// How long a connection may take to say what it is, and how many may be about to.
const SAID_WITHIN: Duration = Duration::from_secs(5);
const UNSAID_MAX: usize = 1024;
/// Clients that wait until the gRPC server takes them, as before the node is ready; more are turned away.
const WAITING_MAX: usize = 64;
/// Pause after a connection could not be accepted, say for want of files.
const ACCEPT_AGAIN_AFTER: Duration = Duration::from_millis(100);

/// A bound port. It does not end by being dropped: see [`RpcPort::close`].
#[derive(Debug)]
pub(super) struct RpcPort {
    pub(super) bound: SocketAddr,
    /// gRPC clients, until somebody takes it.
    pub(super) clients: Option<mpsc::Receiver<Incoming>>,
    accepting: JoinHandle<()>,
}

impl RpcPort {
    /// Listens on `address`. Other nodes are handed to `exchange`; if there is none, nobody can join this node.
    ///
    /// # Errors
    /// If the address cannot be bound.
    pub(super) async fn open(
        address: &HostPort,
        exchange: Option<Arc<Exchange>>,
        tls: PortTls,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(address.to_bind()).await?;
        let bound = listener.local_addr()?;
        let (tell, clients) = mpsc::channel(WAITING_MAX);
        let sorter = Sorter { exchange, tls, clients: tell, unsaid: Arc::new(Semaphore::new(UNSAID_MAX)) };
        let accepting = tokio::spawn(sorter.accept(listener));
        Ok(Self { bound, clients: Some(clients), accepting })
    }

    pub(super) fn close(self) {
        self.accepting.abort();
    }
}

#[derive(Clone)]
struct Sorter {
    exchange: Option<Arc<Exchange>>,
    tls: PortTls,
    clients: mpsc::Sender<Incoming>,
    unsaid: Arc<Semaphore>,
}

impl Sorter {
    async fn accept(self, listener: TcpListener) {
        loop {
            match listener.accept().await {
                Ok((stream, remote)) => {
                    let Ok(place) = Arc::clone(&self.unsaid).try_acquire_owned() else {
                        tracing::debug!(%remote, "too many connections have not said yet what they are");
                        continue;
                    };
                    let sorter = self.clone();
                    tokio::spawn(async move {
                        let first = timeout(SAID_WITHIN, first_byte(&stream)).await;
                        drop(place);
                        match first {
                            Ok(Ok(first)) => sorter.hand_over(stream, remote, first).await,
                            Ok(Err(error)) => {
                                tracing::debug!(%remote, %error, "a connection was gone at once");
                            }
                            Err(_) => tracing::debug!(%remote, "a connection did not say what it is"),
                        }
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection to the RPC port was not accepted");
                    tokio::time::sleep(ACCEPT_AGAIN_AFTER).await;
                }
            }
        }
    }

    async fn hand_over(self, stream: TcpStream, remote: SocketAddr, first: u8) {
        if first == TLS {
            return self.hand_over_secured(stream, remote).await;
        }
        if (first == FIRST_BYTE && self.tls.has_peers()) || (first == HTTP2 && self.tls.has_clients()) {
            return tracing::debug!(%remote, "it came in plain text, and TLS is spoken here");
        }
        match (first, self.exchange) {
            (FIRST_BYTE, Some(exchange)) => {
                let peers = exchange.peers().clone();
                peers.accept_tcp(stream, remote.to_string()).await;
            }
            (FIRST_BYTE, None) => tracing::debug!(%remote, "another node comes, but this one is alone"),
            (HTTP2, _) => match Incoming::plain(stream).map(|client| self.clients.try_send(client)) {
                Ok(Ok(())) => {}
                Ok(Err(_)) => tracing::debug!(%remote, "a gRPC client came while this node takes none"),
                Err(error) => tracing::debug!(%remote, %error, "a gRPC client was gone at once"),
            },
            (other, _) => tracing::debug!(%remote, first = other, "neither a node nor a gRPC client"),
        }
    }
}

impl Sorter {
    async fn hand_over_secured(self, stream: TcpStream, remote: SocketAddr) {
        let came = match self.tls.accept(stream).await {
            Ok(came) => came,
            Err(error) => return tracing::info!(%remote, %error, "no agreement on TLS at the RPC port"),
        };
        match (came, self.exchange) {
            (Came::Peer(stream), Some(exchange)) => {
                let peers = exchange.peers().clone();
                peers.accept(stream, remote.to_string()).await;
            }
            (Came::Peer(_), None) => tracing::debug!(%remote, "another node comes, but this one is alone"),
            (Came::Client(stream, principal), _) => {
                let client =
                    Incoming { stream: Box::new(stream), caller: Caller { peer: remote, principal } };
                if self.clients.try_send(client).is_err() {
                    tracing::debug!(%remote, "a gRPC client came while this node takes none");
                }
            }
        }
    }
}

/// The first byte, which stays to be read.
async fn first_byte(stream: &TcpStream) -> io::Result<u8> {
    let mut first = [0];
    match stream.peek(&mut first).await? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(first[0]),
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    async fn port() -> RpcPort {
        RpcPort::open(&HostPort { host: "127.0.0.1".into(), port: 0 }, None, PortTls::default())
            .await
            .unwrap()
    }

    #[tokio::test]
    async fn http2_is_handed_over_whole() {
        let mut port = port().await;
        let mut client = TcpStream::connect(port.bound).await.unwrap();
        client.write_all(b"PRI").await.unwrap();
        let mut taken = port.clients.as_mut().unwrap().recv().await.unwrap();
        assert_eq!(taken.caller.peer, client.local_addr().unwrap());
        let mut bytes = [0; 3];
        taken.stream.read_exact(&mut bytes).await.unwrap();
        assert_eq!(&bytes, b"PRI");
        port.close();
    }

    #[tokio::test]
    async fn what_is_neither_a_node_nor_a_client_is_hung_up_on() {
        let port = port().await;
        for first in [FIRST_BYTE, b'G', 0x16] {
            let mut client = TcpStream::connect(port.bound).await.unwrap();
            client.write_all(&[first]).await.unwrap();
            let mut rest = Vec::new();
            // Closed with the byte unread: the end may also come as a reset.
            drop(client.read_to_end(&mut rest).await);
            assert!(rest.is_empty());
        }
        port.close();
    }
}
