//! One client's connection: one task that reads frames, begins requests and writes answers in request order.
//!
//! A request is handled after its predecessor is answered, except that consecutive pipelined ones (Produce) begin one
//! after the other and are answered as they complete, in order. Nothing is spawned per request.
//! Not here: what requests do (`handlers`), who may connect (`server.rs`).

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::FutureExt;
use tokio::time::Instant;
use tracing::{debug, warn};

use super::api::{Api, Begun, BoxFuture, Order, Reply, RequestError};
use super::context::Context;
use super::handlers::{self, APIS};
use super::memory::{Charge, RequestMemory};
use super::socket::Socket;
use crate::storage::{Run, StorageError};
use crate::wire::ApiKey;
use crate::wire::frame::{FrameBuffer, FrameError};
use crate::wire::header::RequestHeader;
use crate::wire::response::{Chunk, EncodeError, Lent};

/// Pipelined requests of one connection that may be on their way.
const IN_FLIGHT_MAX: usize = 64;
/// Bytes of small answers that are gathered before they are written.
const GATHER_MAX: usize = 64 * 1024;
/// Lent records up to this size are copied into the gathered bytes: one `send` beats `send` and `sendfile`.
const COPY_MAX: usize = 8 * 1024;
/// What a client may send ahead while a long poll waits.
const AHEAD_MAX: usize = 64 * 1024;

/// How long a connection keeps its buffers while nothing happens.
const QUIET_AFTER: Duration = Duration::from_secs(1);
/// Stands for no limit on idle connections.
const FOR_EVER: Duration = Duration::from_hours(24 * 365);

type Pending = (BoxFuture<'static, Result<Reply, EncodeError>>, Charge);

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error("the client closed the connection")]
    Peer,
    #[error("idle for {0:?}")]
    Idle(Duration),
    #[error("the server stops")]
    Shutdown,
    #[error("the client does not read its answers")]
    Stalled,
    #[error("an unacknowledged produce failed")]
    Unanswerable,
    #[error("the socket failed")]
    Socket(#[source] io::Error),
    #[error("lent records could not be read")]
    Records(#[from] StorageError),
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error(transparent)]
    Request(#[from] RequestError),
}

impl From<io::Error> for Ended {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::TimedOut => Self::Stalled,
            io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => Self::Peer,
            _ => Self::Socket(error),
        }
    }
}

/// Bytes that have come in, and what they hold of the shared budget.
#[derive(Debug)]
struct Inbox {
    frames: FrameBuffer,
    charge: Charge,
    memory: Arc<RequestMemory>,
}

impl Inbox {
    /// Reads once what is there. 0: the peer has closed. Cancel safe.
    async fn fill(&mut self, socket: &Socket) -> io::Result<usize> {
        if self.frames.is_empty() {
            socket.readable().await?; // an idle connection holds nothing
        }
        let wanted = self.frames.room_wanted();
        self.charge.grow_to(self.frames.len() + wanted, &self.memory).await;
        loop {
            socket.readable().await?;
            if let Some(read) = socket.try_read(self.frames.space(wanted))? {
                return Ok(read);
            }
        }
    }

    fn next(&mut self) -> Result<Option<(Bytes, Charge)>, FrameError> {
        let frame = self.frames.next_frame()?;
        Ok(frame.map(|frame| {
            let charge = self.charge.split(frame.len());
            (frame, charge)
        }))
    }

    /// Lets go of what a quiet connection does not need.
    fn rest(&mut self) {
        self.frames.release();
        if self.frames.is_empty() {
            self.charge.release();
        }
    }
}

#[derive(Debug)]
pub(super) struct Connection {
    socket: Socket,
    inbox: Inbox,
    context: Context,
    /// How long a connection without requests is kept.
    idle_max: Duration,
    /// Answers ready to be written.
    gathered: BytesMut,
}

impl Connection {
    pub(super) fn new(
        socket: Socket,
        context: Context,
        memory: Arc<RequestMemory>,
        limits: &super::Limits,
    ) -> Self {
        let frames = FrameBuffer::new(limits.request_bytes_max);
        let inbox = Inbox { frames, charge: Charge::default(), memory };
        Self {
            socket,
            inbox,
            context,
            idle_max: limits.idle_max.unwrap_or(FOR_EVER),
            gathered: BytesMut::new(),
        }
    }

