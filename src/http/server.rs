//! The listener: accepts connections within limits, and ends them when the node stops.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream, ToSocketAddrs};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tracing::{debug, error, info, warn};

use super::caller::Caller;
use super::door::HttpDoor;
use super::routes;
use super::socket::Socket;

/// Connections at the same time; one beyond is closed at once.
const CONNECTIONS_MAX: usize = 1024;
/// How long a request's line and headers may take from the first byte on, and how long a connection may be idle.
const HEAD_WITHIN: Duration = Duration::from_secs(15);
/// Headers of one request, and the bytes that they and the request line may have together.
const HEADERS_MAX: usize = 64;
const HEAD_BYTES_MAX: usize = 32 * 1024;
/// How long accepting rests after it failed, as it does without free file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long requests may take to finish once the node stops.
const STOP_GRACE: Duration = Duration::from_secs(3);

/// A bound listener, and what it leads to.
#[derive(Debug)]
pub struct HttpServer {
    listener: TcpListener,
    door: HttpDoor,
}

impl HttpServer {
    /// Listens on `addr`, whose port may be 0, and says where. Clients wait until the server runs.
    ///
    /// # Errors
    /// If the address cannot be bound.
    pub async fn listen(addr: impl ToSocketAddrs) -> io::Result<(TcpListener, SocketAddr)> {
        let listener = TcpListener::bind(addr).await?;
        let bound = listener.local_addr()?;
        Ok((listener, bound))
    }

    pub fn new(listener: TcpListener, door: HttpDoor) -> Self {
        Self { listener, door }
    }

    /// Serves until `shutdown` is true or its sender is gone; then lets requests finish, for a bounded time.
    pub async fn run(self, mut shutdown: watch::Receiver<bool>) {
        let Self { listener, door } = self;
        let router = routes::router(door);
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((stream, peer)) => {
                        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
                            debug!(client = %peer, "{CONNECTIONS_MAX} HTTP connections are open already");
                            continue;
                        };
                        let served = serve(stream, peer, router.clone(), shutdown.clone());
                        connections.spawn(async move {
                            let _place = place;
                            served.await;
                        });
                    }
                    Err(error) => {
                        warn!(%error, "an HTTP connection was not accepted");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
                Some(ended) = connections.join_next() => note_panic(ended),
                () = stopped(&mut shutdown) => break,
            }
        }
        drop(listener);
        let finished = async { while connections.join_next().await.is_some() {} };
        if tokio::time::timeout(STOP_GRACE, finished).await.is_err() {
            info!(left = connections.len(), "closing HTTP connections whose requests did not finish in time");
            connections.shutdown().await;
        }
    }
}

async fn serve(stream: TcpStream, peer: SocketAddr, router: Router, mut shutdown: watch::Receiver<bool>) {
    let socket = match Socket::new(stream) {
        Ok(socket) => socket,
        Err(error) => return debug!(client = %peer, %error, "a connection was gone at once"),
    };
    let caller = Caller { peer };
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(caller.clone());
        let answered = router.call(request);
        async move { Ok::<_, Infallible>(answered.await.unwrap_or_else(|never| match never {})) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .max_headers(HEADERS_MAX)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(socket), service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stopped(&mut shutdown) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        debug!(client = %peer, %error, "an HTTP connection ended badly");
    }
}

/// Resolves once the node stops, or its agent is gone.
async fn stopped(shutdown: &mut watch::Receiver<bool>) {
    drop(shutdown.wait_for(|stop| *stop).await);
}

fn note_panic(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        error!(%error, "an HTTP connection's task panicked: a fault of Bateau");
    }
}
