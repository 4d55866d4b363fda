//! The HTTP/2 server: takes connections within limits, serves calls, and ends them when the node stops.
//!
//! Not here: who listens on the port and sorts what comes (the agent).

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use futures_util::Stream;
use futures_util::stream::unfold;
use tokio::sync::{mpsc, watch};
use tonic::codec::CompressionEncoding::{Gzip, Zstd};
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Server;
use tonic_reflection::server::Builder;

use super::admin::AdminService;
use super::admission::Door;
use super::answer::packed_as_asked;
use super::connection::{Connection, Incoming};
use super::health::Health;
use super::log::LogService;
use crate::broker::Broker;
use crate::proto::DESCRIPTORS;
use crate::proto::admin::admin_server::AdminServer;
use crate::proto::log::log_server::LogServer;

/// Calls that one connection may have at the same time.
const STREAMS_MAX: u32 = 128;
/// The longest request, unpacked.
const REQUEST_BYTES_MAX: usize = 4 << 20;
/// Bytes that a client may send ahead, of one call and of all of a connection.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 4 << 20;
/// How often a quiet client is asked whether it is there, and how long it may take to say so.
const ASKED_EVERY: Duration = Duration::from_secs(30);
const ANSWERS_WITHIN: Duration = Duration::from_secs(20);
/// The longest list of headers that is read.
const HEADERS_MAX: u32 = 16 << 10;
/// Calls that a client may begin and cancel before it is taken for an attacker.
const RESET_MAX: usize = 64;
/// How long calls may take to finish once the node stops; then connections are cut, which is quick.
const STOP_GRACE: Duration = Duration::from_secs(3);
const CUT_GRACE: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Debug)]
pub struct GrpcServer {
    broker: Broker,
    incoming: mpsc::Receiver<Incoming>,
    health: Health,
}

impl GrpcServer {
    /// Serves what comes through `incoming`.
    pub fn new(broker: Broker, incoming: mpsc::Receiver<Incoming>, health: Health) -> Self {
        Self { broker, incoming, health }
    }

    /// Serves until `shutdown` is true or its sender is gone; then lets calls finish, for a bounded time.
    pub async fn run(self, shutdown: watch::Receiver<bool>) {
        let Self { broker, incoming, mut health } = self;
        let (cut, is_cut) = watch::channel(false);
        let log = LogServer::new(LogService::new(broker.clone(), shutdown.clone()))
            .accept_compressed(Gzip)
            .accept_compressed(Zstd)
            .send_compressed(Gzip)
            .send_compressed(Zstd)
            .max_decoding_message_size(REQUEST_BYTES_MAX);
        let admin = AdminServer::new(AdminService::new(broker.clone()))
            .accept_compressed(Gzip)
            .accept_compressed(Zstd)
            .send_compressed(Gzip)
            .send_compressed(Zstd)
            .max_decoding_message_size(REQUEST_BYTES_MAX);
        let (Ok(reflection), Ok(older)) = (described().build_v1(), described().build_v1alpha()) else {
            unreachable!("descriptors that were compiled in")
        };
        let (mut told, mut stop) = (shutdown.clone(), shutdown);
        let serving = Server::builder()
            .max_concurrent_streams(STREAMS_MAX)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .http2_keepalive_interval(Some(ASKED_EVERY))
            .http2_keepalive_timeout(Some(ANSWERS_WITHIN))
            .http2_max_header_list_size(HEADERS_MAX)
            .http2_max_pending_accept_reset_streams(Some(RESET_MAX))
            .add_service(InterceptedService::new(log, packed_as_asked))
            .add_service(InterceptedService::new(admin, packed_as_asked))
            .add_service(health.service())
            .add_service(reflection)
            .add_service(older)
            .serve_with_incoming_shutdown(admitted(broker, incoming, is_cut), async move {
                stopped(&mut told).await;
            });
        let mut serving = std::pin::pin!(serving);
        let ended = tokio::select! {
            ended = &mut serving => Some(ended),
            () = async {
                stopped(&mut stop).await;
                health.end().await;
                tokio::time::sleep(STOP_GRACE).await;
            } => None,
        };
        let ended = if let Some(ended) = ended {
            Ok(ended)
        } else {
            tracing::info!("cutting gRPC connections whose calls did not finish in time");
            cut.send_replace(true);
            tokio::time::timeout(CUT_GRACE, serving).await
        };
        if let Ok(Err(error)) = ended {
            tracing::error!(%error, "the gRPC server ended");
        }
    }
}

fn described() -> Builder<'static> {
    Builder::configure()
        .register_encoded_file_descriptor_set(DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
}

/// The connections that may come in.
fn admitted(
    broker: Broker,
    incoming: mpsc::Receiver<Incoming>,
    is_cut: watch::Receiver<bool>,
) -> impl Stream<Item = Result<Connection, Infallible>> {
    let door = Arc::<Door>::default();
    unfold((incoming, door), move |(mut incoming, door)| {
        let (broker, is_cut) = (broker.clone(), is_cut.clone());
        async move {
            loop {
                let next = incoming.recv().await?;
                let peer = next.caller.peer;
                match door.enter(peer.ip(), &broker.settings()) {
                    Ok(place) => {
                        let connection = Connection::new(next, place, is_cut);
                        return Some((Ok(connection), (incoming, door)));
                    }
                    Err(limit) => tracing::debug!(%peer, limit, "a gRPC client is above a limit"),
                }
            }
        }
    })
}

/// Resolves once the node stops, or its agent is gone.
pub(super) async fn stopped(shutdown: &mut watch::Receiver<bool>) {
    drop(shutdown.wait_for(|stop| *stop).await);
}