    /// Serves the client until it goes, misbehaves or `stop` resolves.
    pub(super) async fn run(mut self, stop: impl Future<Output = ()> + Send) {
        let mut pending = VecDeque::new();
        let ended = match self.serve(&mut pending, stop).await {
            Err(ended) => ended,
            Ok(()) => Ended::Peer,
        };
        drop(pending);
        self.report(&ended);
    }

    /// `Ok` once the client has closed and everything that it sent is answered.
    async fn serve(
        &mut self,
        pending: &mut VecDeque<Pending>,
        stop: impl Future<Output = ()> + Send,
    ) -> Result<(), Ended> {
        let mut stop = std::pin::pin!(stop.fuse());
        let mut idle = std::pin::pin!(tokio::time::sleep(QUIET_AFTER.min(self.idle_max)));
        let mut last_active = Instant::now();
        let (mut open, mut stopping) = (true, false);
        loop {
            while !stopping && pending.len() < IN_FLIGHT_MAX {
                let Some((frame, charge)) = self.inbox.next()? else { break };
                self.begin(frame, charge, pending, stop.as_mut()).await?;
                last_active = Instant::now();
            }
            self.gather_ready(pending).await?;
            self.flush(false).await?;
            if pending.is_empty() && stopping {
                return Err(Ended::Shutdown);
            }
            if pending.is_empty() && !open {
                return Ok(());
            }
            let may_read = open && !stopping && pending.len() < IN_FLIGHT_MAX;
            tokio::select! {
                reply = front(pending), if !pending.is_empty() => {
                    pending.pop_front();
                    self.gather(reply.map_err(RequestError::from)?).await?;
                    last_active = Instant::now();
                }
                read = self.inbox.fill(&self.socket), if may_read => {
                    open = read? > 0;
                    last_active = Instant::now();
                }
                () = &mut idle, if pending.is_empty() => idle.as_mut().reset(self.quiet(last_active)?),
                () = &mut stop, if !stopping => stopping = true,
            }
        }
    }

    /// What a connection does while nothing happens, and when it next has something to do.
    fn quiet(&mut self, last_active: Instant) -> Result<Instant, Ended> {
        let quiet_for = last_active.elapsed();
        if quiet_for >= self.idle_max {
            return Err(Ended::Idle(self.idle_max));
        }
        if quiet_for < QUIET_AFTER {
            return Ok(last_active + QUIET_AFTER.min(self.idle_max));
        }
        self.inbox.rest();
        self.gathered = BytesMut::new();
        Ok(last_active + self.idle_max)
    }

    /// Begins one request; unless it is pipelined, also answers it.
    async fn begin(
        &mut self,
        mut frame: Bytes,
        charge: Charge,
        pending: &mut VecDeque<Pending>,
        stop: std::pin::Pin<&mut (impl Future<Output = ()> + Send)>,
    ) -> Result<(), Ended> {
        self.context.request = RequestHeader::take(&mut frame).map_err(RequestError::from)?;
        let api = match Api::serving(APIS, &self.context.request) {
            Ok(api) => api,
            Err(error) if self.context.request.api == ApiKey::ApiVersions => {
                debug!(%error, "answering ApiVersions of an unknown version");
                self.settle(pending).await?;
                let reply = handlers::unsupported_api_versions(self.context.request.correlation_id);
                return self.gather(reply.map_err(RequestError::from)?).await;
            }
            Err(error) => return Err(error.into()),
        };
        if api.order != Order::Pipelined {
            self.settle(pending).await?;
        }
        let begun = if api.order == Order::Waiting {
            self.flush(false).await?;
            self.wait(api, frame, stop).await?
        } else {
            (api.begin)(&self.context, frame).await?
        };
        match begun {
            Begun::Done(reply) => self.gather(reply).await,
            Begun::Later(reply) => {
                pending.push_back((reply, charge));
                Ok(())
            }
        }
    }

    /// A request that may wait: it ends early if the client goes or the server stops.
    async fn wait(
        &mut self,
        api: &Api,
        frame: Bytes,
        mut stop: std::pin::Pin<&mut (impl Future<Output = ()> + Send)>,
    ) -> Result<Begun, Ended> {
        let Self { socket, inbox, context, .. } = self;
        let mut begun = (api.begin)(context, frame);
        loop {
            let watch = !inbox.frames.has_frame() && inbox.frames.len() < AHEAD_MAX;
            tokio::select! {
                biased;
                done = &mut begun => return Ok(done?),
                read = inbox.fill(socket), if watch => if read? == 0 {
                    return Err(Ended::Peer);
                },
                () = &mut stop => return Err(Ended::Shutdown),
            }
        }
    }

    /// Waits for and gathers the answers of everything that has begun.
    async fn settle(&mut self, pending: &mut VecDeque<Pending>) -> Result<(), Ended> {
        while let Some((reply, _charge)) = pending.front_mut() {
            let reply = if let Some(reply) = reply.now_or_never() {
                reply
            } else {
                self.flush(false).await?;
                front(pending).await
            };
            pending.pop_front();
            self.gather(reply.map_err(RequestError::from)?).await?;
        }
        Ok(())
    }

    /// Gathers the answers that are there, in order.
    async fn gather_ready(&mut self, pending: &mut VecDeque<Pending>) -> Result<(), Ended> {
        while let Some((reply, _charge)) = pending.front_mut() {
            let Some(reply) = reply.now_or_never() else { break };
            pending.pop_front();
            self.gather(reply.map_err(RequestError::from)?).await?;
        }
        Ok(())
    }

    /// Puts an answer behind those before it; writes if enough has gathered, or records are lent.
    async fn gather(&mut self, reply: Reply) -> Result<(), Ended> {
        let frame = match reply {
            Reply::Frame(frame) => frame,
            Reply::Silent => return Ok(()),
            Reply::Close => {
                self.flush(false).await?;
                return Err(Ended::Unanswerable);
            }
        };
        let (head, tail) = frame.into_parts();
        if self.gathered.is_empty() {
            self.gathered = head;
        } else {
            self.gathered.extend_from_slice(&head);
        }
        let mut tail = tail.into_iter().peekable();
        while let Some(chunk) = tail.next() {
            let more = tail.peek().is_some();
            match chunk {
                Chunk::Bytes(bytes) => self.gathered.extend_from_slice(&bytes),
                Chunk::Lent(run) if run.size() <= COPY_MAX => self.gathered.extend_from_slice(&run.copy()?),
                Chunk::Lent(run) => {
                    self.flush(true).await?;
                    self.lend(&run, more).await?;
                }
            }
            if more && self.gathered.len() >= GATHER_MAX {
                self.flush(true).await?;
            }
        }
        if self.gathered.len() >= GATHER_MAX { self.flush(false).await } else { Ok(()) }
    }

    /// Sends records from their file, or a copy if they have none.
    async fn lend(&self, run: &Run, more: bool) -> Result<(), Ended> {
        let Some((file, position, length)) = run.fd_range() else {
            return Ok(self.socket.write_all(&run.copy()?, more).await?);
        };
        Ok(self.socket.send_file(file, position, length).await?)
    }

    /// Writes what has gathered; with `more`, something follows at once.
    async fn flush(&mut self, more: bool) -> Result<(), Ended> {
        if self.gathered.is_empty() {
            return Ok(());
        }
        let bytes = std::mem::take(&mut self.gathered);
        Ok(self.socket.write_all(&bytes, more).await?)
    }

    /// One line where the connection's story ends: a warning if the client, or we, broke the protocol.
    fn report(&self, ended: &Ended) {
        let Context { peer, request, .. } = &self.context;
        let client_id = request.client_id.as_deref().unwrap_or_default();
        let software = self.context.software_text();
        match ended {
            Ended::Peer | Ended::Idle(_) | Ended::Shutdown | Ended::Unanswerable | Ended::Socket(_) => {
                debug!(client = %peer, client_id, reason = %ended, "connection closed");
            }
            Ended::Frame(_) | Ended::Request(RequestError::Header(_)) => {
                warn!(client = %peer, client_id, software, reason = %ended, "connection closed: not a Kafka request");
            }
            Ended::Stalled | Ended::Records(_) | Ended::Request(_) => {
                let source = std::error::Error::source(ended).map(ToString::to_string).unwrap_or_default();
                warn!(
                    client = %peer, client_id, software, api = ?request.api, version = request.version,
                    correlation_id = request.correlation_id, reason = %ended, source, "connection closed"
                );
            }
        }
    }
}

async fn front(pending: &mut VecDeque<Pending>) -> Result<Reply, EncodeError> {
    match pending.front_mut() {
        Some((reply, _charge)) => reply.await,
        None => std::future::pending().await,
    }
}
